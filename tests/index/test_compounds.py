"""Compounds: words that are taken apart into words that search knows."""

from __future__ import annotations

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from federation.index.compounds import LINKS, SHORTEST, Splitter
from federation.index.concepts import Concepts
from federation.index.languages import ANALYSED, fold, stem
from federation.workers import Tools

OFFICE, FURNITURE = "kontor", "mobler"


@pytest.fixture(scope="module")
def concepts(tools: Tools) -> Concepts:
    return tools.concepts


@pytest.mark.parametrize(
    ("language", "word", "parts"),
    [
        ("nl", "kantoormeubilair", ("kantoor", "meubilair")),
        ("nl", "stadsmeubilair", ("stad", "meubilair")),
        ("nl", "gemeentehuis", ("gemeente", "huis")),
        ("de", "Schulmöbel", ("schul", "mobel")),
        ("de", "Bundesregierung", ("bund", "regierung")),
        ("da", "kontormøbler", ("kontor", "mobler")),
        ("da", "affaldssortering", ("affalds", "sortering")),
        ("sv", "kontorsmöbler", ("kontor", "mobler")),
        ("sv", "livscykelkostnad", ("livscykel", "kostnad")),
        ("nb", "gjenbruksmøbler", ("gjenbruk", "mobler")),
        ("nb", "gatebelysning", ("gate", "belysning")),
    ],
)
def test_the_shipped_words_take_a_compound_apart(concepts: Concepts, language: str, word: str, parts: tuple[str, ...]):
    assert concepts.spotting.splitter.parts(fold(word), language) == parts


@pytest.mark.parametrize(("language", "link"), [(tag, link) for tag, links in LINKS.items() for link in links])
def test_every_linking_element_of_a_language_may_stand_between_two_parts(language: str, link: str):
    splitter = Splitter({language: frozenset(["xyxy", "zozo"])})
    assert splitter.parts(f"xyxy{link}zozo", language) == ("xyxy", "zozo")


def test_a_linking_element_of_another_language_is_none():
    splitter = Splitter({tag: frozenset(["xyxy", "zozo"]) for tag in LINKS})
    assert splitter.parts("xyxyuzozo", "sv") == ("xyxy", "zozo")
    assert splitter.parts("xyxyuzozo", "nl") == ()


def test_nothing_is_split_into_parts_that_nobody_knows():
    splitter = Splitter({"da": frozenset([OFFICE])})
    assert splitter.parts("kontorquux", "da") == ()
    assert splitter.parts("quuxkontor", "da") == ()


def test_a_linking_element_stands_between_parts_and_not_at_the_end():
    splitter = Splitter({"nl": frozenset(["stad", "huis"])})
    assert splitter.parts("stadshuis", "nl") == ("stad", "huis")
    assert splitter.parts("stadhuiss", "nl") == ()
    assert splitter.parts("stads", "nl") == ()


def test_a_word_is_no_part_of_itself():
    splitter = Splitter({"da": frozenset([f"{OFFICE}{FURNITURE}"])})
    assert splitter.parts(f"{OFFICE}{FURNITURE}", "da") == ()


def test_a_known_compound_is_taken_apart_all_the_same():
    splitter = Splitter({"da": frozenset([f"{OFFICE}{FURNITURE}", OFFICE, FURNITURE])})
    assert splitter.parts(f"{OFFICE}{FURNITURE}", "da") == (OFFICE, FURNITURE)


def test_the_fewest_parts_win():
    splitter = Splitter({"nl": frozenset(["kin", "der", "opvang", "kinder"])})
    assert splitter.parts("kinderopvang", "nl") == ("kinder", "opvang")


def test_of_as_many_parts_those_with_the_longest_shortest_one_win():
    splitter = Splitter({"nl": frozenset(["abc", "defghij", "abcde", "fghij"])})
    assert splitter.parts("abcdefghij", "nl") == ("abcde", "fghij")


def test_a_word_has_four_parts_at_most():
    splitter = Splitter({"nl": frozenset(["abc", "def", "ghi", "jkl", "mno"])})
    assert splitter.parts("abcdefghijkl", "nl") == ("abc", "def", "ghi", "jkl")
    assert splitter.parts("abcdefghijklmno", "nl") == ()


@pytest.mark.parametrize("language", ["en", "fr", "und", "fi", ""])
def test_languages_that_write_their_compounds_apart_are_left_alone(language: str):
    splitter = Splitter({language: frozenset(["office", "furniture"])})
    assert splitter.parts("officefurniture", language) == ()


