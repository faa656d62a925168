"""The one place from which requests leave this node.

Only configured peers are asked, by https, at the port their address names: 443 where it names none. The
address that is really connected to is checked, whatever the name resolved to; redirects are followed by
hand, twice at most and within one origin, port included; answers are read as a stream that is cut off at
a size, at a time and below a rate. Nothing found inside a record is ever fetched.
"""

from __future__ import annotations

import asyncio
import ipaddress
import re
import socket
from collections.abc import AsyncIterator, Collection, Container, Iterable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from itertools import chain
from typing import Any, Final
from urllib.parse import urljoin, urlsplit

import aiohttp

from federation.config import PeerConfig
from federation.errors import AddressRefused, OversizedResponse, PeerError, PeerUnreachable
from federation.limits import Limits
from federation.peers.content import Content

USER_AGENT: Final = "procirc-federation"
MAX_REDIRECTS: Final = 2
CONNECTIONS: Final = 4
"""To one origin at once."""
SEEN: Final = "Log-Seen"
"""Header of ``/log/checkpoint``: changes when ``/log/seen`` does."""
_DIGEST: Final = re.compile(r"[0-9a-f]{16}")
_ETAG: Final = re.compile(r'(?:W/)?"[\x21\x23-\x7e]{0,200}"')
_RETRY: Final = frozenset({408, 425, 429, 500, 502, 503, 504})

# IANA IPv4 and IPv6 special-purpose address registries, as of 2026-11, with multicast. Python's
# ``is_global`` calls some of them global (NAT64, 6to4, 192.0.0.9), so they are spelt out.
SPECIAL: Final = tuple(
    ipaddress.ip_network(each)
    for each in [
        "0.0.0.0/8",
        "10.0.0.0/8",
        "100.64.0.0/10",
        "127.0.0.0/8",
        "169.254.0.0/16",
        "172.16.0.0/12",
        "192.0.0.0/24",
        "192.0.2.0/24",
        "192.31.196.0/24",
        "192.52.193.0/24",
        "192.88.99.0/24",
        "192.168.0.0/16",
        "192.175.48.0/24",
        "198.18.0.0/15",
        "198.51.100.0/24",
        "203.0.113.0/24",
        "224.0.0.0/4",
        "240.0.0.0/4",
        "::/128",
        "::1/128",
        "::ffff:0:0/96",
        "64:ff9b::/96",
        "64:ff9b:1::/48",
        "100::/64",
        "100:0:0:1::/64",
        "2001::/23",
        "2001:db8::/32",
        "2002::/16",
        "2620:4f:8000::/48",
        "3fff::/20",
        "5f00::/16",
        "fc00::/7",
        "fe80::/10",
        "fec0::/10",
        "ff00::/8",
    ]
)


def is_public(address: str) -> bool:
    """Whether an IP address is one of the open internet: in none of the special ranges."""
    try:
        parsed = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return False
    return not any(parsed in network for network in SPECIAL if network.version == parsed.version)


@dataclass(frozen=True, slots=True)
class Answer:
    """What a peer answered: status 200 with its content, or 304 without."""

    status: int
    content: Content
    etag: str
    media_type: str
    url: str
    seen: str = ""
    """Digest of what the peer has seen of others, as it says with its checkpoint."""
    date: datetime | None = None
    """When the peer says that it answered."""


class Origins:
    """Whom a node may ask: its peers with their mirrors, and whoever is being looked at before somebody follows it."""

    def __init__(self) -> None:
        self._followed: frozenset[str] = frozenset()
        self._met: set[str] = set()

    def __contains__(self, origin: object) -> bool:
        return origin in self._followed or origin in self._met

    def follow(self, peers: Iterable[PeerConfig]) -> None:
        """These and no others: whoever is followed no longer is asked no longer."""
        self._followed = frozenset(chain.from_iterable(map(_addresses, peers)))

    @contextmanager
    def meeting(self, peer: PeerConfig) -> Iterator[None]:
        """A peer may be asked as long as it is being looked at."""
        asked = set(_addresses(peer)) - self._met
        self._met |= asked
        try:
            yield
        finally:
            self._met -= asked


def _addresses(peer: PeerConfig) -> Iterator[str]:
    return (origin for origin in (peer.url, peer.via) if origin)


