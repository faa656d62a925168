"""What the rows of a log amount to: counted, and put back where a database has lost some of them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncEngine

from federation.log.effects import ERASURE
from federation.store import schema, statements
from federation.store.engine import reading, writing
from federation.store.rows import Log, StoredEntry, entry_of


class Inventory:
    """Counts of entries, by the database and not by what a log says of itself."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def sizes(self, log_id: int) -> tuple[int, int]:
        """How many entries a log says it has, and how many are there, at one moment."""
        entry, log = schema.entry.c, schema.log.c
        there = sa.select(sa.func.count()).where(entry.log_id == log_id).scalar_subquery()
        async with reading(self._engine) as connection:
            size, held = (await connection.execute(sa.select(log.size, there).where(log.id == log_id))).one()
            return size, held

    async def set_aside(self) -> dict[int, int]:
        """How many entries are kept and not shown, what was erased aside, by the id of their log."""
        entry = schema.entry.c
        query = sa.select(entry.log_id, sa.func.count()).where(schema.ASIDE, entry.erased_by.is_(None))
        async with reading(self._engine) as connection:
            return {row[0]: row[1] for row in await connection.execute(query.group_by(entry.log_id))}

    async def kept_aside(self, reasons: Iterable[str]) -> dict[int, list[int]]:
        """The positions of entries that are kept and not shown for some reasons, by the id of their log, in order."""
        entry, found = schema.entry.c, dict[int, list[int]]()
        begins = sa.or_(*(entry.quarantine.startswith(each, autoescape=True) for each in reasons))
        query = sa.select(entry.log_id, entry.position).where(schema.ASIDE, entry.erased_by.is_(None), begins)
        async with reading(self._engine) as connection:
            for log_id, position in await connection.execute(query.order_by(entry.log_id, entry.position)):
                found.setdefault(log_id, []).append(position)
        return found

    async def newest_aside(self, log_id: int, most: int) -> list[StoredEntry]:
        """The newest entries of a log that are kept but not shown, what was erased aside."""
        entry = schema.entry.c
        query = schema.entry.select().where(entry.log_id == log_id, schema.ASIDE, entry.erased_by.is_(None))
        query = query.order_by(entry.position.desc()).limit(most)
        async with reading(self._engine) as connection:
            return [entry_of(row) for row in await connection.execute(query)]

    async def named(self, log_id: int, kind: str, *, most: int) -> list[str]:
        """The records of a kind in a log, by IRI, as far as they are visible: of endings what they end."""
        asked = {"log_id": log_id, "kind": kind, "after": -1}
        query = statements.OF_KIND.with_only_columns(schema.entry.c.record).limit(most)
        async with reading(self._engine) as connection:
            return list((await connection.execute(query, asked)).scalars())

    async def newest_of_kind(self, log_id: int, kind: str, most: int) -> list[StoredEntry]:
        """The last of the newest visible versions of a kind's records in a log, in its order."""
        asked = {"log_id": log_id, "kind": kind, "after": -1}
        query = statements.OF_KIND.order_by(None).order_by(schema.entry.c.position.desc()).limit(most)
        async with reading(self._engine) as connection:
            return [entry_of(row) for row in await connection.execute(query, asked)][::-1]

    async def put_back(self, log_id: int, entries: Sequence[StoredEntry]) -> int:
        """Give a log those of some verified entries that it lacks; how many.

        What was erased or hidden since the others were kept is so again.
        """
        if not entries:
            return 0
        entry, restricted = schema.entry.c, schema.restricted
        mine = (entry.log_id == log_id, entry.position >= entries[0].position, entry.position <= entries[-1].position)
        async with writing(self._engine) as connection:
            rows = await connection.execute(sa.select(entry.position, entry.quarantine, entry.erased_by).where(*mine))
            there = {row.position: (row.quarantine, row.erased_by) for row in rows}
            lost = [_row(each, log_id) for each in entries if each.position not in there]
            for some in statements.chunks(lost):
                await connection.execute(schema.entry.insert(), some)
            for each in entries:
                if each.position in there and there[each.position] != (each.quarantine, each.erased_by):
                    changed = schema.entry.update().where(entry.log_id == log_id, entry.position == each.position)
                    await connection.execute(changed.values(**_row(each, log_id)))
            for each in entries:
                if each.kind == ERASURE:
                    await connection.execute(restricted.delete().where(restricted.c.record == each.record))
        return len(lost)

    async def set_end(self, log_id: int, copy: Log) -> None:
        """Let a log end as a whole and verified copy does; all its entries must be there."""
        values = {
            "size": copy.size,
            "frontier": copy.frontier.encode(),
            "verified_size": copy.verified_size,
            "verified_frontier": copy.verified.encode(),
            "published": copy.published,
            "checkpoint": copy.checkpoint,
            "fingerprint": copy.fingerprint,
        }
        async with writing(self._engine) as connection:
            await connection.execute(schema.log.update().where(schema.log.c.id == log_id).values(**values))
            await connection.execute(statements.REVISED)  # the index may stand behind what was put back


def _row(each: StoredEntry, log_id: int) -> dict[str, Any]:
    body, (_, method, signature) = each.signed
    values = {name: value for name, value in asdict(each).items() if name != "signed"}
    return {**values, "log_id": log_id, "body": body, "method": method, "signature": signature}
