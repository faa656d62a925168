"""Notices in the Open Contracting Data Standard become records that can be published as they are."""

from __future__ import annotations

import json
import re
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from federation.errors import Fault
from federation.exchange.notices import day, language_tag, plain
from federation.exchange.ocds import read
from federation.records.draft import Draft
from federation.tasks import prepare
from federation.workers import Tools
from tests.records.authoring import NAMING, NOW, VOCABULARY, faults_of

FUZZ = settings(max_examples=200, deadline=None, derandomize=True)
NOTICES = Path(__file__).parent.parent / "data" / "notices"


def assert_publishable(drafts: list[Draft], tools: Tools) -> None:
    """Reading, shapes and rules find nothing that keeps the drafts from being published."""
    assert drafts
    assert [fault for draft in drafts for fault in faults_of(draft)] == []
    prepared, faults = prepare(tools, drafts, {}, NAMING, NOW)
    assert [str(fault) for fault in faults if fault.severity == "violation"] == []
    assert None not in prepared


def only(drafts: list[Draft], kind: str = "opportunity") -> Draft:
    (found,) = (draft for draft in drafts if draft.kind == kind)
    return found


def violations(faults: list[Fault]) -> set[str]:
    return {fault.field for fault in faults if fault.severity == "violation"}


def document(name: str) -> Any:
    return json.loads((NOTICES / name).read_text())


def package(slug: str) -> Draft:
    """An opportunity of the sample package, by the end of its slug."""
    drafts, _ = read(document("ocds-package.json"), "sample.json", VOCABULARY)
    (found,) = (draft for draft in drafts if draft.slug.endswith(slug))
    return found


def release(**tender: Any) -> dict[str, Any]:
    """A release that lacks nothing, with other fields of its tender."""
    whole = {"title": "Sample", "description": "Sample of a need.", "tenderPeriod": {"endDate": "2026-12-09T10:00:00Z"}}
    return {
        "ocid": "ocds-sample0-1",
        "tag": ["tender"],
        "language": "en",
        "buyer": {"name": "Sample Town"},
        "tender": {**whole, **tender},
    }


def opportunity(**tender: Any) -> Draft:
    return only(read(release(**tender), "sample.json", VOCABULARY)[0])


@pytest.mark.parametrize(("name", "count"), [("ocds-package.json", 5), ("ocds-records.json", 2)])
def test_every_draft_of_the_samples_can_be_published(name, count, tools):
    drafts, faults = read(document(name), name, VOCABULARY)
    assert (len(drafts), violations(faults)) == (count, set())
    assert_publishable(drafts, tools)


def test_a_tender_is_an_open_contract_with_all_that_the_release_states():
    found = package("furniture")
    assert found.slug == "voorbeeld-hergebruikt-kantoormeubilair-ocds-sample0-furniture"
    assert {name: value for name, value in found.values.items() if name not in ("title", "need")} == {
        "language": "nl",
        "opportunityKind": "open-contract",
        "procurer": "voorbeeldstad-ost-zonen",
        "sector": ["furniture-office"],
        "cpv": ["39130000", "39112000"],
        "country": ["Belgium"],
        "nuts": ["BE211", "BE212"],
        "closesOn": "2026-12-02",
        "notice": ["https://notices.example/sample/furniture-2"],
        "source": ["https://notices.example/sample/furniture-2"],
    }


def test_texts_are_taken_in_every_language_that_is_known_here():
    assert package("furniture").values["title"] == {
        "nl": "Voorbeeld: hergebruikt kantoormeubilair",
        "fr": "Exemple : mobilier de bureau réemployé",
    }


def test_html_in_a_description_becomes_lines_of_text():
    assert package("furniture").values["need"]["nl"].split("\n\n") == [
        "Wij zoeken hergebruikte bureaus & stoelen:",
        "120 bureaus, diepte < 80 cm",
        "200 stoelen",
        "CO2 telt mee.",
    ]


def test_the_buyer_is_a_procuring_organisation_given_once():
    drafts, _ = read(document("ocds-package.json"), "sample.json", VOCABULARY)
    first, second = (draft for draft in drafts if draft.kind == "organisation")
    assert (first.slug, second.slug) == ("voorbeeldstad-ost-zonen", "sample-council-of-the-north")
    assert first.values == {
        "title": {"nl": "Voorbeeldstad Øst & Zonen", "fr": "Ville exemplaire"},
        "role": "procurer",
        "legalId": "BE-BCE_KBO 0000000097",
        "country": ["Belgium"],
        "source": ["https://notices.example/sample/furniture-2"],
    }


def test_a_planned_tender_is_a_contract_in_preparation_for_the_quarter_of_its_call():
    found = package("bridge").values
    assert (found["opportunityKind"], found["expectedQuarter"]) == ("in-preparation", "2027-Q2")
    assert found["need"] == {"nl": "Voorbeeld: de oude brug moet weg, de nieuwe mag geen nieuw beton kosten."}


