"""Spreadsheets: CSV files in which a row is a record and a column a field.

A file is named after its kind (``pilot.csv``), or after kind and part (``pilot.observation.csv``),
whose rows name their record in the column ``of``. A header is a field's name, its label in any of the
seven languages, or either with a language (``title@nl``, ``Titel (nl)``). Several values stand in one
cell separated by semicolons. Reading finds every fault of every row before anything is decided.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Final

from federation.errors import Fault
from federation.records.draft import Draft, Place
from federation.records.kinds import Field, FieldType, Kind, Vocabulary
from federation.records.values import nearest

MAX_CELL: Final = 200_000
"""Characters of one cell; the csv module's own limit is lower and would end in its exception."""
_SPECIAL: Final = ("slug", "of")


@dataclass(frozen=True, slots=True)
class Table:
    """One file to import: its name (which says the kind) and its bytes."""

    name: str
    data: bytes


@dataclass(frozen=True, slots=True)
class _Column:
    header: str
    field: Field | None
    special: str = ""
    language: str = ""


def drafts_of(tables: Sequence[Table], vocabulary: Vocabulary) -> tuple[list[Draft], list[Fault]]:
    """Every draft in some tables, parts already in their records, and every fault found on the way."""
    faults: list[Fault] = []
    records: dict[tuple[str, str], Draft] = {}
    parts: list[tuple[str, str, str, Draft]] = []
    for table in tables:
        kind, part = _kind_of(table.name, vocabulary)
        if kind is None:
            known = ", ".join(each.name for each in vocabulary.authored)
            faults.append(
                Fault(
                    "The file name does not say which kind of record it holds.",
                    f"Name it after a kind ({known}), such as pilot.csv, or choose one with --kind.",
                    file=table.name,
                )
            )
            continue
        shape = vocabulary.parts[part.part] if part is not None else kind
        for row in _rows(table, shape, faults, of=part is not None):
            if part is not None:
                parts.append((kind.name, row.owner, part.name, row.draft))
                continue
            key = (kind.name, row.draft.slug)
            if row.draft.slug and key in records:
                first = records[key].place
                faults.append(
                    Fault(
                        f"The slug {row.draft.slug!r} stands in row {first.row} of {first.file} already.",
                        "Every record needs a slug of its own.",
                        field="slug",
                        file=table.name,
                        row=row.draft.place.row,
                        column="slug",
                    )
                )
            records.setdefault(key, row.draft)
    return _joined(records, parts, faults), faults


def _joined(
    records: dict[tuple[str, str], Draft], parts: Iterable[tuple[str, str, str, Draft]], faults: list[Fault]
) -> list[Draft]:
    for kind, owner, name, part in parts:
        record = records.get((kind, owner))
        if record is None:
            faults.append(
                Fault(
                    f"There is no {kind} {owner!r} in these files.",
                    "Import the part together with its record, and check the spelling of the slug.",
                    field="of",
                    file=part.place.file,
                    row=part.place.row,
                    column="of",
                )
            )
            continue
        values = {**record.values, name: [*record.values.get(name, ()), part]}
        records[(kind, owner)] = replace(record, values=values)
    return list(records.values())


def _kind_of(name: str, vocabulary: Vocabulary) -> tuple[Kind | None, Field | None]:
    stem = re.sub(r"\.(csv|tsv|txt)$", "", name.rsplit("/", 1)[-1].lower())
    for kind in vocabulary.authored:
        if stem in (kind.name, kind.name + "s"):
            return kind, None
        for each in kind.fields:
            if each.type is FieldType.PART and stem in (f"{kind.name}.{each.part}", f"{kind.name}.{each.name}".lower()):
                return kind, each
    return None, None


@dataclass(frozen=True, slots=True)
class _Row:
    draft: Draft
    owner: str


def _rows(table: Table, kind: Kind, faults: list[Fault], *, of: bool) -> list[_Row]:
    text, problem = decode(table.data)
    if problem:
        faults.append(Fault(problem, "Save the file as CSV UTF-8 and try again.", file=table.name))
        return []
    lines = _read(text, table.name, faults)
    if not lines:
        if not any(fault.file == table.name for fault in faults):
            faults.append(Fault("The file is empty.", "The first row names the columns.", file=table.name))
        return []
    columns = _columns(lines[0][1], kind, table.name, faults, of=of)
    if columns is None:
        return []
    rows = []
    for number, cells in lines[1:]:
        if not any(cell.strip() for cell in cells):
            continue
        if len(cells) > len(columns) and any(cell.strip() for cell in cells[len(columns) :]):
            faults.append(
                Fault(
                    f"The row has {len(cells)} cells, the header {len(columns)}.",
                    "Put texts that hold the separator in double quotes.",
                    file=table.name,
                    row=number,
                )
            )
        rows.append(_row(columns, cells, kind, table.name, number))
    return rows


def _read(text: str, name: str, faults: list[Fault]) -> list[tuple[int, list[str]]]:
    """The rows with their numbers as a spreadsheet shows them."""
    previous = csv.field_size_limit(MAX_CELL)
    try:
        reader = csv.reader(io.StringIO(text, newline=""), delimiter=_delimiter(text), strict=True)
        return list(enumerate(reader, 1))
    except csv.Error as error:
        faults.append(
            Fault(f"The table breaks off: {error}.", "Look for a double quote that is not closed.", file=name)
        )
        return []
    finally:
        csv.field_size_limit(previous)


