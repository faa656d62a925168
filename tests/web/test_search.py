"""Search over HTTP: the API that other tools rely on, and the page for people."""

from __future__ import annotations

from urllib.parse import parse_qs, parse_qsl, quote, urlsplit

import pytest

from tests.web.conftest import HOSTILE, Site
from tests.web.markup import Page


def test_the_answer_has_the_promised_shape(site: Site):
    answer = site.get("/api/search?q=kantoormeubilair&lang=nl&limit=2").json
    assert set(answer) == {"total", "exact", "items", "facets", "suggestion", "took_ms", "notices"}
    assert isinstance(answer["total"], int)
    assert answer["took_ms"] >= 0
    assert len(answer["items"]) == 2
    for item in answer["items"]:
        assert {"id", "kind", "node", "title", "snippet", "score", "because", "url"} <= set(item)
        assert set(item["title"]) == {"lang", "value"}
        assert item["score"] > 0
    for values in answer["facets"].values():
        assert all(set(value) - {"depth"} == {"value", "label", "count"} for value in values)


def test_a_hit_leads_to_where_this_node_shows_it(site: Site):
    answer = site.get("/api/search?lang=nl&limit=100").json
    for item in answer["items"]:
        assert item["url"].startswith(site.base)
        assert site.get(item["url"].removeprefix(site.base), accept="text/html").status == 200
    assert f"{site.base}/peers/denmark/records/pilot/havn" in [item["url"] for item in answer["items"]]


def test_a_dutch_word_finds_a_danish_text_and_says_why(site: Site):
    answer = site.get("/api/search?q=kantoormeubilair&lang=nl&node=denmark").json
    (item,) = answer["items"]
    (because,) = item["because"]
    assert item["title"] == {"lang": "da", "value": "Genbrugte møbler til havnen"}
    assert (because["how"], because["word"], because["match"], because["lang"]) == (
        "named",
        "kantoormeubilair",
        "Kontormøbler",
        "da",
    )
    assert because["label"] == "Kantoormeubilair"


def test_labels_of_facets_are_in_the_readers_language(site: Site):
    for language, label in (("nl", "Kantoormeubilair"), ("da", "Kontormøbler"), ("fr", "Mobilier de bureau")):
        facets = site.get(f"/api/search?lang={language}").json["facets"]
        assert label in [value["label"] for value in facets["sector"]]


@pytest.mark.parametrize(("name", "near"), [("kimd", "kind"), ("ofset", "offset"), ("stratgy", "strategy")])
def test_an_unknown_parameter_is_refused_with_the_nearest_one(site: Site, name: str, near: str):
    answer = site.get(f"/api/search?{name}=1")
    assert (answer.status, answer.media_type) == (400, "application/problem+json")
    (error,) = answer.json["errors"]
    assert error["field"] == name
    assert near in error["remedy"]


@pytest.mark.parametrize("value", ["-1", "abc", "101", "1.5", "1e2", "٣", "999999999999", "0x10", " 5"])
def test_a_limit_that_is_none_is_refused(site: Site, value: str):
    answer = site.get(f"/api/search?limit={quote(value)}")
    assert answer.status == 400
    assert [error["field"] for error in answer.json["errors"]] == ["limit"]


@pytest.mark.parametrize("value", ["-1", "abc", "10001"])
def test_an_offset_that_is_none_is_refused(site: Site, value: str):
    answer = site.get(f"/api/search?offset={value}")
    assert answer.status == 400
    assert [error["field"] for error in answer.json["errors"]] == ["offset"]


@pytest.mark.parametrize("tag", ["xx", "english", "n", "<b>"])
def test_a_language_that_is_none_is_refused_with_those_there_are(site: Site, tag: str):
    answer = site.get(f"/api/search?q=molen&lang={quote(tag)}")
    assert answer.status == 400
    (error,) = answer.json["errors"]
    assert error["field"] == "lang"
    assert "en, nl, fr" in error["remedy"]


@pytest.mark.parametrize("tag", ["nl", "nl-BE", "NN", "", "no"])
def test_a_language_of_a_region_or_a_near_one_is_one(site: Site, tag: str):
    assert site.get(f"/api/search?q=molen&lang={tag}").status == 200


def test_what_can_only_be_meant_once_is_refused_twice(site: Site):
    answer = site.get("/api/search?q=molen&q=stoel&limit=1&limit=2&kind=pilot&kind=lesson")
    assert answer.status == 400
    assert [error["field"] for error in answer.json["errors"]] == ["q", "limit"]


def test_every_fault_of_a_request_is_named_at_once(site: Site):
    errors = site.get("/api/search?limit=x&offset=y&nonsense=z").json["errors"]
    assert {error["field"] for error in errors} == {"limit", "offset", "nonsense"}


def test_a_limit_of_zero_gives_the_total_and_no_hits(site: Site):
    answer = site.get("/api/search?limit=0").json
    assert answer["items"] == []
    assert answer["total"] > 20


