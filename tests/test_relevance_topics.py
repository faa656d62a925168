"""The judged topics of the search benchmark: they speak of records that exist, and both halves cover everything."""

from __future__ import annotations

import csv
import json
from collections import Counter
from functools import cache
from itertools import chain
from pathlib import Path
from typing import Any, Final

import pytest

HOME: Final = Path(__file__).parents[1]
HALVES: Final = ("dev", "test")
LANGUAGES: Final = {"en", "nl", "fr", "de", "da", "sv", "nb"}
TYPES: Final = {
    "theme",
    "compound",
    "known-item",
    "organisation",
    "typo",
    "barrier",
    "instrument",
    "distinction",
    "no-answer",
}
FIELDS: Final = {"id", "lang", "query", "type", "narrative_en", "judgements"}


@cache
def topics(half: str) -> list[dict[str, Any]]:
    path = HOME / "benchmarks" / "relevance" / "topics" / f"{half}.json"
    loaded: list[dict[str, Any]] = json.loads(path.read_text(encoding="utf-8"))
    return loaded


@cache
def slugs() -> frozenset[str]:
    """Slugs of all records but organisations; a dot in a table's name marks parts of records."""
    tables = (
        path for path in HOME.glob("nodes/*/records/*.csv") if "." not in path.stem and path.stem != "organisation"
    )
    found = set()
    for table in tables:
        with table.open(encoding="utf-8", newline="") as lines:
            found |= {row["slug"] for row in csv.DictReader(lines)}
    return frozenset(found)


@pytest.mark.parametrize("half", HALVES)
def test_every_judged_record_exists(half: str) -> None:
    judged = {
        (topic["id"], slug) for topic in topics(half) for slug in chain(topic["judgements"], topic.get("wrong", []))
    }
    assert {(topic, slug) for topic, slug in judged if slug not in slugs()} == set()


def test_an_id_and_a_query_occur_once() -> None:
    both = [topic for half in HALVES for topic in topics(half)]
    ids = Counter(topic["id"] for topic in both)
    queries = Counter((topic["lang"], topic["query"].casefold()) for topic in both)
    assert [what for what, times in chain(ids.items(), queries.items()) if times > 1] == []


@pytest.mark.parametrize("half", HALVES)
def test_each_half_has_every_language_and_type(half: str) -> None:
    assert {topic["lang"] for topic in topics(half)} == LANGUAGES
    assert {topic["type"] for topic in topics(half)} == TYPES


@pytest.mark.parametrize("half", HALVES)
def test_topics_have_the_form_their_type_asks_for(half: str) -> None:
    for topic in topics(half):
        grades = topic["judgements"].values()
        distinguishes = topic["type"] == "distinction"
        assert topic.keys() == FIELDS | ({"wrong"} if distinguishes else set()), topic["id"]
        assert topic["id"].startswith(f"{topic['lang']}-"), topic["id"]
        assert topic["query"].strip(), topic["id"]
        assert topic["narrative_en"].strip(), topic["id"]
        assert set(grades) <= {1, 2, 3}, topic["id"]
        assert (3 in grades) is (topic["type"] != "no-answer"), topic["id"]
        assert bool(grades) is (topic["type"] != "no-answer"), topic["id"]
        if distinguishes:
            assert topic["wrong"], topic["id"]
            assert len(set(topic["wrong"])) == len(topic["wrong"]), topic["id"]
            assert not topic["judgements"].keys() & set(topic["wrong"]), topic["id"]
