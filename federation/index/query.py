"""From what somebody typed to a query: words, the concepts they name, and filters.

Plain words need no syntax and no input is wrong. A word matches by its form, by its stem in any
language, or through a concept it names; the strongest of these counts.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import tantivy

from federation.index import ranking
from federation.index.concepts import Concepts
from federation.index.languages import ANALYSED, UNKNOWN, analysed_as, is_stop_word, stem, words
from federation.index.text import TAGS, facet_field

MAX_TEXT = 400
"""Characters of a query that are read; the rest is left out."""
MAX_UNITS = 24


@dataclass(frozen=True, slots=True)
class QueryWord:
    """One word of a query, and its stem in each language."""

    surface: str
    folded: str
    stems: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Unit:
    """A word or a phrase of a query, with the concepts it names."""

    words: tuple[QueryWord, ...]
    concepts: tuple[str, ...]

    @property
    def surface(self) -> str:
        return " ".join(word.surface for word in self.words)


def understand(text: str, language: str, concepts: Concepts) -> list[Unit]:
    """The units of a query: phrases that name concepts first, every other word for itself."""
    text = text[:MAX_TEXT]
    plain = list(words(text, UNKNOWN))
    surfaces = [text[word.start : word.end] for word in plain]
    spotted = {each.first: each for each in concepts.spot_query(text, language)}
    units: list[Unit] = []
    at = 0
    while at < len(plain) and len(units) < MAX_UNITS:
        found = spotted.get(at)
        last = found.last if found else at + 1
        if found or not is_stop_word(surfaces[at], language):
            members = tuple(_word(surface) for surface in surfaces[at:last])
            units.append(Unit(members, found.concepts if found else ()))
        at = last
    if not units and surfaces:
        # Nothing but stop words: then they are what is asked for.
        units = [Unit((_word(surface),), ()) for surface in surfaces[:MAX_UNITS]]
    return units


def _word(surface: str) -> QueryWord:
    stems = {tag: stem(surface, tag) for tag in (*ANALYSED, UNKNOWN)}
    return QueryWord(surface, stems[UNKNOWN], stems)


def build(
    units: Sequence[Unit],
    filters: Mapping[str, Sequence[str]],
    language: str,
    schema: tantivy.Schema,
    *,
    without: str = "",
) -> tantivy.Query:
    """The query for some units and facet filters, one facet's filter left out if it is named ``without``."""
    clauses: list[tuple[tantivy.Occur, tantivy.Query]] = []
    if units:
        wanted = [(tantivy.Occur.Should, _unit(unit, analysed_as(language), schema)) for unit in units]
        clauses.append(
            (
                tantivy.Occur.Must,
                tantivy.Query.boolean_query(wanted, minimum_number_should_match=ranking.needed(len(units))),
            )
        )
    for name, values in filters.items():
        if name != without and values:
            accepted = [tantivy.Query.term_query(schema, facet_field(name), value, "basic") for value in values]
            clauses.append((tantivy.Occur.Must, tantivy.Query.const_score_query(_any(accepted), 0.0)))
    return tantivy.Query.boolean_query(clauses) if clauses else tantivy.Query.all_query()


def _unit(unit: Unit, language: str, schema: tantivy.Schema) -> tantivy.Query:
    choices = [_conjunction([_form(word, language, schema) for word in unit.words])]
    for iri in unit.concepts:
        for role, weight in (
            ("tagged", ranking.TAGGED),
            ("named", ranking.NAMED),
            ("broader", ranking.BROADER),
        ):
            term = tantivy.Query.term_query(schema, role, iri, "basic")
            choices.append(tantivy.Query.boost_query(term, weight))
    return tantivy.Query.disjunction_max_query(choices, ranking.TIE)


def _conjunction(queries: list[tantivy.Query]) -> tantivy.Query:
    if len(queries) == 1:
        return queries[0]
    return tantivy.Query.boolean_query([(tantivy.Occur.Must, query) for query in queries])


def _any(queries: list[tantivy.Query]) -> tantivy.Query:
    if len(queries) == 1:
        return queries[0]
    return tantivy.Query.boolean_query([(tantivy.Occur.Should, query) for query in queries])


def _form(word: QueryWord, language: str, schema: tantivy.Schema) -> tantivy.Query:
    choices = [
        tantivy.Query.boost_query(tantivy.Query.term_query(schema, name, text, "freq"), weight)
        for name, text, weight in _fields(word, language)
    ]
    return tantivy.Query.disjunction_max_query(choices, ranking.TIE)


def _fields(word: QueryWord, language: str) -> Iterator[tuple[str, str, float]]:
    for role, place in (("title", ranking.TITLE), ("text", 1.0)):
        yield f"{role}_exact", word.folded, place * ranking.EXACT
        for tag in TAGS:
            near = ranking.OWN_LANGUAGE if tag == language else ranking.OTHER_LANGUAGE
            yield f"{role}_{tag}", word.stems[tag], near * place
