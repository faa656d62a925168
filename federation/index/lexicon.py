"""The lexicon: words that mean the same in the languages of the federation, beyond the code lists.

A row of a table in ``vocab/lexicon/`` is one meaning (``records.lexical``). Search treats it as a concept that
nobody tags: words lead to it and from it, never to each other.

Beside the tables lie what only queries are read by: ``learned.csv``, which ``federation.index.learning`` writes,
``refused.csv``, with what words do not mean, ``broader.csv``, with what the things of the lexicon are kinds of, and in
``hidden/`` a table a language of what people type besides.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NamedTuple

from federation.errors import Misconfigured
from federation.index.languages import stem
from federation.records.kinds import LANGUAGES
from federation.records.lexical import COLUMNS, Entry, entries_of

FOLDER: Final = "lexicon"
BASE: Final = "https://w3id.org/procirc/lexicon/"
_ROOT: Final = "https://w3id.org/procirc/"
"""What is left out of the addresses of concepts in the tables that only queries are read by."""
_LEARNED: Final = "learned.csv"
_REFUSED: Final = "refused.csv"
_BROADER: Final = "broader.csv"
_HIDDEN: Final = "hidden"
_TEXTS: Final = ("concept", "texts")
_NAME: Final = re.compile(r"[\w-]+")


@dataclass(frozen=True, slots=True)
class Meaning:
    """A row: its IRI, and its entries by language, the usual one first."""

    iri: str
    entries: Mapping[str, tuple[Entry, ...]]

    @property
    def labels(self) -> dict[str, str]:
        """The usual word in each language."""
        return {language: some[0].text for language, some in self.entries.items()}


class Association(NamedTuple):
    """A word of a language, a concept that it means, and how probably."""

    language: str
    word: str
    concept: str
    probability: float


def lexicon_files(folder: Path) -> list[Path]:
    """The tables of a vocabulary's lexicon by which records are indexed, in a fixed order."""
    others = (_LEARNED, _REFUSED, _BROADER)
    return [path for path in sorted((folder / FOLDER).glob("*.csv")) if path.name not in others]


def query_files(folder: Path) -> list[Path]:
    """The tables that only queries are read by, as far as there are any."""
    singles = (folder / FOLDER / name for name in (_LEARNED, _REFUSED, _BROADER))
    return [path for path in (*singles, *_hidden_files(folder).values()) if path.exists()]


def indexed_by(folder: Path) -> list[Path]:
    """Every table that says how records are indexed: those of the lexicon, and of what words do not mean."""
    return [*lexicon_files(folder), *(path for path in (folder / FOLDER / _REFUSED,) if path.exists())]


def load_lexicon(folder: Path) -> list[Meaning]:
    """Every meaning of a vocabulary's lexicon. Raises Misconfigured naming file and line."""
    return [meaning for path in lexicon_files(folder) for meaning in _read(path)]


def _read(path: Path) -> Iterator[Meaning]:
    if not _NAME.fullmatch(path.stem):
        raise Misconfigured(f"{path.name}: the name of a table of the lexicon has letters, digits and hyphens only.")
    seen: set[str] = set()
    for place, (name, *cells) in _table(path, COLUMNS):
        if not _NAME.fullmatch(name) or len(cells) != len(LANGUAGES):
            raise Misconfigured(f"{place}: a row has {len(COLUMNS)} columns, and an id of letters, digits and hyphens.")
        if name in seen:
            raise Misconfigured(f"{place}: {name!r} occurs twice.")
        seen.add(name)
        entries = {tag: entries_of(cell) for tag, cell in zip(LANGUAGES, cells, strict=True)}
        yield Meaning(f"{BASE}{path.stem}/{name}", {tag: some for tag, some in entries.items() if some})


def _table(path: Path, columns: Sequence[str]) -> Iterator[tuple[str, list[str]]]:
    """Place and cells of each row of a table with certain columns. Raises Misconfigured naming file and line."""
    line = 0
    with path.open(encoding="utf-8-sig", newline="") as file:
        table = csv.reader(file, strict=True)
        try:
            if next(table, None) != list(columns):
                raise Misconfigured(f"{path.name}, line 1: the columns must be {', '.join(columns)}.")
            line = 1
            for row in filter(None, table):
                line = table.line_num
                yield f"{path.name}, line {line}", row
        except UnicodeDecodeError as error:
            raise Misconfigured(f"{path.name}: the table is not saved as UTF-8.") from error
        except csv.Error as error:
            # An open quote runs to the end of the file: what counts is where its row began.
            raise Misconfigured(f"{path.name}, line {line + 1}: {error}.") from error


