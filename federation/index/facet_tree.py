"""The values of the facets of code lists, and what each lies in: a strategy in its group, a region in its country."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

from federation.records.kinds import Concept, Scheme, Texts, Vocabulary


@dataclass(frozen=True, slots=True)
class Value:
    """A value of a facet: its names, and the value it lies in, if any."""

    labels: Texts
    within: str | None = None


class FacetTree:
    """What lies in what: below are narrower concepts, and the members of collections."""

    def __init__(self, vocabulary: Vocabulary) -> None:
        self._vocabulary = vocabulary

    @cached_property
    def values(self) -> Mapping[str, Mapping[str, Value]]:
        """By facet and code, in the order of the code lists."""
        found: dict[str, dict[str, Value]] = {}
        for scheme in sorted(self._vocabulary.schemes.values(), key=lambda each: (each.order, each.iri)):
            if not scheme.facet:
                continue
            values = found.setdefault(scheme.facet, {})
            for group in scheme.collections:
                values.setdefault(group.code, Value(group.labels))
            for concept in scheme.concepts.values():
                if self._shown_as(concept) is concept:
                    values.setdefault(concept.code, Value(concept.labels, self._within(concept, scheme)))
        return found

    def codes(self, iri: str) -> Iterator[tuple[str, str]]:
        """Facet and code of a concept, and of everything that its value lies in; nothing where it makes no facet."""
        concept = self._vocabulary.concepts.get(iri)
        if concept is None:
            return
        facet = self._facet(concept)
        if not facet:
            return
        code = self._shown_as(concept).code
        yield from ((facet, each) for each in (code, *self.above(facet, code)))

    def above(self, facet: str, code: str) -> Iterator[str]:
        """What a value lies in, the nearest first."""
        value = self.values.get(facet, {}).get(code)
        while value is not None and value.within is not None:
            yield value.within
            value = self.values[facet][value.within]

    def _facet(self, concept: Concept) -> str:
        return self._vocabulary.schemes[concept.scheme].facet

    def _within(self, concept: Concept, scheme: Scheme) -> str | None:
        for broader in self._broader(concept):
            return self._shown_as(broader).code
        return next((each.code for each in scheme.collections if concept.iri in each.members), None)

    def _broader(self, concept: Concept) -> Iterator[Concept]:
        """What a concept lies in that makes the same facet."""
        known = self._vocabulary.concepts
        above = (known[iri] for iri in concept.broader if iri in known)
        return (each for each in above if self._facet(each) == self._facet(concept))

    def _shown_as(self, concept: Concept) -> Concept:
        """The concept under which it is counted, itself as a rule.

        NUTS has countries as well, and levels at which an area of the same name has only one part.
        """
        for broader in self._broader(concept):
            if broader.scheme != concept.scheme or {*broader.labels.values()} & {*concept.labels.values()}:
                return self._shown_as(broader)
        return concept
