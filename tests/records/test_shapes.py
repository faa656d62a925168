"""Two judges, one opinion: SHACL, and the check compiled from the same shapes for what peers send.

Every field of every kind is broken in every way that a record can still be read; both judges must
report the same findings, no more and no fewer.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import pytest
import rdflib

from federation.records.canonical import DCT, PC, TYPE, XSD, Literal, Term, Triple, read, write
from federation.records.kinds import ANY_SCHEME, Field, FieldType, Kind
from federation.records.shapes import Finding, fault_of
from federation.records.triples import Triples
from tests.records.authoring import NAMING, VOCABULARY, full, record_of, some_value

KINDS = {kind.name: kind for kind in VOCABULARY.kinds.values()}
PLACES = [
    (kind, shape, field)
    for kind in KINDS.values()
    for shape in (kind, *(VOCABULARY.parts[each.part] for each in kind.fields if each.part))
    for field in shape.fields
]
NAMES = [f"{kind.name}-{shape.name}-{field.name}" for kind, shape, field in PLACES]

OTHER_TERMS: dict[str, Term] = {
    "a link": "https://elsewhere.example/thing",
    "a link of another scheme": "urn:isbn:9789000000000",
    "a long link": "https://elsewhere.example/" + "x" * 2_000,
    "the empty text": Literal(""),
    "a plain text": Literal("tekst"),
    "a plain text of two lines": Literal("een\ntwee"),
    "a long plain text": Literal("x" * 21_000),
    "a text in a language": Literal("tekst", "", "nl"),
    "a text of two lines in a language": Literal("een\ntwee", "", "nl"),
    "a text ending in a line feed": Literal("een\n", "", "nl"),
    "a whole number": Literal("7", XSD + "integer"),
    "zero": Literal("0", XSD + "integer"),
    "a negative number": Literal("-7", XSD + "integer"),
    "a number": Literal("7.5", XSD + "decimal"),
    "yes": Literal("true", XSD + "boolean"),
    "a time": Literal("2026-11-22T09:00:00Z", XSD + "dateTime"),
    "a day": Literal("2026-11-22", XSD + "date"),
    "a month": Literal("2026-11", XSD + "gYearMonth"),
    "a year": Literal("2026", XSD + "gYear"),
    "an unknown concept": "https://w3id.org/procirc/sector/none",
    "a code list": "https://w3id.org/procirc/sector",
    "a concept of one list": "https://w3id.org/procirc/barrier/economic",
    "a concept of another list": "https://w3id.org/procirc/pilot-status/completed",
    "a class": PC + "Pilot",
}


FIRST = {field.name: (kind.name, shape.name) for kind, shape, field in reversed(PLACES)}
"""Where a field that several kinds share is broken in every way; in the other kinds, in a few."""
FEW = ("a link", "a plain text", "a number", "an unknown concept")


def subject_of(kind: Kind, shape: Kind, slug: str) -> str:
    part = next((each.name for each in kind.fields if each.part == shape.name), "")
    return NAMING.record(kind.name, slug) + (f"#{part}" if shape is not kind else "")


def lean(kind: Kind, shape: Kind, field: Field, slug: str) -> list[Triple]:
    """A valid record with this field and little else: pyshacl's time goes by the statement."""
    needed = {TYPE, field.path, *(path for each in (kind, shape) for choice in each.any_of for path in choice)}
    needed |= {each.path for each in (*kind.fields, *shape.fields) if each.minimum or each.advised}
    needed |= {each.path for each in kind.fields if each.part == shape.name}
    triples = [each for each in full(kind, slug) if each[1] in needed]
    linked = {value for _, _, value in triples}
    return [each for each in triples if "#" not in each[0] or each[0] in linked]


def mutations(kind: Kind, shape: Kind, field: Field) -> Iterator[tuple[str, list[Triple]]]:
    """A record with one field broken, in every way we know; each under a slug of its own."""
    number = 0

    def changed(name: str, *, dropped: bool, added: tuple[Term, ...]) -> tuple[str, list[Triple]]:
        nonlocal number
        number += 1
        triples, subject = lean(kind, shape, field, f"case-{number}"), subject_of(kind, shape, f"case-{number}")
        if dropped:
            triples = [each for each in triples if each[:2] != (subject, field.path)]
        return name, list(dict.fromkeys(triples + [(subject, field.path, value) for value in added]))

    yield changed("nothing", dropped=True, added=())
    if field.type is not FieldType.PART:
        yield changed("a second value", dropped=False, added=(some_value(field, 1),))
        yield changed("three values", dropped=False, added=(some_value(field, 1), some_value(field, 2)))
    few = FIRST[field.name] != (kind.name, shape.name)
    for name, term in OTHER_TERMS.items():
        if few and name not in FEW:
            continue
        if field.type is FieldType.PART and isinstance(term, str):
            continue
        yield changed(name, dropped=True, added=(term,))
        yield changed(f"{name} too", dropped=False, added=(term,))
    if field.type is FieldType.TEXT:
        yield changed("a second text in one language", dropped=False, added=(Literal("anders", "", "en"),))
    if field.max_length is not None and not few:
        for length in (field.max_length, field.max_length + 1):
            for text in (Literal("€" * length, "", "nl"), Literal("€" * length), "https://" + "x" * (length - 8)):
                yield changed(f"a text of {length} characters", dropped=True, added=(text,))


