"""What words mean, learned from the project's own texts that say the same in several languages: ``make lexicon``.

Concepts are known to be said in a text: those it is the label or definition of, those its record is tagged
with, and those that the same text names in its *other* languages. Which of its words say them is learned by
IBM Model 1 (Brown et al., *The mathematics of statistical machine translation*, 1993, section 4.1), with
concepts in place of the words of a second language: words lead to concepts, here as everywhere.

Only what is sure enough is kept, in ``vocab/lexicon/learned.csv``, and nothing of a word that a code list or
a table of the lexicon knows. Judged topics are never read.
"""

from __future__ import annotations

import argparse
import math
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from federation.config import load
from federation.exchange.files import File, drafts_of
from federation.index.concepts import Concepts
from federation.index.languages import UNKNOWN, WORD, analysed_as
from federation.index.lexicon import Association, learned_csv, learned_path, load_learned, load_refused, stemmed
from federation.records.canonical import Literal
from federation.records.draft import statements
from federation.records.kinds import Concept, Vocabulary
from federation.records.vocabulary import default_folder, load_vocabulary

SURE: Final = 0.2
"""How probably a word must mean a concept."""
OBSERVED: Final = 3
"""Texts in which a word and a concept must be together."""
MOSTLY: Final = 0.5
"""In what share of the texts with the word the concept must be said."""
EXPLAINED: Final = 1.0
"""How often, of those, the word must be what says the concept."""
MOST: Final = 3
"""Concepts of a word."""
SHORTEST: Final = 4
"""Letters of a word; shorter ones are stop words that no list has, or abbreviations."""
BROADER: Final = 0.3
"""How much a text says something broader than its concept."""
_ROUNDS: Final = 8
_DOUBT: Final = 1.0
"""What is taken off a word's certainty, as if it had been seen so often with something unheard of."""
_PLACES: Final = 100
"""Probabilities are kept to hundredths, rounded down so that those of a word stay below one together."""
_CAPITALISES: Final = frozenset(["de"])
"""Languages in which a capital says nothing of whether a word is a name."""


@dataclass(frozen=True, slots=True)
class Parallel:
    """The same text in one or more languages, and the concepts known to be said there, with how surely."""

    texts: Mapping[str, str]
    about: Mapping[str, float] = field(default_factory=dict)


class Said(NamedTuple):
    """The stems of a text in one language, and the concepts that it says in whatever words, with how surely."""

    language: str
    words: tuple[str, ...]
    concepts: tuple[tuple[str, float], ...]


class Seen(NamedTuple):
    """How probably a word means a concept, in how many texts both are, and of those how often it says it."""

    probability: float
    together: int
    times: float
    often: int
    """In how many texts the word is."""

    @property
    def is_sure(self) -> bool:
        together = self.together >= max(OBSERVED, MOSTLY * self.often)
        return together and self.probability >= SURE and self.times >= EXPLAINED


# Where texts come from


def of_vocabulary(vocabulary: Vocabulary) -> Iterator[Parallel]:
    """Labels, alternative labels and definitions of every code list whose labels are looked for in texts."""
    for scheme in vocabulary.schemes.values():
        if not scheme.unspotted:
            for concept in scheme.concepts.values():
                yield from _of_concept(concept)


def _of_concept(concept: Concept) -> Iterator[Parallel]:
    about = {**dict.fromkeys(concept.broader, BROADER), concept.iri: 1.0}
    yield Parallel(concept.labels, about)
    yield Parallel(concept.definition, about)
    for language, texts in concept.alternatives.items():
        yield from (Parallel({language: text}, about) for text in texts)


def of_records(folder: Path, vocabulary: Vocabulary) -> Iterator[Parallel]:
    """The records of the nodes of a folder: their texts, and the topics they are tagged with."""
    for path in sorted(folder.glob("*/node.toml")):
        naming = load(path).naming
        files = [File(each.name, each.read_bytes()) for each in sorted((path.parent / "records").glob("*.csv"))]
        for draft in drafts_of(files, vocabulary, naming)[0]:
            triples, faults = statements(draft, vocabulary, naming)
            if faults:
                continue
            texts: dict[str, list[str]] = {}
            about: dict[str, float] = {}
            for _, path_of_field, value in triples:
                known = vocabulary.by_property.get(path_of_field)
                if isinstance(value, Literal):
                    if value.language and known is not None and known.search:
                        texts.setdefault(value.language, []).append(value.value)
                elif value in vocabulary.concepts and vocabulary.schemes[vocabulary.concepts[value].scheme].topic:
                    about[value] = 1.0
            yield Parallel({tag: "\n".join(sorted(some)) for tag, some in texts.items()}, about)