def decode(data: bytes) -> tuple[str, str]:
    """The text of a file and, where there is none, what is wrong: UTF-8 with or without mark, else cp1252."""
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        try:
            return data.decode("utf-16"), ""
        except UnicodeDecodeError:
            return "", "The file looks like UTF-16 but cannot be read as such."
    if b"\0" in data:
        return "", "The file is not a text file."
    try:
        return data.decode("utf-8-sig"), ""
    except UnicodeDecodeError:
        pass
    try:
        return data.decode("cp1252"), ""
    except UnicodeDecodeError as error:
        return "", f"The file is neither UTF-8 nor Windows-1252 (byte {error.start})."


def _delimiter(text: str) -> str:
    """The separator of the header row: the one of ; , tab | that occurs most outside quotes."""
    header = re.sub(r'"[^"]*"', "", text.split("\n", 1)[0])
    return max(",;\t|", key=header.count)


def _columns(headers: list[str], kind: Kind, file: str, faults: list[Fault], *, of: bool) -> list[_Column] | None:
    before = len(faults)
    known = _headers(kind)
    columns: list[_Column] = []
    for header in headers:
        columns.append(_column(header.strip(), known, kind, file, faults, of=of))
    seen: dict[tuple[str, str], str] = {}
    for each in columns:
        name = each.special or (each.field.name if each.field else "")
        if name and seen.setdefault((name, each.language), each.header) is not each.header:
            faults.append(
                Fault(
                    f"Two columns mean {name}.", "Keep one of them.", field=name, file=file, row=1, column=each.header
                )
            )
    missing = [name for name in (("of",) if of else ("slug",)) if all(c.special != name for c in columns)]
    required = [f for f in kind.fields if f.minimum and not f.managed and not _has_default(f)]
    missing += [f.name for f in required if all(c.field is not f for c in columns)]
    for name in missing:
        faults.append(
            Fault(f"The column {name} is missing.", "Add it to the header row.", field=name, file=file, row=1)
        )
    return columns if len(faults) == before else None


def _has_default(each: Field) -> bool:
    return each.name in ("language", "license")


def _headers(kind: Kind) -> dict[str, Field]:
    known: dict[str, Field] = {}
    for each in kind.fields:
        if not each.managed and each.type is not FieldType.PART:
            known[each.name.lower()] = each
    for each in list(known.values()):
        for label in each.labels.values():
            known.setdefault(label.lower(), each)
    return known


def _column(header: str, known: dict[str, Field], kind: Kind, file: str, faults: list[Fault], *, of: bool) -> _Column:
    match = re.fullmatch(r"(.+?)\s*(?:@([A-Za-z-]{2,11})|\(([A-Za-z-]{2,11})\))?", header)
    name, language = (match[1].lower(), (match[2] or match[3] or "").lower()) if match else ("", "")
    if name in _SPECIAL and not language and (name == "slug" or of):
        return _Column(header, None, special=name)
    each = known.get(name) or known.get(header.lower())
    if each is None:
        near = nearest(name, [*known, "slug"]) if name else []
        hint = f"Did you mean {' or '.join(near)}?" if near else "Remove the column or correct its name."
        faults.append(
            Fault(
                f"{header[:60]!r} is not a field of {kind.name}." if header else "A column has no name.",
                hint,
                file=file,
                row=1,
                column=header[:60],
            )
        )
        return _Column(header, None)
    if (each.type is FieldType.TEXT) != bool(language):
        wanted = f"{each.name}@nl" if each.type is FieldType.TEXT else each.name
        faults.append(
            Fault(
                "The column does not name its language." if not language else "The column has no language.",
                f"Write {wanted}.",
                field=each.name,
                file=file,
                row=1,
                column=header,
            )
        )
    return _Column(header, each, language=language)


def _row(columns: Sequence[_Column], cells: Sequence[str], kind: Kind, file: str, number: int) -> _Row:
    values: dict[str, object] = {}
    special: dict[str, str] = {}
    headers: dict[str, str] = {"slug": "slug"}
    for column, cell in zip(columns, cells, strict=False):
        text = cell.strip()
        if column.special:
            special[column.special] = text
        elif column.field is not None and text:
            each = column.field
            headers[each.name] = column.header
            if each.type is FieldType.TEXT:
                headers[f"{each.name}@{column.language}"] = column.header
                texts = values.setdefault(each.name, {})
                assert isinstance(texts, dict)
                texts[column.language] = text
            else:
                splits = not each.single and each.type is not FieldType.STRING
                values[each.name] = _split(text) if splits else text
    place = Place(file, number, headers)
    slug = special.get("slug") or (f"{kind.name}-{number}" if "of" in special else "")
    return _Row(Draft(kind.name, slug, values, place), special.get("of", ""))


def _split(text: str) -> list[str]:
    return [each.strip() for each in re.split(r"[;\n]", text) if each.strip()]
