"""A figure: what was measured, against what was wanted, with every raw number behind it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Goal:
    """A bound on a figure: from below (``at_least``) or from above."""

    bound: float
    at_least: bool = True
    unit: str = ""

    def met(self, value: float) -> bool:
        return value >= self.bound if self.at_least else value <= self.bound

    def __str__(self) -> str:
        return f"{'≥' if self.at_least else '≤'} {self.bound:,g}{self.unit}"


@dataclass(frozen=True, slots=True)
class Figure:
    """One row of the table. ``raw`` goes to the results file as it is; ``enough`` is the least that is wanted already.

    ``goal`` None marks a row that only informs.
    """

    name: str
    value: float
    unit: str
    goal: Goal | None
    note: str = ""
    enough: Goal | None = None
    raw: dict[str, Any] = field(default_factory=dict)

    @property
    def measured(self) -> str:
        digits = 0 if abs(self.value) >= 1000 or self.value == int(self.value) else 1 if abs(self.value) >= 10 else 2
        return f"{self.value:,.{digits}f}{self.unit}"

    @property
    def ok(self) -> str:
        """yes, almost (what is wanted already, but not the goal), no; nothing where there is no goal."""
        if self.goal is None:
            return ""
        if self.goal.met(self.value):
            return "yes"
        return "almost" if self.enough is not None and self.enough.met(self.value) else "no"

    def as_dict(self) -> dict[str, Any]:
        return {
            "figure": self.name,
            "value": self.value,
            "unit": self.unit.strip(),
            "goal": str(self.goal or ""),
            "wanted_already": str(self.enough or ""),
            "ok": self.ok,
            "note": self.note,
            "raw": self.raw,
        }


def percentile(values: Sequence[float], share: float) -> float:
    """The smallest value that at least ``share`` of all values do not exceed."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]


def spread(values: Sequence[float]) -> dict[str, float]:
    """p50, p95, p99 and the worst."""
    shares = {"p50": 0.5, "p95": 0.95, "p99": 0.99, "max": 1.0}
    return {name: round(percentile(values, share), 3) for name, share in shares.items()}
