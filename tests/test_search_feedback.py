"""What the first hits are about moves others up that are about the same, and finds nothing else."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from federation.index import ranking
from federation.records.draft import Draft
from federation.search import Found, Search
from federation.workers import Tools
from tests.conftest import pilot
from tests.index.corpus import asking, search_of

Library = Callable[..., Search]


@pytest.fixture
def library(tools: Tools, tmp_path: Path) -> Library:
    def make(*drafts: Draft) -> Search:
        return search_of(tmp_path / "index", drafts, tools)

    return make


def titled(slug: str, title: str, *sectors: str) -> Draft:
    return pilot(slug, title=title, abstract=None, strategy=["R8"], sector=list(sectors))


@pytest.fixture
def mills(library: Library) -> Search:
    """Three say both words and are about clothes; of two that say one of them, one is about clothes as well."""
    return library(
        *(titled(f"both-{at}", "Qwertz asdfgh", "workwear") for at in range(3)),
        titled("other", "Qwertz", "playground"),
        titled("same", "Qwertz", "workwear"),
        *(titled(f"far-{at}", "Iets anders", "playground") for at in range(20)),
    )


def order(found: Found) -> list[str]:
    return [hit.slug for hit in found.hits]


def test_of_two_that_match_alike_the_one_is_first_that_is_about_what_the_first_hits_are(mills: Search, monkeypatch):
    assert order(asking(mills, "qwertz asdfgh"))[3:] == ["same", "other"]
    monkeypatch.setattr(ranking, "FEEDBACK", 0.0)
    scores = {hit.slug: hit.score for hit in asking(mills, "qwertz asdfgh").hits}
    assert scores["same"] == scores["other"]


def test_nothing_is_found_that_the_words_do_not_find(mills: Search, monkeypatch):
    found = asking(mills, "qwertz asdfgh")
    monkeypatch.setattr(ranking, "FEEDBACK_UP_TO", 0)
    without = asking(mills, "qwertz asdfgh")
    assert sorted(order(found)) == sorted(order(without))
    assert (found.total, found.facets, found.exact) == (without.total, without.facets, without.exact)


@pytest.mark.parametrize("size", [1, 2, 3, 4])
def test_pages_of_any_size_are_pieces_of_the_same_list(mills: Search, size: int):
    whole = order(asking(mills, "qwertz asdfgh"))
    pages = (asking(mills, "qwertz asdfgh", limit=size, offset=at) for at in range(0, len(whole), size))
    assert [slug for page in pages for slug in order(page)] == whole


def test_where_many_are_found_they_are_ranked_by_the_words_alone(mills: Search, monkeypatch):
    monkeypatch.setattr(ranking, "FEEDBACK_UP_TO", 4)
    scores = {hit.slug: hit.score for hit in asking(mills, "qwertz asdfgh").hits}
    assert scores["same"] == scores["other"]


def test_a_single_hit_is_left_as_it_is(library: Library):
    assert order(asking(library(titled("mill", "Een molen")), "molen")) == ["mill"]
