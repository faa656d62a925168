"""PostgreSQL: what only a server can do, such as not being there."""

from __future__ import annotations

import asyncio

import pytest
from sqlalchemy.ext.asyncio import create_async_engine

from federation.errors import Misconfigured, StorageFailed
from federation.store.engine import CONNECTING, reading, translated, writing
from federation.store.store import open_store
from tests.databases import POSTGRESQL
from tests.store.entries import checkpoint, entry, erasure


@pytest.fixture
def engine() -> str:
    return POSTGRESQL


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        ("/test", "/none", "does not exist"),
        ("postgres@", "nobody@", "does not exist"),
        ("?host=", "?host=/nowhere", "The database cannot be reached"),
    ],
)
async def test_a_database_that_cannot_be_used_says_what_to_do(database_of, before, after, said):
    with pytest.raises(StorageFailed, match=f"{said}.*See that PostgreSQL runs"):
        async with open_store(database_of("node").replace(before, after, 1)):
            pass


@pytest.mark.parametrize("driver", ["postgresql", "postgresql+psycopg", "mysql+aiomysql"])
async def test_an_address_of_another_driver_says_which_to_write(database_of, driver):
    with pytest.raises(Misconfigured, match=r"postgresql\+asyncpg://"):
        async with open_store(database_of("node").replace("postgresql+asyncpg", driver)):
            pass


async def test_a_server_that_was_started_anew_is_used_again(store, own, postgresql):
    postgresql.psql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = ''")
    assert await store.logs() == [own]


async def test_a_name_is_free_again_when_the_session_of_its_holder_is_lost(database_of, store, tmp_path, postgresql):
    async with open_store(database_of("node")) as other, store.lease("pull-a", tmp_path):
        postgresql.psql("SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory'")
        async with other.lease("pull-a", tmp_path) as mine:
            assert mine


async def test_a_writer_that_waits_too_long_for_another_one_says_so(database_of, store, own, monkeypatch):
    monkeypatch.setitem(CONNECTING["server_settings"], "lock_timeout", "200")
    async with open_store(database_of("node")) as other, writing(store._engine):
        with pytest.raises(StorageFailed, match="Another process holds the database"):
            await other.set_fingerprint(own.id, "abc")
    await store.set_fingerprint(own.id, "abc")


async def test_those_who_hold_a_name_do_not_wait_for_each_others_connections(store, tmp_path):
    async def pull(number: int) -> bool:
        async with store.lease(f"pull-{number}", tmp_path) as mine:
            await store.logs()
            return mine

    assert all(await asyncio.gather(*map(pull, range(40))))


async def test_a_database_that_is_not_unicode_is_refused(database_of, postgresql):
    database_of("node")
    postgresql.psql("CREATE DATABASE latin ENCODING 'LATIN1' LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0")
    with pytest.raises(Misconfigured, match="encoded in LATIN1"):
        async with open_store(postgresql.address("latin")):
            pass


async def test_a_server_that_does_not_answer_says_so():
    engine = create_async_engine("postgresql+asyncpg://nobody@nowhere/none")
    with pytest.raises(StorageFailed, match="cannot be reached: no answer in time"), translated(engine):
        raise TimeoutError


async def test_erased_text_leaves_the_tables(store, own, postgresql):
    await store.append_own(own.id, [entry("canary-bird")], keys=None, checkpoint=checkpoint)
    await store.append_own(own.id, [erasure("canary-bird")], keys=None, checkpoint=checkpoint)
    assert not store.soiled
    async with reading(store._engine) as connection:
        path = (await connection.exec_driver_sql("SELECT pg_relation_filepath('entry')")).scalar_one()
    postgresql.psql("CHECKPOINT")
    assert b"<urn:v> <urn:1>" not in (postgresql.folder / path).read_bytes()
