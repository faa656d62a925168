"""Why a record was found, and how to show it: reasons, marked titles, snippets.

Reasons come from the match itself: the words of the hit are compared with the query as the index
compared them, and concepts as the document carries them.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from federation.index.concepts import Concepts, Form
from federation.index.languages import WORD, analysed_as, is_stop_word, stem
from federation.index.reading import Unit
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


Span = tuple[int, int]
Marks = dict[tuple[str, str], list[Span]]
"""Where words of the query stand, by role (title, text) and language."""
_Place = tuple[int, int]
"""The number of a unit (those within others included), and of a word in it."""


@dataclass(slots=True)
class _Seen:
    """What was found in the texts of a hit: by unit and word of it, by concept, and by unit as a part."""

    words: dict[int, dict[int, tuple[str, str]]] = field(default_factory=dict)
    concepts: dict[str, tuple[str, str]] = field(default_factory=dict)
    parts: dict[int, tuple[str, str]] = field(default_factory=dict)


class Explainer:
    """Explains the hits of one search: what all of them share is prepared once."""

    def __init__(self, units: Sequence[Unit], concepts: Concepts, language: str, names: Sequence[Unit] = ()) -> None:
        """``names`` are those that several units together look like: they explain what nothing else does."""
        self._units = units
        self._names = names
        self._language = language
        self._concepts = concepts
        self._rules = analysed_as(language)
        self._every = list(_every((*units, *names)))
        self._number = {id(unit): number for number, unit in enumerate(self._every)}
        """By identity: to hash a unit is to hash all its words."""
        self._wanted = {iri for unit in self._every for iri in unit.concepts}
        self._narrower = {iri: concepts.narrower(iri) for iri in self._wanted}
        self._wanted = self._wanted.union(*self._narrower.values())
        self._stems: dict[str, list[_Place]] = {}
        self._folded: dict[str, list[_Place]] = {}
        for number, unit in enumerate(self._every):
            for member in _told_by(unit, language):
                word = unit.words[member]
                for form in (*word.folded, *(near for near, _ in word.near)):
                    self._folded.setdefault(form, []).append((number, member))
                for form in word.stems:
                    self._stems.setdefault(form, []).append((number, member))
        self._phrases: dict[str, dict[str, list[tuple[tuple[str, ...], str]]]] = {}
        self._sorted: dict[str, tuple[set[str], set[str]]] = {}
        """By language: the words that mean nothing to this search, and those that may; most stand in many hits."""

    def explain(self, display: Mapping[str, Any]) -> tuple[Marks, list[Because]]:
        """Where a hit's texts match, and a reason for every unit of the query that does."""
        marks: Marks = {}
        seen = self._read(display, marks)
        because: list[Because] = []
        for unit in self._units:
            because += [each for each in self._reasons(unit, seen, display) if each not in because]
        for unit in () if because else self._names:
            because += self._reasons(unit, seen, display)[:1]
        return marks, because

    def _reasons(self, unit: Unit, seen: _Seen, display: Mapping[str, Any]) -> list[Because]:
        """Why a unit matches: by its words or a concept, else by what it is made of."""
        number = self._number[id(unit)]
        reason = self._by_words(unit, seen.words.get(number, {}))
        # A word in the reader's own language needs no concept to explain it.
        if reason is None or analysed_as(reason.language) != self._rules:
            reason = self._by_concept(unit, seen, display) or reason
        if reason is None and number in seen.parts:
            reason = Because("part", unit.surface, *seen.parts[number])
        if reason is not None:
            return [reason]
        return [each for inner in unit.inner for each in self._reasons(inner, seen, display)]

    def _read(self, display: Mapping[str, Any], marks: Marks) -> _Seen:
        """Look at every word of a hit's texts once; what a search spends most of its time with."""
        seen = _Seen()
        # The reader's language first: where it says enough, nobody looks at what else there is.
        for tag in sorted({**display["title"], **display["text"]}, key=lambda tag: tag != self._language):
            for role in ("title", "text"):
                self._scan(display[role].get(tag, ""), role, tag, seen, marks)
            if all(self._is_told(unit, seen) for unit in self._units):
                break
        return seen

    def _is_told(self, unit: Unit, seen: _Seen) -> bool:
        found = len(seen.words.get(self._number[id(unit)], ()))
        return (0 < len(unit.words) <= found) or any(iri in seen.concepts for iri in unit.concepts)

    def _scan(self, text: str, role: str, tag: str, seen: _Seen, marks: Marks) -> None:
        words, rules = set(WORD.findall(text)), analysed_as(tag)
        dull, keen = self._sorted.setdefault(tag, (set(), set()))
        self._sort(words.difference(dull, keen), rules, dull, keen)
        if keen.isdisjoint(words):
            return
        matches = list(WORD.finditer(text))
        for at, match in enumerate(matches):
            if match[0] in keen:
                stop = self._note(self._concepts.form(match[0], rules), matches, at, tag, seen)
                if stop:
                    marks.setdefault((role, tag), []).append((match.start(), stop))

    def _sort(self, words: Iterable[str], rules: str, dull: set[str], keen: set[str]) -> None:
        """Tell words that may mean something to this search from those that do not: a thousand for every search."""
        read, folded, wanted, phrases = self._concepts.form, self._folded, self._wanted, self._beginning(rules)
        stems = self._stems if rules == self._rules else {}
        for word in words:
            form = read(word, rules)
            if (
                form.folded in folded
                or form.stem in stems
                or form.stem in phrases
                or (form.named and not wanted.isdisjoint(form.named))
                or (form.parts and stems and not stems.keys().isdisjoint(form.parts))
            ):
                keen.add(word)
            else:
                dull.add(word)

    def _note(self, form: Form, matches: Sequence[re.Match[str]], at: int, tag: str, seen: _Seen) -> int:
        """Note what a word of a text means to the search; where that ends, or 0 for nothing."""
        word, rules, stop = matches[at][0], analysed_as(tag), 0
        stems: Mapping[str, list[_Place]] = self._stems if rules == self._rules else {}
        for number, member in stems.get(form.stem) or self._folded.get(form.folded) or ():
            known = seen.words.setdefault(number, {})
            if member not in known or (tag == self._language != known[member][1]):
                known[member] = (word, tag)
            stop = matches[at].end()
        for iri in self._wanted.intersection(form.named):
            self._prefer(seen.concepts, iri, word, tag)
            stop = matches[at].end()
        for number in (number for part in form.parts for number, _ in stems.get(part, ())):
            if len(self._every[number].words) == 1:
                self._prefer(seen.parts, number, word, tag)
                stop = matches[at].end()
        phrases = self._beginning(rules).get(form.stem, ()) if at + 1 < len(matches) else ()
        second = self._concepts.form(matches[at + 1][0], rules).stem if phrases else ""
        for phrase, iri in phrases:
            following = matches[at + 1 : at + len(phrase)] if phrase[1] == second else ()
            if following and phrase[1:] == tuple(stem(each[0], rules) for each in following):
                end = following[-1].end()
                self._prefer(seen.concepts, iri, matches[at].string[matches[at].start() : end], tag)
                stop = max(stop, end)
        return stop

    def _beginning(self, rules: str) -> Mapping[str, list[tuple[tuple[str, ...], str]]]:
        """The names of several words of the wanted concepts in a language, by their first stem, the longest first."""
        known = self._phrases.get(rules)
        if known is None:
            known = self._phrases[rules] = {}
            for iri in sorted(self._wanted):
                for stems in self._concepts.said(iri, rules):
                    if len(stems) > 1:
                        known.setdefault(stems[0], []).append((stems, iri))
            for some in known.values():
                some.sort(key=lambda pair: -len(pair[0]))
        return known

    def _prefer(self, found: dict[Any, tuple[str, str]], key: object, text: str, tag: str) -> None:
        if key not in found or (tag == self._language != found[key][1]):
            found[key] = (text, tag)

    def _by_words(self, unit: Unit, matched: Mapping[int, tuple[str, str]]) -> Because | None:
        members = _told_by(unit, self._language)
        if not unit.words or len(matched) < len(members):
            return None  # of a phrase all words must be there
        found = [matched[member] for member in members]
        return Because("word", unit.surface, " ".join(word for word, _ in found), found[0][1])

    def _by_concept(self, unit: Unit, seen: _Seen, display: Mapping[str, Any]) -> Because | None:
        label, tagged = self._concepts.label, display["tagged"]
        for iri in unit.concepts:
            if iri in seen.concepts:
                surface, tag = seen.concepts[iri]
                return Because("named", unit.surface, surface, tag, iri, label(iri, self._language))
        for iri in unit.concepts:
            if iri in tagged:
                return Because("concept", unit.surface, "", "", iri, label(iri, self._language))
        for iri in unit.concepts:
            if not self._narrower[iri].isdisjoint(tagged) or not self._narrower[iri].isdisjoint(seen.concepts):
                return Because("narrower", unit.surface, "", "", iri, label(iri, self._language))
        return None


def _told_by(unit: Unit, language: str) -> list[int]:
    """The words of a unit that are no stop words; all, where there are no others."""
    members = range(len(unit.words))
    return [each for each in members if not is_stop_word(unit.words[each].surface, language)] or list(members)


def _every(units: Iterable[Unit]) -> Iterator[Unit]:
    for unit in units:
        yield unit
        yield from _every(unit.inner)


def shown_language(display: Mapping[str, Any], marks: Marks, language: str) -> str:
    """The reader's language where there is a text in it; else one in which the query matched."""
    if language in display["title"] or not marks:
        return language
    matched = {tag: "" for _, tag in marks}
    return in_language({tag: "" for tag in display["title"] if tag in matched} or matched, language)[0]


def segments(text: str, spans: Iterable[Span]) -> tuple[Segment, ...]:
    pieces: list[Segment] = []
    at = 0
    for start, end in sorted(spans):
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
