"""The one verifier: what must be true of an entry before a store may keep it. No I/O, no clock.

Peers' pages, our own published records and a log checked off-line all pass through ``judge``. It
raises for anything that makes a whole page unbelievable (a proof, a position, an owner); an entry
that is genuine but not understood — an unknown kind, a value outside our code lists — is kept aside
with its reason, so that one record never stops a log.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Final, NamedTuple, TypeAlias

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from federation.errors import (
    ForeignRecord,
    KeyMismatch,
    Mislabelled,
    UnknownKey,
    WrongPosition,
    WrongTime,
)
from federation.log.keys import KIND, Keys, declared, fingerprint
from federation.records.canonical import nodes_of
from federation.records.kinds import Vocabulary
from federation.records.multikey import decode_public
from federation.records.proof import Proof, Signed, Verified, restored, verify
from federation.records.record import Record, assemble
from federation.records.shapes import Checks

_public: Final = lru_cache(64)(decode_public)
FUTURE: Final = timedelta(minutes=5)
"""How far a peer's clock may be ahead of ours."""
CREATE: Final = "Create"
UPDATE: Final = "Update"


class Claimed(NamedTuple):
    """An entry as a page shows it: the position, and what the page says of it, none of it believed.

    ``activity`` is the local name of its ActivityStreams type, ``object`` the record's IRI.
    """

    position: int
    signed: Signed
    activity: str
    object: str
    published: str


class Entry(NamedTuple):
    """A verified entry at its position. ``quarantine`` is the reason it is kept but not shown."""

    position: int
    verified: Verified
    record: str
    kind: str
    version: int
    quarantine: str = ""

    @property
    def published(self) -> str:
        return self.verified.signed.proof.created

    @property
    def activity(self) -> str:
        """The ActivityStreams type that follows from the body: version 1 creates, more updates."""
        return CREATE if self.version == 1 else UPDATE


Packed: TypeAlias = tuple[int, str, str, int, str, str, str, bytes, str, bytes]
"""An entry as plain values, which cross from one process of a node to another at a fifth of the price."""


class Standing(NamedTuple):
    """What is known of a log so far: whose it is, its keys (none before entry 0), where it stands.

    ``expected`` is the fingerprint a coordinator confirmed, if any; ``published`` the time of the
    last entry, which the next may not precede.
    """

    did: str
    base: str
    keys: Keys | None = None
    size: int = 0
    published: str = ""
    expected: str = ""


def judge(
    claims: Sequence[Claimed],
    standing: Standing,
    *,
    vocabulary: Vocabulary,
    checks: Checks,
    now: datetime,
) -> tuple[list[Entry], Standing]:
    """Verify consecutive entries of one log; the entries, and the standing after them.

    Raises the FederationError that names the first thing wrong; then nothing of the page counts.
    """
    read = [(claim, *understood(claim.signed.body, vocabulary, checks)) for claim in claims]
    # Signatures one after the other, and not between the readings: each evicts what the other needs in the caches.
    entries: list[Entry] = []
    latest = (now + FUTURE).strftime("%Y-%m-%dT%H:%M:%SZ")
    for claim, record, quarantine in read:
        if claim.position != standing.size:
            raise WrongPosition(f"Position {claim.position} stands where {standing.size} belongs.")
        keys = _keys(claim, record, standing)
        verified = verify(claim.signed, _authorised(claim, keys, standing), node=standing.did)
        entry = Entry(claim.position, verified, record.iri, record.kind, record.version, quarantine)
        said = (claim.object, claim.activity, claim.published)
        if said != (entry.record, entry.activity, entry.published):
            raise Mislabelled(f"The page says {said} of entry {claim.position}, its signed text something else.")
        if entry.published < standing.published:
            raise WrongTime(f"Entry {claim.position} is older than the one before it.")
        if entry.published > latest:
            raise WrongTime(f"Entry {claim.position} is dated {entry.published}, in the future.")
        standing = standing._replace(keys=keys, size=standing.size + 1, published=entry.published)
        entries.append(entry)
    return entries, standing


def _keys(claim: Claimed, record: Record, standing: Standing) -> Keys:
    """The keys in force at an entry. Raises what is wrong with whose record it is, or with its keys."""
    claim.signed.proof.check()
    if record.publisher != standing.did or record.address.base != standing.base:
        raise ForeignRecord(f"<{record.iri[:200]}> by {record.publisher[:100]} is not of {standing.did}.")
    if standing.keys is None:
        return _inception(claim, record, standing)
    if record.kind == KIND:
        raise UnknownKey("The peer changes its keys in a way this version cannot follow.", remedy="Upgrade this node.")
    return standing.keys


def understood(body: str, vocabulary: Vocabulary, checks: Checks) -> tuple[Record, str]:
    """A record and, where this node cannot show it, the reason to keep it aside.

    Raises NotCanonical and InvalidRecord for what is no record at all.
    """
    record, kind = assemble(nodes_of(body), vocabulary)
    if kind is None:
        return record, f"unknown-kind: {record.kind}"
    broken = checks.violations(record)
    if broken:
        first = broken[0]
        return record, f"invalid-record: {first.constraint} of <{first.path}> at <{first.node}>"
    return record, ""


def _inception(claim: Claimed, record: Record, standing: Standing) -> Keys:
    if claim.position != 0 or record.kind != KIND:
        raise KeyMismatch("The log does not begin with a declaration of its keys.")
    seen = fingerprint(claim.signed.body)
    if standing.expected and seen != standing.expected:
        raise KeyMismatch(
            f"The fingerprint of the peer's keys is {seen}, not the confirmed {standing.expected}.",
            remedy="Ask the peer's coordinator by telephone; correct the fingerprint only if they changed keys.",
        )
    return declared(record)


def _authorised(claim: Claimed, keys: Keys, standing: Standing) -> Ed25519PublicKey:
    if claim.signed.proof.method != keys.method(standing.did):
        raise UnknownKey(
            f"Entry {claim.position} is signed with {claim.signed.proof.method[-60:]}, "
            f"which is not authorised by {standing.did}."
        )
    return _public(keys.record)


def claim_of(position: int, signed: Signed, vocabulary: Vocabulary) -> Claimed:
    """An entry of our own store as a claim, so that it can be judged like any other."""
    record, _ = assemble(nodes_of(signed.body), vocabulary)
    activity = CREATE if record.version == 1 else UPDATE
    return Claimed(position, signed, activity, record.iri, signed.proof.created)


def leaves(entries: Iterable[Entry]) -> list[bytes]:
    return [entry.verified.leaf for entry in entries]


def packed(entries: Iterable[Entry]) -> list[Packed]:
    """Entries as plain values; see ``unpacked``."""
    return [
        (position, record, kind, version, quarantine, *verified.signed.proof, verified.signed.body, verified.leaf)
        for position, verified, record, kind, version, quarantine in entries
    ]


def unpacked(entries: Iterable[Packed], node: str) -> list[Entry]:
    """Entries that another process of this node has verified and packed."""
    return [
        Entry(
            position,
            restored(Signed(body, Proof(created, method, signature)), node, leaf),
            record,
            kind,
            version,
            quarantine,
        )
        for position, record, kind, version, quarantine, created, method, signature, body, leaf in entries
    ]
