"""What somebody typed, as it is understood: its words, the phrases among them, and the concepts they name.

Plain words need no syntax and no input is wrong.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from rapidfuzz.distance import Levenshtein

from federation.index import ranking
from federation.index.concepts import Concepts, Spotted
from federation.index.glossary import NOTHING, Glossary, Way
from federation.index.grams import Alike
from federation.index.languages import ANALYSED, WORD, Word, analysed_as, fold, is_stop_word, stem

MAX_TEXT: Final = 400
"""Characters of a query that are read; the rest is left out."""
MAX_UNITS: Final = 12
"""Words and phrases that are looked for; whoever pastes more wants what the first are about."""
_NEAREST: Final = 6
"""Words of the records that a word may look like."""
_LABELS: Final = 6
"""Labels that a word or several together may look like."""
_WIDEST: Final = 5
"""Words and phrases that are looked at together."""
_FAINT: Final = 0.05
_MISTYPED: Final = 0.75
"""How alike a word of the records must be, letter by letter, to be what was meant."""
_PHRASE: Final = re.compile(r"[\"“”„«»]([^\"“”„«»]*)[\"“”„«»]")
_WITHOUT: Final = re.compile(r"(?<!\S)-([^\W_][^\s\"]*)")
_RESTORED: Final = {
    "da": (("aa", "å"), ("ae", "æ"), ("oe", "ø")),
    "nb": (("aa", "å"), ("ae", "æ"), ("oe", "ø")),
    "sv": (("aa", "å"), ("ae", "ä"), ("oe", "ö")),
    "de": (("ae", "ä"), ("oe", "ö"), ("ue", "ü")),
}
"""How letters are written on a keyboard that does not have them."""


@dataclass(frozen=True, slots=True)
class QueryWord:
    """One word of a query: its forms, and words of the records that look like it."""

    surface: str
    folded: frozenset[str]
    stems: frozenset[str]
    """In the searcher's language."""
    near: tuple[tuple[str, float], ...] = ()
    """Words that look like it, and how much."""


@dataclass(frozen=True, slots=True)
class Linked:
    """A concept that words of a query name, and how surely (0 to 1)."""

    concept: str
    weight: float
    learned: bool = False
    """Whether nothing but the parallel texts says so."""


@dataclass(frozen=True, slots=True)
class Unit:
    """A word or a phrase of a query, the concepts it names, and what it is made of.

    ``inner`` are the words of a phrase, or the parts of a compound.
    """

    words: tuple[QueryWord, ...]
    linked: tuple[Linked, ...]
    inner: tuple[Unit, ...] = ()
    name: bool = False
    """A word that neither code lists nor lexicon know: most often a name, and then the heart of the query."""

    said: str = ""
    """How the query says it, where no word of it is looked for."""
    ways: tuple[Way, ...] = ()
    """How texts say what it surely means, beside what code lists and lexicon know."""

    @property
    def surface(self) -> str:
        return self.said or " ".join(word.surface for word in self.words)

    @property
    def concepts(self) -> tuple[str, ...]:
        return tuple(each.concept for each in self.linked)


@dataclass(frozen=True, slots=True)
class Asked:
    """What was typed, read for the little syntax there is: words, "phrases in quotes" and -words to leave out."""

    text: str
    phrases: tuple[str, ...] = ()
    without: tuple[str, ...] = ()

    @classmethod
    def read(cls, text: str) -> Asked:
        """Nothing is wrong: a quote without its fellow and a lone minus are left aside."""
        text = text[:MAX_TEXT]
        phrases = tuple(each.strip() for each in _PHRASE.findall(text) if each.strip())[:MAX_UNITS]
        rest = _PHRASE.sub(" ", text)
        without = tuple(_WITHOUT.findall(rest))[:MAX_UNITS]
        return cls(" ".join([_WITHOUT.sub(" ", rest), *phrases]), phrases, without)


def restored(text: str, language: str) -> str:
    """A text with the letters of a language that were typed as two."""
    for typed, meant in _RESTORED.get(analysed_as(language), ()):
        for each in (typed.capitalize(), typed.upper()):
            text = text.replace(each, meant.upper())
        text = text.replace(typed, meant)
    return text


