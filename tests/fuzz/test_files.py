"""Files to import: whatever their bytes, they become drafts or faults."""

from __future__ import annotations

import io
import json
import zipfile
from functools import cache
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from federation.errors import Fault
from federation.exchange.eforms import NAMESPACES
from federation.exchange.files import File, drafts_of
from federation.exchange.rows import template
from federation.exchange.workbook import workbook
from federation.records import jsonld
from federation.records.draft import Draft, statements
from tests.conftest import pilot
from tests.fuzz.hostile import FUZZ, MEGABYTE, damaged, little_memory
from tests.records.authoring import NAMING, VOCABULARY, complete


def imported(name: str, data: bytes) -> tuple[list[Draft], list[Fault]]:
    """What a file becomes; every draft is read and every fault can be shown."""
    drafts, faults = drafts_of([File(name, data)], VOCABULARY, NAMING)
    for draft in drafts:
        faults = faults + statements(draft, VOCABULARY, NAMING)[1]
    assert all(str(fault) for fault in faults)
    return drafts, faults


TABLE = (
    b"slug,title@nl,abstract@nl,Titel (en),procurer,sector,strategy,status,source,start,cpv\r\n"
    b'mill,De molen,"Een, twee\nen drie",The mill,kamp-c,furniture-office;construction,R3,completed,'
    b"https://a.example/;https://b.example/,2021-05,39130000\r\n"
    b"lock,De sluis,Kort,,denmark:havn,furniture-office,R3,completed,https://c.example/,18-05-2021,\r\n"
)
RECORD = jsonld.view(
    complete(pilot("mill", start="2021-05", observation=[{"slug": "co2", "value": "1234,5"}])), VOCABULARY
)
TURTLE = b"""@prefix pc: <https://w3id.org/procirc/ns#> . @prefix dct: <http://purl.org/dc/terms/> .
@prefix xsd: <http://www.w3.org/2001/XMLSchema#> . @base <https://flanders.example/records/> .
<pilot/mill> a pc:Pilot ; dct:title "De molen"@nl, "The mill"@en ; pc:observation [ pc:value 1.5 ], <#co2> ;
  pc:start "2021-05"^^xsd:gYearMonth ; pc:sector ( <a:b> 1 true ) .
"""
TRIG = TURTLE.replace(b"<pilot", b"<https://flanders.example/g> { <pilot") + b"}"
NQUADS = jsonld.pyoxigraph.serialize(
    jsonld.pyoxigraph.parse(TURTLE, format=jsonld.pyoxigraph.RdfFormat.TURTLE),
    format=jsonld.pyoxigraph.RdfFormat.N_QUADS,
)
OCDS = {
    "releases": [
        {
            "ocid": "ocds-1-a", "date": "2026-11-22T09:00:00Z", "language": "en", "tag": ["tender"],
            "parties": [
                {
                    "id": "b", "roles": ["buyer"], "name": "Kamp C", "address": {"countryName": "BE"},
                    "identifier": {"scheme": "BE-KBO", "id": "0123"},
                }
            ],
            "buyer": {"id": "b"},
            "planning": {"rationale": "Why", "documents": [{"documentType": "tenderNotice", "url": "https://a.example"}]},
            "tender": {
                "title": "Chairs", "title_fr": "Chaises", "description": "<p>Used &amp; mended</p>", "status": "active",
                "tenderPeriod": {"endDate": "2027-01-31T12:00:00Z"},
                "items": [
                    {
                        "classification": {"scheme": "CPV", "id": "39130000-2"},
                        "deliveryAddresses": [{"region": "BE211"}],
                    }
                ],
            },
        }
    ]
}  # fmt: skip
_EFORMS = """<?xml version="1.0" encoding="UTF-8"?>
<ContractNotice xmlns="urn:oasis:names:specification:ubl:schema:xsd:ContractNotice-2" {spaces}>
 <ext:UBLExtensions><ext:UBLExtension><ext:ExtensionContent><efext:EformsExtension>
  <efac:Organizations><efac:Organization><efac:Company>
   <cac:PartyIdentification><cbc:ID>ORG-1</cbc:ID></cac:PartyIdentification>
   <cac:PartyName><cbc:Name languageID="NLD">Kamp C</cbc:Name></cac:PartyName>
   <cac:PostalAddress><cac:Country><cbc:IdentificationCode>BEL</cbc:IdentificationCode></cac:Country></cac:PostalAddress>
   <cac:PartyLegalEntity><cbc:CompanyID>0123</cbc:CompanyID></cac:PartyLegalEntity>
  </efac:Company></efac:Organization></efac:Organizations>
  <efac:Publication><efbc:NoticePublicationID>00012-2026</efbc:NoticePublicationID></efac:Publication>
 </efext:EformsExtension></ext:ExtensionContent></ext:UBLExtension></ext:UBLExtensions>
 <cbc:ID>a-b</cbc:ID> <cbc:ContractFolderID>c-d</cbc:ContractFolderID> <cbc:IssueDate>2026-11-22Z</cbc:IssueDate>
 <cbc:NoticeTypeCode listName="competition">cn-standard</cbc:NoticeTypeCode>
 <cbc:NoticeLanguageCode>NLD</cbc:NoticeLanguageCode>
 <cac:ContractingParty><cac:Party><cac:PartyIdentification><cbc:ID>ORG-1</cbc:ID></cac:PartyIdentification></cac:Party>
 </cac:ContractingParty>
 <cac:ProcurementProject><cbc:Name languageID="NLD">Stoelen</cbc:Name><cbc:Description>Gebruikt</cbc:Description>
  <cac:MainCommodityClassification><cbc:ItemClassificationCode listName="cpv">39130000</cbc:ItemClassificationCode>
  </cac:MainCommodityClassification></cac:ProcurementProject>
 <cac:TenderSubmissionDeadlinePeriod><cbc:EndDate>2027-01-31+01:00</cbc:EndDate></cac:TenderSubmissionDeadlinePeriod>
</ContractNotice>
"""
EFORMS = _EFORMS.format(spaces=" ".join(f'xmlns:{name}="{space}"' for name, space in NAMESPACES.items())).encode()
JSON_LD = json.dumps([RECORD]).encode()
DRAFTS = json.dumps([{"kind": "pilot", "slug": "mill", **pilot("mill").values}]).encode()
GENUINE = {
    "pilot.csv": TABLE,
    "pilot.tsv": TABLE.decode().replace(",", "\t").encode("utf-16"),
    "a.ttl": TURTLE,
    "a.trig": TRIG,
    "a.nq": NQUADS,
    "a.jsonld": JSON_LD,
    "a.json": DRAFTS,
    "ocds.json": json.dumps(OCDS).encode(),
    "a.xml": EFORMS,
}


