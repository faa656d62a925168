"""Is the process alive, and can it serve?"""

from __future__ import annotations

import aiohttp

from federation import node as nodes
from federation.serving import serving
from federation.web.keys import READY
from tests.conftest import free_port, pilot
from tests.web.conftest import Site


def test_a_running_node_says_that_it_lives(site: Site):
    answer = site.get("/health/live")
    assert (answer.status, answer.json) == (200, {"status": "live"})


def test_a_node_that_has_caught_up_is_ready(site: Site):
    answer = site.get("/health/ready")
    assert (answer.status, answer.json) == (200, {"status": "ready", "for": []})


async def test_a_node_whose_index_is_behind_says_what_it_waits_for(start_node):
    node = await start_node("flanders")
    async with aiohttp.ClientSession() as session, session.get(f"{node.base}/health/ready") as answer:
        assert answer.status == 503
        assert (await answer.json()) == {"status": "waiting", "for": ["the index is catching up"]}


async def test_a_served_node_becomes_ready_by_itself_and_has_indexed_its_records(start_node, tools):
    first = await start_node("flanders")
    await first.publish(pilot("mill"))
    moved = first.config.model_copy(update={"listen": f"127.0.0.1:{free_port()}"})
    await first.stop()
    async with nodes.open_node(moved, clock=first.clock, width=1, tools=tools) as again, serving(again) as app:
        assert app[READY] == []
        base = f"http://{moved.listen}"
        async with aiohttp.ClientSession() as session:
            async with session.get(f"{base}/health/ready") as answer:
                assert answer.status == 200
            async with session.get(f"{base}/api/search") as answer:
                assert (await answer.json())["total"] == 1
