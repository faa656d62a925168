"""A node that may hold less of its own log than others do: what it lost comes back from its peers.

A node restored from an old backup must not sign anything: the next entry would stand where peers hold
another one, and that is a fork. Two things tell: the newest checkpoint, which is kept outside the
database too, and what peers say they have verified of us. Until its log equals what they hold, the node
reads and serves but does not write (reference: Sunlight's compare-and-swap of its last head).
"""

from __future__ import annotations

import asyncio
import base64
import json
import os
import secrets
import tempfile
import threading
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

import structlog

from federation.config import PeerConfig
from federation.errors import BadCheckpoint, FederationError, Misconfigured, RootMismatch
from federation.gossip import Gossip, other_ends
from federation.harvest import Harvester
from federation.log import checkpoint as checkpoints
from federation.log import did as dids
from federation.log import forks
from federation.log.checkpoint import Checkpoint, head_of
from federation.log.keys import fingerprint
from federation.ownlog import signed_more
from federation.records import jsonld
from federation.store.engine import url_of
from federation.store.rows import Log
from federation.store.store import Store, open_store

RESTORED: Final = "restored"
"""In the data directory: this node was restored. JSON: ``time``, ``size`` and ``root`` of its log as it was then."""
BEHIND: Final = "behind"
"""In the data directory: why this node only reads for now, in words."""
NEWEST: Final = "checkpoint"
"""In the data directory: the newest checkpoint that this node has signed, outside its database."""
OWN_FORK: Final = "own-fork.json"
"""In the data directory: a proof that two signed histories of the own log exist, as `procirc verify` checks it."""
DECIDED: Final = "own-forks-decided"
"""In the data directory: the ends of histories that a person has given up, a line each: size and root."""
_BATCH: Final = 2_000
"""Entries that are put back at once."""
log = structlog.get_logger(__name__)


class Guard:
    """Says whether a node may write to its own log, for all processes that share its data directory."""

    def __init__(self, data: Path) -> None:
        self._data = data
        self._keeping = threading.Lock()  # appending, remembering and renewing keep from threads of their own

    def reason(self) -> str:
        """Why nothing may be written now; empty when all is well."""
        return self.forked() or self.lost()

    def forked(self) -> str:
        """Why a person has to decide: somebody has proved that two histories of the own log are signed."""
        if not (self._data / OWN_FORK).exists():
            return ""
        return f"Two signed histories of this node's own log exist; the proof is {OWN_FORK} in its data directory."

    def lost(self) -> str:
        """Why the peers have to be asked: entries of the own log may be missing here."""
        if (self._data / RESTORED).exists():
            return "This node was restored from a backup and has not heard yet what its peers hold of its log."
        try:
            return (self._data / BEHIND).read_text("utf-8")
        except FileNotFoundError:
            return ""

    def remedy(self) -> str:
        """What to do about ``reason``."""
        if self.forked():
            return (
                "Find out how it came about (a second copy of this node, a disk put back, stolen keys) and tell your "
                "peers; then `procirc resume --accept-fork` goes on with the history that is here."
            )
        return "It resumes by itself when its log equals what its peers hold."

    def accuse(self, evidence: str) -> None:
        """Write nothing from now on: ``evidence`` proves a second history that nobody has decided on yet.

        It stays where one is that was found before; both say that a person has to decide.
        """
        told = {head_of(text) for text in json.loads(evidence)["checkpoints"]}
        if not told & self.decided():
            with suppress(FileExistsError):
                _write(self._data / OWN_FORK, evidence, replace=False)

    def evidence(self) -> str:
        """The proof that keeps this node from writing; empty without one."""
        try:
            return (self._data / OWN_FORK).read_text("utf-8")
        except FileNotFoundError:
            return ""

    def decided(self) -> frozenset[str]:
        """The ends of histories that were given up: peers that still show them prove nothing new."""
        try:
            return frozenset((self._data / DECIDED).read_text("utf-8").splitlines())
        except FileNotFoundError:
            return frozenset()

    def decide(self, given_up: Iterable[str]) -> Path:
        """Write again although two histories exist: a person has decided; where the proof is kept from now on."""
        _write(self._data / DECIDED, "".join(f"{each}\n" for each in sorted(self.decided() | set(given_up))))
        number = len(list(self._data.glob("own-fork-*.json"))) + 1
        return (self._data / OWN_FORK).rename(self._data / f"own-fork-{number}.json")

    def tidy(self) -> None:
        """Remove what processes that were killed have left of files they were writing."""
        for path in (*self._data.glob("*.partial"), *self._data.glob("keys/*.partial")):
            writer = next((each[1:] for each in path.suffixes if each[1:].isdecimal()), "")
            if writer.isdecimal() and (int(writer) == os.getpid() or not _runs(int(writer))):
                path.unlink(missing_ok=True)

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
        lines = self.checkpoint().split("\n")
        return int(lines[1]) if len(lines) > 1 and lines[1].isdecimal() else 0

    def checkpoint(self) -> str:
        """The newest checkpoint itself; empty for none."""
        try:
            return (self._data / NEWEST).read_text("utf-8")
        except FileNotFoundError:
            return ""

    def keep(self, checkpoint: str, size: int) -> None:
        """Keep a checkpoint, unless a larger one is there (another process was faster)."""
        with self._keeping:
            if size >= self.newest():
                _write(self._data / NEWEST, checkpoint)


