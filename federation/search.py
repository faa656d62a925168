"""Path two, second half: index → search. The index follows the logs; search reads the index.

A hit says why it was found, from the match itself: the word that matched, or the concept through
which it did and how the record names it.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from typing import Any, Final

import tantivy

from federation.index import feedback, names, ranking
from federation.index import query as queries
from federation.index.completion import Completion, complete
from federation.index.concepts import is_meaning
from federation.index.documents import NODE_FACET, displayed, facet_field, named_in
from federation.index.explanation import Because, Explainer
from federation.index.facets import Facets, FacetValue, total
from federation.index.glossary import Glossary
from federation.index.marking import Segment
from federation.index.names import Named
from federation.index.query import Scope
from federation.index.reading import Asked, Understanding, Unit, corrected, length
from federation.index.seen import SeenWords
from federation.index.text import TextIndex

MAX_LIMIT: Final = 100
MAX_OFFSET: Final = 10_000
_CALLED: Final = 20
"""Records that are looked at for whether a query calls them by name."""


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


@dataclass(frozen=True, slots=True)
class Hit:
    """One record found."""

    id: str
    kind: str
    slug: str
    node: str
    own: bool
    log_id: int
    published: str
    title: tuple[str, tuple[Segment, ...]]
    snippet: tuple[str, tuple[Segment, ...]]
    languages: tuple[str, ...]
    score: float
    because: tuple[Because, ...]
    topics: tuple[str, ...]
    """Concepts that say what the record is about."""
    called: str = ""
    """The title of what the query calls by name, where the record is that or refers to it."""


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
    suggestion: str = ""
    """What was perhaps meant, where a word is known to nobody and looks like one that the records have."""


@dataclass(frozen=True, slots=True)
class _Plan:
    """A request as it is put to one state of the index."""

    request: Request
    asked: Asked
    units: Sequence[Unit]
    names: Sequence[Unit]
    """Concepts that several words together look like."""
    called: Sequence[Named]
    """What is called by name."""
    strict: bool
    """Whether only records are found that surely have every word."""
    searcher: tantivy.Searcher
    glossary: Glossary


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
        vocabulary = index.concepts.vocabulary
        self._facets = Facets(vocabulary, index.schema, region)
        self.facets = self._facets.names
        self._seen = SeenWords(index.concepts)
        self._proper = [kind.name for kind in vocabulary.searched if kind.proper]
        self._topics = frozenset(
            concept.iri for concept in vocabulary.concepts.values() if vocabulary.schemes[concept.scheme].topic
        )

    async def search(self, request: Request) -> Found:
        """Answer a search. Unknown facets are ignored by the caller's choice of filters, never here."""
        return await asyncio.to_thread(self._search, request)

    def _search(self, request: Request) -> Found:
        started = time.perf_counter()
        plan = self._plan(request, strict=True)
        # Of many words hardly any record surely has each: that is found out for a quarter of what ranking costs.
        result = self._ranked(plan) if len(plan.units) <= ranking.FEW else None
        exact = self._count(plan) if result is None else total(result)
        if plan.strict and not self._suffices(plan, exact):
            plan, result = self._plan(request, strict=False), None
        result = self._ranked(plan) if result is None else result
        # tantivy works without Python's lock, so counts are made while hits are explained.
        counting = self._beside.submit(self._counts, plan)
        hits = tuple(self._hits(plan, result))
        counts = counting.result()
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
            suggestion=corrected(request.text, plan.units, lambda word: self._stands(word, plan.searcher)),
        )

    def _plan(self, request: Request, *, strict: bool) -> _Plan:
        asked = Asked.read(request.text)
        index, glossary = self._index, self._index.glossary
        reading = Understanding(index.concepts, index.words, request.language, glossary=glossary, sure=strict)
        searcher, units = index.searcher(), reading.units(asked.text)
        called = self.called(units, request.language, searcher)
        units = names.referring(units, called)
        # Of a long query only what each unit surely means is looked for: several together look like nothing then.
        alike = [] if strict or length(units) > ranking.MANY else reading.names(units)
        return _Plan(request, asked, units, alike, called, strict and bool(units), searcher, glossary)

    def called(self, units: Sequence[Unit], language: str, searcher: tantivy.Searcher) -> list[Named]:
        """What a query calls by name."""
        words = names.words_of(units)
        if not words or not self._proper:
            return []
        found = searcher.search(queries.called(words, self._proper, searcher, self._index.schema), _CALLED, False).hits
        shown = (displayed(searcher.doc(address), self._index.concepts) for _, address in found)
        return names.named(units, [(each["id"], each["title"]) for each in shown], language)

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

    def _stands(self, word: str, searcher: tantivy.Searcher) -> bool:
        """Whether a record has a folded word; the index also knows those of records that are gone."""
        query = tantivy.Query.term_query(self._index.schema, "exact", word, "basic")
        return bool(searcher.search(query, 1, False).hits)

    def _query(self, plan: _Plan, without: str = "", *, scored: bool = True) -> tantivy.Query:
        asked, request = plan.asked, plan.request
        if not plan.units and not asked.leaves_out and request.text.strip():
            return tantivy.Query.empty_query()  # something was asked for, and no word of it can be found
        filters = {name: values for name, values in request.filters.items() if name != without}
        within = queries.Within(filters, request.scope, request.open_on, request.mark)
        schema, concepts = self._index.schema, self._index.concepts
        query = queries.build(
            plan.units, plan.names, asked, within, request.language, schema, concepts, strict=plan.strict, scored=scored
        )
        return self.lifted(query) if plan.units and scored else query

    def lifted(self, query: tantivy.Query) -> tantivy.Query:
        """The same records, those with measured results, lessons learned and the last years a little higher."""
        clauses = [(tantivy.Occur.Must, query)]
        recent = (("year", str(self._year() - ago), lift) for ago, lift in enumerate(ranking.RECENT))
        for name, value, lift in (*ranking.LIFTS, *recent):
            term = tantivy.Query.term_query(self._index.schema, facet_field(name), value, "basic")
            clauses.append((tantivy.Occur.Should, tantivy.Query.const_score_query(term, lift)))
        return tantivy.Query.boolean_query(clauses)

    def _understood(self, plan: _Plan) -> Iterator[tuple[str, str]]:
        language = plan.request.language
        for unit in plan.units:
            sure = [*(each.concept for each in unit.linked if each.weight == 1.0), *unit.meant]
            # A code list says more than the lexicon, which only says the word again.
            for iri in [iri for iri in sure if not is_meaning(iri)] or sure[:1]:
                yield unit.surface, plan.glossary.label(iri, language, self._index.concepts)

    async def referring(self, iri: str, most: int, language: str) -> list[Hit]:
        """The records that refer to one, newest first, with titles in a language where they have it."""
        return await asyncio.to_thread(self._referring, iri, most, language)

    def _referring(self, iri: str, most: int, language: str) -> list[Hit]:
        searcher = self._index.searcher()
        query = tantivy.Query.term_query(self._index.schema, "mentions", iri, "basic")
        result = searcher.search(query, most, False, order_by_field="published")
        explainer = Explainer((), self._seen, language)
        found = (displayed(searcher.doc(address), self._index.concepts) for _, address in result.hits)
        return [self._hit(each, explainer, 0.0) for each in found]

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
        query = queries.like(one["tagged"], named_in(one, concepts), one["title"], concepts, schema)
        wanted = [(tantivy.Occur.Must, query), (tantivy.Occur.MustNot, key)]
        explainer = Explainer((), self._seen, language)
        hits = searcher.search(tantivy.Query.boolean_query(wanted), most, False).hits
        shown = ((score, displayed(searcher.doc(address), concepts)) for score, address in hits)
        return [self._hit(each, explainer, float(score)) for score, each in shown]

    async def complete(self, beginning: str, language: str, most: int = 10) -> list[Completion]:
        """What may be meant by the beginning of a query: concepts, records by title, organisations."""
        return await asyncio.to_thread(complete, self._index, beginning, language, most)

    # Facets

    def _counts(self, plan: _Plan) -> dict[str, dict[str, int]]:
        """Counts of all facets; of those with a filter as if it were not there.

        What choosing another value of the same facet would give does not depend on the chosen one.
        """
        if not plan.request.counted:
            return {}
        chosen = [name for name in self.facets if plan.request.filters.get(name)]
        free = [name for name in self.facets if name not in chosen]
        counts = self._facets.counts(plan.searcher, self._query(plan, scored=False), free)
        for name in chosen:
            counts |= self._facets.counts(plan.searcher, self._query(plan, name, scored=False), [name])
        return {name: counts[name] for name in self.facets}

    async def by_node(self) -> dict[str, int]:
        """How many records of each node there are, by its short name."""
        return await asyncio.to_thread(self._by_node)

    def _by_node(self) -> dict[str, int]:
        every = tantivy.Query.all_query()
        return self._facets.counts(self._index.searcher(), every, [NODE_FACET])[NODE_FACET]

    def value_label(self, name: str, value: str, language: str) -> str:
        """The name of a facet's value in a language; the value itself where it has none."""
        return self._facets.label(name, value, language)

    def possible(self, name: str) -> Collection[str]:
        """The values a facet can have, where the vocabulary says which; empty where it does not."""
        return self._facets.possible(name)

    def is_value(self, name: str, value: str) -> bool:
        """Whether a facet can have a value, or a record has it although the vocabulary does not know it."""
        possible = self._facets.possible(name)
        if not possible or value in possible:
            return True
        query = tantivy.Query.term_query(self._index.schema, facet_field(name), value, "basic")
        return bool(self._index.searcher().search(query, 1, False).hits)

    # Hits

    def _ranked(self, plan: _Plan) -> tantivy.SearchResult:
        request, most, seen = plan.request, max(plan.request.limit, 1), plan.request.limit > 0
        question = self._query(plan, scored=seen)
        if plan.units and seen:
            return self.ranked(question, plan.searcher, most, request.offset)
        return plan.searcher.search(question, most, True, order_by_field="published", offset=request.offset)

    def ranked(
        self, question: tantivy.Query, searcher: tantivy.Searcher, most: int, offset: int
    ) -> tantivy.SearchResult:
        """The records of a query, best first; those before others that are about what the first ones are."""
        result = searcher.search(question, most, True, offset=offset)
        if not 1 < total(result) <= ranking.FEEDBACK_UP_TO:
            return result
        there = not offset and most >= feedback.FIRST
        hits = (result if there else searcher.search(question, feedback.FIRST, False)).hits[: feedback.FIRST]
        index = self._index
        again = feedback.widened(question, hits, searcher, index.schema, index.concepts)
        return searcher.search(again, most, True, offset=offset)

    def _hits(self, plan: _Plan, result: tantivy.SearchResult) -> Iterator[Hit]:
        explainer = Explainer(plan.units, self._seen, plan.request.language, plan.names, plan.glossary)
        hits = result.hits[: plan.request.limit]
        shown = [displayed(plan.searcher.doc(address), self._index.concepts) for _, address in hits]
        refer = [(each, self._referring_to(each.iri, shown, plan)) for each in plan.called if shown]
        for (score, address), display in zip(hits, shown, strict=True):
            hit, place = self._hit(display, explainer, float(score) if plan.units else 0.0), _place(address)
            called = [each for each, there in refer if each.iri == hit.id or place in there]
            because = (*hit.because, *_by_name(plan, hit, called))
            if plan.units and not because:
                because = self._referred(plan, hit.id)
            yield replace(hit, because=because, called=called[0].title if called else "")

    def _referring_to(self, iri: str, shown: Sequence[Mapping[str, Any]], plan: _Plan) -> set[tuple[int, int]]:
        """Where the hits lie in the index that refer to a record."""
        schema, must, should = self._index.schema, tantivy.Occur.Must, tantivy.Occur.Should
        keys = [(should, tantivy.Query.term_query(schema, "key", each["id"], "basic")) for each in shown]
        refers = tantivy.Query.term_query(schema, "mentions", iri, "basic")
        wanted = tantivy.Query.boolean_query([(must, refers), (must, tantivy.Query.boolean_query(keys))])
        return {_place(address) for _, address in plan.searcher.search(wanted, len(keys), False).hits}

    def _referred(self, plan: _Plan, iri: str) -> tuple[Because, ...]:
        """The words of a query that are codes of a record, or stand in the names of what it refers to.

        A hit does not keep these names, as hardly any is found by them alone; so the index is asked.
        """
        schema, found = self._index.schema, dict[str, Because]()
        key = (tantivy.Occur.Must, tantivy.Query.term_query(schema, "key", iri, "basic"))
        members = (member for unit in plan.units for member in (unit, *unit.inner))
        for word in (word for member in members for word in member.words if word.surface not in found):
            for form in (*sorted(word.folded), *(near for near, _ in word.near)):
                there = tantivy.Query.term_query(schema, "exact", form, "basic")
                if plan.searcher.search(tantivy.Query.boolean_query([key, (tantivy.Occur.Must, there)]), 1, False).hits:
                    how = "code" if any(map(str.isdigit, form)) else "mention"
                    found[word.surface] = Because(how, word.surface, form)
                    break
        return tuple(found.values())

    def _hit(self, display: Mapping[str, Any], explainer: Explainer, score: float) -> Hit:
        explained = explainer.explain(display)
        return Hit(
            id=display["id"],
            kind=display["kind"],
            slug=display["slug"],
            node=display["node"],
            own=display["own"],
            log_id=display["log"],
            published=display["published"],
            title=explained.title,
            snippet=explained.snippet,
            languages=tuple(display["title"]),
            score=round(score, 4),
            because=explained.because,
            topics=tuple(iri for iri in display["tagged"] if iri in self._topics),
        )


def _place(address: tantivy.DocAddress) -> tuple[int, int]:
    return address.segment_ord, address.doc


def _by_name(plan: _Plan, hit: Hit, called: Iterable[Named]) -> Iterator[Because]:
    """What a hit refers to that the query calls by name, unless it says the name itself."""
    told = {each.word for each in hit.because}
    for each in called:
        said = [unit.surface for unit in plan.units[each.first : each.last]]
        if not told.issuperset(said):
            yield Because("mention", " ".join(said), each.title)
