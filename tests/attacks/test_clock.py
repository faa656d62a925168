"""A20, A22, A28: impossible times, a clock that is wrong, and a peer that was away for more than a year."""

from __future__ import annotations

from contextlib import AsyncExitStack, nullcontext
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import aiohttp
import pytest
from aiohttp import web
from structlog.testing import capture_logs

from federation.errors import WrongClock
from federation.limits import Limits
from federation.log import checkpoint as checkpoints
from federation.search import Request
from tests.attacks.invariants import assert_sound
from tests.conftest import START, FakeClock, pilot, simulated_peer


@pytest.fixture
async def node(start_node, peer):
    return await start_node("flanders", peers=[peer.base])


IMPOSSIBLE = {
    "a leap second": ("2026-06-30T23:59:60Z", "not-canonical"),
    "no zone": ("2026-11-22T09:00:00", "bad-page"),
    "the year 9999": ("9999-12-31T23:59:59Z", "bad-proof"),
    "another zone": ("2026-11-22T09:00:00+01:00", "bad-page"),
    "no such day": ("2026-02-30T09:00:00Z", "not-canonical"),
}


@pytest.mark.parametrize("case", IMPOSSIBLE)
async def test_a20_an_impossible_time_is_refused(node, peer, case):
    peer.publish("mill")
    (given, reason), time = IMPOSSIBLE[case], peer.entries[1].published
    peer.altering("/feed/0/0", lambda body: body.replace(f'"{time}"'.encode(), f'"{given}"'.encode()))
    pulled = await node.pull(peer)
    assert (pulled.state, pulled.reason) == ("blocked", reason)
    assert await node.slugs(peer) == []
    peer.honest()
    assert (await node.pull(peer)).state == "active"
    await assert_sound(node)


async def test_a20_an_entry_dated_back_behind_another_is_refused(node, peer, clock):
    peer.publish("mill")
    kept = list(peer.entries)
    peer.append(peer.body_of(pilot("early")), created="2026-11-22T08:59:59Z")
    pulled = await node.pull(peer)
    assert (pulled.state, pulled.reason) == ("blocked", "wrong-time")
    peer.entries = kept
    peer.publish("lock")
    assert (await node.pull(peer)).state == "active"
    assert await node.slugs(peer) == ["mill", "lock"]
    await assert_sound(node)


async def test_a20_a_record_may_claim_an_earlier_date_and_the_log_says_when_it_came(node, peer, clock):
    body = peer.body_of(pilot("old"))
    clock.forward(days=30)
    peer.append(body)
    assert (await node.pull(peer)).state == "active"
    log = await node.log_of(peer)
    entry = (await node.node.store.entries(log.id, 1, 2))[0]
    assert "2026-11-22T09:00:00Z" in entry.signed.body
    assert entry.published == "2026-12-22T09:00:00Z"
    await assert_sound(node)


async def test_a20_the_time_an_entry_was_received_here_is_kept_and_shown(start_node, clock):
    denmark = await start_node("denmark")
    node = await start_node("flanders", peers=[denmark.base])
    await denmark.publish(pilot("mill"))
    clock.forward(days=3)
    await node.pull(denmark)
    await denmark.publish(pilot("lock"))
    clock.forward(days=3)
    await node.pull(denmark)
    clock.forward(days=3)
    await node.pull(denmark)
    log, store = await node.log_of(denmark), node.node.store
    assert [await store.received(log.id, position) for position in range(3)] == [
        *("2026-11-25T09:00:00Z", "2026-11-25T09:00:00Z", "2026-11-28T09:00:00Z"),
    ]
    assert await denmark.node.store.received(denmark.node.log.id, 1) == ""
    page = await shown(f"{node.base}/peers/peer/records/pilot/lock?lang=en")
    assert "Received and checked here: 28 Nov 2026" in page
    assert "Received and checked here" not in await shown(f"{denmark.base}/records/pilot/lock?lang=en")
    await assert_sound(node)


async def test_a20_what_is_kept_but_not_yet_proved_was_not_received(start_node, peer, clock):
    node = await start_node("flanders", peers=[peer.base], limits=Limits(run_pages=1))
    peer.publish(*(f"mill-{number}" for number in range(110)))
    await node.pull(peer)
    log = await node.log_of(peer)
    assert (log.size, await node.node.store.received(log.id, 5)) == (100, "")
    clock.forward(days=1)
    await node.pull(peer)
    assert await node.node.store.received(log.id, 5) == "2026-11-23T09:00:00Z"
    await assert_sound(node)


async def shown(url: str) -> str:
    async with aiohttp.ClientSession() as session, session.get(url, headers={"Accept": "text/html"}) as answer:
        assert answer.status == 200
        return await answer.text()


