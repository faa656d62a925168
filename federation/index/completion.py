"""What somebody may be about to type: concepts that records are about, and titles."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice
from typing import Final

import tantivy

from federation.index import query as queries
from federation.index.documents import displayed
from federation.index.languages import composed, folded_words
from federation.index.reading import MAX_TEXT, restored
from federation.index.text import TextIndex
from federation.records.kinds import in_language

_SHORTEST: Final = 2
"""Letters after which something is suggested."""
_CONCEPTS: Final = 5
"""Concepts that are suggested."""
_TRIED: Final = 40
"""Labels of which it is looked up whether a record is about them."""


@dataclass(frozen=True, slots=True)
class Completion:
    """What somebody may want to type: a text, and whether it is a concept or the title of a record of some kind."""

    text: str
    kind: str


def complete(index: TextIndex, beginning: str, language: str, most: int) -> list[Completion]:
    """What may be meant by the beginning of a query: concepts, records by title, organisations."""
    beginning = composed(beginning[:MAX_TEXT])
    typed = dict.fromkeys((beginning, restored(beginning, language)))
    beginnings = [form for form in dict.fromkeys(map(folded_words, typed)) if len(form) >= _SHORTEST]
    concepts, searcher, found = index.concepts, index.searcher(), list[Completion]()
    for each in beginnings:
        fitting = islice(concepts.beginning_with(each, language), _TRIED)
        there = (text for text, iris in fitting if any(_is_known(iri, index, searcher) for iri in iris))
        found += [Completion(text, "concept") for text in islice(there, _CONCEPTS)]
    for each in beginnings:
        query = queries.beginning_with(each, index.schema)
        for _, address in searcher.search(query, 5 * most, False).hits:
            display = displayed(searcher.doc(address), concepts)
            if any(f" {each}" in f" {folded_words(title)}" for title in display["title"].values()):
                found.append(Completion(in_language(display["title"], language)[1], display["kind"]))
    return list(dict.fromkeys(found))[:most]


def _is_known(iri: str, index: TextIndex, searcher: tantivy.Searcher) -> bool:
    """Whether a record is about a concept."""
    return bool(searcher.search(queries.about(iri, index.concepts, index.schema), 1, False).hits)
