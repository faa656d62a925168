"""How things stand, on pages and in answers: derived anew each time, never stored."""

from __future__ import annotations

import asyncio
from typing import Any

import aiohttp

from federation.records.draft import Draft
from tests.conftest import TestNode, pilot
from tests.web.markup import Page

TOWN = Draft("organisation", "town", {"title": {"en": "Town"}, "country": "BE", "role": "procurer", "language": "en"})
DEAL = Draft(
    "initiative", "deal",
    {"title": {"en": "A deal"}, "language": "en", "initiativeKind": "green-deal", "start": "2017", "end": "2030"},
)  # fmt: skip
PROMISE = Draft(
    "commitment", "promise",
    {
        "title": {"en": "Two pilots"}, "language": "en", "organisation": "town", "initiative": "deal",
        "commitmentRole": "procurer", "signedOn": "2020", "promised": 2, "promisedKind": "procurement-pilot",
        "due": "2030", "fulfilledBy": ["one", "two"],
    },
)  # fmt: skip


HTML = {"Accept": "text/html"}


def figures(value: int) -> list[dict[str, Any]]:
    shared = {"indicator": "waste-avoided", "observationRole": "measured", "unit": "kg", "evidenceLevel": "claimed"}
    return [{"slug": "waste", "value": value, **shared}]


def counted(slug: str, value: int) -> Draft:
    return pilot(
        slug, procurer="town", pilotKind="procurement-pilot", start="2019", partOf="deal", observation=figures(value)
    )


def opportunity(slug: str, closes: str) -> Draft:
    values = {
        "title": {"en": f"Desks {slug}"}, "language": "en", "opportunityKind": "open-contract", "procurer": "town",
        "need": {"en": "A place to sit."}, "closesOn": closes,
    }  # fmt: skip
    return Draft("opportunity", slug, values)


async def page(node: TestNode, path: str) -> str:
    async with (
        aiohttp.ClientSession() as session,
        session.get(node.base + path, headers=HTML) as got,
    ):
        assert got.status == 200
        return " ".join(Page(await got.text()).one("main").text.split())


async def test_a_commitment_shows_what_counts_and_is_met_as_soon_as_it_is(start_node):
    node = await start_node("flanders")
    await node.publish(TOWN, DEAL, PROMISE, counted("one", 10))
    before = await page(node, "/records/commitment/promise?lang=en")
    assert "Fulfilment: Partly met" in before
    assert "1 of 2 promised" in before
    assert "does not count: Not on this node" in before
    await node.publish(counted("two", 5))
    assert "Fulfilment: Met" in await page(node, "/records/commitment/promise?lang=en")
    assert "Nakoming: Nagekomen" in await page(node, "/records/commitment/promise?lang=nl")


async def test_an_initiative_shows_what_refers_to_it_how_that_stands_and_what_may_be_added(start_node):
    node = await start_node("flanders")
    await node.publish(TOWN, DEAL, PROMISE, counted("one", 10), counted("two", 5))
    await node.node.follower.catch_up()
    text = await page(node, "/records/initiative/deal?lang=en")
    assert "Commitment (1)" in text
    assert "Pilot (2)" in text
    assert "Commitment, Met: 1" in text
    assert "15 kilogram" in text
    # And the town that promised it, though no code knows what towns are.
    assert "Commitment, Met: 1" in await page(node, "/records/organisation/town?lang=en")


async def test_an_opportunity_is_never_listed_as_open_after_its_closing_day(start_node):
    node = await start_node("flanders")
    await node.publish(TOWN, opportunity("now", "2026-11-22"), opportunity("gone", "2026-11-21"))
    await node.node.follower.catch_up()
    async with aiohttp.ClientSession() as session, session.get(f"{node.base}/api/search?kind=opportunity") as answer:
        items = (await answer.json())["items"]
    labels = {each["id"].rpartition("/")[2]: each["standing"]["label"] for each in items}
    assert labels == {"now": "Open", "gone": "Closed"}
    listed = await page(node, "/search?kind=opportunity&lang=en")
    assert (listed.count("Desks"), listed.count("Closed")) == (2, 1)
    node.clock.forward(days=1)
    await asyncio.sleep(0)
    assert (await page(node, "/search?kind=opportunity&lang=en")).count("Closed") == 2
    assert "Open or closed: Closed" in await page(node, "/records/opportunity/now?lang=en")
