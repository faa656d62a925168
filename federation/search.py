"""Path two, second half: index → search. The index follows the logs; search reads the index."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from typing import Final

import tantivy

from federation.index import feedback, names, ranking
from federation.index import query as queries
from federation.index.completion import Completion, complete
from federation.index.concepts import is_meaning
from federation.index.documents import NODE_FACET, ROLES, displayed, facet_field, named_in, stems_field
from federation.index.facets import Facets, FacetValue, total
from federation.index.hits import Hit, Hits, Scored, Understood
from federation.index.languages import WORD, analysed_as, composed, fold, stem
from federation.index.names import Bearers
from federation.index.query import Scope
from federation.index.reading import Asked, Understanding, corrected
from federation.index.seen import SeenWords
from federation.index.text import TextIndex
from federation.index.units import Unit, length
from federation.index.widening import widened

MAX_LIMIT: Final = 100
MAX_OFFSET: Final = 10_000
_WRITTEN: Final = 3
"""Records that are looked into for how a word is written."""


@dataclass(frozen=True, slots=True)
class Request:
    """A search: words, the reader's language, filters by facet, and which hits to give."""

    text: str = ""
    language: str = "en"
    filters: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    limit: int = 20
    offset: int = 0
    scope: Scope | None = None
    """The community to stay in."""
    open_on: date | None = None
    """Only what can still be taken part in on that day."""
    mark: str = ""
    """Only records with a mark of the index, such as open questions."""
    counted: bool = True
    """Whether facets are wanted."""
    open_from: date | None = None
    """A day for which it is counted besides how many can still be taken part in."""
    newest: bool = False
    """Whether the newest hits are wanted first, and not the best: of those only that surely have every word."""


@dataclass(frozen=True, slots=True)
class Found:
    """The answer to a search. Facet counts are those the total would be with that value alone."""

    total: int
    hits: tuple[Hit, ...]
    facets: Mapping[str, tuple[FacetValue, ...]]
    took_ms: float
    concepts: tuple[tuple[str, str], ...]
    """Words of the query and the label of a concept they were understood as."""
    exact: int = 0
    """How many records surely have every word; where there are none, what is found only comes near."""
    open: int = 0
    """How many can still be taken part in on the day for which that was asked."""
    suggestion: str = ""
    """What was perhaps meant, where a word is known to nobody and looks like one that the records have."""


@dataclass(frozen=True, slots=True)
class _Plan:
    """A request as it is put to one state of the index."""

    request: Request
    asked: Asked
    understood: Understood
    bearers: Bearers
    """Who may be called by name."""
    strict: bool
    """Whether only records are found that surely have every word."""
    searcher: tantivy.Searcher

    @property
    def units(self) -> Sequence[Unit]:
        return self.understood.units

    @property
    def by_rank(self) -> bool:
        """Whether hits are ordered by how well they fit; all fit as well where no words are asked for."""
        return bool(self.units) and not self.request.newest


def _this_year() -> int:
    return datetime.now(UTC).year


