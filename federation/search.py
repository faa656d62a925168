"""Path two, second half: index → search. The index follows the logs; search reads the index.

A hit says why it was found, from the match itself: the word that matched, or the concept through
which it did and how the record names it.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import tantivy

from federation.index import query as queries
from federation.index import ranking
from federation.index.concepts import Concepts, is_meaning
from federation.index.documents import displayed, facet_field, facet_names
from federation.index.explanation import Because, Explainer, Segment, segments, shown_language, snippet
from federation.index.languages import WORD, folded_words
from federation.index.reading import MAX_TEXT, Asked, Understanding, Unit, corrected, restored
from federation.index.text import TextIndex
from federation.records.kinds import in_language

MAX_LIMIT: Final = 100
MAX_OFFSET: Final = 10_000
_FACET_SIZE: Final = 400
_SHORTEST_BEGINNING: Final = 2
"""Letters after which something is suggested."""


@dataclass(frozen=True, slots=True)
class Request:
    """A search: words, the reader's language, filters by facet, the community to stay in, and which hits to give."""

    text: str = ""
    language: str = "en"
    filters: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    limit: int = 20
    offset: int = 0
    scope: queries.Scope | None = None


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


@dataclass(frozen=True, slots=True)
class FacetValue:
    value: str
    label: str
    count: int
    selected: bool
    depth: int = 0
    """How many values it lies in: a strategy in its group."""


@dataclass(frozen=True, slots=True)
class Found:
    """The answer to a search. Facet counts are those the total would be with that value alone."""

    total: int
    hits: tuple[Hit, ...]
    facets: Mapping[str, tuple[FacetValue, ...]]
    took_ms: float
    concepts: tuple[tuple[str, str], ...]
    """Words of the query and the label of a concept they were understood as."""
    suggestion: str = ""
    """What was perhaps meant, where a word is known to nobody and looks like one that the records have."""


@dataclass(frozen=True, slots=True)
class Completion:
    """What somebody may want to type: a text, and whether it is a concept or the title of a record of some kind."""

    text: str
    kind: str


@dataclass(frozen=True, slots=True)
class _Plan:
    """A request as it is put to one state of the index."""

    request: Request
    asked: Asked
    units: Sequence[Unit]
    names: Sequence[Unit]
    """Concepts that several words together look like."""
    suggestion: str
    searcher: tantivy.Searcher


