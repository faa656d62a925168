"""The text index in its directory: one document a record, rebuilt whenever it does not fit."""

from __future__ import annotations

import asyncio
import json
import shutil
from pathlib import Path

import pytest
import tantivy
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from federation.errors import Unavailable
from federation.index import text
from federation.index.concepts import Concepts
from federation.index.documents import Source, batch, displayed, facet_names
from federation.index.text import TextIndex
from federation.log import keys
from federation.records.draft import Draft
from federation.records.multikey import encode_public
from federation.records.vocabulary import load_vocabulary
from federation.search import Request, Search
from federation.workers import Tools
from tests.conftest import pilot
from tests.index.corpus import MEMORY, index_of, sources


def total(index: TextIndex, words: str = "") -> int:
    return asyncio.run(Search(index, lambda node: {"en": node}).search(Request(words, "nl"))).total


# Documents


LEXICON = "https://w3id.org/procirc/lexicon/"


def held(fields: dict, role: str, tools: Tools) -> list[str]:
    """The concepts that a document holds in a role; it keeps their numbers."""
    return [tools.concepts.iris[int(number)] for number in fields[role][0].split()]


def fields_of(tools: Tools, draft: Draft) -> dict:
    (source,) = sources({"flanders": [draft]}, tools)
    ((_, made),) = batch([source], tools.concepts).documents
    return json.loads(made)


def test_a_document_is_found_by_the_address_of_its_record(tools: Tools):
    (source,) = sources({"flanders": [pilot("mill")]}, tools)
    ((key, fields),) = batch([source], tools.concepts).documents
    assert key == "https://flanders.example/records/pilot/mill"
    assert json.loads(fields)["key"] == [key]


def test_a_document_keeps_words_by_language_and_place(tools: Tools):
    fields = fields_of(tools, pilot("mill", title="Molens", abstract={"nl": "Wieken", "da": "Vinger"}))
    assert fields["stems_nl"][0].split() == ["molen", "molen", "molen"]
    assert fields["stems_nl"][1].split() == ["wiek"]
    assert fields["stems_da"][0].split() == ["ving"]
    assert {"molens", "wieken", "vinger"} <= {word for text in fields["exact"] for word in text.split()}


def test_a_word_of_the_title_counts_three_times(tools: Tools):
    fields = fields_of(tools, pilot("mill", title="Oude molens"))
    assert fields["exact"].count("oude molens") == 3


def test_a_document_keeps_a_compound_and_its_parts(tools: Tools):
    fields = fields_of(tools, pilot("mill", title="Kantoormeubilair"))
    assert set(fields["stems_nl"][0].split()) == {"kantoormeubilair", "~kantor", "~meubilair"}


def test_a_document_is_found_by_the_names_of_the_records_it_refers_to(tools: Tools):
    assert "kamp c" in fields_of(tools, pilot("mill", procurer="kamp-c"))["exact"]


def test_only_words_of_some_length_without_digits_are_suggested(tools: Tools):
    drafts = [pilot("mill", title="Een CO2 molen 2019", abstract={"nl": "x" * 41})]
    found = set(batch(sources({"flanders": drafts}, tools), tools.concepts).words.split())
    assert "molen" in found
    assert found.isdisjoint({"een", "co2", "2019", "x" * 41})


def test_a_document_holds_its_facets_by_code(tools: Tools):
    fields = fields_of(tools, pilot("mill", country="BE", start="2021-05-18", currentPhase="P3"))
    assert fields["facet_sector"] == ["furniture-office", "interiors"]  # the group it lies in is a value too
    assert fields["facet_strategy"] == ["LIFE", "R3"]
    assert fields["facet_country"] == ["BE"]
    assert fields["facet_year"] == ["2021"]
    assert fields["facet_phase"] == ["P3"]
    assert fields["facet_node"] == ["flanders"]
    assert fields["facet_language"] == ["nl"]


def test_a_document_knows_concepts_it_is_tagged_with_names_and_falls_under(tools: Tools):
    fields = fields_of(tools, pilot("mill", abstract={"nl": "Over laptops."}))
    assert "https://w3id.org/procirc/circular-strategy/R3" in held(fields, "tagged", tools)
    assert "https://w3id.org/procirc/sector/ict-hardware" in held(fields, "named", tools)
    assert "https://w3id.org/procirc/circular-strategy/LIFE" in held(fields, "broader", tools)


