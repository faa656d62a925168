"""The feed over HTTP: pages as they are kept, with strong ETags, 304, gzip and immutability.

The same for the node's own log and for its copies of others' (``/mirror/{host}``), which are served
word for word: their addresses, signatures and checkpoints are those of their owner.
"""

from __future__ import annotations

import asyncio
import re
from typing import Final

from aiohttp import web

from federation.errors import NotFound
from federation.feed import SECTION, Feed, Format, Generations, Place, Rendered, named
from federation.log import did
from federation.store.rows import Log
from federation.web.keys import CONFIG, FEED, LOG, MIRRORS, STORE
from federation.web.negotiate import accepted, choose, is_current, takes_gzip

OFFERED: Final = tuple(form.value for form in Format)
FOR_GOOD: Final = "public, max-age=31536000, immutable"
_NUMBER: Final = re.compile(r"(0|[1-9][0-9]{0,8})(?:-([1-9][0-9]{0,8}))?")


def _form(request: web.Request) -> Format:
    return Format(choose(accepted(request), OFFERED))


async def mirrored(request: web.Request) -> Log:
    """The log that an address below ``/mirror/{host}`` is about. Raises NotFound for one that is not held."""
    host = request.match_info["host"].lower()
    for log in await request.app[STORE].logs():
        if did.host_of(log.base) == host and log.verified_size:
            return log
    raise NotFound(f"This node holds no log of {host[:100]}.", remedy="See /network for those it holds.")


async def _feed(request: web.Request) -> Feed:
    if "host" not in request.match_info:
        return request.app[FEED]
    log, config, mirrors = await mirrored(request), request.app[CONFIG], request.app[MIRRORS]
    if log.id == request.app[LOG].id:
        return request.app[FEED]
    if log.id not in mirrors:
        every = next((peer.every for peer in config.peers if peer.did == log.did), 300)
        room = config.limits.cache_bytes // 8
        mirrors[log.id] = Feed(request.app[STORE], log.id, Place(log.base, every), cache_bytes=room)
    return mirrors[log.id]


async def root(request: web.Request) -> web.Response:
    form = _form(request)
    return await send(request, await (await _feed(request)).root(form), form)


async def section(request: web.Request) -> web.Response:
    form, feed = _form(request), await _feed(request)
    number, generation = _number(request, "section")
    current = (await feed.changed()).section(number)
    if current != generation:
        return _moved(request, number, generation, current)
    return await send(request, await feed.section(number, form), form)


async def page(request: web.Request) -> web.Response:
    form, feed = _form(request), await _feed(request)
    (section, _), (within, generation) = _number(request, "section"), _number(request, "page")
    if within >= SECTION:
        raise NotFound(f"A section of the feed has no page {within}.")
    number = section * SECTION + within
    rendered = feed.ready(number, generation, form)
    if rendered is None:
        changed: Generations = await feed.changed()
        if changed.page(number) != generation:
            return _moved(request, within, generation, changed.page(number))
        rendered = await feed.page(number, form)
    return await send(request, rendered, form)


def _number(request: web.Request, name: str) -> tuple[int, int]:
    """Number and generation in an address such as ``7`` or ``7-2``."""
    text = request.match_info[name]
    match = _NUMBER.fullmatch(text)
    if match is None:
        raise NotFound(f"The feed has no {name} {text[:20]!r}.")
    return int(match[1]), int(match[2] or 0)


def _moved(request: web.Request, number: int, generation: int, current: int) -> web.Response:
    """Where a page went when something on it was erased: an immutable one may only redirect (LDES 1.0)."""
    if generation > current:
        raise NotFound(f"The feed has no page {named(number, generation)} yet.")
    place = f"{request.path.rpartition('/')[0]}/{named(number, current)}"
    headers = {"Location": place, "Cache-Control": "no-cache", "Access-Control-Allow-Origin": "*"}
    return web.Response(status=301, headers=headers)


async def send(request: web.Request, rendered: Rendered, form: Format) -> web.Response:
    """A page, or 304 where the client has it."""
    zipped = takes_gzip(request)
    etag = f'"{rendered.etag}-{form.name.lower()}{"-gzip" if zipped else ""}"'
    headers = {
        "ETag": etag,
        "Vary": "Accept, Accept-Encoding",
        "Cache-Control": FOR_GOOD if rendered.immutable else "public, max-age=0, must-revalidate",
        "Access-Control-Allow-Origin": "*",
    }
    if is_current(request.headers.get("If-None-Match", ""), etag):
        return web.Response(status=304, headers=headers)
    headers["Content-Type"] = form.value
    if zipped:
        headers["Content-Encoding"] = "gzip"
    body = rendered.zipped if zipped else await asyncio.to_thread(rendered.plain)
    return web.Response(body=body, headers=headers)
