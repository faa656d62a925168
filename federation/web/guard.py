"""Who may ask how much: a token bucket for each address, and a bound on the requests answered at once.

A region's own people and the peers that follow its log never notice either. What asks for more is told so
before any work is done for it, with the time after which to try again: 429 when one address asks too often,
503 when all of them together do. Connections are counted in ``connections.py``, before there is a request.
"""

from __future__ import annotations

import math
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import Final

import structlog
from aiohttp import web

from federation.errors import TooMany, Unavailable
from federation.limits import Limits

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
Network = IPv4Network | IPv6Network
Tick = Callable[[], float]
"""A clock that only goes forward, in seconds from anywhere; the time of day may be set back."""

ALWAYS: Final = frozenset({"/health/live"})
"""What is answered whatever the load: a supervisor must not take a busy node for a dead one."""
REMEMBERED: Final = 20_000
"""Addresses whose buckets are kept, some 4 MiB; the one not heard of for the longest time is forgotten first."""
RETRY_OVERLOAD: Final = 5
"""Seconds after which to try again at a node with too much to do."""
_SAID_EVERY: Final = 60
_READING: Final = frozenset({"GET", "HEAD"})
log = structlog.get_logger(__name__)


@lru_cache(4096)
def _parsed(text: str) -> IPv4Address | IPv6Address | None:
    """An address as it was written; one of IPv4 inside IPv6 is that of IPv4."""
    try:
        found = ip_address(text.partition("%")[0])
    except ValueError:
        return None
    return getattr(found, "ipv4_mapped", None) or found


@lru_cache(4096)
def group_of(address: str) -> str:
    """What counts as one address: one of IPv4, a /64 of IPv6 (the least that a customer gets; RFC 6177).

    Texts that are no address are one group together.
    """
    found = _parsed(address)
    if isinstance(found, IPv6Address):
        return str(IPv6Network((found, 64), strict=False))
    return str(found or "")


def is_within(address: str, networks: Sequence[Network]) -> bool:
    found = _parsed(address) if networks else None
    return found is not None and any(found in network for network in networks)


def client_of(peer: str, forwarded: Sequence[str], proxies: Sequence[Network]) -> str:
    """The address of a client: the last hop that is none of our proxies.

    ``peer`` is who is connected, ``forwarded`` the lines of X-Forwarded-For, to which each proxy adds at the
    end whom it was asked by. What stands before a hop we do not trust can be made up and is not read.
    """
    client = peer
    hops = [hop.strip() for line in forwarded for hop in line.split(",")]
    while hops and is_within(client, proxies) and _parsed(hops[-1]) is not None:
        client = hops.pop()
    return client


class Buckets:
    """Token buckets by name. Each holds ``burst`` tokens at most and gets ``rate`` new ones a second.

    Of a bucket only the moment is kept at which it will be full again: what is missing now follows from it.
    """

    def __init__(self, *, rate: float, burst: int, tick: Tick, remembered: int = REMEMBERED) -> None:
        self._each = 1 / rate
        self._depth = burst / rate
        self._tick = tick
        self._remembered = remembered
        self._full_at: dict[str, float] = {}

    def __len__(self) -> int:
        return len(self._full_at)

    def take(self, name: str) -> float:
        """Take a token: 0, or without one, the seconds until there will be one (nothing is taken then)."""
        now = self._tick()
        before = max(self._full_at.pop(name, now), now)
        after = before + self._each
        missing = after - now - self._depth
        # A millionth of a second is forgiven: sums of floats must not refuse the last token.
        refused = missing > 1e-6
        # Taken out above and put in here, a bucket stands at the end: the first is the one unused for longest.
        self._full_at[name] = before if refused else after
        if len(self._full_at) > self._remembered:
            del self._full_at[next(iter(self._full_at))]
        return missing if refused else 0.0


class Places:
    """Requests of one kind that may be answered at once; ``with`` holds a place for one.

    Entering raises Unavailable when all are taken.
    """

    def __init__(self, most: int) -> None:
        self.most = most
        self.taken = 0

    def __enter__(self) -> None:
        if self.taken >= self.most:
            raise Unavailable(
                "This node has more to do than it can.", remedy="Try again in a moment.", retry_after=RETRY_OVERLOAD
            )
        self.taken += 1

    def __exit__(self, *failure: object) -> None:
        self.taken -= 1


class Shares:
    """Places of one kind by who takes them: nobody holds so many that none are left for others."""

    def __init__(self, most: int, refusal: str) -> None:
        """``refusal`` is the sentence for whoever wants more than ``most``."""
        self.most = most
        self._refusal = refusal
        self._taken: Counter[str] = Counter()

    @contextmanager
    def of(self, name: str) -> Iterator[None]:
        """Hold a place for somebody. Raises TooMany."""
        if self._taken[name] >= self.most:
            raise TooMany(self._refusal, remedy="Ask one after the other.", retry_after=RETRY_OVERLOAD)
        self._taken[name] += 1
        try:
            yield
        finally:
            self._taken[name] -= 1
            if not self._taken[name]:
                del self._taken[name]


class Guard:
    """Stands before the handlers of one application."""

    def __init__(self, limits: Limits, proxies: Sequence[Network], *, tick: Tick = time.monotonic) -> None:
        self._proxies = tuple(proxies)
        self._buckets = Buckets(rate=limits.requests_per_second, burst=limits.requests_burst, tick=tick)
        self._reading = Places(limits.requests_at_once)
        # Apart: a body that drips in holds its place until its time is over, and must hold no reader's.
        self._sending = Places(limits.uploads_at_once)
        self._senders = Shares(limits.uploads_per_address, "Too much is being sent from your address at once.")
        self._tick = tick
        self._said: dict[str, float] = {}

    @web.middleware
    async def middleware(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Refuse what is too much; with trusted proxies, ``request.remote`` is the client's address inside."""
        if request.path in ALWAYS:
            return await handler(request)
        client = peer = request.remote or ""
        if self._proxies:
            client = client_of(peer, request.headers.getall("X-Forwarded-For", ()), self._proxies)
        group = group_of(client)
        wait = self._buckets.take(group)
        if wait:
            self._say("one address asks too much", forwarded=client == peer and "X-Forwarded-For" in request.headers)
            raise TooMany(
                "Too many requests from your address.",
                remedy=f"Go on in {math.ceil(wait)} s, and more slowly.",
                retry_after=wait,
            )
        places = self._reading if request.method in _READING else self._sending
        if places.taken >= places.most:
            self._say("overloaded", answering=self._reading.taken, receiving=self._sending.taken)
        share = nullcontext() if places is self._reading else self._senders.of(group)
        with places, share:
            return await handler(request if client == peer else request.clone(remote=client))

    def _say(self, event: str, **facts: object) -> None:
        """Log that something is refused, once a minute: whoever floods a node must not flood its log.

        Addresses of people are not logged. ``forwarded`` tells that a proxy stands before this node and is
        not named in ``trusted_proxies``, so that all its clients count as one.
        """
        now = self._tick()
        if now >= self._said.get(event, now):
            self._said[event] = now + _SAID_EVERY
            log.warning(event, **facts)
