"""A node's own log: signing what is published, ending what was, and the keys that do so.

Everything that appends to the own log passes through ``OwnLog.append``: record versions, withdrawals,
erasures and key events. It signs with the keys that the log itself declares, so a rotation by another
process takes effect at once.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from datetime import datetime, timedelta
from statistics import median_low
from typing import Final

import structlog
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from federation.errors import (
    AlreadyExists,
    BadCheckpoint,
    Conflict,
    InvalidRequest,
    KeyMissing,
    Misconfigured,
    NotFound,
    ReadOnly,
    WrongClock,
    not_set_up,
)
from federation.guard import Guard
from federation.log import checkpoint as checkpoints
from federation.log import forks
from federation.log import keys as key_events
from federation.log.checkpoint import head_of
from federation.log.effects import CLASSES, ERASURE, WITHDRAWAL
from federation.log.forks import Told
from federation.log.keys import Declaration, Keys
from federation.log.times import Clock, signing_time, timestamp
from federation.log.trust import Entry, understood
from federation.records.canonical import PC, TYPE, XSD, Literal, nodes_of, write
from federation.records.kinds import Texts
from federation.records.multikey import decode_public, encode_public
from federation.records.proof import Signer, sign
from federation.records.record import assemble, first_issued, managed
from federation.records.values import Naming, clean
from federation.store.keyfiles import Keyring, PrivateKeys
from federation.store.rows import Log
from federation.store.store import SignCheckpoint, Store
from federation.tasks import Prepared
from federation.workers import Tools

log = structlog.get_logger(__name__)
_ATTEMPTS: Final = 8
_WRONG: Final = 60
"""Seconds after which a clock that was wrong is looked at again."""
ENOUGH: Final = 3
"""Peers whose clocks together tell that ours is wrong."""


def signed_more(held: int, signed: int) -> str:
    """Why a node that has lost entries of its own log must not write."""
    return f"This node holds {held} entries of its own log, but has signed {signed} before."


class OwnLog:
    """The log that a node writes. One in a process; several processes may share the log."""

    def __init__(
        self,
        *,
        store: Store,
        log_id: int,
        naming: Naming,
        host: str,
        keyring: Keyring,
        tools: Tools,
        clock: Clock,
        guard: Guard,
    ) -> None:
        self._store = store
        self._log_id = log_id
        self._naming = naming
        self._origin = checkpoints.origin_of(host)
        self._keyring = keyring
        self._tools = tools
        self._clock = clock
        self._guard = guard
        self._appending = asyncio.Lock()
        self._not_before = 0.0
        self._missing = ""
        self.appended = 0
        """Entries that this process has appended."""

    # Checkpoints

    def _checkpoint(self, key: Ed25519PrivateKey, ahead: float) -> SignCheckpoint:
        """Signs a size and root, if nothing larger was ever signed: called inside the transaction that appends."""

        def sign_checkpoint(size: int, root: bytes, before: str) -> str:
            # By what the database held before: as many entries may be new as were lost.
            held, newest = checkpoints.size_of(before), self._guard.newest()
            if held < newest:
                self._guard.stop(signed_more(held, newest))
            self._compare(before, encode_public(key.public_key()))
            self._may_write()
            at = signing_time(self._clock(), last=checkpoints.signed_at(before), ahead=ahead)
            return checkpoints.sign(self._origin, size, root, key, now=at)

        return sign_checkpoint

    async def _ahead(self) -> float:
        """Seconds by which our clock is ahead of the median of those of the peers that have answered within a day.

        Of two in the middle the lower: half of the peers are not most of them. Of fewer than ENOUGH peers one alone
        could keep this node from writing. What was heard at a time that has not
        come yet was heard before the clock was set back.
        """
        now = self._clock()
        first, last = timestamp(now - timedelta(days=1)), timestamp(now)
        states = (await self._store.peers.states()).values()
        heard = [each.ahead for each in states if first < each.heard <= last]
        return median_low(heard) if len(heard) >= ENOUGH else 0.0

    def _may_write(self) -> None:
        reason = self._guard.reason()
        if reason:
            raise ReadOnly(reason, remedy=self._guard.remedy())

    async def _keep_checkpoint(self) -> None:
        """Keep outside the database what was just stored in it, which stands whether or not that can be done now."""
        current = await self._store.log(self._log_id)
        try:
            await asyncio.to_thread(self._guard.keep, current.checkpoint)
        except OSError as error:
            log.error("checkpoint not kept outside the database yet", detail=str(error))  # ``remember`` tries again

    async def remember(self) -> None:
        """Keep outside the database what other processes have signed: each must notice if it is put back.

        One that serves from a machine of its own has files of its own, and would not know of what it did not sign.
        """
        kept = await asyncio.to_thread(self._guard.newest)
        log = await self._store.log(self._log_id)
        if log.verified_size > kept:
            await asyncio.to_thread(self._guard.keep, log.checkpoint)
        elif log.verified_size < kept and not self._guard.reason():
            await asyncio.to_thread(self._guard.stop, signed_more(log.verified_size, kept))
        elif log.keys is not None:
            await asyncio.to_thread(self._compare, log.checkpoint, log.keys.log)

    def _compare(self, checkpoint: str, key: str) -> None:
        """Stop where the database has another history than was signed before: it was put back, and written on."""
        kept = self._guard.checkpoint()
        one, other = head_of(kept), head_of(checkpoint)
        if not one or not other or one == other or one.split(" ")[0] != other.split(" ")[0]:
            return
        try:
            public = decode_public(key)
            first, second = (
                Told(checkpoints.verify(text, origin=self._origin, key=public), key) for text in (kept, checkpoint)
            )
        except BadCheckpoint:
            self._guard.stop("This node has signed another history of its own log than the database holds.")
        else:
            self._guard.accuse(forks.written(self._naming.did, first, second, ()))

    async def refresh_checkpoint(self) -> None:
        """Sign the log as it stands once more; done daily, so that an idle node does not look frozen."""
        if self._guard.reason() or time.monotonic() < self._not_before:
            return
        own = await self._store.log(self._log_id)
        private = await self._private(own.keys)
        sign_checkpoint = self._checkpoint(private.log, await self._ahead())
        try:
            await self._store.refresh_checkpoint(self._log_id, keys=own.keys, checkpoint=sign_checkpoint)
        except WrongClock as error:
            # Whoever asks for the checkpoint has it signed anew: not each time while the clock is wrong.
            self._not_before = time.monotonic() + _WRONG
            log.error("the checkpoint is not signed anew", detail=str(error))
            return
        except Conflict:
            return  # what changed the log has signed it as well, or will once it is proved
        await self._keep_checkpoint()

    async def cosigned(self, texts: Sequence[str]) -> list[str]:
        """Checkpoints of other logs, each with a line that this node has verified it."""
        private = await self._private((await self._store.log(self._log_id)).keys)
        now = self._clock()
        return [checkpoints.cosign(text, self._origin, private.log, at=now) for text in texts]

    # Appending

    async def append(self, prepared: Sequence[Prepared]) -> list[int]:
        """Sign bodies and append them in one transaction; their positions.

        Raises Conflict when a version is not the next one: whoever prepared it must look again.
        """
        async with self._appending:
            self._may_write()
            for _ in range(_ATTEMPTS):
                log = await self._store.log(self._log_id)
                private = await self._private(log.keys)
                ahead = await self._ahead()
                created = self._created(log, ahead)
                entries = await asyncio.to_thread(self._sign, prepared, private.record, created)
                try:
                    positions = await self._store.append_own(
                        self._log_id, entries, keys=log.keys, checkpoint=self._checkpoint(private.log, ahead)
                    )
                except Conflict:
                    newer = await self._store.log(self._log_id)
                    if newer.published <= created and newer.keys == log.keys:
                        raise  # neither the time nor the keys but a version: the caller must prepare again
                else:
                    self.appended += len(positions)
                    await self._keep_checkpoint()
                    return positions
            raise Conflict("Other processes keep appending to the log.", remedy="Try again in a moment.")

    def _created(self, log: Log, ahead: float) -> str:
        """The time of new entries. The clock may lag behind what another process, or this one, has signed."""
        last = datetime.fromisoformat(log.published) if log.published else None
        return timestamp(signing_time(self._clock(), last=last, ahead=ahead))

    async def missing(self, keys: Keys) -> str:
        """Why this process cannot sign with some keys; empty where it can."""
        try:
            await self._private(keys)
        except KeyMissing as error:
            if str(error) != self._missing:  # whoever asks whether this node is ready asks again and again
                log.error("this node cannot sign", detail=str(error))
            self._missing = str(error)
        else:
            self._missing = ""
        return self._missing

    async def _private(self, keys: Keys | None) -> PrivateKeys:
        return await asyncio.to_thread(self._keyring.private, keys)

    def _sign(self, prepared: Sequence[Prepared], key: Ed25519PrivateKey, created: str) -> list[Entry]:
        signer = Signer(self._naming.did, key)
        return [
            Entry(0, sign(each.body, signer, created=created), each.record, each.kind, each.version)
            for each in prepared
        ]

    # Ending records

    async def withdraw(self, record: str, reason: Texts) -> int:
        """Withdraw a record: a tombstone takes its place, the versions before it stay; the position of the tombstone.

        Raises NotFound, AlreadyExists where it was withdrawn or erased, InvalidRequest for a bad reason.
        """
        return await self._end(record, WITHDRAWAL, reason)

    async def erase(self, record: str, reason: Texts) -> int:
        """Erase every version of a record, here and at every peer; only hashes stay. The position of the erasure.

        Raises NotFound, AlreadyExists where it was erased, InvalidRequest for a bad reason.
        """
        return await self._end(record, ERASURE, reason)

    async def _end(self, record: str, kind: str, reason: Texts) -> int:
        for _ in range(_ATTEMPTS):
            prepared = await self._ending(record, kind, reason)
            try:
                return (await self.append([prepared]))[0]
            except Conflict:
                continue  # a new version came in between: it is to be ended as well
        raise Conflict("Other processes keep writing to this record.", remedy="Try again in a moment.")

    async def _ending(self, record: str, kind: str, reason: Texts) -> Prepared:
        known = await self._store.current(record, self._log_id)
        version = known.version + 1 if known is not None else 1
        if known is None and kind == ERASURE:
            # What somebody published with a stolen key is not shown, and has to be erased all the more.
            known = next(reversed(await self._store.history(self._log_id, record)), None)
        if known is None:
            raise NotFound(f"There is no record {record} of this node.", remedy="Check the kind and the slug.")
        if known.kind in (kind, ERASURE):
            raise AlreadyExists(f"{record} has been ended already, by entry {known.position}.")
        now = timestamp(self._clock())
        issued = first_issued(known.signed.body, record) or now
        triples = [(record, TYPE, CLASSES[kind]), *managed(record, self._naming.did, version, issued, now)]
        triples += [(record, PC + "reason", Literal(clean(text), "", tag)) for tag, text in reason.items()]
        if kind == ERASURE:
            triples += [
                (record, PC + "erases", Literal(str(each.position), XSD + "integer"))
                for each in await self._store.history(self._log_id, record)
                if each.kind != ERASURE
            ]
        body = write(triples)
        if not reason or not all(clean(text) for text in reason.values()):
            raise InvalidRequest(
                "A reason is missing.", remedy="Say in a sentence why; everybody will be able to read it."
            )
        _, wrong = understood(body, self._tools.vocabulary, self._tools.checks)
        if wrong:
            raise InvalidRequest(
                f"That reason cannot be published: {wrong}.",
                remedy="Give one short text in at least one language; everybody will be able to read it.",
            )
        return Prepared(record, kind, version, body)

    # Keys

    async def begin(self, next_hash: str) -> None:
        """Write entry 0, the inception, unless the log has one, and note its fingerprint.

        ``next_hash`` is used only where entry 0 is written.
        """
        log = await self._store.log(self._log_id)
        if log.size == 0:
            private = await self._private(None)
            await self._declare(Declaration(private.public, 0, next_hash), private, private.record, None)
        inception = (await self._store.entries(self._log_id, 0, 1))[0]
        await self._store.set_fingerprint(self._log_id, key_events.fingerprint(inception.signed.body))

    async def rotate(self, new: PrivateKeys, next_hash: str, *, compromised_from: int | None = None) -> int:
        """Put other keys in force, from the next entry on; the position of the declaration.

        ``new.record`` must be the key that the last declaration announced; ``next_hash`` announces the one
        after it. ``compromised_from`` hides what the old key signed from a position on. Raises Misconfigured.
        """
        log = await self._store.log(self._log_id)
        self.check_rotation(log, new.record, compromised_from)
        signer = (await self._private(log.keys)).record
        declared = Declaration(new.public, _declared(log.declared).sequence + 1, next_hash, compromised_from)
        return await self._declare(declared, new, signer, log.keys)

    @staticmethod
    def check_rotation(log: Log, record: Ed25519PrivateKey, compromised_from: int | None) -> None:
        """Raise Misconfigured for a key that a log did not announce, InvalidRequest for a position it does not have."""
        if key_events.next_key_hash(encode_public(record.public_key())) != _declared(log.declared).next_hash:
            raise Misconfigured(
                "That is not the key that this log announced as its next one.",
                remedy="Look for the file next.key that `procirc init` or the last rotation made. If it is lost, "
                "`procirc keys recover` begins with new keys, which every peer then has to confirm.",
            )
        if compromised_from is not None and not 0 < compromised_from <= log.size:
            raise InvalidRequest(f"The log has {log.size} entries; {compromised_from} is not a position to begin from.")

    async def check(self) -> None:
        """Raise why this node may not write to its log now: ReadOnly, or WrongClock."""
        self._may_write()
        self._created(await self._store.log(self._log_id), await self._ahead())

    async def recover(self, new: PrivateKeys, next_hash: str) -> tuple[int, str]:
        """Declare new keys after the old ones were lost; position and fingerprint, which every peer must confirm."""
        log = await self._store.log(self._log_id)
        declared = Declaration(new.public, _declared(log.declared).sequence + 1, next_hash, recovery=True)
        position = await self._declare(declared, new, new.record, log.keys)
        entry = (await self._store.entries(self._log_id, position, position + 1))[0]
        return position, key_events.fingerprint(entry.signed.body)

    async def _declare(
        self, declared: Declaration, new: PrivateKeys, signer: Ed25519PrivateKey, before: Keys | None
    ) -> int:
        async with self._appending:
            for _ in range(_ATTEMPTS):
                log = await self._store.log(self._log_id)
                ahead = await self._ahead()
                created = self._created(log, ahead)
                proof = None if declared.sequence == 0 else new.record
                body = key_events.event(self._naming.base, self._naming.did, declared, issued=created, new=proof)
                record, _ = assemble(nodes_of(body), self._tools.vocabulary)
                prepared = Prepared(record.iri, record.kind, 1, body)
                entries, checkpoint = self._sign([prepared], signer, created), self._checkpoint(new.log, ahead)
                try:
                    at = (await self._store.append_own(self._log_id, entries, keys=before, checkpoint=checkpoint))[0]
                except Conflict:
                    if (await self._store.log(self._log_id)).keys != before:
                        raise  # somebody else changed the keys
                else:
                    await self._keep_checkpoint()
                    return at
            raise Conflict("Other processes keep appending to the log.", remedy="Try again in a moment.")


def _declared(declared: Declaration | None) -> Declaration:
    if declared is None:
        raise not_set_up()
    return declared
