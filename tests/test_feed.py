"""The feed: a page holds exactly what the log holds, and a closed one never changes."""

from __future__ import annotations

import asyncio
from itertools import pairwise
from typing import Any

import aiohttp
import pyoxigraph
import pytest

from federation.errors import NotFound
from federation.feed import PAGE, SECTION, Feed, Format, Place, render, root_triples, section_triples
from federation.peers.ldes import in_order, read_page
from federation.records.canonical import AS, LDES, PC, TREE, XSD
from federation.web.feed import FOR_GOOD
from federation.web.keys import FEED
from tests.conftest import pilot

PLACE = Place("https://flanders.example", 300)
BASE = PLACE.base


def links(triples, subject):
    found = {o for s, p, o in triples if s == subject and p == TREE + "relation"}
    return {o for s, p, o in triples if s in found and p == TREE + "node"}


@pytest.mark.parametrize("size", [1, 99, 100, 101, 9_999, 10_000, 10_001, 25_350])
def test_every_position_is_reached_over_exactly_one_path(size):
    root = root_triples(PLACE, size)
    parents: dict[str, int] = {}
    covered: list[tuple[int, int]] = []
    page = read_page(render(PLACE, root, (), Format.NQUADS), url=PLACE.root, base=BASE)
    for relation in page.relations:
        parents[relation.node] = parents.get(relation.node, 0) + 1
        if relation.upper is None:
            covered.append((relation.lower, size))
            continue
        section = int(relation.node.rsplit("/", 1)[1])
        inner = read_page(
            render(PLACE, section_triples(PLACE, section, size), (), Format.NQUADS),
            url=relation.node, base=BASE,
        )  # fmt: skip
        for each in inner.relations:
            parents[each.node] = parents.get(each.node, 0) + 1
            covered.append((each.lower, each.upper))
    covered.sort()
    assert set(parents.values()) == {1}
    assert covered[0][0] == 0
    assert covered[-1][1] == size
    assert all(a[1] == b[0] for a, b in pairwise(covered))


def test_a_full_section_is_immutable_and_one_that_grows_is_not():
    full = section_triples(PLACE, 0, PAGE * SECTION)
    growing = section_triples(PLACE, 0, PAGE * 3)
    assert any(p == LDES + "immutable" for _, p, _ in full)
    assert not any(p == LDES + "immutable" for _, p, _ in growing)


def test_there_is_no_section_before_its_first_page_is_full():
    with pytest.raises(NotFound):
        section_triples(PLACE, 0, PAGE - 1)


def test_the_root_names_the_paths_and_the_polling_interval():
    said = {(p, str(o) if isinstance(o, str) else o.value) for s, p, o in root_triples(PLACE, 5) if s == PLACE.stream}
    assert (LDES + "sequencePath", PC + "position") in said
    assert (LDES + "timestampPath", AS + "published") in said
    assert (LDES + "versionOfPath", AS + "object") in said
    assert (LDES + "pollingInterval", "300") in said


def test_the_links_that_may_hold_wanted_positions_come_in_the_order_of_the_log():
    page = read_page(render(PLACE, root_triples(PLACE, 20_150), (), Format.NQUADS), url=PLACE.root, base=BASE)
    wanted = in_order(page.relations, start=10_000, stop=20_150)
    assert [relation.lower for relation in wanted] == [10_000, 20_000, 20_100]


async def get(url: str, **headers: str) -> tuple[int, bytes, Any]:
    async with (
        aiohttp.ClientSession(auto_decompress=True) as session,
        session.get(url, headers={k.replace("_", "-"): v for k, v in headers.items()}) as response,
    ):
        return response.status, await response.read(), response.headers.copy()


async def filled(start_node, count: int):
    node = await start_node("flanders")
    await node.publish(*(pilot(f"p{at}") for at in range(count)))
    return node


async def test_a_page_holds_exactly_what_the_log_holds(start_node):
    node = await filled(start_node, 5)
    _, body, _ = await get(f"{node.base}/feed/0/0", Accept="application/n-quads")
    page = read_page(body, url=f"{node.base}/feed/0/0", base=node.base)
    entries = await node.node.store.entries(node.node.log.id, 0, 99)
    assert [claim.signed for claim in page.claims] == [entry.signed for entry in entries]
    assert [claim.position for claim in page.claims] == list(range(6))


