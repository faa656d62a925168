"""Results to take away: the same records as the page, as tables, linked data and a feed."""

from __future__ import annotations

import asyncio
import csv
import io
from xml.etree import ElementTree

import pyoxigraph
import pytest
import python_calamine

from federation.errors import TooMany
from federation.records import jsonld
from federation.records.canonical import write
from federation.records.multikey import decode_public
from federation.records.proof import verify
from federation.web.results import COLUMNS, FORMS, Turns
from tests.conftest import pilot
from tests.web.conftest import HOSTILE, Site, ask
from tests.web.markup import Page

ATOM = "{http://www.w3.org/2005/Atom}"
AS = "https://www.w3.org/ns/activitystreams#"
QUERY = "q=kantoormeubilair&lang=nl"


def wanted(site: Site, query: str = QUERY) -> list[str]:
    """The addresses of the records that the API finds, by rank."""
    return [item["url"] for item in site.get(f"/api/search?limit=100&{query}").json["items"]]


def rows(site: Site, query: str = QUERY) -> list[list[str]]:
    return list(csv.reader(io.StringIO(site.get(f"/search.csv?{query}").body.decode("utf-8-sig"))))


@pytest.mark.parametrize("form", FORMS)
def test_every_form_is_what_it_says_and_may_be_read_from_other_sites(site: Site, form: str):
    answer = site.get(f"/search.{form}?{QUERY}")
    assert (answer.status, answer.media_type) == (200, FORMS[form].partition(";")[0])
    assert answer.headers["Access-Control-Allow-Origin"] == "*"
    assert len(answer.body) > 100


def test_a_table_has_the_records_of_the_search_in_its_order_and_says_why(site: Site):
    head, *found = rows(site)
    assert len(head) == len(COLUMNS)
    assert head[0] == "Titel"
    assert [row[-1] for row in found] == wanted(site)
    danish = next(row for row in found if row[-1].endswith("/peers/denmark/records/pilot/havn"))
    assert danish[:4] == ["Genbrugte møbler til havnen", "Deens", "Pilot", "Denemarken"]
    assert danish[7] == "kantoormeubilair = Kontormøbler (Kantoormeubilair)"


def test_a_workbook_is_the_same_table(site: Site):
    data = site.get(f"/search.xlsx?{QUERY}").body
    book = python_calamine.CalamineWorkbook.from_filelike(io.BytesIO(data))
    assert [[str(cell) for cell in row] for row in book.get_sheet_by_index(0).to_python()] == rows(site)


def test_a_table_is_saved_under_what_was_asked(site: Site):
    saved = site.get("/search.csv?q=De+molen%22%0d%0aX:+1").headers["Content-Disposition"]
    assert saved == 'attachment; filename="de-molen-x-1.csv"'


def test_linked_data_holds_the_signed_records_in_their_order(site: Site):
    document = site.get(f"/search.jsonld?{QUERY}").json
    items = site.get(f"/api/search?limit=100&{QUERY}").json
    assert (document["type"], document["totalItems"]) == ("OrderedCollection", items["total"])
    assert [each["id"] for each in document["orderedItems"]] == [each["id"] for each in items["items"]]
    vocabulary = site.node.workers.tools.vocabulary
    for each in document["orderedItems"]:
        signed = jsonld.signed_of(each, vocabulary)
        did, _, key = signed.proof.method.partition("#")
        assert verify(signed, decode_public(key), node=did).signed == signed


def test_turtle_says_what_the_records_say_and_which_list_they_stand_in(site: Site):
    document = site.get(f"/search.jsonld?{QUERY}").json
    graph = set(pyoxigraph.parse(site.get(f"/search.ttl?{QUERY}").body, format=pyoxigraph.RdfFormat.TURTLE))
    page = pyoxigraph.NamedNode(document["id"])
    (total,) = [quad.object.value for quad in graph if quad.predicate.value == f"{AS}totalItems"]
    assert total == str(document["totalItems"])
    listed, node = [], next(q.object for q in graph if q.subject == page and q.predicate.value == f"{AS}items")
    while isinstance(node, pyoxigraph.BlankNode):
        said = {quad.predicate.value.rpartition("#")[2]: quad.object for quad in graph if quad.subject == node}
        listed.append(said["first"].value)
        node = said["rest"]
    assert listed == [each["id"] for each in document["orderedItems"]]
    for each in document["orderedItems"]:
        body = write(
            jsonld.triples_of({k: v for k, v in each.items() if k != "proof"}, site.node.workers.tools.vocabulary)
        )
        said = pyoxigraph.parse(body, format=pyoxigraph.RdfFormat.N_TRIPLES)
        assert {pyoxigraph.Quad(q.subject, q.predicate, q.object) for q in said} <= graph


