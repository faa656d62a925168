"""Texts as they are shown with a hit: what matched is marked, and of a long one a piece is cut out."""

from __future__ import annotations

import html
from collections.abc import Iterable, Iterator, Sequence
from typing import Final, NamedTuple

from federation.index.languages import WORD

SNIPPET: Final = 260
"""Characters of a snippet, about."""


class Segment(NamedTuple):
    """A piece of a snippet or title; ``hit`` where it matched."""

    text: str
    hit: bool


Shown = tuple[str, tuple[Segment, ...]]
"""A text with what matched in it, and its language."""
Span = tuple[int, int]


def standing(words: Sequence[str], text: str) -> Iterator[Span]:
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
