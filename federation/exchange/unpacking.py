"""Workbooks from outside, looked through before their cells are made.

The parser of workbooks makes every cell up to the last used one, and a copy of a shared text for each cell
that shows it: a file of a few kilobytes may ask for more memory than there is, which ends the whole process.
So every part is read here first, within limits; the workbook is then packed anew from these very parts,
because two readers of one ZIP file need not see the same in it.
"""

from __future__ import annotations

import functools
import io
import lzma
import re
import string
import zipfile
import zlib
from dataclasses import dataclass, field
from typing import Final
from xml.parsers import expat

MAX_AREA: Final = 4_000_000
"""Cells between the first and the last used one of all sheets, empty ones included."""
MAX_UNPACKED: Final = 64 * 1024 * 1024
"""Bytes of all parts of a workbook, unpacked."""
MAX_TEXT: Final = 32_000_000
"""Characters of all cells that show a shared text."""
_NEEDED: Final = ("xl/", "_rels/", "[content_types].xml")
_SHEETS: Final = (b"sheetData", b"chartsheet", b"dialogsheet")
_REFERENCE: Final = re.compile(r"([A-Za-z]{1,3})([0-9]{1,7})")
_ROW: Final = re.compile(r"[0-9]{1,7}")


class Unreadable(Exception):
    """A workbook that cannot be read, and why."""


class TooMuch(Exception):
    """A workbook that would take too much memory."""


@dataclass(slots=True)
class Workbook:
    """A workbook packed anew: how many sheets it has, and which cells of which part hold an error such as #N/A."""

    data: bytes
    sheets: int = 0
    errors: list[tuple[str, str]] = field(default_factory=list)


def unpacked(data: bytes) -> Workbook:
    """Look through a workbook. Raises Unreadable, and TooMuch for what would take too much memory."""
    try:
        parts = _parts(data)
        texts = next((_texts(each) for name, each in parts.items() if name.lower() == "xl/sharedstrings.xml"), [])
        book, area, shown = Workbook(_packed(parts)), 0, 0
        for name, each in parts.items():
            book.sheets += any(mark in each for mark in _SHEETS)
            # A sheet may have any name, but none of its own without this one.
            if b"sheetData" in each:
                sheet = _Sheet(texts)
                _read(each, sheet)
                area, shown = area + sheet.area, shown + sheet.shown
                if area > MAX_AREA or sheet.cells * 2 > MAX_AREA or shown > MAX_TEXT:
                    raise TooMuch
                book.errors += [(name.rpartition("/")[2], cell) for cell in sheet.errors]
    except (zipfile.BadZipFile, zlib.error, lzma.LZMAError, OSError, EOFError, ValueError) as error:
        raise Unreadable(str(error)) from error
    except (RuntimeError, NotImplementedError) as error:
        raise Unreadable(f"it is encrypted, or packed in an unusual way ({error})") from error
    except expat.ExpatError as error:
        raise Unreadable(f"a part of it is not well-formed XML, {error}") from error
    return book


def _parts(data: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        if sum(entry.file_size for entry in archive.infolist()) > MAX_UNPACKED:
            raise TooMuch
        return {entry.filename: archive.read(entry) for entry in archive.infolist()}


def _packed(parts: dict[str, bytes]) -> bytes:
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w") as archive:
        for name, each in parts.items():
            # Without these the parser finds none of the other kinds of workbook that it knows.
            if name.lower().startswith(_NEEDED) and not name.lower().endswith(".bin"):
                archive.writestr(zipfile.ZipInfo(name), each)
    return data.getvalue()


class _Part:
    """What one part says, element by element; names are given without their prefix."""

    def start(self, tag: str, attributes: dict[str, str]) -> None:
        raise NotImplementedError

    def end(self, tag: str) -> None:
        raise NotImplementedError

    def text(self, text: str) -> None:
        raise NotImplementedError


class _Lengths(_Part):
    """How long every shared text is."""

    def __init__(self) -> None:
        self.lengths: list[int] = []

    def start(self, tag: str, attributes: dict[str, str]) -> None:
        if tag == "si":
            self.lengths.append(0)

    def end(self, tag: str) -> None:
        pass

    def text(self, text: str) -> None:
        if self.lengths:
            self.lengths[-1] += len(text)


class _Sheet(_Part):
    """What the cells of a sheet take. A row or cell without a place of its own follows the one before it."""

    def __init__(self, texts: list[int]) -> None:
        self.cells = self.shown = 0
        self.errors: list[str] = []
        self._texts = texts
        self._row = self._column = self._tall = self._wide = 0
        self._number: str | None = None
        self._shared = False

    @property
    def area(self) -> int:
        return self._tall * self._wide

    def start(self, tag: str, attributes: dict[str, str]) -> None:
        if tag == "row":
            place = attributes.get("r", str(self._row + 1))
            if not _ROW.fullmatch(place):
                raise ValueError(f"{place[:20]!r} is no row")
            self._row, self._column = int(place), 0
        elif tag == "c":
            self.cells += 1
            self._column += 1
            if "r" in attributes:
                self._place(attributes["r"])
            if attributes.get("t") == "e":
                self.errors.append(attributes.get("r", f"A{self._row}"))
            self._shared = attributes.get("t") == "s"
        elif tag == "v" and self._shared:
            self._number = ""
        self._tall, self._wide = max(self._tall, self._row), max(self._wide, self._column)

    def _place(self, cell: str) -> None:
        match = _REFERENCE.fullmatch(cell)
        if match is None:
            raise ValueError(f"{cell[:20]!r} is no cell")
        self._column = functools.reduce(lambda n, c: n * 26 + ord(c) - 64, match[1].upper(), 0)
        self._row = int(match[2])

    def end(self, tag: str) -> None:
        if tag == "v" and self._number is not None:
            number, self._number = self._number.strip(), None
            at = int(number) if number.isascii() and number.isdecimal() and len(number) < 9 else len(self._texts)
            if at >= len(self._texts):
                raise ValueError(f"there is no shared text {number[:20]!r}")
            self.shown += self._texts[at]

    def text(self, text: str) -> None:
        if self._number is not None:
            self._number += text[:20]


def _texts(data: bytes) -> list[int]:
    part = _Lengths()
    _read(data, part)
    return part.lengths


def _read(data: bytes, part: _Part) -> None:
    parser = expat.ParserCreate("utf-8")
    parser.StartElementHandler = lambda tag, attributes: part.start(tag.rpartition(":")[2], attributes)
    parser.EndElementHandler = lambda tag: part.end(tag.rpartition(":")[2])
    parser.CharacterDataHandler = part.text
    parser.StartDoctypeDeclHandler = _no_document_type
    parser.Parse(data, True)


def _no_document_type(*declared: object) -> None:
    # Entities could say one thing here and another thing there.
    raise ValueError("it declares a document type")


def row_of(cell: str) -> int:
    """The row of a cell: 3 of B3."""
    return int(cell.lstrip(string.ascii_letters) or 0)
