"""A peer that misbehaves: real keys, log and pages in memory, behind a real server on loopback.

It publishes honestly until told otherwise. ``altering`` changes the bytes of an answer, ``answering``
replaces it; both name a path or a prefix of one. Whatever it does is undone with ``honest``, so a test
can show that a node recovers by itself.
"""

from __future__ import annotations

import asyncio
import gzip
import hashlib
import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from aiohttp import web
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from federation import feed
from federation.feed import PAGE, Format, Place
from federation.log import checkpoint, did, keys
from federation.log.keys import Declaration, next_key_hash
from federation.log.merkle import Frontier
from federation.log.times import timestamp
from federation.records.canonical import PC, TYPE, XSD, Literal, nodes_of, write
from federation.records.draft import Draft, statements
from federation.records.kinds import Vocabulary
from federation.records.multikey import encode_public
from federation.records.proof import Signer, sign
from federation.records.record import assemble, managed
from federation.records.values import Naming
from federation.store.keyfiles import PrivateKeys
from federation.store.store import StoredEntry
from tests.conftest import LICENCE, FakeClock, pilot

Alteration = Callable[[bytes], bytes]
Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass
class SimulatedPeer:
    """One misbehaving peer. ``requests`` lists every path that was asked for."""

    base: str
    vocabulary: Vocabulary
    clock: FakeClock
    private: PrivateKeys = field(
        default_factory=lambda: PrivateKeys(Ed25519PrivateKey.generate(), Ed25519PrivateKey.generate())
    )
    entries: list[StoredEntry] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)
    form: Format = Format.TRIG
    """What its pages of entries are written in."""
    alterations: dict[str, Alteration] = field(default_factory=dict)
    answers: dict[str, Answer] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.did = did.did_of(self.base)
        self.place = Place(self.base, 300)
        self.next = Ed25519PrivateKey.generate()
        self.events: list[tuple[Declaration, str]] = []
        self.declare(Declaration(self.private.public, 0, next_key_hash(encode_public(self.next.public_key()))))

    # Publishing

    def append(self, body: str, *, signer: Signer | None = None, created: str = "") -> StoredEntry:
        """Sign any body and put it at the end of the log."""
        verified = sign(
            body, signer or Signer(self.did, self.private.record), created=created or timestamp(self.clock())
        )
        record, _ = assemble(nodes_of(body), self.vocabulary)
        proof = verified.signed.proof
        entry = StoredEntry(
            1, len(self.entries), record.iri, record.kind, record.version, proof.created, verified.signed,
            verified.leaf, "",
        )  # fmt: skip
        self.entries.append(entry)
        return entry

    def body_of(self, draft: Draft, *, version: int = 1, base: str = "", publisher: str = "") -> str:
        """The canonical body of a draft, published here or, for a forgery, in somebody's name."""
        naming = Naming(base or self.base, publisher or self.did, LICENCE)
        triples, faults = statements(draft, self.vocabulary, naming)
        assert not faults, faults
        now = timestamp(self.clock())
        subject = naming.record(draft.kind, draft.slug)
        return write([*triples, *managed(subject, naming.did, version, now, now)])

    def publish(self, *slugs: str, version: int = 1) -> None:
        """Publish short pilots."""
        for slug in slugs:
            self.append(self.body_of(pilot(slug), version=version))

    def declare(self, declared: Declaration, *, signer: Ed25519PrivateKey | None = None) -> None:
        """Append a key event, signed by the key in force or, for a forgery, by another."""
        now, new = timestamp(self.clock()), self.private.record if declared.sequence else None
        body = keys.event(self.base, self.did, declared, issued=now, new=new)
        self.append(body, signer=Signer(self.did, signer or self.private.record))
        self.events.append((declared, now))

    def rotate(self, *, compromised_from: int | None = None) -> None:
        """Put the announced key in force, with another log key, and announce one more."""
        old, self.private = self.private.record, PrivateKeys(self.next, Ed25519PrivateKey.generate())
        self.next = Ed25519PrivateKey.generate()
        coming = next_key_hash(encode_public(self.next.public_key()))
        self.declare(
            Declaration(self.private.public, len(self.events), coming, compromised_from=compromised_from), signer=old
        )

    def recover(self) -> str:
        """Go on with new keys after all were lost; the fingerprint that people have to confirm."""
        self.private = PrivateKeys(Ed25519PrivateKey.generate(), Ed25519PrivateKey.generate())
        self.next = Ed25519PrivateKey.generate()
        coming = next_key_hash(encode_public(self.next.public_key()))
        self.declare(Declaration(self.private.public, len(self.events), coming, recovery=True))
        return keys.fingerprint(self.entries[-1].signed.body)

    def end(
        self, slug: str, kind: str = "withdrawal", *, erases: Sequence[int] | None = None, version: int = 9
    ) -> None:
        """Withdraw or erase a pilot; ``erases`` names other positions than its own, for a forgery."""
        iri, now = f"{self.base}/records/pilot/{slug}", timestamp(self.clock())
        triples = [(iri, TYPE, PC + kind.title()), *managed(iri, self.did, version, now, now)]
        triples.append((iri, PC + "reason", Literal("Niet meer juist.", "", "nl")))
        if kind == "erasure":
            own = [each.position for each in self.entries if each.record == iri]
            positions = own if erases is None else erases
            triples += [(iri, PC + "erases", Literal(str(position), XSD + "integer")) for position in positions]
        self.append(write(triples))
        if kind == "erasure" and erases is None:
            by = len(self.entries) - 1
            for position in own:
                self.entries[position] = replace(self.entries[position], erased_by=by)

    # Misbehaving

    def altering(self, path: str, change: Alteration) -> None:
        """Change the bytes of the answers whose path begins so."""
        self.alterations[path] = change

    def answering(self, path: str, answer: Answer) -> None:
        """Answer in place of the node for the paths that begin so."""
        self.answers[path] = answer

    def saying(self, *logs: Mapping[str, str], forks: Sequence[object] = ()) -> None:
        """Say that it has verified checkpoints of other logs, and has found forks, whatever these are."""
        body = json.dumps({"node": self.did, "logs": logs, "forks": forks}).encode()

        async def seen(request: web.Request) -> web.StreamResponse:
            return web.Response(body=body, content_type="application/json")

        async def checkpoint(request: web.Request) -> web.StreamResponse:
            return web.Response(text=self.checkpoint, headers={"Log-Seen": hashlib.sha256(body).hexdigest()[:16]})

        self.answering("/log/seen", seen)
        self.answering("/log/checkpoint", checkpoint)

    def honest(self) -> None:
        """From now on behave."""
        self.alterations.clear()
        self.answers.clear()

    # Serving

    @property
    def checkpoint(self) -> str:
        frontier = Frontier().append(entry.leaf for entry in self.entries)
        origin = checkpoint.origin_of(did.host_of(self.base))
        return checkpoint.sign(origin, frontier.size, frontier.root, self.private.log, now=self.clock())

    def page(self, number: int, form: Format = Format.NQUADS) -> bytes:
        entries = self.entries[number * PAGE : (number + 1) * PAGE]
        address = self.place.page(number, self.changed.page(number))
        head = list(feed._node(self.place, address, immutable=len(entries) == PAGE))
        return feed.render(self.place, head, entries, form)

    @property
    def changed(self) -> feed.Generations:
        return feed.Generations({e.position: e.erased_by for e in self.entries if e.erased_by is not None})

    def content(self, path: str) -> tuple[bytes, str]:
        size = len(self.entries)
        if path == "/.well-known/did.json":
            document = did.document(self.did, self.events)
            return json.dumps(document).encode(), "application/did+json"
        if path == "/log/checkpoint":
            return self.checkpoint.encode(), "text/plain"
        nquads = Format.NQUADS.value
        parts = path.removeprefix("/feed").strip("/").split("/")
        if parts == [""]:
            return feed.render(self.place, feed.root_triples(self.place, size, self.changed), (), Format.NQUADS), nquads
        if len(parts) == 1:
            head = feed.section_triples(self.place, int(parts[0].split("-")[0]), size, self.changed)
            return feed.render(self.place, head, (), Format.NQUADS), nquads
        number = int(parts[0]) * feed.SECTION + int(parts[1].split("-")[0])
        return self.page(number, self.form), self.form.value

    async def handle(self, request: web.Request) -> web.StreamResponse:
        self.requests.append(request.path)
        for path, answer in self.answers.items():
            if request.path.startswith(path):
                return await answer(request)
        body, media_type = self.content(request.path)
        for path, change in self.alterations.items():
            if request.path.startswith(path):
                body = change(body)
        return web.Response(body=body, headers={"Content-Type": media_type})


