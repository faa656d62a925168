"""What is indexed of a record: its words, their stems and parts, its concepts, its facets, and what a hit shows."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import orjson
import tantivy

from federation.index.concepts import Concepts, Form
from federation.index.languages import ANALYSED, UNKNOWN, WORD, analysed_as, fold
from federation.records import derived
from federation.records.canonical import Literal, nodes_of
from federation.records.kinds import Field, FieldType, Kind, Vocabulary
from federation.records.record import Record, assemble

TAGS: Final = (*ANALYSED, UNKNOWN)
TITLE_TIMES: Final = 3
"""How often a word of the title counts, against the same word in the text."""
OPEN_QUESTION: Final = "open-question"
"""The mark of a question that nobody has answered."""
ROLES: Final = ("title", "text")
PART: Final = "~"
SEPARATOR: Final = "\x1f"
"""Between the values of a facet."""
KIND_FACET, NODE_FACET = "kind", "node"


@dataclass(frozen=True, slots=True)
class Source:
    """An entry to be indexed: its body and where it comes from. ``node`` is the short name of its node."""

    log_id: int
    position: int
    node: str
    own: bool
    published: str
    body: str


def facet_names(vocabulary: Vocabulary) -> list[str]:
    """Every facet, in the order in which pages show them."""
    return [KIND_FACET, NODE_FACET, *vocabulary.facets]


def facet_field(name: str) -> str:
    return "facet_" + name.replace("-", "_")


def facet_set_field(name: str) -> str:
    """The field of all values of a facet together, which are counted as one."""
    return "facets_" + name.replace("-", "_")


def stems_field(tag: str) -> str:
    """The field of the stems of one language; those of parts of compounds have ``~`` before them."""
    return f"stems_{tag}"


def document(source: Source, concepts: Concepts) -> tuple[str, dict[str, Any] | None] | None:
    """The key of one record's document and its fields, or none where an ending takes the document away.

    None for entries that are not searched.
    """
    vocabulary = concepts.vocabulary
    record, kind = assemble(nodes_of(source.body), vocabulary)
    if kind is not None and kind.ending:
        return record.iri, None
    if kind is None or kind.managed:
        return None
    published = datetime.fromisoformat(source.published)
    fields: dict[str, Any] = {
        "key": [record.iri],
        "published": [int(published.timestamp())],
        "mentions": _mentions(record, kind),
    }
    last = derived.open_until(record)
    if last is not None:
        fields["open_until"] = [last.toordinal()]
    if derived.is_open_question(record):
        fields["marks"] = [OPEN_QUESTION]
    named: dict[str, None] = {}
    texts = {role: _texts(record, kind, role) for role in ROLES}
    for role, by_language in texts.items():
        for language, text in by_language.items():
            forms = concepts.forms(WORD.findall(text), language)
            _extend(fields, forms, analysed_as(language), TITLE_TIMES if role == "title" else 1)
            named |= concepts.named(forms, language)
    # Whoever looks for an organisation or an initiative looks for what it does: their slugs are their names.
    slugs = (fold(iri.rpartition("/")[2]).replace("-", " ") for iri in fields["mentions"])
    fields.setdefault("exact", []).append(" ".join(slugs))
    tagged = _concepts(record, concepts)
    terms, broader = concepts.terms, concepts.broader_terms
    up = set().union(*(broader[iri] for iri in (*tagged, *named) if iri in broader))
    fields |= {"tagged": [" ".join([terms[iri] for iri in tagged])], "named": [" ".join([terms[iri] for iri in named])]}
    fields["broader"] = [" ".join(up)]
    facets = _facets(record, kind, tagged, source, concepts)
    for name in facet_names(vocabulary):
        values = sorted({value for value in facets.get(name, ()) if SEPARATOR not in value})
        fields[facet_field(name)], fields[facet_set_field(name)] = values, [SEPARATOR.join(values)]
    display = {
        "id": record.iri,
        "kind": record.kind,
        "node": source.node,
        "own": source.own,
        "log": source.log_id,
        "published": source.published,
        "title": texts["title"],
        "text": texts["text"],
        # Their numbers: written out, the addresses of concepts would be half of what a hit has to read.
        "tagged": [concepts.numbers[iri] for iri in tagged],
    }
    fields["display"] = [orjson.dumps(display)]
    return record.iri, fields


def displayed(found: tantivy.Document, concepts: Concepts) -> dict[str, Any]:
    """What a document keeps for its hit: the record's texts, where it comes from, and what it is tagged with."""
    display: dict[str, Any] = orjson.loads(found.get_first("display") or b"")
    display["slug"] = display["id"].rpartition("/")[2]
    iris = concepts.iris
    display["tagged"] = [iris[number] for number in display["tagged"]]
    return display


def _extend(fields: dict[str, Any], analysed: Sequence[Form], tag: str, times: int) -> None:
    stems = [each.stem for each in analysed if each.telling]
    parts = [PART + part for each in analysed for part in each.parts]
    fields.setdefault(stems_field(tag), []).append(" ".join([*stems * times, *parts]))
    # Each time apart, so that no phrase runs from the end of a title to its beginning.
    fields.setdefault("exact", []).extend([" ".join(each.folded for each in analysed)] * times)


def suggestible(fields: Mapping[str, Any], known: Set[str]) -> set[str]:
    """The words of a document, beyond the known ones, that may be suggested to somebody who mistyped."""
    words = set(" ".join(fields["exact"]).split()) - known
    return {word for word in words if 4 <= len(word) <= 40 and word.isalpha()}


def _texts(record: Record, kind: Kind, role: str) -> dict[str, str]:
    found: dict[str, list[str]] = {}
    for each in kind.fields:
        if each.search == role:
            for tag, text in record.texts(each.path).items():
                found.setdefault(tag, []).append(text)
    return {tag: "\n".join(parts) for tag, parts in found.items()}


def _mentions(record: Record, kind: Kind) -> list[str]:
    """The records that a record refers to."""
    fields = (each for each in kind.fields if each.type is FieldType.RECORD)
    return list(dict.fromkeys(str(value) for each in fields for value in record.values(each.path)))


def _concepts(record: Record, concepts: Concepts) -> list[str]:
    """The concepts by which a record is found, its kind among them; what it is about itself before its parts."""
    nodes = sorted(record.nodes, key=lambda node: (node != record.iri, node))
    values = dict.fromkeys(str(value) for node in nodes for _, value in record.nodes[node])
    return [concepts.vocabulary.kinds[record.kind].iri, *(value for value in values if value in concepts.facets)]


def _facets(
    record: Record, kind: Kind, tagged: Iterable[str], source: Source, concepts: Concepts
) -> dict[str, list[str]]:
    facets: dict[str, list[str]] = {KIND_FACET: [record.kind], NODE_FACET: [source.node]}
    for iri in tagged:
        for name, code in concepts.facets.get(iri, ()):
            facets.setdefault(name, []).append(code)
    for each in kind.fields:
        if each.facet:
            facets.setdefault(each.facet, []).extend(_facet_values(each, record))
    return facets


def _facet_values(each: Field, record: Record) -> Iterable[str]:
    for value in record.values(each.path):
        if isinstance(value, Literal):
            if each.type is FieldType.TEXT:
                yield value.language
            elif each.type in (FieldType.DATE, FieldType.DATETIME):
                yield value.value[:4]
            else:
                yield value.value
