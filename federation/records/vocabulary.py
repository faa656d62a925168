"""Reading ``vocab/``: shapes become kinds and fields, concept schemes become code lists.

Shapes that this program could not honour are refused by name when the vocabulary is read, rather than
half understood later.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Final

import pyoxigraph as ox
import rdflib
from rdflib import RDF, RDFS, SH, BNode, URIRef
from rdflib import XSD as XSD_NS
from rdflib.collection import Collection

from federation.errors import Misconfigured
from federation.records.canonical import PC
from federation.records.codelists import Object, is_code_list, schemes_of
from federation.records.kinds import Field, FieldType, Kind, Rule, Scheme, Vocabulary
from federation.records.triples import Triples

PCN: Final = rdflib.Namespace(PC)
CODE_IDENTIFIER: Final = URIRef("http://www.w3.org/ns/shacl#codeIdentifier")
"""From SHACL 1.2 Core; rdflib knows SHACL 1.0."""
_BY_DATATYPE: Final = {
    RDF.langString: FieldType.TEXT,
    XSD_NS.string: FieldType.STRING,
    XSD_NS.integer: FieldType.INTEGER,
    XSD_NS.decimal: FieldType.DECIMAL,
    XSD_NS.boolean: FieldType.BOOLEAN,
    XSD_NS.dateTime: FieldType.DATETIME,
}
_DATES: Final = {str(XSD_NS.date), str(XSD_NS.gYearMonth), str(XSD_NS.gYear)}

_UNDERSTOOD: Final = frozenset(
    f"http://www.w3.org/ns/shacl#{name}"
    for name in (
        *("path", "codeIdentifier", "datatype", "nodeKind", "node", "or", "minCount", "maxCount", "maxLength"),
        *("minInclusive", "pattern", "uniqueLang", "severity", "order", "group", "name", "description", "message"),
    )
)
"""What a property shape may say; anything else would be judged by SHACL here and by nobody on sync."""


def default_folder() -> Path:
    """Where the vocabulary lies: beside the package in a checkout, inside it in a wheel."""
    inside = Path(__file__).parent.parent / "vocab"
    return inside if inside.is_dir() else Path(__file__).parent.parent.parent / "vocab"


def vocabulary_files(folder: Path) -> list[Path]:
    """The Turtle files of a vocabulary, in a fixed order. Raises Misconfigured when there are none."""
    found = sorted(folder.rglob("*.ttl"))
    if not found:
        raise Misconfigured(f"There is no vocabulary in {folder}.", remedy="Point `vocabulary` at the vocab folder.")
    return found


def read(folder: Path) -> tuple[rdflib.Graph, dict[str, Scheme]]:
    """Shapes and terms of a vocabulary as a graph, and its code lists.

    Raises Misconfigured naming the file that cannot be read.
    """
    statements: dict[Object, dict[str, list[Object]]] = {}
    for path in vocabulary_files(folder):
        try:
            for quad in ox.parse(path=str(path), format=ox.RdfFormat.TURTLE, rename_blank_nodes=True):
                found = statements.setdefault(quad.subject, {}).setdefault(quad.predicate.value, [])
                if quad.object not in found:
                    found.append(quad.object)
        except (SyntaxError, OSError) as error:
            raise Misconfigured(f"The vocabulary file {path} cannot be read: {error}") from error
    lists: dict[str, dict[str, list[Object]]] = {}
    graph = Triples()
    for subject, said in statements.items():
        if isinstance(subject, ox.NamedNode) and is_code_list(said):
            lists[subject.value] = said
            continue
        for predicate, objects in said.items():
            for each in objects:
                graph.add((_term(subject), URIRef(predicate), _term(each)))
    return graph, schemes_of(lists)


def _term(term: Object) -> rdflib.term.Node:
    if isinstance(term, ox.Literal):
        plain = term.language or term.datatype.value.endswith("#string")
        return rdflib.Literal(term.value, lang=term.language, datatype=None if plain else URIRef(term.datatype.value))
    if isinstance(term, ox.BlankNode):
        return BNode(term.value)
    assert isinstance(term, ox.NamedNode), "Turtle 1.1 has no triple terms"
    return URIRef(term.value)


def load_vocabulary(folder: Path | None = None) -> Vocabulary:
    """A vocabulary, read once for as long as its files stay as they are.

    Raises Misconfigured for shapes this program cannot use.
    """
    folder = folder or default_folder()
    files = tuple((path, path.stat().st_mtime_ns, path.stat().st_size) for path in vocabulary_files(folder))
    known = _LOADED.get(folder)
    if known is None or known[0] != files:
        graph, schemes = read(folder)
        vocabulary = _Reader(graph).vocabulary(folder, schemes)
        _check_terms(vocabulary)
        known = _LOADED[folder] = (files, vocabulary)
    return known[1]


_LOADED: Final[dict[Path, tuple[object, Vocabulary]]] = {}


def _check_terms(vocabulary: Vocabulary) -> None:
    """One name, one property, one type: the JSON-LD context is flat."""
    seen: dict[str, Field] = {}
    for kind in (*vocabulary.kinds.values(), *vocabulary.parts.values()):
        for each in kind.fields:
            other = seen.setdefault(each.name, each)
            if (other.path, other.type) != (each.path, each.type):
                raise Misconfigured(
                    f"The term {each.name!r} of {kind.name} means <{each.path}> ({each.type.value}) here "
                    f"and <{other.path}> ({other.type.value}) elsewhere.",
                    remedy="Give one of them another sh:codeIdentifier.",
                )


class _Reader:
    """Reads one graph; a class only because every step needs the graph."""

    def __init__(self, graph: rdflib.Graph) -> None:
        self.graph = graph

    def vocabulary(self, folder: Path, schemes: Mapping[str, Scheme]) -> Vocabulary:
        shapes = [
            shape
            for shape in self.graph.subjects(RDF.type, SH.NodeShape)
            if self.graph.value(shape, SH.targetClass) is not None
        ]
        used_as_part = set(self.graph.objects(None, SH.node)) - set(self.inherited(shapes))
        read = {shape: self.kind(shape) for shape in shapes}
        return Vocabulary(
            folder=folder,
            kinds={kind.name: kind for shape, kind in read.items() if shape not in used_as_part},
            parts={kind.name: kind for shape, kind in read.items() if shape in used_as_part},
            schemes=schemes,
            groups={
                str(group): (self.number(group, SH.order), self.texts(group, RDFS.label))
                for group in self.graph.subjects(RDF.type, SH.PropertyGroup)
            },
            rules={rule.name: rule for rule in sorted(self.rules(), key=lambda rule: rule.name)},
        )

    def rules(self) -> Iterator[Rule]:
        graph = self.graph
        for each in graph.subjects(RDF.type, PCN.Rule):
            yield Rule(
                name=str(graph.value(each, CODE_IDENTIFIER)),
                target=str(graph.value(each, SH.targetClass) or ""),
                severity="warning" if graph.value(each, SH.severity) == SH.Warning else "violation",
                messages=self.texts(each, SH.message),
            )

    def inherited(self, shapes: Iterable[rdflib.term.Node]) -> Iterator[rdflib.term.Node]:
        for shape in shapes:
            yield from self.graph.objects(shape, SH.node)

    def kind(self, shape: rdflib.term.Node) -> Kind:
        graph = self.graph
        name, target = graph.value(shape, CODE_IDENTIFIER), graph.value(shape, SH.targetClass)
        if name is None or not re.fullmatch(r"[a-z][a-z0-9-]*", str(name)):
            raise Misconfigured(f"The shape <{shape}> has no sh:codeIdentifier of the form a-z0-9-.")
        properties = set(graph.objects(shape, SH.property))
        for parent in graph.objects(shape, SH.node):
            properties |= set(graph.objects(parent, SH.property))
        named = {each for each in properties if graph.value(each, CODE_IDENTIFIER) is not None}
        advised, needed = self.demands(properties - named)
        fields = sorted((self.field(each, advised, needed) for each in named), key=lambda each: (each.order, each.name))
        return Kind(
            name=str(name),
            iri=str(target),
            shape=str(shape),
            fields=tuple(fields),
            any_of=self.any_of(properties),
            labels=self.texts(shape, RDFS.label),
            help=self.texts(shape, RDFS.comment),
            order=self.number(shape, SH.order),
            managed=graph.value(shape, PCN.managed) is not None,
            ending=graph.value(shape, PCN.ending) is not None,
            restricted=self.restricted(shape),
            scope=self.scope(shape, fields),
            lexical=graph.value(shape, PCN.lexical) is not None,
            proper=graph.value(shape, PCN.properName) is not None,
        )

    def restricted(self, shape: rdflib.term.Node) -> tuple[Field, ...]:
        beside = self.graph.subjects(PCN.restrictedOf, shape)
        fields = [self.field(each, set(), set()) for other in beside for each in self.graph.objects(other, SH.property)]
        if any(each.type is not FieldType.TEXT for each in fields):
            raise Misconfigured(f"What <{shape}> keeps restricted must be texts (rdf:langString).")
        return tuple(sorted(fields, key=lambda each: (each.order, each.name)))

    def scope(self, shape: rdflib.term.Node, fields: Iterable[Field]) -> tuple[str, ...]:
        names = {str(path): "" for path in self.graph.objects(shape, PCN.scope)}
        names |= {each.path: each.name for each in fields if each.path in names and each.type is FieldType.CONCEPT}
        if not all(names.values()):
            raise Misconfigured(f"pc:scope of <{shape}> names what is no field with concepts: {', '.join(names)}.")
        return tuple(each.name for each in fields if each.path in names)

    def any_of(self, properties: Iterable[rdflib.term.Node]) -> tuple[tuple[str, ...], ...]:
        rules = []
        for each in properties:
            choice = self.graph.value(self.graph.value(each, SH.path), SH.alternativePath)
            if choice is not None:
                rules.append(tuple(str(path) for path in Collection(self.graph, choice)))
        return tuple(sorted(rules))

    def demands(self, properties: Iterable[rdflib.term.Node]) -> tuple[set[str], set[str]]:
        """What a kind asks of fields it shares with others: the paths it advises, and those it needs."""
        graph, advised, needed = self.graph, set[str](), set[str]()
        for each in properties:
            path = graph.value(each, SH.path)
            said = {str(predicate).removeprefix(str(SH)) for predicate in graph.predicates(each)} - {str(RDF.type)}
            if said - {"path", "minCount", "severity"} or str(graph.value(each, SH.minCount)) != "1":
                raise Misconfigured(
                    f"<{each}> has no sh:codeIdentifier and says more than that something is needed or advised.",
                    remedy="Say it in the shape of the field itself.",
                )
            if isinstance(path, URIRef):
                (advised if graph.value(each, SH.severity) == SH.Warning else needed).add(str(path))
        return advised, needed

    def field(self, shape: rdflib.term.Node, advised: set[str], needed: set[str]) -> Field:
        graph = self.graph
        unknown = {str(each) for each in graph.predicates(shape) if str(each).startswith(str(SH))} - _UNDERSTOOD
        if unknown:
            raise Misconfigured(
                f"<{shape}> uses {', '.join(sorted(unknown))}, which the check of peers' records would not see.",
                remedy="Say it with one of the constraints that the other shapes use.",
            )
        path, name = graph.value(shape, SH.path), graph.value(shape, CODE_IDENTIFIER)
        if not isinstance(path, URIRef):
            raise Misconfigured(f"The path of <{shape}> is not a single property.")
        maximum = graph.value(shape, SH.maxCount)
        part = graph.value(shape, SH.node)
        pattern = graph.value(shape, SH.pattern)
        return Field(
            name=str(name),
            path=str(path),
            type=self.type_of(shape),
            minimum=max(int(self.number(shape, SH.minCount)), int(str(path) in needed)),
            maximum=None if maximum is None else int(str(maximum)),
            labels=self.texts(shape, SH.name),
            help=self.texts(shape, SH.description),
            order=self.number(shape, SH.order),
            group=str(graph.value(shape, SH.group) or ""),
            schemes=tuple(sorted(str(each) for each in graph.objects(shape, PCN.scheme))),
            code_space=str(graph.value(shape, PCN.codeSpace) or ""),
            code_list=str(graph.value(shape, PCN.codeList) or ""),
            refers_to=tuple(sorted(self.kind_name(each) for each in graph.objects(shape, PCN.refersTo))),
            part=str(graph.value(part, CODE_IDENTIFIER)) if part is not None else "",
            pattern=re.compile(str(pattern)) if pattern is not None else None,
            max_length=self.maybe(shape, SH.maxLength),
            min_inclusive=self.maybe(shape, SH.minInclusive),
            facet=str(graph.value(shape, PCN.facet) or ""),
            search=str(graph.value(shape, PCN.searchField) or ""),
            managed=graph.value(shape, PCN.managed) is not None,
            advised=str(path) in advised,
            several=self.type_of(shape) is FieldType.TEXT and not self.unique(shape),
        )

    def type_of(self, shape: rdflib.term.Node) -> FieldType:
        graph = self.graph
        datatype = graph.value(shape, SH.datatype)
        if isinstance(datatype, URIRef) and datatype in _BY_DATATYPE:
            return _BY_DATATYPE[datatype]
        choices = graph.value(shape, SH["or"])
        if choices is not None:
            offered = {str(graph.value(each, SH.datatype)) for each in Collection(graph, choices)}
            if offered == _DATES:
                return FieldType.DATE
        if graph.value(shape, SH.nodeKind) == SH.IRI:
            if graph.value(shape, PCN.scheme) is not None:
                return FieldType.CONCEPT
            if graph.value(shape, PCN.refersTo) is not None:
                return FieldType.RECORD
            return FieldType.PART if graph.value(shape, SH.node) is not None else FieldType.IRI
        raise Misconfigured(f"<{shape}> says neither sh:datatype nor sh:nodeKind sh:IRI in a way known here.")

    def unique(self, shape: rdflib.term.Node) -> bool:
        return str(self.graph.value(shape, SH.uniqueLang)) == "true"

    def kind_name(self, target: rdflib.term.Node) -> str:
        graph = self.graph
        shapes = [each for each in graph.subjects(SH.targetClass, target) if (each, RDF.type, SH.NodeShape) in graph]
        name = self.graph.value(shapes[0], CODE_IDENTIFIER) if shapes else None
        if name is None:
            raise Misconfigured(f"pc:refersTo names <{target}>, which no shape targets.")
        return str(name)

    def texts(self, subject: rdflib.term.Node, predicate: URIRef) -> dict[str, str]:
        found = {_language_of(each): str(each) for each in self.graph.objects(subject, predicate)}
        return dict(sorted(found.items()))

    def number(self, subject: rdflib.term.Node, predicate: URIRef) -> float:
        value = self.graph.value(subject, predicate)
        return float(str(value)) if value is not None else 0.0

    def maybe(self, subject: rdflib.term.Node, predicate: URIRef) -> int | None:
        value = self.graph.value(subject, predicate)
        return int(str(value)) if value is not None else None


def _language_of(node: rdflib.term.Node) -> str:
    return (node.language or "") if isinstance(node, rdflib.Literal) else ""
