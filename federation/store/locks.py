"""Locks between processes: no "running" flag can stay behind, however a process ends."""

from __future__ import annotations

import fcntl
import hashlib
import os
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from federation.store.engine import CONNECTING, translated


class Leases:
    """Names that one process of a database holds at a time.

    Those of an SQLite file share a folder of locks. PostgreSQL keeps a name for the session of a connection, so that
    processes on other machines are kept out too; a session that breaks loses it, and what it still writes meets a
    cursor that has moved.
    """

    def __init__(self, engine: AsyncEngine) -> None:
        self._sessions: AsyncEngine | None = None
        if engine.dialect.name == "postgresql":
            # Apart from the connections that the work takes: those who hold a name must not wait for each other.
            self._sessions = create_async_engine(engine.url, poolclass=sa.NullPool, connect_args=CONNECTING)

    @asynccontextmanager
    async def lease(self, name: str, folder: Path) -> AsyncIterator[bool]:
        """Hold a name for a block; False where somebody else holds it. ``folder`` is that of the locks."""
        if self._sessions is None:
            with held(folder / f"{name}.lock") as mine:
                yield mine
            return
        with translated(self._sessions):
            connection = await self._sessions.connect()
        try:
            with translated(self._sessions):
                number = int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big", signed=True)
                mine = (await connection.execute(sa.select(sa.func.pg_try_advisory_lock(number)))).scalar_one()
                await connection.commit()
            yield mine
        finally:
            # The session ends, and the lock with it, also where this task was cancelled.
            await connection.invalidate()
            await connection.close()


@contextmanager
def held(path: Path) -> Iterator[bool]:
    """Hold a file as a lock for a block; False where somebody else holds it, in this process or another.

    The system drops the lock when its process ends.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        mine = False
    else:
        mine = True
    try:
        yield mine
    finally:
        os.close(descriptor)
