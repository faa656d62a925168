"""What nodes tell each other about third ones: the checkpoints they have verified (``/log/seen``).

A node that shows two histories, or holds newer entries back from some, cannot know which of its signed
checkpoints end up side by side here. Nothing is believed but signatures: of the log that a checkpoint
is of, and of the witness that says so.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncGenerator, Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice
from typing import Any, Final

import structlog

from federation.config import PeerConfig
from federation.errors import BadCheckpoint, FederationError, NotVerified, StorageFailed
from federation.harvest import asked
from federation.log import checkpoint as checkpoints
from federation.log import did as dids
from federation.log import forks
from federation.log.checkpoint import Checkpoint
from federation.log.forks import Fork, Told
from federation.log.keys import KIND as KEY_EVENT
from federation.log.keys import declared
from federation.log.merkle import Frontier
from federation.log.times import Clock, timestamp
from federation.ownlog import OwnLog
from federation.peers.transport import Transport
from federation.records import jsonld
from federation.records.multikey import decode_public
from federation.store.rows import Log
from federation.store.store import Store
from federation.store.witnesses import Seen

MAX_BYTES: Final = 256 * 1024
"""Of an answer; a statement on one log has some 600."""
MAX_LOGS: Final = 200
MAX_PROOFS: Final = 20
"""Proofs of forks that are passed on; one may have 5 KiB."""
log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Contradiction:
    """A log of which two signed histories exist, with the proof as text."""

    log: Log
    evidence: str


async def _told(store: Store) -> tuple[list[Log], list[str]]:
    """The logs of others that this node has verified, and the proofs of forks it has found."""
    logs = [each for each in await store.logs() if not each.own and each.checkpoint]
    states = await store.peers.states()
    kept = (states[each.id].evidence for each in logs if each.id in states and states[each.id].reason == "forked")
    return logs, [each for each in kept if each.startswith("{")]


async def digest(store: Store) -> str:
    """Changes when what ``/log/seen`` says changes; sent along with the checkpoint, so that nobody asks in vain."""
    logs, proofs = await _told(store)
    text = "".join([*(f"{each.did} {each.checkpoint}" for each in logs), *proofs])
    return hashlib.sha256(text.encode()).hexdigest()[:16]


async def statement(store: Store, mine: OwnLog, own: Log) -> dict[str, Any]:
    """What this node has verified of others, each checkpoint cosigned, and the forks it has found."""
    logs, proofs = await _told(store)
    cosigned = await mine.cosigned([each.checkpoint for each in logs])
    return {
        "node": own.did,
        "logs": [{"log": each.did, "checkpoint": text} for each, text in zip(logs, cosigned, strict=True)],
        "forks": [jsonld.loads(each.encode()) for each in islice(proofs, MAX_PROOFS)],
    }


async def other_ends(store: Store, held: Log, fork: Fork) -> list[str]:
    """The ends of the histories in a proof of a fork that are not the one held of that log."""
    found = []
    for told in (fork.first.checkpoint, fork.second.checkpoint):
        leaves = await store.leaves(held.id, told.size) if told.size <= held.verified_size else None
        if leaves is None or (await asyncio.to_thread(Frontier().append, leaves)).root != told.root:
            found.append(checkpoints.head_of(told.text))
    return found


class Gossip:
    """Asks peers what they have seen, and compares."""

    def __init__(self, store: Store, transport: Transport, clock: Clock) -> None:
        self._store = store
        self._transport = transport
        self._clock = clock
        self._known: dict[str, tuple[str, object]] = {}
        """By peer: the digest of what it said last, and what was held when it was judged."""
        self.unknown: set[str] = set()
        """Peers that say they have verified a checkpoint of our own log by a key that it does not declare here."""
        self._frontiers: dict[int, Frontier] = {}
        self._declared: dict[int, tuple[int, list[str]]] = {}
        """By log: its size, and the log keys that it had declared by then."""

    async def listen(self, peer: PeerConfig, hint: str) -> AsyncGenerator[Contradiction]:
        """Take in what a peer has seen, if that changed; the logs that contradict themselves.

        Only when all of them were taken does it count as heard.

        ``hint`` is the digest that came with its checkpoint, empty if it sent none. What cannot be read or
        verified is left aside: a witness proves something or says nothing. It is heard again once more is held
        here: what nobody could judge before may be a proof now.
        """
        logs = {each.did: each for each in await self._store.logs()}
        held = frozenset((each.did, each.verified_size, each.keys) for each in logs.values())
        if not hint or self._known.get(peer.did) == (hint, held):
            return
        said = await self.ask(peer)
        if said is None:
            return
        witness = logs.get(peer.did)
        states = await self._store.peers.states()
        given_up = {each.id: states[each.id].given_up.split("\n") for each in logs.values() if each.id in states}
        proved = list[Seen]()
        # One statement a log: each may cost a walk over all its leaves.
        items = [item for item in said["logs"] if isinstance(item, Mapping)]
        for did, text in {str(item.get("log")): str(item.get("checkpoint", "")) for item in items}.items():
            about = logs.get(did)
            if about is None or witness is None or about.id == witness.id:
                continue
            if checkpoints.head_of(text) in given_up.get(about.id, ()):
                continue  # a person knows of it, and has decided
            contradiction = await self._compare(about, witness, text, proved)
            if contradiction is not None:
                yield contradiction
        await self._store.witnesses.keep(proved)
        for document in said["forks"]:
            contradiction = await self._accused(document, logs, given_up)
            if contradiction is not None:
                yield contradiction
        self._known[peer.did] = hint, held

    async def ask(self, peer: PeerConfig) -> dict[str, list[Any]] | None:
        """The raw statement of a peer, in its form but not yet believed; None where there is none."""
        try:
            answer = await self._transport.get(asked(peer, "/log/seen"), accept="application/json", max_bytes=MAX_BYTES)
            document = jsonld.loads(answer.content.opened())
        except FederationError as error:
            log.info("not told what a peer has seen", peer=peer.name, reason=error.slug, detail=str(error))
            return None
        if not isinstance(document, Mapping):
            return None
        lists = {name: document.get(name) for name in ("logs", "forks")}
        return {name: each[:MAX_LOGS] if isinstance(each, list) else [] for name, each in lists.items()}

    async def own_seen(self, peer: PeerConfig, own: Log) -> tuple[bool, Checkpoint | None, str]:
        """Whether a peer answers, and the checkpoint of our own log that it has verified, if any.

        The third is the text of one that no key of ours here has signed: perhaps one that we declared later.
        """
        said = await self.ask(peer)
        for item in said["logs"] if said else ():
            if isinstance(item, Mapping) and item.get("log") == own.did:
                text = str(item.get("checkpoint", ""))
                told = await self._verified(own, text)
                return True, told.checkpoint if told else None, "" if told else text
        return said is not None, None, ""

    async def root(self, about: Log, size: int) -> bytes:
        """The root of our copy of a log at some size; the last one asked for is kept, to go on from.

        Raises StorageFailed where entries are missing.
        """
        if size == about.verified_size:
            return about.verified.root
        frontier = self._frontiers.get(about.id, Frontier())
        if frontier.size > size:
            frontier = Frontier()
        leaves = await self._store.leaves(about.id, size, frontier.size)
        frontier = await asyncio.to_thread(frontier.append, leaves)
        if frontier.size != size:
            # Whoever compared with what is left would accuse the peer of what our disk did.
            raise StorageFailed(f"The database has lost entries of the log of {about.name} before {size}.")
        self._frontiers[about.id] = frontier
        return frontier.root

    async def _compare(self, about: Log, witness: Log, text: str, held: list[Seen]) -> Contradiction | None:
        """What a witness says of a log beside what is held of it; ``held`` gains what it proved."""
        told, cosigned = await self._verified(about, text), None
        if witness.keys is not None:
            name = checkpoints.origin_of(dids.host_of(witness.base))
            cosigned = checkpoints.cosigned(text, name, witness.keys.log_key())
        if told is None and cosigned is not None and about.own:
            self.unknown.add(witness.did)
        if told is None or cosigned is None:
            return None
        seen = told.checkpoint
        held.append(Seen(about.did, witness.did, seen.size, text, timestamp(cosigned)))
        if seen.size > about.verified_size or await self.root(about, seen.size) == seen.root:
            return None
        mine = await self._verified(about, about.checkpoint)
        if mine is None:
            return None
        leaves = await self._store.leaves(about.id, about.verified_size)
        text = await asyncio.to_thread(forks.written, about.did, mine, told, leaves)
        try:
            forks.checked(jsonld.loads(text.encode()))
        except NotVerified as error:
            # What is stored here does not add up to what was verified: nobody else is to be blamed for that.
            raise StorageFailed(f"The database does not hold the log of {about.name} as it was verified.") from error
        return Contradiction(about, text)

    async def _accused(
        self, document: object, logs: Mapping[str, Log], given_up: Mapping[int, Collection[str]]
    ) -> Contradiction | None:
        """A proof that somebody else has found, where it holds and is about a log we know, by a key of it.

        Not one of a history that was given up here.
        """
        try:
            fork = await asyncio.to_thread(forks.checked, document)
        except NotVerified as error:
            log.info("a proof of a fork does not hold", detail=str(error))
            return None
        about = logs.get(fork.log)
        if about is None or not {fork.first.key, fork.second.key} <= set(await self._log_keys(about)):
            return None
        ends = {checkpoints.head_of(each.checkpoint.text) for each in (fork.first, fork.second)}
        if not ends.isdisjoint(given_up.get(about.id, ())):
            return None
        return Contradiction(about, fork.text())

    async def _verified(self, about: Log, text: str) -> Told | None:
        origin = checkpoints.origin_of(dids.host_of(about.base))
        if about.keys is not None:
            with suppress(BadCheckpoint):  # an older key of its log may have signed it
                return Told(checkpoints.verify(text, origin=origin, key=about.keys.log_key()), about.keys.log)
        for key in await self._log_keys(about):
            with suppress(BadCheckpoint):
                return Told(checkpoints.verify(text, origin=origin, key=decode_public(key)), key)
        return None

    async def _log_keys(self, about: Log) -> list[str]:
        """Every log key that a log has declared, the newest first."""
        size, keys = self._declared.get(about.id, (-1, []))
        if size != about.verified_size:
            events = await self._store.of_kind(about.id, KEY_EVENT)
            keys = await asyncio.to_thread(lambda: [declared(each.signed.body).keys.log for each in reversed(events)])
            self._declared[about.id] = about.verified_size, keys
        return keys
