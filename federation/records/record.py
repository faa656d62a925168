"""A record read from its triples: which thing it describes, of which kind, in which version.

The rules here are those of structure, the same for every kind: one subject of the form
``{base}/records/{kind}/{slug}``, parts under its own hash IRIs, one type each, one publisher.
What a kind allows is the business of ``shapes``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from operator import itemgetter
from typing import Final, NamedTuple

from federation.errors import InvalidRecord
from federation.records.canonical import DCT, PC, TYPE, XSD, Literal, Nodes, Remembered, Statement, Term, Triple, read
from federation.records.kinds import Kind, Vocabulary

PUBLISHER: Final = DCT + "publisher"
ISSUED: Final = DCT + "issued"
MODIFIED: Final = DCT + "modified"
VERSION: Final = PC + "version"
TITLE: Final = DCT + "title"

_VERSION: Final = re.compile(r"[0-9]{1,18}")
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
    """One version of a record.

    ``nodes`` maps the record and its parts to their statements, ``classes`` to their one class.
    """

    address: Address
    kind: str
    version: int
    publisher: str
    nodes: Nodes
    classes: Mapping[str, str]

    @property
    def iri(self) -> str:
        return self.address.iri

    def values(self, path: str, node: str = "") -> Iterator[Term]:
        """The values of a property of the record, or of one of its parts."""
        return (value for predicate, value in self.nodes.get(node or self.iri, ()) if predicate == path)

    def texts(self, path: str, node: str = "") -> dict[str, str]:
        """A language-tagged property as one text a language."""
        return {v.language: v.value for v in self.values(path, node) if isinstance(v, Literal)}

    def texts_of(self, path: str, node: str = "") -> dict[str, list[str]]:
        """A language-tagged property of which a language may have several texts, by language."""
        found: dict[str, list[str]] = {}
        for value in self.values(path, node):
            if isinstance(value, Literal):
                found.setdefault(value.language, []).append(value.value)
        return found

    def one(self, path: str, node: str = "") -> Term | None:
        return next(self.values(path, node), None)

    @property
    def titles(self) -> dict[str, str]:
        return self.texts(TITLE)


class _Head(NamedTuple):
    """Where the statements stand that every record has once; -1 where there is none or more than one."""

    type: int
    publisher: int
    version: int


def _head(predicates: tuple[str, ...]) -> _Head:
    places = (predicates.index(path) if predicates.count(path) == 1 else -1 for path in (TYPE, PUBLISHER, VERSION))
    return _Head(*places)


# Few sequences of predicates make up most records.
_heads: Final = Remembered(_head, worth=lambda predicates: len(predicates) < 100)
_predicate: Final = itemgetter(0)


def assemble(nodes: Nodes, vocabulary: Vocabulary) -> tuple[Record, Kind | None]:
    """Read a record from its statements; the kind is None where this node does not know the class.

    Raises InvalidRecord when the structure is not that of a record.
    """
    subjects = [each for each in nodes if "#" not in each]
    if len(subjects) != 1:
        raise InvalidRecord(f"A record describes exactly one thing; this one describes {len(subjects)}.")
    iri = subjects[0]
    address = address_of(iri)
    if address is None:
        raise InvalidRecord(f"<{iri[:200]}> is not of the form base/records/kind/slug.")
    classes = _check_parts(iri, nodes)
    statements = nodes[iri]
    head = _heads[tuple(map(_predicate, statements))]
    classes[iri] = _only(statements, head.type, TYPE, iri)
    kind = vocabulary.by_class.get(classes[iri])
    if kind is not None and kind.name != address.kind and not kind.ending:
        raise InvalidRecord(f"<{iri}> is a {kind.name}, but its address says {address.kind}.")
    version = statements[head.version][1] if head.version >= 0 else ""
    if not isinstance(version, Literal) or not _VERSION.fullmatch(version.value):
        raise InvalidRecord(f"<{iri[:200]}> must have exactly one version, a whole number.")
    publisher = _only(statements, head.publisher, PUBLISHER, iri)
    name = address.kind if kind is None else kind.name
    return Record(address, name, int(version.value), publisher, nodes, classes), kind


def titles_in(body: str, iri: str) -> dict[str, str]:
    """The titles of a record by language, from the lines of its body that say them: the rest need not be read."""
    start = f"<{iri}> <{TITLE}> "
    said = "".join(f"{line}\n" for line in body.split("\n") if line.startswith(start))
    found = (value for _, _, value in read(said)) if said else ()
    return {value.language: value.value for value in found if isinstance(value, Literal)}


def outline(iri: str, body: str, vocabulary: Vocabulary) -> Record:
    """What the lines of a body say of its record, for one that ``assemble`` cannot cope with: no more than its owner,
    class and version. Such a record can be kept but not shown.

    Raises InvalidRecord where one of them is not there, or more than once.
    """
    address, said = address_of(iri), []
    for path in (TYPE, PUBLISHER, VERSION):
        start = f"<{iri}> <{path}> "
        said.append([line[len(start) : -2] for line in body.split("\n") if line.startswith(start)])
    version = _VERSION.search(said[2][0]) if said[2] else None
    if address is None or version is None or any(len(values) != 1 for values in said):
        raise InvalidRecord(f"<{iri[:200]}> must have one class, one publisher and one version.")
    name, publisher = said[0][0][1:-1], said[1][0][1:-1]
    kind = vocabulary.by_class.get(name)
    return Record(address, address.kind if kind is None else kind.name, int(version[0]), publisher, {}, {iri: name})


def _check_parts(iri: str, nodes: Nodes) -> dict[str, str]:
    """The class of every part; each is linked from the record, and all that are linked are there."""
    start, classes = iri + "#", dict[str, str]()
    linked = {value for _, value in nodes[iri] if value.__class__ is str and value.startswith(start)}
    for part, statements in nodes.items():
        if part == iri:
            continue
        owner, _, fragment = part.partition("#")
        if owner != iri or not SLUG.fullmatch(fragment):
            raise InvalidRecord(f"<{part[:200]}> is not a part of <{iri}>.")
        if part not in linked:
            raise InvalidRecord(f"Nothing in the record links to its part #{fragment}.")
        classes[part] = _only(statements, _heads[tuple(map(_predicate, statements))].type, TYPE, part)
    for value in linked:
        if value not in nodes:
            raise InvalidRecord(f"The record links to a part that is not there: {value[len(iri) :][:100]}.")
    return classes


def _only(statements: Sequence[Statement], place: int, path: str, subject: str) -> str:
    value = statements[place][1] if place >= 0 else None
    if not isinstance(value, str):
        raise InvalidRecord(f"<{subject[:200]}> must have exactly one <{path}>, an IRI.")
    return value


def managed(subject: str, did: str, version: int, issued: str, now: str) -> list[Triple]:
    """What a node itself says of every version of a record."""
    return [
        (subject, PUBLISHER, did),
        (subject, ISSUED, Literal(issued, XSD + "dateTime")),
        (subject, MODIFIED, Literal(now, XSD + "dateTime")),
        (subject, VERSION, Literal(str(version), XSD + "integer")),
    ]


def first_issued(body: str, subject: str) -> str:
    """When the first version of a record was published, as a later one repeats it."""
    found = (value for node, path, value in read(body) if node == subject and path == ISSUED)
    value = next(found, None)
    return value.value if isinstance(value, Literal) else ""
