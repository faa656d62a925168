"""What somebody may be about to type: concepts that records are about, and titles."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Final

import tantivy

from federation.index import query as queries
from federation.index.documents import displayed
from federation.index.languages import WORD, composed, fold, folded_words, is_stop_word
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
    """What may be meant by the beginning of a query: concepts, records by title, organisations.

    What is spelt as it was typed comes first: *bæ* is more likely *Bærum* than *barn*. Where nothing goes on like all
    of it, its last word is completed.
    """
    beginning = composed(beginning[:MAX_TEXT])
    searcher, beginnings = index.searcher(), _beginnings(beginning, language)
    found = [*_concepts(index, searcher, beginnings, language), *_titles(index, searcher, beginnings, language, most)]
    head, _, last = beginning.rstrip().rpartition(" ")
    if not found and head:
        parts = _concepts(index, searcher, _beginnings(last, language), language)
        found = [Completion(f"{head} {each.text}", each.kind) for each in parts]
    spelt = " ".join(WORD.findall(beginning.casefold()))
    found.sort(key=lambda each: f" {spelt}" not in " ".join(["", *WORD.findall(each.text.casefold())]))
    return list(dict.fromkeys(found))[:most]


def _beginnings(text: str, language: str) -> list[str]:
    """The folded forms of what was typed: with letters that were typed as two, and without stop words."""
    typed = dict.fromkeys((text, restored(text, language)))
    forms = dict.fromkeys(map(folded_words, (*typed, *(_without_stop_words(each, language) for each in typed))))
    return [form for form in forms if len(form) >= _SHORTEST]


def _concepts(
    index: TextIndex, searcher: tantivy.Searcher, beginnings: Iterable[str], language: str
) -> Iterator[Completion]:
    concepts, labels = index.concepts, dict[tuple[str, ...], list[str]]()
    for each in beginnings:
        for text, iris in concepts.beginning_with(each, language)[:_TRIED]:
            labels.setdefault(iris, []).append(text)
    there = (iris for iris in labels if any(_is_known(iri, index, searcher) for iri in iris))
    for iris in islice(there, _CONCEPTS):
        # One form of a word says enough: its usual name, or the shortest one where that is only the beginning of it.
        known, shortest = {concepts.vocabulary.label(iri, language) for iri in iris}, labels[iris][0]
        usual = next((text for text in labels[iris] if text in known), shortest)
        yield Completion(shortest if usual.lower().startswith(shortest.lower()) else usual, "concept")


def _titles(
    index: TextIndex, searcher: tantivy.Searcher, beginnings: Iterable[str], language: str, most: int
) -> Iterator[Completion]:
    for each in beginnings:
        query = queries.beginning_with(each, index.schema)
        for _, address in searcher.search(query, 5 * most, False).hits:
            display = displayed(searcher.doc(address), index.concepts)
            if any(_begun(each.split(), title, tag) for tag, title in display["title"].items()):
                yield Completion(in_language(display["title"], language)[1], display["kind"])


def _without_stop_words(text: str, language: str) -> str:
    """A text without the stop words before its last word, which may be the beginning of another."""
    words = WORD.findall(text)
    return " ".join([*(word for word in words[:-1] if not is_stop_word(word, language)), *words[-1:]])


def _begun(typed: Sequence[str], title: str, language: str) -> bool:
    """Whether a title has all words of what was typed, the last as the beginning of one that is no stop word."""
    words = WORD.findall(title)
    telling = (fold(word) for word in words if not is_stop_word(word, language))
    return {*typed[:-1]} <= {*map(fold, words)} and any(word.startswith(typed[-1]) for word in telling)


def _is_known(iri: str, index: TextIndex, searcher: tantivy.Searcher) -> bool:
    """Whether a record is about a concept."""
    return bool(searcher.search(queries.about(iri, index.concepts, index.schema), 1, False).hits)
