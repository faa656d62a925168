"""Publishing in bulk: validate with SHACL, sign, append, through ``Publisher.publish`` on a fresh node."""

from __future__ import annotations

import asyncio
import time

from benchmarks.figure import Figure, Goal
from benchmarks.prepared import Bench, corpus_of, start_workers
from benchmarks.sites import cores, make_site
from federation import node as nodes


def measure(bench: Bench) -> list[Figure]:
    return asyncio.run(_measure(bench))


async def _measure(bench: Bench) -> list[Figure]:
    config, count = make_site(bench.scratch, "publishing").config, bench.scale.published
    await nodes.init(config)
    async with nodes.open_node(config, width=cores()) as node:
        corpus = corpus_of(node.workers.tools)
        drafts = [corpus.draft(number) for number in range(count)]
        starting = await start_workers(node.workers, shacl=True)
        started = time.perf_counter()
        outcome = await node.publisher.publish(drafts, skip_faulty=True)
        seconds = time.perf_counter() - started
        if len(outcome.published) != count or outcome.rejected:
            raise RuntimeError(f"{len(outcome.published)} of {count} were published: {outcome.faults[:3]}")
        entries = await node.store.entries(node.log.id, 1, count + 1)
        started = time.perf_counter()
        indexed = await node.follower.catch_up()
        indexing = time.perf_counter() - started
    statements = sum(each.signed.body.count("\n") for each in entries) / count
    rate = count / seconds
    return [
        Figure(
            "publish in bulk",
            rate,
            " records/s",
            Goal(1000),
            f"{count:,} records of {statements:.0f} statements on {cores()} cores, workers started beforehand",
            enough=Goal(500),
            raw={
                "records": count,
                "seconds": seconds,
                "worker_start_seconds": starting,
                "records_per_second_with_worker_start": count / (seconds + starting),
                "statements_per_record": statements,
                "body_bytes": sum(len(each.signed.body.encode()) for each in entries) / count,
                "follower_records_per_second": indexed / indexing,
            },
        )
    ]
