"""What a pull costs that finds nothing new: requests, and bytes of HTTP on the wire in both directions."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass

from benchmarks.figure import Figure, Goal
from benchmarks.prepared import Bench, corpus_of
from benchmarks.sites import free_port, make_site, served
from federation import node as nodes

RECORDS = 250


@dataclass(slots=True)
class Counted:
    """What went through the proxy; headers and bodies, without those of TCP and IP."""

    sent: bytes = b""
    received: int = 0

    @property
    def requests(self) -> int:
        return self.sent.count(b" HTTP/1.1\r\n")

    @property
    def size(self) -> int:
        return len(self.sent) + self.received


def measure(bench: Bench) -> list[Figure]:
    return asyncio.run(_measure(bench))


async def _measure(bench: Bench) -> list[Figure]:
    front = free_port()
    peer = make_site(bench.scratch, "quiet", front=front)
    await nodes.init(peer.config)
    async with nodes.open_node(peer.config, width=1) as node:
        corpus = corpus_of(node.workers.tools)
        await node.publisher.publish([corpus.draft(number) for number in range(RECORDS)])
        await node.follower.catch_up()
    site = make_site(bench.scratch, "asking", follows=[peer])
    await nodes.init(site.config)
    with served(peer):
        async with _proxy(front, peer.port) as counted:
            async with nodes.open_node(site.config, width=1) as node:
                await node.syncer.pull(site.config.peers[0])
                first = (counted.requests, counted.size)
                counted.sent, counted.received = b"", 0
                again = await node.syncer.pull(site.config.peers[0])
                second = (counted.requests, counted.size)
            # A node that has just started has no open connection and nothing in memory.
            async with nodes.open_node(site.config, width=1) as node:
                counted.sent, counted.received = b"", 0
                restarted = await node.syncer.pull(site.config.peers[0])
                third = (counted.requests, counted.size)
    if (again.state, again.size, restarted.state) != ("active", RECORDS + 1, "active"):
        raise RuntimeError(f"The pulls ended {again} and {restarted}.")
    raw = {
        name: {"requests": each[0], "bytes": each[1]}
        for name, each in {"first_pull": first, "second_pull": second, "after_restart": third}.items()
    }
    return [
        Figure("nothing new: requests", float(second[0]), "", Goal(1, at_least=False), raw=raw),
        Figure(
            "nothing new: bytes",
            float(second[1]),
            " B",
            Goal(1024, at_least=False),
            "request and answer with their headers, both directions",
            raw=raw,
        ),
    ]


@asynccontextmanager
async def _proxy(port: int, target: int) -> AsyncIterator[Counted]:
    """Passes everything from ``port`` to ``target``, counting."""
    counted = Counted()
    tasks: set[asyncio.Task[None]] = set()

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        upstream, downstream = await asyncio.open_connection("127.0.0.1", target)

        async def pump(source: asyncio.StreamReader, sink: asyncio.StreamWriter, *, request: bool) -> None:
            while data := await source.read(65_536):
                if request:
                    counted.sent += data
                else:
                    counted.received += len(data)
                sink.write(data)
                await sink.drain()

        pumps = [
            asyncio.create_task(pump(reader, downstream, request=True)),
            asyncio.create_task(pump(upstream, writer, request=False)),
        ]
        try:
            await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for each in pumps:
                each.cancel()
            for each in (writer, downstream):
                each.close()
            await asyncio.gather(*pumps, return_exceptions=True)
            tasks.discard(task)

    server = await asyncio.start_server(connected, "127.0.0.1", port)
    try:
        yield counted
    finally:
        server.close()
        for task in list(tasks):
            task.cancel()
        with suppress(asyncio.CancelledError):
            await asyncio.gather(*tasks, return_exceptions=True)
