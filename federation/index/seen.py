"""The words of the texts that searches have shown, by what they are to a search.

A text is read at the speed of sets: which of its words are the ones looked for. Each word is taken apart once,
when a text with it is shown for the first time.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator, Set
from dataclasses import dataclass, field
from typing import Final

from federation.index.concepts import Concepts
from federation.index.forms import Form
from federation.index.languages import ANALYSED, UNKNOWN

_REMEMBERED: Final = 1 << 16
"""Words of a language that are kept."""
_By = dict[str, list[str]]


@dataclass(slots=True)
class _Words:
    """Words of texts in one language, all and by what they are."""

    every: set[str] = field(default_factory=set)
    folded: _By = field(default_factory=dict)
    stem: _By = field(default_factory=dict)
    part: _By = field(default_factory=dict)
    concept: _By = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Sought:
    """What a search looks for in the texts of one language: forms of words, and concepts that words name."""

    folded: Set[str]
    stems: Set[str]
    parts: Set[str]
    concepts: Set[str]

    def means(self, form: Form) -> bool:
        """Whether a word is among what is looked for."""
        return (
            form.folded in self.folded
            or form.stem in self.stems
            or not self.concepts.isdisjoint(form.named)
            or not self.parts.isdisjoint(form.parts)
        )


class SeenWords:
    """Words by what they are. Safe to use from several threads."""

    def __init__(self, concepts: Concepts) -> None:
        self.concepts = concepts
        self._words = {tag: _Words() for tag in (*ANALYSED, UNKNOWN)}
        self._lock = threading.Lock()

    def sought(self, sought: Sought, rules: str) -> set[str]:
        """The words seen so far that a search looks for, in texts that follow the rules of a language."""
        known = self._words[rules]
        pairs = (
            (known.folded, sought.folded),
            (known.stem, sought.stems),
            (known.part, sought.parts),
            (known.concept, sought.concepts),
        )
        with self._lock:
            return set().union(*(by[key] for by, keys in pairs for key in keys if key in by))

    def fresh(self, words: Set[str], rules: str) -> Iterator[tuple[str, Form]]:
        """Those of some words that no text had before, each with its forms; from now on they are known."""
        unknown = words - self._words[rules].every
        if unknown:
            found = [(word, self.concepts.spotting.form(word, rules)) for word in unknown]
            self._add(found, rules)
            yield from found

    def _add(self, found: Iterable[tuple[str, Form]], rules: str) -> None:
        with self._lock:
            known = self._words[rules]
            if len(known.every) > _REMEMBERED:
                known = self._words[rules] = _Words()
            for word, form in found:
                known.every.add(word)
                _put(known.folded, form.folded, word)
                _put(known.stem, form.stem, word)
                for part in form.parts:
                    _put(known.part, part, word)
                for iri in form.named:
                    _put(known.concept, iri, word)


def _put(by: _By, key: str, word: str) -> None:
    """Most have one word: two threads that bring the same one do no harm, and sets would take twice the memory."""
    if key in by:
        by[key].append(word)
    else:
        by[key] = [word]
