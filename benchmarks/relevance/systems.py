"""The search as it is, with one part taken out at a time, and the baselines it has to beat.

A part is taken out of the units of a query after they were understood, so that nothing in the product
has a switch that only a measurement would turn.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import cached_property
from typing import Final

from federation.index import feedback, names, ranking
from federation.index import query as queries
from federation.index.concepts import Concepts, is_meaning
from federation.index.documents import displayed
from federation.index.facets import total
from federation.index.hidden import HiddenLabels
from federation.index.reading import Asked, Understanding
from federation.index.text import TextIndex
from federation.index.units import QueryWord, Unit
from federation.index.widening import widened

Change = Callable[[Unit], Unit]
DEPTH: Final = 60
"""Records of a ranking that are looked at."""
YEAR: Final = 2026
"""The year in which the topics were judged: what is recent must not depend on when it is measured."""


def _through(unit: Unit, change: Change) -> Unit:
    return change(replace(unit, inner=tuple(_through(each, change) for each in unit.inner)))


def _words(unit: Unit, change: Callable[[QueryWord], QueryWord]) -> Unit:
    return replace(unit, words=tuple(change(each) for each in unit.words))


def without_lexicon(unit: Unit) -> Unit:
    return replace(unit, linked=tuple(each for each in unit.linked if not is_meaning(each.concept)))


def without_concepts(unit: Unit) -> Unit:
    return replace(unit, linked=tuple(each for each in unit.linked if is_meaning(each.concept)))


def without_learned(unit: Unit) -> Unit:
    return replace(unit, linked=tuple(each for each in unit.linked if each.how != "learned"))


def without_both(unit: Unit) -> Unit:
    return replace(unit, linked=())


def without_compounds(unit: Unit) -> Unit:
    return replace(unit, inner=()) if len(unit.words) == 1 else unit


def without_likeness(unit: Unit) -> Unit:
    sure = tuple(each for each in unit.linked if each.weight == 1.0 or each.how == "learned")
    return replace(_words(unit, lambda word: replace(word, near=())), linked=sure)


def without_names(unit: Unit) -> Unit:
    return replace(unit, refers=())


def same_tokens(unit: Unit) -> Unit:
    """Words as typed, in whatever language they stand."""
    plain = _words(unit, lambda word: replace(word, stems=frozenset(), near=()))
    return replace(plain, linked=(), refers=(), inner=plain.inner if len(unit.words) > 1 else ())


def own_language(unit: Unit) -> Unit:
    """Stems in the searcher's language, and nothing else."""
    plain = _words(unit, lambda word: replace(word, folded=frozenset(), near=()))
    return replace(plain, linked=(), refers=(), inner=plain.inner if len(unit.words) > 1 else ())


def concepts_only(unit: Unit) -> Unit:
    return replace(without_lexicon(unit), words=(), refers=())


FULL: Final = "this search"
WITHOUT_HIDDEN: Final = "without hidden labels"
WITHOUT_FEEDBACK: Final = "without what the first hits are about"
SYSTEMS: Final[Mapping[str, Change]] = {
    FULL: lambda unit: unit,
    "without concepts of the code lists": without_concepts,
    "without the lexicon": without_lexicon,
    "without the learned lexicon": without_learned,
    "without either": without_both,
    WITHOUT_HIDDEN: lambda unit: unit,
    "without parts of compounds": without_compounds,
    "without look-alikes": without_likeness,
    "without names of what is referred to": without_names,
    WITHOUT_FEEDBACK: lambda unit: unit,
    "baseline: same words, all languages": same_tokens,
    "baseline: the query's language only": own_language,
    "baseline: concepts only": concepts_only,
}
_ALIKE: Final = frozenset(
    {
        FULL,
        WITHOUT_HIDDEN,
        WITHOUT_FEEDBACK,
        "without parts of compounds",
        "without names of what is referred to",
        "without the lexicon",
        "without the learned lexicon",
        "without concepts of the code lists",
    }
)
"""Those that also look at names of concepts which several words together look like."""


class _Seen(Concepts):
    """The concepts by the labels that everybody can see."""

    @cached_property
    def hidden(self) -> HiddenLabels:
        return HiddenLabels((), ())


class System:
    """One way of searching an index."""

    def __init__(self, index: TextIndex, name: str) -> None:
        self._index = index
        self._change = SYSTEMS[name]
        self._alike = name in _ALIKE
        self._feedback = name != WITHOUT_FEEDBACK and not name.startswith("baseline")
        self._read_by = _Seen(index.concepts.vocabulary) if name == WITHOUT_HIDDEN else index.concepts

    def ranking(self, query: str, language: str) -> list[tuple[str, tuple[str, ...]]]:
        """Slugs and languages of the records found, best first, organisations left out."""
        asked = Asked.read(query)
        reading = Understanding(self._read_by, self._index.words, language)
        searcher, units = self._index.searcher(), reading.units(asked.text)
        units = widened(units, language, self._index.concepts, searcher)
        bearers = names.bearers(units, self._index, searcher)
        units = names.referring(units, names.named(units, bearers.titles, language))
        alike = [_through(each, self._change) for each in reading.names(units)] if self._alike else []
        changed = [_through(each, self._change) for each in units]
        changed = [each for each in changed if each.words or each.linked or each.inner]
        if not changed:
            return []
        within, schema, concepts = queries.Within(), self._index.schema, self._index.concepts
        sure = queries.build(changed, alike, asked, within, language, schema, concepts, strict=True, scored=False)
        strict = total(searcher.search(sure, 1, True)) >= ranking.ENOUGH
        question = queries.build(changed, alike, asked, within, language, schema, concepts, strict=strict)
        found: dict[str, tuple[str, ...]] = {}
        lifted = queries.lifted(question, changed, language, YEAR, schema)
        if self._feedback:
            title = queries.titled(asked, searcher, schema)
            result = feedback.ranked(lifted, title, searcher, self._index, most=DEPTH)
        else:
            result = searcher.search(lifted, DEPTH, False)
        for display in (displayed(searcher.doc(address), concepts) for _, address in result.hits):
            if display["kind"] != "organisation":
                found.setdefault(display["slug"], tuple(display["title"]))
        return list(found.items())
