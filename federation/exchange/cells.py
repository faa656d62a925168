"""Spreadsheet files as rows of text cells, and text as a cell may safely hold it.

CSV is read in whatever form offices save it: UTF-8 or Windows-1252, comma, semicolon, tab or bar.
Workbooks (XLSX) are read cell by cell as what they show: whole numbers without a point, days without
a time. A cell that a spreadsheet program would take for a formula is written with an apostrophe in
front, which reading takes away again (OWASP, CSV injection).
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Final

import python_calamine

from federation.errors import Fault
from federation.exchange import unpacking

MAX_CELL: Final = 200_000
"""Characters of one cell; the csv module's own limit is lower and would end in its exception."""
_FORMULA: Final = re.compile(r"'*[=+\-@\t\r]")
_NUMBER: Final = re.compile(r"[+-]?[0-9]+([.,][0-9]+)?")


@dataclass(frozen=True, slots=True)
class Sheet:
    """A table as it was saved: the name of its file, the name that says what it holds, and its rows.

    The first row names the columns; rows count from 1, as a spreadsheet shows them.
    """

    file: str
    name: str
    rows: Sequence[Sequence[str]]


def harmless(text: str) -> str:
    """A text as a cell: never a formula."""
    return f"'{text}" if _FORMULA.match(text) and not _NUMBER.fullmatch(text) else text


def plain(cell: str) -> str:
    """The text of a cell that ``harmless`` wrote, or anybody else."""
    text = cell.strip()
    return text[1:] if text.startswith("'") and _FORMULA.match(text) else text


def sheets_of(name: str, data: bytes) -> tuple[list[Sheet], list[Fault]]:
    """The tables of a file: one of a CSV file, one for every sheet of a workbook; and what cannot be read."""
    if name.lower().endswith((".xlsx", ".xlsm")):
        return _workbook(name, data)
    text, problem = decode(data)
    if problem:
        return [], [Fault(problem, "Save the file as CSV UTF-8 and try again.", file=name)]
    # Excel hides a first line that names the separator, and counts rows without it.
    separator = re.match(r"sep=(.)\r?\n", text)
    text = text[separator.end() :] if separator else text
    previous = csv.field_size_limit(MAX_CELL)
    try:
        rows = list(
            csv.reader(
                io.StringIO(text, newline=""), delimiter=separator[1] if separator else _delimiter(text), strict=True
            )
        )
    except csv.Error as error:
        hint = "Look for a double quote that is not closed."
        return [], [Fault(f"The table breaks off: {error}.", hint, file=name)]
    finally:
        csv.field_size_limit(previous)
    stem = re.sub(r"\.(csv|tsv|txt)$", "", name.rsplit("/", 1)[-1], flags=re.IGNORECASE)
    return [Sheet(name, stem, rows)], []


def _workbook(name: str, data: bytes) -> tuple[list[Sheet], list[Fault]]:
    try:
        book = unpacking.unpacked(data)
        if book.errors:
            return [], [_error(f"{name}, {part}", cell) for part, cell in book.errors]
        opened = python_calamine.CalamineWorkbook.from_filelike(io.BytesIO(book.data))
        if len(opened.sheet_names) > book.sheets:
            raise unpacking.Unreadable("it shows one sheet under two names")
        sheets = [opened.get_sheet_by_name(each) for each in opened.sheet_names]
        tables = [(sheet.name, sheet.to_python(skip_empty_area=False)) for sheet in sheets]
    except unpacking.TooMuch:
        hint = "Delete what stands far right of or below the table, or split it."
        return [], [Fault("A sheet of the workbook is too large.", hint, file=name)]
    except (python_calamine.CalamineError, unpacking.Unreadable, OSError, ValueError) as error:
        return [], [Fault(f"The workbook cannot be read: {error}.", "Save it as .xlsx and try again.", file=name)]
    return [
        Sheet(f"{name}, sheet {title}", title, [[_shown(cell) for cell in row] for row in rows])
        for title, rows in tables
    ], []


def _error(part: str, cell: str) -> Fault:
    message = f"Cell {cell} holds an error of the spreadsheet program, such as #N/A."
    return Fault(message, "Correct its formula, or empty the cell.", file=part, row=unpacking.row_of(cell))


def _shown(cell: object) -> str:
    """The value of a cell as text."""
    if isinstance(cell, bool):
        return str(cell).lower()
    if isinstance(cell, float):
        return str(int(cell)) if cell.is_integer() and abs(cell) < 1e15 else repr(cell)
    if isinstance(cell, datetime):
        return cell.date().isoformat() if cell.time() == datetime.min.time() else cell.isoformat()
    if isinstance(cell, date):
        return cell.isoformat()
    return str(cell)


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
    header = re.sub(r'"[^"]*"', "", text[:MAX_CELL]).split("\n", 1)[0]
    return max(",;\t|", key=header.count)


def csv_of(rows: Sequence[Sequence[str]]) -> bytes:
    """Rows as a CSV file that every spreadsheet program opens: UTF-8 with its mark, comma, CRLF."""
    text = io.StringIO(newline="")
    csv.writer(text).writerows([harmless(cell) for cell in row] for row in rows)
    return text.getvalue().encode("utf-8-sig")
