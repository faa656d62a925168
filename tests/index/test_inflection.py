"""Whether a word is an inflection of a name, or only has its stem."""

from __future__ import annotations

import pytest

from federation.index.grams import Alike
from federation.index.inflection import is_inflected
from federation.index.languages import WORD
from federation.index.reading import Understanding
from federation.workers import Tools

LEXICON = "https://w3id.org/procirc/lexicon/"


@pytest.mark.parametrize(
    ("word", "name", "language"),
    [
        ("repairs", "repair", "en"),
        ("recycling", "recycle", "en"),
        ("planned", "plan", "en"),
        ("agencies", "agency", "en"),
        ("university's", "university", "en"),
        ("kantoren", "kantoor", "nl"),
        ("scholen", "school", "nl"),
        ("koppen", "kop", "nl"),
        ("overheden", "overheid", "nl"),
        ("amsterdamse", "amsterdam", "nl"),
        ("réemployés", "réemployer", "fr"),
        ("bureau", "bureaux", "fr"),
        ("möbeln", "möbel", "de"),
        ("legepladsen", "legepladser", "da"),
        ("kommunens", "kommune", "da"),
        ("istandsatte", "istandsat", "da"),
        ("möblerna", "möbler", "sv"),
        ("begagnade", "begagnat", "sv"),
        ("lärosätets", "lärosäte", "sv"),
        ("virksomhetene", "virksomhet", "nb"),
        ("wobbels", "wobbel", "und"),
    ],
)
def test_an_inflection_is_one_of_its_name(word: str, name: str, language: str):
    assert is_inflected(word, name, language)


@pytest.mark.parametrize(
    ("word", "name", "language"),
    [
        ("monitoring", "monitors", "en"),
        ("cost", "costly", "en"),
        ("contain", "container", "en"),
        ("back", "backing", "en"),
        ("open", "openness", "en"),
        ("kopen", "kop", "nl"),
        ("weten", "wet", "nl"),
        ("reeks", "rek", "nl"),
        ("pas", "paas", "nl"),
        ("nieuw", "nieuws", "nl"),
        ("consulté", "consultant", "fr"),
        ("bil", "billig", "da"),
        ("bruger", "brugge", "da"),
        ("tid", "tidlig", "da"),
        ("være", "værre", "da"),
        ("skriver", "skrivare", "sv"),
        ("varer", "varig", "nb"),
        ("stilles", "stillas", "nb"),
        ("wobbelen", "wobbel", "und"),
    ],
)
def test_what_is_derived_or_only_looks_alike_is_none(word: str, name: str, language: str):
    assert not is_inflected(word, name, language)


@pytest.mark.parametrize(
    ("word", "language", "concept"),
    [
        ("waterschap", "nl", "products/shelving"),
        ("Exempelstad", "sv", "general/cleaning"),
        ("tar", "nb", "products/thatch-seaweed"),
        ("SKI", "da", "products/ski-skate"),
    ],
)
def test_a_text_is_not_read_for_what_is_refused(tools: Tools, word: str, language: str, concept: str):
    concepts = tools.concepts
    assert LEXICON + concept in concepts.numbers
    assert LEXICON + concept not in concepts.spotting.named(
        concepts.spotting.forms(WORD.findall(word), language), language
    )


@pytest.mark.parametrize(
    ("typed", "language", "surely", "perhaps"),
    [
        ("lag", "sv", "general/law", "general/storage"),
        ("tid", "da", "general/time", "general/early"),
        ("Brugge", "nl", "general/bruges", "products/bridge"),
        ("bank", "sv", "products/bank-finance", "products/bench"),
    ],
)
def test_a_query_is_sure_of_what_a_word_is_a_form_of_and_less_of_its_stem(
    tools: Tools, typed: str, language: str, surely: str, perhaps: str
):
    (unit,) = Understanding(tools.concepts, Alike(()), language).units(typed)
    weights = {each.concept: each.weight for each in unit.linked}
    assert weights[LEXICON + surely] == 1.0
    assert weights[LEXICON + perhaps] < 1.0


@pytest.mark.parametrize("typed", ["bänk", "baenk", "BÄNK"])
def test_a_query_without_diacritics_still_leads_to_the_name(tools: Tools, typed: str):
    (unit,) = Understanding(tools.concepts, Alike(()), "sv").units(typed)
    assert LEXICON + "products/bench" in unit.concepts