def test_a_document_is_tagged_with_the_kind_of_its_record(tools: Tools):
    fields = fields_of(tools, pilot("mill"))
    assert held(fields, "tagged", tools)[0] == tools.vocabulary.kinds["pilot"].iri


def test_a_document_names_what_the_parts_of_a_compound_name(tools: Tools):
    fields = fields_of(tools, pilot("havn", title="Genbrugsmøbler", language="da"))
    assert {LEXICON + "products/furniture", LEXICON + "general/reuse"} <= set(held(fields, "named", tools))


def test_a_document_shows_what_it_is_tagged_with(tmp_path: Path, tools: Tools):
    index = index_of(tmp_path, {"flanders": [pilot("mill", title="Molen")]}, tools)
    searcher = index.searcher()
    (found,) = searcher.search(tantivy.Query.all_query(), 1).hits
    shown = displayed(searcher.doc(found[1]), tools.concepts)
    assert (shown["slug"], shown["title"]) == ("mill", {"nl": "Molen"})
    assert "https://w3id.org/procirc/sector/furniture-office" in shown["tagged"]


def test_key_events_are_not_searched(tools: Tools):
    public = [encode_public(Ed25519PrivateKey.generate().public_key()) for _ in range(3)]
    declared = keys.Declaration(keys.Keys(public[0], public[1]), 0, keys.next_key_hash(public[2]))
    body = keys.event("https://flanders.example", "did:web:flanders.example", declared, issued="2026-11-22T09:00:00Z")
    source = Source(1, 0, "flanders", True, "2026-11-22T09:00:00Z", body)
    assert batch([source], tools.concepts).documents == ()


def test_every_facet_has_a_field_of_its_own(vocabulary):
    names = facet_names(vocabulary)
    assert names[:2] == ["kind", "node"]
    assert {"sector", "strategy", "country", "language", "year"} <= set(names)
    assert len(names) == len(set(names)) == len({text.facet_field(name) for name in names})


# Adding and opening


def test_a_new_version_takes_the_place_of_the_old_one(tmp_path: Path, tools: Tools, vocabulary):
    index = index_of(tmp_path, {"flanders": [pilot("mill", title="Oudewoord")]}, tools)
    (newer,) = sources({"flanders": [pilot("mill", title="Nieuwewoord")]}, tools)
    index.add(batch([newer], tools.concepts))
    index.commit({"did:web:flanders.example": 2})
    assert (total(index), total(index, "oudewoord"), total(index, "nieuwewoord")) == (1, 0, 1)


def test_two_versions_in_one_go_leave_the_newer_one(tmp_path: Path, tools: Tools):
    index = TextIndex(tmp_path, tools.concepts, memory=MEMORY)
    versions = [sources({"flanders": [pilot("mill", title=word)]}, tools)[0] for word in ("Oudewoord", "Nieuwewoord")]
    index.add(batch(versions, tools.concepts))
    index.commit({})
    assert (total(index), total(index, "oudewoord")) == (1, 0)


def test_the_same_entries_once_more_change_nothing(tmp_path: Path, tools: Tools):
    index = TextIndex(tmp_path, tools.concepts, memory=MEMORY)
    entries = sources({"flanders": [pilot("mill"), pilot("lock")]}, tools)
    for _ in range(2):
        index.add(batch(entries, tools.concepts))
        index.commit({})
    assert total(index) == 2


def test_an_index_opened_again_knows_what_it_holds(tmp_path: Path, tools: Tools):
    index_of(tmp_path, {"flanders": [pilot("mill")]}, tools).close()
    again = TextIndex(tmp_path, tools.concepts, memory=MEMORY)
    assert again.positions == {"did:web:flanders.example": 1}
    assert total(again) == 1


def test_what_was_not_committed_is_forgotten(tmp_path: Path, tools: Tools):
    index = TextIndex(tmp_path, tools.concepts, memory=MEMORY)
    index.add(batch(sources({"flanders": [pilot("mill")]}, tools), tools.concepts))
    index.close()
    again = TextIndex(tmp_path, tools.concepts, memory=MEMORY)
    assert (again.positions, total(again)) == ({}, 0)


