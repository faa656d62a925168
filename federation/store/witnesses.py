"""What other nodes say they have verified, by log and witness."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncEngine

from federation.store import schema
from federation.store.engine import reading, writing


@dataclass(frozen=True, slots=True)
class Seen:
    """The newest checkpoint of a log that a witness has verified, and when it did; both by DID."""

    log: str
    witness: str
    size: int
    checkpoint: str
    at: str


class Witnesses:
    """The statements of other nodes that this one has checked the signatures of."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def keep(self, statements: Sequence[Seen]) -> None:
        """Keep statements, each in place of an earlier one of the same witness, unless that one knew more."""
        table = schema.seen
        if not statements:
            return
        async with writing(self._engine) as connection:
            for seen in statements:
                same = (table.c.log == seen.log) & (table.c.witness == seen.witness)
                known = (await connection.execute(sa.select(table.c.size).where(same))).scalar()
                if known is not None and known > seen.size:
                    continue
                await connection.execute(table.delete().where(same))
                values = {"log": seen.log, "witness": seen.witness, "size": seen.size}
                await connection.execute(table.insert().values(**values, checkpoint=seen.checkpoint, at=seen.at))

    async def of(self, log: str) -> list[Seen]:
        """Everybody's statement on a log, the one who knows most first."""
        query = schema.seen.select().where(schema.seen.c.log == log).order_by(schema.seen.c.size.desc())
        async with reading(self._engine) as connection:
            return [Seen(**row._mapping) for row in await connection.execute(query)]
