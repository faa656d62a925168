"""Fixtures: a vocabulary, and real nodes on loopback with a clock of their own."""

from __future__ import annotations

import contextlib
import itertools
import os
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import structlog
from aiohttp import web

from federation import node as nodes
from federation.config import Config, PeerConfig
from federation.records.draft import Draft
from federation.records.kinds import Vocabulary
from federation.records.shacl import Shacl
from federation.records.shapes import Checks
from federation.records.values import Naming
from federation.records.vocabulary import load_vocabulary
from federation.store.engine import url_of
from federation.sync import Pulled
from federation.web.connections import runner_of
from federation.workers import Tools
from tests.databases import CHOSEN, SQLITE, Server

LICENCE = "http://publications.europa.eu/resource/authority/licence/CC_BY_4_0"
START = datetime(2026, 11, 22, 9, 0, tzinfo=UTC)


@pytest.fixture(autouse=True)
def _log_of_its_own() -> Iterator[None]:
    """A command that ran in a test has set up the log for a stream that ends with the test."""
    yield
    structlog.reset_defaults()


@pytest.fixture(scope="session")
def vocabulary() -> Vocabulary:
    return load_vocabulary()


@pytest.fixture(scope="session")
def checks(vocabulary: Vocabulary) -> Checks:
    return Checks(vocabulary)


@pytest.fixture(scope="session")
def shacl(vocabulary: Vocabulary) -> Shacl:
    return Shacl(vocabulary)


@pytest.fixture(scope="session")
def tools(vocabulary: Vocabulary) -> Tools:
    """The shipped vocabulary with its checks, built once for all nodes of a test run."""
    return Tools(vocabulary)


@pytest.fixture
def naming() -> Naming:
    peers = {"denmark": "https://denmark.example"}
    return Naming("https://flanders.example", "did:web:flanders.example", LICENCE, peers)


@dataclass
class FakeClock:
    """A clock that stands still until it is moved."""

    now: datetime = START

    def __call__(self) -> datetime:
        return self.now

    def forward(self, **delta: float) -> None:
        self.now += timedelta(**delta)


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


def pilot(slug: str, *, title: str = "", language: str = "nl", **values: Any) -> Draft:
    """A pilot that is valid and short; other values replace or add to its fields."""
    fields: dict[str, Any] = {
        "title": {language: title or f"Pilot {slug}"},
        "abstract": {language: "Een korte samenvatting."},
        "procurer": "kamp-c",
        "sector": ["furniture-office"],
        "strategy": ["R3"],
        "status": "completed",
        "source": "https://example.org/source",
        **values,
    }
    return Draft("pilot", slug, {key: value for key, value in fields.items() if value is not None})


_WORKER = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
_PORTS = itertools.cycle(range(10_000 + 2_000 * (_WORKER % 10), 12_000 + 2_000 * (_WORKER % 10)))


def free_port() -> int:
    """A port that stays free until it is used: below those that systems give to clients, apart for every worker."""
    for port in _PORTS:
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port
    raise AssertionError("there is no end to the ports")


@dataclass
class TestNode:
    """A node with its server on a real socket; the parts of ``federation.node.Node`` and short-cuts."""

    __test__ = False

    node: nodes.Node
    base: str
    clock: FakeClock
    app: web.Application = field(repr=False)
    stop: Callable[[], Awaitable[None]] = field(repr=False)
    """Close this node early, as a restart would."""
    meetings: ExitStack = field(default_factory=ExitStack, repr=False)

    @property
    def config(self) -> Config:
        return self.node.config

    async def publish(self, *drafts: Draft) -> list[int]:
        """Publish drafts; the positions of the new entries."""
        outcome = await self.node.publisher.publish(list(drafts))
        return [position for _, position in outcome.published]

    def peer(self, other: str, name: str = "peer", **settings: Any) -> PeerConfig:
        return PeerConfig(name=name, url=other, **settings)

    async def pull(self, other: TestNode | str, name: str = "peer", **settings: Any) -> Pulled:
        """Pull another node (or base address) once, and index what came."""
        base = other if isinstance(other, str) else other.base
        pulled = await self.node.syncer.pull(self.peer(base, name, **settings))
        await self.node.follower.catch_up()
        return pulled

    def may_ask(self, other: TestNode | str) -> None:
        """Have this node ask another one that it does not follow."""
        base = other if isinstance(other, str) else other.base
        self.meetings.enter_context(self.node.origins.meeting(self.peer(base)))

    async def log_of(self, other: TestNode | str) -> Any:
        base = other if isinstance(other, str) else other.base
        return next(log for log in await self.node.store.logs() if log.base == base)

    async def slugs(self, other: TestNode | str) -> list[str]:
        """Slugs of the visible records of a log, in its order, keys aside."""
        log = await self.log_of(other)
        entries = await self.node.store.entries(log.id, 0, log.verified_size)
        return [e.record.rsplit("/", 1)[-1] for e in entries if not e.quarantine and e.kind != "key-event"]


