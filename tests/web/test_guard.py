"""Who may ask how much: one address, all together, and what is answered whatever the load."""

from __future__ import annotations

import asyncio
import gzip
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from ipaddress import ip_network

import aiohttp
import pytest
from aiohttp import web
from structlog.testing import capture_logs

from federation import node as nodes
from federation.limits import Limits
from federation.web.connections import runner_of
from federation.web.guard import Buckets, client_of, group_of
from tests.conftest import free_port
from tests.web.markup import Page

PROXIES = [ip_network("127.0.0.0/8"), ip_network("10.0.0.0/8"), ip_network("2001:db8::/32")]
LOGIN = b"POST /login HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\nname="


@dataclass
class Tick:
    """A clock that stands still until it is moved, in seconds."""

    at: float = 1_000_000.0

    def __call__(self) -> float:
        return self.at


@dataclass
class Served:
    """A node with limits of its own. ``/held`` is not answered before ``release``; ``/whose`` says who asks."""

    base: str
    tick: Tick
    session: aiohttp.ClientSession
    release: asyncio.Event = field(default_factory=asyncio.Event)
    held: int = 0

    async def get(self, path: str = "/login", **headers: str) -> tuple[int, aiohttp.typedefs.LooseHeaders, str]:
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        async with self.session.get(self.base + path, headers=sent) as answer:
            return answer.status, answer.headers, await answer.text()

    async def status(self, path: str = "/login", **headers: str) -> int:
        return (await self.get(path, **headers))[0]

    async def hold(self, wanted: int) -> list[asyncio.Task[int]]:
        """So many requests in progress."""
        tasks = [asyncio.create_task(self.status("/held")) for _ in range(wanted)]
        async with asyncio.timeout(10):
            while self.held < wanted:
                await asyncio.sleep(0.005)
        return tasks

    async def _hold(self, request: web.Request) -> web.Response:
        self.held += 1
        await self.release.wait()
        return web.Response()

    async def _whose(self, request: web.Request) -> web.Response:
        return web.Response(text=request.remote)

    def application(self, node: nodes.Node) -> web.Application:
        app = nodes.application(node, tick=self.tick)
        app.router.add_get("/held", self._hold)
        app.router.add_get("/whose", self._whose)
        return app


Serve = Callable[..., Awaitable[Served]]


@pytest.fixture
async def serve(start_node) -> AsyncIterator[Serve]:
    """``await serve(requests_burst=3, …)``: a node with these limits, and its clock."""
    async with AsyncExitStack() as stack:

        async def start(*, trusted_proxies: tuple[str, ...] = (), **limits: float) -> Served:
            node = await start_node("flanders", limits=Limits(**limits), trusted_proxies=trusted_proxies)
            session, port = await stack.enter_async_context(aiohttp.ClientSession()), free_port()
            served = Served(f"http://127.0.0.1:{port}", Tick(), session)
            runner = runner_of(served.application(node.node))
            await runner.setup()
            stack.push_async_callback(runner.cleanup)
            stack.callback(served.release.set)
            await web.TCPSite(runner, "127.0.0.1", port).start()
            return served

        yield start


# One address


async def test_an_address_that_asks_too_often_is_told_when_to_come_back(serve: Serve):
    node = await serve(requests_burst=3, requests_per_second=0.25)
    assert [await node.status() for _ in range(3)] == [200, 200, 200]
    status, headers, text = await node.get()
    assert (status, headers["Retry-After"]) == (429, "4")
    assert headers["Content-Type"].startswith("application/problem+json")
    assert "/problems/too-many" in text


async def test_a_browser_is_told_so_on_a_page_in_its_language(serve: Serve):
    node = await serve(requests_burst=1, requests_per_second=0.25)
    await node.get()
    status, headers, text = await node.get(Accept="text/html", Accept_Language="da")
    assert (status, headers["Retry-After"]) == (429, "4")
    assert Page(text).one("html").attributes["lang"] == "da"
    assert Page(text).one("h1").text != "Too many attempts"


async def test_it_may_ask_again_after_the_time_it_was_told(serve: Serve):
    node = await serve(requests_burst=1, requests_per_second=0.25)
    await node.get()
    node.tick.at += 3.9
    assert await node.status() == 429
    node.tick.at += 0.1
    assert await node.status() == 200