@pytest.mark.parametrize("name", GENUINE)
def test_a_genuine_file_becomes_drafts(name):
    assert imported(name, GENUINE[name])[0]


@pytest.mark.parametrize("name", GENUINE)
@FUZZ
@given(data=st.data())
def test_a_damaged_file_becomes_drafts_or_faults(name, data):
    imported(name, data.draw(damaged(GENUINE[name])))


KEYWORDS = [
    "@id", "id", "@type", "type", "@value", "@language", "@list", "@set", "@graph", "@reverse", "@context", "@nest",
    "@included", "@json", "title", "sector", "version", "start", "observation", "http://a.example/",
]  # fmt: skip
SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.sampled_from(KEYWORDS)
ANYTHING = st.recursive(
    SCALARS,
    lambda each: st.lists(each, max_size=3) | st.dictionaries(st.sampled_from(KEYWORDS), each, max_size=3),
    max_leaves=6,
)


@FUZZ
@given(st.sampled_from([*RECORD, "@graph", "@reverse", "@included", "@type", "@base"]), ANYTHING)
def test_a_json_ld_record_with_any_member_becomes_a_draft_or_faults(member, value):
    text = json.dumps({**RECORD, member: value})
    drafts, faults = imported("a.jsonld", text.encode())
    assert drafts or faults


@pytest.mark.parametrize("value", ["abc", 1.5, "1" * 5000, "", "\u0661"])
def test_a_version_that_is_no_whole_number_is_a_fault(value):
    found, (fault,) = imported("a.jsonld", json.dumps({**RECORD, "version": value}).encode())
    assert (found, fault.file) == ([], "a.jsonld")


# Linked data


