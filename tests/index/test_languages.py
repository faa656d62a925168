"""Analysis of text: words, folded forms, stems and stop words, language by language."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from federation.index.languages import (
    ANALYSED,
    UNKNOWN,
    analysed_as,
    fold,
    folded_words,
    is_stop_word,
    stem,
    words,
)


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
        ("baredygtig", "bæredygtig"),
        ("aterbruk", "återbruk"),
        ("buro", "Büro"),
        ("egalite", "ÉGALITÉ"),
        ("strasse", "Straße"),
        ("reemploi", "réemploi"),
        ("oeuvre", "œuvre"),
        ("cafe", "cafe\u0301"),
    ],
)
def test_a_word_typed_without_diacritics_meets_the_word_as_written(typed: str, written: str):
    assert fold(typed) == fold(written)


@pytest.mark.parametrize(
    ("letter", "plain"),
    [
        ("å", "a"), ("Å", "a"), ("æ", "a"), ("Æ", "a"), ("ä", "a"), ("ø", "o"), ("Ø", "o"), ("ö", "o"), ("ü", "u"),
        ("ß", "ss"), ("œ", "oe"), ("é", "e"), ("ç", "c"), ("ñ", "n"), ("ł", "l"), ("ð", "d"), ("þ", "th"), ("ﬁ", "fi"),
    ],
)  # fmt: skip
def test_a_letter_folds_to_the_plain_one_it_is_typed_as(letter: str, plain: str):
    assert fold(letter) == plain


def test_letters_of_the_neighbours_fold_alike():
    """What is *æ* and *ø* in Danish and Norwegian is *ä* and *ö* in Swedish."""
    assert fold("møbler") == fold("möbler")
    assert fold("kjærlig") == fold("kjärlig")
    assert fold("Århus") == fold("århus")


@given(st.text(max_size=40))
@example("𝚨")
def test_folding_again_changes_nothing(text: str):
    assert fold(fold(text)) == fold(text)


def test_the_dutch_word_for_a_municipality_keeps_its_stem():
    """The newer Snowball stemmer takes *ge* away and leaves *meen*."""
    assert stem("gemeente", "nl") == stem("gemeenten", "nl") == "gemeent"


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


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Second-hand  FURNITURE!", "second hand furniture"),
        ("L'achat d’énergie", "l achat d energie"),
        ("Foto's", "foto's"),
        ("CO2, 40%", "co2 40"),
        ("🙂", ""),
    ],
)
def test_a_text_can_be_brought_down_to_its_folded_words(text: str, expected: str):
    assert folded_words(text) == expected


@pytest.mark.parametrize("text", ["CO2", "ISO14001", "EN15804", "B2B", "2014", "R134a", "LX7000"])
@pytest.mark.parametrize("language", ANALYSED)
def test_identifiers_are_left_whole(text: str, language: str):
    (word,) = words(text, language)
    assert (word.folded, word.parts) == (text.lower(), ())


@pytest.mark.parametrize(
    ("word", "language"),
    [
        ("de", "nl"),
        ("The", "en"),
        ("och", "sv"),
        ("nicht", "de"),
        ("für", "de"),
        ("PÅ", "sv"),
        ("og", "nn"),
        ("à", "fr"),
        ("can't", "en"),
        ("Can’t", "en"),
        ("moeten", "nl"),
    ],
)
def test_words_that_carry_no_meaning_are_known(word: str, language: str):
    assert is_stop_word(word, language)


@pytest.mark.parametrize(
    ("word", "language"),
    [("de", "en"), ("hergebruik", "nl"), ("och", "da"), ("the", "fi"), ("willen", "nl"), ("igjen", "nb")],
)
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
