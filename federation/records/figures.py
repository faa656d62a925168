"""Figures of records: what they say, and which of them may be added.

Numbers are summed nowhere else. A target and a measurement, kilograms and tonnes, a claim and a
verified value are different things: a sum of them would be a number that nobody ever stated.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Final, NamedTuple

from federation.records.canonical import PC, Literal
from federation.records.record import Record

SOSA: Final = "http://www.w3.org/ns/sosa/"
INDICATOR: Final = SOSA + "observedProperty"
_ROLE: Final = "https://w3id.org/procirc/observation-role/"
_SHARES: Final = ("https://w3id.org/procirc/unit/percent",)


class Sort(NamedTuple):
    """What must be the same in all figures of a sum."""

    indicator: str
    role: str
    unit: str
    evidence: str


@dataclass(frozen=True, slots=True)
class Figure:
    """One observation: what sort of number it is, and its lowest and highest value, equal for one number.

    ``when`` is the end or start of its period as written, which may be a year alone; empty if unknown.
    """

    node: str
    sort: Sort
    low: Decimal
    high: Decimal
    when: str


@dataclass(frozen=True, slots=True)
class Total:
    """A sum of figures that may be added, and how many they are; a range where one of them is."""

    sort: Sort
    low: Decimal
    high: Decimal
    count: int


def figures_of(record: Record) -> Iterator[Figure]:
    """The figures of a record that have a number, in the order of their addresses."""
    for node in sorted(str(each) for each in record.values(PC + "observation")):
        one, low, high = (
            _number(record, node, path) for path in (SOSA + "hasSimpleResult", PC + "minimum", PC + "maximum")
        )
        known = [number for number in (one, low, high) if number is not None]
        if known:
            yield Figure(
                node,
                Sort(
                    str(record.one(INDICATOR, node) or ""),
                    str(record.one(PC + "observationRole", node) or "").removeprefix(_ROLE),
                    str(record.one(PC + "unit", node) or ""),
                    str(record.one(PC + "evidenceLevel", node) or "").rpartition("/")[2],
                ),
                one if one is not None else min(known),
                one if one is not None else max(known),
                _text(record, node, PC + "end") or _text(record, node, PC + "start"),
            )


def addable(one: Figure, other: Figure) -> bool:
    """Whether two figures may be added: the same indicator, role, unit and evidence, and no shares."""
    return one.sort == other.sort and one.sort.unit not in _SHARES


def comparable(one: Figure, other: Figure) -> bool:
    """Whether two figures stand on one scale: the same indicator and unit, whatever their role."""
    return (one.sort.indicator, one.sort.unit) == (other.sort.indicator, other.sort.unit)


def totals(figures: Iterable[Figure]) -> list[Total]:
    """Sums of what may be added, and nothing else; figures that stand alone are totals of one."""
    groups: list[list[Figure]] = []
    for each in figures:
        group = next((group for group in groups if addable(group[0], each)), None)
        if group is None:
            groups.append([each])
        else:
            group.append(each)
    made = [
        Total(
            group[0].sort,
            sum((f.low for f in group), Decimal(0)),
            sum((f.high for f in group), Decimal(0)),
            len(group),
        )
        for group in groups
    ]
    return sorted(made, key=lambda total: total.sort)


def _number(record: Record, node: str, path: str) -> Decimal | None:
    value = record.one(path, node)
    return Decimal(value.value) if isinstance(value, Literal) else None


def _text(record: Record, node: str, path: str) -> str:
    value = record.one(path, node)
    return value.value if isinstance(value, Literal) else ""
