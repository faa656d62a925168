"""What follows from records and the day, one function a question: nobody writes it down, nobody can get it wrong.

Whether a promise is met follows from the pilots, whether a goal is near from its figures, whether an
opportunity is open from its closing day. The answers are concepts of code lists, so that pages say them
in every language.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from typing import Final

from federation.records.canonical import PC, Literal
from federation.records.figures import Figure, comparable, figures_of
from federation.records.record import Record

LISTS: Final = "https://w3id.org/procirc/"
OUTDATED_AFTER: Final = 24
"""Months after which a legal answer may no longer hold; the project's own choice."""

Linked = Mapping[str, Record]
"""Records that others refer to, by IRI, as far as this node holds them."""


@dataclass(frozen=True, slots=True)
class Counted:
    """A pilot that was named for a promise: whether it counts, or the concept that says why not."""

    pilot: str
    why_not: str = ""


@dataclass(frozen=True, slots=True)
class Standing:
    """How things stand with a record: a concept, and what it rests on."""

    concept: str
    counted: tuple[Counted, ...] = ()
    done: int = 0
    promised: int = 0
    share: Decimal | None = None
    """Progress towards a goal: 0 at the baseline, 1 at the target."""
    figures: tuple[Figure, ...] = field(default=())


def standing(record: Record, linked: Linked, today: date) -> Standing | None:
    """How things stand with a record today; None where nothing follows."""
    derive = DERIVED.get(record.kind)
    return derive(record, linked, today) if derive is not None else None


# Commitments


def fulfilment(record: Record, linked: Linked, today: date) -> Standing | None:
    """Met, partly met, open or overdue, with the pilots that count and why others do not.

    A pilot counts once, if it is of the promised kind, of that organisation, and within the dates of
    the initiative. What the commitment leaves open, the rule of the initiative for the role says.
    """
    initiative = linked.get(str(record.one(PC + "initiative") or ""))
    promised, kind, due = _promise(record, initiative)
    if not promised:
        return None
    organisation = str(record.one(PC + "organisation") or "")
    pilots = dict.fromkeys(sorted(str(each) for each in record.values(PC + "fulfilledBy")))
    counted = tuple(Counted(iri, _why_not(linked.get(iri), organisation, kind, initiative)) for iri in pilots)
    done = sum(not each.why_not for each in counted)
    if done >= promised:
        state = "met"
    elif due and _last_day(due) < today:
        state = "overdue"
    else:
        state = "partly" if done else "open"
    return Standing(f"{LISTS}fulfilment/{state}", counted, done, promised)


def _promise(record: Record, initiative: Record | None) -> tuple[int, str, str]:
    number, kind = _text(record, PC + "promised"), str(record.one(PC + "promisedKind") or "")
    due = _text(record, PC + "due")
    role = record.one(PC + "commitmentRole")
    for rule in initiative.values(PC + "commitmentRule") if initiative is not None else ():
        if initiative is not None and initiative.one(PC + "ruleRole", str(rule)) == role:
            number = number or _text(initiative, PC + "ruleNumber", str(rule))
            kind = kind or str(initiative.one(PC + "ruleKind", str(rule)) or "")
            due = due or _text(initiative, PC + "ruleDue", str(rule))
    return int(number or 0), kind, due


def _why_not(pilot: Record | None, organisation: str, kind: str, initiative: Record | None) -> str:
    reasons = LISTS + "not-counted/"
    if pilot is None:
        return reasons + "not-held"
    people = {value for role in ("procurer", "facilitator", "supplier") for value in pilot.values(PC + role)}
    if organisation not in people:
        return reasons + "other-organisation"
    if kind and pilot.one(PC + "pilotKind") != kind:
        return reasons + "other-kind"
    if initiative is not None and not _overlap(pilot, initiative):
        return reasons + "outside-dates"
    return ""


def _overlap(pilot: Record, initiative: Record) -> bool:
    """Whether a pilot ran at some time while the initiative did, as far as the dates are known."""
    begins, ends = _text(pilot, PC + "start"), _text(pilot, PC + "end")
    opens, closes = _text(initiative, PC + "start"), _text(initiative, PC + "end")
    too_late = begins and closes and _first_day(begins) > _last_day(closes)
    too_early = ends and opens and _last_day(ends) < _first_day(opens)
    return not (too_late or too_early)


# Goals


