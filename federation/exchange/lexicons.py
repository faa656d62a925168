"""Tables of the lexicon as drafts: a row that one region wrote for its own searchers, shared with all of them."""

from __future__ import annotations

from federation.errors import Fault
from federation.exchange.cells import Sheet, plain
from federation.records.draft import Draft, Place
from federation.records.kinds import LANGUAGES, Field, Kind, Vocabulary
from federation.records.lexical import COLUMNS, Entry, entries_of


def is_lexicon(sheet: Sheet) -> bool:
    """Whether a table is meant for the lexicon: its columns are ``id`` and languages, or nearly."""
    header = {cell.strip().lower() for cell in sheet.rows[0]} if sheet.rows else set()
    return len(header.intersection(COLUMNS)) > 1


def drafts_of(sheet: Sheet, vocabulary: Vocabulary) -> tuple[list[Draft], list[Fault]]:
    """A term for each row that has a word, and what is wrong with the others."""
    header = [cell.strip().lower() for cell in sheet.rows[0]]
    if tuple(header[: len(COLUMNS)]) != COLUMNS or any(header[len(COLUMNS) :]):
        message = "The columns of a table of words must be those of the lexicon, in their order."
        return [], [Fault(message, f"Write {','.join(COLUMNS)} in the first row.", file=sheet.file, row=1)]
    kind = next(kind for kind in vocabulary.authored if kind.lexical)
    fields = {each.search: each for each in kind.fields if each.search}
    headers = _headers(fields)
    drafts, faults, seen = [], [], dict[str, int]()
    for number, row in enumerate(sheet.rows[1:], 2):
        cells = [plain(cell) for cell in row]
        if not any(cells):
            continue
        if len(cells) > len(COLUMNS) and any(cells[len(COLUMNS) :]):
            message = f"The row has more than {len(COLUMNS)} columns."
            faults.append(Fault(message, "Words of one language are separated by |.", file=sheet.file, row=number))
            continue
        if cells[0] and seen.setdefault(cells[0], number) != number:
            message = f"{cells[0][:60]!r} stands in row {seen[cells[0]]} already."
            faults.append(Fault(message, "Keep one of them.", field="slug", file=sheet.file, row=number, column="id"))
            continue
        if all(each.general for cell in cells[1:] for each in entries_of(cell)):
            hint = "Write one without ~ in one language at least, or delete the row."
            faults.append(Fault("The row has no word that names the meaning.", hint, file=sheet.file, row=number))
            continue
        said = dict(zip(LANGUAGES, map(entries_of, cells[1 : len(COLUMNS)]), strict=False))
        drafts.append(_draft(kind, fields, cells[0], said, Place(sheet.file, number, headers)))
    if not drafts and not faults:
        faults.append(Fault("The table has no rows.", "Each row is one meaning.", file=sheet.file))
    return drafts, faults


def _draft(kind: Kind, fields: dict[str, Field], slug: str, said: dict[str, tuple[Entry, ...]], place: Place) -> Draft:
    title, label, hidden = (fields[role].name for role in ("title", "label", "hidden"))
    values: dict[str, dict[str, str | list[str]]] = {title: {}, label: {}, hidden: {}}
    for language, entries in said.items():
        telling = [each.text for each in entries if not each.general]
        values[title] |= {language: telling[0]} if telling else {}
        values[label] |= {language: telling[1:]} if telling[1:] else {}
        general = [each.text for each in entries if each.general]
        values[hidden] |= {language: list(general)} if general else {}
    return Draft(kind.name, slug, {name: texts for name, texts in values.items() if texts}, place)


def _headers(fields: dict[str, Field]) -> dict[str, str]:
    every = ((each, tag) for each in fields.values() for tag in LANGUAGES)
    return {"slug": "id"} | {f"{each.name}@{tag}": tag for each, tag in every}