class Understanding:
    """Reads queries in one language, with the concepts and the words of the records there are."""

    def __init__(
        self, concepts: Concepts, known: Alike, language: str, *, glossary: Glossary = NOTHING, sure: bool = False
    ) -> None:
        """``sure`` leaves out what a word may perhaps mean besides a concept that it names for sure."""
        self._glossary = glossary
        self._sure = sure
        self._concepts = concepts
        self._known = known
        self._language = language
        self._rules = analysed_as(language)

    def units(self, text: str) -> list[Unit]:
        """The units of a query: phrases that name concepts first, every other word for itself."""
        plain = self._concepts.analyse(text, self._language)
        surfaces = [text[word.start : word.end] for word in plain]
        spotted = self._spotted(text, plain)
        units: list[Unit] = []
        said: set[tuple[str, ...]] = set()
        at = 0
        while at < len(plain) and len(units) < MAX_UNITS:
            last = max((each.last for each in spotted if each.first == at), default=at + 1)
            words = tuple(word.folded for word in plain[at:last])
            if words not in said and (last > at + 1 or not is_stop_word(surfaces[at], self._language)):
                said.add(words)
                units.append(self._unit(plain, surfaces, at, last, spotted))
            at = last
        if not units:
            # Nothing but stop words: then they are what is asked for.
            units = [self._unit(plain, surfaces, at, at + 1, ()) for at in range(min(len(plain), MAX_UNITS))]
        return units

    def _unit(
        self, plain: Sequence[Word], surfaces: Sequence[str], at: int, last: int, spotted: Sequence[Spotted]
    ) -> Unit:
        whole = [each for each in spotted if (each.first, each.last) == (at, last) and not each.part]
        linked = dict.fromkeys((iri for each in whole for iri in each.concepts), 1.0)
        if last == at + 1:
            return self._single(plain[at], surfaces[at], linked)
        if self._sure and linked:
            words = tuple(self._word(plain[each], surfaces[each], near=False) for each in range(at, last))
            return Unit(words, _ordered(linked), ways=self._ways(linked))
        members = [each for each in range(at, last) if not is_stop_word(surfaces[each], self._language)]
        inner = tuple(self._unit(plain, surfaces, each, each + 1, spotted) for each in members)
        words = tuple(self._word(plain[each], surfaces[each]) for each in range(at, last))
        return Unit(words, _ordered(linked), inner, ways=self._ways(linked))

    def _ways(self, sure: Iterable[str]) -> tuple[Way, ...]:
        return tuple(dict.fromkeys(way for iri in sure for way in self._glossary.ways(iri)))

    def _single(self, word: Word, surface: str, linked: dict[str, float]) -> Unit:
        if self._sure and linked:
            return Unit((self._word(word, surface, near=False),), _ordered(linked), ways=self._ways(linked))
        inner = tuple(self._parts(surface if word.parts else restored(surface, self._language)))
        plain, ways = self._word(word, surface), self._ways(linked)
        known = bool(linked or inner) or self._concepts.splitter.knows(word.folded, self._rules)
        for form in sorted(plain.stems):
            self._tell(linked, form)
        if not known:
            for tag in ANALYSED:
                named = self._concepts.named_by((stem(surface, tag),), tag)
                _add(linked, ((iri, ranking.FOREIGN) for iri in named if tag != self._rules))
        if not linked and not inner:
            for form in sorted(plain.folded):
                _add(linked, self._concepts.like(form, self._language, least=ranking.ALIKE_LABEL, most=_LABELS))
        meant = (*_ordered(linked), *self._learned(plain.stems, linked))
        return Unit((plain,), meant, inner, name=not known, ways=ways)

    def _learned(self, stems: Iterable[str], linked: Mapping[str, float]) -> Iterator[Linked]:
        """What a word was learned to mean, where nothing else leads to it; faint, and so behind all others."""
        found: dict[str, float] = {}
        for form in sorted(stems):
            _add(found, self._concepts.learned.get((self._rules, form), ()))
        return (Linked(iri, likely * ranking.LEARNED, True) for iri, likely in found.items() if iri not in linked)

    def _parts(self, surface: str) -> Iterator[Unit]:
        """The parts of a compound, each as it was typed."""
        folded, at = fold(surface), 0
        for part in self._concepts.splitter.parts(folded, self._rules):
            at = folded.index(part, at)
            end = at + len(part)
            yield self._part(surface[at:end] if len(surface) == len(folded) else part, stem(part, self._rules))
            at = end

    def _part(self, surface: str, form: str) -> Unit:
        linked = dict.fromkeys(self._concepts.named_by((form,), self._language), 1.0)
        self._tell(linked, form)
        return Unit((QueryWord(surface, frozenset(), frozenset([form])),), _ordered(linked))

    def _tell(self, linked: dict[str, float], form: str) -> None:
        """Add the concepts in whose names a word stands and few others have it."""
        told = ((iri, min(1.0, share * ranking.TOLD)) for iri, share in self._concepts.told_by(form, self._language))
        _add(linked, ((iri, weight) for iri, weight in told if weight > _FAINT))

    def names(self, units: Sequence[Unit]) -> list[Unit]:
        """Concepts that several units together look like: *tools to count costs* is nearly a label."""
        found = []
        forms = [" ".join(min(word.folded) for word in unit.words) for unit in units]
        for size in range(2, min(_WIDEST, len(units)) + 1):
            for at in range(len(units) - size + 1):
                text = " ".join(forms[at : at + size])
                like = self._concepts.like(text, self._language, least=ranking.ALIKE_LABEL, most=_LABELS)
                if like:
                    said = " ".join(unit.surface for unit in units[at : at + size])
                    found.append(Unit((), tuple(Linked(*each) for each in like), said=said))
        return found

    def _spotted(self, text: str, plain: Sequence[Word]) -> list[Spotted]:
        found = list(self._named(plain))
        again = restored(text, self._language)
        if again != text:
            words = self._concepts.analyse(again, self._language)
            if len(words) == len(plain):
                found += self._named(words)
        return found

    def _named(self, words: Sequence[Word]) -> Iterator[Spotted]:
        return self._glossary.spot(words, self._language, self._concepts.spot(words, self._language))

    def _word(self, word: Word, surface: str, *, near: bool = True) -> QueryWord:
        again = restored(surface, self._language)
        folded = {word.folded, fold(again)}
        stems = {word.stem, stem(again, self._rules)}
        like: dict[str, float] = {}
        for form in folded if near and len(word.folded) > 4 else ():
            for text, alike in self._known.like(form, least=ranking.ALIKE, most=_NEAREST + 1):
                if text not in folded:
                    like[text] = max(alike, like.get(text, 0.0))
        nearest = sorted(like.items(), key=lambda pair: (-pair[1], pair[0]))[:_NEAREST]
        return QueryWord(surface, frozenset(folded), frozenset(stems), tuple(nearest))


