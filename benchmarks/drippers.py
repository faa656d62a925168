"""An ordinary GET while 500 connections drip in what they will never finish, and without them.

Half of them send the head of a request, half the body of a form, a byte now and then, and come back as soon
as the node has closed them. They are a process of their own; every GET opens a connection, as a visitor does.
"""

from __future__ import annotations

import asyncio
import contextlib
import resource
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

from benchmarks.figure import Figure, Goal, percentile, spread
from benchmarks.prepared import Bench
from benchmarks.sites import Site, get, running, served

CONNECTIONS = 500
EVERY = 0.2
"""Seconds between two bytes of one connection."""
PATHS = ("/", "/login", "/feed/0/3", "/log/checkpoint", "/api/search?q=harbour")
_HEAD = b"GET / HTTP/1.1\r\nHost: localhost\r\n" + b"X-More: 1\r\n" * 200
_FORM = b"POST /login HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100000\r\n\r\n"
_PATIENCE = 30


def measure(bench: Bench) -> list[Figure]:
    site, folder = bench.synced, bench.scratch / "drippers"
    folder.mkdir(exist_ok=True)
    with served(site) as node:
        _gets(site, 50)
        alone = _gets(site, bench.scale.queries)
        with _dripping(site, node, folder) as held:
            beside = _gets(site, bench.scale.queries)
            held_after = _connected(node)
    every = {"alone": spread(alone), "beside": spread(beside), "held": held, "held_after": held_after}
    return [
        Figure(
            f"GET beside {CONNECTIONS} drippers, p99",
            percentile(beside, 0.99),
            " ms",
            Goal(200, at_least=False, unit=" ms"),
            f"{len(beside)} requests to {len(PATHS)} pages, p50 {every['beside']['p50']:.1f}; without drippers p99 "
            f"{every['alone']['p99']:.1f}, p50 {every['alone']['p50']:.1f}; {held} connections held open",
            raw={**every, "milliseconds": {"alone": alone, "beside": beside}},
        )
    ]


def _gets(site: Site, times: int) -> list[float]:
    """Milliseconds of so many GETs of every path."""
    taken = []
    for _ in range(times):
        for path in PATHS:
            started = time.perf_counter()
            status, _, _ = get(site.port, path)
            taken.append((time.perf_counter() - started) * 1000)
            if status != 200:
                raise RuntimeError(f"{path} was answered {status}.")
    return taken


@contextmanager
def _dripping(site: Site, node: psutil.Process, folder: Path) -> Iterator[int]:
    """The drippers, all connected when the block begins; how many connections the node holds then."""
    command = [sys.executable, "-m", "benchmarks.drippers", str(site.port)]
    with running(command, folder):
        until = time.monotonic() + _PATIENCE
        while (held := _connected(node)) < CONNECTIONS * 0.9:
            if time.monotonic() > until:
                raise RuntimeError(f"Only {held} of {CONNECTIONS} drippers are connected.")
            time.sleep(0.1)
        yield held


def _connected(node: psutil.Process) -> int:
    return sum(each.status == psutil.CONN_ESTABLISHED for each in node.net_connections("tcp"))


async def _drip(port: int, number: int) -> None:
    """One that begins again whenever it is closed."""
    while True:
        with contextlib.suppress(OSError):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            try:
                if number % 2:
                    writer.write(_FORM)
                rest = b"x" * 100_000 if number % 2 else _HEAD
                for at in range(len(rest)):
                    writer.write(rest[at : at + 1])
                    await writer.drain()
                    await asyncio.sleep(EVERY)
                    if reader.at_eof():
                        break
            finally:
                writer.transport.abort()
        await asyncio.sleep(EVERY)


async def _drip_all(port: int) -> None:
    await asyncio.gather(*(_drip(port, number) for number in range(CONNECTIONS)))


if __name__ == "__main__":
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 4096) if hard > 0 else 4096, hard))
    asyncio.run(_drip_all(int(sys.argv[1])))
