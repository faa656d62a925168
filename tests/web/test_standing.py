"""How things stand, on pages and in answers: derived anew each time, never stored."""

from __future__ import annotations

import asyncio
from typing import Any

import aiohttp

from federation.records.draft import Draft
from federation.store.store import Store
from federation.web import standing
from tests.conftest import TestNode, pilot
from tests.records.authoring import VOCABULARY
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


async def test_a_list_of_promises_reads_no_more_records_than_it_may(start_node, monkeypatch):
    monkeypatch.setattr(standing, "MOST", 4)
    node = await start_node("flanders")
    promises = [
        Draft("commitment", f"promise-{at}", {**PROMISE.values, "fulfilledBy": [f"pilot-{at}-{each}" for each in "ab"]})
        for at in range(3)
    ]
    await node.publish(TOWN, DEAL, *promises, *(counted(f"pilot-{at}-{each}", 5) for at in range(3) for each in "ab"))
    real, asked = Store.currents, []

    async def currents(self, records, log_id=None):
        asked.append(list(records))
        return await real(self, asked[-1], log_id)

    monkeypatch.setattr(Store, "currents", currents)
    found = await standing.records(
        node.node.store, [f"{node.base}/records/commitment/{d.slug}" for d in promises], VOCABULARY
    )
    told = await standing.standings(node.node.store, found, VOCABULARY, node.clock().date())
    assert len(told) == 1
    assert max(map(len, asked)) <= 4
