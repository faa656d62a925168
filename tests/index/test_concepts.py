"""Spotting concepts: code lists and lexicon, found in queries and texts of their own language."""

from __future__ import annotations

import pytest

from federation.index.concepts import Concepts, is_meaning
from federation.index.languages import WORD, analysed_as, is_stop_word, stem, words
from federation.index.lexicon import BASE
from federation.records.kinds import LANGUAGES
from federation.workers import Tools

SECTOR = "https://w3id.org/procirc/sector/"
STRATEGY = "https://w3id.org/procirc/circular-strategy/"
REUSE, RECYCLING, REPAIR, REFUSE = (STRATEGY + code for code in ("R3", "R8", "R4", "R0"))
LEASE = "https://w3id.org/procirc/business-model/lease"
OFFICE = SECTOR + "furniture-office"
FURNITURE = BASE + "products/furniture"


@pytest.fixture(scope="module")
def concepts(tools: Tools) -> Concepts:
    return tools.concepts


def spotted(concepts: Concepts, text: str, language: str) -> list[tuple[str, tuple[str, ...]]]:
    """The words of a query that name concepts, and which, in the order in which they are found."""
    analysed = concepts.analyse(text, language)
    return [
        (text[analysed[each.first].start : analysed[each.last - 1].end], each.concepts)
        for each in concepts.spot(analysed, language)
    ]


def named(concepts: Concepts, text: str, language: str, *, query: bool = False) -> set[str]:
    """The concepts that a text names, or a query."""
    if query:
        return {iri for _, iris in spotted(concepts, text, language) for iri in iris}
    return set(concepts.spotting.named(concepts.spotting.forms(WORD.findall(text), language), language))


# In a text


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_label_is_found_in_its_own_language(concepts: Concepts, language: str):
    missed = []
    for concept in concepts.vocabulary.concepts.values():
        label = concept.labels.get(language, "")
        found = named(concepts, label, language)
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
    assert OFFICE in named(concepts, text, language)


def test_the_longest_label_comes_first_and_what_stands_within_it_after(concepts: Concepts):
    first, *within = spotted(concepts, "tables et chaises d'école", "fr")
    assert first == ("tables et chaises d'école", (SECTOR + "furniture-school",))
    assert {text for text, _ in within} >= {"tables", "chaises", "école"}


def test_a_label_within_a_longer_one_is_named_too(concepts: Concepts):
    found = dict(spotted(concepts, "office furniture", "en"))
    assert OFFICE in found["office furniture"]
    assert FURNITURE in found["furniture"]


def test_an_ambiguous_word_names_everything_it_may_mean(concepts: Concepts):
    (found,) = spotted(concepts, "refuse", "en")
    assert {REFUSE, BASE + "products/waste"} <= set(found[1])


def test_words_of_a_label_in_another_order_are_not_the_label(concepts: Concepts):
    assert OFFICE not in named(concepts, "furniture for an office", "en")


@pytest.mark.parametrize("text", ["", "de het een", "🙂", "qqqqzzzz", "\0", "x" * 10_000])
@pytest.mark.parametrize("query", [True, False])
def test_a_text_may_name_nothing(concepts: Concepts, text: str, query: bool):
    assert named(concepts, text, "nl", query=query) == set()


def test_a_text_in_a_language_without_rules_names_nothing(concepts: Concepts):
    assert named(concepts, "office furniture, kontormøbler", "fi") == set()


@pytest.mark.parametrize(
    ("text", "language", "concept"),
    [
        ("service", "en", STRATEGY + "R4"),
        ("monitoring", "en", SECTOR + "ict-hardware"),
        ("customer's", "en", BASE + "general/tax-office"),
        ("abordé", "fr", BASE + "general/cheap"),
        ("staden", "sv", BASE + "general/cleaning"),
        ("både", "da", BASE + "products/ferry-ship"),
        ("raamovereenkomst", "nl", BASE + "products/window"),
        ("bygningsdele", "da", STRATEGY + "R1"),
    ],
)
def test_a_word_that_only_shares_a_stem_or_letters_with_a_name_does_not_name_it(
    concepts: Concepts, text: str, language: str, concept: str
):
    assert concept in concepts.numbers
    assert concept not in named(concepts, text, language)


