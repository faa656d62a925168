"""A site to read from: one region with a peer, served from a thread, shared by all tests of this folder.

Tests ask it over a real socket with ``http.client``, which sends a path as it is written. What moves the
clock or breaks something starts a node of its own with ``start_node``.
"""

from __future__ import annotations

import asyncio
import http.client
import json
import threading
from collections.abc import Coroutine, Iterable, Iterator, Mapping
from contextlib import AsyncExitStack, closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

import pytest
from aiohttp import web

from federation import node as nodes
from federation.config import Config, PeerConfig
from federation.limits import Limits
from federation.node import Node
from federation.records.draft import Draft
from federation.records.kinds import LANGUAGES
from federation.web.connections import runner_of
from federation.web.keys import READY
from federation.workers import Tools
from tests.conftest import FakeClock, free_port, pilot

R = TypeVar("R")
NOTICE = {tag: f"Notice in {tag}." for tag in LANGUAGES}
LARGEST = 16_384
HOSTILE = "<script>alert(1)</script> & \"so\" 'on'"


@dataclass(frozen=True)
class Answer:
    """What a server sent back."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def text(self) -> str:
        return self.body.decode()

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def media_type(self) -> str:
        return self.headers.get("Content-Type", "").partition(";")[0]


def ask(
    base: str, method: str, path: str, headers: Mapping[str, str], body: bytes | Iterable[bytes] | None = None
) -> Answer:
    """One request over a connection of its own; an iterable body is sent in chunks."""
    with closing(http.client.HTTPConnection(urlsplit(base).netloc, timeout=30)) as connection:
        chunked = body is not None and not isinstance(body, bytes)
        connection.request(method, path, body=body, headers=dict(headers), encode_chunked=chunked)
        response = connection.getresponse()
        return Answer(response.status, response.headers, response.read())


class Site:
    """One node behind its address."""

    def __init__(self, node: Node, loop: asyncio.AbstractEventLoop) -> None:
        self.node = node
        self.base = node.config.base
        self.token = (node.config.data / "api.token").read_text().strip()
        self._loop = loop

    def run(self, task: Coroutine[Any, Any, R]) -> R:
        return asyncio.run_coroutine_threadsafe(task, self._loop).result(60)

    def get(self, path: str, *, accept: str = "", **headers: str) -> Answer:
        return ask(self.base, "GET", path, _headers(accept, headers))

    def page(self, path: str, **headers: str) -> str:
        """The text of a page, as a browser gets it."""
        answer = self.get(path, accept="text/html", **headers)
        assert answer.media_type == "text/html", answer.text
        return answer.text

    def post(
        self, document: Any, *, token: str | None = None, raw: bytes | Iterable[bytes] | None = None, **headers: str
    ) -> Answer:
        """Post a document, or bytes as they are, to /api/records with this node's token or another one."""
        body = json.dumps(document).encode() if raw is None else raw
        given = self.token if token is None else token
        sent = {"Content-Type": "application/json", **_headers("", headers)}
        if given:
            sent["Authorization"] = f"Bearer {given}"
        return ask(self.base, "POST", "/api/records", sent, body)

    def body_of(self, kind: str, slug: str, base: str = "") -> str:
        """The canonical text that the store holds of a record's current version."""

        async def read() -> str:
            for log in await self.node.store.logs():
                entry = await self.node.store.current(f"{base or self.base}/records/{kind}/{slug}", log.id)
                if entry is not None:
                    return entry.signed.body
            raise LookupError(slug)

        return self.run(read())


def _headers(accept: str, headers: Mapping[str, str]) -> dict[str, str]:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return {**({"Accept": accept} if accept else {}), **named}


OWN = [
    pilot(
        "mill",
        title="De molen van morgen",
        start="2021-05",
        country="BE",
        cpv="39130000",
        notice="https://ted.example.org/notice",
        observation=[
            {
                "slug": "co2",
                "indicator": "co2e-avoided",
                "observationRole": "measured",
                "value": "1234,5",
                "unit": "kg",
                "evidenceLevel": "measured",
            }
        ],
    ),
    pilot("both", title="Een gebouw", abstract={"nl": "Samenvatting.", "en": "A summary of the building."}),
    Draft(
        "pilot",
        "hostile",
        {
            "title": {"en": HOSTILE},
            "abstract": {"en": "<img src=x onerror=alert(2)> gardenhose"},
            "procurer": "javascript://example.org/%0aalert(3)",
            "sector": ["furniture-office"],
            "source": "https://example.org/?a=1&b=%22%3E",
        },
    ),
    Draft("organisation", "kamp-c", {"title": {"nl": "Kamp C"}, "role": ["procurer"], "source": "https://kampc.be"}),
    *(pilot(f"many-{number:02}", title=f"Veelvoud {number}") for number in range(22)),
]
OTHERS = [pilot("havn", title="Genbrugte møbler til havnen", language="da", abstract={"da": "Kontormøbler."})]


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory, tools: Tools) -> Iterator[Site]:
    """The node of Flanders, with a notice, records of its own, and those of its peer, Denmark."""
    folder = tmp_path_factory.mktemp("site")
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    stack = AsyncExitStack()

    def run(task: Coroutine[Any, Any, R]) -> R:
        return asyncio.run_coroutine_threadsafe(task, loop).result(60)

    try:
        yield Site(run(_start(folder, stack, tools)), loop)
    finally:
        run(stack.aclose())
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.run_until_complete(loop.shutdown_default_executor())
        loop.close()


async def _start(folder: Path, stack: AsyncExitStack, tools: Tools) -> Node:
    clock = FakeClock()
    denmark = await _open("denmark", folder, stack, clock, tools)
    await denmark.publisher.publish(OTHERS)
    peer = PeerConfig(name="denmark", title={"en": "Denmark", "nl": "Denemarken"}, url=denmark.config.base)
    settings = {
        "title": {"en": "Flanders", "nl": "Vlaanderen"},
        "notice": NOTICE,
        "contact": "coordinator@example.org",
        "peers": [peer],
        "limits": Limits(request_bytes=LARGEST),
    }
    flanders = await _open("flanders", folder, stack, clock, tools, **settings)
    await flanders.publisher.publish(OWN)
    await flanders.pull(peer)
    await flanders.follower.catch_up()
    return flanders


async def _open(
    name: str, folder: Path, stack: AsyncExitStack, clock: FakeClock, tools: Tools, **settings: Any
) -> Node:
    port = free_port()
    config = Config(
        **{
            "name": name,
            "title": {"en": name.title()},
            "base": f"http://localhost:{port}",
            "listen": f"127.0.0.1:{port}",
            "data": folder / name,
            "allow_private": True,
            **settings,
        }
    )
    await nodes.init(config, clock=clock, tools=tools)
    node = await stack.enter_async_context(nodes.open_node(config, clock=clock, width=1, tools=tools))
    app = nodes.application(node)
    app[READY].clear()
    runner = runner_of(app)
    await runner.setup()
    stack.push_async_callback(runner.cleanup)
    await web.TCPSite(runner, "127.0.0.1", port).start()
    return node
