"""PostgreSQL: what only a server can do, such as not being there."""

from __future__ import annotations

import pytest

from federation.errors import Misconfigured, StorageFailed
from federation.store.store import open_store
from tests.databases import POSTGRESQL


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
