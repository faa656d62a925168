"""Copying a peer's log from its feed: walk the pages from the cursor, have them judged, keep them.

Pages are fetched and judged some way ahead of the one being stored, in worker processes when there are
many, and stored several at a time with the cursor behind the last. What is kept stays invisible until
``sync`` has found its root equal to a checkpoint.
"""

from __future__ import annotations

import asyncio
import shutil
from collections import deque
from collections.abc import AsyncGenerator, Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

import structlog

from federation.config import PeerConfig
from federation.errors import BadPage, FederationError, StorageFailed, WrongTime
from federation.limits import Limits
from federation.log import did as dids
from federation.log.times import Clock
from federation.log.trust import Entry, Erased, Standing, unpacked
from federation.peers.ldes import NQUADS, TRIG, Page, Relation, in_order
from federation.peers.transport import Answer, Transport
from federation.quotas import Budget
from federation.store.rows import Log
from federation.store.store import Store
from federation.tasks import judge_page, read_links
from federation.workers import Workers

PAGES: Final = f"{TRIG}, {NQUADS};q=0.9"
"""What pages are asked for in: without the name of its graph in each of its lines a body is read at half the cost."""
BULK: Final = 300
"""Entries from which on worker processes judge the pages."""
_AHEAD: Final = 8
"""Pages fetched and judged ahead of the one being stored."""
_TOGETHER: Final = 4
"""Pages stored in one transaction, if there are more: a transaction has a price of its own."""

Progress = Callable[[int, int], None]
"""Called with entries held and entries the peer has."""
log = structlog.get_logger(__name__)


class _Page(NamedTuple):
    relation: Relation
    entries: list[Entry | Erased]
    after: Standing
    size: int


_Task = asyncio.Task[_Page]


class _Run(NamedTuple):
    """What is the same for all pages of a run."""

    peer: PeerConfig
    stop: int
    budget: Budget
    bulk: bool
    fetched: dict[str, Answer]
    """Pages that came and are not stored yet: one that is to be judged again is not fetched again."""


def asked(peer: PeerConfig, path: str) -> str:
    """Where a path of a peer is asked for: at the peer, or at a mirror of one that is gone."""
    return f"{peer.via}/mirror/{dids.host_of(peer.url)}{path}" if peer.via else f"{peer.url}{path}"


