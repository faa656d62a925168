"""Measures of a ranking against judgements, and how sure an average of them is."""

from __future__ import annotations

import math
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

DEPTH: Final = 10
_SAMPLES: Final = 2000


def ndcg(ranking: Sequence[str], grades: Mapping[str, int], depth: int = DEPTH) -> float:
    """Normalised discounted cumulative gain with gains 2^grade − 1 (Järvelin and Kekäläinen 2002; Burges 2005)."""
    gained = _dcg([grades.get(each, 0) for each in ranking[:depth]])
    best = _dcg(sorted(grades.values(), reverse=True)[:depth])
    return gained / best if best else 0.0


def _dcg(grades: Sequence[int]) -> float:
    return sum((2**grade - 1) / math.log2(place + 2) for place, grade in enumerate(grades))


def recall(ranking: Sequence[str], grades: Mapping[str, int], depth: int = 20) -> float:
    """The share of the relevant records (or of ``depth`` of them, if there are more) among the first."""
    relevant = {each for each, grade in grades.items() if grade > 0}
    return len(relevant.intersection(ranking[:depth])) / min(len(relevant), depth) if relevant else 0.0


def reciprocal_rank(ranking: Sequence[str], grades: Mapping[str, int]) -> float:
    """One over the place of the first record of the highest grade given."""
    best = max(grades.values(), default=0)
    return next((1 / (place + 1) for place, each in enumerate(ranking) if best and grades.get(each) == best), 0.0)


@dataclass(frozen=True, slots=True)
class Average:
    """A mean, the 95 % interval of it by resampling topics (percentile bootstrap), and of how many."""

    mean: float
    low: float
    high: float
    count: int

    def __str__(self) -> str:
        return f"{self.mean:.3f} [{self.low:.2f}-{self.high:.2f}]" if self.count else "-"


def average(values: Sequence[float]) -> Average:
    """The mean of some topics. The resampling is seeded: the same values give the same interval."""
    if not values:
        return Average(0.0, 0.0, 0.0, 0)
    rng = random.Random(20)
    means = sorted(sum(rng.choices(values, k=len(values))) / len(values) for _ in range(_SAMPLES))
    return Average(sum(values) / len(values), means[_SAMPLES // 40], means[-_SAMPLES // 40], len(values))
