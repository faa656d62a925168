"""The vocabulary: complete in every language, and refused where it could be read in two ways."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from federation.errors import Misconfigured
from federation.records.kinds import LANGUAGES, FieldType, in_language
from federation.records.vocabulary import load_vocabulary
from tests.records.authoring import VOCABULARY

EVERY_KIND = (*VOCABULARY.kinds.values(), *VOCABULARY.parts.values())
PROCIRC = "https://w3id.org/procirc/"
SCHEMES = {
    "barrier": 31,
    "business-model": 8,
    "circular-goal": 5,
    "circular-strategy": 13,
    "enabler": 21,
    "event-kind": 10,
    "evidence-level": 4,
    "indicator": 26,
    "initiative-kind": 9,
    "instrument": 31,
    "observation-role": 5,
    "opportunity-kind": 4,
    "organisation-role": 10,
    "output-kind": 14,
    "pilot-kind": 4,
    "pilot-status": 7,
    "procedure-type": 14,
    "process-step": 8,
    "procurement-phase": 5,
    "sector": 30,
    "transferability": 3,
}
"""The project's own code lists, and how many concepts each has."""


def complete(texts) -> bool:
    return set(LANGUAGES) <= set(texts) and all(text.strip() for text in texts.values())


def test_the_code_lists_are_those_of_the_project_with_budget_staff_and_activities_added():
    counts = {scheme.name: len(scheme.concepts) for scheme in VOCABULARY.schemes.values()}
    assert {name: counts.get(name) for name in SCHEMES} == SCHEMES
    assert (len(SCHEMES), sum(SCHEMES.values())) == (21, 262)


def test_the_other_lists_are_those_that_fields_need_and_that_are_derived():
    others = {scheme.name for scheme in VOCABULARY.schemes.values()} - set(SCHEMES)
    assert others == {
        *("country", "language", "unit", "nuts", "cpv"),
        *("answer", "criterion-kind", "decision", "organisation-type"),
        *("fulfilment", "not-counted", "progress", "validity", "openness"),
    }
    assert all(VOCABULARY.scheme_named(name).concepts for name in others)


def test_the_languages_of_the_project_are_in_the_list_of_languages():
    assert all(VOCABULARY.scheme_named("language").find(tag) for tag in (*LANGUAGES, "nn"))


@pytest.mark.parametrize("kind", EVERY_KIND, ids=lambda kind: kind.name)
def test_every_kind_has_a_name_and_an_explanation_in_every_language(kind):
    assert complete(kind.labels)
    assert complete(kind.help)


@pytest.mark.parametrize("kind", EVERY_KIND, ids=lambda kind: kind.name)
def test_every_field_has_a_name_and_help_in_every_language(kind):
    assert [each.name for each in kind.fields if not (complete(each.labels) and complete(each.help))] == []


def test_every_group_has_a_name_in_every_language():
    assert [iri for iri, (_, labels) in VOCABULARY.groups.items() if not complete(labels)] == []


@pytest.mark.parametrize("scheme", VOCABULARY.schemes.values(), ids=lambda scheme: scheme.name)
def test_every_list_and_concept_has_a_label_in_every_language(scheme):
    assert complete(scheme.labels)
    assert [each.iri for each in scheme.concepts.values() if not complete(each.labels)] == []


@pytest.mark.parametrize("scheme", VOCABULARY.schemes.values(), ids=lambda scheme: scheme.name)
def test_the_codes_of_a_list_are_distinct_and_find_their_concept(scheme):
    assert [each.iri for each in scheme.concepts.values() if scheme.find(each.code) is not each] == []


@pytest.mark.parametrize(
    "scheme", [each for each in VOCABULARY.schemes.values() if not each.complete], ids=lambda scheme: scheme.name
)
def test_the_labels_of_a_list_are_distinct_in_every_language(scheme):
    for language in LANGUAGES:
        labels = [each.labels[language].casefold() for each in scheme.concepts.values()]
        assert sorted(labels) == sorted(set(labels))


def test_every_concept_of_our_own_lists_lies_under_its_list():
    ours = [each for each in VOCABULARY.concepts.values() if each.scheme.startswith(PROCIRC) and not each.versions]
    assert [each.iri for each in ours if not each.iri.startswith(each.scheme + "/")] == []


def test_every_broader_concept_exists_in_the_same_list_or_is_a_country():
    concepts = VOCABULARY.concepts
    broader = [(each, concepts[other]) for each in concepts.values() for other in each.broader]
    assert broader
    beyond = [(each.code, other) for each, other in broader if other.scheme != each.scheme]
    assert {VOCABULARY.schemes[other.scheme].name for _, other in beyond} == {"country"}
    assert {len(code) for code, _ in beyond} == {2}