StartNode = Callable[..., Any]


def date_by(app: web.Application, clock: Callable[[], datetime]) -> None:
    """Let a server date its answers by a clock of the test: nodes compare theirs with it."""

    @web.middleware
    async def dated(request: web.Request, handler: Any) -> web.StreamResponse:
        response: web.StreamResponse = await handler(request)
        if not response.prepared:
            response.headers.setdefault("Date", format_datetime(clock(), usegmt=True))
        return response

    app.middlewares.insert(0, dated)


@pytest.fixture(scope="session")
def postgresql(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    server = Server(tmp_path_factory.mktemp("pg"))
    yield server
    server.stop()


@pytest.fixture
def engine(request: pytest.FixtureRequest) -> str:
    """The database engine of a test."""
    return str(getattr(request, "param", CHOSEN))


@pytest.fixture
def database_of(request: pytest.FixtureRequest, engine: str, tmp_path: Path) -> Callable[[str], str]:
    """The address of a database, the same for the same name."""
    if engine == SQLITE:

        def file(name: str) -> str:
            (tmp_path / name).mkdir(exist_ok=True)
            return url_of(tmp_path / name)

        return file
    server: Server = request.getfixturevalue("postgresql")
    return cache(lambda name: server.database())


@pytest.fixture
async def start_node(
    tmp_path: Path, clock: FakeClock, tools: Tools, engine: str, database_of: Callable[[str], str]
) -> AsyncIterator[StartNode]:
    """Start nodes: ``await start_node("flanders", peers=[other_base], vocabulary=folder, …)``.

    Each has its own data directory (kept when started again under the same name), a real server on
    127.0.0.1, and no schedule: tests pull and index when they say so.
    """
    async with AsyncExitStack() as stack:
        ports: dict[str, int] = {}

        async def start(name: str, *, peers: list[str] | None = None, **settings: Any) -> TestNode:
            port = ports.setdefault(name, free_port())
            base = f"http://localhost:{port}"
            config = Config(
                name=name,
                title={"en": name.title()},
                base=base,
                listen=f"127.0.0.1:{port}",
                data=tmp_path / name,
                allow_private=True,
                peers=[PeerConfig(name=f"peer{at}", url=url) for at, url in enumerate(peers or [])],
                **({"database": database_of(name)} if engine != SQLITE else {}),
                **settings,
            )
            shared = tools if config.vocabulary is None else None
            await nodes.init(config, clock=clock, tools=shared)
            own = await stack.enter_async_context(AsyncExitStack())
            opened = await own.enter_async_context(nodes.open_node(config, clock=clock, width=1, tools=shared))
            app = nodes.application(opened)
            date_by(app, clock)
            runner = runner_of(app)
            await runner.setup()
            own.push_async_callback(runner.cleanup)
            await web.TCPSite(runner, "127.0.0.1", port).start()
            await opened.follower.catch_up()
            return TestNode(opened, base, clock, app, own.aclose)

        yield start


@pytest.fixture
async def peer(vocabulary: Vocabulary, clock: FakeClock) -> AsyncIterator[Any]:
    """A peer that can misbehave, on a real socket."""
    async with simulated_peer(vocabulary, clock) as made:
        yield made


@asynccontextmanager
async def simulated_peer(vocabulary: Vocabulary, clock: FakeClock) -> AsyncIterator[Any]:
    """One more peer that can misbehave."""
    from tests.simulator import SimulatedPeer

    port = free_port()
    simulated = SimulatedPeer(f"http://localhost:{port}", vocabulary, clock)
    app = web.Application()
    app.router.add_get("/{path:.*}", simulated.handle)
    date_by(app, lambda: simulated.clock())  # noqa: PLW0108 - tests give it another clock
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    try:
        yield simulated
    finally:
        await runner.cleanup()
