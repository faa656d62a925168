"""Which records are found: those that surely have every word where these are enough, else those that come near."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from federation.index import facets, ranking
from federation.index.documents import OPEN_QUESTION
from federation.records.draft import Draft
from federation.search import Found, Search
from federation.workers import Tools
from tests.conftest import pilot
from tests.index.corpus import asking, index_of, search_of

TEXT = {"abstract": {"nl": "Gewoon een tekst."}, "source": "https://example.org/source"}


@pytest.fixture
def library(tools: Tools, tmp_path: Path):
    def make(*drafts: Draft) -> Search:
        return search_of(tmp_path / "index", drafts, tools)

    return make


def slugs(found: Found) -> list[str]:
    return sorted(hit.slug for hit in found.hits)


def titled(slug: str, title: str, **more) -> Draft:
    return pilot(slug, title=title, abstract=None, strategy=["R8"], **more)


def opportunity(slug: str, **more) -> Draft:
    common = {
        "title": {"nl": slug.title()},
        "opportunityKind": "open-contract",
        "procurer": "kamp-c",
        "need": {"nl": "Wat nodig is."},
    }
    return Draft("opportunity", slug, TEXT | common | more)


@pytest.fixture
def mills(library) -> Search:
    return library(
        titled("both", "Qwertz asdfgh"),
        titled("also", "Asdfgh en qwertz", sector=["workwear"]),
        titled("one", "Qwertz"),
        titled("other", "Asdfgh"),
    )


def test_with_enough_records_that_have_every_word_no_others_are_found(mills: Search, monkeypatch):
    monkeypatch.setattr(ranking, "ENOUGH", 2)
    found = asking(mills, "qwertz asdfgh")
    assert (slugs(found), found.total, found.exact) == (["also", "both"], 2, 2)


def test_with_too_few_those_are_found_too_that_have_some_of_the_words(mills: Search, monkeypatch):
    monkeypatch.setattr(ranking, "ENOUGH", 3)
    found = asking(mills, "qwertz asdfgh")
    assert (slugs(found), found.exact) == (["also", "both", "one", "other"], 2)


def test_a_record_with_every_word_comes_before_one_that_is_full_of_the_rarest(library):
    often = titled("often", "Qwertz, qwertz, qwertz")
    others = [titled(f"other-{at}", "Asdfgh") for at in range(30)]
    search = library(often, titled("every", f"Een {'heel ' * 25}lange titel: qwertz en asdfgh"), *others)
    assert asking(search, "qwertz asdfgh").hits[0].slug == "every"


@pytest.mark.parametrize("enough", [1, 2])
def test_the_same_is_found_whether_many_words_are_counted_first_or_ranked(library, monkeypatch, enough: int):
    monkeypatch.setattr(ranking, "ENOUGH", enough)
    search = library(titled("all", "Qwertz asdfgh zxcvbn poiuyt"), titled("some", "Qwertz asdfgh lkjhgf mnbvcx"))
    asked = "qwertz asdfgh zxcvbn poiuyt"
    counted = asking(search, asked)
    monkeypatch.setattr(ranking, "FEW", 8)
    ranked = asking(search, asked)
    assert (
        (slugs(counted), counted.exact) == (slugs(ranked), ranked.exact) == ([["all"], ["all", "some"]][enough - 1], 1)
    )


def test_a_filter_does_not_bring_records_that_were_not_found_before(mills: Search, monkeypatch):
    """With the filter one record is left, which is too few; that there were enough is told without it."""
    monkeypatch.setattr(ranking, "ENOUGH", 2)
    for name, values in asking(mills, "qwertz asdfgh").facets.items():
        for value in values:
            found = asking(mills, "qwertz asdfgh", filters={name: (value.value,)})
            assert found.total == value.count, (name, value)


def test_neither_does_asking_for_what_is_open(library, monkeypatch):
    monkeypatch.setattr(ranking, "ENOUGH", 2)
    search = library(
        titled("mill", "Qwertz asdfgh"),
        opportunity("both", title={"nl": "Qwertz asdfgh"}, closesOn="2026-12-31"),
        opportunity("one", title={"nl": "Qwertz"}, closesOn="2026-12-31"),
    )
    assert slugs(asking(search, "qwertz asdfgh")) == ["both", "mill"]
    assert slugs(asking(search, "qwertz asdfgh", open_on=date(2026, 11, 22))) == ["both"]


def test_words_that_only_look_like_one_that_nobody_has_are_not_sure(library):
    found = asking(library(titled("mill", "Qwertzuiop")), "qwertzuiob")
    assert (found.total, found.exact) == (1, 0)


def test_of_a_long_query_only_what_each_word_surely_means_is_looked_for(library):
    search = library(titled("said", "Qwertz asdfgh yxcvbn"), titled("alike", "Qwertzu asdfghj yxcvbnm"))
    assert slugs(asking(search, "qwertz asdfgh yxcvbn")) == ["alike", "said"]
    assert slugs(asking(search, "qwertz asdfgh yxcvbn " + "zuiop hjklo bnmqw tgbrf")) == ["said"]


def test_a_concept_that_is_named_is_sure(library):
    found = asking(library(titled("desks", "Kontorsmöbler")), "kantoormeubilair")
    assert (found.total, found.exact) == (1, 1)


def test_all_words_of_a_phrase_in_quotes_are_sure_only_together(library):
    search = library(titled("together", "Qwertz asdfgh"), titled("apart", "Qwertz of asdfgh"))
    found = asking(search, '"qwertz asdfgh"')
    assert (slugs(found), found.exact) == (["together"], 1)


def test_without_counts_there_are_hits_and_a_total(mills: Search):
    found = asking(mills, "qwertz", counted=False)
    assert (slugs(found), found.total, found.facets) == (["also", "both", "one"], 3, {})


def test_counts_are_exact_with_more_sets_of_values_than_are_counted_at_once(library, monkeypatch):
    codes = ["workwear", "ict-hardware", "furniture-office"]
    search = library(*(pilot(f"p{number}", sector=codes[: number % 3 + 1]) for number in range(9)))
    before = asking(search).facets
    monkeypatch.setattr(facets, "_SETS", 1)
    assert asking(search).facets == before
    assert {value.value: value.count for value in before["sector"]}["workwear"] == 9


def test_only_what_is_still_open_on_a_day_can_be_asked_for(library):
    search = library(
        opportunity("past", closesOn="2026-03-01"),
        opportunity("today", closesOn="2026-11-22"),
        opportunity("later", closesOn="2026-12-31"),
        opportunity("expected", expectedQuarter="2027-Q1", opportunityKind="in-preparation"),
        opportunity("became", closesOn="2027-01-31", becomes=["pilot/mill"]),
        pilot("mill"),
    )
    assert slugs(asking(search, open_on=date(2026, 11, 22))) == ["later", "today"]
    assert slugs(asking(search, open_on=date(2026, 12, 1))) == ["later"]
    assert asking(search, open_on=date(2026, 12, 1)).facets["kind"][0].count == 1


def test_questions_that_nobody_has_answered_can_be_asked_for(library):
    legal = {"outputKind": ["legal-qa"], "title": {"nl": "Mag dat?"}, "question": {"nl": "Mag dat?"}}
    answered = {"answer": {"nl": "Ja."}, "jurisdiction": "BE", "validAsOf": "2026-01"}
    search = library(
        Draft("output", "open", TEXT | legal | {"jurisdiction": "BE"}),
        Draft("output", "answered", TEXT | legal | answered),
        pilot("mill"),
    )
    assert slugs(asking(search, mark=OPEN_QUESTION)) == ["open"]


def test_of_equal_records_the_more_recent_comes_first(tools: Tools, tmp_path: Path):
    drafts = [titled(f"of-{year}", "Qwertz", start=str(year)) for year in (2019, 2024, 2026, 2025)]
    search = Search(index_of(tmp_path / "index", {"flanders": drafts}, tools), lambda node: {}, lambda: 2026)
    found = asking(search, "qwertz")
    assert [hit.slug for hit in found.hits] == ["of-2026", "of-2025", "of-2024", "of-2019"]


def test_a_text_that_names_something_narrower_is_a_reason(library):
    """Repair lies in longer life, which is asked for; the record is tagged with neither."""
    found = asking(library(titled("radio", "Reparatie van radio's")), "levensduurverlenging")
    assert [[each.how for each in hit.because] for hit in found.hits] == [["narrower"]]


def test_what_is_counted_of_a_phrase_is_what_is_found_of_it(library, monkeypatch):
    monkeypatch.setattr(ranking, "ENOUGH", 1)
    search = library(
        titled("both", "Aandelen van koolstofarme en circulaire economie", sector=["workwear"]),
        titled("one", "Economie van het platteland", sector=["workwear"]),
        titled("apart", "Economie, en dan circulaire stappen", sector=["workwear"]),
    )
    answer = asking(search, "circulaire economie")
    assert answer.exact == answer.total
    assert [each.count for each in answer.facets["node"]] == [answer.total]


# Typing errors


@pytest.mark.parametrize("typed", ["molenwek", "mollenwerk", "mlenwerk", "molnewerk", "molenwerm"])
def test_one_wrong_letter_in_a_word_that_nobody_else_has_is_found_and_said(library, typed):
    found = asking(library(titled("mill", "Het molenwerk"), titled("far", "Qwertz")), typed)
    assert slugs(found) == ["mill"]
    assert (found.exact, found.suggestion) == (0, "molenwerk")


def test_a_mistyped_name_of_a_concept_finds_it_in_other_languages(library):
    found = asking(
        library(titled("desk", "Office furniture", language="en", sector=["furniture-office"])), "kantormeubilr"
    )
    assert slugs(found) == ["desk"]


def test_a_word_that_a_record_has_is_not_taken_for_a_mistyped_one(library):
    search = library(titled("mill", "Het molenwerk"), titled("other", "Het molenperk"))
    found = asking(search, "molenperk")
    assert (found.hits[0].slug, found.suggestion) == ("other", "")


def test_a_record_is_found_by_the_name_of_what_it_refers_to_and_says_so(library):
    """No text of it says *kamp*; the slug of its procurer does."""
    found = asking(library(titled("mill", "Een molen", procurer=["kamp-c"])), "Kamp Nergens")
    assert [(each.how, each.word, each.match) for each in found.hits[0].because] == [("mention", "Kamp", "kamp")]


# What is called by name


def organisation(slug: str, **titles: str) -> Draft:
    return Draft("organisation", slug, {"title": titles, "role": ["procurer"], "source": TEXT["source"]})


@pytest.fixture
def hospitals(library) -> Search:
    return library(
        organisation("uza", nl="Universitair Ziekenhuis Antwerpen (UZA)", en="University Hospital Antwerp"),
        titled("ovens", "Qwertz", procurer=["uza"]),
        titled("elsewhere", "Qwertz", procurer=["kamp-c"]),
    )


@pytest.mark.parametrize("text", ["Universitair Ziekenhuis Antwerpen", "University Hospital Antwerp", "UZA"])
def test_who_searches_a_buyer_by_any_of_its_names_finds_it_first_and_then_what_it_bought(hospitals: Search, text: str):
    found = asking(hospitals, text)
    assert [hit.slug for hit in found.hits[:2]] == ["uza", "ovens"]
    assert found.exact == 2
    said = [(each.how, each.match) for each in found.hits[1].because]
    assert said == [("mention", "Universitair Ziekenhuis Antwerpen (UZA)")]


def test_a_name_counts_as_words_that_a_record_surely_has(hospitals: Search, monkeypatch):
    monkeypatch.setattr(ranking, "ENOUGH", 1)
    assert slugs(asking(hospitals, "qwertz University Hospital Antwerp")) == ["ovens"]


def test_what_a_record_says_itself_needs_no_name_of_what_it_refers_to(library):
    found = asking(
        library(
            organisation("rws", nl="Rijkswaterstaat"), titled("locks", "Sluizen Rijkswaterstaat", procurer=["rws"])
        ),
        "Rijkswaterstaat",
    )
    assert {each.how for hit in found.hits for each in hit.because} == {"word"}


def test_the_facets_count_what_is_found_by_name(hospitals: Search):
    found = asking(hospitals, "University Hospital Antwerp", filters={"kind": ("pilot",)})
    assert found.total == next(each.count for each in found.facets["kind"] if each.value == "pilot")
    assert "ovens" in slugs(found)


def test_a_name_that_others_repeat_is_still_that_of_who_bore_it_first(library):
    often = [organisation(f"a-spam-{at}", nl="UZA uza uza") for at in range(30)]
    search = library(
        organisation("hosp", nl="Universitair Ziekenhuis Antwerpen (UZA)"),
        titled("ovens", "Qwertz", procurer=["hosp"]),
        *often,
    )
    assert "ovens" in slugs(asking(search, "UZA"))


def test_who_is_called_by_name_is_counted_where_its_record_has_not_every_word(library, monkeypatch):
    monkeypatch.setattr(ranking, "ENOUGH", 1)
    search = library(
        organisation("kth", nl="Kungliga Tekniska"), titled("stools", "Qwertz", procurer=["kth"]), titled("far", "Asdf")
    )
    found = asking(search, "Kungliga Tekniska")
    counted = {each.value: each.count for each in found.facets["kind"]}
    assert (found.total, counted) == (2, {"organisation": 1, "pilot": 1})
