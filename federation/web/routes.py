"""Every address of a node, in one table."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final

from aiohttp import web

from federation.web import (
    accounts,
    api,
    communities,
    feed,
    health,
    lexicon,
    log,
    metrics,
    network,
    records,
    results,
    search,
    vocabulary,
)
from federation.web.pages import FOLDER

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

GET: Final[tuple[tuple[str, Handler], ...]] = (
    ("/", search.page),
    ("/search", search.page),
    (f"/search.{{form:{'|'.join(results.FORMS)}}}", results.taken),
    ("/api/search", search.api),
    ("/api/complete", search.complete),
    ("/communities", communities.listing),
    ("/communities/{slug}", communities.page),
    ("/communities/{node}/{slug}", communities.page),
    ("/api/communities/{slug}", communities.api),
    ("/api/communities/{node}/{slug}", communities.api),
    ("/api/peers", api.peers),
    ("/records/{kind}/{slug}", records.own),
    ("/peers/{peer}/records/{kind}/{slug}", records.of_peer),
    ("/peers/{peer}/report", api.report),
    ("/log/checkpoint", log.checkpoint),
    ("/log/seen", log.seen),
    ("/log/{position}", log.entry),
    ("/feed", feed.root),
    ("/feed/{section}", feed.section),
    ("/feed/{section}/{page}", feed.page),
    ("/.well-known/did.json", log.did_document),
    ("/mirror/{host}/log/checkpoint", log.mirrored_checkpoint),
    ("/mirror/{host}/.well-known/did.json", log.mirrored_did_document),
    ("/mirror/{host}/feed", feed.root),
    ("/mirror/{host}/feed/{section}", feed.section),
    ("/mirror/{host}/feed/{section}/{page}", feed.page),
    ("/vocab/", vocabulary.index),
    ("/vocab/ns", vocabulary.ontology),
    (r"/vocab/ns{suffix:\.(ttl|jsonld)}", vocabulary.ontology),
    ("/vocab/lexicon", lexicon.page),
    ("/vocab/kind/{name}", vocabulary.kind),
    ("/vocab/list/{name}", vocabulary.code_list),
    ("/vocab/{path:.+}", vocabulary.file),
    ("/network", network.page),
    ("/login", accounts.page),
    ("/metrics", metrics.page),
    ("/health/live", health.live),
    ("/health/ready", health.ready),
)


def add(app: web.Application) -> None:
    """Add every route to an application."""
    for path, handler in GET:
        app.router.add_get(path, handler)
    app.router.add_post("/api/records", api.publish)
    app.router.add_post("/login", accounts.log_in)
    app.router.add_post("/logout", accounts.log_out)
    app.router.add_static("/static/", FOLDER / "static", append_version=False)
