"""The same searches in PostgreSQL's full text search: what a node with that database could do without an index.

One table of texts with a ``tsvector`` and a GIN index, one of facet values; otherwise as in ``benchmarks.fts5``. The
configuration is ``simple``, as texts come in seven languages; no stems, no concepts: PostgreSQL does less work here
than the node does.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

import asyncpg

from benchmarks.fts5 import wanted
from benchmarks.prepared import Text
from benchmarks.queries import Query
from tests.databases import Server

_TABLES: Final = (
    "CREATE UNLOGGED TABLE docs (doc integer PRIMARY KEY, title text, text text, words tsvector GENERATED ALWAYS AS "
    "(setweight(to_tsvector('simple', title), 'A') || to_tsvector('simple', text)) STORED)",
    "CREATE UNLOGGED TABLE facet (doc integer, name integer, value text)",
)
_INDEXES: Final = (
    "CREATE INDEX ON docs USING gin (words)",
    "ALTER TABLE facet ADD PRIMARY KEY (doc, name, value)",
    "VACUUM ANALYZE docs",
    "VACUUM ANALYZE facet",
)
_SESSION: Final = (
    "SET jit = off",  # compiling takes longer than these queries
    "SET work_mem = '64MB'",
    "CREATE TEMP TABLE hit (doc integer, score real)",
)


@asynccontextmanager
async def server(folder: Path) -> AsyncIterator[asyncpg.Connection]:
    """A connection to a PostgreSQL of its own: as it comes, but that it does not wait for the disk."""
    started = await asyncio.to_thread(Server, folder)
    try:
        connection = await asyncpg.connect(started.database().replace("+asyncpg", ""))
        try:
            yield connection
        finally:
            await connection.close()
    finally:
        await asyncio.to_thread(started.stop)


class FullText:
    """A database of texts and their facets, on one connection."""

    def __init__(self, connection: asyncpg.Connection) -> None:
        self._connection = connection
        self._numbers: dict[str, int] = {}

    async def build(self, texts: Iterable[Text], names: Sequence[str]) -> float:
        """Fill the database; how many seconds that took."""
        self._numbers = {name: number for number, name in enumerate(names)}
        connection, started, texts = self._connection, time.perf_counter(), list(texts)
        await self._all(_TABLES)
        docs = [(doc, each.title, each.text) for doc, each in enumerate(texts, 1)]
        await connection.copy_records_to_table("docs", records=docs, columns=("doc", "title", "text"))
        facets = {(doc, self._numbers[name], value) for doc, each in enumerate(texts, 1) for name, value in each.facets}
        await connection.copy_records_to_table("facet", records=sorted(facets))
        await self._all((*_INDEXES, *_SESSION))
        return time.perf_counter() - started

    async def _all(self, commands: Iterable[str]) -> None:
        for each in commands:
            await self._connection.execute(each)

    async def search(self, query: Query) -> tuple[int, list[Any], dict[int, dict[str, int]]]:
        """Total, the 20 best hits with title and text, and the count of every facet value."""
        connection = self._connection
        async with connection.transaction():
            await connection.execute("TRUNCATE hit")
            words = " | ".join("'" + word.replace("'", "''") + "'" for word in wanted(query))
            await connection.execute(
                "INSERT INTO hit SELECT doc, ts_rank(words, query) FROM docs, to_tsquery('simple', $1) AS query "
                "WHERE words @@ query",
                words,
            )
            everywhere, arguments = self._where(query)
            hits = await connection.fetch(
                "SELECT doc, score, title, text FROM (SELECT doc, score FROM hit "
                f"WHERE {everywhere} ORDER BY score DESC LIMIT 20) AS best JOIN docs USING (doc)",
                *arguments,
            )
            total = await connection.fetchval(f"SELECT count(*) FROM hit WHERE {everywhere}", *arguments)
            facets: dict[int, dict[str, int]] = {}
            chosen = [self._numbers[name] for name in query.filters]
            free = f"name NOT IN ({', '.join(map(str, chosen))})" if chosen else "true"
            await self._count(facets, free, everywhere, arguments)
            for name in query.filters:
                where, others = self._where(query, without=name)
                await self._count(facets, f"name = {self._numbers[name]}", where, others)
        return total, hits, facets

    def _where(self, query: Query, without: str = "") -> tuple[str, list[list[str]]]:
        clauses, arguments = ["true"], list[list[str]]()
        for name, values in query.filters.items():
            if name != without:
                arguments.append(list(values))
                clauses.append(
                    "EXISTS (SELECT 1 FROM facet AS f WHERE f.doc = hit.doc "
                    f"AND f.name = {self._numbers[name]} AND f.value = ANY(${len(arguments)}))"
                )
        return " AND ".join(clauses), arguments

    async def _count(
        self, facets: dict[int, dict[str, int]], names: str, where: str, arguments: Sequence[list[str]]
    ) -> None:
        rows = await self._connection.fetch(
            "SELECT name, value, count(*) FROM (SELECT doc FROM hit WHERE "
            f"{where}) AS found JOIN facet USING (doc) WHERE {names} GROUP BY name, value",
            *arguments,
        )
        for name, value, count in rows:
            facets.setdefault(name, {})[value] = count
