"""The words of shown texts, by what they are to a search."""

from __future__ import annotations

import pytest

from federation.index import seen
from federation.index.seen import SeenWords, Sought
from federation.workers import Tools

OFFICE = "https://w3id.org/procirc/sector/furniture-office"
NOTHING: frozenset[str] = frozenset()


@pytest.fixture
def words(tools: Tools) -> SeenWords:
    found = SeenWords(tools.concepts)
    list(found.fresh({"Kontorsmöbler", "stolar", "stolen", "kvarnen"}, "sv"))
    return found


@pytest.mark.parametrize(
    ("sought", "there"),
    [
        (Sought({"kvarnen"}, NOTHING, NOTHING, NOTHING), {"kvarnen"}),
        (Sought(NOTHING, {"stol"}, NOTHING, NOTHING), {"stolar", "stolen"}),
        (Sought(NOTHING, NOTHING, {"mobl"}, NOTHING), {"Kontorsmöbler"}),
        (Sought(NOTHING, NOTHING, NOTHING, {OFFICE}), {"Kontorsmöbler"}),
        (Sought({"kontor"}, {"kontor"}, {"stol"}, {"https://example.org/none"}), set()),
    ],
)
def test_words_are_found_by_form_stem_part_and_concept(words: SeenWords, sought: Sought, there: set[str]):
    assert words.sought(sought, "sv") == there


def test_what_is_sought_means_the_words_that_are_found_and_no_others(words: SeenWords, tools: Tools):
    sought = Sought({"kvarnen"}, {"stol"}, NOTHING, {OFFICE})
    every = {"Kontorsmöbler", "stolar", "stolen", "kvarnen", "bord"}
    list(words.fresh(every, "sv"))
    assert {word for word in every if sought.means(tools.concepts.spotting.form(word, "sv"))} == words.sought(
        sought, "sv"
    )


def test_a_word_is_taken_apart_once(words: SeenWords):
    assert [word for word, _ in words.fresh({"stolar", "bord"}, "sv")] == ["bord"]
    assert [word for word, _ in words.fresh({"stolar", "bord"}, "sv")] == []


def test_words_of_one_language_are_none_of_another(words: SeenWords):
    assert words.sought(Sought({"kvarnen"}, NOTHING, NOTHING, NOTHING), "da") == set()


def test_with_more_words_than_are_kept_the_older_ones_are_forgotten(words: SeenWords, monkeypatch):
    monkeypatch.setattr(seen, "_REMEMBERED", 3)
    list(words.fresh({"bord"}, "sv"))
    assert words.sought(Sought({"kvarnen", "bord"}, NOTHING, NOTHING, NOTHING), "sv") == {"bord"}
