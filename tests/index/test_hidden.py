"""Hidden labels: what people type for a concept leads to it, and no text is read by it."""

from __future__ import annotations

import csv
import shutil
from collections import Counter
from pathlib import Path

import pytest

from federation.errors import Misconfigured
from federation.index.concepts import Concepts
from federation.index.hidden import LONGEST
from federation.index.languages import ANALYSED, WORD, analysed_as, stem
from federation.index.lexicon import load_hidden, query_files
from federation.records.kinds import LANGUAGES
from federation.records.lexical import SEVERAL
from federation.records.vocabulary import default_folder, load_vocabulary
from federation.workers import Tools

REUSE = "https://w3id.org/procirc/circular-strategy/R3"
FURNITURE = "https://w3id.org/procirc/lexicon/products/furniture"
TABLE = "concept,texts\ncircular-strategy/R3,wobbel quist|wobbel\nlexicon/products/furniture,wobbel\n"


def with_table(tmp_path: Path, table: str | bytes, language: str = "nl") -> Concepts:
    """The shipped vocabulary with one table of hidden labels."""
    folder = tmp_path / "vocab"
    shutil.copytree(default_folder(), folder)
    shutil.rmtree(folder / "lexicon" / "hidden")
    path = folder / "lexicon" / "hidden" / f"{language}.csv"
    path.parent.mkdir()
    path.write_bytes(table.encode() if isinstance(table, str) else table)
    return Concepts(load_vocabulary(folder))


def asked(concepts: Concepts, text: str, language: str) -> list[tuple[int, int, set[str]]]:
    """Where a query names concepts, and which."""
    spotted = concepts.spot(concepts.analyse(text, language), language)
    return [(each.first, each.last, set(each.concepts)) for each in spotted]


def test_a_hidden_label_leads_to_each_of_its_concepts_the_longest_first(tmp_path: Path):
    concepts = with_table(tmp_path, TABLE)
    assert asked(concepts, "wobbels quist", "nl") == [(0, 2, {REUSE}), (0, 1, {REUSE, FURNITURE})]


def test_a_hidden_label_is_known_in_its_own_language_only(tmp_path: Path):
    assert asked(with_table(tmp_path, TABLE), "wobbel quist", "da") == []


def test_no_text_is_read_by_a_hidden_label(tmp_path: Path):
    concepts = with_table(tmp_path, TABLE)
    forms = concepts.spotting.forms(WORD.findall("een wobbel quist"), "nl")
    assert concepts.spotting.named(forms, "nl") == {}


def test_a_hidden_label_is_not_offered_to_whoever_types(tmp_path: Path):
    assert with_table(tmp_path, TABLE).beginning_with("wobb", "nl") == []


def test_a_concept_that_is_no_more_is_passed_over(tmp_path: Path):
    concepts = with_table(tmp_path, "concept,texts\nsector/zeppelins,wobbel\n")
    assert asked(concepts, "wobbel", "nl") == []


@pytest.mark.parametrize(
    ("table", "place"),
    [
        ("", "line 1"),
        ("concept,text\n", "line 1"),
        (TABLE + "circular-strategy/R3\n", "line 4"),
        (TABLE + ",wobbel\n", "line 4"),
        (TABLE + "circular-strategy/R3,\n", "line 4"),
        (TABLE + 'circular-strategy/R3,"wobbel"s\n', "line 4"),
        (TABLE.encode() + "circular-strategy/R3,bûche\n".encode("latin-1"), "UTF-8"),
    ],
)
def test_a_fault_names_its_file_and_line_before_anybody_searches(tmp_path: Path, table: str | bytes, place: str):
    concepts = with_table(tmp_path, table)
    with pytest.raises(Misconfigured) as raised:
        concepts.warm()
    assert "nl.csv" in str(raised.value)
    assert place in str(raised.value)


# What is shipped


def test_every_language_has_a_table_that_is_read_anew_when_it_changes():
    files = {path.name for path in query_files(default_folder()) if path.parent.name == "hidden"}
    assert files == {f"{language}.csv" for language in LANGUAGES}


def test_every_shipped_hidden_label_belongs_to_a_concept_once_and_is_no_other_label_of_it(tools: Tools):
    concepts = tools.concepts
    labels = {(each.concept, each.language, each.stems) for each in concepts.labels}
    said: Counter[tuple[str, str, tuple[str, ...]]] = Counter()
    for language, concept, cell in load_hidden(default_folder()):
        assert concept in concepts.numbers
        for text in cell.split(SEVERAL):
            stems = tuple(stem(word, analysed_as(language)) for word in WORD.findall(text))
            assert 0 < len(stems) <= LONGEST, (language, concept, text)
            said[concept, language, stems] += 1
    assert [each for each, times in said.items() if times > 1] == []
    assert labels.isdisjoint(said)
    assert len(said) > 30_000


WAYS = ("https://w3id.org/procirc/business-model/", "https://w3id.org/procirc/circular-strategy/")
THINGS = ("sector/", "lexicon/products/")


@pytest.mark.parametrize("language", ANALYSED)
def test_the_name_of_a_thing_swallows_no_way_of_buying_it(language: str, tools: Tools):
    """Who looks for *laptops huren* wants laptops, and to rent them."""
    spotting = tools.concepts.spotting
    swallowed = []
    for concept, phrases in hidden_of(language):
        for phrase in phrases if concept.startswith(THINGS) else ():
            named = [spotting.named(spotting.forms([word], language), language) for word in WORD.findall(phrase)]
            ways = [any(iri.startswith(WAYS) for iri in each) for each in named]
            if any(ways) and any(each and not way for each, way in zip(named, ways, strict=True)):
                swallowed.append(phrase)
    assert swallowed == []


def hidden_of(language: str) -> list[tuple[str, list[str]]]:
    path = default_folder() / "lexicon" / "hidden" / f"{language}.csv"
    with path.open(encoding="utf-8", newline="") as file:
        return [(row["concept"], row["texts"].split("|")) for row in csv.DictReader(file)]
