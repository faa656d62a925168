"""What is broader than what was asked: it stands in where no record is about that, and comes behind where one is.

Nobody has written of armchairs, and many of furniture: that is a better answer than none. Where a single record is
about what was asked, nothing is widened; and a strategy is no kind of its group, as those who ask for one do not mean
the others. A word may name both: bricks are building materials, and who asks for bricks wants records of bricks first.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Final

import tantivy

from federation.index import ranking
from federation.index.concepts import Concepts
from federation.index.units import Linked, Unit

_STEPS: Final = 2
"""Steps up that are tried, one after the other."""
_SAME: Final = 3
"""How many times more records a concept has than what is a kind of it, at least."""
_ROLES: Final = ("tagged", "named")


def widened(units: Sequence[Unit], language: str, concepts: Concepts, searcher: tantivy.Searcher) -> list[Unit]:
    """The units of a query, those of which no record says anything with what is broader than their concepts."""
    return [_widened(unit, language, concepts, searcher) for unit in units]


def _widened(unit: Unit, language: str, concepts: Concepts, searcher: tantivy.Searcher) -> Unit:
    sure = [each.concept for each in unit.linked if each.weight == 1.0]
    behind = _behind(sure, concepts, searcher) if len(sure) > 1 and unit.words else set()
    behind = {iri for iri in behind if not _stands_in_name(unit, iri, language, concepts)}
    if behind:
        linked = (
            Linked(each.concept, ranking.WIDER, "broader") if each.concept in behind else each for each in unit.linked
        )
        return replace(unit, linked=tuple(linked))
    words = (form for word in unit.words for form in word.folded)
    if not sure or any(searcher.doc_freq("exact", form) for form in words):
        return unit
    if any(_is_there(iri, concepts, searcher) for iri in sure):
        return unit
    above: list[str] = sure
    for _ in range(_STEPS):
        above = list(dict.fromkeys(each for iri in above for each in concepts.wider(iri)))
        found = [iri for iri in above if _is_there(iri, concepts, searcher)]
        if found:
            return replace(unit, linked=(*unit.linked, *_linked(found)))
    return unit


def _stands_in_name(unit: Unit, iri: str, language: str, concepts: Concepts) -> bool:
    """Whether words stand in the name of a concept, which is meant by them then: *concrete* in *concrete products*."""
    label = concepts.vocabulary.concepts[iri].labels.get(language, "")
    forms = concepts.spotting.read(label, language)
    said = {stem for form in forms for stem in (form.stem, *form.parts)}
    return all(not said.isdisjoint(word.stems) for word in unit.words)


def _behind(sure: Sequence[str], concepts: Concepts, searcher: tantivy.Searcher) -> set[str]:
    """Of the concepts that a word names, those of code lists of which another one is a kind."""
    found: set[str] = set()
    coded = {iri for iri in sure if iri in concepts.vocabulary.concepts}
    for iri in sure if coded else ():
        about, above = _count(iri, concepts, searcher), [iri]
        for _ in range(_STEPS):
            above = list(dict.fromkeys(each for some in above for each in concepts.wider(some)))
            # A meaning that as good as all of them have is no kind of it, but another name for it.
            found.update(each for each in above if each in coded and about * _SAME < _count(each, concepts, searcher))
    return found


def _count(iri: str, concepts: Concepts, searcher: tantivy.Searcher) -> int:
    term = concepts.terms.get(iri)
    return 0 if term is None else max(searcher.doc_freq(role, term) for role in _ROLES)


def _is_there(iri: str, concepts: Concepts, searcher: tantivy.Searcher) -> bool:
    """Whether a record is about a concept, or was: of what is deleted an index knows the words for a while."""
    return _count(iri, concepts, searcher) > 0


def _linked(found: Iterable[str]) -> tuple[Linked, ...]:
    return tuple(Linked(iri, ranking.WIDER, "broader") for iri in found)
