"""A20, A22, A28: impossible times, a clock that is wrong, and a peer that was away for more than a year."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from aiohttp import web
from structlog.testing import capture_logs

from federation.search import Request
from tests.attacks.invariants import assert_sound
from tests.conftest import START, FakeClock, pilot


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


async def test_a22_a_checkpoint_of_the_future_is_refused_until_its_time_comes(node, peer, clock):
    peer.clock = FakeClock(START + timedelta(minutes=6))
    pulled = await node.pull(peer)
    assert (pulled.state, pulled.reason) == ("blocked", "wrong-time")
    clock.forward(minutes=2)
    assert (await node.pull(peer)).state == "active"
    await assert_sound(node)


async def test_a22_a_clock_that_jumped_a_day_ahead_and_back_costs_a_day_and_nothing_else(start_node, clock):
    flanders = await start_node("flanders")
    denmark = await start_node("denmark", peers=[flanders.base])
    await flanders.publish(pilot("mill"))
    clock.forward(days=1)
    await flanders.publish(pilot("lock"))
    clock.forward(days=-1)
    await flanders.publish(pilot("dike"))
    pulled = await denmark.pull(flanders)
    assert (pulled.state, pulled.reason) == ("blocked", "wrong-time")
    clock.forward(days=1)
    assert (await denmark.pull(flanders)).state == "active"
    assert await denmark.slugs(flanders) == ["mill", "lock", "dike"]
    for each in (flanders, denmark):
        await assert_sound(each)


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
        state = (await node.node.store.peer_states())[log.id]
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
    assert (await node.node.store.peer_states())[log.id].state == "active"
    assert (log.verified_size, log.keys) == (2 + 3 * 151, peer.private.public)
    await assert_sound(node)
