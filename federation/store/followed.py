"""Peers that a coordinator added beside those of the configuration."""

from __future__ import annotations

from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncEngine

from federation.errors import AlreadyExists, NotFound
from federation.store import schema
from federation.store.engine import reading, writing


@dataclass(frozen=True, slots=True)
class Followed:
    """A peer as it was added; nothing is pulled from it before ``confirmed`` (a time, UTC text)."""

    did: str
    name: str
    url: str
    fingerprint: str
    added: str
    confirmed: str = ""
    via: str = ""


class FollowedPeers:
    """The peers that were added, in the database of a node."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def every(self) -> list[Followed]:
        async with reading(self._engine) as connection:
            rows = await connection.execute(schema.followed.select().order_by(schema.followed.c.name))
            return [Followed(**row._mapping) for row in rows]

    async def add(self, peer: Followed) -> None:
        """Note a peer; it waits to be confirmed. Raises AlreadyExists."""
        table = schema.followed
        values = {name: getattr(peer, name) for name in table.c.keys()}  # noqa: SIM118 - columns, not a mapping
        async with writing(self._engine) as connection:
            same = sa.or_(table.c.did == peer.did, table.c.name == peer.name)
            there = (await connection.execute(table.select().where(same))).first()
            if there is not None and there.did == peer.did:
                raise AlreadyExists(
                    f"{peer.url} was added already, as {there.name}.", remedy="See `procirc peers list`."
                )
            if there is not None:
                raise AlreadyExists(
                    f"{peer.name} is the name of {there.url}.", remedy="Choose another one with --name."
                )
            await connection.execute(table.insert().values(**values))

    async def confirm(self, name: str, *, at: str) -> None:
        """From now on pull a peer. Raises NotFound."""
        change = schema.followed.update().where(schema.followed.c.name == name)
        async with writing(self._engine) as connection:
            if not (await connection.execute(change.values(confirmed=at))).rowcount:
                raise NotFound(f"No peer {name!r} was added.")

    async def remove(self, name: str) -> None:
        """Follow a peer no longer. Raises NotFound."""
        async with writing(self._engine) as connection:
            done = await connection.execute(schema.followed.delete().where(schema.followed.c.name == name))
            if not done.rowcount:
                raise NotFound(f"No peer {name!r} was added.")
