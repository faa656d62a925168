"""Memory of a serving node with a large index and log, and how soon it is ready after its start.

Resident memory is counted with that of all child processes, after searching and after every closed feed
page was read, when the page cache is full. It includes the pages of the index that the system maps.
A last number says what stays after some bulk work, when the worker processes have started.
"""

from __future__ import annotations

import json
import statistics
import sys
import time
from pathlib import Path
from typing import Any

from benchmarks.figure import Figure, Goal
from benchmarks.prepared import Bench, Large, corpus_of
from benchmarks.queries import drawn
from benchmarks.search import asked
from benchmarks.sites import Site, family, get, post, running, served, wait_ready
from federation.feed import PAGE, SECTION
from federation.records.vocabulary import load_vocabulary
from federation.workers import Tools

MIB = 1024 * 1024
BULK = 250
"""Drafts of one request that sends the node's work to its worker processes."""


def measure(bench: Bench) -> list[Figure]:
    large = bench.large
    started = [_seconds_to_ready(large.site) for _ in range(bench.scale.starts)]
    memory = _memory(large, bench)
    serving = max(memory["searched"]["rss_mib"], memory["feed_read"]["rss_mib"])
    bulk = memory["after_bulk"]
    held = f"{large.indexed:,} records in the log and the index"
    return [
        Figure(
            "memory of a serving node",
            serving,
            " MiB",
            Goal(400, at_least=False, unit=" MiB"),
            f"{held}; just started {memory['ready']['rss_mib']:.0f} MiB",
            raw={**memory, "records": large.indexed},
        ),
        Figure(
            "memory after bulk work",
            bulk["rss_mib"],
            " MiB",
            None,
            f"with {bulk['processes'] - 1} worker processes that stay",
        ),
        Figure(
            "start to ready",
            statistics.median(started),
            " s",
            Goal(3, at_least=False, unit=" s"),
            f"median of {len(started)}, files in the system's cache",
            raw={"seconds": started},
        ),
    ]


def _seconds_to_ready(site: Site) -> float:
    command = [sys.executable, "-m", "federation", "serve", "--config", str(site.path)]
    started = time.monotonic()
    with running(command, site.folder) as process:
        wait_ready(process, site.port, site.folder, "/health/ready")
        return time.monotonic() - started


def _memory(large: Large, bench: Bench) -> dict[str, Any]:
    site, found = large.site, {}
    _, searches = drawn(bench.scale.queries)
    with served(site) as process:
        found["ready"] = _resident(process.pid)
        asked(site.port, [each.path for each in searches])
        found["searched"] = _resident(process.pid)
        headers = {"Accept": "application/trig", "Accept-Encoding": "gzip"}
        for number in range(large.indexed // PAGE):
            get(site.port, f"/feed/{number // SECTION}/{number % SECTION}", headers)
        found["feed_read"] = _resident(process.pid)
        _bulk(site)
        found["after_bulk"] = _resident(process.pid)
    return found


def _bulk(site: Site) -> None:
    corpus = corpus_of(Tools(load_vocabulary()))
    drafts = [corpus.draft(number) for number in range(1_000_000, 1_000_000 + BULK)]
    status, _, body = post(site, [{"kind": each.kind, "slug": each.slug, **each.values} for each in drafts])
    if status not in (200, 201):
        raise RuntimeError(f"Publishing was answered {status}: {json.loads(body)}")


def _resident(pid: int) -> dict[str, float | None]:
    """Of a process with its children: resident memory, and what of it is nobody else's (uss)."""
    every = family(pid)
    parts = [each.memory_full_info() for each in every]
    return {
        "rss_mib": sum(each.rss for each in parts) / MIB,
        "uss_mib": sum(each.uss for each in parts) / MIB,
        "main_rss_mib": parts[0].rss / MIB,
        "main_anonymous_mib": _anonymous(pid),
        "processes": len(every),
    }


def _anonymous(pid: int) -> float | None:
    """What of a process is not the content of files: mapped pages of the index can be dropped at any time (Linux)."""
    rollup = Path(f"/proc/{pid}/smaps_rollup")
    if not rollup.exists():
        return None
    found = next(line for line in rollup.read_text("ascii").splitlines() if line.startswith("Anonymous:"))
    return int(found.split()[1]) / 1024
