"""How much each kind of match counts. Numbers only, so that they can be tuned on judged topics."""

from __future__ import annotations

from typing import Final

TITLE: Final = 2.5
"""A word in the title, against the same word in the text."""
EXACT: Final = 1.2
"""The very form that was typed, in whatever language: names, numbers, and most words of one's own."""
OWN_LANGUAGE: Final = 1.0
OTHER_LANGUAGE: Final = 0.6
"""A stem in a language other than the searcher's: cognates and names match, chance does too."""
TAGGED: Final = 2.2
"""A record tagged with the concept of the query."""
NAMED: Final = 2.0
"""A record whose text names the concept, in whatever language."""
BROADER: Final = 0.9
"""A record about something narrower than the concept of the query."""
TIE: Final = 0.2
"""What the weaker matches of one word add to its strongest (disjunction max)."""


def needed(units: int) -> int:
    """How many words or phrases of a query a record must match: half of them, rounded up."""
    return (units + 1) // 2
