"""Rendering pages: the templates, and what every one of them may use."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import islice
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlencode, urlsplit

import aiohttp_jinja2
import jinja2
from aiohttp import web

from federation import __version__
from federation.errors import FederationError
from federation.records.kinds import in_language
from federation.web.keys import CONFIG, LOCALES, WORKERS
from federation.web.locale import Language

FOLDER: Final = Path(__file__).parent
_LONGEST: Final = 400
"""Characters of a parameter that links repeat: of a query no more is read."""
_PAIRS: Final = 100
"""Parameters that links repeat."""


def set_up(app: web.Application) -> None:
    """Templates with escaping on, and the texts every page needs."""
    aiohttp_jinja2.setup(
        app,
        loader=jinja2.FileSystemLoader(FOLDER / "templates"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )


def language_of(request: web.Request) -> Language:
    """The language a request is answered in."""
    return request.app[LOCALES].choose(request.query.get("lang", ""), request.headers.get("Accept-Language", ""))


def page(request: web.Request, template: str, context: Mapping[str, Any], *, status: int = 200) -> web.Response:
    """A page, in the language of the request."""
    language, config = language_of(request), request.app[CONFIG]
    everywhere: dict[str, Any] = {
        "_": language.text,
        "ngettext": language.plural,
        "language": language,
        "languages": list(request.app[LOCALES].languages.values()),
        "region": in_language(config.title, language.tag)[1],
        "notice": in_language(config.notice, language.tag)[1],
        "contact": config.contact,
        "base": config.base,
        "version": __version__,
        "vocabulary": request.app[WORKERS].tools.vocabulary,
        "link": lambda path, **query: link(path, request, **query),
        "here": lambda **query: here(request, **query),
        "safe_url": safe_url,
    }
    response = aiohttp_jinja2.render_template(template, request, {**everywhere, **context}, status=status)
    response.headers["Content-Language"] = language.tag
    response.headers["Vary"] = "Accept, Accept-Language"
    return response


def link(path: str, request: web.Request, **query: str) -> str:
    """An address of this node that keeps the language, if it was chosen by hand."""
    by_hand = request.query.get("lang", "")
    if request.app[LOCALES].offered(by_hand):
        query.setdefault("lang", by_hand)
    return f"{path}?{urlencode(query)}" if query else path


def here(request: web.Request, **changes: str | None) -> str:
    """The address of this page with some parameters changed or, where None, taken away."""
    # Once each, few and short: whoever sends a thousand gets no page with a thousand in each link.
    told = ((key[:_LONGEST], value[:_LONGEST]) for key, value in request.query.items() if key not in changes)
    kept = list(islice(dict.fromkeys(told), _PAIRS))
    kept += [(key, value) for key, value in changes.items() if value is not None]
    return f"{request.path}?{urlencode(kept)}" if kept else request.path


def local(path: str, node: str, *, own: bool) -> str:
    """Where this node shows what a node has under a path: its own there, and a peer's below the peer's name."""
    return path if own else f"/peers/{node}{path}"


def number(request: web.Request) -> int:
    """The page of a list that is asked for, from 1; what is no number asks for the first."""
    asked = request.query.get("page", "1")
    return max(int(asked), 1) if asked.isascii() and asked.isdecimal() and len(asked) < 6 else 1


def safe_url(url: str) -> str:
    """A web address as a link may carry it; empty for anything but http and https."""
    return url if urlsplit(url).scheme in ("http", "https") else ""


def problem_page(request: web.Request, error: FederationError, status: int) -> web.Response:
    return page(request, "problem.html", {"error": error, "status": status}, status=status)
