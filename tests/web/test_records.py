"""Records over HTTP: one address, several forms, and the signed text unchanged."""

from __future__ import annotations

import json

import aiohttp
import pyoxigraph
import pytest

from federation.records import jsonld
from federation.web.records import SUFFIXES
from tests.conftest import pilot
from tests.web.conftest import HOSTILE, Site, ask
from tests.web.markup import Page

MILL = "/records/pilot/mill"


@pytest.mark.parametrize("asked", ["text/turtle", "application/n-quads", "application/ld+json", "text/html"])
def test_a_record_comes_in_the_form_the_client_asks_for(site: Site, asked: str):
    answer = site.get(MILL, accept=asked)
    assert (answer.status, answer.media_type) == (200, asked)
    assert "Accept" in answer.headers["Vary"]


@pytest.mark.parametrize(("suffix", "media_type"), SUFFIXES.items())
def test_a_suffix_names_the_form_whatever_the_client_accepts(site: Site, suffix: str, media_type: str):
    answer = site.get(MILL + suffix, accept="image/png")
    assert (answer.status, answer.media_type) == (200, media_type)


@pytest.mark.parametrize("asked", ["", "*/*"])
def test_a_program_that_does_not_care_gets_signed_data(site: Site, asked: str):
    assert site.get(MILL, accept=asked).media_type == "application/ld+json"


def test_a_browser_gets_a_page(site: Site):
    asked = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8"
    assert site.get(MILL, accept=asked).media_type == "text/html"


def test_n_quads_are_the_very_bytes_that_were_signed(site: Site):
    assert site.get(MILL + ".nq").body == site.body_of("pilot", "mill").encode()


def test_json_ld_carries_the_proof_and_leads_back_to_the_signed_text(site: Site, vocabulary):
    answer = site.get(MILL, accept="application/ld+json")
    signed = jsonld.signed_of(jsonld.loads(answer.body), vocabulary)
    assert signed.body == site.body_of("pilot", "mill")
    assert answer.json["proof"]["cryptosuite"] == "eddsa-rdfc-2022"
    assert answer.json["@context"] == jsonld.CONTEXTS


def test_turtle_says_the_same_as_the_signed_text(site: Site):
    turtle = site.get(MILL + ".ttl").body
    parsed = {(q.subject, q.predicate, q.object) for q in pyoxigraph.parse(turtle, format=pyoxigraph.RdfFormat.TURTLE)}
    signed = pyoxigraph.parse(site.body_of("pilot", "mill"), format=pyoxigraph.RdfFormat.N_QUADS)
    assert parsed == {(q.subject, q.predicate, q.object) for q in signed}


def test_a_form_that_does_not_exist_is_refused_with_those_that_do(site: Site):
    answer = site.get(MILL, accept="image/png")
    assert (answer.status, answer.media_type) == (406, "application/problem+json")
    assert "text/turtle" in answer.json["remedy"]


def test_a_head_request_has_the_headers_of_the_record_and_no_body(site: Site):
    answer = ask(site.base, "HEAD", MILL + ".nq", {})
    assert (answer.status, answer.body) == (200, b"")
    assert answer.media_type == "application/n-quads"


@pytest.mark.parametrize(
    "path",
    [
        "/records/pilot/nowhere",
        "/records/nothing/mill",
        "/records/pilot/mill.pdf",
        "/records/key-event/nowhere",
        "/records/pilot/%00",
        "/records/pilot/..%2f..%2fapi.token",
    ],
)
def test_a_record_that_is_not_there_is_a_problem_document_for_a_program(site: Site, path: str):
    answer = site.get(path, accept="application/ld+json")
    assert (answer.status, answer.media_type) == (404, "application/problem+json")
    document = answer.json
    assert document["type"].endswith("/not-found")
    assert document["status"] == 404
    assert document["title"]
    assert document["detail"]


def test_a_record_that_is_not_there_is_a_page_for_a_browser(site: Site):
    answer = site.get("/records/pilot/nowhere", accept="text/html")
    assert (answer.status, answer.media_type) == (404, "text/html")
    assert Page(answer.text).one("h1").text == "There is nothing here"


def test_a_client_that_has_the_version_is_told_so(site: Site):
    first = site.get(MILL + ".nq")
    again = site.get(MILL + ".nq", If_None_Match=first.headers["ETag"])
    assert (again.status, again.body) == (304, b"")
    assert again.headers["ETag"] == first.headers["ETag"]


def test_each_form_has_an_etag_of_its_own(site: Site):
    tags = {site.get(MILL + suffix).headers["ETag"] for suffix in (".nq", ".ttl", ".jsonld")}
    assert len(tags) == 3


@pytest.mark.parametrize("form", ['"other", {}', "W/{}", "*"])
def test_a_client_may_list_or_weaken_the_etags_it_has(site: Site, form: str):
    """RFC 9110 section 13.1.2: a list, compared weakly; proxies that compress weaken ETags."""
    etag = site.get(MILL + ".nq").headers["ETag"]
    assert site.get(MILL + ".nq", If_None_Match=form.format(etag)).status == 304


