"""A16, A29, A30: withdrawal and erasure, as they are meant and as they are abused."""

from __future__ import annotations

import pytest

from federation.errors import AlreadyExists, NotFound
from federation.store.effects import MOST
from tests.attacks.invariants import assert_sound
from tests.conftest import pilot

CANARY = "Kanariepiet Canaryvogel"


@pytest.fixture
async def node(start_node, peer):
    return await start_node("flanders", peers=[peer.base])


def places_of(node, text: str) -> list[str]:
    """Files of a node's data directory in which a text stands."""
    return [path.name for path in node.config.data.rglob("*") if path.is_file() and text.encode() in path.read_bytes()]


def index_files(node) -> set[str]:
    """The files of the text index that hold terms or texts."""
    folder = node.config.data / "index" / "tantivy"
    return {path.name for path in folder.iterdir() if path.suffix in (".term", ".store", ".pos", ".idx")}


async def found(node, text: str) -> int:
    from federation.search import Request

    return (await node.node.search.search(Request(text, "nl"))).total


async def test_a16_a_withdrawn_record_leaves_search_and_stays_in_the_log(start_node):
    flanders = await start_node("flanders")
    denmark = await start_node("denmark", peers=[flanders.base])
    await flanders.publish(pilot("mill", title="Watermolen"))
    await denmark.pull(flanders)
    await flanders.node.follower.catch_up()
    assert (await found(flanders, "watermolen"), await found(denmark, "watermolen")) == (1, 1)
    iri = f"{flanders.base}/records/pilot/mill"
    await flanders.node.own.withdraw(iri, {"nl": "Vervallen."})
    await flanders.node.follower.catch_up()
    await denmark.pull(flanders)
    assert (await found(flanders, "watermolen"), await found(denmark, "watermolen")) == (0, 0)
    log = await denmark.log_of(flanders)
    assert [each.version for each in await denmark.node.store.entries(log.id, 1, 3)] == [1, 2]
    assert await denmark.node.store.counts(log.id) == {}
    await assert_sound(denmark)


async def test_a16_an_older_version_does_not_bring_a_withdrawn_record_back(node, peer):
    peer.publish("mill")
    peer.end("mill", version=2)
    await node.pull(peer)
    peer.append(peer.body_of(pilot("mill"), version=1))
    assert (await node.pull(peer)).state == "active"
    log = await node.log_of(peer)
    current = await node.node.store.current(f"{peer.base}/records/pilot/mill", log.id)
    assert current.kind == "withdrawal"
    await assert_sound(node)


async def test_a16_a_later_version_does(start_node):
    node = await start_node("flanders")
    await node.publish(pilot("mill"))
    iri = f"{node.base}/records/pilot/mill"
    await node.node.own.withdraw(iri, {"nl": "Vervallen."})
    assert await node.publish(pilot("mill")) == []
    outcome = await node.node.publisher.publish([pilot("mill")], reinstate=True)
    assert [iri for iri, _ in outcome.published] == [iri]
    assert (await node.node.store.current(iri, node.node.log.id)).version == 3


async def test_a29_an_erased_text_is_nowhere_on_three_nodes_after_one_round(start_node):
    flanders = await start_node("flanders")
    await flanders.publish(pilot("person", title=CANARY), pilot("mill"))
    await flanders.publish(pilot("person", title=f"{CANARY} 2"))
    denmark, norway = [await start_node(name, peers=[flanders.base]) for name in ("denmark", "norway")]
    nodes = [flanders, denmark, norway]
    for each in nodes:
        if each is not flanders:
            await each.pull(flanders)
        await each.node.follower.catch_up()
        assert places_of(each, "Canaryvogel"), "the test looks where it is"
    # Of the index the files count, since they are compressed.
    old = {each.base: index_files(each) for each in nodes}
    before = (await flanders.node.store.log(flanders.node.log.id)).frontier.root
    await flanders.node.own.erase(f"{flanders.base}/records/pilot/person", {"nl": "Op verzoek van de betrokkene."})
    await flanders.node.follower.catch_up()
    for each in nodes[1:]:
        pulled = await each.pull(flanders)
        assert (pulled.state, pulled.added) == ("active", 1)
    for each in nodes:
        await each.node.follower.catch_up()
        assert places_of(each, "Canaryvogel") == []
        assert (old[each.base] & index_files(each), await found(each, "Canaryvogel")) == (set(), 0)
        await assert_sound(each)
    after = (await flanders.node.store.log(flanders.node.log.id)).frontier
    assert (after.size, after.root != before) == (5, True)


