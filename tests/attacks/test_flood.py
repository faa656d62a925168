"""A31: a peer that publishes more than anybody wants to read."""

from __future__ import annotations

import pytest

from federation.feed import PAGE
from federation.limits import Limits
from federation.records.canonical import MAX_BODY
from tests.attacks.invariants import assert_sound
from tests.conftest import pilot


@pytest.fixture
async def node(start_node, peer):
    return await start_node("flanders", peers=[peer.base], limits=Limits(run_pages=2))


async def test_a31_a_flood_is_taken_in_portions_and_nothing_of_it_is_lost(node, peer):
    names = [f"mill-{number}" for number in range(7 * PAGE)]
    peer.publish(*names)
    states = []
    while not states or states[-1] != ("active", ""):
        pulled = await node.pull(peer)
        states.append((pulled.state, pulled.reason))
        assert (await node.log_of(peer)).size <= len(states) * 2 * PAGE
    assert states == [("lagging", "run-limit")] * 3 + [("active", "")]
    assert await node.slugs(peer) == names
    await assert_sound(node)


async def test_a31_between_the_portions_other_peers_are_followed_as_ever(start_node, peer):
    denmark = await start_node("denmark")
    node = await start_node("flanders", peers=[peer.base, denmark.base], limits=Limits(run_pages=1))
    peer.publish(*(f"mill-{number}" for number in range(4 * PAGE)))
    for name in ("a", "b", "c"):
        await denmark.publish(pilot(name))
        assert (await node.pull(peer, "peer0")).state == "lagging"
        assert (await node.pull(denmark, "peer1")).state == "active"
    assert await node.slugs(denmark) == ["a", "b", "c"]
    await assert_sound(node)


async def test_a31_a_record_larger_than_any_may_be_is_refused(node, peer):
    peer.publish("mill")
    body = peer.content("/feed/0/0")[0]
    text = b"Een korte samenvatting."
    peer.altering("/feed/0/0", lambda _: body.replace(text, text * (MAX_BODY // len(text) + 1)))
    pulled = await node.pull(peer)
    assert (pulled.state, pulled.reason) == ("blocked", "oversized-response")
    peer.honest()
    assert (await node.pull(peer)).state == "active"
    assert await node.slugs(peer) == ["mill"]
    await assert_sound(node)
