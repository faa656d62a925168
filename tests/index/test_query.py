"""From what somebody typed to a query: no input is wrong."""

from __future__ import annotations

import pytest
import tantivy
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from federation.index import ranking
from federation.index.concepts import Concepts
from federation.index.grams import Alike
from federation.index.languages import fold
from federation.index.query import Within, build
from federation.index.reading import MAX_TEXT, MAX_UNITS, Asked, Understanding, corrected, restored
from federation.index.text import TextIndex
from federation.index.units import Unit, length
from federation.records.kinds import LANGUAGES
from federation.workers import Tools
from tests.index.corpus import MEMORY

REUSE = "https://w3id.org/procirc/circular-strategy/R3"
OFFICE = "https://w3id.org/procirc/sector/furniture-office"


@pytest.fixture(scope="module")
def concepts(tools: Tools) -> Concepts:
    return tools.concepts


@pytest.fixture(scope="module")
def schema(tools: Tools, tmp_path_factory: pytest.TempPathFactory) -> tantivy.Schema:
    return TextIndex(tmp_path_factory.mktemp("index"), tools.concepts, memory=MEMORY).schema


def understood(concepts: Concepts, text: str, language: str, *known: str) -> list[Unit]:
    """The units of a query where the records have some words."""
    return Understanding(concepts, Alike(known), language).units(text)


# The little syntax there is


@pytest.mark.parametrize(
    ("typed", "text", "phrases", "without"),
    [
        ("molen water", "molen water", (), ()),
        ('"oude molen" water', "water oude molen", ("oude molen",), ()),
        ("“oude molen”", "oude molen", ("oude molen",), ()),
        ("„alte Mühle“", "alte Mühle", ("alte Mühle",), ()),
        ("« vieux moulin »", "vieux moulin", ("vieux moulin",), ()),
        ('"een" "twee"', "een twee", ("een", "twee"), ()),
        ("molen -water", "molen", (), ("water",)),
        ("-water molen -wind", "molen", (), ("water", "wind")),
        ('-"oude molen" -water', "", (), ("oude molen", "water")),
        ('"molen -water"', "molen -water", ("molen -water",), ()),
    ],
)
def test_quotes_ask_for_a_phrase_and_a_minus_leaves_out(typed: str, text: str, phrases: tuple, without: tuple):
    asked = Asked.read(typed)
    left_out = (*asked.without_phrases, *asked.without)
    assert (" ".join(asked.text.split()), asked.phrases, left_out) == (text, phrases, without)


@pytest.mark.parametrize(
    "typed", ['"', '"molen', 'molen"', '""', '" "', '"molen" "', "-", "--", "- molen", "molen -", "-🙂", "second-hand"]
)
def test_a_quote_without_its_fellow_and_a_lone_minus_are_harmless(typed: str):
    asked = Asked.read(typed)
    assert asked.without == ()
    assert asked.phrases in ((), ("molen",))


def test_a_long_text_is_cut_before_anything_else():
    asked = Asked.read("-a " * 10_000 + '"b" ' * 10_000)
    assert len(asked.text) <= MAX_TEXT
    assert len(asked.without) <= MAX_UNITS
    assert len(Asked.read('"b" ' * 10_000).phrases) <= MAX_UNITS


@pytest.mark.parametrize(
    ("language", "typed", "meant"),
    [
        ("da", "kontormoebler", "kontormøbler"),
        ("da", "Aarhus baeredygtig", "Århus bæredygtig"),
        ("nb", "MOEBLER", "MØBLER"),
        ("nn", "moeblar", "møblar"),
        ("sv", "aatervinning", "återvinning"),
        ("sv", "moebler baerbar", "möbler bärbar"),
        ("de", "Bueromoebel", "Büromöbel"),
        ("de", "Uebung", "Übung"),
        ("nl", "boeken", "boeken"),
        ("en", "aerosol", "aerosol"),
        ("fr", "oeuvre", "oeuvre"),
    ],
)
def test_letters_typed_as_two_are_read_as_the_one_they_stand_for(language: str, typed: str, meant: str):
    assert restored(typed, language) == meant


# Units


