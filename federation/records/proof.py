"""Data Integrity proofs with cryptosuite ``eddsa-rdfc-2022``, and the types of trust.

Source: VC Data Integrity 1.0 sections 4.2–4.4 and Data Integrity EdDSA 1.0 section 3.2. Bytes from
outside are ``Signed``; only ``sign`` and ``verify`` make them ``Verified``; a store accepts nothing
else. A record has exactly one proof, whose configuration is always the same five statements, so its
canonical form is a template here and the general path is its oracle in the tests.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple, Self

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from federation.errors import BadProof
from federation.records.canonical import LEXICAL, XSD, is_iri
from federation.records.ed25519 import holds
from federation.records.multikey import decode_signature, encode_public, encode_signature

SUITE: Final = "eddsa-rdfc-2022"
PURPOSE: Final = "assertionMethod"
SEC: Final = "https://w3id.org/security#"
_MEMBERS: Final = frozenset({"type", "cryptosuite", "created", "verificationMethod", "proofPurpose", "proofValue"})


class Proof(NamedTuple):
    """One proof: when it was made (UTC, ``…Z``), by which verification method, and its 64 bytes."""

    created: str
    method: str
    signature: bytes

    @property
    def value(self) -> str:
        """``proofValue`` as multibase text."""
        return encode_signature(self.signature)

    def as_json(self) -> dict[str, str]:
        """The ``proof`` member of a JSON-LD document, in the order of the specification's examples."""
        return {
            "type": "DataIntegrityProof",
            "cryptosuite": SUITE,
            "created": self.created,
            "verificationMethod": self.method,
            "proofPurpose": PURPOSE,
            "proofValue": self.value,
        }

    @classmethod
    def from_json(cls, proof: Any) -> Self:
        """Read a ``proof`` member strictly. Raises BadProof for any other member, suite or purpose."""
        if not isinstance(proof, dict):
            raise BadProof("A record carries exactly one proof, as an object.")
        if set(proof) != _MEMBERS or not all(isinstance(value, str) for value in proof.values()):
            odd = ", ".join(sorted(set(proof) ^ _MEMBERS)) or "a value that is not text"
            raise BadProof(f"The proof does not have exactly the members it should: {odd}.")
        if proof["type"] != "DataIntegrityProof" or proof["cryptosuite"] != SUITE:
            raise BadProof(f"Only DataIntegrityProof with cryptosuite {SUITE} is accepted.")
        if proof["proofPurpose"] != PURPOSE:
            raise BadProof(f"The proof purpose must be {PURPOSE}.")
        made = cls(proof["created"], proof["verificationMethod"], decode_signature(proof["proofValue"]))
        made.check()
        return made

    def check(self) -> None:
        """Raise BadProof for a time or a verification method that no proof may have."""
        if not LEXICAL[XSD + "dateTime"](self.created):
            raise BadProof(f"{self.created[:40]!r} is not a time of the form YYYY-MM-DDThh:mm:ssZ.")
        if not is_iri(self.method) or "#" not in self.method:
            raise BadProof("The verification method is not a DID URL with a fragment.")
        if len(self.signature) != 64:
            raise BadProof("A signature has 64 bytes.")


class Signed(NamedTuple):
    """A canonical body and the proof that came with it: not yet believed."""

    body: str
    proof: Proof


@dataclass(frozen=True, slots=True)
class Verified:
    """A signed body whose proof held. Only ``sign`` and ``verify`` make one, and ``restored`` again.

    ``leaf`` is its leaf hash in a log: SHA-256(0x00 ‖ hashData ‖ signature).
    """

    signed: Signed
    node: str
    leaf: bytes
    _made_here: object = field(repr=False, compare=False)

    def __post_init__(self) -> None:
        if self._made_here is not _SEAL:
            raise TypeError("Verified records come from proof.sign and proof.verify only.")

    def __reduce__(self) -> tuple[object, ...]:
        return restored, (self.signed, self.node, self.leaf)


_SEAL: Final = object()


def restored(signed: Signed, node: str, leaf: bytes) -> Verified:
    """What another process of this node has verified. Never for what comes from another node."""
    return Verified(signed, node, leaf, _SEAL)


@dataclass(frozen=True, slots=True)
class Signer:
    """The private half of a verification method of ``node`` (a DID)."""

    node: str
    key: Ed25519PrivateKey = field(repr=False)

    @property
    def method(self) -> str:
        return f"{self.node}#{encode_public(self.key.public_key())}"


def configuration(created: str, method: str) -> str:
    """The canonical proof configuration: RDFC-1.0 of the proof options, its subject ``_:c14n0``."""
    return (
        f'_:c14n0 <http://purl.org/dc/terms/created> "{created}"^^<{XSD}dateTime> .\n'
        f"_:c14n0 <http://www.w3.org/1999/02/22-rdf-syntax-ns#type> <{SEC}DataIntegrityProof> .\n"
        f'_:c14n0 <{SEC}cryptosuite> "{SUITE}"^^<{SEC}cryptosuiteString> .\n'
        f"_:c14n0 <{SEC}proofPurpose> <{SEC}{PURPOSE}> .\n"
        f"_:c14n0 <{SEC}verificationMethod> <{method}> .\n"
    )


def hash_data(config: str, body: str) -> bytes:
    """64 bytes: SHA-256 of the proof configuration, then SHA-256 of the body."""
    return hashlib.sha256(config.encode()).digest() + hashlib.sha256(body.encode()).digest()


def leaf_hash(data: bytes, signature: bytes) -> bytes:
    """Leaf of the log's Merkle tree (RFC 6962 section 2.1) over ``hash_data`` and the signature."""
    return hashlib.sha256(b"\x00" + data + signature).digest()


def sign(body: str, signer: Signer, *, created: str) -> Verified:
    """Sign a canonical body. ``created`` is UTC, ``YYYY-MM-DDThh:mm:ssZ``."""
    method = signer.method
    data = hash_data(configuration(created, method), body)
    signature = signer.key.sign(data)
    signed = Signed(body, Proof(created, method, signature))
    return Verified(signed, signer.node, leaf_hash(data, signature), _SEAL)


def verify(signed: Signed, key: Ed25519PublicKey, *, node: str) -> Verified:
    """Check a proof against a key. Raises BadProof.

    That the key is the one of ``verificationMethod`` and was authorised by ``node`` at that place in
    its log is for the caller to know (``log.trust``); here only the mathematics is checked.
    """
    proof = signed.proof
    data = hash_data(configuration(proof.created, proof.method), signed.body)
    if not holds(proof.signature, data, key):
        raise BadProof("The signature does not fit the text: one of them was altered, or another key signed.")
    return Verified(signed, node, leaf_hash(data, proof.signature), _SEAL)
