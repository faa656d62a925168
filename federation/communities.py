"""Communities of practice: what they are about, and what lies inside them, whichever region it comes from.

Which kinds of record can be a community, and by which fields, says the vocabulary (``pc:scope``). Inside are the
records that refer to the community's own, and those with a value of each facet of its scope. Nothing is kept:
everything follows from the records at hand.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Final

from federation.errors import Fault, InvalidRequest
from federation.index.documents import OPEN_QUESTION
from federation.index.hits import Hit
from federation.index.query import Scope
from federation.log.effects import ENDINGS
from federation.records import derived
from federation.records.canonical import PC, Literal, nodes_of
from federation.records.kinds import Kind, Vocabulary
from federation.records.record import SLUG, Record, assemble
from federation.records.values import nearest
from federation.search import MAX_LIMIT, Request, Search
from federation.store.rows import StoredEntry
from federation.store.store import Store

Filters = Mapping[str, tuple[str, ...]]

EVERYTHING: Final[Filters] = {}
LESSONS: Final[Filters] = {"kind": ("lesson",)}
EVENTS: Final[Filters] = {"kind": ("event",)}
MOST: Final = 1_000
"""Records that are looked at, newest first, where something must be read in them that the index does not know."""


@dataclass(frozen=True, slots=True)
class Community:
    """A record that is a community; ``node`` is the short name of the node that publishes it."""

    record: Record
    kind: Kind
    node: str
    own: bool
    scope: Scope

    @property
    def name(self) -> str:
        """What addresses and filters call it at this node."""
        slug = self.record.address.slug
        return slug if self.own else f"{self.node}/{slug}"


class Communities:
    """The communities that a node knows, its own and its peers'."""

    def __init__(self, store: Store, search: Search, vocabulary: Vocabulary) -> None:
        self._store = store
        self._search = search
        self._vocabulary = vocabulary
        self._kinds = {kind.name: kind for kind in vocabulary.authored if kind.scope}

    async def find(self, name: str) -> Community | None:
        """The community of a slug, this node's own before its peers', or of ``node/slug``."""
        node, _, slug = name.rpartition("/")
        if not SLUG.fullmatch(slug):
            return None
        logs = [each for each in await self._store.logs() if node in ("", each.name)]
        iris = {f"{log.base}/records/{kind}/{slug}": log for log in logs for kind in self._kinds}
        held = await self._records(iris)
        return next(
            (self._community(held[iri], log.name, own=log.own) for iri, log in iris.items() if iri in held), None
        )

    async def named(self, name: str) -> Community:
        """The community of a name. Raises InvalidRequest, with the names most like it, where there is none."""
        found = await self.find(name)
        if found is None:
            fault = await self.unknown(name)
            raise InvalidRequest("There is no such community.", faults=[fault])
        return found

    async def unknown(self, name: str) -> Fault:
        """What is said of a name that no community has."""
        near = await self.near(name)
        hint = f"Did you mean {' or '.join(near)}?" if near else "The page /communities lists those there are."
        return Fault(f"There is no community {name[:60]!r} on this node.", hint, field="community")

    async def near(self, name: str) -> tuple[str, ...]:
        """The names of communities that are most like one that is none."""
        known = list[str]()
        for log in await self._store.logs():
            for kind in self._kinds:
                slugs = (iri.rpartition("/")[2] for iri in await self._store.inventory.named(log.id, kind, most=MOST))
                known += [slug if log.own else f"{log.name}/{slug}" for slug in slugs]
        return tuple(nearest(name, known))

    async def every(self) -> list[Community]:
        """Those with a scope, and those of a kind that is a community anyway: the node's own first, then the newest."""
        hits = await self._newest(None, {"kind": tuple(self._kinds)}, MOST, "en")
        held = await self._records(hit.id for hit in hits)
        found = [self._community(held[hit.id], hit.node, own=hit.own) for hit in hits if hit.id in held]
        return sorted((each for each in found if self._is_listed(each)), key=lambda each: not each.own)

    async def inside(self, community: Community, filters: Filters, most: int, language: str) -> list[Hit]:
        """The newest records inside a community, its own record aside."""
        hits = await self._newest(community.scope, filters, most + 1, language)
        return [hit for hit in hits if hit.id != community.record.iri][:most]

    async def questions(self, community: Community, most: int, language: str) -> list[Hit]:
        """The newest questions inside a community that nobody has answered."""
        return await self._newest(community.scope, EVERYTHING, most, language, mark=OPEN_QUESTION)

    async def events(self, community: Community, most: int, language: str, today: date) -> list[tuple[Hit, str]]:
        """The next events inside a community, each with the day, month or year in which it begins."""
        years = tuple(str(today.year + more) for more in range(-1, 4))  # one that began last year may go on
        hits = await self._newest(community.scope, {**EVENTS, "year": years}, MOST, language)
        held = await self._records(hit.id for hit in hits)
        coming = [hit for hit in hits if hit.id in held and not derived.is_over(held[hit.id], today)]
        starts = {hit.id: _start(held[hit.id]) for hit in coming}
        return [(hit, starts[hit.id]) for hit in sorted(coming, key=lambda hit: starts[hit.id])][:most]

    async def _newest(
        self, scope: Scope | None, filters: Filters, most: int, language: str, mark: str = ""
    ) -> list[Hit]:
        found: list[Hit] = []
        while len(found) < most:
            size = min(MAX_LIMIT, most - len(found))
            request = Request(
                "", language, filters, limit=size, offset=len(found), scope=scope, mark=mark, counted=False
            )
            some = await self._search.search(request)
            found += some.hits
            if not some.hits or len(found) >= some.total:
                break
        return found

    async def _records(self, iris: Iterable[str]) -> dict[str, Record]:
        """The current versions of some records by IRI, as far as this node holds them."""
        held = await self._store.currents(iris)
        read = {iri: each for iri, each in held.items() if each.kind not in ENDINGS}
        return await asyncio.to_thread(self._assembled, read)

    def _assembled(self, held: Mapping[str, StoredEntry]) -> dict[str, Record]:
        return {iri: assemble(nodes_of(each.signed.body), self._vocabulary)[0] for iri, each in held.items()}

    def _community(self, record: Record, node: str, *, own: bool) -> Community:
        kind, values = self._kinds[record.kind], dict[str, tuple[str, ...]]()
        for name in kind.scope:
            for value in record.values(kind.by_name[name].path):
                concept = self._vocabulary.concepts.get(str(value))
                facet = self._vocabulary.schemes[concept.scheme].facet if concept is not None else ""
                if concept is not None and facet:
                    values[facet] = (*values.get(facet, ()), concept.code)
        ordered = {facet: values[facet] for facet in self._vocabulary.facets if facet in values}
        return Community(record, kind, node, own, Scope(record.iri, ordered))

    def _is_listed(self, community: Community) -> bool:
        concepts = self._vocabulary.concepts
        own = (concepts.get(str(value)) for _, value in community.record.nodes[community.record.iri])
        return bool(community.scope.values) or any(each is not None and each.community for each in own)


def _start(record: Record) -> str:
    value = record.one(PC + "start")
    return value.value if isinstance(value, Literal) else ""