async def test_a29_what_was_not_erased_is_found_as_before(start_node):
    flanders = await start_node("flanders")
    denmark = await start_node("denmark", peers=[flanders.base])
    await flanders.publish(*(pilot(name, title=f"{name} {CANARY}") for name in ("one", "two", "three", "four")))
    for name in ("one", "two"):
        await flanders.node.follower.catch_up()
        await denmark.pull(flanders)
        await flanders.node.own.erase(f"{flanders.base}/records/pilot/{name}", {"nl": "Op verzoek."})
    await flanders.node.own.withdraw(f"{flanders.base}/records/pilot/three", {"nl": "Vervallen."})
    await flanders.node.follower.catch_up()
    await denmark.pull(flanders)
    for each in (flanders, denmark):
        assert await found(each, "Canaryvogel") == 1
        await assert_sound(each)


async def test_a29_a_node_that_comes_later_gets_hashes_and_the_same_root(start_node):
    flanders = await start_node("flanders")
    await flanders.publish(pilot("person", title=CANARY), *(pilot(f"mill-{number}") for number in range(150)))
    await flanders.node.own.erase(f"{flanders.base}/records/pilot/person", {"nl": "Op verzoek."})
    denmark = await start_node("denmark", peers=[flanders.base])
    pulled = await denmark.pull(flanders)
    assert (pulled.state, pulled.size) == ("active", 153)
    own, copy = await flanders.log_of(flanders), await denmark.log_of(flanders)
    assert copy.verified.root == own.verified.root
    assert places_of(denmark, "Canaryvogel") == []
    await assert_sound(denmark)


async def test_a29_a_record_is_erased_once_and_only_if_it_is_there(start_node):
    node = await start_node("flanders")
    await node.publish(pilot("mill"))
    iri = f"{node.base}/records/pilot/mill"
    await node.node.own.erase(iri, {"nl": "Op verzoek."})
    with pytest.raises(AlreadyExists):
        await node.node.own.erase(iri, {"nl": "Op verzoek."})
    with pytest.raises(NotFound):
        await node.node.own.erase(f"{node.base}/records/pilot/nowhere", {"nl": "Op verzoek."})


@pytest.mark.parametrize("erases", [[1, 99], [2], [3]], ids=["in the future", "another record", "itself"])
async def test_a30_an_erasure_of_what_is_not_its_own_is_refused(node, peer, erases):
    peer.publish("mill", "lock")
    await node.pull(peer)
    entries = list(peer.entries)
    peer.end("mill", "erasure", erases=erases)
    pulled = await node.pull(peer)
    assert (pulled.state, pulled.reason) == ("blocked", "bad-erasure")
    assert await node.slugs(peer) == ["mill", "lock"]
    await assert_sound(node)
    peer.entries = entries
    peer.publish("dike")
    assert (await node.pull(peer)).state == "active"
    assert await node.slugs(peer) == ["mill", "lock", "dike"]


async def test_a30_the_keys_cannot_be_erased(node, peer):
    peer.publish("mill")
    peer.end("mill", "erasure", erases=[0], version=2)
    assert (await node.pull(peer)).state == "active"
    log = await node.log_of(peer)
    kept = await node.node.store.entries(log.id, 0, 3)
    assert [each.quarantine.partition(":")[0] for each in kept] == ["", "", "invalid-record"]
    await assert_sound(node)


async def test_a30_an_erasure_cannot_be_erased(node, peer):
    peer.publish("mill")
    peer.end("mill", "erasure", version=2)
    await node.pull(peer)
    peer.end("mill", "erasure", erases=[2], version=3)
    assert (await node.pull(peer)).reason == "bad-erasure"
    await assert_sound(node)


async def test_a30_a_text_that_is_left_out_without_an_erasure_is_refused(node, peer):
    from dataclasses import replace

    peer.publish("mill", "lock")
    whole = list(peer.entries)
    peer.entries[1] = replace(peer.entries[1], erased_by=2)
    pulled = await node.pull(peer)
    assert (pulled.state, pulled.reason) == ("blocked", "bad-erasure")
    assert await node.slugs(peer) == []
    peer.entries = whole
    assert (await node.pull(peer)).state == "active"
    assert await node.slugs(peer) == ["mill", "lock"]
    await assert_sound(node)


async def test_a30_an_erasure_of_nearly_everything_waits_for_people(node, peer):
    names = [f"mill-{number}" for number in range(MOST + 1)]
    peer.publish(*names)
    await node.pull(peer)
    for name in names:
        peer.end(name, "erasure", version=2)
    pulled = await node.pull(peer)
    assert (pulled.state, pulled.reason) == ("blocked", "mass-erasure")
    assert await node.slugs(peer) == names
    log = await node.log_of(peer)
    await node.node.store.update_peer(log.id, erase_until=log.size)
    assert (await node.pull(peer)).state == "active"
    await assert_sound(node)
