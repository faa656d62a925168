"""Workbooks (XLSX) for people: headers and help in their language, lists to choose codes from.

A sheet whose name stands in brackets explains or lists and is not read on import.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from federation.exchange.cells import harmless
from federation.exchange.rows import Column, Table
from federation.exchange.tables import sheet_name
from federation.records.kinds import ANY_SCHEME, FieldType, Scheme, Vocabulary, in_language

TEXTS: Final = (
    "Explanation",
    "Sheet",
    "Column",
    "What it is for",
    "Needed",
    "yes",
    "Codes",
    "List",
    "Code",
    "Name",
    "Meaning",
    "The name of the record in its address: lower-case letters, digits and hyphens.",
    "The slug of the record that this row belongs to.",
    "One row is one record. Several values in a cell are separated by semicolons. "
    "Sheets whose name is in brackets are not read.",
)
"""What a workbook says besides the vocabulary; translated with the pages."""
_SPECIAL: Final = {"slug": TEXTS[11], "of": TEXTS[12]}
ROWS: Final = 5000
"""Rows of a template in which codes can be chosen from a list."""
_LONGEST_LIST: Final = 500
_WIDTHS: Final = {FieldType.TEXT: 48, FieldType.IRI: 34, FieldType.STRING: 24}

_OPTIONS: Final = {"in_memory": True} | dict.fromkeys(
    ("strings_to_formulas", "strings_to_urls", "strings_to_numbers"), False
)
"""Strings stay strings: nothing becomes a formula or a link."""
_WRAP: Final = {"text_wrap": True, "valign": "top"}
_BOLD: Final = {**_WRAP, "bold": True, "bg_color": "#DCE9E2"}

Text = Callable[[str], str]


def listing(rows: Sequence[Sequence[str]]) -> bytes:
    """Rows as a workbook of one sheet, the first of them its head."""
    import xlsxwriter  # noqa: PLC0415 - see below

    data = io.BytesIO()
    book = xlsxwriter.Workbook(data, _OPTIONS)
    sheet, bold, wrap = book.add_worksheet(), book.add_format(_BOLD), book.add_format(_WRAP)
    sheet.freeze_panes(1, 1)
    for at, title in enumerate(rows[0]):
        sheet.set_column(at, at, min(60, max(len(row[at]) for row in rows) + 2), wrap)
        sheet.write_string(0, at, title, bold)
    for number, row in enumerate(rows[1:], 1):
        for at, cell in enumerate(row):
            sheet.write_string(number, at, harmless(cell))
    sheet.autofilter(0, 0, max(len(rows) - 1, 1), len(rows[0]) - 1)
    book.close()
    return data.getvalue()


def workbook(tables: Sequence[Table], vocabulary: Vocabulary, language: str, text: Text) -> bytes:
    """Tables as a workbook in a language; ``text`` translates the few words that are not of the vocabulary."""
    import xlsxwriter  # noqa: PLC0415 - dear to import, and most commands write none

    data = io.BytesIO()
    book = xlsxwriter.Workbook(data, _OPTIONS)
    bold, wrap = book.add_format(_BOLD), book.add_format(_WRAP)
    needed = book.add_format({**_BOLD, "bg_color": "#F6D9A8"})
    lists = _lists(tables, vocabulary)
    explanation = book.add_worksheet(f"({text('Explanation')})"[:31])
    sheets = [(book.add_worksheet(sheet_name(table.kind, table.part, language)), table) for table in tables]
    ranges = _codes(book, book.add_worksheet(f"({text('Codes')})"[:31]), lists, language, text, bold)
    for sheet, table in sheets:
        _fill(sheet, table, ranges, language, text, (bold, needed, wrap))
    _explain(explanation, tables, language, text, (bold, wrap))
    if sheets:
        sheets[0][0].activate()
        sheets[0][0].set_first_sheet()
    book.close()
    return data.getvalue()


def _lists(tables: Sequence[Table], vocabulary: Vocabulary) -> dict[str, Scheme]:
    """The code lists that columns of some tables choose from, by IRI."""
    wanted = {iri for table in tables for column in table.columns if column.field for iri in column.field.schemes}
    return {iri: vocabulary.schemes[iri] for iri in sorted(wanted - {ANY_SCHEME})}


def _codes(book: Any, sheet: Any, lists: Mapping[str, Scheme], language: str, text: Text, bold: Any) -> dict[str, str]:
    """Write the code lists; where the names of each stand, as a range for lists to choose from."""
    for at, title in enumerate(("List", "Name", "Code", "Meaning")):
        sheet.write_string(0, at, text(title), bold)
    sheet.set_column(0, 2, 30)
    sheet.set_column(3, 3, 90)
    sheet.freeze_panes(1, 0)
    ranges, row = {}, 1
    for iri, scheme in lists.items():
        first = row
        for concept in scheme.concepts.values():
            texts = (scheme.labels, concept.labels, {"": concept.code}, concept.definition)
            for at, each in enumerate(texts):
                sheet.write_string(row, at, harmless(in_language(each, language)[1]) if each else "")
            row += 1
        if row - first <= _LONGEST_LIST:
            ranges[iri] = f"='{sheet.get_name()}'!$B${first + 1}:$B${row}"
    return ranges


def _fill(
    sheet: Any, table: Table, ranges: Mapping[str, str], language: str, text: Text, formats: tuple[Any, Any, Any]
) -> None:
    bold, needed, wrap = formats
    sheet.freeze_panes(1, 1)
    for at, column in enumerate(table.columns):
        required = column.field is None or column.field.minimum > 0
        sheet.write_string(0, at, column.header(language), needed if required else bold)
        sheet.set_column(at, at, _WIDTHS.get(column.field.type, 20) if column.field else 24, wrap)
        choices = [ranges[iri] for iri in column.field.schemes if iri in ranges] if column.field else []
        message = {"input_title": column.header(language)[:32], "input_message": _help(column, language, text)[:255]}
        if len(choices) == 1:
            # Several codes may stand in a cell, and codes may be typed: the list offers and does not forbid.
            rule = {"validate": "list", "source": choices[0], "show_error": False}
        else:
            rule = {"validate": "any"}
        sheet.data_validation(1, at, max(ROWS, len(table.rows)), at, {**rule, **message})
    for number, row in enumerate(table.rows, 1):
        for at, cell in enumerate(row):
            if cell:
                sheet.write_string(number, at, harmless(cell))


def _explain(sheet: Any, tables: Sequence[Table], language: str, text: Text, formats: tuple[Any, Any]) -> None:
    bold, wrap = formats
    sheet.set_column(0, 1, 30, wrap)
    sheet.set_column(2, 2, 90, wrap)
    sheet.merge_range(0, 0, 0, 3, text(TEXTS[13]), wrap)
    sheet.set_row(0, 32)
    for at, title in enumerate(("Sheet", "Column", "What it is for", "Needed")):
        sheet.write_string(2, at, text(title), bold)
    row = 3
    for table in tables:
        for column in table.columns:
            required = column.field is None or column.field.minimum > 0
            cells = (
                sheet_name(table.kind, table.part, language),
                column.header(language),
                _help(column, language, text),
                text("yes") if required else "",
            )
            for at, cell in enumerate(cells):
                sheet.write_string(row, at, cell, wrap)
            row += 1


def _help(column: Column, language: str, text: Text) -> str:
    return in_language(column.field.help, language)[1] if column.field else text(_SPECIAL[column.name])
