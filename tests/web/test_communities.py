"""Communities of practice: what lies inside one, on its page, in one call, and in a search that stays inside."""

from __future__ import annotations

import itertools
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest

from federation.records.draft import Draft
from tests.conftest import TestNode, pilot
from tests.web.asking import found, get, page

HOSTILE = "<script>alert(1)</script>"
TOWN = Draft("organisation", "town", {"title": {"nl": "De stad"}, "role": "procurer", "country": "BE"})


def community(slug: str, **values: Any) -> Draft:
    shared = {"title": {"nl": f"Kring {slug}"}, "language": "nl", "initiativeKind": "project", "source": "https://x.be"}
    return Draft("initiative", slug, {**shared, **values})


def lesson(slug: str, **values: Any) -> Draft:
    shared = {"title": {"nl": f"Les {slug}"}, "language": "nl", "enabler": "inventory", "source": "https://x.be"}
    return Draft("lesson", slug, {**shared, **values})


def question(slug: str, **values: Any) -> Draft:
    shared = {"title": {"nl": f"Vraag {slug}"}, "language": "nl", "outputKind": "legal-qa", "jurisdiction": "BE"}
    return Draft("output", slug, {**shared, "question": {"nl": "Mag het?"}, "source": "https://x.be", **values})


def event(slug: str, start: str, **values: Any) -> Draft:
    shared = {"title": {"nl": f"Dag {slug}"}, "language": "nl", "eventKind": "webinar", "organiser": "town"}
    place = {"onlineURL": "https://x.be", "source": "https://x.be"}
    return Draft("event", slug, {**shared, **place, "start": start, **values})


FURNITURE = community(
    "meubels",
    goal={"nl": "Minder nieuw."},
    coordinator="town",
    member=["town", "https://elsewhere.example/records/organisation/far"],
    sector=["furniture-office"],
    strategy=["R3"],
)
OWN = [
    TOWN,
    FURNITURE,
    community("taken", initiativeKind="task-force"),
    community("stil"),
    pilot("stoelen"),
    pilot("pakken", sector=["workwear"]),
    pilot("nieuw", strategy=["R8"]),
    pilot("gast", sector=["workwear"], partOf="meubels"),
    lesson("geteld", sector=["furniture-office"], about="initiative/meubels"),
    lesson("elders", sector=["workwear"]),
    question("open", partOf="meubels"),
    question("beantwoord", partOf="meubels", answer={"en": "Yes."}, validAsOf="2026"),
    question("buiten"),
    event("voorbij", "2026-11-21", partOf="meubels"),
    event("vandaag", "2026-11-22", partOf="meubels"),
    event("later", "2027", partOf="meubels"),
]
THEIRS = [
    pilot("borde", title="Brugte borde", language="da"),
    community("meubels", title={"da": HOSTILE}, language="da", sector=["workwear"]),
    community("ude", title={"da": "Ude"}, language="da", sector=["workwear"]),
    community("tavs", title={"da": "Tavs"}, language="da"),
]


@pytest.fixture
async def flanders(start_node) -> TestNode:
    denmark = await start_node("denmark")
    await denmark.publish(*THEIRS)
    node = await start_node("flanders", peers=[denmark.base])
    await node.publish(*OWN)
    await node.pull(denmark, "denmark")
    return node


def slugs(items: list[dict[str, Any]]) -> list[str]:
    return [each["id"].rpartition("/")[2] for each in items]


# What is inside


async def test_inside_are_the_records_of_every_region_that_fit_the_whole_scope_and_those_that_refer_to_it(flanders):
    pilots = await found(flanders, "kind=pilot&community=meubels")
    assert pilots == {"stoelen", "borde", "gast"}
    assert await found(flanders, "q=borden&kind=pilot&community=meubels") <= pilots


async def test_facets_of_a_search_inside_count_what_is_inside(flanders):
    _, answer = await get(flanders, "/api/search?community=meubels&limit=100")
    counts = {each["value"]: each["count"] for each in answer["facets"]["kind"]}
    assert sum(counts.values()) == answer["total"] == len(answer["items"])
    assert counts["pilot"] == 3


async def test_a_community_without_a_scope_holds_only_what_refers_to_it(flanders):
    assert await found(flanders, "community=taken") == set()
    await flanders.publish(lesson("geleerd", about="initiative/taken"))
    await flanders.node.follower.catch_up()
    assert await found(flanders, "community=taken") == {"geleerd"}


