"""Fixtures: a store, on whichever engine a test asks for, with a log of its own and a copy of a peer's."""

from __future__ import annotations

import pytest

from federation.store.store import Log, Store, open_store
from tests.store.entries import DID


@pytest.fixture
async def store(database_of):
    async with open_store(database_of("node")) as opened:
        yield opened


@pytest.fixture
async def own(store: Store) -> Log:
    return await store.enlist(did=DID, base="https://flanders.example", name="flanders", own=True)


@pytest.fixture
async def copy(store: Store) -> Log:
    return await store.enlist(did="did:web:a.example", base="https://a.example", name="a", own=False)
