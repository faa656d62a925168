"""Path two, first half: fetch → verify → append. Pull only, one peer at a time per lock.

A pull asks for the peer's checkpoint; if nothing is new, that one request was all. Otherwise it walks
the feed from the cursor, lets every page be judged (in worker processes when there are many), keeps
page and cursor in one transaction, and makes the entries visible only when their root equals the
checkpoint it began with. Whatever fails leaves the cursor where the last whole page put it.
"""

from __future__ import annotations

import asyncio
import random
from collections import deque
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final

import structlog

from federation.config import PeerConfig
from federation.errors import (
    BadCheckpoint,
    BadPage,
    Conflict,
    FederationError,
    Forked,
    KeyMismatch,
    PeerError,
    PeerUnreachable,
    Regressed,
    RootMismatch,
    StorageFailed,
    WrongTime,
)
from federation.limits import Limits
from federation.log import checkpoint as checkpoints
from federation.log import did as dids
from federation.log.checkpoint import Checkpoint
from federation.log.keys import Keys, fingerprint
from federation.log.trust import Entry, Packed, Standing, judge, packed, understood, unpacked
from federation.peers.ldes import Page, Relation, in_order, read_page
from federation.peers.transport import Content, Transport
from federation.publish import Clock, timestamp
from federation.records import jsonld
from federation.store.locks import held
from federation.store.rows import Log, PeerState
from federation.store.store import Store
from federation.workers import Tools, Workers

NQUADS: Final = "application/n-quads"
STALE_AFTER: Final = timedelta(hours=72)
"""A checkpoint older than this means that the peer has stopped, or that somebody holds newer ones back."""
LONGEST_WAIT: Final = timedelta(hours=24)
BULK: Final = 300
"""Entries from which on worker processes judge the pages."""
_AHEAD: Final = 8
"""Pages fetched and judged ahead of the one being stored."""
_TOGETHER: Final = 4
"""Pages stored in one transaction, if there are more: a transaction has a price of its own."""

log = structlog.get_logger(__name__)
Progress = Callable[[int, int], None]
"""Called with entries held and entries the peer has."""


@dataclass(frozen=True, slots=True)
class Pulled:
    """What one pull did."""

    peer: str
    state: str
    added: int
    size: int
    reason: str = ""
    detail: str = ""


@dataclass(frozen=True, slots=True)
class _Verdict:
    """What a run means for the state of a peer."""

    state: str
    reason: str
    detail: str
    values: Mapping[str, str | int] = field(default_factory=dict)


_Judged = tuple[Relation, list[Entry], Standing]
_GOES_ON: Final = "There is more than one run may take; the next one goes on."
STATES: Final[Mapping[type[FederationError], str]] = {
    PeerUnreachable: "unreachable",
    Regressed: "regressed",
    Forked: "forked",
    RootMismatch: "forked",
    KeyMismatch: "key-mismatch",
}
"""The state of a peer after an error; any other refusal makes it ``blocked``."""


def judge_page(
    tools: Tools, content: Content, url: str, standing: Standing, stop: int, now: datetime
) -> tuple[list[Packed], Standing]:
    """Read and verify one page: the entries from ``standing.size`` up to ``stop``. Pure; runs in a worker."""
    page = read_page(content.opened(), url=url, base=standing.base)
    wanted = [claim for claim in page.claims if standing.size <= claim.position < stop]
    entries, after = judge(wanted, standing, vocabulary=tools.vocabulary, checks=tools.checks, now=now)
    return packed(entries), after


def read_links(tools: Tools, content: Content, url: str, base: str) -> Page:
    """Read a page for its links. Pure; runs in a thread."""
    return read_page(content.opened(), url=url, base=base)


