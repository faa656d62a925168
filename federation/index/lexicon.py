"""The lexicon: words that mean the same in the languages of the federation, beyond the code lists.

A row of a table in ``vocab/lexicon/`` is one meaning, a cell the words and phrases for it in one language,
separated by ``|``. Search treats a meaning as a concept that nobody tags: words lead to it and from it, never
to each other. ``~`` behind a word says that it is too general, or means too much else, to say what a text is
about: it then leads a query to the meaning, and no text.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from federation.errors import Misconfigured
from federation.records.kinds import LANGUAGES

FOLDER: Final = "lexicon"
BASE: Final = "https://w3id.org/procirc/lexicon/"
_GENERAL: Final = "~"
_COLUMNS: Final = ["id", *LANGUAGES]
_NAME: Final = re.compile(r"[\w-]+")


@dataclass(frozen=True, slots=True)
class Entry:
    """A word or phrase for a meaning; ``general`` ones are only believed in queries."""

    text: str
    general: bool


@dataclass(frozen=True, slots=True)
class Meaning:
    """A row: its IRI, and its entries by language, the usual one first."""

    iri: str
    entries: Mapping[str, tuple[Entry, ...]]

    @property
    def labels(self) -> dict[str, str]:
        """The usual word in each language."""
        return {language: some[0].text for language, some in self.entries.items()}


def lexicon_files(folder: Path) -> list[Path]:
    """The tables of a vocabulary's lexicon, in a fixed order."""
    return sorted((folder / FOLDER).glob("*.csv"))


def load_lexicon(folder: Path) -> list[Meaning]:
    """Every meaning of a vocabulary's lexicon. Raises Misconfigured naming file and line."""
    return [meaning for path in lexicon_files(folder) for meaning in _read(path)]


def _read(path: Path) -> Iterator[Meaning]:
    if not _NAME.fullmatch(path.stem):
        raise Misconfigured(f"{path.name}: the name of a table of the lexicon has letters, digits and hyphens only.")
    seen: set[str] = set()
    line = 0
    with path.open(encoding="utf-8-sig", newline="") as file:
        table = csv.reader(file, strict=True)
        try:
            if next(table, None) != _COLUMNS:
                raise Misconfigured(f"{path.name}, line 1: the columns must be {', '.join(_COLUMNS)}.")
            line = 1
            for name, *cells in filter(None, table):
                line = table.line_num
                place = f"{path.name}, line {line}"
                if not _NAME.fullmatch(name) or len(cells) != len(LANGUAGES):
                    raise Misconfigured(
                        f"{place}: a row has {len(_COLUMNS)} columns, and an id of letters, digits and hyphens."
                    )
                if name in seen:
                    raise Misconfigured(f"{place}: {name!r} occurs twice.")
                seen.add(name)
                entries = {tag: _entries(cell) for tag, cell in zip(LANGUAGES, cells, strict=True)}
                yield Meaning(f"{BASE}{path.stem}/{name}", {tag: some for tag, some in entries.items() if some})
        except UnicodeDecodeError as error:
            raise Misconfigured(f"{path.name}: the table is not saved as UTF-8.") from error
        except csv.Error as error:
            # An open quote runs to the end of the file: what counts is where its row began.
            raise Misconfigured(f"{path.name}, line {line + 1}: {error}.") from error


def _entries(cell: str) -> tuple[Entry, ...]:
    texts = (each.strip() for each in cell.split("|"))
    return tuple(Entry(text.rstrip(_GENERAL).strip(), text.endswith(_GENERAL)) for text in texts if text.strip("~ "))
