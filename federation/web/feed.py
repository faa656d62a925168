"""The feed over HTTP: pages as they are kept, with strong ETags, 304, gzip and immutability."""

from __future__ import annotations

import asyncio
from typing import Final

from aiohttp import web

from federation.errors import NotFound
from federation.feed import Format, Rendered
from federation.web.keys import FEED
from federation.web.negotiate import choose, is_current

OFFERED: Final = tuple(form.value for form in Format)
FOR_GOOD: Final = "public, max-age=31536000, immutable"


def _form(request: web.Request) -> Format:
    return Format(choose(request.headers.get("Accept", ""), OFFERED))


async def root(request: web.Request) -> web.Response:
    form = _form(request)
    return await send(request, await request.app[FEED].root(form), form)


async def section(request: web.Request) -> web.Response:
    form = _form(request)
    number = _number(request, "section")
    return await send(request, await request.app[FEED].section(number, form), form)


async def page(request: web.Request) -> web.Response:
    form, feed = _form(request), request.app[FEED]
    section, number = _number(request, "section"), _number(request, "page")
    rendered = feed.ready(section, number, form) or await feed.page(section, number, form)
    return await send(request, rendered, form)


def _number(request: web.Request, name: str) -> int:
    text = request.match_info[name]
    if not text.isascii() or not text.isdecimal() or len(text) > 9 or (text != "0" and text[0] == "0"):
        raise NotFound(f"The feed has no {name} {text[:20]!r}.")
    return int(text)


async def send(request: web.Request, rendered: Rendered, form: Format) -> web.Response:
    """A page, or 304 where the client has it."""
    zipped = "gzip" in request.headers.get("Accept-Encoding", "")
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
