"""Spreadsheets as coordinators have them: every fault of every row is found before anything is decided."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from federation.errors import Fault
from federation.exchange.cells import decode
from federation.exchange.files import File, drafts_of
from federation.records.draft import Draft
from federation.records.shacl import Shacl
from tests.records.authoring import NAMING, VOCABULARY, complete, faults_of

FUZZ = settings(max_examples=300, deadline=None, derandomize=True)
NODES = Path(__file__).parent.parent.parent / "nodes"
PILOT = "slug,title@nl,procurer,sector,strategy\nbrug,Een brug,kamp-c,furniture-office;infra-roads,R3\n"


def read(text: str | bytes, name: str = "pilot.csv") -> tuple[list[Draft], list[Fault]]:
    return drafts_of([File(name, text if isinstance(text, bytes) else text.encode())], VOCABULARY, NAMING)


def drafts(text: str | bytes, name: str = "pilot.csv") -> list[Draft]:
    found, faults = read(text, name)
    assert faults == []
    return found


def every_fault(*tables: tuple[str, str]) -> list[Fault]:
    """Every fault, of the tables and of the drafts in them."""
    found, faults = drafts_of([File(name, text.encode()) for name, text in tables], VOCABULARY, NAMING)
    return faults + [fault for draft in found for fault in faults_of(draft)]


def places(faults: list[Fault]) -> set[tuple[str, int | None, str]]:
    return {(fault.file, fault.row, fault.column) for fault in faults}


def test_a_row_is_a_record_and_a_column_a_field():
    (draft,) = drafts(PILOT)
    assert (draft.kind, draft.slug) == ("pilot", "brug")
    assert draft.values == {
        "title": {"nl": "Een brug"},
        "procurer": ["kamp-c"],
        "sector": ["furniture-office", "infra-roads"],
        "strategy": ["R3"],
    }


ENCODINGS = {
    "UTF-8": PILOT.encode(),
    "UTF-8 with a mark": PILOT.encode("utf-8-sig"),
    "UTF-16 of Excel": PILOT.encode("utf-16"),
    "UTF-16, the other way round": b"\xfe\xff" + PILOT.encode("utf-16-be"),
    "Windows-1252": PILOT.encode("cp1252"),
    "semicolons": PILOT.replace("furniture-office;infra-roads", '"furniture-office|infra-roads"')
    .replace(",", ";")
    .replace("|", ";")
    .encode(),
    "tabs": PILOT.replace(",", "\t").encode(),
    "bars": PILOT.replace(",", "|").encode(),
    "CRLF": PILOT.replace("\n", "\r\n").encode(),
    "no line feed at the end": PILOT.rstrip().encode(),
    "empty lines": (PILOT + "\n,,,,\n\n").encode(),
}


@pytest.mark.parametrize("case", ENCODINGS)
def test_the_same_table_is_read_from_every_program(case):
    assert [draft.values for draft in drafts(ENCODINGS[case])] == [draft.values for draft in drafts(PILOT)]


def test_letters_survive_windows_1252():
    (draft,) = drafts("slug,title@da,procurer\nbro,Æblegrød på Ø – 5 €,kamp-c\n".encode("cp1252"))
    assert draft.values["title"] == {"da": "Æblegrød på Ø – 5 €"}


def test_a_quoted_cell_keeps_its_separators_line_breaks_and_quotes():
    (draft,) = drafts('slug,title@nl,abstract@nl,procurer\nbrug,"Een, brug","een\ntwee ""drie""",kamp-c\n')
    assert draft.values["title"] == {"nl": "Een, brug"}
    assert draft.values["abstract"] == {"nl": 'een\ntwee "drie"'}


def test_rows_are_counted_as_a_spreadsheet_does():
    text = 'slug,title@nl,procurer,start\n"a","een\n",kamp-c,\n\nb,twee,kamp-c,never\n'
    assert [fault.row for fault in every_fault(("pilot.csv", text))] == [4]


@pytest.mark.parametrize(
    "header",
    ["title@nl", "Title@nl", "title (nl)", "Titel@nl", "Titel (nl)", "TITEL (NL)", " Titel (nl) ", "title@NL"],
)
def test_a_header_is_a_name_or_a_label_with_a_language(header):
    (draft,) = drafts(f"slug,{header},procurer\na,Een,kamp-c\n")
    assert draft.values["title"] == {"nl": "Een"}


