"""Facets: what the records found have in common, counted over all of them.

A record's values of one facet are kept together as one value, which is counted ten times as fast as several
each for itself: the sets that occur are few.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

import tantivy

from federation.index.concepts import Concepts
from federation.index.documents import KIND_FACET, SEPARATOR, facet_field, facet_names, facet_set_field
from federation.index.facet_tree import Value
from federation.records.kinds import in_language

_SETS: Final = 20_000
"""Different sets of values that are counted at once; records have some hundreds."""


@dataclass(frozen=True, slots=True)
class FacetValue:
    value: str
    label: str
    count: int
    selected: bool
    depth: int = 0
    """How many values it lies in: a strategy in its group."""


class Facets:
    """Counts facets, and names and orders their values."""

    def __init__(self, concepts: Concepts, schema: tantivy.Schema, region: Callable[[str], Mapping[str, str]]) -> None:
        """``region`` gives the names of a region, by language, for the short name of its node."""
        self._schema = schema
        self.names = facet_names(concepts.vocabulary)
        self.tree = concepts.tree
        self._vocabulary = concepts.vocabulary
        self._region = region
        self._labels: dict[tuple[str, str, str], str] = {}

    def counts(
        self, searcher: tantivy.Searcher, query: tantivy.Query, names: Sequence[str]
    ) -> dict[str, dict[str, int]]:
        """By facet and value: how many of the records of a query have it."""
        if not names:
            return {}
        asked = {name: {"terms": {"field": facet_set_field(name), "size": _SETS}} for name in names}
        answer: dict[str, Any] = searcher.aggregate(query, asked)
        counted = {}
        for name in names:
            counts: dict[str, int] = {}
            for bucket in answer[name]["buckets"]:
                for value in bucket["key"].split(SEPARATOR) if bucket["key"] else ():
                    counts[value] = counts.get(value, 0) + int(bucket["doc_count"])
            if answer[name].get("sum_other_doc_count"):
                # More sets than anybody has who means well: then each value for itself.
                counts = self._one_by_one(searcher, query, name, {*self.possible(name), *counts})
            counted[name] = counts
        return counted

    def _one_by_one(
        self, searcher: tantivy.Searcher, query: tantivy.Query, name: str, values: Collection[str]
    ) -> dict[str, int]:
        counts = {}
        for value in values:
            term = tantivy.Query.term_query(self._schema, facet_field(name), value, "basic")
            both = tantivy.Query.boolean_query([(tantivy.Occur.Must, query), (tantivy.Occur.Must, term)])
            counts[value] = total(searcher.search(both, 1, True))
        return {value: count for value, count in counts.items() if count}

    def values(
        self, name: str, counts: Mapping[str, int], chosen: Collection[str], language: str
    ) -> Iterator[FacetValue]:
        """The values of a facet with their counts, the most frequent first, each behind the one it lies in."""
        every = {**dict.fromkeys(chosen, 0), **counts}
        ordered = sorted(every.items(), key=lambda pair: (-pair[1], pair[0]))
        if name == "year":
            ordered = sorted(every.items(), reverse=True)
        for value, depth in self._as_tree(name, dict(ordered), chosen):
            yield FacetValue(value, self.label(name, value, language), every[value], value in chosen, depth)

    def _as_tree(self, name: str, counts: Mapping[str, int], chosen: Collection[str]) -> Iterator[tuple[str, int]]:
        """Values and how deep each lies, every one behind what it lies in.

        A level that parts nothing is left out: what has as many records as the only value in it.
        """
        below: dict[str | None, list[str]] = {}
        for value in counts:
            within = next((each for each in self.tree.above(name, value) if each in counts), None)
            below.setdefault(within, []).append(value)

        def tree(parent: str | None, depth: int) -> Iterator[tuple[str, int]]:
            for value in below.get(parent, ()):
                only = [counts[each] for each in below.get(value, ())] == [counts[value]]
                if depth and only and value not in chosen:
                    yield from tree(value, depth)
                else:
                    yield value, depth
                    yield from tree(value, depth + 1)

        return tree(None, 0)

    def label(self, name: str, value: str, language: str) -> str:
        """The name of a facet's value in a language; the value itself where it has none."""
        known = self._labels.get((name, value, language))
        if known is not None:
            return known
        labels = self._labels_of(name, value)
        if labels is None:
            return value
        label = self._labels[name, value, language] = in_language(labels, language)[1]
        return label

    def _labels_of(self, name: str, value: str) -> Mapping[str, str] | None:
        if name == "node":
            return self._region(value)
        if name == "kind":
            kind = self._vocabulary.kinds.get(value)
            return kind.labels if kind else None
        if name == "language":
            scheme = self._vocabulary.scheme_named("language")
            concept = scheme.find(value) if scheme else None
            return concept.labels if concept else None
        known = self.tree.values.get(name, {}).get(value)
        return known.labels if known else None

    def possible(self, name: str) -> Collection[str]:
        """The values a facet can have, where the vocabulary says which; empty where it does not."""
        return self._possible.get(name, {})

    @cached_property
    def _possible(self) -> Mapping[str, Mapping[str, Value]]:
        return {**self.tree.values, KIND_FACET: {kind.name: Value(kind.labels) for kind in self._vocabulary.searched}}


def total(result: tantivy.SearchResult) -> int:
    """How many records a search found."""
    return int(getattr(result, "count") or 0)  # noqa: B009 - the stubs of tantivy do not know it
