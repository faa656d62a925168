"""Why a record was found, and how to show it: reasons, marked titles, snippets.

Reasons come from the match itself: the words of the hit are compared with the query as the index
compared them, and concepts as the document carries them.
"""

from __future__ import annotations

import html
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from federation.index.concepts import LONGEST
from federation.index.documents import ROLES
from federation.index.glossary import NOTHING, Glossary
from federation.index.languages import WORD, analysed_as, is_stop_word
from federation.index.reading import Unit
from federation.index.seen import SeenWords, Sought
from federation.records.kinds import in_language

SNIPPET: Final = 260
"""Characters of a snippet, about."""


@dataclass(frozen=True, slots=True)
class Because:
    """Why a record was found: ``how`` is word, part, concept, named or narrower.

    ``word`` is what was typed, ``match`` how the record says it (in ``language``), ``concept`` the IRI
    through which it was found and ``label`` its name in the reader's language.
    """

    how: str
    word: str
    match: str = ""
    language: str = ""
    concept: str = ""
    label: str = ""

    def as_dict(self) -> dict[str, str]:
        """The reason as a member of an answer; empty parts are left out."""
        pairs = {
            "how": self.how,
            "word": self.word,
            "match": self.match,
            "lang": self.language,
            "concept": self.concept,
            "label": self.label,
        }
        return {key: value for key, value in pairs.items() if value}


@dataclass(frozen=True, slots=True)
class Segment:
    """A piece of a snippet or title; ``hit`` where it matched."""

    text: str
    hit: bool


Shown = tuple[str, tuple[Segment, ...]]
"""A text with what matched in it, and its language."""
Span = tuple[int, int]
_Place = tuple[int, int]
"""The number of a unit (those within others included), and of a word in it."""


@dataclass(frozen=True, slots=True)
class Explained:
    """A hit as it is shown."""

    title: Shown
    snippet: Shown
    because: tuple[Because, ...]


@dataclass(slots=True)
class _Found:
    """What was found in the texts of a hit: by unit and word of it, by concept, and by unit as a part."""

    words: dict[int, dict[int, tuple[str, str]]] = field(default_factory=dict)
    concepts: dict[str, tuple[str, str]] = field(default_factory=dict)
    parts: dict[int, tuple[str, str]] = field(default_factory=dict)
    said: dict[str, dict[str, None]] = field(default_factory=dict)
    """By language: the words and phrases that matched."""
    ways: dict[tuple[str, tuple[str, ...]], dict[str, str]] = field(default_factory=dict)
    """By meaning and the stems it takes: the words found of them so far."""
    read: set[str] = field(default_factory=set)
    """The languages that were read."""


