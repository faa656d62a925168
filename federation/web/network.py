"""The network page: every region, how much of it is here, and whether that is up to date."""

from __future__ import annotations

from aiohttp import web

from federation.erasures import erasures, overdue
from federation.web import accounts, pages
from federation.web.api import peer_list
from federation.web.keys import CLOCK, CONFIG, GUARD, LOG, PEERS, SEARCH, STORE


async def page(request: web.Request) -> web.Response:
    """``/network``. Which peers have not followed an erasure is for those who have logged in."""
    store = request.app[STORE]
    own = await store.log(request.app[LOG].id)
    # As searches count them; the logs would have to be read from end to end.
    counts = {log.name: 0 for log in await store.logs()} | await request.app[SEARCH].by_node()
    config, language = request.app[CONFIG], pages.language_of(request)

    def name_of(peer: str) -> str:
        return language.pick(config.region(peer))

    late: dict[str, int] = {}
    person = await accounts.person(request)
    if person:
        late = overdue(await erasures(store, own.id, await request.app[PEERS](), request.app[CLOCK]()))
    guard = request.app[GUARD]
    reason = guard.reason()
    context = {
        "read_only": f"{reason} {guard.remedy()}" if reason else "",
        "late": late,
        "own": own,
        "peers": await peer_list(request),
        "counts": counts,
        "name_of": name_of,
    }
    response = pages.page(request, "network.html", context)
    if person:
        response.headers["Cache-Control"] = "private, no-store"
    return response
