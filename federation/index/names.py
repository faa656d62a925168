"""What a query calls by name: organisations and initiatives, by which the records that refer to them are found.

A record has no more than the address of its buyer. What the buyer is called, in whatever languages, stands in the
record of the buyer; so the index is first asked for those whose names stand in the query.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Final, NamedTuple

from federation.index.languages import ANALYSED, WORD, fold, is_stop_word
from federation.index.reading import Unit
from federation.records.kinds import in_language

_BESIDE: Final = re.compile(r"\(([^()]*)\)")
_BETWEEN: Final = re.compile(r"[,/]")
_FEW: Final = 2
"""Words of a name of which none is left out."""


class Named(NamedTuple):
    """Something that units ``first`` ≤ i < ``last`` of a query call by name: its address, and its title."""

    first: int
    last: int
    iri: str
    title: str


class _Said(NamedTuple):
    unit: int
    folded: frozenset[str]
    alone: bool
    """Whether the word can be a name by itself: no word of any other kind."""


def names_of(title: str) -> Iterator[tuple[str, ...]]:
    """What a title says one is called, as folded words without stop words: *UZA* and *University Hospital Antwerp*.

    What stands in brackets is a name where it is written as one, otherwise a description; and of capitals before
    several words either is one.
    """
    beside = (words for words in map(_telling, _BESIDE.findall(title)) if all(word[0].isupper() for word in words))
    for words in (*map(_telling, _BETWEEN.split(_BESIDE.sub(" ", title))), *beside):
        name = tuple(map(fold, words))
        if name:
            yield name
        if len(words) > _FEW and words[0].isupper():
            yield from (name[:1], name[1:])


def _telling(text: str) -> list[str]:
    return [word for word in WORD.findall(text) if not _is_stop_word(word)]


def _is_stop_word(word: str) -> bool:
    """Whether a word says nothing in some language: names are typed on pages of any."""
    return any(is_stop_word(word, tag) for tag in ANALYSED)


def words_of(units: Sequence[Unit]) -> set[str]:
    """The folded words of a query that may stand in a name."""
    return {form for each in _said(units) for form in each.folded}


def _said(units: Sequence[Unit]) -> list[_Said]:
    return [
        _Said(at, word.folded, unit.name or word.surface.isupper())
        for at, unit in enumerate(units)
        for word in unit.words
        if not _is_stop_word(word.surface)
    ]


def named(units: Sequence[Unit], titles: Iterable[tuple[str, Mapping[str, str]]], language: str) -> list[Named]:
    """Which of some records a query calls by name; ``titles`` gives the address and the titles of each."""
    said = _said(units)
    found = dict[Named, None]()
    for iri, by_language in titles:
        shown = in_language(by_language, language)[1]
        for name in {name for title in by_language.values() for name in names_of(title)}:
            found |= {Named(first, last, iri, shown): None for first, last in _standing(name, said)}
    return sorted(found)


def _standing(name: tuple[str, ...], said: Sequence[_Said]) -> Iterator[tuple[int, int]]:
    """The units that say a name, no more and no less."""
    for at in range(len(said) - len(name) + 1):
        run = said[at : at + len(name)]
        if len(run) == 1 and not run[0].alone:
            continue
        before, after = said[at - 1 : at], said[at + len(name) : at + len(name) + 1]
        whole = all(each.unit != run[0].unit for each in before) and all(each.unit != run[-1].unit for each in after)
        if whole and all(word in each.folded for word, each in zip(name, run, strict=True)):
            yield run[0].unit, run[-1].unit + 1


def referring(units: Sequence[Unit], found: Iterable[Named]) -> list[Unit]:
    """The units of a query, each with what it is part of a name of."""
    refers: dict[int, dict[str, None]] = {}
    for each in found:
        for at in range(each.first, each.last):
            refers.setdefault(at, {})[each.iri] = None
    return [replace(unit, refers=tuple(refers[at])) if at in refers else unit for at, unit in enumerate(units)]
