"""The lexicon: tables of words that mean the same, which coordinators add to."""

from __future__ import annotations

import csv
import shutil
from pathlib import Path

import pytest

from federation.errors import Misconfigured
from federation.index.concepts import Concepts, is_meaning
from federation.index.languages import WORD, is_stop_word
from federation.index.lexicon import BASE, Entry, Meaning, lexicon_files, load_lexicon
from federation.records.kinds import LANGUAGES
from federation.records.vocabulary import default_folder, load_vocabulary
from federation.workers import Tools

HEADER = "id,en,nl,fr,de,da,sv,nb\n"
MILL = "mill,mill|windmill,molen,moulin,Mühle,mølle,kvarn,mølle\n"


@pytest.fixture
def table(tmp_path: Path):
    """Write tables of a lexicon and read them: ``table(words="…")``."""

    def read(**tables: str | bytes) -> list[Meaning]:
        folder = tmp_path / "lexicon"
        folder.mkdir(exist_ok=True)
        for name, content in tables.items():
            data = content if isinstance(content, bytes) else content.encode()
            (folder / f"{name}.csv").write_bytes(data)
        return load_lexicon(tmp_path)

    return read


# Reading


def test_a_row_is_one_meaning_with_its_words_by_language(table):
    (mill,) = table(words=HEADER + MILL)
    assert mill.iri == BASE + "words/mill"
    assert mill.entries["en"] == (Entry("mill", False), Entry("windmill", False))
    assert set(mill.entries) == set(LANGUAGES)


def test_the_first_word_of_a_cell_names_the_meaning(table):
    (mill,) = table(words=HEADER + MILL)
    assert mill.labels["en"] == "mill"
    assert mill.labels["sv"] == "kvarn"


def test_a_tilde_behind_a_word_says_that_it_is_too_general(table):
    (work,) = table(words=HEADER + "work,work~|labour,werk ~,,,,,\n")
    assert work.entries["en"] == (Entry("work", True), Entry("labour", False))
    assert work.entries["nl"] == (Entry("werk", True),)


def test_empty_cells_and_empty_words_are_left_out(table):
    (mill,) = table(words=HEADER + 'mill," mill | |~|",,,,,,\n')
    assert mill.entries == {"en": (Entry("mill", False),)}


def test_a_cell_may_hold_a_comma_between_quotes(table):
    (mill,) = table(words=HEADER + 'mill,"mill, old|mill",,,,,,\n')
    assert [each.text for each in mill.entries["en"]] == ["mill, old", "mill"]


def test_a_table_saved_by_a_spreadsheet_is_read_with_its_byte_order_mark_and_line_ends(table):
    (mill,) = table(words=b"\xef\xbb\xbf" + (HEADER + MILL).replace("\n", "\r\n").encode())
    assert mill.entries["de"] == (Entry("Mühle", False),)


def test_blank_lines_are_passed_over(table):
    assert len(table(words=f"{HEADER}\n{MILL}\n\n")) == 1


def test_tables_are_read_in_the_order_of_their_names_and_may_use_the_same_ids(table):
    found = table(b=HEADER + MILL, a=HEADER + MILL)
    assert [each.iri for each in found] == [BASE + "a/mill", BASE + "b/mill"]


def test_a_vocabulary_may_have_no_lexicon(tmp_path: Path):
    assert load_lexicon(tmp_path) == []


# Faults


@pytest.mark.parametrize(
    ("content", "place"),
    [
        ("", "line 1"),
        ("id,en,nl\nmill,mill,molen\n", "line 1"),
        (HEADER.replace(",", ";") + MILL.replace(",", ";"), "line 1"),
        (HEADER.replace("nl,fr", "fr,nl") + MILL, "line 1"),
        (HEADER + MILL + MILL, "line 3"),
        (HEADER + MILL + "lock,lock\n", "line 3"),
        (HEADER + MILL + "lock,a,b,c,d,e,f,g,h\n", "line 3"),
        (HEADER + MILL + ",a,b,c,d,e,f,g\n", "line 3"),
        (HEADER + MILL + "old lock,a,b,c,d,e,f,g\n", "line 3"),
        (HEADER + MILL + 'lock,"lock,b,c,d,e,f,g\nquay,a,b,c,d,e,f,g\n', "line 3"),
        (HEADER + MILL + 'lock,"lock"s,b,c,d,e,f,g\n', "line 3"),
        ('id,"en,nl,fr,de,da,sv,nb\n', "line 1"),
        (HEADER.encode() + MILL.encode("latin-1"), "UTF-8"),
    ],
)
def test_a_fault_names_its_file_and_line(table, content: str | bytes, place: str):
    with pytest.raises(Misconfigured) as raised:
        table(words=content)
    assert "words.csv" in str(raised.value)
    assert place in str(raised.value)


