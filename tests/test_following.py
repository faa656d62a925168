"""Peers that come, go and change their names: what is found follows, whichever process saw to it."""

from __future__ import annotations

import asyncio
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from federation import following
from federation import node as nodes
from federation.config import PeerConfig
from federation.errors import AlreadyExists
from federation.index.documents import NODE_FACET
from federation.search import Request
from federation.store.peers import REMOVED
from federation.store.store import Store
from tests.conftest import TestNode, pilot


@pytest.fixture
async def denmark(start_node):
    node = await start_node("denmark")
    await node.publish(pilot("havn", title="Havn", language="da"))
    return node


@pytest.fixture
async def flanders(start_node, denmark):
    """A node that serves and has pulled Denmark, which a coordinator added."""
    node = await start_node("flanders")
    await node.publish(pilot("mill", title="Molen"))
    await followed(node.node, denmark)
    await node.pull(denmark, "denmark")
    assert await found(node) == {"havn": "denmark", "mill": "flanders"}
    return node


async def followed(node: nodes.Node, other: TestNode) -> None:
    await following.add(node, other.peer(other.base, other.config.name))
    await following.confirm(node, other.config.name, "")
    await node.peers()


async def found(node: TestNode) -> dict[str, str]:
    """The records that a search finds once its index has caught up, and the node that each is said to be of."""
    await node.node.follower.catch_up()
    answer = await node.node.search.search(Request())
    assert {each.value for each in answer.facets[NODE_FACET]} == {hit.node for hit in answer.hits}
    return {hit.slug: hit.node for hit in answer.hits}


async def test_a_command_beside_a_running_node_removes_a_peer_and_its_records(flanders, clock, tools):
    async with nodes.open_node(flanders.config, clock=clock, width=1, tools=tools) as command:
        assert await following.remove(command, "denmark", delete=True) == 2
    assert await found(flanders) == {"mill": "flanders"}


async def test_a_peer_that_was_removed_and_added_again_is_found_as_it_is_now(flanders, denmark, clock, tools):
    await denmark.node.own.withdraw(f"{denmark.base}/records/pilot/havn", {"da": "Forkert."})
    await denmark.publish(pilot("kaj", title="Kaj", language="da"))
    async with nodes.open_node(flanders.config, clock=clock, width=1, tools=tools) as command:
        await following.remove(command, "denmark", delete=True)
        await followed(command, denmark)
    await flanders.node.syncer.pull(flanders.peer(denmark.base, "denmark"))
    assert await found(flanders) == {"kaj": "denmark", "mill": "flanders"}


async def test_a_peer_is_found_under_the_name_it_has_now(flanders, denmark):
    assert (await flanders.pull(denmark, "danmark")).state == "active"
    assert await found(flanders) == {"havn": "danmark", "mill": "flanders"}


async def test_nothing_is_made_anew_where_nothing_changed_but_the_end_of_a_log(flanders, denmark, monkeypatch):
    await denmark.publish(pilot("kaj", title="Kaj", language="da"))
    monkeypatch.setattr(flanders.node.index, "begin_anew", lambda: pytest.fail("made anew"))
    await flanders.pull(denmark, "denmark")
    assert await found(flanders) == {"havn": "denmark", "kaj": "denmark", "mill": "flanders"}


async def test_a_peer_that_is_followed_no_more_is_said_to_be_removed_and_its_records_stay(flanders):
    await following.remove(flanders.node, "denmark", delete=False)
    log = await flanders.log_of(next(each.base for each in await flanders.node.store.logs() if not each.own))
    state = (await flanders.node.store.peers.states())[log.id]
    assert (state.state, state.since) == (REMOVED, "2026-11-22T09:00:00Z")
    assert await found(flanders) == {"havn": "denmark", "mill": "flanders"}


async def test_to_remove_a_peer_once_more_says_that_its_records_are_still_here(flanders):
    await following.remove(flanders.node, "denmark", delete=False)
    with pytest.raises(AlreadyExists, match="2 entries are still here"):
        await following.remove(flanders.node, "denmark", delete=False)
    assert await following.remove(flanders.node, "denmark", delete=True) == 2


async def test_a_peer_that_was_taken_out_of_the_configuration_is_said_to_be_removed_until_it_is_back(flanders, denmark):
    await flanders.node.syncer.leave_all_but({"did:web:elsewhere.example"})
    log = await flanders.log_of(denmark)
    assert (await flanders.node.store.peers.states())[log.id].state == REMOVED
    await flanders.pull(denmark, "denmark")
    assert (await flanders.node.store.peers.states())[log.id].state == "active"


async def test_metrics_say_how_old_a_pull_is_only_of_peers_that_are_followed(flanders):
    async def scraped() -> str:
        async with aiohttp.ClientSession() as session, session.get(f"{flanders.base}/metrics") as answer:
            return await answer.text()

    assert 'procirc_peer_success_age_seconds{peer="denmark"}' in await scraped()
    await following.remove(flanders.node, "denmark", delete=False)
    assert "procirc_peer_success_age_seconds{" not in await scraped()
    assert 'procirc_peer_state{peer="denmark",state="removed"} 1.0' in await scraped()


