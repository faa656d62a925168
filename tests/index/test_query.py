"""From what somebody typed to a query: no input is wrong."""

from __future__ import annotations

import pytest
import tantivy
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from federation.index import ranking
from federation.index.concepts import Concepts
from federation.index.query import MAX_UNITS, build, understand
from federation.index.text import TextIndex
from federation.records.kinds import LANGUAGES
from tests.index.corpus import MEMORY


@pytest.fixture(scope="module")
def concepts(tools) -> Concepts:
    return tools.concepts


@pytest.fixture(scope="module")
def schema(tools, tmp_path_factory) -> tantivy.Schema:
    return TextIndex(tmp_path_factory.mktemp("index"), tools.concepts, memory=MEMORY).schema


@pytest.mark.parametrize(
    ("text", "language", "units"),
    [
        ("tweedehands kantoormeubilair", "nl", ["tweedehands", "kantoormeubilair"]),
        ("de molen van de stad", "nl", ["molen", "stad"]),
        ("office furniture in Ghent", "en", ["office furniture", "Ghent"]),
        ("mobilier de bureau", "fr", ["mobilier de bureau"]),
        ("", "en", []),
        ("!!! ???", "en", []),
        ("the of and", "en", ["the", "of", "and"]),
        ("  molen\t\nwater ", "nl", ["molen", "water"]),
    ],
)
def test_a_query_falls_into_phrases_that_name_concepts_and_other_words(
    concepts: Concepts, text: str, language: str, units: list[str]
):
    assert [unit.surface for unit in understand(text, language, concepts)] == units


def test_a_long_query_is_cut_and_not_refused(concepts: Concepts):
    assert len(understand("woord" * 10_000, "nl", concepts)) == 1
    assert len(understand("ab cd " * 5_000, "nl", concepts)) <= MAX_UNITS


@pytest.mark.parametrize(("units", "needed"), [(1, 1), (2, 1), (3, 2), (4, 2), (5, 3), (24, 12)])
def test_half_of_the_words_must_match(units: int, needed: int):
    assert ranking.needed(units) == needed


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    text=st.text(max_size=60) | st.text(alphabet="()[]{}\"':^~*?\\+-!&|/<>= \0ab", max_size=60),
    language=st.sampled_from([*LANGUAGES, "nn", "xx", ""]),
    value=st.text(max_size=20),
)
def test_any_text_and_any_filter_make_a_query(concepts: Concepts, schema, text: str, language: str, value: str):
    units = understand(text, language, concepts)
    assert build(units, {"kind": (value,)}, language, schema) is not None
