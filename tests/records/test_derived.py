"""What follows from records and the day: whether promises are met, goals near, answers old, opportunities open."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from federation.records.canonical import nodes_of, write
from federation.records.derived import standing
from federation.records.draft import Draft
from federation.records.figures import addable, figures_of, totals
from federation.records.record import Record, assemble
from tests.records.authoring import VOCABULARY, complete

TODAY = date(2026, 11, 22)


def record(kind: str, slug: str = "a", **values: Any) -> Record:
    draft = Draft(kind, slug, {"title": {"en": f"A {kind}"}, "language": "en", **values})
    return assemble(nodes_of(write(complete(draft))), VOCABULARY)[0]


def linked(*records: Record) -> dict[str, Record]:
    return {each.iri: each for each in records}


DEAL = record(
    "initiative", "deal", initiativeKind="green-deal", start="2017-01", end="2019-12",
    commitmentRule=[{"slug": "buyers", "ruleRole": "procurer", "ruleNumber": 2, "ruleKind": "procurement-pilot",
                     "ruleDue": "2019-12-31"}],
)  # fmt: skip


def pilot(slug: str, **values: Any) -> Record:
    fields = {"procurer": "town", "pilotKind": "procurement-pilot", "start": "2018", **values}
    return record("pilot", slug, **fields)


def commitment(**values: Any) -> Record:
    fields = {
        "organisation": "town", "initiative": "deal", "commitmentRole": "procurer", "signedOn": "2017-06-08",
        "promised": 2, "promisedKind": "procurement-pilot", "due": "2027", **values,
    }  # fmt: skip
    return record("commitment", "promise", **{name: value for name, value in fields.items() if value is not None})


def fulfilled(commitment: Record, *pilots: Record, deal: Record = DEAL) -> tuple[str, list[str]]:
    """The code of the standing, and of every named pilot why it does not count."""
    found = standing(commitment, linked(deal, *pilots), TODAY)
    assert found is not None
    return found.concept.rpartition("/")[2], [each.why_not.rpartition("/")[2] for each in found.counted]


# Commitments (domain notes 4.3, rule 3)


def test_a_promise_is_met_when_enough_pilots_of_the_organisation_count():
    assert fulfilled(commitment(fulfilledBy=["one", "two"]), pilot("one"), pilot("two")) == ("met", ["", ""])


def test_the_same_pilot_counts_once():
    assert fulfilled(commitment(fulfilledBy=["one", "one"]), pilot("one")) == ("partly", [""])


@pytest.mark.parametrize(
    ("values", "why"),
    [
        ({"procurer": "other-town"}, "other-organisation"),
        ({"pilotKind": "supporting-action"}, "other-kind"),
        ({"start": "2021"}, "outside-dates"),
        ({"start": "2015", "end": "2016"}, "outside-dates"),
    ],
)
def test_a_pilot_that_does_not_count_says_why(values, why):
    assert fulfilled(commitment(fulfilledBy=["one"]), pilot("one", **values)) == ("open", [why])


def test_a_pilot_that_began_before_the_initiative_and_ran_into_it_counts():
    assert fulfilled(commitment(fulfilledBy=["one"]), pilot("one", start="2016", end="2018")) == ("partly", [""])


def test_a_pilot_this_node_does_not_hold_does_not_count():
    assert fulfilled(commitment(fulfilledBy=["one"])) == ("open", ["not-held"])


def test_a_facilitator_may_have_helped_rather_than_bought():
    action = pilot("one", procurer="other", facilitator="town", pilotKind="supporting-action")
    promise = commitment(commitmentRole="facilitator", promised=1, promisedKind="supporting-action", fulfilledBy="one")
    assert fulfilled(promise, action) == ("met", [""])


def test_a_promise_whose_day_has_passed_is_overdue_unless_it_is_met():
    late = commitment(due="2026-11-21", fulfilledBy="one")
    assert fulfilled(late, pilot("one"))[0] == "overdue"
    assert fulfilled(commitment(due="2026-11-22", fulfilledBy="one"), pilot("one"))[0] == "partly"
    met = commitment(due="2020", fulfilledBy=["one", "two"])
    assert fulfilled(met, pilot("one"), pilot("two"))[0] == "met"


def test_what_a_promise_leaves_open_the_rule_of_the_initiative_says():
    bare = commitment(promised=None, promisedKind=None, due=None, fulfilledBy=["one", "two"])
    assert fulfilled(bare, pilot("one"), pilot("two", pilotKind="supporting-action")) == ("overdue", ["", "other-kind"])


def test_a_promise_of_no_number_has_no_standing():
    bare = commitment(promised=None, promisedKind=None, commitmentRole="partner")
    assert standing(bare, linked(DEAL), TODAY) is None


# Goals


def figure(slug: str, role: str, value: Any, **values: Any) -> dict[str, Any]:
    fields = {"indicator": "waste-avoided", "unit": "kg", "evidenceLevel": "claimed", **values}
    return {"slug": slug, "observationRole": role, "value": value, **fields}


def goal(*figures: dict[str, Any]) -> Record:
    return record(
        "goal", "less", organisation="town", circularGoal="A", strategy="R2", goalIndicator="waste-avoided",
        observation=list(figures),
    )  # fmt: skip


def reached(*figures: dict[str, Any]) -> tuple[str, Decimal | None]:
    found = standing(goal(*figures), {}, TODAY)
    assert found is not None
    return found.concept.rpartition("/")[2], found.share


BASE, TARGET = figure("b", "baseline", 100, end="2020"), figure("t", "target", 200, end="2030")


def test_progress_runs_from_the_baseline_to_the_target_by_the_latest_measurement():
    moments = [figure(f"m{year}", "measured", value, end=str(year)) for year, value in ((2022, 120), (2024, 150))]
    assert reached(BASE, TARGET, *moments) == ("on-the-way", Decimal("0.5"))


def test_progress_may_run_downwards():
    falling = [figure("b", "baseline", 100), figure("t", "target", 80, end="2030"), figure("m", "measured", 85)]
    assert reached(*falling) == ("on-the-way", Decimal("0.75"))


def test_a_goal_is_reached_at_its_target_and_missed_after_its_day():
    assert reached(BASE, TARGET, figure("m", "measured", 210))[0] == "reached"
    assert reached(BASE, figure("t", "target", 200, end="2025"), figure("m", "measured", 150))[0] == "missed"


@pytest.mark.parametrize("other", [{"unit": "t"}, {"indicator": "co2e-avoided"}])
def test_figures_of_another_scale_are_no_progress(other):
    assert reached(BASE, TARGET, figure("m", "measured", 150, **other)) == ("not-measured", None)


def test_a_goal_without_figures_has_no_standing():
    assert standing(goal(), {}, TODAY) is None


# Legal answers (rule 5)


@pytest.mark.parametrize(
    ("valid", "state"),
    [
        ("2024-11-22", "possibly-outdated"),
        ("2024-11-23", "current"),
        ("2024", "current"),
        ("2023", "possibly-outdated"),
    ],
)
def test_a_legal_answer_may_be_outdated_after_two_years(valid, state):
    answer = record(
        "output", outputKind="legal-qa", question={"en": "May we?"}, answer={"en": "Yes."}, jurisdiction="BE",
        validAsOf=valid,
    )  # fmt: skip
    found = standing(answer, {}, TODAY)
    assert found is not None
    assert found.concept.endswith(f"/validity/{state}")


@pytest.mark.parametrize("kind", ["legal-qa", "guide"])
def test_a_question_is_open_until_there_is_an_answer_in_any_language(kind):
    asked = {"outputKind": kind, "question": {"en": "May we?", "nl": "Mag het?"}, "validAsOf": "2020"}
    found = standing(record("output", **asked), {}, TODAY)
    assert found is not None
    assert found.concept.endswith("/validity/unanswered")
    answered = standing(record("output", **asked, answer={"da": "Ja."}), {}, TODAY)
    assert answered is None or not answered.concept.endswith("/unanswered")


def test_other_outputs_do_not_grow_old():
    assert standing(record("output", outputKind="guide"), {}, TODAY) is None


# Opportunities (rule 6)


@pytest.mark.parametrize(
    ("values", "state"),
    [
        ({"closesOn": "2026-11-22"}, "open"),
        ({"closesOn": "2026-11-21"}, "closed"),
        ({"closesOn": "2030-01-01", "becomes": "pilot/one"}, "closed"),
        ({"opportunityKind": "in-preparation", "expectedQuarter": "2027-Q1"}, "expected"),
        ({"opportunityKind": "in-preparation", "closesOn": "2020"}, "closed"),
    ],
)
def test_an_opportunity_past_its_closing_day_is_never_open(values, state):
    fields = {"opportunityKind": "open-contract", "procurer": "town", "need": {"en": "Desks"}, **values}
    found = standing(record("opportunity", **fields), {}, TODAY)
    assert found is not None
    assert found.concept.endswith(f"/openness/{state}")


# Adding figures


def measured(*figures: dict[str, Any]) -> Record:
    return pilot("sums", observation=list(figures))


def test_only_figures_of_one_sort_are_added():
    kinds = [
        figure("a", "measured", 10), figure("b", "measured", "2.5"), figure("c", "target", 7),
        figure("d", "measured", 3, unit="t"), figure("e", "measured", 4, evidenceLevel="verified"),
        figure("f", "measured", 5, indicator="co2e-avoided"),
    ]  # fmt: skip
    sums = totals(figures_of(measured(*kinds)))
    assert sorted((each.low, each.count) for each in sums) == [(3, 1), (4, 1), (5, 1), (7, 1), (Decimal("12.5"), 2)]


def test_shares_are_never_added():
    shares = measured(figure("a", "measured", 20, unit="percent"), figure("b", "measured", 30, unit="percent"))
    one, other = figures_of(shares)
    assert not addable(one, other)
    assert [each.count for each in totals([one, other])] == [1, 1]


def test_ranges_add_up_to_a_range():
    ranges = measured({**figure("a", "measured", None), "minimum": 50, "maximum": 200}, figure("b", "measured", 10))
    (total,) = totals(figures_of(ranges))
    assert (total.low, total.high) == (60, 210)
