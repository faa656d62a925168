"""What the first hits are about leads to others that are about the same (pseudo-relevance feedback).

After Rocchio, *Relevance feedback in information retrieval* (1971), with concepts in the place of words: so what a
record in one language says helps to find those in the others. It finds no record that the query did not find; it
moves those up that share what the first ones have and few others.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Final

import tantivy

from federation.index import ranking
from federation.index.concepts import Concepts
from federation.index.documents import displayed, named_in
from federation.index.facets import total
from federation.index.text import TextIndex

FIRST: Final = 3
"""Hits that are taken for good ones."""
_CONCEPTS: Final = 8
"""Concepts of theirs by which others are moved up."""
_COMMON: Final = 0.3
"""Share of all records from which on a concept tells nothing."""
_ROLES: Final = ("tagged", "named")


def ranked(
    question: tantivy.Query,
    first: tantivy.Query | None,
    searcher: tantivy.Searcher,
    index: TextIndex,
    *,
    most: int,
    offset: int = 0,
) -> tantivy.SearchResult:
    """The records of a query, best first; those before others that are about what the first ones are.

    What ``first`` finds is lifted above all, and leads to nothing by that.
    """
    result = searcher.search(_lifting(question, first), most, True, offset=offset)
    if not 1 < total(result) <= ranking.FEEDBACK_UP_TO:
        return result
    there = first is None and not offset and most >= FIRST
    hits = (result if there else searcher.search(question, FIRST, False)).hits[:FIRST]
    again = _widened(question, hits, searcher, index.schema, index.concepts)
    return searcher.search(_lifting(again, first), most, True, offset=offset)


def _lifting(question: tantivy.Query, first: tantivy.Query | None) -> tantivy.Query:
    if first is None:
        return question
    return tantivy.Query.boolean_query([(tantivy.Occur.Must, question), (tantivy.Occur.Should, first)])


def _widened(
    question: tantivy.Query,
    hits: Sequence[tuple[float, tantivy.DocAddress]],
    searcher: tantivy.Searcher,
    schema: tantivy.Schema,
    concepts: Concepts,
) -> tantivy.Query:
    """A query with what its first hits have in common; ``hits`` are these, each with its score, best first."""
    clauses = [(tantivy.Occur.Must, question)]
    best = hits[0][0]
    found = sorted(_told(hits, searcher, concepts), key=lambda pair: (-pair[1], pair[0]))
    for term, weight in found[:_CONCEPTS]:
        either = [(tantivy.Occur.Should, tantivy.Query.term_query(schema, role, term, "basic")) for role in _ROLES]
        about = tantivy.Query.const_score_query(tantivy.Query.boolean_query(either), ranking.FEEDBACK * weight * best)
        clauses.append((tantivy.Occur.Should, about))
    return tantivy.Query.boolean_query(clauses)


def _told(
    hits: Sequence[tuple[float, tantivy.DocAddress]], searcher: tantivy.Searcher, concepts: Concepts
) -> Iterator[tuple[str, float]]:
    """The terms of what hits are about, and how much each tells: how many of them have it, and how few others."""
    shares: dict[str, float] = {}
    for score, address in hits:
        display = displayed(searcher.doc(address), concepts)
        for iri in {*display["tagged"], *named_in(display, concepts)}:
            shares[iri] = shares.get(iri, 0.0) + score / (hits[0][0] * len(hits))
    for iri, share in shares.items():
        term = concepts.terms[iri]
        having = max(searcher.doc_freq(role, term) for role in _ROLES)
        if 0 < having < _COMMON * searcher.num_docs:
            yield term, share * math.log(searcher.num_docs / having)
