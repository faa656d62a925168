"""Key events: the entries by which a node declares its keys. Entry 0 of every log is the inception.

A key event is an ordinary signed body. It names the record key, the log key and the hash of the next
record key, so that a later rotation can prove that it was meant (pre-rotation).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from federation.errors import KeyMismatch
from federation.records.canonical import PC, TYPE, XSD, Literal, Triple, write
from federation.records.multikey import decode_public
from federation.records.record import ISSUED, PUBLISHER, VERSION, Address, Record

KIND: Final = "key-event"


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
    record_key, log_key = record.one(PC + "recordKey"), record.one(PC + "logKey")
    sequence = record.one(PC + "keySequence")
    if (
        not isinstance(record_key, Literal)
        or not isinstance(log_key, Literal)
        or not isinstance(sequence, Literal)
        or sequence.value != "0"
        or record_key.value == log_key.value
    ):
        raise KeyMismatch("The first entry of the log does not declare a record key and a log key.")
    return Keys(record_key.value, log_key.value)


def fingerprint(body: str) -> str:
    """What two coordinators compare over the telephone: half of SHA-256 of the inception, in groups."""
    digest = hashlib.sha256(body.encode()).hexdigest()[:32]
    return " ".join(digest[at : at + 4] for at in range(0, 32, 4))