@pytest.mark.parametrize(
    ("text", "language", "units"),
    [
        ("tweedehands kantoormeubilair", "nl", ["tweedehands", "kantoormeubilair"]),
        ("de molen van de stad", "nl", ["molen", "stad"]),
        ("office furniture in Ghent", "en", ["office furniture", "Ghent"]),
        ("mobilier de bureau", "fr", ["mobilier de bureau"]),
        ("", "en", []),
        ("!!! ???", "en", []),
        ("the of and", "en", ["the", "of", "and"]),
        ("  molen\t\nwater ", "nl", ["molen", "water"]),
    ],
)
def test_a_query_falls_into_phrases_that_name_concepts_and_other_words(
    concepts: Concepts, text: str, language: str, units: list[str]
):
    assert [unit.surface for unit in understood(concepts, text, language)] == units


def test_a_phrase_has_its_words_within_and_stop_words_are_none_of_them(concepts: Concepts):
    (unit,) = understood(concepts, "mobilier de bureau", "fr")
    assert OFFICE in unit.concepts
    assert [word.surface for word in unit.words] == ["mobilier", "de", "bureau"]
    assert [inner.surface for inner in unit.inner] == ["mobilier", "bureau"]


def test_a_compound_has_its_parts_within(concepts: Concepts):
    (unit,) = understood(concepts, "kontormøbler", "da")
    assert OFFICE in unit.concepts
    assert [inner.surface for inner in unit.inner] == ["kontor", "møbler"]
    assert all(inner.concepts for inner in unit.inner)


def test_the_parts_of_a_compound_are_shown_as_they_were_typed(concepts: Concepts):
    (upper,) = understood(concepts, "KONTORSMÖBLER", "sv")
    assert [inner.surface for inner in upper.inner] == ["KONTOR", "MÖBLER"]
    (plain,) = understood(concepts, "kontormoebler", "da")
    assert [inner.surface for inner in plain.inner] == ["kontor", "møbler"]


def test_a_concept_that_a_word_names_is_sure_and_comes_first(concepts: Concepts):
    (unit,) = understood(concepts, "hergebruik", "nl")
    sure = [each.concept for each in unit.linked if each.weight == 1.0]
    assert REUSE in sure
    weights = [each.weight for each in unit.linked]
    assert weights == sorted(weights, reverse=True)
    assert all(0 < weight <= 1 for weight in weights)


@pytest.mark.parametrize("word", ["Zwevegemnaar", "Zwevegem", "LX-7000"])
def test_a_word_that_nobody_knows_is_taken_for_a_name(concepts: Concepts, word: str):
    assert all(unit.name for unit in understood(concepts, word, "nl"))


@pytest.mark.parametrize("word", ["hergebruik", "kantoormeubilair", "gemeente"])
def test_a_word_of_the_code_lists_or_the_lexicon_is_no_name(concepts: Concepts, word: str):
    (unit,) = understood(concepts, word, "nl")
    assert not unit.name


@pytest.mark.parametrize(
    ("language", "typed", "concept"),
    [
        ("da", "kontormobler", OFFICE),
        ("da", "kontormoebler", OFFICE),
        ("sv", "kontorsmobler", OFFICE),
        ("sv", "aaterbruk", REUSE),
        ("sv", "aterbruk", REUSE),
        ("nb", "kontormoebler", OFFICE),
        ("de", "Bueromoebel", OFFICE),
        ("de", "Buromobel", OFFICE),
        ("fr", "reemploi", REUSE),
    ],
)
def test_a_query_typed_without_diacritics_names_the_concept(
    concepts: Concepts, language: str, typed: str, concept: str
):
    (unit,) = understood(concepts, typed, language)
    assert concept in unit.concepts


def test_a_word_knows_the_words_of_the_records_that_look_like_it(concepts: Concepts):
    (unit,) = understood(concepts, "kantoormeubilar", "nl", "kantoormeubilair", "kantoor", "boomgaard")
    near = dict(unit.words[0].near)
    assert near.keys() == {"kantoormeubilair"}
    assert 0.5 < near["kantoormeubilair"] < 1


