"""What a query calls by name."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from federation.index.concepts import Concepts
from federation.index.grams import Alike
from federation.index.names import Named, named, names_of, referring, words_of
from federation.index.reading import Understanding
from federation.index.units import Unit
from federation.workers import Tools

KTH, UZA = "https://sweden.example/organisation/kth", "https://flanders.example/organisation/uza"


@pytest.mark.parametrize(
    ("title", "tag", "names"),
    [
        ("Stad Gent", "nl", ["stad gent"]),
        ("City of Ghent", "en", ["city ghent"]),
        ("University Hospital Antwerp (UZA)", "en", ["university hospital antwerp", "uza"]),
        ("SKI (Staten og Kommunernes Indkøbsservice)", "da", ["ski", "staten kommunernes indkobsservice"]),
        ("CLEAN (environmental cluster)", "en", ["clean"]),
        ("Institute for Safety (Netherlands)", "en", ["institute safety"]),
        ("Scottish Government, Scottish Procurement", "en", ["scottish government", "scottish procurement"]),
        (
            "KTH Royal Institute of Technology",
            "en",
            ["kth royal institute technology", "kth", "royal institute technology"],
        ),
        ("STAD SINT NIKLAAS", "nl", ["stad sint niklaas"]),
        ("NHS Scotland", "en", ["nhs scotland"]),
        ("VIA University College", "en", ["via university college", "via", "university college"]),
        ("Via Lokalbane", "da", ["via lokalbane"]),
        ("Van aankoper tot aankoper in de stad", "nl", ["aankoper stad"]),
        ("The Shift", "en", []),
        ("of the", "en", []),
        ("", "en", []),
    ],
)
def test_a_title_says_one_or_more_names(title: str, tag: str, names: list[str]):
    assert [" ".join(each) for each in names_of(title, tag)] == names


@given(st.text(max_size=60))
def test_any_title_has_names_of_words_or_none(title: str):
    assert all(each and all(each) for each in names_of(title, "en", "nl"))


@pytest.fixture
def reading(tools: Tools):
    def read(text: str, language: str = "nl") -> list[Unit]:
        concepts: Concepts = tools.concepts
        return Understanding(concepts, Alike(), language).units(text)

    return read


TITLES = [
    (KTH, {"sv": "KTH, Kungliga Tekniska högskolan", "en": "KTH Royal Institute of Technology"}),
    (UZA, {"nl": "Universitair Ziekenhuis Antwerpen (UZA)"}),
]


@pytest.mark.parametrize(
    ("text", "language", "iri"),
    [
        ("Kungliga Tekniska högskolan", "sv", KTH),
        ("kungliga tekniska hogskolan möbler", "sv", KTH),
        ("meubels van het Royal Institute of Technology", "nl", KTH),
        ("kth", "da", KTH),
        ("beton voor het universitair ziekenhuis Antwerpen", "nl", UZA),
    ],
)
def test_a_name_is_found_in_any_language_on_a_page_of_any(reading, text: str, language: str, iri: str):
    assert {each.iri for each in named(reading(text, language), TITLES, language)} == {iri}


@pytest.mark.parametrize(
    "text", ["universitair ziekenhuis", "ziekenhuis Antwerpen", "Royal Institute", "technology", ""]
)
def test_a_part_of_a_name_is_none(reading, text: str):
    assert named(reading(text), TITLES, "nl") == []


def test_a_word_that_means_something_is_no_name_by_itself_unless_it_is_written_as_one(reading):
    titles = [("https://denmark.example/organisation/clean", {"en": "CLEAN (environmental cluster)"})]
    assert named(reading("clean", "en"), titles, "en") == []
    assert [each.title for each in named(reading("CLEAN", "en"), titles, "en")] == ["CLEAN (environmental cluster)"]


@pytest.mark.parametrize(("text", "called"), [("circulaire economie", 0), ("CIRCULAIRE ECONOMIE", 1)])
def test_words_that_together_mean_something_are_a_name_only_where_they_are_written_as_one(reading, text, called):
    titles = [("https://peer.example/organisation/x", {"nl": "Circulaire economie"})]
    assert len(named(reading(text), titles, "nl")) == called


def test_of_many_names_the_longest_counts_and_few_are_seen_in_a_query(reading):
    text = "qwertz asdfgh zxcvbn poiuyt"
    words = text.split()
    runs = [" ".join(words[at:to]) for at in range(4) for to in range(at + 1, 5)]
    titles = [(f"https://peer.example/organisation/{at}", {"nl": ", ".join(runs)}) for at in range(20)]
    found = named(reading(text), titles, "nl")
    assert {(each.first, each.last) for each in found} == {(0, 4)}
    assert len(found) == 5


def test_the_units_of_a_name_refer_to_what_bears_it(reading):
    units = reading("beton universitair ziekenhuis Antwerpen")
    found = referring(units, named(units, TITLES, "nl"))
    assert [(unit.surface, unit.refers) for unit in found if not unit.refers] == [("beton", ())]
    assert {iri for unit in found for iri in unit.refers} == {UZA}


def test_a_title_is_shown_in_the_readers_language_or_the_next_best(reading):
    units = reading("KTH", "sv")
    assert named(units, TITLES, "sv") == [Named(0, 1, KTH, "KTH, Kungliga Tekniska högskolan")]
    assert named(units, TITLES, "nl") == [Named(0, 1, KTH, "KTH Royal Institute of Technology")]


def test_only_words_that_may_stand_in_a_name_are_asked_for(reading):
    assert words_of(reading("de molen van Gent")) == {"molen", "gent"}
    assert words_of([]) == set()