# What they say


def said(parallel: Parallel, concepts: Concepts) -> Iterator[Said]:
    """The words of a text in each language, with what it is known to say without looking at them."""
    forms = {tag: concepts.spotting.forms(WORD.findall(text), tag) for tag, text in parallel.texts.items()}
    named = {tag: frozenset(concepts.spotting.named(some, tag)) for tag, some in forms.items()}
    for tag, some in forms.items():
        words = sorted({form.stem for form in some if form.told and _is_plain(form.folded)})
        others = len(named) - 1
        elsewhere = Counter(iri for other, iris in named.items() if other != tag for iri in iris)
        # One language alone may only have a word that looks like another: Danish *andre* and *ændre*.
        known = {iri: times / others for iri, times in elsewhere.items() if times * 2 > others}
        for iri, surely in parallel.about.items():
            known[iri] = max(surely, known.get(iri, 0.0))
        if words and known and analysed_as(tag) != UNKNOWN:
            yield Said(analysed_as(tag), tuple(words), tuple(sorted(known.items())))


def _is_plain(folded: str) -> bool:
    return len(folded) >= SHORTEST and folded.isalpha()


def spellings(parallels: Iterable[Parallel], concepts: Concepts) -> dict[tuple[str, str], str]:
    """By language and stem, how a word is mostly written; names, which are never written small, are left out."""
    found: dict[tuple[str, str], Counter[str]] = {}
    for parallel in parallels:
        for tag, text in parallel.texts.items():
            words = WORD.findall(text)
            for word, form in zip(words, concepts.spotting.forms(words, tag), strict=True):
                if form.told:
                    found.setdefault((analysed_as(tag), form.stem), Counter())[word] += 1
    usual = {}
    for key, spelt in found.items():
        if key[0] in _CAPITALISES or any(word.islower() for word in spelt):
            small: Counter[str] = Counter()
            for word, times in spelt.items():
                small[word.lower()] += times
            usual[key] = min(small, key=lambda word: (-small[word], word))
    return usual


# Learning


def learned(texts: Iterable[Said]) -> dict[tuple[str, str], dict[str, Seen]]:
    """By language and stem: what a word may mean. The order of the texts makes no difference.

    Of a word, the probabilities add up to less than one: the more often it was seen, the less of it is doubt.
    """
    by_language: dict[str, list[Said]] = {}
    for each in sorted(texts):
        by_language.setdefault(each.language, []).append(each)
    found: dict[tuple[str, str], dict[str, Seen]] = {}
    for language, some in sorted(by_language.items()):
        for word, concept, seen in _in_one_language(some):
            found.setdefault((language, word), {})[concept] = seen
    return found


def _in_one_language(texts: Sequence[Said]) -> Iterator[tuple[str, str, Seen]]:
    often = Counter(word for each in texts for word in each.words)
    # What is rarer can never be sure, and would explain away what the other words of its texts mean.
    words = ["", *sorted(word for word, times in often.items() if times >= OBSERVED)]
    concepts = sorted({iri for each in texts for iri, _ in each.concepts})
    word_number = {word: number for number, word in enumerate(words)}
    concept_number = {iri: number for number, iri in enumerate(concepts)}
    # One line for every word that may say a concept in a text; word 0 stands for none of them.
    lines: list[tuple[int, int, float]] = []
    places = 0
    for each in texts:
        here = [0, *(word_number[word] for word in each.words if word in word_number)]
        for iri, surely in each.concepts:
            lines += [(places, number * len(concepts) + concept_number[iri], surely) for number in here]
            places += 1
    if not lines:
        return
    place, pair, weight = (np.array(column) for column in zip(*lines, strict=True))
    pairs, line_pair = np.unique(pair, return_inverse=True)
    probability, times = _model_1(place, line_pair, weight.astype(np.float64), pairs // len(concepts))
    together = np.bincount(line_pair)
    for number, likely, count, explained in zip(pairs, probability, together, times, strict=True):
        word, concept = divmod(int(number), len(concepts))
        if word:
            yield words[word], concepts[concept], Seen(float(likely), int(count), float(explained), often[words[word]])


Integers = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]