def labels(kind: str, language: str, *names: str) -> list[str]:
    return [VOCABULARY.kinds[kind].by_name[name].labels[language] for name in names]


@pytest.mark.parametrize("language", ["nl", "da", "fr", "de", "sv", "nb", "en"])
def test_headers_may_stand_in_any_of_the_languages(language):
    title, procurer, sector, start = labels("pilot", language, "title", "procurer", "sector", "start")
    (draft,) = drafts(
        f'slug,"{title} ({language})","{procurer}","{sector}","{start}"\na,Een,kamp-c,furniture-office,2021\n'
    )
    assert set(draft.values) == {"title", "procurer", "sector", "start"}
    assert draft.values["title"] == {language: "Een"}


HEADERS = {
    "no slug": ("title@nl,procurer\nEen,kamp-c\n", {"slug"}),
    "no title": ("slug,procurer\na,kamp-c\n", {"title"}),
    "no required field at all": ("slug\na\n", {"title", "procurer"}),
    "a column nobody knows": ("slug,title@nl,procurer,budget\na,Een,kamp-c,5\n", {""}),
    "a column without a name": ("slug,,title@nl,procurer\na,5,Een,kamp-c\n", {""}),
    "a title without a language": ("slug,title,procurer\na,Een,kamp-c\n", {"title"}),
    "a language where there is none": ("slug,title@nl,procurer@nl\na,Een,kamp-c\n", {"procurer"}),
    "the same column twice": ("slug,title@nl,title@nl,procurer\na,Een,Twee,kamp-c\n", {"title"}),
    "the same column in two languages": ("slug,title@nl,Titel (nl),procurer\na,Een,Twee,kamp-c\n", {"title"}),
    "two slugs": ("slug,slug,title@nl,procurer\na,b,Een,kamp-c\n", {"slug"}),
    "what the node fills in": ("slug,title@nl,procurer,version\na,Een,kamp-c,1\n", {""}),
    "a part": ("slug,title@nl,procurer,observation\na,Een,kamp-c,1\n", {""}),
    "the record of a part": ("slug,title@nl,procurer,of\na,Een,kamp-c,b\n", {""}),
}


@pytest.mark.parametrize("case", HEADERS)
def test_a_header_that_cannot_be_read_is_a_fault_of_row_one(case):
    text, fields = HEADERS[case]
    _, faults = read(text)
    assert {fault.field for fault in faults} == fields
    assert {(fault.file, fault.row) for fault in faults} == {("pilot.csv", 1)}


def test_a_language_nobody_knows_is_worth_a_warning():
    (fault,) = read("slug,title@nl,title@xx,procurer\na,Een,Ein,kamp-c\n")[1]
    assert (fault.column, fault.severity) == ("title@xx", "warning")


def test_a_value_behind_the_last_column_is_a_fault_of_its_row():
    (fault,) = read("slug,title@nl,procurer,\na,Een,kamp-c,5\n")[1]
    assert (fault.row, "4 cells" in fault.message) == (2, True)


def test_a_missing_column_does_not_hide_what_is_wrong_in_the_rows():
    found = every_fault(("pilot.csv", "slug,title@nl,sector\na,Een,nonsense\n"))
    assert {(fault.row, fault.field) for fault in found} == {(1, "procurer"), (2, "sector")}


def test_a_mistyped_column_names_the_nearest_field():
    (fault,) = read("slug,title@nl,procurrer,procurer\na,Een,x,kamp-c\n")[1]
    assert (fault.column, "procurer" in fault.remedy) == ("procurrer", True)


