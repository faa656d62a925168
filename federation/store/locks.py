"""Locks between processes: no "running" flag can stay behind, however a process ends."""

from __future__ import annotations

import fcntl
import hashlib
import os
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncEngine

from federation.store.engine import translated


@asynccontextmanager
async def lease(engine: AsyncEngine, name: str, folder: Path) -> AsyncIterator[bool]:
    """Hold a name among all processes of a database for a block; False where somebody else holds it.

    Those of an SQLite file share a folder of locks. PostgreSQL keeps the name for the session of a connection, so
    that processes on other machines are kept out too; a session that breaks loses it, and what it still writes
    meets a cursor that has moved.
    """
    if engine.dialect.name == "sqlite":
        with held(folder / f"{name}.lock") as mine:
            yield mine
        return
    with translated(engine):
        connection = await engine.connect()
    try:
        with translated(engine):
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
