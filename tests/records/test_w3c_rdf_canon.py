"""The W3C test suite of RDFC-1.0: our oracle passes it, and our short-cut gives what the oracle gives."""

from __future__ import annotations

import csv
from pathlib import Path

import pyoxigraph
import pytest
from pyoxigraph import CanonicalizationAlgorithm, Dataset, RdfFormat

from federation.errors import NotCanonical, PoisonGraph
from federation.records import canonical

SUITE = Path(__file__).parent.parent / "data" / "rdf-canon"
ALGORITHMS = {"": CanonicalizationAlgorithm.RDFC_1_0, "SHA384": CanonicalizationAlgorithm.RDFC_1_0_SHA_384}

with (SUITE / "manifest.csv").open(encoding="utf-8", newline="") as manifest:
    HASHES = {row["test"]: row["hashAlgorithm"] for row in csv.DictReader(manifest) if row["rdfc10"] == "TRUE"}


def given(test: str) -> str:
    return (SUITE / "rdfc10" / f"{test}-in.nq").read_bytes().decode()


def expected(test: str) -> str:
    return (SUITE / "rdfc10" / f"{test}-rdfc10.nq").read_bytes().decode()


def quads(test: str) -> list[pyoxigraph.Quad]:
    return list(pyoxigraph.parse(given(test), format=RdfFormat.N_QUADS))


def is_ground(test: str) -> bool:
    terms = (term for quad in quads(test) for term in (quad.subject, quad.object, quad.graph_name))
    return not any(isinstance(term, pyoxigraph.BlankNode) for term in terms)


def is_unnamed(test: str) -> bool:
    return all(isinstance(quad.graph_name, pyoxigraph.DefaultGraph) for quad in quads(test))


def is_admitted(test: str) -> bool:
    """Whether a ground test is one unnamed graph of terms that a record may hold."""
    literals = [quad.object for quad in quads(test) if isinstance(quad.object, pyoxigraph.Literal)]
    plain = {canonical.XSD + "string", canonical.LANG_STRING}
    return is_unnamed(test) and all(
        each.datatype.value in plain or canonical.LEXICAL.get(each.datatype.value, lambda _: False)(each.value)
        for each in literals
    )


def triple(quad: pyoxigraph.Quad) -> canonical.Triple:
    subject, value = quad.subject, quad.object
    assert isinstance(subject, pyoxigraph.NamedNode)
    if isinstance(value, pyoxigraph.NamedNode):
        return subject.value, quad.predicate.value, value.value
    assert isinstance(value, pyoxigraph.Literal)
    plain = value.datatype.value in (canonical.XSD + "string", canonical.LANG_STRING)
    literal = canonical.Literal(value.value, "" if plain else value.datatype.value, value.language or "")
    return subject.value, quad.predicate.value, literal


GROUND = [test for test in HASHES if is_ground(test)]
ADMITTED = [test for test in GROUND if is_admitted(test)]
BLANK = [test for test in HASHES if test not in GROUND]


def test_the_suite_has_sixty_four_evaluation_tests():
    assert len(HASHES) == 64


@pytest.mark.parametrize("test", HASHES)
def test_the_oracle_gives_the_expected_result_byte_for_byte(test):
    dataset = Dataset(quads(test))
    dataset.canonicalize(ALGORITHMS[HASHES[test]])
    lines = str(pyoxigraph.serialize(dataset, format=RdfFormat.N_QUADS), "utf-8").split("\n")
    assert "".join(sorted(f"{line}\n" for line in lines if line)) == expected(test)


def test_the_suite_holds_graphs_that_a_record_may_be():
    assert len(ADMITTED) >= 9


@pytest.mark.parametrize("test", ADMITTED)
def test_the_short_cut_gives_the_expected_result(test):
    assert canonical.write(map(triple, quads(test))) == expected(test)


@pytest.mark.parametrize("test", [test for test in ADMITTED if expected(test)])
def test_the_strict_reader_reads_the_expected_result(test):
    assert set(canonical.read(expected(test))) == set(map(triple, quads(test)))


@pytest.mark.parametrize("test", [test for test in GROUND if test not in ADMITTED])
def test_the_strict_reader_refuses_graphs_with_names_or_foreign_datatypes(test):
    with pytest.raises(NotCanonical):
        canonical.read(expected(test))


@pytest.mark.parametrize("test", BLANK)
def test_the_strict_reader_refuses_blank_nodes_in_the_input(test):
    with pytest.raises(NotCanonical):
        canonical.read(given(test))


@pytest.mark.parametrize("test", [test for test in BLANK if is_unnamed(test)])
def test_the_strict_reader_names_blank_nodes_as_what_is_wrong_with_the_canonical_form(test):
    with pytest.raises(PoisonGraph):
        canonical.read(expected(test))


def test_a_poison_graph_is_refused_before_any_canonicalisation():
    lines = sorted(set(given("test074").split("\n")) - {""})
    with pytest.raises(PoisonGraph):
        canonical.read("".join(f"{line}\n" for line in lines))