async def test_a_log_never_gets_the_number_of_one_that_was_deleted(flanders, start_node):
    sweden = await start_node("sweden")
    await sweden.publish(pilot("kvarn", language="sv"))
    before = (await flanders.node.store.logs())[1]
    assert "havn" in await mirrored(flanders, before.base)
    assert await following.remove(flanders.node, "denmark", delete=True) == 2
    await followed(flanders.node, sweden)
    await flanders.pull(sweden, "sweden")
    after = (await flanders.node.store.logs())[1]
    assert (after.name, after.id != before.id) == ("sweden", True)
    shown = await mirrored(flanders, after.base)
    assert ("kvarn" in shown, "havn" in shown) == (True, False)


async def mirrored(node: TestNode, base: str) -> str:
    """The first page of a log as a node serves it for its owner."""
    async with aiohttp.ClientSession() as session:
        address = f"{node.base}/mirror/{base.removeprefix('http://')}/feed/0/0"
        async with session.get(address, headers={"Accept": "application/trig"}) as response:
            return await response.text()


async def test_whoever_was_only_looked_at_or_is_followed_no_longer_is_not_asked_any_more(flanders, start_node):
    sweden = await start_node("sweden")
    await following.meet(flanders.node, flanders.peer(sweden.base))
    assert sweden.base not in flanders.node.origins
    denmark = (await flanders.node.store.logs())[1].base
    await flanders.node.peers()
    assert denmark in flanders.node.origins
    await following.remove(flanders.node, "denmark", delete=False)
    await flanders.node.peers()
    assert denmark not in flanders.node.origins


@pytest.fixture
async def gated(start_node, peer):
    """A node that follows a simulated peer, whose pages wait for an event."""
    node = await start_node("flanders")
    met = await following.add(node.node, PeerConfig(name="simulated", url=peer.base))
    await following.confirm(node.node, "simulated", met.fingerprint)
    (follow,) = await node.node.peers()
    peer.publish("mill")
    gate, reached = asyncio.Event(), asyncio.Event()

    async def slow(request):
        reached.set()
        await gate.wait()
        body, media_type = peer.content(request.path)
        return web.Response(body=body, headers={"Content-Type": media_type})

    peer.answering("/feed/0/0", slow)
    return node, follow, gate, reached


@pytest.mark.parametrize("delete", [False, True])
async def test_a_peer_that_is_removed_while_it_is_pulled_stays_removed(gated, peer, delete: bool):
    node, follow, gate, reached = gated
    pulling = asyncio.create_task(node.node.pull(follow))
    await asyncio.wait_for(reached.wait(), 10)
    await following.remove(node.node, "simulated", delete=delete)
    gate.set()
    await pulling
    await node.node.pull(follow)  # the job that the scheduler has not taken away yet
    left = [] if delete else [REMOVED]
    assert [state.state for state in (await node.node.store.peers.states()).values()] == left
    assert len(await node.node.store.logs()) == (1 if delete else 2)


async def test_a_forked_peer_that_was_left_for_a_while_still_waits_for_a_decision(start_node, peer, clock):
    node = await start_node("flanders", peers=[peer.base])
    peer.publish("mill")
    await node.pull(peer, "peer0")
    kept = [*peer.entries]
    peer.entries.pop()
    clock.forward(seconds=5)
    peer.publish("other")
    assert (await node.pull(peer, "peer0")).state == "forked"
    await node.node.syncer.leave_all_but(set())
    peer.entries = kept
    peer.publish("later")
    assert (await node.pull(peer, "peer0")).state == "forked"
    assert await node.slugs(peer) == ["mill"]
    await following.confirm(node.node, "peer0", "")
    assert (await node.pull(peer, "peer0")).state == "active"


async def test_a_fingerprint_that_is_added_later_is_compared_as_well(start_node, peer):
    node = await start_node("flanders", peers=[peer.base])
    assert (await node.pull(peer)).state == "active"
    peer.publish("mill")
    wrong = await node.pull(peer, fingerprint="0000 1111 2222 3333 4444 5555 6666 7777")
    assert (wrong.state, await node.slugs(peer)) == ("key-mismatch", [])
    right = (await node.log_of(peer)).fingerprint
    assert (await node.pull(peer, fingerprint=right)).state == "active"


async def test_a_fingerprint_is_noted_with_the_first_entries(start_node, peer, monkeypatch):
    node = await start_node("flanders", peers=[peer.base])
    peer.publish("mill")

    confirm = Store.confirm

    async def killed(*places: Any, **values: Any) -> None:
        await confirm(*places, **values)
        raise asyncio.CancelledError

    with monkeypatch.context() as patched:
        patched.setattr(Store, "confirm", killed)
        with pytest.raises(asyncio.CancelledError):
            await node.pull(peer)
    assert (await node.log_of(peer)).fingerprint
