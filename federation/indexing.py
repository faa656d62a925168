"""Path two, second half: append → index. The text index follows the logs by their positions."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import islice
from typing import Any, Final

import structlog

from federation.errors import FederationError, StorageFailed, Unavailable
from federation.index.concepts import Concepts
from federation.index.documents import Batch, Source
from federation.index.glossary import Glossary, Term
from federation.index.text import TextIndex
from federation.log.effects import effect_of
from federation.log.keys import KIND as KEY_EVENT
from federation.records.canonical import nodes_of
from federation.records.record import assemble
from federation.store.effects import COMPROMISED
from federation.store.rows import Log, StoredEntry
from federation.store.store import Store
from federation.tasks import documents_of
from federation.workers import Workers

log = structlog.get_logger(__name__)
_CHUNK: Final = 250
TERMS: Final = 8 * 1024 * 1024
"""Bytes of terms of one log that are believed, the oldest first: some 2,000 of usual size."""
AWAITED: Final = 1.0
"""Seconds that an author waits for the index."""
BULK: Final = 2000
"""Entries from which on worker processes build the documents."""


def _glossary(said: Sequence[tuple[Log, str]], concepts: Concepts, before: Glossary) -> Glossary:
    """The glossary of the bodies of terms, each with its log."""
    read = ((*assemble(nodes_of(body), concepts.vocabulary), log) for log, body in said)
    terms = [Term.read(record, kind, log.name, own=log.own) for record, kind, log in read if kind is not None]
    return Glossary.of(terms, concepts, before)


def _behind(logs: Sequence[Log], positions: Mapping[str, int]) -> dict[str, Log]:
    """The logs of which something visible is not indexed yet, by DID."""
    return {each.did: each for each in logs if positions.get(each.did, 0) < each.verified_size}


def _ahead(logs: Sequence[Log], positions: Mapping[str, int]) -> bool:
    """Whether more of a log is indexed than is visible."""
    return any(positions.get(each.did, 0) > each.verified_size for each in logs)


def _revision(logs: Sequence[Log]) -> int:
    return max((each.revision for each in logs if each.own), default=0)


class Follower:
    """Keeps a text index in step with the logs of a store."""

    def __init__(self, store: Store, index: TextIndex, workers: Workers) -> None:
        self._store = store
        self._index = index
        self._workers = workers
        self._lexical = [kind.name for kind in index.concepts.vocabulary.authored if kind.lexical]
        self._following = asyncio.Lock()
        self._terms_of: set[int] = set()
        """The logs whose terms were read last."""
        self._terms_changed = True
        self._begun: set[asyncio.Task[int]] = set()
        self._next: asyncio.Future[bool] | None = None
        """Ends with the turn of whoever waits for one: whether that was finished."""
        self.trouble = ""
        """Why the last turn failed, while none has succeeded since."""

    async def catch_up(self, progress: Any = None) -> int:
        """Index what is visible and not indexed yet; how many entries that were.

        Where another process writes the same index, its work is picked up instead. Whoever comes while another one
        waits for its turn is served with it: each turn ends with a commit, and a commit is dear.
        """
        while self._next is not None:
            if await asyncio.shield(self._next):
                return 0
        turn = self._next = asyncio.get_running_loop().create_future()
        try:
            async with self._following:
                self._next = None
                done = await self._catch_up(progress)
                self.trouble = ""
                turn.set_result(True)
                return done
        except FederationError as error:
            self.trouble = str(error)
            turn.set_exception(error)
            turn.exception()  # whoever waits is told; if nobody does, nothing is amiss
            raise
        finally:
            self._next = None if self._next is turn else self._next
            if not turn.done():
                turn.set_result(False)  # it was left off: whoever waited takes a turn of their own

    async def _catch_up(self, progress: Any) -> int:
        logs, positions, done = await self._store.logs(), dict(self._index.positions), 0
        try:
            if positions and (self._index.revision != _revision(logs) or _ahead(logs, positions)):
                # A log was forgotten, an entry released or a peer renamed, perhaps by another process; or the database
                # was put back, and what the index has beyond it is nowhere any more.
                done, self._terms_changed = await self._make_anew(logs, progress), True
            elif _behind(logs, positions):
                done = await self._index_logs(logs, positions, progress)
            if done:
                await asyncio.to_thread(self._index.words.sort)
            if self._index.soiled:
                await self._make_anew(logs, None)
        except Unavailable:
            await asyncio.to_thread(self._index.refresh)
            done, self._terms_changed = 0, True
        await self._read_terms(logs)
        return done

    async def followed(self) -> str:
        """Catch up after something was done that stands in any case; what is in the way of it, if anything is."""
        try:
            await self.catch_up()
        except StorageFailed as error:
            return str(error)
        return ""

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
            expected = isinstance(error, FederationError)
            log.error("not indexed yet", detail=str(error), exc_info=None if expected else error)

    async def end(self) -> None:
        """Leave off what nobody waits for any more; the next start goes on with it."""
        for task in self._begun:
            task.cancel()
        await asyncio.gather(*self._begun, return_exceptions=True)

    async def _read_terms(self, logs: Sequence[Log]) -> None:
        """Have searches believe what the regions say of words, where that has changed; it takes no indexing."""
        if not self._terms_changed and self._terms_of == {each.id for each in logs}:
            return
        said = [(log, body) for log in logs for body in await self._said(log)]
        index = self._index
        index.glossary = await asyncio.to_thread(_glossary, said, index.concepts, index.glossary)
        self._terms_changed, self._terms_of = False, {each.id for each in logs}

    async def _said(self, home: Log) -> list[str]:
        """The bodies of the terms of a log, the oldest first, up to TERMS bytes: nobody fills our memory with words."""
        bodies: list[str] = []
        for kind in self._lexical:
            left, after = TERMS, -1
            while some := await self._store.of_kind(home.id, kind, after=after, most=_CHUNK):
                for each in some:
                    left -= len(each.signed.body)
                    if left < 0:
                        log.warning("terms are left out", node=home.name, bytes=TERMS)
                        return bodies
                    bodies.append(each.signed.body)
                after = some[-1].position
        return bodies

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
            if any(self._index.positions.get(did, 0) < size for did, size in sizes.items()):
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
            logs = await self._store.logs()
            done = await self._make_anew(logs, progress)
            await self._read_terms(logs)
            return done

    async def _make_anew(self, logs: Sequence[Log], progress: Any) -> int:
        await asyncio.to_thread(self._index.begin_anew)
        done = await self._index_logs(logs, {}, progress)
        await asyncio.to_thread(self._index.collect)
        return done

    async def _index_logs(self, logs: Sequence[Log], positions: dict[str, int], progress: Any) -> int:
        try:
            return await self._feed(logs, positions, progress)
        except BaseException:
            # A writer that failed has lost documents which the next commit would count as indexed, and one that makes
            # anew would take away what is not fed again: the next turn begins with another one.
            await asyncio.to_thread(self._index.leave)
            raise

    async def _feed(self, logs: Sequence[Log], positions: dict[str, int], progress: Any) -> int:
        before, behind = dict(positions), _behind(logs, positions)
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
        await asyncio.to_thread(self._index.commit, positions, revision=_revision(logs), soiled=soiled)
        return done

    async def _documents(self, log: Log, start: int, stop: int, *, bulk: bool) -> Batch:
        entries = await self._store.entries(log.id, start, stop)
        shown: list[StoredEntry] = []
        gone: list[str] = []
        self._terms_changed |= any(each.kind == KEY_EVENT or self._is_lexical(each) for each in entries)
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

    def _is_lexical(self, entry: StoredEntry) -> bool:
        return any(f"/records/{name}/" in entry.record for name in self._lexical)

    async def _hidden_by(self, log: Log, entry: StoredEntry) -> list[str]:
        """The records of which a key event hides versions that a stolen key signed."""
        effect = effect_of(entry.position, entry.record, entry.kind, entry.signed.body)
        if effect is None or effect.compromised_from is None:
            return []
        suspect = await self._store.entries(log.id, effect.compromised_from, entry.position)
        return list(dict.fromkeys(each.record for each in suspect if each.quarantine == COMPROMISED))