def status(code: int, **headers: str) -> Answer:
    """An answer with a status and nothing else; header names with ``_`` for ``-``."""

    async def answer(request: web.Request) -> web.StreamResponse:
        return web.Response(status=code, headers={k.replace("_", "-"): v for k, v in headers.items()})

    return answer


def cut_short(peer: SimulatedPeer) -> Answer:
    """Half of what was announced, then the connection is closed."""

    async def answer(request: web.Request) -> web.StreamResponse:
        body, media_type = peer.content(request.path)
        response = web.StreamResponse(headers={"Content-Type": media_type, "Content-Length": str(len(body))})
        await response.prepare(request)
        await response.write(body[: len(body) // 2])
        assert request.transport is not None
        request.transport.close()
        return response

    return answer


def dripping(chunk: bytes, every: float) -> Answer:
    """A body that never ends, a chunk at a time."""

    async def answer(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": Format.NQUADS.value})
        await response.prepare(request)
        try:
            while True:
                await response.write(chunk)
                await asyncio.sleep(every)
        except (ConnectionError, asyncio.CancelledError):
            return response

    return answer


def bomb(size: int) -> Answer:
    """A small gzip body that decompresses to ``size`` bytes."""
    body = gzip.compress(b"\n" * size)

    async def answer(request: web.Request) -> web.StreamResponse:
        headers = {"Content-Type": Format.NQUADS.value, "Content-Encoding": "gzip"}
        return web.Response(body=body, headers=headers)

    return answer


def redirecting(target: str) -> Answer:
    return status(302, Location=target)
