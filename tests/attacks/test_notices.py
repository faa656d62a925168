"""A18: what readers are told while a region's node is silent, in doubt or away."""

from __future__ import annotations

import asyncio

import aiohttp
import pytest
from aiohttp import web

from federation.limits import Limits
from federation.log.times import timestamp
from tests.conftest import pilot

SENTENCES = {
    "stale": "has confirmed nothing new since 22 November 2026",
    "forked": "has signed two different histories, noticed on 22 November 2026",
    "regressed": "has been shorter than before since 22 November 2026",
    "key-mismatch": "has shown keys that nobody has confirmed since 22 November 2026",
}


@pytest.fixture
async def node(start_node, peer):
    node = await start_node("flanders", peers=[peer.base])
    peer.publish("mill")
    await node.publish(pilot("own"))
    await node.pull(peer, name="peer0")
    return node


async def asked(node, path: str, accept: str = "text/html", lang: str = "en") -> str:
    headers = {"Accept": accept, "Accept-Language": lang}
    async with aiohttp.ClientSession() as session, session.get(node.base + path, headers=headers) as answer:
        assert answer.status == 200
        return await answer.text()


async def notices(node, query: str = "") -> list[dict]:
    async with aiohttp.ClientSession() as session, session.get(f"{node.base}/api/search{query}") as answer:
        return (await answer.json())["notices"]


async def put(node, peer, state: str) -> None:
    log = await node.log_of(peer)
    await node.node.store.peers.update(log.id, state=state, since=timestamp(node.clock()))


async def test_a18_nothing_is_said_of_peers_that_are_well(node):
    assert await notices(node) == []
    assert "notices" not in await asked(node, "/search")


@pytest.mark.parametrize("state", SENTENCES)
async def test_a18_readers_are_told_at_once_of_a_region_in_doubt(node, peer, state):
    await put(node, peer, state)
    (notice,) = await notices(node)
    assert {key: notice[key] for key in ("node", "state", "since")} == {
        "node": "peer0",
        "state": state,
        "since": "2026-11-22T09:00:00Z",
    }
    assert "Peer0" in notice["text"]
    assert SENTENCES[state] in notice["text"]
    for path in ("/search", "/search?q=pilot", "/peers/peer0/records/pilot/mill"):
        assert notice["text"] in await asked(node, path)


@pytest.mark.parametrize("state", ["unreachable", "blocked"])
async def test_a18_readers_are_told_of_a_peer_that_is_away_only_after_three_days(node, peer, clock, state):
    await put(node, peer, state)
    clock.forward(hours=72)
    assert await notices(node) == []
    clock.forward(seconds=1)
    assert [each["node"] for each in await notices(node)] == ["peer0"]
    assert "since 22 November 2026" in await asked(node, "/peers/peer0/records/pilot/mill")


async def test_a18_a_peer_that_really_freezes_is_told_of_and_no_more_once_it_signs_again(node, peer, clock):
    body, _ = peer.content("/log/checkpoint")
    peer.altering("/log/checkpoint", lambda _: body)
    clock.forward(hours=73)
    assert (await node.pull(peer, name="peer0")).state == "stale"
    assert [each["state"] for each in await notices(node)] == ["stale"]
    peer.honest()
    assert (await node.pull(peer, name="peer0")).state == "active"
    assert await notices(node) == []


async def test_a18_only_regions_with_results_are_told_of(node, peer):
    await put(node, peer, "stale")
    assert await notices(node, "?node=flanders") == []
    assert await notices(node, "?q=nothingatall") == []
    assert len(await notices(node, "?node=peer0&limit=0")) == 1
    assert "confirmed nothing" not in await asked(node, "/records/pilot/own")


async def test_a18_the_sentence_is_in_the_language_of_the_reader(node, peer):
    await put(node, peer, "stale")
    assert "heeft sinds 22 november 2026 niets nieuws bevestigd" in await asked(node, "/search", lang="nl")


async def gone(request: web.Request) -> web.Response:
    request.transport.close()
    return web.Response()


async def nonsense(request: web.Request) -> web.Response:
    return web.Response(text="nonsense")


async def stuck(request: web.Request) -> web.Response:
    await asyncio.sleep(1)
    return web.Response(text="late")


async def test_a18_a_peer_that_fails_now_so_and_now_so_has_failed_all_the_time(node, peer, clock):
    for day in range(4):
        clock.forward(hours=25)
        peer.answering("/", nonsense if day % 2 else gone)
        await node.pull(peer, name="peer0")
    (notice,) = await notices(node)
    assert (notice["state"], notice["since"]) == ("blocked", "2026-11-22T09:00:00Z")


async def test_a18_a_peer_that_lets_no_run_end_is_told_of_as_well(start_node, peer, clock):
    node = await start_node("flanders", peers=[peer.base], limits=Limits(run_seconds=0.3))
    peer.publish("mill")
    await node.pull(peer, name="peer0")
    peer.answering("/log/checkpoint", stuck)
    for hours in (25, 50):
        clock.forward(hours=hours)
        assert (await node.pull(peer, name="peer0")).state == "lagging"
    (notice,) = await notices(node)
    assert notice["state"] == "lagging"
    assert "has confirmed nothing new since 22 November 2026" in notice["text"]
