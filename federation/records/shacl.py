"""SHACL for what is authored here: pyshacl over the shapes of the vocabulary, a batch at a time."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import rdflib
from pyshacl.graph_abstraction import DataGraph
from pyshacl.validator import Validator
from rdflib import RDF, SH, BNode, Graph, URIRef
from rdflib.collection import Collection

from federation.records.canonical import TYPE, Literal, Triple
from federation.records.kinds import FieldType, Vocabulary
from federation.records.shapes import Finding, choice_path, datatype_of
from federation.records.triples import Triples
from federation.records.vocabulary import PCN, read

DATATYPE_OF: Final = "urn:datatype-of:"
"""Prefix of the property by which the data tell pyshacl the datatype of a date."""


class Shacl:
    """pyshacl over the shapes of a vocabulary. Build it once; each call takes a batch."""

    def __init__(self, vocabulary: Vocabulary) -> None:
        # rdflib would otherwise rewrite lexical forms such as "…Z" (rdflib issue 3426).
        rdflib.NORMALIZE_LITERALS = False
        shapes = Triples()
        shapes += runtime_shapes(vocabulary.folder)
        self._validator: Any = Validator(DataGraph.from_rdflib_graph(Triples()), shacl_graph=shapes)
        self._classes = _classes_of_concepts(vocabulary)
        self._nodes = _Nodes((str(node), node) for triple in shapes for node in triple if isinstance(node, URIRef))
        # Of the paths the objects that pyshacl asks with.
        self._nodes |= ((str(node), node) for node in shapes.objects(None, SH.path) if isinstance(node, URIRef))
        self._chosen = {each.path for each in vocabulary.every_field() if each.type is FieldType.DATE}
        self._one_at_a_time = threading.Lock()

    def findings(self, records: Sequence[Sequence[Triple]]) -> list[Finding]:
        """What SHACL finds in a batch of records, each given as its triples; warnings included."""
        batch, nodes, concepts = Triples(), _Nodes(self._nodes), set()
        for triples in records:
            for subject, predicate, value in triples:
                term = nodes[value] if isinstance(value, str) else _literal(value, nodes)
                batch.add((nodes[subject], nodes[predicate], term))
                if predicate in self._chosen:
                    datatype = "urn:no-literal" if isinstance(value, str) else datatype_of(value)
                    batch.add((nodes[subject], nodes[DATATYPE_OF + predicate], nodes[datatype]))
                if isinstance(value, str) and value in self._classes:
                    concepts.add(value)
        for concept in concepts:
            for each in self._classes[concept]:
                batch.add((nodes[concept], RDF.type, nodes[each]))
        # The validator keeps its parsed shapes; only the data changes from call to call.
        with self._one_at_a_time:
            self._validator.data_graph = DataGraph.from_rdflib_graph(batch)
            self._validator._target_graph = None
            conforms, report, _ = self._validator.run()
        return [] if conforms else list(_results(report))


class _Nodes(dict[str, URIRef]):
    """IRIs as rdflib has them, one object for each: rdflib compares those that are not the same in Python."""

    def __missing__(self, iri: str) -> URIRef:
        made = self[iri] = URIRef(iri)
        return made


def _classes_of_concepts(vocabulary: Vocabulary) -> dict[str, list[str]]:
    classes: dict[str, list[str]] = {}
    for schemes in {field.schemes for field in vocabulary.every_field() if field.schemes}:
        for iri in vocabulary.concepts_of(schemes):
            classes.setdefault(iri, []).append(concept_class(schemes))
    return classes


def _literal(value: Literal, nodes: _Nodes) -> rdflib.Literal:
    if value.language:
        return rdflib.Literal(value.value, lang=value.language)
    return rdflib.Literal(value.value, datatype=nodes[datatype_of(value)])


def _results(report: rdflib.Graph) -> Iterator[Finding]:
    for result in report.objects(None, SH.result):
        component = str(report.value(result, SH.sourceConstraintComponent)).rsplit("#", 1)[-1]
        constraint = component.removesuffix("ConstraintComponent")
        path = report.value(result, SH.resultPath)
        restated = {"Class": "In", "In": "Or" if str(path).startswith(DATATYPE_OF) else "In"}
        yield Finding(
            node=str(report.value(result, SH.focusNode)),
            path=_path(report, path),
            constraint=restated.get(constraint, constraint),
            severity="warning" if report.value(result, SH.resultSeverity) == SH.Warning else "violation",
            value=str(report.value(result, SH.value) or ""),
        )


def _path(report: rdflib.Graph, path: rdflib.term.Node | None) -> str:
    choice = report.value(path, SH.alternativePath) if isinstance(path, BNode) else None
    if choice is not None:
        return choice_path(str(each) for each in Collection(report, choice))
    return str(path or "").removeprefix(DATATYPE_OF)


def runtime_shapes(folder: Path) -> Any:
    """The shapes of a vocabulary, restated so that pyshacl judges a batch in one pass.

    The meaning stays; three things are said differently. Every property shape targets the classes of
    the kinds it belongs to, so that it is evaluated once for all records rather than once for each
    (some 30 times faster). A closed kind lists its properties as ignored, since it no longer holds
    their shapes. ``pc:scheme`` becomes ``sh:class``, and ``Shacl`` types the concepts in the data:
    ``sh:in`` would read the whole code list again for every value.
    """
    whole, shapes = read(folder)[0], Graph()
    for kind, target in whole.subject_objects(SH.targetClass):
        properties = set(whole.objects(kind, SH.property))
        for parent in whole.objects(kind, SH.node):
            properties |= set(whole.objects(parent, SH.property))
        _copy(whole, kind, shapes, {SH.targetClass})
        shapes.add((kind, RDF.type, SH.NodeShape))
        paths = sorted(
            {path for each in properties for path in whole.objects(each, SH.path) if isinstance(path, URIRef)}
        )
        if whole.value(kind, SH.closed) is not None:
            ignored = URIRef(f"{kind}-ignored")
            dated = [URIRef(DATATYPE_OF + path) for path in paths]
            Collection(shapes, ignored, [RDF.type, *paths, *dated])
            shapes.add((kind, SH.closed, rdflib.Literal(True)))
            shapes.add((kind, SH.ignoredProperties, ignored))
        for each in properties:
            shapes.add((each, SH.targetClass, target))
    for each in set(shapes.subjects(SH.targetClass, None)):
        if whole.value(each, SH.path) is None:
            continue
        _copy(whole, each, shapes, _JUDGED)
        if whole.value(each, SH["or"]) is not None:
            shapes += _datatype_shape(whole, each, shapes)
        schemes = sorted(str(scheme) for scheme in whole.objects(each, PCN.scheme))
        if schemes:
            shapes.add((each, SH["class"], URIRef(concept_class(schemes))))
    return shapes


_JUDGED: Final = frozenset(
    URIRef("http://www.w3.org/ns/shacl#" + name)
    for name in [
        "path",
        "datatype",
        "nodeKind",
        "minCount",
        "maxCount",
        "minLength",
        "maxLength",
        "minInclusive",
        "maxInclusive",
        "minExclusive",
        "maxExclusive",
        "pattern",
        "flags",
        "uniqueLang",
        "in",
        "hasValue",
        "severity",
    ]
) | {URIRef(TYPE)}


def _datatype_shape(whole: Graph, shape: Any, shapes: Graph) -> Graph:
    """A choice of datatypes as ``sh:in`` over the datatype itself, which ``Shacl`` adds to the data.

    pyshacl would evaluate three nested shapes for every date, and write a report for each that fails.
    """
    branches = Collection(whole, whole.value(shape, SH["or"]))
    offered = [datatype for each in branches for datatype in whole.objects(each, SH.datatype)]
    made, choice = Graph(), URIRef(f"{shape}-datatype")
    head = URIRef(f"{choice}-list")
    Collection(made, head, offered)
    made.add((choice, RDF.type, SH.PropertyShape))
    made.add((choice, SH.path, URIRef(DATATYPE_OF + str(whole.value(shape, SH.path)))))
    made.add((choice, SH["in"], head))
    for target in shapes.objects(shape, SH.targetClass):
        made.add((choice, SH.targetClass, target))
    return made


def concept_class(schemes: Iterable[str]) -> str:
    """The class that stands for "a concept of one of these schemes" while pyshacl runs."""
    return "urn:concept-of:" + "+".join(sorted(schemes))


def _copy(source: Any, subject: Any, target: Any, predicates: Any) -> None:
    for predicate, value in source.predicate_objects(subject):
        if predicate in predicates:
            target.add((subject, predicate, value))
            if isinstance(value, BNode):
                _copy_all(source, value, target)


def _copy_all(source: Any, subject: Any, target: Any) -> None:
    for predicate, value in source.predicate_objects(subject):
        target.add((subject, predicate, value))
        if isinstance(value, BNode):
            _copy_all(source, value, target)