def key(finding: Finding) -> tuple[str, ...]:
    return finding.node, finding.path, finding.constraint, finding.severity


def by_checks(checks: Any, triples: list[Triple]) -> list[tuple[str, ...]]:
    return sorted({key(each) for each in checks.findings(record_of(triples))})


def by_shacl(shacl: Any, *records: list[Triple]) -> list[tuple[str, ...]]:
    return sorted({key(each) for each in shacl.findings(records)})


@pytest.mark.parametrize("kind", KINDS)
def test_a_whole_record_has_no_findings(kind, checks, shacl):
    triples = read(write(full(KINDS[kind])))
    assert by_checks(checks, triples) == by_shacl(shacl, triples) == []


def test_there_are_many_ways_to_break_a_record():
    assert sum(1 for place in PLACES for _ in mutations(*place)) > 3_000


@pytest.mark.parametrize("place", PLACES, ids=NAMES)
def test_both_judges_find_the_same_in_every_broken_field(place, checks, shacl):
    names, records = zip(*mutations(*place), strict=True)
    cases = {triples[0][0]: name for name, triples in zip(names, records, strict=True)}

    def told(findings: list[tuple[str, ...]]) -> set[tuple[str, ...]]:
        return {(cases[node.partition("#")[0]], *rest) for node, *rest in findings}

    by_check = told([finding for triples in records for finding in by_checks(checks, triples)])
    assert by_check == told(by_shacl(shacl, *records))


def findings_of(kind: str, shacl: Any, checks: Any, *, drop: str = "", add: tuple[str, Term] | None = None) -> set[str]:
    """What both judges find, as ``constraint field``, when a field of a whole record is changed."""
    subject, paths = NAMING.record(kind, "whole"), KINDS[kind].by_name
    path = paths[drop].path if drop else ""
    triples = [each for each in full(KINDS[kind]) if each[:2] != (subject, path)]
    if add is not None:
        triples.append((subject, paths[add[0]].path if add[0] in paths else add[0], add[1]))
    found = by_checks(checks, triples)
    assert found == by_shacl(shacl, triples)
    names = {each.path: each.name for each in KINDS[kind].fields}
    return {f"{constraint} {names.get(path, path)} {severity}" for _, path, constraint, severity in found}


@pytest.mark.parametrize(
    ("change", "found"),
    [
        ({"drop": "title"}, {"MinCount title violation"}),
        ({"drop": "publisher"}, {"MinCount publisher violation"}),
        ({"drop": "sector"}, {"MinCount sector warning"}),
        ({"add": ("title", Literal("Twee", "", "en"))}, {"UniqueLang title violation"}),
        ({"drop": "title", "add": ("title", Literal("x" * 301, "", "nl"))}, {"MaxLength title violation"}),
        ({"drop": "title", "add": ("title", Literal("een\ntwee", "", "nl"))}, {"Pattern title violation"}),
        ({"drop": "title", "add": ("title", Literal("Titel"))}, {"Datatype title violation"}),
        ({"add": ("license", "https://elsewhere.example/licence")}, {"MaxCount license violation"}),
        ({"add": ("source", Literal("bron"))}, {"NodeKind source violation", "Pattern source violation"}),
        ({"add": ("sector", "https://w3id.org/procirc/sector/none")}, {"In sector violation"}),
        ({"add": ("sector", "https://w3id.org/procirc/barrier/economic")}, {"In sector violation"}),
        ({"drop": "start", "add": ("start", Literal("zomer"))}, {"Or start violation"}),
        ({"drop": "version", "add": ("version", Literal("0", XSD + "integer"))}, {"MinInclusive version violation"}),
        ({"add": (PC + "unheardOf", Literal("x"))}, {f"Closed {PC}unheardOf violation"}),
        ({"add": (PC + "barrier", "https://w3id.org/procirc/barrier/economic")}, {f"Closed {PC}barrier violation"}),
    ],
)
def test_a_broken_pilot_is_found_out(change, found, shacl, checks):
    assert findings_of("pilot", shacl, checks, **change) == found


