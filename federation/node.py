"""The parts list: the one place that builds a node, opens what it needs and closes it again."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import gc
import hashlib
import os
import secrets
import signal
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import structlog
from aiohttp import web
from apscheduler.schedulers.asyncio import AsyncIOScheduler

from federation.config import Config, PeerConfig
from federation.errors import FederationError, InvalidTable, Misconfigured, StorageFailed
from federation.exchange.files import File, drafts_of
from federation.feed import Feed, Place
from federation.index.text import TextIndex
from federation.log.keys import Keys, next_key_hash
from federation.peers.transport import open_transport
from federation.publish import Clock, Publisher
from federation.records.vocabulary import load_vocabulary
from federation.search import Follower, Search
from federation.store import keyfiles
from federation.store.engine import url_of
from federation.store.rows import Log
from federation.store.store import Store, open_store
from federation.sync import Syncer, is_due
from federation.web import keys, pages, problems, routes
from federation.web.locale import Locales
from federation.web.sessions import Sessions
from federation.workers import Tools, Workers, open_workers

KEEPALIVE: Final = 15
"""Seconds a silent connection is kept; aiohttp's own default would be an hour."""
FOLLOW_EVERY: Final = 2
"""Seconds between two looks at the logs by the index, for what other processes published."""
TOKEN_FILE: Final = "api.token"  # noqa: S105 - the name of a file, not a token
SESSION_FILE: Final = "session.key"
"""What signs the sessions of people who log in."""
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
    publisher: Publisher
    syncer: Syncer
    index: TextIndex
    follower: Follower
    search: Search
    clock: Clock

    async def pull(self, peer: PeerConfig) -> None:
        """One scheduled pull: nothing before its time, and the index afterwards."""
        states = {entry.did: entry.id for entry in await self.store.logs()}
        known = (await self.store.peer_states()).get(states.get(peer.did, -1))
        if known is not None and not is_due(known, self.clock()):
            return
        pulled = await self.syncer.pull(peer)
        if pulled.added:
            await self.follower.catch_up()

    async def catch_up(self) -> None:
        """Index what the logs have gained, whoever appended it."""
        await self.follower.catch_up()


async def init(config: Config, *, clock: Clock = now, tools: Tools | None = None) -> Log:
    """Set up the data directory of a node: keys, database, entry 0, API token. Can be run again.

    Nothing that exists is overwritten. Raises StorageFailed when the directory cannot be written.
    """
    try:
        config.data.mkdir(mode=0o750, parents=True, exist_ok=True)
        for name in (TOKEN_FILE, SESSION_FILE):
            _secret(config.data / name)
    except OSError as error:
        raise StorageFailed(
            f"The data directory {config.data} cannot be written: {error}.",
            remedy="Choose another directory with `data`, or give this user write access.",
        ) from error
    async with open_store(config.database or url_of(config.data)) as store:
        own = await store.enlist(did=config.did, base=config.base, name=config.name, own=True)
    next_key = ""
    if own.size == 0:
        # Only a log without entries may get keys: later ones would not be those it declares.
        next_key = await asyncio.to_thread(keyfiles.create, config.data / "keys")
    async with open_node(config, clock=clock, tools=tools, started=False) as node:
        if own.keys is None:
            # Also where a set-up was cut short between entry 0 and the note of the keys it declares.
            await node.publisher.begin(next_key_hash(next_key))
        return await node.store.log(node.log.id)


@asynccontextmanager
async def open_node(
    config: Config,
    *,
    clock: Clock = now,
    width: int | None = None,
    tools: Tools | None = None,
    started: bool = True,
) -> AsyncIterator[Node]:
    """Open a node's store, keys, index and workers. Nothing runs by itself yet.

    ``tools`` may be shared by nodes of one vocabulary; they are made where none are given. ``started``
    demands that ``init`` has written entry 0. Raises Misconfigured, KeyMissing, StorageFailed, NewerData.
    """
    private = await asyncio.to_thread(keyfiles.load, config.data / "keys")
    tools = tools or Tools(await asyncio.to_thread(load_vocabulary, config.vocabulary))
    locks = config.data / "locks"
    _make(locks, config.data / "index")
    async with AsyncExitStack() as stack:
        workers = await stack.enter_async_context(open_workers(tools, width=width))
        store = await stack.enter_async_context(open_store(config.database or url_of(config.data)))
        own = await store.enlist(did=config.did, base=config.base, name=config.name, own=True)
        _check_own(own, started, private.public)
        transport = await stack.enter_async_context(
            open_transport(
                origins={peer.url for peer in config.peers},
                limits=config.limits,
                allow_private=config.allow_private,
            )
        )
        index = await asyncio.to_thread(
            TextIndex, config.data / "index", workers.tools.concepts, memory=config.limits.index_bytes
        )
        stack.callback(index.close)
        yield Node(
            config=config,
            store=store,
            log=own,
            workers=workers,
            publisher=Publisher(
                store=store,
                log_id=own.id,
                naming=config.naming,
                host=config.host,
                keys=private,
                workers=workers,
                clock=clock,
            ),
            syncer=Syncer(
                store=store,
                transport=transport,
                workers=workers,
                limits=config.limits,
                locks=locks,
                clock=clock,
            ),
            index=index,
            follower=Follower(store, index, workers),
            search=Search(index, config.region),
            clock=clock,
        )


def _make(*folders: Path) -> None:
    for folder in folders:
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StorageFailed(f"{folder} cannot be made: {error}.") from error


def _check_own(own: Log, started: bool, public: Keys) -> None:
    if started and own.size == 0:
        raise Misconfigured("This node has not been set up.", remedy="Run `procirc init` first.")
    if own.keys is not None and own.keys != public:
        raise Misconfigured(
            "The keys in the data directory are not those this node's log declares.",
            remedy="Put back the keys that belong to this log.",
        )


