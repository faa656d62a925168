"""Records as tables: what ``tables`` reads back without a difference.

A table has the columns that its records fill, or those of a template: every one of its kind. Codes and
slugs stand as people write them; what the node manages and what only its own people may see stays out.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from federation.records.canonical import Literal, Term
from federation.records.kinds import ANY_SCHEME, LANGUAGES, Field, FieldType, Kind, Vocabulary, in_language
from federation.records.lexical import SEVERAL
from federation.records.record import Record, address_of
from federation.records.values import Naming


@dataclass(frozen=True, slots=True)
class Column:
    """A column: ``slug``, ``of``, or a field, of a text in one language."""

    name: str
    field: Field | None = None
    language: str = ""

    def header(self, labels: str = "") -> str:
        """``title@nl``, or in the language ``labels``: ``Titel (nl)``."""
        if self.field is None or not labels:
            return f"{self.name}@{self.language}" if self.language else self.name
        label = in_language(self.field.labels, labels)[1]
        return f"{label} ({self.language})" if self.language else label


@dataclass(frozen=True, slots=True)
class Table:
    """The records of a kind, or the parts in one of its fields."""

    kind: Kind
    part: Field | None
    columns: Sequence[Column]
    rows: Sequence[Sequence[str]]

    @property
    def name(self) -> str:
        """As a file is called: ``pilot``, ``pilot.observation``."""
        return self.kind.name if self.part is None else f"{self.kind.name}.{self.part.name}"

    def lines(self, labels: str = "") -> Iterator[Sequence[str]]:
        """The header and the rows."""
        yield [column.header(labels) for column in self.columns]
        yield from self.rows


def template(kind: Kind, vocabulary: Vocabulary, languages: Sequence[str]) -> list[Table]:
    """Empty tables of a kind and its parts, texts in some languages."""
    restricted = [Column(each.name, each, tag) for each in kind.restricted for tag in languages]
    tables = [Table(kind, None, [Column("slug"), *_every(kind, languages), *restricted], [])]
    for each in kind.fields:
        if each.type is FieldType.PART:
            columns = [Column("of"), Column("slug"), *_every(vocabulary.parts[each.part], languages)]
            tables.append(Table(kind, each, columns, []))
    return tables


def tables_of(kind: Kind, records: Sequence[Record], vocabulary: Vocabulary, naming: Naming) -> list[Table]:
    """The records of a kind as tables: one of them, and one for every kind of part they have."""
    nodes = {record.address.slug: (record, "") for record in records}
    tables = [_filled(kind, None, kind, nodes, vocabulary, naming)]
    for each in kind.fields:
        if each.type is FieldType.PART:
            parts = {
                f"{record.address.slug}#{node.partition('#')[2]}": (record, str(node))
                for record in records
                for node in sorted(map(str, record.values(each.path)))
            }
            if parts:
                tables.append(_filled(kind, each, vocabulary.parts[each.part], parts, vocabulary, naming))
    return tables


def _every(kind: Kind, languages: Sequence[str]) -> Iterator[Column]:
    for each in kind.fields:
        if not each.managed and each.type is not FieldType.PART:
            tags = languages if each.type is FieldType.TEXT else [""]
            yield from (Column(each.name, each, tag) for tag in tags)


def _filled(
    kind: Kind,
    part: Field | None,
    shape: Kind,
    nodes: Mapping[str, tuple[Record, str]],
    vocabulary: Vocabulary,
    naming: Naming,
) -> Table:
    cells = [_cells(record, node, shape, vocabulary, naming) for record, node in nodes.values()]
    used = {key for row in cells for key in row}
    tags = sorted({tag for _, tag in used if tag}, key=lambda tag: (tag not in LANGUAGES, (*LANGUAGES, tag).index(tag)))
    fields = [column for column in _every(shape, tags) if (column.name, column.language) in used]
    keys = [key.split("#") if part is not None else [key] for key in nodes]
    rows = [[*key, *(row.get((c.name, c.language), "") for c in fields)] for key, row in zip(keys, cells, strict=True)]
    return Table(kind, part, [*([Column("of")] if part is not None else []), Column("slug"), *fields], rows)


def _cells(
    record: Record, node: str, shape: Kind, vocabulary: Vocabulary, naming: Naming
) -> dict[tuple[str, str], str]:
    """The filled cells of a record or part, by name of the field and language."""
    cells: dict[tuple[str, str], str] = {}
    for each in shape.fields:
        if each.managed or each.type is FieldType.PART:
            continue
        if each.several:
            found = record.texts_of(each.path, node)
            cells |= {(each.name, tag): SEVERAL.join(texts) for tag, texts in found.items()}
            continue
        if each.type is FieldType.TEXT:
            cells |= {(each.name, tag): text for tag, text in record.texts(each.path, node).items()}
            continue
        values = [_shown(value, each, vocabulary, naming) for value in record.values(each.path, node)]
        if values:
            cells[each.name, ""] = _joined(values, each)
    return cells


def _joined(values: Iterable[str], each: Field) -> str:
    found = sorted(values)
    apart = "\n" if each.type is FieldType.STRING or any(";" in value for value in found) else "; "
    return apart.join(found)


def _shown(value: Term, each: Field, vocabulary: Vocabulary, naming: Naming) -> str:
    """A value as people write it, and as ``values.term_of`` reads it."""
    if isinstance(value, Literal):
        return value.value
    if each.type is FieldType.CONCEPT:
        concept = vocabulary.concepts.get(value)
        if concept is None:
            return value
        scheme = vocabulary.schemes[concept.scheme]
        return f"{scheme.name}:{concept.code}" if ANY_SCHEME in each.schemes else concept.code
    if each.type is FieldType.RECORD:
        return _reference(value, each, naming)
    return value.removeprefix(each.code_space) if each.code_space else value


def _reference(iri: str, each: Field, naming: Naming) -> str:
    address = address_of(iri)
    if address is None or address.kind not in each.refers_to:
        return iri
    name = address.slug if len(each.refers_to) == 1 else f"{address.kind}/{address.slug}"
    if address.base == naming.base:
        return name
    peer = next((peer for peer, base in naming.peers.items() if base == address.base), None)
    return f"{peer}:{name}" if peer else iri
