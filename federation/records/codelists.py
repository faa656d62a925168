"""Code lists: SKOS concept schemes as Turtle, read into schemes and concepts.

They are most of a vocabulary (all regions of Europe, to begin with), so they are read by pyoxigraph's
parser straight into what the program needs; only shapes and terms become a graph.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

import pyoxigraph as ox

from federation.records.canonical import PC
from federation.records.kinds import LANGUAGES, Collection, Concept, Scheme

SKOS: Final = "http://www.w3.org/2004/02/skos/core#"
_ORDER: Final = "http://www.w3.org/ns/shacl#order"

Object = ox.NamedNode | ox.BlankNode | ox.Literal | ox.Triple
Statements = Mapping[str, Mapping[str, Sequence[Object]]]
"""Objects by subject and predicate."""


def schemes_of(statements: Statements) -> dict[str, Scheme]:
    """The code lists that some statements make, each with its concepts in order."""
    members: dict[str, list[Concept]] = {iri: [] for iri, each in statements.items() if _is(each, "ConceptScheme")}
    for iri, each in statements.items():
        if _is(each, "Concept"):
            concept = _concept(iri, each, members)
            members.setdefault(concept.scheme, []).append(concept)
    collections = [_collection(iri, each) for iri, each in statements.items() if _is(each, "Collection")]
    return {
        iri: _scheme(iri, statements.get(iri, {}), concepts, [each for each in collections if each.scheme == iri])
        for iri, concepts in sorted(members.items())
    }


def is_code_list(each: Mapping[str, Sequence[Object]]) -> bool:
    """Whether these are the statements of a concept, of a concept scheme or of a collection."""
    return any(_is(each, name) for name in ("Concept", "ConceptScheme", "Collection"))


def _is(each: Mapping[str, Sequence[Object]], name: str) -> bool:
    types = each.get("http://www.w3.org/1999/02/22-rdf-syntax-ns#type", ())
    return any(isinstance(kind, ox.NamedNode) and kind.value == SKOS + name for kind in types)


def _scheme(
    iri: str, each: Mapping[str, Sequence[Object]], concepts: Iterable[Concept], collections: Iterable[Collection]
) -> Scheme:
    return Scheme(
        iri=iri,
        labels=_texts(each, "prefLabel"),
        definition=_texts(each, "definition"),
        facet=_value(each, PC + "facet"),
        order=int(float(_value(each, _ORDER) or 0)),
        concepts={each.iri: each for each in sorted(concepts, key=lambda c: (c.order, c.iri))},
        topic=PC + "topic" in each,
        unspotted=PC + "unspotted" in each,
        complete=PC + "complete" in each,
        collections=tuple(sorted(collections, key=lambda c: (c.order, c.iri))),
    )


def _collection(iri: str, each: Mapping[str, Sequence[Object]]) -> Collection:
    return Collection(
        iri=iri,
        scheme=next(iter(_iris(each, "inScheme")), ""),
        code=_value(each, SKOS + "notation") or iri.rsplit("/", 1)[-1],
        labels=_texts(each, "prefLabel"),
        members=_iris(each, "member"),
        order=int(float(_value(each, _ORDER) or 0)),
    )


def _concept(iri: str, each: Mapping[str, Sequence[Object]], declared: Mapping[str, object]) -> Concept:
    alternatives: dict[str, list[str]] = {}
    for label in each.get(SKOS + "altLabel", ()):
        if isinstance(label, ox.Literal):
            alternatives.setdefault(label.language or "", []).append(label.value)
    lists = _iris(each, "inScheme")
    scheme = next((name for name in lists if name in declared), lists[0] if lists else "")
    return Concept(
        iri=iri,
        scheme=scheme,
        code=_value(each, SKOS + "notation") or iri.rsplit("/", 1)[-1],
        labels=_texts(each, "prefLabel"),
        alternatives={tag: tuple(sorted(texts)) for tag, texts in sorted(alternatives.items())},
        definition=_texts(each, "definition"),
        broader=(*_iris(each, "broader"), *_iris(each, "broadMatch")),
        order=int(float(_value(each, _ORDER) or 0)),
        matches=(*_iris(each, "exactMatch"), *_iris(each, "closeMatch")),
        versions=tuple(name.rsplit("/", 1)[-1] for name in lists if name != scheme),
        community=PC + "community" in each,
    )


def _texts(each: Mapping[str, Sequence[Object]], name: str) -> dict[str, str]:
    """Texts by language; one without a language is a proper name, the same in all of them."""
    found: dict[str, str] = {}
    for text in each.get(SKOS + name, ()):
        if isinstance(text, ox.Literal):
            found |= {text.language: text.value} if text.language else dict.fromkeys(LANGUAGES, text.value)
    return dict(sorted(found.items()))


def _iris(each: Mapping[str, Sequence[Object]], name: str) -> tuple[str, ...]:
    return tuple(sorted(value.value for value in each.get(SKOS + name, ()) if isinstance(value, ox.NamedNode)))


def _value(each: Mapping[str, Sequence[Object]], predicate: str) -> str:
    value = next(iter(each.get(predicate, ())), None)
    return value.value if isinstance(value, ox.Literal) else ""
