"""The records that nodes are shipped with: what the two Flemish texts say, and what must be expressible."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Final

import pytest

from federation.exchange.files import File, drafts_of
from federation.records.canonical import DCT, PC, Literal, nodes_of
from federation.records.derived import standing
from federation.records.record import Record, assemble
from federation.records.values import Naming
from federation.tasks import Prepared, prepare
from federation.workers import Tools
from tests.records.authoring import LICENCE, NOW, VOCABULARY

NODES: Final = sorted(path.parent for path in (Path(__file__).parents[1] / "nodes").glob("*/records"))
REGIONS: Final = [path.name for path in NODES]
LISTS: Final = "https://w3id.org/procirc/"
SOSA: Final = "http://www.w3.org/ns/sosa/"
TODAY: Final = date(2026, 11, 22)
WORD: Final = {"en": "Example", "nl": "Voorbeeld", "da": "Eksempel", "nb": "Eksempel", "sv": "Exempel"}
GREEN_DEAL: Final = "initiative/green-deal-circulair-aankopen"
TOOLS: Final = Tools(VOCABULARY)


@cache
def naming(region: str) -> Naming:
    """Names of a node that knows no peer: a record may not lean on one."""
    return Naming(f"https://{region}.example", f"did:web:{region}.example", LICENCE)


@cache
def prepared(region: str) -> list[Prepared]:
    folder = next(path for path in NODES if path.name == region) / "records"
    drafts, faults = drafts_of(
        [File(path.name, path.read_bytes()) for path in sorted(folder.glob("*.csv"))], VOCABULARY, naming(region)
    )
    ready, found = prepare(TOOLS, drafts, {}, naming(region), NOW)
    assert [str(fault) for fault in faults + found if fault.severity == "violation"] == []
    return [each for each in ready if each is not None]


@cache
def records(region: str = "flanders") -> dict[str, Record]:
    """Every record of a region by kind and slug."""
    every = (assemble(nodes_of(each.body), VOCABULARY)[0] for each in prepared(region))
    return {f"{each.kind}/{each.address.slug}": each for each in every}


def of_kind(kind: str, **codes: str) -> Iterator[Record]:
    """Records of Flanders of a kind, with some concepts given as property and ``list/code``."""
    for each in records().values():
        if each.kind == kind and all(LISTS + code in each.values(PC + path) for path, code in codes.items()):
            yield each


def text(record: Record, path: str, node: str = "") -> str:
    value = record.one(PC + path, node)
    return value.value if isinstance(value, Literal) else str(value or "")


def linked(record: Record, path: str) -> set[str]:
    return {str(value).partition("/records/")[2] for value in record.values(PC + path)}


def numbers(record: Record, indicator: str, role: str = "measured") -> set[tuple[str, ...]]:
    """Figures of a record: one number, or the lowest and the highest."""
    found = set()
    for part in map(str, record.values(PC + "observation")):
        what = (record.one(SOSA + "observedProperty", part), record.one(PC + "observationRole", part))
        if what == (f"{LISTS}indicator/{indicator}", f"{LISTS}observation-role/{role}"):
            ends = [record.one(path, part) for path in (SOSA + "hasSimpleResult", PC + "minimum", PC + "maximum")]
            found.add(tuple(end.value for end in ends if isinstance(end, Literal)))
    return found


def stands(record: Record) -> str:
    found = standing(record, {each.iri: each for each in records().values()}, TODAY)
    assert found is not None
    return found.concept.removeprefix(LISTS)


def is_example(record: Record) -> bool:
    return any(title.startswith(f"{WORD[tag]}: ") for tag, title in record.titles.items() if tag in WORD)


# What must be expressible


def test_an_innovation_project_enters_at_a_phase_and_passes_through_others():
    (project,) = of_kind("pilot", pilotKind="pilot-kind/innovation-project")
    assert "initiative/pio" in linked(project, "partOf")
    assert text(project, "entryPhase").endswith("/P1")
    assert text(project, "currentPhase").endswith("/P4")
    passages = sorted(str(part) for part in project.values(PC + "passage"))
    assert [text(project, "phase", part)[-2:] for part in passages] == ["P1", "P2", "P3", "P4"]
    starts = [text(project, "start", part) for part in passages]
    assert starts == sorted(starts)
    assert all(starts)
    assert sum(bool(text(project, "end", part)) for part in passages) >= 3
    assert all(project.texts(PC + "outcome", part).keys() == {"nl", "en"} for part in passages)


def test_there_is_an_opportunity_of_each_kind_and_closed_ones_are_closed():
    expected = {
        "open-contract": ("openness/open", "2027-03-31"),
        "market-consultation": ("openness/closed", "2025-02-14"),
        "in-preparation": ("openness/expected", ""),
        "sandbox-call": ("openness/open", "2027-01-29"),
    }
    found = {text(each, "opportunityKind").rsplit("/", 1)[-1]: each for each in of_kind("opportunity")}
    assert {kind: (stands(each), text(each, "closesOn")) for kind, each in found.items()} == expected
    assert text(found["in-preparation"], "expectedQuarter") == "2027-Q2"
    assert linked(found["market-consultation"], "becomes") == {"pilot/example-pio-verpakking"}


def test_a_sandbox_experiment_has_a_product_a_host_a_test_and_a_decision():
    (experiment,) = of_kind("pilot", pilotKind="pilot-kind/sandbox-experiment")
    assert linked(experiment, "partOf") == {"initiative/sandbox-vlaanderen"}
    assert linked(experiment, "supplier") == {"organisation/example-starter"}
    assert linked(experiment, "procurer") == {"organisation/example-agentschap"}
    assert (text(experiment, "testStart"), text(experiment, "testEnd")) == ("2025-03-03", "2025-05-30")
    assert text(experiment, "decision") == f"{LISTS}decision/adapt"
    assert experiment.texts(PC + "mvp").keys() == experiment.texts(PC + "decisionReason").keys() == {"nl", "en"}


def test_the_green_deal_says_what_each_role_promises_and_how_many_signed():
    deal = records()[GREEN_DEAL]
    rules = {
        text(deal, "ruleRole", part).rsplit("/", 1)[-1]: (
            text(deal, "ruleNumber", part),
            text(deal, "ruleKind", part).rsplit("/", 1)[-1],
        )
        for part in map(str, deal.values(PC + "commitmentRule"))
    }
    assert rules == {"procurer": ("2", "procurement-pilot"), "facilitator": ("2", "supporting-action")}
    assert numbers(deal, "participants") == {("101",), ("52",)}
    assert numbers(deal, "pilots") == {("200",), ("60",)}
    assert linked(deal, "inspiredBy") == {"initiative/nederlandse-green-deals"}
    assert numbers(records()["initiative/leernetwerk-green-deal"], "participants") == {("50", "200")}


def test_promises_are_met_overdue_or_under_way():
    deal = {
        each.address.slug: stands(each)
        for each in of_kind("commitment")
        if "initiative/example-green-deal" in linked(each, "initiative")
    }
    assert deal == {
        "example-belofte-stad": "fulfilment/met",
        "example-belofte-ziekenhuis": "fulfilment/overdue",
        "example-belofte-adviesbureau": "fulfilment/partly",
    }
    assert all(list(each.values(PC + "followUp")) for each in of_kind("commitment"))
    actions = list(of_kind("pilot", pilotKind="pilot-kind/supporting-action"))
    assert len(actions) == 2
    assert {who for each in actions for who in linked(each, "facilitator")} == {"organisation/example-adviesbureau"}


def test_a_goal_is_followed_at_three_moments():
    (goal,) = of_kind("goal")
    assert text(goal, "circularGoal").endswith("/C")
    assert {str(each)[-2:] for each in goal.values(PC + "strategy")} == {"R3", "R4"}
    assert numbers(goal, "reused-share", "baseline") == {("5",)}
    assert numbers(goal, "reused-share", "target") == {("40",)}
    assert numbers(goal, "reused-share") == {("12",), ("27",), ("33",)}
    found = standing(goal, {}, TODAY)
    assert found is not None
    assert (found.concept, found.share) == (f"{LISTS}progress/on-the-way", Decimal(28) / Decimal(35))


def test_legal_answers_grow_old():
    every = list(of_kind("output", outputKind="output-kind/legal-qa"))
    answers = [each for each in every if each.texts(PC + "answer")]
    (asked,) = (each for each in every if each not in answers)
    assert stands(asked) == "validity/unanswered"
    articles = {text(each, "legalReference").removeprefix("Directive 2014/24/EU, ") for each in answers}
    assert articles == {"Article 42", "Article 43", "Articles 67 and 68", "Articles 40 and 41"}
    for each in answers:
        assert each.texts(PC + "question").keys() == each.texts(PC + "answer").keys() == {"nl", "en"}
        assert text(each, "jurisdiction").endswith("/BEL")
        assert stands(each) == f"validity/{'possibly-outdated' if text(each, 'validAsOf') < '2024-12' else 'current'}"
    assert {stands(each) for each in answers} == {"validity/possibly-outdated", "validity/current"}
    assert {who for each in answers for who in linked(each, "reviewedBy")} == {"organisation/example-rechtsloket"}


def test_the_tools_webinars_and_events_of_the_green_deal_are_there():
    belonging = [each for each in records().values() if GREEN_DEAL in linked(each, "partOf")]
    assert {each.address.slug for each in belonging if each.kind == "output"} == {
        "gdca-leerplatform", "gdca-webinars", "gdca-wetvragen", "gdca-gereedschapskist", "gdca-bibliotheek",
        "gdca-doelentool",
    }  # fmt: skip
    kinds = sorted(text(each, "eventKind").rsplit("/", 1)[-1] for each in belonging if each.kind == "event")
    assert kinds == [
        "action-inspiration-day", "buyer-meets-supplier", "buyer-meets-supplier", "conference", "webinar", "workshop",
    ]  # fmt: skip
    assert text(records()["event/gdca-slot"], "start") == "2019-11-21"
    assert linked(records()["event/gdca-webinarreeks"], "recording") == {"output/gdca-webinars"}
    example = records()["event/example-ontmoeting-werkkleding"]
    assert (text(example, "attendance"), linked(example, "presented")) == ("64", {"pilot/example-stad-werkkleding"})


def test_good_practices_have_resources_evidence_difficulties_and_transfer():
    practice = records()["good-practice/green-deal-circulair-aankopen"]
    for path in ("resources", "evidenceOfSuccess", "difficulties", "transferPotential"):
        assert practice.texts(PC + path).keys() == {"nl", "en"}
    assert linked(practice, "institution") == {"organisation/vlaanderen-circulair"}
    assert (text(practice, "start"), text(practice, "end")) == ("2017-01", "2019-12")
    assert numbers(practice, "budget", "estimated") == {("350000",)}
    assert numbers(practice, "staff", "estimated") == {("3",)}
    about = [each for each in of_kind("lesson") if GREEN_DEAL in linked(each, "about")]
    barriers = {str(value).rsplit("/", 1)[-1] for each in about for value in each.values(PC + "barrier")}
    assert barriers == {"o-staff-turnover", "k-business-case", "k-tco", "k-lca", "k-procurement-law"}
    other = records()["good-practice/innovatieve-overheidsopdrachten"]
    assert numbers(other, "budget", "baseline") == {("30000000000", "40000000000")}


def test_procirc_has_targets_task_forces_communities_and_a_joint_statement():
    project = records()["initiative/procirc"]
    for indicator in ("virgin-reduction-share", "waste-reduction-share", "co2e-reduction-share"):
        assert numbers(project, indicator, "target") == {("20", "25")}
    assert numbers(project, "pilots", "target") == {("30",)}
    assert numbers(project, "participants") == {("8",), ("3",)}
    parts = {
        text(each, "initiativeKind").rsplit("/", 1)[-1]
        for each in of_kind("initiative")
        if "initiative/procirc" in linked(each, "partOf")
    }
    assert parts == {"learning-programme", "task-force", "community-of-practice", "joint-demand"}
    (signed,) = (each for each in of_kind("commitment") if each.texts(PC + "asksAccepted"))
    (group,) = linked(signed, "initiative")
    assert text(records()[group], "initiativeKind") == f"{LISTS}initiative-kind/joint-demand"


def test_criteria_say_what_they_weigh_and_whether_they_reached_the_contract():
    pilot = records()["pilot/example-stad-werkkleding"]
    criteria = [records()[each] for each in sorted(linked(pilot, "criterion"))]
    kinds = {text(each, "criterionKind").rsplit("/", 1)[-1]: each for each in criteria}
    assert kinds.keys() == {"award", "clause", "specification"}
    assert text(kinds["award"], "weight") == "30"
    for each in criteria:
        assert linked(each, "usedIn") == {"pilot/example-stad-werkkleding"}
        assert each.one(PC + "beyondMarket") is not None
        assert each.one(PC + "inContract") is not None
        assert each.texts(PC + "verifiedHow").keys() == {"nl", "en"}


# What holds for every region


@pytest.mark.parametrize("region", REGIONS)
def test_every_record_has_a_source_or_says_that_it_is_an_example(region: str):
    for name, record in records(region).items():
        # What a word means is said by those who use it.
        if not is_example(record) and not VOCABULARY.kinds[record.kind].lexical:
            assert list(record.values(DCT + "source")), name


@pytest.mark.parametrize("region", REGIONS)
def test_an_example_says_so_in_each_of_its_languages_and_names_only_examples(region: str):
    acting = ("procurer", "supplier", "facilitator", "organisation", "organiser", "coordinator", "member", "reviewedBy")
    for name, record in records(region).items():
        example = record.address.slug.startswith("example-")
        assert is_example(record) == example, name
        for tag, title in record.titles.items():
            assert not example or title.startswith(f"{WORD[tag]}: "), name
        if example:
            abstracts = record.texts(DCT + "abstract")
            assert abstracts.keys() == record.titles.keys(), name
            assert all(WORD[tag].lower() in abstract for tag, abstract in abstracts.items()), name
        for path in acting:
            assert all("/example-" in each for each in linked(record, path)) or not example, name
            assert not any("/example-" in each for each in linked(record, path)) or example, name


@pytest.mark.parametrize("region", REGIONS)
def test_every_record_that_is_referred_to_exists(region: str):
    known = {each.record for each in prepared(region)}
    missing = {(each.record, iri) for each in prepared(region) for _, iri in each.mentions if iri not in known}
    assert missing == set()


@pytest.mark.parametrize("region", REGIONS)
def test_every_region_has_an_event_an_opportunity_and_a_criterion(region: str):
    kinds = {record.kind for record in records(region).values()}
    assert {"event", "opportunity", "criterion"} <= kinds


@pytest.mark.parametrize("region", REGIONS)
def test_a_lesson_about_a_pilot_has_the_sectors_of_the_pilot(region: str):
    """Communities of a sector find the lessons of it by them."""
    every = {each.iri: each for each in records(region).values()}
    pairs = [
        (lesson, every[str(iri)])
        for lesson in every.values()
        if lesson.kind == "lesson"
        for iri in lesson.values(PC + "about")
        if "/records/pilot/" in str(iri)
    ]
    assert pairs
    for lesson, pilot in pairs:
        assert set(pilot.values(PC + "sector")) <= set(lesson.values(PC + "sector")), lesson.iri
