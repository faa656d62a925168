"""A node at work: it answers on its address, pulls its peers, and keeps its index at the end of the logs."""

from __future__ import annotations

import asyncio
import errno
import signal
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, timedelta
from typing import Final

import structlog
from aiohttp import web
from apscheduler.schedulers.asyncio import AsyncIOScheduler

from federation.config import Config
from federation.errors import Misconfigured
from federation.jobs import job
from federation.node import Node, application, import_tables, now, open_node
from federation.web import connections, keys
from federation.workers import settle

FOLLOW_EVERY: Final = 2
"""Seconds between two looks at the logs by the index, for what other processes published."""
RECOVER_EVERY: Final = 30
"""Seconds between two looks at whether peers hold more of our own log than we do."""
_STEP: Final = timedelta(seconds=5)
"""By how much the clock must have been set back for the jobs to be told."""
log = structlog.get_logger(__name__)


def scheduler(node: Node, running: set[asyncio.Task[object]]) -> AsyncIOScheduler:
    """One pull a peer, each at its own pace, and the index after the logs; ``running`` holds what is under way."""
    jobs = AsyncIOScheduler(timezone=UTC)
    common = {"max_instances": 1, "coalesce": True, "misfire_grace_time": None, "next_run_time": now()}

    async def follow_peers() -> None:
        """A job for every peer there is now: coordinators add and remove them while the node runs."""
        wanted = {f"pull {peer.name} {peer.url} {peer.via}": peer for peer in await node.peers()}
        known = {job.id for job in jobs.get_jobs() if job.id.startswith("pull ")}
        if known != wanted.keys() or not known:
            await node.syncer.leave_all_but({peer.did for peer in wanted.values()})
        for name in known - wanted.keys():
            jobs.remove_job(name)
        for name in sorted(wanted.keys() - known):
            peer = wanted[name]
            jobs.add_job(
                job(node.pull, running), "interval", seconds=peer.every, jitter=max(1, peer.every // 10),
                args=[peer], id=name, **{**common, "next_run_time": now()},
            )  # fmt: skip

    jobs.add_job(job(follow_peers, running), "interval", seconds=FOLLOW_EVERY, id="peers", **common)
    jobs.add_job(job(node.recover, running), "interval", seconds=RECOVER_EVERY, id="recover", **common)
    jobs.add_job(job(node.catch_up, running), "interval", seconds=FOLLOW_EVERY, id="index", **common)
    jobs.add_job(job(node.follower.recount, running), "interval", days=1, id="recount", **common)
    jobs.add_job(job(node.remind, running), "interval", days=1, id="erasures", **common)
    once = {"misfire_grace_time": None}  # a start that takes long is no reason to leave them out
    jobs.add_job(job(node.warm, running), id="languages", **once)
    jobs.add_job(job(node.reconsider, running), id="aside", **once)
    return jobs


async def keep_time(jobs: AsyncIOScheduler, every: float = FOLLOW_EVERY) -> None:
    """Run every job again once the clock was set back: the scheduler would wait until it is as late as before."""
    apart = now() - timedelta(seconds=time.monotonic())
    while True:
        await asyncio.sleep(every)
        before, apart = apart, now() - timedelta(seconds=time.monotonic())
        if apart < before - _STEP:
            log.warning("the clock was set back", seconds=round((before - apart).total_seconds()))
            for each in jobs.get_jobs():
                each.modify(next_run_time=now())


@asynccontextmanager
async def serving(node: Node) -> AsyncIterator[web.Application]:
    """A node that answers on its address and pulls its peers. Raises Misconfigured when the port is taken."""
    if node.guard.lost():
        # What was erased since the backup must be gone before anybody is served it.
        await node.recover()
        await asyncio.gather(*(node.syncer.pull(peer) for peer in await node.peers()))
    app = application(node)
    runner = connections.runner_of(app)
    await runner.setup()
    host, port = node.config.address
    try:
        await web.TCPSite(runner, host, port, backlog=512).start()
    except OSError as error:
        await runner.cleanup()
        busy = error.errno == errno.EADDRINUSE
        raise Misconfigured(
            f"{host}:{port} is in use by another program." if busy else f"{host}:{port} cannot be used: {error}.",
            remedy="Stop the other program, or choose another port with `listen`.",
        ) from error
    running: set[asyncio.Task[object]] = set()
    jobs = scheduler(node, running)
    try:
        await asyncio.to_thread(node.index.concepts.warm, [node.config.language])
        await node.follower.catch_up()
        app[keys.READY].clear()
        settle()
        jobs.start()
        running.add(asyncio.create_task(keep_time(jobs)))
        yield app
    finally:
        if jobs.running:
            jobs.pause()
            # Cancelled before its first step, a job could not say that it only ends.
            await asyncio.sleep(0)
            jobs.shutdown(wait=False)
        for task in list(running):
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)
        await runner.cleanup()
        await node.follower.end()  # last: until then somebody may publish


async def serve(config: Config, *, seeds: bool = False) -> None:
    """Run a node until it is told to stop; ``seeds`` imports the tables of ``seeds`` first."""
    log.info("starting", node=config.name, data=str(config.data))
    async with open_node(config) as node:
        if seeds and config.seeds is not None:
            await import_tables(node, sorted(config.seeds.glob("*.csv")))
        async with serving(node):
            log.info("serving", node=config.name, base=config.base, listen=config.listen)
            for path in sorted(node.keyring.folder.glob("next*.key")):
                log.warning("the next key is still on this machine; run `procirc keys export`", file=str(path))
            await _stopped()
            log.info("stopping", node=config.name)


async def _stopped() -> None:
    stop = asyncio.Event()
    for each in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(each, stop.set)
    await stop.wait()
