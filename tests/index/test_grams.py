"""What looks alike: likeness of words and phrases by runs of four letters."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rapidfuzz.distance import DamerauLevenshtein

from federation.index.grams import Alike, grams

TEXTS = st.text("abcde ", max_size=12)


def likeness(one: str, other: str) -> float:
    return dict(Alike([one]).like(other, least=0.0, most=1)).get(one, 0.0)


def test_the_borders_of_a_word_are_letters_of_their_own():
    assert grams("stoel") == {" sto", "stoe", "toel", "oel "}


@pytest.mark.parametrize("text", ["", "a", "ab"])
def test_a_text_shorter_than_a_run_is_a_run_itself(text: str):
    assert grams(text) == {f" {text} "}


@given(TEXTS)
def test_a_text_is_wholly_like_itself(text: str):
    assert likeness(text, text) == 1.0


@given(TEXTS, TEXTS)
def test_likeness_is_between_none_and_whole_and_the_same_from_both_sides(one: str, other: str):
    assert 0.0 <= likeness(one, other) <= 1.0
    assert likeness(one, other) == likeness(other, one)


@given(st.lists(st.text("abcæ 𝒜", max_size=9), max_size=12), st.text("abcæ 𝒜", max_size=9))
def test_many_texts_that_are_sorted_are_found_as_few_that_are_not(texts: list[str], text: str):
    with pytest.MonkeyPatch.context() as patched:
        few = Alike(texts)
        patched.setattr("federation.index.grams._FEW", 0)
        many = Alike(texts)
        assert many.like(text, least=0.1, most=9) == few.like(text, least=0.1, most=9)
        patched.setattr("federation.index.grams._FEW", 500)
        assert many.add(["late", text]) == few.add(["late", text])
        for asked in ("late", text):
            assert many.like(asked, least=0.1, most=9) == few.like(asked, least=0.1, most=9)
            assert many.meant(asked, most=9) == few.meant(asked, most=9)


def test_texts_that_come_a_few_at_a_time_are_sorted_once_they_are_many():
    alike = Alike(["furniture"])
    for at in range(0, 1_500, 100):
        alike.add(f"word{number}" for number in range(at, at + 100))
        assert alike.like(f"word{at}", least=0.9, most=1) == [(f"word{at}", 1.0)]
    assert len(alike._sorted.sizes) > 1_000


def test_a_text_that_comes_while_somebody_asks_does_no_harm(monkeypatch):
    alike = Alike(["furniture", "recycling"])
    common = alike._common
    monkeypatch.setattr(alike, "_common", lambda own: (alike.add(["furnitures"]), common(own))[1])
    assert [text for text, _ in alike.meant("furnitrue", most=6)] == ["furniture"]


def test_texts_without_a_common_run_are_not_alike():
    assert likeness("stoel", "bureau") == 0.0


def test_likeness_is_twice_what_is_common_of_what_both_have():
    """Five runs in *kantoor* that *kantor* has too, which are three; seven and six in all."""
    common = grams("kantoor") & grams("kantor")
    assert likeness("kantoor", "kantor") == 2 * len(common) / (len(grams("kantoor")) + len(grams("kantor")))


@given(st.lists(TEXTS, max_size=12), TEXTS, st.floats(0.01, 1.0), st.integers(1, 6))
def test_what_is_less_alike_is_left_out_and_the_best_come_first(texts: list[str], text: str, least: float, most: int):
    alike = Alike(texts)
    found = alike.like(text, least=least, most=most)
    fitting = [each for each in set(texts) if likeness(each, text) >= least]
    assert len(found) == min(most, len(fitting))
    assert all(share >= least for _, share in found)
    assert all(one >= other for (_, one), (_, other) in pairwise(found))
    assert dict(found).items() <= {each: likeness(each, text) for each in texts}.items()


def test_of_texts_as_much_alike_the_first_known_comes_first():
    assert [text for text, _ in Alike(["abcx", "abcy"]).like("abcz", least=0.1, most=2)] == ["abcx", "abcy"]


def test_nothing_is_like_anything_where_nothing_is_known():
    assert Alike().like("stoel", least=0.0, most=5) == []


def test_a_text_is_known_once():
    alike = Alike(["stoel", "stoel"])
    assert alike.add(["stoel", "tafel"]) == ["tafel"]
    assert alike.texts == ["stoel", "tafel"]
    assert "tafel" in alike
    assert "kast" not in alike


def test_texts_are_added_from_several_threads_while_others_ask():
    """Search asks in its threads while the index takes in what came with a sync."""
    alike = Alike(["molen"])

    def put_in(number: int) -> None:
        for each in range(400):
            alike.add([f"molen{number}x{each}", f"samen{each}"])

    def ask(number: int) -> None:
        for _ in range(400):
            assert alike.like("molen", least=0.1, most=3)[0] == ("molen", 1.0)

    with ThreadPoolExecutor(6) as pool:
        list(
            pool.map(
                lambda task: task[0](task[1]), [(put_in, 1), (ask, 0), (put_in, 2), (ask, 0), (put_in, 3), (ask, 0)]
            )
        )
    assert len(alike.texts) == len(set(alike.texts)) == 1 + 3 * 400 + 400
    assert all(alike.like(text, least=1.0, most=1) == [(text, 1.0)] for text in alike.texts[::97])


@pytest.mark.parametrize("typed", ["furnitre", "furnitture", "frniture", "furnitrue", "furnisure"])
def test_a_text_is_meant_by_one_with_a_letter_left_out_doubled_exchanged_or_hit_by_mistake(typed: str):
    ((found, share),) = Alike(["furniture", "recycling"]).meant(typed, most=6)
    assert (found, share > 0.87) == ("furniture", True)


@pytest.mark.parametrize("typed", ["moelen", "mlen", "molne", "nolen", "molem", "mollen"])
def test_a_short_text_is_meant_although_hardly_any_of_its_runs_are_left(typed: str):
    assert Alike(["molen", "samen", "canal"]).meant(typed, most=6)[0][0] == "molen"


@given(TEXTS, st.lists(TEXTS, max_size=20))
def test_what_may_be_meant_has_two_wrong_letters_at_most_the_best_first(text: str, texts: list[str]):
    found = Alike(texts).meant(text, most=5)
    assert len(found) <= 5
    assert all(DamerauLevenshtein.distance(text, other) <= (1 if len(text) < 9 else 2) for other, _ in found)
    assert all(first >= second for (_, first), (_, second) in pairwise(found))
