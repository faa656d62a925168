"""Path two, second half: index → search. The index follows the logs; search reads the index.

A hit says why it was found, from the match itself: the word that matched, or the concept through
which it did and how the record names it.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, Final

import structlog
import tantivy

from federation.errors import Unavailable
from federation.index import query as queries
from federation.index.explanation import Because, Explainer, Segment, segments, shown_language, snippet
from federation.index.query import Unit
from federation.index.text import Source, TextIndex, displayed, document, facet_field, facet_names
from federation.log.effects import effect_of
from federation.log.keys import KIND as KEY_EVENT
from federation.records.kinds import in_language
from federation.store.effects import COMPROMISED
from federation.store.rows import Log, StoredEntry
from federation.store.store import Store
from federation.workers import Tools, Workers

log = structlog.get_logger(__name__)
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


@dataclass(frozen=True, slots=True)
class _Plan:
    """A request as it is put to one state of the index."""

    request: Request
    units: Sequence[Unit]
    searcher: tantivy.Searcher
    query: tantivy.Query


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
        )

    def _plan(self, request: Request) -> _Plan:
        units = queries.understand(request.text, request.language, self._index.concepts)
        query = queries.build(units, request.filters, request.language, self._index.schema)
        if not units and request.text.strip():
            query = tantivy.Query.empty_query()  # something was asked for, and no word of it can be found
        return _Plan(request, units, self._index.searcher(), query)

    def _understood(self, units: Sequence[Unit], language: str) -> Iterator[tuple[str, str]]:
        for unit in units:
            for iri in unit.concepts:
                yield unit.surface, self._vocabulary.label(iri, language)

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
        query = plan.query
        if without and (plan.units or not plan.request.text.strip()):
            request = plan.request
            query = queries.build(plan.units, request.filters, request.language, self._index.schema, without=without)
        asked = {name: {"terms": {"field": facet_field(name), "size": _FACET_SIZE}} for name in names}
        answer: dict[str, Any] = plan.searcher.aggregate(query, asked)
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
        result = searcher.search(plan.query, max(request.limit, 1), True, order_by_field=order, offset=request.offset)
        explainer = Explainer(plan.units, self._index.concepts, request.language)
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


def _total(result: tantivy.SearchResult) -> int:
    return int(getattr(result, "count") or 0)  # noqa: B009 - the stubs of tantivy do not know it


# Following the logs


def documents_of(tools: Tools, sources: Sequence[Source]) -> list[tuple[str, dict[str, Any] | None] | None]:
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
            try:
                done = await self._index_logs(behind, dict(self._index.positions), progress) if behind else 0
                if self._index.soiled:
                    await self._make_anew(logs, None)
                return done
            except Unavailable:
                await asyncio.to_thread(self._index.refresh)
                return 0

    async def behind(self) -> int:
        """Visible entries that are not indexed yet."""
        positions = self._index.positions
        return sum(max(log.verified_size - positions.get(log.did, 0), 0) for log in await self._store.logs())

    async def recount(self) -> bool:
        """Count the documents of the index against the records of the logs, and make it anew where they differ.

        Says whether they did. An index that is behind is left to ``catch_up``.
        """
        async with self._following:
            logs = await self._store.logs()
            counts = [await self._store.counts(each.id) for each in logs]
            sizes = {each.did: each.verified_size for each in await self._store.logs()}
            if any(self._index.positions.get(did, 0) != size for did, size in sizes.items()):
                return False
            known = [kind.name for kind in self._index.concepts.vocabulary.authored]
            records = sum(each.get(name, 0) for each in counts for name in known)
            documents = self._index.searcher().num_docs
            if documents == records:
                return False
            log.error("the index does not hold what the logs do; it is made anew", records=records, documents=documents)
            await self._make_anew(logs, None)
            return True

    async def rebuild(self, progress: Any = None) -> int:
        """Make the index anew from the logs; until that is done, everybody searches the old one."""
        async with self._following:
            return await self._make_anew(await self._store.logs(), progress)

    async def _make_anew(self, logs: Sequence[Log], progress: Any) -> int:
        await asyncio.to_thread(self._index.begin_anew)
        done = await self._index_logs({log.did: log for log in logs}, {}, progress)
        await asyncio.to_thread(self._index.collect)
        return done

    async def _index_logs(self, behind: Mapping[str, Log], positions: dict[str, int], progress: Any) -> int:
        before = dict(positions)
        total = sum(log.verified_size - positions.get(did, 0) for did, log in behind.items())
        done, soiled = 0, False
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
        for did, log in behind.items():
            erased = await self._store.erasures(log.id)
            soiled |= any(at < before.get(did, 0) <= by for at, by in erased.items())
        await asyncio.to_thread(self._index.commit, positions, soiled=soiled)
        return done

    async def _documents(self, log: Log, start: int, stop: int, *, bulk: bool) -> list[Any]:
        entries = await self._store.entries(log.id, start, stop)
        shown: list[StoredEntry] = []
        gone: list[str] = []
        for each in entries:
            if each.kind == KEY_EVENT:
                hidden = await self._hidden_by(log, each)
                current = await self._store.currents(hidden, log.id)
                gone += [record for record in hidden if record not in current]
                shown += current.values()
            elif not each.quarantine:
                shown.append(each)
        sources = [Source(log.id, each.position, log.name, log.own, each.published, each.signed.body) for each in shown]
        documents: list[Any] = await self._workers.run(documents_of, sources, bulk=bulk)
        return [*documents, *((record, None) for record in gone)]

    async def _hidden_by(self, log: Log, entry: StoredEntry) -> list[str]:
        """The records of which a key event hides versions that a stolen key signed."""
        effect = effect_of(entry.position, entry.record, entry.kind, entry.signed.body)
        if effect is None or effect.compromised_from is None:
            return []
        suspect = await self._store.entries(log.id, effect.compromised_from, entry.position)
        return list(dict.fromkeys(each.record for each in suspect if each.quarantine == COMPROMISED))
