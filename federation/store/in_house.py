"""What a node keeps for its own people: their accounts, and the restricted parts of records.

None of it is part of a log, so no feed, index, export or peer ever sees it.
"""

from __future__ import annotations

from collections.abc import Mapping

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncEngine

from federation.errors import AlreadyExists, NotFound
from federation.log.effects import ENDINGS
from federation.store import schema, statements
from federation.store.engine import reading, writing

Texts = Mapping[tuple[str, str], str]
"""Restricted texts of a record by field and language."""


class InHouse:
    """Accounts and restricted texts in the database of a node."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def keep(self, texts: Mapping[str, Texts]) -> set[str]:
        """Keep restricted texts by record, each in place of an earlier one of the same field and language.

        Returns the records of which something was kept: none that has been withdrawn or erased meanwhile.
        """
        table, entry = schema.restricted, schema.entry.c
        if not texts:
            return set()
        async with writing(self._engine) as connection:
            ended = set[str]()
            for some in statements.chunks(texts):
                newest = await connection.execute(statements.newest(entry.record.in_(some)))
                ended |= {row.record for row in newest if row.kind in ENDINGS}
            rows = [
                {"record": record, "field": field, "language": language, "text": text}
                for record, some in texts.items()
                if record not in ended
                for (field, language), text in some.items()
            ]
            for row in rows:
                same = [table.c[name] == row[name] for name in ("record", "field", "language")]
                await connection.execute(table.delete().where(*same))
            if rows:
                await connection.execute(table.insert(), rows)
            return {row["record"] for row in rows}

    async def texts(self, record: str) -> dict[tuple[str, str], str]:
        """The restricted texts of a record."""
        table = schema.restricted
        async with reading(self._engine) as connection:
            rows = await connection.execute(table.select().where(table.c.record == record))
            return {(row.field, row.language): row.text for row in rows}

    async def forget(self, record: str) -> int:
        """Delete the restricted texts of a record; how many there were."""
        async with writing(self._engine) as connection:
            done = await connection.execute(schema.restricted.delete().where(schema.restricted.c.record == record))
            return int(done.rowcount)

    async def add_account(self, name: str, password: str, *, created: str) -> None:
        """Add an account; ``password`` is its hash. Raises AlreadyExists."""
        try:
            async with writing(self._engine) as connection:
                known = await connection.execute(sa.select(schema.account.c.name).where(schema.account.c.name == name))
                if known.scalar() is not None:
                    raise AlreadyExists(f"There is an account {name!r} already.", remedy="Remove it first.")
                await connection.execute(
                    schema.account.insert(), {"name": name, "password": password, "created": created}
                )
        except sa.exc.IntegrityError as error:
            raise AlreadyExists(f"There is an account {name!r} already.") from error

    async def remove_account(self, name: str) -> None:
        """Remove an account; its sessions end with it. Raises NotFound."""
        async with writing(self._engine) as connection:
            done = await connection.execute(schema.account.delete().where(schema.account.c.name == name))
        if not done.rowcount:
            raise NotFound(f"There is no account {name!r}.")

    async def accounts(self) -> list[tuple[str, str]]:
        """Names and when they were added."""
        async with reading(self._engine) as connection:
            rows = await connection.execute(schema.account.select().order_by(schema.account.c.name))
            return [(row.name, row.created) for row in rows]

    async def password(self, name: str) -> str:
        """The hash of an account's password; empty where there is no such account."""
        query = sa.select(schema.account.c.password).where(schema.account.c.name == name)
        async with reading(self._engine) as connection:
            return str((await connection.execute(query)).scalar() or "")
