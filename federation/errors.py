"""Every failure a caller of this package may meet, as a small closed family.

Each error says whose fault it is, carries a stable ``slug`` (the last part of its problem type,
RFC 9457), the HTTP status and the exit code it becomes, and reads as a sentence for a coordinator.
Foreign exceptions are translated where they arise; anything else is a defect and ends in a traceback.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from dataclasses import field as member
from enum import IntEnum
from typing import ClassVar, Final, Literal, Self


class Exit(IntEnum):
    """Exit codes of the command line."""

    OK = 0
    DEFECT = 1
    USAGE = 2
    INVALID_INPUT = 3
    CONFIGURATION = 4
    STORAGE = 5
    PEER = 6
    NOT_VERIFIED = 7


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that is wrong with an input: where, what, and what to do about it.

    ``row`` counts as a spreadsheet does: the header is row 1. Empty parts of the place are unknown.
    """

    message: str
    remedy: str = ""
    field: str = ""
    file: str = ""
    row: int | None = None
    column: str = ""
    severity: Literal["violation", "warning"] = "violation"
    translations: Mapping[str, str] = member(default_factory=dict, compare=False, repr=False)
    """Message and remedy in other languages, as far as they are known."""

    def said(self, language: str) -> tuple[str, str]:
        """Message and remedy in a language, or in English."""
        text = self.translations.get(language)
        if text is None:
            return self.message, self.remedy
        wrong, point, remedy = text.partition(". ")
        return wrong + point.strip(), remedy

    @property
    def place(self) -> str:
        parts = [
            self.file,
            f"row {self.row}" if self.row is not None else "",
            f"column {self.column}" if self.column else "",
            f"field {self.field}" if self.field and self.field != self.column else "",
        ]
        return ", ".join(part for part in parts if part)

    def at(self, *, file: str = "", row: int | None = None, column: str = "") -> Self:
        """The same fault, with the parts of its place that were not yet known."""
        return replace(
            self,
            file=self.file or file,
            row=self.row if self.row is not None else row,
            column=self.column or column,
        )

    def __str__(self) -> str:
        text = f"{self.place}: {self.message}" if self.place else self.message
        return f"{text} {self.remedy}" if self.remedy else text

    def as_dict(self, language: str = "en") -> dict[str, str | int]:
        """The fault as a member of a problem document; empty parts are left out."""
        message, remedy = self.said(language)
        pairs = {
            "message": message,
            "remedy": remedy,
            "field": self.field,
            "file": self.file,
            "row": self.row,
            "column": self.column,
            "severity": self.severity,
        }
        return {key: value for key, value in pairs.items() if value not in ("", None)}


_NOT_PRINTABLE: Final = re.compile(
    r"[\x00-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]",
)
_BREAKS: Final = re.compile(r"[\t\r\n]+")


def printable(text: str) -> str:
    """A text without what moves a cursor, turns the direction of writing, or cannot be stored as UTF-8."""
    return _NOT_PRINTABLE.sub("\N{REPLACEMENT CHARACTER}", _BREAKS.sub(" ", text))


class FederationError(Exception):
    """Base of the family. ``detail`` is a sentence; ``faults`` list every place that is wrong.

    ``retry_after``: seconds after which the same may succeed, where that is known (RFC 9110 section 10.2.3).
    """

    slug: ClassVar[str] = "error"
    title: ClassVar[str] = "Something went wrong"
    status: ClassVar[int] = 500
    exit: ClassVar[Exit] = Exit.DEFECT
    fault_of: ClassVar[Literal["caller", "peer", "us"]] = "us"

    def __init__(
        self, detail: str, *, remedy: str = "", faults: Sequence[Fault] = (), retry_after: float | None = None
    ) -> None:
        super().__init__(detail)
        # Sentences quote what others have sent: on a terminal or in a log that must stay text.
        self.detail = printable(detail)
        self.remedy = remedy
        self.faults = tuple(faults)
        self.retry_after = retry_after

    def __str__(self) -> str:
        return f"{self.detail} {self.remedy}" if self.remedy else self.detail

    def as_dict(self, language: str = "en") -> dict[str, object]:
        """The error as a member of a document; empty parts are left out."""
        pairs = {
            "type": f"https://w3id.org/procirc/problems/{self.slug}",
            "title": self.title,
            "detail": self.detail,
            "remedy": self.remedy,
            "errors": [fault.as_dict(language) for fault in self.faults],
        }
        return {key: value for key, value in pairs.items() if value}

    def __reduce__(self) -> tuple[object, ...]:
        # Errors travel back from worker processes; the default would lose the keywords.
        return _rebuild, (type(self), self.detail, self.remedy, self.faults)


