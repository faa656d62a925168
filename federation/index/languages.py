"""Analysis of text, language by language: words, their folded forms, their stems, stop words.

Folding makes å and a, ø and ö and o meet, so that a word typed without diacritics is found. Stems come
from Snowball; for Dutch the Porter variant, since the newer one turns *gemeente* into *meen*.
"""

from __future__ import annotations

import re
import threading
import unicodedata
from collections.abc import Iterator
from functools import cache, lru_cache
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
    language: frozenset((*words.split(), *words.replace("'", "’").split()))
    for language, words in {
        "en": "a about above after against all also although always am an and another any anyone anything are as at "
        "be because been before being below between both but by can can't cannot could couldn't did didn't do "
        "does doesn't doing don't done down during each either else even ever every everyone everything few for "
        "from had hadn't has hasn't have haven't having he her here hers herself him himself his how i if in "
        "into is isn't it its itself let's many may me might more most much mustn't my myself neither never no "
        "nor not nothing of often on only onto or other others ought our ours ourselves out per perhaps quite "
        "rather same shall she should shouldn't since so some somebody someone something still such than that "
        "that's the their theirs them themselves then there there's these they this though through thus to too "
        "toward towards under until up upon us very via was wasn't we were weren't what when where whether "
        "which while who whom whose why will with within without won't would wouldn't yet you your yours "
        "yourself",
        "nl": "aan af al alle alleen allemaal alles als altijd ander andere anders bent bij bijna binnen boven daar "
        "daarna daarom daarvan dan dat de der deze dezelfde die dit doen doet door dus echter een eens eerst "
        "elk elke en enige enkele er erg ergens ervan gaan gaat ge gedaan geen geweest geworden haar had hadden "
        "heb hebben hebt heeft hem hen het hier hierbij hij hoe hoewel hun ieder iedere iedereen iemand iets ik "
        "in indien is je jij jou jouw jullie kan kon konden kunnen laten maar me meer met mij mijn misschien "
        "moest moesten moet moeten na naar niet nog nogal nooit nu of ofwel om omdat onder ons onze ooit ook op "
        "over pas per reeds sinds soms steeds te tegen tijdens toch toen tot tussen u uit uw vaak van vanaf "
        "vanuit veel via voor voordat waar waarbij waarin waarom waaronder waarvan wanneer waren was wat we wel "
        "welk welke werd werden wie wij worden wordt zal ze zeer zei zelf zelfs zich ziet zij zijn zo zodat "
        "zonder zou zouden zulke",
        "fr": "a afin ai aient ainsi ait alors après as au aucun aucune aura auront aussi autre autres autrui aux "
        "avaient avait avant avec avez avoir avons ayant beaucoup car ce ceci cela celle celles celui certain "
        "certaine certaines certains ces cet cette ceux chacun chaque chez comme comment contre d dans de delà "
        "depuis derrière des devant devons devra devrait dois doit doivent donc dont du durant dès elle elles "
        "en encore entre est et eu eux faut furent fut hors ici il ils j jamais je jusque l la laquelle le "
        "lequel les lesquels leur leurs lors lorsque lui m ma mais malgré me mes moi mon même n ne ni non nos "
        "notre nous nôtre on ont ou où par parce parfois pas pendant peu peut peuvent plus plusieurs plutôt "
        "pour pourquoi pouvoir presque puis puisque qu quand quant que quel quelle quelles quelque quelques "
        "quels qui quoi rien s sa sans se selon sera serait seront ses seulement si sinon soi soient soit "
        "sommes son sont sous souvent suis sur t ta te tel telle telles tels tes toi ton toujours tous tout "
        "toute toutes trop très tu un une vers voici voilà vont vos votre vous vu y à ça également étaient "
        "était été êtes être",
        "de": "aber alle allein allem allen aller alles als am an ander andere anderem anderen anderer anderes auch "
        "auf aus bei bereits besonders bevor bin bis bist bloß da dabei dadurch dafür dagegen daher damit "
        "danach dann daran darauf daraus darf darin darum darüber das dass davon davor dazu dein deine dem den "
        "denn dennoch der deren derer des dessen die dies diese dieselbe dieser dieses dir doch dort du durch "
        "durfte dürfen ebenfalls ebenso eher ein eine einem einen einer eines er es etwa etwas euch euer falls "
        "fast für ganz gar gegen gern habe haben hat hatte hatten hier hinter hätte ich ihm ihn ihnen ihr ihre "
        "ihrem ihren ihrer im immer in indem irgend ist jede jedem jeden jeder jedes jedoch jemand jene jener "
        "jetzt kann kannst kein keine keinem keinen keiner konnte können könnte man manche manchmal mehr mein "
        "meine meinem meiner meist mich mir mit mochte muss musste mussten möchte müssen nach nachdem neben "
        "nein nicht nichts nie niemals noch nun nur ob obwohl oder oft ohne schon sehr sein seine seinem seinen "
        "seiner seit seitdem selbst sich sie sind so sogar solche soll sollen sollte sollten sondern sonst "
        "soweit sowie trotz um und uns unsere unserem unserer unter vielleicht vom von vor völlig wann war "
        "warum was weil welche welchem welchen welcher welches wem wen wenn wer werde werden wessen wie wieso "
        "wir wird wo worden worin wurde wurden während würde würden zu zum zur zwar zwischen über",
        "da": "af aldrig alle allerede alt altid anden andet andre at bare begge blev blevet blive bliver burde bør "
        "da de dem den denne dens der deres derfor desuden det dets dette dig din disse dog du efter eftersom "
        "eller en end endda endnu enhver er et for foran fordi fra få får før førend gennem går gør gøre ham han "
        "har have hende hendes her hinanden hos hun hvad hvem hver hverken hvert hvilke hvilken hvilket hvis "
        "hvor hvordan hvorfor hvornår i ikke imellem imens ind inden indtil ingen ingenting intet ja jeg jeres "
        "jo kan kunne kunnet langs lige ligesom man med meget mellem mens mere mig min mod må måske ned nej "
        "netop nogen nogensinde noget nogle nok nu når næsten ofte og også om omkring op os over overfor per på "
        "samme samt se selv selve siden sig sin sine sit skal skulle snart som stadig stadigvæk så sådan thi "
        "til trods ud uden under var ved vi vil vores vort vær være været",
        "sv": "aldrig alla allt alltid allting alltså andra annan annars annat antingen att av bara bland blev bli "
        "blir blivit borde båda både bör de dem den denna deras dess dessa dessutom desto det detsamma detta "
        "dig din du där därför därmed då efter eftersom efteråt ej eller emellan en endast ens er era ert ett "
        "fanns fast fick finns fortfarande från får fått för före förrän genom går ha hade han hans har henne "
        "hennes hon honom hos hur huruvida i ibland icke inga ingen ingenting inget innan inom inte jag ju just "
        "kan kanske knappast knappt kring kunde kunnat lika låta man med medan mellan men mer mig min mina mitt "
        "mot mycket måste nej ni nog nu när nästan någon någonsin någonting något några och också ofta om "
        "omkring oss på redan runt samma samt sedan sig sin sina sitt själv själva ska skall skulle snart som "
        "somliga somt strax står sällan så sådan sådana sådant till tills trots tvungen under upp ut utan utom "
        "vad var vara vare varför varit varje varken vars vart vem vems vi vid vilka vilken vilket vill väl vår "
        "våra vårt än ännu är även ånyo åt över",
        "nb": "å aldri alle allerede alltid alltså alt andre annen annet at av bare begge ble bli blir blitt burde "
        "både bør da de deg dem den denne dens der dere deres derfor dermed dessuten det dette di din dine disse "
        "ditt du eller en enda eneste enhver enn ennå ens er et ett etter etterpå for foran forbi fordi fra få "
        "får før gjennom gjør gjøre går ha hadde han hans har hatt henne hennes hos hun hva hvem hver hverken hvert "
        "hvilke hvilken hvilket hvis hvor hvordan hvorfor i iblant ikke imellom imens ingen ingenting inn innen "
        "intet ja jeg jo kan kanskje kunne kunnet langs like likevel man med meg mellom men mens mer min mine "
        "mitt mot må måtte ned nei neppe nesten noe noen noensinde noensteds nok nå når ofte og også om omkring "
        "opp oss over overfor per på rundt samme samt sannsynligvis seg selv selve siden sin sine sitt skal "
        "slik slike snart som stadig straks så sånn til trass tvers uansett under unna ut uten utenfor var ved "
        "verken vi vil vår våre vårt være vært",
    }.items()
}
"""Words that only hold others together; none that names something by itself, and none for wanting or doing again, which
say what a text is about."""


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