async def test_of_two_with_one_name_the_nodes_own_is_meant_and_the_other_has_its_node_before_it(flanders):
    assert "pakken" not in await found(flanders, "kind=pilot&community=flanders/meubels")
    assert await found(flanders, "kind=pilot&community=denmark/meubels") == {"pakken", "gast"}
    assert await found(flanders, "kind=pilot&community=ude") == {"pakken", "gast"}


@pytest.mark.parametrize("name", ["meubel", "denmark/meubel", "../meubels", "meubels/", "%00", "a" * 3000, "town"])
async def test_an_unknown_community_is_a_problem_that_names_it_and_what_was_perhaps_meant(flanders, name: str):
    status, problem = await get(flanders, f"/api/search?community={name}&limit=x")
    assert status == 400
    errors = {each["field"]: each for each in problem["errors"]}
    assert set(errors) == {"limit", "community"}
    if name == "meubel":
        assert "meubel" in errors["community"]["message"]
        assert "meubels" in errors["community"]["remedy"]


async def test_a_withdrawn_community_is_none(flanders):
    await flanders.node.own.withdraw(f"{flanders.base}/records/initiative/meubels", {"nl": "Voorbij."})
    await flanders.node.follower.catch_up()
    assert (await get(flanders, "/api/communities/flanders/meubels"))[0] == 404
    assert (await get(flanders, "/api/communities/meubels"))[1]["id"].endswith("/initiative/meubels")


# The search page


async def test_the_search_page_names_the_community_keeps_it_and_lets_one_leave(flanders):
    await flanders.publish(*(pilot(f"stoel-{number:02}") for number in range(25)))
    await flanders.node.follower.catch_up()
    shown = await page(flanders, "/search?community=meubels&kind=pilot&lang=nl")
    inside = shown.one("p", class_="inside")
    assert "Kring meubels" in inside.text
    to, leave = (each.attributes["href"] for each in inside.inside if each.tag == "a")
    assert to == "/communities/meubels?lang=nl"
    assert dict(parse_qsl(urlsplit(leave).query)) == {"kind": "pilot", "lang": "nl"}
    sent = {each.attributes.get("name"): each.attributes for each in shown.one("form", role="search").inside}
    assert sent["community"]["value"] == "meubels"
    kept = [shown.one("a", rel="next"), shown.one("a", class_="chip remove")]
    kept += [each for each in shown.one("aside", class_="facets").inside if each.tag == "a"]
    assert len(kept) > 5
    assert all("community=meubels" in each.attributes["href"] for each in kept)


async def test_the_search_page_says_that_it_knows_no_such_community_and_offers_the_nearest(flanders):
    shown = await page(flanders, "/search?community=meubel&q=stoelen&lang=nl")
    (said,) = [each for each in shown.all("div", class_="notices") if "meubel" in each.text]
    assert "geen gemeenschap “meubel”" in said.text
    assert "/search?q=stoelen&lang=nl&community=meubels" in shown.links
    assert shown.all("h3")


# Pages and one call


async def test_the_list_has_those_with_a_scope_and_those_that_are_communities_by_their_kind(flanders):
    shown = await page(flanders, "/communities?lang=nl")
    assert "Ekspertgruppe" not in shown.one("main").text  # in the language of the page:
    assert "Expertentaskforce" in shown.one("main").text
    listed = [each.inside[0].attributes["href"] for each in shown.all("h2", class_="title")]
    assert sorted(listed[:2]) == ["/communities/meubels?lang=nl", "/communities/taken?lang=nl"]
    assert sorted(listed[2:]) == ["/communities/denmark/meubels?lang=nl", "/communities/denmark/ude?lang=nl"]
    for each in listed:
        assert (await get(flanders, each, "text/html"))[0] == 200


async def test_an_empty_list_says_how_a_community_is_made(start_node):
    node = await start_node("flanders")
    shown = await page(node, "/communities?lang=en")
    assert "giving an initiative a scope" in shown.one("div", class_="empty").text


