"""How things stand with every peer."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from typing import Final

from sqlalchemy.ext.asyncio import AsyncEngine

from federation.errors import Forked
from federation.store import days, schema
from federation.store.engine import reading, writing
from federation.store.rows import Day, PeerState

REMOVED: Final = "removed"
"""The state of a peer that nobody follows any more, and whose records stay."""
LATELY: Final = 1.0
"""Seconds for which pages may be told what was read before."""


class PeerStates:
    """The states of the peers, in the database of a node."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine
        self._lately: tuple[float, dict[int, PeerState]] = (-LATELY, {})
        """When states_lately read, and what; nothing where this process has changed it since."""
        self._asking: asyncio.Task[dict[int, PeerState]] | None = None

    async def states(self) -> dict[int, PeerState]:
        """The state of every peer, by the id of its log."""
        async with reading(self._engine) as connection:
            rows = await connection.execute(schema.peer.select())
            return {row.log_id: PeerState(**row._mapping) for row in rows}

    async def states_lately(self) -> Mapping[int, PeerState]:
        """The same for pages, which ask at every search: a change by another process may be seen a second later."""
        at, states = self._lately
        if time.monotonic() <= at + LATELY:
            return states
        # Whoever asks while it is read waits for the same answer: on a busy machine reading takes longer than asking.
        self._asking = self._asking or asyncio.create_task(self._read_lately())
        return await asyncio.shield(self._asking)

    async def _read_lately(self) -> dict[int, PeerState]:
        before, at = self._lately, time.monotonic()
        try:
            states = await self.states()
        finally:
            if self._asking is asyncio.current_task():
                self._asking = None
        if self._lately is before:  # nothing was written while we read
            self._lately = at, states
        return states

    async def leave(self, log_id: int, *, at: str) -> None:
        """Note that a peer is not followed any more, from a time (UTC text) on."""
        nothing = dict.fromkeys(("detail", "next_attempt", "target"), "")
        state = (await self.states()).get(log_id)
        # Whoever follows a forked log again decides on it first; that it was left for a while decides nothing.
        reason = Forked.slug if state is not None and state.reason == Forked.slug else ""
        await self.update(log_id, state=REMOVED, since=at, failures=0, reason=reason, **nothing)

    async def count(self, log_id: int, more: Day) -> None:
        """Count what a peer has brought on a day."""
        async with writing(self._engine) as connection:
            await days.add(connection, log_id, more)

    async def update(self, log_id: int, **values: str | int) -> None:
        """Change some columns of a peer's state."""
        async with writing(self._engine) as connection:
            await connection.execute(schema.peer.update().where(schema.peer.c.log_id == log_id).values(**values))
        self._lately, self._asking = (-LATELY, {}), None
