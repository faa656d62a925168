"""Is the process alive, and can it serve? For supervisors and load balancers."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from aiohttp import web

from federation.config import PeerConfig
from federation.log.times import timestamp
from federation.web.keys import CLOCK, CONFIG, FOLLOWER, GUARD, LOG, OWN, READY, STORE

BEHIND: Final = 1_000
"""Entries that the index may be behind the logs before its answers are called incomplete."""
OVERDUE: Final = timedelta(hours=1)
"""How long after its time a pull may be missing: whatever a peer does, a running node has tried by then."""
_USUAL: Final[int] = PeerConfig.model_fields["every"].default


async def live(request: web.Request) -> web.Response:
    return web.json_response({"status": "live"})


async def ready(request: web.Request) -> web.Response:
    """200 when the store answers, the index has caught up and pulls are made; 503 with what is missing otherwise.

    That a peer cannot be reached is no reason: a node serves alone. That nobody tries any more is one.
    """
    app, reasons = request.app, request.app[READY]
    waiting = list(reasons)
    log = await app[STORE].log(app[LOG].id)
    if log.size == 0 or log.keys is None:
        # An own log always begins with the keys; an empty one means that the store lost it.
        waiting.append("the node's own log is empty")
    elif await app[OWN].missing(log.keys):
        # Changed by a process on another machine, perhaps: this one can sign nothing.
        waiting.append(
            "the keys in force are not here, or cannot be read: copy them from the machine where they were made"
        )
    if forked := app[GUARD].forked():
        # Nothing but a person ends this; a node that only waits for its peers serves as ever.
        waiting.append(forked)
    behind = await app[FOLLOWER].behind()
    if behind > BEHIND:
        waiting.append(f"the index is {behind:,} entries behind the logs")
    if app[FOLLOWER].trouble:
        waiting.append("the text index cannot be written")  # the log says why
    waiting += await _overdue(app)
    status = 503 if waiting else 200
    return web.json_response({"status": "waiting" if waiting else "ready", "for": waiting}, status=status)


async def _overdue(app: web.Application) -> list[str]:
    """A sentence for every peer that should have been asked by now and was not."""
    store = app[STORE]
    followed = [each.did for each in await store.followed.every() if each.confirmed]
    every = {**dict.fromkeys(followed, _USUAL), **{peer.did: peer.every for peer in app[CONFIG].peers}}
    states, found = await store.peers.states(), list[str]()
    for each in await store.logs():
        state = states.get(each.id)
        if each.did not in every or state is None or not state.last_attempt:
            continue
        now = app[CLOCK]()
        latest = timestamp(now - OVERDUE - timedelta(seconds=every[each.did]))
        # A moment to come was written by a clock that was wrong.
        if max(state.last_attempt, state.next_attempt) < latest or state.last_attempt > timestamp(now + OVERDUE):
            found.append(f"{each.name} has not been asked since {state.last_attempt}")
    return found