def test_an_offset_past_the_end_gives_no_hits_and_the_same_total(site: Site):
    everything = site.get("/api/search?q=molen&lang=nl").json["total"]
    answer = site.get("/api/search?q=molen&lang=nl&offset=10000").json
    assert (answer["items"], answer["total"]) == ([], everything)


def test_a_facet_given_twice_means_either(site: Site):
    def total(query: str) -> int:
        return site.get(f"/api/search?{query}").json["total"]

    assert total("kind=pilot&kind=organisation") == total("kind=pilot") + total("kind=organisation")


def test_a_value_that_no_facet_has_is_refused_with_what_was_perhaps_meant_in_one_language(site: Site):
    answer = site.get("/api/search?kind=pilt&limit=x&colour=red&lang=nl").json
    assert {each["field"]: each["message"] for each in answer["errors"]} == {
        "kind": "“pilt” is geen waarde van “Soort”.",
        "limit": "“x” is geen getal van 0 tot 100.",
        "colour": "Er is geen parameter “colour”.",
    }
    assert "pilot" in next(each["remedy"] for each in answer["errors"] if each["field"] == "kind")


@pytest.mark.parametrize("asked", ["node=nonsense", "language=dansk", "year=21", "year=2021x", "node=%ff"])
def test_a_value_of_an_open_facet_that_no_record_has_is_refused(site: Site, asked: str):
    answer = site.get(f"/api/search?{asked}")
    assert (answer.status, [each["field"] for each in answer.json["errors"]]) == (400, [asked.partition("=")[0]])


def test_more_values_than_can_be_chosen_are_refused_and_not_cut_off(site: Site):
    years = "&".join(f"year={year}" for year in range(1970, 2027))
    (error,) = site.get(f"/api/search?{years}&lang=en").json["errors"]
    assert (error["field"], error["message"]) == ("year", "With 57 values of “Year” there are too many at once.")


@pytest.mark.parametrize("text", ["é", "漢", "🙂", "\u202e"])
def test_ten_thousand_characters_of_any_script_are_an_answer(site: Site, text: str):
    assert site.get(f"/api/search?q={quote(text * 10_000)}").status == 200
    assert site.get(f"/search?q={quote(text * 10_000)}").status == 200


def test_every_value_that_is_counted_can_be_chosen(site: Site):
    for name, values in site.get("/api/search").json["facets"].items():
        for each in values:
            assert site.get(f"/api/search?{name}={each['value']}").json["total"] == each["count"]


def test_a_snippet_is_html_with_matches_marked_and_all_else_escaped(site: Site):
    (item,) = site.get("/api/search?q=gardenhose&lang=en").json["items"]
    assert item["snippet"]["html"] == "&lt;img src=x onerror=alert(2)&gt; <mark>gardenhose</mark>"
    assert item["title"]["value"] == HOSTILE


def test_search_may_be_used_from_other_websites(site: Site):
    assert site.get("/api/search").headers["Access-Control-Allow-Origin"] == "*"


# The page


def test_the_page_shows_what_the_api_answers(site: Site):
    answer = site.get("/api/search?q=kantoormeubilair&lang=nl").json
    page = Page(site.page("/search?q=kantoormeubilair&lang=nl&order=rank"))
    assert [each.inside[0].text for each in page.all("h3")] == [item["title"]["value"] for item in answer["items"]]
    assert str(answer["total"]) in page.one("h2", id="results").text


def test_the_page_says_why_a_text_in_another_language_was_found(site: Site):
    page = Page(site.page("/search?q=kantoormeubilair&lang=nl&node=denmark"))
    assert "Gevonden omdat" in page.one("p", class_="because").text
    assert "Kontormøbler" in page.one("p", class_="because").text
    assert page.one("p", class_="because").inside[1].attributes["lang"] == "da"


def test_the_page_escapes_what_was_typed(site: Site):
    page = Page(site.page("/search?q=%22%3E%3Cscript%3Ealert(1)%3C/script%3E&kind=%3Cb%3E"))
    assert not page.strange_scripts
    assert page.one("input", id="q").attributes["value"] == '"><script>alert(1)</script>'


def test_hits_with_hostile_titles_are_text(site: Site):
    page = Page(site.page("/search?q=gardenhose&lang=en"))
    assert HOSTILE in page.one("h3").text
    assert not page.strange_scripts
    assert "onerror" in page.one("p", class_="snippet").text


def test_pages_of_results_follow_each_other_without_repeats(site: Site):
    seen: list[str] = []
    path = "/search?lang=nl&kind=pilot"
    while path:
        page = Page(site.page(path))
        seen += [each.inside[0].attributes["href"] for each in page.all("h3")]
        nexts = page.all("a", rel="next")
        path = nexts[0].attributes["href"] if nexts else ""
    total = site.get("/api/search?kind=pilot").json["total"]
    assert total > 20
    assert len(seen) == len(set(seen)) == total


