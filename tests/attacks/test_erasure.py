"""A16, A29, A30: withdrawal and erasure, as they are meant and as they are abused."""

from __future__ import annotations

from datetime import timedelta

import aiohttp
import pytest
import sqlalchemy as sa

from federation import custody, following
from federation import node as nodes
from federation.erasures import erasures, overdue
from federation.errors import AlreadyExists, NotFound, StorageFailed
from federation.log import trust
from federation.log.times import timestamp
from federation.serving import scheduler
from federation.store.effects import MOST
from federation.store.engine import reading
from federation.web.sessions import hashed
from tests.attacks.invariants import assert_sound
from tests.conftest import pilot
from tests.databases import in_files

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


@in_files
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
    await node.node.store.peers.update(log.id, erase_until=log.size)
    assert (await node.pull(peer)).state == "active"
    await assert_sound(node)


@pytest.fixture
async def erased(start_node):
    """A node that has erased a record which its peer holds, and the peer, which has not followed."""
    flanders = await start_node("flanders")
    denmark = await start_node("denmark", peers=[flanders.base])
    await flanders.stop()
    flanders = await start_node("flanders", peers=[denmark.base])
    await flanders.publish(pilot("person", title=CANARY))
    await denmark.pull(flanders)
    await flanders.pull(denmark, name="peer0")
    await flanders.node.own.erase(f"{flanders.base}/records/pilot/person", {"nl": "Op verzoek."})
    return flanders, denmark


async def late(node) -> dict[str, int]:
    found = await erasures(node.node.store, node.node.log.id, await node.node.peers(), node.clock())
    return overdue(found)


async def test_a29_a_peer_that_does_not_follow_an_erasure_in_72_hours_is_told_of(erased, clock, capsys):
    flanders, denmark = erased
    clock.forward(hours=72)
    await flanders.node.remind()
    assert (await late(flanders), capsys.readouterr().out) == ({}, "")
    clock.forward(seconds=1)
    await flanders.node.remind()
    said = capsys.readouterr().out
    assert (await late(flanders), "not followed" in said, "peer0" in said) == ({"peer0": 1}, True, True)
    assert "person" not in said, "the log of the node is kept, and names nobody"
    await denmark.pull(flanders)
    await flanders.pull(denmark, name="peer0")
    await flanders.node.remind()
    assert (await late(flanders), "not followed" in capsys.readouterr().out) == ({}, False)


async def test_a29_the_alarm_rings_once_a_day_in_metrics_and_for_those_who_log_in(erased, clock):
    flanders, _ = erased
    jobs = {job.id: getattr(job.trigger, "interval", None) for job in scheduler(flanders.node, set()).get_jobs()}
    assert jobs["erasures"] == timedelta(days=1)
    clock.forward(hours=73)
    await flanders.node.store.in_house.add_account("an", hashed("een lang wachtwoord"), created=timestamp(clock()))
    form = {"name": "an", "password": "een lang wachtwoord", "after": "/network"}
    async with aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True)) as session:
        async with session.get(f"{flanders.base}/metrics") as answer:
            assert 'procirc_erasures_overdue{peer="peer0"} 1.0' in await answer.text()
        async with session.get(f"{flanders.base}/network", headers={"Accept": "text/html"}) as answer:
            assert "72 hours" not in await answer.text()
        async with session.post(f"{flanders.base}/login", data=form) as answer:
            assert "ask its coordinator: Peer0 (1)" in await answer.text()
            assert answer.headers["Cache-Control"] == "private, no-store"


async def test_a29_a_peer_that_does_not_follow_this_node_has_nothing_to_erase(start_node, peer, clock):
    node = await start_node("flanders", peers=[peer.base])
    await node.publish(pilot("person"))
    await node.node.own.erase(f"{node.base}/records/pilot/person", {"nl": "Op verzoek."})
    clock.forward(hours=73)
    peer.publish("mill")
    assert await late(node) == {"peer0": 1}, "nobody knows what it holds"
    await node.pull(peer, name="peer0")
    assert await late(node) == {}


async def test_a29_an_erasure_stands_although_the_disk_refuses_to_scrub(start_node, monkeypatch):
    node = await start_node("flanders")
    await node.publish(pilot("person", title=CANARY))

    async def refused(engine):
        raise StorageFailed("The database refused: disk full.")

    with monkeypatch.context() as broken:
        broken.setattr("federation.store.store.scrub", refused)
        assert await node.node.own.erase(f"{node.base}/records/pilot/person", {"nl": "Op verzoek."}) == 2
        assert node.node.store.soiled
    await node.node.catch_up()
    assert (node.node.store.soiled, places_of(node, "Canaryvogel")) == (False, [])
    await assert_sound(node)


