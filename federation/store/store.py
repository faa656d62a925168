"""The logs a node holds: appending to its own, keeping its peers', reading both.

Every append is one transaction that holds the entries, the frontier of the tree and the checkpoint
(or the cursor, which is a peer log's ``size``) together, so a crash at any moment leaves a log that
ends at a whole append. What a peer sent stays invisible until ``confirm`` has found its root equal to
a checkpoint.
"""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncEngine

from federation.errors import Conflict, ReadOnly, RootMismatch, StorageFailed
from federation.log.effects import ENDINGS, ERASURE, Effect
from federation.log.keys import KIND as KEY_EVENT
from federation.log.keys import Keys
from federation.log.merkle import Frontier
from federation.log.trust import Entry, Erased, Standing
from federation.store import days, schema, statements
from federation.store import effects as effects_of
from federation.store.engine import open_engine, reading, scrub, writing
from federation.store.followed import FollowedPeers
from federation.store.in_house import InHouse
from federation.store.inventory import Inventory
from federation.store.locks import Leases
from federation.store.peers import PeerStates
from federation.store.rows import Day, Log, StoredEntry, entry_of, log_of
from federation.store.witnesses import Witnesses

SignCheckpoint = Callable[[int, bytes, str], str]
"""Signs a size and a root, given the last checkpoint of the log, which is empty before the first."""


@asynccontextmanager
async def open_store(url: str, *, of: str = "") -> AsyncIterator[Store]:
    """The store of a database URL, migrated and ready. Raises Misconfigured where it is not ``of`` that node."""
    async with open_engine(url) as engine:
        store = Store(engine)
        if of:
            async with reading(engine) as connection:
                await statements.check_no_other_own(connection, of)
        # A crash between an erasure and its scrubbing has left the text in the write-ahead log. A full disk
        # must not keep a node from starting: there it stays until there is room.
        if engine.dialect.name == "sqlite":
            with suppress(StorageFailed):
                await store.scrub()
        yield store


