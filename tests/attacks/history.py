"""The reference model of one log: what was appended to it, and what of that anybody may see.

It knows nothing of signatures, trees and files: a log is a list of events, a view of it is how many of
them somebody holds.
"""

from __future__ import annotations

from dataclasses import dataclass, field

RECORD = "pilot"
WITHDRAWAL = "withdrawal"
ERASURE = "erasure"
KEYS = "key-event"


@dataclass(frozen=True)
class Event:
    """One entry. ``title`` is a text that stands nowhere else; ``stolen_from`` belongs to a change of keys."""

    kind: str
    slug: str = ""
    title: str = ""
    stolen_from: int | None = None


@dataclass
class History:
    """The events of one log, the declaration of its keys first."""

    events: list[Event] = field(default_factory=lambda: [Event(KEYS)])

    @property
    def size(self) -> int:
        return len(self.events)

    def current(self, size: int) -> dict[str, Event]:
        """The newest event of every slug, for who holds ``size`` of them; ended ones are there as their ending."""
        gone = self._erased(size) | self._stolen(size)
        shown = (e for at, e in enumerate(self.events[:size]) if at not in gone and e.kind != KEYS)
        return {each.slug: each for each in shown}

    def all_of(self, slug: str, size: int) -> list[Event]:
        """Every event of a slug, for who holds ``size`` events, those that are not shown included."""
        return [each for each in self.events[:size] if each.slug == slug]

    def visible(self, size: int) -> dict[str, str]:
        """Title by slug of what is to be seen."""
        return {slug: each.title for slug, each in self.current(size).items() if each.kind == RECORD}

    def erased(self, size: int) -> set[str]:
        """The texts that must be nowhere any more."""
        return {self.events[at].title for at in self._erased(size)} - {""}

    def changes(self, size: int) -> int:
        """How often keys were declared."""
        return sum(each.kind == KEYS for each in self.events[:size])

    def _erased(self, size: int) -> set[int]:
        """Positions whose text is gone."""
        gone: set[int] = set()
        for at, each in enumerate(self.events[:size]):
            if each.kind == ERASURE:
                earlier = enumerate(self.events[:at])
                gone |= {p for p, e in earlier if e.slug == each.slug and e.kind in (RECORD, WITHDRAWAL)}
        return gone

    def _stolen(self, size: int) -> set[int]:
        """Positions that are not shown since others had the key."""
        gone: set[int] = set()
        for at, each in enumerate(self.events[:size]):
            if each.stolen_from is not None:
                gone |= set(range(each.stolen_from, at))
        return gone
