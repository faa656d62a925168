"""What words and texts name, by the stems of the labels of concepts: all that reading a text to be indexed needs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence, Set
from itertools import chain, compress, count, pairwise
from operator import attrgetter
from typing import Any, Final, TypeAlias

from federation.index.forms import PART, Form
from federation.index.inflection import is_inflected
from federation.index.labels import TELLING, Label, Labels
from federation.index.languages import ANALYSED, UNKNOWN, WORD, analysed_as, fold, is_stop_word, stem, written_stem

LONGEST: Final = 6
"""Words of a label by which a concept is spotted."""
_REMEMBERED: Final = 1 << 17
"""Words of a language whose forms are kept at hand."""
_USUAL: Final = 64
"""Letters of such a word: nobody fills our memory with long ones."""
_NAMED, _STEM = attrgetter("named"), attrgetter("stem")
ByStems: TypeAlias = Mapping[str, Mapping[tuple[str, ...], tuple[str, ...]]]
"""Concept IRIs by language and the stems of a label."""


class Spotting:
    """The labels of a vocabulary by their stems, and what is known of every word that has been seen.

    To read all labels takes half a second, and as much to order them. Handed to another process, this is
    there in a tenth of that, without the labels.
    """

    def __init__(self, labels: Labels, refused: Set[tuple[str, str, str]]) -> None:
        """``refused``: language, word and concept of what a word does not mean, whatever its stem and parts say."""
        self.queries, self.texts = _by_stems(labels.every)
        self.reach = {tag: _reach(by) for tag, by in self.queries.items()}
        """How many words the longest label has that begins with a stem, by language."""
        self.splitter = labels.splitter()
        """Takes compounds apart into words of labels, definitions and lexicon."""
        self._refused = refused
        # The first two stems of labels that have as many: most words begin none.
        self._pairs = {tag: {stems[:2] for stems in by if len(stems) > 1} for tag, by in self.texts.items()}
        self._alone = _alone(labels.every, self.texts)
        # General labels of one word, which tell nothing in just that form.
        self._general = {
            (each.language, each.word, each.concept) for each in labels.every if each.word and each.general
        }
        self._begin()

    def _begin(self) -> None:
        self._forms = {tag: _Forms(self, tag) for tag in (*ANALYSED, UNKNOWN)}
        self._tokens = {tag: _Tokens(forms) for tag, forms in self._forms.items()}

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in self.__dict__.items() if name not in ("_forms", "_tokens")}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__ = state
        self._begin()

    def forms(self, words: Iterable[str], language: str) -> list[Form]:
        """What is known of each word, in whatever text of a language it stands."""
        return list(map(self._forms[analysed_as(language)].__getitem__, words))

    def read(self, text: str, language: str) -> list[Form]:
        """What is known of each word of a text: what stands between two spaces recurs as words do."""
        return list(chain.from_iterable(map(self._tokens[analysed_as(language)].__getitem__, text.split())))

    def form(self, word: str, rules: str) -> Form:
        """What is known of a word by the rules of a language."""
        return self._forms[rules][word]

    def named(self, forms: Sequence[Form], language: str) -> dict[str, None]:
        """The concepts that a text names in its own language: those that words name, then those that several do.

        By no general word: every text that is indexed is read so.
        """
        found = dict.fromkeys(chain.from_iterable(map(_NAMED, forms)))
        rules = analysed_as(language)
        labels, pairs = self.texts[rules], self._pairs[rules]
        stems = tuple(map(_STEM, forms))
        for at in compress(count(), map(pairs.__contains__, pairwise(stems))):
            for last in range(min(at + forms[at].reach, len(stems)), at + 1, -1):
                for iri in labels.get(stems[at:last], ()):
                    found[iri] = None
        return found

    def refuses(self, word: str, rules: str, iri: str) -> bool:
        """Whether a word is said not to mean a concept, whatever its stem and its parts say."""
        return (rules, word.lower(), iri) in self._refused

    def parts(self, folded: str, rules: str) -> tuple[str, ...]:
        """The stems of the parts of a compound, in order; empty for any other word."""
        return tuple([stem(part, rules) for part in self.splitter.parts(folded, rules)])

    def _form(self, word: str, rules: str) -> Form:
        written = written_stem(word, rules)
        folded, form = fold(word), fold(written)
        # A stop word may have the stem of a label (Danish *har* and *hær*), and still says nothing of a text.
        told = "" if is_stop_word(word, rules) else form
        named = self._named_alone(word, written, rules) if told and written in self._alone[rules] else []
        parts, inside = self.parts(folded, rules), ""
        if parts:
            named += self._named_within(parts, form, rules)
            inside = PART + f" {PART}".join(parts)
        if named:
            lowered = word.lower()
            named = [iri for iri in dict.fromkeys(named) if (rules, lowered, iri) not in self._refused]
        return Form(folded, form, parts, tuple(named), self.reach[rules].get(form, 0), told, inside)

    def _named_within(self, parts: tuple[str, ...], form: str, rules: str) -> list[str]:
        """The concepts that the parts of a compound name, the longest names first."""
        labels, count, named = self.texts[rules], len(parts), list[str]()
        for size in range(count, 1, -1):
            for at in range(count - size + 1):
                named += labels.get(parts[at : at + size], ())
        # Before the head of a compound that is a name itself, short parts mean something else: the frame of an
        # agreement (Dutch *raamovereenkomst*) is no window.
        least = TELLING + ((form,) in self.queries[rules])
        for at, part in enumerate(parts, 1):
            if len(part) >= (least if at < count else TELLING):
                named += labels.get((part,), ())
        return named

    def _named_alone(self, word: str, written: str, rules: str) -> list[str]:
        """The concepts of which a word of a text is a name, in whatever inflection, with its diacritics."""
        lowered = word.lower()
        fitting = (iris for label, iris in self._alone[rules][written] if is_inflected(lowered, label, rules))
        return [iri for iris in fitting for iri in iris if (rules, lowered, iri) not in self._general]


class _Forms(dict[str, Form]):
    """The words of a language that have been seen. ``map(forms.__getitem__, words)`` asks for many at once."""

    def __init__(self, spotting: Spotting, rules: str) -> None:
        super().__init__()
        self._spotting = spotting
        self._rules = rules

    def __missing__(self, word: str) -> Form:
        if len(self) > _REMEMBERED:
            self.clear()
        found = self._spotting._form(word, self._rules)
        if len(word) <= _USUAL:
            self[word] = found
        return found


class _Tokens(dict[str, tuple[Form, ...]]):
    """The same of what stands between spaces in texts: words with the marks beside them, or several."""

    def __init__(self, forms: _Forms) -> None:
        super().__init__()
        self._forms = forms

    def __missing__(self, token: str) -> tuple[Form, ...]:
        if len(self) > _REMEMBERED:
            self.clear()
        found = tuple(map(self._forms.__getitem__, WORD.findall(token)))
        if len(token) <= _USUAL:
            self[token] = found
        return found


def _by_stems(labels: Iterable[Label]) -> tuple[ByStems, ByStems]:
    """Concepts by the stems of their labels, by language: those for queries, and those for texts."""
    queries: dict[str, dict[tuple[str, ...], dict[str, bool]]] = {tag: {} for tag in (*ANALYSED, UNKNOWN)}
    for each in labels:
        if len(each.stems) <= LONGEST:
            named = queries[each.language].setdefault(each.stems, {})
            named[each.concept] = named.get(each.concept, True) and each.general
    texts: dict[str, dict[tuple[str, ...], tuple[str, ...]]] = {}
    for tag, by in queries.items():
        specific = {stems: tuple(iri for iri, general in some.items() if not general) for stems, some in by.items()}
        texts[tag] = {stems: iris for stems, iris in specific.items() if iris}
    return {tag: {stems: tuple(some) for stems, some in by.items()} for tag, by in queries.items()}, texts


def _reach(by: Iterable[tuple[str, ...]]) -> dict[str, int]:
    reach: dict[str, int] = {}
    for stems in by:
        reach[stems[0]] = max(reach.get(stems[0], 0), len(stems))
    return reach


def _alone(labels: Iterable[Label], texts: ByStems) -> Mapping[str, Mapping[str, Sequence[tuple[str, Sequence[str]]]]]:
    """The labels of one word by which texts are read, and their concepts, by language and stem as it is written."""
    found: dict[str, dict[str, dict[str, list[str]]]] = {tag: {} for tag in (*ANALYSED, UNKNOWN)}
    for each in labels:
        if each.word and each.concept in texts[each.language].get(each.stems, ()):
            by_word = found[each.language].setdefault(each.written, {})
            by_word.setdefault(each.word, []).append(each.concept)
    return {tag: {form: tuple(some.items()) for form, some in by.items()} for tag, by in found.items()}
