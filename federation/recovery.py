"""A node that may hold less of its own log than others do: what it lost comes back from its peers.

A node restored from an old backup must not sign anything: the next entry would stand where peers hold
another one, and that is a fork. Two things tell: the newest checkpoint, which is kept outside the
database too, and what peers say they have verified of us. Until its log equals what they hold, the node
reads and serves but does not write (reference: Sunlight's compare-and-swap of its last head).
"""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Final

import structlog

from federation.config import PeerConfig
from federation.errors import (
    BadCheckpoint,
    FederationError,
    PeerUnreachable,
    RootMismatch,
    StorageFailed,
    not_set_up,
)
from federation.gossip import Gossip, other_ends
from federation.guard import Guard
from federation.harvest import Harvester
from federation.log import checkpoint as checkpoints
from federation.log import did as dids
from federation.log import forks
from federation.log.checkpoint import Checkpoint, head_of
from federation.log.keys import fingerprint
from federation.log.trust import Standing
from federation.ownlog import signed_more
from federation.records import jsonld
from federation.store.engine import url_of
from federation.store.rows import Log
from federation.store.store import Store, open_store

_PATIENCE: Final = 60
"""Seconds without an entry after which a peer is asked no more."""
_BATCH: Final = 2_000
"""Entries that are put back at once."""
log = structlog.get_logger(__name__)


async def count(store: Store, own_id: int, guard: Guard) -> None:
    """Stop a node that has signed more entries of its own log than its database holds.

    Done at each start: a disk, a file put back or a hand in the database may have taken them. Raises Misconfigured
    for a node that has never signed any.
    """
    newest = guard.newest()
    size, held = await store.inventory.sizes(own_id)
    if not size and not newest:
        raise not_set_up()
    if held < size:
        guard.stop(f"The database holds {held} of the {size} entries of this node's own log.")
    elif size < newest:
        guard.stop(signed_more(size, newest))


