"""Drafts as linked data: what a record says is what its statements say, and nothing gets lost in silence."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from federation.errors import Fault
from federation.exchange.files import File, drafts_of
from federation.records import jsonld
from federation.records.canonical import write
from federation.records.draft import Draft
from federation.records.jsonld import CONTEXTS
from tests.records.authoring import NAMING, VOCABULARY, complete
from tests.records.authoring import drafts_of as any_draft

TURTLE = """
@prefix pc:   <https://w3id.org/procirc/ns#> .
@prefix dct:  <http://purl.org/dc/terms/> .
@prefix sosa: <http://www.w3.org/ns/sosa/> .

<pilot/mill> a pc:Pilot ;
  dct:title "De molen"@nl , "The mill"@en ;
  pc:procurer <organisation/kamp-c> ;
  pc:sector <https://w3id.org/procirc/sector/furniture-office> ;
  pc:start "2019"^^<http://www.w3.org/2001/XMLSchema#gYear> ;
  pc:observation [ a sosa:Observation ; sosa:observedProperty <https://w3id.org/procirc/indicator/waste-avoided> ;
    pc:observationRole <https://w3id.org/procirc/observation-role/measured> ; sosa:hasSimpleResult 12.5 ;
    pc:unit <https://w3id.org/procirc/unit/kg> ; pc:evidenceLevel <https://w3id.org/procirc/evidence-level/claimed> ] .
"""


def read(name: str, data: bytes) -> tuple[list[Draft], list[Fault]]:
    return drafts_of([File(name, data)], VOCABULARY, NAMING)


def body(draft: Draft) -> str:
    return write(complete(draft))


def test_turtle_becomes_a_draft_and_blank_nodes_become_parts():
    (draft,), faults = read("drafts.ttl", TURTLE.encode())
    assert faults == []
    assert (draft.kind, draft.slug) == ("pilot", "mill")
    assert draft.values["title"] == {"nl": "De molen", "en": "The mill"}
    assert draft.values["procurer"] == [f"{NAMING.base}/records/organisation/kamp-c"]
    assert "#observation-1>" in body(draft)


@settings(max_examples=150, deadline=None, derandomize=True)
@given(st.sampled_from([kind.name for kind in VOCABULARY.authored]).flatmap(any_draft))
def test_the_statements_of_any_record_are_read_back_the_same(draft):
    made = body(draft)
    (again,), faults = read("drafts.nq", made.encode())
    assert faults == []
    assert body(again) == made


@settings(max_examples=100, deadline=None, derandomize=True)
@given(st.sampled_from([kind.name for kind in VOCABULARY.authored]).flatmap(any_draft))
def test_the_json_ld_view_of_any_record_is_read_back_the_same(draft):
    view = jsonld.view(complete(draft), VOCABULARY)
    (again,), faults = read("drafts.jsonld", json.dumps([view]).encode())
    assert faults == []
    assert body(again) == body(draft)


def test_a_record_of_another_node_is_not_taken_for_our_own():
    found, (fault,) = read(
        "a.ttl", TURTLE.replace("<pilot/mill>", "<https://denmark.example/records/pilot/mill>").encode()
    )
    assert found == []
    assert "of this node" in fault.message


@pytest.mark.parametrize("more", ["dct:title 'Anders'@nl", "a pc:Lesson"])
def test_statements_that_contradict_each_other_are_refused(more):
    found, (fault,) = read("a.ttl", (TURTLE + f"<pilot/mill> {more} .").encode())
    assert found == []
    assert "two" in fault.message


def test_a_property_that_is_no_field_is_refused_by_name():
    (draft,), _ = read("a.ttl", (TURTLE + "<pilot/mill> <https://example.org/colour> 'red' .").encode())
    assert "https://example.org/colour" in draft.values


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.ttl", "<a> <b> ."),
        ("a.ttl", ""),
        ("a.ttl", "<pilot/x> <http://purl.org/dc/terms/title> 'no type'@en ."),
        ("a.nt", "nonsense"),
        ("a.jsonld", "{}"),
        ("a.jsonld", "["),
        ("a.jsonld", json.dumps({"@context": "https://example.org/context", "type": "Pilot"})),
        ("a.jsonld", json.dumps({"@context": CONTEXTS, "id": "x", "type": "Pilot", "colour": "red"})),
        ("a.json", "{"),
        ("a.json", "[1]"),
        ("a.xml", "<html/>"),
    ],
)
def test_a_file_that_cannot_be_read_is_a_fault_that_names_it(name, text):
    found, (fault,) = read(name, text.encode())
    assert (found, fault.file) == ([], name)


def test_json_drafts_are_read_beside_tables():
    drafts, faults = drafts_of(
        [
            File("a.json", b'{"kind": "organisation", "slug": "a", "title": {"en": "A"}}'),
            File("organisation.csv", b"slug,title@en,role\nb,B,procurer\n"),
        ],
        VOCABULARY,
        NAMING,
    )
    assert faults == []
    assert [draft.slug for draft in drafts] == ["a", "b"]
