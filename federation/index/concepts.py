"""Spotting concepts: the labels of the code lists and the words of the lexicon, found in queries and texts.

Labels are compared by stems in their own language. Expansion goes through concepts and never from word
to word: in Danish *genbrug* is reuse and in Norwegian *gjenvinning* is recycling, which only the code
lists know.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from functools import cached_property
from itertools import compress
from typing import Final

from federation.index.facet_tree import FacetTree
from federation.index.forms import Spotted
from federation.index.grams import Alike, best_of
from federation.index.hidden import HiddenLabels
from federation.index.labels import Label, Labels, spellings
from federation.index.languages import ANALYSED, UNKNOWN, WORD, Word, analysed_as, stop_stems, words
from federation.index.lexicon import BASE, learned_meanings, load_broader, load_hidden, load_lexicon, load_refused
from federation.index.phrases import Phrases
from federation.index.spotting import Spotting
from federation.records.kinds import Vocabulary, in_language

_FEW: Final = 4
"""Concepts with a word in their labels, for the word to tell them."""


class Concepts:
    """Every label of a vocabulary and its lexicon, ready to be found."""

    def __init__(self, vocabulary: Vocabulary, spotting: Spotting | None = None) -> None:
        """``spotting`` is that of this vocabulary, where it has been worked out before."""
        self.vocabulary = vocabulary
        if spotting is not None:
            self.spotting = spotting
        self._looking_alike: dict[str, tuple[Alike, Mapping[str, tuple[str, ...]]]] = {}
        self._spoken: dict[str, Phrases] = {}
        self._told: dict[str, Mapping[str, tuple[tuple[str, float], ...]]] = {}
        self._making = threading.Lock()
        self._above: dict[str, frozenset[str]] = {}
        self._lexicon = load_lexicon(vocabulary.folder)
        self._meanings = {each.iri: each.labels for each in self._lexicon}
        self._meanings |= {kind.iri: dict(kind.labels) for kind in vocabulary.searched}
        self.iris = sorted([*vocabulary.concepts, *self._meanings])
        """Every concept; the index of one is its number, for as long as the vocabulary stays as it is."""
        self.numbers = {iri: number for number, iri in enumerate(self.iris)}

    def label(self, iri: str, language: str) -> str:
        """A concept's name in a language or the next best one."""
        labels = self._meanings.get(iri)
        return in_language(labels, language)[1] if labels is not None else self.vocabulary.label(iri, language)

    @cached_property
    def hidden(self) -> HiddenLabels:
        """What people type for concepts besides."""
        return HiddenLabels(load_hidden(self.vocabulary.folder), self.numbers)

    @cached_property
    def _read(self) -> Labels:
        return Labels(self.vocabulary, self._lexicon)

    @cached_property
    def spotting(self) -> Spotting:
        """What words and texts name."""
        return Spotting(self._read, load_refused(self.vocabulary.folder))

    @property
    def labels(self) -> tuple[Label, ...]:
        """Every label by which concepts are spotted."""
        return self._read.every

    def analyse(self, text: str, language: str) -> list[Word]:
        """The words of a text with the stems of their parts."""
        matches = list(WORD.finditer(text))
        forms = self.spotting.forms([match[0] for match in matches], language)
        pairs = zip(matches, forms, strict=True)
        return [Word(match.start(), match.end(), form.folded, form.stem, form.parts) for match, form in pairs]

    @cached_property
    def _spelled(self) -> Mapping[tuple[str, str, str], tuple[str, ...]]:
        return spellings(self.labels)

    @cached_property
    def terms(self) -> Mapping[str, str]:
        """What stands for a concept in the index: its number, which is shorter than its address."""
        return {iri: str(number) for iri, number in self.numbers.items()}

    @cached_property
    def broader_terms(self) -> Mapping[str, frozenset[str]]:
        """The terms of everything broader than a concept, for those that lie in something."""
        above = {iri: self.above(iri) - {iri} for iri, each in self.vocabulary.concepts.items() if each.broader}
        return {iri: frozenset(self.terms[each] for each in some if each in self.terms) for iri, some in above.items()}

    @cached_property
    def tree(self) -> FacetTree:
        """What lies in what among the values of facets."""
        return FacetTree(self.vocabulary)

    @cached_property
    def facets(self) -> Mapping[str, tuple[tuple[str, str], ...]]:
        """Facet and code of every concept by which records are found, and of what it lies in: a region's country."""
        schemes, known = self.vocabulary.schemes, self.vocabulary.concepts
        found = {}
        for iri in known:
            within = [each for each in self.above(iri) if each in known]
            lists = [schemes[known[each].scheme] for each in within]
            if any(each.topic or each.facet or not each.unspotted for each in lists):
                found[iri] = tuple(dict.fromkeys(pair for each in within for pair in self.tree.codes(each)))
        return found

    def warm(self, languages: Iterable[str] = ()) -> None:
        """Analyse every label now, and for searchers in some languages, so that the first does not wait for it."""
        _ = self.spotting, self._narrower, self.facets, self.broader_terms, self._completing, self._said
        _ = self.learned, self.hidden, self._spelled
        for rules in {analysed_as(each) for each in languages}:
            self._telling(rules)
            self._alike(rules)
            self._phrases(rules)

    def spot(self, query: Sequence[Word], language: str) -> Iterator[Spotted]:
        """The concepts that a query names in its own language, the longest first at each word; they may overlap.

        *Office furniture* names itself and furniture; a compound names what its parts do.
        """
        rules = analysed_as(language)
        labels, reach, hidden = self.spotting.queries[rules], self.spotting.reach[rules], self.hidden[rules]
        stems = tuple(word.stem for word in query)
        for at, word in enumerate(query):
            longest = max(reach.get(stems[at], 0), hidden.reach.get(stems[at], 0))
            for length in range(min(longest, len(stems) - at), 0, -1):
                said = stems[at : at + length]
                concepts = (*labels.get(said, ()), *hidden.of(said))
                if concepts:
                    yield Spotted(at, at + length, concepts)
            for size in range(len(word.parts), 0, -1):
                for first in range(len(word.parts) - size + 1):
                    concepts = labels.get(word.parts[first : first + size], ())
                    if concepts:
                        yield Spotted(at, at + 1, concepts, part=True)

    def named_by(self, stems: tuple[str, ...], language: str) -> tuple[str, ...]:
        """The concepts of which some stems are a whole label in a language."""
        return self.spotting.queries[analysed_as(language)].get(stems, ())

    def spelled(self, iri: str, form: str, rules: str) -> tuple[str, ...]:
        """The names of one word and a stem that a concept has in a language, hidden ones among them."""
        return (*self._spelled.get((rules, form, iri), ()), *self.hidden[rules].spelled.get((form, iri), ()))

    def _telling(self, rules: str) -> Mapping[str, tuple[tuple[str, float], ...]]:
        """By stem: the concepts of code lists in whose labels in a language a word stands, where these are few."""
        with self._making:
            if rules not in self._told:
                standing: dict[str, dict[str, float]] = {}
                for each in self.labels:
                    if each.language == rules and not each.general and not is_meaning(each.concept):
                        self._count(each, standing)
                few = {form: some for form, some in standing.items() if len(some) <= _FEW}
                self._told[rules] = {
                    form: tuple((iri, share / len(some)) for iri, share in some.items()) for form, some in few.items()
                }
            return self._told[rules]

    def _count(self, label: Label, standing: dict[str, dict[str, float]]) -> None:
        size = sum(label.telling)
        for word, form, telling in zip(label.folded, label.stems, label.telling, strict=True):
            if telling:
                parts = self.spotting.parts(word, label.language)
                for told, share in ((form, 1.0), *((part, 1 / len(parts)) for part in parts)):
                    concepts = standing.setdefault(told, {})
                    concepts[label.concept] = max(concepts.get(label.concept, 0.0), share / size)

    def beginning_with(self, folded: str, language: str) -> list[tuple[str, tuple[str, ...]]]:
        """Labels in a language of which a word begins with some folded words, the shortest first; whose they are."""
        every = self._completing[analysed_as(language)].items()
        fitting = [(form, text, iris) for form, (text, iris) in every if f" {folded}" in f" {form}"]
        fitting.sort(key=lambda each: (not each[0].startswith(folded), len(each[1]), each[1:]))
        return [(text, iris) for _, text, iris in fitting]

    @cached_property
    def _completing(self) -> Mapping[str, Mapping[str, tuple[str, tuple[str, ...]]]]:
        """By language and the folded words of a label: how it is written first, and its concepts."""
        by: dict[str, dict[str, tuple[str, tuple[str, ...]]]] = {tag: {} for tag in (*ANALYSED, UNKNOWN)}
        for each in self.labels:
            form = " ".join(each.folded)
            text, iris = by[each.language].get(form, (each.text, ()))
            by[each.language][form] = text, (*iris, each.concept)
        return by

    def told_by(self, form: str, language: str) -> tuple[tuple[str, float], ...]:
        """Concepts that a stem points to although it is only a part of their names, and how surely."""
        return self._telling(analysed_as(language)).get(form, ())

    @cached_property
    def learned(self) -> Mapping[tuple[str, str], tuple[tuple[str, float], ...]]:
        """By language and stem: what the parallel texts show words to mean that nobody says the meaning of."""
        return learned_meanings(self.vocabulary.folder, self.numbers, self.named_by)

    def _alike(self, rules: str) -> tuple[Alike, Mapping[str, tuple[str, ...]]]:
        """The labels of a language as folded text without stop words (*d'occasion*), to be asked for those that look
        like one, and their concepts.
        """
        with self._making:
            if rules not in self._looking_alike:
                texts: dict[str, dict[str, None]] = {}
                for each in self.labels:
                    if each.language == rules and not each.general:
                        telling = " ".join(compress(each.folded, each.telling))
                        texts.setdefault(telling, {})[each.concept] = None
                self._looking_alike[rules] = Alike(texts), {text: tuple(iris) for text, iris in texts.items()}
            return self._looking_alike[rules]

    def like(self, text: str, language: str, *, least: float, most: int) -> list[tuple[str, float]]:
        """Concepts with a label in a language that looks like a folded text, and how much, best first."""
        alike, concepts = self._alike(analysed_as(language))
        return best_of(alike.like(text, least=least, most=most), concepts)

    def _phrases(self, rules: str) -> Phrases:
        """What is said of the concepts in a language: labels, hidden ones, and definitions."""
        with self._making:
            if rules not in self._spoken:
                self._spoken[rules] = Phrases(self._said_of(rules))
            return self._spoken[rules]

    def _said_of(self, rules: str) -> Iterator[tuple[str, Set[str]]]:
        empty = stop_stems(rules)
        for each in self.labels:
            if each.language == rules:
                yield each.concept, frozenset(each.stems) - empty
        for stems, concepts in self.hidden[rules].concepts.items():
            telling = frozenset(stems.split(" ")) - empty
            yield from ((iri, telling) for iri in concepts)
        for concept in self.vocabulary.concepts.values():
            for tag, text in concept.definition.items():
                if analysed_as(tag) == rules and concept.iri in self.numbers:
                    yield concept.iri, frozenset(word.stem for word in words(text, tag)) - empty

    def spoken_of(self, stems: Set[str], language: str, *, least: float, most: int) -> Mapping[str, float]:
        """Concepts of which something is said in a language that shares words with a query, and how much, best first.

        ``stems`` are those of the query, stop words among them.
        """
        rules = analysed_as(language)
        return self._phrases(rules).like(stems - stop_stems(rules), least=least, most=most)

    def meant(self, text: str, language: str, *, most: int) -> list[tuple[str, float]]:
        """Concepts of which a folded text is a mistyped label in a language, and how alike they are, best first."""
        alike, concepts = self._alike(analysed_as(language))
        return best_of(alike.meant(text, most=most), concepts)

    @cached_property
    def _said(self) -> Mapping[str, Mapping[str, tuple[tuple[str, ...], ...]]]:
        """How texts say a concept: the stems of its labels, by language."""
        said: dict[str, dict[str, list[tuple[str, ...]]]] = {}
        for tag, labels in self.spotting.texts.items():
            for stems, concepts in labels.items():
                for iri in concepts:
                    said.setdefault(iri, {}).setdefault(tag, []).append(stems)
        return {iri: {tag: tuple(some) for tag, some in by.items()} for iri, by in said.items()}

    def said(self, iri: str, rules: str) -> tuple[tuple[str, ...], ...]:
        """The ways in which a text in a language says a concept, as stems."""
        return self._said.get(iri, {}).get(rules, ())

    def above(self, iri: str) -> frozenset[str]:
        """Everything broader than a concept, itself included."""
        known = self._above.get(iri)
        if known is None:
            known = self._above[iri] = frozenset(self.with_broader([iri]))
        return known

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

    def wider(self, iri: str) -> tuple[str, ...]:
        """What a thing of the lexicon is a kind of, one step up."""
        return self._kinds.get(iri, ())

    @cached_property
    def _kinds(self) -> Mapping[str, tuple[str, ...]]:
        return load_broader(self.vocabulary.folder)

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


def is_meaning(iri: str) -> bool:
    """Whether a concept is a row of the lexicon rather than one of the code lists."""
    return iri.startswith(BASE)
