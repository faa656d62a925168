"""What is indexed of a record: its words, their stems and parts, its concepts, its facets, and what a hit shows."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache, lru_cache
from hashlib import blake2b
from operator import attrgetter
from typing import Any, Final, NamedTuple

import orjson
import tantivy

from federation.index.concepts import Concepts
from federation.index.languages import ANALYSED, UNKNOWN, analysed_as, composed, fold, folded_words
from federation.records import derived
from federation.records.canonical import Literal, Term, nodes_of
from federation.records.kinds import Field, FieldType, Kind, Vocabulary
from federation.records.record import Record, assemble

TAGS: Final = (*ANALYSED, UNKNOWN)
TITLE_TIMES: Final = 3
"""How often a word of the title counts, against the same word in the text."""
OPEN_QUESTION: Final = "open-question"
"""The mark of a question that nobody has answered."""
ROLES: Final = ("title", "text")
SEPARATOR: Final = "\x1f"
"""Between the values of a facet."""
KIND_FACET, NODE_FACET = "kind", "node"
_TOGETHER: Final = 50
"""Entries that take each step together: what a step needs stays in the processor's caches meanwhile."""
_FOLDED, _TOLD, _INSIDE = map(attrgetter, ("folded", "told", "inside"))


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


@cache
def facet_field(name: str) -> str:
    return "facet_" + name.replace("-", "_")


@cache
def facet_set_field(name: str) -> str:
    """The field of all values of a facet together, which are counted as one."""
    return "facets_" + name.replace("-", "_")


def stems_field(tag: str) -> str:
    """The field of the stems of one language; those of parts of compounds have ``~`` before them."""
    return f"stems_{tag}"


def title_key(title: str) -> str:
    """What stands for a title: a digest of its folded words, which is shorter; empty for one without words."""
    words = folded_words(title)
    return _key(words) if words else ""


def _key(words: str) -> str:
    return b64encode(blake2b(words.encode(), digest_size=6).digest()).decode()


@dataclass(frozen=True, slots=True)
class Batch:
    """Documents on their way to the index, often from another process: few large values instead of many small ones."""

    documents: tuple[tuple[str, str | None], ...]
    """Keys, each with its fields as JSON, or None where the document goes."""
    words: str
    """The words in them that may be suggested to somebody who mistyped."""


def batch(sources: Sequence[Source], concepts: Concepts) -> Batch:
    """The documents of some entries as the index takes them; what is not searched is left out."""
    made: list[tuple[str, str | None]] = []
    words = set[str]()
    for at in range(0, len(sources), _TOGETHER):
        read = [each for source in sources[at : at + _TOGETHER] if (each := _read(source, concepts.vocabulary))]
        said = [_words(each.texts, concepts) for each in read]
        for each, its in zip(read, said, strict=True):
            words.update(*map(str.split, its.exact))
            ends = each.kind.ending
            made.append((each.record.iri, None if ends else orjson.dumps(_fields(each, its, concepts)).decode()))
    return Batch(
        tuple(made),
        " ".join(word for word in words if 4 <= len(word) <= 40 and word.isalpha()),
    )


class _Read(NamedTuple):
    """An entry as it is read: what is said of its record itself, and the texts of that by role and language."""

    source: Source
    record: Record
    kind: Kind
    said: Mapping[str, Sequence[Term]]
    texts: Mapping[str, Mapping[str, str]]


class _Words(NamedTuple):
    """The words of a record as they are indexed."""

    stems: Mapping[str, Sequence[str]]
    """By field: of each text its stems and parts."""
    exact: Sequence[str]
    titles: Sequence[str]
    named: Mapping[str, None]
    """The concepts that they name."""


def _read(source: Source, vocabulary: Vocabulary) -> _Read | None:
    """None for what is not searched; an ending takes a document away, whatever it says."""
    record, kind = assemble(nodes_of(source.body), vocabulary)
    if kind is None or ((kind.managed or kind.lexical) and not kind.ending):
        return None
    said: dict[str, list[Term]] = {}
    for path, value in () if kind.ending else record.nodes[record.iri]:
        said.setdefault(path, []).append(value)
    return _Read(source, record, kind, said, {role: _texts(said, kind.read_as.get(role, ())) for role in ROLES})


def _fields(read: _Read, words: _Words, concepts: Concepts) -> dict[str, Any]:
    """The fields of one record's document."""
    source, record, kind, said, texts = read
    vocabulary = concepts.vocabulary
    published = datetime.fromisoformat(source.published)
    mentions = list(dict.fromkeys(str(value) for path in kind.references for value in said.get(path, ())))
    # Whoever looks for an organisation or an initiative looks for what it does: their slugs are their names.
    names = " ".join(fold(iri.rpartition("/")[2]).replace("-", " ") for iri in mentions)
    tagged = _concepts(record, kind, concepts)
    terms, broader = concepts.terms, concepts.broader_terms
    up = set().union(*(broader[iri] for iri in (*tagged, *words.named) if iri in broader))
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
    fields: dict[str, Any] = {
        "key": [record.iri],
        "published": [int(published.timestamp())],
        "mentions": mentions,
        **words.stems,
        "exact": [*words.exact, names, " ".join(_codes(record, vocabulary))],
        "titles": words.titles,
        "tagged": [" ".join([terms[iri] for iri in tagged])],
        "named": [" ".join([terms[iri] for iri in words.named])],
        "broader": [" ".join(up)],
        "display": [b64encode(orjson.dumps(display)).decode()],
    }
    last = derived.open_until(record)
    if last is not None:
        fields["open_until"] = [last.toordinal()]
    if derived.is_open_question(record):
        fields["marks"] = [OPEN_QUESTION]
    _put_facets(fields, _facets(said, kind, tagged, source, concepts), vocabulary)
    return fields