def _model_1(place: Integers, pair: Integers, weight: Floats, word: Integers) -> tuple[Floats, Floats]:
    """Probability of the concept given the word, for each pair of them, and how often the word says it.

    A line is a place (a concept of a text) and a pair that may fill it; ``word`` is that of each pair. Sums are
    made by ``bincount`` alone, which adds in order: other machines learn the very same.
    """
    probability = np.full(len(word), 1.0)
    times = probability
    for _ in range(_ROUNDS):
        likely = probability[pair]
        share = likely / np.bincount(place, likely)[place]
        times = np.bincount(pair, weight * share, minlength=len(word))
        probability = times / (np.bincount(word, times) + _DOUBT)[word]
    return probability, times


def kept(
    found: Mapping[tuple[str, str], Mapping[str, Seen]],
    spelt: Mapping[tuple[str, str], str],
    refused: frozenset[tuple[str, str, str]],
    names: Callable[[tuple[str, ...], str], Sequence[str]],
) -> list[Association]:
    """What is sure enough, of words that are no names and that nothing else says the meaning of, sorted.

    ``refused`` are language, stem and concept; ``names`` gives the concepts that stems name in a language.
    """
    associations = []
    for (language, stem), concepts in found.items():
        if (language, stem) not in spelt or names((stem,), language):
            continue
        sure = [
            (math.floor(seen.probability * _PLACES) / _PLACES, iri)
            for iri, seen in concepts.items()
            if seen.is_sure and (language, stem, iri) not in refused
        ]
        best = sorted(sure, key=lambda each: (-each[0], each[1]))[:MOST]
        associations += [Association(language, spelt[language, stem], iri, likely) for likely, iri in best]
    return sorted(associations)


def learned_now(concepts: Concepts, nodes: Path) -> list[Association]:
    """What the vocabulary and the records of some nodes teach."""
    parallels = [*of_vocabulary(concepts.vocabulary), *of_records(nodes, concepts.vocabulary)]
    texts = [each for parallel in parallels for each in said(parallel, concepts)]
    refused = stemmed(load_refused(concepts.vocabulary.folder))
    return kept(learned(texts), spellings(parallels, concepts), refused, concepts.named_by)


# The command


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m federation.index.learning", description="Learn vocab/lexicon/learned.csv anew."
    )
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 if it would be another")
    options = parser.parse_args(arguments)
    vocabulary = load_vocabulary(default_folder())
    path = learned_path(vocabulary.folder)
    print(f"Learning from {vocabulary.folder} and the nodes beside it …", file=sys.stderr, flush=True)
    now = learned_now(Concepts(vocabulary), vocabulary.folder.parent / "nodes")
    before = load_learned(vocabulary.folder)
    for line in changes(before, now):
        print(line)
    content = learned_csv(now)
    same = path.exists() and path.read_bytes() == content
    if not same and not options.check:
        path.write_bytes(content)
    words = len({(each.language, each.word) for each in now})
    state = "as it was" if same else "not what would be learned now: run `make lexicon`" if options.check else "written"
    print(f"{path.name}: {len(now)} meanings of {words} words, {len(content):,} bytes, {state}.")
    return int(options.check and not same)


def changes(before: Iterable[Association], now: Iterable[Association]) -> Iterator[str]:
    """What is new, gone or of another probability, a line each."""
    old = {each[:3]: each.probability for each in before}
    new = {each[:3]: each.probability for each in now}
    for key in sorted({*old, *new}):
        if old.get(key) != new.get(key):
            language, word, concept = key
            sign = "+" if key not in old else "-" if key not in new else " "
            figures = " → ".join(f"{each[key]:.2f}" for each in (old, new) if key in each)
            yield f"{sign} {language} {word} = {concept} {figures}"


if __name__ == "__main__":
    sys.exit(main())
