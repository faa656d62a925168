"""Answers of peers, in any bytes: they are read, or the peer is said to have failed."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from federation.errors import FederationError, PeerError
from federation.limits import Limits
from federation.peers import transport
from federation.peers.transport import Answer, open_transport
from tests.fuzz.hostile import FUZZ, damaged

ASKING = settings(FUZZ, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
LIMITS = Limits(read_seconds=2, page_seconds=5, page_bytes=100_000)
GENUINE = (
    b'HTTP/1.1 200 OK\r\nContent-Type: application/n-quads; charset=utf-8\r\nETag: "a"\r\n'
    b"Content-Length: 8\r\nConnection: close\r\n\r\na b c .\n"
)
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Type: a/b\r\n\r\n3\r\nabc\r\n0\r\n\r\n"
REDIRECT = b"HTTP/1.1 302 Found\r\nLocation: /feed?a=b#c\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
LATER = b"HTTP/1.1 503 Later\r\nRetry-After: 120\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"


def answered(data: bytes, asking: Callable[[transport.Transport, str], Awaitable[Answer]]) -> Answer | PeerError:
    """What comes of a peer that answers every request with some bytes and hangs up."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readline()
        writer.write(data)
        writer.close()

    async def run() -> Answer | PeerError:
        server = await asyncio.start_server(answer, "127.0.0.1", 0)
        base = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        async with server, open_transport(origins=[base], limits=LIMITS, allow_private=True) as made:
            try:
                found = await asking(made, f"{base}/feed")
                found.content.opened()
                return found
            except PeerError as error:
                str(error).encode()
                return error

    return asyncio.run(run())


def page(made: transport.Transport, url: str) -> Awaitable[Answer]:
    return made.get(url, accept="application/n-quads")


def test_a_genuine_answer_is_read():
    found = answered(GENUINE, page)
    assert isinstance(found, Answer)
    assert found.content.data == b"a b c .\n"


@ASKING
@given(damaged(GENUINE, CHUNKED, LATER))
def test_a_damaged_answer_is_read_or_is_the_failure_of_the_peer(data: bytes):
    assert isinstance(answered(data, page), Answer | FederationError)


@ASKING
@given(damaged(b"/feed?a=b#c", b"http://127.0.0.1:1/a", b"//a.example/\xc3\xa9", b"http://[::1]:80/") | st.binary())
def test_any_redirect_stays_at_the_peer_or_is_its_failure(location: bytes):
    data = REDIRECT.replace(b"/feed?a=b#c", location)
    assert isinstance(answered(data, page), Answer | FederationError)


@FUZZ
@given(damaged(b"120", b"Sun, 22 Nov 2026 09:00:00 GMT", b"Fri, 31 Dec 9999 23:59:59 -2359") | st.binary(max_size=30))
def test_any_wish_for_a_later_try_is_within_a_day_or_none(value: bytes):
    seconds = transport._retry_after(value.decode("utf-8", "surrogateescape"))
    assert seconds is None or 0 <= seconds <= 86_400