async def test_other_addresses_do_not_notice(serve: Serve):
    node = await serve(requests_burst=1, requests_per_second=0.25, trusted_proxies=("127.0.0.1",))
    asked = ["198.51.100.1", "198.51.100.1", "198.51.100.2", "2001:db8::1", "2001:db8::2", "2001:db8:0:1::1"]
    assert [await node.status(X_Forwarded_For=address) for address in asked] == [200, 429, 200, 200, 429, 200]


def test_what_is_refused_costs_nothing_and_a_bucket_never_holds_more_than_its_burst():
    tick = Tick()
    buckets = Buckets(rate=2, burst=4, tick=tick)
    assert [buckets.take("a") for _ in range(6)] == [0, 0, 0, 0, 0.5, 0.5]
    tick.at += 1_000
    assert [buckets.take("a") for _ in range(5)] == [0, 0, 0, 0, 0.5]


def test_a_peer_that_follows_pages_at_the_rate_of_a_node_is_never_refused():
    tick, limits = Tick(), Limits()
    buckets = Buckets(rate=limits.requests_per_second, burst=limits.requests_burst, tick=tick)
    for _ in range(20_000):
        assert buckets.take("a") == 0
        tick.at += 1 / limits.requests_per_second


def test_no_more_addresses_are_remembered_than_there_is_room_for():
    buckets = Buckets(rate=1, burst=1, tick=Tick(), remembered=100)
    for number in range(1_000):
        buckets.take(str(number))
    assert len(buckets) == 100


def test_the_address_not_heard_of_for_longest_is_forgotten_first():
    buckets = Buckets(rate=1, burst=1, tick=Tick(), remembered=2)
    for name in ("old", "busy", "old", "new"):
        buckets.take(name)
    assert buckets.take("old") > 0
    assert buckets.take("busy") == 0


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("192.0.2.1", "192.0.2.2", False),
        ("192.0.2.1", "::ffff:192.0.2.1", True),
        ("2001:db8:1:2::1", "2001:db8:1:2:ffff::1", True),
        ("2001:db8:1:2::1", "2001:db8:1:3::1", False),
        ("fe80::1%eth0", "fe80::1", True),
        ("nonsense", "", True),
    ],
)
def test_one_address_is_one_of_ipv4_or_a_64_of_ipv6(one: str, other: str, same: bool):
    assert (group_of(one) == group_of(other)) is same


# Behind proxies


@pytest.mark.parametrize(
    ("peer", "forwarded", "client"),
    [
        ("127.0.0.1", [], "127.0.0.1"),
        ("127.0.0.1", ["198.51.100.1"], "198.51.100.1"),
        ("::ffff:127.0.0.1", ["198.51.100.1"], "198.51.100.1"),
        ("2001:db8::9", ["198.51.100.1"], "198.51.100.1"),
        ("127.0.0.1", ["203.0.113.9, 198.51.100.1"], "198.51.100.1"),
        ("127.0.0.1", ["203.0.113.9", "198.51.100.1"], "198.51.100.1"),
        ("127.0.0.1", ["203.0.113.9, 198.51.100.1, 10.1.2.3"], "198.51.100.1"),
        ("127.0.0.1", ["10.9.9.9, 10.1.2.3"], "10.9.9.9"),
        ("127.0.0.1", ["198.51.100.1, nonsense"], "127.0.0.1"),
        ("127.0.0.1", ["198.51.100.1, "], "127.0.0.1"),
        ("203.0.113.5", ["198.51.100.1"], "203.0.113.5"),
        ("", ["198.51.100.1"], ""),
    ],
)
def test_the_client_is_the_last_hop_that_is_none_of_our_proxies(peer: str, forwarded: list[str], client: str):
    assert client_of(peer, forwarded, PROXIES) == client


def test_without_trusted_proxies_nobody_is_believed():
    assert client_of("127.0.0.1", ["198.51.100.1"], []) == "127.0.0.1"


async def test_whoever_is_no_trusted_proxy_cannot_choose_an_address(serve: Serve):
    node = await serve(requests_burst=2, requests_per_second=0.25, trusted_proxies=("192.0.2.1",))
    assert [await node.status(X_Forwarded_For=f"198.51.100.{at}") for at in range(3)] == [200, 200, 429]


async def test_handlers_see_the_address_of_the_client(serve: Serve):
    node = await serve(trusted_proxies=("127.0.0.0/8",))
    assert (await node.get("/whose", X_Forwarded_For="198.51.100.1"))[2] == "198.51.100.1"
    assert (await node.get("/whose"))[2] == "127.0.0.1"


