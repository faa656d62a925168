"""An audit of a database: every log read anew, as if nothing in it were believed. What `procirc restore` checks.

The tables are looked at as SQLite keeps them; every entry's leaf is computed from its signed text, and
the leaves are added up to the tree the log stored and its owner signed. An entry that was erased has
only its leaf left, which counts. What is not judged again is what was decided when an entry came in:
its shape, whether its version rises, whether it is kept aside.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Final, NamedTuple

from federation.archive import DATABASE, Manifest, Tick
from federation.errors import (
    BadCheckpoint,
    BadProof,
    DamagedBackup,
    FederationError,
    KeyMismatch,
    KeyMissing,
    Misconfigured,
    NewerData,
    NotCanonical,
    StorageFailed,
)
from federation.log import checkpoint as checkpoints
from federation.log import did as dids
from federation.log.checkpoint import Checkpoint
from federation.log.effects import CLASSES, ERASURE, effect_of
from federation.log.keys import KIND as KEY_EVENT
from federation.log.keys import Declaration, Keys, check_successor, declared, fingerprint
from federation.log.merkle import HASH_SIZE, Frontier
from federation.records.canonical import TYPE
from federation.records.multikey import decode_public
from federation.records.proof import verify
from federation.records.record import VERSION, address_of
from federation.store import schema
from federation.store.engine import url_of
from federation.store.keyfiles import Keyring
from federation.store.rows import Log, StoredEntry
from federation.store.store import Store, open_store

_CHUNK: Final = 500
"""Entries verified at a time in a thread: some fifty milliseconds."""
_STEPS: Final = 100_000
"""Instructions of SQLite between two looks at whether to stop."""
_STORED: Final[Mapping[type, str]] = {int: "integer", bool: "integer", str: "text", bytes: "blob", float: "real"}
"""What SQLite calls the values of a column, by their type here."""
_REMEDY: Final = "Take an older backup. Nothing was changed."


class Audited(NamedTuple):
    """A log that held. ``entries`` are all that are kept, ``root`` (hexadecimal) is theirs."""

    name: str
    did: str
    own: bool
    entries: int
    erased: int
    root: str
    keys: Keys | None
    """Those in force at its end."""


class _Walked(NamedTuple):
    """A log up to some position: its tree and keys, what it has declared, what was erased and by whose order."""

    frontier: Frontier = Frontier()
    declared: Declaration | None = None
    log_keys: frozenset[str] = frozenset()
    fingerprints: frozenset[str] = frozenset()
    erased: frozenset[int] = frozenset()
    ordered: frozenset[int] = frozenset()
    """Positions whose erasure an entry of the log asks for."""


def check_file(database: Path, tick: Tick) -> None:
    """See that a file is a sound SQLite database of tables and nothing else. Raises DamagedBackup."""
    with _read_only(database) as connection:
        connection.set_progress_handler(lambda: tick("Checking the database", 0, 0), _STEPS)
        # Before anything writes to it: a trigger of a hostile file would act in our own statements.
        odd = connection.execute(
            "SELECT name FROM sqlite_master WHERE type NOT IN ('table', 'index') OR sql LIKE 'CREATE VIRTUAL%'"
        ).fetchone()
        if odd is not None:
            raise DamagedBackup(f"The database holds {odd[0]!r}, which no node makes.", remedy=_REMEDY)
        said = connection.execute("PRAGMA integrity_check(1)").fetchone()[0]
        if said != "ok":
            raise DamagedBackup(f"The database is damaged: {said}.", remedy=_REMEDY)
        if connection.execute("PRAGMA foreign_key_check").fetchone() is not None:
            raise DamagedBackup("The database holds rows that belong to nothing.", remedy=_REMEDY)


def _check_columns(database: Path) -> dict[int, int]:
    """See that every value is of its column's type, on which SQLite does not insist; entries by log."""
    with _read_only(database) as connection:
        for table in schema.metadata.sorted_tables:
            kinds = {column: _STORED.get(column.type.python_type) for column in table.columns}
            wrong = " OR ".join(
                f"typeof({column.name}) NOT IN ('{kind}', '{'null' if column.nullable else kind}')"
                for column, kind in kinds.items()
                if kind is not None
            )
            query = f"SELECT 1 FROM {table.name} WHERE {wrong} LIMIT 1"  # noqa: S608 - names of our own schema
            if connection.execute(query).fetchone() is not None:
                raise DamagedBackup(f"The table {table.name} holds values that are none of ours.", remedy=_REMEDY)
        return dict(connection.execute("SELECT log_id, count(*) FROM entry GROUP BY log_id"))


