"""The log over HTTP: checkpoint, single entries, and the DID document that points to its keys."""

from __future__ import annotations

import hashlib
import json
from datetime import timedelta
from typing import Final

from aiohttp import web

from federation.errors import NotFound
from federation.feed import entry_nquads
from federation.log import checkpoint as checkpoints
from federation.log import did
from federation.log.keys import Keys
from federation.records import jsonld
from federation.web.keys import CLOCK, CONFIG, FEED, LOG, PUBLISHER, STORE, WORKERS
from federation.web.negotiate import choose, is_current

REFRESH: Final = timedelta(hours=12)
"""A checkpoint older than this is signed anew when somebody asks; peers call 72 hours stale."""
ENTRY_FORMS: Final = ("application/ld+json", "application/json", "application/n-quads")


async def checkpoint(request: web.Request) -> web.Response:
    """The newest signed size and root; 304 where the client has it."""
    store, log = request.app[STORE], request.app[LOG]
    text = (await store.log(log.id)).checkpoint
    keys = log.keys
    if keys is not None:
        seen = checkpoints.verify(text, origin=checkpoints.origin_of(request.app[CONFIG].host), key=keys.log_key())
        if seen.age(request.app[CLOCK]()) > REFRESH.total_seconds():
            await request.app[PUBLISHER].refresh_checkpoint()
            text = (await store.log(log.id)).checkpoint
    etag = f'"{hashlib.sha256(text.encode()).hexdigest()[:32]}"'
    headers = {"ETag": etag, "Cache-Control": "no-cache", "Access-Control-Allow-Origin": "*"}
    if is_current(request.headers.get("If-None-Match", ""), etag):
        return web.Response(status=304, headers=headers)
    return web.Response(text=text, headers=headers, content_type="text/plain", charset="utf-8")


async def entry(request: web.Request) -> web.Response:
    """One entry: signed JSON-LD, or N-Quads as on a feed page. It never changes."""
    form = choose(request.headers.get("Accept", ""), ENTRY_FORMS)
    text = request.match_info["position"]
    if not text.isascii() or not text.isdecimal() or len(text) > 15 or (text != "0" and text[0] == "0"):
        raise NotFound(f"The log has no position {text[:20]!r}.")
    position, log_id = int(text), request.app[LOG].id
    found = await request.app[STORE].entries(log_id, position, position + 1)
    if not found:
        raise NotFound(f"The log has no position {position} yet.")
    if form == "application/n-quads":
        body = entry_nquads(request.app[FEED].place, found[0])
    else:
        body = jsonld.dumps(jsonld.signed_view(found[0].signed, request.app[WORKERS].tools.vocabulary))
    headers = {"Cache-Control": "public, max-age=31536000, immutable", "Vary": "Accept"}
    headers["Access-Control-Allow-Origin"] = "*"
    return web.Response(text=body, content_type=form, charset="utf-8", headers=headers)


async def did_document(request: web.Request) -> web.Response:
    """``/.well-known/did.json``."""
    log = await request.app[STORE].log(request.app[LOG].id)
    assert isinstance(log.keys, Keys)
    document = did.document(log.did, log.keys)
    headers = {"Access-Control-Allow-Origin": "*", "Cache-Control": "public, max-age=300"}
    return web.Response(text=json.dumps(document, indent=2), content_type="application/did+json", headers=headers)