async def test_a_new_version_has_another_etag(start_node):
    node = await start_node("flanders")
    await node.publish(pilot("mill"))
    url = f"{node.base}/records/pilot/mill.nq"
    async with aiohttp.ClientSession() as session:
        async with session.get(url) as before:
            etag = before.headers["ETag"]
        await node.publish(pilot("mill", title="Anders"))
        async with session.get(url, headers={"If-None-Match": etag}) as after:
            assert after.status == 200
            assert "Anders" in await after.text()


def test_a_record_names_its_canonical_address_and_its_place_in_the_log(site: Site):
    links = site.get(MILL + ".ttl").headers["Link"]
    assert f'<{site.base}{MILL}>; rel="canonical"' in links
    assert f'<{site.base}/log/1>; rel="memento"' in links


def test_data_may_be_read_from_other_websites(site: Site):
    assert site.get(MILL + ".jsonld").headers["Access-Control-Allow-Origin"] == "*"


# The page


def test_the_page_shows_title_summary_and_fields_in_words(site: Site):
    text = Page(site.page(MILL + "?lang=nl")).one("main").text
    for words in ("De molen van morgen", "Een korte samenvatting.", "Kantoormeubilair", "mei 2021", "België"):
        assert words in text


def test_the_page_writes_numbers_as_the_readers_language_does(site: Site):
    assert "1.234,5" in Page(site.page(MILL + "?lang=nl")).one("main").text
    assert "1,234.5" in Page(site.page(MILL + "?lang=en")).one("main").text


def test_the_page_names_a_known_organisation_and_leads_to_it(site: Site):
    page = Page(site.page(MILL))
    assert [each.text for each in page.all("a", href="/records/organisation/kamp-c")] == ["Kamp C"]


def test_the_page_says_when_it_shows_another_language_than_the_readers(site: Site):
    page = Page(site.page(MILL + "?lang=en"))
    assert page.one("h1").attributes["lang"] == "nl"
    assert "There is no text in your language" in page.one("main").text


def test_the_page_offers_the_machine_readable_forms(site: Site):
    page = Page(site.page(MILL))
    for suffix in (".jsonld", ".ttl", ".nq"):
        assert MILL + suffix in page.links
    assert page.one("link", rel="canonical").attributes["href"] == site.base + MILL


def test_a_hostile_title_is_text_and_nothing_more(site: Site):
    page = Page(site.page("/records/pilot/hostile"))
    assert page.one("h1").text == HOSTILE
    assert not page.all("script")
    assert all("onerror" not in each.attributes for each in page.elements)


def test_an_address_that_is_no_web_address_is_shown_and_not_linked(site: Site):
    page = Page(site.page("/records/pilot/hostile"))
    assert "javascript://example.org/" in page.one("main").text
    assert not [each for each in page.links if each.lower().startswith("javascript")]


def test_a_link_to_the_outside_gives_no_referrer_away(site: Site):
    page = Page(site.page(MILL))
    outside = [each for each in page.all("a") if each.attributes["href"].startswith("https://example.org")]
    assert outside
    assert all({"nofollow", "noopener"} <= set(each.attributes["rel"].split()) for each in outside)


# Peers' records


def test_a_peers_record_is_shown_here_under_the_peers_name(site: Site):
    answer = site.get("/peers/denmark/records/pilot/havn", accept="text/html")
    text = Page(answer.text).one("main").text
    assert "Genbrugte møbler til havnen" in text
    assert "Denmark" in text
    assert "checked the signature" in text


@pytest.mark.parametrize("suffix", [".nq", ".ttl", ".jsonld"])
def test_a_peers_record_has_the_same_forms_here_as_at_home(site: Site, suffix: str):
    home = next(log for log in site.run(site.node.store.logs()) if log.name == "denmark").base
    here = site.get(f"/peers/denmark/records/pilot/havn{suffix}")
    there = ask(home, "GET", f"/records/pilot/havn{suffix}", {})
    assert here.body == there.body
    assert f'<{home}/records/pilot/havn>; rel="canonical"' in here.headers["Link"]


def test_the_page_of_a_peers_record_links_to_its_data_here(site: Site):
    page = Page(site.page("/peers/denmark/records/pilot/havn"))
    assert "/peers/denmark/records/pilot/havn.jsonld" in page.links


@pytest.mark.parametrize("name", ["norway", "flanders", "%2e%2e"])
def test_a_name_that_is_no_peer_is_not_found(site: Site, name: str):
    assert site.get(f"/peers/{name}/records/pilot/havn").status == 404


def test_a_peers_record_is_not_served_as_ones_own(site: Site):
    assert site.get("/records/pilot/havn").status == 404


def test_the_json_form_is_stable_json(site: Site):
    body = site.get(MILL + ".json").body
    assert body == site.get(MILL + ".jsonld").body
    assert json.loads(body)["id"] == site.base + MILL