class Harvester:
    """Copies logs into a store."""

    def __init__(
        self, store: Store, transport: Transport, workers: Workers, limits: Limits, clock: Clock, *, data: Path
    ) -> None:
        """``data`` is the directory whose disk must keep some room."""
        self._data = data
        self._store = store
        self._transport = transport
        self._workers = workers
        self._limits = limits
        self._clock = clock

    async def follow(
        self,
        peer: PeerConfig,
        known: Log,
        target: int,
        recovered: str,
        progress: Progress = lambda held, total: None,
        budget: Budget | None = None,
    ) -> Standing:
        """Store pages from the cursor up to position ``target``; where that ended.

        It ends early when the budget is spent, that of a run where none is given. Raises what is wrong with a page.
        """
        budget = budget or Budget(self._limits.run_pages)
        standing = known.standing(peer.fingerprint, recovered)
        stop, exhausted = min(target, known.size + budget.entries), False
        bulk = stop - known.size > BULK
        waiting: deque[tuple[Relation, _Task]] = deque()
        run = _Run(peer, stop, budget, bulk, {})
        pages = self._pages(peer, budget, start=known.size, stop=stop)
        try:
            while True:
                ahead = self._ahead(budget) if standing.declared is not None and bulk else 1
                while not exhausted and len(waiting) < ahead and budget.left:
                    relation = await anext(pages, None)
                    if relation is None:
                        exhausted = True
                        break
                    budget.pages -= 1
                    task = self._begin(run, relation, standing, first=not waiting)
                    waiting.append((relation, task))
                if not waiting:
                    break
                judged = await _ready(waiting, standing)
                for page in judged:
                    run.fetched.pop(page.relation.node, None)
                changed = judged[-1].after.declared != standing.declared
                standing = await self._keep(known.id, judged, standing, budget)
                if changed:
                    # What was judged ahead was judged by keys that are no longer in force.
                    await _dropped(waiting)
                    again = [relation for relation, _ in waiting]
                    waiting.clear()
                    for at, relation in enumerate(again):
                        task = self._begin(run, relation, standing, first=at == 0)
                        waiting.append((relation, task))
                progress(standing.size, target)
        finally:
            await _dropped(waiting)
            await pages.aclose()
            if (spent := budget.settle()) is not None:
                await self._store.peers.count(known.id, spent)
        if standing.size < stop and budget.left:
            raise BadPage(f"The feed of {peer.name} ends at {standing.size}, its checkpoint says {target}.")
        return standing

    async def check_room(self) -> None:
        """Raise StorageFailed where the disk has less than is to stay free: nothing is taken from peers then."""
        free = (await asyncio.to_thread(shutil.disk_usage, self._data)).free
        if free < self._limits.reserve_bytes:
            raise StorageFailed(
                f"The disk has {free:,} bytes left. Nothing is taken from peers until there is more (reserve_bytes)."
            )

    def _ahead(self, budget: Budget) -> int:
        """Pages to fetch ahead: few enough that, at their largest, they do not exceed the day's bytes by much."""
        return _AHEAD if budget.bytes > _AHEAD * self._limits.page_bytes else 1

    def _begin(self, run: _Run, relation: Relation, standing: Standing, *, first: bool) -> _Task:
        if not first:
            standing = standing._replace(size=max(relation.lower, standing.size), published="")
        return asyncio.create_task(self._page(run, relation, standing))

    async def _pages(self, peer: PeerConfig, budget: Budget, *, start: int, stop: int) -> AsyncGenerator[Relation]:
        """The member pages of a feed in the order of the log, from the root through the sections.

        A page that was linked before is left out: one that closes while we walk is linked from the root as we
        saw it and from its section as it is by then. So nothing that links in circles keeps us either.
        """
        root = f"{peer.url}/feed"
        visited = {root}
        for section in self._linked(await self._read(root, peer, budget), visited, root, start, stop):
            if section.upper is None or section.node.count("/") > root.count("/") + 1:
                yield section
                continue
            if not budget.left:
                return
            found = self._linked(await self._read(section.node, peer, budget), visited, root, start, stop)
            first = next(found, None)
            if first is None:
                budget.pages -= 1  # a section without a page costs one, or nothing would end them
                continue
            yield first
            for page in found:
                yield page

    @staticmethod
    def _linked(page: Page, visited: set[str], root: str, start: int, stop: int) -> Iterator[Relation]:
        for each in in_order(page.relations, start=start, stop=stop):
            if not each.node.startswith(root + "/"):
                raise BadPage(f"{root} leads to {each.node[:200]}, which is not a page of this feed.")
            if each.node not in visited:
                visited.add(each.node)
                yield each

    async def _read(self, url: str, peer: PeerConfig, budget: Budget) -> Page:
        answer = await self._transport.get(asked(peer, url.removeprefix(peer.url)), accept=NQUADS)
        budget.spend(len(answer.content.data))
        return await self._workers.run(read_links, answer.content, url, peer.url)

    async def _page(self, run: _Run, relation: Relation, standing: Standing) -> _Page:
        """Fetch a page, unless that was done, and have it judged."""
        answer = run.fetched.get(relation.node)
        if answer is None:
            path = relation.node.removeprefix(run.peer.url)
            answer = run.fetched[relation.node] = await self._transport.get(asked(run.peer, path), accept=PAGES)
        how = answer.media_type, relation.node, standing, run.stop, self._clock()
        try:
            entries, after, size, crashes = await self._workers.run(judge_page, answer.content, *how, bulk=run.bulk)
        except FederationError:
            run.budget.spend(len(answer.content.data))  # what is not believed has a price as well
            raise
        if crashes:
            # One for a page: where a defect of ours meets every record, the log is not to be flooded with it.
            position, crash = next(iter(crashes.items()))
            what = {"peer": run.peer.name, "position": position, "others": len(crashes) - 1, "exception": crash}
            log.error("an entry crashed the reader and is kept aside", **what)
        return _Page(relation, unpacked(entries, standing.did), after, size)

    async def _keep(self, log_id: int, judged: Sequence[_Page], standing: Standing, budget: Budget) -> Standing:
        """Store pages that follow each other, with the cursor behind the last, in one transaction."""
        cursor, kept = standing.size, list[Entry | Erased]()
        for relation, entries, after, _ in judged:
            if not entries or entries[0].position != standing.size:
                raise BadPage(f"{relation.node} does not hold position {standing.size}.")
            # A page judged ahead of time could not know when the one before it ended.
            first = next((entry for entry in entries if isinstance(entry, Entry)), None)
            if first is not None and first.published < standing.published:
                raise WrongTime(f"Entry {first.position} is older than the one before it.")
            kept += entries
            standing = after._replace(published=after.published or standing.published)
        await self.check_room()
        taken = budget.take(len(kept), sum(page.size for page in judged))
        await self._store.append_peer(log_id, kept, after=cursor, standing=standing, taken=taken)
        return standing


async def _ready(waiting: deque[tuple[Relation, _Task]], standing: Standing) -> list[_Page]:
    """The next page, and those after it that have been judged well by the same keys."""
    _, task = waiting.popleft()
    judged = [await task]
    while waiting and len(judged) < _TOGETHER and judged[-1].after.declared == standing.declared:
        _, task = waiting[0]
        if not await _good(task):
            break  # left for when it is next, and its failure with it
        waiting.popleft()
        judged.append(task.result())
    return judged


async def _good(task: asyncio.Task[Any]) -> bool:
    await asyncio.wait({task})
    return not task.cancelled() and task.exception() is None


async def _dropped(waiting: deque[tuple[Relation, _Task]]) -> None:
    for _, task in waiting:
        task.cancel()
    await asyncio.gather(*(task for _, task in waiting), return_exceptions=True)
