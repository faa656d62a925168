"""A row of a table of the lexicon: one meaning, and in each language the words for it.

Words of one cell are separated by ``|``. ``~`` behind a word says that it is too general, or means too much else,
to say what a text is about: it leads a searcher to the meaning, and no text.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from federation.records.kinds import LANGUAGES

COLUMNS: Final = ("id", *LANGUAGES)
SEVERAL: Final = "|"
"""Between several words of a cell."""
_GENERAL: Final = "~"


@dataclass(frozen=True, slots=True)
class Entry:
    """A word or phrase for a meaning; ``general`` ones are only believed in queries."""

    text: str
    general: bool


def entries_of(cell: str) -> tuple[Entry, ...]:
    """The words of a cell, the usual one first."""
    texts = (each.strip() for each in cell.split(SEVERAL))
    return tuple(Entry(text.rstrip(_GENERAL).strip(), text.endswith(_GENERAL)) for text in texts if text.strip("~ "))
