"""What somebody typed, as it is understood: its words, the phrases among them, and the concepts they name.

Plain words need no syntax and no input is wrong.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final, NamedTuple

from rapidfuzz.distance import DamerauLevenshtein

from federation.index import ranking
from federation.index.concepts import Concepts
from federation.index.forms import Spotted
from federation.index.glossary import NOTHING, WAYS, Glossary, Way
from federation.index.grams import Alike
from federation.index.inflection import is_inflected
from federation.index.languages import ANALYSED, STOP_FORMS, WORD, Word, analysed_as, fold, is_stop_word, stem
from federation.index.units import How, Linked, QueryWord, Unit, length

MAX_TEXT: Final = 400
"""Characters of a query that are read; the rest is left out."""
MAX_UNITS: Final = 8
"""Words and phrases that are looked for; whoever pastes more wants what the first are about."""
_MAX_LENGTH: Final = 12
"""The same, compounds and phrases counted by what they are made of."""
_NEAREST: Final = 6
"""Words of the records that a word may look like."""
_LABELS: Final = 6
"""Labels that a word or several together may look like."""
_WIDEST: Final = 5
"""Words and phrases that are looked at together."""
_FAINT: Final = 0.05
_SUREST: Final = 0.95
"""What a word means for which only a part of a name speaks, is never sure."""
_LONG_ENOUGH: Final = 5
"""Letters of a word that may be mistyped; with fewer, too many are alike."""
_MISTYPED: Final = 0.75
"""How alike a word of the records must be, letter by letter, to be what was meant."""
_PHRASE: Final = re.compile(r"((?<!\S)[-–])?[\"“”„«»]([^\"“”„«»]*)[\"“”„«»]")
_WITHOUT: Final = re.compile(r"(?<!\S)[-–]([^\W_][^\s\"]*)")
"""A minus, or the dash that phones make of one."""
_CHECKED: Final = re.compile(r"\b(\d{8})-\d\b")
"""A code of the Common Procurement Vocabulary as it is printed, with its check digit."""
_RESTORED: Final = {
    "da": (("aa", "å"), ("ae", "æ"), ("oe", "ø")),
    "nb": (("aa", "å"), ("ae", "æ"), ("oe", "ø")),
    "sv": (("aa", "å"), ("ae", "ä"), ("oe", "ö")),
    "de": (("ae", "ä"), ("oe", "ö"), ("ue", "ü")),
}
"""How letters are written on a keyboard that does not have them."""
_TYPED: Final = (("aa", "a"), ("ae", "a"), ("oe", "o"), ("ue", "u"))
"""The same, folded: how names of all these languages are written elsewhere."""
_ELSEWHERE: Final = {"nl": (("ae", "a"),)}
"""Languages in which some of these pairs are letters of their own: a Dutch *moelen* is no *molen*."""


class _Text(NamedTuple):
    """A query as it is read: its words, how they are written, and what they name."""

    plain: Sequence[Word]
    surfaces: Sequence[str]
    known: Sequence[Spotted]
    """By code lists and lexicon."""
    added: Sequence[Spotted]
    """By the terms of the regions."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What was typed, read for the little syntax there is: words, "phrases in quotes" and -words to leave out."""

    text: str
    phrases: tuple[str, ...] = ()
    without: tuple[str, ...] = ()
    without_phrases: tuple[str, ...] = ()

    @classmethod
    def read(cls, text: str) -> Asked:
        """Nothing is wrong: a quote without its fellow and a lone minus are left aside."""
        text = _CHECKED.sub(r"\1", text[:MAX_TEXT])
        quoted = [(minus, phrase.strip()) for minus, phrase in _PHRASE.findall(text) if phrase.strip()]
        phrases = tuple(phrase for minus, phrase in quoted if not minus)[:MAX_UNITS]
        rest = _PHRASE.sub(" ", text)
        return cls(
            " ".join([_WITHOUT.sub(" ", rest), *phrases]),
            phrases,
            tuple(_WITHOUT.findall(rest))[:MAX_UNITS],
            tuple(phrase for minus, phrase in quoted if minus)[:MAX_UNITS],
        )

    @property
    def leaves_out(self) -> bool:
        """Whether something is said of what is not wanted."""
        return bool(self.without or self.without_phrases)


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
        read = self._read(text)
        # What a region says that several words mean is no reason to leave out what each of them means.
        added = () if self._sure else read.added
        # Nothing but stop words: then they are what is asked for.
        return self._segments(read, 0, len(read.plain), added) or [
            self._single(read, at, {}) for at in range(min(len(read.plain), MAX_UNITS))
        ]

    def _read(self, text: str) -> _Text:
        plain = self._concepts.analyse(text, self._language)
        surfaces = [text[word.start : word.end] for word in plain]
        again = restored(text, self._language)
        forms = [plain]
        if again != text:
            other = self._concepts.analyse(again, self._language)
            forms += [other] if len(other) == len(plain) else []
        known, added = list[Spotted](), list[Spotted]()
        for words in forms:
            spotted = self._concepts.spot(words, self._language)
            known += self._glossary.allowed(words, self._language, spotted)
            added += self._glossary.spot(words, self._language)
        return _Text(plain, surfaces, known, added)

    def _segments(self, read: _Text, first: int, stop: int, added: Sequence[Spotted]) -> list[Unit]:
        units: list[Unit] = []
        said: set[tuple[str, ...]] = set()
        at = first
        while at < stop and len(units) < MAX_UNITS and length(units) < _MAX_LENGTH:
            known = max((each.last for each in read.known if each.first == at and each.last <= stop), default=at + 1)
            last = max([known, *(each.last for each in added if each.first == at)])
            words = tuple(word.folded for word in read.plain[at:last])
            if words not in said and (last > at + 1 or not is_stop_word(read.surfaces[at], self._language)):
                said.add(words)
                units.append(self._unit(read, at, last) if last == known else self._added(read, at, last))
            at = last
        return units

    def _unit(self, read: _Text, at: int, last: int) -> Unit:
        whole = [each for each in read.known if (each.first, each.last) == (at, last) and not each.part]
        if last == at + 1:
            return self._single(read, at, self._named(read, at, whole))
        linked = dict.fromkeys((iri for each in whole for iri in each.concepts), 1.0)
        meant = self._meant(read, at, last, linked)
        ways, sure = self._ways((*linked, *meant)), self._sure and bool(linked)
        words = tuple(self._word(read.plain[each], read.surfaces[each], near=not sure) for each in range(at, last))
        members = [each for each in range(at, last) if not is_stop_word(read.surfaces[each], self._language)]
        inner = () if sure else tuple(self._unit(read, each, each + 1) for each in members)
        return Unit(words, _ordered(linked), inner, meant=meant, ways=ways)

    def _named(self, read: _Text, at: int, whole: Iterable[Spotted]) -> dict[str, float]:
        """The concepts that a word names, and how surely.

        Of some it only has the stem (Danish *tid* and *tidlig*), and where it is a name as it stands, it is less
        likely a form of another (Swedish *lag*, *låg* and *lager*).
        """
        word, form = read.surfaces[at].lower(), read.plain[at].stem
        every = dict.fromkeys(iri for each in whole for iri in each.concepts)
        names = {iri: self._concepts.spelled(iri, form, self._rules) for iri in every}
        exact = any(word in some for some in names.values())
        folded = {fold(word), fold(restored(word, self._language))}
        sure = {
            iri
            for iri, some in names.items()
            if not some
            or any(is_inflected(word, name, self._rules) and not (exact and len(name) > len(word)) for name in some)
            or (not exact and any(is_inflected(each, fold(name), self._rules) for each in folded for name in some))
        }
        return {iri: 1.0 if iri in sure else ranking.STEMMED for iri in every}

    def _added(self, read: _Text, at: int, last: int) -> Unit:
        """Words that only the terms of regions name together: they mean that as well as what they mean without."""
        meant = self._meant(read, at, last, {})
        words = tuple(self._word(read.plain[each], read.surfaces[each], near=False) for each in range(at, last))
        inner = tuple(self._segments(read, at, last, ()))
        return Unit(words, (), inner, meant=meant, ways=self._ways(meant))

    def _meant(self, read: _Text, at: int, last: int, linked: Mapping[str, float]) -> tuple[str, ...]:
        every = (iri for each in read.added if (each.first, each.last) == (at, last) for iri in each.concepts)
        return tuple(dict.fromkeys(iri for iri in every if iri not in linked))

    def _ways(self, sure: Iterable[str]) -> tuple[Way, ...]:
        return tuple(dict.fromkeys(way for iri in sure for way in self._glossary.ways(iri)))[:WAYS]

    def _single(self, read: _Text, at: int, linked: dict[str, float]) -> Unit:
        word, surface, meant = read.plain[at], read.surfaces[at], self._meant(read, at, at + 1, linked)
        ways = self._ways((*linked, *meant))
        if self._sure and linked:
            return Unit((self._word(word, surface, near=False),), _ordered(linked), meant=meant, ways=ways)
        inner = tuple(self._parts(surface if word.parts else restored(surface, self._language)))
        known = bool(linked or inner) or self._concepts.spotting.splitter.knows(word.folded, self._rules)
        plain = self._word(word, surface)
        if not known:
            plain = self._spelt_out(plain)
        new = plain.folded.isdisjoint(self._known.known)
        mistyped, sole = not known and new and not meant, not linked and new
        if mistyped:
            plain = self._meant_word(plain)
        for form in sorted(plain.stems):
            self._tell(linked, form)
        if not known:
            for tag in ANALYSED:
                named = self._concepts.named_by((stem(surface, tag),), tag)
                _add(linked, ((iri, ranking.FOREIGN) for iri in named if tag != self._rules))
        alike = self._alike(plain, mistyped=mistyped) if not linked and not inner else {}
        every = (*_ordered(linked), *_ordered(alike, "like"), *self._learned(plain.stems, linked | alike))
        allowed = tuple(each for each in every if not self._refused([[form] for form in plain.stems], each.concept))
        return Unit((plain,), allowed, inner, name=not known, meant=meant, ways=ways, sole=sole)

    def _alike(self, word: QueryWord, *, mistyped: bool) -> dict[str, float]:
        """The concepts of which a name looks like a word, or is what it was meant to be."""
        found: dict[str, float] = {}
        for form in sorted(word.folded):
            _add(found, self._concepts.like(form, self._language, least=ranking.ALIKE_LABEL, most=_LABELS))
            if mistyped and len(form) >= _LONG_ENOUGH:
                meant_by = self._concepts.meant(form, self._language, most=_LABELS)
                _add(found, ((iri, share * ranking.MISTYPED) for iri, share in meant_by))
        return found

    def _refused(self, forms: Iterable[Sequence[str]], iri: str) -> bool:
        return any(self._glossary.refuses(stems, self._rules, iri) for stems in forms)

    def _learned(self, stems: Iterable[str], linked: Mapping[str, float]) -> Iterator[Linked]:
        """What a word was learned to mean, where nothing else leads to it; faint, and so behind all others."""
        found: dict[str, float] = {}
        for form in sorted(stems):
            _add(found, self._concepts.learned.get((self._rules, form), ()))
        return (Linked(iri, likely * ranking.LEARNED, "learned") for iri, likely in found.items() if iri not in linked)

    def _parts(self, surface: str) -> Iterator[Unit]:
        """The parts of a compound, each as it was typed."""
        folded, at = fold(surface), 0
        for part in self._concepts.spotting.splitter.parts(folded, self._rules):
            at = folded.index(part, at)
            end = at + len(part)
            said = surface[at:end] if len(surface) == len(folded) else part
            yield self._part(said, stem(part, self._rules), surface)
            at = end

    def _part(self, surface: str, form: str, whole: str) -> Unit:
        spotting = self._concepts.spotting
        linked = dict.fromkeys(self._concepts.named_by((form,), self._language), 1.0)
        self._tell(linked, form)
        allowed = tuple(
            each
            for each in _ordered(linked)
            if not self._refused([[form]], each.concept) and not spotting.refuses(whole, self._rules, each.concept)
        )
        return Unit((QueryWord(surface, frozenset(), frozenset([form])),), allowed)

    def _tell(self, linked: dict[str, float], form: str) -> None:
        """Add the concepts in whose names a word stands and few others have it."""
        told = self._concepts.told_by(form, self._language)
        shares = ((iri, min(_SUREST, share * ranking.TOLD)) for iri, share in told)
        _add(linked, ((iri, weight) for iri, weight in shares if weight > _FAINT))

    def names(self, units: Sequence[Unit]) -> list[Unit]:
        """What several units together look like: names (*tools to count costs* is nearly a label), and concepts of
        which something like it is said.
        """
        return [*self._nearly_named(units), *self._spoken_of(units)]

    def _nearly_named(self, units: Sequence[Unit]) -> Iterator[Unit]:
        forms = [" ".join(min(word.folded) for word in unit.words) for unit in units]
        for size in range(2, min(_WIDEST, len(units)) + 1):
            for at in range(len(units) - size + 1):
                text = " ".join(forms[at : at + size])
                like = self._concepts.like(text, self._language, least=ranking.ALIKE_LABEL, most=_LABELS)
                stems = [min(word.stems) for unit in units[at : at + size] for word in unit.words]
                like = [each for each in like if not self._refused([stems], each[0])]
                if like:
                    said = " ".join(unit.surface for unit in units[at : at + size])
                    yield Unit((), tuple(Linked(*each, "like") for each in like), said=said)

    def _spoken_of(self, units: Sequence[Unit]) -> Iterator[Unit]:
        named = {iri for unit in units for iri in unit.concepts}
        stems = {form for unit in units for word in unit.words for form in word.stems}
        like = self._concepts.spoken_of(stems, self._language, least=ranking.SPOKEN, most=_LABELS)
        forms = [[form] for form in stems]
        linked = tuple(
            Linked(iri, share) for iri, share in like.items() if iri not in named and not self._refused(forms, iri)
        )
        if linked:
            yield Unit((), linked, said=" ".join(unit.surface for unit in units))

    def _meant_word(self, word: QueryWord) -> QueryWord:
        """A word that nobody knows, with those that were meant if it is mistyped."""
        near = dict(word.near)
        for form in (form for form in word.folded if len(form) >= _LONG_ENOUGH):
            for text, alike in self._known.meant(form, most=_NEAREST):
                near[text] = max(alike, near.get(text, 0.0))
        return replace(word, near=tuple(sorted(near.items(), key=lambda pair: (-pair[1], pair[0]))[:_NEAREST]))

    def _spelt_out(self, word: QueryWord) -> QueryWord:
        """A name with letters that were typed as two, where records have it with one: *Hjoerring*, whoever asks."""
        meant = {form for form in word.folded if len(form) >= _LONG_ENOUGH}
        for pair, letter in _ELSEWHERE.get(self._rules, _TYPED):
            meant = {form.replace(pair, letter) for form in meant}
        return replace(word, folded=word.folded | (meant & self._known.known))

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
        # Nothing but such words are asked for as they stand.
        common = frozenset() if is_stop_word(surface, self._language) else STOP_FORMS.intersection(folded)
        return QueryWord(surface, frozenset(folded), frozenset(stems), tuple(nearest), common)


