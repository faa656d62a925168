"""The work that a running node does by itself, each kind at its own pace."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import structlog

from federation.errors import FederationError

log = structlog.get_logger(__name__)


def job(
    work: Callable[..., Coroutine[Any, Any, object]], running: set[asyncio.Task[object]]
) -> Callable[..., Coroutine[Any, Any, None]]:
    """A job whose expected failures are logged in our words, each once; the next run tries again."""
    failed = ""

    async def run(*args: object) -> None:
        nonlocal failed
        task = asyncio.create_task(work(*args))
        running.add(task)
        task.add_done_callback(running.discard)
        try:
            await asyncio.wait({task})
        except asyncio.CancelledError:
            return  # the scheduler stops; ``serving`` ends the work itself and waits for it
        error = None if task.cancelled() else task.exception()
        if error is not None and not isinstance(error, FederationError):
            raise error
        before, failed = failed, "" if error is None else str(error)
        if error is not None and failed != before:
            log.error("job failed", error=error.slug, detail=failed)
        elif before and not failed:
            log.info("job succeeds again", after=before)

    return run
