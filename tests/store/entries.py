"""Entries for a store: signed, and with nothing in them."""

from __future__ import annotations

from typing import Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from federation.log.trust import Entry
from federation.records.proof import Signer, sign

DID: Final = "did:web:flanders.example"
SIGNER: Final = Signer(DID, Ed25519PrivateKey.generate())
NOW: Final = "2026-11-22T09:00:00Z"


def entry(name: str, *, version: int = 1, position: int = 0, created: str = NOW) -> Entry:
    body = f"<https://flanders.example/records/pilot/{name}> <urn:v> <urn:{version}> .\n"
    verified = sign(body, SIGNER, created=created)
    return Entry(position, verified, f"https://flanders.example/records/pilot/{name}", "pilot", version)


def checkpoint(size: int, root: bytes, before: str = "") -> str:
    return f"{size} {root.hex()}"


def erasure(name: str) -> Entry:
    """The erasure of a record whose only entry stands at position 0."""
    subject = f"https://flanders.example/records/pilot/{name}"
    number = '"0"^^<http://www.w3.org/2001/XMLSchema#integer>'
    body = f"<{subject}> <https://w3id.org/procirc/ns#erases> {number} .\n"
    return entry(name, version=2)._replace(kind="erasure", verified=sign(body, SIGNER, created=NOW))
