"""A node on PostgreSQL, and several processes of one node on the same: each serves, and takes its turn to write."""

from __future__ import annotations

import asyncio
import shutil
from contextlib import asynccontextmanager

import pytest
from aiohttp import ClientSession

from federation import custody, following
from federation import node as nodes
from federation.errors import KeyMissing, Unavailable
from federation.search import Request
from tests.conftest import pilot
from tests.databases import POSTGRESQL


@pytest.fixture
def engine() -> str:
    return POSTGRESQL


@pytest.fixture
def another(tmp_path, clock, tools):
    """Opens a second process of a node: on another machine, with a data directory of its own."""

    @asynccontextmanager
    async def opened(node, *, keys: bool = True):
        config = node.config.model_copy(update={"data": tmp_path / "another machine"})
        config.data.mkdir()
        for name in ("api.token", "session.key", "keys") if keys else ():
            source = node.config.data / name
            (shutil.copytree if source.is_dir() else shutil.copy2)(source, config.data / name)
        async with nodes.open_node(config, clock=clock, width=1, tools=tools) as other:
            yield other

    return opened


async def slugs(node, text: str) -> list[str]:
    await node.follower.catch_up()
    return sorted(hit.slug for hit in (await node.search.search(Request(text, "nl"))).hits)


async def test_what_one_region_publishes_is_found_at_another_and_gone_when_it_is_erased(start_node):
    denmark = await start_node("denmark")
    flanders = await start_node("flanders", peers=[denmark.base])
    await denmark.publish(pilot("windmill", title="De windmolen"), pilot("ship", title="Een schip"))
    assert (await flanders.pull(denmark)).state == "active"
    assert await slugs(flanders.node, "windmolen") == ["windmill"]
    await custody.rotate(denmark.node, None, compromised_from=None)
    await denmark.node.own.erase(f"{denmark.base}/records/pilot/windmill", {"nl": "Op verzoek."})
    await denmark.publish(pilot("canal", title="De gracht"))
    assert (await flanders.pull(denmark)).state == "active"
    assert await slugs(flanders.node, "windmolen") == []
    assert await slugs(flanders.node, "gracht") == ["canal"]
    copy = await flanders.log_of(denmark)
    assert not any("windmolen" in each.signed.body for each in await flanders.node.store.entries(copy.id, 0, 99))


async def test_what_one_process_publishes_the_other_one_finds(start_node, another):
    node = await start_node("flanders")
    async with another(node) as other:
        await node.publish(pilot("windmill", title="De windmolen"))
        assert await slugs(other, "windmolen") == ["windmill"]
        await other.publisher.publish([pilot("ship", title="Een schip")])
        assert await slugs(node.node, "schip") == ["ship"]


async def test_processes_that_publish_at_once_write_one_log(start_node, another):
    node = await start_node("flanders")
    async with another(node) as other:
        turns = [(publisher, f"{at}-{name}") for at in range(5) for name, publisher in
                 (("x", node.node.publisher), ("y", other.publisher))]  # fmt: skip
        outcomes = await asyncio.gather(*(publisher.publish([pilot(slug)]) for publisher, slug in turns))
        positions = sorted(at for outcome in outcomes for _, at in outcome.published)
        assert positions == list(range(1, 11))
        assert (await other.store.log(other.log.id)) == (await node.node.store.log(node.node.log.id))


async def test_one_process_at_a_time_pulls_a_peer(start_node, another, peer):
    peer.publish("one")
    node = await start_node("flanders", peers=[peer.base])
    async with another(node) as other, other.store.lease("pull-peer", node.config.data):
        assert (await node.pull(peer)).state == "busy"
    assert (await node.pull(peer)).state == "active"


async def test_of_two_that_set_a_node_up_at_once_one_does(start_node, clock, tools, tmp_path, database_of):
    first = (await start_node("first")).config  # whatever else is there
    config = first.model_copy(update={"database": database_of("both"), "data": tmp_path / "one"})
    other = config.model_copy(update={"data": tmp_path / "other"})
    begun = [nodes.init(each, clock=clock, tools=tools) for each in (config, other)]
    done = await asyncio.gather(*begun, return_exceptions=True)
    (refused,) = [each for each in done if isinstance(each, Exception)]
    assert isinstance(refused, Unavailable)
    assert sum((each.data / "keys").exists() for each in (config, other)) == 1


async def test_a_process_without_the_keys_says_which_it_needs(start_node, another):
    node = await start_node("flanders")
    with pytest.raises(KeyMissing):
        async with another(node, keys=False):
            pass


async def test_a_process_whose_keys_are_no_longer_in_force_is_not_ready(start_node, another):
    node = await start_node("flanders")
    async with another(node) as other:
        await custody.rotate(other, None, compromised_from=None)
        async with ClientSession() as session, session.get(f"{node.base}/health/ready") as answer:
            assert answer.status == 503
            assert "copy them from the machine where they were made" in (await answer.json())["for"][-1]


async def test_what_one_process_removes_the_other_one_finds_no_more(start_node, another):
    denmark = await start_node("denmark")
    flanders = await start_node("flanders", peers=[denmark.base])
    await denmark.publish(pilot("windmill", title="De windmolen"))
    await flanders.pull(denmark)
    async with another(flanders) as other:
        assert await slugs(other, "windmolen") == ["windmill"]
        await following.remove(flanders.node, "peer", delete=True)
        assert await slugs(other, "windmolen") == []


async def test_each_process_keeps_what_another_one_has_signed(start_node, another):
    node = await start_node("flanders")
    async with another(node) as other:
        await node.publish(pilot("windmill"))
        await other.catch_up()
        assert other.guard.checkpoint() == node.node.guard.checkpoint()
