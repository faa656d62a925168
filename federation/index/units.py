"""What a query is made of once it is understood: words and phrases, and the concepts that they name."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, TypeAlias

from federation.index.glossary import Way

How: TypeAlias = Literal["named", "learned", "like", "broader"]


@dataclass(frozen=True, slots=True)
class QueryWord:
    """One word of a query: its forms, and words of the records that look like it."""

    surface: str
    folded: frozenset[str]
    stems: frozenset[str]
    """In the searcher's language."""
    near: tuple[tuple[str, float], ...] = ()
    """Words that look like it, and how much."""
    common: frozenset[str] = frozenset()
    """Those of its forms that hold others together in some language (*van*, *by*): not looked for in its texts."""

    @property
    def anywhere(self) -> frozenset[str]:
        """The forms that are looked for in texts of every language."""
        return self.folded - self.common


@dataclass(frozen=True, slots=True)
class Linked:
    """A concept that words of a query name, and how surely (0 to 1)."""

    concept: str
    weight: float
    how: How = "named"
    """``learned`` where nothing but the parallel texts says so, ``like`` where a name of it only looks like what was
    typed, and ``broader`` where it is only what was typed is a kind of."""


@dataclass(frozen=True, slots=True)
class Unit:
    """A word or a phrase of a query, the concepts it names, and what it is made of.

    ``inner`` are the words of a phrase, or the parts of a compound.
    """

    words: tuple[QueryWord, ...]
    linked: tuple[Linked, ...]
    inner: tuple[Unit, ...] = ()
    name: bool = False
    """A word that neither code lists nor lexicon know: most often a name, and then the heart of the query."""

    said: str = ""
    """How the query says it, where no word of it is looked for."""
    meant: tuple[str, ...] = ()
    """What it means besides by the terms of the regions: concepts, or terms."""
    ways: tuple[Way, ...] = ()
    """How texts say what it surely means, beside what code lists and lexicon know."""
    sole: bool = False
    """Whether nothing but terms says what it means, and no record has the word: else what they add comes behind."""
    whole: bool = False
    """Whether a compound is only said by all of its parts together."""
    refers: tuple[str, ...] = ()
    """The records that it calls by name, alone or with the units beside it."""

    @property
    def alike(self) -> frozenset[str]:
        """Concepts of which a name only looks like it."""
        return self._linked_as("like")

    @property
    def broader(self) -> frozenset[str]:
        """Concepts of which it is a kind."""
        return self._linked_as("broader")

    def _linked_as(self, how: How) -> frozenset[str]:
        return frozenset(each.concept for each in self.linked if each.how == how)

    @property
    def surface(self) -> str:
        return self.said or " ".join(word.surface for word in self.words)

    @property
    def concepts(self) -> tuple[str, ...]:
        return (*(each.concept for each in self.linked), *self.meant)


def length(units: Iterable[Unit]) -> int:
    """How many words are looked for, compounds and phrases counted by what they are made of."""
    return sum(max(1, len(unit.inner)) for unit in units)