def test_a_figure_without_any_number_is_found_out(shacl, checks):
    part = VOCABULARY.parts["observation"]
    (choice,) = part.any_of
    triples = [each for each in full(KINDS["pilot"]) if each[1] not in choice]
    found = by_checks(checks, triples)
    assert found == by_shacl(shacl, triples)
    assert [(path, constraint) for _, path, constraint, _ in found] == [("|".join(choice), "MinCount")]


def test_a_lesson_about_neither_barrier_nor_enabler_is_found_out(shacl, checks):
    triples = [each for each in full(KINDS["lesson"]) if each[1] not in (PC + "barrier", PC + "enabler")]
    found = by_checks(checks, triples)
    assert found == by_shacl(shacl, triples)
    assert [path for _, path, _, _ in found] == [f"{PC}barrier|{PC}enabler"]


def test_a_property_of_another_kind_of_node_is_found_out_in_a_part(shacl, checks):
    triples = [
        *full(KINDS["pilot"]),
        (subject_of(KINDS["pilot"], VOCABULARY.parts["observation"], "whole"), DCT + "title", Literal("x", "", "nl")),
    ]
    assert by_checks(checks, triples) == by_shacl(shacl, triples) != []


def test_any_list_means_any_list_that_is_known():
    subject = KINDS["pilot"].by_name["subject"]
    assert subject.schemes == (ANY_SCHEME,)
    assert VOCABULARY.concepts_of(subject.schemes) == set(VOCABULARY.concepts)


@pytest.mark.parametrize("place", PLACES, ids=NAMES)
def test_every_finding_reads_as_a_fault_of_a_field(place, checks):
    for name, triples in mutations(*place):
        record = record_of(triples)
        for finding in checks.findings(record):
            fault = fault_of(finding, VOCABULARY, record.iri)
            assert "" not in (fault.message, fault.remedy), name
            assert fault.field or "|" in finding.path, name
            assert fault.severity == finding.severity


def test_the_fault_of_a_part_names_the_part(checks):
    triples = [each for each in full(KINDS["pilot"]) if each[1] != VOCABULARY.fields["unit"].path]
    (finding,) = checks.findings(record_of(triples))
    assert fault_of(finding, VOCABULARY, NAMING.record("pilot", "whole")).field == "observation.unit"


def test_the_fault_of_a_choice_names_the_fields_to_choose_from(checks):
    triples = [each for each in full(KINDS["lesson"]) if each[1] not in (PC + "barrier", PC + "enabler")]
    (finding,) = checks.findings(record_of(triples))
    assert "barrier or enabler" in fault_of(finding, VOCABULARY, NAMING.record("lesson", "whole")).remedy


def test_a_batch_has_the_findings_of_each_of_its_records(shacl):
    broken = [each for each in full(KINDS["pilot"], "broken") if each[1] != DCT + "title"]
    found = shacl.findings([full(KINDS["pilot"], "fine"), broken, full(KINDS["lesson"], "fine")])
    assert [(each.node, each.constraint) for each in found] == [(NAMING.record("pilot", "broken"), "MinCount")]


def test_a_record_of_no_known_class_has_no_findings(checks):
    assert checks.findings(record_of([(NAMING.record("pilot", "a"), TYPE, PC + "Unheard")])) == []


def test_the_graph_that_pyshacl_reads_answers_as_one_of_rdflib():
    nodes = [rdflib.URIRef(f"urn:{letter}") for letter in "abc"]
    every = [
        (s, p, o) for s in nodes for p in nodes for o in (*nodes, rdflib.Literal("a"), rdflib.Literal("a", lang="en"))
    ]
    ours, theirs = Triples(), rdflib.Graph()
    for triple in every[::3]:
        theirs.add(triple)
    ours += theirs
    assert len(ours) == len(theirs)
    for pattern in itertools.product([None, *nodes], [None, *nodes], [None, *nodes, rdflib.Literal("a")]):
        assert set(ours.triples(pattern)) == set(theirs.triples(pattern))
        assert (pattern in ours) == (pattern in theirs)
        assert set(ours.objects(*pattern[:2])) == set(theirs.objects(*pattern[:2]))
        assert set(ours.subjects(*pattern[1:])) == set(theirs.subjects(*pattern[1:]))
