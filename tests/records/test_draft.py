"""Drafts: values written as people write them, and every fault found in one go."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from federation.errors import Fault
from federation.records.canonical import DCT, PC, XSD, Literal, Term
from federation.records.draft import Draft, Place
from federation.records.draft import statements as read_draft
from federation.records.kinds import LANGUAGES, FieldType, Vocabulary
from federation.records.values import date_term, decimal_text, nearest
from tests.conftest import pilot
from tests.records.authoring import LICENCE, NAMING, VOCABULARY, drafts_of

FUZZ = settings(max_examples=100, deadline=None, derandomize=True)
BASE = "https://flanders.example/records"
FIGURE = {
    "indicator": "virgin-reduction-share",
    "observationRole": "target",
    "value": "20",
    "unit": "percent",
    "evidenceLevel": "claimed",
}


def values(draft: Draft, name: str) -> list[Term]:
    """The values of a field of a draft that has no faults."""
    triples, faults = read_draft(draft, VOCABULARY, NAMING)
    assert faults == []
    path = VOCABULARY.fields[name].path
    return [value for _, predicate, value in triples if predicate == path]


def faults(draft: Draft) -> list[Fault]:
    return read_draft(draft, VOCABULARY, NAMING)[1]


def only_fault(draft: Draft) -> Fault:
    (fault,) = faults(draft)
    return fault


def test_a_draft_becomes_statements_about_its_record():
    triples, found = read_draft(pilot("brug", title="Een brug"), VOCABULARY, NAMING)
    assert found == []
    assert (f"{BASE}/pilot/brug", DCT + "title", Literal("Een brug", "", "nl")) in triples


STRATEGY = "https://w3id.org/procirc/circular-strategy/"
SECTOR = "https://w3id.org/procirc/sector/furniture-office"


@pytest.mark.parametrize("text", ["R3", "r3", " R3 ", STRATEGY + "R3"])
def test_a_concept_is_known_by_its_code_or_address(text):
    assert values(pilot("a", strategy=text), "strategy") == [STRATEGY + "R3"]


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_concept_is_known_by_its_label_in_every_language(language):
    label = VOCABULARY.concepts[SECTOR].labels[language]
    assert values(pilot("a", sector=label.upper()), "sector") == [SECTOR]


def test_a_concept_is_known_by_an_alternative_label():
    lesson = Draft("lesson", "a", {"title": {"nl": "Les"}, "barrier": "te duur"})
    assert values(lesson, "barrier") == ["https://w3id.org/procirc/barrier/economic"]


def test_a_topic_names_its_list():
    drafted = pilot("a", subject=["process-step:need", "sector : furniture-office"])
    assert values(drafted, "subject") == ["https://w3id.org/procirc/process-step/need", SECTOR]


@pytest.mark.parametrize("text", ["need", "nothing:need", "process-step:nothing", "process-step"])
def test_a_topic_without_a_known_list_and_code_is_refused(text):
    assert only_fault(pilot("a", subject=text)).field == "subject"


def test_a_concept_of_another_list_is_refused():
    assert only_fault(pilot("a", sector="https://w3id.org/procirc/barrier/economic")).field == "sector"


def test_an_unknown_code_names_the_nearest_known_ones():
    fault = only_fault(pilot("a", sector="furnitur-office"))
    assert "'furnitur-office' is not a code of sector" in fault.message
    assert "furniture-office" in fault.remedy


def test_an_unknown_code_near_nothing_names_the_list():
    assert only_fault(pilot("a", sector="qqqqqqqq")).remedy == "Use a code of sector."


def test_an_unknown_field_names_the_nearest_known_one():
    fault = only_fault(pilot("a", abstrct={"nl": "x"}))
    assert fault.field == "abstrct"
    assert "Did you mean abstract" in fault.remedy


def test_an_unknown_field_near_nothing_is_to_be_left_out():
    assert only_fault(pilot("a", zzzzqqqq="x")).remedy == "Leave it out."


@pytest.mark.parametrize("name", ["publisher", "issued", "modified", "version"])
def test_what_the_node_fills_in_cannot_be_drafted(name):
    fault = only_fault(pilot("a", **{name: "1"}))
    assert (fault.field, fault.message) == (name, "The node fills this in itself.")


NUMBERS = {
    "12": "12",
    "12,5": "12.5",
    "12.50": "12.5",
    "0012,500": None,
    "1,2345": "1.2345",
    "1.234": "1.234",
    "+3": "3",
    "-0": "0",
    "-0,50": "-0.5",
    "\u22127": "-7",
    "12\u00a0000": "12000",
    "12\u202f000": "12000",
    "1,234": None,
    "1.234,5": None,
    "1,234.5": None,
    "1 000": None,
    "12%": None,
    "12 kg": None,
    "1e3": None,
    "½": None,
    "١٢": None,
    "": None,
    ",5": None,
    "5,": None,
    "NaN": None,
    "9" * 19: None,
    "0." + "1" * 19: None,
}


@pytest.mark.parametrize(("text", "number"), NUMBERS.items())
def test_a_number_has_one_canonical_form_or_is_not_clear(text, number):
    assert decimal_text(text) == number


def test_a_comma_before_three_digits_is_refused_as_ambiguous():
    fault = only_fault(pilot("a", observation=[{**FIGURE, "value": "1,234"}]))
    assert (fault.field, "could mean two" in fault.message) == ("value", True)


DAYS = {
    "2021-05-18": ("2021-05-18", "date"),
    "18-05-2021": ("2021-05-18", "date"),
    "18/5/2021": ("2021-05-18", "date"),
    "8.5.2021": ("2021-05-08", "date"),
    "2021-05-18 00:00:00": ("2021-05-18", "date"),
    "2021-05-18T00:00:00": ("2021-05-18", "date"),
    "2021-05": ("2021-05", "gYearMonth"),
    "2021": ("2021", "gYear"),
}


@pytest.mark.parametrize(("text", "day"), DAYS.items())
def test_a_date_may_be_a_day_a_month_or_a_year_as_people_write_them(text, day):
    assert values(pilot("a", start=text), "start") == [Literal(day[0], XSD + day[1])]


def test_a_year_may_be_a_number():
    assert values(pilot("a", start=2021), "start") == [Literal("2021", XSD + "gYear")]


@pytest.mark.parametrize(
    "text",
    ["2021-02-30", "31-04-2021", "05/18/2021", "2021-13", "May 2021", "18-05-21", "21", "20210518", "0000", "٢٠٢١"],
)
def test_a_date_that_does_not_exist_or_is_not_clear_is_refused(text):
    assert date_term(text) is None
    assert only_fault(pilot("a", start=text)).field == "start"


@pytest.fixture
def with_boolean() -> Vocabulary:
    """The vocabulary with a field of pilots that is yes or no, which the shipped one does not have."""
    reused = replace(VOCABULARY.fields["status"], name="reused", path=PC + "reused", type=FieldType.BOOLEAN, schemes=())
    kind = VOCABULARY.kinds["pilot"]
    return replace(VOCABULARY, kinds={"pilot": replace(kind, fields=(*kind.fields, reused))})


@pytest.mark.parametrize(
    ("answer", "value"),
    [(text, "true") for text in ("ja", "Yes", "oui", "x", "1", "TRUE", True, 1)]
    + [(text, "false") for text in ("nee", "No", "non", "Nein", "nej", "nei", "0", False, 0)],
)
def test_yes_and_no_are_understood_in_every_language(answer, value, with_boolean):
    triples, found = read_draft(pilot("a", reused=answer), with_boolean, NAMING)
    assert found == []
    assert [term for _, path, term in triples if path == PC + "reused"] == [Literal(value, XSD + "boolean")]


@pytest.mark.parametrize("answer", ["maybe", "2", "y/n", "-"])
def test_what_is_neither_yes_nor_no_is_refused(answer, with_boolean):
    (fault,) = read_draft(pilot("a", reused=answer), with_boolean, NAMING)[1]
    assert (fault.field, fault.remedy) == ("reused", "Write yes or no.")


RECORDS = {
    "kamp-c": f"{BASE}/organisation/kamp-c",
    "organisation/kamp-c": f"{BASE}/organisation/kamp-c",
    "denmark:gate-21": "https://denmark.example/records/organisation/gate-21",
    "denmark:organisation/gate-21": "https://denmark.example/records/organisation/gate-21",
    "https://elsewhere.example/records/organisation/x": "https://elsewhere.example/records/organisation/x",
}


@pytest.mark.parametrize(("text", "iri"), RECORDS.items())
def test_a_record_is_named_by_its_slug_its_node_or_its_address(text, iri):
    assert values(pilot("a", procurer=text), "procurer") == [iri]


@pytest.mark.parametrize("text", ["Kamp C", "atlantis:kamp-c", "pilot/kamp-c", "kamp_c", "denmark:", "-x", "x" * 101])
def test_what_names_no_record_of_the_right_kind_is_refused(text):
    fault = only_fault(pilot("a", procurer=text))
    assert (fault.field, "organisation" in fault.remedy) == ("procurer", True)


def test_where_several_kinds_are_possible_the_kind_must_be_named():
    lesson = Draft("lesson", "a", {"title": {"nl": "Les"}, "barrier": "economic", "about": "brug"})
    assert only_fault(lesson).field == "about"
    named = replace(lesson, values={**lesson.values, "about": ["pilot/brug", "initiative/green-deal"]})
    assert values(named, "about") == [f"{BASE}/pilot/brug", f"{BASE}/initiative/green-deal"]


@pytest.mark.parametrize(
    "text", ["https://a.example/a b", "www.example.org", "ftp://a.example/", "https://a.example/\ud800"]
)
def test_what_is_no_web_address_is_refused(text):
    assert only_fault(pilot("a", source=text)).field == "source"


@pytest.mark.parametrize("text", ["https://a.example/100%", "https://a.example/a#b#c", "https://a.example/[1]"])
def test_a_web_address_that_peers_could_not_read_is_refused(text):
    assert only_fault(pilot("a", source=text)).field == "source"


def test_a_bare_code_stands_for_an_address_of_its_code_space():
    assert values(pilot("a", cpv="45210000", nuts="BE213"), "cpv") == ["http://data.europa.eu/cpv/cpv/45210000"]
    assert values(pilot("a", license="CC0"), "license") == [
        "http://publications.europa.eu/resource/authority/licence/CC0"
    ]


@pytest.mark.parametrize("values_", [{"cpv": "4521"}, {"nuts": "Vlaanderen"}])
def test_a_code_of_the_wrong_form_is_refused(values_):
    assert only_fault(pilot("a", **values_)).field == next(iter(values_))


@pytest.mark.parametrize("code", ["UKM75", "NL36", "NL310", "BE213", "City of Edinburgh"])
def test_a_region_of_any_version_of_nuts_is_known_by_code_or_name(code):
    (found,) = values(pilot("a", nuts=code), "nuts")
    assert found.startswith("http://data.europa.eu/nuts/code/")


def test_a_region_that_does_not_exist_names_the_nearest():
    fault = only_fault(pilot("a", nuts="UKM99"))
    assert "UKM9" in fault.remedy


def test_the_licence_of_the_node_and_the_language_of_the_title_are_filled_in():
    assert values(pilot("a"), "license") == [LICENCE]
    assert values(pilot("a", language="da", title="Bro"), "language") == [
        "http://publications.europa.eu/resource/authority/language/DAN"
    ]


def test_text_is_kept_in_normal_form_without_surrounding_space():
    assert values(pilot("a", title="  Cafe\u0301  "), "title") == [Literal("Café", "", "nl")]


def test_line_ends_of_every_system_become_line_feeds():
    drafted = pilot("a", description={"nl": "een\r\ntwee\rdrie\n"})
    assert values(drafted, "description") == [Literal("een\ntwee\ndrie", "", "nl")]


def test_an_empty_text_or_value_is_left_out():
    drafted = pilot("a", description={"nl": "  ", "en": None}, country=["", None])
    assert values(drafted, "description") == values(drafted, "country") == []


TEXTS: dict[str, Any] = {
    "no language": "Titel",
    "a list": ["Titel"],
    "an unknown form of a language": {"dutch language": "Titel"},
    "a number": {"nl": 5},
    "two lines": {"nl": "een\ntwee"},
    "too long": {"nl": "x" * 301},
    "half a surrogate pair": {"nl": "\ud800"},
    "text that turns what stands around it": {"nl": "Titel \u202eletiT"},
}


@pytest.mark.parametrize("case", TEXTS)
def test_a_title_that_is_none_is_refused(case):
    drafted = pilot("a")
    assert only_fault(replace(drafted, values={**drafted.values, "title": TEXTS[case]})).field == "title"


def test_a_text_of_exactly_the_longest_length_is_kept():
    assert values(pilot("a", title="x" * 300), "title") == [Literal("x" * 300, "", "nl")]


def test_language_tags_are_kept_in_lower_case():
    assert values(pilot("a", description={"nl-BE": "x"}), "description") == [Literal("x", "", "nl-be")]


def test_two_values_where_one_is_allowed_are_refused():
    assert only_fault(pilot("a", status=["completed", "ongoing"])).field == "status"


def test_the_same_value_twice_is_one_value():
    assert len(values(pilot("a", status=["completed", "completed"]), "status")) == 1


def test_a_part_has_an_address_under_that_of_its_record():
    drafted = pilot("a", observation=[{"slug": "co2", **FIGURE}, FIGURE])
    assert values(drafted, "observation") == [f"{BASE}/pilot/a#co2", f"{BASE}/pilot/a#observation-2"]


PARTS: dict[str, Any] = {
    "a text": "20 %",
    "a list of texts": ["20 %"],
    "a slug that is none": [{**FIGURE, "slug": "CO2 saved"}],
    "the same slug twice": [{**FIGURE, "slug": "co2"}, {**FIGURE, "slug": "co2"}],
    "an unknown field": [{**FIGURE, "titel": "x"}],
}


@pytest.mark.parametrize("case", PARTS)
def test_a_part_that_is_none_is_refused(case):
    assert len(faults(pilot("a", observation=PARTS[case]))) == 1


@pytest.mark.parametrize("slug", ["", "A", "a b", "-a", "a-", "é", "x" * 101, "a/b", None, 5, "a\n"])
def test_a_slug_that_cannot_be_part_of_an_address_is_refused(slug):
    assert only_fault(pilot(slug)).field == "slug"


@pytest.mark.parametrize("slug", ["a", "0", "a-b", "x" * 100])
def test_a_slug_of_letters_digits_and_inner_hyphens_is_fine(slug):
    assert faults(pilot(slug)) == []


@pytest.mark.parametrize("kind", ["", "pilots", "observation", "key-event", "Pilot"])
def test_a_kind_that_nobody_authors_is_refused(kind):
    fault = only_fault(Draft(kind, "a", {}))
    assert (fault.field, "pilot" in fault.remedy) == ("kind", True)


def test_every_fault_is_found_at_once():
    broken = pilot("a", sector="none-such", start="never", source="nowhere", titel="x", status=["completed", "ongoing"])
    assert {fault.field for fault in faults(broken)} == {"sector", "start", "source", "titel", "status"}


def test_a_fault_says_where_the_value_was_written():
    placed = replace(pilot("a", start="never"), place=Place("pilot.csv", 7, {"start": "Begin"}))
    fault = only_fault(placed)
    assert (fault.file, fault.row, fault.column) == ("pilot.csv", 7, "Begin")


@pytest.mark.parametrize("value", [{"a": 1}, [["R3"]], object(), b"R3", {"R3"}])
def test_a_value_that_is_no_text_or_number_is_a_fault(value):
    assert only_fault(pilot("a", strategy=value)).field == "strategy"


def test_nearest_gives_the_best_first_and_none_where_nothing_is_near():
    assert nearest("piot", ["output", "pilot", "lesson"])[0] == "pilot"
    assert nearest("zzzz", ["output", "pilot", "lesson"]) == []


@FUZZ
@given(st.data())
def test_arbitrary_values_are_read_or_are_faults_and_nothing_else_happens(data):
    anything = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.binary(max_size=3)
    nested = st.recursive(anything, lambda one: st.lists(one) | st.dictionaries(st.text(), one), max_leaves=5)
    kind = data.draw(st.sampled_from(VOCABULARY.authored))
    names = st.sampled_from([each.name for each in kind.fields]) | st.text(max_size=5)
    read_draft(Draft(kind.name, "a", data.draw(st.dictionaries(names, nested, max_size=4))), VOCABULARY, NAMING)


@FUZZ
@given(st.sampled_from([kind.name for kind in VOCABULARY.authored]).flatmap(drafts_of))
def test_statements_are_the_same_every_time(draft):
    assert read_draft(draft, VOCABULARY, NAMING) == read_draft(draft, VOCABULARY, NAMING)


def test_no_statement_of_an_author_is_one_that_the_node_manages():
    managed = {each.path for each in VOCABULARY.every_field() if each.managed}
    triples, _ = read_draft(pilot("a", observation=[FIGURE]), VOCABULARY, NAMING)
    assert not {path for _, path, _ in triples} & managed
    assert PC + "version" in managed