def test_an_early_engagement_is_a_market_consultation_until_its_last_day():
    found = package("catering").values
    assert (found["opportunityKind"], found["closesOn"]) == ("market-consultation", "2026-11-28")
    assert found["notice"] == ["https://notices.example/sample/catering"]
    assert found["nuts"] == ["UKM"]


@pytest.mark.parametrize("status", ["cancelled", "withdrawn"])
def test_a_tender_that_was_called_off_is_left_out_with_a_warning(status):
    drafts, (fault,) = read(release(status=status), "sample.json", VOCABULARY)
    assert (drafts, fault.severity, status in fault.message) == ([], "warning", True)


@pytest.mark.parametrize("status", ["active", "complete", "unsuccessful", None])
def test_a_tender_that_is_over_is_told_by_its_closing_day(status):
    assert opportunity(status=status).values["opportunityKind"] == "open-contract"


def test_of_several_releases_of_one_process_the_newest_counts():
    older = {**release(title="Older"), "date": "2026-01-01T00:00:00Z"}
    newer = {**release(title="Newer"), "date": "2026-02-01T00:00:00Z"}
    award = {"ocid": older["ocid"], "date": "2026-03-01T00:00:00Z", "tag": ["award"]}
    drafts, faults = read({"releases": [newer, award, older]}, "sample.json", VOCABULARY)
    assert (only(drafts).values["title"], faults) == ({"en": "Newer"}, [])


def test_a_record_gives_its_compiled_release_and_else_its_newest_one():
    one = {**release(title="Older"), "date": "2026-01-01T00:00:00Z"}
    two = {**release(title="Newer"), "date": "2026-02-01T00:00:00Z"}
    drafts, _ = read({"records": [{"ocid": "x", "releases": [two, one]}]}, "sample.json", VOCABULARY)
    assert only(drafts).values["title"] == {"en": "Newer"}
    whole = {"ocid": "x", "releases": [two], "compiledRelease": release(title="Compiled")}
    assert only(read({"records": [whole]}, "sample.json", VOCABULARY)[0]).values["title"] == {"en": "Compiled"}


def test_a_record_that_only_links_its_releases_is_left_out_with_its_number():
    _, (fault,) = read(document("ocds-records.json"), "ocds-records.json", VOCABULARY)
    assert (fault.severity, fault.file, fault.row) == ("warning", "ocds-records.json", 2)


def test_all_that_a_notice_lacks_is_said_at_once_with_the_place():
    drafts, faults = read(document("ocds-incomplete.json"), "ocds-incomplete.json", VOCABULARY)
    assert (drafts, violations(faults)) == ([], {"need", "procurer", "closesOn"})
    assert all(fault.file == "ocds-incomplete.json" and fault.remedy for fault in faults)


def test_a_faulty_release_does_not_keep_its_neighbours_out():
    both = {"releases": [{**release(title=""), "ocid": "a"}, {**release(), "ocid": "b"}]}
    drafts, faults = read(both, "sample.json", VOCABULARY)
    assert (only(drafts).slug, [(fault.row, fault.field) for fault in faults]) == ("sample-b", [(1, "title")])


@pytest.mark.parametrize("missing", ["ocid", "language", "buyer"])
def test_a_release_without_identifier_language_or_buyer_is_refused(missing):
    bare = {name: value for name, value in release().items() if name != missing}
    drafts, faults = read({"releases": [bare]}, "sample.json", VOCABULARY)
    assert drafts == []
    assert {"ocid": "slug", "language": "language", "buyer": "procurer"}[missing] in violations(faults)


def test_a_code_that_is_none_is_left_out_with_a_warning():
    _, faults = read(document("ocds-package.json"), "sample.json", VOCABULARY)
    (fault,) = (each for each in faults if each.field == "cpv")
    assert (fault.severity, fault.row, "'chairs'" in fault.message) == ("warning", 2, True)


SECTORS = {
    "39134000": ["furniture-office"],
    "39160000": ["furniture-school"],
    "39161000-8": ["furniture-school"],
    "30213200": ["ict-mobile"],
    "30213100": ["ict-hardware"],
    "45210000": ["buildings-new"],
    "45000000": None,
    "33000000": ["medical"],
    "30000000": None,
}


@pytest.mark.parametrize(("code", "sectors"), SECTORS.items())
def test_the_sector_is_that_of_the_narrowest_group_of_a_cpv_code(code, sectors):
    found = opportunity(classification={"scheme": "CPV", "id": code})
    assert found.values.get("sector") == sectors


def test_a_text_that_is_too_long_is_cut_between_two_words(tools):
    found = opportunity(title="woord " * 60, description="woord\n" * 1000)
    title, need = found.values["title"]["en"], found.values["need"]["en"]
    assert title == "woord " * 49 + "…"
    assert (len(need) <= 5000, need.endswith("woord …")) == (True, True)
    assert_publishable([found], tools)


