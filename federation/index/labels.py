"""The labels by which concepts are spotted: those of the code lists, of the kinds, and of the lexicon."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple, TypeAlias

from federation.index.compounds import SHORTEST, Splitter
from federation.index.languages import ANALYSED, UNKNOWN, WORD, analysed_as, fold, is_stop_word, stem, written_stem
from federation.index.lexicon import Meaning
from federation.records.kinds import Vocabulary

TELLING: Final = 4
"""Letters of a stem with which it tells of what a text is, where nothing else says so."""


class Label(NamedTuple):
    """One way to say a concept in a language, word by word; ``general`` ones say nothing of a text."""

    concept: str
    language: str
    """By whose rules it is read."""
    text: str
    general: bool
    folded: tuple[str, ...]
    stems: tuple[str, ...]
    telling: tuple[bool, ...]
    """Which of its words are no stop words."""
    word: str
    """The only word of it, in small letters; empty for a label of several."""
    written: str
    """The stem of the only word with its diacritics; empty for a label of several."""


def spellings(labels: Iterable[Label]) -> dict[tuple[str, str, str], tuple[str, ...]]:
    """By language, stem and concept: the labels of one word, in small letters."""
    found: dict[tuple[str, str, str], tuple[str, ...]] = {}
    for each in labels:
        if len(each.stems) == 1:
            key = each.language, each.stems[0], each.concept
            found[key] = (*found.get(key, ()), each.word)
    return found


class Labels:
    """Reads the labels of a vocabulary and its lexicon, and the words of its definitions."""

    def __init__(self, vocabulary: Vocabulary, lexicon: Iterable[Meaning]) -> None:
        self._vocabulary = vocabulary
        read = _Reader()
        labels = (read.label(*each) for each in self._texts(lexicon))
        self.every = tuple(each for each in labels if any(each.telling))

    def _texts(self, lexicon: Iterable[Meaning]) -> Iterator[tuple[str, str, str, bool]]:
        """Concept, language, text and whether it is general, of every label."""
        meanings = tuple(lexicon)
        # A short word that the lexicon calls general (Danish *dele*) is that too beside a concept's own name: its
        # stem is that of too many others.
        general = {
            (tag, each.text)
            for some in meanings
            for tag, texts in some.entries.items()
            for each in texts
            if each.general and len(stem(each.text, tag)) < TELLING
        }
        every = (scheme for scheme in self._vocabulary.schemes.values() if not scheme.unspotted)
        for concept in (concept for scheme in every for concept in scheme.concepts.values()):
            yield from ((concept.iri, tag, text, False) for tag, text in concept.labels.items())
            for tag, texts in concept.alternatives.items():
                yield from ((concept.iri, tag, text, (tag, text) in general) for text in texts)
        for kind in self._vocabulary.searched:
            # Whoever asks for lessons wants the kind; a text that has the word says nothing of its kind.
            yield from ((kind.iri, tag, text, True) for tag, text in kind.labels.items())
        for meaning in meanings:
            for tag, entries in meaning.entries.items():
                yield from ((meaning.iri, tag, each.text, each.general) for each in entries)

    def splitter(self) -> Splitter:
        """What takes compounds apart into words of labels, definitions and lexicon."""
        known: dict[str, set[str]] = {tag: set() for tag in ANALYSED}
        read = _Reader()
        definitions = (pair for concept in self._vocabulary.concepts.values() for pair in concept.definition.items())
        for each in (*self.every, *(read.label("", tag, text, True) for tag, text in definitions)):
            if each.language != UNKNOWN:
                words = zip(each.folded, each.telling, strict=True)
                known[each.language].update(word for word, telling in words if telling and len(word) >= SHORTEST)
        return Splitter({tag: frozenset(some) for tag, some in known.items()})


class _Reader:
    """Reads labels word by word. It remembers words only while it reads: tens of thousands would stay for ever."""

    def __init__(self) -> None:
        self._words: dict[tuple[str, str], _Alone] = {}
        self._telling: dict[tuple[bool, ...], tuple[bool, ...]] = {}

    def label(self, concept: str, language: str, text: str, general: bool) -> Label:
        rules = analysed_as(language)
        words = WORD.findall(text)
        if len(words) == 1:  # two labels of three
            return Label(concept, rules, text, general, *self._word(words[0], rules))
        forms = [self._word(word, rules) for word in words]
        folded, stems = tuple(each[0][0] for each in forms), tuple(each[1][0] for each in forms)
        telling = tuple(each[2][0] for each in forms)
        stems = folded if stems == folded else stems
        return Label(concept, rules, text, general, folded, stems, self._telling.setdefault(telling, telling), "", "")

    def _word(self, word: str, rules: str) -> _Alone:
        known = self._words.get((word, rules))
        if known is None:
            lowered, folded, written = word.lower(), fold(word), written_stem(word, rules)
            stem = fold(written)
            # One object for what is equal: there are tens of thousands.
            alone = (folded,)
            stems = alone if stem == folded else (stem,)
            lowered = folded if lowered == folded else lowered
            written = stems[0] if written == stem else written
            known = self._words[word, rules] = alone, stems, (not is_stop_word(word, rules),), lowered, written
        return known


_Alone: TypeAlias = tuple[tuple[str], tuple[str], tuple[bool], str, str]
"""The last fields of the label that is just one word."""
