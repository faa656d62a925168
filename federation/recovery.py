"""A node that may hold less of its own log than others do: what it lost comes back from its peers.

A node restored from an old backup must not sign anything: the next entry would stand where peers hold
another one, and that is a fork. Two things tell: the newest checkpoint, which is kept outside the
database too, and what peers say they have verified of us. Until its log equals what they hold, the node
reads and serves but does not write (reference: Sunlight's compare-and-swap of its last head).
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import structlog

from federation.config import PeerConfig
from federation.errors import BadCheckpoint, FederationError, RootMismatch
from federation.gossip import Gossip
from federation.harvest import Harvester
from federation.log import checkpoint as checkpoints
from federation.log import did as dids
from federation.log.checkpoint import Checkpoint
from federation.ownlog import signed_more
from federation.store.rows import Log
from federation.store.store import Store

RESTORED: Final = "restored"
"""In the data directory: this node was restored. JSON: ``time``, ``size`` and ``root`` of its log as it was then."""
BEHIND: Final = "behind"
"""In the data directory: why this node only reads for now, in words."""
NEWEST: Final = "checkpoint"
"""In the data directory: the newest checkpoint that this node has signed, outside its database."""
log = structlog.get_logger(__name__)


class Guard:
    """Says whether a node may write to its own log, for all processes that share its data directory."""

    def __init__(self, data: Path) -> None:
        self._data = data

    def reason(self) -> str:
        """Why nothing may be written now; empty when all is well."""
        if (self._data / RESTORED).exists():
            return "This node was restored from a backup and has not heard yet what its peers hold of its log."
        try:
            return (self._data / BEHIND).read_text("utf-8")
        except FileNotFoundError:
            return ""

    def stop(self, reason: str) -> None:
        """Write nothing from now on."""
        _write(self._data / BEHIND, reason)

    def resume(self) -> None:
        """Write again."""
        for name in (RESTORED, BEHIND):
            (self._data / name).unlink(missing_ok=True)

    def override(self) -> None:
        """Write again although entries that were signed before are lost: a person has decided so."""
        self.resume()
        (self._data / NEWEST).unlink(missing_ok=True)

    def newest(self) -> int:
        """Size of the newest checkpoint this node knows to have signed; 0 for none."""
        try:
            lines = (self._data / NEWEST).read_text("utf-8").split("\n")
        except FileNotFoundError:
            return 0
        return int(lines[1]) if len(lines) > 1 and lines[1].isdecimal() else 0

    def keep(self, checkpoint: str, size: int) -> None:
        """Keep a checkpoint, unless a larger one is there (another process was faster)."""
        if size >= self.newest():
            _write(self._data / NEWEST, checkpoint)


def _write(path: Path, text: str) -> None:
    partial = path.with_suffix(f".{os.getpid()}.partial")
    partial.write_text(text, "utf-8")
    os.replace(partial, path)


class Recovery:
    """Brings the own log of a node back to what its peers hold."""

    def __init__(self, store: Store, own_id: int, guard: Guard, gossip: Gossip, harvester: Harvester) -> None:
        self._store = store
        self._own_id = own_id
        self._guard = guard
        self._gossip = gossip
        self._harvester = harvester

    async def look(self) -> bool:
        """Whether this node must not write; notes it where others turn out to hold more of its log."""
        if self._guard.reason():
            return True
        did = (await self._store.log(self._own_id)).did
        seen = max((each.size for each in await self._store.witnesses.of(did)), default=0)
        most = max(seen, self._guard.newest())
        # Only now: what is published while this looks is in the log before anybody can have seen it.
        own = await self._store.log(self._own_id)
        if most > own.verified_size:
            self._guard.stop(signed_more(own.verified_size, most))
            log.error("behind", own=own.verified_size, signed=most)
            return True
        return False

    async def follow_later_keys(self, peers: Sequence[PeerConfig]) -> None:
        """Fetch entries of our own that peers hold and that keys unknown here have signed, if they are ours.

        A copy put back from before a change of keys cannot tell such a statement from a false one, except by
        following the keys from its own end. Nothing is stopped for it: one peer could stop us with a lie.
        """
        doubted = [peer for peer in peers if peer.did in self._gossip.unknown]
        self._gossip.unknown.clear()
        for peer in doubted:
            own = await self._store.log(self._own_id)
            _, _, text = await self._gossip.own_seen(peer, own)
            if text:
                await self._fetch_by_later_keys(own, peer, text)

    async def run(self, peers: Sequence[PeerConfig]) -> str:
        """Ask the peers and fetch what is missing; why the node still may not write, empty when it may again.

        More than half of the peers must answer: those that are silent may hold what nobody else does.
        """
        own = await self._store.log(self._own_id)
        answered, best = 0, None
        for peer in peers:
            heard, seen, unknown = await self._gossip.own_seen(peer, own)
            if unknown:
                # Not to be passed over: it may be signed by keys that we declared after the backup was made.
                seen = await self._fetch_by_later_keys(own, peer, unknown)
                own, heard = await self._store.log(self._own_id), seen is not None
            answered += heard
            if seen is not None and (best is None or seen.size > best[1].size):
                best = peer, seen
        if peers and 2 * answered <= len(peers):
            return f"{answered} of {len(peers)} peers answered; more than half must."
        if best is None:
            return await self._done(own, self._guard.newest())
        peer, seen = best
        try:
            if seen.size > own.verified_size:
                await self._fetch(own, peer, seen)
            elif await self._gossip.root(own, seen.size) != seen.root:
                return f"{peer.name} holds a signed log that differs from this one: two histories exist. Ask for help."
        except FederationError as error:
            log.warning("recovery", peer=peer.name, error=error.slug, detail=str(error))
            return f"What {peer.name} holds of this log could not be fetched: {error}"
        return await self._done(await self._store.log(self._own_id), self._guard.newest())

    async def _fetch(self, own: Log, peer: PeerConfig, seen: Checkpoint) -> None:
        """Our own entries from a peer's mirror, verified like anybody's."""
        copy = PeerConfig(name=own.name, url=own.base, via=peer.url)
        if own.size > own.verified_size:
            own = await self._store.drop_pending(own.id)
        await self._harvester.follow(copy, own, seen.size, "")
        try:
            await self._store.confirm(own.id, size=seen.size, root=seen.root, checkpoint=seen.text)
        except RootMismatch:
            await self._store.drop_pending(own.id)
            raise
        log.info("recovered", entries=seen.size - own.verified_size, peer=peer.name)

    async def _fetch_by_later_keys(self, own: Log, peer: PeerConfig, text: str) -> Checkpoint | None:
        """Entries up to a checkpoint by keys that they themselves declare, each signed for by the ones before it."""
        lines = text.split("\n")
        size = int(lines[1]) if len(lines) > 1 and lines[1].isdecimal() and len(lines[1]) < 10 else 0
        if size <= own.verified_size:
            return None
        copy = PeerConfig(name=own.name, url=own.base, via=peer.url)
        own = await self._store.drop_pending(own.id)
        try:
            end = await self._harvester.follow(copy, own, size, "")
            if end.keys is None or end.size != size:
                raise BadCheckpoint(f"{peer.name} does not give the {size} entries that it says it holds.")
            origin = checkpoints.origin_of(dids.host_of(own.base))
            seen = checkpoints.verify(text, origin=origin, key=end.keys.log_key())
            await self._store.confirm(own.id, size=seen.size, root=seen.root, checkpoint=seen.text)
        except FederationError as error:
            await self._store.drop_pending(own.id)
            log.warning("recovery", peer=peer.name, error=error.slug, detail=str(error))
            return None
        log.info("recovered", entries=seen.size - own.verified_size, peer=peer.name, keys="later ones")
        return seen

    async def _done(self, own: Log, newest: int) -> str:
        if own.verified_size < newest:
            return f"This node signed {newest} entries, and no peer that answers holds more than {own.verified_size}."
        self._guard.resume()
        log.info("resumed", entries=own.verified_size)
        return ""
