"""``/metrics``: how this node is doing, for Prometheus. Names and labels are a contract: alerts rely on them.

Not for everybody: the numbers tell strangers how much it takes to keep a node busy, and what its coordinator
has not seen to yet. So loopback and private addresses may ask (``metrics_from``), and whoever has the API token.
Labels are names of regions, states and routes: few, and no person, address or record is among them.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Iterator
from datetime import datetime
from math import inf
from typing import Final

from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Histogram, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from federation.config import Config
from federation.erasures import erasures, overdue
from federation.errors import NotAllowed
from federation.store.peers import REMOVED
from federation.store.rows import Log, PeerState
from federation.web.api import has_token
from federation.web.guard import client_of, is_within
from federation.web.keys import CLOCK, CONFIG, GUARD, INDEX, LOG, METRICS, OWN, PEERS, STORE

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
STATES: Final = (
    *("new", "active", "lagging", "stale", "unreachable"),
    *("regressed", "forked", "key-mismatch", "blocked", REMOVED),
)
_SECONDS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0, 30.0)
_ELSEWHERE: Final = "other"
"""The route of what has none: an address that does not exist must not become a label."""


class Metrics:
    """What is counted while the node runs, of one application; the rest is read when somebody asks."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._seconds = Histogram(
            "procirc_request_seconds",
            "Requests by route and class of status, and how long they took.",
            ("route", "status"),
            buckets=_SECONDS,
            registry=self.registry,
        )

    @web.middleware
    async def middleware(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Stands before all others, so that it sees answers as clients get them."""
        started = time.perf_counter()
        response = await handler(request)
        resource = request.match_info.route.resource
        route = resource.canonical if resource is not None else _ELSEWHERE
        self._seconds.labels(route, f"{response.status // 100}xx").observe(time.perf_counter() - started)
        return response


class _Found(Collector):
    """Metrics that were read a moment ago, in the form that the library writes out."""

    def __init__(self, found: list[Metric]) -> None:
        self._found = found

    def collect(self) -> list[Metric]:
        return self._found


async def page(request: web.Request) -> web.Response:
    """``GET /metrics``"""
    if not (_is_near(request) or has_token(request)):
        raise NotAllowed(
            "Metrics are for the people who run this node.",
            remedy="Ask from an address of `metrics_from`, or send the token as `Authorization: Bearer …`.",
        )
    read = CollectorRegistry()
    read.register(_Found(await _read(request.app)))
    body = generate_latest(read) + generate_latest(request.app[METRICS])
    headers = {"Content-Type": CONTENT_TYPE_LATEST, "Cache-Control": "no-store"}
    return web.Response(body=body, headers=headers)


def _is_near(request: web.Request) -> bool:
    """Whether the client's address may ask. Behind a proxy that is not trusted nobody knows whose it is."""
    config, forwarded = request.app[CONFIG], request.headers.getall("X-Forwarded-For", ())
    if not is_within(request.remote or "", config.metrics_from):
        return False
    return not (forwarded or "Forwarded" in request.headers) or _came_through_a_trusted_proxy(request, config)


def _came_through_a_trusted_proxy(request: web.Request, config: Config) -> bool:
    name = request.transport.get_extra_info("peername") if request.transport is not None else None
    peer = str(name[0]) if name else ""
    hops = request.headers.getall("X-Forwarded-For", ())
    return is_within(peer, config.trusted_proxies) and client_of(peer, hops, config.trusted_proxies) == request.remote


async def _read(app: web.Application) -> list[Metric]:
    """Everything that the store, the index and the log of this node tell."""
    store, index, now = app[STORE], app[INDEX], app[CLOCK]()
    logs, states = await store.logs(), await store.peers.states()
    found = [(each, states[each.id]) for each in logs if each.id in states and not each.own]
    # Of a region that has moved to another address both logs have one name; what counts is the one that is followed.
    named = {each.name: (each, state) for each, state in sorted(found, key=lambda pair: pair[1].state != REMOVED)}
    peers = list(named.values())
    aside = await store.inventory.set_aside()
    late = overdue(await erasures(store, app[LOG].id, await app[PEERS](), now))
    published = CounterMetricFamily("procirc_published_entries", "Entries this process has published.")
    published.add_metric([], app[OWN].appended)
    return [
        *_logs(logs, index.positions, {each.id: aside.get(each.id, 0) for each in logs}),
        *_peers(peers, now),
        _gauge("procirc_index_documents", "Records in the text index.", "", {"": index.searcher().num_docs}),
        _gauge("procirc_read_only", "1 while this node may not write to its log.", "", {"": bool(app[GUARD].reason())}),
        _gauge(
            "procirc_erasures_overdue",
            "Erasures that a peer has not followed in 72 hours.",
            "peer",
            {each.name: late.get(each.name, 0) for each, _ in peers},
        ),
        published,
    ]


def _logs(logs: list[Log], positions: dict[str, int], aside: dict[int, int]) -> Iterator[Metric]:
    """How far each log is verified and indexed, this node's own among them."""
    verified = {each.name: each.verified_size for each in logs}
    indexed = {each.name: positions.get(each.did, 0) for each in logs}
    yield _gauge("procirc_log_verified_entries", "Entries verified and shown.", "log", verified)
    yield _gauge("procirc_log_indexed_entries", "Entries the text index has taken in.", "log", indexed)
    behind = {name: max(size - indexed[name], 0) for name, size in verified.items()}
    yield _gauge("procirc_log_unindexed_entries", "Entries verified and not indexed yet.", "log", behind)
    kept = {each.name: aside[each.id] for each in logs}
    yield _gauge("procirc_log_quarantined_entries", "Entries kept aside and not shown.", "log", kept)


def _peers(peers: list[tuple[Log, PeerState]], now: datetime) -> Iterator[Metric]:
    """How far this node is behind each peer that it follows, and in which state it sees every one."""
    followed = [(log, state) for log, state in peers if state.state != REMOVED]
    claimed = {log.name: max(state.claimed_size - log.verified_size, 0) for log, state in followed}
    yield _gauge("procirc_peer_unverified_entries", "Entries a peer claims and we have not verified.", "peer", claimed)
    ages = {
        log.name: (now - datetime.fromisoformat(state.last_success)).total_seconds() if state.last_success else inf
        for log, state in followed
    }
    yield _gauge("procirc_peer_success_age_seconds", "Seconds since the last successful pull.", "peer", ages)
    every = GaugeMetricFamily("procirc_peer_state", "1 for the state a peer is in.", labels=("peer", "state"))
    for log, state in peers:
        for name in STATES:
            every.add_metric((log.name, name), float(state.state == name))
    yield every


def _gauge(name: str, what: str, label: str, values: dict[str, int] | dict[str, float] | dict[str, bool]) -> Metric:
    family = GaugeMetricFamily(name, what, labels=(label,) if label else ())
    for value, number in values.items():
        family.add_metric((value,) if label else (), float(number))
    return family
