"""Is the process alive, and can it serve? For supervisors and load balancers."""

from __future__ import annotations

from aiohttp import web

from federation.web.keys import LOG, READY, STORE


async def live(request: web.Request) -> web.Response:
    return web.json_response({"status": "live"})


async def ready(request: web.Request) -> web.Response:
    """200 when the store answers and the index has caught up; 503 with what is missing otherwise."""
    reasons = request.app[READY]
    waiting = list(reasons)
    log = await request.app[STORE].log(request.app[LOG].id)
    if log.size == 0:
        # An own log always begins with the keys; an empty one means that the store lost it.
        waiting.append("the node's own log is empty")
    status = 503 if waiting else 200
    return web.json_response({"status": "waiting" if waiting else "ready", "for": waiting}, status=status)
