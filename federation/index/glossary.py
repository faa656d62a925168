"""What the regions add to the lexicon: records of words that mean the same, believed when a query is read.

A term belongs to a meaning: the concept or row of the lexicon that it says it means; else what two of its
languages already name alike; else a meaning of its own. Its words lead a query to the meaning and, but for
those that only searchers use, the meaning to texts with them. Nothing is indexed anew for a term.

What a node refuses holds at that node: a peer can add a way to what there is, and take none away.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice, zip_longest
from typing import Final, NamedTuple

from federation.index.concepts import Concepts, is_meaning
from federation.index.forms import Spotted
from federation.index.languages import WORD, Word, analysed_as, composed, folded_words, is_stop_word, stem
from federation.index.spotting import LONGEST
from federation.records.canonical import Literal
from federation.records.kinds import Kind, in_language
from federation.records.record import Record

LABEL: Final = ("title", "label")
"""The search fields whose words lead both ways."""
HIDDEN, REFUSED, MEANING = "hidden", "refused", "meaning"
WAYS: Final = 40
"""Words by which one meaning is looked for, beside those of code lists and lexicon."""
MEANINGS: Final = 8
"""What one word may mean besides."""
TEXTS: Final = 100
"""Words of one term that are believed in each of its fields."""
_SHORTEST: Final = 2
"""Letters of a word that means something."""
_AGREE: Final = 2
"""Languages whose words must name the same before a term is taken to mean that."""
_STEPS: Final = 10
"""Terms that say they mean what another one means, one after the other."""
_Text = tuple[str, str]
"""Language and words."""


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
    labels: tuple[_Text, ...]
    """The usual words first."""
    hidden: tuple[_Text, ...] = ()
    refused: tuple[_Text, ...] = ()
    meaning: str = ""
    folded: str = ""
    """Every word that leads to it, folded and each behind a space."""

    @classmethod
    def read(cls, record: Record, kind: Kind, node: str, *, own: bool) -> Term:
        """The term that a record of a lexical kind describes."""
        texts: dict[str, list[_Text]] = {}
        for role, paths in kind.read_as.items():
            values = (value for path in paths for value in record.values(path) if isinstance(value, Literal))
            texts[role] = [(value.language, value.value) for value in islice(values, TEXTS)]
        addresses = (value for path in kind.read_as.get(MEANING, ()) for value in record.values(path))
        meaning = next((value for value in addresses if isinstance(value, str)), "")
        labels = [pair for role in LABEL for pair in texts.get(role, ())]
        hidden, refused = texts.get(HIDDEN, []), texts.get(REFUSED, [])
        folded = " ".join(f" {folded_words(text)}" for _, text in (*labels, *hidden))
        return cls(record.iri, node, own, tuple(labels), tuple(hidden), tuple(refused), meaning, folded)


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
    _read: Mapping[_Text, Way | None] = field(default_factory=dict)
    """What the words are as stems; the next glossary need not find out again."""

    @classmethod
    def of(cls, terms: Iterable[Term], concepts: Concepts, before: Glossary | None = None) -> Glossary:
        """Own terms come before those of peers, where there is not room for all; peers take turns."""
        every = list(terms)
        known = before._read if before is not None else {}
        texts = {pair for term in every for pair in (*term.labels, *term.hidden, *term.refused)}
        read = {pair: known[pair] if pair in known else _way(*pair) for pair in texts}
        meanings = _meanings(every, read, concepts)
        # A term says what its own meaning is called before others that say they mean the same.
        ordered = tuple(sorted(every, key=lambda term: (not term.own, meanings[term.iri] != term.iri, term.iri)))
        labels: dict[str, dict[str, str]] = {}
        leads: dict[str, dict[tuple[str, ...], dict[str, None]]] = {}
        ways: dict[str, dict[str, list[Way]]] = {}
        refused: set[tuple[str, tuple[str, ...], str]] = set()
        for term in ordered:
            meaning = meanings[term.iri]
            if meaning not in concepts.numbers:
                for tag, text in term.labels:
                    labels.setdefault(meaning, {}).setdefault(tag, text)
            for way in _ways((*term.labels, *term.hidden), read):
                leads.setdefault(way.language, {}).setdefault(way.stems, {})[meaning] = None
            ways.setdefault(meaning, {}).setdefault("" if term.own else term.node, []).extend(_ways(term.labels, read))
            if term.own:
                refused |= {(way.language, way.stems, meaning) for way in _ways(term.refused, read)}
        return cls(
            ordered,
            meanings,
            labels,
            {tag: {stems: tuple(some)[:MEANINGS] for stems, some in by.items()} for tag, by in leads.items()},
            {iri: tuple(_chosen(iri, by, refused, concepts))[:WAYS] for iri, by in ways.items()},
            frozenset(refused),
            read,
        )

    def refuses(self, stems: Sequence[str], rules: str, iri: str) -> bool:
        """Whether words of a language are said not to mean something."""
        return bool(self._refused) and (rules, tuple(stems), iri) in self._refused

    def allowed(self, query: Sequence[Word], language: str, spotted: Iterable[Spotted]) -> Iterator[Spotted]:
        """What a query names, but for what is refused here."""
        rules = analysed_as(language)
        for each in spotted:
            said = [word.stem for word in query[each.first : each.last]]
            left = tuple(iri for iri in each.concepts if each.part or not self.refuses(said, rules, iri))
            if left:
                yield each if len(left) == len(each.concepts) else Spotted(each.first, each.last, left)

    def spot(self, query: Sequence[Word], language: str) -> Iterator[Spotted]:
        """What a query names by the words of terms, the longest first at each word."""
        leads, stems = self._leads.get(analysed_as(language), {}), [word.stem for word in query]
        runs = ((at, last) for at in range(len(stems)) for last in range(min(at + LONGEST, len(stems)), at, -1))
        found = ((at, last, leads.get(tuple(stems[at:last]), ())) for at, last in runs) if leads else ()
        yield from self.allowed(query, language, (Spotted(*each) for each in found if each[2]))

    def ways(self, iri: str) -> tuple[Way, ...]:
        """How texts say a meaning, beside what code lists and lexicon know."""
        return self._ways.get(iri, ())

    def label(self, iri: str, language: str, concepts: Concepts) -> str:
        """What a meaning is called in a language or the next best one, be it a term's own or a concept."""
        own = self.labels.get(iri)
        return in_language(own, language)[1] if own else concepts.label(iri, language)


