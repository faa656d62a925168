"""The log as a Linked Data Event Stream: root → sections of 100 pages → pages of 100 members.

A full page and a full section never change; the one open page hangs on the root only and moves into
its section when it is full, so every node has one parent. A page is a function of the entries it
holds, and its bytes are the same on every request. Sources: LDES 1.0, TREE; design section 7.
"""

from __future__ import annotations

import asyncio
import gzip
import hashlib
import math
import time
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from types import MappingProxyType
from typing import Final

import pyoxigraph

from federation.errors import NotFound
from federation.log.trust import activity_of
from federation.records.canonical import AS, DCT, LDES, PC, TREE, TYPE, XSD, Literal, Triple, object_text
from federation.records.proof import PURPOSE, SEC, SUITE
from federation.store.rows import StoredEntry
from federation.store.store import Store

FRESH: Final = 2.0
"""Seconds for which pages kept ready are served without looking for erasures by other processes."""
PAGE: Final = 100
"""Members of a full page."""
SECTION: Final = 100
"""Pages of a full section."""


class Format(Enum):
    """The forms a page comes in, by media type."""

    TRIG = "application/trig"
    NQUADS = "application/n-quads"
    JSONLD = "application/ld+json"


@dataclass(frozen=True, slots=True)
class Rendered:
    """A page ready to be sent: its bytes gzipped, a strong ETag, and whether it is final.

    Only the gzipped form is kept: it is a ninth of the plain one, and nearly every client asks for it.
    """

    zipped: bytes
    etag: str
    immutable: bool

    def plain(self) -> bytes:
        """The bytes as they were rendered; about a millisecond of work."""
        return gzip.decompress(self.zipped)


@dataclass(frozen=True, slots=True)
class Place:
    """Where a feed is served and whose log it shows; equal for a node's own feed."""

    base: str
    polling: int

    @property
    def root(self) -> str:
        return f"{self.base}/feed"

    @property
    def stream(self) -> str:
        return f"{self.base}/feed#stream"

    def section(self, section: int, generation: int = 0) -> str:
        return f"{self.root}/{named(section, generation)}"

    def page(self, number: int, generation: int = 0) -> str:
        """The address of page ``number``, counted over all sections."""
        return f"{self.root}/{number // SECTION}/{named(number % SECTION, generation)}"

    def member(self, position: int) -> str:
        return f"{self.base}/log/{position}"


def named(number: int, generation: int) -> str:
    """The last part of the address of a page or section: ``7``, and ``7-2`` after two erasures in it."""
    return f"{number}-{generation}" if generation else str(number)


