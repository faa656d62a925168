"""The JSON-LD view of a record, and the way back.

A view is derived: what is signed is the canonical text. The context is flat and closed, so a view is
read in three strict steps: JSON without doubtful parts, exactly the two known contexts, and then the
statements must give back the very same document, which proves that nothing was dropped or re-read
(the data-loss check of VC Data Integrity 1.0, "Securing Data Losslessly"). Contexts are never fetched.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

import pyoxigraph

from federation.errors import BadProof, InvalidRequest, NotCanonical, PoisonGraph, UnknownContext
from federation.records.canonical import DCT, RDF, TYPE, XSD, Literal, Term, Triple, check_literal, read, write
from federation.records.kinds import Field, FieldType, Kind, Vocabulary
from federation.records.proof import Proof, Signed
from federation.records.shapes import DATES

CONTEXT: Final = "https://w3id.org/procirc/context/v1"
DATA_INTEGRITY: Final = "https://w3id.org/security/data-integrity/v2"
CONTEXTS: Final = [CONTEXT, DATA_INTEGRITY]
MAX_DEPTH: Final = 32
_FILES: Final = {CONTEXT: "v1.jsonld", DATA_INTEGRITY: "data-integrity-v2.jsonld"}
_COERCED: Final = {
    FieldType.INTEGER: XSD + "integer",
    FieldType.DECIMAL: XSD + "decimal",
    FieldType.BOOLEAN: XSD + "boolean",
    FieldType.DATETIME: XSD + "dateTime",
    FieldType.DATE: XSD + "date",
}
_LINKS: Final = {FieldType.IRI, FieldType.CONCEPT, FieldType.RECORD, FieldType.PART}

Document = dict[str, Any]


def context_document(vocabulary: Vocabulary) -> Document:
    """The context that the shapes give: one term a field and a kind, flat, protected, without @vocab."""
    terms: Document = {"@version": 1.1, "@protected": True, "id": "@id", "type": "@type"}
    for kind in sorted((*vocabulary.kinds.values(), *vocabulary.parts.values()), key=lambda k: k.iri):
        terms[class_term(kind)] = kind.iri
    for name, each in sorted(vocabulary.fields.items()):
        terms[name] = _definition(each)
    return {"@context": terms}


def _definition(field: Field) -> Document | str:
    if field.type is FieldType.TEXT:
        return {"@id": field.path, "@container": ["@language", "@set"] if field.several else "@language"}
    definition: Document = {"@id": field.path}
    if field.type in _LINKS:
        definition["@type"] = "@id"
    elif field.type in _COERCED:
        definition["@type"] = _COERCED[field.type]
    if not field.single:
        definition["@container"] = "@set"
    return definition if len(definition) > 1 else field.path


def class_term(kind: Kind) -> str:
    """The JSON-LD term of a class: the last part of its IRI."""
    return kind.iri.rsplit("#", 1)[-1].rsplit("/", 1)[-1]


def view(triples: Iterable[Triple], vocabulary: Vocabulary) -> Document:
    """A record without its proof as a JSON-LD document, its members in the order of the shapes.

    Raises NotCanonical where a statement has no term in the context.
    """
    nodes: dict[str, list[tuple[str, Term]]] = {}
    for subject, predicate, value in triples:
        nodes.setdefault(subject, []).append((predicate, value))
    roots = [each for each in nodes if "#" not in each]
    if len(roots) != 1:
        raise NotCanonical("A document describes exactly one record.")
    return {"@context": list(CONTEXTS), **_object(roots[0], nodes, vocabulary)}


def _object(subject: str, nodes: Mapping[str, Sequence[tuple[str, Term]]], vocabulary: Vocabulary) -> Document:
    values: dict[str, list[Term]] = {}
    for predicate, value in nodes[subject]:
        values.setdefault(predicate, []).append(value)
    types = values.pop(TYPE, [])
    kind = vocabulary.by_class.get(str(types[0])) if len(types) == 1 else None
    if kind is None:
        raise NotCanonical(f"<{subject}> is of no class that the JSON-LD context knows.")
    document: Document = {"id": subject, "type": class_term(kind)}
    for field in kind.fields:
        if field.path in values:
            document[field.name] = _member(field, values.pop(field.path), nodes, vocabulary)
    if values:
        raise NotCanonical(f"<{next(iter(values))}> has no term in the JSON-LD context for {kind.name}.")
    return document


def _member(
    field: Field, values: list[Term], nodes: Mapping[str, Sequence[tuple[str, Term]]], vocabulary: Vocabulary
) -> Any:
    if field.several:
        return _several(field, values)
    if field.type is FieldType.TEXT:
        texts = {v.language: v.value for v in sorted(values, key=str) if isinstance(v, Literal)}
        if len(texts) != len(values) or "" in texts:
            raise NotCanonical(f"The texts of {field.name} are not one for each language.")
        return texts
    if field.type is FieldType.PART:
        return [_object(_part(v, field, nodes), nodes, vocabulary) for v in sorted(values, key=str)]
    items = [_scalar(field, value) for value in values]
    return items[0] if field.single and len(items) == 1 else items


def _several(field: Field, values: list[Term]) -> Document:
    """Every text by its language, which may have several."""
    texts: dict[str, list[str]] = {}
    for value in sorted(values, key=str):
        if not isinstance(value, Literal) or not value.language:
            raise NotCanonical(f"A text of {field.name} does not say its language.")
        texts.setdefault(value.language, []).append(value.value)
    return dict(sorted(texts.items()))


def _part(value: Term, field: Field, nodes: Mapping[str, Sequence[tuple[str, Term]]]) -> str:
    # A hash IRI is never a record, and parts hold no parts: so this cannot go round in circles.
    if not isinstance(value, str) or "#" not in value or value not in nodes:
        raise NotCanonical(f"A value of {field.name} is not a part of the record.")
    if any(isinstance(inner, str) and "#" in inner and inner in nodes for _, inner in nodes[value]):
        raise NotCanonical("A part of a record has parts of its own.")
    return value


def _scalar(field: Field, value: Term) -> Any:
    if field.type in _LINKS:
        if not isinstance(value, str):
            raise NotCanonical(f"A value of {field.name} is not an address.")
        return value
    expected = {_COERCED.get(field.type, "")} | (DATES if field.type is FieldType.DATE else set())
    if not isinstance(value, Literal) or value.language or value.datatype not in expected:
        raise NotCanonical(f"A value of {field.name} is not a {field.type.value}.")
    if field.type is FieldType.INTEGER:
        check_literal(value)
        return int(value.value)
    if field.type is FieldType.BOOLEAN:
        return value.value == "true"
    if field.type is FieldType.DATE and value.datatype != XSD + "date":
        return {"@type": value.datatype, "@value": value.value}
    return value.value


def signed_view(signed: Signed, vocabulary: Vocabulary) -> Document:
    """A record with its proof, as an independent Data Integrity library verifies it."""
    return {**view(read(signed.body), vocabulary), "proof": signed.proof.as_json()}


def dumps(document: Document) -> str:
    """The text of a document, readable and the same every time."""
    return json.dumps(document, ensure_ascii=False, indent=2) + "\n"


def loads(data: bytes | str) -> Any:
    """Read JSON strictly. Raises InvalidRequest for duplicate members, NaN, huge numbers, bad UTF-8 or depth."""
    try:
        text = data.decode("utf-8") if isinstance(data, bytes) else data
    except UnicodeDecodeError as error:
        raise InvalidRequest(
            f"The text is not UTF-8 (byte {error.start}).", remedy="Save or send it as UTF-8."
        ) from error
    _check_depth(text)
    try:
        return json.loads(text, object_pairs_hook=_no_duplicates, parse_constant=_no_constant, parse_int=_small_integer)
    except (json.JSONDecodeError, RecursionError) as error:
        raise InvalidRequest(f"That is not JSON: {error}.", remedy="Check it with a JSON editor.") from error


def _check_depth(text: str) -> None:
    depth = deepest = 0
    inside = escaped = False
    for character in text:
        if inside:
            inside, escaped = (escaped or character != '"'), character == "\\" and not escaped
        elif character == '"':
            inside = True
        elif character in "[{":
            depth += 1
            deepest = max(deepest, depth)
        elif character in "]}":
            depth -= 1
    if deepest > MAX_DEPTH:
        raise InvalidRequest(f"The JSON is nested more than {MAX_DEPTH} levels deep.")


def _no_duplicates(pairs: list[tuple[str, Any]]) -> Document:
    document = dict(pairs)
    if len(document) != len(pairs):
        raise InvalidRequest("A member occurs twice in one JSON object.", remedy="Keep one of them.")
    return document


def _no_constant(name: str) -> Any:
    raise InvalidRequest(f"{name} is not a JSON number.")


def _small_integer(text: str) -> int:
    if len(text) > 17 or abs(int(text)) > 2**53:
        raise InvalidRequest(f"The number {text[:20]} is too large for JSON; write it as a string.")
    return int(text)


@lru_cache(4)
def context_terms(folder: Path) -> tuple[Any, ...]:
    """The bodies of both contexts, from the files that ship with the vocabulary."""
    return tuple(json.loads((folder / "context" / _FILES[iri]).read_text("utf-8"))["@context"] for iri in CONTEXTS)


def triples_of(document: Document, vocabulary: Vocabulary) -> list[Triple]:
    """The statements of a JSON-LD document by the general path: expansion and RDF conversion.

    The document must not have a proof. Raises UnknownContext, PoisonGraph, NotCanonical.
    """
    if document.get("@context") != CONTEXTS:
        raise UnknownContext(f"The @context must be exactly {json.dumps(CONTEXTS)}.")
    inlined = {**document, "@context": list(context_terms(vocabulary.folder))}
    try:
        quads = list(pyoxigraph.parse(json.dumps(inlined), format=pyoxigraph.RdfFormat.JSON_LD))
    except (SyntaxError, ValueError) as error:
        raise NotCanonical(f"The document is not JSON-LD: {error}.") from error
    return [_triple(quad) for quad in quads]


def _triple(quad: pyoxigraph.Quad) -> Triple:
    subject, value = quad.subject, quad.object
    if not isinstance(quad.graph_name, pyoxigraph.DefaultGraph):
        raise NotCanonical("A record has no named graphs.")
    if not isinstance(subject, pyoxigraph.NamedNode):
        raise PoisonGraph("A record must not hold blank nodes; give every part an id.")
    if isinstance(value, pyoxigraph.NamedNode):
        return subject.value, quad.predicate.value, value.value
    if not isinstance(value, pyoxigraph.Literal):
        raise PoisonGraph("A record must not hold blank nodes; give every part an id.")
    datatype = value.datatype.value
    plain = datatype in (XSD + "string", RDF + "langString")
    return (
        subject.value,
        quad.predicate.value,
        Literal(value.value, "" if plain else datatype, value.language or ""),
    )


def signed_of(document: Any, vocabulary: Vocabulary) -> Signed:
    """The canonical body and proof of a signed JSON-LD document, strictly read.

    Raises BadProof, UnknownContext, NotCanonical, PoisonGraph; nothing is verified yet.
    """
    if not isinstance(document, dict) or "proof" not in document:
        raise BadProof("There is no proof in this document.")
    bare = {key: value for key, value in document.items() if key != "proof"}
    proof = Proof.from_json(document["proof"])
    body = write(triples_of(bare, vocabulary))
    again = view(read(body), vocabulary)
    if not _same(again, bare):
        odd = sorted(key for key in bare if again.get(key) != bare.get(key)) or ["a nested member"]
        raise NotCanonical(
            f"Part of the document would be lost or read differently: {', '.join(odd)[:200]}.",
            remedy="Every member must be a term of the context, written as this node writes it.",
        )
    return Signed(body, proof)


def _same(left: Any, right: Any) -> bool:
    """Equality of JSON values in which the order of the values of a property does not matter."""
    if isinstance(left, dict) and isinstance(right, dict):
        return left.keys() == right.keys() and all(
            left[key] == right[key] if key == "@context" else _same(left[key], right[key]) for key in left
        )
    if isinstance(left, list) and isinstance(right, list):
        return len(left) == len(right) and sorted(map(_key, left)) == sorted(map(_key, right))
    return type(left) is type(right) and bool(left == right)


def _key(value: Any) -> str:
    return json.dumps(value, sort_keys=True)


def turtle(body: str) -> bytes:
    """The record as Turtle, for reading; what is signed is the canonical text."""
    quads = pyoxigraph.parse(body, format=pyoxigraph.RdfFormat.N_TRIPLES)
    data: bytes | None = pyoxigraph.serialize(quads, format=pyoxigraph.RdfFormat.TURTLE, prefixes=PREFIXES)
    return data or b""


PREFIXES: Final = {
    "pc": "https://w3id.org/procirc/ns#",
    "dct": DCT,
    "xsd": XSD,
    "sosa": "http://www.w3.org/ns/sosa/",
    "schema": "http://schema.org/",
    "dcat": "http://www.w3.org/ns/dcat#",
    "foaf": "http://xmlns.com/foaf/0.1/",
}


if __name__ == "__main__":
    # `make context`: the one artefact that is generated and then shipped.
    from federation.records.vocabulary import load_vocabulary

    made = load_vocabulary()
    (made.folder / "context" / _FILES[CONTEXT]).write_text(dumps(context_document(made)), "utf-8")
