"""SQLite: what is committed is on the disk, what was erased is not, and its errors read as sentences."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import sqlite3
import threading
import time
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import create_async_engine

from federation.errors import Misconfigured, StorageFailed
from federation.store.engine import reading, translated, url_of
from federation.store.store import open_store
from tests.databases import SQLITE
from tests.store.entries import checkpoint, entry, erasure


@pytest.fixture
def engine() -> str:
    return SQLITE


async def test_the_database_syncs_every_commit_to_disk(store):
    async with store._engine.connect() as connection:
        assert (await connection.exec_driver_sql("PRAGMA journal_mode")).scalar_one() == "wal"
        assert (await connection.exec_driver_sql("PRAGMA synchronous")).scalar_one() == 2


@pytest.mark.parametrize(
    ("text", "remedy"),
    [
        ("database or disk is full", "Make room"),
        ("attempt to write a readonly database", "write access"),
        ("unable to open database file", "procirc init"),
        ("database is locked", "Another process"),
    ],
)
def test_errors_of_the_database_say_what_to_do(text, remedy):
    engine = create_async_engine("sqlite+aiosqlite://")
    with pytest.raises(StorageFailed, match=remedy), translated(engine):
        raise sa.exc.OperationalError("INSERT", {}, Exception(text))


async def test_a_data_directory_that_is_not_there_is_a_storage_error(tmp_path):
    with pytest.raises(StorageFailed):
        async with open_store(url_of(tmp_path / "missing")):
            pass


def database_threads() -> list[threading.Thread]:
    return [each for each in threading.enumerate() if "_connection_worker_thread" in each.name]


def test_opening_that_is_cancelled_waits_for_a_slow_disk(tmp_path, monkeypatch):
    connect = sqlite3.connect

    def slow(*args: Any, **options: Any) -> sqlite3.Connection:
        time.sleep(0.2)
        return connect(*args, **options)

    async def opened() -> None:
        async with open_store(url_of(tmp_path)):
            pass

    async def run() -> None:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(opened(), 0.05)

    monkeypatch.setattr("sqlite3.connect", slow)
    asyncio.run(run())
    assert not database_threads()


@pytest.mark.parametrize("step", range(1, 30))
def test_opening_that_is_cancelled_at_any_step_leaves_no_thread(tmp_path, step):
    async def opened() -> None:
        async with open_store(url_of(tmp_path)):
            pass

    async def run() -> None:
        loop = asyncio.get_running_loop()
        report, task, reports = loop.call_soon_threadsafe, asyncio.ensure_future(opened()), itertools.count(1)

        def counted(*args: Any, **options: Any) -> asyncio.Handle:
            if next(reports) == step:
                report(task.cancel)
            return report(*args, **options)

        # Every answer of a database thread comes this way.
        loop.call_soon_threadsafe = counted  # type: ignore[method-assign]
        await asyncio.wait([task])
        assert task.cancelled()

    asyncio.run(run())
    assert not database_threads()


async def test_what_was_erased_leaves_the_files_as_soon_as_nobody_reads_it_any_more(tmp_path, store, own):
    await store.append_own(own.id, [entry("canary-bird")], keys=None, checkpoint=checkpoint)
    files = [tmp_path / "node" / "node.sqlite", tmp_path / "node" / "node.sqlite-wal"]
    async with reading(store._engine) as reader:
        await reader.execute(sa.text("SELECT count(*) FROM entry"))
        await store.append_own(own.id, [erasure("canary-bird")], keys=None, checkpoint=checkpoint)
        assert store.soiled
    await store.scrub()
    assert not store.soiled
    assert not [path for path in files if path.exists() and b"<urn:v> <urn:1>" in path.read_bytes()]


@pytest.mark.parametrize("url", ["sqlite+aiosqlite://", "sqlite+aiosqlite:///:memory:"])
async def test_a_database_in_memory_is_refused(url: str):
    with pytest.raises(Misconfigured, match="not an address this node can use"):
        async with open_store(url):
            pass