async def test_the_log_tells_of_a_proxy_that_is_not_named_once_and_without_addresses(serve: Serve):
    node = await serve(requests_burst=1, requests_per_second=0.25)
    with capture_logs() as logged:
        assert [await node.status(X_Forwarded_For="198.51.100.1") for _ in range(5)] == [200, 429, 429, 429, 429]
    assert logged == [{"event": "one address asks too much", "forwarded": True, "log_level": "warning"}]


# All together


async def test_a_node_with_too_much_to_do_says_so_at_once_and_answers_again_afterwards(serve: Serve):
    node = await serve(requests_at_once=2)
    held = await node.hold(2)
    status, headers, text = await node.get()
    assert (status, headers["Retry-After"]) == (503, "5")
    assert "/problems/unavailable" in text
    node.release.set()
    assert await asyncio.gather(*held) == [200, 200]
    assert await node.status() == 200


async def test_overload_is_logged_once_a_minute(serve: Serve):
    node = await serve(requests_at_once=1)
    await node.hold(1)
    with capture_logs() as logged:
        for _ in range(5):
            await node.get()
        node.tick.at += 61
        await node.get()
    assert [each["event"] for each in logged] == ["overloaded", "overloaded"]


async def test_bodies_that_drip_in_take_no_place_of_a_reader(serve: Serve):
    node = await serve(requests_at_once=1, uploads_at_once=1)
    port = int(node.base.rpartition(":")[2])
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(LOGIN)
    await writer.drain()
    async with asyncio.timeout(10):
        while (await node.session.post(f"{node.base}/login", data={})).status != 503:
            await asyncio.sleep(0.01)
    assert await node.status() == 200
    writer.close()
    await writer.wait_closed()
    assert not await reader.read()


async def test_one_address_holds_no_more_than_its_share_of_the_places_for_bodies(serve: Serve):
    node = await serve(uploads_at_once=3, uploads_per_address=2, trusted_proxies=("127.0.0.1",))
    port = int(node.base.rpartition(":")[2])
    held = [(await asyncio.open_connection("127.0.0.1", port))[1] for _ in range(2)]
    for writer in held:
        writer.write(LOGIN)
        await writer.drain()
    url = f"{node.base}/login"
    async with asyncio.timeout(10):
        while (await node.session.post(url, data={})).status != 429:
            await asyncio.sleep(0.01)
    assert (await node.session.post(url, data={}, headers={"X-Forwarded-For": "192.0.2.7"})).status == 401
    for writer in held:
        writer.close()
        await writer.wait_closed()
    async with asyncio.timeout(10):
        while (await node.session.post(url, data={})).status == 429:
            await asyncio.sleep(0.01)


async def test_a_request_that_is_cut_off_gives_its_place_back(serve: Serve):
    node = await serve(requests_at_once=1, uploads_at_once=1)
    for _ in range(3):
        _, writer = await asyncio.open_connection("127.0.0.1", int(node.base.rpartition(":")[2]))
        writer.write(LOGIN)
        await writer.drain()
        writer.close()
        await writer.wait_closed()
    async with asyncio.timeout(10):
        while (await node.session.post(f"{node.base}/login", data={})).status == 503:
            await asyncio.sleep(0.01)


async def test_a_supervisor_is_answered_whatever_the_load(serve: Serve):
    node = await serve(requests_burst=2, requests_per_second=0.001, requests_at_once=1)
    await node.hold(1)
    assert await node.status() == 503
    assert await node.status() == 429
    assert [await node.status("/health/live") for _ in range(5)] == [200] * 5


# Bodies


@pytest.mark.parametrize("path", ["/login", "/api/records"])
@pytest.mark.parametrize("encoding", ["gzip", "deflate", "br", "zstd", "identity, gzip", "GZIP", ""])
async def test_an_encoded_body_is_refused(start_node, path: str, encoding: str):
    node = await start_node("flanders")
    token = (node.config.data / "api.token").read_text().strip()
    headers = {"Content-Encoding": encoding, "Authorization": f"Bearer {token}"}
    async with (
        aiohttp.ClientSession() as session,
        session.post(node.base + path, data=gzip.compress(b"[]"), headers=headers) as answer,
    ):
        assert answer.status == 400
        assert "Compressed" in await answer.text()
