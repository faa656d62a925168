"""How things stand with records, as pages and answers show it; see ``records.derived`` for what is derived."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Final

from federation.index.hits import Hit
from federation.log.effects import ENDINGS
from federation.records import derived, figures
from federation.records.canonical import nodes_of
from federation.records.derived import Standing
from federation.records.kinds import Vocabulary
from federation.records.record import Record, assemble
from federation.search import Search
from federation.store.rows import StoredEntry
from federation.store.store import Store
from federation.web.locale import Language

MOST: Final = 500
"""Records that refer to one, or that others need, as far as they are looked at."""


@dataclass(frozen=True, slots=True)
class Reference:
    """Records of one kind that refer to the one shown."""

    label: str
    hits: Sequence[Hit]


@dataclass(frozen=True, slots=True)
class Sum:
    """A total of figures in words: what it measures, how it is founded, the number, and of how many figures."""

    indicator: str
    role: str
    evidence: str
    number: str
    count: int


async def records(store: Store, iris: Iterable[str], vocabulary: Vocabulary) -> dict[str, Record]:
    """The current versions of some records by IRI, as far as this node holds them."""
    held = await store.currents(list(dict.fromkeys(iris)))
    held = {iri: entry for iri, entry in held.items() if entry.kind not in ENDINGS}
    return await asyncio.to_thread(_assembled, held, vocabulary)


def _assembled(held: Mapping[str, StoredEntry], vocabulary: Vocabulary) -> dict[str, Record]:
    return {iri: assemble(nodes_of(entry.signed.body), vocabulary)[0] for iri, entry in held.items()}


async def standings(
    store: Store, found: Mapping[str, Record], vocabulary: Vocabulary, today: date
) -> dict[str, Standing]:
    """How things stand with some records, by IRI; those of which nothing follows are left out.

    So are those that would need more than MOST others to be read.
    """
    asked, needed = dict[str, Record](), set[str]()
    for iri, record in found.items():
        # One commitment can name hundreds of records, anybody's: whoever lists many must not have all of them read.
        if record.kind in derived.DERIVED and len(needed | set(derived.needs(record))) <= MOST:
            asked[iri] = record
            needed.update(derived.needs(record))
    linked = await records(store, sorted(needed), vocabulary)
    every = {iri: derived.standing(record, linked, today) for iri, record in asked.items()}
    return {iri: each for iri, each in every.items() if each is not None}


async def of_hits(store: Store, hits: Sequence[Hit], vocabulary: Vocabulary, today: date) -> dict[str, str]:
    """The concepts that lists show beside their hits: whether it is open, met, reached."""
    wanted = [hit.id for hit in hits if hit.kind in derived.LISTED]
    if not wanted:
        return {}
    found = await standings(store, await records(store, wanted, vocabulary), vocabulary, today)
    return {iri: each.concept for iri, each in found.items()}


async def references(search: Search, record: Record, language: Language, vocabulary: Vocabulary) -> list[Reference]:
    """The records that refer to one, by kind, in the order of the vocabulary."""
    hits = await search.referring(record.iri, MOST, language.tag)
    groups = [(kind, [hit for hit in hits if hit.kind == kind.name]) for kind in vocabulary.authored]
    return [Reference(language.pick(kind.labels), some) for kind, some in groups if some]


async def summary(
    store: Store, hits: Sequence[Hit], language: Language, vocabulary: Vocabulary, today: date
) -> tuple[list[tuple[str, int]], list[Sum]]:
    """Of the records that refer to one: how many stand how, and what their figures add up to."""
    found = await records(store, (hit.id for hit in hits), vocabulary)
    stand = await standings(store, {i: r for i, r in found.items() if r.kind in derived.LISTED}, vocabulary, today)
    counts = Counter((found[iri].kind, each.concept) for iri, each in stand.items())
    ordered = sorted(counts, key=lambda key: (key[0], vocabulary.concepts[key[1]].order))
    named = [
        (f"{language.pick(vocabulary.kinds[kind].labels)}, {vocabulary.label(concept, language.tag)}", count)
        for (kind, concept), count in ((key, counts[key]) for key in ordered)
    ]
    every = (each for record in found.values() for each in figures.figures_of(record))
    return named, [_said(total, language, vocabulary) for total in figures.totals(every) if total.count > 1]


def _said(total: figures.Total, language: Language, vocabulary: Vocabulary) -> Sum:
    lists = derived.LISTS
    unit = vocabulary.label(total.sort.unit, language.tag)
    return Sum(
        vocabulary.label(total.sort.indicator, language.tag),
        vocabulary.label(f"{lists}observation-role/{total.sort.role}", language.tag),
        vocabulary.label(f"{lists}evidence-level/{total.sort.evidence}", language.tag),
        f"{number_range(total.low, total.high, language)} {unit}",
        total.count,
    )


def number_range(low: Decimal, high: Decimal, language: Language) -> str:
    text = language.number(str(low))
    return text if low == high else f"{text}–{language.number(str(high))}"