def composed(text: str) -> str:
    """A text with its letters in one piece each (NFC), and without what nobody sees in it, such as soft hyphens.

    Copied from elsewhere it may have diacritics as characters of their own, which would end a word.
    """
    if text.isascii():
        return text
    text = unicodedata.normalize("NFC", text)
    for each in _UNSEEN:  # hardly any text has one, and to look for each costs less than to look at every character
        text = text.replace(each, "")
    return text


_UNSEEN: Final = "\u00ad\u200b\u200c\u200d\u2060\ufeff"


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


@cache
def stop_stems(language: str) -> frozenset[str]:
    """The stems of the words that carry no meaning of their own in a language."""
    return frozenset(stem(word, language) for word in _STOP.get(analysed_as(language), ()))


_FOLDED_STOP: Final = {language: frozenset(map(fold, words)) for language, words in _STOP.items()}
STOP_FORMS: Final = frozenset[str]().union(*_FOLDED_STOP.values())
"""The folded stop words of all languages. Many of them mean something in another one."""


def meant_in(folded: str) -> list[str]:
    """The languages in which a folded word holds no others together."""
    return [tag for tag in (*ANALYSED, UNKNOWN) if folded not in _FOLDED_STOP.get(tag, ())]


_NO_PRONOUN: Final = "IT"
"""What everybody buys. In small letters it is none."""


def is_stop_word(word: str, language: str) -> bool:
    """Whether a word carries no meaning of its own in a language."""
    return word != _NO_PRONOUN and word.lower() in _STOP.get(
        language if language in _STOP else analysed_as(language), frozenset()
    )