def _rebuild(kind: type[FederationError], detail: str, remedy: str, faults: tuple[Fault, ...]) -> FederationError:
    return kind(detail, remedy=remedy, faults=faults)


# What the caller gave us


class InvalidRecord(FederationError):
    slug, title, status = "invalid-record", "The record is not valid", 422
    exit, fault_of = Exit.INVALID_INPUT, "caller"


class InvalidTable(FederationError):
    slug, title, status = "invalid-table", "The table cannot be imported", 422
    exit, fault_of = Exit.INVALID_INPUT, "caller"


class InvalidRequest(FederationError):
    slug, title, status = "invalid-request", "The request cannot be understood", 400
    exit, fault_of = Exit.INVALID_INPUT, "caller"


class TooLarge(FederationError):
    slug, title, status = "too-large", "That is more than this node accepts", 413
    exit, fault_of = Exit.INVALID_INPUT, "caller"


class TooSlow(FederationError):
    slug, title, status = "too-slow", "The request took too long", 408
    exit, fault_of = Exit.INVALID_INPUT, "caller"


class TooMany(FederationError):
    slug, title, status = "too-many", "Too many attempts", 429
    exit, fault_of = Exit.INVALID_INPUT, "caller"


class NotFound(FederationError):
    slug, title, status = "not-found", "There is nothing here", 404
    exit, fault_of = Exit.INVALID_INPUT, "caller"


class Gone(FederationError):
    slug, title, status = "gone", "This was withdrawn or erased", 410
    exit, fault_of = Exit.INVALID_INPUT, "caller"


class NotAcceptable(FederationError):
    slug, title, status = "not-acceptable", "Not available in that form", 406
    exit, fault_of = Exit.INVALID_INPUT, "caller"


class NotAllowed(FederationError):
    slug, title, status = "not-allowed", "You may not do that", 401
    exit, fault_of = Exit.INVALID_INPUT, "caller"


class Misconfigured(FederationError):
    slug, title, status = "misconfigured", "The configuration is wrong", 500
    exit, fault_of = Exit.CONFIGURATION, "caller"


def not_set_up() -> Misconfigured:
    return Misconfigured(
        "This node has not been set up.",
        remedy="For a new node run `procirc init`; for one that you move or bring back, `procirc restore`.",
    )


class KeyMissing(Misconfigured):
    slug, title = "key-missing", "A key of this node is missing"


class AlreadyExists(FederationError):
    slug, title, status = "already-exists", "That exists already", 409
    exit, fault_of = Exit.CONFIGURATION, "caller"


# What does not verify, whoever sent it


class BadProof(FederationError):
    slug, title, status = "bad-proof", "The proof does not verify", 422
    exit, fault_of = Exit.NOT_VERIFIED, "peer"


class NotCanonical(FederationError):
    slug, title, status = "not-canonical", "The text is not canonical N-Quads", 422
    exit, fault_of = Exit.NOT_VERIFIED, "peer"


class PoisonGraph(NotCanonical):
    slug, title = "poison-graph", "The record holds blank nodes"