def _add(linked: dict[str, float], more: Iterable[tuple[str, float]]) -> None:
    for iri, weight in more:
        linked[iri] = max(weight, linked.get(iri, 0.0))


def _ordered(linked: Mapping[str, float]) -> tuple[Linked, ...]:
    return tuple(Linked(*each) for each in sorted(linked.items(), key=lambda pair: -pair[1]))


def corrected(text: str, units: Sequence[Unit], stands: Callable[[str], bool]) -> str:
    """A query with the words that no record has replaced by those they look like; empty where all is well.

    ``stands`` says whether a record has a folded word. A word is suggested as it is kept, folded: how it is
    spelt stands in the hits.
    """
    better: dict[str, str] = {}
    for word in (word for unit in units if unit.name for word in unit.words):
        if not word.near or any(map(stands, word.folded)):
            continue
        typed = min(word.folded)
        meant = {each: Levenshtein.normalized_similarity(typed, each) for each, _ in word.near if stands(each)}
        nearest = max(meant, key=lambda each: meant[each], default="")
        if nearest and meant[nearest] >= _MISTYPED:
            better[word.surface] = nearest
    read = text[:MAX_TEXT]
    suggested = WORD.sub(lambda match: better.get(match[0], match[0]), read)
    return suggested if suggested != read else ""
