"""What handlers find in the application, and nothing else: there is no module-level state."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from aiohttp import web
from prometheus_client import CollectorRegistry

from federation.config import Config, PeerConfig
from federation.feed import Feed
from federation.guard import Guard
from federation.index.text import TextIndex
from federation.indexing import Follower
from federation.log.times import Clock
from federation.ownlog import OwnLog
from federation.publish import Publisher
from federation.search import Search
from federation.store.rows import Log
from federation.store.store import Store
from federation.web.locale import Locales
from federation.web.sessions import Sessions
from federation.workers import Workers

CONFIG: web.AppKey[Config] = web.AppKey("config", Config)
STORE: web.AppKey[Store] = web.AppKey("store", Store)
LOG: web.AppKey[Log] = web.AppKey("log", Log)
"""The node's own log as it was at the start; its id, names and keys hold, its size does not."""
FEED: web.AppKey[Feed] = web.AppKey("feed", Feed)
MIRRORS: web.AppKey[dict[int, Feed]] = web.AppKey("mirrors")
"""Feeds of the copies of others' logs, by the id of the log; made when they are asked for."""
OWN: web.AppKey[OwnLog] = web.AppKey("own", OwnLog)
GUARD: web.AppKey[Guard] = web.AppKey("guard", Guard)
"""Says why this node must not write, if so."""
INDEX: web.AppKey[TextIndex] = web.AppKey("index", TextIndex)
PEERS: web.AppKey[Callable[[], Awaitable[list[PeerConfig]]]] = web.AppKey("peers")
"""Whom this node follows at the moment."""
SEARCH: web.AppKey[Search] = web.AppKey("search", Search)
FOLLOWER: web.AppKey[Follower] = web.AppKey("follower", Follower)
PUBLISHER: web.AppKey[Publisher] = web.AppKey("publisher", Publisher)
WORKERS: web.AppKey[Workers] = web.AppKey("workers", Workers)
METRICS: web.AppKey[CollectorRegistry] = web.AppKey("metrics", CollectorRegistry)
LOCALES: web.AppKey[Locales] = web.AppKey("locales", Locales)
CLOCK: web.AppKey[Clock] = web.AppKey("clock")
TOKEN: web.AppKey[str] = web.AppKey("token", str)
"""SHA-256 of the token that may publish, hexadecimal."""
READY: web.AppKey[list[str]] = web.AppKey("ready")
"""What still keeps the node from being ready, in words; empty when it is."""
SESSIONS: web.AppKey[Sessions] = web.AppKey("sessions", Sessions)