class Store:
    """All logs of one database. Safe to use from several tasks and several processes."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine
        self.soiled = False
        """Whether files of the database may still hold what was erased."""
        self._looked_at: dict[int, int] = {}
        """By log: how many entries were visible when it was last looked for erasures."""
        self.in_house = InHouse(engine)
        self.witnesses = Witnesses(engine)
        self.inventory = Inventory(engine)
        self.followed = FollowedPeers(engine)
        self.peers = PeerStates(engine)
        self.lease = Leases(engine).lease

    # Logs

    async def enlist(self, *, did: str, base: str, name: str, own: bool) -> Log:
        """The log of a node, made empty if it is not known yet; its name and base follow the caller.

        Raises Misconfigured where the database is that of another node.
        """
        async with reading(self._engine) as connection:
            known = await statements.log_row_of(connection, did)
        if known is not None and (known.base, known.name) == (base, name):
            return log_of(known)
        async with writing(self._engine) as connection:
            known = await statements.log_row_of(connection, did)
            if known is None:
                if own:
                    await statements.check_no_other_own(connection, did)
                empty = Frontier().encode()
                # Never the number of a log that was forgotten: a running node remembers pages and roots by it.
                values = {"id": secrets.randbelow(1 << 31), "did": did, "base": base, "name": name, "own": own}
                await connection.execute(schema.log.insert().values(frontier=empty, verified_frontier=empty, **values))
                row = await statements.log_row_of(connection, did)
                assert row is not None
                if not own:
                    await connection.execute(schema.peer.insert().values(log_id=row.id))
                return log_of(row)
            change = schema.log.update().where(schema.log.c.id == known.id)
            await connection.execute(change.values(base=base, name=name))
            if known.name != name:
                await connection.execute(statements.REVISED)  # every document says whose it is
            row = await statements.log_row(connection, known.id)
            return log_of(row)

    async def logs(self) -> list[Log]:
        """Every log, the node's own first."""
        async with reading(self._engine) as connection:
            return [log_of(row) for row in await connection.execute(statements.LOGS)]

    async def log(self, log_id: int) -> Log:
        async with reading(self._engine) as connection:
            return log_of(await statements.log_row(connection, log_id))

    # Appending

    async def append_own(
        self, log_id: int, entries: Sequence[Entry], *, keys: Keys | None, checkpoint: SignCheckpoint
    ) -> list[int]:
        """Append to the node's own log; the positions assigned. Durable on return.

        ``checkpoint`` signs the new size and root, knowing the last checkpoint, inside the transaction, so an
        entry is never served without one; ``keys`` are those that signed the entries. The positions of ``entries``
        are ignored. Raises Conflict when a version is not the next one, a time goes backwards or the
        keys are no longer in force: somebody else appended in between.
        """
        async with writing(self._engine) as connection:
            row = await statements.log_row(connection, log_id)
            log = log_of(row)
            if log.keys != keys:
                raise Conflict("The keys of this node were changed in between.")
            if log.size != log.verified_size:
                raise ReadOnly(
                    "Entries of this node's own log are being fetched back from a peer.",
                    remedy="Try again in a moment.",
                )
            current = await statements.versions(connection, log_id, [entry.record for entry in entries])
            statements.check_next(entries, current, log.published)
            frontier = log.frontier.append(entry.verified.leaf for entry in entries)
            await statements.insert(connection, log_id, log.size, entries)
            await connection.execute(
                schema.log.update()
                .where(schema.log.c.id == log_id)
                .values(
                    size=frontier.size,
                    frontier=frontier.encode(),
                    verified_size=frontier.size,
                    verified_frontier=frontier.encode(),
                    published=entries[-1].published,
                    checkpoint=checkpoint(frontier.size, frontier.root, log.checkpoint),
                )
            )
            effects = await effects_of.apply(connection, log_id, log.size, frontier.size)
        await self._scrubbed(effects)
        return list(range(log.size, frontier.size))

    async def refresh_checkpoint(self, log_id: int, *, keys: Keys | None, checkpoint: SignCheckpoint) -> str:
        """Sign the own log as it stands once more, so that peers see it is alive.

        ``keys`` are those that sign. Raises Conflict where they are no longer in force, or entries are not proved yet.
        """
        async with writing(self._engine) as connection:
            log = log_of(await statements.log_row(connection, log_id))
            if log.keys != keys or log.size != log.verified_size:
                raise Conflict("The log of this node was changed in between.")
            text = checkpoint(log.size, log.frontier.root, log.checkpoint)
            change = schema.log.update().where(schema.log.c.id == log_id)
            await connection.execute(change.values(checkpoint=text))
            return text

    async def append_peer(
        self,
        log_id: int,
        entries: Sequence[Entry | Erased],
        *,
        after: int,
        standing: Standing,
        taken: Day | None = None,
    ) -> None:
        """Keep verified entries of a peer and move the cursor, in one transaction; still invisible.

        ``taken`` is what they add to the count of their day, if they count. An entry whose version does not rise
        is kept in quarantine. Raises Conflict when the cursor is no longer at ``after``: another process follows
        the same peer.
        """
        async with writing(self._engine) as connection:
            log = log_of(await statements.log_row(connection, log_id))
            if log.size != after:
                raise Conflict(f"The copy of {log.did} stands at {log.size}, not at {after}.")
            records = [entry.record for entry in entries if isinstance(entry, Entry)]
            current = await statements.versions(connection, log_id, records)
            await statements.insert(connection, log_id, after, list(statements.with_stale(entries, current)))
            frontier = log.frontier.append(entry.leaf for entry in entries)
            await connection.execute(
                schema.log.update()
                .where(schema.log.c.id == log_id)
                .values(
                    size=frontier.size,
                    frontier=frontier.encode(),
                    published=standing.published,
                )
            )
            if taken is not None:
                await days.add(connection, log_id, taken)

    async def confirm(
        self, log_id: int, *, size: int, root: bytes, checkpoint: str, at: str = "", fingerprint: str = ""
    ) -> None:
        """Make a peer's entries visible up to a checkpoint whose signature was verified, with all they entail.

        ``at`` is when that happens (UTC text); the own log, when it comes back from others, has no such time.
        ``fingerprint`` is that of the log's first keys, where it is not noted yet.
        Raises RootMismatch when our entries do not add up to it; then those that were not yet visible are
        dropped, and the next run fetches them again. Raises BadErasure and MassErasure.
        """
        effects: list[Effect] = []
        async with writing(self._engine) as connection:
            log = log_of(await statements.log_row(connection, log_id))
            matches = log.size == size and log.frontier.root == root
            values: dict[str, Any] = {"checkpoint": checkpoint}
            if matches:
                peer = schema.peer.select().where(schema.peer.c.log_id == log_id)
                row = (await connection.execute(peer)).one_or_none()
                allowed = row.erase_until if row is not None else None
                effects = await effects_of.apply(
                    connection, log_id, log.verified_size, size, allowed=allowed, day=at[:10]
                )
                if at and size > log.verified_size:
                    fresh = {"log_id": log_id, "start": log.verified_size, "at": at}
                    await connection.execute(schema.received.insert().values(**fresh))
                values |= {"verified_size": size, "verified_frontier": log.frontier.encode()}
                values |= {"fingerprint": fingerprint} if fingerprint else {}
            elif log.size == size:
                values = await statements.drop_pending(connection, log)
            else:
                raise Conflict(f"The copy of {log.did} stands at {log.size}, the checkpoint at {size}.")
            await connection.execute(schema.log.update().where(schema.log.c.id == log_id).values(**values))
            await connection.execute(schema.peer.update().where(schema.peer.c.log_id == log_id).values(target=""))
        await self._scrubbed(effects)
        if not matches:
            raise RootMismatch(
                f"The {size} entries of {log.did} do not add up to the root it signed.",
                remedy="Nothing of it was shown. The node asks again by itself; if it stays so, ask the peer.",
            )

    async def drop_pending(self, log_id: int) -> Log:
        """Forget the entries of a peer that were never proved; the log as it then stands."""
        async with writing(self._engine) as connection:
            log = log_of(await statements.log_row(connection, log_id))
            values = await statements.drop_pending(connection, log)
            await connection.execute(schema.log.update().where(schema.log.c.id == log_id).values(**values))
            await connection.execute(schema.peer.update().where(schema.peer.c.log_id == log_id).values(target=""))
            return log_of(await statements.log_row(connection, log_id))

    async def forget(self, log_id: int) -> None:
        """Delete a peer's log with everything in it."""
        async with writing(self._engine) as connection:
            for table in (schema.entry, schema.peer, schema.received):
                await connection.execute(table.delete().where(table.c.log_id == log_id))
            await connection.execute(schema.log.delete().where(schema.log.c.id == log_id, schema.log.c.own.is_(False)))
            await connection.execute(statements.REVISED)
        await self.scrub()

    async def set_fingerprint(self, log_id: int, fingerprint: str) -> None:
        async with writing(self._engine) as connection:
            change = schema.log.update().where(schema.log.c.id == log_id)
            await connection.execute(change.values(fingerprint=fingerprint))

    async def _scrubbed(self, effects: Sequence[Effect]) -> None:
        """Scrub after erasures; they are durable by now, so what the disk refuses is left for later (``soiled``)."""
        if any(effect.erases for effect in effects):
            with suppress(StorageFailed):
                await self.scrub()

    async def scrub_after_others(self) -> None:
        """Scrub where that is left to do, or something was erased since the last time, perhaps by another process."""
        entry = schema.entry.c
        for log in await self.logs():
            before, self._looked_at[log.id] = self._looked_at.get(log.id), log.verified_size
            if before is None:
                self.soiled = True  # to look through a whole log is dearer than to scrub once in vain
            elif log.verified_size > before and not self.soiled:
                fresh = (entry.log_id == log.id, entry.position >= before, entry.kind == ERASURE)
                async with reading(self._engine) as connection:
                    query = sa.select(entry.position).where(*fresh).limit(1)
                    self.soiled = (await connection.execute(query)).first() is not None
        if self.soiled:
            await self.scrub()

    async def scrub(self) -> None:
        """Take what was erased out of the files of the database too; ``soiled`` while others still read it there."""
        self.soiled = True  # also where the disk refuses
        self.soiled = not await scrub(self._engine)

    # Reading

    async def entries(self, log_id: int, start: int, stop: int) -> list[StoredEntry]:
        """The entries at positions ``start`` ≤ p < ``stop`` that are there, quarantined ones included."""
        where = (
            (schema.entry.c.log_id == log_id) & (schema.entry.c.position >= start) & (schema.entry.c.position < stop)
        )
        async with reading(self._engine) as connection:
            rows = await connection.execute(schema.entry.select().where(where).order_by(schema.entry.c.position))
            return [entry_of(row) for row in rows]

    async def at(self, log_id: int, positions: Iterable[int]) -> list[StoredEntry]:
        """The entries at some positions of a log, in its order."""
        entry, found = schema.entry.c, list[StoredEntry]()
        async with reading(self._engine) as connection:
            for some in statements.chunks(sorted(set(positions))):
                query = schema.entry.select().where(entry.log_id == log_id, entry.position.in_(some))
                found += map(entry_of, await connection.execute(query.order_by(entry.position)))
        return found

    async def received(self, log_id: int, position: int) -> str:
        """When an entry of a peer became visible here (UTC text); empty for own ones, and where it was not noted."""
        table = schema.received
        query = sa.select(table.c.at).where(table.c.log_id == log_id, table.c.start <= position)
        async with reading(self._engine) as connection:
            return str((await connection.execute(query.order_by(table.c.start.desc()).limit(1))).scalar() or "")

    async def leaves(self, log_id: int, stop: int, start: int = 0) -> list[bytes]:
        """The leaf hashes of a log at positions ``start`` ≤ p < ``stop``."""
        entry = schema.entry.c
        where = (entry.log_id == log_id, entry.position >= start, entry.position < stop)
        query = sa.select(entry.leaf).where(*where).order_by(entry.position)
        async with reading(self._engine) as connection:
            return list((await connection.execute(query)).scalars())

    async def release(self, log_id: int, positions: Iterable[int]) -> list[int]:
        """Show entries that were kept aside, and do what they do to earlier ones; the positions that are shown now.

        One that would not be shown had it come today stays aside, with the reason of today.
        """
        async with writing(self._engine) as connection:
            visible = log_of(await statements.log_row(connection, log_id)).verified_size
            shown, effects = await effects_of.release(connection, log_id, sorted(set(positions)), visible)
            await connection.execute(statements.REVISED)
        await self._scrubbed(effects)
        return shown

    async def history(self, log_id: int, record: str) -> list[StoredEntry]:
        """The entries of a record in a log, those that are not shown included, in its order."""
        entry = schema.entry.c
        query = schema.entry.select().where(entry.record == record, entry.log_id == log_id)
        async with reading(self._engine) as connection:
            return [entry_of(row) for row in await connection.execute(query.order_by(entry.position))]

    async def erasures(self, log_id: int) -> dict[int, int]:
        """The positions of a log that were erased, and that of the erasure of each."""
        entry = schema.entry.c
        query = sa.select(entry.position, entry.erased_by).where(entry.log_id == log_id, entry.erased_by.is_not(None))
        async with reading(self._engine) as connection:
            return {row[0]: row[1] for row in await connection.execute(query)}

    async def current(self, record: str, log_id: int) -> StoredEntry | None:
        """The newest visible version of a record."""
        return (await self.currents([record], log_id)).get(record)

    async def currents(self, records: Iterable[str], log_id: int | None = None) -> dict[str, StoredEntry]:
        """The newest visible versions of some records by IRI, of one log or of whichever holds them."""
        found: dict[str, StoredEntry] = {}
        async with reading(self._engine) as connection:
            for some in statements.chunks(records):
                entry = schema.entry.c
                conditions = [entry.record.in_(some), *([entry.log_id == log_id] if log_id is not None else [])]
                for row in await connection.execute(statements.newest(*conditions)):
                    found[row.record] = entry_of(row)
        return found

    async def of_kind(self, log_id: int, kind: str, *, after: int = -1, most: int | None = None) -> list[StoredEntry]:
        """The newest visible versions of a kind's records in a log, in its order: all, or some after a position."""
        asked = {"log_id": log_id, "kind": kind, "after": after}
        async with reading(self._engine) as connection:
            return [entry_of(row) for row in await connection.execute(statements.OF_KIND.limit(most), asked)]

    async def held(self, records: Iterable[str]) -> set[str]:
        """Those of some records of which a version is visible, whoever published it."""
        found: set[str] = set()
        async with reading(self._engine) as connection:
            for some in statements.chunks(records):
                query = statements.newest(schema.entry.c.record.in_(some)).where(schema.entry.c.kind.not_in(ENDINGS))
                query = query.with_only_columns(schema.entry.c.record)
                found.update((await connection.execute(query)).scalars())
        return found

    async def counts(self, log_id: int) -> dict[str, int]:
        """Visible records of a log by kind; key events are entries but no records, and what was withdrawn is none."""
        kind = schema.entry.c.kind
        query = (
            statements.newest(schema.entry.c.log_id == log_id)
            .where(kind.not_in([KEY_EVENT, *ENDINGS]))
            .with_only_columns(kind, sa.func.count())
            .group_by(kind)
        )
        async with reading(self._engine) as connection:
            return {row[0]: row[1] for row in await connection.execute(query)}
