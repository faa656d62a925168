"""Drafts as linked data: Turtle, N-Triples, TriG, or JSON-LD in our context.

Records are named by their address, or relative to the node: ``<pilot/old-mill>``. Parts are hash
addresses of their record or blank nodes. What the node manages itself (version, times, publisher,
proof) is left out, so that a record that was fetched somewhere can be handed in again.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

import pyoxigraph as ox

from federation.errors import Fault, FederationError, InvalidRequest
from federation.records import jsonld
from federation.records.canonical import TYPE, Literal, Term
from federation.records.draft import Draft, Place
from federation.records.kinds import Field, FieldType, Kind, Vocabulary
from federation.records.record import address_of
from federation.records.values import Naming

FORMATS: Final = {
    "ttl": ox.RdfFormat.TURTLE,
    "nt": ox.RdfFormat.N_TRIPLES,
    "nq": ox.RdfFormat.N_QUADS,
    "trig": ox.RdfFormat.TRIG,
}
Statements = Mapping[str, Sequence[tuple[str, Term]]]
_MAX_QUOTED: Final = 1_000
"""Statements about statements in a file: the parser's memory of one within another ends at some ten thousand."""


def read(
    data: bytes, ending: str, file: str, vocabulary: Vocabulary, naming: Naming
) -> tuple[list[Draft], list[Fault]]:
    """The drafts of a file of linked data, and every fault found. ``ending`` is jsonld or one of FORMATS."""
    try:
        nodes = _from_jsonld(data, vocabulary) if ending == "jsonld" else _from_rdf(data, FORMATS[ending], naming)
    except (SyntaxError, FederationError) as error:
        return [], [Fault(f"The file cannot be read: {error}", "Correct it at that place.", file=file)]
    drafts, faults = [], []
    for subject in nodes:
        kind = vocabulary.by_class.get(_class_of(nodes[subject]))
        if kind is None or kind.name not in vocabulary.kinds:
            continue
        address = address_of(subject)
        if address is None or address.base != naming.base or address.kind != kind.name:
            fault = f"<{subject[:200]}> is not the address of a {kind.name} of this node."
            faults.append(Fault(fault, f"Write <{kind.name}/its-slug>.", file=file))
            continue
        if clash := _clash(nodes[subject], kind):
            faults.append(Fault(f"<{subject[:200]}> {clash}", "Keep one of them.", file=file))
            continue
        drafts.append(Draft(kind.name, address.slug, _values(subject, kind, nodes, vocabulary), Place(file)))
    if not drafts and not faults:
        hint = "Every record needs a type, such as <https://w3id.org/procirc/ns#Pilot>."
        faults.append(Fault("The file describes no record of a kind known here.", hint, file=file))
    return drafts, faults


def _from_rdf(data: bytes, form: ox.RdfFormat, naming: Naming) -> Statements:
    nodes: dict[str, list[tuple[str, Term]]] = {}
    # No record has any, but they may stand in a file beside records, and "<<" in a text.
    if data.count(b"<<") > _MAX_QUOTED:
        raise InvalidRequest("The file makes statements about statements, which are no part of a record.")
    base = f"{naming.base}/records/" if form in (ox.RdfFormat.TURTLE, ox.RdfFormat.TRIG) else None
    for quad in ox.parse(data, format=form, base_iri=base):
        nodes.setdefault(_plain(quad.subject), []).append((quad.predicate.value, _value(quad.object)))
    return nodes


def _plain(term: Any) -> str:
    if isinstance(term, ox.Triple):
        raise InvalidRequest("The file makes statements about statements, which are no part of a record.")
    return f"_:{term.value}" if isinstance(term, ox.BlankNode) else str(term.value)


def _value(term: Any) -> Term:
    if not isinstance(term, ox.Literal):
        return _plain(term)
    return Literal(term.value, "" if term.language else term.datatype.value, (term.language or "").lower())


def _from_jsonld(data: bytes, vocabulary: Vocabulary) -> Statements:
    document = jsonld.loads(data)
    nodes: dict[str, list[tuple[str, Term]]] = {}
    for each in document if isinstance(document, list) else [document]:
        if not isinstance(each, Mapping):
            raise InvalidRequest("A record is a JSON object.")
        body = {name: value for name, value in each.items() if name != "proof"}
        triples = jsonld.triples_of(body, vocabulary)
        lost = sorted(set(body) - set(jsonld.view(triples, vocabulary)))
        if lost:
            raise InvalidRequest(f"Not a term of the context: {', '.join(lost)[:200]}.")
        for subject, path, value in triples:
            nodes.setdefault(subject, []).append((path, value))
    return nodes


def _clash(statements: Sequence[tuple[str, Term]], kind: Kind) -> str:
    """What contradicts itself: two types, or two texts in one language of a property that has one."""
    if len({value for path, value in statements if path == TYPE}) > 1:
        return "has two types."
    seen: dict[tuple[str, str], Term] = {}
    several = {each.path for each in kind.fields if each.several}
    for path, value in statements:
        if path in several:
            continue
        if isinstance(value, Literal) and value.language and seen.setdefault((path, value.language), value) != value:
            return f"has two texts of <{path}> in the language {value.language!r}."
    return ""


def _class_of(statements: Iterable[tuple[str, Term]]) -> str:
    return next((str(value) for path, value in statements if path == TYPE), "")


def _values(subject: str, kind: Kind, nodes: Statements, vocabulary: Vocabulary) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for path, value in nodes[subject]:
        each = kind.by_path.get(path)
        if each is None:
            if path != TYPE:
                values.setdefault(path, []).append(str(value))  # refused by name later, with all others
            continue
        if each.managed:
            continue
        if isinstance(value, Literal) and each.several:
            values.setdefault(each.name, {}).setdefault(value.language, []).append(value.value)
        elif isinstance(value, Literal) and each.type is FieldType.TEXT:
            values.setdefault(each.name, {})[value.language] = value.value
        else:
            values.setdefault(each.name, []).append(_one(value, each, subject, nodes, vocabulary))
    return values


def _one(value: Term, each: Field, subject: str, nodes: Statements, vocabulary: Vocabulary) -> object:
    if isinstance(value, Literal):
        return value.value
    if each.type is not FieldType.PART:
        return value
    kind = vocabulary.parts[each.part]
    inner = _values(value, kind, nodes, vocabulary) if value in nodes else {}
    slug = value.removeprefix(subject + "#") if value.startswith(subject + "#") else ""
    return {**inner, **({"slug": slug} if slug else {})}