def test_a_short_word_looks_like_no_other(concepts: Concepts):
    (unit,) = understood(concepts, "stad", "nl", "stads", "stadt")
    assert unit.words[0].near == ()


def test_several_words_together_may_look_like_a_label(concepts: Concepts):
    reading = Understanding(concepts, Alike(), "en")
    names = reading.names(reading.units("furnitures of an office room"))
    assert all(not unit.words and unit.linked for unit in names)


@pytest.mark.parametrize(("units", "needed"), [(1, 1), (2, 1), (3, 1), (4, 2), (5, 2), (24, 12)])
def test_half_of_the_words_must_match(units: int, needed: int):
    assert ranking.needed(units) == needed


# Suggestions


def suggested(concepts: Concepts, text: str, *records: str, gone: tuple[str, ...] = ()) -> str:
    """What is suggested where records have some words, and others had some that are gone."""
    units = understood(concepts, Asked.read(text).text, "nl", *records, *gone)
    return corrected(text, units, lambda word: word in records)


def test_a_mistyped_word_is_replaced_by_the_one_it_looks_like(concepts: Concepts):
    assert suggested(concepts, "zwevegm molen", "zwevegem", "molen") == "zwevegem molen"


def test_of_several_the_word_that_is_nearest_letter_by_letter_is_suggested(concepts: Concepts):
    assert suggested(concepts, "zwevegm", "zwevegemse", "zwevegem") == "zwevegem"


def test_a_word_that_the_records_have_is_left_as_it_is(concepts: Concepts):
    assert suggested(concepts, "Zwevegem", "zwevegem", "zwevegems") == ""


def test_a_word_that_no_record_has_any_more_is_not_suggested(concepts: Concepts):
    assert suggested(concepts, "zwevegm", "molen", gone=("zwevegem",)) == ""


def test_the_rest_of_the_query_is_suggested_as_it_was_typed(concepts: Concepts):
    text = '"zwevegm"  -Zwevegmse ÉÉN'
    assert suggested(concepts, text, "zwevegem") == '"zwevegem"  -Zwevegmse ÉÉN'


def test_only_what_was_read_of_a_long_query_is_suggested(concepts: Concepts):
    assert len(suggested(concepts, "zwevegm " * 2_000, "zwevegem")) < 2 * MAX_TEXT


# Any input


@pytest.mark.parametrize("text", ["woord" * 2_000, "ab cd " * 2_000, '"' * 10_000, "-a " * 4_000, "é" * 10_000])
def test_a_long_query_is_cut_and_not_refused(concepts: Concepts, text: str):
    reading = Understanding(concepts, Alike(["woord"]), "nl")
    units = reading.units(Asked.read(text).text)
    assert len(units) <= MAX_UNITS
    assert len(reading.names(units)) <= 4 * MAX_UNITS


def test_of_many_compounds_the_first_are_looked_for(concepts: Concepts):
    """Each of these is two words, and search looks for both."""
    compounds = [
        f"{one}{other}" for one in ("molen", "meubel") for other in ("hergebruik", "reparatie", "afval", "gebouw")
    ]
    units = Understanding(concepts, Alike(), "nl").units(" ".join(compounds))
    assert [unit.surface for unit in units] == compounds[: len(units)]
    assert length(units[:-1]) < 12 <= length(units) <= 13


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    text=st.text(max_size=60) | st.text(alphabet="()[]{}\"':^~*?\\+-!&|/<>= \0ab", max_size=60),
    language=st.sampled_from([*LANGUAGES, "nn", "xx", ""]),
    value=st.text(max_size=20),
)
def test_any_text_and_any_filter_make_a_query(concepts: Concepts, schema, text: str, language: str, value: str):
    asked = Asked.read(text)
    reading = Understanding(concepts, Alike(["molen", fold(text)]), language)
    units = reading.units(asked.text)
    assert build(units, reading.names(units), asked, Within({"kind": (value,)}), language, schema, concepts)


def test_a_word_that_is_typed_twice_is_looked_for_once(concepts: Concepts):
    reading = Understanding(concepts, Alike(), "nl")
    assert [unit.surface for unit in reading.units("molen Molen sluis molen")] == ["molen", "sluis"]
