"""How much of a peer's log one pull may take: so many pages a run, so many entries and bytes a day (UTC).

A peer that publishes more than that is no attacker for certain: what is left over is taken later, and
nothing is lost. Of the first copy of a log a tenth is counted: a coordinator who follows a large log means all
of it, but one that claims to be endless would never come under a quota.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import Final

from federation.limits import Limits
from federation.store.rows import Day

ALARM: Final = 0.8
"""The part of a day's quota from which on the coordinator is told."""


_FIRST: Final = 10
"""How many entries and bytes of a first copy count for one."""


@dataclass(slots=True)
class Budget:
    """What a pull may still take; counted down as it goes on. ``day`` is empty where nothing counts for a day."""

    pages: int
    day: str = ""
    entries: int = sys.maxsize
    bytes: int = sys.maxsize
    rate: int = 1
    """How many of them count for one of a day."""
    fruitless: int = 0
    """Bytes that came and brought no entry, and are not written down yet."""

    @property
    def left(self) -> bool:
        return self.pages > 0 and not self.day_spent

    @property
    def day_spent(self) -> bool:
        return self.entries <= 0 or self.bytes <= 0

    def take(self, entries: int, size: int) -> Day | None:
        """Take the entries of pages; what is to be counted for the day, if anything."""
        if not self.day:
            return None
        self.entries -= entries
        self.bytes -= size
        return Day(self.day, -(-entries // self.rate), -(-size // self.rate))

    def spend(self, size: int) -> None:
        """Take bytes that brought no entry: links, and what was not believed."""
        self.fruitless += size
        self.bytes -= size

    def settle(self) -> Day | None:
        """What of that is to be counted for the day, if anything; from now on it is."""
        spent, self.fruitless = self.fruitless, 0
        return Day(self.day, 0, -(-spent // self.rate)) if self.day and spent else None


def budget(limits: Limits, taken: Day, *, first: bool) -> Budget:
    """What a pull may take after what the day has brought; ``first`` for the first copy of a log."""
    rate = _FIRST if first else 1
    left = (limits.day_entries - taken.entries) * rate, (limits.day_bytes - taken.bytes) * rate
    return Budget(limits.run_pages, taken.day, *left, rate)


def used(limits: Limits, taken: Day) -> float:
    """The part of a day's quota that is used up: 1 for all of it."""
    return max(taken.entries / limits.day_entries, taken.bytes / limits.day_bytes)


def told(limits: Limits, taken: Day) -> str:
    """What a coordinator reads of a quota that is nearly used up, or wholly; empty before."""
    part = used(limits, taken)
    if part < ALARM:
        return ""
    amount = (
        f"{taken.entries:,} of {limits.day_entries:,} entries and {taken.bytes:,} of {limits.day_bytes:,} bytes "
        "that it may bring on one day (day_entries, day_bytes)"
    )
    if part < 1:
        return f"It has brought {amount}."
    return f"It has brought {amount}; the next day (UTC) goes on with the rest."
