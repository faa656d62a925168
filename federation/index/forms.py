"""What is known of words: the forms under which they are indexed, and the concepts that they name."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, NamedTuple

PART: Final = "~"
"""What stands before the stem of a part, in the index."""


@dataclass(frozen=True, slots=True)
class Spotted:
    """Words ``first`` ≤ i < ``last`` of a text, and the concepts they name; ``part`` where only a part of one does."""

    first: int
    last: int
    concepts: tuple[str, ...]
    part: bool = False


class Form(NamedTuple):
    """What is known of a word of a language: its forms, and the concepts that it names by itself or by its parts."""

    folded: str
    stem: str
    parts: tuple[str, ...]
    named: tuple[str, ...]
    reach: int
    """Words of the longest name of a concept that begins with it."""
    told: str
    """What is indexed of it besides its folded form: its stem, or nothing for a stop word."""
    inside: str
    """Its parts as they are indexed, each behind PART."""
