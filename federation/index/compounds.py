"""Parts of compounds in Dutch, German, Danish, Swedish and Norwegian.

A word is taken apart where every part is a known word, with a linking element between them: the fewest
parts win, then the longest shortest one (after Koehn and Knight, *Empirical methods for compound
splitting*, 2003, with known words in place of frequencies). What is known comes from the code lists and
the lexicon, so a split never leads to what search knows nothing about.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

LINKS: Final[Mapping[str, tuple[str, ...]]] = {
    "nl": ("", "s", "en", "e", "n"),
    "de": ("", "s", "es", "n", "en", "e", "er"),
    "da": ("", "s", "e"),
    "sv": ("", "s", "e", "o", "a", "u"),
    "nb": ("", "s", "e"),
}
"""What may stand between two parts, by language; folded."""
SHORTEST: Final = 3
_MOST: Final = 4
"""Parts of one word."""
_LONGEST: Final = 40
"""Letters of a word that is looked at; longer ones are names of places in Wales, or attacks."""


class Splitter:
    """Takes the compounds of some languages apart, given the words it may find in them."""

    def __init__(self, known: Mapping[str, frozenset[str]]) -> None:
        """``known`` gives folded words by language."""
        self._known = known
        self._lengths = {tag: _lengths(words) for tag, words in known.items()}

    def knows(self, word: str, language: str) -> bool:
        """Whether a folded word is one of the known ones."""
        return word in self._known.get(language, ())

    def parts(self, word: str, language: str) -> tuple[str, ...]:
        """The parts of a folded word, in order; empty for a word that is no compound of known ones."""
        size = len(word)
        if language not in LINKS or not 2 * SHORTEST < size <= _LONGEST or not word.isalpha():
            return ()
        known, links = self._known[language], LINKS[language]
        firsts = [each for each in self._lengths[language].get(word[:SHORTEST], ()) if word[:each] in known]
        # Most compounds have two parts: the cut with the longest shorter part, and of several the first.
        best = (0, 0, 0)
        for end in firsts:
            rest = word[end:]
            for link in links:
                if rest.startswith(link) and (last := rest[len(link) :]) in known and len(last) >= SHORTEST:
                    best = max(best, (min(end, len(last)), len(last), end))
        if best[0]:
            return word[: best[2]], word[-best[1] :]
        ends = firsts and any(word[each:] in known for each in range(1, size - SHORTEST + 1))
        return self._fewest(word, language) if ends else ()

    def _fewest(self, word: str, language: str) -> tuple[str, ...]:
        known, lengths, size = self._known[language], self._lengths[language], len(word)
        last = size - SHORTEST
        # best[i]: the best way to cover the first i letters, as (parts, -shortest), and the parts themselves.
        best: dict[int, tuple[tuple[int, int], tuple[str, ...]]] = {0: ((0, 0), ())}
        for start in range(last + 1):
            if start not in best:
                continue
            (count, shortest), before = best[start]
            if count == _MOST:
                continue
            for length in lengths.get(word[start : start + SHORTEST], ()):
                end = start + length
                if end > size:
                    break
                part = word[start:end]
                if part not in known or length == size:
                    continue
                cost = (count + 1, max(shortest, -length) if count else -length)
                if end > last:
                    # Only the end of the word or the beginning of a further part may follow.
                    if end == size and (size not in best or cost < best[size][0]):
                        best[size] = (cost, (*before, part))
                    continue
                for link in LINKS[language]:
                    stop = end + len(link)
                    if stop <= last and word.startswith(link, end) and (stop not in best or cost < best[stop][0]):
                        best[stop] = (cost, (*before, part))
        found = best.get(size, ((0, 0), ()))[1]
        return found if len(found) > 1 else ()


def _lengths(words: Iterable[str]) -> Mapping[str, tuple[int, ...]]:
    """How long the words are that begin with the same letters."""
    found: dict[str, set[int]] = {}
    for word in words:
        found.setdefault(word[:SHORTEST], set()).add(len(word))
    return {beginning: tuple(sorted(some)) for beginning, some in found.items()}
