"""The logs a node holds: appending to its own, keeping its peers', reading both.

Every append is one transaction that holds the entries, the frontier of the tree and the checkpoint
(or the cursor, which is a peer log's ``size``) together, so a crash at any moment leaves a log that
ends at a whole append. What a peer sent stays invisible until ``confirm`` has found its root equal to
a checkpoint.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Sequence
from contextlib import asynccontextmanager
from itertools import islice, pairwise
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from federation.errors import Conflict, RootMismatch
from federation.log.keys import KIND as KEY_EVENT
from federation.log.keys import Keys
from federation.log.merkle import Frontier
from federation.log.trust import Entry, Standing
from federation.store import schema
from federation.store.engine import open_engine, reading, writing
from federation.store.in_house import InHouse
from federation.store.rows import Log, PeerState, StoredEntry, entry_of, log_of

_CHUNK: Final = 400
"""Values of one IN list; SQLite allows 999 parameters in its oldest builds."""


@asynccontextmanager
async def open_store(url: str) -> AsyncIterator[Store]:
    """The store of a database URL, migrated and ready."""
    async with open_engine(url) as engine:
        yield Store(engine)


class Store:
    """All logs of one database. Safe to use from several tasks and several processes."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine
        self.in_house = InHouse(engine)

    # Logs

    async def enlist(self, *, did: str, base: str, name: str, own: bool) -> Log:
        """The log of a node, made empty if it is not known yet; its name and base follow the caller."""
        async with writing(self._engine) as connection:
            known = await _log_row(connection, schema.log.c.did == did)
            if known is None:
                empty = Frontier().encode()
                values = {"did": did, "base": base, "name": name, "own": own}
                await connection.execute(schema.log.insert().values(frontier=empty, verified_frontier=empty, **values))
                row = await _log_row(connection, schema.log.c.did == did)
                assert row is not None
                if not own:
                    await connection.execute(schema.peer.insert().values(log_id=row.id))
                return log_of(row)
            if (known.base, known.name) != (base, name):
                change = schema.log.update().where(schema.log.c.id == known.id)
                await connection.execute(change.values(base=base, name=name))
            row = await _log_row(connection, schema.log.c.id == known.id)
            return log_of(row)

    async def logs(self) -> list[Log]:
        """Every log, the node's own first."""
        async with reading(self._engine) as connection:
            rows = await connection.execute(schema.log.select().order_by(schema.log.c.own.desc(), schema.log.c.name))
            return [log_of(row) for row in rows]

    async def log(self, log_id: int) -> Log:
        async with reading(self._engine) as connection:
            return log_of(await _log_row(connection, schema.log.c.id == log_id))

    # Appending

    async def append_own(
        self, log_id: int, entries: Sequence[Entry], *, checkpoint: Callable[[int, bytes], str]
    ) -> list[int]:
        """Append to the node's own log; the positions assigned. Durable on return.

        ``checkpoint`` signs the new size and root inside the transaction, so an entry is never
        served without one. The positions of ``entries`` are ignored. Raises Conflict when a version
        is not the next one or a time goes backwards: somebody else appended in between.
        """
        async with writing(self._engine) as connection:
            row = await _log_row(connection, schema.log.c.id == log_id)
            log = log_of(row)
            current = await _versions(connection, log_id, [entry.record for entry in entries])
            _check_next(entries, current, log.published)
            frontier = log.frontier.append(entry.verified.leaf for entry in entries)
            await _insert(connection, log_id, log.size, entries)
            await connection.execute(
                schema.log.update()
                .where(schema.log.c.id == log_id)
                .values(
                    size=frontier.size,
                    frontier=frontier.encode(),
                    verified_size=frontier.size,
                    verified_frontier=frontier.encode(),
                    published=entries[-1].published,
                    checkpoint=checkpoint(frontier.size, frontier.root),
                )
            )
            return list(range(log.size, frontier.size))

    async def refresh_checkpoint(self, log_id: int, checkpoint: Callable[[int, bytes], str]) -> str:
        """Sign the own log as it stands once more, so that peers see it is alive."""
        async with writing(self._engine) as connection:
            log = log_of(await _log_row(connection, schema.log.c.id == log_id))
            text = checkpoint(log.size, log.frontier.root)
            change = schema.log.update().where(schema.log.c.id == log_id)
            await connection.execute(change.values(checkpoint=text))
            return text

    async def append_peer(self, log_id: int, entries: Sequence[Entry], *, after: int, standing: Standing) -> None:
        """Keep verified entries of a peer and move the cursor, in one transaction; still invisible.

        An entry whose version does not rise is kept in quarantine. Raises Conflict when the cursor is
        no longer at ``after``: another process follows the same peer.
        """
        async with writing(self._engine) as connection:
            log = log_of(await _log_row(connection, schema.log.c.id == log_id))
            if log.size != after:
                raise Conflict(f"The copy of {log.did} stands at {log.size}, not at {after}.")
            current = await _versions(connection, log_id, [entry.record for entry in entries])
            await _insert(connection, log_id, after, list(_with_stale(entries, current)))
            frontier = log.frontier.append(entry.verified.leaf for entry in entries)
            keys = standing.keys
            await connection.execute(
                schema.log.update()
                .where(schema.log.c.id == log_id)
                .values(
                    size=frontier.size,
                    frontier=frontier.encode(),
                    published=standing.published,
                    record_key=keys.record if keys else "",
                    log_key=keys.log if keys else "",
                )
            )

    async def confirm(self, log_id: int, *, size: int, root: bytes, checkpoint: str) -> None:
        """Make a peer's entries visible up to a checkpoint whose signature was verified.

        Raises RootMismatch when our entries do not add up to it; then those that were not yet
        visible are dropped, and the next run fetches them again.
        """
        async with writing(self._engine) as connection:
            log = log_of(await _log_row(connection, schema.log.c.id == log_id))
            matches = log.size == size and log.frontier.root == root
            values: dict[str, Any] = {"checkpoint": checkpoint}
            if matches:
                values |= {"verified_size": size, "verified_frontier": log.frontier.encode()}
            elif log.size == size:
                values = await _drop_pending(connection, log)
            else:
                raise Conflict(f"The copy of {log.did} stands at {log.size}, the checkpoint at {size}.")
            await connection.execute(schema.log.update().where(schema.log.c.id == log_id).values(**values))
        if not matches:
            raise RootMismatch(
                f"The {size} entries of {log.did} do not add up to the root it signed.",
                remedy="Nothing of it was shown. The node asks again by itself; if it stays so, ask the peer.",
            )

    async def drop_pending(self, log_id: int) -> Log:
        """Forget the entries of a peer that were never proved; the log as it then stands."""
        async with writing(self._engine) as connection:
            log = log_of(await _log_row(connection, schema.log.c.id == log_id))
            values = await _drop_pending(connection, log)
            await connection.execute(schema.log.update().where(schema.log.c.id == log_id).values(**values))
            return log_of(await _log_row(connection, schema.log.c.id == log_id))

    async def set_fingerprint(self, log_id: int, fingerprint: str) -> None:
        async with writing(self._engine) as connection:
            change = schema.log.update().where(schema.log.c.id == log_id)
            await connection.execute(change.values(fingerprint=fingerprint))

    async def set_keys(self, log_id: int, keys: Keys) -> None:
        async with writing(self._engine) as connection:
            change = schema.log.update().where(schema.log.c.id == log_id)
            await connection.execute(change.values(record_key=keys.record, log_key=keys.log))

    # Reading

    async def entries(self, log_id: int, start: int, stop: int) -> list[StoredEntry]:
        """The entries at positions ``start`` ≤ p < ``stop`` that are there, quarantined ones included."""
        where = (
            (schema.entry.c.log_id == log_id) & (schema.entry.c.position >= start) & (schema.entry.c.position < stop)
        )
        async with reading(self._engine) as connection:
            rows = await connection.execute(schema.entry.select().where(where).order_by(schema.entry.c.position))
            return [entry_of(row) for row in rows]

    async def quarantined(self) -> list[StoredEntry]:
        """Every entry that is kept but not shown, in the order of the logs."""
        query = schema.entry.select().where(schema.entry.c.quarantine != "")
        async with reading(self._engine) as connection:
            rows = await connection.execute(query.order_by(schema.entry.c.log_id, schema.entry.c.position))
            return [entry_of(row) for row in rows]

    async def release(self, log_id: int, positions: Iterable[int]) -> None:
        """Take entries out of quarantine."""
        wanted = [{"at_log": log_id, "at_position": position} for position in positions]
        entry = schema.entry.c
        change = schema.entry.update().where(
            entry.log_id == sa.bindparam("at_log"), entry.position == sa.bindparam("at_position")
        )
        async with writing(self._engine) as connection:
            await connection.execute(change.values(quarantine=""), wanted)

    async def current(self, record: str, log_id: int) -> StoredEntry | None:
        """The newest visible version of a record."""
        return (await self.currents([record], log_id)).get(record)

    async def currents(self, records: Iterable[str], log_id: int | None = None) -> dict[str, StoredEntry]:
        """The newest visible versions of some records by IRI, of one log or of whichever holds them."""
        found: dict[str, StoredEntry] = {}
        async with reading(self._engine) as connection:
            for some in _chunks(records):
                entry = schema.entry.c
                conditions = [entry.record.in_(some), *([entry.log_id == log_id] if log_id is not None else [])]
                for row in await connection.execute(_newest(*conditions)):
                    found[row.record] = entry_of(row)
        return found

    async def of_kind(self, log_id: int, kind: str) -> list[StoredEntry]:
        """The newest visible versions of all records of a kind in a log, in the order of the log."""
        entry = schema.entry.c
        async with reading(self._engine) as connection:
            rows = await connection.execute(
                _newest(entry.log_id == log_id, entry.kind == kind).order_by(entry.position)
            )
            return [entry_of(row) for row in rows]

    async def held(self, records: Iterable[str]) -> set[str]:
        """Those of some records of which a version is visible, whoever published it."""
        found: set[str] = set()
        async with reading(self._engine) as connection:
            for some in _chunks(records):
                query = _newest(schema.entry.c.record.in_(some)).with_only_columns(schema.entry.c.record)
                found.update((await connection.execute(query)).scalars())
        return found

    async def counts(self, log_id: int) -> dict[str, int]:
        """Visible records of a log by kind; key events are entries but no records."""
        query = (
            sa.select(schema.entry.c.kind, sa.func.count(schema.entry.c.record.distinct()))
            .join(schema.log, schema.log.c.id == schema.entry.c.log_id)
            .where(
                schema.entry.c.log_id == log_id,
                schema.entry.c.quarantine == "",
                schema.entry.c.kind != KEY_EVENT,
                schema.entry.c.position < schema.log.c.verified_size,
            )
            .group_by(schema.entry.c.kind)
        )
        async with reading(self._engine) as connection:
            return {row[0]: row[1] for row in await connection.execute(query)}

    # Peers

    async def peer_states(self) -> dict[int, PeerState]:
        """The state of every peer, by the id of its log."""
        async with reading(self._engine) as connection:
            rows = await connection.execute(schema.peer.select())
            return {row.log_id: PeerState(**row._mapping) for row in rows}

    async def update_peer(self, log_id: int, **values: str | int) -> None:
        """Change some columns of a peer's state."""
        async with writing(self._engine) as connection:
            await connection.execute(schema.peer.update().where(schema.peer.c.log_id == log_id).values(**values))


