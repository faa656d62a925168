"""Key events: the entries by which a node declares its keys. Entry 0 of every log is the inception.

A key event is an ordinary signed body. It names the record key, the log key and the hash of the next
record key, so that a later rotation can prove that it was meant (pre-rotation, as in KERI and
did:webvh). A rotation carries the signature of the new record key and is signed with the old one.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from typing import Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from federation.errors import BadProof, KeyMismatch
from federation.records.canonical import PC, TYPE, XSD, Literal, Triple, read, write
from federation.records.ed25519 import holds
from federation.records.multikey import decode_public, decode_signature, encode_signature
from federation.records.record import ISSUED, PUBLISHER, VERSION, Address

KIND: Final = "key-event"
_NEW_SIGNATURE: Final = PC + "newKeySignature"
_NUMBER: Final = re.compile(r"[0-9]{1,18}")
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


@dataclass(frozen=True, slots=True)
class Declaration:
    """What a key event says: the keys from here on, its number, and the hash of the record key after them.

    ``compromised_from`` is the position from which the record key before was in wrong hands; ``recovery``
    marks keys that follow lost ones, which people confirm.
    """

    keys: Keys
    sequence: int
    next_hash: str
    compromised_from: int | None = None
    recovery: bool = False


def event(base: str, did: str, declared: Declaration, *, issued: str, new: Ed25519PrivateKey | None = None) -> str:
    """The body of a key event. ``new`` is the private half of its record key; the inception needs none."""
    subject = Address(base, KIND, str(declared.sequence)).iri
    keys = declared.keys
    triples: list[Triple] = [
        (subject, TYPE, PC + "KeyEvent"),
        (subject, PUBLISHER, did),
        (subject, ISSUED, Literal(issued, XSD + "dateTime")),
        (subject, VERSION, Literal("1", XSD + "integer")),
        (subject, PC + "keySequence", Literal(str(declared.sequence), XSD + "integer")),
        (subject, PC + "recordKey", Literal(keys.record)),
        (subject, PC + "logKey", Literal(keys.log)),
        (subject, PC + "nextKeyHash", Literal(declared.next_hash)),
    ]
    if declared.compromised_from is not None:
        triples.append((subject, PC + "compromisedFrom", Literal(str(declared.compromised_from), XSD + "integer")))
    if declared.recovery:
        triples.append((subject, PC + "recovery", Literal("true", XSD + "boolean")))
    if new is None:
        return write(triples)
    signature = new.sign(write(triples).encode())
    return write([*triples, (subject, _NEW_SIGNATURE, Literal(encode_signature(signature)))])


def declared(body: str) -> Declaration:
    """What a key event declares. Raises KeyMismatch when it is none, or its keys are none."""
    values = {path: value.value for _, path, value in read(body) if isinstance(value, Literal)}
    found = {name: values.get(PC + name, "") for name in ("keySequence", "recordKey", "logKey", "nextKeyHash")}
    stolen = values.get(PC + "compromisedFrom", "0")
    numbers = _NUMBER.fullmatch(found["keySequence"]) and _NUMBER.fullmatch(stolen)
    if not (numbers and _HASH.fullmatch(found["nextKeyHash"])):
        raise KeyMismatch("A key event does not declare a record key, a log key and the next key.")
    keys = Keys(found["recordKey"], found["logKey"])
    if keys.record == keys.log:
        raise KeyMismatch("Records and checkpoints must be signed with different keys.")
    try:
        keys.record_key()
        keys.log_key()
    except BadProof as error:
        raise KeyMismatch(f"A key event declares a key that is none: {error}") from error
    return Declaration(
        keys=keys,
        sequence=int(found["keySequence"]),
        next_hash=found["nextKeyHash"],
        compromised_from=int(stolen) if PC + "compromisedFrom" in values else None,
        recovery=values.get(PC + "recovery") == "true",
    )


def check_successor(body: str, new: Declaration, old: Declaration, position: int, confirmed: str) -> None:
    """Raise KeyMismatch unless a key event may follow another (TUF: one step at a time, signed by both keys).

    That the proof of the body is by the old record key, or in a recovery by the new one, is for the
    caller to check. ``confirmed`` are the fingerprints of the recoveries that a coordinator has
    accepted, a line each.
    """
    if new.sequence != old.sequence + 1:
        raise KeyMismatch(f"Key event {new.sequence} follows number {old.sequence}; none may be left out or repeated.")
    if new.compromised_from is not None and not 0 < new.compromised_from <= position:
        raise KeyMismatch(f"Key event {new.sequence} at {position} calls position {new.compromised_from} compromised.")
    if new.recovery:
        if fingerprint(body) not in confirmed.split("\n"):
            raise KeyMismatch(
                f"The peer says that it lost its keys and declares new ones, with fingerprint {fingerprint(body)}.",
                remedy="Ask its coordinator by telephone to read the fingerprint out; if it is the same, run "
                "`procirc peers confirm` with --fingerprint.",
            )
    elif next_key_hash(new.keys.record) != old.next_hash:
        raise KeyMismatch(f"Key event {new.sequence} does not bring the key that the one before it announced.")
    lines = [line for line in body.split("\n") if f" <{_NEW_SIGNATURE}> " not in line]
    signatures = [value for _, path, value in read(body) if path == _NEW_SIGNATURE]
    try:
        (signature,) = signatures
        text = signature.value if isinstance(signature, Literal) else ""
        signed = holds(decode_signature(text), "\n".join(lines).encode(), new.keys.record_key())
    except (ValueError, BadProof):
        signed = False
    if not signed:
        raise KeyMismatch(f"Key event {new.sequence} is not signed by the key it declares.")


def fingerprint(body: str) -> str:
    """What two coordinators compare over the telephone: half of SHA-256 of the inception, in groups."""
    digest = hashlib.sha256(body.encode()).hexdigest()[:32]
    return " ".join(digest[at : at + 4] for at in range(0, 32, 4))