QUOTED = {
    "ttl": b"<pilot/a> <b:x> <<( <c:x> <d:x> <e:x> )>> .",
    "nt": b"<a:a> <b:x> <<( <c:x> <d:x> <e:x> )>> .\n",
    "nq": b"<a:a> <b:x> <<( <c:x> <d:x> <e:x> )>> <g:g> .\n",
    "trig": b"<g:g> { << <c:x> <d:x> <e:x> >> <f:x> 1 }",
}


@pytest.mark.parametrize("ending", QUOTED)
def test_a_statement_about_a_statement_is_a_fault(ending):
    found, (fault,) = imported(f"a.{ending}", QUOTED[ending])
    assert (found, "about statements" in fault.message) == ([], True)


NESTED = {
    "statements": (b"<<( <a:a> <a:b> ", b" )>>"),
    "statements with spaces": (b"<< ( <a:a> <a:b> ", b" ) >>"),
    "lists": (b"(", b")"),
    "nodes": (b"[ <a:b> ", b" ]"),
}


@pytest.mark.parametrize("ending", ["ttl", "trig"])
@pytest.mark.parametrize("what", NESTED)
def test_turtle_nested_a_hundred_thousand_deep_ends_no_process(what, ending):
    before, after = NESTED[what]
    data = b"<pilot/a> <a:b> " + before * 100_000 + b"<a:c>" + after * 100_000 + b" ."
    found, faults = imported(f"a.{ending}", data)
    assert not found
    assert faults


# Notices


def test_a_number_of_a_character_with_five_thousand_digits_is_no_character():
    release = {**OCDS["releases"][0], "tender": {**OCDS["releases"][0]["tender"], "title": f"A&#{'1' * 5000};B"}}
    (_, opportunity), _ = imported("a.json", json.dumps({"releases": [release]}).encode())
    assert opportunity.values["title"]["en"] == "A\N{REPLACEMENT CHARACTER}B"


# Workbooks


@cache
def parts() -> dict[str, bytes]:
    """The parts of a genuine workbook, by name."""
    tables = template(VOCABULARY.kinds["pilot"], VOCABULARY, ["nl"])
    filled = [type(each)(each.kind, each.part, each.columns, [["mill", "De molen", "Kort"]]) for each in tables[:1]]
    with zipfile.ZipFile(io.BytesIO(workbook(filled, VOCABULARY, "en", str))) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def packed(**changed: Any) -> bytes:
    """The workbook with some of its parts changed, by the end of their names: ``sheet2`` for sheet2.xml."""
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, each in parts().items():
            change = next((change for end, change in changed.items() if name.endswith(f"/{end}.xml")), None)
            archive.writestr(name, change(each) if change else each)
    return data.getvalue()


def flagged(at: int, value: int) -> bytes:
    """The workbook with another value in the headers of all its entries; ``at`` counts from the version needed."""
    data = bytearray(packed())
    for mark, start in ((b"PK\x03\x04", 4), (b"PK\x01\x02", 6)):
        place = data.find(mark)
        while place >= 0:
            data[place + start + at : place + start + at + 2] = value.to_bytes(2, "little")
            place = data.find(mark, place + 4)
    return bytes(data)


def test_a_genuine_workbook_becomes_drafts():
    assert imported("pilot.xlsx", packed())[0]


@settings(FUZZ, max_examples=50)
@given(st.sampled_from(sorted(parts())), st.data())
def test_a_workbook_with_a_damaged_part_becomes_drafts_or_faults(name, data):
    changed = data.draw(damaged(parts()[name][:20_000]))
    imported("pilot.xlsx", packed(**{name.rpartition("/")[2].removesuffix(".xml"): lambda _: changed}))


@FUZZ
@given(damaged(packed()))
def test_a_damaged_workbook_becomes_drafts_or_faults(data):
    drafts, faults = imported("pilot.xlsx", data)
    assert drafts or faults


UNUSUAL = {
    "encrypted": (2, 1),
    "in an unknown version": (0, 99),
    **{f"packed by method {method}": (4, method) for method in (1, 9, 12, 14, 93, 99)},
}


@pytest.mark.parametrize("how", UNUSUAL)
def test_a_workbook_packed_in_an_unusual_way_is_a_fault(how):
    found, (fault,) = imported("pilot.xlsx", flagged(*UNUSUAL[how]))
    assert (found, "cannot be read" in fault.message) == ([], True)


