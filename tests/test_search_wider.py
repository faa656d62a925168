"""Where no record is about what was asked: what is broader, named as such, and never where there is something."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest

from federation.index.lexicon import load_broader
from federation.records.vocabulary import default_folder
from federation.search import Found, Request, Search
from federation.workers import Tools
from tests.conftest import pilot
from tests.index.corpus import search_of

FURNITURE = pilot("furniture", title="Meubilair voor het stadhuis", sector=["furniture-office"])
LAMPS = pilot("lamps", title="Licht in de bibliotheek", sector=["lighting"])
ARMCHAIR = {"nl": "fauteuil", "en": "armchair", "sv": "fåtölj", "de": "Sessel"}
ARMCHAIRS = pilot("armchairs", title="Tien fauteuils voor de wachtzaal", sector=["furniture-office"])


def found(search: Search, text: str, language: str = "nl") -> dict[str, list[str]]:
    """Slugs of the hits, each with how they were found."""
    return {hit.slug: [each.how for each in hit.because] for hit in asked(search, text, language).hits}


def asked(search: Search, text: str, language: str) -> Found:
    return asyncio.run(search.search(Request(text, language)))


@pytest.fixture
def library(tools: Tools, tmp_path: Path) -> Callable[..., Search]:
    return lambda *drafts: search_of(tmp_path, drafts, tools)


@pytest.fixture
def hall(library) -> Search:
    return library(FURNITURE, LAMPS)


@pytest.mark.parametrize(("language", "text"), ARMCHAIR.items())
def test_what_nobody_wrote_of_leads_to_what_it_is_a_kind_of_and_the_reason_says_so(hall, text: str, language: str):
    assert found(hall, text, language) == {"furniture": ["broader"]}
    assert asked(hall, text, language).exact == 0


def test_a_compound_is_widened_though_its_parts_are_words_as_well(library):
    search = library(LAMPS, pilot("canteen", title="Lunch voor het personeel", sector=["catering"]))
    assert found(search, "voedselverspilling")["canteen"] == ["broader"]


def test_beside_other_words_it_helps_as_well(hall):
    assert found(hall, "fauteuils voor het stadhuis")["furniture"] == ["broader", "word"]


def test_where_a_single_record_is_about_it_nothing_broader_is_found(library):
    search = library(FURNITURE, LAMPS, ARMCHAIRS)
    assert found(search, "fauteuil") == {"armchairs": ["word"]}
    assert found(search, "armchair", "en") == {"armchairs": ["named"]}


def test_what_is_broader_than_nothing_that_is_there_finds_nothing(library):
    assert found(library(LAMPS), "fauteuil") == {}


def test_every_row_leads_from_a_meaning_of_the_lexicon_to_a_concept_that_there_is(tools):
    concepts, rows = tools.concepts, load_broader(default_folder())
    assert len(rows) > 400
    assert {iri for iri, above in rows.items() for iri in (iri, *above)} <= concepts.numbers.keys()
    assert [iri for iri, above in rows.items() if iri in above or len(set(above)) < len(above)] == []
    circles = [(iri, each) for iri, above in rows.items() for each in above if iri in rows.get(each, ())]
    assert circles == []
