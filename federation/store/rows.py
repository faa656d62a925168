"""What the store hands out: a log as it stands, an entry as it is kept, a peer as a coordinator sees it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final, NamedTuple

from federation.errors import StorageFailed
from federation.log.keys import Declaration, Keys, declared
from federation.log.merkle import Frontier
from federation.log.trust import Standing
from federation.records.proof import Proof, Signed

_declared: Final = lru_cache(64)(declared)


@dataclass(frozen=True, slots=True)
class Log:
    """A log as it stands: ``size`` entries kept, ``verified_size`` of them proved and visible."""

    id: int
    did: str
    base: str
    name: str
    own: bool
    frontier: Frontier
    verified: Frontier
    published: str
    declared: Declaration | None
    fingerprint: str
    checkpoint: str
    revision: int = 0
    """Of the own log: how often a log was forgotten or entries were released, of any log."""

    @property
    def size(self) -> int:
        return self.frontier.size

    @property
    def verified_size(self) -> int:
        return self.verified.size

    @property
    def keys(self) -> Keys | None:
        """The keys in force at its end."""
        return self.declared.keys if self.declared else None

    def standing(self, expected: str = "", recovered: str = "") -> Standing:
        """What ``trust.judge`` needs to go on from here."""
        return Standing(self.did, self.base, self.declared, self.size, self.published, expected, recovered)


@dataclass(frozen=True, slots=True)
class StoredEntry:
    """An entry as it is kept. Of one that was erased only position and leaf are left, and what erased it."""

    log_id: int
    position: int
    record: str
    kind: str
    version: int
    published: str
    signed: Signed
    leaf: bytes
    quarantine: str
    erased_by: int | None = None


class Day(NamedTuple):
    """What was taken from a peer on a day (UTC): entries, bytes of their pages unpacked, and how many were erased."""

    day: str
    entries: int = 0
    bytes: int = 0
    erased: int = 0


@dataclass(frozen=True, slots=True)
class PeerState:
    """How things stand with a peer, as a coordinator sees it. Times are UTC text, empty if never."""

    log_id: int
    state: str = "new"
    reason: str = ""
    detail: str = ""
    evidence: str = ""
    since: str = ""
    last_success: str = ""
    last_attempt: str = ""
    next_attempt: str = ""
    failures: int = 0
    claimed_size: int = 0
    etag: str = ""
    recovered: str = ""
    """Fingerprint of new keys after lost ones, as a coordinator has confirmed it."""
    erase_until: int = 0
    """Position up to which a coordinator has agreed to any number of erasures."""
    given_up: str = ""
    """The ends of histories that it signed beside the one held here, a line each: people have decided on them."""
    target: str = ""
    """The checkpoint a pull is heading for, with the keys it was verified by; see ``goals``."""
    day: str = ""
    """The day (UTC) to which the next three belong."""
    entries: int = 0
    bytes: int = 0
    erased: int = 0
    """Entries that became visible as erased without a coordinator."""
    ahead: int = 0
    """Seconds by which our clock was ahead of the peer's at ``heard``, below 0 if behind."""
    heard: str = ""

    def on(self, day: str) -> Day:
        """What was taken from it on a day."""
        return Day(day, self.entries, self.bytes, self.erased) if self.day == day else Day(day)


def log_of(row: Any) -> Log:
    if row is None:
        raise StorageFailed("The log is not in the database.", remedy="Run `procirc init`.")
    return Log(
        id=row.id,
        did=row.did,
        base=row.base,
        name=row.name,
        own=bool(row.own),
        frontier=Frontier.decode(row.size, row.frontier),
        verified=Frontier.decode(row.verified_size, row.verified_frontier),
        published=row.published,
        declared=_declared(row.key_event) if row.key_event else None,
        fingerprint=row.fingerprint,
        checkpoint=row.checkpoint,
        revision=row.revision,
    )


def entry_of(row: Any) -> StoredEntry:
    return StoredEntry(
        log_id=row.log_id,
        position=row.position,
        record=row.record,
        kind=row.kind,
        version=row.version,
        published=row.published,
        signed=Signed(row.body, Proof(row.published, row.method, row.signature)),
        leaf=row.leaf,
        quarantine=row.quarantine,
        erased_by=row.erased_by,
    )
