"""The checkpoint that a pull is heading for, kept from one run to the next until it is reached.

A log that always grows faster than one run reads would never become visible if every run aimed at its
newest checkpoint. So the first one is kept, confirmed when it is reached, and only then the newest one
takes its place. Forks, shorter logs and other keys are still judged by the newest, in ``sync``.
"""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass, replace
from typing import Final

from federation.config import PeerConfig
from federation.errors import BadCheckpoint, BadErasure, Forked, KeyMismatch, RootMismatch
from federation.harvest import Harvester, Progress
from federation.log import checkpoint as checkpoints
from federation.log import forks
from federation.log.checkpoint import Checkpoint
from federation.log.forks import Told
from federation.log.keys import Keys, fingerprint
from federation.log.merkle import Frontier
from federation.log.times import Clock, timestamp
from federation.quotas import Budget
from federation.records.multikey import decode_public
from federation.store.rows import Log
from federation.store.store import Store

FORKED: Final = (
    "{name} has signed two histories of its log. Nothing more is taken from it, and the proof is kept. "
    "Ask its coordinator; then decide with `procirc peers confirm`."
)


@dataclass(frozen=True, slots=True)
class Goal:
    """A verified checkpoint, and the keys that the log must declare at its end."""

    checkpoint: Checkpoint
    keys: Keys
    doubted: Told | None = None
    """A smaller one that the entries given for it do not add up to: those of this one tell whether there is a fork."""

    @property
    def size(self) -> int:
        return self.checkpoint.size

    def written(self) -> str:
        said: dict[str, object] = {"checkpoint": self.checkpoint.text, "record": self.keys.record, "log": self.keys.log}
        if self.doubted is not None:
            said["doubted"] = {"checkpoint": self.doubted.checkpoint.text, "log": self.doubted.key}
        return json.dumps(said)


def read(text: str, origin: str) -> Goal | None:
    """A goal as it was kept; None for none, and for one of another address."""
    if not text:
        return None
    kept = json.loads(text)
    keys, doubted = Keys(kept["record"], kept["log"]), kept.get("doubted")
    try:
        goal = Goal(checkpoints.verify(kept["checkpoint"], origin=origin, key=keys.log_key()), keys)
        if doubted is None:
            return goal
        seen = checkpoints.verify(doubted["checkpoint"], origin=origin, key=decode_public(doubted["log"]))
        return replace(goal, doubted=Told(seen, doubted["log"]))
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
            try:
                if not await self._reached(peer, known, kept, newest, recovered, budget, progress):
                    return False
            except RootMismatch:
                # Signed as well: where the newest is true, both together prove that there are two histories.
                newest = replace(newest, doubted=kept.doubted or Told(kept.checkpoint, kept.keys.log))
            known = await self._store.log(known.id)
        elif kept is not None and kept.doubted is not None and kept.doubted.checkpoint.size < newest.size:
            newest = replace(newest, doubted=kept.doubted)
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
            try:
                await self._confirm(known, goal, last=goal is newest)
            except RootMismatch:
                # What was signed is not forgotten with the entries that do not add up to it.
                await self._store.peers.update(known.id, target=goal.written())
                raise
            await self._check_doubted(known, goal)
        return True

    async def _check_doubted(self, known: Log, goal: Goal) -> None:
        """Raise Forked where a log that is proved now does not hold what its owner signed before at a smaller size."""
        if goal.doubted is None:
            return
        leaves = await self._store.leaves(known.id, goal.size)
        before = await asyncio.to_thread(Frontier().append, leaves[: goal.doubted.checkpoint.size])
        if before.root != goal.doubted.checkpoint.root:
            evidence = await asyncio.to_thread(
                forks.written, known.did, goal.doubted, Told(goal.checkpoint, goal.keys.log), leaves
            )
            raise Forked(FORKED.format(name=known.name), evidence=evidence)

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
