"""What a whole query is about, by the words it shares with what is said of concepts."""

from __future__ import annotations

import pytest

from federation.index.phrases import Phrases

SAID = [
    ("take-back", ("supplier", "collect", "old", "goods")),
    ("take-back", ("return", "scheme")),
    ("renovation", ("old", "building", "repair")),
    ("age", ("old", "people")),
    ("goods", ("goods",)),
]


@pytest.fixture
def phrases() -> Phrases:
    return Phrases(SAID)


def like(phrases: Phrases, *stems: str, least: float = 0.1, most: int = 9) -> list[str]:
    return list(phrases.like(frozenset(stems), least=least, most=most))


def test_a_concept_is_found_by_words_of_a_phrase_in_whatever_order_and_with_others_between_them(phrases):
    assert like(phrases, "goods", "again", "collect", "supplier") == ["take-back"]


def test_one_shared_word_is_not_enough(phrases):
    assert like(phrases, "goods", "again") == []
    assert like(phrases, "old", "age") == []
    assert like(phrases, "goods") == like(phrases) == []


def test_rare_words_count_more_than_those_that_are_said_of_many(phrases):
    found = phrases.like(frozenset(["old", "building", "people", "repair"]), least=0.0, most=9)
    assert found["renovation"] > found["age"] > 0


def test_the_same_words_are_as_like_as_can_be(phrases):
    assert phrases.like(frozenset(SAID[1][1]), least=0.99, most=1) == {"take-back": pytest.approx(1.0)}


def test_words_that_are_said_of_nothing_make_a_query_less_like_everything(phrases):
    alone = phrases.like(frozenset(["return", "scheme"]), least=0.1, most=1)["take-back"]
    assert phrases.like(frozenset(["return", "scheme", "mars"]), least=0.1, most=1)["take-back"] < alone


def test_of_many_the_likest_are_given(phrases):
    stems = ("supplier", "collect", "old", "goods", "building", "people")
    assert like(phrases, *stems, most=1) == ["take-back"]
    assert len(like(phrases, *stems)) == 3


def test_of_nothing_nothing_is_said():
    assert Phrases([]).like(frozenset(["a", "b"]), least=0.0, most=9) == {}
