"""The page of what regions add to the lexicon: words by language, who says so, and what they belong to."""

from __future__ import annotations

import pytest

from federation.records.draft import Draft
from federation.web.lexicon import PAGE_SIZE
from tests.conftest import TestNode
from tests.web.asking import get
from tests.web.markup import Page

R3 = "https://w3id.org/procirc/circular-strategy/R3"
HOSTILE = "<script>alert(1)</script>"


async def text(node: TestNode, path: str) -> str:
    status, answer = await get(node, path, "text/html")
    assert status == 200
    Page(answer)  # every tag closes
    return str(answer)


@pytest.fixture
async def empty(start_node) -> TestNode:
    return await start_node("flanders")


@pytest.fixture
async def node(empty: TestNode) -> TestNode:
    words = {"title": {"nl": "zwaaihoek", "da": "svingkant"}, "altLabel": {"nl": ["draaihoek"]}}
    more = {"title": {"da": HOSTILE}, "hiddenLabel": {"nl": ["ding"]}, "notLabel": {"sv": ["fel"]}, "exactMatch": R3}
    await empty.publish(Draft("term", "zwaai", words), Draft("term", "other", more))
    await empty.node.follower.catch_up()
    return empty


async def test_a_region_that_added_nothing_says_how_it_is_done(empty):
    shown = await text(empty, "/vocab/lexicon?lang=en")
    assert "A coordinator does so with a table" in shown


async def test_words_stand_by_language_with_their_region(node):
    shown = await text(node, "/vocab/lexicon?lang=nl")
    assert "2 betekenissen" in shown
    for each in ("zwaaihoek", "draaihoek", "svingkant", "Flanders", "Hergebruiken", "ding", "fel"):
        assert each in shown
    assert '<span lang="da">svingkant</span>' in shown


async def test_what_a_term_says_is_text_and_never_markup(node):
    assert HOSTILE not in await text(node, "/vocab/lexicon?lang=nl")


async def test_a_word_is_looked_up_by_its_beginning_in_any_language(node):
    assert "1 meaning" in await text(node, "/vocab/lexicon?lang=en&q=SVING")
    assert "1 meaning" in await text(node, "/vocab/lexicon?lang=en&q=ding")
    assert "begins like this" in await text(node, "/vocab/lexicon?lang=en&q=hoek")


async def test_the_page_of_a_term_shows_every_word(node):
    shown = await text(node, "/records/term/zwaai?lang=da")
    assert "Andre ord" in shown
    assert "draaihoek" in shown


async def test_many_terms_are_shown_page_by_page(empty):
    drafts = [Draft("term", f"t{at}", {"title": {"nl": f"kringwoord{at}"}}) for at in range(PAGE_SIZE + 1)]
    await empty.publish(*drafts)
    await empty.node.follower.catch_up()
    first, last = await text(empty, "/vocab/lexicon?lang=en"), await text(empty, "/vocab/lexicon?lang=en&page=2")
    assert ("Page 1 of 2" in first, "Page 2 of 2" in last) == (True, True)
    assert "kringwoord99" in last
    assert "kringwoord99" not in first


@pytest.mark.parametrize(
    "query", ["q=%00", "q=" + "x" * 5000, "page=-1", "page=9999999999", "page=x", "q=%22%3E%3Cb%3E"]
)
async def test_no_input_is_wrong(node, query):
    assert await text(node, f"/vocab/lexicon?{query}")
