"""Path two, first half: fetch → verify → append. Pull only, one peer at a time per lock.

A pull asks for the peer's checkpoint; if nothing is new, that one request was all. Otherwise it walks
the feed from the cursor, lets every page be judged (in worker processes when there are many), keeps
page and cursor in one transaction, and makes the entries visible only when their root equals the
checkpoint it is heading for. Whatever fails leaves the cursor where the last whole page put it.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Collection, Mapping
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

import structlog

from federation import goals, quotas
from federation.clocks import Clocks
from federation.config import PeerConfig
from federation.errors import (
    BadCheckpoint,
    Conflict,
    FederationError,
    Forked,
    KeyMismatch,
    PeerError,
    PeerUnreachable,
    Regressed,
    RootMismatch,
    StorageFailed,
    Withheld,
    WrongTime,
)
from federation.goals import FORKED, Copier, Goal
from federation.gossip import Contradiction, Gossip
from federation.guard import Guard
from federation.harvest import Harvester, Progress, asked
from federation.limits import Limits
from federation.log import checkpoint as checkpoints
from federation.log import did as dids
from federation.log import forks
from federation.log.checkpoint import Checkpoint
from federation.log.forks import Told
from federation.log.keys import Keys
from federation.log.times import Clock, timestamp
from federation.peers.transport import Transport
from federation.records import jsonld
from federation.store.peers import REMOVED
from federation.store.rows import Day, Log, PeerState
from federation.store.store import Store

STALE_AFTER: Final = timedelta(hours=72)
"""A checkpoint older than this means that the peer has stopped, or that somebody holds newer ones back."""
LONGEST_WAIT: Final = timedelta(hours=24)
_LEEWAY: Final = timedelta(minutes=5)
"""By how much clocks may differ before anything is made of it."""

log = structlog.get_logger(__name__)


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


_GOES_ON: Final = "There is more than one run may take; the next one goes on."
STATES: Final[Mapping[type[FederationError], str]] = {
    PeerUnreachable: "unreachable",
    Regressed: "regressed",
    Forked: "forked",
    RootMismatch: "forked",
    KeyMismatch: "key-mismatch",
}
"""The state of a peer after an error; any other refusal makes it ``blocked``."""


class Syncer:
    """Pulls the peers of one node."""

    def __init__(
        self,
        *,
        store: Store,
        transport: Transport,
        harvester: Harvester,
        gossip: Gossip,
        limits: Limits,
        locks: Path,
        clock: Clock,
        guard: Guard | None = None,
    ) -> None:
        """``guard`` is told when the own log turns out to be forked; there is none where no log is written."""
        self._store = store
        self._harvester = harvester
        self._copier = Copier(store, harvester, clock)
        self._transport = transport
        self._gossip = gossip
        self._limits = limits
        self._locks = locks
        self._clock = clock
        self._clocks = Clocks(clock)
        self._guard = guard

    async def pull(self, peer: PeerConfig, progress: Progress = lambda held, total: None) -> Pulled:
        """Bring our copy of a peer's log up to date. Never raises for what the peer did: see the state.

        A pull of the same peer that is under way, here or in another process, is left to finish.
        """
        entry = await self._store.enlist(did=peer.did, base=peer.url, name=peer.name, own=False)
        try:
            await self._harvester.check_room()
        except StorageFailed as error:
            log.error("nothing is pulled until there is room on the disk", peer=peer.name, detail=str(error))
            return Pulled(peer.name, "lagging", 0, entry.size, error.slug, str(error))
        async with self._store.lease(f"pull-{peer.name}", self._locks) as mine:
            if not mine:
                return Pulled(peer.name, "busy", 0, entry.size, detail="Another pull of this peer is running.")
            return await self._pull(peer, entry, progress)

    async def _pull(self, peer: PeerConfig, entry: Log, progress: Progress) -> Pulled:
        before = (await self._store.peers.states())[entry.id]
        learned: dict[str, str | int] = {}
        gone = Pulled(peer.name, REMOVED, 0, entry.size, detail="The peer is not followed any more.")
        try:
            verdict = await self._attempt(peer, entry, before, learned, progress)
        except StorageFailed:
            if entry.id not in await self._store.peers.states():
                return gone
            raise
        current = (await self._store.peers.states()).get(entry.id)
        if current is None or (current.state == REMOVED and before.state != REMOVED):
            return gone  # a coordinator has decided while this went on
        if current.reason == Forked.slug:
            # Found through a third node while this pull went on: whatever it came to, that stands.
            verdict = _Verdict("forked", current.reason, current.detail or FORKED.format(name=peer.name))
        elif verdict.state not in ("active", "lagging") and _decided(current) != _decided(before):
            # A coordinator has confirmed something meanwhile: what was refused before then says nothing of that.
            await self._store.peers.update(entry.id, next_attempt="")
            return Pulled(
                peer.name, current.state, 0, entry.size, detail="Confirmed meanwhile; the next pull looks anew."
            )
        now = timestamp(self._clock())
        verdict = self._with_quota(peer, verdict, before.on(now[:10]), current.on(now[:10]))
        # One write for all that was learned: a poll that finds nothing new has a price on every node.
        values = {**learned, **verdict.values, "state": verdict.state, "reason": verdict.reason}
        values["detail"] = verdict.detail
        if (current.state, current.reason) != (verdict.state, verdict.reason):
            values["since"] = now
        await self._store.peers.update(entry.id, **values, last_attempt=now)
        held = (await self._store.log(entry.id)).verified_size
        added = max(held - entry.verified_size, 0)
        told = {"reason": verdict.reason, "detail": verdict.detail} if verdict.reason else {}
        log.info("pull", peer=peer.name, state=verdict.state, held=held, added=added, **told)
        return Pulled(peer.name, verdict.state, added, held, verdict.reason, verdict.detail)

    def _with_quota(self, peer: PeerConfig, verdict: _Verdict, before: Day, after: Day) -> _Verdict:
        """A verdict that also says when the day's quota is used up, or nearly; the log says the latter once a day."""
        said = quotas.told(self._limits, after)
        if not said or verdict.state not in ("active", "lagging"):
            return verdict
        if quotas.used(self._limits, before) < quotas.ALARM:
            log.warning("a peer has brought most of what it may on one day", peer=peer.name, detail=said)
        return replace(verdict, detail=f"{verdict.detail} {said}".strip())

    async def _attempt(
        self, peer: PeerConfig, entry: Log, before: PeerState, learned: dict[str, str | int], progress: Progress
    ) -> _Verdict:
        now = self._clock()
        if before.reason == Forked.slug:
            # Two signed histories do not become one because the next answer is honest again.
            return _Verdict("forked", before.reason, before.detail or FORKED.format(name=peer.name))
        try:
            async with asyncio.timeout(self._limits.run_seconds):
                unread, seen, hint = await self._catch_up(peer, entry, before, learned, progress)
                async with aclosing(self._gossip.listen(peer, hint)) as contradictions:
                    async for each in contradictions:
                        await self._contradicted(each)
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
        witnesses, given_up = await self._store.witnesses.of(entry.did), before.given_up.split("\n")
        best = next((each for each in witnesses if checkpoints.head_of(each.checkpoint) not in given_up), None)
        if best is not None and best.size > seen.size:
            detail = f"Another node has verified {best.size} entries of its log; it shows this one {seen.size}."
            return _Verdict("stale", Withheld.slug, detail, done)
        if seen.age(now) > STALE_AFTER.total_seconds():
            detail = f"Its log was last signed at {timestamp(seen.at)}. Ask the peer whether its node runs."
            return _Verdict("stale", "old-checkpoint", detail, done)
        if unread:
            return _Verdict("lagging", unread, _GOES_ON if unread == "run-limit" else "", done)
        return _Verdict("active", "", "", done)

    async def _contradicted(self, found: Contradiction) -> None:
        """Note a fork that was found by comparing with others."""
        if found.log.own:
            log.error("two signed histories of this node's own log exist", evidence=found.evidence)
            if self._guard is not None:
                await asyncio.to_thread(self._guard.accuse, found.evidence)
            return
        state = (await self._store.peers.states())[found.log.id]
        if state.reason == Forked.slug:
            return
        log.warning("forked", peer=found.log.name)
        await self._store.peers.update(
            found.log.id,
            state="forked",
            reason=Forked.slug,
            detail=FORKED.format(name=found.log.name),
            evidence=found.evidence,
            since=timestamp(self._clock()),
        )

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
            if not isinstance(error, RootMismatch):  # what was signed then is compared with what is signed next
                values["target"] = ""  # what its owner mends may be shorter than what was refused
        if isinstance(error, Forked):
            values["evidence"] = error.evidence
        return _Verdict(state, error.slug, str(error), values)

    # One run

    async def _catch_up(
        self, peer: PeerConfig, known: Log, before: PeerState, learned: dict[str, str | int], progress: Progress
    ) -> tuple[str, Checkpoint, str]:
        """Copy what is new: why that ended early (empty if it did not), the newest checkpoint, and its ``Log-Seen``."""
        now = self._clock()
        if peer.fingerprint and known.fingerprint and peer.fingerprint != known.fingerprint:
            raise KeyMismatch(
                f"The fingerprint of the peer's keys is {known.fingerprint}, not the confirmed {peer.fingerprint}.",
                remedy="Ask the peer's coordinator by telephone; correct the fingerprint only if it was mistyped.",
            )
        answer = await self._transport.get(
            asked(peer, "/log/checkpoint"),
            accept="text/plain",
            etag=before.etag if known.verified_size == known.size else "",
            max_bytes=checkpoints.MAX_SIZE,
        )
        text = answer.content.opened().decode("utf-8", "replace") if answer.status == 200 else known.checkpoint
        seen, keys = await self._verified(text, peer, known)
        # Of an answer that brings nothing signed it counts for nothing: whoever carries the bytes may have written it.
        if answer.date is not None and answer.status == 200 and answer.date >= seen.at - _LEEWAY:
            learned |= {"ahead": round(self._clocks.heard(peer.name, answer.date)), "heard": timestamp(now)}
        kept = goals.read(before.target, seen.origin)
        self._compare(seen, known, known.keys or keys, kept)
        if seen.size < known.size:
            # Entries beyond the checkpoint were never proved; the peer may have taken them back.
            known, kept = await self._store.drop_pending(known.id), None
        learned["claimed_size"] = seen.size
        budget = quotas.budget(self._limits, before.on(timestamp(now)[:10]), first=known.verified_size == 0)
        reached = await self._copier.reach(
            peer, known, Goal(seen, keys), kept=kept, recovered=before.recovered, budget=budget, progress=progress
        )
        if reached:
            learned["etag"] = answer.etag or before.etag
            return "", seen, answer.seen
        return "quota" if budget.day_spent else "run-limit", seen, answer.seen

    async def _pointed(self, peer: PeerConfig) -> Keys:
        """The keys that a peer points to: its log must declare the same ones before anything of it is shown."""
        answer = await self._transport.get(
            asked(peer, "/.well-known/did.json"),
            accept="application/did+json, application/json",
            max_bytes=dids.MAX_SIZE,
        )
        return dids.keys_in(jsonld.loads(answer.content.opened()), peer.did)

    async def _verified(self, text: str, peer: PeerConfig, known: Log) -> tuple[Checkpoint, Keys]:
        """A checkpoint, and the keys that the log must declare at its end.

        These are the ones the peer points to: where its log leads to other keys, nothing of it is believed.
        """
        origin = checkpoints.origin_of(dids.host_of(peer.url))
        keys = known.keys or await self._pointed(peer)
        try:
            seen = checkpoints.verify(text, origin=origin, key=keys.log_key())
        except BadCheckpoint:
            # Perhaps the peer has changed its keys: the way there must then stand in its log.
            newer = await self._pointed(peer)
            if newer == keys:
                raise
            seen, keys = checkpoints.verify(text, origin=origin, key=newer.log_key()), newer
            if seen.size <= known.verified_size:
                raise goals.other_keys(peer) from None
        else:
            if known.keys is not None and seen.size > known.size:
                keys = await self._pointed(peer)
        if seen.at > self._clock() + _LEEWAY:
            raise WrongTime(f"The checkpoint of {peer.name} is dated {timestamp(seen.at)}, in the future.")
        return seen, keys

    def _compare(self, seen: Checkpoint, known: Log, keys: Keys, kept: Goal | None) -> None:
        """Hold the newest checkpoint against the one that was verified, and the one that a pull is heading for."""
        if seen.size < known.verified_size:
            raise Regressed(
                f"The log of {known.name} had {known.verified_size} entries and now shows {seen.size}.",
                remedy="It was probably restored from a backup. What we hold stays; ask the peer.",
            )
        earlier = None
        if seen.size == known.verified_size and seen.root != known.verified.root:
            earlier = self._told(known.checkpoint, keys)
        elif kept is not None and seen.size == kept.size and seen.root != kept.checkpoint.root:
            earlier = Told(kept.checkpoint, kept.keys.log)
        if earlier is not None:
            evidence = forks.written(known.did, earlier, Told(seen, keys.log), ())
            raise Forked(FORKED.format(name=known.name), evidence=evidence)

    def _told(self, text: str, keys: Keys) -> Told:
        origin = text.partition("\n")[0]
        return Told(checkpoints.verify(text, origin=origin, key=keys.log_key()), keys.log)

    async def leave_all_but(self, followed: Collection[str]) -> None:
        """Note of every peer whose DID is not among those followed that it is no more; its records stay."""
        states = await self._store.peers.states()
        for each in await self._store.logs():
            if each.id in states and each.did not in followed and states[each.id].state != REMOVED:
                log.info("a peer is not followed any more", peer=each.name)
                await self._store.peers.leave(each.id, at=timestamp(self._clock()))


def _decided(state: PeerState) -> tuple[object, ...]:
    """What coordinators decide on a peer."""
    return state.recovered, state.erase_until, state.given_up, state.state == "new"


def backoff(every: float, failures: int, spread: Callable[[], float] = random.random) -> float:
    """Seconds until the next try: doubling from the poll interval to a day, less up to a quarter."""
    full = min(every * 2 ** min(failures, 20), LONGEST_WAIT.total_seconds())
    return max(1.0, float(full * (1 - spread() / 4)))


def is_due(state: PeerState, now: datetime) -> bool:
    """Whether the back-off of a peer has passed; no back-off is so long as one that a wrong clock has set."""
    return not timestamp(now) < state.next_attempt <= timestamp(now + LONGEST_WAIT)