@pytest.mark.parametrize(
    ("text", "language", "concept"),
    [
        ("repaired", "en", STRATEGY + "R4"),
        ("reusing", "en", REUSE),
        ("straten", "nl", BASE + "products/road"),
        ("båden", "da", BASE + "products/ferry-ship"),
        ("möblerna", "sv", FURNITURE),
        ("Möbeln", "de", FURNITURE),
        ("réemployés", "fr", REUSE),
    ],
)
def test_an_inflection_of_a_name_names_it(concepts: Concepts, text: str, language: str, concept: str):
    assert concept in named(concepts, text, language)


# In compounds


@pytest.mark.parametrize(
    ("word", "language"),
    [("genbrugsmøbler", "da"), ("gjenbruksmøbler", "nb"), ("återbruksmöbler", "sv"), ("Gebrauchtmöbel", "de")],
)
def test_a_compound_names_what_its_parts_do(concepts: Concepts, word: str, language: str):
    analysed = concepts.analyse(word, language)
    parts = {iri for each in concepts.spot(analysed, language) if each.part for iri in each.concepts}
    assert {REUSE, FURNITURE} <= parts
    assert {REUSE, FURNITURE} <= named(concepts, word, language)


def test_a_compound_that_is_a_label_names_it_as_a_whole_and_its_parts_as_parts(concepts: Concepts):
    analysed = concepts.analyse("kantoormeubilair", "nl")
    spots = concepts.spot(analysed, "nl")
    found = [(each.part, iri) for each in spots for iri in each.concepts]
    assert (False, OFFICE) in found
    assert (True, FURNITURE) in found


# False friends: the same word is not the same thing in the language of a neighbour


@pytest.mark.parametrize(
    ("word", "language", "meant", "not_meant"),
    [
        ("genbrug", "da", REUSE, RECYCLING),
        ("genanvendelse", "da", RECYCLING, REUSE),
        ("genvinding", "da", RECYCLING, REUSE),
        ("gjenvinning", "nb", RECYCLING, REUSE),
        ("ombruk", "nb", REUSE, RECYCLING),
        ("återbruk", "sv", REUSE, RECYCLING),
        ("återvinning", "sv", RECYCLING, REUSE),
        ("hergebruik", "nl", REUSE, RECYCLING),
        ("recyclage", "nl", RECYCLING, REUSE),
        ("réemploi", "fr", REUSE, RECYCLING),
        ("recyclage", "fr", RECYCLING, REUSE),
        ("Wiederverwendung", "de", REUSE, RECYCLING),
        ("Recycling", "de", RECYCLING, REUSE),
        ("reuse", "en", REUSE, RECYCLING),
        ("recycling", "en", RECYCLING, REUSE),
    ],
)
@pytest.mark.parametrize("query", [True, False])
def test_reuse_and_recycling_are_kept_apart_in_every_language(
    concepts: Concepts, word: str, language: str, meant: str, not_meant: str, query: bool
):
    found = named(concepts, word, language, query=query)
    assert meant in found
    assert not_meant not in found


@pytest.mark.parametrize(
    ("word", "language", "meaning", "elsewhere"),
    [
        ("herstellen", "nl", REPAIR, "de"),
        ("location", "fr", LEASE, "en"),
        ("refuse", "en", BASE + "products/waste", "nl"),
        ("delen", "nl", "https://w3id.org/procirc/business-model/sharing", "da"),
        ("genbrug", "da", REUSE, "fr"),
    ],
)
def test_a_word_means_nothing_of_its_own_in_another_language(
    concepts: Concepts, word: str, language: str, meaning: str, elsewhere: str
):
    assert meaning in named(concepts, word, language, query=True)
    assert meaning not in named(concepts, word, elsewhere, query=True)
    assert meaning not in named(concepts, word, elsewhere)


def test_a_word_leads_to_no_concept_that_has_it_in_other_languages_only(concepts: Concepts):
    """Expansion goes through concepts: every concept that a word names has the word in that very language."""
    for language in LANGUAGES:
        own = {each.concept for each in concepts.labels if analysed_as(each.language) == language}
        foreign = {each.text for each in concepts.labels if analysed_as(each.language) != language}
        for text in sorted(foreign)[::97]:
            assert named(concepts, text, language, query=True) <= own


# Stop words


