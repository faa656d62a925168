"""Files to import, whatever their form: the one place that tells spreadsheets, JSON, linked data and notices apart."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from federation.errors import Fault, FederationError
from federation.exchange import documents, eforms, graphs, lexicons, ocds, tables
from federation.exchange.cells import Sheet, sheets_of
from federation.records import jsonld
from federation.records.draft import Draft
from federation.records.kinds import Vocabulary
from federation.records.values import Naming


@dataclass(frozen=True, slots=True)
class File:
    """One file to import. ``kind`` says what a table holds where neither file nor sheet is named after it."""

    name: str
    data: bytes
    kind: str = ""


def drafts_of(files: Sequence[File], vocabulary: Vocabulary, naming: Naming) -> tuple[list[Draft], list[Fault]]:
    """Every draft in some files and every fault found on the way; tables may complete each other.

    By their endings: CSV, TSV and text tables, workbooks (xlsx), JSON (drafts, or OCDS releases),
    JSON-LD, Turtle and its relatives, and eForms notices (xml). A table with the columns of the lexicon is one.
    """
    sheets: list[Sheet] = []
    drafts: list[Draft] = []
    faults: list[Fault] = []
    for file in files:
        ending = file.name.rpartition(".")[2].lower()
        if ending == "json":
            found, wrong = _json(file, vocabulary)
        elif ending == "jsonld" or ending in graphs.FORMATS:
            found, wrong = graphs.read(file.data, ending, file.name, vocabulary, naming)
        elif ending == "xml":
            found, wrong = eforms.read(file.data, file.name, vocabulary)
        else:
            found, wrong = [], _sheets(file, vocabulary, sheets)
        drafts += found
        faults += wrong
    plain: list[Sheet] = []
    for sheet in sheets:
        if not lexicons.is_lexicon(sheet):
            plain.append(sheet)
            continue
        found, wrong = lexicons.drafts_of(sheet, vocabulary)
        drafts += found
        faults += wrong
    tabled, wrong = tables.drafts_of(plain, vocabulary)
    return drafts + tabled, faults + wrong


def _sheets(file: File, vocabulary: Vocabulary, into: list[Sheet]) -> list[Fault]:
    read, faults = sheets_of(file.name, file.data)
    # Sheets in brackets explain or list; empty ones were never filled in.
    filled = [each for each in read if not each.name.startswith("(") and any(any(row) for row in each.rows)]
    if len(filled) == 1 and file.kind:
        filled = [replace(filled[0], name=file.kind)]
    elif len(filled) == 1 and filled[0].name.lower() not in tables.sheet_names(vocabulary):
        filled = [replace(filled[0], name=file.name.rsplit("/", 1)[-1].rpartition(".")[0] or file.name)]
    if not filled and not faults:
        faults = [Fault("The file is empty.", "The first row names the columns.", file=file.name)]
    into += filled
    return faults


def _json(file: File, vocabulary: Vocabulary) -> tuple[list[Draft], list[Fault]]:
    try:
        document = jsonld.loads(file.data)
        if isinstance(document, Mapping) and not document.keys().isdisjoint(("releases", "records", "ocid")):
            return ocds.read(document, file.name, vocabulary)
        return documents.drafts_in(document, file.name), []
    except FederationError as error:
        return [], [Fault(error.detail, error.remedy, file=file.name)]