def test_an_index_of_another_vocabulary_is_made_anew(tmp_path: Path, tools: Tools, vocabulary):
    index_of(tmp_path / "index", {"flanders": [pilot("mill")]}, tools).close()
    folder = tmp_path / "vocab"
    shutil.copytree(vocabulary.folder, folder)
    sector = folder / "codelists" / "sector.ttl"
    sector.write_text(sector.read_text("utf-8").replace("kantoorinrichting", "kantoorboedel"), "utf-8")
    index = TextIndex(tmp_path / "index", Concepts(load_vocabulary(folder)), memory=MEMORY)
    assert (index.positions, total(index)) == ({}, 0)


@pytest.mark.parametrize(
    ("change", "anew"),
    [
        (lambda folder: (folder / "ours.csv").write_text("id,en,nl,fr,de,da,sv,nb\n", "utf-8"), True),
        (lambda folder: (folder / "general.csv").unlink(), True),
        (lambda folder: edit(folder / "general.csv", "gemeentebestuur", "magistraat"), True),
        (lambda folder: (folder / "notes.txt").write_text("not a table", "utf-8"), False),
        (lambda folder: (folder / "learned.csv").unlink(), False),
        (lambda folder: (folder / "hidden" / "nl.csv").unlink(), False),
        (lambda folder: (folder / "refused.csv").unlink(), True),
    ],
)
def test_an_index_of_another_lexicon_is_made_anew(tmp_path: Path, tools: Tools, vocabulary, change, anew: bool):
    index_of(tmp_path / "index", {"flanders": [pilot("mill")]}, tools).close()
    folder = tmp_path / "vocab"
    shutil.copytree(vocabulary.folder, folder)
    change(folder / "lexicon")
    index = TextIndex(tmp_path / "index", Concepts(load_vocabulary(folder)), memory=MEMORY)
    assert (index.positions == {}) is anew
    assert (index.words.texts == []) is anew


def edit(path: Path, old: str, new: str) -> None:
    content = path.read_text("utf-8")
    assert old in content
    path.write_text(content.replace(old, new), "utf-8")


def test_an_index_of_another_layout_is_made_anew(tmp_path: Path, tools: Tools, monkeypatch):
    index_of(tmp_path, {"flanders": [pilot("mill")]}, tools).close()
    monkeypatch.setattr(text, "LAYOUT", text.LAYOUT + 1)
    index = TextIndex(tmp_path, tools.concepts, memory=MEMORY)
    assert (index.positions, total(index)) == ({}, 0)


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"null", b"\xff\xfe", b'{"layout": 1}'])
def test_a_state_that_cannot_be_read_makes_the_index_anew(tmp_path: Path, tools: Tools, content: bytes):
    index_of(tmp_path, {"flanders": [pilot("mill")]}, tools).close()
    (tmp_path / "state.json").write_bytes(content)
    index = TextIndex(tmp_path, tools.concepts, memory=MEMORY)
    assert (index.positions, total(index)) == ({}, 0)


def test_a_state_of_this_layout_without_positions_makes_the_index_anew(tmp_path: Path, tools: Tools):
    index_of(tmp_path, {"flanders": [pilot("mill")]}, tools).close()
    state = json.loads((tmp_path / "state.json").read_text())
    (tmp_path / "state.json").write_text(json.dumps({"layout": state["layout"]}))
    assert TextIndex(tmp_path, tools.concepts, memory=MEMORY).positions == {}


@pytest.mark.parametrize("content", [b"", b"{", b"garbage"])
def test_a_damaged_index_is_made_anew(tmp_path: Path, tools: Tools, content: bytes):
    """Design section 9: a projection of the logs, which can be made anew at any time."""
    index_of(tmp_path, {"flanders": [pilot("mill")]}, tools).close()
    (tmp_path / "tantivy" / "meta.json").write_bytes(content)
    index = TextIndex(tmp_path, tools.concepts, memory=MEMORY)
    assert (index.positions, total(index)) == ({}, 0)


