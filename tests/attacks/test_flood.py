"""A31: a peer that publishes more than anybody wants to read."""

from __future__ import annotations

import json

import aiohttp
import pytest
from aiohttp import web
from structlog.testing import capture_logs

from federation.errors import StorageFailed
from federation.feed import PAGE
from federation.limits import Limits
from federation.log import checkpoint as checkpoints
from federation.log import did, forks
from federation.records.canonical import MAX_BODY, PC, TYPE, XSD
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


async def test_a31_a_log_that_always_grows_faster_than_a_run_reads_is_shown_all_the_same(node, peer):
    shown = []
    for round_ in range(5):
        peer.publish(*(f"mill-{round_}-{number}" for number in range(3 * PAGE)))
        pulled = await node.pull(peer)
        assert (pulled.state, pulled.reason) == ("lagging", "run-limit")
        shown.append((await node.log_of(peer)).verified_size)
        await assert_sound(node)
    assert shown == sorted(shown)
    assert shown[1] == 3 * PAGE + 1
    assert shown[-1] > 6 * PAGE


async def test_a31_the_checkpoint_that_was_begun_with_is_kept_while_the_log_grows(node, peer):
    peer.publish(*(f"mill-{number}" for number in range(3 * PAGE)))
    await node.pull(peer)
    assert (await node.log_of(peer)).verified_size == 0
    peer.publish(*(f"lock-{number}" for number in range(3 * PAGE)))
    peer.requests.clear()
    await node.pull(peer)
    assert (await node.log_of(peer)).verified_size == 3 * PAGE + 1
    assert "/feed/0/1" not in peer.requests, "what is here already is not fetched again"


async def test_a31_keys_that_changed_behind_the_kept_checkpoint_are_followed(node, peer):
    names = [f"mill-{number}" for number in range(3 * PAGE)]
    peer.publish(*names)
    await node.pull(peer)
    peer.rotate()
    later = [f"lock-{number}" for number in range(3 * PAGE)]
    peer.publish(*later)
    states = [(await node.pull(peer)).state for _ in range(3)]
    assert states == ["lagging", "lagging", "active"]
    assert await node.slugs(peer) == [*names, *later]
    await assert_sound(node)


async def test_a31_what_is_erased_behind_the_kept_checkpoint_holds_nothing_up(node, peer):
    names = [f"mill-{number}" for number in range(3 * PAGE)]
    peer.publish(*names)
    await node.pull(peer)
    peer.end("mill-250", "erasure", version=2)
    states = []
    while not states or states[-1] == "lagging":
        states.append((await node.pull(peer)).state)
        await assert_sound(node)
    assert states[-1] == "active"
    assert "mill-250" in (await node.slugs(peer))[-1]
    assert len(await node.slugs(peer)) == len(names)


async def test_a31_a_second_checkpoint_of_the_size_that_is_headed_for_is_a_fork(node, peer):
    peer.publish(*(f"mill-{number}" for number in range(3 * PAGE)))
    await node.pull(peer)
    peer.entries.pop()
    peer.publish("lock")
    pulled = await node.pull(peer)
    assert (pulled.state, pulled.reason) == ("forked", "forked")
    log = await node.log_of(peer)
    fork = forks.checked(json.loads((await node.node.store.peers.states())[log.id].evidence))
    assert [each.checkpoint.size for each in (fork.first, fork.second)] == [3 * PAGE + 1] * 2
    await assert_sound(node)


async def test_a31_a_peer_whose_log_became_shorter_than_that_is_followed_as_it_is(node, peer):
    names = [f"mill-{number}" for number in range(3 * PAGE)]
    peer.publish(*names)
    await node.pull(peer)
    del peer.entries[-30:]
    assert (await node.pull(peer)).state == "active"
    assert await node.slugs(peer) == names[:-30]
    await assert_sound(node)


DAILY = Limits(day_entries=100, run_pages=50)


