"""From one year to another: a search narrowed by what the facet ``year`` counts, whoever asks for it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

FIRST: Final = 1900
LAST: Final = 2100
"""The years that may be asked for; where one end is left open, it is one of these."""
YEAR: Final = "year"
"""The facet."""
_NEVER: Final = ("never",)
"""What no record has: chosen years that lie outside the range leave nothing."""


@dataclass(frozen=True, slots=True)
class Years:
    """A range of years, both ends within; None where an end is open."""

    first: int | None = None
    last: int | None = None

    def __bool__(self) -> bool:
        return self.first is not None or self.last is not None

    def __contains__(self, year: object) -> bool:
        return not self or str(year) in self.values

    @property
    def backwards(self) -> bool:
        return self.first is not None and self.last is not None and self.first > self.last

    @property
    def values(self) -> tuple[str, ...]:
        """The values of the facet within."""
        first = FIRST if self.first is None else self.first
        last = LAST if self.last is None else self.last
        return tuple(str(year) for year in range(first, last + 1))

    def narrow(self, filters: Mapping[str, tuple[str, ...]]) -> dict[str, tuple[str, ...]]:
        """Filters that keep to this range as well."""
        if not self:
            return dict(filters)
        chosen = filters.get(YEAR)
        within = tuple(year for year in self.values if not chosen or year in chosen)
        return {**filters, YEAR: within or _NEVER}


def year_of(text: str) -> int | None:
    """A year as it is written, if it is one that may be asked for."""
    if text.isascii() and text.isdecimal() and len(text) == 4 and FIRST <= int(text) <= LAST:
        return int(text)
    return None
