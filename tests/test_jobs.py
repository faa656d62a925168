"""The work that a node does by itself: what goes wrong is said once."""

from __future__ import annotations

import pytest
from structlog.testing import capture_logs

from federation.errors import StorageFailed
from federation.jobs import job


async def test_a_failure_that_stays_the_same_is_logged_once_and_so_is_its_end():
    said = ["disk full", "disk full", "read-only", "", "", "disk full"]

    async def work() -> None:
        if trouble := said.pop(0):
            raise StorageFailed(trouble)

    run = job(work, set())
    with capture_logs() as logged:
        while said:
            await run()
    assert [(each["event"], each.get("detail", "")) for each in logged] == [
        ("job failed", "disk full"),
        ("job failed", "read-only"),
        ("job succeeds again", ""),
        ("job failed", "disk full"),
    ]


async def test_a_failure_that_nobody_expected_is_not_kept_quiet():
    async def work() -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await job(work, set())()
