"""The network page: every region, how much of it is here, and whether that is up to date."""

from __future__ import annotations

from aiohttp import web

from federation.web import pages
from federation.web.api import peer_list
from federation.web.keys import CONFIG, LOG, STORE


async def page(request: web.Request) -> web.Response:
    store = request.app[STORE]
    own = await store.log(request.app[LOG].id)
    counts = {log.name: sum((await store.counts(log.id)).values()) for log in await store.logs()}
    config, language = request.app[CONFIG], pages.language_of(request)

    def name_of(peer: str) -> str:
        return language.pick(config.region(peer))

    context = {"own": own, "peers": await peer_list(request), "counts": counts, "name_of": name_of}
    return pages.page(request, "network.html", context)
