"""Data directories filled without waiting for SHACL: signed logs, and a text index of many records.

Entries are sealed as ``publish`` seals them — statements, canonical body, proof, append with the
checkpoint — but not validated with SHACL, which is a figure of its own. Indexes are built through
``index.text.document`` in worker processes, as the follower builds them.
"""

from __future__ import annotations

import asyncio
import json
import pickle
import time
from base64 import b64decode
from collections.abc import AsyncIterator, Awaitable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any, Final, TypeVar

from benchmarks.corpus import Corpus
from benchmarks.sites import Site, cores, make_site
from federation import node as nodes
from federation.index.documents import Source, facet_field, facet_names
from federation.log import checkpoint as checkpoints
from federation.log.times import timestamp
from federation.log.trust import Entry
from federation.records.canonical import XSD, Literal, write
from federation.records.draft import statements
from federation.records.proof import Signer, sign
from federation.records.record import ISSUED, MODIFIED, PUBLISHER, VERSION
from federation.records.values import Naming
from federation.store.keyfiles import Keyring
from federation.tasks import documents_of
from federation.workers import Tools, Workers

CHUNK: Final = 500
REGIONS: Final = ("flanders", "netherlands", "denmark", "sweden", "norway", "scotland")
R = TypeVar("R")
_corpora: dict[Path, Corpus] = {}
"""A worker process needs the corpus in every task; a process pool offers no other place for it."""


@dataclass(frozen=True, slots=True)
class Scale:
    """How much is measured. Quick runs show that everything works; their figures say little."""

    published: int
    synced: int
    latency_rounds: int
    indexed: int
    queries: int
    feed_seconds: float
    feed_rounds: int
    starts: int


FULL: Final = Scale(2_000, 10_000, 5, 100_000, 300, 5.0, 3, 3)
QUICK: Final = Scale(800, 2_000, 2, 5_000, 300, 1.0, 1, 1)


@dataclass(frozen=True, slots=True)
class Text:
    """A record as another search engine would take it: title and text in all languages, and facet values."""

    title: str
    text: str
    facets: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Large:
    """A node with a filled index, how long that took, and where the same texts lie for another engine."""

    site: Site
    indexed: int
    build_seconds: float
    index_bytes: int
    text_bytes: int
    texts: Path


@dataclass
class Bench:
    """What the figures of one run share."""

    scratch: Path
    scale: Scale
    quick: bool

    @cached_property
    def synced(self) -> Site:
        """A node whose log holds the entries that are synced."""
        return asyncio.run(_with_log(make_site(self.scratch, "full"), self.scale.synced))

    @cached_property
    def large(self) -> Large:
        """A node with a log and an index of many records."""
        return asyncio.run(_large(make_site(self.scratch, "flanders"), self.scale.indexed))


def corpus_of(tools: Tools) -> Corpus:
    """The corpus over a process's vocabulary, made once."""
    folder = tools.vocabulary.folder
    if folder not in _corpora:
        _corpora[folder] = Corpus(tools.vocabulary)
    return _corpora[folder]


def warm(tools: Tools, shacl: bool) -> None:
    """Everything a worker builds once; runs in a worker."""
    _ = tools.concepts, tools.checks
    tools.concepts.warm()
    if shacl:
        _ = tools.shacl
    # Holds this worker for a moment, so that the next one gets the next task.
    time.sleep(0.3)


async def start_workers(workers: Workers, *, shacl: bool = False) -> float:
    """Start every worker process of a pool and build its tools; how many seconds that took."""
    started = time.perf_counter()
    await asyncio.gather(*(workers.run(warm, shacl, bulk=True) for _ in range(workers.width)))
    return time.perf_counter() - started


def bodies(tools: Tools, naming: Naming, numbers: range, created: str) -> list[tuple[str, str]]:
    """Record IRIs and canonical bodies of some pilots as their version 1."""
    corpus, made = corpus_of(tools), []
    for number in numbers:
        draft = corpus.draft(number)
        triples, faults = statements(draft, tools.vocabulary, naming)
        if faults:
            raise ValueError(faults[0])
        subject = naming.record(draft.kind, draft.slug)
        triples += [
            (subject, PUBLISHER, naming.did),
            (subject, ISSUED, Literal(created, XSD + "dateTime")),
            (subject, MODIFIED, Literal(created, XSD + "dateTime")),
            (subject, VERSION, Literal("1", XSD + "integer")),
        ]
        made.append((subject, write(triples)))
    return made


def sealed(tools: Tools, naming: Naming, keys: Path, numbers: range, created: str) -> list[Entry]:
    """Signed entries of some pilots; runs in a worker."""
    signer = Signer(naming.did, Keyring(keys).private(None).record)
    return [
        Entry(0, sign(body, signer, created=created), iri, "pilot", 1)
        for iri, body in bodies(tools, naming, numbers, created)
    ]


