"""Validation against the shapes of the vocabulary: SHACL for what is authored here, and a check
compiled from the same shapes for what arrives from peers.

pyshacl is the judge of meaning; it needs about a millisecond a record. ``Checks`` answers the same
question for the subset of SHACL that ``kinds`` understands, in some 20 µs, so that a sync is not
bound by it. A test lets both judge the same altered records and compares every finding.
"""

from __future__ import annotations

import functools
import re
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, NamedTuple
from typing import Literal as OneOf

import rdflib
from rdflib import RDF, SH, BNode, Graph, URIRef
from rdflib.collection import Collection

from federation.errors import Fault
from federation.records.canonical import LANG_STRING, TYPE, XSD, Literal, Term, Triple
from federation.records.kinds import PCN, Field, FieldType, Kind, Vocabulary, graph_of
from federation.records.record import Record

Severity = OneOf["violation", "warning"]


class Finding(NamedTuple):
    """One result: the node looked at, the property (empty for the node itself), and which constraint.

    ``constraint`` is the local name of the SHACL constraint component, such as ``MinCount``.
    """

    node: str
    path: str
    constraint: str
    severity: Severity
    value: str = ""


_DATES: Final = frozenset({XSD + "date", XSD + "gYearMonth", XSD + "gYear"})
_DATATYPES: Final = {
    FieldType.TEXT: LANG_STRING,
    FieldType.STRING: XSD + "string",
    FieldType.INTEGER: XSD + "integer",
    FieldType.DECIMAL: XSD + "decimal",
    FieldType.BOOLEAN: XSD + "boolean",
    FieldType.DATETIME: XSD + "dateTime",
}


def datatype_of(value: Literal) -> str:
    """The datatype IRI of a literal, also where N-Quads leaves it out."""
    return value.datatype or (LANG_STRING if value.language else XSD + "string")


class Checks:
    """The compiled check of every kind and part of a vocabulary."""

    def __init__(self, vocabulary: Vocabulary) -> None:
        self._by_class: Mapping[str, _KindCheck] = {
            kind.iri: _KindCheck(kind, vocabulary) for kind in (*vocabulary.kinds.values(), *vocabulary.parts.values())
        }

    def findings(self, record: Record) -> list[Finding]:
        """What SHACL would find, warnings included."""
        found: list[Finding] = []
        for node, statements in record.nodes.items():
            for predicate, value in statements:
                if predicate == TYPE and isinstance(value, str) and value in self._by_class:
                    self._by_class[value].check(node, statements, found)
        return found

    def violations(self, record: Record) -> list[Finding]:
        return [each for each in self.findings(record) if each.severity == "violation"]


class _KindCheck:
    def __init__(self, kind: Kind, vocabulary: Vocabulary) -> None:
        self.any_of = kind.any_of
        self.fields = {each.path: _FieldCheck(each, vocabulary) for each in kind.fields}
        self.accepts = {path: each.accepts for path, each in self.fields.items()}
        self.accepts[TYPE] = lambda _: True
        self.required = [(each, each.path) for each in kind.fields if each.minimum or each.advised]
        self.limited = {each.path: each.maximum for each in kind.fields if each.maximum is not None}
        self.once_a_language = {each.path for each in kind.fields if each.type is FieldType.TEXT}

    def check(self, node: str, statements: Sequence[tuple[str, Term]], found: list[Finding]) -> None:
        # The common case is a value that is fine: one look-up and one call; findings are worked out later.
        accepts, counts = self.accepts, dict[str, int]()
        for path, value in statements:
            counts[path] = counts.get(path, 0) + 1
            test = accepts.get(path)
            if test is None:
                found.append(Finding(node, path, "Closed", "violation", _text(value)))
            elif not test(value):
                for constraint in self.fields[path].broken(value):
                    found.append(Finding(node, path, constraint, "violation", _text(value)))
        for path, count in counts.items():
            if count > 1:
                if count > self.limited.get(path, count):
                    found.append(Finding(node, path, "MaxCount", "violation"))
                if path in self.once_a_language:
                    found.extend(_repeated_languages(node, path, statements))
        self.check_missing(node, counts, found)

    def check_missing(self, node: str, counts: Mapping[str, int], found: list[Finding]) -> None:
        for field, path in self.required:
            count = counts.get(path, 0)
            if count < field.minimum:
                found.append(Finding(node, path, "MinCount", "violation"))
            if field.advised and not count:
                found.append(Finding(node, path, "MinCount", "warning"))
        for paths in self.any_of:
            if not any(path in counts for path in paths):
                found.append(Finding(node, _choice(paths), "MinCount", "violation"))


