"""Why a record was found, and how to show it: reasons, marked titles, snippets.

Reasons come from the match itself: the words of the hit are compared with the query as the index
compared them, and concepts as the document carries them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from federation.index.forms import Form
from federation.index.glossary import NOTHING, Glossary
from federation.index.languages import WORD, analysed_as, is_stop_word
from federation.index.marking import Shown, Span, segments, snippet, standing
from federation.index.seen import SeenWords, Sought
from federation.index.spotting import LONGEST
from federation.index.units import Unit
from federation.records.kinds import in_language


@dataclass(frozen=True, slots=True)
class Because:
    """Why a record was found: ``how`` is word, like, part, concept, named, narrower, broader, code or mention.

    ``word`` is what was typed, ``match`` how the record says it (in ``language``), ``concept`` the IRI
    through which it was found and ``label`` its name in the reader's language. ``like`` is a word that only
    looks like what was typed, a code one that the record is classed by, and a mention a name of something that
    the record refers to, such as an organisation.
    """

    how: str
    word: str
    match: str = ""
    language: str = ""
    concept: str = ""
    label: str = ""

    def as_dict(self) -> dict[str, str]:
        """The reason as a member of an answer; empty parts are left out."""
        pairs = {
            "how": self.how,
            "word": self.word,
            "match": self.match,
            "lang": self.language,
            "concept": self.concept,
            "label": self.label,
        }
        return {key: value for key, value in pairs.items() if value}


_Place = tuple[int, int]
"""The number of a unit (those within others included), and of a word in it."""


class _Numbered(NamedTuple):
    """A unit as hits are compared with it: its number, the words of it that tell, what it names, what it is made of."""

    number: int
    unit: Unit
    members: Sequence[int]
    concepts: tuple[str, ...]
    inner: tuple[_Numbered, ...]


class _Meaning(NamedTuple):
    """What a word of a text is to a search, wherever it stands."""

    stem: str
    places: Sequence[_Place]
    """Where the query has it."""
    concepts: Sequence[str]
    parts: Sequence[int]
    """The units that are a part of it."""
    telling: Sequence[tuple[str, tuple[str, ...]]]
    """The meanings that it says with others, by the terms of the regions."""
    phrases: Sequence[tuple[list[str], str]]
    """The names of several words that begin with it."""


@dataclass(frozen=True, slots=True)
class Explained:
    """A hit as it is shown."""

    title: Shown
    snippet: Shown
    because: tuple[Because, ...]


@dataclass(slots=True)
class _Found:
    """What was found in the texts of a hit: by unit and word of it, by concept, and by unit as a part."""

    words: dict[int, dict[int, tuple[str, str]]] = field(default_factory=dict)
    concepts: dict[str, tuple[str, str]] = field(default_factory=dict)
    parts: dict[int, tuple[str, str]] = field(default_factory=dict)
    said: dict[str, dict[str, None]] = field(default_factory=dict)
    """By language: the words and phrases that matched."""
    ways: dict[tuple[str, tuple[str, ...]], dict[str, str]] = field(default_factory=dict)
    """By meaning and the stems it takes: the words found of them so far."""
    read: set[str] = field(default_factory=set)
    """The languages that were read."""


class Explainer:
    """Explains the hits of one search: what all of them share is prepared once."""

    def __init__(
        self,
        units: Sequence[Unit],
        seen: SeenWords,
        language: str,
        names: Sequence[Unit] = (),
        glossary: Glossary = NOTHING,
    ) -> None:
        """``names`` are those that several units together look like: they explain what nothing else does."""
        self._glossary = glossary
        self._language = language
        self._seen = seen
        self._concepts = seen.concepts
        self._rules = analysed_as(language)
        self._every: list[_Numbered] = []
        self._units = [self._numbered(unit) for unit in units]
        self._names = [self._numbered(unit) for unit in names]
        asked = {iri for each in self._every for iri in each.concepts}
        self._narrower = {iri: self._concepts.narrower(iri) for iri in asked}
        self._wanted = asked.union(*self._narrower.values())
        self._stems: dict[str, list[_Place]] = {}
        self._folded: dict[str, list[_Place]] = {}
        for each in self._every:
            for member in each.members:
                word, place = each.unit.words[member], (each.number, member)
                for form in (*word.folded, *(near for near, _ in word.near)):
                    self._folded.setdefault(form, []).append(place)
                for form in word.stems:
                    self._stems.setdefault(form, []).append(place)
        self._common = frozenset[str]().union(*(word.common for each in self._every for word in each.unit.words))
        exact = {form for each in self._every for word in each.unit.words for form in word.folded}
        self._looking_alike = self._folded.keys() - exact
        self._alone = {each.number for each in self._every if len(each.unit.words) == 1}
        self._phrases: dict[str, dict[str, list[tuple[list[str], str]]]] = {}
        self._by_terms: dict[str, dict[str, list[tuple[str, tuple[str, ...]]]]] = {}
        self._sought: dict[str, tuple[Sought, set[str]]] = {}
        self._meanings: dict[tuple[str, str], _Meaning] = {}

    def _numbered(self, unit: Unit) -> _Numbered:
        inner = tuple(self._numbered(each) for each in unit.inner)
        made = _Numbered(len(self._every), unit, _told_by(unit, self._language), unit.concepts, inner)
        self._every.append(made)
        return made

    def explain(self, display: Mapping[str, Any]) -> Explained:
        """A hit's title and the best piece of its text, with what matched, and a reason for every unit that does."""
        found = self._read(display)
        because: list[Because] = []
        for asked in self._units:
            because += [each for each in self._reasons(asked, found, display) if each not in because]
        for asked in () if because else self._names:
            because += self._reasons(asked, found, display)[:1]
        shown = self._shown_language(display, found)
        title_language, title = in_language(display["title"], shown)
        text_language, text = in_language(display["text"], shown)
        marked = segments(title, self._spans(title, display, title_language, found))
        piece = snippet(text, self._spans(text, display, text_language, found))
        return Explained((title_language, marked), (text_language, piece), tuple(because))

    def _reasons(self, asked: _Numbered, found: _Found, display: Mapping[str, Any]) -> list[Because]:
        """Why a unit matches: by its words or a concept, else by what it is made of."""
        reason = self._by_words(asked, found)
        # A word in the reader's own language needs no concept to explain it.
        if reason is None or analysed_as(reason.language) != self._rules:
            reason = self._by_concept(asked, found, display) or reason
        if reason is None and asked.number in found.parts:
            reason = Because("part", asked.unit.surface, *found.parts[asked.number])
        if reason is not None:
            return [reason]
        return [each for inner in asked.inner for each in self._reasons(inner, found, display)]

    # What the texts say

    def _read(self, display: Mapping[str, Any]) -> _Found:
        """What a hit's texts say of the query."""
        found = _Found()
        # The reader's language first: where it says enough, nobody looks at what else there is.
        for tag in sorted({**display["title"], **display["text"]}, key=lambda tag: tag != self._language):
            if all(_is_told(asked, found) for asked in self._units):
                break
            self._read_in(tag, display, found)
        return found

    def _read_in(self, tag: str, display: Mapping[str, Any], found: _Found) -> None:
        found.read.add(tag)
        rules = analysed_as(tag)
        sought, keen = self._looked_for(rules)
        # One list for all of it, with a gap that no phrase goes over.
        words = WORD.findall(display["title"].get(tag, ""))
        words += ("", *WORD.findall(display["text"].get(tag, "")))
        there = set(words)
        keen.update(word for word, form in self._seen.fresh(there, rules) if sought.means(form))
        for word in sorted(there & keen, key=words.index):
            self._note(word, self._meaning(word, rules), words, tag, found)

    def _looked_for(self, rules: str) -> tuple[Sought, set[str]]:
        """What to look for in texts that follow the rules of a language, and the words that are it."""
        known = self._sought.get(rules)
        if known is None:
            own, beginning = rules == self._rules, {*self._beginning(rules), *self._telling(rules)}
            stems = {*self._stems, *beginning} if own else beginning
            parts = {form for form, places in self._stems.items() if own and self._within(places)}
            sought = Sought(set(self._folded), stems, parts, self._wanted)
            known = self._sought[rules] = sought, self._seen.sought(sought, rules)
        return known

    def _said(self, form: Form) -> Sequence[_Place]:
        """Where a query has a word of a text as it stands; nowhere, where that only holds others together."""
        holds = not form.told and form.folded in self._common
        return () if holds else self._folded.get(form.folded, ())

    def _within(self, places: Iterable[_Place]) -> list[int]:
        """The units of one word among some places: only these are looked for within other words."""
        return [number for number, _ in places if number in self._alone]

    def _meaning(self, word: str, rules: str) -> _Meaning:
        known = self._meanings.get((rules, word))
        if known is None:
            form = self._concepts.spotting.form(word, rules)
            stems: Mapping[str, list[_Place]] = self._stems if rules == self._rules else {}
            known = self._meanings[rules, word] = _Meaning(
                form.stem,
                stems.get(form.stem) or self._said(form),
                tuple(self._wanted.intersection(form.named)),
                [number for part in form.parts for number in self._within(stems.get(part, ()))],
                self._telling(rules).get(form.stem, ()),
                self._beginning(rules).get(form.stem, ()),
            )
        return known

    def _note(self, word: str, meaning: _Meaning, words: Sequence[str], tag: str, found: _Found) -> None:
        """Note what a word of a text says of the search."""
        said = found.said.setdefault(tag, {})
        if meaning.places or meaning.concepts or meaning.parts or meaning.telling:
            said[word] = None
        for number, member in meaning.places:
            found.words.setdefault(number, {}).setdefault(member, (word, tag))
        for iri in meaning.concepts:
            found.concepts.setdefault(iri, (word, tag))
        for number in meaning.parts:
            found.parts.setdefault(number, (word, tag))
        for iri, telling in meaning.telling:
            there = found.ways.setdefault((iri, telling), {})
            there.setdefault(meaning.stem, word)
            if len(there) == len(set(telling)) and iri not in found.concepts:
                found.concepts[iri] = " ".join(there.values()), tag
        for at in [at for at, each in enumerate(words) if each == word] if meaning.phrases else ():
            following = [each.stem for each in self._concepts.spotting.forms(words[at : at + LONGEST], tag)]
            for phrase, iri in meaning.phrases:
                if iri not in found.concepts and following[: len(phrase)] == phrase:
                    whole = " ".join(words[at : at + len(phrase)])
                    found.concepts[iri] = whole, tag
                    said[whole] = None

    def _telling(self, rules: str) -> Mapping[str, list[tuple[str, tuple[str, ...]]]]:
        """By stem of a language: the wanted meanings that a region's term says with it, and all stems that it takes."""
        known = self._by_terms.get(rules)
        if known is None:
            known = self._by_terms[rules] = {}
            for iri in sorted(self._wanted):
                for way in self._glossary.ways(iri):
                    for stem in dict.fromkeys(way.telling) if way.language == rules else ():
                        known.setdefault(stem, []).append((iri, way.telling))
        return known

    def _beginning(self, rules: str) -> Mapping[str, list[tuple[list[str], str]]]:
        """The names of several words of the wanted concepts in a language, by their first stem, the longest first."""
        known = self._phrases.get(rules)
        if known is None:
            known = self._phrases[rules] = {}
            for iri in sorted(self._wanted):
                for stems in self._concepts.said(iri, rules):
                    if len(stems) > 1:
                        known.setdefault(stems[0], []).append((list(stems), iri))
            for some in known.values():
                some.sort(key=lambda pair: -len(pair[0]))
        return known

    # Reasons

    def _by_words(self, asked: _Numbered, found: _Found) -> Because | None:
        matched = found.words.get(asked.number, {})
        if not asked.members or len(matched) < len(asked.members):
            return None  # of a phrase all words must be there
        there = [matched[member] for member in asked.members]
        how = "like" if any(self._only_looks_alike(*each) for each in there) else "word"
        return Because(how, asked.unit.surface, " ".join(word for word, _ in there), there[0][1])

    def _only_looks_alike(self, word: str, language: str) -> bool:
        """Whether a word of a text is none that was typed, in whatever inflection."""
        rules = analysed_as(language)
        form = self._concepts.spotting.form(word, rules)
        return form.folded in self._looking_alike and not (rules == self._rules and form.stem in self._stems)

    def _by_concept(self, asked: _Numbered, found: _Found, display: Mapping[str, Any]) -> Because | None:
        tagged, said, alike, broader = display["tagged"], asked.unit.surface, asked.unit.alike, asked.unit.broader
        for iri in broader:
            if iri in found.concepts or iri in tagged:
                return Because("broader", said, "", "", iri, self._label(iri))
        for iri in asked.concepts:
            if iri in found.concepts:
                surface, tag = found.concepts[iri]
                return Because("like" if iri in alike else "named", said, surface, tag, iri, self._label(iri))
        for iri in asked.concepts:
            if iri in tagged and iri in alike:
                return Because("like", said, self._label(iri), self._language, iri, self._label(iri))
            if iri in tagged:
                return Because("concept", said, "", "", iri, self._label(iri))
        for iri in asked.concepts:
            if not self._narrower[iri].isdisjoint(tagged) or not self._narrower[iri].isdisjoint(found.concepts):
                return Because("narrower", said, "", "", iri, self._label(iri))
        return None

    def _label(self, iri: str) -> str:
        return self._glossary.label(iri, self._language, self._concepts)

    # What is shown

    def _shown_language(self, display: Mapping[str, Any], found: _Found) -> str:
        """The reader's language where there is a text in it; else one in which the query matched."""
        said = {tag: "" for tag, some in found.said.items() if some}
        if self._language in display["title"] or not said:
            return self._language
        return in_language({tag: "" for tag in display["title"] if tag in said} or said, self._language)[0]

    def _spans(self, text: str, display: Mapping[str, Any], tag: str, found: _Found) -> list[Span]:
        """Where a shown text says what matched."""
        if self._units and tag not in found.read:
            self._read_in(tag, display, found)
        spans = (span for said in found.said.get(tag, ()) for span in standing(said.split(" "), text))
        return sorted(spans, key=lambda span: (span[0], -span[1]))


def _is_told(asked: _Numbered, found: _Found) -> bool:
    words, wanted = found.words.get(asked.number, ()), len(asked.unit.words)
    return 0 < wanted <= len(words) or any(iri in found.concepts for iri in asked.concepts)


def _told_by(unit: Unit, language: str) -> list[int]:
    """The words of a unit that are no stop words; all, where there are no others."""
    members = range(len(unit.words))
    return [each for each in members if not is_stop_word(unit.words[each].surface, language)] or list(members)