def test_a_table_whose_name_does_not_fit_into_an_address_is_refused(table):
    with pytest.raises(Misconfigured, match=r"my words\.csv"):
        table(**{"my words": HEADER + MILL})


# What is shipped


@pytest.fixture(scope="module")
def shipped() -> list[Meaning]:
    return load_lexicon(default_folder())


def test_every_shipped_table_loads(shipped: list[Meaning]):
    rows = 0
    for path in lexicon_files(default_folder()):
        with path.open(encoding="utf-8", newline="") as file:
            rows += sum(1 for _ in csv.DictReader(file))
    assert len(lexicon_files(default_folder())) >= 2
    assert len(shipped) == rows > 1_000


def test_every_shipped_row_has_words_in_all_seven_languages(shipped: list[Meaning]):
    lacking = {each.iri: set(LANGUAGES) - set(each.entries) for each in shipped if set(each.entries) != set(LANGUAGES)}
    assert lacking == {}


def test_no_word_stands_twice_in_a_cell(shipped: list[Meaning]):
    twice = [
        (each.iri, tag)
        for each in shipped
        for tag, entries in each.entries.items()
        if len({entry.text for entry in entries}) != len(entries)
    ]
    assert twice == []


# In search


@pytest.fixture
def with_mills(tmp_path: Path) -> Concepts:
    """The shipped vocabulary with a table of its own coordinators."""
    folder = tmp_path / "vocab"
    shutil.copytree(default_folder(), folder)
    rows = "wobbel,wobbel|wobbels~,wobbelaar,,,wobbelmand,,\n"
    (folder / "lexicon" / "ours.csv").write_text(HEADER + rows, "utf-8")
    return Concepts(load_vocabulary(folder))


WOBBEL = BASE + "ours/wobbel"


def named(concepts: Concepts, text: str, language: str, *, query: bool) -> set[str]:
    """The concepts that a text names, or a query."""
    if query:
        found = concepts.spot(concepts.analyse(text, language), language)
        return {iri for each in found for iri in each.concepts}
    return set(concepts.spotting.named(concepts.spotting.forms(WORD.findall(text), language), language))


def test_a_table_that_coordinators_add_is_part_of_the_lexicon(with_mills: Concepts):
    assert is_meaning(WOBBEL)
    assert named(with_mills, "den wobbelmand", "da", query=False) == {WOBBEL}
    assert with_mills.label(WOBBEL, "nl") == "wobbelaar"


def test_the_words_of_a_meaning_are_found_in_their_own_language_only(with_mills: Concepts):
    assert WOBBEL not in named(with_mills, "den wobbelmand", "nl", query=True)


def test_a_general_word_leads_a_query_and_tags_no_text(tools: Tools):
    general = [
        (meaning.iri, tag, entry.text)
        for meaning in load_lexicon(default_folder())
        for tag, entries in meaning.entries.items()
        for entry in entries
        if entry.general and not is_stop_word(entry.text, tag)
    ]
    assert len(general) > 200
    lost = [each for each in general if each[0] not in named(tools.concepts, each[2], each[1], query=True)]
    assert lost == []


def test_a_stop_word_means_nothing_in_a_text_even_where_a_table_has_it(tools: Tools):
    """Danish *have* is a garden in a table, and *to have* wherever somebody writes it."""
    assert named(tools.concepts, "have", "da", query=False) == set()


@pytest.mark.parametrize(
    ("word", "language", "meaning"),
    [
        ("refuse", "en", "products/waste"),
        ("location", "fr", "products/rental"),
        ("brugt", "da", "general/second-hand"),
        ("bruk", "nb", "general/use"),
        ("savings", "en", "general/cost-saving"),
        ("herstellen", "de", "general/make"),
    ],
)
def test_the_words_that_mean_much_else_lead_a_query_only(tools: Tools, word: str, language: str, meaning: str):
    assert BASE + meaning in named(tools.concepts, word, language, query=True)
    assert BASE + meaning not in named(tools.concepts, word, language, query=False)