class Generations:
    """How often the pages and sections of a log were changed by erasures.

    An immutable page may not change (LDES 1.0), so it gets a new address with every erasure that touches it.
    """

    def __init__(self, erasures: Mapping[int, int] = MappingProxyType({})) -> None:
        """``erasures`` gives for every erased position the one of its erasure."""
        self._pages: dict[int, set[int]] = {}
        self._sections: dict[int, set[int]] = {}
        for position, by in erasures.items():
            self._pages.setdefault(position // PAGE, set()).add(by)
            self._sections.setdefault(position // PAGE // SECTION, set()).add(by)

    def page(self, number: int) -> int:
        return len(self._pages.get(number, ()))

    def section(self, section: int) -> int:
        return len(self._sections.get(section, ()))


NEVER: Final = Generations()
"""Of a log in which nothing was erased."""


def _integer(number: int) -> Literal:
    return Literal(str(number), XSD + "integer")


def _node(place: Place, subject: str, *, immutable: bool) -> Iterator[Triple]:
    yield place.stream, TYPE, LDES + "EventStream"
    yield place.stream, TYPE, TREE + "Collection"
    yield subject, TYPE, TREE + "Node"
    if immutable:
        yield subject, LDES + "immutable", Literal("true", XSD + "boolean")


def _relation(subject: str, node: str, lower: int, upper: int | None) -> Iterator[Triple]:
    bounds = [("GreaterThanOrEqualToRelation", lower)]
    if upper is not None:
        bounds.append(("LessThanRelation", upper))
    for name, bound in bounds:
        relation = f"{subject}#{'from' if bound == lower else 'to'}-{bound}"
        yield subject, TREE + "relation", relation
        yield relation, TYPE, TREE + name
        yield relation, TREE + "node", node
        yield relation, TREE + "path", PC + "position"
        yield relation, TREE + "value", _integer(bound)


def root_triples(place: Place, size: int, changed: Generations = NEVER) -> list[Triple]:
    """The root of a feed over ``size`` entries: context, sections, and the open page if there is one."""
    root, stream = place.root, place.stream
    triples = [
        *_node(place, root, immutable=False),
        (stream, TREE + "view", root),
        (stream, LDES + "sequencePath", PC + "position"),
        (stream, LDES + "timestampPath", AS + "published"),
        (stream, LDES + "versionOfPath", AS + "object"),
        (stream, LDES + "versionSequencePath", PC + "position"),
        (stream, LDES + "versionCreateObject", AS + "Create"),
        (stream, LDES + "versionUpdateObject", AS + "Update"),
        (stream, LDES + "versionDeleteObject", AS + "Delete"),
        (stream, LDES + "pollingInterval", _integer(place.polling)),
    ]
    closed = size // PAGE
    for section in range(0, (closed + SECTION - 1) // SECTION):
        first = section * SECTION * PAGE
        upper = min((section + 1) * SECTION, closed) * PAGE
        triples += _relation(root, place.section(section, changed.section(section)), first, upper)
    if size % PAGE:
        triples += _relation(root, place.page(closed, changed.page(closed)), closed * PAGE, None)
    return triples


def section_triples(place: Place, section: int, size: int, changed: Generations = NEVER) -> list[Triple]:
    """A section: its closed pages. Raises NotFound for a section that has none yet."""
    first, last = section * SECTION, min((section + 1) * SECTION, size // PAGE)
    if not first < last:
        raise NotFound(f"The feed has no section {section}.")
    subject = place.section(section, changed.section(section))
    triples = list(_node(place, subject, immutable=last - first == SECTION))
    for number in range(first, last):
        triples += _relation(subject, place.page(number, changed.page(number)), number * PAGE, (number + 1) * PAGE)
    return triples


def _member_lines(place: Place, entry: StoredEntry) -> str:
    member, proof = place.member(entry.position), f"_:p{entry.position}"
    activity = activity_of(entry.kind, entry.version)
    created = object_text(Literal(entry.published, XSD + "dateTime"))
    return (
        f"<{place.stream}> <{TREE}member> <{member}> .\n"
        f"<{member}> <{TYPE}> <{AS}{activity}> .\n"
        f"<{member}> <{AS}object> <{entry.record}> .\n"
        f"<{member}> <{AS}published> {created} .\n"
        f"<{member}> <{PC}position> {object_text(_integer(entry.position))} .\n"
        f"<{member}> <{SEC}proof> {proof} .\n"
        f"{proof} <{TYPE}> <{SEC}DataIntegrityProof> .\n"
        f"{proof} <{DCT}created> {created} .\n"
        f'{proof} <{SEC}cryptosuite> "{SUITE}"^^<{SEC}cryptosuiteString> .\n'
        f"{proof} <{SEC}proofPurpose> <{SEC}{PURPOSE}> .\n"
        f"{proof} <{SEC}verificationMethod> <{entry.signed.proof.method}> .\n"
        f'{proof} <{SEC}proofValue> "{entry.signed.proof.value}"^^<{SEC}multibase> .\n'
    )


def _erased_lines(place: Place, entry: StoredEntry) -> str:
    """What is left of an erased entry: no member of the stream, but its place in the tree stays provable."""
    member, leaf = place.member(entry.position), Literal(entry.leaf.hex().upper(), XSD + "hexBinary")
    return (
        f"<{member}> <{PC}position> {object_text(_integer(entry.position))} .\n"
        f"<{member}> <{PC}leafHash> {object_text(leaf)} .\n"
    )


def entry_nquads(place: Place, entry: StoredEntry) -> str:
    """One entry as N-Quads: what the page says of it, then its body in the graph of its name."""
    if entry.erased_by is not None:
        return _erased_lines(place, entry)
    graph = f"<{place.member(entry.position)}> ."
    lines = entry.signed.body.split("\n")[:-1]
    return _member_lines(place, entry) + "".join(f"{line[:-1]}{graph}\n" for line in lines)


def _lines(triples: Iterable[Triple]) -> str:
    return "".join(f"<{s}> <{p}> {object_text(o)} .\n" for s, p, o in triples)


def render(place: Place, head: Sequence[Triple], entries: Sequence[StoredEntry], form: Format) -> bytes:
    """The bytes of a page in one form: hypermedia first, then member by member."""
    if form is Format.TRIG:
        blocks = (
            _erased_lines(place, entry)
            if entry.erased_by is not None
            else f"{_member_lines(place, entry)}<{place.member(entry.position)}> {{\n{entry.signed.body}}}\n"
            for entry in entries
        )
        return (_lines(head) + "".join(blocks)).encode()
    nquads = (_lines(head) + "".join(entry_nquads(place, entry) for entry in entries)).encode()
    if form is Format.NQUADS:
        return nquads
    quads = pyoxigraph.parse(nquads, format=pyoxigraph.RdfFormat.N_QUADS)
    return pyoxigraph.serialize(quads, format=pyoxigraph.RdfFormat.JSON_LD) or b""


def _finish(place: Place, head: Sequence[Triple], entries: Sequence[StoredEntry], form: Format) -> Rendered:
    plain = render(place, head, entries, form)
    immutable = any(path == LDES + "immutable" for _, path, _ in head)
    # Level 3: an eighth larger than 6 on such text, and half the work when a peer asks for everything.
    zipped = gzip.compress(plain, 3, mtime=0)
    return Rendered(zipped, hashlib.sha256(plain).hexdigest()[:32], immutable)


_Key = tuple[int, int, Format]
"""A page by its number and generation, in a form."""


class Feed:
    """The feed of one log, page by page; final pages are kept ready within ``cache_bytes``."""

    def __init__(self, store: Store, log_id: int, place: Place, *, cache_bytes: int) -> None:
        self._store = store
        self._log_id = log_id
        self.place = place
        self._room = cache_bytes
        self._ready: OrderedDict[_Key, Rendered] = OrderedDict()
        self._looked = -math.inf

    def ready(self, number: int, generation: int, form: Format) -> Rendered | None:
        """A final page that is at hand, without waiting for anything; none where it may have been changed."""
        if time.monotonic() - self._looked > FRESH:
            return None
        key = (number, generation, form)
        found = self._ready.get(key)
        if found is not None:
            self._ready.move_to_end(key)
        return found

    async def changed(self) -> Generations:
        """The generations as they stand; pages of earlier ones are forgotten."""
        changed = Generations(await self._store.erasures(self._log_id))
        self._looked = time.monotonic()
        for key in [key for key in self._ready if key[1] != changed.page(key[0])]:
            self._room += len(self._ready.pop(key).zipped)
        return changed

    async def root(self, form: Format) -> Rendered:
        size, changed = await self._size(), await self.changed()
        return await asyncio.to_thread(_finish, self.place, root_triples(self.place, size, changed), (), form)

    async def section(self, section: int, form: Format) -> Rendered:
        """Raises NotFound for a section that does not exist yet."""
        size, changed = await self._size(), await self.changed()
        head = section_triples(self.place, section, size, changed)
        return await asyncio.to_thread(_finish, self.place, head, (), form)

    async def page(self, number: int, form: Format) -> Rendered:
        """A page as it is now. Raises NotFound for one that does not exist yet."""
        size, changed = await self._size(), await self.changed()
        generation = changed.page(number)
        found = self.ready(number, generation, form)
        if found is not None:
            return found
        start, stop = number * PAGE, min((number + 1) * PAGE, size)
        if not start < stop:
            raise NotFound(f"The feed has no page {number // SECTION}/{number % SECTION}.")
        entries = await self._store.entries(self._log_id, start, stop)
        closed = stop - start == PAGE
        head = list(_node(self.place, self.place.page(number, generation), immutable=closed))
        rendered = await asyncio.to_thread(_finish, self.place, head, entries, form)
        if closed:
            self._keep((number, generation, form), rendered)
        return rendered

    async def _size(self) -> int:
        return (await self._store.log(self._log_id)).verified_size

    def _keep(self, key: _Key, rendered: Rendered) -> None:
        if key in self._ready or (len(rendered.zipped) > self._room and not self._ready):
            return  # several ask at once for a page that has just closed
        self._ready[key] = rendered
        self._room -= len(rendered.zipped)
        while self._room < 0 and self._ready:
            _, dropped = self._ready.popitem(last=False)
            self._room += len(dropped.zipped)