def _choice(paths: Iterable[str]) -> str:
    return "|".join(paths)


def _repeated_languages(node: str, path: str, statements: Iterable[tuple[str, Term]]) -> Iterator[Finding]:
    tags = [v.language for p, v in statements if p == path and isinstance(v, Literal) and v.language]
    for tag in sorted({tag for tag in tags if tags.count(tag) > 1}):
        yield Finding(node, path, "UniqueLang", "violation", tag)


def _text(value: Term) -> str:
    return value if isinstance(value, str) else value.value


class _FieldCheck:
    """Every constraint on one value of a field, by the name of its SHACL component."""

    def __init__(self, field: Field, vocabulary: Vocabulary) -> None:
        self.tests: list[tuple[str, Callable[[Term], bool]]] = []
        datatype = _DATATYPES.get(field.type, "")
        if datatype == LANG_STRING:
            self.add("Datatype", lambda v: isinstance(v, Literal) and v.language != "")
        elif datatype:
            self.add("Datatype", lambda v: isinstance(v, Literal) and datatype_of(v) == datatype)
        elif field.type is FieldType.DATE:
            self.add("Or", lambda v: isinstance(v, Literal) and v.datatype in _DATES)
        else:
            self.add("NodeKind", lambda v: isinstance(v, str))
        if field.max_length is not None:
            longest = field.max_length
            self.add("MaxLength", lambda v: len(_text(v)) <= longest)
        if field.pattern is not None:
            search = field.pattern.search
            self.add("Pattern", lambda v: search(_text(v)) is not None)
        if field.min_inclusive is not None:
            least = field.min_inclusive
            self.add("MinInclusive", lambda v: isinstance(v, Literal) and _at_least(v, least))
        self.accepts: Callable[[Term], bool] = self._all
        if field.type is FieldType.CONCEPT:
            concepts = vocabulary.concepts_of(field.schemes)
            self.add("In", concepts.__contains__)
            self.accepts = concepts.__contains__
        elif len(self.tests) == 1:
            self.accepts = self.tests[0][1]

    def add(self, name: str, test: Callable[[Term], bool]) -> None:
        self.tests.append((name, test))

    def _all(self, value: Term) -> bool:
        return all(test(value) for _, test in self.tests)

    def broken(self, value: Term) -> list[str]:
        return [name for name, test in self.tests if not test(value)]


def _at_least(value: Literal, least: int) -> bool:
    return (
        value.datatype == XSD + "integer"
        and re.fullmatch(r"-?[0-9]+", value.value) is not None
        and (int(value.value) >= least)
    )


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
        self._one_at_a_time = threading.Lock()

    def findings(self, records: Sequence[Sequence[Triple]]) -> list[Finding]:
        """What SHACL finds in a batch of records, each given as its triples; warnings included."""
        graph = rdflib.Graph()
        concepts = set()
        for triples in records:
            for subject, predicate, value in triples:
                graph.add((_node(subject), _node(predicate), _term(value)))
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
        yield Finding(
            node=str(report.value(result, SH.focusNode)),
            path=_path(report, report.value(result, SH.resultPath)),
            constraint="In" if constraint == "Class" else constraint,
            severity="warning" if report.value(result, SH.resultSeverity) == SH.Warning else "violation",
            value=str(report.value(result, SH.value) or ""),
        )


def _path(report: rdflib.Graph, path: rdflib.term.Node | None) -> str:
    choice = report.value(path, SH.alternativePath) if isinstance(path, BNode) else None
    if choice is not None:
        return _choice(str(each) for each in Collection(report, choice))
    return str(path or "")


