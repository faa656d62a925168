"""The vocabulary as linked data: its statements, documents cut from them, and its classes and properties.

The files are read once, when somebody first asks; documents are kept as bytes. All of it is worth a
thread: the lists are large.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Final

import pyoxigraph as ox

from federation.records.canonical import PC, TYPE
from federation.records.kinds import Field, Kind, Texts, Vocabulary
from federation.records.vocabulary import vocabulary_files

FORMS: Final = {"text/turtle": ox.RdfFormat.TURTLE, "application/ld+json": ox.RdfFormat.JSON_LD}
_RDFS: Final = "http://www.w3.org/2000/01/rdf-schema#"
_OWL: Final = "http://www.w3.org/2002/07/owl#"
_SH: Final = "http://www.w3.org/ns/shacl#"
_SKOS: Final = "http://www.w3.org/2004/02/skos/core#"
_SHAPE_PARTS: Final = frozenset(_SH + name for name in ("property", "node", "group", "targetClass"))
"""What leads from a shape to the rest of what it says."""
_CLASSES: Final = frozenset({_RDFS + "Class", _OWL + "Class"})
_DECLARED: Final = _CLASSES | {TYPE.removesuffix("type") + "Property", _OWL + "Ontology"}
_LOCAL: Final = re.compile(r"[^#/]*$")

Subject = ox.NamedNode | ox.BlankNode


@dataclass(frozen=True)
class Statements:
    """Everything the Turtle files of a vocabulary say, by subject in the order of the files."""

    about: Mapping[Subject, Sequence[ox.Triple]]
    prefixes: Mapping[str, str]

    def objects(self, iri: str, predicate: str) -> tuple[str, ...]:
        """The IRIs that are values of a property."""
        found = (t.object for t in self.about.get(ox.NamedNode(iri), ()) if t.predicate.value == predicate)
        return tuple(sorted(each.value for each in found if isinstance(each, ox.NamedNode)))

    def texts(self, iri: str, predicate: str) -> Texts:
        found = (t.object for t in self.about.get(ox.NamedNode(iri), ()) if t.predicate.value == predicate)
        return {each.language: each.value for each in found if isinstance(each, ox.Literal) and each.language}

    def superclasses(self, iri: str) -> tuple[str, ...]:
        return self.objects(iri, _RDFS + "subClassOf")

    def declared(self) -> Iterator[str]:
        """Every class and property, and the ontology itself; of those of others, the ones that are explained here."""
        for subject in self.about:
            if isinstance(subject, ox.NamedNode):
                types = self.objects(subject.value, TYPE)
                if _DECLARED.intersection(types) or (not types and self.texts(subject.value, _RDFS + "label")):
                    yield subject.value


@dataclass(frozen=True, slots=True)
class Term:
    """A class or property, of this vocabulary or reused; ``anchor`` is its place on the page of terms."""

    iri: str
    anchor: str
    own: bool
    is_class: bool
    labels: Texts
    definition: Texts
    superclasses: tuple[str, ...]
    domains: tuple[str, ...]
    ranges: tuple[str, ...]
    kind: Kind | None
    """The kind or part that a class is of."""
    used_in: tuple[tuple[Kind, Field], ...]
    """The kinds and parts that have a property, each with its field there."""


def local_name(iri: str) -> str:
    """The last part of an IRI: what names a term within its vocabulary."""
    found = _LOCAL.search(iri)
    return found.group() if found else iri


@lru_cache(2)
def statements(folder: Path) -> Statements:
    """Read the Turtle files of a vocabulary."""
    about: dict[Subject, list[ox.Triple]] = {}
    prefixes: dict[str, str] = {}
    for path in vocabulary_files(folder):
        parser = ox.parse(path=str(path), format=ox.RdfFormat.TURTLE, rename_blank_nodes=True)
        for quad in parser:
            assert not isinstance(quad.subject, ox.Triple), "Turtle 1.1 has no triple terms"
            about.setdefault(quad.subject, []).append(quad.triple)
        for prefix, namespace in parser.prefixes.items():
            prefixes.setdefault(prefix, namespace)
    return Statements(about, prefixes)


@lru_cache(256)
def document(folder: Path, iri: str, form: str) -> bytes:
    """What a vocabulary says about a code list, a shape or, where the IRI is empty, its classes and properties.

    A list comes with its concepts; a shape with its class and the shapes it builds on. ``form`` is one of FORMS.
    """
    known = statements(folder)
    if not iri:
        starts = list(known.declared())
    elif _SKOS + "ConceptScheme" in known.objects(iri, TYPE):
        inside = ox.NamedNode(iri)
        members = [s for s, said in known.about.items() if any(_is_in(t, inside) for t in said)]
        starts = [iri, *(each.value for each in members)]
    else:
        starts = [iri]
    triples = _numbered(_closure(known, starts))
    named = {value for t in triples for value in _iris(t)}
    used = {p: space for p, space in known.prefixes.items() if any(value.startswith(space) for value in named)}
    written = ox.serialize(triples, format=FORMS[form], prefixes=used)
    assert written is not None, "without an output, the text is returned"
    return written


def _is_in(triple: ox.Triple, scheme: ox.NamedNode) -> bool:
    return triple.predicate.value == _SKOS + "inScheme" and triple.object == scheme


def _closure(known: Statements, starts: Iterable[str]) -> Iterator[ox.Triple]:
    """The statements about some subjects, their blank nodes, and what makes up the shapes among them."""
    waiting: list[Subject] = [ox.NamedNode(iri) for iri in reversed(list(starts))]
    seen = set[Subject]()
    while waiting:
        subject = waiting.pop()
        if subject in seen:
            continue
        seen.add(subject)
        for triple in sorted(known.about.get(subject, ()), key=_reading_order):
            yield triple
            value = triple.object
            if isinstance(value, ox.BlankNode) or (
                isinstance(value, ox.NamedNode) and triple.predicate.value in _SHAPE_PARTS
            ):
                waiting.append(value)


def _reading_order(triple: ox.Triple) -> tuple[bool, str, str]:
    """The class first; values of one property together, so that they are written together."""
    label = "" if isinstance(triple.object, ox.BlankNode) else str(triple.object)
    return triple.predicate.value != TYPE, triple.predicate.value, label


def _numbered(triples: Iterable[ox.Triple]) -> list[ox.Triple]:
    """The same statements with blank nodes counted as they come: equal files give equal bytes."""
    names: dict[ox.BlankNode, ox.BlankNode] = {}

    def named(term: Subject) -> Subject:
        return names.setdefault(term, ox.BlankNode(f"b{len(names)}")) if isinstance(term, ox.BlankNode) else term

    found = []
    for each in triples:
        subject, value = each.subject, each.object
        assert isinstance(subject, ox.NamedNode | ox.BlankNode)
        value = named(value) if isinstance(value, ox.BlankNode) else value
        found.append(ox.Triple(named(subject), each.predicate, value))
    return found


def _iris(triple: ox.Triple) -> Iterator[str]:
    terms = (triple.subject, triple.predicate, triple.object)
    yield from (term.value for term in terms if isinstance(term, ox.NamedNode))
    if isinstance(triple.object, ox.Literal):
        yield triple.object.datatype.value


def terms_of(vocabulary: Vocabulary) -> list[Term]:
    """Every class and property, our own first, each sort by its IRI. No two have the same anchor."""
    known = statements(vocabulary.folder)
    iris = {*known.declared(), *vocabulary.by_class, *vocabulary.by_property}
    iris -= {iri for iri in iris if _OWL + "Ontology" in known.objects(iri, TYPE)}
    uses: dict[str, list[tuple[Kind, Field]]] = {}
    for kind in (*vocabulary.kinds.values(), *vocabulary.parts.values()):
        for field in (*kind.fields, *kind.restricted):
            uses.setdefault(field.path, []).append((kind, field))
    taken = set[str]()
    found = []
    for iri in sorted(iris, key=lambda each: (not each.startswith(PC), each)):
        # Names of our own are never moved aside: addresses under PC lead to them.
        anchor = local_name(iri) if local_name(iri) not in taken else iri
        taken.add(anchor)
        found.append(_term(iri, anchor, known, vocabulary, tuple(uses.get(iri, ()))))
    return found


def _term(
    iri: str, anchor: str, known: Statements, vocabulary: Vocabulary, uses: tuple[tuple[Kind, Field], ...]
) -> Term:
    kind = vocabulary.by_class.get(iri)
    fallback = kind or (uses[0][1] if uses else None)
    return Term(
        iri=iri,
        anchor=anchor,
        own=iri.startswith(PC),
        is_class=kind is not None or bool(_CLASSES.intersection(known.objects(iri, TYPE))),
        labels=known.texts(iri, _RDFS + "label") or (fallback.labels if fallback else {}),
        definition=known.texts(iri, _RDFS + "comment") or (fallback.help if fallback else {}),
        superclasses=known.superclasses(iri),
        domains=known.objects(iri, _RDFS + "domain"),
        ranges=known.objects(iri, _RDFS + "range"),
        kind=kind,
        used_in=uses,
    )
