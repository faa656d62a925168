"""What the search page adds to words: years, quick choices, groups by language, nearest records, and no dead ends."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qsl, quote, urlsplit

import aiohttp
import pytest

from federation.records.draft import Draft
from tests.conftest import TestNode, pilot
from tests.web.asking import answer, found, page
from tests.web.conftest import Site
from tests.web.markup import Element, Page

MEASURED = {
    "slug": "co2",
    "indicator": "co2e-avoided",
    "observationRole": "measured",
    "value": "12",
    "unit": "kg",
    "evidenceLevel": "measured",
}


def opportunity(slug: str, **values: Any) -> Draft:
    shared = {"title": {"nl": f"Kans stoelen {slug}"}, "language": "nl", "opportunityKind": "market-consultation"}
    fields = {"procurer": "kamp-c", "need": {"nl": "Goede werkplekken."}, "phase": "P5", "sector": ["furniture-office"]}
    return Draft("opportunity", slug, {**shared, **fields, "notice": "https://x.be", "country": "BE", **values})


OWN = [
    *(pilot(f"jaar-{year}", title=f"Stoelen {year}", start=str(year)) for year in range(2018, 2024)),
    pilot("zonder-jaar", title="Stoelen"),
    pilot("gemeten", title="Stoelen gemeten", start="2021-05", observation=[MEASURED]),
    pilot("beide", title="Stoelen voor iedereen", abstract={"nl": "Kort.", "da": "Kort."}),
    Draft(
        "lesson",
        "geteld",
        {"title": {"nl": "Stoelen eerst tellen"}, "language": "nl", "enabler": "inventory", "source": "https://x.be"},
    ),
    opportunity("open", closesOn="2026-11-22"),
    opportunity("dicht", closesOn="2026-11-21"),
]
THEIRS = [
    pilot("stole", title="Brugte stole til skolen", language="da", start="2021"),
    pilot("flere", title="Flere stole", language="da"),
]
NEVER = [
    ("from=abc", {"from"}),
    ("from=-1", {"from"}),
    ("from=99999999999", {"from"}),
    ("to=1899", {"to"}),
    ("to=2101", {"to"}),
    ("from=2019.5&to=x", {"from", "to"}),
    ("from=%D9%A2%D9%A0%D9%A2%D9%A1", {"from"}),
    ("from=+2019", {"from"}),
    ("from=%00", {"from"}),
    ("from=2023&to=2019", {"to"}),
    ("open=maybe", {"open"}),
    ("open=1&from=x", {"open", "from"}),
    ("from=%3Cscript%3E.%20Ende.%20", {"from"}),
]


@pytest.fixture
async def flanders(start_node) -> TestNode:
    denmark = await start_node("denmark")
    await denmark.publish(*THEIRS)
    node = await start_node("flanders", peers=[denmark.base])
    await node.publish(*OWN)
    await node.pull(denmark, "denmark")
    return node


def sent(form: Element, button: Element | None = None) -> str:
    """The query that a form sends, as it stands."""
    inputs = [each for each in form.inside if each.tag == "input"]
    pairs = [(each.attributes["name"], each.attributes.get("value", "")) for each in inputs]
    if button is not None and "name" in button.attributes:
        pairs.append((button.attributes["name"], button.attributes["value"]))
    return "&".join(f"{name}={quote(value)}" for name, value in pairs)


def query_of(address: str) -> dict[str, str]:
    return dict(parse_qsl(urlsplit(address).query, keep_blank_values=True))


def quick(page: Page) -> dict[str, tuple[Element, Element]]:
    """The forms and buttons above the results, by what they say."""
    forms = [each for each in page.one("div", class_="quick").inside if each.tag == "form"]
    buttons = [next(each for each in form.inside if each.tag == "button") for form in forms]
    return {button.text.rpartition(" ")[0]: (form, button) for form, button in zip(forms, buttons, strict=True)}


# Years


async def test_a_range_of_years_finds_the_records_that_began_in_it(flanders):
    for query, years in (
        ("from=2019&to=2021", {2019, 2020, 2021}),
        ("from=2022", {2022, 2023}),
        ("to=2018", {2018}),
        ("from=2020&to=2020", {2020}),
        ("from=2019&to=2022&year=2020&year=2018", {2020}),
        ("from=2019&year=2018", set()),
        ("from=2050", set()),
    ):
        every = await found(flanders, f"kind=pilot&{query}")
        assert {each for each in every if each.startswith("jaar")} == {f"jaar-{year}" for year in years}, query
        assert "zonder-jaar" not in every


async def test_an_empty_end_of_a_range_is_an_open_one(flanders):
    assert await found(flanders, "kind=pilot&from=&to=2018") == {"jaar-2018"}
    assert await found(flanders, "from=&to=") == await found(flanders, "")


async def test_the_years_of_a_range_are_counted_and_no_others(flanders):
    facets = (await answer(flanders, "from=2020&to=2022&q=stoelen"))["facets"]
    assert [each["value"] for each in facets["year"]] == ["2022", "2021", "2020"]
    for each in facets["year"]:
        assert (await answer(flanders, f"from=2020&to=2022&q=stoelen&year={each['value']}"))["total"] == each["count"]
    outside = (await answer(flanders, "from=2020&year=2018"))["facets"]["year"]
    assert {"value": "2018", "label": "2018", "count": 0} in outside


@pytest.mark.parametrize(("query", "fields"), NEVER)
def test_the_api_refuses_a_year_or_choice_that_is_none_and_says_what_to_write(site: Site, query, fields):
    refused = site.get(f"/api/search?{query}&lang=en")
    assert refused.status == 400
    assert {each["field"] for each in refused.json["errors"]} == fields
    assert all(each["message"] and each["remedy"] for each in refused.json["errors"])


@pytest.mark.parametrize(("query", "fields"), NEVER)
def test_the_page_leaves_it_aside_and_says_so(site: Site, query, fields):
    shown = Page(site.page(f"/search?q=molen&lang=en&{query}"))
    assert shown.one("div", class_="notices").text.count("Left aside:") == len(fields)
    assert shown.all("h3")
    onwards = [each for each in shown.one("aside", class_="facets").inside if each.tag == "a"]
    assert onwards
    assert not [each for each in onwards if fields & set(query_of(each.attributes["href"]))]
    translated = Page(site.page(f"/search?q=molen&lang=da&{query}"))
    assert translated.one("div", class_="notices").text.count("Set bort fra:") == len(fields)


async def test_a_range_is_kept_by_facets_pages_and_forms_and_can_be_taken_away(flanders):
    await flanders.publish(*(pilot(f"meer-{each}", title="Stoelen", start="2021") for each in range(25)))
    await flanders.node.follower.catch_up()
    shown = await page(flanders, "/search?q=stoelen&lang=nl&from=2019&to=2022")
    kept = [each for each in shown.one("aside", class_="facets").inside if each.tag == "a"]
    kept += [shown.one("a", rel="next")]
    assert len(kept) > 5
    for each in kept:
        assert {"from": "2019", "to": "2022"}.items() <= query_of(each.attributes["href"]).items()
    assert "from=2019&to=2022" in sent(shown.one("form", role="search"))
    chip = shown.one("a", class_="chip remove")
    assert "2019–2022" in chip.text
    assert query_of(chip.attributes["href"]) == {"q": "stoelen", "lang": "nl"}


async def test_the_fields_of_the_years_show_the_range_and_send_all_else_along(flanders):
    shown = await page(flanders, "/search?q=stoelen&lang=nl&kind=pilot&open=true&from=2019")
    assert shown.one("input", id="from").attributes["value"] == "2019"
    assert shown.one("input", id="to").attributes["value"] == ""
    assert sent(shown.one("form", class_="years")) == "lang=nl&q=stoelen&kind=pilot&open=true&from=2019&to="


# Quick choices


async def test_every_quick_choice_keeps_what_it_promises(flanders):
    for path in ("/search?lang=en", "/search?q=stoelen&lang=en", "/search?q=stoelen&lang=en&kind=pilot"):
        shown = await page(flanders, path)
        choices = quick(shown)
        assert set(choices) == {"Only with measured results", "Only lessons", "Open opportunities"}
        for form, button in choices.values():
            assert button.attributes["aria-pressed"] == "false"
            count = int(button.text.rpartition(" ")[2])
            assert (await answer(flanders, sent(form, button)))["total"] == count
            assert ("disabled" in button.attributes) == (count == 0)


async def test_a_quick_choice_is_shown_as_made_and_taken_back_by_the_same_button(flanders):
    for query, label, left in (
        ("results=measured", "Only with measured results", {"gemeten"}),
        ("kind=lesson", "Only lessons", {"geteld"}),
        ("open=true", "Open opportunities", {"open"}),
    ):
        assert await found(flanders, f"q=stoelen&lang=nl&{query}") == left
        choices = quick(await page(flanders, f"/search?q=stoelen&lang=en&{query}"))
        assert [name for name, (_, each) in choices.items() if each.attributes["aria-pressed"] == "true"] == [label]
        assert sent(*choices[label]) == "lang=en&q=stoelen"


async def test_quick_choices_go_with_facets_and_with_each_other(flanders):
    shown = await page(flanders, "/search?lang=en&results=measured&year=2021&open=true")
    form, button = quick(shown)["Open opportunities"]
    assert sent(form, button) == "lang=en&results=measured&year=2021"
    assert "Chosen:" in shown.one("p", class_="chosen").text
    facets = [each for each in shown.one("aside", class_="facets").inside if each.tag == "a"]
    assert all("open=true" in each.attributes["href"] for each in facets)


async def test_open_opportunities_close_with_their_day(flanders):
    assert await found(flanders, "open=true") == {"open"}
    assert await found(flanders, "open=false") == await found(flanders, "")
    flanders.clock.forward(days=1)
    assert await found(flanders, "open=true") == set()


# Groups


async def test_the_group_of_the_best_hit_comes_first_whatever_its_language(start_node):
    node = await start_node("flanders")
    await node.publish(
        pilot("genbrug", title="Møbler til kontoret: genbrugsmøbler", language="da", sector=["furniture-office"]),
        pilot(
            "ander", title="Een heel ander onderwerp", abstract={"nl": "Er stonden ook meubels."}, sector=["catering"]
        ),
    )
    await node.node.follower.catch_up()
    items = (await answer(node, "q=kantoormeubilair&lang=nl"))["items"]
    assert [each["title"]["lang"] for each in items] == ["da", "nl"]
    shown = await page(node, "/search?q=kantoormeubilair&lang=nl")
    assert [each.text for each in shown.all("h3", class_="group")] == ["Uit andere regio’s", "In uw taal"]


async def test_hits_are_grouped_by_whether_they_are_in_the_readers_language_each_as_ranked(flanders):
    items = (await answer(flanders, "q=stoelen&lang=nl"))["items"][:20]
    tags = {each["title"]["value"]: each["title"]["lang"] for each in items}
    shown = await page(flanders, "/search?q=stoelen&lang=nl")
    own, other = (each for each in shown.all("ol") if each.attributes.get("class") == "hits")
    assert [each.text for each in shown.all("h3", class_="group")] == ["In uw taal", "Uit andere regio’s"]
    for group, wanted in ((own, {"nl"}), (other, set(tags.values()) - {"nl"})):
        titles = [each.inside[0].text for each in group.inside if each.tag == "h4"]
        assert titles == [title for title, tag in tags.items() if tag in wanted]
        assert titles


async def test_what_is_called_by_name_stands_first_with_what_refers_to_it_in_whatever_language(start_node):
    node = await start_node("flanders")
    await node.publish(
        Draft("organisation", "kth", {"title": {"sv": "Kungliga Tekniska högskolan"}, "role": ["procurer"]}),
        pilot("stolar", title="Stolar", language="sv", procurer=["kth"]),
        pilot("stoelen", title="Stoelen van Kungliga"),
    )
    await node.node.follower.catch_up()
    shown = await page(node, "/search?q=Kungliga+Tekniska+h%C3%B6gskolan&lang=nl")
    assert [each.text for each in shown.all("h3", class_="group")] == ["Kungliga Tekniska högskolan", "In uw taal"]
    titles = [each.inside[0].text for each in shown.all("h4")]
    assert titles == ["Kungliga Tekniska högskolan", "Stolar", "Stoelen van Kungliga"]
    ranked = await page(node, "/search?q=Kungliga+Tekniska+h%C3%B6gskolan&lang=nl&order=rank")
    assert not ranked.all("h3", class_="group")


async def test_one_ranked_list_is_a_link_away_and_remembered(flanders):
    shown = await page(flanders, "/search?q=stoelen&lang=nl")
    (link,) = shown.one("p", class_="order").inside
    assert query_of(link.attributes["href"]) == {"q": "stoelen", "lang": "nl", "order": "rank"}
    ranked = await page(flanders, link.attributes["href"])
    assert not ranked.all("h3", class_="group")
    items = (await answer(flanders, "q=stoelen&lang=nl"))["items"][:20]
    assert [each.inside[0].text for each in ranked.all("h3")] == [each["title"]["value"] for each in items]
    assert "order=rank" in sent(ranked.one("form", role="search"))
    facets = [each for each in ranked.one("aside", class_="facets").inside if each.tag == "a"]
    assert all("order=rank" in each.attributes["href"] for each in facets)
    (back,) = ranked.one("p", class_="order").inside
    assert query_of(back.attributes["href"]) == {"q": "stoelen", "lang": "nl"}


@pytest.mark.parametrize("query", ["q=stoelen&language=nl&language=da", "q=", "q=stoelen&node=denmark", "order=rank"])
async def test_there_are_no_groups_where_they_would_tell_nothing(flanders, query):
    shown = await page(flanders, f"/search?lang=nl&{query}")
    assert not shown.all("h3", class_="group")
    assert not shown.all("p", class_="order")


# Near misses and dead ends


async def test_it_is_told_when_no_record_has_all_of_what_was_asked_for(flanders):
    near = await answer(flanders, "q=stoelen+vliegtuigbrandstof&lang=nl")
    assert near["total"] > 0
    assert near["exact"] == 0
    assert (
        "komen het dichtst"
        in (await page(flanders, "/search?q=stoelen+vliegtuigbrandstof&lang=nl")).one("p", class_="near").text
    )
    sure = await answer(flanders, "q=stoelen&lang=nl")
    assert 0 < sure["exact"] <= sure["total"]
    for path in ("/search?q=stoelen&lang=nl", "/search?lang=nl", "/search?q=qqqqzzzz&lang=nl"):
        assert not (await page(flanders, path)).all("p", class_="near")


async def test_nothing_found_lets_one_take_back_every_choice_by_itself(flanders):
    path = "/search?q=stoelen&lang=en&kind=lesson&kind=pilot&country=DK&from=2030&open=true"
    shown = await page(flanders, path)
    ways = [query_of(each.attributes["href"]) for each in shown.one("div", class_="empty").inside if each.tag == "a"]
    whole = {"q": "stoelen", "lang": "en", "country": "DK", "from": "2030", "open": "true"}
    assert {**whole, "kind": "pilot"} in ways
    assert {**whole, "kind": "lesson"} in ways
    for name in ("country", "from", "open"):
        assert {"kind": "pilot", **{key: value for key, value in whole.items() if key != name}} in ways
    assert {"q": "stoelen", "lang": "en"} in ways
    assert "search without “from 2030”" in shown.one("div", class_="empty").text


async def test_a_hostile_choice_is_text_where_it_can_be_taken_back(flanders):
    shown = await page(flanders, f"/search?lang=fr&node={quote('<b>&amp;')}&open=true")
    assert "« <b>&amp; »" in shown.one("div", class_="notices").text
    assert not [each for each in shown.one("div", class_="notices").inside if each.tag == "b"]


async def test_a_known_region_without_records_can_be_chosen_and_any_other_is_left_aside(flanders):
    silent = {"did": "did:web:silent.example", "base": "https://silent.example", "name": "silent"}
    await flanders.node.store.enlist(**silent, own=False)
    assert (await answer(flanders, "node=silent"))["total"] == 0
    shown = await page(flanders, "/search?lang=fr&node=silnt&node=denmark")
    assert "« silnt » n’est pas une valeur de « Région »." in shown.one("div", class_="notices").text
    assert "silent" in shown.one("div", class_="notices").text


async def test_a_language_that_the_node_does_not_speak_is_said_to_be_left_aside(flanders):
    shown = await page(flanders, "/search?lang=xx")
    assert "“xx” is geen taal van dit knooppunt" in shown.one("div", class_="notices").text


async def test_no_link_repeats_what_an_address_repeats(flanders):
    shown = await page(flanders, "/search?lang=en&" + "q=stoelen&" * 500)
    assert max(len(each.attributes.get("href", "")) for each in shown.all("a")) < 500


async def test_a_value_that_no_facet_has_is_left_aside_and_the_page_says_so(flanders):
    shown = await page(flanders, "/search?lang=fr&sector=meubels&sector=workwear")
    assert "« meubels » n’est pas une valeur de « Secteur »." in shown.one("div", class_="notices").text
    chosen = [each for each in shown.all("a") if each.attributes.get("aria-current") == "true"]
    assert ["Vêtements", "de", "travail"] in [each.text.split()[:3] for each in chosen]
    assert not [each for each in chosen if each.text.startswith("meubels")]


# The script


async def test_the_search_box_works_by_itself_and_one_file_of_this_node_adds_suggestions(flanders):
    shown = await page(flanders, "/search?lang=en")
    (script,) = shown.all("script")
    assert (script.attributes["src"], script.text) == ("/static/complete.js", "")
    assert "role" not in shown.one("input", id="q").attributes
    async with aiohttp.ClientSession() as session, session.get(flanders.base + "/static/complete.js") as got:
        assert got.status == 200
        assert "javascript" in got.headers["Content-Type"]
        assert "script-src 'self'; connect-src 'self'" in got.headers["Content-Security-Policy"]
        text = await got.text()
    for way in ("innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", ".style"):
        assert way not in text
