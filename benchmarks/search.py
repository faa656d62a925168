"""Search with all facets over HTTP, one request after the other, beside two databases' full text on the same texts."""

from __future__ import annotations

import asyncio
import http.client
import json
import multiprocessing
import pickle
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from typing import Any

from benchmarks.figure import Figure, Goal, spread
from benchmarks.fts5 import Fts5
from benchmarks.postgresql import FullText, server
from benchmarks.prepared import Bench, Large
from benchmarks.queries import Query, drawn
from benchmarks.sites import served
from federation.index.documents import facet_names
from federation.records.vocabulary import load_vocabulary


def measure(bench: Bench) -> list[Figure]:
    large = bench.large
    before, measured = drawn(bench.scale.queries)
    with (
        served(large.site),
        ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as client,
    ):
        client.submit(asked, large.site.port, [each.path for each in before]).result(120)
        answers = client.submit(asked, large.site.port, [each.path for each in measured]).result(300)
    here = [each["ms"] for each in answers]
    node = spread(here)
    size = f"{large.indexed:,} records, {len(measured)} searches"
    return [
        Figure(
            "search with facets over HTTP, p95",
            node["p95"],
            " ms",
            Goal(25, at_least=False, unit=" ms"),
            f"{size}; p50 {node['p50']:.1f}, p99 {node['p99']:.1f} ms",
            raw={
                "ms": node,
                "in_the_node_ms": spread([each["took_ms"] for each in answers]),
                "total_found": spread([each["total"] for each in answers]),
                "answer_bytes": spread([each["bytes"] for each in answers]),
                "slowest": sorted(
                    (round(each["ms"], 2), each["total"], query.path)
                    for each, query in zip(answers, measured, strict=True)
                )[-10:],
                "records": large.indexed,
            },
        ),
        _compared("SQLite FTS5", "in process", _fts5(large, before, measured), node),
        _compared("PostgreSQL", "on a socket", asyncio.run(_postgresql(large, before, measured)), node),
        Figure(
            "index built",
            large.indexed / large.build_seconds,
            " records/s",
            None,
            f"index {large.index_bytes / large.text_bytes:.2f} × the text ({large.index_bytes / 1e6:,.0f} MB), "
            "documents made in workers",
            raw={
                "records": large.indexed,
                "seconds": large.build_seconds,
                "index_bytes": large.index_bytes,
                "text_bytes": large.text_bytes,
                "index_per_text": large.index_bytes / large.text_bytes,
            },
        ),
    ]


def asked(port: int, paths: Sequence[str]) -> list[dict[str, Any]]:
    """Ask one after the other on one connection: milliseconds from request to last byte; runs in the client."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    answers = []
    for path in paths:
        started = time.perf_counter()
        connection.request("GET", path, headers={"Accept": "application/json"})
        response = connection.getresponse()
        body = response.read()
        elapsed = (time.perf_counter() - started) * 1000
        if response.status != 200:
            raise RuntimeError(f"{path} was answered {response.status}: {body[:300]!r}")
        found = json.loads(body)
        answers.append({"ms": elapsed, "took_ms": found["took_ms"], "total": found["total"], "bytes": len(body)})
    connection.close()
    return answers


def _compared(name: str, where: str, other: Mapping[str, Any], node: Mapping[str, float]) -> Figure:
    """How many times faster the node is than another engine."""
    there = spread(other["ms"])
    ratios = {each: there[each] / node[each] for each in node}
    return Figure(
        f"{name} full text / this search, p95",
        ratios["p95"],
        " ×",
        Goal(10, unit=" ×"),
        f"{where} p50 {there['p50']:.1f}, p95 {there['p95']:.1f} ms; at p50 {ratios['p50']:.1f} ×",
        raw={**other, "ms": there, "ratios": ratios},
    )


def _fts5(large: Large, before: Sequence[Query], measured: Sequence[Query]) -> dict[str, Any]:
    path = large.site.folder / "fts5.sqlite"
    path.unlink(missing_ok=True)
    engine = Fts5(path)
    try:
        building = engine.build(pickle.loads(large.texts.read_bytes()), facet_names(load_vocabulary()))
        for query in before:
            engine.search(query)
        milliseconds, totals = [], []
        for query in measured:
            started = time.perf_counter()
            total, _, _ = engine.search(query)
            milliseconds.append((time.perf_counter() - started) * 1000)
            totals.append(total)
    finally:
        engine.close()
    return {
        "ms": milliseconds,
        "total_found": spread(totals),
        "build_seconds": building,
        "bytes": path.stat().st_size,
    }


async def _postgresql(large: Large, before: Sequence[Query], measured: Sequence[Query]) -> dict[str, Any]:
    async with server(large.site.folder / "postgresql") as connection:
        engine = FullText(connection)
        building = await engine.build(pickle.loads(large.texts.read_bytes()), facet_names(load_vocabulary()))
        for query in before:
            await engine.search(query)
        milliseconds, totals = [], []
        for query in measured:
            started = time.perf_counter()
            total, _, _ = await engine.search(query)
            milliseconds.append((time.perf_counter() - started) * 1000)
            totals.append(total)
        size = await connection.fetchval("SELECT pg_database_size(current_database())")
    return {"ms": milliseconds, "total_found": spread(totals), "build_seconds": building, "bytes": size}
