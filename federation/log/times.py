"""Times as logs carry them, and when a log may be signed. Pure.

A log is not signed before it was signed last, and at no time that would keep its peers away.
Whoever follows a log refuses it while its times lie in the future. A clock that is a day ahead for a
moment would cost the log that day, and no later signature could take the time back.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Final

from federation.errors import WrongClock
from federation.log.trust import FUTURE

Clock = Callable[[], datetime]
FAR_AHEAD: Final = timedelta(hours=24)
"""How far ahead of its peers' a clock is wrong for certain; a smaller difference is only told."""
_SET_IT: Final = "Set the clock of this machine from a time server, and keep it so."


def timestamp(now: datetime) -> str:
    """A time as records carry it: UTC, whole seconds, ``Z``."""
    return now.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def signing_time(now: datetime, *, last: datetime | None, ahead: float) -> datetime:
    """The time that the next signature carries: now, or that of the last one where the clock lags a little.

    ``last`` is the latest time that the log has been signed at, if it has; ``ahead`` the seconds by which the
    clock is ahead of the median of the peers'. Raises WrongClock for a time that others would refuse.
    """
    if last is not None and last > now + FUTURE:
        raise WrongClock(
            f"This node has signed its log at {last:%FT%TZ} already, and its clock says {now:%FT%TZ}.",
            remedy=f"{_SET_IT} If it is right now and was ahead before, publishing goes on by itself from "
            f"{last - FUTURE:%FT%TZ} on.",
        )
    if ahead >= FAR_AHEAD.total_seconds():
        raise WrongClock(
            f"The clock of this machine says {now:%FT%TZ}, {ahead / 3600:,.0f} hours more than those of most peers.",
            remedy=f"{_SET_IT} Signed at such a time, the log would be refused everywhere until then. Publishing goes "
            "on by itself after the next pull.",
        )
    return now if last is None else max(now, last)
