"""Tables: a row is a record and a column a field.

A table is named after its kind (``pilot``), or after kind and part (``pilot.observation``), whose rows
name their record in the column ``of``; in a workbook the names may be those of any language. A header is
a field's name, its label in any of the seven languages, or either with a language (``title@nl``,
``Titel (nl)``). Several values stand in one cell separated by semicolons or line breaks, several texts by
``|``. Reading finds every fault of every row before anything is decided.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from federation.errors import Fault
from federation.exchange.cells import Sheet, plain
from federation.records.draft import Draft, Place
from federation.records.kinds import LANGUAGES, Field, FieldType, Kind, Vocabulary, in_language
from federation.records.lexical import SEVERAL
from federation.records.values import suggestion

MAX_COLUMNS: Final = 2_000
"""More than the fields of a kind in many languages."""
SHEET_NAME: Final = 31
"""Characters that the name of a sheet may have."""
_SPECIAL: Final = ("slug", "of")
_IN_LANGUAGE: Final = re.compile(r"(?<!^)(?:@([A-Za-z-]{2,11})|\(([A-Za-z-]{2,11})\))\Z")


@dataclass(frozen=True, slots=True)
class _Column:
    header: str
    field: Field | None
    special: str = ""
    language: str = ""


def drafts_of(tables: Sequence[Sheet], vocabulary: Vocabulary) -> tuple[list[Draft], list[Fault]]:
    """Every draft in some tables, parts already in their records, and every fault found on the way."""
    faults: list[Fault] = []
    records: dict[tuple[str, str], Draft] = {}
    parts: list[tuple[str, str, str, Draft]] = []
    names = sheet_names(vocabulary)
    for table in tables:
        kind, part = names.get(table.name.lower(), (None, None))
        if kind is None:
            faults.append(_unnamed(table, vocabulary))
            continue
        shape = vocabulary.parts[part.part] if part is not None else kind
        for row in _rows(table, shape, faults, vocabulary, of=part is not None):
            if part is not None:
                parts.append((kind.name, row.owner, part.name, row.draft))
                continue
            key = (kind.name, row.draft.slug)
            if row.draft.slug and key in records:
                faults.append(_repeated(row.draft, records[key]))
            records.setdefault(key, row.draft)
    return _joined(records, parts, faults), faults


def sheet_names(vocabulary: Vocabulary) -> Mapping[str, tuple[Kind | None, Field | None]]:
    """What a table may be called, in lower case, and the kind and part that it then holds."""
    found: dict[str, tuple[Kind | None, Field | None]] = {}
    for kind in vocabulary.authored:
        for name in (kind.name, kind.name + "s", *(sheet_name(kind, None, tag) for tag in LANGUAGES)):
            found.setdefault(name.lower(), (kind, None))
        for each in kind.fields:
            if each.type is FieldType.PART:
                titles = (sheet_name(kind, each, tag) for tag in LANGUAGES)
                for name in (f"{kind.name}.{each.part}", f"{kind.name}.{each.name}", *titles):
                    found.setdefault(name.lower(), (kind, each))
    return found


def sheet_name(kind: Kind, part: Field | None, language: str) -> str:
    """What the sheet of a kind, or of one of its parts, is called in a workbook."""
    label = in_language(kind.labels, language)[1]
    if part is None:
        return label[:SHEET_NAME]
    after = f" - {in_language(part.labels, language)[1]}"
    return f"{label[: SHEET_NAME - min(len(after), 20)]}{after[:20]}"


def _unnamed(table: Sheet, vocabulary: Vocabulary) -> Fault:
    kinds = [each.name for each in vocabulary.authored]
    how = f"Name it after a kind ({', '.join(kinds)}), such as pilot.csv, or choose one with --kind."
    return Fault(
        f"The name {table.name[:40]!r} does not say which kind of record the table holds.",
        f"{suggestion(table.name, kinds, '')} {how}".strip(),
        file=table.file,
    )


def _repeated(draft: Draft, first: Draft) -> Fault:
    return Fault(
        f"The slug {draft.slug!r} stands in row {first.place.row} of {first.place.file} already.",
        "Every record needs a slug of its own.",
        field="slug",
        file=draft.place.file,
        row=draft.place.row,
        column="slug",
    )


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


@dataclass(frozen=True, slots=True)
class _Row:
    draft: Draft
    owner: str


def _rows(table: Sheet, kind: Kind, faults: list[Fault], vocabulary: Vocabulary, *, of: bool) -> list[_Row]:
    if not any(any(cell.strip() for cell in row) for row in table.rows[:1]):
        faults.append(Fault("The file is empty.", "The first row names the columns.", file=table.file))
        return []
    columns = _columns(table.rows[0], kind, table.file, faults, vocabulary, of=of)
    if all(column.special != ("of" if of else "slug") for column in columns):
        return []  # rows that cannot be told apart would only repeat that fault
    rows = []
    for number, cells in enumerate(table.rows[1:], 2):
        if not any(cell.strip() for cell in cells):
            continue
        if any(cell.strip() for cell in cells[len(columns) :]):
            faults.append(
                Fault(
                    f"The row has {len(cells)} cells, the header {len(columns)}.",
                    "Put texts that hold the separator in double quotes.",
                    file=table.file,
                    row=number,
                )
            )
        rows.append(_row(columns, cells, kind, table.file, number))
    return rows


def _columns(
    headers: Sequence[str], kind: Kind, file: str, faults: list[Fault], vocabulary: Vocabulary, *, of: bool
) -> list[_Column]:
    known = headers_of(kind)
    if len(headers) > MAX_COLUMNS:
        message = f"The first row has {len(headers)} columns, more than a table of records can have ({MAX_COLUMNS})."
        faults.append(Fault(message, "Delete what stands right of the table.", file=file, row=1))
        return []
    end = max(at for at, header in enumerate(headers, 1) if header.strip())
    columns = [_column(header.strip(), known, kind, file, faults, of=of) for header in headers[:end]]
    seen: dict[tuple[str, str], str] = {}
    tags = vocabulary.scheme_named("language")
    for each in columns:
        name = each.special or (each.field.name if each.field else "")
        wrong = Fault("", field=name, file=file, row=1, column=each.header)
        if name and seen.setdefault((name, each.language), each.header) is not each.header:
            faults.append(replace(wrong, message=f"Two columns mean {name}.", remedy="Keep one of them."))
        if each.language and tags is not None and tags.find(each.language) is None:
            unknown = f"There is no language {each.language!r} in the list of languages."
            hint = "Is it a slip of the keyboard? Texts of the pages are in en, nl, fr, de, da, sv and nb."
            faults.append(replace(wrong, message=unknown, remedy=hint, severity="warning"))
    missing = [name for name in (("of",) if of else ("slug",)) if all(c.special != name for c in columns)]
    required = [f for f in kind.fields if f.minimum and not f.managed and not _has_default(f)]
    missing += [f.name for f in required if all(c.field is not f for c in columns)]
    faults += [
        Fault(f"The column {name} is missing.", "Add it to the header row.", field=name, file=file, row=1)
        for name in missing
    ]
    return columns


def _has_default(each: Field) -> bool:
    return each.name in ("language", "license")


def headers_of(kind: Kind) -> dict[str, Field]:
    """The fields of a kind by what the header of their column may be, in lower case."""
    known: dict[str, Field] = {}
    for each in (*kind.fields, *kind.restricted):
        if not each.managed and each.type is not FieldType.PART:
            known[each.name.lower()] = each
    for each in list(known.values()):
        for label in each.labels.values():
            known.setdefault(label.lower(), each)
    return known


def _column(header: str, known: dict[str, Field], kind: Kind, file: str, faults: list[Fault], *, of: bool) -> _Column:
    match = _IN_LANGUAGE.search(header)
    name, language = header[: match.start() if match else None].rstrip().lower(), ""
    if match:
        language = (match[1] or match[2]).lower()
    if "\n" in name:
        name = ""
    if name in _SPECIAL and not language and (name == "slug" or of):
        return _Column(header, None, special=name)
    each = known.get(name) or known.get(header.lower())
    if each is None:
        hint = suggestion(name, [*known, "slug"] if name else [], "Remove the column or correct its name.")
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
        text = plain(cell)
        if column.special:
            special[column.special] = text
        elif column.field is not None and text and bool(column.language) == (column.field.type is FieldType.TEXT):
            each = column.field
            headers[each.name] = column.header
            if each.type is FieldType.TEXT:
                headers[f"{each.name}@{column.language}"] = column.header
                texts = values.setdefault(each.name, {})
                assert isinstance(texts, dict)
                texts[column.language] = (
                    [part for part in text.split(SEVERAL) if part.strip()] if each.several else text
                )
            else:
                values[each.name] = text if each.single else _split(text, each)
    place = Place(file, number, headers)
    slug = special.get("slug") or (f"{kind.name}-{number}" if "of" in special else "")
    return _Row(Draft(kind.name, slug, values, place), special.get("of", ""))


def _split(text: str, each: Field) -> list[str]:
    """The values of a cell. Names may hold a semicolon and so may addresses, where no other address follows."""
    if each.type is FieldType.STRING:
        parts = text.split("\n")
    elif each.type is FieldType.IRI and not each.code_space:
        parts = re.split(r";\s*(?=[a-z][a-z0-9+.-]*:)|\n|;\s+|;$", text)
    else:
        parts = re.split(r"[;\n]", text)
    return [part.strip() for part in parts if part.strip()]
