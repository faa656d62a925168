"""Path two, second half: index → search. The index follows the logs; search reads the index.

A hit says why it was found, from the match itself: the word that matched, or the concept through
which it did and how the record names it.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, Final

import tantivy

from federation.errors import Unavailable
from federation.index import query as queries
from federation.index.explanation import Because, Segment, explain, segments, shown_language, snippet
from federation.index.query import Unit
from federation.index.text import Source, TextIndex, document, facet_field, facet_names
from federation.records.kinds import in_language
from federation.store.rows import Log
from federation.store.store import Store
from federation.workers import Tools, Workers

MAX_LIMIT: Final = 100
MAX_OFFSET: Final = 10_000
_CHUNK: Final = 250
BULK: Final = 2000
"""Entries from which on worker processes build the documents."""
_FACET_SIZE: Final = 400


@dataclass(frozen=True, slots=True)
class Request:
    """A search: words, the reader's language, filters by facet, and which hits to give."""

    text: str = ""
    language: str = "en"
    filters: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    limit: int = 20
    offset: int = 0


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


@dataclass(frozen=True, slots=True)
class Found:
    """The answer to a search. Facet counts are those the total would be with that value alone."""

    total: int
    hits: tuple[Hit, ...]
    facets: Mapping[str, tuple[FacetValue, ...]]
    took_ms: float
    concepts: tuple[tuple[str, str], ...]
    """Words of the query and the label of a concept they were understood as."""


class Search:
    """Searches one text index; every call runs in a thread."""

    def __init__(self, index: TextIndex) -> None:
        self._index = index
        self._vocabulary = index.concepts.vocabulary
        self.facets = facet_names(self._vocabulary)

    async def search(self, request: Request) -> Found:
        return await asyncio.to_thread(self.search_now, request)

    def search_now(self, request: Request) -> Found:
        """Answer a search. Unknown facets are ignored by the caller's choice of filters, never here."""
        started = time.perf_counter()
        concepts = self._index.concepts
        units = queries.understand(request.text, request.language, concepts)
        schema, searcher = self._index.schema, self._index.searcher()
        query = queries.build(units, request.filters, request.language, schema)
        order = None if units else "published"
        result = searcher.search(query, max(request.limit, 1), True, order_by_field=order, offset=request.offset)
        hits = []
        for score, address in result.hits[: request.limit]:
            display = json.loads(searcher.doc(address)["display"][0])
            hits.append(self._hit(display, units, request.language, float(score) if units else 0.0))
        return Found(
            total=_total(result),
            hits=tuple(hits),
            facets=self._facets(searcher, query, units, request),
            took_ms=round((time.perf_counter() - started) * 1000, 2),
            concepts=tuple(self._understood(units, request.language)),
        )

    def _understood(self, units: Sequence[Unit], language: str) -> Iterator[tuple[str, str]]:
        for unit in units:
            for iri in unit.concepts:
                yield unit.surface, self._vocabulary.label(iri, language)

    def _is_topic(self, iri: str) -> bool:
        concept = self._vocabulary.concepts.get(iri)
        return concept is not None and self._vocabulary.schemes[concept.scheme].topic

    # Facets

    def _facets(
        self, searcher: tantivy.Searcher, query: tantivy.Query, units: Sequence[Unit], request: Request
    ) -> dict[str, tuple[FacetValue, ...]]:
        free = [name for name in self.facets if not request.filters.get(name)]
        buckets = self._aggregate(searcher, query, free)
        for name in self.facets:
            if request.filters.get(name):
                # What choosing another value of the same facet would give does not depend on this one.
                others = queries.build(units, request.filters, request.language, self._index.schema, without=name)
                buckets |= self._aggregate(searcher, others, [name])
        return {
            name: tuple(self._values(name, buckets[name], request))
            for name in self.facets
            if buckets[name] or request.filters.get(name)
        }

    def _aggregate(
        self, searcher: tantivy.Searcher, query: tantivy.Query, names: Sequence[str]
    ) -> dict[str, dict[str, int]]:
        if not names:
            return {}
        asked = {name: {"terms": {"field": facet_field(name), "size": _FACET_SIZE}} for name in names}
        answer: dict[str, Any] = searcher.aggregate(query, asked)
        return {name: {bucket["key"]: int(bucket["doc_count"]) for bucket in answer[name]["buckets"]} for name in names}

    def _values(self, name: str, counts: Mapping[str, int], request: Request) -> Iterator[FacetValue]:
        chosen = request.filters.get(name, ())
        every = {**dict.fromkeys(chosen, 0), **counts}
        ordered = sorted(every.items(), key=lambda pair: (-pair[1], pair[0]))
        if name == "year":
            ordered = sorted(every.items(), reverse=True)
        for value, count in ordered:
            yield FacetValue(value, self.value_label(name, value, request.language), count, value in chosen)

    def value_label(self, name: str, value: str, language: str) -> str:
        """The name of a facet's value in a language."""
        if name == "kind":
            kind = self._vocabulary.kinds.get(value)
            return in_language(kind.labels, language)[1] if kind else value
        if name == "language":
            scheme = self._vocabulary.scheme_named("language")
            concept = scheme.find(value) if scheme else None
            return in_language(concept.labels, language)[1] if concept else value
        for scheme in self._vocabulary.schemes.values():
            if scheme.facet == name:
                found = scheme.find(value)
                return in_language(found.labels, language)[1] if found else value
        return value

    # Hits

    def _hit(self, display: Mapping[str, Any], units: Sequence[Unit], language: str, score: float) -> Hit:
        marks, because = explain(display, units, self._index.concepts, language)
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
            topics=tuple(iri for iri in display["tagged"] if self._is_topic(iri)),
        )