def _add(linked: dict[str, float], more: Iterable[tuple[str, float]]) -> None:
    for iri, weight in more:
        linked[iri] = max(weight, linked.get(iri, 0.0))


def _ordered(linked: Mapping[str, float], how: How = "named") -> tuple[Linked, ...]:
    return tuple(Linked(*each, how) for each in sorted(linked.items(), key=lambda pair: -pair[1]))


def corrected(
    text: str,
    units: Sequence[Unit],
    stands: Callable[[str], bool],
    own: Callable[[str], bool] = lambda word: True,
    written: Callable[[str], str] = str,
) -> str:
    """A query with the words that no record has replaced by those they look like; empty where all is well.

    ``stands`` says whether a record has a folded word, ``written`` how one writes it, and ``own`` whether a text in the
    searcher's language has it: one of another language is only offered where it is written as a name.
    """
    better: dict[str, str] = {}
    for word in (word for unit in units if unit.name for word in unit.words):
        if not word.near or any(map(stands, word.folded)):
            continue
        typed = min(word.folded)
        meant = {each: DamerauLevenshtein.normalized_similarity(typed, each) for each, _ in word.near if stands(each)}
        nearest = (each for each in sorted(meant, key=lambda each: -meant[each]) if meant[each] >= _MISTYPED)
        forms = map(written, nearest)
        better[word.surface] = next((form for form in forms if form[0].isupper() or own(form)), word.surface)
    read = text[:MAX_TEXT]
    suggested = WORD.sub(lambda match: better.get(match[0], match[0]), read)
    return suggested if suggested != read else ""
