"""A closed feed page against a bare aiohttp handler that returns the same bytes with the same headers.

Both servers are processes of their own and get the same load by turns. The load generator is Python too
and can be the slower side; so the processor time that a server spends on one request is compared as well,
and the figure is the lower of both ratios.
"""

from __future__ import annotations

import asyncio
import json
import multiprocessing
import statistics
import sys
import time
from collections.abc import Mapping
from concurrent.futures import ProcessPoolExecutor
from typing import Any

import aiohttp
import psutil

from benchmarks.figure import Figure, Goal
from benchmarks.prepared import Bench
from benchmarks.sites import free_port, get, running, served, wait_ready

CONNECTIONS = 16
PATH = "/feed/0/3"
ASKING = {"Accept": "application/n-quads", "Accept-Encoding": "gzip"}
_OWN = frozenset({"Date", "Server", "Content-Length", "Connection"})


def measure(bench: Bench) -> list[Figure]:
    site, folder, port = bench.synced, bench.scratch / "bare", free_port()
    folder.mkdir(exist_ok=True)
    with served(site) as node:
        status, headers, body = get(site.port, PATH, ASKING)
        if status != 200 or "immutable" not in headers["Cache-Control"]:
            raise RuntimeError(f"{PATH} is no closed page: {status} {headers}")
        (folder / "body").write_bytes(body)
        kept = {name: value for name, value in headers.items() if name not in _OWN}
        (folder / "headers.json").write_text(json.dumps(kept), "utf-8")
        command = [sys.executable, "-m", "benchmarks.bare", str(folder), str(port)]
        with (
            running(command, folder) as bare,
            ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as client,
        ):
            wait_ready(bare, port, folder, PATH)
            if get(port, PATH, ASKING)[2] != body:
                raise RuntimeError("The bare handler returns other bytes.")
            rounds: dict[str, list[dict[str, float]]] = {"node": [], "bare": []}
            for _ in range(bench.scale.feed_rounds):
                for name, process, at in (("node", node, site.port), ("bare", bare, port)):
                    rounds[name].append(_round(client, process, at, bench.scale.feed_seconds))
    medians = {
        name: {key: statistics.median(each[key] for each in every) for key in every[0]}
        for name, every in rounds.items()
    }
    by_rate = medians["node"]["requests_per_second"] / medians["bare"]["requests_per_second"]
    by_cpu = medians["bare"]["cpu_us_per_request"] / medians["node"]["cpu_us_per_request"]
    return [
        Figure(
            "closed feed page / bare handler",
            min(by_rate, by_cpu),
            "",
            Goal(0.8),
            f"{medians['node']['requests_per_second']:,.0f} against {medians['bare']['requests_per_second']:,.0f} "
            f"requests/s ({by_rate:.2f}), {len(body):,} bytes; by processor time of the servers {by_cpu:.2f}",
            raw={"rounds": rounds, "ratio_requests": by_rate, "ratio_processor_time": by_cpu, "bytes": len(body)},
        )
    ]


def _round(client: ProcessPoolExecutor, server: psutil.Process, port: int, seconds: float) -> dict[str, float]:
    url = f"http://127.0.0.1:{port}{PATH}"
    client.submit(load, url, ASKING, 0.3).result(60)
    before = server.cpu_times()
    answers = client.submit(load, url, ASKING, seconds).result(60 + seconds)
    after = server.cpu_times()
    spent = after.user + after.system - before.user - before.system
    return {
        "requests_per_second": answers["requests"] / answers["seconds"],
        "cpu_us_per_request": spent / answers["requests"] * 1e6,
        "server_cpu_share": spent / answers["seconds"],
        "client_cpu_share": answers["cpu_seconds"] / answers["seconds"],
    }


def load(url: str, headers: Mapping[str, str], seconds: float) -> dict[str, Any]:
    """Ask for one page over and over on some connections; runs in the client."""
    return asyncio.run(_load(url, headers, seconds))


async def _load(url: str, headers: Mapping[str, str], seconds: float) -> dict[str, Any]:
    done = 0
    started, spent = time.perf_counter(), time.process_time()
    until = started + seconds

    async def ask(session: aiohttp.ClientSession) -> None:
        nonlocal done
        while time.perf_counter() < until:
            async with session.get(url, headers=headers) as response:
                await response.read()
                if response.status != 200:
                    raise RuntimeError(f"{url} was answered {response.status}")
            done += 1

    async with aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=CONNECTIONS), auto_decompress=False, cookie_jar=aiohttp.DummyCookieJar()
    ) as session:
        await asyncio.gather(*(ask(session) for _ in range(CONNECTIONS)))
    return {
        "requests": done,
        "seconds": time.perf_counter() - started,
        "cpu_seconds": time.process_time() - spent,
    }
