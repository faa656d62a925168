"""A node at work: its jobs go on whatever the clock does."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from datetime import timedelta

from apscheduler.schedulers.asyncio import AsyncIOScheduler

from federation import serving
from federation.node import now


async def test_jobs_go_on_at_once_after_the_clock_was_set_back(monkeypatch):
    jobs, ran = AsyncIOScheduler(timezone="UTC"), asyncio.Event()

    async def work() -> None:
        ran.set()

    set_back = now() - timedelta(hours=1)
    moments = iter([now()])
    monkeypatch.setattr(serving, "now", lambda: next(moments, set_back))
    jobs.add_job(work, "interval", seconds=3600, id="work")
    jobs.start()
    watching = asyncio.create_task(serving.keep_time(jobs, every=0.01))
    try:
        await asyncio.wait_for(ran.wait(), 10)
    finally:
        watching.cancel()
        with suppress(asyncio.CancelledError):
            await watching
        jobs.shutdown(wait=False)


async def test_jobs_keep_their_time_while_the_clock_only_goes_on():
    jobs = AsyncIOScheduler(timezone="UTC")
    jobs.add_job(asyncio.sleep, "interval", seconds=3600, id="work", args=[0])
    jobs.start()
    (job,) = jobs.get_jobs()
    planned = job.next_run_time
    watching = asyncio.create_task(serving.keep_time(jobs, every=0.001))
    try:
        await asyncio.sleep(0.05)
        assert job.next_run_time == planned
    finally:
        watching.cancel()
        with suppress(asyncio.CancelledError):
            await watching
        jobs.shutdown(wait=False)
