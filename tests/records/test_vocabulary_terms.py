"""The terms of the vocabulary: explained in every language, reused as their owners spell them, and in order.

The order is a SHACL check of its own, ``tests/data/vocabulary-shapes.ttl``.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable
from pathlib import Path

import pyoxigraph as ox
import pyshacl
import pytest
import rdflib
from rdflib import DCAT, DCTERMS, FOAF, ORG, OWL, PROV, RDF, RDFS, SDO, SH, SKOS, SOSA, XSD, Graph, Literal, URIRef

from federation.records.canonical import PC
from federation.records.kinds import LANGUAGES, Kind
from federation.records.vocabulary import CODE_IDENTIFIER, PCN, default_folder, read, vocabulary_files
from tests.records.authoring import VOCABULARY

FOLDER = default_folder()
DECLARATIONS = FOLDER / "procirc.ttl"
SHAPES = sorted((FOLDER / "shapes").glob("*.ttl"))
CHECK = Path(__file__).parents[1] / "data" / "vocabulary-shapes.ttl"
NAMES_A_TERM = (SH.path, SH.targetClass, SH.datatype, RDF.type, RDF.first, RDFS.subClassOf, RDFS.domain, RDFS.range)
"""Properties whose values are classes, properties or datatypes, besides our own pc:refersTo."""

REUSED = """
DCMI Metadata Terms: http://purl.org/dc/terms/
  abstract accessRights creator description isVersionOf issued language license modified publisher references
  replaces source spatial subject temporal title
SKOS, W3C: http://www.w3.org/2004/02/skos/core#
  Concept ConceptScheme altLabel broadMatch broader closeMatch definition exactMatch hiddenLabel inScheme
  notation prefLabel relatedMatch topConceptOf
Organization Ontology, W3C: http://www.w3.org/ns/org#
  Membership Organization role
PROV-O, W3C: http://www.w3.org/ns/prov#
  Activity Agent Entity generatedAtTime invalidatedAtTime wasAttributedTo wasDerivedFrom wasGeneratedBy
  wasRevisionOf
SOSA, W3C and OGC: http://www.w3.org/ns/sosa/
  Observation hasFeatureOfInterest hasSimpleResult observedProperty resultTime usedProcedure
DCAT, W3C: http://www.w3.org/ns/dcat#
  Catalog CatalogRecord Dataset Distribution Resource accessURL landingPage
schema.org: http://schema.org/
  ContactPoint Course CreativeWork Event MonetaryAmount Organization Project VideoObject datePublished
  inLanguage location url
FOAF: http://xmlns.com/foaf/0.1/
  homepage page primaryTopic
Core vocabularies, SEMIC: http://data.europa.eu/m8g/
  Criterion PublicOrganisation Requirement
ADMS, SEMIC: http://www.w3.org/ns/adms#
  identifier status
RDF, W3C: http://www.w3.org/1999/02/22-rdf-syntax-ns#
  Property first langString nil rest type
RDF Schema, W3C: http://www.w3.org/2000/01/rdf-schema#
  Class comment domain isDefinedBy label range seeAlso subClassOf
OWL 2, W3C: http://www.w3.org/2002/07/owl#
  Ontology deprecated sameAs versionIRI versionInfo
XML Schema datatypes, W3C: http://www.w3.org/2001/XMLSchema#
  anyURI boolean date dateTime decimal gYear gYearMonth hexBinary integer string
SHACL, W3C: http://www.w3.org/ns/shacl#
  NodeShape PropertyGroup PropertyShape alternativePath closed datatype description group ignoredProperties
  maxCount maxLength message minCount minInclusive name node nodeKind or order path pattern property severity
  targetClass uniqueLang
SHACL 1.2 Core, W3C draft: http://www.w3.org/ns/shacl#
  codeIdentifier
