"""Why a record was found, and how to show it: reasons, marked titles, snippets.

Reasons come from the match itself: the words of the hit are compared with the query as the index
compared them, and concepts as the document carries them.
"""

from __future__ import annotations

import html
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from federation.index.concepts import Concepts
from federation.index.languages import analysed_as, beginning, beginning_with, fold, stem
from federation.index.query import Unit
from federation.records.kinds import in_language

SNIPPET: Final = 260
"""Characters of a snippet, about."""


@dataclass(frozen=True, slots=True)
class Because:
    """Why a record was found: ``how`` is word, concept, named or narrower.

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
"""The number of a unit in the query, and of a word in the unit."""


class Explainer:
    """Explains the hits of one search: what all of them share is prepared once."""

    def __init__(self, units: Sequence[Unit], concepts: Concepts, language: str) -> None:
        self._units = units
        self._language = language
        self._label = concepts.vocabulary.label
        self._narrower = {iri: concepts.narrower(iri) for unit in units for iri in unit.concepts}
        self._stems: dict[str, dict[str, list[_Place]]] = {}
        self._folded: dict[str, list[_Place]] = {}
        beginnings: set[str] = set()
        for number, unit in enumerate(units):
            for member, word in enumerate(unit.words):
                self._folded.setdefault(word.folded, []).append((number, member))
                beginnings.add(beginning(word.folded))
                for tag, form in word.stems.items():
                    self._stems.setdefault(tag, {}).setdefault(form, []).append((number, member))
                    beginnings.add(beginning(form))
        self._candidates = beginning_with(frozenset(beginnings))

    def explain(self, display: Mapping[str, Any]) -> tuple[Marks, list[Because]]:
        """Where a hit's texts match, and a reason for every unit of the query that does."""
        marks: Marks = {}
        matched = self._matched(display, marks)
        because = []
        for number, unit in enumerate(self._units):
            reason = self._by_words(unit, matched.get(number, {}))
            through = self._by_concept(unit, display)
            if through is not None and through.match:
                _mark(through, display, marks)
            # A word in the reader's own language needs no concept to explain it.
            own = reason is not None and analysed_as(reason.language) == analysed_as(self._language)
            chosen = reason if own or through is None else through
            if chosen is not None:
                because.append(chosen)
        return marks, because

    def _matched(self, display: Mapping[str, Any], marks: Marks) -> dict[int, dict[int, tuple[str, str]]]:
        """By unit and word of it: the word of the hit that matched, and its language."""
        matched: dict[int, dict[int, tuple[str, str]]] = {}
        for role in ("title", "text"):
            for tag, text in display[role].items():
                rules = analysed_as(tag)
                stems = self._stems.get(rules, {})
                for match in self._candidates.finditer(text):
                    word = match[0]
                    places = stems.get(stem(word, rules)) or self._folded.get(fold(word))
                    if places is None:
                        continue
                    marks.setdefault((role, tag), []).append(match.span())
                    for number, member in places:
                        known = matched.setdefault(number, {})
                        if member not in known or (tag == self._language != known[member][1]):
                            known[member] = (word, tag)
        return matched

    def _by_words(self, unit: Unit, matched: Mapping[int, tuple[str, str]]) -> Because | None:
        if len(matched) < len(unit.words):
            return None  # of a phrase all words must be there
        found = [matched[member] for member in range(len(unit.words))]
        return Because("word", unit.surface, " ".join(word for word, _ in found), found[0][1])

    def _by_concept(self, unit: Unit, display: Mapping[str, Any]) -> Because | None:
        for iri in unit.concepts:
            named = display["named"].get(iri)
            if named:
                tag, surface = next((pair for pair in named if pair[0] == self._language), named[0])
                return Because("named", unit.surface, surface, tag, iri, self._label(iri, self._language))
        for iri in unit.concepts:
            if iri in display["tagged"]:
                return Because("concept", unit.surface, "", "", iri, self._label(iri, self._language))
        for iri in unit.concepts:
            narrower = self._narrower[iri]
            if not (narrower.isdisjoint(display["tagged"]) and narrower.isdisjoint(display["named"])):
                return Because("narrower", unit.surface, "", "", iri, self._label(iri, self._language))
        return None


def _mark(reason: Because, display: Mapping[str, Any], marks: Marks) -> None:
    surface = reason.match
    for role in ("title", "text"):
        text = display[role].get(reason.language, "")
        at = text.find(surface)
        while at >= 0:
            end = at + len(surface)
            if not (text[at - 1 : at].isalnum() or text[end : end + 1].isalnum()):
                marks.setdefault((role, reason.language), []).append((at, end))
            at = text.find(surface, end)


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
