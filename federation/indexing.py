"""Path two, second half: append → index. The text index follows the logs by their positions."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import islice
from typing import Any, Final

import structlog

from federation.errors import Unavailable
from federation.index.concepts import Concepts
from federation.index.documents import Batch, Source, batch, document
from federation.index.glossary import Glossary, Term
from federation.index.text import TextIndex
from federation.log.effects import effect_of
from federation.log.keys import KIND as KEY_EVENT
from federation.records.canonical import nodes_of
from federation.records.record import assemble
from federation.store.effects import COMPROMISED
from federation.store.rows import Log, StoredEntry
from federation.store.store import Store
from federation.workers import Tools, Workers

log = structlog.get_logger(__name__)
_CHUNK: Final = 250
TERMS: Final = 20_000
"""Terms of one log that are believed, the oldest first."""
AWAITED: Final = 1.0
"""Seconds that an author waits for the index."""
BULK: Final = 2000
"""Entries from which on worker processes build the documents."""


def documents_of(tools: Tools, sources: Sequence[Source]) -> Batch:
    """Index documents of some entries. Pure; runs in a worker."""
    return batch(document(source, tools.concepts) for source in sources)


def _glossary(said: Sequence[tuple[Log, str]], concepts: Concepts) -> Glossary:
    """The glossary of the bodies of terms, each with its log."""
    read = ((*assemble(nodes_of(body), concepts.vocabulary), log) for log, body in said)
    terms = (Term.read(record, kind, log.name, own=log.own) for record, kind, log in read if kind is not None)
    return Glossary.of(terms, concepts)


class Follower:
    """Keeps a text index in step with the logs of a store."""

    def __init__(self, store: Store, index: TextIndex, workers: Workers) -> None:
        self._store = store
        self._index = index
        self._workers = workers
        self._following = asyncio.Lock()
        self._terms_at: object = None
        """How long the logs were when their terms were read."""
        self._begun: set[asyncio.Task[int]] = set()

    async def catch_up(self, progress: Any = None) -> int:
        """Index what is visible and not indexed yet; how many entries that were.

        Where another process writes the same index, its work is picked up instead.
        """
        async with self._following:
            logs = await self._store.logs()
            await self._read_terms(logs)
            behind = {each.did: each for each in logs if self._index.positions.get(each.did, 0) < each.verified_size}
            try:
                done = await self._index_logs(behind, dict(self._index.positions), progress) if behind else 0
                if self._index.soiled:
                    await self._make_anew(logs, None)
                return done
            except Unavailable:
                await asyncio.to_thread(self._index.refresh)
                return 0

    async def soon(self) -> None:
        """Have searches find what an author has just published, and wait for it no longer than AWAITED.

        Where much is behind it goes on by itself, and what stands in its way is not the author's to mend.
        """
        task = asyncio.create_task(self.catch_up())
        self._begun.add(task)
        task.add_done_callback(self._ended)
        await asyncio.wait({task}, timeout=AWAITED)

    def _ended(self, task: asyncio.Task[int]) -> None:
        self._begun.discard(task)
        error = None if task.cancelled() else task.exception()
        if error is not None:
            log.error("not indexed yet", detail=str(error))

    async def end(self) -> None:
        """Leave off what nobody waits for any more; the next start goes on with it."""
        for task in self._begun:
            task.cancel()
        await asyncio.gather(*self._begun, return_exceptions=True)

    async def _read_terms(self, logs: Sequence[Log]) -> None:
        """Have searches believe what the regions say of words; that takes no indexing."""
        sizes = [(each.id, each.verified_size) for each in logs]
        if sizes == self._terms_at:
            return
        vocabulary = self._index.concepts.vocabulary
        names = [kind.name for kind in vocabulary.authored if kind.lexical]
        rows = [
            (log, entry)
            for log in logs
            for name in names
            for entry in await self._store.of_kind(log.id, name, most=TERMS)
        ]
        said = [(log, entry.signed.body) for log, entry in rows if not entry.quarantine]
        self._index.glossary = await asyncio.to_thread(_glossary, said, self._index.concepts)
        self._terms_at = sizes

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
            known = [kind.name for kind in self._index.concepts.vocabulary.searched]
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
        try:
            done = await self._index_logs({log.did: log for log in logs}, {}, progress)
        except BaseException:
            # Otherwise the next commit would take away what is not fed again.
            await asyncio.to_thread(self._index.leave)
            raise
        await asyncio.to_thread(self._index.collect)
        return done

    async def _index_logs(self, behind: Mapping[str, Log], positions: dict[str, int], progress: Any) -> int:
        before = dict(positions)
        total = sum(log.verified_size - positions.get(did, 0) for did, log in behind.items())
        done, soiled = 0, False
        waiting: deque[tuple[str, int, asyncio.Task[Batch]]] = deque()
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

    async def _documents(self, log: Log, start: int, stop: int, *, bulk: bool) -> Batch:
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
        made: Batch = await self._workers.run(documents_of, sources, bulk=bulk)
        return replace(made, documents=(*made.documents, *((record, None) for record in gone)))

    async def _hidden_by(self, log: Log, entry: StoredEntry) -> list[str]:
        """The records of which a key event hides versions that a stolen key signed."""
        effect = effect_of(entry.position, entry.record, entry.kind, entry.signed.body)
        if effect is None or effect.compromised_from is None:
            return []
        suspect = await self._store.entries(log.id, effect.compromised_from, entry.position)
        return list(dict.fromkeys(each.record for each in suspect if each.quarantine == COMPROMISED))