class Explainer:
    """Explains the hits of one search: what all of them share is prepared once."""

    def __init__(
        self,
        units: Sequence[Unit],
        seen: SeenWords,
        language: str,
        names: Sequence[Unit] = (),
        glossary: Glossary = NOTHING,
    ) -> None:
        """``names`` are those that several units together look like: they explain what nothing else does."""
        self._glossary = glossary
        self._units = units
        self._names = names
        self._language = language
        self._seen = seen
        self._concepts = seen.concepts
        self._rules = analysed_as(language)
        self._every = list(_every((*units, *names)))
        self._number = {id(unit): number for number, unit in enumerate(self._every)}
        """By identity: to hash a unit is to hash all its words."""
        asked = {iri for unit in self._every for iri in unit.concepts}
        self._narrower = {iri: self._concepts.narrower(iri) for iri in asked}
        self._wanted = asked.union(*self._narrower.values())
        self._stems: dict[str, list[_Place]] = {}
        self._folded: dict[str, list[_Place]] = {}
        for number, unit in enumerate(self._every):
            for member in _told_by(unit, language):
                word = unit.words[member]
                for form in (*word.folded, *(near for near, _ in word.near)):
                    self._folded.setdefault(form, []).append((number, member))
                for form in word.stems:
                    self._stems.setdefault(form, []).append((number, member))
        self._phrases: dict[str, dict[str, list[tuple[list[str], str]]]] = {}
        self._by_terms: dict[str, dict[str, list[tuple[str, tuple[str, ...]]]]] = {}
        self._sought: dict[str, tuple[Sought, set[str]]] = {}

    def explain(self, display: Mapping[str, Any]) -> Explained:
        """A hit's title and the best piece of its text, with what matched, and a reason for every unit that does."""
        found = self._read(display)
        because: list[Because] = []
        for unit in self._units:
            because += [each for each in self._reasons(unit, found, display) if each not in because]
        for unit in () if because else self._names:
            because += self._reasons(unit, found, display)[:1]
        shown = self._shown_language(display, found)
        title_language, title = in_language(display["title"], shown)
        text_language, text = in_language(display["text"], shown)
        marked = segments(title, self._spans(title, display, title_language, found))
        piece = snippet(text, self._spans(text, display, text_language, found))
        return Explained((title_language, marked), (text_language, piece), tuple(because))

    def _reasons(self, unit: Unit, found: _Found, display: Mapping[str, Any]) -> list[Because]:
        """Why a unit matches: by its words or a concept, else by what it is made of."""
        number = self._number[id(unit)]
        reason = self._by_words(unit, found.words.get(number, {}))
        # A word in the reader's own language needs no concept to explain it.
        if reason is None or analysed_as(reason.language) != self._rules:
            reason = self._by_concept(unit, found, display) or reason
        if reason is None and number in found.parts:
            reason = Because("part", unit.surface, *found.parts[number])
        if reason is not None:
            return [reason]
        return [each for inner in unit.inner for each in self._reasons(inner, found, display)]

    # What the texts say

    def _read(self, display: Mapping[str, Any]) -> _Found:
        """What a hit's texts say of the query."""
        found = _Found()
        # The reader's language first: where it says enough, nobody looks at what else there is.
        for tag in sorted({**display["title"], **display["text"]}, key=lambda tag: tag != self._language):
            if all(self._is_told(unit, found, display) for unit in self._units):
                break
            self._read_in(tag, display, found)
        return found

    def _is_told(self, unit: Unit, found: _Found, display: Mapping[str, Any]) -> bool:
        words = len(found.words.get(self._number[id(unit)], ()))
        return (0 < len(unit.words) <= words) or any(iri in found.concepts for iri in unit.concepts)

    def _read_in(self, tag: str, display: Mapping[str, Any], found: _Found) -> None:
        found.read.add(tag)
        rules = analysed_as(tag)
        sought, keen = self._looked_for(rules)
        for role in ROLES:
            text = display[role].get(tag, "")
            words = WORD.findall(text)
            there = set(words)
            keen.update(word for word, form in self._seen.fresh(there, rules) if sought.means(form))
            for word in sorted(there & keen, key=words.index):
                self._note(word, words, tag, found)

    def _looked_for(self, rules: str) -> tuple[Sought, set[str]]:
        """What to look for in texts that follow the rules of a language, and the words that are it."""
        known = self._sought.get(rules)
        if known is None:
            own, beginning = rules == self._rules, {*self._beginning(rules), *self._telling(rules)}
            stems = {*self._stems, *beginning} if own else beginning
            parts = {form for form, places in self._stems.items() if own and any(map(self._alone, places))}
            sought = Sought(set(self._folded), stems, parts, self._wanted)
            known = self._sought[rules] = sought, self._seen.sought(sought, rules)
        return known

    def _alone(self, place: _Place) -> bool:
        return len(self._every[place[0]].words) == 1

    def _note(self, word: str, words: Sequence[str], tag: str, found: _Found) -> None:
        """Note what a word of a text means to the search."""
        rules = analysed_as(tag)
        form, said = self._concepts.form(word, rules), found.said.setdefault(tag, {})
        stems: Mapping[str, list[_Place]] = self._stems if rules == self._rules else {}
        for number, member in stems.get(form.stem) or self._folded.get(form.folded) or ():
            found.words.setdefault(number, {}).setdefault(member, (word, tag))
            said[word] = None
        for iri in self._wanted.intersection(form.named):
            found.concepts.setdefault(iri, (word, tag))
            said[word] = None
        for place in (place for part in form.parts for place in stems.get(part, ()) if self._alone(place)):
            found.parts.setdefault(place[0], (word, tag))
            said[word] = None
        for iri, telling in self._telling(rules).get(form.stem, ()):
            there = found.ways.setdefault((iri, telling), {})
            there.setdefault(form.stem, word)
            if len(there) == len(set(telling)) and iri not in found.concepts:
                found.concepts[iri] = " ".join(there.values()), tag
            said[word] = None
        phrases = self._beginning(rules).get(form.stem, ())
        for at in [at for at, each in enumerate(words) if each == word] if phrases else ():
            following = [each.stem for each in self._concepts.forms(words[at : at + LONGEST], tag)]
            for phrase, iri in phrases:
                if iri not in found.concepts and following[: len(phrase)] == phrase:
                    whole = " ".join(words[at : at + len(phrase)])
                    found.concepts[iri] = whole, tag
                    said[whole] = None

    def _telling(self, rules: str) -> Mapping[str, list[tuple[str, tuple[str, ...]]]]:
        """By stem of a language: the wanted meanings that a region's term says with it, and all stems that it takes."""
        known = self._by_terms.get(rules)
        if known is None:
            known = self._by_terms[rules] = {}
            for iri in sorted(self._wanted):
                for way in self._glossary.ways(iri):
                    for stem in dict.fromkeys(way.telling) if way.language == rules else ():
                        known.setdefault(stem, []).append((iri, way.telling))
        return known

    def _beginning(self, rules: str) -> Mapping[str, list[tuple[list[str], str]]]:
        """The names of several words of the wanted concepts in a language, by their first stem, the longest first."""
        known = self._phrases.get(rules)
        if known is None:
            known = self._phrases[rules] = {}
            for iri in sorted(self._wanted):
                for stems in self._concepts.said(iri, rules):
                    if len(stems) > 1:
                        known.setdefault(stems[0], []).append((list(stems), iri))
            for some in known.values():
                some.sort(key=lambda pair: -len(pair[0]))
        return known

    # Reasons

    def _by_words(self, unit: Unit, matched: Mapping[int, tuple[str, str]]) -> Because | None:
        members = _told_by(unit, self._language)
        if not unit.words or len(matched) < len(members):
            return None  # of a phrase all words must be there
        there = [matched[member] for member in members]
        return Because("word", unit.surface, " ".join(word for word, _ in there), there[0][1])

    def _by_concept(self, unit: Unit, found: _Found, display: Mapping[str, Any]) -> Because | None:
        tagged = display["tagged"]
        for iri in unit.concepts:
            if iri in found.concepts:
                surface, tag = found.concepts[iri]
                return Because("named", unit.surface, surface, tag, iri, self._label(iri))
        for iri in unit.concepts:
            if iri in tagged:
                return Because("concept", unit.surface, "", "", iri, self._label(iri))
        for iri in unit.concepts:
            if not self._narrower[iri].isdisjoint(tagged) or not self._narrower[iri].isdisjoint(found.concepts):
                return Because("narrower", unit.surface, "", "", iri, self._label(iri))
        return None

    def _label(self, iri: str) -> str:
        return self._glossary.label(iri, self._language, self._concepts)

    # What is shown

    def _shown_language(self, display: Mapping[str, Any], found: _Found) -> str:
        """The reader's language where there is a text in it; else one in which the query matched."""
        said = {tag: "" for tag, some in found.said.items() if some}
        if self._language in display["title"] or not said:
            return self._language
        return in_language({tag: "" for tag in display["title"] if tag in said} or said, self._language)[0]

    def _spans(self, text: str, display: Mapping[str, Any], tag: str, found: _Found) -> list[Span]:
        """Where a shown text says what matched."""
        if self._units and tag not in found.read:
            self._read_in(tag, display, found)
        spans = (span for said in found.said.get(tag, ()) for span in _standing(said.split(" "), text))
        return sorted(spans, key=lambda span: (span[0], -span[1]))