@pytest.mark.parametrize(
    ("language", "word", "label"),
    [
        ("nl", "met", "meten"),
        ("nl", "over", "overheid"),
        ("nl", "bij", "bijen"),
        ("da", "har", "hær"),
        ("da", "have", "haver"),
        ("sv", "är", "år"),
        ("nb", "mot", "møte"),
    ],
)
def test_a_stop_word_names_nothing_although_it_has_the_stem_of_a_label(
    concepts: Concepts, language: str, word: str, label: str
):
    assert stem(word, language) == stem(label, language)
    assert named(concepts, word, language) == set()


@pytest.mark.parametrize("language", LANGUAGES)
def test_no_stop_word_names_anything_in_a_text(concepts: Concepts, language: str):
    every = {word for each in concepts.labels for word in WORD.findall(each.text)}
    stops = [word for word in every if is_stop_word(word, language)]
    assert len(stops) > 10
    assert {word for word in stops if named(concepts, word, language)} == set()


def test_a_stop_word_within_a_label_is_part_of_it(concepts: Concepts):
    assert OFFICE in named(concepts, "le mobilier de bureau", "fr")


# Queries and texts


def test_a_kind_of_record_is_a_concept_for_queries_and_not_for_texts(concepts: Concepts):
    """Whoever asks for lessons wants the kind; a text that has the word says nothing of its kind."""
    lesson = concepts.vocabulary.kinds["lesson"]
    for language in LANGUAGES:
        label = lesson.labels[language]
        assert lesson.iri in named(concepts, label, language, query=True)
        assert lesson.iri not in named(concepts, label, language)
    assert concepts.label(lesson.iri, "nl") == lesson.labels["nl"]


def test_every_concept_has_a_number_for_as_long_as_the_vocabulary_stays(concepts: Concepts):
    again = Concepts(concepts.vocabulary)
    assert concepts.iris == again.iris
    assert all(concepts.iris[number] == iri for iri, number in concepts.numbers.items())
    assert set(concepts.vocabulary.concepts) < set(concepts.iris)


def test_what_names_a_concept_as_a_whole_is_known(concepts: Concepts):
    (word,) = concepts.analyse("hergebruik", "nl")
    assert REUSE in concepts.named_by((word.stem,), "nl")
    assert concepts.named_by(("qqqq",), "nl") == ()


def test_a_word_within_the_names_of_few_concepts_points_to_them(concepts: Concepts):
    (word,) = concepts.analyse("accelerator", "en")
    told = dict(concepts.told_by(word.stem, "en"))
    assert all(0 < share <= 1 for share in told.values())
    assert not any(is_meaning(iri) for iri in told)


def test_a_label_is_found_by_what_it_looks_like(concepts: Concepts):
    found = concepts.like("kantoormeubilar", "nl", least=0.6, most=5)
    assert OFFICE in dict(found)
    assert all(0.6 <= share <= 1 for _, share in found)


# Completing


def test_labels_are_completed_in_the_readers_language_shortest_first(concepts: Concepts):
    found = [text for text, _ in concepts.beginning_with("kantoor", "nl")]
    assert found[0] == "kantoor"
    assert len(found) > 5
    assert [len(text) for text in found] == sorted(len(text) for text in found)


def test_a_label_is_completed_from_any_of_its_words(concepts: Concepts):
    assert "recycled content" in [text.lower() for text, _ in concepts.beginning_with("conte", "en")]


def test_a_label_that_several_concepts_have_is_completed_once_for_all(concepts: Concepts):
    found = concepts.beginning_with("recycled content", "en")
    assert len({text.casefold() for text, _ in found}) == len(found)
    assert len(found[0][1]) > 1, "those of the code lists, and that of the lexicon"


# Broader and narrower


def test_what_is_broader_is_known_with_its_distance(concepts: Concepts):
    assert concepts.with_broader([REUSE]) == {REUSE: 0, STRATEGY + "LIFE": 1}


def test_what_is_narrower_is_known_at_any_depth(concepts: Concepts):
    assert REUSE in concepts.narrower(STRATEGY + "LIFE")
    assert concepts.narrower(REUSE) == frozenset()


def test_a_concept_nobody_knows_has_nothing_broader(concepts: Concepts):
    assert concepts.with_broader(["https://elsewhere.example/x"]) == {"https://elsewhere.example/x": 0}
