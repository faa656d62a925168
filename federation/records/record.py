"""A record read from its triples: which thing it describes, of which kind, in which version.

The rules here are those of structure, the same for every kind: one subject of the form
``{base}/records/{kind}/{slug}``, parts under its own hash IRIs, one type each, one publisher.
What a kind allows is the business of ``shapes``.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from federation.errors import InvalidRecord
from federation.records.canonical import DCT, PC, TYPE, Literal, Term, Triple
from federation.records.kinds import Kind, Vocabulary

PUBLISHER: Final = DCT + "publisher"
ISSUED: Final = DCT + "issued"
MODIFIED: Final = DCT + "modified"
VERSION: Final = PC + "version"
TITLE: Final = DCT + "title"

SLUG: Final = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,98}[a-z0-9])?")
"""Lower-case letters, digits and inner hyphens, 100 at most."""


@dataclass(frozen=True, slots=True)
class Address:
    """The parts of a record's IRI."""

    base: str
    kind: str
    slug: str

    @property
    def iri(self) -> str:
        return f"{self.base}/records/{self.kind}/{self.slug}"


def address_of(iri: str) -> Address | None:
    """The parts of ``{base}/records/{kind}/{slug}``, or None for any other IRI."""
    base, separator, rest = iri.partition("/records/")
    kind, slash, slug = rest.partition("/")
    if not (separator and slash and SLUG.fullmatch(slug) and SLUG.fullmatch(kind)):
        return None
    return Address(base, kind, slug)


@dataclass(frozen=True, slots=True)
class Record:
    """One version of a record. ``nodes`` maps the record and its parts to their statements."""

    address: Address
    kind: str
    version: int
    publisher: str
    nodes: Mapping[str, Sequence[tuple[str, Term]]]

    @property
    def iri(self) -> str:
        return self.address.iri

    def values(self, path: str, node: str = "") -> Iterator[Term]:
        """The values of a property of the record, or of one of its parts."""
        return (value for predicate, value in self.nodes.get(node or self.iri, ()) if predicate == path)

    def texts(self, path: str, node: str = "") -> dict[str, str]:
        """A language-tagged property as one text a language."""
        return {v.language: v.value for v in self.values(path, node) if isinstance(v, Literal)}

    def one(self, path: str, node: str = "") -> Term | None:
        return next(self.values(path, node), None)

    @property
    def titles(self) -> dict[str, str]:
        return self.texts(TITLE)


def assemble(triples: Iterable[Triple], vocabulary: Vocabulary) -> tuple[Record, Kind | None]:
    """Read a record from its triples; the kind is None where this node does not know the class.

    Raises InvalidRecord when the structure is not that of a record.
    """
    nodes: dict[str, list[tuple[str, Term]]] = {}
    last, statements = "", list[tuple[str, Term]]()
    for subject, predicate, value in triples:
        if subject != last:
            last, statements = subject, nodes.setdefault(subject, [])
        statements.append((predicate, value))
    subjects = [each for each in nodes if "#" not in each]
    if len(subjects) != 1:
        raise InvalidRecord(f"A record describes exactly one thing; this one describes {len(subjects)}.")
    iri = subjects[0]
    address = address_of(iri)
    if address is None:
        raise InvalidRecord(f"<{iri[:200]}> is not of the form base/records/kind/slug.")
    _check_parts(iri, nodes)
    kind = vocabulary.by_class.get(_only(nodes[iri], TYPE, iri))
    if kind is not None and kind.name != address.kind:
        raise InvalidRecord(f"<{iri}> is a {kind.name}, but its address says {address.kind}.")
    return (
        Record(
            address=address,
            kind=address.kind,
            version=_version(nodes[iri], iri),
            publisher=_only(nodes[iri], PUBLISHER, iri),
            nodes=nodes,
        ),
        kind,
    )


def _check_parts(iri: str, nodes: Mapping[str, Sequence[tuple[str, Term]]]) -> None:
    start = iri + "#"
    linked = {value for _, value in nodes[iri] if value.__class__ is str and value.startswith(start)}
    if not linked and len(nodes) == 1:
        return
    for part in nodes:
        if part == iri:
            continue
        owner, _, fragment = part.partition("#")
        if owner != iri or not SLUG.fullmatch(fragment):
            raise InvalidRecord(f"<{part[:200]}> is not a part of <{iri}>.")
        if part not in linked:
            raise InvalidRecord(f"Nothing in the record links to its part #{fragment}.")
        _only(nodes[part], TYPE, part)
    for value in linked:
        if value not in nodes:
            raise InvalidRecord(f"The record links to a part that is not there: {value[len(iri) :][:100]}.")


def _only(statements: Sequence[tuple[str, Term]], path: str, subject: str) -> str:
    values = [value for predicate, value in statements if predicate == path]
    if len(values) != 1 or not isinstance(values[0], str):
        raise InvalidRecord(f"<{subject[:200]}> must have exactly one <{path}>, an IRI.")
    return values[0]


def _version(statements: Sequence[tuple[str, Term]], subject: str) -> int:
    values = [value for predicate, value in statements if predicate == VERSION]
    if len(values) != 1 or not isinstance(values[0], Literal) or not values[0].value.isdecimal():
        raise InvalidRecord(f"<{subject[:200]}> must have exactly one version, a whole number.")
    return int(values[0].value)
