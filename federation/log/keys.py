"""Key events: the entries by which a node declares its keys. Entry 0 of every log is the inception.

A key event is an ordinary signed body. It names the record key, the log key and the hash of the next
record key, so that a later rotation can prove that it was meant (pre-rotation).
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from federation.errors import BadProof, KeyMismatch
from federation.records.canonical import PC, TYPE, XSD, Literal, Triple, write
from federation.records.multikey import decode_public
from federation.records.record import ISSUED, PUBLISHER, VERSION, Address, Record

KIND: Final = "key-event"
_HASH: Final = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class Keys:
    """The current public keys of a node, as Multikey text."""

    record: str
    log: str

    def record_key(self) -> Ed25519PublicKey:
        return decode_public(self.record)

    def log_key(self) -> Ed25519PublicKey:
        return decode_public(self.log)

    def method(self, did: str) -> str:
        """The verification method of the record key."""
        return f"{did}#{self.record}"


def next_key_hash(key: str) -> str:
    """What a key event commits to: SHA-256 of the next key's Multikey text, hexadecimal."""
    return hashlib.sha256(key.encode()).hexdigest()


def inception(base: str, did: str, keys: Keys, next_hash: str, *, issued: str) -> str:
    """The body of a node's first entry."""
    subject = Address(base, KIND, "0").iri
    triples: Iterable[Triple] = (
        (subject, TYPE, PC + "KeyEvent"),
        (subject, PUBLISHER, did),
        (subject, ISSUED, Literal(issued, XSD + "dateTime")),
        (subject, VERSION, Literal("1", XSD + "integer")),
        (subject, PC + "keySequence", Literal("0", XSD + "integer")),
        (subject, PC + "recordKey", Literal(keys.record)),
        (subject, PC + "logKey", Literal(keys.log)),
        (subject, PC + "nextKeyHash", Literal(next_hash)),
    )
    return write(triples)


def declared(record: Record) -> Keys:
    """The keys a key event declares. Raises KeyMismatch when it is not an inception with two keys."""
    values = {name: record.one(PC + name) for name in ("keySequence", "recordKey", "logKey", "nextKeyHash")}
    texts = {name: value.value for name, value in values.items() if isinstance(value, Literal)}
    if len(texts) != len(values) or texts["keySequence"] != "0" or not _HASH.fullmatch(texts["nextKeyHash"]):
        raise KeyMismatch("The first entry of the log does not declare a record key, a log key and the next key.")
    keys = Keys(texts["recordKey"], texts["logKey"])
    if keys.record == keys.log:
        raise KeyMismatch("Records and checkpoints must be signed with different keys.")
    try:
        keys.record_key()
        keys.log_key()
    except BadProof as error:
        raise KeyMismatch(f"The first entry of the log declares a key that is none: {error}") from error
    return keys


def fingerprint(body: str) -> str:
    """What two coordinators compare over the telephone: half of SHA-256 of the inception, in groups."""
    digest = hashlib.sha256(body.encode()).hexdigest()[:32]
    return " ".join(digest[at : at + 4] for at in range(0, 32, 4))