class Recovery:
    """Brings the own log of a node back to what its peers hold."""

    def __init__(
        self,
        store: Store,
        own_id: int,
        guard: Guard,
        gossip: Gossip,
        harvester: Harvester,
        harvesting: Callable[[Store], Harvester],
        recovered: Callable[[], str],
    ) -> None:
        """``harvesting`` makes a harvester that copies into another store.

        ``recovered`` gives the fingerprint of keys of our own that no earlier ones have announced.
        """
        self._recovered = recovered
        self._harvesting = harvesting
        self._store = store
        self._own_id = own_id
        self._guard = guard
        self._gossip = gossip
        self._harvester = harvester
        self.turn = asyncio.Lock()
        """Held by whoever fetches: two would take back what the other has fetched and not proved yet."""

    async def look(self) -> bool:
        """Whether this node must not write; notes it where others turn out to hold more of its log."""
        if self._guard.lost():
            return True
        witnesses = await self._store.witnesses.of((await self._store.log(self._own_id)).did)
        seen = max((each.size for each in witnesses if not self._guard.gave_up(each.checkpoint)), default=0)
        most = max(seen, self._guard.newest())
        # Only now: what is published while this looks is in the log before anybody can have seen it.
        own = await self._store.log(self._own_id)
        if most > own.verified_size:
            self._guard.stop(signed_more(own.verified_size, most))
            log.error("behind", own=own.verified_size, signed=most)
            return True
        return False

    async def accept_fork(self) -> Path:
        """Go on with the history that is here, as a person has decided; where the proof is kept from now on.

        What peers still show of the other one stops this node no more.
        """
        fork = forks.checked(jsonld.loads(self._guard.evidence().encode()))
        own = await self._store.log(self._own_id)
        every = [head_of(each.checkpoint.text) for each in (fork.first, fork.second)]
        other = await other_ends(self._store, own, fork)
        return await asyncio.to_thread(self._guard.decide, other or every)

    async def give_up(self, now: datetime) -> None:
        """Go on without the entries that are lost, as a person has decided; what peers show of them stops nothing."""
        own = await self._store.log(self._own_id)
        if own.size > own.verified_size:
            own = await self._store.drop_pending(own.id)
        await asyncio.to_thread(self._guard.override, own.verified_size, now)

    async def follow_later_keys(self, peers: Sequence[PeerConfig]) -> None:
        """Fetch entries of our own that peers hold and that keys unknown here have signed, if they are ours.

        A copy put back from before a change of keys cannot tell such a statement from a false one, except by
        following the keys from its own end. Nothing is stopped for it: one peer could stop us with a lie.
        """
        own = await self._store.log(self._own_id)
        if own.size > own.verified_size:
            await self._store.drop_pending(own.id)  # of a run that was cut short: nothing is published meanwhile
        doubted = [peer for peer in peers if peer.did in self._gossip.unknown]
        self._gossip.unknown.clear()
        for peer in doubted:
            own = await self._store.log(self._own_id)
            _, _, text = await self._gossip.own_seen(peer, own)
            if text:
                await self._fetch_by_later_keys(own, peer, text)

    async def run(self, peers: Sequence[PeerConfig]) -> str:
        """Ask the peers and fetch what is missing; why the node still may not write, empty when it may again.

        More than half of the peers must answer, and more than half of those that follow us: those that are silent may
        hold what nobody else does. Whoever is followed through a mirror cannot be asked.
        """
        peers = [peer for peer in peers if not peer.via]
        own = await self._store.log(self._own_id)
        _, held = await self._store.inventory.sizes(own.id)
        if (held < own.size or own.keys is None) and (reason := await self._refill(own, peers)):
            return reason
        own = await self._store.log(self._own_id)
        answered, holding = 0, dict[str, tuple[PeerConfig, Checkpoint]]()
        for peer in peers:
            heard, seen, unknown = await self._gossip.own_seen(peer, own)
            if unknown:
                # Not to be passed over: it may be signed by keys that we declared after the backup was made.
                seen = await self._fetch_by_later_keys(own, peer, unknown)
                own, heard = await self._store.log(self._own_id), seen is not None
            answered += heard
            if seen is not None:
                holding[peer.did] = peer, seen
        if peers and 2 * answered <= len(peers):
            return f"{answered} of {len(peers)} peers answered; more than half must."
        if reason := await self._silent(own, peers, holding):
            return reason
        told = [each for each in holding.values() if not self._guard.gave_up(each[1].text)]
        if reason := await self._taken(own, sorted(told, key=lambda each: -each[1].size)):
            return reason
        return await self._done(await self._store.log(self._own_id), self._guard.newest())

    async def _silent(self, own: Log, peers: Sequence[PeerConfig], holding: Collection[str]) -> str:
        """Who must be heard that has held our log before; empty where more than half of those that hold it are.

        One that does not follow us can tell nothing of what others hold.
        """
        known = {each.witness for each in await self._store.witnesses.of(own.did)}
        silent = [peer.name for peer in peers if peer.did in known and peer.did not in holding]
        if len(silent) < len(holding) or not silent:
            return ""
        return f"Of those that follow this node, {', '.join(silent)} did not say what they hold; more than half must."

    async def _taken(self, own: Log, told: Sequence[tuple[PeerConfig, Checkpoint]]) -> str:
        """Fetch what peers hold beyond our log, from the first that gives it; why not, empty where nothing is missing.

        ``told`` is what each holds, the most first; whoever shows a checkpoint need not have the entries.
        """
        reason = ""
        for peer, seen in told:
            try:
                if seen.size > own.verified_size:
                    await self._fetch(own, peer, seen)
                elif await self._gossip.root(own, seen.size) != seen.root:
                    return (
                        f"{peer.name} holds a signed log that differs from this one: two histories exist. Ask for help."
                    )
                else:
                    continue
            except FederationError as error:
                log.warning("recovery", peer=peer.name, error=error.slug, detail=str(error))
                reason = reason or f"What {peer.name} holds of this log could not be fetched: {error}"
            else:
                own, reason = await self._store.log(self._own_id), ""
        return reason

    async def _refill(self, own: Log, peers: Sequence[PeerConfig]) -> str:
        """Put back entries that the database has lost, from a peer that holds all of them; why not, where it fails.

        What is whole is told by our own newest checkpoint, so one honest peer is enough. The copy is made and
        verified aside: what is left here stays, in case nobody else has it.
        """
        newest = own.checkpoint if own.size >= self._guard.newest() else self._guard.checkpoint()
        for peer in peers:
            _, seen, unknown = await self._gossip.own_seen(peer, own)
            text = seen.text if seen is not None else unknown
            if newest and head_of(text) == head_of(newest):
                try:
                    await self._copy_back(own, peer, newest)
                except FederationError as error:
                    log.warning("recovery", peer=peer.name, error=error.slug, detail=str(error))
                else:
                    return ""
        return "No peer that answers holds this node's whole log. Restore a backup if none comes back."

    async def _copy_back(self, own: Log, peer: PeerConfig, newest: str) -> None:
        size, root = head_of(newest).split(" ")
        source = PeerConfig(name=own.name, url=own.base, via=peer.url)
        with self._guard.aside() as folder:
            async with open_store(url_of(Path(folder))) as beside:
                copy = await beside.enlist(did=own.did, base=own.base, name=own.name, own=True)
                harvester, reached = self._harvesting(beside), -1
                while reached < copy.size < int(size):
                    reached = copy.size
                    await self._patiently(harvester, source, copy, int(size))
                    copy = await beside.log(copy.id)
                await beside.confirm(copy.id, size=int(size), root=base64.b64decode(root), checkpoint=newest)
                first = (await beside.entries(copy.id, 0, 1))[0]
                await beside.set_fingerprint(copy.id, fingerprint(first.signed.body))
                copy, lost = await beside.log(copy.id), 0
                for start in range(0, copy.size, _BATCH):
                    some = await beside.entries(copy.id, start, start + _BATCH)
                    lost += await self._store.inventory.put_back(own.id, some)
                await self._store.inventory.set_end(own.id, copy)
        # What was erased since may have come back with the database.
        with suppress(StorageFailed):
            await self._store.scrub()
        log.info("entries were put back", entries=lost, peer=peer.name)

    async def _fetch(self, own: Log, peer: PeerConfig, seen: Checkpoint) -> None:
        """Our own entries from a peer's mirror, verified like anybody's."""
        copy = PeerConfig(name=own.name, url=own.base, via=peer.url)
        if own.size > own.verified_size:
            own = await self._store.drop_pending(own.id)
        await self._patiently(self._harvester, copy, own, seen.size)
        try:
            await self._store.confirm(own.id, size=seen.size, root=seen.root, checkpoint=seen.text)
        except RootMismatch:
            await self._store.drop_pending(own.id)
            raise
        log.info("recovered", entries=seen.size - own.verified_size, peer=peer.name)

    async def _fetch_by_later_keys(self, own: Log, peer: PeerConfig, text: str) -> Checkpoint | None:
        """Entries up to a checkpoint by keys that they themselves declare, each signed for by the ones before it."""
        size = checkpoints.size_of(text)
        if size <= own.verified_size:
            return None
        copy = PeerConfig(name=own.name, url=own.base, via=peer.url)
        own = await self._store.drop_pending(own.id)
        try:
            end = await self._patiently(self._harvester, copy, own, size)
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

    async def _patiently(self, harvester: Harvester, peer: PeerConfig, known: Log, size: int) -> Standing:
        """Copy our log for as long as entries come. Raises PeerUnreachable: one without them must not keep us."""
        clock, recovered = asyncio.get_running_loop(), await asyncio.to_thread(self._recovered)
        try:
            async with asyncio.timeout(_PATIENCE) as limit:
                return await harvester.follow(
                    peer,
                    known,
                    size,
                    recovered,
                    progress=lambda held, total: limit.reschedule(clock.time() + _PATIENCE),
                )
        except TimeoutError as error:
            raise PeerUnreachable(f"{peer.via} has given nothing for {_PATIENCE} seconds.") from error