"""
"""Terms of others that may be used: owner, namespace and names, so that a slip of the pen shows."""
BEYOND_RDFLIB = ("http://data.europa.eu/m8g/", "http://www.w3.org/ns/adms#", str(CODE_IDENTIFIER))
"""Those of which rdflib has no copy to compare with."""


def listed() -> set[URIRef]:
    """The IRIs that REUSED spells out."""
    found, space = set[URIRef](), ""
    for line in REUSED.strip().splitlines():
        if line.startswith(" "):
            found |= {URIRef(space + name) for name in line.split()}
        else:
            space = line.partition(": ")[2]
    return found


@functools.cache
def graph(paths: tuple[Path, ...]) -> Graph:
    found = Graph()
    for path in paths:
        found.parse(path)
    return found


@pytest.fixture(scope="module")
def terms() -> Graph:
    """Shapes and terms in every language, without the code lists."""
    return read(FOLDER)[0]


@pytest.fixture(scope="module")
def everything() -> Graph:
    return graph(tuple(vocabulary_files(FOLDER)))


def terms_in(statements: Graph) -> set[URIRef]:
    """Every class, property and datatype that some statements use."""
    named = set(statements.predicates())
    for predicate in (*NAMES_A_TERM, PCN.refersTo):
        named |= set(statements.objects(None, predicate))
    named |= {each.datatype for each in statements.objects() if isinstance(each, Literal) and each.datatype}
    return {each for each in named if isinstance(each, URIRef)}


def predicates_of(path: Path) -> set[str]:
    return {each.predicate.value for each in ox.parse(path=str(path), format=ox.RdfFormat.TURTLE)}


USED = terms_in(graph((DECLARATIONS, *SHAPES)))
DECLARED = {each for each in graph((DECLARATIONS,)).subjects() if isinstance(each, URIRef)}
OWN = sorted(
    {each for each in USED | DECLARED if each.startswith(PC)}
    | {URIRef(iri) for path in vocabulary_files(FOLDER) for iri in predicates_of(path) if iri.startswith(PC)}
)
LISTED = listed()


def languages_of(texts: Iterable[rdflib.term.Node]) -> set[str]:
    return {each.language or "" for each in texts if isinstance(each, Literal) and each.strip()}


@pytest.mark.parametrize("term", OWN, ids=lambda term: term.removeprefix(PC))
def test_every_term_of_our_own_has_a_label_and_a_definition_in_every_language(terms: Graph, term: URIRef):
    definitions = list(terms.objects(term, RDFS.comment))
    for shape in terms.subjects(SH.path, term):
        definitions += terms.objects(shape, SH.description)
    assert term in DECLARED
    assert set(LANGUAGES) <= languages_of(terms.objects(term, RDFS.label))
    assert set(LANGUAGES) <= languages_of(definitions)


def test_every_term_of_our_own_is_a_class_or_a_property(terms: Graph):
    kinds = {each: set(terms.objects(each, RDF.type)) for each in OWN}
    assert {str(each) for each, types in kinds.items() if types not in ({RDFS.Class}, {RDF.Property})} == set()


def test_classes_begin_with_a_capital_and_properties_do_not(terms: Graph):
    for each in OWN:
        is_class = (each, RDF.type, RDFS.Class) in terms
        assert each.removeprefix(PC)[0].isupper() == is_class, each


def test_every_term_of_others_is_one_that_its_owner_has():
    ontologies = set(graph((DECLARATIONS,)).subjects(RDF.type, OWL.Ontology))
    others = {each for each in USED | DECLARED if not each.startswith(PC)} - ontologies
    assert sorted(others - LISTED) == []


def test_the_terms_of_others_are_spelt_as_rdflib_spells_them():
    spaces = {str(each._NS): each for each in (DCTERMS, SKOS, ORG, PROV, SOSA, DCAT, FOAF, RDF, RDFS, OWL, XSD, SH)}
    spaces[str(SDO._NS).replace("https://", "http://")] = SDO
    unknown = []
    for each in sorted(map(str, LISTED)):
        if not each.startswith(BEYOND_RDFLIB):
            space = next(found for found in spaces if each.startswith(found))
            if each.removeprefix(space) not in spaces[space]:
                unknown.append(each)
    assert unknown == []


EVERY_KIND = [*VOCABULARY.kinds.values(), *VOCABULARY.parts.values()]


@pytest.mark.parametrize("kind", EVERY_KIND, ids=lambda kind: kind.name)
def test_no_field_makes_its_kind_one_of_another_class(terms: Graph, kind: Kind):
    domains = {each.name: set(terms.objects(URIRef(each.path), RDFS.domain)) for each in kind.fields}
    assert {name: found for name, found in domains.items() if found - {URIRef(kind.iri)}} == {}


def test_a_field_refers_to_what_its_property_ranges_over(terms: Graph):
    for shape, target in terms.subject_objects(PCN.refersTo):
        ranges = set(terms.objects(terms.value(shape, SH.path), RDFS.range))
        assert ranges <= {target}, shape


# The check of the vocabulary by shapes of its own


def conforms(data: Graph) -> tuple[bool, str]:
    result, _, text = pyshacl.validate(data, shacl_graph=graph((CHECK,)), advanced=True, inplace=True)
    return result, text


def test_the_vocabulary_passes_its_own_check(everything: Graph):
    passed, report = conforms(everything)
    assert passed, report


CONCEPT = URIRef("https://w3id.org/procirc/sector/furniture-office")
FIELD = URIRef("https://w3id.org/procirc/shapes#sector")
KIND = URIRef("https://w3id.org/procirc/shapes#Pilot")
BREACHES = {
    "a concept in two lists": (None, (CONCEPT, SKOS.inScheme, URIRef("https://w3id.org/procirc/barrier"))),
    "a concept in no list": ((CONCEPT, SKOS.inScheme, None), None),
    "a concept in a list that is not ours": (
        (CONCEPT, SKOS.inScheme, None),
        (CONCEPT, SKOS.inScheme, URIRef("https://a.example/list")),
    ),
    "a concept without a code": ((CONCEPT, SKOS.notation, None), None),
    "a concept with two codes": (None, (CONCEPT, SKOS.notation, Literal("other"))),
    "two labels in one language": (None, (CONCEPT, SKOS.prefLabel, Literal("Chairs", lang="en"))),
    "a field without a name in a language": ((FIELD, SH.name, "da"), None),
    "a field with two names in one language": (None, (FIELD, SH.name, Literal("Branch", lang="en"))),
    "a field without help": ((FIELD, SH.description, None), None),
    "a field without a property": ((FIELD, SH.path, None), None),
    "a kind that is open": ((KIND, SH.closed, None), None),
    "a kind without a name": ((KIND, CODE_IDENTIFIER, None), None),
}


@pytest.fixture(scope="module")
def small(terms: Graph) -> Graph:
    """The shapes with two code lists: enough to break."""
    lists = graph(tuple(FOLDER / "codelists" / f"{name}.ttl" for name in ("sector", "barrier")))
    return Graph() + terms + lists


@pytest.mark.parametrize("breach", BREACHES)
def test_the_check_finds(small: Graph, breach: str):
    removed, added = BREACHES[breach]
    broken = small + Graph()
    if removed is not None:
        subject, predicate, language = removed
        for value in list(broken.objects(subject, predicate)):
            if language is None or (isinstance(value, Literal) and value.language == language):
                broken.remove((subject, predicate, value))
    if added is not None:
        broken.add(added)
    assert set(broken) != set(small)
    passed, report = conforms(broken)
    assert not passed
    assert report.count("Constraint Violation") in (1, 2), report
