"""SHACL for what is authored here: pyshacl over the shapes of the vocabulary, a batch at a time."""

from __future__ import annotations

import functools
import threading
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import rdflib
from rdflib import RDF, SH, BNode, Graph, URIRef
from rdflib.collection import Collection

from federation.records.canonical import TYPE, Term, Triple
from federation.records.kinds import FieldType, Vocabulary
from federation.records.shapes import Finding, choice_path, datatype_of
from federation.records.vocabulary import PCN, read

DATATYPE_OF: Final = "urn:datatype-of:"
"""Prefix of the property by which the data tell pyshacl the datatype of a date."""


class Shacl:
    """pyshacl over the shapes of a vocabulary. Build it once; each call takes a batch."""

    def __init__(self, vocabulary: Vocabulary) -> None:
        # Imported here: only what publishes needs pyshacl, and it takes half a second to load.
        from pyshacl.graph_abstraction import DataGraph  # noqa: PLC0415
        from pyshacl.validator import Validator  # noqa: PLC0415

        # rdflib would otherwise rewrite lexical forms such as "…Z" (rdflib issue 3426).
        rdflib.NORMALIZE_LITERALS = False
        self._data_graph = DataGraph
        empty = DataGraph.from_rdflib_graph(rdflib.Graph())
        self._validator: Any = Validator(empty, shacl_graph=runtime_shapes(vocabulary.folder))
        self._classes = _classes_of_concepts(vocabulary)
        self._chosen = {each.path for each in vocabulary.every_field() if each.type is FieldType.DATE}
        self._one_at_a_time = threading.Lock()

    def findings(self, records: Sequence[Sequence[Triple]]) -> list[Finding]:
        """What SHACL finds in a batch of records, each given as its triples; warnings included."""
        graph = rdflib.Graph()
        concepts = set()
        for triples in records:
            for subject, predicate, value in triples:
                graph.add((_node(subject), _node(predicate), _term(value)))
                if predicate in self._chosen:
                    datatype = "urn:no-literal" if isinstance(value, str) else datatype_of(value)
                    graph.add((_node(subject), _node(DATATYPE_OF + predicate), _node(datatype)))
                if isinstance(value, str) and value in self._classes:
                    concepts.add(value)
        for concept in concepts:
            for each in self._classes[concept]:
                graph.add((_node(concept), RDF.type, _node(each)))
        # The validator keeps its parsed shapes; only the data changes from call to call.
        with self._one_at_a_time:
            self._validator.data_graph = self._data_graph.from_rdflib_graph(graph)
            self._validator._target_graph = None
            conforms, report, _ = self._validator.run()
        return [] if conforms else list(_results(report))


def _classes_of_concepts(vocabulary: Vocabulary) -> dict[str, list[str]]:
    classes: dict[str, list[str]] = {}
    for schemes in {field.schemes for field in vocabulary.every_field() if field.schemes}:
        for iri in vocabulary.concepts_of(schemes):
            classes.setdefault(iri, []).append(concept_class(schemes))
    return classes


@functools.lru_cache(8192)
def _node(iri: str) -> rdflib.URIRef:
    return rdflib.URIRef(iri)


def _term(value: Term) -> rdflib.URIRef | rdflib.Literal:
    if isinstance(value, str):
        return _node(value)
    if value.language:
        return rdflib.Literal(value.value, lang=value.language)
    return rdflib.Literal(value.value, datatype=_node(datatype_of(value)))


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
