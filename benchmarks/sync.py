"""Verified sync: fetch, parse, verify, store, against the cost of the signatures alone on the same cores.

The peer is a process of its own. Both nodes share this machine's cores, as they would not in real life,
so the rate is lower than that of two machines. Three pulls, each into a new node: one from a peer that
has just started, and two (quick: one) from the peer whose feed has been read before; the figure is the
better of these.
"""

from __future__ import annotations

import asyncio
import time
from typing import Any

from benchmarks.bare import verifications_per_second
from benchmarks.figure import Figure, Goal
from benchmarks.prepared import Bench, start_workers
from benchmarks.sites import Site, cores, make_site, served
from federation import node as nodes


def measure(bench: Bench) -> list[Figure]:
    peer, width = bench.synced, cores()
    seconds = 1.0 if bench.quick else 3.0
    bare = [verifications_per_second(width, seconds)]
    pulls = []
    with served(peer) as process:
        for number in range(2 if bench.quick else 3):
            before = sum(process.cpu_times()[:2])
            pulls.append(asyncio.run(_pull(make_site(bench.scratch, f"puller-{number}", follows=[peer]), peer)))
            pulls[-1]["peer_cpu_seconds"] = sum(process.cpu_times()[:2]) - before
            pulls[-1]["feed_read_before"] = number > 0
    bare.append(verifications_per_second(width, seconds))
    alone, rate = sum(bare) / len(bare), max(each["entries_per_second"] for each in pulls[1:])
    return [
        Figure(
            "verified sync / bare Ed25519",
            rate / alone,
            "",
            Goal(0.5),
            f"{rate:,.0f} entries/s of {bench.scale.synced:,} against {alone:,.0f} verifications/s on {width} cores; "
            f"warm peer in a process of its own, workers started (cold peer {pulls[0]['entries_per_second']:,.0f}/s)",
            enough=Goal(0.3),
            raw={"pulls": pulls, "bare_verifications_per_second": bare, "entries": bench.scale.synced},
        )
    ]


async def _pull(site: Site, peer: Site) -> dict[str, Any]:
    config = site.config
    await nodes.init(config)
    async with nodes.open_node(config, width=cores()) as node:
        starting = await start_workers(node.workers)
        own = time.process_time()
        started = time.perf_counter()
        pulled = await node.syncer.pull(config.peers[0])
        seconds = time.perf_counter() - started
        if pulled.state != "active":
            raise RuntimeError(f"The pull ended {pulled.state}: {pulled.detail}")
    return {
        "entries": pulled.added,
        "seconds": seconds,
        "entries_per_second": pulled.added / seconds,
        "main_process_cpu_seconds": time.process_time() - own,
        "worker_start_seconds": starting,
        "entries_per_second_with_worker_start": pulled.added / (seconds + starting),
    }