def test_an_index_whose_files_are_gone_is_made_anew(tmp_path: Path, tools: Tools):
    index_of(tmp_path, {"flanders": [pilot("mill")]}, tools).close()
    shutil.rmtree(tmp_path / "tantivy")
    assert TextIndex(tmp_path, tools.concepts, memory=MEMORY).positions == {}


# Two at once


def test_a_second_writer_is_told_and_does_not_fail_otherwise(tmp_path: Path, tools: Tools):
    first = index_of(tmp_path, {"flanders": [pilot("mill")]}, tools)
    second = TextIndex(tmp_path, tools.concepts, memory=MEMORY)
    with pytest.raises(Unavailable, match="Another process"):
        second.add(batch(sources({"flanders": [pilot("lock")]}, tools), tools.concepts))
    assert total(first) == 1


def test_a_reader_sees_what_another_process_wrote_once_it_looks(tmp_path: Path, tools: Tools):
    writer = index_of(tmp_path, {"flanders": [pilot("mill")]}, tools)
    reader = TextIndex(tmp_path, tools.concepts, memory=MEMORY)
    writer.add(batch(sources({"flanders": [pilot("lock")]}, tools), tools.concepts))
    writer.commit({"did:web:flanders.example": 2})
    reader.refresh()
    assert (total(reader), reader.positions) == (2, {"did:web:flanders.example": 2})


def test_a_writer_that_closes_lets_another_write(tmp_path: Path, tools: Tools):
    index_of(tmp_path, {"flanders": [pilot("mill")]}, tools).close()
    second = TextIndex(tmp_path, tools.concepts, memory=MEMORY)
    second.add(batch(sources({"flanders": [pilot("lock")]}, tools), tools.concepts))
    second.commit({})
    assert total(second) == 2


def test_a_commit_that_was_killed_half_way_is_made_again(tmp_path: Path, tools: Tools):
    """tantivy notes what is deleted in a file named by the number of the commit, then what the index consists of."""
    folder, before = tmp_path / "index", tmp_path / "before"
    index_of(folder, {"flanders": [pilot("mill", title="Molen"), pilot("lock", title="Sluis")]}, tools).close()
    shutil.copytree(folder, before)
    newer = {"flanders": [pilot("mill", title="Windmolen")]}
    index_of(folder, newer, tools).close()
    for left in (*(folder / "tantivy").glob("*.del"), folder / "tantivy" / ".managed.json"):
        shutil.copy(left, before / "tantivy")
    assert list((before / "tantivy").glob("*.del"))
    again = index_of(before, newer, tools)
    assert (total(again), total(again, "windmolen")) == (2, 1)


def test_beginning_anew_forgets_everything_but_not_before_the_commit(tmp_path: Path, tools: Tools):
    index = index_of(tmp_path, {"flanders": [pilot("mill")]}, tools)
    index.begin_anew()
    assert total(index) == 1
    index.commit({})
    assert (index.positions, total(index)) == ({}, 0)


# The words of the records


def put(index: TextIndex, tools: Tools, *drafts: Draft) -> None:
    index.add(batch(sources({"flanders": list(drafts)}, tools), tools.concepts))


def kept(folder: Path) -> list[str]:
    """The words that are written down beside the index."""
    return (folder / "words.txt").read_text("utf-8").split()


def test_an_index_knows_the_words_of_its_records_once_folded(tmp_path: Path, tools: Tools):
    index = index_of(tmp_path, {"flanders": [pilot("mill", title="Gamle møller møller")]}, tools)
    assert index.words.texts.count("moller") == 1
    assert kept(tmp_path) == index.words.texts


def test_the_words_are_still_known_when_the_index_is_opened_again(tmp_path: Path, tools: Tools):
    index = index_of(tmp_path, {"flanders": [pilot("mill", title="Zeldzaam")]}, tools)
    index.close()
    again = TextIndex(tmp_path, tools.concepts, memory=MEMORY)
    assert again.words.texts == index.words.texts
    assert "zeldzaam" in again.words


def test_every_commit_adds_its_words_to_those_there_were(tmp_path: Path, tools: Tools):
    index = index_of(tmp_path, {"flanders": [pilot("mill", title="Zeldzaam")]}, tools)
    before = kept(tmp_path)
    put(index, tools, pilot("lock", title="Zeldzaam buitengewoon"))
    assert kept(tmp_path) == before
    index.commit({})
    assert kept(tmp_path) == [*before, "buitengewoon"]


