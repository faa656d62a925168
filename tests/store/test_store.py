"""The store: what is appended together is there together, and errors of the database read as sentences."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import sqlite3
import threading
import time
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from federation.errors import Conflict, NewerData, RootMismatch, StorageFailed
from federation.log.merkle import Frontier
from federation.log.trust import Entry, Standing
from federation.records.proof import Signer, sign
from federation.store.engine import reading, translated, url_of
from federation.store.store import Log, Store, open_store

DID = "did:web:flanders.example"
SIGNER = Signer(DID, Ed25519PrivateKey.generate())
NOW = "2026-11-22T09:00:00Z"


def entry(name: str, *, version: int = 1, position: int = 0, created: str = NOW) -> Entry:
    body = f"<https://flanders.example/records/pilot/{name}> <urn:v> <urn:{version}> .\n"
    verified = sign(body, SIGNER, created=created)
    return Entry(position, verified, f"https://flanders.example/records/pilot/{name}", "pilot", version)


def checkpoint(size: int, root: bytes, before: str = "") -> str:
    return f"{size} {root.hex()}"


@pytest.fixture
async def store(tmp_path: Path):
    async with open_store(url_of(tmp_path)) as opened:
        yield opened


@pytest.fixture
async def own(store: Store) -> Log:
    return await store.enlist(did=DID, base="https://flanders.example", name="flanders", own=True)


@pytest.fixture
async def copy(store: Store) -> Log:
    return await store.enlist(did="did:web:a.example", base="https://a.example", name="a", own=False)


async def test_positions_rise_from_zero_without_gaps(store, own):
    first = await store.append_own(own.id, [entry("a"), entry("b")], keys=None, checkpoint=checkpoint)
    second = await store.append_own(own.id, [entry("c")], keys=None, checkpoint=checkpoint)
    assert (first, second) == ([0, 1], [2])


async def test_the_checkpoint_covers_what_was_appended_with_it(store, own):
    entries = [entry("a"), entry("b")]
    await store.append_own(own.id, entries, keys=None, checkpoint=checkpoint)
    root = Frontier().append(each.verified.leaf for each in entries).root
    assert (await store.log(own.id)).checkpoint == checkpoint(2, root)


async def test_a_version_that_is_not_the_next_one_is_a_conflict_and_nothing_is_written(store, own):
    await store.append_own(own.id, [entry("a")], keys=None, checkpoint=checkpoint)
    for version in (1, 3):
        with pytest.raises(Conflict):
            await store.append_own(own.id, [entry("b"), entry("a", version=version)], keys=None, checkpoint=checkpoint)
    assert (await store.log(own.id)).size == 1


async def test_a_time_that_goes_backwards_is_a_conflict(store, own):
    await store.append_own(own.id, [entry("a")], keys=None, checkpoint=checkpoint)
    with pytest.raises(Conflict):
        await store.append_own(own.id, [entry("b", created="2026-11-22T08:59:59Z")], keys=None, checkpoint=checkpoint)


async def test_a_checkpoint_that_cannot_be_signed_leaves_nothing_behind(store, own):
    def broken(size: int, root: bytes, before: str) -> str:
        raise RuntimeError("the key is gone")

    with pytest.raises(RuntimeError):
        await store.append_own(own.id, [entry("a")], keys=None, checkpoint=broken)
    assert (await store.log(own.id)).size == 0
    assert await store.entries(own.id, 0, 9) == []


async def test_a_peers_entries_are_invisible_until_their_root_is_confirmed(store, copy):
    entries = [entry("a"), entry("b", position=1)]
    await store.append_peer(copy.id, entries, after=0, standing=Standing(copy.did, copy.base, published=NOW))
    assert await store.current(entries[0].record, copy.id) is None
    root = Frontier().append(each.verified.leaf for each in entries).root
    await store.confirm(copy.id, size=2, root=root, checkpoint="signed")
    found = await store.current(entries[0].record, copy.id)
    assert found is not None
    assert found.signed == entries[0].verified.signed


async def test_a_root_that_does_not_match_drops_what_was_not_yet_visible(store, copy):
    await store.append_peer(copy.id, [entry("a")], after=0, standing=Standing(copy.did, copy.base, published=NOW))
    with pytest.raises(RootMismatch):
        await store.confirm(copy.id, size=1, root=b"\0" * 32, checkpoint="signed")
    log = await store.log(copy.id)
    assert (log.size, log.verified_size, log.published) == (0, 0, "")


async def test_a_page_for_another_cursor_is_a_conflict(store, copy):
    with pytest.raises(Conflict):
        await store.append_peer(copy.id, [entry("a")], after=7, standing=Standing(copy.did, copy.base))


async def test_two_stores_on_one_database_take_turns(tmp_path, store, own):
    async with open_store(url_of(tmp_path)) as other:
        await asyncio.gather(
            *(each.append_own(own.id, [entry(f"{at}-{name}")], keys=None, checkpoint=checkpoint)
              for at in range(10) for name, each in (("x", store), ("y", other)))
        )  # fmt: skip
    log = await store.log(own.id)
    entries = await store.entries(own.id, 0, 99)
    assert [each.position for each in entries] == list(range(20))
    assert Frontier().append(each.leaf for each in entries).root == log.frontier.root


async def test_the_database_syncs_every_commit_to_disk(store):
    async with store._engine.connect() as connection:
        assert (await connection.exec_driver_sql("PRAGMA journal_mode")).scalar_one() == "wal"
        assert (await connection.exec_driver_sql("PRAGMA synchronous")).scalar_one() == 2


async def test_a_database_of_a_newer_version_is_refused_with_a_remedy(tmp_path, own):
    async with open_store(url_of(tmp_path)) as store, store._engine.begin() as connection:
        await connection.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(NewerData, match="newer version"):
        async with open_store(url_of(tmp_path)):
            pass


async def test_the_migrations_make_the_schema_of_the_code(tmp_path, store):
    from alembic.autogenerate import compare_metadata
    from alembic.migration import MigrationContext

    from federation.store import schema

    def compare(connection: sa.Connection) -> list[object]:
        return list(compare_metadata(MigrationContext.configure(connection), schema.metadata))

    async with store._engine.connect() as connection:
        assert await connection.run_sync(compare) == []


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
    with pytest.raises(StorageFailed, match=remedy), translated():
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
    files = [tmp_path / "node.sqlite", tmp_path / "node.sqlite-wal"]
    gone = [entry("canary-bird", version=2)._replace(kind="erasure")]
    async with reading(store._engine) as reader:
        await reader.execute(sa.text("SELECT count(*) FROM entry"))
        body = "<https://flanders.example/records/pilot/canary-bird> <https://w3id.org/procirc/ns#erases> " + (
            '"0"^^<http://www.w3.org/2001/XMLSchema#integer> .\n'
        )
        signed = sign(body, SIGNER, created=NOW)
        await store.append_own(own.id, [gone[0]._replace(verified=signed)], keys=None, checkpoint=checkpoint)
        assert store.soiled
    await store.scrub()
    assert not store.soiled
    assert not [path for path in files if path.exists() and b"<urn:v> <urn:1>" in path.read_bytes()]


async def test_pages_are_told_at_once_what_this_process_wrote_of_a_peer(store, copy):
    before = await store.peer_states_lately()
    assert await store.peer_states_lately() is before, "nothing was written, so nothing is read"
    await store.update_peer(copy.id, state="stale")
    assert (await store.peer_states_lately())[copy.id].state == "stale"


async def test_pages_are_told_a_second_later_what_another_process_wrote(store, copy, tmp_path, monkeypatch):
    await store.peer_states_lately()
    async with open_store(url_of(tmp_path)) as elsewhere:
        await elsewhere.update_peer(copy.id, state="stale")
    assert (await store.peer_states_lately())[copy.id].state != "stale"
    monkeypatch.setattr("federation.store.store.LATELY", -1.0)
    assert (await store.peer_states_lately())[copy.id].state == "stale"
