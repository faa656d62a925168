"""The one verifier: what must be true of an entry before a store may keep it. No I/O, no clock.

Peers' pages, our own published records and a log checked off-line all pass through ``judge``. It
raises for anything that makes a whole page unbelievable (a proof, a position, an owner); an entry
that is genuine but not understood — an unknown kind, a value outside our code lists, or a text on which
our reader fails — is kept aside with its reason, so that one record never stops a log.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Final, NamedTuple, TypeAlias

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from federation.errors import (
    FederationError,
    ForeignRecord,
    KeyMismatch,
    Mislabelled,
    UnknownKey,
    WrongPosition,
    WrongTime,
)
from federation.log.effects import ENDINGS
from federation.log.keys import KIND, Declaration, Keys, check_successor, declared, fingerprint
from federation.records.canonical import nodes_of
from federation.records.kinds import Vocabulary
from federation.records.multikey import decode_public
from federation.records.proof import Proof, Signed, Verified, restored, verify
from federation.records.record import Record, assemble, outline
from federation.records.shapes import Checks

_public: Final = lru_cache(64)(decode_public)
FUTURE: Final = timedelta(minutes=5)
"""How far a peer's clock may be ahead of ours."""
UNREADABLE: Final = "unreadable"
"""Why an entry is kept aside on which our reader has failed."""
CREATE: Final = "Create"
UPDATE: Final = "Update"
DELETE: Final = "Delete"


class Erased(NamedTuple):
    """What is left of an erased entry. That it was erased is proved by an erasure further on in the log."""

    position: int
    leaf: bytes


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
        """The ActivityStreams type that follows from the body."""
        return activity_of(self.kind, self.version)

    @property
    def leaf(self) -> bytes:
        return self.verified.leaf


def activity_of(kind: str, version: int) -> str:
    """The ActivityStreams type of an entry: an ending deletes, version 1 creates, more updates."""
    if kind in ENDINGS:
        return DELETE
    return CREATE if version == 1 else UPDATE


Packed: TypeAlias = tuple[int, str, str, int, str, str, str, bytes, str, bytes] | Erased
"""An entry as plain values, which cross from one process of a node to another at a fifth of the price."""


class Standing(NamedTuple):
    """What is known of a log so far: whose it is, its keys (none before entry 0), where it stands.

    ``expected`` is the fingerprint a coordinator confirmed, if any, and ``recovered`` that of new keys after
    lost ones; ``published`` is the time of the last entry, which the next may not precede.
    """

    did: str
    base: str
    declared: Declaration | None = None
    size: int = 0
    published: str = ""
    expected: str = ""
    recovered: str = ""

    @property
    def keys(self) -> Keys | None:
        return self.declared.keys if self.declared else None


def judge(
    claims: Sequence[Claimed | Erased],
    standing: Standing,
    *,
    vocabulary: Vocabulary,
    checks: Checks,
    now: datetime,
    crashed: Callable[[int, Exception], None] = lambda position, error: None,
) -> tuple[list[Entry | Erased], Standing]:
    """Verify consecutive entries of one log; the entries, and the standing after them.

    ``crashed`` is told where our reader has failed on an entry, which is then kept aside. Raises the
    FederationError that names the first thing wrong; then nothing of the page counts.
    """
    read = [None if isinstance(claim, Erased) else _read(claim, vocabulary, checks, crashed) for claim in claims]
    # Signatures one after the other, and not between the readings: each evicts what the other needs in the caches.
    entries: list[Entry | Erased] = []
    latest = (now + FUTURE).strftime("%Y-%m-%dT%H:%M:%SZ")
    for claim, found in zip(claims, read, strict=True):
        if claim.position != standing.size:
            raise WrongPosition(f"Position {claim.position} stands where {standing.size} belongs.")
        if isinstance(claim, Erased):
            if standing.declared is None:
                raise KeyMismatch("The log does not begin with a declaration of its keys.")
            standing = standing._replace(size=standing.size + 1)
            entries.append(claim)
            continue
        assert found is not None, "only what was erased has not been read"
        record, quarantine = found
        after, signer = _declared(claim, record, standing)
        verified = verify(claim.signed, _authorised(claim, signer, standing), node=standing.did)
        entry = Entry(claim.position, verified, record.iri, record.kind, record.version, quarantine)
        said = (claim.object, claim.activity, claim.published)
        if said != (entry.record, entry.activity, entry.published):
            raise Mislabelled(f"The page says {str(said)[:300]} of {claim.position}, its signed text something else.")
        if entry.published < standing.published:
            raise WrongTime(f"Entry {claim.position} is older than the one before it.")
        if entry.published > latest:
            raise WrongTime(f"Entry {claim.position} is dated {entry.published}, in the future.")
        standing = standing._replace(declared=after, size=standing.size + 1, published=entry.published)
        entries.append(entry)
    return entries, standing