async def test_one_call_gives_title_scope_members_newest_lessons_open_questions_and_coming_events(flanders):
    status, answer = await get(flanders, "/api/communities/meubels?lang=nl")
    assert status == 200
    assert answer["id"] == f"{flanders.base}/records/initiative/meubels"
    assert answer["title"] == {"lang": "nl", "value": "Kring meubels"}
    assert answer["scope"] == {
        "sector": [{"value": "furniture-office", "label": "Kantoormeubilair"}],
        "strategy": [{"value": "R3", "label": "Hergebruiken"}],
    }
    town = f"{flanders.base}/records/organisation/town"
    known = {"id": town, "title": {"lang": "nl", "value": "De stad"}, "url": town}
    assert answer["coordinators"] == [known]
    assert sorted(answer["members"], key=len) == [
        {"id": "https://elsewhere.example/records/organisation/far"}, known,
    ]  # fmt: skip
    assert {"borde", "stoelen", "gast"} <= set(slugs(answer["newest"]))
    assert "meubels" not in slugs(answer["newest"])
    assert slugs(answer["lessons"]) == ["geteld"]
    assert slugs(answer["questions"]) == ["open"]
    assert slugs(answer["events"]) == ["vandaag", "later"]
    _, other = await get(flanders, "/api/search?kind=lesson&community=meubels")
    assert set(answer["lessons"][0]) == set(other["items"][0])


async def test_an_answer_in_any_language_closes_a_question(flanders):
    await flanders.publish(question("open", partOf="meubels", answer={"en": "Yes."}, validAsOf="2026"))
    await flanders.node.follower.catch_up()
    _, answer = await get(flanders, "/api/communities/meubels")
    assert answer["questions"] == []
    assert "Er wacht geen vraag" in (await page(flanders, "/communities/meubels?lang=nl")).one("main").text


async def test_the_page_of_a_community_shows_what_the_call_gives_and_searches_inside(flanders):
    shown = await page(flanders, "/communities/meubels?lang=nl")
    _, answer = await get(flanders, "/api/communities/meubels?lang=nl")
    hits = [each for name in ("newest", "lessons", "questions", "events") for each in answer[name]]
    assert {f"{urlsplit(each['url']).path}?lang=nl" for each in hits} <= set(shown.links)
    assert "/records/organisation/town?lang=nl" in shown.links
    assert "Minder nieuw." in shown.one("main").text
    sent = {each.attributes.get("name"): each.attributes for each in shown.one("form", role="search").inside}
    assert sent["community"]["value"] == "meubels"
    assert "/search?community=meubels&kind=lesson&lang=nl" in shown.links
    assert "/records/initiative/meubels?lang=nl" in shown.links


async def test_pages_of_communities_can_be_read_without_eyes_or_a_mouse(flanders):
    for path in ("/communities", "/communities/meubels", "/communities/taken", "/search?community=meubels"):
        shown = await page(flanders, path)
        levels = [int(each.tag[1]) for each in shown.elements if each.tag in ("h1", "h2", "h3")]
        assert levels.count(1) == 1
        assert all(deeper - higher <= 1 for higher, deeper in itertools.pairwise(levels))
        labelled = {each.attributes.get("for") for each in shown.all("label")}
        seen = [each for each in shown.all("input") if each.attributes.get("type") != "hidden"]
        assert all(each.attributes["id"] in labelled for each in seen)


async def test_the_text_of_a_peer_stays_text(flanders):
    for path in ("/communities/denmark/meubels", "/communities", "/search?community=denmark/meubels"):
        shown = await page(flanders, path)
        assert not shown.strange_scripts
        assert HOSTILE in shown.one("main").text


async def test_a_community_nobody_knows_is_not_found_and_the_nearest_is_named(flanders):
    for path in ("/api/communities/meubel", "/communities/meubel", "/communities/denmark/meubel", "/communities/%00"):
        status, problem = await get(flanders, path)
        assert status == 404
    assert "meubels" in (await get(flanders, "/communities/meubel"))[1]["remedy"]
    assert problem["detail"]


async def test_the_record_of_an_initiative_leads_to_its_community_page_and_that_of_a_pilot_to_none(flanders):
    own = await page(flanders, "/records/initiative/meubels?lang=nl")
    assert "/communities/meubels?lang=nl" in own.links
    theirs = await page(flanders, "/peers/denmark/records/initiative/ude?lang=nl")
    assert "/communities/denmark/ude?lang=nl" in theirs.links
    assert not [each for each in (await page(flanders, "/records/pilot/stoelen")).links if "/communities/" in each]


async def test_a_question_without_an_answer_says_so_on_its_own_page(flanders):
    assert "Open vraag" in (await page(flanders, "/records/output/open?lang=nl")).one("main").text