def displayed(found: tantivy.Document, concepts: Concepts) -> dict[str, Any]:
    """What a document keeps for its hit: the record's texts, where it comes from, and what it is tagged with."""
    display: dict[str, Any] = orjson.loads(found.get_first("display") or b"")
    display["slug"] = display["id"].rpartition("/")[2]
    iris = concepts.iris
    display["tagged"] = [iris[number] for number in display["tagged"]]
    return display


def named_in(display: Mapping[str, Any], concepts: Concepts) -> list[str]:
    """The concepts that the texts of a record name, as it is displayed."""
    texts = [(tag, text) for role in ROLES for tag, text in display[role].items()]
    spotting = concepts.spotting
    found = (spotting.named(spotting.read(text, tag), tag) for tag, text in texts)
    return list(dict.fromkeys(iri for named in found for iri in named))


def _words(texts: Mapping[str, Mapping[str, str]], concepts: Concepts) -> _Words:
    """The words of titles and texts, by language and as they are written; the concepts that they name."""
    stems: dict[str, list[str]] = {}
    exact, titles, named = list[str](), list[str](), dict[str, None]()
    for role, by_language in texts.items():
        times = TITLE_TIMES if role == "title" else 1
        for language, text in by_language.items():
            forms = concepts.spotting.read(text, language)
            told, parts = " ".join(map(_TOLD, forms)), " ".join(filter(None, map(_INSIDE, forms)))
            stems.setdefault(stems_field(analysed_as(language)), []).append(" ".join([*[told] * times, parts]))
            folded = " ".join(map(_FOLDED, forms))
            # Each time apart, so that no phrase runs from the end of a title to its beginning.
            exact += [folded] * times
            if role == "title" and folded:
                titles.append(_key(folded))
            named |= concepts.spotting.named(forms, language)
    return _Words(stems, exact, titles, named)


def _texts(said: Mapping[str, Sequence[Term]], paths: Iterable[str]) -> dict[str, str]:
    found: dict[str, list[str]] = {}
    for path in paths:
        for value in said.get(path, ()):
            if isinstance(value, Literal):
                found.setdefault(value.language, []).append(composed(value.value))
    return {tag: "\n".join(parts) for tag, parts in found.items()}


def _concepts(record: Record, kind: Kind, concepts: Concepts) -> list[str]:
    """The concepts by which a record is found, its kind among them; what it is about itself before its parts."""
    nodes = sorted(record.nodes, key=lambda node: (node != record.iri, node))
    known = concepts.facets
    values = [value for node in nodes for _, value in record.nodes[node] if value.__class__ is str and value in known]
    return [kind.iri, *dict.fromkeys(values)]


def _codes(record: Record, vocabulary: Vocabulary) -> dict[str, None]:
    """The codes by which a record is classed, as somebody types them: R3, 45210000, DK032. Others are words."""
    coded = vocabulary.coded
    said = {str(value) for some in record.nodes.values() for path, value in some if path in coded}
    codes = (_code(each) for each in sorted(said))
    return dict.fromkeys(filter(None, codes))


@lru_cache(1 << 14)
def _code(value: str) -> str:
    """The code at the end of an address, folded; empty for one without digits."""
    code = fold(value.rpartition("/")[2])
    return code if code.isalnum() and any(map(str.isdigit, code)) else ""


def _put_facets(fields: dict[str, Any], facets: Mapping[str, Iterable[str]], vocabulary: Vocabulary) -> None:
    for name in facet_names(vocabulary):
        values = sorted({value for value in facets[name] if SEPARATOR not in value}) if name in facets else []
        fields[facet_set_field(name)] = [SEPARATOR.join(values)]
        if values:
            fields[facet_field(name)] = values


def _facets(
    said: Mapping[str, Sequence[Term]], kind: Kind, tagged: Iterable[str], source: Source, concepts: Concepts
) -> dict[str, list[str]]:
    facets: dict[str, list[str]] = {KIND_FACET: [kind.name], NODE_FACET: [source.node]}
    for iri in tagged:
        for name, code in concepts.facets.get(iri, ()):
            facets.setdefault(name, []).append(code)
    for each in kind.faceted:
        facets.setdefault(each.facet, []).extend(_facet_values(each, said.get(each.path, ())))
    return facets


def _facet_values(each: Field, values: Iterable[Term]) -> Iterator[str]:
    for value in values:
        if isinstance(value, Literal):
            if each.type is FieldType.TEXT:
                yield value.language
            elif each.type in (FieldType.DATE, FieldType.DATETIME):
                yield value.value[:4]
            else:
                yield value.value