FILES = {
    "an empty file": (b"", "empty"),
    "a file of blanks": (b"\n\n\n", ""),
    "a picture": (b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR" + bytes(range(256)), "not a text file"),
    "a workbook": (b"PK\x03\x04\x14\x00\x06\x00" + bytes(100), "not a text file"),
    "half of UTF-16": (b"\xff\xfea", "UTF-16"),
    "no known encoding": (b"slug,title@nl\na,\x81\x8d\n", "neither UTF-8 nor Windows-1252"),
    "a quote that is not closed": (b'slug,title@nl,procurer\na,"Een,kamp-c\n', "breaks off"),
    "a text after a quote": (b'slug,title@nl,procurer\na,"Een"x,kamp-c\n', "breaks off"),
    "a cell without end": (b"slug,title@nl,procurer\na," + b"x" * 300_000 + b",kamp-c\n", "breaks off"),
}


@pytest.mark.parametrize("case", FILES)
def test_a_file_that_is_no_table_is_one_fault_and_no_draft(case):
    data, reason = FILES[case]
    found, faults = read(data)
    assert found == []
    assert [fault.file for fault in faults] == ["pilot.csv"] * len(faults) != []
    assert reason in faults[0].message


def test_a_header_without_rows_is_no_record_and_no_fault():
    assert read(PILOT.partition("\n")[0]) == ([], [])


@pytest.mark.parametrize("name", ["pilot.csv", "pilots.csv", "PILOT.CSV", "pilot.tsv", "records/pilot.txt", "pilot"])
def test_the_name_of_a_file_says_the_kind(name):
    assert drafts(PILOT, name)[0].kind == "pilot"


@pytest.mark.parametrize("name", ["", "data.csv", "observation.csv", "pilot.title.csv", "key-event.csv"])
def test_a_file_named_after_no_kind_is_a_fault(name):
    found, (fault,) = read(PILOT, name)
    assert found == []
    assert (fault.file, "pilot" in fault.remedy) == (name, True)


def test_a_slug_that_occurs_twice_is_a_fault_that_names_both_rows():
    found, (fault,) = read(PILOT + PILOT.split("\n")[1] + "\n")
    assert (fault.row, fault.column, "row 2 of pilot.csv" in fault.message) == (3, "slug", True)
    assert len(found) == 1


def test_a_row_without_slug_is_a_fault():
    assert places(every_fault(("pilot.csv", "slug,title@nl,procurer\n,Een,kamp-c\n"))) == {("pilot.csv", 2, "slug")}


def test_a_row_longer_than_the_header_is_a_fault():
    _, (fault,) = read("slug,title@nl,procurer\na,Een,kamp-c,more\n")
    assert (fault.row, "4 cells, the header 3" in fault.message) == (2, True)


def test_a_row_shorter_than_the_header_leaves_fields_empty():
    assert set(drafts("slug,title@nl,procurer,start\na,Een,kamp-c\n")[0].values) == {"title", "procurer"}


FIGURES = "of,slug,indicator,observationRole,value,unit,evidenceLevel\n"
FIGURE = "virgin-reduction-share,target,20,percent,claimed\n"


def test_parts_stand_in_a_table_of_their_own():
    tables = [
        File("pilot.observation.csv", f"{FIGURES}brug,co2,{FIGURE}brug,,{FIGURE}".encode()),
        File("pilot.csv", PILOT.encode()),
    ]
    (draft,), faults = drafts_of(tables, VOCABULARY, NAMING)
    assert faults == []
    assert [part.slug for part in draft.values["observation"]] == ["co2", "observation-3"]


def test_a_part_of_no_record_is_a_fault():
    found = every_fault(("pilot.csv", PILOT), ("pilot.observation.csv", f"{FIGURES}sluis,co2,{FIGURE}"))
    assert places(found) == {("pilot.observation.csv", 2, "of")}


def test_a_part_without_record_is_a_fault():
    found = every_fault(("pilot.csv", PILOT), ("pilot.observation.csv", f"{FIGURES},co2,{FIGURE}"))
    assert places(found) == {("pilot.observation.csv", 2, "of")}


def test_a_table_of_parts_names_their_record():
    _, faults = read("slug,indicator,observationRole,value,unit,evidenceLevel\n", "pilot.observation.csv")
    assert "of" in {fault.field for fault in faults}


BROKEN = "\n".join(
    [
        "slug,title@nl,procurer,sector,start,source",
        "a,Een,kamp-c,furniture-office,2021-02-30,https://a.example/",
        f"b,{'x' * 100_000},kamp-c,furniture-office,,",
        "c,Drie,kamp-c,none-such,,https://a.example/a b",
        "C d,Vier,kamp-c,furniture-office,,",
        "e,Vijf,Kamp C!,furniture-office,,",
        "a,Zes,kamp-c,furniture-office,,",
    ]
)


def test_every_fault_of_every_row_is_found_at_once_with_its_place():
    found = every_fault(("pilot.csv", BROKEN), ("lesson.csv", "slug,title@nl,barrier\nl,Les,none-such\n"))
    assert places(found) == {
        ("pilot.csv", 2, "start"),
        ("pilot.csv", 3, "title@nl"),
        ("pilot.csv", 4, "sector"),
        ("pilot.csv", 4, "source"),
        ("pilot.csv", 5, "slug"),
        ("pilot.csv", 6, "procurer"),
        ("pilot.csv", 7, "slug"),
        ("lesson.csv", 2, "barrier"),
    }


def test_a_fault_names_the_column_as_the_author_wrote_it():
    (procurer, start) = labels("pilot", "da", "procurer", "start")
    found = every_fault(("pilot.csv", f"slug,Titel (da),{procurer},{start}\na,Bro,kamp-c,aldrig\n"))
    assert places(found) == {("pilot.csv", 2, start)}


def test_a_title_of_a_hundred_thousand_characters_is_named_with_its_length():
    (fault,) = every_fault(("pilot.csv", f"slug,title@nl,procurer\na,{'x' * 100_000},kamp-c\n"))
    assert "100,000 characters" in fault.message


def test_a_fault_reads_as_a_place_a_sentence_and_a_remedy():
    (fault,) = every_fault(("pilot.csv", "slug,title@nl,procurer,start\na,Een,kamp-c,never\n"))
    assert str(fault).startswith("pilot.csv, row 2, column start: 'never' is not a date that exists. Write ")


SEEDS = sorted(NODES.glob("*/records"))


@pytest.mark.parametrize("folder", SEEDS, ids=[path.parent.name for path in SEEDS])
def test_every_record_of_the_seeds_is_without_faults_and_valid(folder, shacl: Shacl):
    tables = [File(path.name, path.read_bytes()) for path in sorted(folder.glob("*.csv"))]
    found, faults = drafts_of(tables, VOCABULARY, NAMING)
    assert faults == [fault for draft in found for fault in faults_of(draft)] == []
    peers = {path.parent.name: f"https://{path.parent.name}.example" for path in SEEDS}
    assert set(NAMING.peers) <= set(peers)
    findings = shacl.findings([complete(draft) for draft in found])
    assert [each for each in findings if each.severity == "violation"] == []


TEXTS = [path for path in sorted(NODES.glob("*/records/*.csv")) if "." not in path.stem]


@pytest.mark.parametrize("path", TEXTS, ids=[f"{path.parts[-3]}-{path.stem}" for path in TEXTS])
def test_the_seeds_have_exactly_the_languages_of_their_columns(path):
    with path.open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.DictReader(file))
    found, _ = read(path.read_bytes(), path.name)
    for row, draft in zip(rows, found, strict=True):
        filled = {header.partition("@")[2] for header, cell in row.items() if header.startswith("title@") and cell}
        assert set(draft.values["title"]) == filled != set()