@contextmanager
def _read_only(database: Path) -> Iterator[sqlite3.Connection]:
    try:
        address = f"{database.resolve().as_uri()}?mode=ro"
        with closing(sqlite3.connect(address, uri=True, isolation_level=None)) as connection:
            connection.execute("PRAGMA trusted_schema=OFF")
            yield connection
    except sqlite3.Error as error:
        raise DamagedBackup(f"The database cannot be read: {error}.", remedy=_REMEDY) from error


async def audit(data: Path, manifest: Manifest, keyring: Keyring, progress: Tick) -> tuple[Audited, ...]:
    """Verify all logs of the database in ``data``, the own one first. The database is migrated on the way.

    Keys in the folder of ``keyring`` must be those of the own log. Raises DamagedBackup, naming log and
    position, and NewerData; StorageFailed where the disk fails.
    """
    try:
        async with open_store(url_of(data)) as store:
            counts = await asyncio.to_thread(_check_columns, data / DATABASE)
            with _readable():
                logs = await store.logs()
            _check_manifest(logs, manifest)
            await asyncio.to_thread(_check_keys, keyring, logs[0])
            total = sum(log.size for log in logs)
            found: list[Audited] = []
            for log in logs:
                if counts.get(log.id, 0) != log.size:
                    raise _wrong(log, f"has {counts.get(log.id, 0)} entries where {log.size} belong")
                before = sum(each.entries for each in found)
                found.append(await _log(store, log, _after(before, total, progress)))
            return tuple(found)
    except (NotCanonical, KeyMismatch, BadProof, ValueError) as error:
        # The store reads key events before they were verified here, and had no reason to expect such a one.
        raise DamagedBackup(f"An entry of the database cannot be read: {error}.", remedy=_REMEDY) from error
    except NewerData as error:
        raise NewerData(
            f"The backup was written by a newer version of this program ({manifest.program}).",
            remedy="Install that version, and restore it there.",
        ) from error


@contextmanager
def _readable() -> Iterator[None]:
    """What the store cannot read in a file whose pages are sound was not written by a store."""
    try:
        yield
    except StorageFailed as error:
        raise DamagedBackup(f"The logs in the database cannot be read: {error.detail}", remedy=_REMEDY) from error


def _after(before: int, total: int, progress: Tick) -> Callable[[int], None]:
    return lambda position: progress("Verifying", before + position, total)


def _check_manifest(logs: Sequence[Log], manifest: Manifest) -> None:
    if [log.did for log in logs if log.own] != [manifest.did]:
        raise DamagedBackup("The database is not of the node that the manifest names.", remedy=_REMEDY)
    own = logs[0]
    found = (own.base, own.size, own.frontier.root.hex(), own.checkpoint)
    said = (manifest.base, manifest.size, manifest.root, manifest.checkpoint)
    if found != said or {log.did: log.size for log in logs if not log.own} != manifest.peers:
        raise DamagedBackup("The manifest says something else than the database.", remedy=_REMEDY)


def _check_keys(keyring: Keyring, own: Log) -> None:
    if not keyring.folder.exists():
        return
    try:
        keyring.private(own.keys)
    except KeyMissing as error:
        raise DamagedBackup(f"The keys in the backup cannot be used. {error.detail}", remedy=error.remedy) from error


async def _log(store: Store, log: Log, progress: Callable[[int], None]) -> Audited:
    walked = _Walked()
    while walked.frontier.size < log.size:
        start = walked.frontier.size
        # A pause where the log is proved: the tree must be right there as well as at its end.
        limit = log.verified_size if start < log.verified_size else log.size
        with _readable():
            entries = await store.entries(log.id, start, min(start + _CHUNK, limit))
        walked = await asyncio.to_thread(_walk, entries, log, walked)
        if walked.frontier.size == start:
            raise _wrong(log, f"lacks entry {start}")
        if walked.frontier.size == log.verified_size and walked.frontier != log.verified:
            raise _wrong(log, f"does not add up to its tree of {log.verified_size} entries")
        progress(walked.frontier.size)
    if walked.frontier != log.frontier:
        raise _wrong(log, f"does not add up to its tree of {log.size} entries")
    _check_end(log, walked)
    return Audited(log.name, log.did, log.own, log.size, len(walked.erased), walked.frontier.root.hex(), log.keys)


def _walk(entries: Sequence[StoredEntry], log: Log, walked: _Walked) -> _Walked:
    """Verify the next entries of a log. Pure; runs in a thread."""
    erased = []
    for entry in entries:
        position = walked.frontier.size
        if entry.position != position or len(entry.leaf) != HASH_SIZE:
            raise _wrong(log, f"lacks entry {position}")
        if entry.signed.body:
            try:
                walked = _verified(entry, log, walked)
            except (BadProof, NotCanonical, KeyMismatch) as error:
                raise _wrong(log, f"does not hold at entry {position}: {error.detail}") from error
        else:
            erased.append(position)
        walked = walked._replace(frontier=walked.frontier.append([entry.leaf]))
    return walked._replace(erased=walked.erased.union(erased))