def sources(entries: Sequence[Entry], first: int, created: str) -> list[Source]:
    """Entries of a log as the index takes them, as if the six regions had published them by turns."""
    turns = ((number, each, number % len(REGIONS)) for number, each in enumerate(entries, first))
    return [
        Source(1, number, REGIONS[turn], turn == 0, created, each.verified.signed.body) for number, each, turn in turns
    ]


async def ahead(tasks: Sequence[Any], width: int) -> AsyncIterator[Any]:
    """Results of coroutine functions in their order, a few of them always under way."""
    waiting: list[asyncio.Task[Any]] = []
    try:
        for task in tasks:
            waiting.append(asyncio.create_task(task()))
            if len(waiting) > width:
                yield await waiting.pop(0)
        while waiting:
            yield await waiting.pop(0)
    finally:
        for each in waiting:
            each.cancel()


def _chunks(total: int) -> list[range]:
    return [range(at, min(at + CHUNK, total)) for at in range(0, total, CHUNK)]


async def _with_log(site: Site, size: int) -> Site:
    """Fill the log of a new node up to ``size`` entries, and its index with them."""
    config = site.config
    await nodes.init(config)
    async with nodes.open_node(config, width=cores()) as node:
        async for _ in _fill_log(node, size):
            pass
        await node.follower.catch_up()
    return site


async def _fill_log(node: nodes.Node, size: int) -> AsyncIterator[list[Source]]:
    created, naming, keys = timestamp(datetime.now(UTC)), node.config.naming, node.config.data / "keys"
    key, origin, position = Keyring(keys).private(None).log, checkpoints.origin_of(node.config.host), 1

    def checkpoint(size: int, root: bytes, before: str) -> str:
        return checkpoints.sign(origin, size, root, key, now=datetime.now(UTC))

    tasks = [_call(node.workers, sealed, naming, keys, numbers, created) for numbers in _chunks(size - 1)]
    async for entries in ahead(tasks, node.workers.width):
        await node.store.append_own(node.log.id, entries, keys=node.log.keys, checkpoint=checkpoint)
        yield sources(entries, position, created)
        position += len(entries)


def _call(workers: Workers, task: Any, *args: Any) -> Any:
    def call() -> Awaitable[Any]:
        return workers.run(task, *args, bulk=True)

    return call


async def _large(site: Site, indexed: int) -> Large:
    """The index holds what the log does: a serving node counts both, and makes an index anew that does not."""
    config = site.config
    await nodes.init(config)
    async with nodes.open_node(config, width=cores()) as node:
        await start_workers(node.workers)
        pickled = [pickle.dumps(each) async for each in _fill_log(node, indexed + 1)]
        seconds, texts = await _index(node, pickled)
        log = await node.store.log(node.log.id)
        # With its own log at the end of what is indexed, the follower of a serving node has nothing to do.
        await asyncio.to_thread(node.index.commit, {log.did: log.verified_size})
    path = site.folder / "texts.pickle"
    path.write_bytes(pickle.dumps(texts))
    return Large(
        site=site,
        indexed=indexed,
        build_seconds=seconds,
        index_bytes=sum(each.stat().st_size for each in (config.data / "index" / "tantivy").iterdir()),
        text_bytes=sum(len(each.title.encode()) + len(each.text.encode()) for each in texts),
        texts=path,
    )


async def _index(node: nodes.Node, pickled: Sequence[bytes]) -> tuple[float, list[Text]]:
    """Documents in workers, the writer here; seconds from the first body to the commit, and the texts."""
    names = facet_names(node.workers.tools.vocabulary)
    started = time.perf_counter()
    tasks = [_call(node.workers, documents_of, pickle.loads(each)) for each in pickled]
    unpickled = time.perf_counter() - started
    made = []
    async for documents in ahead(tasks, node.workers.width + 1):
        await asyncio.to_thread(node.index.add, documents)
        made.append(documents)
    await asyncio.to_thread(node.index.commit, {})
    seconds = time.perf_counter() - started - unpickled
    # What the other engine will index is not part of building this index.
    texts = [_text(json.loads(fields), names) for each in made for _, fields in each.documents if fields is not None]
    return seconds, texts


def _text(fields: dict[str, Any], names: Sequence[str]) -> Text:
    display = json.loads(b64decode(fields["display"][0]))
    facets = tuple((name, value) for name in names for value in fields.get(facet_field(name), []))
    return Text("\n".join(display["title"].values()), "\n".join(display["text"].values()), facets)
