"""The same searches in SQLite FTS5: what a node would do without an index of its own.

One table of title and text (``unicode61``), one of facet values. A search puts what matches the words
(ORed, as a term list) with its bm25 into a temporary table once, and takes hits, count and facets from
there. As at the node, the counts of a facet leave its own filter out. No stems, no concepts, no other
languages: SQLite does less work here than the node does.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from benchmarks.prepared import Text
from benchmarks.queries import Query
from federation.index.languages import is_stop_word, words


class Fts5:
    """A database of texts and their facets."""

    def __init__(self, path: Path) -> None:
        self._database = sqlite3.connect(path, isolation_level=None)
        for pragma in ("journal_mode=WAL", "cache_size=-262144", "temp_store=MEMORY", "mmap_size=1073741824"):
            self._database.execute(f"PRAGMA {pragma}")
        self._numbers: dict[str, int] = {}

    def close(self) -> None:
        self._database.close()

    def build(self, texts: Iterable[Text], names: Sequence[str]) -> float:
        """Fill the database; how many seconds that took."""
        self._numbers = {name: number for number, name in enumerate(names)}
        database, started = self._database, time.perf_counter()
        database.execute("CREATE VIRTUAL TABLE docs USING fts5(title, text, tokenize='unicode61')")
        database.execute(
            "CREATE TABLE facet (doc INTEGER, name INTEGER, value TEXT, PRIMARY KEY (doc, name, value)) WITHOUT ROWID"
        )
        database.execute("CREATE TEMP TABLE hit (doc INTEGER PRIMARY KEY, score REAL)")
        database.execute("BEGIN")
        for doc, each in enumerate(texts, 1):
            database.execute("INSERT INTO docs (rowid, title, text) VALUES (?, ?, ?)", (doc, each.title, each.text))
            database.executemany(
                "INSERT INTO facet VALUES (?, ?, ?)",
                [(doc, self._numbers[name], value) for name, value in each.facets],
            )
        database.execute("COMMIT")
        database.execute("INSERT INTO docs(docs) VALUES ('optimize')")
        # No ANALYZE: with statistics SQLite builds a Bloom filter over all facets for every search.
        return time.perf_counter() - started

    def search(self, query: Query) -> tuple[int, list[Any], dict[int, dict[str, int]]]:
        """Total, the 20 best hits with title and text, and the count of every facet value."""
        database = self._database
        database.execute("DELETE FROM hit")
        match = " OR ".join(f'"{word}"' for word in wanted(query))
        database.execute("INSERT INTO hit SELECT rowid, bm25(docs) FROM docs WHERE docs MATCH ?", (match,))
        everywhere, arguments = self._where(query)
        hits = database.execute(
            "SELECT docs.rowid, score, title, text FROM "
            f"(SELECT doc, score FROM hit WHERE {everywhere} ORDER BY score LIMIT 20) JOIN docs ON docs.rowid = doc",
            arguments,
        ).fetchall()
        total = database.execute(f"SELECT count(*) FROM hit WHERE {everywhere}", arguments).fetchone()[0]
        facets: dict[int, dict[str, int]] = {}
        chosen = [self._numbers[name] for name in query.filters]
        free = f"name NOT IN ({', '.join(map(str, chosen))})" if chosen else "1"
        self._count(facets, free, everywhere, arguments)
        for name in query.filters:
            where, others = self._where(query, without=name)
            self._count(facets, f"name = {self._numbers[name]}", where, others)
        return total, hits, facets

    def _where(self, query: Query, without: str = "") -> tuple[str, list[str]]:
        clauses, arguments = ["1"], []
        for name, values in query.filters.items():
            if name != without:
                marks = ", ".join("?" * len(values))
                number = self._numbers[name]
                clauses.append(
                    "EXISTS (SELECT 1 FROM facet AS f WHERE f.doc = hit.doc "
                    f"AND f.name = {number} AND f.value IN ({marks}))"
                )
                arguments += list(values)
        return " AND ".join(clauses), arguments

    def _count(self, facets: dict[int, dict[str, int]], names: str, where: str, arguments: Sequence[str]) -> None:
        rows = self._database.execute(
            "SELECT name, value, count(*) FROM (SELECT doc FROM hit WHERE "
            f"{where}) CROSS JOIN facet USING (doc) WHERE {names} GROUP BY name, value",
            arguments,
        )
        for name, value, count in rows:
            facets.setdefault(name, {})[value] = count


def wanted(query: Query) -> list[str]:
    """The words of a query that the node looks for too."""
    found = [query.text[word.start : word.end] for word in words(query.text, query.language)]
    return [word for word in found if not is_stop_word(word, query.language)] or found