async def test_every_form_of_a_page_says_the_same(start_node):
    node = await filled(start_node, 3)
    graphs = []
    for form in Format:
        _, body, headers = await get(f"{node.base}/feed/0/0", Accept=form.value)
        assert headers["Content-Type"].startswith(form.value)
        data = pyoxigraph.Dataset(pyoxigraph.parse(body, format=pyoxigraph.RdfFormat.from_media_type(form.value)))
        data.canonicalize(pyoxigraph.CanonicalizationAlgorithm.RDFC_1_0)
        graphs.append({str(quad) for quad in data})
    assert graphs[0] == graphs[1] == graphs[2]
    assert any(f"{XSD}dateTime" in quad for quad in graphs[0])


async def test_a_page_is_the_same_bytes_on_every_request(start_node):
    node = await filled(start_node, PAGE + 3)
    for path in ("/feed", "/feed/0", "/feed/0/0", "/feed/0/1"):
        for form in Format:
            first, second = [await get(node.base + path, Accept=form.value) for _ in range(2)]
            assert first[1] == second[1]
            assert first[2]["ETag"] == second[2]["ETag"]


async def test_a_closed_page_stays_as_it_is_while_the_log_grows(start_node):
    node = await filled(start_node, PAGE - 1)
    before = await get(f"{node.base}/feed/0/0", Accept="application/trig")
    assert before[2]["Cache-Control"] == FOR_GOOD
    await node.publish(*(pilot(f"q{at}") for at in range(10)))
    assert (await get(f"{node.base}/feed/0/0", Accept="application/trig"))[1] == before[1]
    _, _, headers = await get(f"{node.base}/feed/0/1")
    assert "immutable" not in headers["Cache-Control"]


async def test_a_page_the_client_has_is_answered_with_304(start_node):
    node = await filled(start_node, 1)
    for encoding in ("gzip", "identity"):
        _, _, headers = await get(f"{node.base}/feed/0/0", Accept_Encoding=encoding)
        status, body, _ = await get(f"{node.base}/feed/0/0", Accept_Encoding=encoding, If_None_Match=headers["ETag"])
        assert (status, body) == (304, b"")


async def test_every_form_and_encoding_has_a_strong_tag_of_its_own(start_node):
    node = await filled(start_node, 1)
    tags = set()
    for form in Format:
        for encoding in ("gzip", "identity"):
            _, _, headers = await get(f"{node.base}/feed/0/0", Accept=form.value, Accept_Encoding=encoding)
            assert headers["Vary"] == "Accept, Accept-Encoding"
            tags.add(headers["ETag"])
    assert len(tags) == 6
    assert not any(tag.startswith("W/") for tag in tags)


@pytest.mark.parametrize("path", ["/feed/1", "/feed/0/1", "/feed/0/100", "/feed/00/0", "/feed/x/0", "/feed/0/-1"])
async def test_pages_that_are_not_there_are_404(start_node, path):
    node = await filled(start_node, 1)
    assert (await get(node.base + path))[0] == 404


async def test_final_pages_are_kept_ready_within_their_memory(start_node):
    node = await filled(start_node, 2 * PAGE)
    kept = node.app[FEED]
    rendered = await kept.page(0, Format.TRIG)
    assert kept.ready(0, 0, Format.TRIG) is rendered
    kept._room = len(rendered.zipped) // 2
    await kept.page(1, Format.TRIG)
    assert kept.ready(0, 0, Format.TRIG) is None


async def test_a_page_that_several_ask_for_at_once_takes_its_memory_once(start_node):
    node = await filled(start_node, 4 * PAGE)
    size = len((await node.app[FEED].page(0, Format.TRIG)).zipped)
    feed = Feed(node.node.store, node.node.log.id, node.app[FEED].place, cache_bytes=3 * size)
    for number in range(4):
        await asyncio.gather(*(feed.page(number, Format.TRIG) for _ in range(6)))
    assert [number for number in range(4) if feed.ready(number, 0, Format.TRIG)] in ([2, 3], [1, 2, 3])
