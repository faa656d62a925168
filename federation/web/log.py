"""The log over HTTP: checkpoint, single entries, and the DID document that points to its keys."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import Sequence
from datetime import timedelta
from typing import Final

from aiohttp import web

from federation import gossip
from federation.errors import BadCheckpoint, Gone, NotFound
from federation.feed import entry_nquads
from federation.log import checkpoint as checkpoints
from federation.log import did
from federation.log.keys import KIND, declared
from federation.peers.transport import SEEN
from federation.records import jsonld
from federation.store.rows import Log, StoredEntry
from federation.web.feed import mirrored
from federation.web.keys import CLOCK, CONFIG, FEED, LOG, OWN, STORE, WORKERS
from federation.web.negotiate import accepted, choose, is_current

REFRESH: Final = timedelta(hours=12)
"""A checkpoint older than this is signed anew when somebody asks; peers call 72 hours stale."""
RETIRED: Final = 100
"""Keys that a DID document remembers, the newest: peers read 64 KiB of one. The log has all of them."""
ENTRY_FORMS: Final = ("application/ld+json", "application/json", "application/n-quads")


async def checkpoint(request: web.Request) -> web.Response:
    """The newest signed size and root; 304 where the client has it."""
    store = request.app[STORE]
    log = await store.log(request.app[LOG].id)
    if log.keys is not None:
        origin = checkpoints.origin_of(request.app[CONFIG].host)
        try:
            seen = checkpoints.verify(log.checkpoint, origin=origin, key=log.keys.log_key())
            old = seen.age(request.app[CLOCK]()) > REFRESH.total_seconds()
        except BadCheckpoint:
            old = True  # keys were changed behind it, or come back with entries that are not proved yet
        if old:
            await request.app[OWN].refresh_checkpoint()
            log = await store.log(log.id)
    response = _note(request, log.checkpoint)
    response.headers[SEEN] = await gossip.digest(store)
    return response


async def seen(request: web.Request) -> web.Response:
    """``/log/seen``: what this node has verified of others, and the forks it has found."""
    app = request.app
    own = await app[STORE].log(app[LOG].id)
    document = await gossip.statement(app[STORE], app[OWN], own)
    headers = {"Access-Control-Allow-Origin": "*", "Cache-Control": "no-cache"}
    return web.json_response(document, headers=headers)


async def mirrored_checkpoint(request: web.Request) -> web.Response:
    """``/mirror/{host}/log/checkpoint``: the newest one of its owner that this node has verified."""
    return _note(request, (await mirrored(request)).checkpoint)


def _note(request: web.Request, text: str) -> web.Response:
    etag = f'"{hashlib.sha256(text.encode()).hexdigest()[:32]}"'
    headers = {"ETag": etag, "Cache-Control": "no-cache", "Access-Control-Allow-Origin": "*"}
    if is_current(request.headers.get("If-None-Match", ""), etag):
        return web.Response(status=304, headers=headers)
    return web.Response(text=text, headers=headers, content_type="text/plain", charset="utf-8")


async def entry(request: web.Request) -> web.Response:
    """One entry: signed JSON-LD, or N-Quads as on a feed page. It never changes, but it can be erased."""
    form = choose(accepted(request), ENTRY_FORMS)
    text = request.match_info["position"]
    if not text.isascii() or not text.isdecimal() or len(text) > 15 or (text != "0" and text[0] == "0"):
        raise NotFound(f"The log has no position {text[:20]!r}.")
    position, log = int(text), await request.app[STORE].log(request.app[LOG].id)
    found = await request.app[STORE].entries(log.id, position, position + 1)
    if not found or position >= log.verified_size:
        raise NotFound(f"The log has no position {position} yet.")
    if found[0].erased_by is not None:
        raise Gone(
            f"Entry {position} was erased by entry {found[0].erased_by}; its leaf hash is {found[0].leaf.hex()}.",
            remedy=f"See {request.app[CONFIG].base}/log/{found[0].erased_by} for the reason.",
        )
    if form == "application/n-quads":
        body = entry_nquads(request.app[FEED].place, found[0])
    else:
        body = jsonld.dumps(jsonld.signed_view(found[0].signed, request.app[WORKERS].tools.vocabulary))
    # Not for good: an entry may have to be erased one day.
    headers = {"Cache-Control": "public, max-age=3600", "Vary": "Accept"}
    headers["Access-Control-Allow-Origin"] = "*"
    return web.Response(text=body, content_type=form, charset="utf-8", headers=headers)


async def did_document(request: web.Request) -> web.Response:
    """``/.well-known/did.json``: the keys in force, and the retired ones with the time they ended."""
    return await _document(request, await request.app[STORE].log(request.app[LOG].id))


async def mirrored_did_document(request: web.Request) -> web.Response:
    """``/mirror/{host}/.well-known/did.json``: what the log of its owner declares, as far as it is held here."""
    return await _document(request, await mirrored(request))


async def _document(request: web.Request, log: Log) -> web.Response:
    events = await request.app[STORE].inventory.newest_of_kind(log.id, KIND, RETIRED + 1)
    text = await asyncio.to_thread(_did_document, log.did, events)  # of a peer's changes of keys there may be many
    headers = {"Access-Control-Allow-Origin": "*", "Cache-Control": "public, max-age=300"}
    return web.Response(text=text, content_type="application/did+json", headers=headers)


def _did_document(of: str, events: Sequence[StoredEntry]) -> str:
    return json.dumps(did.document(of, [(declared(each.signed.body), each.published) for each in events]), indent=2)
