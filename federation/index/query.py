"""From an understood query to one for the index: words, concepts, filters.

A word matches by its form, by its stem, by the parts of a compound, through a concept it names, or by looking
like a word of the records; the strongest counts.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field, replace
from datetime import date
from typing import Final

import tantivy

from federation.index import ranking
from federation.index.concepts import Concepts, is_meaning
from federation.index.documents import KIND_FACET, facet_field, stems_field, title_key
from federation.index.forms import PART
from federation.index.glossary import Way
from federation.index.languages import analysed_as, folded_words, is_stop_word, meant_in, stem, words
from federation.index.reading import Asked, restored
from federation.index.units import QueryWord, Unit, length

_TRAITS: Final = 40
"""Concepts of a record, and words of a title, by which others are compared with it."""


@dataclass(frozen=True, slots=True)
class Within:
    """Where to search: records with the chosen values of facets, inside a community, and with certain marks."""

    filters: Mapping[str, Sequence[str]] = field(default_factory=dict)
    scope: Scope | None = None
    open_on: date | None = None
    """Only what can still be taken part in on that day."""
    mark: str = ""


_LONGEST: Final = 40
"""Letters of the beginning of a word: nobody is offered a longer one, and an expression may be too large."""


@dataclass(frozen=True, slots=True)
class Scope:
    """What a community is about: the records that refer to its own, and those with a value of each of some facets."""

    record: str
    values: Mapping[str, tuple[str, ...]]


def like(
    tagged: Sequence[str],
    named: Sequence[str],
    title: Mapping[str, str],
    concepts: Concepts,
    schema: tantivy.Schema,
) -> tantivy.Query:
    """What finds the records that are most like one: its concepts, rare ones most, and the words of its title."""
    terms = concepts.terms
    queries = [_boosted(schema, "tagged", terms[iri], ranking.TAGGED) for iri in tagged[:_TRAITS]]
    queries += [
        _boosted(schema, "named", terms[iri], ranking.MEANING if is_meaning(iri) else ranking.NAMED)
        for iri in named[:_TRAITS]
    ]
    for language, text in title.items():
        tag = analysed_as(language)
        stems = {word.stem for word in words(text, language) if not is_stop_word(text[word.start : word.end], language)}
        queries += [_boosted(schema, stems_field(tag), each, ranking.STEM) for each in sorted(stems)[:_TRAITS]]
    return _some(queries, min(len(queries), 2)) if queries else tantivy.Query.empty_query()


def beginning_with(folded: str, schema: tantivy.Schema) -> tantivy.Query:
    """Records with every one of some folded words, the last of which may go on."""
    *whole, last = folded.split()
    if len(last) > _LONGEST:
        return tantivy.Query.empty_query()
    clauses = [(tantivy.Occur.Must, tantivy.Query.term_query(schema, "exact", word, "freq")) for word in whole]
    clauses.append((tantivy.Occur.Must, tantivy.Query.regex_query(schema, "exact", f"{last}.*")))
    return tantivy.Query.boolean_query(clauses)


def called(
    words: Iterable[str], kinds: Iterable[str], searcher: tantivy.Searcher, schema: tantivy.Schema
) -> tantivy.Query:
    """Records of some kinds that have any of some folded words, those with the rarest first.

    It does not count how often: whoever repeats a name would come before those who bear it.
    """
    clauses = [(tantivy.Occur.Must, tantivy.Query.const_score_query(_valued(KIND_FACET, list(kinds), schema), 0.0))]
    either = []
    for word in sorted(words):
        term = tantivy.Query.term_query(schema, "exact", word, "basic")
        rare = math.log(1 + searcher.num_docs / (1 + searcher.doc_freq("exact", word)))
        either.append(tantivy.Query.const_score_query(term, rare))
    return tantivy.Query.boolean_query([*clauses, (tantivy.Occur.Must, _some(either))])


def about(iri: str, concepts: Concepts, schema: tantivy.Schema) -> tantivy.Query:
    """The records about a concept, in whatever way."""
    return _some(_flat({(role, concepts.terms[iri]) for role, _ in _roles(iri, concepts)}, schema))


def _boosted(schema: tantivy.Schema, name: str, text: str, weight: float) -> tantivy.Query:
    option = "freq" if name.startswith("stems_") else "basic"
    return tantivy.Query.boost_query(tantivy.Query.term_query(schema, name, text, option), weight)


def build(
    units: Sequence[Unit],
    names: Sequence[Unit],
    asked: Asked,
    within: Within,
    language: str,
    schema: tantivy.Schema,
    concepts: Concepts,
    *,
    strict: bool = False,
    scored: bool = True,
) -> tantivy.Query:
    """The query for the units of what was asked, what several of them look like, and where to search.

    ``strict`` finds the records that surely have every unit, otherwise those that may have half of them. Without
    scores it finds the same records by flat unions of terms, which is what counting them takes.
    """
    clauses: list[tuple[tantivy.Occur, tantivy.Query]] = []
    tag = analysed_as(language)
    if strict:
        form = _unit if scored else _any_of
        clauses += [(tantivy.Occur.Must, form(_sure(unit), tag, schema, concepts)) for unit in units]
    elif units:
        if length(units) > ranking.MANY:
            units = [_sure(unit) for unit in units]
        least, every = ranking.needed(len(units)), [*units, *names]
        if scored:
            wanted = _some([_unit(unit, tag, schema, concepts) for unit in every], least)
            has_all = _every([_any_of(_sure(unit), tag, schema, concepts) for unit in units])
            clauses.append((tantivy.Occur.Should, tantivy.Query.const_score_query(has_all, ranking.EVERY)))
        elif least == 1:
            wanted = _any_of_all(every, tag, schema, concepts)
        else:
            wanted = _some([_any_of(unit, tag, schema, concepts) for unit in every], least)
        clauses.append((tantivy.Occur.Must, wanted))
    clauses += [(tantivy.Occur.Must, query) for query in _phrases(asked.phrases, language, schema)]
    clauses += [(tantivy.Occur.MustNot, query) for query in _excluded(asked.without, language, schema)]
    clauses += [(tantivy.Occur.MustNot, query) for query in _phrases(asked.without_phrases, language, schema)]
    accepted = (tantivy.Query.const_score_query(query, 0.0) for query in _accepted(within, schema))
    clauses += [(tantivy.Occur.Must, query) for query in accepted]
    if clauses and all(occur == tantivy.Occur.MustNot for occur, _ in clauses):
        clauses.append((tantivy.Occur.Must, tantivy.Query.all_query()))
    return tantivy.Query.boolean_query(clauses) if clauses else tantivy.Query.all_query()


def titled(asked: Asked, searcher: tantivy.Searcher, schema: tantivy.Schema) -> tantivy.Query | None:
    """The records that have a query as their title, where there are any."""
    key = title_key(asked.text)
    if not searcher.doc_freq("titles", key):
        return None
    return tantivy.Query.const_score_query(tantivy.Query.term_query(schema, "titles", key, "basic"), ranking.TITLED)


def lifted(
    query: tantivy.Query, units: Sequence[Unit], language: str, year: int, schema: tantivy.Schema
) -> tantivy.Query:
    """The same records, some a little higher: measured results, lessons learned, the last years, and those that say
    the only thing that a query names, or a part of it, themselves.
    """
    clauses = [(tantivy.Occur.Must, query)]
    clauses += [(tantivy.Occur.Should, each) for each in _said(units, analysed_as(language), schema)]
    recent = (("year", str(year - ago), lift) for ago, lift in enumerate(ranking.RECENT))
    for name, value, lift in (*ranking.LIFTS, *recent):
        term = tantivy.Query.term_query(schema, facet_field(name), value, "basic")
        clauses.append((tantivy.Occur.Should, tantivy.Query.const_score_query(term, lift)))
    return tantivy.Query.boolean_query(clauses)


def _said(units: Sequence[Unit], language: str, schema: tantivy.Schema) -> Iterator[tantivy.Query]:
    alone = units if len(units) == 1 else ()
    for each in (each for unit in alone for each in (unit, *unit.inner) if each.words):
        plain = (replace(word, near=()) for word in each.words)
        forms = [_some(_flat({(name, text) for name, text, _ in _fields(word, language)}, schema)) for word in plain]
        either = [_every(forms), *_flat(set(_called(each)), schema)]  # who refers to a name says it as well
        yield tantivy.Query.const_score_query(_some(either), ranking.SAID)


def _valued(name: str, values: Sequence[str], schema: tantivy.Schema) -> tantivy.Query:
    return _some([tantivy.Query.term_query(schema, facet_field(name), value, "basic") for value in values])


def _accepted(within: Within, schema: tantivy.Schema) -> Iterator[tantivy.Query]:
    yield from (_valued(name, values, schema) for name, values in within.filters.items() if values)
    if within.scope is not None:
        yield _inside(within.scope, schema)
    if within.open_on is not None:
        days = within.open_on.toordinal(), date.max.toordinal()
        yield tantivy.Query.range_query(schema, "open_until", tantivy.FieldType.Integer, *days)
    if within.mark:
        yield tantivy.Query.term_query(schema, "marks", within.mark, "basic")


def _inside(scope: Scope, schema: tantivy.Schema) -> tantivy.Query:
    either = [tantivy.Query.term_query(schema, "mentions", scope.record, "basic")]
    of_scope = [(tantivy.Occur.Must, _valued(name, values, schema)) for name, values in scope.values.items() if values]
    if of_scope:
        either.append(tantivy.Query.boolean_query(of_scope))
    return _some(either)


def _phrases(phrases: Sequence[str], language: str, schema: tantivy.Schema) -> Iterator[tantivy.Query]:
    for phrase in phrases:
        forms = dict.fromkeys(map(folded_words, (phrase, restored(phrase, language))))
        either = [_phrase(form.split(), schema) for form in forms if form]
        if either:
            yield _some(either)


def _phrase(forms: Sequence[str], schema: tantivy.Schema) -> tantivy.Query:
    if len(forms) == 1:
        return tantivy.Query.term_query(schema, "exact", forms[0], "freq")
    return tantivy.Query.phrase_query(schema, "exact", list(forms))


def _excluded(texts: Sequence[str], language: str, schema: tantivy.Schema) -> Iterator[tantivy.Query]:
    every = (form for text in texts for form in dict.fromkeys((text, restored(text, language))))
    for each in (word for text in every for word in words(text, language)):
        yield tantivy.Query.term_query(schema, "exact", each.folded, "freq")
        yield tantivy.Query.term_query(schema, stems_field(analysed_as(language)), each.stem, "freq")


def _unit(unit: Unit, language: str, schema: tantivy.Schema, concepts: Concepts) -> tantivy.Query:
    choices = []
    if unit.words:
        choices.append(_every([_form(word, language, schema) for word in unit.words]))
    if unit.inner:
        inner = [_unit(each, language, schema, concepts) for each in unit.inner]
        choices.append(tantivy.Query.boost_query(_every(inner) if unit.whole else _some(inner), ranking.WITHIN))
    for each in unit.linked:
        for role, weight in _roles(each.concept, concepts):
            choices.append(_boosted(schema, role, concepts.terms[each.concept], weight * each.weight))
    if unit.refers:
        refers = [_boosted(schema, name, iri, ranking.REFERS) for name, iri in _called(unit)]
        choices.append(tantivy.Query.disjunction_max_query(refers, 0.0))  # many of a name do not count more
    added = [tantivy.Query.boost_query(_way(each, schema, "freq"), ranking.MEANING) for each in unit.ways]
    for iri in unit.meant:
        added += [_boosted(schema, role, concepts.terms[iri], weight) for role, weight in _roles(iri, concepts)]
    if added and not unit.sole:
        added = [tantivy.Query.const_score_query(_some(added), ranking.ADDED)]
    choices += added
    query = tantivy.Query.disjunction_max_query(choices, ranking.TIE)
    return tantivy.Query.boost_query(query, ranking.NAME) if unit.name else query


def _called(unit: Unit) -> list[tuple[str, str]]:
    """Fields and values of what is called by name, and of the records that refer to it."""
    return [(name, iri) for iri in unit.refers for name in ("key", "mentions")]


def _sure(unit: Unit) -> Unit:
    """A unit without what it may only perhaps mean, where it means something for sure."""
    if unit.meant and not unit.sole:
        unit = replace(unit, meant=(), ways=())  # said by a region, and by nobody else
    sure = tuple(each for each in unit.linked if each.weight == 1.0)
    if not sure and unit.name:
        return replace(unit, words=tuple(replace(word, near=()) for word in unit.words), linked=())
    if not sure:
        return replace(unit, whole=len(unit.words) == 1)
    plain = tuple(replace(word, near=()) for word in unit.words)
    return replace(unit, words=plain, linked=sure, inner=(), ways=())


def _any_of(unit: Unit, language: str, schema: tantivy.Schema, concepts: Concepts) -> tantivy.Query:
    return _any_of_all([unit], language, schema, concepts)


def _any_of_all(units: Iterable[Unit], language: str, schema: tantivy.Schema, concepts: Concepts) -> tantivy.Query:
    terms: set[tuple[str, str]] = set()
    more: list[tantivy.Query] = []
    todo = list(units)
    while todo:
        unit = todo.pop()
        terms |= {(role, concepts.terms[iri]) for iri in unit.concepts for role, _ in _roles(iri, concepts)}
        terms |= set(_called(unit))
        more += [_way(each, schema, "basic") for each in unit.ways]
        fields = [{(name, text) for name, text, _ in _fields(word, language)} for word in unit.words]
        if len(fields) == 1:
            terms |= fields[0]
        elif fields and not unit.inner:
            more.append(_every([_some(_flat(each, schema)) for each in fields]))
        if unit.inner and unit.whole:
            more.append(_every([_any_of(each, language, schema, concepts) for each in unit.inner]))
        else:
            todo += unit.inner  # of a phrase that is looked into one word is enough, so all need not be asked for
    return _some([*_flat(terms, schema), *more])


def _way(way: Way, schema: tantivy.Schema, option: str) -> tantivy.Query:
    """The texts with all words of a way to say something."""
    name = stems_field(way.language)
    terms = [tantivy.Query.term_query(schema, name, each, option) for each in dict.fromkeys(way.telling)]
    return _every(terms)


def _roles(iri: str, concepts: Concepts) -> Iterator[tuple[str, float]]:
    """In which ways a record can be about a concept, and how much each counts."""
    if iri not in concepts.terms:
        return  # a meaning that only a region has; the index knows nothing of it
    if is_meaning(iri):
        yield "named", ranking.MEANING  # nobody tags the meanings of the lexicon, and none is broader than another
        return
    yield "tagged", ranking.TAGGED
    yield "named", ranking.NAMED
    if concepts.narrower(iri):
        yield "broader", ranking.BROADER


def _every(queries: Sequence[tantivy.Query]) -> tantivy.Query:
    if len(queries) == 1:
        return queries[0]
    return tantivy.Query.boolean_query([(tantivy.Occur.Must, query) for query in queries])


def _flat(terms: Set[tuple[str, str]], schema: tantivy.Schema) -> list[tantivy.Query]:
    return [tantivy.Query.term_query(schema, name, text, "basic") for name, text in sorted(terms)]


def _some(queries: Sequence[tantivy.Query], least: int = 1) -> tantivy.Query:
    if len(queries) == 1:
        return queries[0]
    return tantivy.Query.boolean_query(
        [(tantivy.Occur.Should, query) for query in queries], minimum_number_should_match=least
    )


def _form(word: QueryWord, language: str, schema: tantivy.Schema) -> tantivy.Query:
    choices = [
        tantivy.Query.boost_query(tantivy.Query.term_query(schema, name, text, "freq"), weight)
        for name, text, weight in _fields(word, language)
    ]
    return tantivy.Query.disjunction_max_query(choices, ranking.TIE)


def _fields(word: QueryWord, language: str) -> Iterator[tuple[str, str, float]]:
    for text in word.anywhere:
        yield "exact", text, ranking.EXACT
    own = stems_field(language)
    for text in word.common:
        for tag in meant_in(text):
            yield stems_field(tag), stem(text, tag), ranking.STEM
    for text in word.stems:
        yield own, text, ranking.STEM
        yield own, PART + text, ranking.PART
    for text, alike in word.near:
        yield "exact", text, ranking.NEAR * alike