async def test_a22_a_checkpoint_of_the_future_is_refused_until_its_time_comes(node, peer, clock):
    peer.clock = FakeClock(START + timedelta(minutes=6))
    pulled = await node.pull(peer)
    assert (pulled.state, pulled.reason) == ("blocked", "wrong-time")
    clock.forward(minutes=2)
    assert (await node.pull(peer)).state == "active"
    await assert_sound(node)


async def test_a22_a_clock_that_jumped_ahead_and_back_unseen_costs_that_time_and_nothing_else(start_node, clock):
    flanders = await start_node("flanders")
    denmark = await start_node("denmark", peers=[flanders.base])
    await flanders.publish(pilot("mill"))
    clock.forward(days=1)
    await flanders.publish(pilot("lock"))
    clock.forward(days=-1)
    with pytest.raises(WrongClock, match=r"signed its log at 2026-11-23T09:00:00Z already") as refused:
        await flanders.publish(pilot("dike"))
    assert "from 2026-11-23T08:55:00Z on" in refused.value.remedy
    assert await checkpoint_time(flanders) == START + timedelta(days=1)
    pulled = await denmark.pull(flanders)
    assert (pulled.state, pulled.reason) == ("blocked", "wrong-time")
    clock.forward(days=1)
    await flanders.publish(pilot("dike"))
    assert (await denmark.pull(flanders)).state == "active"
    assert await denmark.slugs(flanders) == ["mill", "lock", "dike"]
    for each in (flanders, denmark):
        await assert_sound(each)


async def checkpoint_time(node) -> datetime | None:
    """When the checkpoint that a node serves was signed."""
    async with aiohttp.ClientSession() as session, session.get(f"{node.base}/log/checkpoint") as answer:
        assert answer.status == 200
        return checkpoints.signed_at(await answer.text())


@pytest.fixture
async def peers(vocabulary, clock):
    """Three peers, whose clocks are right whatever happens to ours."""
    async with AsyncExitStack() as stack:
        made = [await stack.enter_async_context(simulated_peer(vocabulary, clock)) for _ in range(3)]
        for each in made:
            each.clock = FakeClock()
            each.publish("mill")
        yield made


async def pull_all(node, peers):
    for at, each in enumerate(peers):
        assert (await node.pull(each, f"peer{at}")).state == "active"


@pytest.fixture
async def ahead(start_node, peers, clock):
    """A node whose clock jumps a day ahead of those of its peers, after a pull that showed it to be right."""
    node = await start_node("flanders", peers=[each.base for each in peers])
    await node.publish(pilot("own"))
    await pull_all(node, peers)
    clock.forward(days=1)
    await pull_all(node, peers)
    return node


async def test_a22_nothing_is_signed_by_a_clock_a_day_ahead_of_those_of_the_peers(ahead, clock):
    iri = f"{ahead.base}/records/pilot/own"
    before = (await ahead.node.store.log(ahead.node.log.id)).checkpoint
    with pytest.raises(WrongClock, match=r"24 hours more than those of most peers") as refused:
        await ahead.publish(pilot("early"))
    assert refused.value.remedy.startswith("Set the clock of this machine from a time server")
    for ending in (ahead.node.own.withdraw, ahead.node.own.erase):
        with pytest.raises(WrongClock):
            await ending(iri, {"nl": "Te vroeg."})
    assert await checkpoint_time(ahead) == START
    assert (await ahead.node.store.log(ahead.node.log.id)).checkpoint == before
    await assert_sound(ahead)


async def test_a22_once_the_clock_is_right_again_the_node_publishes_by_itself(ahead, clock, start_node):
    clock.forward(days=-1, minutes=1)
    await ahead.publish(pilot("early"))
    denmark = await start_node("denmark", peers=[ahead.base])
    assert (await denmark.pull(ahead)).state == "active"
    assert await denmark.slugs(ahead) == ["own", "early"]
    for each in (ahead, denmark):
        await assert_sound(each)


async def test_a22_one_peer_of_three_whose_clock_is_wrong_keeps_nobody_from_publishing(start_node, peer, clock):
    others = [await start_node(name) for name in ("denmark", "norway")]
    node = await start_node("flanders", peers=[peer.base, *(each.base for each in others)])
    peer.clock = FakeClock(START - timedelta(days=2))
    for at, each in enumerate([peer, *others]):
        await node.pull(each, f"peer{at}")
    await node.publish(pilot("mill"))
    await assert_sound(node)


async def test_a22_two_peers_whose_clocks_are_wrong_keep_nobody_from_publishing(start_node, peers, clock):
    wrong = peers[:2]
    node = await start_node("flanders", peers=[each.base for each in wrong])
    for each in wrong:
        each.clock = FakeClock(START - timedelta(days=2))
    await pull_all(node, wrong)
    await node.publish(pilot("mill"))
    await assert_sound(node)


