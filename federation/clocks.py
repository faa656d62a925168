"""Whether this node's clock is right, as far as the ``Date`` of its peers' answers tells (RFC 9110 section 6.6.1).

The clock decides what is of the future and what is stale. One peer that disagrees proves nothing; when the
median of them does, ours is probably the wrong one. That is said in the log; from a day on, nothing is signed
(``log.times``).
"""

from __future__ import annotations

from datetime import datetime, timedelta
from statistics import median
from typing import Final

import structlog

from federation.log.times import Clock

OFF: Final = timedelta(minutes=2)
"""How far our clock may be from those of the peers before somebody should look at it."""
log = structlog.get_logger(__name__)


class Clocks:
    """Compares our clock with those of the peers."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._ahead: dict[str, float] = {}
        self._wrong = False

    def heard(self, peer: str, date: datetime) -> float:
        """Take in when a peer says that it answered; the seconds by which our clock is ahead of its.

        The log tells when our clock begins to look wrong.
        """
        self._ahead[peer] = (self._clock() - date).total_seconds()
        wrong = abs(self.ahead) > OFF.total_seconds()
        if wrong and not self._wrong:
            remedy = "Set the clock of this machine from a time server."
            log.warning("our clock differs from those of the peers", seconds_ahead=round(self.ahead), remedy=remedy)
        self._wrong = wrong
        return self._ahead[peer]

    @property
    def ahead(self) -> float:
        """Seconds by which our clock is ahead of the median of the peers', below 0 if behind; 0 if none was heard."""
        return median(self._ahead.values()) if self._ahead else 0.0
