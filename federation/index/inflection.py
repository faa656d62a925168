"""Whether a word is an inflection of another: stemmers also join what is derived, or only looks alike.

*Monitoring* and *monitors*, Danish *bil*, a car, and *billig*, cheap, French *abordé* and *abordable* share a stem.
Two words of one stem are inflections of each other where what is left of each behind what they share is an ending
that inflections have.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from rapidfuzz.distance import Prefix

_NORDIC: Final = "e n en et er r ne rne ene erne s es ns ens ets ers rs nes rnes ernes ede te t d ete"


def _endings(listed: Mapping[str, str]) -> Mapping[str, frozenset[str]]:
    return {tag: frozenset(["", *endings.split()]) for tag, endings in listed.items()}


_OF_WORDS: Final = _endings(
    {
        "en": "s es 's ’s ed d ing e y ies ied",
        "nl": "en n s e t te ten de den d se ing ingen",
        "fr": "s x e es é ée és ées er r ez ent",
        "de": "e en er es s n em t te ten et",
        "da": _NORDIC,
        "sv": "a ar or er r n en et t na arna orna erna s ns ens ts ets nas arnas ornas ernas e de d te ade ades at ad "
        "as des",
        "nb": _NORDIC,
    }
)
_OF_NAMES: Final = _endings(
    {
        "en": "e y s es",
        "nl": "en n e ing id",
        "fr": "e er r é s x",
        "de": "e en n er",
        "da": "e er",
        "sv": "a ar or er e t d",
        "nb": "e er",
    }
)
"""The endings of names as lists give them: one of a thing, several, or what is done."""
_SEVERAL: Final = frozenset(["s", "es"])
_LONG: Final = re.compile(r"(aa|ee|oo|uu)")
_SHORT: Final = re.compile(r"[^aeiouy]*[aeiou][^aeiouyw]")
"""Dutch: one syllable with a short vowel, such as *kop*."""


def is_inflected(word: str, name: str, language: str) -> bool:
    """Whether two words of one stem, in small letters, differ by no more than an inflection of the second."""
    if word == name:
        return True
    if language not in _OF_WORDS:
        return word.removesuffix("s") == name.removesuffix("s")
    if language == "nl":
        if _lengthened(word, name) or _lengthened(name, word):
            return False
        word, name = (_LONG.sub(lambda found: found[0][0], each) for each in (word, name))  # *kantoor*, *kantoren*
    shared = Prefix.similarity(word, name)
    if _fit(word, name, shared, language):
        return True
    # What the endings share is no part of the word: Danish *pladsen* and *pladser*.
    return min(len(word), len(name)) > shared > 1 and _fit(word, name, shared - 1, language)


def _fit(word: str, name: str, shared: int, language: str) -> bool:
    """Whether what two words have behind the letters they share are endings of inflections."""
    of_word, of_name = word[shared:], name[shared:]
    if of_name not in _OF_NAMES[language]:
        return False
    if language == "en" and of_name in _SEVERAL:
        return of_word in ("", "'s", "’s")  # *monitoring* is not of several *monitors*
    doubled = of_word[:1] == word[shared - 1 : shared] and of_word[1:] in _OF_WORDS[language]  # *planned*
    return of_word in _OF_WORDS[language] or doubled


def _lengthened(word: str, name: str) -> bool:
    """Whether a Dutch name of one short vowel has a long one in a word: *koppen* is of *kop*, *kopen* is not."""
    if not _SHORT.fullmatch(name):
        return False
    return not word.startswith(name) or word[len(name) : len(name) + 1] in ("a", "e", "i", "o", "u")
