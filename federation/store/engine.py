"""Opening a database: connection settings, migrations, and foreign errors in our own words."""

from __future__ import annotations

import asyncio
import errno
import os
import shutil
import sqlite3
from collections.abc import AsyncIterator, Coroutine, Iterator, Mapping
from contextlib import asynccontextmanager, closing, contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any, Final

import aiosqlite
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from federation.config import DRIVERS
from federation.errors import Misconfigured, NewerData, StorageFailed

BUSY_MS: Final = 30_000
"""How long a writer waits for another process's transaction, in milliseconds."""
_SCRUB_MS: Final = 500


_PRAGMAS: Final = (
    # Before all others, and only heeded by an empty file: a body of some kilobytes then needs no overflow page.
    "page_size=8192",
    "journal_mode=WAL",
    "synchronous=FULL",
    "foreign_keys=ON",
    "cache_size=-8000",
    # What is deleted or overwritten is written over with zeros, as an erasure promises.
    "secure_delete=ON",
)


CONNECTING: Final[Mapping[str, Any]] = {
    # A server that hangs, or cannot be reached any more, is an error and not a wait for ever.
    "timeout": 10,
    "command_timeout": 120,
    "server_settings": {
        # As long as with SQLite; and a process that is stopped, or cut off, gives up its turn.
        "lock_timeout": str(BUSY_MS),
        "idle_in_transaction_session_timeout": "60000",
        "tcp_keepalives_idle": "30",
        "tcp_keepalives_interval": "10",
        "tcp_keepalives_count": "3",
    },
}
"""How PostgreSQL is connected to."""
_POSTGRESQL: Final[Mapping[str, Any]] = {
    # A reader sees one state throughout, as in SQLite; writers see what the one before them did, see ``writing``.
    "isolation_level": "REPEATABLE READ",
    # The server may have been started anew since a connection was last used.
    "pool_pre_ping": True,
    "pool_size": 10,
    "max_overflow": 20,
    "connect_args": CONNECTING,
}
_HELD: Final = ("entry", "account", "restricted", "followed")
"""The tables of what nobody has yet where a node was never set up."""
_ROOM: Final = 64 * 1024
"""Bytes on a disk with which nothing more can be written."""
_WRITERS: Final = 7_306_127_651
"""The advisory lock of PostgreSQL by which writers of a database take turns."""


def url_of(data: Path) -> str:
    """The database of a data directory: one SQLite file."""
    return f"sqlite+aiosqlite:///{data / 'node.sqlite'}"


def is_empty(database: Path) -> bool:
    """Whether a file of SQLite holds nothing of any node: a command that looked for one has made it."""
    try:
        with closing(sqlite3.connect(f"{database.absolute().as_uri()}?mode=rw", uri=True)) as connection:
            return not any(connection.execute(f"SELECT 1 FROM {name} LIMIT 1").fetchone() for name in _HELD)  # noqa: S608
    except sqlite3.Error:
        return False


@asynccontextmanager
async def open_engine(url: str) -> AsyncIterator[AsyncEngine]:
    """An engine on a migrated database.

    Raises NewerData when the database was written by a newer version, StorageFailed when it cannot be
    opened or written.
    """
    connections = _Connections()
    try:
        address = sa.make_url(url)
        if address.drivername not in DRIVERS:
            raise sa.exc.ArgumentError(address.drivername)
        sqlite = address.get_backend_name() == "sqlite"
        options = {"connect_args": {"async_creator_fn": connections.new}} if sqlite else _POSTGRESQL
        # The last connection that was used knows most pages, and those that seldom are stay small.
        engine = create_async_engine(address, pool_use_lifo=True, **options)
    except (sa.exc.ArgumentError, ImportError, ValueError, TypeError) as error:  # TypeError: one in memory
        raise Misconfigured(
            "`database` is not an address this node can use.",
            remedy="Leave it out for the SQLite file in the data directory; for PostgreSQL write "
            "postgresql+asyncpg://user@host/name and install procirc-federation[postgresql].",
        ) from error
    _begin_as_asked(engine)
    try:
        async with reading(engine) as connection:
            current = await connection.run_sync(_is_current)
        if not current:
            async with writing(engine) as connection:
                await connection.run_sync(_migrate)
        yield engine
    finally:
        await _to_the_end(_disposed(engine, connections))


async def _disposed(engine: AsyncEngine, connections: _Connections) -> None:
    try:
        await engine.dispose()
    finally:
        await connections.end()