def _standing(words: Sequence[str], text: str) -> Iterator[Span]:
    """Where some words stand one after the other in a text."""
    first, at = words[0], text.find(words[0])
    while at >= 0:
        stop = at + len(first)
        if not (text[at - 1 : at].isalnum() or text[stop : stop + 1].isalnum()):
            end = stop if len(words) == 1 else _followed(words[1:], text, stop)
            if end:
                yield at, end
        at = text.find(first, stop)


def _followed(words: Sequence[str], text: str, at: int) -> int:
    """Where the last of some words ends that come next in a text; 0 where others do."""
    matches = WORD.finditer(text, at)
    for word, match in zip(words, matches, strict=False):
        if match[0] != word:
            return 0
        at = match.end()
    return at


def _told_by(unit: Unit, language: str) -> list[int]:
    """The words of a unit that are no stop words; all, where there are no others."""
    members = range(len(unit.words))
    return [each for each in members if not is_stop_word(unit.words[each].surface, language)] or list(members)


def _every(units: Iterable[Unit]) -> Iterator[Unit]:
    for unit in units:
        yield unit
        yield from _every(unit.inner)


def segments(text: str, spans: Iterable[Span]) -> tuple[Segment, ...]:
    """A text cut where its matches begin and end, which are in order; of overlapping ones the first counts."""
    pieces: list[Segment] = []
    at = 0
    for start, end in spans:
        if start < at:
            continue
        if start > at:
            pieces.append(Segment(text[at:start], False))
        pieces.append(Segment(text[start:end], True))
        at = end
    if at < len(text):
        pieces.append(Segment(text[at:], False))
    return tuple(pieces)


def snippet(text: str, spans: Sequence[Span]) -> tuple[Segment, ...]:
    """About 260 characters around the place with most matches, cut between words."""
    flat = text.replace("\n", " ")
    if len(flat) <= SNIPPET:
        return segments(flat, spans)
    starts = sorted(start for start, _ in spans) or [0]
    best = max(starts, key=lambda start: sum(start <= other < start + SNIPPET - 40 for other in starts))
    begin = 0 if best < 60 else flat.rfind(" ", 0, best - 30) + 1
    end = len(flat) if begin + SNIPPET >= len(flat) else flat.rfind(" ", begin, begin + SNIPPET)
    if end <= begin:
        end = begin + SNIPPET  # a text without spaces
    inside = [(start - begin, stop - begin) for start, stop in spans if begin <= start and stop <= end]
    pieces = list(segments(flat[begin:end], inside))
    if begin:
        pieces.insert(0, Segment("… ", False))
    if end < len(flat):
        pieces.append(Segment(" …", False))
    return tuple(pieces)


def marked_html(segments: Iterable[Segment]) -> str:
    """A snippet as HTML: everything escaped, matches in ``<mark>``."""
    return "".join(
        f"<mark>{html.escape(each.text)}</mark>" if each.hit else html.escape(each.text) for each in segments
    )


def plain_text(segments: Iterable[Segment]) -> str:
    return "".join(each.text for each in segments)