# What people type


def load_hidden(folder: Path) -> list[tuple[str, str, str]]:
    """Language, concept and hidden labels, SEVERAL between them. Raises Misconfigured naming file and line."""
    return [
        (language, _address(concept), texts)
        for language, path in _hidden_files(folder).items()
        for _, (concept, texts) in _rows(path, _TEXTS)
    ]


def _hidden_files(folder: Path) -> dict[str, Path]:
    """The tables of hidden labels by language, whether they are there or not."""
    return {language: folder / FOLDER / _HIDDEN / f"{language}.csv" for language in LANGUAGES}


def load_broader(folder: Path) -> dict[str, tuple[str, ...]]:
    """What the concepts of the lexicon are a kind of, by address. Raises Misconfigured naming file and line."""
    found: dict[str, tuple[str, ...]] = {}
    for _, row in _rows(folder / FOLDER / _BROADER, ("concept", "broader")):
        concept, broader = map(_address, row)
        found[concept] = (*found.get(concept, ()), broader)
    return found


# Single words


def learned_path(folder: Path) -> Path:
    """Where a vocabulary's learned associations are kept."""
    return folder / FOLDER / _LEARNED


def load_learned(folder: Path) -> list[Association]:
    """The learned associations of a vocabulary, as they are written. Raises Misconfigured naming file and line."""
    found = []
    for place, (language, word, concept, probability) in _rows(learned_path(folder), Association._fields):
        try:
            likely = float(probability)
        except ValueError:
            likely = 0.0
        if not 0 < likely <= 1:
            raise Misconfigured(f"{place}: a probability is a number above 0, and 1 at most.")
        found.append(Association(language, word, _address(concept), likely))
    return found


def load_refused(folder: Path) -> frozenset[tuple[str, str, str]]:
    """Language, word in small letters and concept of what a word does not mean, in a text or a lesson to learn from.

    Raises Misconfigured naming file and line.
    """
    rows = _rows(folder / FOLDER / _REFUSED, Association._fields[:3])
    return frozenset((language, word.lower(), _address(concept)) for _, (language, word, concept) in rows)


def stemmed(refused: Iterable[tuple[str, str, str]]) -> frozenset[tuple[str, str, str]]:
    """The same with stems in the place of words: what was learned is refused in every form of a word."""
    return frozenset((language, stem(word, language), concept) for language, word, concept in refused)


def learned_csv(associations: Iterable[Association]) -> bytes:
    """The table of learned associations as it is kept."""
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(Association._fields)
    for language, word, concept, probability in associations:
        table.writerow([language, word, concept.removeprefix(_ROOT), f"{probability:.2f}"])
    return text.getvalue().encode()


def learned_meanings(
    folder: Path, concepts: Container[str], names: Callable[[tuple[str, ...], str], Sequence[str]]
) -> Mapping[tuple[str, str], tuple[tuple[str, float], ...]]:
    """By language and stem: the concepts that words were learned to mean, and how probably.

    What somebody wrote is believed before what was learned: a word is passed over where it names a concept now
    (``names``), and a meaning that was refused or is none of the ``concepts`` any more.
    """
    refused = stemmed(load_refused(folder))
    found: dict[tuple[str, str], tuple[tuple[str, float], ...]] = {}
    for language, word, concept, probability in load_learned(folder):
        form = stem(word, language)
        if concept in concepts and not names((form,), language) and (language, form, concept) not in refused:
            found[language, form] = (*found.get((language, form), ()), (concept, probability))
    return found


def _address(concept: str) -> str:
    return concept if "://" in concept else _ROOT + concept


def _rows(path: Path, columns: Sequence[str]) -> Iterator[tuple[str, list[str]]]:
    """Place and cells of each row of a table that need not be there. Raises Misconfigured."""
    for place, row in _table(path, columns) if path.exists() else ():
        cells = [each.strip() for each in row]
        spoken = columns[0] != "language" or cells[0] in LANGUAGES
        if len(cells) != len(columns) or not all(cells) or not spoken:
            tags = f", with one of {', '.join(LANGUAGES)} for the language" if columns[0] == "language" else ""
            raise Misconfigured(f"{place}: a row has {', '.join(columns)}{tags}.")
        yield place, cells
