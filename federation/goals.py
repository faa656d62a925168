"""The checkpoint that a pull is heading for, kept from one run to the next until it is reached.

A log that always grows faster than one run reads would never become visible if every run aimed at its
newest checkpoint. So the first one is kept, confirmed when it is reached, and only then the newest one
takes its place. Forks, shorter logs and other keys are still judged by the newest, in ``sync``.
"""

from __future__ import annotations

import json
from dataclasses import dataclass

from federation.config import PeerConfig
from federation.errors import BadCheckpoint, BadErasure, KeyMismatch
from federation.harvest import Harvester, Progress
from federation.log import checkpoint as checkpoints
from federation.log.checkpoint import Checkpoint
from federation.log.keys import Keys, fingerprint
from federation.log.times import Clock, timestamp
from federation.quotas import Budget
from federation.store.rows import Log
from federation.store.store import Store


@dataclass(frozen=True, slots=True)
class Goal:
    """A verified checkpoint, and the keys that the log must declare at its end."""

    checkpoint: Checkpoint
    keys: Keys

    @property
    def size(self) -> int:
        return self.checkpoint.size

    def written(self) -> str:
        return json.dumps({"checkpoint": self.checkpoint.text, "record": self.keys.record, "log": self.keys.log})


def read(text: str, origin: str) -> Goal | None:
    """A goal as it was kept; None for none, and for one of another address."""
    if not text:
        return None
    kept = json.loads(text)
    keys = Keys(kept["record"], kept["log"])
    try:
        return Goal(checkpoints.verify(kept["checkpoint"], origin=origin, key=keys.log_key()), keys)
    except BadCheckpoint:
        return None


def other_keys(peer: PeerConfig) -> KeyMismatch:
    return KeyMismatch(
        f"{peer.name} shows keys that are not those its log declares.",
        remedy="Nothing is taken from it until a coordinator has spoken with theirs.",
    )


class Copier:
    """Copies logs up to checkpoints, and makes them visible there."""

    def __init__(self, store: Store, harvester: Harvester, clock: Clock) -> None:
        self._store = store
        self._harvester = harvester
        self._clock = clock

    async def reach(
        self,
        peer: PeerConfig,
        known: Log,
        newest: Goal,
        *,
        kept: Goal | None,
        recovered: str,
        budget: Budget,
        progress: Progress,
    ) -> bool:
        """Copy a log up to its newest checkpoint, by way of the one ``kept`` from an earlier run.

        False when the budget was spent before. Raises what is wrong with the log.
        """
        if kept is not None and known.size <= kept.size < newest.size:
            if not await self._reached(peer, known, kept, newest, recovered, budget, progress):
                return False
            known = await self._store.log(known.id)
        return await self._reached(peer, known, newest, newest, recovered, budget, progress)

    async def _reached(
        self, peer: PeerConfig, known: Log, goal: Goal, newest: Goal, recovered: str, budget: Budget, progress: Progress
    ) -> bool:
        end = known.standing()
        if goal.size > known.size:
            await self._store.peers.update(known.id, claimed_size=newest.size, target=goal.written())
            end = await self._harvester.follow(peer, known, goal.size, recovered, progress, budget)
            if end.size < goal.size:
                return False
        if goal.size > known.verified_size and end.keys != goal.keys:
            await self._store.drop_pending(known.id)
            raise other_keys(peer)
        if goal.size > known.verified_size or goal.checkpoint.text != known.checkpoint:
            await self._confirm(known, goal, last=goal is newest)
        return True

    async def _confirm(self, known: Log, goal: Goal, *, last: bool) -> None:
        seen, first = goal.checkpoint, ""
        if not known.fingerprint and seen.size:
            first = fingerprint((await self._store.entries(known.id, 0, 1))[0].signed.body)
        now = timestamp(self._clock())
        try:
            await self._store.confirm(
                known.id, size=seen.size, root=seen.root, checkpoint=seen.text, at=now, fingerprint=first
            )
        except BadErasure:
            if not last:
                # What was erased since then came without its text, and the erasure stands further on in the log.
                return
            await self._store.drop_pending(known.id)
            raise
