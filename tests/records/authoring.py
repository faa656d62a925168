"""What authors hand in: drafts of every kind, generated from the vocabulary itself.

A kind or a field added to ``vocab/`` is generated from then on; nothing here names one.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from datetime import date
from functools import cache
from typing import Any

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from federation.errors import Fault
from federation.records.canonical import TYPE, XSD, Literal, Term, Triple
from federation.records.draft import Draft, statements
from federation.records.kinds import ANY_SCHEME, Field, FieldType, Kind
from federation.records.record import ISSUED, MODIFIED, PUBLISHER, VERSION, Record, address_of
from federation.records.values import Naming
from federation.records.vocabulary import load_vocabulary

VOCABULARY = load_vocabulary()
LICENCE = "http://publications.europa.eu/resource/authority/licence/CC_BY_4_0"
NAMING = Naming(
    "https://flanders.example",
    "did:web:flanders.example",
    LICENCE,
    {name: f"https://{name}.example" for name in ("denmark", "netherlands")},
)
NOW = "2026-11-22T09:00:00Z"
TAGS = ("en", "nl", "fr", "de", "da", "sv", "nb", "nn", "zh-hant")

_LETTERS = (
    "abc XYZ 012 æøåÆØÅäöüß éèçñ \"'\\/<>{}_:@^.,;%#&|`~-+ €²³–“” "
    "\u0085\u00a0\u2028\u2029\u200d\ufeff 😀🇧🇪 e\u0301a\u030ao\u0308 漢字"
)
"""Scandinavian letters, quotes, backslashes, line separators, emoji, combining accents."""


@cache
def drafts_of(kind: str) -> SearchStrategy[Draft]:
    """Drafts of a kind: what is required always, everything else now and then."""
    return st.builds(Draft, st.just(kind), _slugs(), _values_of(VOCABULARY.kinds[kind])).map(_obedient)


def _obedient(draft: Draft) -> Draft:
    """The draft without what the rules beside the shapes refuse: an end before the start and the like."""
    values = {
        name: [_obedient(each) for each in value] if value and isinstance(value, list) and isinstance(value[0], Draft)
        else value
        for name, value in draft.values.items()
        if name not in ("end", "testEnd")
    }  # fmt: skip
    if draft.kind == "opportunity":
        values["closesOn"] = "2027-01-31"
    if "promised" in values:
        values["promisedKind"] = "procurement-pilot"
    return Draft(draft.kind, draft.slug, values, draft.place)


def complete(draft: Draft, *, version: int = 1) -> list[Triple]:
    """The statements of a draft as the node publishes them. The draft must have no faults."""
    triples, faults = statements(draft, VOCABULARY, NAMING)
    assert faults == [], faults
    return triples + managed(NAMING.record(draft.kind, draft.slug), version=version)


def managed(subject: str, *, version: int = 1) -> list[Triple]:
    """What the node itself adds to a record."""
    return [
        (subject, PUBLISHER, NAMING.did),
        (subject, ISSUED, Literal(NOW, XSD + "dateTime")),
        (subject, MODIFIED, Literal(NOW, XSD + "dateTime")),
        (subject, VERSION, Literal(str(version), XSD + "integer")),
    ]


def faults_of(draft: Draft) -> list[Fault]:
    return statements(draft, VOCABULARY, NAMING)[1]


def record_of(triples: Iterable[Triple]) -> Record:
    """A record from any statements, without the rules of structure that ``assemble`` enforces first."""
    nodes: dict[str, list[Any]] = {}
    for subject, path, value in triples:
        nodes.setdefault(subject, []).append((path, value))
    address = address_of(next(iter(nodes)).partition("#")[0])
    assert address is not None
    classes = {node: str(value) for node, each in nodes.items() for path, value in each if path == TYPE}
    return Record(address, address.kind, 1, NAMING.did, nodes, classes)


def _values_of(kind: Kind) -> SearchStrategy[dict[str, Any]]:
    needed = {each.name for each in kind.fields if each.minimum} | {
        kind.by_path[paths[0]].name for paths in kind.any_of
    }
    written = {each.name: _value(each) for each in kind.fields if not each.managed}
    return st.fixed_dictionaries(
        {name: value for name, value in written.items() if name in needed},
        optional={name: value for name, value in written.items() if name not in needed},
    )


def _value(field: Field) -> SearchStrategy[Any]:
    if field.several:
        some = st.lists(_texts(field).filter(lambda text: "|" not in text), min_size=1, max_size=3, unique=True)
        return st.dictionaries(st.sampled_from(TAGS), some, min_size=1, max_size=3)
    if field.type is FieldType.TEXT:
        return st.dictionaries(st.sampled_from(TAGS), _texts(field), min_size=1, max_size=3)
    if field.type is FieldType.PART:
        part = VOCABULARY.parts[field.part]
        slugs = _slugs().map(lambda slug: f"{part.name}-{slug}")  # a slug is that of one part of the record
        return st.lists(st.builds(Draft, st.just(part.name), slugs, _values_of(part)), max_size=2, unique_by=_slug)
    one = _SINGLE[field.type](field)
    return one if field.single else st.lists(one, min_size=1, max_size=3)


def _slug(draft: Draft) -> str:
    return draft.slug


def _slugs() -> SearchStrategy[str]:
    return st.text("abz019-", min_size=1, max_size=12).map(lambda text: f"a{text}0")


def _texts(field: Field) -> SearchStrategy[str]:
    letters = st.sampled_from(_LETTERS + ("" if field.pattern else "\n\t"))
    turning = "\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
    anything = st.characters(codec="utf-8", exclude_categories=["Cc"], exclude_characters=turning)
    texts = st.text(letters, min_size=1, max_size=24) | st.text(anything, min_size=1, max_size=12)
    return texts.filter(lambda text: unicodedata.normalize("NFC", text).strip() != "")


def _concepts(field: Field) -> SearchStrategy[str]:
    if ANY_SCHEME in field.schemes:
        schemes = VOCABULARY.schemes.values()
        return st.sampled_from([f"{s.name}:{c.code}" for s in schemes for c in s.concepts.values()])
    schemes = [VOCABULARY.schemes[iri] for iri in field.schemes]
    every = [concept for scheme in schemes for concept in scheme.concepts.values()]
    return st.sampled_from([concept.code for concept in every] + [concept.iri for concept in every])


def _addresses(field: Field) -> SearchStrategy[str]:
    listed = VOCABULARY.schemes.get(field.code_list)
    if listed is not None and listed.complete:
        return st.sampled_from(list(listed.concepts))
    if field.pattern is not None and not field.pattern.pattern.startswith("^https?"):
        return st.from_regex(re.compile(field.pattern.pattern, re.ASCII), fullmatch=True).map(str.strip)
    path = st.text("abcxyz0123456789åøéü-._~/&=+", max_size=30)
    return st.builds("{}://{}/{}".format, st.sampled_from(["http", "https"]), st.just("source.example"), path)


def _records(field: Field) -> SearchStrategy[str]:
    kinds_of_it = st.sampled_from(field.refers_to)
    return st.one_of(
        st.builds("{}/{}".format, kinds_of_it, _slugs()),
        st.builds("denmark:{}/{}".format, kinds_of_it, _slugs()),
        st.builds("https://denmark.example/records/{}/{}".format, kinds_of_it, _slugs()),
    )


def _days(field: Field) -> SearchStrategy[str]:
    day = st.dates(date(1000, 1, 1))
    return st.builds(date.strftime, day, st.sampled_from(["%Y-%m-%d", "%d-%m-%Y", "%d.%m.%Y", "%Y-%m", "%Y"]))


_SINGLE = {
    FieldType.STRING: lambda field: _texts(field) if field.pattern.search("any text") else _addresses(field),
    FieldType.INTEGER: lambda field: st.integers(0, 10**15),
    FieldType.DECIMAL: lambda field: st.decimals(-(10**9), 10**9, places=4).map("{:f}".format),
    FieldType.BOOLEAN: lambda field: st.booleans(),
    FieldType.DATETIME: lambda field: st.just(NOW),
    FieldType.DATE: _days,
    FieldType.IRI: _addresses,
    FieldType.CONCEPT: _concepts,
    FieldType.RECORD: _records,
}


def full(kind: Kind, slug: str = "whole") -> list[Triple]:
    """A valid record of a kind with one value in every field, parts included, as statements."""
    subject = NAMING.record(kind.name, slug)
    return [*_all_fields(kind, subject), *managed(subject)] if not kind.managed else _all_fields(kind, subject)


def _all_fields(kind: Kind, subject: str) -> list[Triple]:
    triples: list[Triple] = [(subject, TYPE, kind.iri)]
    for each in kind.fields:
        if each.type is FieldType.PART:
            part = f"{subject}#{each.part}"
            triples += [(subject, each.path, part), *_all_fields(VOCABULARY.parts[each.part], part)]
        elif not each.managed or kind.managed:
            triples.append((subject, each.path, some_value(each)))
    return triples


def some_value(field: Field, number: int = 0) -> Term:
    """A valid value of a field; another one for every number up to three."""
    if field.type is FieldType.TEXT:
        return Literal(f"Tekst {number}", "", TAGS[number])
    if field.type is FieldType.CONCEPT:
        return sorted(VOCABULARY.concepts_of(field.schemes))[number]
    if field.type is FieldType.RECORD:
        return NAMING.record(field.refers_to[0], f"other-{number}")
    if field.type is FieldType.IRI:
        return _SOME_ADDRESS.get(field.code_space or field.name, "https://source.example/{}").format(number + 1)
    made: Term = (_SOME_LITERAL.get(field.name) or _SOME_LITERAL[field.type])(number)
    return made


_KEYS = "z6Mk" + "a" * 43
_SOME_ADDRESS = {
    "publisher": "did:web:flanders{}.example",
    "http://data.europa.eu/nuts/code/": "http://data.europa.eu/nuts/code/DK0{}",
    "http://data.europa.eu/cpv/cpv/": "http://data.europa.eu/cpv/cpv/4521000{}",
}
_SOME_LITERAL: dict[Any, Any] = {
    "recordKey": lambda number: Literal(f"{_KEYS}{number + 1}"),
    "logKey": lambda number: Literal(f"{_KEYS}{number + 4}"),
    "nextKeyHash": lambda number: Literal(str(number) * 64),
    "newKeySignature": lambda number: Literal("z" + str(number + 1) * 60),
    "expectedQuarter": lambda number: Literal(f"2027-Q{number + 1}"),
    FieldType.STRING: lambda number: Literal(f"Tekst {number}"),
    FieldType.INTEGER: lambda number: Literal(str(number + 1), XSD + "integer"),
    FieldType.DECIMAL: lambda number: Literal(f"{number}.5", XSD + "decimal"),
    FieldType.BOOLEAN: lambda number: Literal("true", XSD + "boolean"),
    FieldType.DATETIME: lambda number: Literal(f"2026-11-2{number}T09:00:00Z", XSD + "dateTime"),
    FieldType.DATE: lambda number: Literal(f"202{number}", XSD + "gYear"),
}
