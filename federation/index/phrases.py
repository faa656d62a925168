"""What a whole query is about, by the words that it shares with what is said of a concept.

*Leverancier haalt oude spullen weer op* is no name of anything. It shares its words with what people say of
take-back, in whatever order and with whatever between them: so the labels of a concept, hidden ones among them, and its
definition are compared with a query as bags of stems, a rare stem counting more (after Salton and Buckley,
*Term-weighting approaches in automatic text retrieval*, 1988).
"""

from __future__ import annotations

import math
from array import array
from collections import Counter
from collections.abc import Iterable, Mapping, Set
from typing import Final

_SHARED: Final = 2
"""Stems that a query must share with a phrase: one alone is what a word by itself is looked up for."""


class Phrases:
    """What is said of the concepts in one language."""

    def __init__(self, said: Iterable[tuple[str, Iterable[str]]]) -> None:
        """Concepts, each with the stems of something that is said of it."""
        phrases = list(dict.fromkeys((iri, frozenset(stems)) for iri, stems in said))
        by_concept: dict[str, set[str]] = {}
        for iri, stems in phrases:
            by_concept.setdefault(iri, set()).update(stems)
        having = Counter(stem for stems in by_concept.values() for stem in stems)
        self._rare = {stem: math.log(1 + len(by_concept) / count) for stem, count in having.items()}
        self._rarest = math.log(1 + len(by_concept))
        self._concepts = [iri for iri, _ in phrases]
        self._lengths = array("f", (self._length(stems) for _, stems in phrases))
        self._with: dict[str, array[int]] = {}
        for number, (_, stems) in enumerate(phrases):
            for stem in stems:
                self._with.setdefault(stem, array("I")).append(number)

    def _length(self, stems: Iterable[str]) -> float:
        return math.sqrt(sum(self._rare.get(stem, self._rarest) ** 2 for stem in stems))

    def like(self, stems: Set[str], *, least: float, most: int) -> Mapping[str, float]:
        """The concepts of which something is said that is like a query, and how much (0 to 1), best first.

        ``stems`` are those of the query without stop words.
        """
        if len(stems) < _SHARED:
            return {}
        shared: dict[int, float] = {}
        counts: Counter[int] = Counter()
        for stem in stems:
            weight = self._rare.get(stem, 0.0) ** 2
            for number in self._with.get(stem, ()):
                shared[number] = shared.get(number, 0.0) + weight
            counts.update(self._with.get(stem, ()))
        length, best = self._length(stems), dict[str, float]()
        for number, count in counts.items():
            likeness = shared[number] / (length * self._lengths[number]) if count >= _SHARED else 0.0
            iri = self._concepts[number]
            if likeness >= max(least, best.get(iri, 0.0)):
                best[iri] = likeness
        return dict(sorted(best.items(), key=lambda pair: (-pair[1], pair[0]))[:most])