@pytest.fixture
async def frugal(start_node, peer):
    """A node that has the first copy of the peer's log, and takes a hundred entries of it a day."""
    node = await start_node("flanders", peers=[peer.base], limits=DAILY)
    peer.publish("first")
    assert (await node.pull(peer)).state == "active"
    return node


async def detail_of(node, peer) -> str:
    listed = await peer_list(node)
    return next(each["detail"] for each in listed if each["url"] == peer.base)


async def peer_list(node) -> list[dict]:
    async with aiohttp.ClientSession() as session, session.get(f"{node.base}/api/peers") as answer:
        return (await answer.json())["peers"]


async def test_a31_over_the_quota_of_a_day_a_peer_lags_and_goes_on_the_next(frugal, peer, clock):
    names = [f"mill-{number}" for number in range(250)]
    peer.publish(*names)
    held = []
    for _ in range(2):
        for _ in range(3):
            pulled = await frugal.pull(peer)
            assert (pulled.state, pulled.reason) == ("lagging", "quota")
            assert "the next day (UTC) goes on" in await detail_of(frugal, peer)
        held.append((await frugal.log_of(peer)).size)
        clock.forward(days=1)
    assert held == [101, 201]
    assert (await frugal.pull(peer)).state == "active"
    assert await frugal.slugs(peer) == ["first", *names]
    await assert_sound(frugal)


async def test_a31_at_four_fifths_of_a_quota_the_coordinator_is_told_once(frugal, peer, clock):
    peer.publish(*(f"mill-{number}" for number in range(78)))
    with capture_logs() as logged:
        assert (await frugal.pull(peer)).state == "active"
        assert await detail_of(frugal, peer) == ""
        peer.publish("lock")
        assert (await frugal.pull(peer)).state == "active"
        assert "80 of 100 entries" in await detail_of(frugal, peer)
        peer.publish("dike")
        assert (await frugal.pull(peer)).state == "active"
        assert "81 of 100 entries" in await detail_of(frugal, peer)
    said = [each for each in logged if each["event"] == "a peer has brought most of what it may on one day"]
    assert [each["peer"] for each in said] == ["peer"]
    clock.forward(days=1)
    assert (await frugal.pull(peer)).state == "active"
    assert await detail_of(frugal, peer) == ""
    await assert_sound(frugal)


async def test_a31_the_bytes_of_a_day_have_a_quota_of_their_own(start_node, peer, clock):
    node = await start_node("flanders", peers=[peer.base], limits=Limits(day_bytes=200_000))
    peer.publish("first")
    await node.pull(peer)
    names = [f"mill-{number}" for number in range(5 * PAGE)]
    peer.publish(*names)
    sizes, states = [], []
    while not states or states[-1] != ("active", ""):
        pulled = await node.pull(peer)
        states.append((pulled.state, pulled.reason))
        sizes.append((await node.log_of(peer)).size)
        clock.forward(days=1)
    assert set(states[:-1]) == {("lagging", "quota")}
    assert sizes[0] < 3 * PAGE
    assert await node.slugs(peer) == ["first", *names]
    await assert_sound(node)


async def test_a31_of_the_first_copy_of_a_log_a_tenth_counts(start_node, peer):
    names = [f"mill-{number}" for number in range(350)]
    peer.publish(*names)
    node = await start_node("flanders", peers=[peer.base], limits=DAILY)
    assert (await node.pull(peer)).state == "active"
    assert await node.slugs(peer) == names
    (state,) = (await node.node.store.peers.states()).values()
    assert state.entries == 351 // 10 + 1
    peer.publish("lock")
    assert (await node.pull(peer)).state == "active"
    await assert_sound(node)