class Search:
    """Searches one text index. The work is done in threads: hits in one, counts of facets beside it."""

    def __init__(self, index: TextIndex, region: Callable[[str], Mapping[str, str]]) -> None:
        """``region`` gives the names of a region, by language, for the short name of its node."""
        self._index = index
        self._region = region
        self._vocabulary = vocabulary = index.concepts.vocabulary
        self.facets = facet_names(vocabulary)
        self._topics = frozenset(
            concept.iri for concept in vocabulary.concepts.values() if vocabulary.schemes[concept.scheme].topic
        )
        self._labels: dict[tuple[str, str, str], str] = {}

    async def search(self, request: Request) -> Found:
        """Answer a search. Unknown facets are ignored by the caller's choice of filters, never here."""
        started = time.perf_counter()
        plan = await asyncio.to_thread(self._plan, request)
        # tantivy works without Python's lock, so these really run side by side.
        countings = (asyncio.to_thread(self._counts, plan, *each) for each in self._countings(request))
        (total, hits), counted = await asyncio.gather(asyncio.to_thread(self._hits, plan), asyncio.gather(*countings))
        counts = {name: each for some in counted for name, each in some.items()}
        return Found(
            total=total,
            hits=tuple(hits),
            facets={
                name: tuple(self._values(name, counts[name], request))
                for name in self.facets
                if counts[name] or request.filters.get(name)
            },
            took_ms=round((time.perf_counter() - started) * 1000, 2),
            concepts=tuple(self._understood(plan.units, request.language)),
            suggestion=plan.suggestion,
        )

    def _plan(self, request: Request) -> _Plan:
        asked = Asked.read(request.text)
        reading = Understanding(self._index.concepts, self._index.words, request.language)
        units = reading.units(asked.text)
        searcher = self._index.searcher()
        suggestion = corrected(request.text, units, lambda word: self._stands(word, searcher))
        return _Plan(request, asked, units, reading.names(units), suggestion, searcher)

    def _stands(self, word: str, searcher: tantivy.Searcher) -> bool:
        """Whether a record has a folded word; the index also knows those of records that are gone."""
        query = tantivy.Query.term_query(self._index.schema, "exact", word, "basic")
        return bool(searcher.search(query, 1, False).hits)

    def _query(self, plan: _Plan, without: str = "", *, scored: bool = True) -> tantivy.Query:
        asked, request = plan.asked, plan.request
        if not plan.units and not asked.without and request.text.strip():
            return tantivy.Query.empty_query()  # something was asked for, and no word of it can be found
        filters = {name: values for name, values in request.filters.items() if name != without}
        schema, concepts = self._index.schema, self._index.concepts
        query = queries.build(
            plan.units,
            plan.names,
            asked,
            filters,
            request.language,
            schema,
            concepts,
            scope=request.scope,
            scored=scored,
        )
        return self.lifted(query) if plan.units and scored else query

    def lifted(self, query: tantivy.Query) -> tantivy.Query:
        """The same records, those with measured results and lessons learned a little higher."""
        clauses = [(tantivy.Occur.Must, query)]
        for name, value, lift in ranking.LIFTS:
            term = tantivy.Query.term_query(self._index.schema, facet_field(name), value, "basic")
            clauses.append((tantivy.Occur.Should, tantivy.Query.const_score_query(term, lift)))
        return tantivy.Query.boolean_query(clauses)

    def _understood(self, units: Sequence[Unit], language: str) -> Iterator[tuple[str, str]]:
        for unit in units:
            sure = [each.concept for each in unit.linked if each.weight == 1.0]
            # A code list says more than the lexicon, which only says the word again.
            for iri in [iri for iri in sure if not is_meaning(iri)] or sure[:1]:
                yield unit.surface, self._index.concepts.label(iri, language)

    async def referring(self, iri: str, most: int, language: str) -> list[Hit]:
        """The records that refer to one, newest first, with titles in a language where they have it."""
        return await asyncio.to_thread(self._referring, iri, most, language)

    def _referring(self, iri: str, most: int, language: str) -> list[Hit]:
        searcher = self._index.searcher()
        query = tantivy.Query.term_query(self._index.schema, "mentions", iri, "basic")
        result = searcher.search(query, most, False, order_by_field="published")
        explainer = Explainer((), self._index.concepts, language)
        found = (displayed(searcher.doc(address), self._index.concepts) for _, address in result.hits)
        return [self._hit(each, explainer, language, 0.0) for each in found]

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
        query = queries.like(one["tagged"], _named(one, concepts), one["title"], concepts, schema)
        wanted = [(tantivy.Occur.Must, query), (tantivy.Occur.MustNot, key)]
        explainer = Explainer((), concepts, language)
        hits = searcher.search(tantivy.Query.boolean_query(wanted), most, False).hits
        shown = ((score, displayed(searcher.doc(address), concepts)) for score, address in hits)
        return [self._hit(each, explainer, language, float(score)) for score, each in shown]

    async def complete(self, beginning: str, language: str, most: int = 10) -> list[Completion]:
        """What may be meant by the beginning of a query: concepts, records by title, organisations."""
        return await asyncio.to_thread(self._complete, beginning[:MAX_TEXT], language, most)

    def _complete(self, beginning: str, language: str, most: int) -> list[Completion]:
        typed = dict.fromkeys((beginning, restored(beginning, language)))
        beginnings = [form for form in dict.fromkeys(map(folded_words, typed)) if len(form) >= _SHORTEST_BEGINNING]
        concepts, searcher = self._index.concepts, self._index.searcher()
        found = [Completion(text, "concept") for each in beginnings for text in concepts.beginning_with(each, language)]
        for each in beginnings:
            query = queries.beginning_with(each, self._index.schema)
            for _, address in searcher.search(query, 5 * most, False).hits:
                display = displayed(searcher.doc(address), concepts)
                if any(f" {each}" in f" {folded_words(title)}" for title in display["title"].values()):
                    found.append(Completion(in_language(display["title"], language)[1], display["kind"]))
        return list(dict.fromkeys(found))[:most]

    # Facets

    def _countings(self, request: Request) -> list[tuple[list[str], str]]:
        """Which facets to count together, and whose filter to leave out while doing so.

        What choosing another value of the same facet would give does not depend on the chosen one.
        """
        chosen = [name for name in self.facets if request.filters.get(name)]
        free = [name for name in self.facets if name not in chosen]
        return [(free, ""), *(([name], name) for name in chosen)]

    def _counts(self, plan: _Plan, names: Sequence[str], without: str) -> dict[str, dict[str, int]]:
        if not names:
            return {}
        query = self._query(plan, without, scored=False)
        asked = {name: {"terms": {"field": facet_field(name), "size": _FACET_SIZE}} for name in names}
        answer: dict[str, Any] = plan.searcher.aggregate(query, asked)
        return {name: {bucket["key"]: int(bucket["doc_count"]) for bucket in answer[name]["buckets"]} for name in names}

    def _values(self, name: str, counts: Mapping[str, int], request: Request) -> Iterator[FacetValue]:
        chosen = request.filters.get(name, ())
        every = {**dict.fromkeys(chosen, 0), **counts}
        ordered = sorted(every.items(), key=lambda pair: (-pair[1], pair[0]))
        if name == "year":
            ordered = sorted(every.items(), reverse=True)
        for value, depth in self._as_tree(name, [value for value, _ in ordered]):
            label = self.value_label(name, value, request.language)
            yield FacetValue(value, label, every[value], value in chosen, depth)

    def _as_tree(self, name: str, values: Sequence[str]) -> Iterator[tuple[str, int]]:
        """Values in their order, each behind the one it lies in, and how deep it lies."""
        within: dict[str, str | None] = {}
        for scheme in (each for each in self._vocabulary.schemes.values() if each.facet == name):
            for concept in scheme.concepts.values():
                above = (scheme.concepts[iri].code for iri in concept.broader if iri in scheme.concepts)
                within[concept.code] = next(above, None)
        there = set(values)
        below: dict[str | None, list[str]] = {}
        for value in values:
            parent = within.get(value)
            below.setdefault(parent if parent in there else None, []).append(value)

        def tree(parent: str | None, depth: int) -> Iterator[tuple[str, int]]:
            for value in below.get(parent, ()):
                yield value, depth
                yield from tree(value, depth + 1)

        return tree(None, 0)

    def value_label(self, name: str, value: str, language: str) -> str:
        """The name of a facet's value in a language; the value itself where it has none."""
        known = self._labels.get((name, value, language))
        if known is not None:
            return known
        labels = self._labels_of(name, value)
        if labels is None:
            return value
        label = self._labels[name, value, language] = in_language(labels, language)[1]
        return label

    def _labels_of(self, name: str, value: str) -> Mapping[str, str] | None:
        if name == "node":
            return self._region(value)
        if name == "kind":
            kind = self._vocabulary.kinds.get(value)
            return kind.labels if kind else None
        if name == "language":
            scheme = self._vocabulary.scheme_named("language")
            concept = scheme.find(value) if scheme else None
            return concept.labels if concept else None
        for scheme in self._vocabulary.schemes.values():
            if scheme.facet == name:
                found = scheme.find(value)
                return found.labels if found else None
        return None

    def possible(self, name: str) -> list[str]:
        """The values a facet can have, where the vocabulary says which; empty where it does not."""
        if name == "kind":
            return [kind.name for kind in self._vocabulary.authored]
        lists = [scheme for scheme in self._vocabulary.schemes.values() if scheme.facet == name]
        return [concept.code for scheme in lists for concept in scheme.concepts.values()]

    # Hits

    def _hits(self, plan: _Plan) -> tuple[int, list[Hit]]:
        request, searcher = plan.request, plan.searcher
        order = None if plan.units else "published"
        result = searcher.search(
            self._query(plan), max(request.limit, 1), True, order_by_field=order, offset=request.offset
        )
        explainer = Explainer(plan.units, self._index.concepts, request.language, plan.names)
        hits = []
        for score, address in result.hits[: request.limit]:
            display = displayed(searcher.doc(address), self._index.concepts)
            hits.append(self._hit(display, explainer, request.language, float(score) if plan.units else 0.0))
        return _total(result), hits

    def _hit(self, display: Mapping[str, Any], explainer: Explainer, language: str, score: float) -> Hit:
        marks, because = explainer.explain(display)
        shown = shown_language(display, marks, language)
        title_language, title = in_language(display["title"], shown)
        text_language, text = in_language(display["text"], shown)
        return Hit(
            id=display["id"],
            kind=display["kind"],
            slug=display["slug"],
            node=display["node"],
            own=display["own"],
            log_id=display["log"],
            published=display["published"],
            title=(title_language, segments(title, marks.get(("title", title_language), ()))),
            snippet=(text_language, snippet(text, marks.get(("text", text_language), ()))),
            languages=tuple(display["title"]),
            score=round(score, 4),
            because=tuple(because),
            topics=tuple(iri for iri in display["tagged"] if iri in self._topics),
        )


def _named(display: Mapping[str, Any], concepts: Concepts) -> list[str]:
    """The concepts that the texts of a record name."""
    texts = [(tag, text) for role in ("title", "text") for tag, text in display[role].items()]
    return list(
        {iri: None for tag, text in texts for iri in concepts.named(concepts.forms(WORD.findall(text), tag), tag)}
    )


def _total(result: tantivy.SearchResult) -> int:
    return int(getattr(result, "count") or 0)  # noqa: B009 - the stubs of tantivy do not know it
