"""The text index in its directory: one document a record, rebuilt whenever it does not fit."""

from __future__ import annotations

import asyncio
import json
import shutil
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from federation.errors import Unavailable
from federation.index import text
from federation.index.concepts import Concepts
from federation.index.text import Source, TextIndex, document, facet_names
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


def fields_of(tools: Tools, draft: Draft) -> dict:
    (source,) = sources({"flanders": [draft]}, tools)
    made = document(source, tools.concepts)
    assert made is not None
    return made[1]


def test_a_document_is_found_by_the_address_of_its_record(tools: Tools):
    (source,) = sources({"flanders": [pilot("mill")]}, tools)
    key, fields = document(source, tools.concepts)
    assert key == "https://flanders.example/records/pilot/mill"
    assert fields["key"] == [key]


def test_a_document_keeps_words_by_language_and_place(tools: Tools):
    fields = fields_of(tools, pilot("mill", title="Molens", abstract={"nl": "Wieken", "da": "Vinger"}))
    assert fields["title_exact"] == ["molens"]
    assert sorted(fields["text_exact"]) == ["vinger", "wieken"]


def test_a_document_holds_its_facets_by_code(tools: Tools):
    fields = fields_of(tools, pilot("mill", country="BE", start="2021-05-18", currentPhase="P3"))
    assert fields["facet_sector"] == ["furniture-office"]
    assert fields["facet_strategy"] == ["R3"]
    assert fields["facet_country"] == ["BE"]
    assert fields["facet_year"] == ["2021"]
    assert fields["facet_phase"] == ["P3"]
    assert fields["facet_node"] == ["flanders"]
    assert fields["facet_language"] == ["nl"]


def test_a_document_knows_concepts_it_is_tagged_with_names_and_falls_under(tools: Tools):
    fields = fields_of(tools, pilot("mill", abstract={"nl": "Over laptops."}))
    assert "https://w3id.org/procirc/circular-strategy/R3" in fields["tagged"][0].split()
    assert "https://w3id.org/procirc/sector/ict-hardware" in fields["named"][0].split()
    assert "https://w3id.org/procirc/circular-strategy/LIFE" in fields["broader"][0].split()


def test_key_events_are_not_searched(tools: Tools):
    public = [encode_public(Ed25519PrivateKey.generate().public_key()) for _ in range(3)]
    declared = keys.Declaration(keys.Keys(public[0], public[1]), 0, keys.next_key_hash(public[2]))
    body = keys.event("https://flanders.example", "did:web:flanders.example", declared, issued="2026-11-22T09:00:00Z")
    assert document(Source(1, 0, "flanders", True, "2026-11-22T09:00:00Z", body), tools.concepts) is None


def test_every_facet_has_a_field_of_its_own(vocabulary):
    names = facet_names(vocabulary)
    assert names[:2] == ["kind", "node"]
    assert {"sector", "strategy", "country", "language", "year"} <= set(names)
    assert len(names) == len(set(names)) == len({text.facet_field(name) for name in names})


# Adding and opening


def test_a_new_version_takes_the_place_of_the_old_one(tmp_path: Path, tools: Tools, vocabulary):
    index = index_of(tmp_path, {"flanders": [pilot("mill", title="Oudewoord")]}, tools)
    (newer,) = sources({"flanders": [pilot("mill", title="Nieuwewoord")]}, tools)
    index.add([document(newer, tools.concepts)])
    index.commit({"did:web:flanders.example": 2})
    assert (total(index), total(index, "oudewoord"), total(index, "nieuwewoord")) == (1, 0, 1)


def test_two_versions_in_one_go_leave_the_newer_one(tmp_path: Path, tools: Tools):
    index = TextIndex(tmp_path, tools.concepts, memory=MEMORY)
    versions = [sources({"flanders": [pilot("mill", title=word)]}, tools)[0] for word in ("Oudewoord", "Nieuwewoord")]
    index.add([document(each, tools.concepts) for each in versions])
    index.commit({})
    assert (total(index), total(index, "oudewoord")) == (1, 0)


def test_the_same_entries_once_more_change_nothing(tmp_path: Path, tools: Tools):
    index = TextIndex(tmp_path, tools.concepts, memory=MEMORY)
    entries = sources({"flanders": [pilot("mill"), pilot("lock")]}, tools)
    for _ in range(2):
        index.add([document(each, tools.concepts) for each in entries])
        index.commit({})
    assert total(index) == 2


def test_an_index_opened_again_knows_what_it_holds(tmp_path: Path, tools: Tools):
    index_of(tmp_path, {"flanders": [pilot("mill")]}, tools).close()
    again = TextIndex(tmp_path, tools.concepts, memory=MEMORY)
    assert again.positions == {"did:web:flanders.example": 1}
    assert total(again) == 1


def test_what_was_not_committed_is_forgotten(tmp_path: Path, tools: Tools):
    index = TextIndex(tmp_path, tools.concepts, memory=MEMORY)
    index.add([document(each, tools.concepts) for each in sources({"flanders": [pilot("mill")]}, tools)])
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
        second.add([document(each, tools.concepts) for each in sources({"flanders": [pilot("lock")]}, tools)])
    assert total(first) == 1


def test_a_reader_sees_what_another_process_wrote_once_it_looks(tmp_path: Path, tools: Tools):
    writer = index_of(tmp_path, {"flanders": [pilot("mill")]}, tools)
    reader = TextIndex(tmp_path, tools.concepts, memory=MEMORY)
    writer.add([document(each, tools.concepts) for each in sources({"flanders": [pilot("lock")]}, tools)])
    writer.commit({"did:web:flanders.example": 2})
    reader.refresh()
    assert (total(reader), reader.positions) == (2, {"did:web:flanders.example": 2})


def test_a_writer_that_closes_lets_another_write(tmp_path: Path, tools: Tools):
    index_of(tmp_path, {"flanders": [pilot("mill")]}, tools).close()
    second = TextIndex(tmp_path, tools.concepts, memory=MEMORY)
    second.add([document(each, tools.concepts) for each in sources({"flanders": [pilot("lock")]}, tools)])
    second.commit({})
    assert total(second) == 2


def test_beginning_anew_forgets_everything_but_not_before_the_commit(tmp_path: Path, tools: Tools):
    index = index_of(tmp_path, {"flanders": [pilot("mill")]}, tools)
    index.begin_anew()
    assert total(index) == 1
    index.commit({})
    assert (index.positions, total(index)) == ({}, 0)