@pytest.mark.parametrize("word", ["", "a", "kontor", "kontor-mobler", "kontor mobler", "co2mobler", "🙂🙂🙂🙂🙂🙂🙂🙂"])
def test_short_words_and_what_is_not_letters_come_back_at_once(word: str):
    """A splitter that knows nothing would fail if it looked any further."""
    assert Splitter({}).parts(word, "da") == ()


@pytest.mark.parametrize("length", [41, 1_000, 1_000_000])
def test_a_word_that_is_too_long_is_not_looked_at(length: int):
    assert Splitter({}).parts("a" * length, "da") == ()


def test_a_word_of_forty_letters_is_looked_at():
    splitter = Splitter({"de": frozenset(["a" * 20])})
    assert splitter.parts("a" * 40, "de") == ("a" * 20, "a" * 20)


def test_the_worst_word_is_still_split_in_bounded_steps():
    """Every piece of it is a word, and every letter a linking element."""

    class Counting(frozenset):  # counts how often it is asked
        asked = 0

        def __contains__(self, part: object) -> bool:
            Counting.asked += 1
            return super().__contains__(part)

    known = Counting("e" * size for size in range(SHORTEST, 40))
    assert Splitter({"de": known}).parts("e" * 40, "de")
    assert Counting.asked <= 40 * 40


@pytest.mark.parametrize(
    ("language", "text"),
    [("da", "Kontormøbler"), ("nl", "Kantoormeubels"), ("de", "Büromöbel"), ("sv", "Kontorsmöbler"), ("nb", "Gatelys")],
)
def test_parts_are_added_and_the_word_itself_is_kept(concepts: Concepts, language: str, text: str):
    (word,) = concepts.analyse(text, language)
    assert word.folded == fold(text)
    assert word.stem == stem(text, language)
    assert len(word.parts) == 2


def test_parts_are_kept_as_stems_so_that_every_form_of_them_meets(concepts: Concepts):
    (many,) = concepts.analyse("kantoormeubels", "nl")
    (one,) = concepts.analyse("kantoormeubel", "nl")
    assert many.parts == one.parts == ("kantor", "meubel")


WORDS = st.text("abcdefgo", min_size=SHORTEST, max_size=8)


@given(known=st.frozensets(WORDS, min_size=1, max_size=12), word=st.text("abcdefgosenru", max_size=48), data=st.data())
def test_parts_are_known_words_and_with_links_between_them_the_word_again(known: frozenset, word: str, data):
    language = data.draw(st.sampled_from(sorted(LINKS)))
    if data.draw(st.booleans()):
        chosen = data.draw(st.lists(st.sampled_from(sorted(known)), min_size=2, max_size=4))
        links = [data.draw(st.sampled_from(LINKS[language])) for _ in chosen[1:]]
        word = chosen[0] + "".join(link + part for link, part in zip(links, chosen[1:], strict=True))
    parts = Splitter({language: known}).parts(word, language)
    assert set(parts) <= known
    assert len(parts) != 1
    if parts:
        assert _joins(word, parts, LINKS[language])


def _joins(word: str, parts: tuple[str, ...], links: tuple[str, ...]) -> bool:
    """Whether some links between the parts give the word."""
    ends = {word[len(parts[0]) :]} if word.startswith(parts[0]) else set()
    for part in parts[1:]:
        ends = {rest[len(link + part) :] for rest in ends for link in links if rest.startswith(link + part)}
    return "" in ends


@given(
    known=st.frozensets(WORDS, min_size=1, max_size=12),
    chosen=st.lists(st.integers(0, 11), min_size=2, max_size=4),
    language=st.sampled_from(sorted(LINKS)),
)
def test_known_words_put_together_are_taken_apart(known: frozenset, chosen: list[int], language: str):
    every = sorted(known)
    word = "".join(every[at % len(every)] for at in chosen)
    assume(len(word) > 2 * SHORTEST)
    assert Splitter({language: known}).parts(word, language)


@given(st.text(max_size=60), st.sampled_from([*ANALYSED, "und", "fi", ""]))
def test_no_word_is_wrong(concepts: Concepts, word: str, language: str):
    parts = concepts.spotting.splitter.parts(word, language)
    assert all(concepts.spotting.splitter.knows(part, language) for part in parts)