def _write(path: Path, text: str, *, replace: bool = True) -> None:
    """Write a file so that it is there whole or not at all. Raises FileExistsError unless it may ``replace`` one."""
    # A name of its own for each writer: threads of one process write too, and two that share a folder share numbers.
    partial = path.with_suffix(f".{os.getpid()}.{secrets.token_hex(4)}.partial")
    with partial.open("x", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    if replace:
        os.replace(partial, path)
        return
    try:
        os.link(partial, path)
    finally:
        partial.unlink()


def _runs(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except (PermissionError, OverflowError):
        return True
    return True


async def count(store: Store, own_id: int, guard: Guard) -> None:
    """Stop a node that has signed more entries of its own log than its database holds.

    Done at each start: a disk, a file put back or a hand in the database may have taken them. Raises Misconfigured
    for a node that has never signed any.
    """
    newest = guard.newest()
    size, held = await store.inventory.sizes(own_id)
    if not size and not newest:
        raise Misconfigured("This node has not been set up.", remedy="Run `procirc init` first.")
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
    ) -> None:
        """``harvesting`` makes a harvester that copies into another store."""
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
        did, given_up = (await self._store.log(self._own_id)).did, self._guard.decided()
        witnesses = await self._store.witnesses.of(did)
        seen = max((each.size for each in witnesses if head_of(each.checkpoint) not in given_up), default=0)
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

        More than half of the peers must answer: those that are silent may hold what nobody else does.
        """
        own = await self._store.log(self._own_id)
        _, held = await self._store.inventory.sizes(own.id)
        if (held < own.size or own.keys is None) and (reason := await self._refill(own, peers)):
            return reason
        own = await self._store.log(self._own_id)
        answered, best = 0, None
        for peer in peers:
            heard, seen, unknown = await self._gossip.own_seen(peer, own)
            if unknown:
                # Not to be passed over: it may be signed by keys that we declared after the backup was made.
                seen = await self._fetch_by_later_keys(own, peer, unknown)
                own, heard = await self._store.log(self._own_id), seen is not None
            answered += heard
            if seen is not None and head_of(seen.text) in self._guard.decided():
                continue
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
        with tempfile.TemporaryDirectory(prefix="procirc-recovery-") as folder:
            async with open_store(url_of(Path(folder))) as beside:
                copy = await beside.enlist(did=own.did, base=own.base, name=own.name, own=True)
                harvester, reached = self._harvesting(beside), -1
                while reached < copy.size < int(size):
                    reached = copy.size
                    await harvester.follow(source, copy, int(size), "")
                    copy = await beside.log(copy.id)
                await beside.confirm(copy.id, size=int(size), root=base64.b64decode(root), checkpoint=newest)
                first = (await beside.entries(copy.id, 0, 1))[0]
                await beside.set_fingerprint(copy.id, fingerprint(first.signed.body))
                copy, lost = await beside.log(copy.id), 0
                for start in range(0, copy.size, _BATCH):
                    some = await beside.entries(copy.id, start, start + _BATCH)
                    lost += await self._store.inventory.put_back(own.id, some)
                await self._store.inventory.set_end(own.id, copy)
        log.info("entries were put back", entries=lost, peer=peer.name)

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