def test_a_commit_without_new_words_leaves_the_file_alone(tmp_path: Path, tools: Tools):
    index = index_of(tmp_path, {"flanders": [pilot("mill")]}, tools)
    before = (tmp_path / "words.txt").read_bytes()
    put(index, tools, pilot("mill"))
    index.commit({})
    assert (tmp_path / "words.txt").read_bytes() == before


def test_words_that_were_not_committed_are_not_known_after_a_crash(tmp_path: Path, tools: Tools):
    index = index_of(tmp_path, {"flanders": [pilot("mill")]}, tools)
    put(index, tools, pilot("lock", title="Buitengewoon"))
    index.close()
    assert "buitengewoon" not in TextIndex(tmp_path, tools.concepts, memory=MEMORY).words


def test_a_word_that_a_crash_cut_off_does_not_run_into_the_next(tmp_path: Path, tools: Tools):
    index_of(tmp_path, {"flanders": [pilot("mill")]}, tools).close()
    with (tmp_path / "words.txt").open("a", encoding="utf-8") as file:
        file.write("\nbuiten")
    index = TextIndex(tmp_path, tools.concepts, memory=MEMORY)
    put(index, tools, pilot("lock", title="Buitengewoon"))
    index.commit({})
    assert kept(tmp_path)[-2:] == ["buiten", "buitengewoon"]


def test_an_index_that_begins_anew_forgets_the_words_with_the_commit(tmp_path: Path, tools: Tools):
    index = index_of(tmp_path, {"flanders": [pilot("mill", title="Geheim")]}, tools)
    index.begin_anew()
    put(index, tools, pilot("lock", title="Openbaar"))
    assert "geheim" in index.words
    index.commit({})
    assert "geheim" not in index.words
    assert "openbaar" in index.words
    assert kept(tmp_path) == index.words.texts
    assert not list(tmp_path.glob("*.partial"))


def test_an_index_that_is_made_anew_has_no_words_of_the_old_one(tmp_path: Path, tools: Tools):
    index_of(tmp_path, {"flanders": [pilot("mill", title="Geheim")]}, tools).close()
    (tmp_path / "state.json").unlink()
    assert TextIndex(tmp_path, tools.concepts, memory=MEMORY).words.texts == []
    assert not (tmp_path / "words.txt").exists()


def test_a_reader_knows_the_words_that_another_process_wrote_once_it_looks(tmp_path: Path, tools: Tools):
    writer = index_of(tmp_path, {"flanders": [pilot("mill", title="Geheim")]}, tools)
    reader = TextIndex(tmp_path, tools.concepts, memory=MEMORY)
    put(writer, tools, pilot("lock", title="Openbaar"))
    writer.commit({})
    reader.refresh()
    assert reader.words.texts == writer.words.texts
    writer.begin_anew()
    put(writer, tools, pilot("lock", title="Openbaar"))
    writer.commit({})
    reader.refresh()
    assert reader.words.texts == writer.words.texts
    assert "geheim" not in reader.words


def test_beginning_anew_can_be_left_and_nothing_is_lost(tmp_path: Path, tools: Tools):
    """Something failed while the logs were fed again: the next commit must not take away what was there."""
    index = index_of(tmp_path, {"flanders": [pilot("mill", title="Zeldzaam")]}, tools)
    index.begin_anew()
    put(index, tools, pilot("quay", title="Buitengewoon"))
    index.leave()
    put(index, tools, pilot("lock", title="Openbaar"))
    index.commit({})
    assert total(index) == 2
    assert "zeldzaam" in index.words
    assert "buitengewoon" not in index.words


# Phrases


@pytest.mark.parametrize(
    ("phrase", "found"), [("oude molen", 1), ("molen oude", 0), ("molen over", 0), ("over water", 1)]
)
def test_a_phrase_ends_where_a_text_ends(tmp_path: Path, tools: Tools, phrase: str, found: int):
    """A title is indexed three times: its last word does not stand before its first."""
    index = index_of(tmp_path, {"flanders": [pilot("mill", title="Oude molen", abstract={"nl": "Over water"})]}, tools)
    assert total(index, f'"{phrase}"') == found