async def test_a30_erasures_are_counted_by_the_day_and_not_by_the_pull(node, peer, clock):
    names = [f"mill-{number}" for number in range(MOST + 20)]
    peer.publish(*names)
    await node.pull(peer)
    for name in names[:60]:
        peer.end(name, "erasure", version=2)
    assert (await node.pull(peer)).state == "active"
    for name in names[60:101]:
        peer.end(name, "erasure", version=2)
    pulled = await node.pull(peer)
    assert (pulled.state, pulled.reason) == ("blocked", "mass-erasure")
    assert "41 of the 181 entries held of its log, after 60 earlier today (UTC)" in pulled.detail
    clock.forward(days=1)
    assert (await node.pull(peer)).state == "active"
    for name in names[101:]:
        peer.end(name, "erasure", version=2)
    assert (await node.pull(peer)).state == "active"
    await assert_sound(node)


async def test_a30_what_a_coordinator_has_agreed_to_counts_for_no_day(node, peer):
    names = [f"mill-{number}" for number in range(MOST + 10)]
    peer.publish(*names)
    await node.pull(peer)
    for name in names[: MOST + 1]:
        peer.end(name, "erasure", version=2)
    assert (await node.pull(peer)).reason == "mass-erasure"
    await following.confirm(node.node, "peer", "")
    assert (await node.pull(peer)).state == "active"
    for name in names[MOST + 1 :]:
        peer.end(name, "erasure", version=2)
    assert (await node.pull(peer)).state == "active"
    await assert_sound(node)


async def test_a30_what_was_erased_before_it_came_here_counts_for_no_day(node, peer):
    names = [f"mill-{number}" for number in range(MOST + 1)]
    peer.publish(*names, "kept")
    for name in names:
        peer.end(name, "erasure", version=2)
    assert (await node.pull(peer)).state == "active"
    assert "kept" in await node.slugs(peer)
    await assert_sound(node)


async def test_a30_an_erasure_on_which_a_reader_failed_is_carried_out_once_it_is_understood(start_node, monkeypatch):
    flanders = await start_node("flanders")
    denmark = await start_node("denmark", peers=[flanders.base])
    await flanders.publish(pilot("mill", title=CANARY))
    await denmark.pull(flanders)
    await flanders.node.own.erase(f"{flanders.base}/records/pilot/mill", {"en": "A person asked for it."})
    understood = trust.understood

    def failing(body: str, *tools: object) -> object:
        if "erases" in body:
            raise ValueError("a defect of this version")
        return understood(body, *tools)

    with monkeypatch.context() as defect:
        defect.setattr(trust, "understood", failing)
        assert (await denmark.pull(flanders)).state == "active"
    log = await denmark.log_of(flanders)
    assert await denmark.slugs(flanders) == ["mill"]
    assert await denmark.node.reconsider() == {log.did: [2]}
    await denmark.node.catch_up()
    assert (await denmark.node.store.entries(log.id, 1, 2))[0].signed.body == ""
    assert await denmark.node.store.erasures(log.id) == {1: 2}
    assert await found(denmark, CANARY) == 0
    await assert_sound(denmark)


async def test_a29_what_a_stolen_key_published_can_be_erased(start_node):
    node = await start_node("flanders")
    await node.publish(pilot("mill"))
    await node.publish(pilot("leak", title=CANARY))  # by the thief
    other = await start_node("denmark", peers=[node.base])
    await other.pull(node)
    await custody.rotate(node.node, None, compromised_from=2)
    await node.node.own.erase(f"{node.base}/records/pilot/leak", {"en": "Personal data."})
    await other.pull(node)
    for each in (node, other):
        await each.node.catch_up()
        assert places_of(each, CANARY) == []
        await assert_sound(each)


async def test_a29_a_server_scrubs_what_another_process_erased_while_it_was_reading(start_node, clock, tools):
    node = await start_node("flanders")
    await node.publish(pilot("leak", title=CANARY), pilot("mill"))
    await node.node.catch_up()
    async with reading(node.node.store._engine) as connection:
        await connection.execute(sa.text("SELECT count(*) FROM entry"))
        async with nodes.open_node(node.config, clock=clock, width=1, tools=tools) as cli:
            await cli.own.erase(f"{node.base}/records/pilot/leak", {"en": "Personal data."})
    await node.node.catch_up()
    for path in node.config.data.glob("node.sqlite*"):
        assert CANARY.encode() not in path.read_bytes(), path
    assert not node.node.store.soiled
