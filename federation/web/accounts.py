"""Logging in: for the few things that only people of this region may see.

A session is a signed cookie that names an account and ends after a working day, or as soon as the
account is removed or has another password.
"""

from __future__ import annotations

from typing import Final
from urllib.parse import parse_qs

from aiohttp import web

from federation.errors import InvalidRequest, NotAllowed
from federation.web import pages
from federation.web.bodies import read_body
from federation.web.guard import group_of
from federation.web.keys import CLOCK, CONFIG, SESSIONS
from federation.web.sessions import LASTS

COOKIE: Final = "procirc"


async def person(request: web.Request) -> str:
    """Who has logged in; empty for anybody else."""
    session = request.cookies.get(COOKIE, "")
    return await request.app[SESSIONS].person(session) if session else ""


def _after(text: str) -> str:
    """Where to go afterwards: a page of this node, never another site."""
    return text if text.startswith("/") and not text.startswith(("//", "/\\")) and text.isprintable() else "/"


def _own_form(request: web.Request) -> None:
    """Refuse a form that another site sends in somebody's name (Fetch Metadata; Origin where that is missing)."""
    site = request.headers.get("Sec-Fetch-Site", "")
    # Browsers that say which site a form is from send no useful Origin, as our pages ask for no referrer.
    origin = request.headers.get("Origin", "") if not site else ""
    if site not in ("", "same-origin", "none") or origin not in ("", request.app[CONFIG].base):
        raise NotAllowed("This form was sent by another site.", remedy="Log in on this node's own page.")


async def page(request: web.Request) -> web.Response:
    """``GET /login``"""
    context = {"after": _after(request.query.get("after", "/")), "failed": "", "name": ""}
    return pages.page(request, "login.html", context)


async def log_in(request: web.Request) -> web.Response:
    """``POST /login``: name, password, and where to go afterwards."""
    _own_form(request)
    try:
        form = parse_qs((await read_body(request)).decode("utf-8", "replace"), max_num_fields=20)
    except ValueError as error:
        raise InvalidRequest("The form has more fields than this page.") from error
    name, password, after = (form.get(field, [""])[0][:1000] for field in ("name", "password", "after"))
    try:
        session = await request.app[SESSIONS].open(
            name, password, address=group_of(request.remote or ""), now=request.app[CLOCK]()
        )
    except NotAllowed as refused:
        context = {"after": _after(after), "failed": refused.detail, "name": name}
        response = pages.page(request, "login.html", context, status=401)
        response.headers["Cache-Control"] = "no-store"
        return response
    response = web.Response(status=303, headers={"Location": _after(after), "Cache-Control": "no-store"})
    secure = request.app[CONFIG].base.startswith("https://")
    response.set_cookie(
        COOKIE, session, max_age=int(LASTS.total_seconds()), httponly=True, secure=secure, samesite="Lax"
    )
    return response


async def log_out(request: web.Request) -> web.Response:
    """``POST /logout``"""
    _own_form(request)
    response = web.Response(status=303, headers={"Location": "/", "Cache-Control": "no-store"})
    response.del_cookie(COOKIE)
    return response
