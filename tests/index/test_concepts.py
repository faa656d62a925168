"""Spotting concepts: the labels of the code lists in queries and texts."""

from __future__ import annotations

import itertools

import pytest

from federation.index.concepts import Concepts
from federation.index.languages import words
from federation.records.kinds import LANGUAGES

SECTOR = "https://w3id.org/procirc/sector/"
STRATEGY = "https://w3id.org/procirc/circular-strategy/"


@pytest.fixture(scope="module")
def concepts(tools) -> Concepts:
    return tools.concepts


def spotted(concepts: Concepts, text: str, language: str) -> list[tuple[str, tuple[str, ...]]]:
    analysed = list(words(text, language))
    return [
        (text[analysed[each.first].start : analysed[each.last - 1].end], each.concepts)
        for each in concepts.spot(analysed, language)
    ]


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_label_is_found_in_its_own_language(concepts: Concepts, language: str):
    missed = []
    for concept in concepts.vocabulary.concepts.values():
        label = concept.labels.get(language, "")
        found = {iri for _, iris in spotted(concepts, label, language) for iri in iris}
        if concepts.vocabulary.schemes[concept.scheme].unspotted:
            assert concept.iri not in found
        elif label and len(list(words(label, language))) <= 6 and concept.iri not in found:
            missed.append((concept.iri, label))
    assert missed == []


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("Wij kochten kantoormeubels voor het stadhuis", "nl"),
        ("Genbrugte kontormøbler", "da"),
        ("kontorsmöblerna", "sv"),
        ("KONTORMØBLER", "nb"),
        ("nye kontormøblar", "nn"),
        ("neue Büromöbel", "de"),
        ("du mobilier de bureau", "fr"),
        ("office chairs", "en"),
    ],
)
def test_a_text_names_a_concept_in_any_form_of_its_label(concepts: Concepts, text: str, language: str):
    assert SECTOR + "furniture-office" in {iri for _, iris in spotted(concepts, text, language) for iri in iris}


def test_the_longest_label_wins(concepts: Concepts):
    (longest,) = spotted(concepts, "tables et chaises d'école", "fr")
    assert longest == ("tables et chaises d'école", (SECTOR + "furniture-school",))


def test_matches_do_not_overlap(concepts: Concepts):
    text = "second-hand office furniture and desks and chairs"
    analysed = list(words(text, "en"))
    found = list(concepts.spot(analysed, "en"))
    assert len(found) >= 3
    assert all(one.last <= other.first for one, other in itertools.pairwise(found))


def test_a_label_of_another_language_is_not_read_into_a_text(concepts: Concepts):
    danish = {iri for _, iris in spotted(concepts, "genbrug", "da") for iri in iris}
    assert STRATEGY + "R3" in danish
    assert spotted(concepts, "genbrug", "fr") == []


def test_a_query_is_read_in_every_language_where_its_own_does_not_know_the_word(concepts: Concepts):
    (found,) = concepts.spot_query("kontormøbler", "nl")
    assert found.concepts == (SECTOR + "furniture-office",)


def test_the_readers_language_decides_what_a_word_means(concepts: Concepts):
    """In Danish *genbrug* is reuse; the code lists alone know what *genanvendelse* is."""
    (danish,) = concepts.spot_query("genbrug", "da")
    assert STRATEGY + "R3" in danish.concepts
    every = {iri for tag in LANGUAGES for each in concepts.spot_query("genanvendelse", tag) for iri in each.concepts}
    assert STRATEGY + "R3" not in every


def test_a_query_of_several_concepts_names_each_where_it_stands(concepts: Concepts):
    first, second = concepts.spot_query("tweedehands kantoormeubilair", "nl")
    assert (first.first, first.last, second.first, second.last) == (0, 1, 1, 2)
    assert STRATEGY + "R3" in first.concepts
    assert SECTOR + "furniture-office" in second.concepts


@pytest.mark.parametrize("query", ["", "de het een", "the of and", "🙂", "qqqqzzzz"])
def test_a_query_may_name_no_concept(concepts: Concepts, query: str):
    assert [each for tag in ("nl", "en") for each in concepts.spot_query(query, tag)] == []


def test_what_is_broader_is_known_with_its_distance(concepts: Concepts):
    assert concepts.with_broader([STRATEGY + "R3"]) == {STRATEGY + "R3": 0, STRATEGY + "LIFE": 1}


def test_what_is_narrower_is_known_at_any_depth(concepts: Concepts):
    assert STRATEGY + "R3" in concepts.narrower(STRATEGY + "LIFE")
    assert concepts.narrower(STRATEGY + "R3") == frozenset()


def test_a_concept_nobody_knows_has_nothing_broader(concepts: Concepts):
    assert concepts.with_broader(["https://elsewhere.example/x"]) == {"https://elsewhere.example/x": 0}
