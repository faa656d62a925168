"""Notices of Tenders Electronic Daily become records; what might harm the reader is refused before it is parsed."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest

from federation.errors import Fault
from federation.exchange import eforms
from federation.exchange.eforms import read
from tests.exchange.test_ocds import assert_publishable, only, violations
from tests.records.authoring import VOCABULARY

NOTICES = Path(__file__).parent.parent / "data" / "notices"
GOOD = ("tender", "planning", "consultation")


def sample(name: str) -> bytes:
    return (NOTICES / f"eforms-{name}.xml").read_bytes()


def changed(name: str, old: str, new: str) -> bytes:
    data = sample(name)
    assert old.encode() in data
    return data.replace(old.encode(), new.encode())


def without(name: str, *texts: tuple[str, str]) -> list[Fault]:
    """What is wrong with a sample in which some texts are replaced; nothing of it is drafted."""
    data = sample(name)
    for old, new in texts:
        assert old.encode() in data
        data = data.replace(old.encode(), new.encode())
    drafts, faults = read(data, "sample.xml", VOCABULARY)
    assert drafts == []
    return faults


def values(data: bytes, kind: str = "opportunity") -> dict[str, Any]:
    drafts, faults = read(data, "sample.xml", VOCABULARY)
    assert violations(faults) == set()
    return dict(only(drafts, kind).values)


def refusal(data: bytes) -> Fault:
    drafts, (fault,) = read(data, "sample.xml", VOCABULARY)
    assert (drafts, fault.severity, fault.file) == ([], "violation", "sample.xml")
    assert "contract notice or a prior information notice" in fault.remedy
    return fault


@pytest.mark.parametrize("name", GOOD)
def test_every_draft_of_the_samples_can_be_published(name, tools):
    drafts, faults = read(sample(name), f"eforms-{name}.xml", VOCABULARY)
    assert ([draft.kind for draft in drafts], violations(faults)) == (["organisation", "opportunity"], set())
    assert_publishable(drafts, tools)


def test_a_contract_notice_is_an_open_contract_with_what_all_its_lots_state():
    found = values(sample("tender"))
    assert {name: value for name, value in found.items() if name not in ("title", "need", "description")} == {
        "language": "nl",
        "opportunityKind": "open-contract",
        "procurer": "voorbeeldstad-dienst-gebouwen",
        "sector": ["flooring"],
        "cpv": ["39530000", "44112200"],
        "nuts": ["BE211", "BE212"],
        "country": ["BEL"],
        "closesOn": "2026-12-02",
        "notice": ["https://ted.europa.eu/en/notice/-/detail/12-2026"],
        "source": ["https://ted.europa.eu/en/notice/-/detail/12-2026"],
    }


def test_texts_are_taken_in_every_language_that_is_known_here_without_their_html():
    found = values(sample("tender"))
    assert found["title"] == {"nl": "Voorbeeld: hergebruikte vloeren", "fr": "Exemple : revêtements de sol réemployés"}
    assert found["need"] == {
        "nl": "Wij zoeken tapijttegels die een tweede leven krijgen.\nDiepte < 8 mm.",
        "fr": "Nous cherchons des dalles de moquette réemployées.",
    }


def test_the_buyer_is_found_by_its_contact_point_too():
    assert values(sample("tender"), "organisation") == {
        "title": {"nl": "Voorbeeldstad, dienst Gebouwen", "fr": "Ville exemplaire"},
        "role": "procurer",
        "legalId": "0000.000.097",
        "country": ["BEL"],
        "source": ["https://ted.europa.eu/en/notice/-/detail/12-2026"],
    }


def test_the_buyers_own_words_on_strategic_procurement_are_kept_and_no_strategy_is_made_up():
    found = values(sample("tender"))
    assert found["description"] == {"nl": "De leverancier neemt de tegels na gebruik terug."}
    assert "strategy" not in found


def test_a_prior_information_notice_is_a_contract_in_preparation():
    found = values(sample("planning"))
    assert (found["opportunityKind"], found["expectedQuarter"]) == ("in-preparation", "2027-Q2")
    assert "closesOn" not in found


def test_a_market_consultation_closes_when_answers_are_due():
    found = values(sample("consultation"))
    assert (found["opportunityKind"], found["closesOn"]) == ("market-consultation", "2026-11-30")


def test_norwegian_without_a_written_form_is_bokmal():
    assert values(sample("consultation"))["language"] == "nb"


def test_a_notice_that_is_not_published_links_its_documents():
    assert values(sample("consultation"))["notice"] == ["https://documents.example/sample-consultation"]


def test_a_change_notice_of_the_same_procedure_is_about_the_same_record():
    later = changed("tender", "00000000-0000-4000-8000-000000000001", "00000000-0000-4000-8000-0000000000aa")
    first, second = (only(read(data, "sample.xml", VOCABULARY)[0]).slug for data in (sample("tender"), later))
    assert first == second == "voorbeeld-hergebruikte-vloeren-00000000-0000-4000-8000-00000000000f"


def test_a_notice_that_calls_off_another_is_left_out_with_a_warning():
    drafts, (fault,) = read(sample("cancelled"), "sample.xml", VOCABULARY)
    assert (drafts, fault.severity, "closing day" in fault.remedy) == ([], "warning", True)


def test_a_tender_without_a_deadline_is_refused():
    assert violations(without("tender", ("SubmissionDeadlinePeriod>", "OtherPeriod>"))) == {"closesOn"}


def test_a_prior_information_notice_without_any_day_is_refused():
    assert violations(without("planning", ("cbc:PlannedDate>", "cbc:OtherDate>"))) == {"closesOn"}


def test_all_that_a_notice_lacks_is_said_at_once():
    faults = without("planning", ("cbc:Name", "cbc:Nom"), ("cbc:Description", "cbc:Texte"), ("cbc:ID", "cbc:No"))
    assert violations(faults) == {"slug", "title", "need", "procurer"}


def test_a_notice_in_a_language_that_is_not_known_here_is_refused():
    assert violations(without("planning", ("DAN", "ITA"))) == {"language", "title", "need", "procurer"}


def test_a_text_that_is_too_long_is_cut_between_two_words(tools):
    data = changed("planning", "Eksempel: genbrugte mursten", "genbrugte mursten " * 50)
    drafts, _ = read(data, "sample.xml", VOCABULARY)
    title = only(drafts).values["title"]["da"]
    assert (len(title) <= 300, title.endswith(" …")) == (True, True)
    assert_publishable(drafts, tools)


def test_a_notice_with_a_document_type_is_refused_before_it_is_parsed():
    assert "document type" in refusal(sample("doctype")).message


@pytest.mark.parametrize("declaration", ["<!DOCTYPE x>", "<!doctype x>", '<!DOCTYPE x SYSTEM "file:///etc/passwd">'])
def test_a_document_type_of_any_form_is_refused(declaration):
    assert "document type" in refusal(changed("planning", "<PriorInf", f"{declaration}<PriorInf")).message


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-be", "utf-32", "cp500"])
def test_a_document_type_cannot_hide_in_another_encoding(encoding):
    refusal(sample("doctype").decode().encode(encoding))


def test_the_encoding_that_is_declared_does_not_count():
    refusal(sample("doctype").replace(b"UTF-8", b"UTF-16"))
    assert values(sample("planning").replace(b"UTF-8", b"UTF-16"))["language"] == "da"


WRONG = {
    "nothing": b"",
    "text": b"A sample of text",
    "json": b'{"ocid": "sample"}',
    "no well-formed XML": sample("planning")[:-20],
    "another XML": b"<html/>",
    "the right name without its namespace": b"<ContractNotice/>",
    "no text": b"\xff\xfe\x00\x01",
}


@pytest.mark.parametrize("case", WRONG)
def test_what_is_not_an_eforms_notice_is_refused_with_what_was_expected(case):
    refusal(WRONG[case])


def test_the_notice_of_an_award_is_refused_by_its_name():
    assert "ContractAwardNotice" in refusal(sample("award")).message


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ('<cbc:NoticeTypeCode listName="result">can-standard</cbc:NoticeTypeCode>', "announces no contract"),
        ("", "does not state its form type"),
    ],
    ids=["result", "none"],
)
def test_a_notice_of_another_form_type_is_refused(code, reason):
    known = '<cbc:NoticeTypeCode listName="planning">pin-only</cbc:NoticeTypeCode>'
    assert reason in refusal(changed("planning", known, code)).message


def test_a_file_is_read_up_to_its_largest_size_and_not_beyond(monkeypatch):
    data = sample("planning")
    monkeypatch.setattr(eforms, "MAX_SIZE", len(data))
    assert values(data)["language"] == "da"
    assert "larger than" in refusal(data + b"\n").message


def test_a_file_of_endless_depth_or_number_of_elements_is_refused_soon():
    started = time.process_time()
    for data in (b"<a>" * 5_000_000, b"<a>" + b"<b/>" * 4_000_000 + b"</a>"):
        assert "more elements" in refusal(data).message
    assert time.process_time() - started < 20