@FUZZ
@given(st.binary(max_size=300), st.sampled_from(["pilot.csv", "lesson.csv", "pilot.observation.csv", "x.csv"]))
def test_arbitrary_bytes_are_faults_and_nothing_else_happens(data, name):
    for each in (data, PILOT.encode() + data, b"slug,title@nl,procurer\n" + data, b"\xff\xfe" + data):
        drafts_of([File(name, each)], VOCABULARY, NAMING)


@FUZZ
@given(st.lists(st.lists(st.text(max_size=6), min_size=1, max_size=5), min_size=1, max_size=4))
def test_arbitrary_rows_become_drafts_or_faults_and_nothing_else_happens(rows):
    lines = (",".join('"' + cell.replace('"', '""') + '"' for cell in row) for row in rows)
    text = "slug,title@nl,procurer,sector,start\n" + "\n".join(lines)
    found, _ = read(text.encode("utf-8", "surrogatepass"))
    for draft in found:
        faults_of(draft)


@FUZZ
@given(st.binary(max_size=100))
def test_decoding_gives_a_text_or_a_reason(data):
    text, problem = decode(data)
    assert not (text and problem)


@pytest.mark.parametrize("name", ["initiative.commitment-rule.csv", "initiative.commitmentRule.csv"])
def test_a_table_of_parts_is_named_after_its_part_or_its_field(name: str):
    initiative = File("initiative.csv", b"slug,title@nl,initiativeKind\ngd,Green Deal,green-deal\n")
    rules = File(name, b"of,slug,ruleRole,ruleNumber,ruleKind\ngd,buyers,procurer,2,procurement-pilot\n")
    found, faults = drafts_of([initiative, rules], VOCABULARY, NAMING)
    assert faults == []
    assert [part.slug for part in found[0].values["commitmentRule"]] == ["buyers"]
