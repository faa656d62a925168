"""Measure how well people find what they look for: ``python -m benchmarks.relevance [--set NAME …] [--misses]``."""

from __future__ import annotations

import argparse
import json
import tempfile
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

from rich.console import Console
from rich.table import Table

from benchmarks.relevance.collection import Topic, collected, topics
from benchmarks.relevance.measures import Average, average, ndcg, recall, reciprocal_rank
from benchmarks.relevance.systems import FULL, SYSTEMS, System
from federation.index.text import TextIndex

SETS: Final = ("dev", "first", "third", "fourth", "second", "test", "held")
HELD_BACK: Final = ("test", "held")
"""Sets whose misses nobody looks at."""
RESULTS: Final = Path(__file__).parent.parent / "results" / "relevance.json"
_FEW: Final = 5
"""Relevant records of a pair of languages below which nothing is said about it."""


@dataclass
class Score:
    """What one system did with one set of topics."""

    ndcg: dict[str, float] = field(default_factory=dict)
    """By topic."""
    recall: list[float] = field(default_factory=list)
    known: list[float] = field(default_factory=list)
    nothing: int = 0
    """Topics with an answer for which nothing was found."""
    answered: int = 0
    """Topics without an answer for which something was found."""
    unanswerable: int = 0
    found: dict[tuple[str, str], list[bool]] = field(default_factory=lambda: defaultdict(list))
    """By language of the query and of the record: whether a relevant record (grade 2 or 3) is among the first 20."""
    misses: list[str] = field(default_factory=list)

    def rate(self, *, foreign: bool) -> float:
        """The share of relevant records found in a language other than the query's, or in it."""
        every = [hit for (query, record), hits in self.found.items() for hit in hits if (query != record) == foreign]
        return sum(every) / len(every) if every else 0.0

    def pairs(self) -> dict[str, float]:
        """The share found by pair of languages, the worst first."""
        rates = {f"{q} → {r}": sum(hits) / len(hits) for (q, r), hits in self.found.items() if len(hits) >= _FEW}
        return dict(sorted(rates.items(), key=lambda pair: pair[1]))


def scored(system: System, judged: Iterable[Topic], languages: dict[str, tuple[str, ...]]) -> Score:
    """Ask a system every topic."""
    score = Score()
    for topic in judged:
        ranking = [slug for slug, _ in system.ranking(topic.query, topic.language)]
        if not topic.grades:
            score.unanswerable += 1
            score.answered += bool(ranking)
            continue
        score.ndcg[topic.id] = ndcg(ranking, topic.grades)
        score.recall.append(recall(ranking, topic.grades))
        score.nothing += not ranking
        if topic.type == "known-item":
            score.known.append(reciprocal_rank(ranking, topic.grades))
        for slug, grade in topic.grades.items():
            if grade > 1 and languages.get(slug):
                own = topic.language if topic.language in languages[slug] else languages[slug][0]
                score.found[topic.language, own].append(slug in ranking[:20])
        missing = [slug for slug, grade in topic.grades.items() if grade > 1 and slug not in ranking[:20]]
        score.misses.append(f"{score.ndcg[topic.id]:.2f} {topic.id} {topic.query}: {', '.join(missing) or '–'}")
    return score


def _languages(index: TextIndex) -> dict[str, tuple[str, ...]]:
    import tantivy  # noqa: PLC0415 - for one query

    from federation.index.documents import displayed  # noqa: PLC0415

    searcher = index.searcher()
    hits = searcher.search(tantivy.Query.all_query(), searcher.num_docs, False).hits
    shown = (displayed(searcher.doc(address), index.concepts) for _, address in hits)
    return {each["slug"]: tuple(each["title"]) for each in shown if each["kind"] != "organisation"}


def _by(score: Score, judged: Sequence[Topic], what: str) -> dict[str, Average]:
    grouped: dict[str, list[float]] = defaultdict(list)
    for topic in judged:
        if topic.id in score.ndcg:
            grouped[getattr(topic, what)].append(score.ndcg[topic.id])
    return {name: average(values) for name, values in sorted(grouped.items())}


def _report(name: str, judged: Sequence[Topic], scores: dict[str, Score], console: Console) -> dict[str, Any]:
    full = scores[FULL]
    table = Table(title=f"{name}: {len(judged)} topics", title_justify="left")
    for column in ("", "nDCG@10 [95 %]", "recall@20", "known item MRR", "nothing found", "foreign / own language"):
        table.add_column(column)
    rows = {}
    for system, score in scores.items():
        own, foreign = score.rate(foreign=False), score.rate(foreign=True)
        mean = average(list(score.ndcg.values()))
        rows[system] = {
            "ndcg": asdict(mean),
            "recall": sum(score.recall) / len(score.recall),
            "mrr": sum(score.known) / len(score.known) if score.known else None,
            "zero": score.nothing / len(score.ndcg),
            "own": own,
            "foreign": foreign,
        }
        table.add_row(
            system,
            str(mean),
            f"{rows[system]['recall']:.2f}",
            f"{rows[system]['mrr']:.2f}" if score.known else "–",
            f"{score.nothing / len(score.ndcg):.0%}",
            f"{foreign:.2f} / {own:.2f} = {foreign / own:.2f}" if own else "–",
        )
    console.print(table)
    pairs = full.pairs()
    worst = next(iter(pairs.items()), ("–", 0.0))
    console.print(
        f"worst pair of languages (of those with {_FEW} or more relevant records): {worst[0]} {worst[1]:.2f}; "
        f"something is shown for {full.answered} of {full.unanswerable} topics that have no answer"
    )
    for what in ("language", "type"):
        console.print(
            "  ".join(f"{key} {value.mean:.2f} ({value.count})" for key, value in _by(full, judged, what).items())
        )
    return {"systems": rows, "pairs": pairs, "no answer": [full.answered, full.unanswerable]}


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.relevance", description=__doc__)
    parser.add_argument("--set", action="append", choices=SETS, dest="sets", help="of topics; all by default")
    parser.add_argument(
        "--misses", action="store_true", help="list every topic with what was not found (never of test and held)"
    )
    options = parser.parse_args(arguments)
    console, results = Console(width=140), {}
    with tempfile.TemporaryDirectory() as folder:
        index = collected(Path(folder))
        languages = _languages(index)
        for name in options.sets or SETS:
            judged = topics(name)
            scores = {system: scored(System(index, system), judged, languages) for system in SYSTEMS}
            results[name] = _report(name, judged, scores, console)
            if options.misses and name not in HELD_BACK:
                console.print("\n".join(sorted(scores[FULL].misses)), markup=False)
        index.close()
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps(results, ensure_ascii=False, indent=2) + "\n", "utf-8")


if __name__ == "__main__":
    main()
