"""What to look for where no record is about what was asked: something broader, of which it is a kind.

Nobody has written of armchairs, and many of furniture: that is a better answer than none. Where a single record is
about what was asked, nothing is widened; and a strategy is no kind of its group, as those who ask for one do not mean
the others.
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
_ROLES: Final = ("tagged", "named")


def widened(units: Sequence[Unit], concepts: Concepts, searcher: tantivy.Searcher) -> list[Unit]:
    """The units of a query, those of which no record says anything with what is broader than their concepts."""
    return [_widened(unit, concepts, searcher) for unit in units]


def _widened(unit: Unit, concepts: Concepts, searcher: tantivy.Searcher) -> Unit:
    sure = [each.concept for each in unit.linked if each.weight == 1.0]
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


def _is_there(iri: str, concepts: Concepts, searcher: tantivy.Searcher) -> bool:
    """Whether a record is about a concept, or was: of what is deleted an index knows the words for a while."""
    term = concepts.terms.get(iri)
    return term is not None and any(searcher.doc_freq(role, term) for role in _ROLES)


def _linked(found: Iterable[str]) -> tuple[Linked, ...]:
    return tuple(Linked(iri, ranking.WIDER, "broader") for iri in found)