@pytest.mark.parametrize("number", ["0", "-1", "x", "99999", "1.5", "٣"])
def test_a_page_number_that_is_none_still_gives_a_page(site: Site, number: str):
    assert Page(site.page(f"/search?page={quote(number)}")).one("form", role="search")


def test_following_a_facet_shows_as_many_as_it_promised(site: Site):
    page = Page(site.page("/search?lang=en"))
    facets = page.one("aside", class_="facets")
    links = [each for each in facets.inside if each.tag == "a"]
    assert len(links) > 5
    for link in links:
        href, count = link.attributes["href"], link.inside[-1].text
        query = "&".join(f"{key}={value}" for key, value in parse_qsl(urlsplit(href).query))
        assert str(site.get(f"/api/search?{query}").json["total"]) == count


def test_choosing_a_region_takes_the_place_of_its_country_and_the_other_way_round(site: Site):
    def offered(address: str) -> list[list[str]]:
        links = Page(site.page(address)).all("a", rel="nofollow")
        return [parse_qs(urlsplit(each.attributes["href"]).query).get("strategy", []) for each in links]

    assert ["R8", "R3"] in offered("/search?lang=nl&strategy=LIFE&strategy=R8")
    assert ["R8", "LIFE"] in offered("/search?lang=nl&strategy=R3&strategy=R4&strategy=R8")


def test_a_chosen_facet_can_be_taken_away_again(site: Site):
    page = Page(site.page("/search?q=molen&kind=pilot&lang=en"))
    chip = page.one("a", class_="chip remove")
    assert "kind" not in dict(parse_qsl(urlsplit(chip.attributes["href"]).query))
    kept = {each.attributes.get("name"): each.attributes for each in page.one("form", role="search").inside}
    assert kept["kind"]["value"] == "pilot"


def test_a_choice_goes_back_to_the_first_page(site: Site):
    page = Page(site.page("/search?page=2&lang=en"))
    facets = page.one("aside", class_="facets")
    assert not [each for each in facets.inside if "page=" in each.attributes.get("href", "")]


def test_nothing_found_says_what_to_try(site: Site):
    page = Page(site.page("/search?q=qqqqzzzz&kind=pilot&lang=en"))
    assert "Nothing found" in page.one("h2", id="results").text
    assert "/search?q=qqqqzzzz&lang=en" in page.links


def test_a_phrase_that_nobody_wrote_can_be_asked_for_without_its_quotes(site: Site):
    page = Page(site.page("/search?q=%22molen+zzzz%22+-water&lang=en"))
    assert "/search?lang=en&q=molen+zzzz" in page.links


def test_a_value_far_from_all_others_is_left_aside_without_a_list_of_them(site: Site):
    page = Page(site.page("/search?sector=qqqq&lang=nl"))
    said = [each.text for each in page.all("p")]
    assert any(
        "“qqqq” is geen waarde van “Sector”. Een zoekopdracht zonder toont welke er zijn." in each for each in said
    )


def test_the_home_page_is_the_search_page(site: Site):
    page = Page(site.page("/?lang=en"))
    assert page.one("input", id="q").attributes["value"] == ""
    assert page.all("h3")


def test_a_page_behind_the_last_is_the_last(site: Site):
    page = Page(site.page("/search?q=molen&page=400&lang=nl"))
    assert page.all("h3") or page.all("h4")
    assert not [each for each in page.links if "page=399" in each]


def test_a_text_that_is_too_long_is_cut_and_the_page_says_so(site: Site):
    body = site.page(f"/search?q={'molen+' * 2000}&lang=en")
    assert "Only the first 400 characters are searched for." in body
    assert len(body) < 400_000


def test_a_code_is_said_to_be_one(site: Site):
    (first, *_) = site.get("/api/search?q=R3&lang=en").json["items"]
    assert {"how": "code", "word": "R3", "match": "r3"} in first["because"]


def test_what_is_completed_in_one_language_is_kept_for_no_other(site: Site):
    assert site.get("/api/complete?q=mol").headers["Vary"] == "Accept-Language"


@pytest.mark.parametrize("beginning", ["한" * 120, "漢" * 340, "ﬃ" * 400])
def test_the_beginning_of_a_word_that_nobody_types_offers_nothing(site: Site, beginning: str):
    answer = site.get(f"/api/complete?q={quote(beginning)}")
    assert answer.status == 200
    assert answer.json["items"] == []


def test_a_language_that_is_not_offered_is_not_carried_on(site: Site):
    page = Page(site.page(f"/?lang={'x' * 2_000}"))
    assert not [link for link in page.all("a") if "xxx" in link.attributes.get("href", "").partition("/?")[0]]
    assert len(site.page(f"/?lang={'x' * 2_000}")) < 2 * len(site.page("/"))
