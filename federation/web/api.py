"""Publishing and the state of peers over HTTP, for programs."""

from __future__ import annotations

import hashlib
import hmac
from typing import Any, Final

from aiohttp import web

from federation.errors import InvalidRequest, NotAllowed, NotFound
from federation.exchange.documents import drafts_in
from federation.records import jsonld
from federation.web import pages
from federation.web.bodies import read_body
from federation.web.keys import CONFIG, FOLLOWER, PUBLISHER, STORE, TOKEN

REPORTED: Final = 1000
"""Most entries of a report, the newest ones."""


async def publish(request: web.Request) -> web.Response:
    """``POST /api/records``: one draft, or a list of them; all are published or none.

    A draft is an object with ``kind``, ``slug`` and the fields of its kind by name.
    """
    _check_token(request)
    data = await read_body(request)
    document = jsonld.loads(data)
    drafts = drafts_in(document)
    if not drafts:
        raise InvalidRequest("The list of records is empty.")
    outcome = await request.app[PUBLISHER].publish(drafts)
    await request.app[FOLLOWER].soon()
    language = pages.language_of(request).tag
    answer = {
        "published": [{"id": iri, "position": position} for iri, position in outcome.published],
        "unchanged": outcome.unchanged,
        "warnings": [fault.as_dict(language) for fault in outcome.faults],
    }
    headers = {"Location": outcome.published[0][0]} if len(outcome.published) == 1 else {}
    return web.json_response(answer, status=201 if outcome.published else 200, headers=headers)


def has_token(request: web.Request) -> bool:
    """Whether a request brings this node's token."""
    scheme, _, given = request.headers.get("Authorization", "").partition(" ")
    digest = hashlib.sha256(given.strip().encode("utf-8", "surrogateescape")).hexdigest()
    expected = request.app[TOKEN]
    return scheme.lower() == "bearer" and bool(expected) and hmac.compare_digest(digest, expected)


def _check_token(request: web.Request) -> None:
    if not has_token(request):
        raise NotAllowed(
            "Publishing needs this node's token.", remedy="Send it as `Authorization: Bearer …`; see api.token."
        )


async def peers(request: web.Request) -> web.Response:
    """``GET /api/peers``: every peer with its state."""
    return web.json_response(
        {"peers": await peer_list(request)}, headers={"Access-Control-Allow-Origin": "*", "Cache-Control": "no-cache"}
    )


async def report(request: web.Request) -> web.Response:
    """``/peers/{peer}/report``: the entries of a peer's log that are kept here and not shown, for its publisher."""
    name, store = request.match_info["peer"], request.app[STORE]
    log = next((each for each in await store.logs() if each.name == name and not each.own), None)
    if log is None:
        raise NotFound(f"This node holds no log of {name[:40]}.", remedy="See /network for those it holds.")
    kept = await store.inventory.newest_aside(log.id, REPORTED)
    entries = [
        {"position": each.position, "record": each.record, "version": each.version, "reason": each.quarantine}
        for each in kept
    ]
    return web.json_response({"log": log.did, "entries": log.verified_size, "kept_aside": entries})


async def peer_list(request: web.Request) -> list[dict[str, Any]]:
    store = request.app[STORE]
    states = await store.peers.states()
    configured = {peer.did: peer for peer in request.app[CONFIG].peers}
    found = []
    for log in await store.logs():
        state = states.get(log.id)
        if log.own or state is None:
            continue
        found.append(
            {
                "name": log.name,
                "did": log.did,
                "url": log.base,
                "configured": log.did in configured,
                "state": state.state,
                "reason": state.reason,
                "detail": state.detail,
                "since": state.since,
                "last_success": state.last_success,
                "next_attempt": state.next_attempt,
                "entries": log.verified_size,
                "claimed": state.claimed_size,
                "fingerprint": log.fingerprint,
            }
        )
    return found
