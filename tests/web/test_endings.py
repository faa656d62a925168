"""Withdrawn and erased records over HTTP: who, when and why, and pages of the feed that change their address."""

from __future__ import annotations

import aiohttp
import pytest

from federation.feed import PAGE
from federation.web.keys import FEED
from tests.conftest import pilot

REASON = {"nl": "Dubbel ingevoerd.", "en": "Entered twice."}


async def get(url: str, accept: str = "text/html", **options):
    async with aiohttp.ClientSession() as session:
        return await _get(session, url, accept, **options)


async def _get(session, url, accept, **options):
    async with session.get(url, headers={"Accept": accept}, **options) as answer:
        return answer.status, await answer.text(), answer.headers


@pytest.mark.parametrize(
    ("language", "words"),
    [
        ("nl", ["ingetrokken", "Dubbel ingevoerd."]),
        ("en", ["withdrawn", "Entered twice."]),
        ("da", ["trukket tilbage"]),
    ],
)
async def test_a_withdrawn_record_says_who_when_and_why(start_node, language, words):
    node = await start_node("flanders")
    await node.publish(pilot("mill"))
    await node.node.own.withdraw(f"{node.base}/records/pilot/mill", REASON)
    status, text, _ = await get(f"{node.base}/records/pilot/mill?lang={language}")
    assert status == 410
    assert all(each in text for each in [*words, "Flanders"])


async def test_a_peer_shows_the_tombstone_too(start_node):
    flanders = await start_node("flanders")
    await flanders.publish(pilot("mill"))
    denmark = await start_node("denmark", peers=[flanders.base])
    await flanders.node.own.erase(f"{flanders.base}/records/pilot/mill", REASON)
    await denmark.pull(flanders)
    status, text, _ = await get(f"{denmark.base}/peers/peer/records/pilot/mill?lang=en")
    assert (status, "erased" in text, "Entered twice." in text) == (410, True, True)


async def test_a_program_gets_a_problem_document(start_node):
    node = await start_node("flanders")
    await node.publish(pilot("mill"))
    await node.node.own.withdraw(f"{node.base}/records/pilot/mill", REASON)
    status, text, headers = await get(f"{node.base}/records/pilot/mill", "application/ld+json")
    assert (status, headers["Content-Type"].partition(";")[0]) == (410, "application/problem+json")
    assert "Entered twice." in text


async def test_an_erased_entry_is_gone_and_its_hash_is_told(start_node):
    node = await start_node("flanders")
    await node.publish(pilot("mill"))
    (entry,) = await node.node.store.entries(node.node.log.id, 1, 2)
    await node.node.own.erase(f"{node.base}/records/pilot/mill", REASON)
    status, text, _ = await get(f"{node.base}/log/1", "application/json")
    assert (status, entry.leaf.hex() in text) == (410, True)
    assert (await get(f"{node.base}/log/2", "application/json"))[0] == 200


async def test_a_full_page_gets_a_new_address_when_something_on_it_is_erased(start_node):
    node = await start_node("flanders")
    await node.publish(*(pilot(f"mill-{number}") for number in range(PAGE)))
    quads = "application/n-quads"
    before = (await get(f"{node.base}/feed/0/0", quads))[1]
    await node.node.own.erase(f"{node.base}/records/pilot/mill-7", REASON)
    await node.app[FEED].changed()
    status, _, headers = await get(f"{node.base}/feed/0/0", quads, allow_redirects=False)
    assert (status, headers["Location"]) == (301, "/feed/0/0-1")
    status, after, headers = await get(f"{node.base}/feed/0/0-1", quads)
    assert (status, "immutable" in headers["Cache-Control"]) == (200, True)
    assert ('"Pilot mill-7"' in before, '"Pilot mill-7"' in after, after.count("leafHash")) == (True, False, 1)
    assert f"<{node.base}/feed/0-1>" in (await get(f"{node.base}/feed", quads))[1]
    assert f"<{node.base}/feed/0/0-1>" in (await get(f"{node.base}/feed/0-1", quads))[1]
    for path in ("/feed/0/0-2", "/feed/0-2", "/feed/0/0-01", "/feed/0/0-"):
        assert (await get(node.base + path, quads))[0] == 404


async def test_a_mirror_serves_the_very_pages_of_its_peer(start_node):
    flanders = await start_node("flanders")
    await flanders.publish(*(pilot(f"mill-{number}") for number in range(PAGE + 5)))
    denmark = await start_node("denmark", peers=[flanders.base])
    await denmark.pull(flanders)
    host, quads = flanders.base.removeprefix("http://"), "application/n-quads"
    for path in ("/feed/0", "/feed/0/0", "/feed/0/1"):
        mirrored = await get(f"{denmark.base}/mirror/{host}{path}", quads)
        assert mirrored[1] == (await get(flanders.base + path, quads))[1]
    assert (await get(f"{denmark.base}/mirror/{host}/log/checkpoint"))[1] == (
        await get(f"{flanders.base}/log/checkpoint")
    )[1]
    assert (await get(f"{denmark.base}/mirror/nowhere.example/feed", quads))[0] == 404


async def test_the_checkpoint_tells_when_there_is_news_of_others(start_node):
    flanders = await start_node("flanders")
    denmark = await start_node("denmark", peers=[flanders.base])
    before = (await get(f"{denmark.base}/log/checkpoint"))[2]["Log-Seen"]
    await denmark.pull(flanders)
    after = (await get(f"{denmark.base}/log/checkpoint"))[2]["Log-Seen"]
    assert before != after
    status, text, _ = await get(f"{denmark.base}/log/seen", "application/json")
    assert (status, flanders.config.did in text) == (200, True)