async def _to_the_end(work: Coroutine[Any, Any, None]) -> None:
    """Await something that must not be left half done, however often the caller is cancelled meanwhile."""
    task = asyncio.ensure_future(work)
    cancelled: asyncio.CancelledError | None = None
    while not task.done():
        try:
            await asyncio.shield(task)
        except asyncio.CancelledError as error:
            cancelled = error
    if cancelled is not None:
        raise cancelled


class _Connection(aiosqlite.Connection):
    """A connection to an SQLite file, whose thread can be waited for."""

    def __init__(self, database: str, options: dict[str, Any]) -> None:
        super().__init__(partial(_connect, database, options), iter_chunk_size=64)
        # A second Ctrl-C ends the process without the waiting below.
        self._thread.daemon = True

    @property
    def alive(self) -> bool:
        return self._thread.is_alive()

    def stop(self) -> asyncio.Future[Any] | None:
        # SQLite keeps a closed connection, and the lock of its transaction, for as long as a statement of it is
        # alive: after a cancellation that is until the garbage of its traceback is collected.
        self._tx.put_nowait((None, self._roll_back))
        return super().stop()

    def _roll_back(self) -> None:
        if self._connection is not None:
            self._connection.rollback()

    async def close(self) -> None:
        if self._connection is not None and self._running:
            with suppress(sqlite3.Error):
                await self.rollback()
        await super().close()

    async def end(self) -> None:
        await self.close()
        if self.alive:
            await asyncio.to_thread(self._thread.join)


class _Connections:
    """The connections that an engine opened: all of them end with it.

    Where connecting fails or is cancelled, the pool forgets the connection and aiosqlite only asks its thread to
    stop; a thread that is still busy then would report to an event loop that has been closed.
    """

    def __init__(self) -> None:
        self._all: list[_Connection] = []

    def new(self, database: str, **options: Any) -> _Connection:
        connection = _Connection(database, options)
        self._all = [*(each for each in self._all if each.alive), connection]
        return connection

    async def end(self) -> None:
        for each in self._all:
            await each.end()


