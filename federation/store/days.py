"""What is taken from a peer in a day (UTC), kept with its cursor: in the transaction that moves it."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from federation.store import schema
from federation.store.rows import Day


async def on(connection: AsyncConnection, log_id: int, day: str) -> Day:
    """What was taken on a day so far; nothing yet where the last count is of an earlier one."""
    peer = schema.peer.c
    query = sa.select(peer.day, peer.entries, peer.bytes, peer.erased).where(peer.log_id == log_id, peer.day == day)
    row = (await connection.execute(query)).one_or_none()
    return Day(*row) if row is not None else Day(day)


async def add(connection: AsyncConnection, log_id: int, more: Day) -> None:
    """Count what was taken on a day. A log that is no peer's has no count."""
    known = await on(connection, log_id, more.day)
    values = {name: getattr(known, name) + getattr(more, name) for name in ("entries", "bytes", "erased")}
    change = schema.peer.update().where(schema.peer.c.log_id == log_id)
    await connection.execute(change.values(day=more.day, **values))
