"""Errors as answers: one place turns every failure into a problem document or a page (RFC 9457)."""

from __future__ import annotations

import json
import math
from collections.abc import Awaitable, Callable
from typing import Final

import structlog
from aiohttp import web

from federation.errors import (
    FederationError,
    InvalidRequest,
    KeyMissing,
    Misconfigured,
    NotFound,
    StorageFailed,
    TooLarge,
    Unavailable,
)
from federation.web import pages
from federation.web.negotiate import accepted, choose

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
PROBLEM: Final = "application/problem+json"
_SHOWN: Final = 80
"""Characters of an address that an error repeats."""
_OURS: Final = "This could not be done. The people who run this node can see why."
_LATER: Final = "Try again later; if it stays so, tell them."
log = structlog.get_logger(__name__)

_HEADERS: Final = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; connect-src 'self'; style-src 'self'; "
    "img-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Server": "ProCirc",  # and not which versions of what it is made of
}


@web.middleware
async def problems(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Answer every failure in words; an unexpected one is a 500 here and a traceback in the log."""
    try:
        response = await handler(request)
    except FederationError as error:
        # What says when to try again is refused on purpose, many times over: whoever refuses it logs it once.
        if error.status >= 500 and error.retry_after is None:
            log.error("failed", path=request.path, error=error.slug, detail=str(error))
        if isinstance(error, StorageFailed | KeyMissing | Misconfigured):
            error = type(error)(_OURS, remedy=_LATER)  # it may name files of this machine
        response = await answer(error, request)
    except web.HTTPException as error:
        if error.status < 400:
            raise
        response = await answer(_translated(error, request), request, status=error.status)
        if "Allow" in error.headers:
            response.headers["Allow"] = error.headers["Allow"]
    except ConnectionResetError:
        raise
    except Exception:
        log.exception("defect", path=request.path)
        response = await answer(Unavailable(_OURS), request, status=500)
    if response.status == 401:
        response.headers["WWW-Authenticate"] = "Bearer"
    if not response.prepared:
        for name, value in _HEADERS.items():
            response.headers.setdefault(name, value)
    return response


def _translated(error: web.HTTPException, request: web.Request) -> FederationError:
    if error.status == 404:
        path = request.path if len(request.path) <= _SHOWN else f"{request.path[:_SHOWN]}…"
        return NotFound(f"There is nothing at {path}.", remedy="Try the search.")
    if error.status == 413:
        return TooLarge("The request is larger than this node accepts.", remedy="Send less at a time.")
    return InvalidRequest(f"{error.status} {error.reason}.")


async def answer(error: FederationError, request: web.Request, *, status: int = 0) -> web.Response:
    """An error in the form the client wants: a page for a browser, a problem document for the rest."""
    wants_page = False
    if not request.path.startswith("/api/"):
        try:
            wanted = choose(accepted(request), (PROBLEM, "application/json", "text/html"))
            wants_page = wanted == "text/html"
        except FederationError:
            wants_page = False
    code = status or error.status
    headers = {} if error.retry_after is None else {"Retry-After": str(max(1, math.ceil(error.retry_after)))}
    if wants_page:
        page = pages.problem_page(request, error, code)
        page.headers.update(headers)
        return page
    document = {**error.as_dict(pages.language_of(request).tag), "status": code, "instance": request.path}
    text = json.dumps(document, ensure_ascii=False)
    return web.Response(text=text, status=code, content_type=PROBLEM, headers=headers)