def progress(record: Record, linked: Linked, today: date) -> Standing | None:
    """How far a goal is: from the baseline to the target by the latest measurement, figures of one scale only."""
    indicator = record.one(PC + "goalIndicator")
    figures = sorted(
        (each for each in figures_of(record) if each.sort.indicator == indicator),
        key=lambda each: (each.when, each.node),
    )
    target = next((each for each in figures if each.sort.role == "target"), None)
    measured = [
        each for each in figures if each.sort.role == "measured" and (target is None or comparable(each, target))
    ]
    if target is None or not measured:
        return Standing(f"{LISTS}progress/not-measured", figures=tuple(figures)) if figures else None
    baseline = next((each for each in figures if each.sort.role == "baseline" and comparable(each, target)), None)
    start = baseline.low if baseline is not None else Decimal(0)
    way = target.low - start
    share = (measured[-1].low - start) / way if way else None
    state = "reached" if share is not None and share >= 1 else "on-the-way"
    if state == "on-the-way" and target.when and _last_day(target.when) < today:
        state = "missed"
    return Standing(f"{LISTS}progress/{state}", share=share, figures=tuple(figures))


# Questions, legal answers and opportunities


def is_open_question(record: Record) -> bool:
    """Whether something is asked and nobody has answered it, in any language."""
    return record.one(PC + "question") is not None and record.one(PC + "answer") is None


def validity(record: Record, linked: Linked, today: date) -> Standing | None:
    """Whether a question is open, and a legal answer may be outdated: two years after the day on which it was valid."""
    if is_open_question(record):
        return Standing(f"{LISTS}validity/unanswered")
    valid = _text(record, PC + "validAsOf")
    if not valid or record.one(PC + "outputKind") != f"{LISTS}output-kind/legal-qa":
        return None
    day = _last_day(valid)
    months = (today.year - day.year) * 12 + today.month - day.month - (today.day < day.day)
    return Standing(f"{LISTS}validity/{'possibly-outdated' if months >= OUTDATED_AFTER else 'current'}")


def openness(record: Record, linked: Linked, today: date) -> Standing | None:
    """Whether an opportunity is open: until its closing day, and not once something has come of it."""
    last = _closing(record)
    if last is None or last < today:
        return Standing(f"{LISTS}openness/closed")
    return Standing(f"{LISTS}openness/{'expected' if _is_expected(record) else 'open'}")


def open_until(record: Record) -> date | None:
    """The last day on which one can take part; None where that is over or still to come, or a record offers nothing."""
    return None if DERIVED.get(record.kind) is not openness or _is_expected(record) else _closing(record)


def _is_expected(record: Record) -> bool:
    return record.one(PC + "opportunityKind") == f"{LISTS}opportunity-kind/in-preparation"


def _closing(record: Record) -> date | None:
    """The last day of an opportunity; None where something has come of it."""
    if record.one(PC + "becomes") is not None:
        return None
    closes = _text(record, PC + "closesOn")
    return _last_day(closes) if closes else date.max


Derive = Callable[[Record, Linked, date], Standing | None]
DERIVED: Final[Mapping[str, Derive]] = {
    "commitment": fulfilment,
    "goal": progress,
    "output": validity,
    "opportunity": openness,
}
"""What is asked of which kind."""


LISTED: Final = frozenset({"commitment", "goal", "opportunity"})
"""Kinds whose standing is worth showing wherever they are listed."""


def needs(record: Record) -> Sequence[str]:
    """The records that must be at hand to say how things stand with one."""
    paths = ("initiative", "fulfilledBy") if record.kind == "commitment" else ()
    return [str(value) for path in paths for value in record.values(PC + path)]


def _text(record: Record, path: str, node: str = "") -> str:
    value = record.one(path, node)
    return value.value if isinstance(value, Literal) else ""


def is_over(record: Record, today: date) -> bool:
    """Whether the last day of what a record tells of, as far as it is known, has passed."""
    day = _text(record, PC + "end") or _text(record, PC + "start")
    return bool(day) and _last_day(day) < today


def _first_day(text: str) -> date:
    """The first day of a day, month or year."""
    return date.fromisoformat((text + "-01-01")[:10])


def _last_day(text: str) -> date:
    """The last day of a day, month or year."""
    if len(text) == 10:
        return date.fromisoformat(text)
    year, month = (int(text[:4]), int(text[5:7])) if len(text) == 7 else (int(text), 12)
    following = date(year + month // 12, month % 12 + 1, 1)
    return date.fromordinal(following.toordinal() - 1)