async def test_a22_a_time_that_does_not_come_from_the_peer_counts_for_nothing(start_node, peers, clock):
    node = await start_node("flanders", peers=[each.base for each in peers])
    await pull_all(node, peers)
    for each in peers:
        each.clock = FakeClock(START - timedelta(days=2))
        each.answering("/log/checkpoint", garbled)
    for at, each in enumerate(peers):
        assert (await node.pull(each, f"peer{at}")).state != "active"
    await node.publish(pilot("mill"))
    await assert_sound(node)


async def garbled(request):
    return web.Response(text="This is no checkpoint.\n", headers={"Date": "Sun, 01 Nov 2020 00:00:00 GMT"})


async def test_a22_what_is_signed_within_one_second_or_by_a_clock_that_lags_keeps_its_order(start_node, clock):
    node, times = await start_node("flanders"), []
    for step in (0, 0, -240, 241, 0):
        clock.forward(seconds=step)
        await node.publish(pilot(f"mill-{len(times)}"))
        times.append(await checkpoint_time(node))
    assert times == [START, START, START, START + timedelta(seconds=1), START + timedelta(seconds=1)]
    await assert_sound(node)


@pytest.mark.parametrize(("minutes", "refused"), [(-5, False), (-6, True)])
async def test_a22_a_log_signed_more_than_five_minutes_in_the_future_is_not_signed_on(
    start_node, clock, minutes, refused
):
    node = await start_node("flanders")
    await node.publish(pilot("mill"))
    clock.forward(minutes=minutes)
    with pytest.raises(WrongClock) if refused else nullcontext():
        await node.publish(pilot("lock"))
    clock.now = START
    await assert_sound(node)


def dated(peer, when: datetime):
    """The peer's own answers, said to be of another time."""

    async def answer(request):
        body, media_type = peer.content(request.path)
        return web.Response(body=body, headers={"Content-Type": media_type, "Date": format_datetime(when, usegmt=True)})

    return answer


@pytest.mark.parametrize(("seconds", "warned"), [(-121, 1), (-60, 0), (60, 0), (121, 1)])
async def test_a22_the_log_tells_when_our_clock_differs_from_that_of_the_peers(node, peer, seconds, warned):
    peer.answering("/", dated(peer, START + timedelta(seconds=seconds)))
    with capture_logs() as logged:
        for _ in range(3):
            assert (await node.pull(peer)).state == "active"
    said = [each for each in logged if each["event"] == "our clock differs from those of the peers"]
    assert [each["seconds_ahead"] for each in said] == [-seconds] * warned
    await assert_sound(node)


async def test_a28_a_peer_that_was_away_for_400_days_is_followed_again_by_itself(node, peer, clock):
    peer.publish("mill")
    await node.pull(peer)
    seen = clock()

    async def gone(request):
        request.transport.close()

    peer.answering("/", gone)
    follow = node.peer(peer.base)
    for _ in range(80):
        clock.forward(days=5)
        await node.node.pull(follow)
        log = await node.log_of(peer)
        state = (await node.node.store.peers.states())[log.id]
        assert state.state == "unreachable"
        assert clock() < datetime.fromisoformat(state.next_attempt).astimezone(UTC) <= clock() + timedelta(days=1)
    assert datetime.fromisoformat(state.last_success).astimezone(UTC) == seen
    assert (await node.node.search.search(Request("mill", "nl"))).total == 1
    peer.honest()
    for round_ in range(3):
        peer.publish(*(f"later-{round_}-{number}" for number in range(150)))
        peer.rotate()
    clock.forward(days=1)
    await node.node.pull(follow)
    log = await node.log_of(peer)
    assert (await node.node.store.peers.states())[log.id].state == "active"
    assert (log.verified_size, log.keys) == (2 + 3 * 151, peer.private.public)
    await assert_sound(node)


async def test_a22_a_date_without_anything_signed_stops_nobody(start_node, vocabulary, clock):
    async with AsyncExitStack() as stack:
        peers = [await stack.enter_async_context(simulated_peer(vocabulary, clock)) for _ in range(3)]
        node = await start_node("flanders", peers=[each.base for each in peers])
        for number, each in enumerate(peers):
            await node.pull(each, f"peer{number}")
        for log in await node.node.store.logs():
            if not log.own:
                await node.node.store.peers.update(log.id, etag='"x"')
        clock.forward(hours=1)

        async def carried(request):
            return web.Response(status=304, headers={"Date": format_datetime(clock() - timedelta(days=2), usegmt=True)})

        for number, each in enumerate(peers):
            each.answering("/log/checkpoint", carried)
            assert (await node.pull(each, f"peer{number}")).state == "active"
        await node.publish(pilot("after"))
        for each in peers:
            each.honest()
        await assert_sound(node)
