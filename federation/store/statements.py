"""The statements behind the store: what is newest, what may follow, and rows written in bulk."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice, pairwise
from typing import Any, Final, TypeVar

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from federation.errors import Conflict, Misconfigured
from federation.log.keys import KIND as KEY_EVENT
from federation.log.trust import Entry, Erased
from federation.store import schema
from federation.store.effects import GONE, STALE
from federation.store.rows import Log

T = TypeVar("T")
REVISED: Final = schema.log.update().where(schema.log.c.own).values(revision=schema.log.c.revision + 1)
"""What an index has taken from the logs is no longer what they show."""
_CHUNK: Final = 400
"""Values of one IN list; SQLite allows 999 parameters in its oldest builds."""


def check_next(entries: Sequence[Entry], current: dict[str, int], published: str) -> None:
    seen = dict(current)
    for entry in entries:
        if entry.version != seen.get(entry.record, 0) + 1:
            raise Conflict(f"Version {entry.version} of <{entry.record}> is not the next one.")
        seen[entry.record] = entry.version
    times = [published, *(entry.published for entry in entries)]
    if any(later < earlier for earlier, later in pairwise(times)):
        raise Conflict("The log holds a later entry already.")


def with_stale(entries: Iterable[Entry | Erased], current: dict[str, int]) -> Iterable[Entry | Erased]:
    for entry in entries:
        if isinstance(entry, Erased):
            yield entry
            continue
        known = current.get(entry.record, 0)
        if entry.quarantine:
            yield entry
        elif entry.version <= known:
            yield entry._replace(quarantine=f"{STALE}: {entry.version} after {known}")
        else:
            current[entry.record] = entry.version
            yield entry


def newest(*conditions: sa.ColumnElement[bool]) -> sa.Select[Any]:
    """The newest visible version of every record for which some conditions hold."""
    entry = schema.entry.c
    newest = (
        sa.select(entry.log_id, sa.func.max(entry.position).label("position"))
        .join(schema.log, schema.log.c.id == entry.log_id)
        .where(*conditions, entry.quarantine == "", entry.position < schema.log.c.verified_size)
        .group_by(entry.log_id, entry.record)
        .subquery()
    )
    return schema.entry.select().join(newest, (entry.log_id == newest.c.log_id) & (entry.position == newest.c.position))


def _select_of_kind() -> sa.Select[Any]:
    """The newest visible versions of a kind's records in a log, behind a position: by the index of kinds."""
    entry, later, log = schema.entry.c, schema.entry.alias("later"), schema.log.c
    end = sa.select(log.verified_size).where(log.id == sa.bindparam("log_id")).scalar_subquery()
    replaced = sa.exists().where(
        later.c.record == entry.record,
        later.c.log_id == entry.log_id,
        later.c.position > entry.position,
        later.c.position < end,
        later.c.quarantine == "",
    )
    wanted = schema.entry.select().where(
        entry.log_id == sa.bindparam("log_id"),
        entry.kind == sa.bindparam("kind"),
        entry.position > sa.bindparam("after"),
        entry.position < end,
        entry.quarantine == "",
        ~replaced,
    )
    return wanted.order_by(entry.position)


OF_KIND: Final = _select_of_kind()


def chunks(values: Iterable[T]) -> Iterator[list[T]]:
    """Some values as lists that are short enough for an IN."""
    rest = iter(values)
    while some := list(islice(rest, _CHUNK)):
        yield some


def _select_logs() -> sa.Select[Any]:
    """Logs with the key event in force at their end."""
    entry, log = schema.entry.c, schema.log.c
    newest = sa.select(entry.body).where(entry.log_id == log.id, entry.kind == KEY_EVENT, entry.position < log.size)
    newest = newest.order_by(entry.position.desc()).limit(1)
    return sa.select(schema.log, newest.scalar_subquery().label("key_event"))


