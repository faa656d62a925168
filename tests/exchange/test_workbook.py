"""Spreadsheets out and in again: nothing is lost, nothing is added, in any language."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
import python_calamine
import xlsxwriter
from hypothesis import given, settings
from hypothesis import strategies as st

from federation.exchange import rows
from federation.exchange.cells import csv_of, harmless, plain
from federation.exchange.files import File, drafts_of
from federation.exchange.workbook import TEXTS, workbook
from federation.records.canonical import nodes_of, write
from federation.records.draft import Draft
from federation.records.kinds import LANGUAGES, FieldType
from federation.records.record import Record, assemble
from federation.web.locale import Locales
from tests.records.authoring import NAMING, VOCABULARY, complete
from tests.records.authoring import drafts_of as any_draft

NODES = Path(__file__).parent.parent.parent / "nodes"
LOCALES = Locales(LANGUAGES, "en")


def record(draft: Draft) -> Record:
    return assemble(nodes_of(write(complete(draft))), VOCABULARY)[0]


def content(records: list[Record]) -> dict[str, list[str]]:
    """Statements by IRI."""
    return {each.iri: sorted(map(repr, each.nodes.items())) for each in records}


def by_kind(records: list[Record]) -> list[rows.Table]:
    tables = []
    for kind in VOCABULARY.authored:
        chosen = [each for each in records if each.kind == kind.name]
        tables += rows.tables_of(kind, chosen, VOCABULARY, NAMING) if chosen else []
    return tables


def read(*files: File) -> list[Draft]:
    found, faults = drafts_of(files, VOCABULARY, NAMING)
    assert [fault for fault in faults if fault.severity == "violation"] == []
    return found


def as_csv(tables: list[rows.Table]) -> list[File]:
    return [File(f"{table.name}.csv", csv_of(list(table.lines()))) for table in tables]


def as_workbook(tables: list[rows.Table], language: str) -> File:
    text = LOCALES.choose(language, "").text
    return File("book.xlsx", workbook(tables, VOCABULARY, language, text))


@pytest.fixture(scope="module")
def seeds() -> list[Record]:
    """Every record that ships with the node of Flanders."""
    files = [File(path.name, path.read_bytes()) for path in sorted((NODES / "flanders" / "records").glob("*.csv"))]
    return [record(draft) for draft in read(*files)]


def test_records_written_as_csv_are_read_back_the_same(seeds):
    again = [record(draft) for draft in read(*as_csv(by_kind(seeds)))]
    assert content(again) == content(seeds)


@pytest.mark.parametrize("language", LANGUAGES)
def test_records_written_as_a_workbook_in_any_language_are_read_back_the_same(seeds, language):
    again = [record(draft) for draft in read(as_workbook(by_kind(seeds), language))]
    assert content(again) == content(seeds)


@settings(max_examples=150, deadline=None, derandomize=True)
@given(st.sampled_from([kind.name for kind in VOCABULARY.authored]).flatmap(any_draft))
def test_any_record_is_read_back_the_same(draft):
    made = record(draft)
    (again,) = read(*as_csv(by_kind([made])))
    assert content([record(again)]) == content([made])


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("kind", VOCABULARY.authored, ids=lambda kind: kind.name)
def test_a_template_names_every_field_in_every_language(kind, language):
    tables = rows.template(kind, VOCABULARY, [language])
    first = rows.Table(kind, None, tables[0].columns, [["a", *("" for _ in tables[0].columns[1:])]])
    (draft,), faults = drafts_of([as_workbook([first, *tables[1:]], language)], VOCABULARY, NAMING)
    assert (draft.kind, draft.slug, draft.values, faults) == (kind.name, "a", {}, [])
    named = {column.name for table in tables for column in table.columns} - {"slug", "of"}
    fields = [f for f in (*kind.fields, *kind.restricted) if not f.managed]
    parts = [f for each in fields if each.part for f in VOCABULARY.parts[each.part].fields]
    assert named == {f.name for f in (*fields, *parts) if f.type is not FieldType.PART}


def test_a_template_offers_the_codes_of_a_list_in_the_language_of_the_reader():
    data = as_workbook(rows.template(VOCABULARY.kinds["pilot"], VOCABULARY, ["nl"]), "nl").data
    book = python_calamine.CalamineWorkbook.from_filelike(io.BytesIO(data))
    assert book.sheet_names[:2] == ["(Uitleg)", "Pilot"]
    codes = book.get_sheet_by_name("(Codes)").to_python()
    assert ["Sector", "Kantoormeubilair", "furniture-office"] in [row[:3] for row in codes]


def test_what_a_workbook_says_is_translated():
    for tag in LANGUAGES[1:]:
        text = LOCALES.choose(tag, "").text
        assert [each for each in TEXTS if text(each) == each and each not in ("Codes", "Code", "Name")] == []


FORMULAS = ["=1+1", "+cmd|' /C calc'!A0", "-2+3", "@SUM(A1)", "'=1", "''@x", '=HYPERLINK("http://x")']


@pytest.mark.parametrize("text", FORMULAS)
def test_no_cell_is_a_formula_and_every_text_survives(text):
    made = record(Draft("organisation", "a", {"title": {"en": text}, "country": "BE", "role": "procurer"}))
    files = as_csv(by_kind([made]))
    assert all(not cell.lstrip('"').startswith(("=", "+", "-", "@")) for cell in files[0].data.decode().split(","))
    (again,) = read(*files)
    assert again.values["title"] == {"en": text}


@pytest.mark.parametrize("number", ["-5", "+5", "-0,5", "-12.25"])
def test_a_negative_number_is_no_formula(number):
    assert harmless(number) == number


@given(st.text(st.sampled_from("'=+-@a1, "), max_size=8).map(str.strip))
def test_any_text_survives_being_made_harmless(text):
    assert plain(harmless(text)) == text


def test_a_workbook_with_one_sheet_of_any_name_is_named_by_its_file():
    book = as_workbook(by_kind([record(Draft("organisation", "a", {"title": {"en": "A"}, "role": "procurer"}))]), "en")
    assert [draft.slug for draft in read(File("organisation.xlsx", book.data))] == ["a"]


@pytest.mark.parametrize("data", [b"", b"nonsense", b"PK\x03\x04nonsense"])
def test_a_workbook_that_is_none_is_a_fault(data):
    found, (fault,) = drafts_of([File("pilot.xlsx", data)], VOCABULARY, NAMING)
    assert (found, fault.file) == ([], "pilot.xlsx")


def test_a_sheet_that_would_take_all_memory_is_refused_unread():
    data = io.BytesIO()
    book = xlsxwriter.Workbook(data, {"in_memory": True})
    sheet = book.add_worksheet("pilot")
    sheet.write(0, 0, "slug")
    sheet.write(150_000, 16_000, "far away")
    book.close()
    found, (fault,) = drafts_of([File("pilot.xlsx", data.getvalue())], VOCABULARY, NAMING)
    assert (found, "too large" in fault.message) == ([], True)


def test_the_line_with_which_excel_names_its_separator_is_no_row():
    (draft,), faults = drafts_of(
        [File("organisation.csv", b"sep=|\r\nslug|title@en|role\r\na|A; B|nonsense\r\n")], VOCABULARY, NAMING
    )
    assert (draft.values["title"], draft.place.row, faults) == ({"en": "A; B"}, 2, [])


def test_a_cell_that_shows_an_error_is_refused_and_not_taken_for_an_empty_one():
    data = io.BytesIO()
    book = xlsxwriter.Workbook(data, {"in_memory": True})
    sheet = book.add_worksheet("organisation")
    sheet.write_row(0, 0, ["slug", "title@en", "role"])
    sheet.write_row(1, 0, ["a", "A", "procurer"])
    sheet.write_formula(2, 1, "=NA()", None, "#N/A")
    book.close()
    found, (fault,) = drafts_of([File("organisation.xlsx", data.getvalue())], VOCABULARY, NAMING)
    assert (found, fault.row, "B3" in fault.message) == ([], 3, True)


def test_the_separator_is_found_when_the_name_of_a_column_has_a_line_break():
    data = b'"slug\n";"title@en";"role"\na;"A, with commas, in it";procurer\n'
    (draft,), faults = drafts_of([File("organisation.csv", data)], VOCABULARY, NAMING)
    assert (draft.values["title"], faults) == ({"en": "A, with commas, in it"}, [])


def test_a_table_wider_than_any_is_one_fault():
    data = ("slug," + ",".join(f"c{number}" for number in range(3_000)) + "\na\n").encode()
    found, (fault,) = drafts_of([File("organisation.csv", data)], VOCABULARY, NAMING)
    assert (found, "3001 columns" in fault.message) == ([], True)
