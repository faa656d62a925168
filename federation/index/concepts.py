"""Spotting concepts: the labels of the code lists, found in queries and texts.

Labels are compared by stems in their own language, longest first. Expansion goes through concepts and
never from word to word: in Danish *genbrug* is reuse and in Norwegian *gjenvinning* is recycling,
which only the code lists know.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from federation.index.languages import ANALYSED, UNKNOWN, Word, analysed_as, is_stop_word, words
from federation.records.kinds import Vocabulary

_LONGEST = 6


@dataclass(frozen=True, slots=True)
class Spotted:
    """Words ``first`` ≤ i < ``last`` of a text, and the concepts they name."""

    first: int
    last: int
    concepts: tuple[str, ...]


class Concepts:
    """Every label of a vocabulary, ready to be found."""

    def __init__(self, vocabulary: Vocabulary) -> None:
        self.vocabulary = vocabulary
        self.iris = sorted(vocabulary.concepts)
        """Every concept; the index of one is its number, for as long as the vocabulary stays as it is."""
        self.numbers = {iri: number for number, iri in enumerate(self.iris)}

    @cached_property
    def _labels(self) -> Mapping[str, Mapping[tuple[str, ...], tuple[str, ...]]]:
        """Concept IRIs by the stems of a label, by language."""
        found: dict[str, dict[tuple[str, ...], list[str]]] = {tag: {} for tag in (*ANALYSED, UNKNOWN)}
        every = (scheme for scheme in self.vocabulary.schemes.values() if not scheme.unspotted)
        for concept in (concept for scheme in every for concept in scheme.concepts.values()):
            labels = [(tag, text) for tag, text in concept.labels.items()]
            labels += [(tag, text) for tag, texts in concept.alternatives.items() for text in texts]
            for tag, text in labels:
                stems = tuple(word.stem for word in words(text, tag))
                if 0 < len(stems) <= _LONGEST and not _empty(text, tag):
                    known = found[analysed_as(tag)].setdefault(stems, [])
                    if concept.iri not in known:
                        known.append(concept.iri)
        return {tag: {stems: tuple(iris) for stems, iris in by.items()} for tag, by in found.items()}

    def warm(self) -> None:
        """Analyse every label now, so that the first searcher does not wait for it."""
        _ = self._labels, self._narrower

    def spot(self, text: Sequence[Word], language: str) -> Iterator[Spotted]:
        """The concepts that a text names in its own language: longest match first, none overlapping."""
        labels = self._labels[analysed_as(language)]
        stems = [word.stem for word in text]
        at = 0
        while at < len(stems):
            for length in range(min(_LONGEST, len(stems) - at), 0, -1):
                concepts = labels.get(tuple(stems[at : at + length]))
                if concepts:
                    yield Spotted(at, at + length, concepts)
                    at += length
                    break
            else:
                at += 1

    def spot_query(self, query: str, language: str) -> list[Spotted]:
        """The concepts that a query names in any language; the page's language decides where it can.

        A span that the searcher's own language knows is not read in another one.
        """
        order = dict.fromkeys((analysed_as(language), *ANALYSED))
        taken: list[Spotted] = []
        for tag in order:
            for each in self.spot(list(words(query, tag)), tag):
                if not any(each.first < other.last and other.first < each.last for other in taken):
                    taken.append(each)
        return sorted(taken, key=lambda each: each.first)

    def with_broader(self, concepts: Iterable[str]) -> dict[str, int]:
        """Concepts and everything broader, with the number of steps up."""
        steps: dict[str, int] = {}
        todo = [(iri, 0) for iri in concepts]
        while todo:
            iri, step = todo.pop()
            if iri in steps and steps[iri] <= step:
                continue
            steps[iri] = step
            concept = self.vocabulary.concepts.get(iri)
            todo += [(broader, step + 1) for broader in concept.broader] if concept else []
        return steps

    def narrower(self, iri: str) -> frozenset[str]:
        """Every concept below one, at any depth."""
        return self._narrower.get(iri, frozenset())

    @cached_property
    def _narrower(self) -> Mapping[str, frozenset[str]]:
        found: dict[str, set[str]] = {}
        for iri in self.vocabulary.concepts:
            for above, steps in self.with_broader([iri]).items():
                if steps:
                    found.setdefault(above, set()).add(iri)
        return {iri: frozenset(below) for iri, below in found.items()}


def _empty(text: str, language: str) -> bool:
    return all(is_stop_word(text[word.start : word.end], language) for word in words(text, language))