# Built once: these are asked with every request, and SQLAlchemy would take longer to write them than SQLite to answer.
LOGS: Final = _select_logs().order_by(schema.log.c.own.desc(), schema.log.c.name)
_BY_ID: Final = _select_logs().where(schema.log.c.id == sa.bindparam("log_id"))
_BY_DID: Final = _select_logs().where(schema.log.c.did == sa.bindparam("did"))


async def log_row(connection: AsyncConnection, log_id: int) -> Any:
    return (await connection.execute(_BY_ID, {"log_id": log_id})).one_or_none()


async def log_row_of(connection: AsyncConnection, did: str) -> Any:
    return (await connection.execute(_BY_DID, {"did": did})).one_or_none()


async def check_no_other_own(connection: AsyncConnection, did: str) -> None:
    """Raise Misconfigured where a database is that of another node."""
    other = (await connection.execute(sa.select(schema.log.c.did).where(schema.log.c.own))).scalar()
    if other not in (None, did):
        raise another_node(other, did)


def another_node(holder: str, did: str) -> Misconfigured:
    """What is said where the data are those of another node."""
    return Misconfigured(
        f"The database is that of {holder}, not of {did}.",
        remedy="Give every node a database of its own. The base address of a node cannot be changed.",
    )


async def versions(connection: AsyncConnection, log_id: int, records: Sequence[str]) -> dict[str, int]:
    """The highest accepted version of some records, pending ones included."""
    found: dict[str, int] = {}
    for some in chunks(dict.fromkeys(records)):
        rows = await connection.execute(_NEWEST, {"log_id": log_id, "records": some})
        found.update((row[0], row[1]) for row in rows)
    return found


# Bound as one expanding parameter: a statement made of 400 values would be compiled for each page.
_NEWEST: Final = (
    sa.select(schema.entry.c.record, sa.func.max(schema.entry.c.version))
    .where(
        schema.entry.c.record.in_(sa.bindparam("records", expanding=True)),
        schema.entry.c.log_id == sa.bindparam("log_id"),
        schema.entry.c.quarantine == "",
    )
    .group_by(schema.entry.c.record)
)


async def insert(connection: AsyncConnection, log_id: int, start: int, entries: Sequence[Entry | Erased]) -> None:
    """Write entries. The statement is compiled once and its values handed over as rows.

    Binding by name, entry by entry, would cost more than the database itself.
    """
    compiled = schema.entry.insert().compile(dialect=connection.dialect)
    if tuple(compiled.positiontup or ()) != _COLUMNS:
        raise TypeError("The columns of an entry are not bound in the order of its table.")
    rows = []
    for position, entry in enumerate(entries, start):
        if isinstance(entry, Erased):
            gone = {**GONE, "log_id": log_id, "position": position, "leaf": entry.leaf}
            rows.append((*(gone[name] for name in _COLUMNS[:-1]), schema.UNEXPLAINED))
            continue
        (body, (created, method, signature)), leaf = entry.verified.signed, entry.verified.leaf
        key = (log_id, position, entry.record, entry.kind, entry.version)
        rows.append((*key, created, body, method, signature, leaf, schema.storable(entry.quarantine), None))
    await connection.exec_driver_sql(str(compiled), rows)


_COLUMNS: Final = (
    *("log_id", "position", "record", "kind", "version"),
    *("published", "body", "method", "signature", "leaf", "quarantine", "erased_by"),
)


async def drop_pending(connection: AsyncConnection, log: Log) -> dict[str, Any]:
    """Take a peer log back to what was proved; the values its row then has."""
    entry = schema.entry.c
    await connection.execute(schema.entry.delete().where(entry.log_id == log.id, entry.position >= log.verified_size))
    # Of what was erased no time is left: then that of the entry before it.
    last = await connection.execute(
        sa.select(entry.published)
        .where(entry.log_id == log.id, entry.published != "")
        .order_by(entry.position.desc())
        .limit(1)
    )
    return {
        "size": log.verified_size,
        "frontier": log.verified.encode(),
        "published": last.scalar_one_or_none() or "",
    }
