"""Analysis of text: words, folded forms, stems and stop words, language by language."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given
from hypothesis import strategies as st

from federation.index.languages import (
    ANALYSED,
    UNKNOWN,
    analysed_as,
    beginning,
    beginning_with,
    fold,
    is_stop_word,
    stem,
    words,
)
from federation.workers import Tools


@pytest.mark.parametrize(
    ("language", "one", "other"),
    [
        ("nl", "gemeente", "gemeenten"),
        ("nl", "meubel", "meubels"),
        ("nl", "stoel", "stoelen"),
        ("en", "municipality", "municipalities"),
        ("en", "reuse", "reused"),
        ("fr", "meuble", "meubles"),
        ("fr", "réutiliser", "réutilisation"),
        ("de", "Möbel", "Möbeln"),
        ("de", "Gemeinde", "Gemeinden"),
        ("da", "stol", "stole"),
        ("da", "kommune", "kommuner"),
        ("sv", "stol", "stolar"),
        ("sv", "kommun", "kommunerna"),
        ("nb", "kommune", "kommuner"),
        ("nb", "stol", "stoler"),
    ],
)
def test_forms_of_one_word_share_a_stem(language: str, one: str, other: str):
    assert stem(one, language) == stem(other, language)


@pytest.mark.parametrize(
    ("language", "one", "other"),
    [("nl", "gemeente", "menen"), ("nl", "gemeente", "gemeenschap"), ("da", "møbler", "mobiler"), ("en", "use", "us")],
)
def test_different_words_keep_different_stems(language: str, one: str, other: str):
    assert stem(one, language) != stem(other, language)


@pytest.mark.parametrize(
    ("typed", "written"),
    [
        ("mobler", "møbler"),
        ("mobler", "möbler"),
        ("MOBLER", "Møbler"),
        ("atervinning", "återvinning"),
        ("baeredygtig", "bæredygtig"),
        ("strasse", "Straße"),
        ("reemploi", "réemploi"),
        ("oeuvre", "œuvre"),
        ("cafe", "cafe\u0301"),
    ],
)
def test_a_word_typed_without_diacritics_meets_the_word_as_written(typed: str, written: str):
    assert fold(typed) == fold(written)


def test_a_stem_does_not_depend_on_how_unicode_is_composed():
    assert stem("møbler".replace("ø", "ø"), "da") == stem("møbler", "da")
    assert stem("re\u0301emploi", "fr") == stem("réemploi", "fr")


@pytest.mark.parametrize(
    ("tag", "rules"),
    [("nl", "nl"), ("nl-be", "nl"), ("nn", "nb"), ("no", "nb"), ("fi", UNKNOWN), ("", UNKNOWN), ("en-gb", "en")],
)
def test_a_language_follows_its_own_rules_or_none(tag: str, rules: str):
    assert analysed_as(tag) == rules


def test_a_word_of_a_language_without_rules_is_only_folded():
    assert stem("Huonekalut", "fi") == stem("Huonekalut", UNKNOWN) == "huonekalut"


@pytest.mark.parametrize("text", ["L'économie d'énergie", "co2-uitstoot, 40%", "second-hand", "foo_bar", "m² en 3×4"])
def test_words_stand_where_they_say(text: str):
    found = list(words(text, "nl"))
    assert found
    assert all(fold(text[word.start : word.end]) == word.folded for word in found)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("second-hand furniture", ["second", "hand", "furniture"]),
        ("CO2 40%", ["co2", "40"]),
        ("", []),
        ("🙂 — !!", []),
        ("l'eau", ["l", "eau"]),
    ],
)
def test_a_text_falls_into_words(text: str, expected: list[str]):
    assert [word.folded for word in words(text, "en")] == expected


@pytest.mark.parametrize(("word", "language"), [("de", "nl"), ("The", "en"), ("och", "sv"), ("nicht", "de")])
def test_words_that_carry_no_meaning_are_known(word: str, language: str):
    assert is_stop_word(word, language)


@pytest.mark.parametrize(("word", "language"), [("de", "en"), ("hergebruik", "nl"), ("och", "da"), ("the", "fi")])
def test_words_that_carry_meaning_are_kept(word: str, language: str):
    assert not is_stop_word(word, language)


def test_stems_are_the_same_in_every_thread():
    asked = [
        (f"{word}{ending}", tag) for tag in ANALYSED for word in ("gemeente", "møbel") for ending in ("", "n", "r")
    ]
    alone = [stem.__wrapped__(*each) for each in asked]
    with ThreadPoolExecutor(8) as pool:
        for together in pool.map(lambda _: [stem.__wrapped__(*each) for each in asked], range(50)):
            assert together == alone


@given(st.text(max_size=200), st.sampled_from([*ANALYSED, UNKNOWN, "fi"]))
def test_any_text_can_be_analysed(text: str, language: str):
    found = list(words(text, language))
    assert all(" " not in word.stem and " " not in word.folded for word in found)
    assert [word.start for word in found] == sorted(word.start for word in found)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("l'achat d’énergie", ["l", "achat", "d", "énergie"]),
        ("foto's en collega’s", ["foto's", "en", "collega’s"]),
        ("don't, we'll", ["don't", "we'll"]),
        ("jusqu'ici", ["jusqu", "ici"]),
        ("'quoted'", ["quoted"]),
    ],
)
def test_an_apostrophe_parts_an_article_from_its_word_and_keeps_an_ending(text: str, expected: list[str]):
    assert [text[word.start : word.end] for word in words(text, "fr")] == expected


# Words that may match


def test_every_word_of_the_code_lists_is_found_by_the_beginning_of_its_stem_and_of_its_form(tools: Tools):
    every = [
        (text[word.start : word.end], tag, word)
        for concept in tools.vocabulary.concepts.values()
        for tag in ANALYSED
        for text in (concept.labels.get(tag, ""), *concept.alternatives.get(tag, ()))
        for word in words(text, tag)
    ]
    missed = [
        (surface, tag)
        for surface, tag, word in every
        for form in (word.stem, word.folded)
        if not beginning_with(frozenset([beginning(form)])).fullmatch(surface)
    ]
    assert len(every) > 5_000
    assert missed == []


@given(st.text(st.characters(categories=["L", "N"]), min_size=1, max_size=12), st.sampled_from(ANALYSED))
def test_any_word_is_found_by_the_beginning_of_its_folded_form(word: str, language: str):
    for found in words(word, language):
        surface = word[found.start : found.end]
        if found.folded:
            assert beginning_with(frozenset([beginning(found.folded)])).match(surface)


@pytest.mark.parametrize(("typed", "written"), [("München", "Muenchen"), ("Übung", "Uebung"), ("zuerst", "Zuerst")])
def test_an_umlaut_written_as_two_letters_is_found(typed: str, written: str):
    assert beginning_with(frozenset([beginning(stem(typed, "de"))])).fullmatch(written)


def test_words_with_another_beginning_are_passed_over():
    pattern = beginning_with(frozenset(["mob", "aer"]))
    found = [match[0] for match in pattern.finditer("Møbler ærlig aerosol mobiel omobler immobiel MÖB areal")]
    assert found == ["Møbler", "ærlig", "aerosol", "mobiel", "MÖB"]


def test_without_a_beginning_nothing_is_found():
    assert beginning_with(frozenset()).search("Møbler") is None