class Transport:
    """Asks peers. One for a node; every request goes through ``get``."""

    def __init__(
        self, session: aiohttp.ClientSession, *, origins: Container[str], limits: Limits, schemes: Collection[str]
    ) -> None:
        self._session = session
        self._schemes = schemes
        self._origins = origins  # not a copy: peers are added while a node runs
        self._limits = limits
        self._free: dict[str, asyncio.Semaphore] = {}

    async def get(self, url: str, *, accept: str, etag: str = "", max_bytes: int | None = None) -> Answer:
        """One GET of a configured peer.

        Raises PeerUnreachable for what may pass (connection, time-out, 429, 5xx), AddressRefused,
        OversizedResponse, and PeerError for any other status.
        """
        cap = max_bytes if max_bytes is not None else self._limits.page_bytes
        self._check_origin(url)
        free = self._free.setdefault(_origin(url), asyncio.Semaphore(CONNECTIONS))
        try:
            # The time of an answer begins when it can be asked for: waiting for a connection is not the peer's doing.
            async with free, asyncio.timeout(self._limits.page_seconds):
                return await self._get(url, accept, etag, cap)
        except TimeoutError as error:
            raise PeerUnreachable(f"{url} did not answer within {self._limits.page_seconds:g} s.") from error
        except aiohttp.ClientError as error:
            raise PeerUnreachable(f"{url} cannot be reached: {error or type(error).__name__}.") from error

    async def _get(self, url: str, accept: str, etag: str, cap: int) -> Answer:
        headers = {"Accept": accept, "Accept-Encoding": "gzip"}
        if etag:
            headers["If-None-Match"] = etag
        for _ in range(MAX_REDIRECTS + 1):
            self._check_origin(url)
            async with self._session.get(url, headers=headers, allow_redirects=False) as response:
                if response.status in (301, 302, 303, 307, 308):
                    url = self._redirected(url, response.headers.get("Location", ""))
                    continue
                return await self._read(url, response, cap, asked_for_newer=bool(etag))
        raise PeerError(f"{url} redirects more than {MAX_REDIRECTS} times.")

    def _check_origin(self, url: str) -> None:
        if _origin(url) not in self._origins:
            raise AddressRefused(f"{_origin(url)} is not a configured peer.", remedy="Add it to the peers first.")
        if urlsplit(url).scheme not in self._schemes:
            raise AddressRefused(f"{_origin(url)} is not asked without https.", remedy="Use its https:// address.")

    def _redirected(self, url: str, location: str) -> str:
        try:
            target = urljoin(url, location)
        except ValueError as error:
            raise PeerError(f"{url} redirects to what is no address, {location[:200]!r}.") from error
        if not location or _origin(target) != _origin(url):
            raise AddressRefused(f"{url} redirects to another origin, {target[:200]!r}.")
        return target

    async def _read(self, url: str, response: aiohttp.ClientResponse, cap: int, *, asked_for_newer: bool) -> Answer:
        status = response.status
        if status in _RETRY:
            raise PeerUnreachable(
                f"{url} answered {status} {response.reason}.",
                retry_after=_retry_after(response.headers.get("Retry-After", "")),
            )
        if status not in (200, 304) or (status == 304 and not asked_for_newer):
            raise PeerError(f"{url} answered {status} {response.reason}.")
        encoding = response.headers.get("Content-Encoding", "identity")
        if encoding not in ("identity", "gzip"):
            raise PeerError(f"{url} answered in an encoding nobody asked for.")
        data = await self._body(url, response, cap)
        content = Content(data if status == 200 else b"", url, cap, encoding == "gzip" and status == 200)
        etag = response.headers.get("ETag", "")
        seen = response.headers.get(SEEN, "")
        return Answer(
            status,
            content,
            etag if _ETAG.fullmatch(etag) else "",
            response.content_type,
            url,
            seen if _DIGEST.fullmatch(seen) else "",
            _moment(response.headers.get("Date", "")),
        )

    async def _body(self, url: str, response: aiohttp.ClientResponse, cap: int) -> bytes:
        """The bytes of an answer as they are sent. Raises OversizedResponse, and PeerUnreachable for a drip of them."""
        clock, data, limits = asyncio.get_running_loop().time, bytearray(), self._limits
        start = clock()
        async for chunk in response.content.iter_any():
            data += chunk
            if len(data) > cap:
                raise OversizedResponse(f"{url} sent more than {cap:,} bytes.")
            passed = clock() - start
            if passed > limits.rate_seconds and len(data) < limits.rate_bytes * passed:
                raise PeerUnreachable(f"{url} sent {len(data):,} bytes in {passed:.0f} s, which is too slow.")
        return bytes(data)


def _origin(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"


def _retry_after(value: str) -> float | None:
    """Seconds of a Retry-After header, given as a number or as a date; None for anything else."""
    if value.isascii() and value.isdecimal():
        return float(min(int(value[:9]), 86_400))
    when = _moment(value)
    return None if when is None else min(max(0.0, (when - datetime.now(UTC)).total_seconds()), 86_400.0)


def _moment(value: str) -> datetime | None:
    """The time of a header; None for what is none."""
    try:
        when = parsedate_to_datetime(value)
        # -0000: a time without a zone (RFC 5322 section 3.3)
        return when.replace(tzinfo=UTC) if when.tzinfo is None else when.astimezone(UTC)
    except (ValueError, OverflowError):
        return None


@asynccontextmanager
async def open_transport(*, origins: Container[str], limits: Limits, allow_private: bool) -> AsyncIterator[Transport]:
    """A transport with a session of its own.

    ``allow_private``, for tests and demonstrations, allows http and addresses that are not public.
    """

    def guarded(info: Any) -> socket.socket:
        family, kind, protocol, _, address = info
        if not allow_private and not is_public(str(address[0])):
            raise OSError(f"{address[0]} is not a public address")
        made = socket.socket(family, kind, protocol)
        made.setblocking(False)
        return made

    timeout = aiohttp.ClientTimeout(total=None, sock_connect=limits.connect_seconds, sock_read=limits.read_seconds)
    connector = aiohttp.TCPConnector(socket_factory=guarded, limit_per_host=CONNECTIONS, ttl_dns_cache=60)
    async with aiohttp.ClientSession(
        connector=connector,
        timeout=timeout,
        trust_env=False,
        auto_decompress=False,
        cookie_jar=aiohttp.DummyCookieJar(),
        headers={"User-Agent": USER_AGENT},
        max_line_size=8190,
    ) as session:
        schemes = ("https", "http") if allow_private else ("https",)
        yield Transport(session, origins=origins, limits=limits, schemes=schemes)