async def test_a31_a_first_copy_that_never_ends_comes_under_a_quota(start_node, peer):
    node = await start_node("flanders", peers=[peer.base], limits=Limits(day_entries=20, run_pages=2))
    peer.publish(*(f"mill-{number}" for number in range(500)))
    origin = checkpoints.origin_of(did.host_of(peer.base))

    def endless(_: bytes) -> bytes:
        return checkpoints.sign(origin, 10**17, b"\1" * 32, peer.private.log, now=peer.clock()).encode()

    peer.altering("/log/checkpoint", endless)
    reasons = [(await node.pull(peer)).reason for _ in range(5)]
    assert reasons[-1] == "quota"
    assert (await node.log_of(peer)).size == 200
    assert await node.slugs(peer) == []


async def test_a31_sections_without_pages_are_counted_like_pages(start_node, peer):
    node = await start_node("flanders", peers=[peer.base], limits=Limits(run_pages=5))
    peer.publish("mill")
    root, tree = f"{peer.base}/feed", "https://w3id.org/tree#"
    asked: list[str] = []

    async def feed(request):
        asked.append(request.path)
        lines = []
        for number in range(500 if request.path == "/feed" else 0):
            relation = f"<{root}#r{number}>"
            lines += [
                f"<{root}> <{tree}relation> {relation} .",
                f"{relation} <{TYPE}> <{tree}LessThanRelation> .",
                f"{relation} <{tree}node> <{root}/{number}> .",
                f"{relation} <{tree}path> <{PC}position> .",
                f'{relation} <{tree}value> "900"^^<{XSD}integer> .',
            ]
        return web.Response(text="".join(f"{line}\n" for line in lines), content_type="application/n-quads")

    peer.answering("/feed", feed)
    pulled = await node.pull(peer)
    assert (pulled.state, pulled.reason) == ("lagging", "run-limit")
    assert len(asked) == 1 + 5
    peer.honest()
    assert (await node.pull(peer)).state == "active"
    await assert_sound(node)


async def test_a31_the_disk_is_looked_at_before_every_few_pages(start_node, peer, monkeypatch):
    node = await start_node("flanders", peers=[peer.base], limits=Limits(reserve_bytes=1_000_000))
    peer.publish(*(f"mill-{number}" for number in range(1_500)))
    free = iter([1_100_000, 1_100_000])
    usage = type("Usage", (), {"free": property(lambda self: next(free, 999_999))})
    monkeypatch.setattr("shutil.disk_usage", lambda path: usage())
    with pytest.raises(StorageFailed, match="999,999 bytes left"):
        await node.pull(peer)
    assert 0 < (await node.log_of(peer)).size < 1_500
    monkeypatch.undo()
    assert (await node.pull(peer)).state == "active"
    await assert_sound(node)


async def test_a31_what_was_taken_is_counted_over_a_restart(start_node, peer):
    node = await start_node("flanders", peers=[peer.base], limits=DAILY)
    peer.publish("first")
    await node.pull(peer)
    peer.publish(*(f"mill-{number}" for number in range(90)))
    assert (await node.pull(peer)).state == "active"
    await node.stop()
    node = await start_node("flanders", peers=[peer.base], limits=DAILY)
    peer.publish(*(f"lock-{number}" for number in range(20)))
    assert (await node.pull(peer)).reason == "quota"
    assert (await node.log_of(peer)).size == 101
    await assert_sound(node)


async def test_a31_what_is_not_believed_is_counted_as_well(start_node, peer):
    node = await start_node("flanders", peers=[peer.base], limits=Limits(day_bytes=200_000, page_bytes=150_000))
    peer.publish("first")
    await node.pull(peer)
    peer.publish("mill")
    peer.altering("/feed/0/0", lambda body: body + b"no statement\n" * 5_000)
    states = [(await node.pull(peer)).reason for _ in range(4)]
    assert states[0] != "quota"
    assert states[-1] == "quota"
    peer.honest()
    node.clock.forward(days=1)
    assert (await node.pull(peer)).state == "active"
    assert await node.slugs(peer) == ["first", "mill"]
    await assert_sound(node)