def application(node: Node) -> web.Application:
    """The web application of a node."""
    config = node.config
    app = web.Application(middlewares=[problems.problems], client_max_size=config.limits.request_bytes)
    app[keys.CONFIG] = config
    app[keys.STORE] = node.store
    app[keys.LOG] = node.log
    place = Place(config.base, min((peer.every for peer in config.peers), default=300))
    app[keys.FEED] = Feed(node.store, node.log.id, place, cache_bytes=config.limits.cache_bytes)
    app[keys.SEARCH] = node.search
    app[keys.FOLLOWER] = node.follower
    app[keys.PUBLISHER] = node.publisher
    app[keys.WORKERS] = node.workers
    app[keys.LOCALES] = Locales(config.languages, config.language)
    app[keys.CLOCK] = node.clock
    app[keys.TOKEN] = _token_digest(config.data / TOKEN_FILE)
    app[keys.SESSIONS] = Sessions(node.store.in_house, _secret(config.data / SESSION_FILE))
    app[keys.READY] = ["the index is catching up"]
    pages.set_up(app)
    routes.add(app)
    return app


def _secret(path: Path) -> str:
    """A random text in a file that only its owner can read; made where there is none yet."""
    if not path.exists():
        with contextlib.suppress(FileExistsError):  # another process was first
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(descriptor, "w", encoding="ascii") as file:
                file.write(secrets.token_urlsafe(32) + "\n")
    return path.read_text("ascii").strip()


def _token_digest(path: Path) -> str:
    """Only the digest of the token stays in memory; without a file nobody can publish over HTTP."""
    try:
        return hashlib.sha256(path.read_text("ascii").strip().encode()).hexdigest()
    except FileNotFoundError:
        return ""


def scheduler(node: Node, running: set[asyncio.Task[None]]) -> AsyncIOScheduler:
    """One pull a peer, each at its own pace, and the index after the logs; ``running`` holds what is under way."""
    jobs = AsyncIOScheduler(timezone=UTC)
    common = {"max_instances": 1, "coalesce": True, "misfire_grace_time": None, "next_run_time": now()}
    for peer in node.config.peers:
        jobs.add_job(
            _job(node.pull, running), "interval", seconds=peer.every, jitter=max(1, peer.every // 10),
            args=[peer], id=f"pull-{peer.name}", **common,
        )  # fmt: skip
    jobs.add_job(_job(node.catch_up, running), "interval", seconds=FOLLOW_EVERY, id="index", **common)
    return jobs


def _job(
    work: Callable[..., Coroutine[Any, Any, None]], running: set[asyncio.Task[None]]
) -> Callable[..., Coroutine[Any, Any, None]]:
    """A job whose expected failures are logged in our words; the next run tries again."""

    async def run(*args: object) -> None:
        task = asyncio.create_task(work(*args))
        running.add(task)
        task.add_done_callback(running.discard)
        try:
            await asyncio.wait({task})
        except asyncio.CancelledError:
            return  # the scheduler stops; ``serving`` ends the work itself and waits for it
        error = None if task.cancelled() else task.exception()
        if isinstance(error, FederationError):
            log.error("job failed", error=error.slug, detail=str(error))
        elif error is not None:
            raise error

    return run


@asynccontextmanager
async def serving(node: Node) -> AsyncIterator[web.Application]:
    """A node that answers on its address and pulls its peers. Raises Misconfigured when the port is taken."""
    app = application(node)
    runner = web.AppRunner(app, keepalive_timeout=KEEPALIVE, access_log=None, handle_signals=False)
    await runner.setup()
    host, port = node.config.address
    try:
        await web.TCPSite(runner, host, port, backlog=512).start()
    except OSError as error:
        await runner.cleanup()
        busy = error.errno == errno.EADDRINUSE
        raise Misconfigured(
            f"{host}:{port} is in use by another program." if busy else f"{host}:{port} cannot be used: {error}.",
            remedy="Stop the other program, or choose another port with `listen`.",
        ) from error
    running: set[asyncio.Task[None]] = set()
    jobs = scheduler(node, running)
    try:
        await asyncio.to_thread(node.index.concepts.warm)
        for did, position in (await node.syncer.reconsider()).items():
            node.index.rewind(did, position)
        await node.follower.catch_up()
        app[keys.READY].clear()
        # What is there now stays: full collections need not walk over it again and again.
        gc.collect()
        gc.freeze()
        jobs.start()
        yield app
    finally:
        if jobs.running:
            jobs.shutdown(wait=False)
        for task in list(running):
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)
        await runner.cleanup()


async def serve(config: Config, *, seeds: bool = False) -> None:
    """Run a node until it is told to stop; ``seeds`` imports the tables of ``seeds`` first."""
    async with open_node(config) as node:
        if seeds and config.seeds is not None:
            await import_tables(node, sorted(config.seeds.glob("*.csv")))
        async with serving(node):
            log.info("serving", node=config.name, base=config.base, listen=config.listen)
            await _stopped()
            log.info("stopping", node=config.name)


async def import_tables(node: Node, paths: Iterable[Path]) -> None:
    """Import tables, all or nothing. Raises InvalidRecord or InvalidTable with every fault."""
    files = [File(path.name, path.read_bytes()) for path in paths]
    found, faults = drafts_of(files, node.workers.tools.vocabulary, node.config.naming)
    if faults:
        raise InvalidTable("The tables have faults; nothing was imported.", faults=faults)
    await node.publisher.publish(found)


async def _stopped() -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for each in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(each, stop.set)
    await stop.wait()