@pytest.mark.parametrize(
    ("code", "versions"),
    [("UKM75", ("2016", "2021")), ("NL36", ("2024",)), ("NL310", ("2021",)), ("NO0A", ("2021", "2024"))],
)
def test_a_region_says_in_which_versions_of_nuts_it_is(code, versions):
    assert VOCABULARY.scheme_named("nuts").find(code).versions == versions


@pytest.mark.parametrize("scheme", VOCABULARY.schemes.values(), ids=lambda scheme: scheme.name)
def test_every_list_is_defined_in_every_language_and_so_is_every_concept_that_is_not_a_code_of_others(scheme):
    assert complete(scheme.definition)
    if scheme.name not in ("nuts", "cpv"):
        assert [each.iri for each in scheme.concepts.values() if not complete(each.definition)] == []


@pytest.mark.parametrize(
    ("code", "name"), [("39130000", "39130000"), ("39135100", "39130000"), ("03110000", "03000000")]
)
def test_a_code_without_a_name_is_called_by_the_group_above_it(code, name):
    field = VOCABULARY.fields["cpv"]
    assert VOCABULARY.code_named(field.code_space + code, field).code == name


def test_no_concept_is_broader_than_itself():
    def above(iri: str) -> set[str]:
        direct = VOCABULARY.concepts[iri].broader
        return set(direct).union(*(above(each) for each in direct))

    assert [iri for iri in VOCABULARY.concepts if iri in above(iri)] == []


def test_the_kinds_that_people_write_come_in_the_order_of_the_vocabulary():
    assert [kind.name for kind in VOCABULARY.authored][:5] == [
        "pilot",
        "lesson",
        "output",
        "organisation",
        "initiative",
    ]
    assert "key-event" not in {kind.name for kind in VOCABULARY.authored}


def test_every_field_belongs_to_a_group_that_exists():
    assert {each.group for each in VOCABULARY.every_field()} <= set(VOCABULARY.groups)


def test_every_kind_a_field_refers_to_and_every_list_it_draws_on_exists():
    for each in VOCABULARY.every_field():
        assert set(each.refers_to) <= set(VOCABULARY.kinds)
        assert VOCABULARY.concepts_of(each.schemes) or each.type is not FieldType.CONCEPT
        assert each.part in VOCABULARY.parts or each.type is not FieldType.PART


def test_headers_mean_one_field_of_a_kind_in_every_language():
    for kind in EVERY_KIND:
        labels = [(each.labels[tag].casefold(), each.name) for each in kind.fields for tag in LANGUAGES]
        meanings = {label: {name for other, name in labels if other == label} for label, _ in labels}
        assert [(kind.name, label, names) for label, names in meanings.items() if len(names) > 1] == []


def test_a_missing_text_is_read_in_the_next_best_language():
    texts = {"en": "bridge", "nb": "bro", "fi": "silta"}
    assert in_language(texts, "nb") == ("nb", "bro")
    assert in_language(texts, "nn") == ("nb", "bro")
    assert in_language(texts, "nl") == ("en", "bridge")
    assert in_language({"fi": "silta"}, "nl") == ("fi", "silta")
    assert in_language({}, "nl") == ("", "")


def test_a_label_of_an_unknown_concept_is_the_last_part_of_its_address():
    assert VOCABULARY.label(PROCIRC + "sector/none", "nl") == "none"


