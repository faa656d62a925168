"""What a query calls by name: organisations and initiatives, by which the records that refer to them are found.

A record has no more than the address of its buyer. What the buyer is called, in whatever languages, stands in the
record of the buyer; so the index is first asked for those whose names stand in the query.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Final, NamedTuple

import tantivy

from federation.index import query as queries
from federation.index.documents import displayed
from federation.index.languages import WORD, fold, is_stop_word
from federation.index.text import TextIndex
from federation.index.units import Unit
from federation.records.kinds import in_language

_BESIDE: Final = re.compile(r"\(([^()]*)\)")
_BETWEEN: Final = re.compile(r"[,/]")
_FEW: Final = 2
"""Words of a name of which none is left out."""
_LOOKED_AT: Final = 20
"""Records that are looked at for whether a query calls them by name."""
_MOST: Final = 5
"""Names that are seen in one query, the longest first."""


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


def names_of(title: str, *languages: str) -> Iterator[tuple[str, ...]]:
    """What a title says one is called, as folded words without stop words: *UZA* and *University Hospital Antwerp*.

    Stop words are those of ``languages``: of the title's, and of the one in which somebody types. What stands in
    brackets is a name where it is written as one, otherwise a description; and an acronym before several words is one
    as well as they are.
    """
    outside = _BETWEEN.split(_BESIDE.sub(" ", title))
    inside = [each for each in _BESIDE.findall(title) if _is_written_as_name(WORD.findall(each), languages)]
    for words in map(WORD.findall, (*outside, *inside)):
        telling = [word for word in words if not _is_left_out(word, languages)]
        if not telling or (len(telling) == 1 and len(words) > 1):
            continue  # nothing, or one word that is not what it is called
        name = tuple(dict.fromkeys(map(fold, telling)))
        yield name
        if len(name) > _FEW and _is_acronym(telling[0]) and not any(map(str.isupper, telling[1:])):
            yield from (name[:1], name[1:])


def _is_written_as_name(words: Sequence[str], languages: Iterable[str]) -> bool:
    telling = [word for word in words if not _is_left_out(word, languages)]
    if len(telling) == 1:
        return any(map(str.isupper, telling[0][1:]))
    return all(word[0].isupper() for word in telling)


def _is_acronym(word: str) -> bool:
    return len(word) > 1 and word.isupper()


def _is_left_out(word: str, languages: Iterable[str]) -> bool:
    return not _is_acronym(word) and any(is_stop_word(word, each) for each in languages)


class Bearers(NamedTuple):
    """Who may be called by name in a query: its words, and addresses with titles by language."""

    words: frozenset[str]
    titles: Sequence[tuple[str, Mapping[str, str]]] = ()


def words_of(units: Sequence[Unit]) -> frozenset[str]:
    """The folded words of a query that may stand in a name."""
    return frozenset(form for each in _said(units, ()) for form in each.folded)


def bearers(
    units: Sequence[Unit], index: TextIndex, searcher: tantivy.Searcher, before: Bearers | None = None
) -> Bearers:
    """Those of which a name may stand in a query; ``before`` where the same words may have been asked for already."""
    words = words_of(units)
    if before is not None and before.words == words:
        return before
    kinds = [kind.name for kind in index.concepts.vocabulary.searched if kind.proper]
    if not words or not kinds:
        return Bearers(words)
    found = searcher.search(queries.called(words, kinds, searcher, index.schema), _LOOKED_AT, False).hits
    shown = (displayed(searcher.doc(address), index.concepts) for _, address in found)
    return Bearers(words, [(each["id"], each["title"]) for each in shown])


def _said(units: Sequence[Unit], languages: Iterable[str]) -> list[_Said]:
    return [
        _Said(at, word.folded, unit.name or _is_acronym(word.surface))
        for at, unit in enumerate(units)
        for word in unit.words
        if not _is_left_out(word.surface, languages)
    ]


def named(units: Sequence[Unit], titles: Iterable[tuple[str, Mapping[str, str]]], language: str) -> list[Named]:
    """Which of some records a query calls by name; ``titles`` gives the address and the titles of each.

    Of one record each unit says one name at most. Whoever has many names is called by the longest, and of equal names
    those count that come first among the titles.
    """
    found, said = list[Named](), dict[str, list[_Said]]()
    for iri, by_language in titles:
        shown = in_language(by_language, language)[1]
        runs = set[tuple[int, int]]()
        for tag, title in by_language.items():
            if tag not in said:
                said[tag] = _said(units, (tag, language))
            runs.update(run for name in names_of(title, tag, language) for run in _standing(name, said[tag]))
        taken = set[int]()
        for first, last in sorted(runs, key=lambda run: (run[0] - run[1], run)):
            if taken.isdisjoint(range(first, last)):
                taken.update(range(first, last))
                found.append(Named(first, last, iri, shown))
    return sorted(found, key=lambda each: each.first - each.last)[:_MOST]


def _standing(name: tuple[str, ...], said: Sequence[_Said]) -> Iterator[tuple[int, int]]:
    """The units that say a name, no more and no less; one by itself only where it can be a name."""
    for at in range(len(said) - len(name) + 1):
        run = said[at : at + len(name)]
        if run[0].unit == run[-1].unit and not all(each.alone for each in run):
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