NOTHING: Final = Glossary()
"""Where no region has added a word."""


def _way(tag: str, text: str) -> Way | None:
    """A text as stems; those of too many words, of letters or of stop words only lead nowhere."""
    rules, words = analysed_as(tag), WORD.findall(composed(text))
    stems = tuple(stem(word, rules) for word in words)
    telling = tuple(form for form, word in zip(stems, words, strict=True) if not is_stop_word(word, rules))
    lasting = len(words) <= LONGEST and any(len(form) >= _SHORTEST for form in telling)
    return Way(rules, stems, telling) if lasting else None


def _ways(texts: Iterable[_Text], read: Mapping[_Text, Way | None]) -> Iterator[Way]:
    return (way for way in map(read.__getitem__, texts) if way is not None)


def _chosen(
    iri: str, by_node: Mapping[str, Sequence[Way]], refused: set[tuple[str, tuple[str, ...], str]], concepts: Concepts
) -> Iterator[Way]:
    """The ways of a meaning, each once: our own, then one of each node by turns; without what is known or refused."""
    others = (some for node, some in by_node.items() if node)
    turns = (way for some in zip_longest(*others) for way in some if way is not None)
    for way in dict.fromkeys((*by_node.get("", ()), *turns)):
        if way.stems not in concepts.said(iri, way.language) and (way.language, way.stems, iri) not in refused:
            yield way


def _meanings(terms: Iterable[Term], read: Mapping[_Text, Way | None], concepts: Concepts) -> dict[str, str]:
    """What each term means; where it says that it means another one, what that one does."""
    said = {term.iri: term.meaning or _agreed(term, read, concepts) or term.iri for term in terms}
    found = {}
    for iri, meaning in said.items():
        for _ in range(_STEPS):
            meaning = said.get(meaning, meaning)  # noqa: PLW2901 - one step on
        found[iri] = meaning
    return found


def _agreed(term: Term, read: Mapping[_Text, Way | None], concepts: Concepts) -> str:
    """The one concept that its words name in two languages or more; empty where there is none, or more.

    A code list says more than the lexicon.
    """
    named: dict[str, set[str]] = {}
    for way in _ways(term.labels, read):
        for iri in concepts.named_by(way.stems, way.language):
            named.setdefault(iri, set()).add(way.language)
    most = max(map(len, named.values()), default=0)
    every = [iri for iri, tags in named.items() if len(tags) == most]
    best = [iri for iri in every if not is_meaning(iri)] or every
    return best[0] if most >= _AGREE and len(best) == 1 else ""
