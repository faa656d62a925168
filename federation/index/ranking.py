"""How much each kind of match counts. Numbers only, so that they can be tuned on judged topics."""

from __future__ import annotations

from typing import Final

EXACT: Final = 0.9
"""The very form that was typed, in whatever language: names, numbers, and most words of one's own."""
STEM: Final = 0.6
"""The same stem in the searcher's language."""
PART: Final = 0.5
"""A part of a compound that was typed, or a compound of which the word is a part."""
NEAR: Final = 0.6
"""A word that looks like the one that was typed, times how alike they are."""
TAGGED: Final = 2.2
"""A record tagged with the concept of the query."""
NAMED: Final = 2.0
"""A record whose text names the concept, in whatever language."""
MEANING: Final = 1.6
"""A record whose text has a word of a row of the lexicon."""
NAME: Final = 1.3
"""What a word counts more that no code list and no lexicon knows."""
REFERS: Final = 1.6
"""What is called by name, and the records that refer to it."""
BROADER: Final = 1.1
"""A record about something narrower than the concept of the query."""
WIDER: Final = 0.5
"""Something broader than a concept about which there is no record at all."""
WITHIN: Final = 0.75
"""A concept that is named by some words of a longer name only, or by a part of a compound."""
TOLD: Final = 1.6
"""A concept in whose name the word stands, times how few others have it."""
ADDED: Final = 0.2
"""What only a region's term says of a word that is known without it, whatever the word: behind all else."""
MISTYPED: Final = 0.9
"""A concept whose name was mistyped, times how alike they are."""
STEMMED: Final = 0.6
"""A concept of whose name a word has the stem and no more."""
LEARNED: Final = 0.5
"""A concept that a word was learned to mean, times how probably."""
FOREIGN: Final = 0.6
"""A concept that a word names in another language than the searcher's, where that one does not know it."""
SAID: Final = 2.0
"""What is added where a record has the only word or phrase of a query as it stands: before what is of the same kind."""
TITLED: Final = 50.0
"""What is added where a query is the title of a record."""
EVERY: Final = 9.0
"""What is added where a record surely has every word or phrase of a query."""
TIE: Final = 0.2
"""What the weaker matches of one word add to its strongest (disjunction max)."""
ALIKE: Final = 0.55
"""How alike words must be, from 0 to 1."""
ALIKE_LABEL: Final = 0.59
"""How alike the name of a concept must be."""

SPOKEN: Final = 0.35
"""How much what is said of a concept must be like a query as a whole."""

LIFTS: Final = (("results", "measured", 0.6), ("kind", "lesson", 0.3))
"""What is added to the score of a record with a value of a facet."""
FEEDBACK: Final = 0.02
"""What a concept of the first hits adds to another one, as a part of the best score, times how much it tells."""
FEEDBACK_UP_TO: Final = 500
"""Records found up to which they are ranked a second time, by what the first ones are about; with more it is dear."""
RECENT: Final = (0.15, 0.1, 0.05)
"""What is added for this year, the last and the one before."""

ENOUGH: Final = 500
"""Records that surely have every word or phrase of a query; with fewer, those are found too that may have some."""
FEW: Final = 2
"""Words and phrases of a query up to which that is likely."""

MANY: Final = 6
"""Words and phrases of a query beyond which only what each surely means is looked for: together they say enough, and
all that each may mean besides would be half of the records."""


def needed(units: int) -> int:
    """How many words or phrases of a query a record must match: half of them, at least one."""
    return max(1, units // 2)