def test_a_feed_has_the_newest_records_first(site: Site):
    feed = ElementTree.fromstring(site.get("/search.atom?lang=nl").body)
    updated = [each.findtext(f"{ATOM}updated") for each in feed.iter(f"{ATOM}entry")]
    assert updated == sorted(updated, reverse=True)
    assert len(updated) > 3
    assert feed.findtext(f"{ATOM}updated") == updated[0]
    for entry in feed.iter(f"{ATOM}entry"):
        assert entry.findtext(f"{ATOM}id").startswith("http")
        assert entry.find(f"{ATOM}link").attrib["href"].startswith(site.base)
        assert entry.findtext(f"{ATOM}author/{ATOM}name")
    words = ElementTree.fromstring(site.get(f"/search.atom?{QUERY}").body)
    links = {each.attrib["href"] for each in words.findall(f"{ATOM}entry/{ATOM}link")}
    # What only comes near would be news of something else.
    exact = site.get(f"/api/search?limit=100&{QUERY}").json["exact"]
    assert links == set(wanted(site)[:exact])


def test_a_feed_without_records_is_one_all_the_same(site: Site):
    feed = ElementTree.fromstring(site.get("/search.atom?q=xyzzyqwrt").body)
    assert feed.findtext(f"{ATOM}updated")
    assert list(feed.iter(f"{ATOM}entry")) == []


async def test_what_spreadsheets_would_compute_and_browsers_run_is_harmless_text(start_node):
    node = await start_node("flanders")
    await node.node.publisher.publish([pilot("ivy", title=f"=cmd|'/c calc'!A1 {HOSTILE} klimop")])
    await node.node.follower.catch_up()
    held = await asyncio.to_thread(ask_all, node.base)
    assert HOSTILE in ElementTree.fromstring(held["atom"]).findtext(f"{ATOM}entry/{ATOM}title")
    (row,) = list(csv.reader(io.StringIO(held["csv"].decode("utf-8-sig"))))[1:]
    assert row[0].startswith("'=cmd")


def test_what_xml_cannot_hold_may_be_asked_for(site: Site):
    feed = ElementTree.fromstring(site.get("/search.atom?q=kantoormeubilair%01%ef%bf%be%0b&lang=nl").body)
    assert feed.findtext(f"{ATOM}title").startswith("kantoormeubilair\N{REPLACEMENT CHARACTER}")


def ask_all(base: str) -> dict[str, bytes]:
    return {form: ask(base, "GET", f"/search.{form}?q=klimop&lang=nl", {}).body for form in FORMS}


async def test_what_was_withdrawn_is_in_no_form(start_node):
    node = await start_node("flanders")
    await node.node.publisher.publish([pilot("ivy", title="Klimop"), pilot("oak", title="Klimop en eik")])
    await node.node.own.withdraw(f"{node.base}/records/pilot/ivy", {"nl": "Vervallen."})
    await node.node.follower.catch_up()
    for form, body in (await asyncio.to_thread(ask_all, node.base)).items():
        assert b"oak" in body or form == "xlsx"
        assert b"/ivy" not in body


def test_a_program_that_has_the_results_is_told_so(site: Site):
    etag = site.get(f"/search.ttl?{QUERY}").headers["ETag"]
    assert site.get(f"/search.ttl?{QUERY}", If_None_Match=etag).status == 304


@pytest.mark.parametrize("query", ["limit=501", "nonsense=1", "kind=nothing", "offset=x", "page=2"])
def test_what_cannot_be_understood_is_refused_in_every_form(site: Site, query: str):
    for form in FORMS:
        answer = site.get(f"/search.{form}?{query}")
        assert (answer.status, answer.media_type) == (400, "application/problem+json")


async def test_who_takes_much_away_at_once_waits_for_no_more_than_four():
    turns, held = Turns(), []

    async def take() -> None:
        async with turns.of("192.0.2.1"):
            held.append(len(held))
            await asyncio.sleep(0)
            assert held[-1] == len(held) - 1, "one after the other"

    outcomes = await asyncio.gather(*(take() for _ in range(7)), return_exceptions=True)
    assert [type(each) for each in outcomes] == [type(None)] * 4 + [TooMany] * 3
    await take()


def test_the_page_leads_to_every_form_of_what_it_shows(site: Site):
    page = Page(site.page("/search?q=kantoormeubilair&kind=pilot&order=rank&page=1", Accept_Language="nl"))
    links = [each.attributes["href"] for each in page.all("a") if each.attributes["href"].startswith("/search.")]
    assert {each.partition("?")[0] for each in links} == {f"/search.{form}" for form in FORMS}
    for each in links:
        assert each.endswith("?q=kantoormeubilair&kind=pilot&lang=nl")
        assert site.get(each).status == 200
    assert page.one("link", rel="alternate", type="application/atom+xml").attributes["href"] == links[-1]


def test_where_nothing_is_found_there_is_nothing_to_take(site: Site):
    page = Page(site.page("/search?q=xyzzyqwrt"))
    assert page.all("p", class_="take") == []