def _declared(claim: Claimed, record: Record, standing: Standing) -> tuple[Declaration, Keys]:
    """The keys after an entry, and those that must have signed it. Raises what is wrong with either."""
    claim.signed.proof.check()
    if record.publisher != standing.did or record.address.base != standing.base:
        raise ForeignRecord(f"<{record.iri[:200]}> by {record.publisher[:100]} is not of {standing.did}.")
    if standing.declared is None:
        inception = _inception(claim, record, standing)
        return inception, inception.keys
    if record.kind != KIND:
        return standing.declared, standing.declared.keys
    body = claim.signed.body
    new = declared(body)
    check_successor(body, new, standing.declared, claim.position, standing.recovered)
    return new, new.keys if new.recovery else standing.declared.keys


def _read(
    claim: Claimed, vocabulary: Vocabulary, checks: Checks, crashed: Callable[[int, Exception], None]
) -> tuple[Record, str]:
    """As ``understood``, or what its lines say of a record on which our reader fails.

    That is a defect of ours: it must hold up neither the log nor those who follow it.
    """
    try:
        return understood(claim.signed.body, vocabulary, checks)
    except (FederationError, MemoryError):
        raise  # what it is no record for; and want of memory says nothing of the record
    except Exception as error:  # noqa: BLE001 - whatever nobody foresaw
        crashed(claim.position, error)
        return outline(claim.object, claim.signed.body, vocabulary), f"{UNREADABLE}: {type(error).__name__}"


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


def _inception(claim: Claimed, record: Record, standing: Standing) -> Declaration:
    if claim.position != 0 or record.kind != KIND:
        raise KeyMismatch("The log does not begin with a declaration of its keys.")
    seen = fingerprint(claim.signed.body)
    if standing.expected and seen != standing.expected:
        raise KeyMismatch(
            f"The fingerprint of the peer's keys is {seen}, not the confirmed {standing.expected}.",
            remedy="Ask the peer's coordinator by telephone; correct the fingerprint only if they changed keys.",
        )
    first = declared(claim.signed.body)
    if first.sequence != 0 or first.recovery or first.compromised_from is not None:
        raise KeyMismatch("The first entry of the log is not the first declaration of its keys.")
    return first


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
    activity = activity_of(record.kind, record.version)
    return Claimed(position, signed, activity, record.iri, signed.proof.created)


def leaves(entries: Iterable[Entry | Erased]) -> list[bytes]:
    return [entry.leaf for entry in entries]


def packed(entries: Iterable[Entry | Erased]) -> list[Packed]:
    """Entries as plain values; see ``unpacked``."""
    return [entry if isinstance(entry, Erased) else _packed(entry) for entry in entries]


def _packed(entry: Entry) -> Packed:
    position, verified, record, kind, version, quarantine = entry
    return (position, record, kind, version, quarantine, *verified.signed.proof, verified.signed.body, verified.leaf)


def unpacked(entries: Iterable[Packed], node: str) -> list[Entry | Erased]:
    """Entries that another process of this node has verified and packed."""
    return [entry if isinstance(entry, Erased) else _unpacked(*entry, node=node) for entry in entries]


def _unpacked(
    position: int,
    record: str,
    kind: str,
    version: int,
    quarantine: str,
    created: str,
    method: str,
    signature: bytes,
    body: str,
    leaf: bytes,
    *,
    node: str,
) -> Entry:
    verified = restored(Signed(body, Proof(created, method, signature)), node, leaf)
    return Entry(position, verified, record, kind, version, quarantine)