class Search:
    """Searches one text index. The work is done in threads: hits in one, counts of facets beside it."""

    def __init__(
        self, index: TextIndex, region: Callable[[str], Mapping[str, str]], year: Callable[[], int] = _this_year
    ) -> None:
        """``region`` gives the names of a region, by language, for the short name of its node; ``year`` the current."""
        self._year = year
        self._index = index
        self._beside = ThreadPoolExecutor(os.cpu_count(), "counts")
        self._facets = Facets(index.concepts, index.schema, region)
        self.facets = self._facets.names
        self._hits = Hits(SeenWords(index.concepts), index.schema)

    async def search(self, request: Request) -> Found:
        """Answer a search. Unknown facets are ignored by the caller's choice of filters, never here."""
        return await asyncio.to_thread(self._search, request)

    def _search(self, request: Request) -> Found:
        started = time.perf_counter()
        request = replace(request, text=composed(request.text))
        plan = self._plan(request, strict=True)
        # Of many words hardly any record surely has each: that is found out for a quarter of what ranking costs.
        result = self._ranked(plan) if len(plan.units) <= ranking.FEW else None
        exact = self._count(plan) if result is None else total(result)
        if plan.strict and not request.newest and not self._suffices(plan, exact):
            plan, result = self._plan(request, strict=False, before=plan), None
        result = self._ranked(plan) if result is None else result
        # tantivy works without Python's lock, so counts are made while hits are explained.
        counting = self._beside.submit(self._counts, plan)
        hits = tuple(self._hits.of(_scored(plan, result), plan.searcher, plan.understood))
        counts, still_open = counting.result()
        return Found(
            total=total(result),
            hits=hits,
            facets={
                name: tuple(self._facets.values(name, counted, request.filters.get(name, ()), request.language))
                for name, counted in counts.items()
                if counted or request.filters.get(name)
            },
            took_ms=round((time.perf_counter() - started) * 1000, 2),
            concepts=tuple(self._understood(plan)),
            exact=exact,
            open=still_open,
            suggestion=self._suggestion(plan),
        )

    def _plan(self, request: Request, *, strict: bool, before: _Plan | None = None) -> _Plan:
        """How a request is put to the index; ``before`` is another reading of the same words."""
        asked, index = Asked.read(request.text), self._index
        glossary = before.understood.glossary if before is not None else index.glossary
        searcher = before.searcher if before is not None else index.searcher()
        reading = Understanding(index.concepts, index.words, request.language, glossary=glossary, sure=strict)
        units = widened(reading.units(asked.text), request.language, index.concepts, searcher)
        bearers = names.bearers(units, index, searcher, before.bearers if before is not None else None)
        called = names.named(units, bearers.titles, request.language)
        units = names.referring(units, called)
        # Of a long query only what each unit surely means is looked for: several together look like nothing then.
        alike = [] if strict or length(units) > ranking.MANY else reading.names(units)
        understood = Understood(request.language, units, alike, called, glossary)
        return _Plan(request, asked, understood, bearers, strict and bool(units), searcher)

    def _suffices(self, plan: _Plan, found: int) -> bool:
        """Whether enough records surely have every word.

        Told without what can be chosen: choosing it must not bring records that were not counted before.
        """
        if found < ranking.ENOUGH and (plan.request.filters or plan.request.open_on):
            everywhere = replace(plan, request=replace(plan.request, filters={}, open_on=None))
            found = self._count(everywhere)
        return found >= ranking.ENOUGH

    def _count(self, plan: _Plan) -> int:
        return total(plan.searcher.search(self._query(plan, scored=False), 1, True))

    def _suggestion(self, plan: _Plan) -> str:
        """What was perhaps meant; the index also knows the words of records that are gone."""
        searcher, schema = plan.searcher, self._index.schema

        def having(word: str, most: int) -> Scored:
            return searcher.search(tantivy.Query.term_query(schema, "exact", word, "basic"), most, False).hits

        tag = analysed_as(plan.request.language)

        def own(word: str) -> bool:
            said = tantivy.Query.term_query(schema, stems_field(tag), stem(word, tag), "basic")
            return bool(searcher.search(said, 1, False).hits)

        return corrected(
            plan.request.text,
            plan.units,
            lambda word: bool(having(word, 1)),
            own,
            lambda word: self._written(word, having(word, _WRITTEN), searcher),
        )

    def _written(self, word: str, found: Scored, searcher: tantivy.Searcher) -> str:
        """A folded word as the records write it that have it."""
        shown = (displayed(searcher.doc(address), self._index.concepts) for _, address in found)
        texts = (text for display in shown for role in ROLES for text in display[role].values())
        ways = {each for text in texts for each in WORD.findall(text) if fold(each) == word}
        # In small letters where somebody writes it so: elsewhere it may begin a sentence.
        return min(ways, key=lambda each: (not each.islower(), each), default=word)

    def _query(self, plan: _Plan, without: str = "", *, scored: bool = True) -> tantivy.Query:
        asked, request = plan.asked, plan.request
        if not plan.units and not asked.leaves_out and request.text.strip():
            return tantivy.Query.empty_query()  # something was asked for, and no word of it can be found
        filters = {name: values for name, values in request.filters.items() if name != without}
        within = queries.Within(filters, request.scope, request.open_on, request.mark)
        schema, concepts, alike = self._index.schema, self._index.concepts, plan.understood.names
        query = queries.build(
            plan.units, alike, asked, within, request.language, schema, concepts, strict=plan.strict, scored=scored
        )
        if not plan.units or not scored:
            return query
        return queries.lifted(query, plan.units, request.language, self._year(), schema)

    def _understood(self, plan: _Plan) -> Iterator[tuple[str, str]]:
        language = plan.request.language
        quoted = f" {' '.join(map(fold, plan.asked.phrases))} "
        for unit in plan.units:
            if f" {fold(unit.surface)} " in quoted:
                continue  # in quotes a word means itself
            sure = [*(each.concept for each in unit.linked if each.weight == 1.0), *unit.meant]
            # A code list says more than the lexicon, which only says the word again.
            for iri in [iri for iri in sure if not is_meaning(iri)] or sure[:1]:
                yield unit.surface, plan.understood.glossary.label(iri, language, self._index.concepts)

    async def referring(self, iri: str, most: int, language: str) -> list[Hit]:
        """The records that refer to one, newest first, with titles in a language where they have it."""
        return await asyncio.to_thread(self._referring, iri, most, language)

    def _referring(self, iri: str, most: int, language: str) -> list[Hit]:
        searcher = self._index.searcher()
        query = tantivy.Query.term_query(self._index.schema, "mentions", iri, "basic")
        result = searcher.search(query, most, False, order_by_field="published")
        return list(self._hits.of(_unscored(result), searcher, Understood(language)))

    async def similar(self, iri: str, most: int, language: str) -> list[Hit]:
        """The records most like one, in whatever language: those that share most of what few others are about."""
        return await asyncio.to_thread(self._similar, iri, most, language)

    def _similar(self, iri: str, most: int, language: str) -> list[Hit]:
        searcher, schema, concepts = self._index.searcher(), self._index.schema, self._index.concepts
        key = tantivy.Query.term_query(schema, "key", iri, "basic")
        found = searcher.search(key, 1, False).hits
        if not found:
            return []
        one = displayed(searcher.doc(found[0][1]), concepts)
        # By what it is about: those of one region and year would else be like each other.
        tagged = [each for each in one["tagged"] if each in self._hits.topics] or one["tagged"]
        query = queries.like(tagged, named_in(one, concepts), one["title"], concepts, schema)
        wanted = [(tantivy.Occur.Must, query), (tantivy.Occur.MustNot, key)]
        hits = searcher.search(tantivy.Query.boolean_query(wanted), most, False).hits
        return list(self._hits.of(hits, searcher, Understood(language)))

    async def complete(self, beginning: str, language: str, most: int = 10) -> list[Completion]:
        """What may be meant by the beginning of a query: concepts, records by title, organisations."""
        return await asyncio.to_thread(complete, self._index, beginning, language, most)

    # Facets

    def _counts(self, plan: _Plan) -> tuple[dict[str, dict[str, int]], int]:
        """Counts of all facets, those with a filter as if it were not there; and of what is open, where that is asked.

        What choosing another value of the same facet would give does not depend on the chosen one.
        """
        day = plan.request.open_from
        still_open = 0 if day is None else self._count(replace(plan, request=replace(plan.request, open_on=day)))
        if not plan.request.counted:
            return {}, still_open
        chosen = [name for name in self.facets if plan.request.filters.get(name)]
        free = [name for name in self.facets if name not in chosen]
        counts = self._facets.counts(plan.searcher, self._query(plan, scored=False), free)
        for name in chosen:
            counts |= self._facets.counts(plan.searcher, self._query(plan, name, scored=False), [name])
        return {name: counts[name] for name in self.facets}, still_open

    async def by_node(self) -> dict[str, int]:
        """How many records of each node there are, by its short name."""
        return await asyncio.to_thread(self._by_node)

    def _by_node(self) -> dict[str, int]:
        every = tantivy.Query.all_query()
        return self._facets.counts(self._index.searcher(), every, [NODE_FACET])[NODE_FACET]

    def value_label(self, name: str, value: str, language: str) -> str:
        """The name of a facet's value in a language; the value itself where it has none."""
        return self._facets.label(name, value, language)

    def above(self, name: str, value: str) -> Iterator[str]:
        """The values of a facet that one lies in, the nearest first."""
        return self._facets.tree.above(name, value)

    def possible(self, name: str) -> Collection[str]:
        """The values a facet can have, where the vocabulary says which; empty where it does not."""
        return self._facets.possible(name)

    def is_value(self, name: str, value: str) -> bool:
        """Whether a facet can have a value, or a record has it although the vocabulary does not know it."""
        if value in self._facets.possible(name):
            return True
        query = tantivy.Query.term_query(self._index.schema, facet_field(name), value, "basic")
        return bool(self._index.searcher().search(query, 1, False).hits)

    def _ranked(self, plan: _Plan) -> tantivy.SearchResult:
        request, most, seen = plan.request, max(plan.request.limit, 1), plan.request.limit > 0
        question = self._query(plan, scored=seen)
        if plan.by_rank and seen:
            title = queries.titled(plan.asked, plan.searcher, self._index.schema)
            return feedback.ranked(question, title, plan.searcher, self._index, most=most, offset=request.offset)
        return plan.searcher.search(question, most, True, order_by_field="published", offset=request.offset)


def _scored(plan: _Plan, result: tantivy.SearchResult) -> Scored:
    """The hits that are shown, with their scores where there are any."""
    hits = result.hits if plan.by_rank else _unscored(result)
    return hits[: plan.request.limit]


def _unscored(result: tantivy.SearchResult) -> Scored:
    """The hits of what is ordered by something else: there a score would be that."""
    return [(0.0, address) for _, address in result.hits]
