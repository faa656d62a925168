"""Why a record was found, and how to show it: reasons, marked titles, snippets.

Reasons come from the match itself: the words of the hit are compared with the query as the index
compared them, and concepts as the document carries them.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from federation.index.concepts import Concepts
from federation.index.languages import analysed_as, words
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


@dataclass(frozen=True, slots=True)
class Segment:
    """A piece of a snippet or title; ``hit`` where it matched."""

    text: str
    hit: bool


Span = tuple[int, int]
Marks = dict[tuple[str, str], list[Span]]
"""Where words of the query stand, by role (title, text) and language."""


def explain(
    display: Mapping[str, Any], units: Sequence[Unit], concepts: Concepts, language: str
) -> tuple[Marks, list[Because]]:
    marks: Marks = {}
    because: list[Because] = []
    initials = "".join(sorted({word.folded[:1] for unit in units for word in unit.words}))
    analysed = [
        (role, tag, text, list(words(text, tag, initials)))
        for role in ("title", "text")
        for tag, text in display[role].items()
    ]
    up = concepts.with_broader([*display["tagged"], *display["named"]])
    for unit in units:
        reason = _by_word(unit, analysed, marks, language)
        through = _by_concept(unit, display, up, concepts, language)
        if through is not None and through.match:
            _mark_surface(through, analysed, marks)
        # A word in the reader's own language needs no concept to explain it.
        own = reason is not None and analysed_as(reason.language) == analysed_as(language)
        chosen = reason if own or through is None else through
        if chosen is not None:
            because.append(chosen)
    return marks, because


def _by_word(
    unit: Unit, analysed: Sequence[tuple[str, str, str, Sequence[Any]]], marks: Marks, language: str
) -> Because | None:
    best: Because | None = None
    for role, tag, text, found in analysed:
        rules = analysed_as(tag)
        stems = {word.stems[rules] for word in unit.words}
        folded = {word.folded for word in unit.words}
        for word in found:
            if word.stem in stems or word.folded in folded:
                marks.setdefault((role, tag), []).append((word.start, word.end))
                if best is None or (tag == language and best.language != language):
                    best = Because("word", unit.surface, text[word.start : word.end], tag)
    return best


def _by_concept(
    unit: Unit, display: Mapping[str, Any], up: Mapping[str, int], concepts: Concepts, language: str
) -> Because | None:
    label = concepts.vocabulary.label
    for iri in unit.concepts:
        named = display["named"].get(iri)
        if named:
            tag, surface = next((pair for pair in named if pair[0] == language), named[0])
            return Because("named", unit.surface, surface, tag, iri, label(iri, language))
    for iri in unit.concepts:
        if iri in display["tagged"]:
            return Because("concept", unit.surface, "", "", iri, label(iri, language))
    for iri in unit.concepts:
        if iri in up:
            return Because("narrower", unit.surface, "", "", iri, label(iri, language))
    return None


def _mark_surface(reason: Because, analysed: Sequence[tuple[str, str, str, Sequence[Any]]], marks: Marks) -> None:
    for role, tag, text, _ in analysed:
        if tag == reason.language:
            for match in re.finditer(rf"(?<!\w){re.escape(reason.match)}(?!\w)", text):
                marks.setdefault((role, tag), []).append(match.span())


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