def runtime_shapes(folder: Path) -> Any:
    """The shapes of a vocabulary, restated so that pyshacl judges a batch in one pass.

    The meaning stays; three things are said differently. Every property shape targets the classes of
    the kinds it belongs to, so that it is evaluated once for all records rather than once for each
    (some 30 times faster). A closed kind lists its properties as ignored, since it no longer holds
    their shapes. ``pc:scheme`` becomes ``sh:class``, and ``Shacl`` types the concepts in the data:
    ``sh:in`` would read the whole code list again for every value.
    """
    whole, shapes = graph_of(folder), Graph()
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
            Collection(shapes, ignored, [RDF.type, *paths])
            shapes.add((kind, SH.closed, rdflib.Literal(True)))
            shapes.add((kind, SH.ignoredProperties, ignored))
        for each in properties:
            shapes.add((each, SH.targetClass, target))
    for each in set(shapes.subjects(SH.targetClass, None)):
        if whole.value(each, SH.path) is None:
            continue
        _copy(whole, each, shapes, _JUDGED)
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
        "or",
        "in",
        "hasValue",
        "severity",
    ]
) | {URIRef(TYPE)}


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


@dataclass(frozen=True, slots=True)
class Explained:
    """How a finding reads to a coordinator."""

    message: str
    remedy: str


def fault_of(finding: Finding, vocabulary: Vocabulary, record: str) -> Fault:
    """A finding as a fault: the field by its name, and a sentence with what to do."""
    field = _field_at(finding, vocabulary)
    part = finding.node.partition("#")[2] if finding.node != record else ""
    name = field.name if field is not None else "" if "|" in finding.path else _last(finding.path)
    explained = _explain(finding, field, vocabulary)
    return Fault(
        message=explained.message,
        remedy=explained.remedy,
        field=f"{part}.{name}".strip(".") if part else name,
        severity=finding.severity,
    )


def _last(iri: str) -> str:
    return iri.rsplit("/", 1)[-1].rsplit("#", 1)[-1]


def _field_at(finding: Finding, vocabulary: Vocabulary) -> Field | None:
    for each in vocabulary.fields.values():
        if each.path == finding.path:
            return each
    return None


def _explain(finding: Finding, field: Field | None, vocabulary: Vocabulary) -> Explained:
    value = finding.value if len(finding.value) <= 60 else finding.value[:57] + "…"
    match finding.constraint:
        case "MinCount" if "|" in finding.path:
            names = [each.name for each in vocabulary.fields.values() if each.path in finding.path.split("|")]
            return Explained(
                "One of several fields must be filled in, and none is.",
                f"Fill in {' or '.join(sorted(names))}.",
            )
        case "MinCount" if finding.severity == "warning":
            return Explained("Nothing is filled in.", "Readers filter on it; fill it in if you know it.")
        case "MinCount":
            return Explained("Nothing is filled in.", "This field is required.")
        case "MaxCount":
            return Explained("More than one value.", "Give one value only.")
        case "UniqueLang":
            return Explained(f"Two texts in the language {value!r}.", "Give one text for each language.")
        case "MaxLength" if field is not None:
            return Explained(
                f"{len(finding.value):,} characters are too many.", f"{field.max_length} are allowed; shorten it."
            )
        case "In" if field is not None:
            lists = ", ".join(vocabulary.schemes[s].name for s in field.schemes if s in vocabulary.schemes)
            return Explained(f"{value!r} is not in the code list.", f"Use a code of {lists or 'a known list'}.")
        case "Pattern" | "Datatype" | "NodeKind" | "MinInclusive" | "Or" if field is not None and finding.path:
            return Explained(f"{value!r} is not a valid {field.type.value}.", "See the help of this field.")
        case "Closed":
            return Explained(f"The property <{finding.path}> does not belong here.", "Leave it out.")
    return Explained(f"The value {value!r} breaks the rule {finding.constraint}.", "See the help of this field.")
