"""What a search gives: records as they are shown, each with the reasons why it was found.

Reasons come from the match itself: the word that matched, the concept through which it did, or what the record
refers to and the query calls by name.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import tantivy

from federation.index.documents import displayed
from federation.index.explanation import Because, Explainer
from federation.index.glossary import NOTHING, Glossary
from federation.index.marking import Segment
from federation.index.names import Named
from federation.index.seen import SeenWords
from federation.index.units import Unit


@dataclass(frozen=True, slots=True)
class Hit:
    """One record found."""

    id: str
    kind: str
    slug: str
    node: str
    own: bool
    log_id: int
    published: str
    title: tuple[str, tuple[Segment, ...]]
    snippet: tuple[str, tuple[Segment, ...]]
    languages: tuple[str, ...]
    score: float
    because: tuple[Because, ...]
    topics: tuple[str, ...]
    """Concepts that say what the record is about."""
    called: str = ""
    """The title of what the query calls by name, where the record is that or refers to it."""


@dataclass(frozen=True, slots=True)
class Understood:
    """How a query was understood: what is compared with a record to say why it was found."""

    language: str
    units: Sequence[Unit] = ()
    names: Sequence[Unit] = ()
    """Concepts that several words together look like."""
    called: Sequence[Named] = ()
    """What is called by name."""
    glossary: Glossary = NOTHING


Scored = Sequence[tuple[float, tantivy.DocAddress]]
"""Records of the index with their scores."""


class Hits:
    """Shows the records that searches of one index find. Safe to use from several threads."""

    def __init__(self, seen: SeenWords, schema: tantivy.Schema) -> None:
        self._seen = seen
        self._schema = schema
        vocabulary = seen.concepts.vocabulary
        self.topics: Collection[str] = frozenset(
            concept.iri for concept in vocabulary.concepts.values() if vocabulary.schemes[concept.scheme].topic
        )
        """Concepts that say what a record is about."""

    def of(self, found: Scored, searcher: tantivy.Searcher, query: Understood) -> Iterator[Hit]:
        """What was found, as it is shown."""
        explainer = Explainer(query.units, self._seen, query.language, query.names, query.glossary)
        shown = [displayed(searcher.doc(address), self._seen.concepts) for _, address in found]
        refer = [(each, self._referring(each.iri, shown, searcher)) for each in query.called if shown]
        for (score, address), display in zip(found, shown, strict=True):
            hit, place = self._hit(display, explainer, float(score)), _place(address)
            called = [each for each, there in refer if each.iri == hit.id or place in there]
            because = (*hit.because, *_by_name(query.units, hit, called))
            if query.units and not because:
                because = self._referred(query.units, hit.id, searcher)
            yield replace(hit, because=because, called=called[0].title if called else "")

    def _hit(self, display: Mapping[str, Any], explainer: Explainer, score: float) -> Hit:
        explained = explainer.explain(display)
        return Hit(
            id=display["id"],
            kind=display["kind"],
            slug=display["slug"],
            node=display["node"],
            own=display["own"],
            log_id=display["log"],
            published=display["published"],
            title=explained.title,
            snippet=explained.snippet,
            languages=tuple(display["title"]),
            score=round(score, 4),
            because=explained.because,
            topics=tuple(iri for iri in display["tagged"] if iri in self.topics),
        )

    def _referring(
        self, iri: str, shown: Sequence[Mapping[str, Any]], searcher: tantivy.Searcher
    ) -> set[tuple[int, int]]:
        """Where the hits lie in the index that refer to a record."""
        must, should = tantivy.Occur.Must, tantivy.Occur.Should
        keys = [(should, tantivy.Query.term_query(self._schema, "key", each["id"], "basic")) for each in shown]
        refers = tantivy.Query.term_query(self._schema, "mentions", iri, "basic")
        wanted = tantivy.Query.boolean_query([(must, refers), (must, tantivy.Query.boolean_query(keys))])
        return {_place(address) for _, address in searcher.search(wanted, len(keys), False).hits}

    def _referred(self, units: Iterable[Unit], iri: str, searcher: tantivy.Searcher) -> tuple[Because, ...]:
        """The words of a query that are codes of a record, or stand in the names of what it refers to.

        A hit does not keep these names, as hardly any is found by them alone; so the index is asked.
        """
        found = dict[str, Because]()
        key = (tantivy.Occur.Must, tantivy.Query.term_query(self._schema, "key", iri, "basic"))
        members = (member for unit in units for member in (unit, *unit.inner))
        for word in (word for member in members for word in member.words if word.surface not in found):
            for form in (*sorted(word.folded), *(near for near, _ in word.near)):
                there = tantivy.Query.term_query(self._schema, "exact", form, "basic")
                if searcher.search(tantivy.Query.boolean_query([key, (tantivy.Occur.Must, there)]), 1, False).hits:
                    how = "code" if any(map(str.isdigit, form)) else "mention"
                    found[word.surface] = Because(how, word.surface, form)
                    break
        return tuple(found.values())


def _place(address: tantivy.DocAddress) -> tuple[int, int]:
    return address.segment_ord, address.doc


def _by_name(units: Sequence[Unit], hit: Hit, called: Iterable[Named]) -> Iterator[Because]:
    """What a hit refers to that the query calls by name, unless it says the name itself."""
    told = {each.word for each in hit.because}
    for each in called:
        said = [unit.surface for unit in units[each.first : each.last]]
        if not told.issuperset(said):
            yield Because("mention", " ".join(said), each.title)
