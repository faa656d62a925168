"""Words that mean something in one language and hold others together in another; and things beside what they are of."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path

import pytest

from federation.index.languages import is_stop_word
from federation.records.draft import Draft
from federation.search import Found, Request
from federation.workers import Tools
from tests.conftest import pilot
from tests.index.corpus import search_of


def told(slug: str, abstract: Mapping[str, str], **values: object) -> Draft:
    return pilot(slug, title="Een voorbeeld", abstract=abstract, **values)


def asked(folder: Path, tools: Tools, text: str, language: str, *drafts: Draft) -> Found:
    return asyncio.run(search_of(folder, drafts, tools).search(Request(text, language)))


@pytest.mark.parametrize(
    ("word", "language", "own", "other"),
    [
        ("van", "en", "A van of our own.", {"nl": "De auto van de stad."}),
        ("door", "en", "A door of oak.", {"nl": "Gemaakt door mensen."}),
        ("by", "nb", "En by ved fjorden.", {"en": "Made by people."}),
    ],
)
def test_what_holds_words_together_elsewhere_is_looked_for_in_ones_own_texts(
    tmp_path: Path, tools: Tools, word: str, language: str, own: str, other: dict[str, str]
):
    found = asked(tmp_path, tools, word, language, told("own", {language: own}), told("other", other))
    assert [hit.slug for hit in found.hits] == ["own"]


def test_nothing_but_such_words_is_looked_for_as_it_stands(tmp_path: Path, tools: Tools):
    found = asked(tmp_path, tools, "van de", "nl", told("own", {"nl": "De auto van de stad."}))
    assert found.total == 1


@pytest.mark.parametrize(("word", "language"), [("å", "nb"), ("a", "fr"), ("før", "da"), ("it", "en")])
def test_a_word_without_a_meaning_is_a_stop_word(word: str, language: str):
    assert is_stop_word(word, language)


def test_it_is_what_everybody_buys_and_no_pronoun(tmp_path: Path, tools: Tools):
    drafts = [told("own", {"en": "They bought IT of the second hand."}), told("other", {"en": "They bought it again."})]
    found = asked(tmp_path, tools, "IT", "en", *drafts)
    assert [hit.slug for hit in found.hits] == ["own"]


def test_a_thing_comes_before_what_it_is_a_kind_of(tmp_path: Path, tools: Tools):
    many = [
        told(f"other-{number}", {"en": "Timber and concrete."}, sector=["construction-materials"])
        for number in range(4)
    ]
    bricks = told("bricks", {"en": "Bricks of an old school."}, sector=["furniture-office"])
    found = asked(tmp_path, tools, "bricks", "en", *many, bricks)
    assert found.hits[0].slug == "bricks"
    assert {each.how for hit in found.hits[1:] for each in hit.because} == {"broader"}
