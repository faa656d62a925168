"""Connections: how many there may be, and how long each may keep the node waiting."""

from __future__ import annotations

import asyncio
import resource
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from ipaddress import ip_network
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web

from federation import node as nodes
from federation.limits import Limits
from federation.web.connections import Door, Server, runner_of
from tests.conftest import free_port

LIVE = b"GET /health/live HTTP/1.1\r\nHost: x\r\n\r\n"
LARGE = 24 * 1024 * 1024
"""More than two systems keep for a connection on its way."""


class Client:
    """One connection, byte by byte."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    def drop(self) -> None:
        self.writer.transport.abort()

    async def send(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    async def ask(self, request: bytes = LIVE) -> int:
        """The status of an answer, or 0 where the connection was closed instead."""
        try:
            await self.send(request)
            head = await self.reader.readuntil(b"\r\n\r\n")
        except (ConnectionError, asyncio.IncompleteReadError):
            return 0
        length = next(int(line[15:]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:"))
        await self.reader.readexactly(length)
        return int(head.split()[1])

    async def drip(self, data: bytes, every: float = 0.02) -> None:
        """Send one byte after the other until the node closes the connection."""
        try:
            for at in range(len(data)):
                await self.send(data[at : at + 1])
                await asyncio.sleep(every)
                if self.reader.at_eof():
                    return
        except ConnectionError:
            return

    async def closed(self, within: float = 10) -> int:
        """Wait until the node has closed the connection; the bytes it still sent."""
        taken = 0
        try:
            async with asyncio.timeout(within):
                while data := await self.reader.read(65_536):
                    taken += len(data)
        except ConnectionError:
            pass
        return taken


class Connect:
    """Connects to a node, and looks at its end of the connections."""

    def __init__(self, server: Server, port: int, stack: AsyncExitStack) -> None:
        self.door = server.door
        self._server, self._port, self._stack = server, port, stack

    async def __call__(self) -> Client:
        client = Client(*await asyncio.open_connection("127.0.0.1", self._port, limit=1024))
        self._stack.callback(client.drop)
        return client

    def answered(self) -> int:
        return self._server.requests_count

    def unsent(self) -> int:
        """Bytes that the systems have not taken yet."""
        return sum(each.transport.get_write_buffer_size() for each in self._server.connections if each.transport)


Serve = Callable[..., Awaitable[Connect]]


@pytest.fixture
async def serve(start_node, tmp_path: Path) -> AsyncIterator[Serve]:
    """``connect = await serve(idle_seconds=0.2, …)``: a node with these limits, and how to connect to it.

    ``/large``, ``/stream`` and ``/file`` are too large for a client that does not read them.
    """
    (tmp_path / "files").mkdir()
    with (tmp_path / "files" / "large").open("wb") as file:
        file.truncate(LARGE)

    async def large(request: web.Request) -> web.Response:
        return web.Response(body=bytes(LARGE))

    async def small(request: web.Request) -> web.Response:
        return web.Response(body=bytes(16_384))

    async def stream(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        for _ in range(LARGE // 65_536):
            await response.write(bytes(65_536))
        return response

    async with AsyncExitStack() as stack:

        async def start(**limits: float) -> Connect:
            node = await start_node("flanders", limits=Limits(**limits))
            app = nodes.application(node.node)
            app.router.add_get("/large", large)
            app.router.add_get("/small", small)
            app.router.add_get("/stream", stream)
            app.router.add_static("/file", tmp_path / "files")
            runner, port = runner_of(app), free_port()
            await runner.setup()
            stack.push_async_callback(runner.cleanup)
            await web.TCPSite(runner, "127.0.0.1", port, backlog=512).start()
            assert isinstance(runner.server, Server)
            return Connect(runner.server, port, stack)

        yield start


# How many


@pytest.mark.parametrize("limit", ["connections", "connections_per_address"])
async def test_a_connection_too_many_is_closed_unread_and_the_others_stay(serve: Serve, limit: str):
    connect = await serve(**{limit: 2})
    first, second, third = [await connect() for _ in range(3)]
    assert [await each.ask() for each in (first, second, third, first)] == [200, 200, 0, 200]


async def test_when_one_is_closed_the_next_is_welcome(serve: Serve):
    connect = await serve(connections=1)
    first = await connect()
    assert await first.ask() == 200
    first.writer.close()
    await first.writer.wait_closed()
    async with asyncio.timeout(10):
        while await (await connect()).ask() != 200:
            await asyncio.sleep(0.01)


def test_one_address_with_all_its_connections_leaves_room_for_others():
    door = Door(Limits(connections=10, connections_per_address=2), ())
    asked = ["192.0.2.1", "192.0.2.1", "192.0.2.1", "192.0.2.2", "2001:db8::1", "2001:db8::2", "2001:db8::3"]
    assert [door.enter(each) is not None for each in asked] == [True, True, False, True, True, True, False]


def test_a_trusted_proxy_may_bring_the_connections_of_everybody():
    door = Door(Limits(connections=3, connections_per_address=1), [ip_network("10.0.0.0/8")])
    assert [door.enter("10.0.0.1") is not None for _ in range(4)] == [True, True, True, False]


def test_what_has_left_is_not_counted_any_more():
    door = Door(Limits(connections=1), ())
    for number in range(100):
        group = door.enter(f"192.0.2.{number}")
        assert group is not None
        door.leave(group)
    assert door.open == 0


# How long


async def test_a_silent_connection_is_closed(serve: Serve):
    client = await (await serve(idle_seconds=0.2))()
    assert await client.closed() == 0


async def test_a_silent_connection_is_closed_after_an_answer_too(serve: Serve):
    client = await (await serve(idle_seconds=0.2))()
    assert await client.ask() == 200
    assert await client.closed() == 0


@pytest.mark.parametrize("before", [0, 1])
async def test_the_head_of_a_request_that_drips_in_is_not_waited_for(serve: Serve, before: int):
    client = await (await serve(idle_seconds=0.3))()
    for _ in range(before):
        assert await client.ask() == 200
    async with asyncio.timeout(10):
        await client.drip(b"GET /health/live HTTP/1.1\r\nHost: x\r\n" + b"X-More: 1\r\n" * 200)
    assert await client.closed() == 0


async def test_a_body_that_nobody_reads_is_not_waited_for_either(serve: Serve):
    client = await (await serve(idle_seconds=0.3))()
    assert await client.ask(b"GET /login HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nx") == 200
    assert await client.closed(within=20) == 0


@pytest.mark.parametrize("path", ["/large", "/stream", "/file/large"])
async def test_a_client_that_does_not_take_its_answer_is_given_up(serve: Serve, path: str):
    client = await (await serve(answer_seconds=0.3))()
    await client.send(f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
    await asyncio.sleep(1)
    assert await client.closed() < LARGE


async def test_a_client_that_takes_its_answer_in_drops_is_given_up(serve: Serve):
    client = await (await serve(answer_seconds=0.3))()
    await client.send(b"GET /large HTTP/1.1\r\nHost: x\r\n\r\n")
    for _ in range(50):
        await client.reader.read(1024)
        await asyncio.sleep(0.02)
    assert await client.closed() < LARGE


@pytest.mark.parametrize("path", ["/large", "/stream", "/file/large"])
async def test_a_client_that_reads_gets_all_of_a_large_answer(serve: Serve, path: str):
    client = await (await serve(answer_seconds=20))()
    await client.send(f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
    assert await client.closed(within=30) > LARGE


async def test_what_is_left_to_send_does_not_keep_a_connection_that_is_closing(serve: Serve):
    """The last small answers to a client that reads none: too little for aiohttp to wait until it is sent."""
    connect = await serve(answer_seconds=0.3, idle_seconds=0.3)
    client = await connect()
    async with asyncio.timeout(30):
        assert await client.ask() == 200
        while not connect.unsent():
            before = connect.answered()
            client.writer.write(b"GET /small HTTP/1.1\r\nHost: x\r\n\r\n")
            while connect.answered() == before:
                await asyncio.sleep(0.001)
        while connect.door.open:
            await asyncio.sleep(0.01)


# Many of them


@pytest.fixture
def many_files():
    """Both ends of 500 connections, in one process, on systems that allow 1,024 files by default."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = 4096 if hard == resource.RLIM_INFINITY else min(4096, hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, wanted), hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


async def test_five_hundred_that_drip_keep_nobody_else_waiting(serve: Serve, many_files: None):
    connect = await serve(connections_per_address=600)
    head = b"GET /login HTTP/1.1\r\nHost: x\r\n" + b"X-More: 1\r\n" * 100
    body = b"POST /login HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n"
    drippers = [await connect() for _ in range(500)]
    for each in drippers[250:]:
        await each.send(body)
    dripping = [asyncio.create_task(each.drip(head, every=0.5)) for each in drippers[:250]]
    dripping += [asyncio.create_task(each.drip(b"x" * 900, every=0.5)) for each in drippers[250:]]
    base = "http://{}:{}".format(*drippers[0].writer.get_extra_info("peername"))
    async with aiohttp.ClientSession() as session, asyncio.timeout(30):
        for _ in range(20):
            for path in ("/", "/login", "/feed", "/log/checkpoint"):
                async with session.get(base + path) as answer:
                    assert answer.status == 200
    assert sum(not each.reader.at_eof() for each in drippers[:250]) == 250
    for task in dripping:
        task.cancel()
    await asyncio.gather(*dripping, return_exceptions=True)