def _total(result: tantivy.SearchResult) -> int:
    return int(getattr(result, "count") or 0)  # noqa: B009 - the stubs of tantivy do not know it


# Following the logs


def documents_of(tools: Tools, sources: Sequence[Source]) -> list[tuple[str, dict[str, Any]] | None]:
    """Index documents of some entries. Pure; runs in a worker."""
    return [document(source, tools.concepts) for source in sources]


class Follower:
    """Keeps a text index in step with the logs of a store."""

    def __init__(self, store: Store, index: TextIndex, workers: Workers) -> None:
        self._store = store
        self._index = index
        self._workers = workers
        self._following = asyncio.Lock()

    async def catch_up(self, progress: Any = None) -> int:
        """Index what is visible and not indexed yet; how many entries that were.

        Where another process writes the same index, its work is picked up instead.
        """
        async with self._following:
            logs = await self._store.logs()
            behind = {each.did: each for each in logs if self._index.positions.get(each.did, 0) < each.verified_size}
            if not behind:
                return 0
            try:
                return await self._index_logs(behind, progress)
            except Unavailable:
                await asyncio.to_thread(self._index.refresh)
                return 0

    async def rebuild(self, progress: Any = None) -> int:
        """Make the index anew from the logs."""
        async with self._following:
            await asyncio.to_thread(self._index.clear)
        return await self.catch_up(progress)

    async def _index_logs(self, behind: Mapping[str, Log], progress: Any) -> int:
        positions = dict(self._index.positions)
        total = sum(log.verified_size - positions.get(did, 0) for did, log in behind.items())
        done = 0
        waiting: deque[tuple[str, int, asyncio.Task[list[Any]]]] = deque()
        chunks = (
            (did, log, start)
            for did, log in behind.items()
            for start in range(positions.get(did, 0), log.verified_size, _CHUNK)
        )
        ahead = self._workers.width + 1 if total > BULK else 1
        try:
            while True:
                for did, log, start in islice(chunks, ahead - len(waiting)):
                    stop = min(start + _CHUNK, log.verified_size)
                    task = asyncio.create_task(self._documents(log, start, stop, bulk=total > BULK))
                    waiting.append((did, stop, task))
                if not waiting:
                    break
                did, stop, task = waiting.popleft()
                await asyncio.to_thread(self._index.add, await task)
                done += stop - max(positions.get(did, 0), 0)
                positions[did] = stop
                if progress is not None:
                    progress(done, total)
        finally:
            for _, _, task in waiting:
                task.cancel()
            await asyncio.gather(*(task for _, _, task in waiting), return_exceptions=True)
        await asyncio.to_thread(self._index.commit, positions)
        return done

    async def _documents(self, log: Log, start: int, stop: int, *, bulk: bool) -> list[Any]:
        entries = await self._store.entries(log.id, start, stop)
        sources = [
            Source(log.id, each.position, log.name, log.own, each.published, each.signed.body)
            for each in entries
            if not each.quarantine
        ]
        return await self._workers.run(documents_of, sources, bulk=bulk)
