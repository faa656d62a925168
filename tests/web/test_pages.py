"""What every page has in common: one language, one heading, labels, a way past the menu, the notice."""

from __future__ import annotations

import itertools

import aiohttp
import pytest

from federation.records.kinds import LANGUAGES
from tests.web.conftest import NOTICE, Site
from tests.web.markup import Page

PAGES = [
    "/",
    "/search?q=kantoormeubilair",
    "/search?q=qqqqzzzz",
    "/records/pilot/mill",
    "/records/pilot/both",
    "/records/pilot/hostile",
    "/records/organisation/kamp-c",
    "/peers/denmark/records/pilot/havn",
    "/communities",
    "/communities/nowhere",
    "/search?community=nowhere",
    "/network",
    "/vocab/",
    "/nowhere",
]


def with_language(path: str, tag: str) -> str:
    return f"{path}{'&' if '?' in path else '?'}lang={tag}"


@pytest.mark.parametrize("path", PAGES)
def test_every_page_can_be_read_without_eyes_or_a_mouse(site: Site, path: str):
    page = Page(site.page(path))
    assert len(page.all("h1")) == 1
    skip = page.one("a", class_="skip")
    assert page.links[0] == skip.attributes["href"] == "#main"
    assert page.one("main").attributes["id"] == "main"
    assert all("alt" in each.attributes for each in page.all("img"))
    assert page.one("title").text.strip()


@pytest.mark.parametrize("path", PAGES)
def test_every_input_has_a_label(site: Site, path: str):
    page = Page(site.page(path))
    labelled = {each.attributes.get("for") for each in page.all("label")}
    for each in page.all("input"):
        assert each.attributes.get("type") == "hidden" or each.attributes.get("id") in labelled


@pytest.mark.parametrize("path", PAGES)
def test_headings_never_skip_a_level(site: Site, path: str):
    levels = [int(each.tag[1]) for each in Page(site.page(path)).elements if each.tag in ("h1", "h2", "h3", "h4")]
    assert levels[0] == 1
    assert all(deeper - higher <= 1 for higher, deeper in itertools.pairwise(levels))


@pytest.mark.parametrize("path", PAGES)
def test_no_name_within_a_page_occurs_twice(site: Site, path: str):
    names = [each.attributes["id"] for each in Page(site.page(path)).elements if "id" in each.attributes]
    assert len(names) == len(set(names))


@pytest.mark.parametrize("path", PAGES)
def test_no_page_runs_or_loads_anything_from_elsewhere(site: Site, path: str):
    page = Page(site.page(path))
    assert not page.strange_scripts
    assert not page.all("style")
    assert not [each for each in page.elements if "style" in each.attributes]
    loaded = [each.attributes["src"] for each in page.all("img")]
    loaded += [each.attributes["href"] for each in page.all("link") if each.attributes["rel"] in ("stylesheet", "icon")]
    assert all(address.startswith("/static/") for address in loaded)


@pytest.mark.parametrize("tag", LANGUAGES)
@pytest.mark.parametrize("path", PAGES)
def test_every_page_in_every_language_shows_the_notice_and_says_its_language(site: Site, path: str, tag: str):
    answer = site.get(with_language(path, tag), accept="text/html")
    page = Page(answer.text)
    assert page.one("html").attributes["lang"] == tag
    assert answer.headers["Content-Language"] == tag
    assert page.one("aside", class_="notice").text.strip() == NOTICE[tag]
    assert page.one("a", aria_current="true", hreflang=tag).text == tag


@pytest.mark.parametrize(
    ("header", "language"),
    [
        ("", "en"),
        ("da", "da"),
        ("sv-SE,sv;q=0.9,en;q=0.5", "sv"),
        ("en;q=0.5, fr;q=0.8", "fr"),
        ("nn-NO", "nb"),
        ("no", "nb"),
        ("fi, de;q=0.3", "de"),
        ("fi", "en"),
        ("nl;q=0, de;q=0.1", "de"),
        ("DE-at", "de"),
    ],
)
def test_a_page_comes_in_the_browsers_language(site: Site, header: str, language: str):
    headers = {"Accept_Language": header} if header else {}
    assert Page(site.page("/network", **headers)).one("html").attributes["lang"] == language


def test_a_language_chosen_by_hand_wins_over_the_browsers(site: Site):
    assert Page(site.page("/network?lang=fr", Accept_Language="da")).one("html").attributes["lang"] == "fr"


@pytest.mark.parametrize("chosen", ["xx", "", "../../etc", "%00"])
def test_a_language_that_is_not_offered_is_passed_over(site: Site, chosen: str):
    page = Page(site.page(f"/network?lang={chosen}", Accept_Language="da"))
    assert page.one("html").attributes["lang"] == "da"


def test_caches_are_told_that_the_language_matters(site: Site):
    assert "Accept-Language" in site.get("/network").headers["Vary"]


def test_links_within_the_node_keep_the_language_chosen_by_hand(site: Site):
    page = Page(site.page("/search?lang=da"))
    assert "/network?lang=da" in page.links
    assert all("lang=da" in each.inside[0].attributes["href"] for each in page.all("h3"))


def test_choosing_another_language_keeps_the_search(site: Site):
    page = Page(site.page("/search?q=molen&kind=pilot&lang=nl"))
    assert "/search?q=molen&kind=pilot&lang=sv" in page.links


def test_the_coordinator_can_be_written_to(site: Site):
    assert "mailto:coordinator@example.org" in Page(site.page("/")).links


async def test_a_node_without_a_notice_shows_none(start_node):
    node = await start_node("flanders")
    async with (
        aiohttp.ClientSession() as session,
        session.get(f"{node.base}/network", headers={"Accept": "text/html"}) as answer,
    ):
        page = Page(await answer.text())
    assert not page.all("aside", class_="notice")
    assert "follows no other region yet" in page.one("main").text


# The network


def test_the_network_page_shows_every_region_with_state_and_fingerprint(site: Site):
    (peer,) = site.get("/api/peers").json["peers"]
    page = Page(site.page("/network?lang=nl"))
    rows = [each.text for each in page.all("tr")][1:]
    assert len(rows) == 2
    assert "Vlaanderen" in rows[0]
    assert "Denemarken" in rows[1]
    assert "actueel" in rows[1]
    assert peer["fingerprint"] in rows[1]
    assert peer["url"] in page.links


def test_the_network_page_counts_records_and_not_keys(site: Site):
    cells = [each.text for each in Page(site.page("/network")).all("td")]
    assert cells[6:8] == ["1", "2"]  # of Denmark: one record; two entries, the first of which is its keys