def test_a_text_without_spaces_is_cut_where_it_must_be(tools):
    found = opportunity(title="x" * 400)
    assert found.values["title"]["en"] == "x" * 298 + " …"
    assert_publishable([found], tools)


def test_a_slug_fits_an_address_however_long_the_title_and_the_identifier(tools):
    long = {**release(title="Straße nach Ærøskøbing " * 20), "ocid": "ocds-" + "1234-" * 40}
    drafts, _ = read(long, "sample.json", VOCABULARY)
    assert_publishable(drafts, tools)
    assert opportunity(title="Straße nach Ærøskøbing").slug == "strasse-nach-aeroskobing-ocds-sample0-1"


def test_a_name_without_latin_letters_is_refused_where_there_is_no_number_either():
    greek = {**release(), "buyer": {"name": "Δήμος"}}
    assert violations(read(greek, "sample.json", VOCABULARY)[1]) == {"procurer"}
    numbered = {**greek, "buyer": {"name": "Δήμος", "identifier": {"id": "EL 12"}}}
    assert only(read(numbered, "sample.json", VOCABULARY)[0], "organisation").slug == "el-12"


@pytest.mark.parametrize(
    "other", [None, [], "release", 7, {}, {"title": "no notice"}, {"releases": []}, {"records": [1]}, {"releases": {}}]
)
def test_what_is_not_ocds_is_refused_with_what_was_expected(other):
    drafts, (fault,) = read(other, "other.json", VOCABULARY)
    assert (drafts, fault.file, "OCDS 1.1" in fault.remedy) == ([], "other.json", True)


PLAIN = {
    "a < b and c > d": "a < b and c > d",
    "x<y and <unknown>": "x<y and <unknown>",
    "one<br>two<br/>three": "one\ntwo\nthree",
    "<P CLASS='x'>A&eacute;&#8364;</P>": "Aé€",
    "&lt;p&gt;twice escaped&lt;/p&gt;": "twice escaped",
    "<style>p {}</style>seen</script> too": "seen too",
    "  spaces\u00a0\t here  \r\n\r\n\r\n\r\nlines ": "spaces here\n\nlines",
    "turned \u202eround": "turned \N{REPLACEMENT CHARACTER}round",
}


@pytest.mark.parametrize(("text", "expected"), PLAIN.items())
def test_plain_text_is_kept_and_html_is_taken_away(text, expected):
    assert plain(text) == expected


def test_hostile_html_takes_no_longer_than_any_other():
    started = time.process_time()
    for text in ("<script" * 200_000, "<p" * 500_000, "</" * 500_000, "<!--" * 200_000):
        plain(text)
    assert time.process_time() - started < 10


LANGUAGES = {"nl-BE": "nl", "NLD": "nl", "EN": "en", "no": "nb", "NOR": "nb", "nn": "nn", "ITA": "", "": "", "xx": ""}


@pytest.mark.parametrize(("code", "tag"), LANGUAGES.items())
def test_a_language_is_known_by_its_tag_or_its_code_of_three_letters(code, tag):
    assert language_tag(code, VOCABULARY) == tag


@pytest.mark.parametrize("text", ["2026-12-02T23:30:00-01:00", "2026-12-02-01:00", "2026-12-02Z", "2026-12-02"])
def test_the_day_of_a_deadline_is_the_one_that_was_written(text):
    assert day(text) == "2026-12-02"


@pytest.mark.parametrize("text", ["", "2026-02-30", "2026-12", "tomorrow", "02-12-2026"])
def test_what_is_no_day_is_no_deadline(text):
    assert day(text) == ""


NAMES = sorted({*re.findall(r'"(\w+)":', (NOTICES / "ocds-package.json").read_text()), "records", "compiledRelease"})
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 10**12) | st.sampled_from(["CPV", "nl", "planned", "<p>x"]) | st.text(),
    lambda one: st.lists(one, max_size=3) | st.dictionaries(st.sampled_from(NAMES), one, max_size=6),
    max_leaves=20,
)


@FUZZ
@given(JSON, JSON, JSON)
def test_any_document_is_read_or_is_faults_and_nothing_else_happens(anything, tender, planning):
    read(anything, "any.json", VOCABULARY)
    found = {"ocid": "a", "language": "en", "parties": anything, "tender": tender, "planning": planning}
    drafts, faults = read({"releases": [found]}, "any.json", VOCABULARY)
    assert bool(drafts) or bool(faults)


def test_what_is_no_release_is_named_by_its_number():
    drafts, faults = read({"releases": [release(), "not a release"]}, "some.json", VOCABULARY)
    assert drafts
    assert [(fault.row, fault.severity) for fault in faults if "not a JSON object" in fault.message] == [
        (2, "violation")
    ]
