"""Rules beside the shapes: each is broken once, kept once, and speaks every language."""

from __future__ import annotations

import pytest

from federation.records import rules
from federation.records.canonical import nodes_of, write
from federation.records.draft import Draft, statements
from federation.records.kinds import LANGUAGES
from federation.records.record import assemble
from federation.records.rules import RULES
from federation.records.shapes import fault_of
from federation.tasks import prepare
from federation.workers import Tools
from tests.records.authoring import NAMING, NOW, VOCABULARY, managed


def broken(kind: str, **values) -> set[str]:
    """The rules that a draft breaks."""
    draft = Draft(kind, "it", {"title": {"nl": "Iets"}, **values})
    triples, faults = statements(draft, VOCABULARY, NAMING)
    assert faults == []
    record, _ = assemble(nodes_of(write([*triples, *managed(NAMING.record(kind, "it"))])), VOCABULARY)
    return {finding.constraint for finding in rules.findings(record, VOCABULARY)}


def figure(**values) -> dict:
    common = {"slug": "co2", "indicator": "co2e-avoided", "observationRole": "measured", "value": "12", "unit": "t"}
    return {**common, "evidenceLevel": "claimed", **values}


PILOT = {"procurer": "ovam", "status": "in-contract"}
CASES = [
    ("figure-or-reason", "pilot", PILOT | {"status": "completed"}, {"noFigureReason": {"nl": "Niets gepubliceerd."}}),
    ("figure-or-reason", "pilot", PILOT | {"status": "scaled"}, {"observation": [figure()]}),
    ("method-of-figure", "pilot", PILOT | {"observation": [figure(evidenceLevel="measured")]},
     {"observation": [figure(evidenceLevel="measured", method={"nl": "Gewogen."})]}),
    ("share-of-what", "pilot", PILOT | {"observation": [figure(unit="percent")]},
     {"observation": [figure(unit="percent", shareOf={"nl": "van alle stoelen"})]}),
    ("target-until", "pilot", PILOT | {"observation": [figure(observationRole="target")]},
     {"observation": [figure(observationRole="target", end="2027")]}),
    ("promise-of-what", "commitment", {"organisation": "ovam", "initiative": "gd", "commitmentRole": "procurer",
     "signedOn": "2017", "promised": 2}, {"promisedKind": "procurement-pilot"}),
    ("condition-to-adapt", "lesson", {"barrier": "economic", "transferability": "adapt"},
     {"condition": {"nl": "Als."}}),
    ("legal-answer-complete", "output", {"outputKind": "legal-qa", "question": {"nl": "Mag het?"}},
     {"answer": {"nl": "Ja."}, "jurisdiction": "BE", "validAsOf": "2026-01"}),
    ("closing-day", "opportunity", {"opportunityKind": "open-contract", "procurer": "ovam", "need": {"nl": "Zitten"},
     "phase": "P5", "closesOn": "2027-01"}, {"closesOn": "2027-01-31"}),
    ("closing-day", "opportunity", {"opportunityKind": "market-consultation", "procurer": "ovam",
     "need": {"nl": "Zitten"}, "phase": "P5", "expectedQuarter": "2027-Q1"}, {"opportunityKind": "in-preparation"}),
    ("number-as-figure", "pilot", PILOT | {"abstract": {"nl": "Er werd 27.626 ton CO2 vermeden in 2021."}},
     {"observation": [figure(value="27626")]}),
    ("same-as-own", "pilot", PILOT | {"sameAs": "https://denmark.example/records/pilot/x"},
     {"sameAs": "https://www.wikidata.org/entity/Q1"}),
    ("translation-of-other", "pilot", PILOT | {"translationOf": NAMING.record("pilot", "it")},
     {"translationOf": "https://denmark.example/records/pilot/x"}),
    ("period-in-order", "pilot", PILOT | {"start": "2021-05", "end": "2020"}, {"end": "2021"}),
    ("period-in-order", "pilot", PILOT | {"passage": [{"slug": "p2", "phase": "P2", "start": "2021", "end": "2020"}]},
     {"passage": [{"slug": "p2", "phase": "P2", "start": "2021", "end": "2022"}]}),
    ("sandbox-complete", "pilot", PILOT | {"pilotKind": "sandbox-experiment"},
     {"supplier": "acme", "mvp": {"nl": "Een sensor."}}),
    ("correction-of-what", "term", {"notLabel": {"nl": ["bank"]}},
     {"exactMatch": "https://w3id.org/procirc/sector/furniture-office"}),
]  # fmt: skip


def test_a_legal_question_may_wait_for_its_answer():
    asked = {"outputKind": "legal-qa", "question": {"nl": "Mag het?"}, "jurisdiction": "BE"}
    assert "legal-answer-complete" not in broken("output", **asked)
    assert "legal-answer-complete" in broken("output", **asked, answer={"nl": "Ja."})


@pytest.mark.parametrize(
    ("rule", "kind", "wrong", "mended"), CASES, ids=[f"{case[0]}-{n}" for n, case in enumerate(CASES)]
)
def test_a_rule_is_broken_and_kept(rule: str, kind: str, wrong: dict, mended: dict):
    assert rule in broken(kind, **wrong)
    assert rule not in broken(kind, **{**wrong, **mended})


def test_every_rule_has_a_case_here():
    assert {rule for rule, *_ in CASES} == set(RULES)


def test_every_rule_of_the_vocabulary_has_its_function_and_the_other_way_round():
    assert set(VOCABULARY.rules) == set(RULES)


@pytest.mark.parametrize("rule", VOCABULARY.rules.values(), ids=lambda rule: rule.name)
def test_a_rule_says_in_every_language_what_is_wrong_and_what_to_do(rule):
    assert set(LANGUAGES) <= set(rule.messages)
    assert all(text.count(". ") >= 1 for text in rule.messages.values())


def test_a_broken_rule_reads_as_a_fault_with_its_field_and_a_remedy():
    finding = rules.Finding(
        NAMING.record("pilot", "it"), "https://w3id.org/procirc/ns#end", "period-in-order", "violation"
    )
    fault = fault_of(finding, VOCABULARY, NAMING.record("pilot", "it"))
    assert (fault.field, fault.message) == ("end", "The end lies before the start.")
    assert fault.remedy == "Correct one of the two dates."


@pytest.mark.parametrize(
    "text", ["Kamp C koos P5 in 2021 en CB'23.", "Twee of 3 stoelen.", "Versie 1.2.3", "EN 15804-2 en 12/2021"]
)
def test_years_codes_and_small_counts_are_no_figures(text: str):
    assert "number-as-figure" not in broken("pilot", **PILOT, abstract={"nl": text})


def test_a_pilot_is_complete_with_six_fields_that_take_minutes():
    """Title, organisation, sector, strategy, status and summary: no fault, no warning, from shapes or rules."""
    six = {
        "title": {"nl": "Tweedehands stoelen"}, "abstract": {"nl": "De school kocht tweedehands stoelen."},
        "procurer": "town", "sector": "furniture-school", "strategy": "R3", "status": "in-contract",
    }  # fmt: skip
    _, faults = prepare(Tools(VOCABULARY), [Draft("pilot", "chairs", six)], {}, NAMING, NOW)
    assert faults == []