def _connect(database: str, options: dict[str, Any]) -> sqlite3.Connection:
    # It holds what is said in confidence: nobody else may read it, nor the files that SQLite makes beside it.
    with suppress(OSError):  # it is there, or SQLite says what is in the way
        os.close(os.open(database, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
    # The driver must not begin transactions of its own: BEGIN IMMEDIATE below decides who writes.
    connection: sqlite3.Connection = sqlite3.connect(database, timeout=BUSY_MS / 1000, isolation_level=None, **options)
    try:
        for pragma in _PRAGMAS:
            connection.execute(f"PRAGMA {pragma}").close()
    except BaseException:
        connection.close()
        raise
    return connection


def _begin_as_asked(engine: AsyncEngine) -> None:
    sqlite = engine.dialect.name == "sqlite"

    @sa.event.listens_for(engine.sync_engine, "begin")
    def begin(connection: sa.Connection) -> None:
        # One writer at a time, whatever the engine. A transaction that starts by reading and then writes could not
        # wait for another writer: SQLite would refuse it at once, and PostgreSQL when it comes to the same row.
        write = connection.get_execution_options().get("write", False)
        if sqlite:
            connection.exec_driver_sql("BEGIN IMMEDIATE" if write else "BEGIN")
        elif write:
            connection.execute(_TAKE_TURNS)


SCHEMA: Final = "0007"
"""The newest migration: what the tables are that this version of the program reads and writes. They are counted."""
_MADE_BY: Final = sa.text("SELECT version_num FROM alembic_version")
_TAKE_TURNS: Final = sa.select(sa.func.pg_advisory_xact_lock(_WRITERS))


def _is_current(connection: sa.Connection) -> bool:
    """Whether a database has the tables of this version. Raises Misconfigured, NewerData."""
    if connection.dialect.name == "postgresql":
        encoding = connection.exec_driver_sql("SHOW server_encoding").scalar_one()
        if encoding != "UTF8":
            raise Misconfigured(
                f"The database is encoded in {encoding}, which has no place for most of Europe's letters.",
                remedy="Make one with `createdb --encoding UTF8 --template template0`.",
            )
    found = connection.execute(_MADE_BY).scalar() if sa.inspect(connection).has_table("alembic_version") else None
    if found is not None and found > SCHEMA:
        raise NewerData(
            f"The data directory was written by a newer version of this program (schema {found}).",
            remedy="Install that version again, or restore a backup made before the upgrade.",
        )
    return bool(found == SCHEMA)


def _migrate(connection: sa.Connection) -> None:
    if _is_current(connection):  # another process may have been first
        return
    # Dear to import, and of use once in the life of a database.
    from alembic import command  # noqa: PLC0415
    from alembic.config import Config  # noqa: PLC0415

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    config.attributes["connection"] = connection
    command.upgrade(config, "head")


@contextmanager
def translated(engine: AsyncEngine) -> Iterator[None]:
    """Turn database errors into StorageFailed, with what a coordinator can do about them."""
    sqlite = engine.dialect.name == "sqlite"
    remedy = _remedy if sqlite else _remedy_of_server
    try:
        yield
    except (sa.exc.DBAPIError, sa.exc.TimeoutError, sqlite3.Error) as error:
        text = str(getattr(error, "orig", None) or error)
        if sqlite and _is_full(engine.url.database):
            text += ", and the disk is full"  # SQLite says no more than "disk I/O error" where it cannot even begin
        raise StorageFailed(f"The database refused: {text}.", remedy=remedy(text)) from error
    except OSError as error:
        text = str(error) or "no answer in time"
        if sqlite or error.errno in _OF_DISKS:
            raise StorageFailed(f"The data directory cannot be used: {text}.", remedy=_remedy(text)) from error
        raise StorageFailed(f"The database cannot be reached: {text}.", remedy=remedy(text)) from error


_OF_DISKS: Final = {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM, errno.EIO}


def _is_full(database: str | None) -> bool:
    try:
        return database is not None and shutil.disk_usage(Path(database).parent).free < _ROOM
    except OSError:
        return False


def _remedy(text: str) -> str:
    lowered = text.lower()
    if "full" in lowered or "no space" in lowered:
        return "Make room on the disk; nothing was half written, and the node continues where it was."
    if "readonly" in lowered or "read-only" in lowered or "permission" in lowered:
        return "Give the user that runs the node write access to the data directory."
    if "unable to open" in lowered:
        return "Check that the data directory exists and that `procirc init` was run."
    if "locked" in lowered:
        return "Another process holds the database; try again when it has finished."
    return "Look at the disk and the permissions of the data directory."


def _remedy_of_server(text: str) -> str:
    lowered = text.lower()
    if "no space" in lowered:
        return "Make room on the disk of PostgreSQL; nothing was half written, and the node continues where it was."
    if "lock timeout" in lowered:
        return "Another process holds the database; try again when it has finished."
    return "See that PostgreSQL runs, and that `database` names its host and a database that its user owns."


async def scrub(engine: AsyncEngine) -> bool:
    """Empty the write-ahead log, where old pages would stay readable; False while a reader needs them.

    Pages in the database file itself have been written over already (``secure_delete``). PostgreSQL is asked to
    reuse their place, and does so by itself later where it cannot now; its own logs and standbys are its own.
    """
    if engine.dialect.name != "sqlite":
        with suppress(sa.exc.DBAPIError, OSError):
            async with engine.connect() as connection:
                apart = await connection.execution_options(isolation_level="AUTOCOMMIT")
                await apart.exec_driver_sql("VACUUM (SKIP_LOCKED) entry, restricted")
        return True
    with translated(engine):
        # Through the driver: SQLAlchemy would begin a transaction, in which SQLite does not do this.
        async with engine.connect() as connection:
            driver = (await connection.get_raw_connection()).driver_connection
            assert isinstance(driver, aiosqlite.Connection)
            # Not for as long as a writer waits: whoever asks tries again later.
            await driver.execute(f"PRAGMA busy_timeout={_SCRUB_MS}")
            try:
                async with driver.execute("PRAGMA wal_checkpoint(TRUNCATE)") as cursor:
                    row = await cursor.fetchone()
            finally:
                await driver.execute(f"PRAGMA busy_timeout={BUSY_MS}")
        return row is not None and not row[0]


def _writer(engine: AsyncEngine) -> dict[str, Any]:
    # What the writer before has done must be seen by whoever waited for it, not the state before the waiting.
    return {"write": True} | ({} if engine.dialect.name == "sqlite" else {"isolation_level": "READ COMMITTED"})


@asynccontextmanager
async def writing(engine: AsyncEngine) -> AsyncIterator[AsyncConnection]:
    """One transaction that may write; it commits at the end or changes nothing."""
    with translated(engine):
        async with engine.execution_options(**_writer(engine)).begin() as connection:
            yield connection


@asynccontextmanager
async def reading(engine: AsyncEngine) -> AsyncIterator[AsyncConnection]:
    """A connection that sees one state of the database throughout."""
    with translated(engine):
        async with engine.connect() as connection:
            yield connection