# A vocabulary that could be misread is refused


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A copy of the shipped shapes, without code lists and labels, that may be spoiled."""
    shutil.copytree(VOCABULARY.folder / "shapes", tmp_path / "vocab" / "shapes")
    return tmp_path / "vocab"


PREFIXES = """
@prefix pc: <https://w3id.org/procirc/ns#> . @prefix pcs: <https://w3id.org/procirc/shapes#> .
@prefix sh: <http://www.w3.org/ns/shacl#> . @prefix xsd: <http://www.w3.org/2001/XMLSchema#> .
@prefix rdf: <http://www.w3.org/1999/02/22-rdf-syntax-ns#> . @prefix dct: <http://purl.org/dc/terms/> .
pcs:Bridge a sh:NodeShape ; sh:targetClass pc:Bridge ; sh:codeIdentifier "bridge" ; sh:property pcs:span .
pcs:span a sh:PropertyShape ;
"""


def spoil(folder: Path, span: str) -> None:
    """Add a kind of record with one field."""
    (folder / "shapes" / "bridge.ttl").write_text(PREFIXES + span + " .\n", "utf-8")


def test_a_kind_added_to_the_vocabulary_is_known_without_any_python(folder):
    spoil(folder, 'sh:path pc:span ; sh:codeIdentifier "span" ; sh:datatype xsd:decimal ; sh:maxCount 1')
    field = load_vocabulary(folder).kinds["bridge"].by_name["span"]
    assert (field.type, field.single) == (FieldType.DECIMAL, True)


MISREAD = {
    "a term that means another property elsewhere": (
        'sh:path pc:span ; sh:codeIdentifier "title" ; sh:datatype rdf:langString'
    ),
    "a term that has another type elsewhere": 'sh:path dct:title ; sh:codeIdentifier "title" ; sh:datatype xsd:string',
    "a datatype that is not known here": 'sh:path pc:span ; sh:codeIdentifier "span" ; sh:datatype xsd:double',
    "a choice of datatypes that is not known here": (
        'sh:path pc:span ; sh:codeIdentifier "span" ; sh:or ( [ sh:datatype xsd:date ] [ sh:datatype xsd:string ] )'
    ),
    "no type at all": 'sh:path pc:span ; sh:codeIdentifier "span"',
    "a kind of node that is not known here": (
        'sh:path pc:span ; sh:codeIdentifier "span" ; sh:nodeKind sh:BlankNodeOrIRI'
    ),
    "a reference to a class without shape": (
        'sh:path pc:span ; sh:codeIdentifier "span" ; sh:nodeKind sh:IRI ; pc:refersTo pc:Tunnel'
    ),
    "a path of several properties": (
        'sh:path ( pc:span pc:width ) ; sh:codeIdentifier "span" ; sh:datatype xsd:decimal'
    ),
}
UNKNOWN_CONSTRAINTS = {
    "a shortest length": "sh:minLength 5",
    "a greatest value": "sh:maxInclusive 100",
    "a value it must have": "sh:hasValue 5",
    "a list of values": "sh:in ( 1 2 )",
    "a comparison of properties": "sh:lessThan pc:width",
    "a negation": "sh:not [ sh:datatype xsd:string ]",
    "a query": 'sh:sparql [ sh:select "SELECT $this WHERE {}" ]',
    "a language": 'sh:languageIn ( "en" )',
    "flags of a pattern": 'sh:pattern "^a" ; sh:flags "i"',
}


@pytest.mark.parametrize("case", MISREAD)
def test_a_field_that_could_be_misread_is_refused(case, folder):
    spoil(folder, MISREAD[case])
    with pytest.raises(Misconfigured):
        load_vocabulary(folder)


@pytest.mark.parametrize("case", UNKNOWN_CONSTRAINTS)
def test_a_constraint_that_the_compiled_check_would_ignore_is_refused(case, folder):
    spoil(folder, f'sh:path pc:span ; sh:codeIdentifier "span" ; sh:datatype xsd:integer ; {UNKNOWN_CONSTRAINTS[case]}')
    with pytest.raises(Misconfigured):
        load_vocabulary(folder)


def test_a_shape_without_a_name_is_refused(folder):
    (folder / "shapes" / "bridge.ttl").write_text(PREFIXES.replace('"bridge"', '"Bridge 2"') + "sh:path pc:span .\n")
    with pytest.raises(Misconfigured, match="codeIdentifier"):
        load_vocabulary(folder)


def test_a_scope_is_made_of_fields_whose_concepts_are_facets():
    assert {kind.name: set(kind.scope) for kind in VOCABULARY.kinds.values() if kind.scope} == {
        "initiative": {"sector", "strategy", "processStep", "phase"}
    }
    initiative = VOCABULARY.kinds["initiative"]
    schemes = [scheme for name in initiative.scope for scheme in initiative.by_name[name].schemes]
    assert all(VOCABULARY.schemes[each].facet for each in schemes)


def test_a_scope_of_what_is_no_field_with_concepts_is_refused(folder):
    text = (folder / "shapes" / "initiative.ttl").read_text("utf-8")
    for wrong in ("pc:goal", "pc:nothing"):
        (folder / "shapes" / "initiative.ttl").write_text(
            text.replace("pc:scope pc:sector", f"pc:scope {wrong}"), "utf-8"
        )
        with pytest.raises(Misconfigured, match="pc:scope"):
            load_vocabulary(folder)


def test_a_file_that_is_not_turtle_is_named(folder):
    (folder / "shapes" / "broken.ttl").write_text("this is not turtle")
    with pytest.raises(Misconfigured, match=r"broken\.ttl"):
        load_vocabulary(folder)


def test_a_folder_without_a_vocabulary_is_refused(tmp_path):
    with pytest.raises(Misconfigured, match="no vocabulary"):
        load_vocabulary(tmp_path)


def test_a_plain_string_stands_on_one_line():
    """Several of them share a cell of a spreadsheet, a line each."""
    strings = [each for each in VOCABULARY.every_field() if each.type is FieldType.STRING]
    assert [each.name for each in strings if each.pattern is None or each.pattern.search("a\nb")] == []
