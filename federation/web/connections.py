"""The connections of a node's server: how many there may be, and how long each may keep it waiting.

A connection ends when it has been silent, or has not brought the head of a request, for ``idle_seconds``
(aiohttp's keep-alive timer, which bytes of an unfinished head do not put off); when a body takes longer than
``request_seconds`` (``bodies.py``), or ``LINGERING`` where nobody reads it; and when its client does not take
what was sent to it for ``answer_seconds``.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence
from typing import Any, Final

from aiohttp import web
from aiohttp.web import BaseRequest, RequestHandler, StreamResponse

from federation.limits import Limits
from federation.web.guard import Network, group_of, is_within
from federation.web.keys import CONFIG

LINGERING: Final = 5
"""Seconds for which the rest of a body that nobody wants is read and thrown away: closed at once, a client
that is still sending would see an error of the network instead of its answer."""


LONGEST_LINE: Final = 128 * 1024
"""Bytes of the first line of a request: ten thousand characters that somebody pasted into the search box, encoded,
whatever they are."""


class Door:
    """Counts the open connections, all of them and those of each address."""

    def __init__(self, limits: Limits, proxies: Sequence[Network]) -> None:
        self._limits = limits
        self._proxies = proxies
        self._open: Counter[str] = Counter()
        self.open = 0

    def enter(self, address: str) -> str | None:
        """Count one more connection: what to ``leave`` by, or None where there are too many."""
        group = group_of(address)
        if self.open >= self._limits.connections:
            return None
        # A proxy brings the connections of everybody; it is for the proxy to count those of each.
        if self._open[group] >= self._limits.connections_per_address and not is_within(address, self._proxies):
            return None
        self.open += 1
        self._open[group] += 1
        return group

    def leave(self, group: str) -> None:
        self.open -= 1
        self._open[group] -= 1
        if not self._open[group]:
            del self._open[group]  # a counter keeps names that have come to nothing


class Connection(RequestHandler):
    """aiohttp's protocol of one connection, which also counts it and bounds the time to send.

    There is no hook between aiohttp's accepting a connection and reading from it. Its protocol is the place:
    asyncio calls ``connection_made`` before it reads the first byte, so one too many is dropped here for the
    price of the accept, and nothing of it is parsed.
    """

    __slots__ = ("_door", "_group", "_overdue", "_seconds", "_socket")

    def __init__(self, manager: web.Server, *, door: Door, seconds: float, **settings: Any) -> None:
        super().__init__(manager, **settings)
        self._door = door
        self._seconds = seconds
        self._group: str | None = None
        self._socket: asyncio.Transport | None = None
        self._overdue: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        peer = transport.get_extra_info("peername")
        self._group = self._door.enter(str(peer[0]) if isinstance(peer, tuple) else "")
        if self._group is None:
            transport.abort()
            return
        self._socket = transport
        # From the first byte the system does not take, writing counts as paused, until it has taken the last.
        transport.set_write_buffer_limits(high=0)
        super().connection_made(transport)

    def connection_lost(self, exc: BaseException | None) -> None:
        if self._group is not None:
            self._door.leave(self._group)
            self._group = None
        self._stop_waiting()
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        """The client takes nothing more: from here its time runs, however few bytes it takes now and then."""
        super().pause_writing()
        assert self._socket is not None
        # Not close(): that waits until everything is sent, for ever if need be. aiohttp itself closes so.
        self._overdue = self._loop.call_later(self._seconds, self._socket.abort)

    def resume_writing(self) -> None:
        self._stop_waiting()
        super().resume_writing()

    def _stop_waiting(self) -> None:
        if self._overdue is not None:
            self._overdue.cancel()
            self._overdue = None

    async def finish_response(
        self, request: BaseRequest, resp: StreamResponse, start_time: float | None
    ) -> tuple[StreamResponse, bool]:
        """Send an answer. A file goes past the buffer of the transport (sendfile), so its time runs here."""
        if not isinstance(resp, web.FileResponse):
            return await super().finish_response(request, resp, start_time)
        try:
            async with asyncio.timeout(self._seconds):
                return await super().finish_response(request, resp, start_time)
        except TimeoutError as error:
            if self._socket is not None:
                self._socket.abort()
            raise ConnectionResetError("the client did not take the file in time") from error


class Server(web.Server):
    """Makes a ``Connection`` of every connection."""

    def __init__(self, app: web.Application, made: web.Server, settings: dict[str, Any]) -> None:
        super().__init__(made.request_handler, request_factory=made.request_factory)
        config = app[CONFIG]
        self.door = Door(config.limits, config.trusted_proxies)
        self._settings = {**settings, "door": self.door, "seconds": config.limits.answer_seconds}

    def __call__(self) -> RequestHandler:
        return Connection(self, loop=self._loop, **self._settings)


class Runner(web.AppRunner):
    """An application's runner whose server is ours."""

    async def _make_server(self) -> web.Server:
        # The one method that aiohttp leaves to a runner; sites take what it returns to make protocols with.
        return Server(self.app, await super()._make_server(), self._kwargs)


def runner_of(app: web.Application) -> web.AppRunner:
    """A runner for an application, within the limits of its configuration."""
    return Runner(
        app,
        # aiohttp's own default is an hour.
        keepalive_timeout=app[CONFIG].limits.idle_seconds,
        lingering_time=LINGERING,
        max_line_size=LONGEST_LINE,
        # Compressed requests are refused (bodies.py); what nobody reads must not be inflated either.
        auto_decompress=False,
        access_log=None,
        handle_signals=False,
    )
