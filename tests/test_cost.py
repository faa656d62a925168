"""What a node does all the time costs as much with a long log as with a short one.

Counted are the steps of SQLite's virtual machine, which are the same on every machine. A query that misses its
index reads every entry: on a log of 100,000 that takes a second, and nobody sees it on one of twenty.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Awaitable, Callable
from itertools import count

import aiohttp
import pytest

from federation.store import engine as engines
from federation.web.keys import READY
from tests.conftest import TestNode, pilot
from tests.databases import SQLITE

GROWTH = 120
"""Entries by which each log grows between the two counts."""
FREE = 1.3
"""What a deeper tree may add: far below GROWTH steps for each query."""
Operation = Callable[[TestNode, TestNode], Awaitable[object]]
_numbers = count()


@pytest.fixture
def engine() -> str:
    return SQLITE


@pytest.fixture
def steps(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many steps the databases of this test have taken so far, as the one member of a list."""
    taken = [0]

    def step() -> None:
        taken[0] += 1

    connect = engines._connect

    def counted(*args: object) -> sqlite3.Connection:
        connection = connect(*args)
        connection.set_progress_handler(step, 1)
        return connection

    monkeypatch.setattr(engines, "_connect", counted)
    return taken


async def publish(node: TestNode, how_many: int) -> None:
    await node.publish(*(pilot(f"pilot-{next(_numbers)}") for _ in range(how_many)))


async def pull_one(here: TestNode, there: TestNode) -> None:
    await publish(there, 1)
    await here.pull(there)


def get(path: str) -> Operation:
    async def operation(here: TestNode, there: TestNode) -> None:
        async with aiohttp.ClientSession() as session, session.get(here.base + path) as answer:
            assert answer.status == 200, await answer.text()

    return operation


OPERATIONS: dict[str, Operation] = {
    "indexing nothing new": lambda here, there: here.node.catch_up(),
    "looking for what peers hold of our own log": lambda here, there: here.node.recover(),
    "looking which erasures are late": lambda here, there: here.node.remind(),
    "pulling nothing new": lambda here, there: here.pull(there),
    "pulling one record": pull_one,
    "publishing one record": lambda here, there: publish(here, 1),
    "looking at what is set aside": lambda here, there: here.node.store.inventory.kept_aside(["unknown-kind"]),
    "judging once more what is set aside": lambda here, there: here.node.reconsider(),
    **{
        path: get(path)
        for path in (
            "/?lang=en", "/api/search?q=pilot", "/records/pilot/first", "/network", "/api/peers", "/peers/peer/report",
            "/log/checkpoint", "/log/seen", "/.well-known/did.json", "/feed", "/vocab/lexicon", "/communities",
            "/metrics", "/health/ready",
        )
    },
}  # fmt: skip


async def test_no_operation_is_dearer_with_a_longer_log(start_node, steps):
    there = await start_node("there")
    here = await start_node("here", peers=[there.base])
    here.app[READY].clear()
    await here.publish(pilot("first"))

    async def costs() -> dict[str, int]:
        found = {}
        for name, operation in OPERATIONS.items():
            await operation(here, there)  # what the first asker has made for all is not counted
            before = steps[0]
            await operation(here, there)
            found[name] = steps[0] - before
        return found

    short = await costs()
    for node in (here, there):
        await publish(node, GROWTH)
    await here.pull(there)
    long = await costs()
    assert sum(short.values()) > 1000, "the steps are counted"
    assert {name: (short[name], long[name]) for name in long if long[name] > FREE * short[name] + GROWTH / 2} == {}
