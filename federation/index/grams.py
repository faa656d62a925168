"""Words and phrases that look alike: four letters at a time, for typing errors, inflections and cognates."""

from __future__ import annotations

import threading
from array import array
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import filterfalse
from typing import Any, Final

import numpy as np
from rapidfuzz import process
from rapidfuzz.distance import DamerauLevenshtein

_SIZE: Final = 4
_LONG: Final = 9
"""Letters of a word in which two may be wrong."""
_FEW: Final = 500
"""Texts that are worth no sorting."""
_SHARED: Final = 2
"""Runs of letters that a long mistyped word shares with the one that was meant, at least."""


def grams(text: str) -> set[str]:
    """The runs of four letters of a folded text, with the borders of its words as a letter."""
    padded = f" {text} "
    return {padded[at : at + _SIZE] for at in range(max(1, len(padded) - _SIZE + 1))}


def _codes(text: str) -> set[int]:
    """The runs of a text as numbers, sixteen bits a letter."""
    return {sum((ord(letter) & 0xFFFF) << 16 * at for at, letter in enumerate(gram)) for gram in grams(text)}


def _ends(text: str) -> int:
    """The first letter of a text and its last, as one number."""
    return ord(text[0]) << 32 | ord(text[-1]) if text else 0


class _Sorted:
    """The texts that have a run of letters, for many texts at once: sorted in a tenth of the time of one by one."""

    def __init__(self, texts: Sequence[str]) -> None:
        padded = [f" {text} ".ljust(_SIZE, "\0") for text in texts]
        lengths = np.fromiter(map(len, padded), np.int64, len(padded))
        letters = np.frombuffer("".join(padded).encode("utf-32-le", "surrogatepass"), np.uint32).astype(np.uint64)
        letters &= np.uint64(0xFFFF)
        ends = np.cumsum(lengths)
        # A run begins at every letter but the last three of a text.
        begins = np.ones(len(letters), dtype=bool)
        for back in range(1, _SIZE):
            begins[ends - back] = False
        at, ids = np.flatnonzero(begins), np.repeat(np.arange(len(padded), dtype=np.int32), lengths - _SIZE + 1)
        codes = letters[at]
        for ahead in range(1, _SIZE):
            codes |= letters[at + ahead] << np.uint64(16 * ahead)
        order = np.argsort(codes, kind="stable")
        codes, ids = codes[order], ids[order]
        new = np.ones(len(codes), dtype=bool)
        new[1:] = (codes[1:] != codes[:-1]) | (ids[1:] != ids[:-1])
        codes, self._ids = codes[new], ids[new]
        self._starts = np.flatnonzero(np.append(True, codes[1:] != codes[:-1])) if len(codes) else np.zeros(0, np.int64)
        self._codes = codes[self._starts]
        self._starts = np.append(self._starts, len(codes))
        self.sizes = np.bincount(self._ids, minlength=len(padded)).astype(np.int32)
        """How many different runs each text has."""

    def holding(self, codes: Iterable[int]) -> Iterator[np.ndarray[Any, np.dtype[np.int32]]]:
        """For each of some runs that are there: the numbers of the texts that have it."""
        asked = np.fromiter(codes, np.uint64)
        found = np.searchsorted(self._codes, asked)
        for code, at in zip(asked, found, strict=True):
            if at < len(self._codes) and self._codes[at] == code:
                yield self._ids[self._starts[at] : self._starts[at + 1]]


class Alike:
    """Folded texts, ready to be asked for those most like another one. Safe to use from several threads."""

    def __init__(self, texts: Iterable[str] = ()) -> None:
        self.texts: list[str] = []
        self.known: set[str] = set()
        self._letters = array("i")
        self._ends = array("q")
        self._lock = threading.Lock()
        # Most texts are sorted together; the runs of those that came later are kept one by one.
        self._sorted = _Sorted(())
        self._sizes = array("i")
        self._late: dict[int, array[int]] = {}
        self.add(texts)
        self.sort()

    def __contains__(self, text: str) -> bool:
        return text in self.known

    def add(self, texts: Iterable[str]) -> list[str]:
        """Take in more texts; those that were not known. They are sorted when somebody asks."""
        with self._lock:
            added = list(dict.fromkeys(filterfalse(self.known.__contains__, texts)))
            self.known.update(added)
            self._letters.extend(map(len, added))
            self._ends.extend(map(_ends, added))
            self.texts += added
        return added

    def sort(self) -> None:
        """Take in what has come, so that nobody who asks waits for it."""
        with self._lock:
            self._take_in()

    def _take_in(self) -> None:
        """Sort what has come since the last time, once it is a fiftieth of all. Whoever calls this holds the lock."""
        if len(self.texts) - len(self._sorted.sizes) > max(_FEW, len(self._sorted.sizes) // 50):
            self._sorted, self._late = _Sorted(self.texts), {}
            self._sizes = array("i", self._sorted.sizes.tobytes())
            return
        for text in self.texts[len(self._sizes) :]:
            own = _codes(text)
            for code in own:
                self._late.setdefault(code, array("i")).append(len(self._sizes))
            self._sizes.append(len(own))

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
            common = self._common(_codes(text))[: len(near)]  # more texts may have come meanwhile
            near[: len(common)] &= common >= _SHARED
            near[len(common) :] = False
        alike = [self.texts[at] for at in np.flatnonzero(near)]
        found = process.extract(
            text, alike, scorer=DamerauLevenshtein.distance, processor=None, score_cutoff=wrong, limit=most
        )
        shares = ((other, 1 - distance / max(size, len(other), 1)) for other, distance, _ in found)
        return sorted(shares, key=lambda pair: (-pair[1], pair[0]))

    def _common(self, own: set[int]) -> np.ndarray[Any, np.dtype[np.intp]]:
        """How many of some runs of letters each text has, as far as the texts that have any."""
        with self._lock:
            self._take_in()
            # Looked into only as long as nothing is added: an array that is looked into cannot grow.
            late = [np.frombuffer(self._late[code], dtype=np.int32) for code in own if code in self._late]
            holding = [*self._sorted.holding(own), *late]
            every = np.concatenate(holding) if holding else None
            del late, holding
        return np.zeros(0, dtype=np.intp) if every is None else np.bincount(every)

    def like(self, text: str, *, least: float, most: int) -> list[tuple[str, float]]:
        """The texts that share most with one: 2·common / (sum of both), from ``least`` on, best first."""
        own = _codes(text)
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
