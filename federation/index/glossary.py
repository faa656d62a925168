"""What the regions add to the lexicon: records of words that mean the same, believed when a query is read.

A term belongs to a meaning: the concept or row of the lexicon that it says it means; else what two of its
languages already name alike; else a meaning of its own. Its words lead a query to the meaning and, but for
those that only searchers use, the meaning to texts with them. Nothing is indexed anew for a term.

What a node refuses holds at that node: a peer can add a way to what there is, and take none away.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from federation.index.concepts import LONGEST, Concepts, Spotted, is_meaning
from federation.index.languages import WORD, Word, analysed_as, is_stop_word, stem
from federation.records.canonical import Literal
from federation.records.kinds import Kind, in_language
from federation.records.record import Record

LABEL: Final = ("title", "label")
"""The search fields whose words lead both ways."""
HIDDEN, REFUSED, MEANING = "hidden", "refused", "meaning"
WAYS: Final = 40
"""Words by which one meaning is looked for, beside those of code lists and lexicon."""
_AGREE: Final = 2
"""Languages whose words must name the same before a term is taken to mean that."""


class Way(NamedTuple):
    """How texts in a language say a meaning."""

    language: str
    stems: tuple[str, ...]
    telling: tuple[str, ...]
    """The stems of its words but for stop words, which are not indexed."""


@dataclass(frozen=True, slots=True)
class Term:
    """One record: its words by how they count, and what it says it means. ``own`` where it is of this node."""

    iri: str
    node: str
    """The short name of the node that published it."""
    own: bool
    labels: tuple[tuple[str, str], ...]
    """Language and text, the usual words first."""
    hidden: tuple[tuple[str, str], ...] = ()
    refused: tuple[tuple[str, str], ...] = ()
    meaning: str = ""

    @classmethod
    def read(cls, record: Record, kind: Kind, node: str, *, own: bool) -> Term:
        """The term that a record of a lexical kind describes."""
        texts: dict[str, list[tuple[str, str]]] = {}
        meaning = ""
        for each in sorted(kind.fields, key=lambda each: each.order):
            for value in record.values(each.path) if each.search else ():
                if isinstance(value, Literal):
                    texts.setdefault(each.search, []).append((value.language, value.value))
                elif each.search == MEANING:
                    meaning = value
        labels = [pair for role in LABEL for pair in texts.get(role, ())]
        hidden, refused = texts.get(HIDDEN, ()), texts.get(REFUSED, ())
        return cls(record.iri, node, own, tuple(labels), tuple(hidden), tuple(refused), meaning)


@dataclass(frozen=True)
class Glossary:
    """The terms of all regions, ready to be found."""

    terms: tuple[Term, ...] = ()
    meanings: Mapping[str, str] = field(default_factory=dict)
    """By term: what it means."""
    labels: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    """By meaning that no code list and no lexicon has: its usual word in each language."""
    _leads: Mapping[str, Mapping[tuple[str, ...], tuple[str, ...]]] = field(default_factory=dict)
    _ways: Mapping[str, tuple[Way, ...]] = field(default_factory=dict)
    _refused: frozenset[tuple[str, tuple[str, ...], str]] = frozenset()

    @classmethod
    def of(cls, terms: Iterable[Term], concepts: Concepts) -> Glossary:
        """Own terms come before those of peers, where there is not room for all."""
        ordered = tuple(sorted(terms, key=lambda term: (not term.own, term.iri)))
        meanings = {term.iri: term.meaning or _agreed(term, concepts) or term.iri for term in ordered}
        labels: dict[str, dict[str, str]] = {}
        leads: dict[str, dict[tuple[str, ...], dict[str, None]]] = {}
        ways: dict[str, dict[Way, None]] = {}
        refused: set[tuple[str, tuple[str, ...], str]] = set()
        for term in ordered:
            meaning = meanings[term.iri]
            if meaning not in concepts.numbers:
                named = labels.setdefault(meaning, {})
                for tag, text in term.labels:
                    named.setdefault(tag, text)
            for way in _read((*term.labels, *term.hidden)):
                leads.setdefault(way.language, {}).setdefault(way.stems, {})[meaning] = None
            ways.setdefault(meaning, {}).update(dict.fromkeys(_read(term.labels)))
            if term.own:
                refused |= {(way.language, way.stems, meaning) for way in _read(term.refused)}
        return cls(
            ordered,
            meanings,
            labels,
            {tag: {stems: tuple(some) for stems, some in by.items()} for tag, by in leads.items()},
            {
                iri: tuple(
                    each
                    for each in some
                    if each.stems not in concepts.said(iri, each.language)
                    and (each.language, each.stems, iri) not in refused
                )[:WAYS]
                for iri, some in ways.items()
            },
            frozenset(refused),
        )

    def refuses(self, stems: tuple[str, ...], rules: str, iri: str) -> bool:
        """Whether words of a language are said not to mean something."""
        return bool(self._refused) and (rules, stems, iri) in self._refused

    def spot(self, query: Sequence[Word], language: str, known: Iterable[Spotted]) -> Iterator[Spotted]:
        """What a query names: what code lists and lexicon know, but for what is refused here, and what terms add."""
        rules, stems = analysed_as(language), [word.stem for word in query]
        added = self._leads.get(rules, {})
        runs = ((at, last) for at in range(len(stems)) for last in range(min(at + LONGEST, len(stems)), at, -1))
        found = ((at, last, added.get(tuple(stems[at:last]), ())) for at, last in runs) if added else ()
        for each in (*known, *(Spotted(*each) for each in found if each[2])):
            said = tuple(stems[each.first : each.last])
            left = tuple(iri for iri in each.concepts if each.part or not self.refuses(said, rules, iri))
            if left:
                yield each if len(left) == len(each.concepts) else Spotted(each.first, each.last, left)

    def ways(self, iri: str) -> tuple[Way, ...]:
        """How texts say a meaning, beside what code lists and lexicon know."""
        return self._ways.get(iri, ())

    def label(self, iri: str, language: str) -> str:
        """The usual word for a meaning of its own in a language or the next best one; empty for others."""
        return in_language(self.labels.get(iri, {}), language)[1]


NOTHING: Final = Glossary()
"""Where no region has added a word."""


def _read(texts: Iterable[tuple[str, str]]) -> Iterator[Way]:
    """Texts as stems; those of too many words, or of stop words only, lead nowhere."""
    for tag, text in texts:
        rules, words = analysed_as(tag), WORD.findall(text)
        stems = tuple(stem(word, rules) for word in words)
        telling = tuple(form for form, word in zip(stems, words, strict=True) if not is_stop_word(word, rules))
        if telling and len(words) <= LONGEST:
            yield Way(rules, stems, telling)


def _agreed(term: Term, concepts: Concepts) -> str:
    """The one concept that its words name in two languages or more; empty where there is none, or more.

    A code list says more than the lexicon.
    """
    named: dict[str, set[str]] = {}
    for way in _read(term.labels):
        for iri in concepts.named_by(way.stems, way.language):
            named.setdefault(iri, set()).add(way.language)
    most = max(map(len, named.values()), default=0)
    every = [iri for iri, tags in named.items() if len(tags) == most]
    best = [iri for iri in every if not is_meaning(iri)] or every
    return best[0] if most >= _AGREE and len(best) == 1 else ""