class UnknownKey(BadProof):
    slug, title = "unknown-key", "Signed by a key that is not authorised"


class UnknownContext(BadProof):
    slug, title = "unknown-context", "The JSON-LD context is not one we know"


class BadCheckpoint(FederationError):
    slug, title, status = "bad-checkpoint", "The checkpoint does not verify", 422
    exit, fault_of = Exit.NOT_VERIFIED, "peer"


class NotVerified(FederationError):
    """What somebody asked to have verified; a sync has its own reason for each refusal."""

    slug, title, status = "not-verified", "The log does not verify", 422
    exit, fault_of = Exit.NOT_VERIFIED, "caller"


class DamagedBackup(FederationError):
    slug, title, status = "damaged-backup", "The backup cannot be restored", 422
    exit, fault_of = Exit.NOT_VERIFIED, "caller"


# What a peer did


class PeerError(FederationError):
    slug, title, status = "peer-error", "A peer did something unexpected", 502
    exit, fault_of = Exit.PEER, "peer"


class PeerUnreachable(PeerError):
    """``retry_after`` is what the peer asked for."""

    slug, title = "peer-unreachable", "The peer cannot be reached"


class AddressRefused(PeerError):
    slug, title = "address-refused", "Requests to that address are not allowed"


class BadPage(PeerError):
    slug, title = "bad-page", "A page of the peer's feed cannot be read"


class OversizedResponse(PeerError):
    slug, title = "oversized-response", "The peer sent more than we accept"


class WrongPosition(PeerError):
    slug, title = "wrong-position", "Positions in the peer's log are not contiguous"


class ForeignRecord(PeerError):
    slug, title = "foreign-record", "The peer published somebody else's record"


class StaleVersion(PeerError):
    slug, title = "stale-version", "A version does not rise"


class WrongTime(PeerError):
    slug, title = "wrong-time", "A time in the peer's log is impossible"


class Mislabelled(PeerError):
    slug, title = "mislabelled", "What the page says of an entry is not what was signed"


class RootMismatch(PeerError):
    slug, title = "root-mismatch", "The entries do not add up to the checkpoint"


class Regressed(PeerError):
    slug, title = "regressed", "The peer's log is shorter than it was"


class Forked(PeerError):
    """``evidence`` is the text of both signed checkpoints, one after the other."""

    slug, title = "forked", "The peer signed two different histories"

    def __init__(self, detail: str, *, remedy: str = "", faults: Sequence[Fault] = (), evidence: str = "") -> None:
        super().__init__(detail, remedy=remedy, faults=faults)
        self.evidence = evidence


class BadErasure(PeerError):
    slug, title = "bad-erasure", "The peer erases what it may not"


class MassErasure(PeerError):
    slug, title = "mass-erasure", "The peer erases more than anybody would expect"


class Withheld(PeerError):
    slug, title = "withheld", "Another node has seen more of the peer's log than it shows us"


class KeyMismatch(PeerError):
    slug, title = "key-mismatch", "The peer's keys are not the ones we know"


# What happened to us


class StorageFailed(FederationError):
    slug, title, status = "storage-failed", "The data could not be stored", 503
    exit, fault_of = Exit.STORAGE, "us"


class NewerData(StorageFailed):
    slug, title = "newer-data", "The data directory belongs to a newer version"


class Conflict(FederationError):
    """Somebody else appended in between; what was prepared must be prepared again."""

    slug, title, status = "conflict", "The log moved on", 409
    exit, fault_of = Exit.STORAGE, "us"


class ReadOnly(FederationError):
    slug, title, status = "read-only", "This node only reads for now", 503
    exit, fault_of = Exit.STORAGE, "us"


class WrongClock(ReadOnly):
    slug, title = "wrong-clock", "The clock of this machine is wrong"


class Unavailable(FederationError):
    slug, title, status = "unavailable", "Not available at the moment", 503
    exit, fault_of = Exit.STORAGE, "us"
