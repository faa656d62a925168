"""Words and phrases that look alike: four letters at a time, for typing errors, inflections and cognates."""

from __future__ import annotations

import threading
from array import array
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

import numpy as np
from rapidfuzz import process
from rapidfuzz.distance import DamerauLevenshtein

_SIZE: Final = 4
_LONG: Final = 9
"""Letters of a word in which two may be wrong."""
_SHARED: Final = 2
"""Runs of letters that a long mistyped word shares with the one that was meant, at least."""


def grams(text: str) -> set[str]:
    """The runs of four letters of a folded text, with the borders of its words as a letter."""
    padded = f" {text} "
    return {padded[at : at + _SIZE] for at in range(max(1, len(padded) - _SIZE + 1))}


def _ends(text: str) -> int:
    """The first letter of a text and its last, as one number."""
    return ord(text[0]) << 32 | ord(text[-1]) if text else 0


class Alike:
    """Folded texts, ready to be asked for those most like another one. Safe to use from several threads."""

    def __init__(self, texts: Iterable[str] = ()) -> None:
        self.texts: list[str] = []
        self.known: set[str] = set()
        self._sizes = array("i")
        self._letters = array("i")
        self._ends = array("q")
        self._holding: dict[str, array[int]] = {}
        self._lock = threading.Lock()
        self.add(texts)

    def __contains__(self, text: str) -> bool:
        return text in self.known

    def add(self, texts: Iterable[str]) -> list[str]:
        """Take in more texts; those that were not known."""
        added = []
        with self._lock:
            for text in texts:
                if text in self.known:
                    continue
                self.known.add(text)
                own = grams(text)
                for gram in own:
                    self._holding.setdefault(gram, array("i")).append(len(self.texts))
                self._sizes.append(len(own))
                self._letters.append(len(text))
                self._ends.append(_ends(text))
                self.texts.append(text)
                added.append(text)
        return added

    def meant(self, text: str, *, most: int) -> list[tuple[str, float]]:
        """The texts of which one is a mistyped form, and how alike they are letter by letter, best first.

        Letters that were left out, doubled, exchanged or hit by mistake: one, or two in a long word. One wrong
        letter of nine breaks half of the runs by which ``like`` compares.
        """
        size = len(text)
        wrong = 1 if size < _LONG else 2
        with self._lock:
            longer = np.frombuffer(self._letters, dtype=np.int32) - size
            ends = np.frombuffer(self._ends, dtype=np.int64) ^ _ends(text)
        # Nobody mistypes both the first letter and the last. Of few letters a mistake breaks nearly every run.
        near = (np.abs(longer) <= wrong) & ((ends >> 32 == 0) | (ends & 0xFFFFFFFF == 0))
        if wrong > 1:
            common = self._common(grams(text))
            near[: len(common)] &= common >= _SHARED
            near[len(common) :] = False
        alike = [self.texts[at] for at in np.flatnonzero(near)]
        found = process.extract(
            text, alike, scorer=DamerauLevenshtein.distance, processor=None, score_cutoff=wrong, limit=most
        )
        shares = ((other, 1 - distance / max(size, len(other), 1)) for other, distance, _ in found)
        return sorted(shares, key=lambda pair: (-pair[1], pair[0]))

    def _common(self, own: set[str]) -> np.ndarray[Any, np.dtype[np.intp]]:
        """How many of some runs of letters each text has, as far as the texts that have any."""
        with self._lock:
            # Looked into only as long as nothing is added: an array that is looked into cannot grow.
            holding = [np.frombuffer(self._holding[gram], dtype=np.int32) for gram in own if gram in self._holding]
            every = np.concatenate(holding) if holding else None
            del holding
        return np.zeros(0, dtype=np.intp) if every is None else np.bincount(every)

    def like(self, text: str, *, least: float, most: int) -> list[tuple[str, float]]:
        """The texts that share most with one: 2·common / (sum of both), from ``least`` on, best first."""
        own = grams(text)
        common = self._common(own)
        # A text has no fewer runs than it shares: with fewer in common than this it cannot be alike enough.
        near = np.flatnonzero(common >= least * len(own) / (2 - least))
        with self._lock:
            sizes = np.frombuffer(self._sizes, dtype=np.int32)[near]
        shares = 2 * common[near] / (sizes + len(own))
        ordered = np.lexsort((near, -shares))[:most]
        return [(self.texts[near[at]], float(shares[at])) for at in ordered if shares[at] >= least]


def best_of(alike: Iterable[tuple[str, float]], concepts: Mapping[str, Sequence[str]]) -> list[tuple[str, float]]:
    """The concepts of some labels, each as much alike as its best label."""
    found: dict[str, float] = {}
    for label, share in alike:
        for iri in concepts[label]:
            found[iri] = max(share, found.get(iri, 0.0))
    return sorted(found.items(), key=lambda pair: (-pair[1], pair[0]))
