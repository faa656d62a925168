"""Analysis of text, language by language: words, their folded forms, their stems, stop words.

Folding makes å and a, ø and ö and o meet, so that a word typed without diacritics is found. Stems come
from Snowball; for Dutch the Porter variant, since the newer one turns *gemeente* into *meen*.
"""

from __future__ import annotations

import re
import threading
import unicodedata
from collections.abc import Iterator
from functools import lru_cache
from typing import Final, NamedTuple

import Stemmer

UNKNOWN: Final = "und"
"""Where texts in a language without rules of its own go (BCP 47: undetermined)."""
ANALYSED: Final = ("en", "nl", "fr", "de", "da", "sv", "nb")
_ALGORITHMS: Final = {
    "en": "english",
    "nl": "dutch_porter",
    "fr": "french",
    "de": "german",
    "da": "danish",
    "sv": "swedish",
    "nb": "norwegian",
}
_SAME: Final = {"nn": "nb", "no": "nb"}
# An apostrophe belongs to a word before one letter (*foto's*, *don't*); elsewhere it parts two (*l'achat*).
_LETTER = r"[^\W_]"
_ENDING = rf"(?:[’'](?:{_LETTER}|ll|re|ve)(?!{_LETTER}))?"
WORD: Final = re.compile(rf"{_LETTER}+{_ENDING}")
_LETTERS: Final = str.maketrans({"ø": "o", "æ": "a", "œ": "oe", "ß": "ss", "đ": "d", "ł": "l", "þ": "th", "ð": "d"})
_STOP: Final = {
    language: frozenset(words.split())
    for language, words in {
        "en": "a an and are as at be been but by can do for from had has have how i in into is it its more no not of "
        "on or our out so than that the their them then there these they this to was we were what when where which "
        "who why will with without you your",
        "nl": "aan af al als bij dan dat de der deze die dit door dus een en er ge geen haar had heb hebben heeft het "
        "hij hoe hun ik in is je kan maar me meer met mijn na naar niet nog nu of om onder ons ook op over te tegen "
        "toch toen tot u uit uw van veel voor waar was wat we wel welke wie wij worden wordt zal ze zei zelf zich zij "
        "zijn zo zonder zou",
        "fr": "à au aux avec ce ces cette comme d dans de des du elle en est et eux il ils j je l la le les leur leurs "
        "lui m ma mais me même mes mon n ne nos notre nous on ont ou où par pas plus pour qu que quel quelle qui s sa "
        "sans se ses si son sont sur t ta te tes ton tu un une vos votre vous y",
        "de": "aber als am an auch auf aus bei bin bis bist da damit das dass dem den der des die dies diese dieser "
        "dieses doch du durch ein eine einem einen einer eines er es für gegen hat haben hier ich ihr im in ist kann "
        "kein keine man mehr mein mit nach nicht noch nur ob oder ohne sein sich sie sind so über um und uns unter "
        "vom von vor war was wie wir wird werden wo zu zum zur",
        "da": "af alle andet andre at "
        "blev blive bliver da de dem den denne der deres det dette dig din dog du efter eller en end "
        "er et for fra få får ham han har have hendes her hos hun hvad hvem hver hvis hvor hvordan i ikke ind ingen "
        "ja jeg kan kunne man med mere mig min mod ned nej nogle nok nu når og også om op os over på på se sig sin "
        "skal som så til uden ud under var ved vi vil være været",
        "sv": "alla andra annat att av "
        "blev bli blir de dem den denna deras dess det detta dig din du då där efter ej eller en er "
        "ett från för ha hade han har hon hos hur i icke inga ingen inget inte jag kan kunde man med men mer mig min "
        "mot mycket ni nu när någon något och om oss på samma sedan sig sin ska skall som så till under upp ut utan "
        "vad var vara vem vi vid vilka vill är än åt över",
        "nb": "alle andre annet at av "
        "ble bli blir da de deg dem den denne der deres det dette di din du eller en enn er et ett "
        "etter for fra før få får ha hadde han har hun hva hvem hver hvis hvor hvordan i ikke ingen inn ja jeg kan "
        "kunne man med meg men mer min mot ned nei noe noen nok nå når og også om opp oss over på samme seg selv sin "
        "skal som så til uten ut under var ved vi vil være vært",
    }.items()
}


class Word(NamedTuple):
    """One word of a text: where it stands, and the forms under which it is indexed."""

    start: int
    end: int
    folded: str
    stem: str
    parts: tuple[str, ...] = ()
    """The stems of its parts, for a compound that was taken apart."""


@lru_cache(1 << 10)
def analysed_as(language: str) -> str:
    """The language whose rules a text follows: nynorsk follows bokmål, unknown ones none."""
    known = _SAME.get(language, language.partition("-")[0])
    return known if known in _ALGORITHMS else UNKNOWN


def fold(word: str) -> str:
    """A word without case and diacritics."""
    if word.isascii():
        return word.lower()
    lowered = word.casefold().translate(_LATIN)
    return lowered if lowered.isascii() else _plain(lowered)


def _plain(word: str) -> str:
    lowered = word.casefold().translate(_LETTERS)
    plain = "".join(c for c in unicodedata.normalize("NFKD", lowered) if not unicodedata.combining(c))
    # Letters of mathematics have no case until they are plain ones.
    return plain.casefold().translate(_LETTERS)


_LATIN: Final = {ord(letter): _plain(letter) for letter in map(chr, range(0xC0, 0x180)) if letter.isalpha()}
"""The letters of Europe's Latin alphabets, each folded once."""


class _Own(threading.local):
    """The stemmers of a thread: PyStemmer's objects keep state between calls."""

    def __init__(self) -> None:
        self.stemmers = {algorithm: Stemmer.Stemmer(algorithm, 0) for algorithm in _ALGORITHMS.values()}


_own = _Own()


@lru_cache(1 << 14)
def stem(word: str, language: str) -> str:
    """The folded stem of a word by the rules of a language; the folded word itself where there are none."""
    return fold(written_stem(word, language))


def written_stem(word: str, language: str) -> str:
    """The stem of a word with its diacritics: a city is no city's cleaning (Swedish *stad*, *städ*)."""
    lowered = word.lower() if word.isascii() else unicodedata.normalize("NFC", word.lower())
    algorithm = _ALGORITHMS.get(language)
    return lowered if algorithm is None else str(_own.stemmers[algorithm].stemWord(lowered))


def words(text: str, language: str) -> Iterator[Word]:
    """The words of a text, in order, stop words included."""
    rules = analysed_as(language)
    for match in WORD.finditer(text):
        word = match[0]
        yield Word(match.start(), match.end(), fold(word), stem(word, rules))


def folded_words(text: str) -> str:
    """A text without anything but its words, folded, each set apart by a space."""
    return " ".join(fold(match[0]) for match in WORD.finditer(text))


def is_stop_word(word: str, language: str) -> bool:
    """Whether a word carries no meaning of its own in a language."""
    return word.lower() in _STOP.get(language if language in _STOP else analysed_as(language), frozenset())