class Syncer:
    """Pulls the peers of one node."""

    def __init__(
        self,
        *,
        store: Store,
        transport: Transport,
        workers: Workers,
        limits: Limits,
        locks: Path,
        clock: Clock,
    ) -> None:
        self._store = store
        self._transport = transport
        self._workers = workers
        self._limits = limits
        self._locks = locks
        self._clock = clock

    async def pull(self, peer: PeerConfig, progress: Progress = lambda held, total: None) -> Pulled:
        """Bring our copy of a peer's log up to date. Never raises for what the peer did: see the state.

        A pull of the same peer that is under way, here or in another process, is left to finish.
        """
        entry = await self._store.enlist(did=peer.did, base=peer.url, name=peer.name, own=False)
        with held(self._locks / f"pull-{peer.name}.lock") as mine:
            if not mine:
                return Pulled(peer.name, "busy", 0, entry.size, detail="Another pull of this peer is running.")
            return await self._pull(peer, entry, progress)

    async def _pull(self, peer: PeerConfig, entry: Log, progress: Progress) -> Pulled:
        before = (await self._store.peer_states())[entry.id]
        verdict = await self._attempt(peer, entry, before, progress)
        now = timestamp(self._clock())
        values = {**verdict.values, "state": verdict.state, "reason": verdict.reason, "detail": verdict.detail}
        if (before.state, before.reason) != (verdict.state, verdict.reason):
            values["since"] = now
        await self._store.update_peer(entry.id, **values, last_attempt=now)
        held = (await self._store.log(entry.id)).verified_size
        added = max(held - entry.verified_size, 0)
        log.info("pull", peer=peer.name, state=verdict.state, reason=verdict.reason, held=held, added=added)
        return Pulled(peer.name, verdict.state, added, held, verdict.reason, verdict.detail)

    async def _attempt(self, peer: PeerConfig, entry: Log, before: PeerState, progress: Progress) -> _Verdict:
        now = self._clock()
        if before.reason == Forked.slug:
            # Two signed histories do not become one because the next answer is honest again.
            return _Verdict(before.state, before.reason, before.detail)
        try:
            async with asyncio.timeout(self._limits.run_seconds):
                reached, seen = await self._catch_up(peer, entry, before, progress)
        except TimeoutError:
            return _Verdict("lagging", "run-limit", _GOES_ON)
        except StorageFailed:
            raise  # our disk, not the peer: the caller must know
        except Conflict as error:
            return _Verdict(before.state, error.slug, str(error))
        except FederationError as error:
            return self._failure(peer, before, error)
        except Exception as error:
            log.exception("pull failed in a way nobody foresaw", peer=peer.name)
            return self._failure(peer, before, PeerError(f"{peer.name} sent what could not be read: {error!r}."))
        done: dict[str, str | int] = {"last_success": timestamp(now), "failures": 0, "next_attempt": "", "evidence": ""}
        if seen.age(now) > STALE_AFTER.total_seconds():
            detail = f"Its log was last signed at {timestamp(seen.at)}. Ask the peer whether its node runs."
            return _Verdict("stale", "old-checkpoint", detail, done)
        if not reached:
            return _Verdict("lagging", "run-limit", _GOES_ON, done)
        return _Verdict("active", "", "", done)

    def _failure(self, peer: PeerConfig, before: PeerState, error: FederationError) -> _Verdict:
        state = next((name for kind, name in STATES.items() if isinstance(error, kind)), "blocked")
        failures = before.failures + 1
        wait = backoff(peer.every, failures)
        if isinstance(error, PeerUnreachable) and error.retry_after is not None:
            wait = max(wait, error.retry_after)
        due = timestamp(self._clock() + timedelta(seconds=wait))
        values: dict[str, str | int] = {"failures": failures, "next_attempt": due}
        if not isinstance(error, PeerUnreachable):
            values["evidence"] = f"{timestamp(self._clock())} {type(error).__name__}: {error}"
        if isinstance(error, Forked):
            values["evidence"] = error.evidence
        return _Verdict(state, error.slug, str(error), values)

    # One run

    async def _catch_up(
        self, peer: PeerConfig, known: Log, before: PeerState, progress: Progress
    ) -> tuple[bool, Checkpoint]:
        keys = known.keys or await self._first_contact(peer)
        answer = await self._transport.get(
            f"{peer.url}/log/checkpoint",
            accept="text/plain",
            etag=before.etag if known.verified_size == known.size else "",
            max_bytes=checkpoints.MAX_SIZE,
        )
        text = answer.content.opened().decode("utf-8", "replace") if answer.status == 200 else known.checkpoint
        seen = await self._verified(text, peer, keys)
        self._compare(seen, known)
        if seen.size < known.size:
            # Entries beyond the checkpoint were never proved; the peer may have taken them back.
            known = await self._store.drop_pending(known.id)
        await self._store.update_peer(known.id, claimed_size=seen.size)
        if seen.size > known.size:
            reached = await self._follow(peer, known, seen, keys, progress)
        else:
            reached = True
        if reached and (seen.size > known.verified_size or seen.text != known.checkpoint):
            await self._store.confirm(known.id, size=seen.size, root=seen.root, checkpoint=seen.text)
            if known.verified_size == 0 and seen.size:
                first = (await self._store.entries(known.id, 0, 1))[0]
                await self._store.set_fingerprint(known.id, fingerprint(first.signed.body))
        if reached:
            await self._store.update_peer(known.id, etag=answer.etag or before.etag)
        return reached, seen

    async def _first_contact(self, peer: PeerConfig) -> Keys:
        """The keys a new peer points to; its entry 0 must declare the same ones before anything is kept."""
        answer = await self._transport.get(
            f"{peer.url}/.well-known/did.json", accept="application/did+json, application/json", max_bytes=8192
        )
        return dids.keys_in(jsonld.loads(answer.content.opened()), peer.did)

    async def _verified(self, text: str, peer: PeerConfig, keys: Keys) -> Checkpoint:
        origin = checkpoints.origin_of(dids.host_of(peer.url))
        try:
            seen = checkpoints.verify(text, origin=origin, key=keys.log_key())
        except BadCheckpoint:
            # Perhaps the peer has other keys than we know: then say so, in the right words.
            if await self._first_contact(peer) != keys:
                raise KeyMismatch(
                    f"{peer.name} shows keys that are not those its log declared.",
                    remedy="Nothing is taken from it until a coordinator has spoken with theirs.",
                ) from None
            raise
        if seen.at > self._clock() + timedelta(minutes=5):
            raise WrongTime(f"The checkpoint of {peer.name} is dated {timestamp(seen.at)}, in the future.")
        return seen

    def _compare(self, seen: Checkpoint, known: Log) -> None:
        if seen.size < known.verified_size:
            raise Regressed(
                f"The log of {known.name} had {known.verified_size} entries and now shows {seen.size}.",
                remedy="It was probably restored from a backup. What we hold stays; ask the peer.",
            )
        if seen.size == known.verified_size and seen.root != known.verified.root:
            raise Forked(
                f"{known.name} signed two different logs of {seen.size} entries.",
                remedy="Nothing more is taken from it, and both signed checkpoints are kept. "
                "Ask the peer; then decide with `procirc peers confirm`.",
                evidence=f"{known.checkpoint}\n{seen.text}",
            )

    async def _follow(self, peer: PeerConfig, known: Log, target: Checkpoint, keys: Keys, progress: Progress) -> bool:
        """Store pages from the cursor to the target; False when the run's budget of pages is spent."""
        standing = known.standing(peer.fingerprint)
        bulk = target.size - known.size > BULK
        waiting: deque[tuple[Relation, asyncio.Task[tuple[list[Entry], Standing]]]] = deque()
        pages = self._pages(peer, start=known.size, stop=target.size)
        budget = self._limits.run_pages
        exhausted = False
        try:
            while True:
                ahead = _AHEAD if standing.keys is not None and bulk else 1
                while not exhausted and len(waiting) < ahead and budget > 0:
                    relation = await anext(pages, None)
                    if relation is None:
                        exhausted = True
                        break
                    budget -= 1
                    start = max(relation.lower, known.size)
                    ahead_standing = standing._replace(size=start, published="") if waiting else standing
                    task = asyncio.create_task(self._page(relation, ahead_standing, target.size, bulk))
                    waiting.append((relation, task))
                if not waiting:
                    break
                judged = [(waiting[0][0], *await waiting[0][1])]
                waiting.popleft()
                while waiting and len(judged) < _TOGETHER and await _good(waiting[0][1]):
                    relation, task = waiting.popleft()
                    judged.append((relation, *task.result()))
                standing = await self._keep(known.id, judged, standing, keys)
                progress(standing.size, target.size)
        finally:
            for _, task in waiting:
                task.cancel()
            await asyncio.gather(*(task for _, task in waiting), return_exceptions=True)
            await pages.aclose()
        if standing.size < target.size and budget > 0:
            raise BadPage(f"The feed of {peer.name} ends at {standing.size}, its checkpoint says {target.size}.")
        return standing.size == target.size

    async def _pages(self, peer: PeerConfig, *, start: int, stop: int) -> AsyncGenerator[Relation]:
        """The member pages of a feed in the order of the log, from the root through the sections."""
        root = f"{peer.url}/feed"
        visited = {root}
        for section in in_order((await self._read(root, peer)).relations, start=start, stop=stop):
            if not section.node.startswith(root + "/") or section.node in visited:
                raise BadPage(f"{root} links to {section.node[:200]}, which is not a page of this feed.")
            visited.add(section.node)
            if section.upper is None or section.node.count("/") > root.count("/") + 1:
                yield section
                continue
            page = await self._read(section.node, peer)
            for each in in_order(page.relations, start=start, stop=stop):
                if not each.node.startswith(root + "/") or each.node in visited:
                    raise BadPage(f"{section.node} links to {each.node[:200]}, which is not a page of this feed.")
                visited.add(each.node)
                yield each

    async def _read(self, url: str, peer: PeerConfig) -> Page:
        answer = await self._transport.get(url, accept=NQUADS)
        return await self._workers.run(read_links, answer.content, url, peer.url)

    async def _page(
        self, relation: Relation, standing: Standing, stop: int, bulk: bool
    ) -> tuple[list[Entry], Standing]:
        answer = await self._transport.get(relation.node, accept=NQUADS)
        if answer.media_type != NQUADS:
            raise BadPage(f"{relation.node} is {answer.media_type}, not N-Quads.")
        entries, after = await self._workers.run(
            judge_page, answer.content, relation.node, standing, stop, self._clock(), bulk=bulk
        )
        return unpacked(entries, standing.did), after

    async def _keep(self, log_id: int, judged: Sequence[_Judged], standing: Standing, keys: Keys) -> Standing:
        """Store pages that follow each other, with the cursor behind the last, in one transaction."""
        cursor, kept = standing.size, list[Entry]()
        for relation, entries, after in judged:
            if not entries or entries[0].position != standing.size:
                raise BadPage(f"{relation.node} does not hold position {standing.size}.")
            # A page judged ahead of time could not know when the one before it ended.
            if entries[0].published < standing.published:
                raise WrongTime(f"Entry {entries[0].position} is older than the one before it.")
            if after.keys != keys:
                raise KeyMismatch("The peer shows other keys in did.json than its log declares.")
            kept += entries
            standing = after
        await self._store.append_peer(log_id, kept, after=cursor, standing=standing)
        return standing

    async def reconsider(self) -> dict[str, int]:
        """Look again at what was kept aside for want of understanding: after an upgrade this node may know better.

        Returns the first position released, by the DID of its log, so that the index can go back there.
        """
        tools = self._workers.tools
        dids = {each.id: each.did for each in await self._store.logs()}
        released: dict[int, list[int]] = {}
        for entry in await self._store.quarantined():
            if entry.quarantine.startswith(("unknown-kind", "invalid-record")):
                _, reason = understood(entry.signed.body, tools.vocabulary, tools.checks)
                if not reason:
                    released.setdefault(entry.log_id, []).append(entry.position)
        for log_id, positions in released.items():
            await self._store.release(log_id, positions)
            log.info("released", log=dids[log_id], entries=len(positions))
        return {dids[log_id]: min(positions) for log_id, positions in released.items()}


async def _good(task: asyncio.Task[Any]) -> bool:
    """Whether a task succeeds; a failure is left for whoever awaits it."""
    await asyncio.wait({task})
    return not task.cancelled() and task.exception() is None


def backoff(every: float, failures: int, spread: Callable[[], float] = random.random) -> float:
    """Seconds until the next try: doubling from the poll interval to a day, less up to a quarter."""
    full = min(every * 2 ** min(failures, 20), LONGEST_WAIT.total_seconds())
    return max(1.0, float(full * (1 - spread() / 4)))


def is_due(state: PeerState, now: datetime) -> bool:
    """Whether the back-off of a peer has passed."""
    return not state.next_attempt or state.next_attempt <= timestamp(now)
