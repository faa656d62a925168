"""The vocabulary over HTTP: every file that ships, as it ships, and a page that lists them."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from aiohttp import web

from federation.errors import NotFound
from federation.web import pages
from federation.web.keys import WORKERS

_TYPES: Final = {".ttl": "text/turtle", ".jsonld": "application/ld+json"}


def _files(folder: Path) -> dict[str, Path]:
    """The files that may be served, by path: a list, so that no path can lead out of the folder."""
    found = (path for path in sorted(folder.rglob("*")) if path.suffix in _TYPES)
    return {path.relative_to(folder).as_posix(): path for path in found}


async def index(request: web.Request) -> web.Response:
    vocabulary = request.app[WORKERS].tools.vocabulary
    groups: dict[str, list[str]] = {}
    for name in _files(vocabulary.folder):
        groups.setdefault(name.rpartition("/")[0], []).append(name)
    return pages.page(request, "vocabulary.html", {"groups": groups, "kinds": vocabulary.authored})


async def file(request: web.Request) -> web.Response:
    """One file, byte for byte."""
    path = _files(request.app[WORKERS].tools.vocabulary.folder).get(request.match_info["path"])
    if path is None:
        raise NotFound("The vocabulary has no such file.", remedy="See /vocab/ for the list.")
    return web.Response(
        body=path.read_bytes(),
        headers={
            "Content-Type": f"{_TYPES[path.suffix]}; charset=utf-8",
            "Access-Control-Allow-Origin": "*",
            "Cache-Control": "public, max-age=3600",
        },
    )
