"""The parts list: the one place that builds a node, opens what it needs and closes it again."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncIterator, Iterable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import structlog
from aiohttp import web

from federation import aside, erasures
from federation.config import Config, PeerConfig
from federation.errors import InvalidTable, StorageFailed, Unavailable
from federation.exchange.files import File, drafts_of
from federation.feed import Feed, Place
from federation.gossip import Gossip
from federation.guard import Guard
from federation.harvest import Harvester
from federation.index.languages import ANALYSED
from federation.index.text import TextIndex
from federation.indexing import Follower
from federation.log.keys import next_key_hash
from federation.log.times import Clock
from federation.ownlog import OwnLog
from federation.peers.transport import Origins, Transport, open_transport
from federation.publish import Publisher
from federation.records.vocabulary import load_vocabulary
from federation.recovery import Recovery, count
from federation.search import Search
from federation.store.engine import url_of
from federation.store.keyfiles import PASSPHRASE, Keyring
from federation.store.rows import Log
from federation.store.secrets import SESSION_FILE, TOKEN_FILE, digest, secret
from federation.store.store import Store, open_store
from federation.sync import Syncer, is_due
from federation.web import guard, keys, pages, problems, routes
from federation.web.locale import Locales
from federation.web.metrics import Metrics
from federation.web.results import TURNS, Turns
from federation.web.sessions import Sessions
from federation.workers import Tools, Workers, open_workers, tools_of

log = structlog.get_logger(__name__)


def now() -> datetime:
    """The clock of a running node."""
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class Node:
    """Everything a running node is made of."""

    config: Config
    store: Store
    log: Log
    workers: Workers
    own: OwnLog
    publisher: Publisher
    syncer: Syncer
    index: TextIndex
    follower: Follower
    search: Search
    clock: Clock
    keyring: Keyring
    transport: Transport
    guard: Guard
    recovery: Recovery
    origins: Origins

    async def peers(self) -> list[PeerConfig]:
        """The peers of the configuration, and those that were added and confirmed."""
        found = list(self.config.peers)
        for each in await self.store.followed.every():
            if each.confirmed and each.did not in {peer.did for peer in found}:
                found.append(PeerConfig(name=each.name, url=each.url, fingerprint=each.fingerprint, via=each.via))
        self.origins.follow(found)
        return found

    async def recover(self) -> None:
        """See whether peers hold more of our own log than we do, and if so fetch it."""
        peers = await self.peers()
        async with self.recovery.turn:
            await self.recovery.follow_later_keys(peers)
            reason = await self.recovery.run(peers) if await self.recovery.look() else ""
        if reason:
            log.warning("read-only", reason=reason)

    async def pull(self, peer: PeerConfig) -> None:
        """One scheduled pull: nothing before its time, and the index afterwards."""
        if peer.did not in {each.did for each in await self.peers()}:
            return  # it was removed, and its job is about to be
        states = {entry.did: entry.id for entry in await self.store.logs()}
        known = (await self.store.peers.states()).get(states.get(peer.did, -1))
        if known is not None and not is_due(known, self.clock()):
            return
        pulled = await self.syncer.pull(peer)
        if not self.recovery.turn.locked():
            await self.recover()
        if pulled.added:
            await self.follower.catch_up()

    async def remind(self) -> None:
        """Say in the log which peers have not followed an erasure in time."""
        await erasures.warn(self.store, self.log.id, await self.peers(), self.clock())

    async def reconsider(self) -> dict[str, list[int]]:
        """Look again at what was kept aside; the positions released, by the DID of their log."""
        return await aside.reconsider(self.store, self.workers)

    async def warm(self) -> None:
        """Read the words of every language, so that nobody who searches waits for his own."""
        for language in ANALYSED:
            await asyncio.to_thread(self.index.concepts.warm, [language])

    async def catch_up(self) -> None:
        """Index what the logs have gained, whoever appended it, and make sure that what was erased is gone."""
        await self.own.remember()
        await self.store.scrub_after_others()
        await self.follower.catch_up()


async def init(config: Config, *, clock: Clock = now, tools: Tools | None = None) -> Log:
    """Set up the data directory of a node: keys, database, entry 0, API token. Can be run again.

    Nothing that exists is overwritten. Raises StorageFailed when the directory cannot be written.
    """
    try:
        config.data.mkdir(mode=0o750, parents=True, exist_ok=True)
        for name in (TOKEN_FILE, SESSION_FILE):
            secret(config.data / name)
    except OSError as error:
        raise StorageFailed(
            f"The data directory {config.data} cannot be written: {error}.",
            remedy="Choose another directory with `data`, or give this user write access.",
        ) from error
    locks = config.data / "locks"
    _make(locks)
    async with open_store(config.database or url_of(config.data)) as store, store.lease("init", locks) as alone:
        if not alone:
            # Two would each make keys, and those of one would never be in force.
            raise Unavailable("Another process is setting this node up.", remedy="Wait until it is done.")
        own = await store.enlist(did=config.did, base=config.base, name=config.name, own=True)
        next_key, signed = "", max(own.size, Guard(config.data).newest())
        if not signed:
            # Only a log without entries may get keys: later ones would not be those it declares.
            next_key = await asyncio.to_thread(keyring(config).create)
        async with open_node(config, clock=clock, tools=tools, started=signed > 0) as node:
            if not node.guard.lost():
                await node.own.begin(next_key_hash(next_key))  # also where a set-up was cut short behind entry 0
            return await node.store.log(node.log.id)


def keyring(config: Config) -> Keyring:
    """The keys of a node, and what decrypts them."""
    return Keyring(config.data / "keys", passphrase=os.environ.get(PASSPHRASE, ""))


@asynccontextmanager
async def open_node(
    config: Config,
    *,
    clock: Clock = now,
    width: int | None = None,
    tools: Tools | None = None,
    started: bool = True,
    keyless: bool = False,
) -> AsyncIterator[Node]:
    """Open a node's store, keys, index and workers. Nothing runs by itself yet.

    ``tools`` may be shared by nodes of one vocabulary; they are made where none are given. ``started``
    demands that ``init`` has written entry 0; ``keyless`` does without the keys in force.
    Raises Misconfigured, KeyMissing, StorageFailed, NewerData.
    """
    tools = tools or tools_of(await asyncio.to_thread(load_vocabulary, config.vocabulary))
    _make(config.data / "locks", config.data / "index")
    async with AsyncExitStack() as stack:
        workers = await stack.enter_async_context(open_workers(tools, width=width))
        store = await stack.enter_async_context(open_store(config.database or url_of(config.data)))
        own = await store.enlist(did=config.did, base=config.base, name=config.name, own=True)
        stop = Guard(config.data)
        await asyncio.to_thread(stop.tidy)
        if started:
            await count(store, own.id, stop)
        ring = keyring(config)
        if not keyless:
            await asyncio.to_thread(ring.private, own.keys)
        origins = Origins()
        transport = await stack.enter_async_context(
            open_transport(origins=origins, limits=config.limits, allow_private=config.allow_private)
        )
        index = await asyncio.to_thread(
            TextIndex, config.data / "index", workers.tools.concepts, memory=config.limits.index_bytes
        )
        stack.callback(index.end)
        node = _assembled(config, clock, store, own, workers, transport, index, ring, origins)
        await node.peers()
        yield node


def _assembled(
    config: Config,
    clock: Clock,
    store: Store,
    own: Log,
    workers: Workers,
    transport: Transport,
    index: TextIndex,
    ring: Keyring,
    origins: Origins,
) -> Node:
    """A node of parts that are open."""
    naming, limits, stop = config.naming, config.limits, Guard(config.data)

    def harvesting(into: Store) -> Harvester:
        return Harvester(into, transport, workers, limits, clock, data=config.data)

    mine = OwnLog(
        store=store,
        log_id=own.id,
        naming=naming,
        host=config.host,
        keyring=ring,
        tools=workers.tools,
        clock=clock,
        guard=stop,
    )
    gossip, harvester = Gossip(store, transport, clock), harvesting(store)
    return Node(
        config=config,
        store=store,
        log=own,
        workers=workers,
        own=mine,
        publisher=Publisher(store=store, own=mine, log_id=own.id, naming=naming, workers=workers, clock=clock),
        syncer=Syncer(
            store=store,
            transport=transport,
            harvester=harvester,
            gossip=gossip,
            limits=limits,
            locks=config.data / "locks",
            clock=clock,
            guard=stop,
        ),
        index=index,
        follower=Follower(store, index, workers),
        search=Search(index, config.region),
        clock=clock,
        keyring=ring,
        transport=transport,
        guard=stop,
        recovery=Recovery(store, own.id, stop, gossip, harvester, harvesting, ring.recovery),
        origins=origins,
    )


def _make(*folders: Path) -> None:
    try:
        for folder in folders:
            folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StorageFailed(f"The folders of the index and the locks cannot be made: {error}.") from error


def application(node: Node, *, tick: guard.Tick = time.monotonic) -> web.Application:
    """The web application of a node."""
    config = node.config
    doorkeeper = guard.Guard(config.limits, config.trusted_proxies, tick=tick)
    metrics = Metrics()
    stack = [metrics.middleware, problems.problems, doorkeeper.middleware]
    app = web.Application(middlewares=stack, client_max_size=config.limits.request_bytes)
    app[keys.CONFIG] = config
    app[keys.STORE] = node.store
    app[keys.LOG] = node.log
    place = Place(config.base, min((peer.every for peer in config.peers), default=300))
    app[keys.FEED] = Feed(node.store, node.log.id, place, cache_bytes=config.limits.cache_bytes)
    app[keys.MIRRORS] = {}
    app[keys.OWN] = node.own
    app[keys.GUARD] = node.guard
    app[keys.PEERS] = node.peers
    app[keys.METRICS] = metrics.registry
    app[keys.INDEX] = node.index
    app[keys.SEARCH] = node.search
    app[keys.FOLLOWER] = node.follower
    app[keys.PUBLISHER] = node.publisher
    app[keys.WORKERS] = node.workers
    app[keys.LOCALES] = Locales(config.languages, config.language)
    app[keys.CLOCK] = node.clock
    app[keys.TOKEN] = digest(config.data / TOKEN_FILE)
    app[keys.SESSIONS] = Sessions(node.store.in_house, secret(config.data / SESSION_FILE))
    app[TURNS] = Turns()
    app[keys.READY] = ["the index is catching up"]
    pages.set_up(app)
    routes.add(app)
    return app


async def import_tables(node: Node, paths: Iterable[Path]) -> None:
    """Import tables, all or nothing. Raises InvalidRecord or InvalidTable with every fault."""
    files = [File(path.name, path.read_bytes()) for path in paths]
    found, faults = drafts_of(files, node.workers.tools.vocabulary, node.config.naming)
    if faults:
        raise InvalidTable("The tables have faults; nothing was imported.", faults=faults)
    await node.publisher.publish(found)
