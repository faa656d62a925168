"""Kinds of records, their fields and the code lists: what ``records.vocabulary`` reads from ``vocab/``.

The files of ``vocab/`` are the only place that lists them: a kind is a ``sh:NodeShape`` with
``sh:targetClass`` and ``sh:codeIdentifier``, a field one of its property shapes with
``sh:codeIdentifier`` (its JSON-LD term and column name). Everything else — validation, tables, views,
facets, search fields — is derived from what stands here.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import Enum
from functools import cached_property
from pathlib import Path
from typing import Final
from typing import Literal as OneOf

from federation.records.canonical import PC

ANY_SCHEME: Final = PC + "AnyScheme"
LANGUAGES: Final = ("en", "nl", "fr", "de", "da", "sv", "nb")
"""The languages of every text this project shows, in the order of preference for a missing one."""

Severity = OneOf["violation", "warning"]
Texts = Mapping[str, str]
"""One text in several languages, by language tag."""


def in_language(texts: Texts, language: str) -> tuple[str, str]:
    """The text in a language, or in the next best one, with the language it is really in.

    Norwegian nynorsk and bokmål stand in for each other; then English, then the first by tag.
    """
    near = {"nn": "nb", "nb": "nn", "no": "nb"}.get(language, language)
    for tag in (language, near, "en", *LANGUAGES):
        if tag in texts:
            return tag, texts[tag]
    if not texts:
        return "", ""
    tag = min(texts)
    return tag, texts[tag]


class FieldType(Enum):
    """What a field holds; decides how it is written in tables, JSON-LD and on pages."""

    TEXT = "text in several languages"
    STRING = "plain text"
    INTEGER = "whole number"
    DECIMAL = "number"
    BOOLEAN = "yes or no"
    DATETIME = "time"
    DATE = "day, month or year"
    IRI = "web address"
    CONCEPT = "concept"
    RECORD = "record"
    PART = "part"


@dataclass(frozen=True, slots=True)
class Concept:
    """A SKOS concept: ``code`` is its notation, ``labels`` its preferred labels."""

    iri: str
    scheme: str
    code: str
    labels: Texts
    alternatives: Mapping[str, tuple[str, ...]]
    definition: Texts
    broader: tuple[str, ...]
    """The concepts above it: skos:broader in its own scheme, skos:broadMatch in another."""
    order: int
    matches: tuple[str, ...] = ()
    """Concepts of other schemes that mean the same, or nearly: skos:exactMatch before skos:closeMatch."""
    versions: tuple[str, ...] = ()
    """Versions of its scheme that it is in, where there are several, such as 2021 and 2024 of NUTS."""
    community: bool = False
    """Whether what is of this kind is a community, with a scope or without."""


@dataclass(frozen=True, slots=True)
class Collection:
    """A SKOS collection: concepts of a code list that are shown under one name, with which no record is tagged."""

    iri: str
    scheme: str
    code: str
    labels: Texts
    members: tuple[str, ...]
    order: int


@dataclass(frozen=True)
class Scheme:
    """A SKOS concept scheme; ``facet`` names the facet its concepts make, if any."""

    iri: str
    labels: Texts
    facet: str
    order: int
    concepts: Mapping[str, Concept]
    topic: bool = False
    """Whether its concepts say what a record is about."""
    unspotted: bool = False
    """Whether its labels are too general to be looked for in texts."""
    complete: bool = False
    """Whether codes that it does not hold do not exist; otherwise it only names some."""
    definition: Texts = field(default_factory=dict)
    collections: tuple[Collection, ...] = ()

    @property
    def name(self) -> str:
        return self.iri.rsplit("/", 1)[-1]

    @cached_property
    def _lookup(self) -> Mapping[str, Concept]:
        # Codes win over labels, preferred labels over alternative ones, earlier concepts over later.
        found: dict[str, Concept] = {}
        every = self.concepts.values()
        for concept in every:
            found.setdefault(_folded(concept.code), concept)
            found.setdefault(_folded(concept.iri.rsplit("/", 1)[-1]), concept)
        for concept in every:
            for label in concept.labels.values():
                found.setdefault(_folded(label), concept)
        for concept in every:
            for labels in concept.alternatives.values():
                for label in labels:
                    found.setdefault(_folded(label), concept)
        return found

    def find(self, text: str) -> Concept | None:
        """The concept with this IRI, code or label in any language; case and spacing do not matter."""
        return self.concepts.get(text) or self._lookup.get(_folded(text))

    def names(self) -> Iterator[str]:
        """Every code and label that ``find`` knows, for suggestions."""
        for concept in self.concepts.values():
            yield concept.code
            yield from concept.labels.values()


def _folded(text: str) -> str:
    return " ".join(unicodedata.normalize("NFC", text).casefold().split())


@dataclass(frozen=True, slots=True)
class Field:
    """One field of a kind. ``minimum`` and ``maximum`` count values; ``maximum`` None is unbounded."""

    name: str
    path: str
    type: FieldType
    minimum: int
    maximum: int | None
    labels: Texts
    help: Texts
    order: float
    group: str
    schemes: tuple[str, ...] = ()
    code_space: str = ""
    code_list: str = ""
    """The concept scheme that names the codes of ``code_space``."""
    refers_to: tuple[str, ...] = ()
    """Names of the kinds a RECORD field may refer to."""
    part: str = ""
    pattern: re.Pattern[str] | None = field(default=None, compare=False)
    max_length: int | None = None
    min_inclusive: int | None = None
    facet: str = ""
    search: str = ""
    managed: bool = False
    advised: bool = False
    """Whether leaving it out is worth a warning."""
    several: bool = False
    """Whether one language may have several texts, such as names that mean the same."""

    @property
    def single(self) -> bool:
        return self.maximum == 1


@dataclass(frozen=True)
class Kind:
    """A kind of record, or a kind of part that records embed."""

    name: str
    iri: str
    shape: str
    fields: tuple[Field, ...]
    any_of: tuple[tuple[str, ...], ...]
    """Groups of property IRIs of which at least one must be there."""
    labels: Texts
    help: Texts
    order: float
    managed: bool
    ending: bool = False
    """Whether its records stand at the address of one of any kind and end it."""
    restricted: tuple[Field, ...] = ()
    """Texts that only people of the home node may see: never part of a record."""
    scope: tuple[str, ...] = ()
    """Names of the fields that say what a community is about; only where its records can be communities."""
    lexical: bool = False
    """Whether its records are words by which others are found, and never hits themselves."""
    proper: bool = False
    """Whether its records bear proper names, by which what refers to them is found too."""

    @cached_property
    def by_path(self) -> Mapping[str, Field]:
        return {each.path: each for each in self.fields}

    @cached_property
    def by_name(self) -> Mapping[str, Field]:
        return {each.name: each for each in self.fields}

    @cached_property
    def read_as(self) -> Mapping[str, tuple[str, ...]]:
        """The properties that search reads, by how it does: as title, as text …"""
        roles = dict.fromkeys(each.search for each in self.fields if each.search)
        return {role: tuple(each.path for each in self.fields if each.search == role) for role in roles}

    @cached_property
    def references(self) -> tuple[str, ...]:
        """The properties whose values are records."""
        return tuple(each.path for each in self.fields if each.type is FieldType.RECORD)

    @cached_property
    def faceted(self) -> tuple[Field, ...]:
        """The fields whose values make a facet."""
        return tuple(each for each in self.fields if each.facet)


@dataclass(frozen=True, slots=True)
class Rule:
    """A condition that a shape cannot say; ``rules`` holds the function of the same name.

    ``target`` is the class it is about, empty for every one; ``severity`` as of a shape; ``messages``
    say in every language what is wrong and what to do.
    """

    name: str
    target: str
    severity: Severity
    messages: Texts


@dataclass(frozen=True, repr=False)  # written out it is a book, and whatever holds one would print it
class Vocabulary:
    """Everything ``vocab/`` says: kinds, parts, groups, code lists and rules."""

    folder: Path
    kinds: Mapping[str, Kind]
    parts: Mapping[str, Kind]
    schemes: Mapping[str, Scheme]
    groups: Mapping[str, tuple[float, Texts]]
    rules: Mapping[str, Rule] = field(default_factory=dict)

    @cached_property
    def by_class(self) -> Mapping[str, Kind]:
        return {kind.iri: kind for kind in (*self.kinds.values(), *self.parts.values())}

    @cached_property
    def concepts(self) -> Mapping[str, Concept]:
        return {iri: concept for scheme in self.schemes.values() for iri, concept in scheme.concepts.items()}

    @cached_property
    def authored(self) -> tuple[Kind, ...]:
        """The kinds that people write, in the order of the vocabulary."""
        return tuple(sorted((k for k in self.kinds.values() if not k.managed), key=lambda k: (k.order, k.name)))

    @cached_property
    def searched(self) -> tuple[Kind, ...]:
        """The kinds whose records are found by search, in the order of the vocabulary."""
        return tuple(kind for kind in self.authored if not kind.lexical)

    @cached_property
    def facets(self) -> tuple[str, ...]:
        """The facets of code lists and fields, in the order in which pages show them."""
        schemes = sorted((s.order, s.facet) for s in self.schemes.values() if s.facet)
        fields = sorted({each.facet for each in self.every_field() if each.facet})
        return tuple(dict.fromkeys([*(name for _, name in schemes), *fields]))

    @cached_property
    def fields(self) -> Mapping[str, Field]:
        """Every field of every kind and part by name; equal names mean equal properties."""
        return {each.name: each for each in self.every_field()}

    @cached_property
    def by_property(self) -> Mapping[str, Field]:
        """A field of every property by its IRI: the first one where several kinds have it."""
        return {each.path: each for each in reversed(list(self.every_field()))}

    @cached_property
    def coded(self) -> frozenset[str]:
        """The properties whose values are codes: of a code list, or of a space of codes."""
        return frozenset(each.path for each in self.every_field() if each.type is FieldType.CONCEPT or each.code_space)

    def every_field(self) -> Iterator[Field]:
        """Every field of every kind and part; shared ones once for each."""
        for kind in (*self.kinds.values(), *self.parts.values()):
            yield from kind.fields

    def concepts_of(self, schemes: Iterable[str]) -> frozenset[str]:
        """The concepts of some schemes, as IRIs; of every scheme where they hold pc:AnyScheme."""
        names = set(schemes)
        every = self.schemes.values() if ANY_SCHEME in names else (self.schemes[name] for name in names)
        return frozenset(iri for scheme in every for iri in scheme.concepts)

    def scheme_named(self, name: str) -> Scheme | None:
        """The code list with this last part of its IRI, such as ``sector``."""
        return next((s for s in self.schemes.values() if s.name == name), None)

    def code_named(self, iri: str, each: Field) -> Concept | None:
        """The concept of a code, or of the nearest group above it that has a name: 39130000 for 39135100."""
        listed = self.schemes.get(each.code_list)
        if listed is None:
            return None
        code = iri.removeprefix(each.code_space)
        wider = (code[:at].ljust(len(code), "0") for at in range(len(code), 1, -1))
        return next((c for c in (listed.concepts.get(each.code_space + one) for one in wider) if c is not None), None)

    def label(self, iri: str, language: str) -> str:
        """A concept's label in a language or the next best one; the last part of the IRI if unknown."""
        concept = self.concepts.get(iri)
        return in_language(concept.labels, language)[1] if concept else iri.rsplit("/", 1)[-1]