def _check_next(entries: Sequence[Entry], current: dict[str, int], published: str) -> None:
    seen = dict(current)
    for entry in entries:
        if entry.version != seen.get(entry.record, 0) + 1:
            raise Conflict(f"Version {entry.version} of <{entry.record}> is not the next one.")
        seen[entry.record] = entry.version
    times = [published, *(entry.published for entry in entries)]
    if any(later < earlier for earlier, later in pairwise(times)):
        raise Conflict("The log holds a later entry already.")


def _with_stale(entries: Iterable[Entry], current: dict[str, int]) -> Iterable[Entry]:
    for entry in entries:
        known = current.get(entry.record, 0)
        if entry.quarantine:
            yield entry
        elif entry.version <= known:
            yield entry._replace(quarantine=f"stale-version: {entry.version} after {known}")
        else:
            current[entry.record] = entry.version
            yield entry


def _newest(*conditions: sa.ColumnElement[bool]) -> sa.Select[Any]:
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


def _chunks(records: Iterable[str]) -> Iterator[list[str]]:
    rest = iter(records)
    while some := list(islice(rest, _CHUNK)):
        yield some


async def _log_row(connection: AsyncConnection, where: sa.ColumnElement[bool]) -> Any:
    return (await connection.execute(schema.log.select().where(where))).one_or_none()