FAR = [b"r='XFD1048576'", b'r = "XFD1048576"', b'r="xfd1048576"', b'r="&#88;FD1048576"', b'r="XFD01048576"']


@pytest.mark.parametrize("place", FAR)
def test_a_cell_far_away_is_refused_however_its_place_is_written(place):
    data = packed(sheet2=lambda xml: xml.replace(b'r="A1"', place, 1))
    found, (fault,) = imported("pilot.xlsx", data)
    assert (found, fault.severity) == ([], "violation")


def test_rows_without_places_of_cells_count_all_the_same():
    def without(xml: bytes) -> bytes:
        return xml.replace(b'<row r="2"', b"<row r='1048576'", 1).replace(b'r="A2"', b"", 1)

    _, (fault,) = imported("pilot.xlsx", packed(sheet2=without))
    assert "too large" in fault.message


def test_a_long_text_that_many_cells_show_is_refused_before_it_is_copied():
    cells = b"".join(b'<c r="A%d" t="s"><v>0</v></c>' % row for row in range(2, 2002))
    with little_memory(b""):
        _, (fault,) = imported(
            "pilot.xlsx",
            packed(
                sheet2=lambda xml: xml.replace(b"</sheetData>", b'<row r="2">%b</row></sheetData>' % cells),
                sharedStrings=lambda xml: xml.replace(b"<t>", b"<t>" + b"a" * 100_000, 1),
            ),
        )
    assert "too large" in fault.message


def test_one_sheet_under_many_names_is_refused():
    def repeated(xml: bytes) -> bytes:
        names = b"".join(b'<sheet name="s%d" sheetId="%d" r:id="rId2"/>' % (n, n + 9) for n in range(500))
        return xml.replace(b"</sheets>", names + b"</sheets>")

    _, (fault,) = imported("pilot.xlsx", packed(workbook=repeated))
    assert "two names" in fault.message


# Work and memory: each of these would take minutes or gigabytes if it grew faster than the input

_HUGE = b"a" * MEGABYTE
LONG = {
    "a header of spaces": ("pilot.csv", b"slug,a" + b" " * 190_000 + b"b\na,b\n"),
    "a header of brackets": ("pilot.csv", b"slug,title" + b"(nl" * 60_000 + b"\na,b\n"),
    "a header of at signs": ("pilot.csv", b"slug,title" + b"@nl" * 60_000 + b"\na,b\n"),
    "quotes": ("pilot.csv", b'slug,title@nl\na,"' + b'""' * 90_000 + b'"\n'),
    "semicolons": ("pilot.csv", b"slug,source\na," + b"; " * 90_000 + b"\n"),
    "addresses": ("pilot.csv", b"slug,source\na," + b";a" * 90_000 + b"\n"),
    "lines": ("pilot.csv", b"slug,title@nl\n" + b"\n" * (MEGABYTE // 16)),
    "one token": ("a.ttl", b"<a:a> <a:b> <a:" + _HUGE + b"> ."),
    "one text": ("a.ttl", b'<a:a> <a:b> """' + b'""\\"' * 200_000 + b'""" .'),
    "tags": ("a.xml", EFORMS.replace(b"Gebruikt", b"&lt;a" * 150_000)),
    "references": ("a.xml", EFORMS.replace(b"Gebruikt", b"&amp;#6" * 100_000)),
    "attributes": ("a.xml", b"<a %b/>" % b" ".join(b'a%d=""' % n for n in range(50_000))),
    "elements": ("a.xml", b"<a>" * 300_000),
    "brackets": ("a.json", b"[" * (MEGABYTE // 16)),
    "closed brackets": ("a.json", (b"]" + b"[") * (MEGABYTE // 16)),
    "backslashes": ("a.json", b'{"kind": "' + b"\\" * MEGABYTE),
    "a number": ("a.json", b"9" * MEGABYTE),
    "a fraction": ("a.json", b'{"kind": 0.' + b"9" * MEGABYTE + b"}"),
    "releases": ("ocds.json", b'{"releases": [' + b",".join([b'{"ocid": ""}'] * 5_000) + b"]}"),
}  # fmt: skip


@pytest.mark.parametrize("what", LONG)
def test_a_megabyte_of_one_thing_takes_little_memory_and_no_minutes(what):
    name, data = LONG[what]
    with little_memory(data):
        drafts_of([File(name, data)], VOCABULARY, NAMING)