def _verified(entry: StoredEntry, log: Log, walked: _Walked) -> _Walked:
    """Verify one entry; what is known after it. Raises BadProof, KeyMismatch, and NotCanonical for bad bodies."""
    body, method = entry.signed.body, entry.signed.proof.method
    after = _with_event(entry, walked) if entry.kind == KEY_EVENT else walked
    signers = after if walked.declared is None or (after.declared and after.declared.recovery) else walked
    if signers.declared is None or method != signers.declared.keys.method(log.did):
        # Entry 0 is signed by the key it declares, as is the event after lost keys; all others by the one in force.
        raise BadProof(f"It is signed with {method[-60:]!r}, which is not the key in force.")
    if verify(entry.signed, signers.declared.keys.record_key(), node=log.did).leaf != entry.leaf:
        raise BadProof("Its leaf hash is of another text.")
    if (entry.record, entry.kind, str(entry.version)) != _said(entry):
        raise BadProof("It is noted as another record, kind or version than it says.")
    effect = effect_of(entry.position, entry.record, entry.kind, body) if entry.kind == ERASURE else None
    return after._replace(ordered=after.ordered.union(effect.erases)) if effect else after


def _said(entry: StoredEntry) -> tuple[str, str, str]:
    """The record, kind and version that the text of an entry says; empty where it says none."""
    lines = entry.signed.body.split("\n")
    iri = lines[0].partition(">")[0].removeprefix("<").partition("#")[0]
    address, found = address_of(iri), []
    for path in (TYPE, VERSION):
        start = f"<{iri}> <{path}> "
        found.append([line[len(start) :] for line in lines if line.startswith(start)])
    version = found[1][0].split('"')[1] if len(found[1]) == 1 and '"' in found[1][0] else ""
    ending = next((kind for kind, iri in CLASSES.items() if found[0] == [f"<{iri}> ."]), "")
    return iri, ending or (address.kind if address is not None else ""), version


def _with_event(entry: StoredEntry, walked: _Walked) -> _Walked:
    new, seen = declared(entry.signed.body), fingerprint(entry.signed.body)
    if walked.declared is not None:
        # Whoever took a recovery in had it confirmed; that is not asked again.
        check_successor(entry.signed.body, new, walked.declared, entry.position, seen)
    return walked._replace(
        declared=new, log_keys=walked.log_keys | {new.keys.log}, fingerprints=walked.fingerprints | {seen}
    )


def _check_end(log: Log, walked: _Walked) -> None:
    """See that what is noted of a log is what its entries say."""
    if log.size == 0:
        return
    if log.keys is None or walked.declared is None or log.keys != walked.declared.keys:
        raise _wrong(log, "has other keys than its entries declare")
    if log.fingerprint and log.fingerprint not in walked.fingerprints:
        raise _wrong(log, "has another fingerprint than its key events")
    lost = sorted(each for each in walked.erased - walked.ordered if each < log.verified_size)
    if lost:
        raise _wrong(log, f"lacks the text of entry {lost[0]}, which no erasure names")
    if log.checkpoint:
        _check_checkpoint(log, _checkpoint(log, walked))
    elif log.verified_size:
        raise _wrong(log, "has no checkpoint")


def _check_checkpoint(log: Log, seen: Checkpoint) -> None:
    if seen.size == log.verified_size:
        if seen.root != log.verified.root:
            raise _wrong(log, "does not add up to its signed checkpoint")
    elif log.own or seen.size < log.verified_size:
        # A peer's may be ahead of what is proved: its entries did not add up to it, and were dropped.
        raise _wrong(log, f"has {log.verified_size} entries and a checkpoint of {seen.size}")


def _checkpoint(log: Log, walked: _Walked) -> Checkpoint:
    """The checkpoint noted for a log, by any log key that it has had: a peer's may be older than its newest key."""
    try:
        origin = checkpoints.origin_of(dids.host_of(log.base))
    except Misconfigured as error:
        raise _wrong(log, "has no address of a node") from error
    if dids.did_of(log.base) != log.did:
        raise _wrong(log, f"lies at {log.base}")
    refused: FederationError | None = None
    for key in sorted(walked.log_keys):
        try:
            return checkpoints.verify(log.checkpoint, origin=origin, key=decode_public(key))
        except BadCheckpoint as error:
            refused = error
    raise _wrong(log, f"has a checkpoint that does not hold: {refused.detail if refused else 'no key'}") from refused


def _wrong(log: Log, what: str) -> DamagedBackup:
    return DamagedBackup(f"The log of {log.did} {what.removesuffix('.')}.", remedy=_REMEDY)