async def _versions(connection: AsyncConnection, log_id: int, records: Sequence[str]) -> dict[str, int]:
    """The highest accepted version of some records, pending ones included."""
    found: dict[str, int] = {}
    for some in _chunks(dict.fromkeys(records)):
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


async def _insert(connection: AsyncConnection, log_id: int, start: int, entries: Sequence[Entry]) -> None:
    """Write entries. The statement is compiled once and its values handed over as rows.

    Binding by name, entry by entry, would cost more than the database itself.
    """
    compiled = schema.entry.insert().compile(dialect=connection.dialect)
    if tuple(compiled.positiontup or ()) != _COLUMNS:
        raise TypeError("The columns of an entry are not bound in the order of its table.")
    rows = []
    for position, entry in enumerate(entries, start):
        (body, (created, method, signature)), leaf = entry.verified.signed, entry.verified.leaf
        key = (log_id, position, entry.record, entry.kind, entry.version)
        rows.append((*key, created, body, method, signature, leaf, entry.quarantine))
    await connection.exec_driver_sql(str(compiled), rows)


_COLUMNS: Final = (
    *("log_id", "position", "record", "kind", "version"),
    *("published", "body", "method", "signature", "leaf", "quarantine"),
)


async def _drop_pending(connection: AsyncConnection, log: Log) -> dict[str, Any]:
    """Take a peer log back to what was proved; the values its row then has."""
    entry = schema.entry.c
    await connection.execute(schema.entry.delete().where(entry.log_id == log.id, entry.position >= log.verified_size))
    last = await connection.execute(
        sa.select(entry.published).where(entry.log_id == log.id, entry.position == log.verified_size - 1)
    )
    values: dict[str, Any] = {
        "size": log.verified_size,
        "frontier": log.verified.encode(),
        "published": last.scalar_one_or_none() or "",
    }
    if log.verified_size == 0:
        values |= {"record_key": "", "log_key": ""}
    return values
