"""What entries do to earlier ones of their log when they become visible; see ``log.effects``.

It happens in the transaction that shows the entries: nobody ever sees the one without the other, and
after a crash nothing has to be made up for.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from federation.errors import BadErasure, MassErasure
from federation.log.effects import ERASURE, Effect, effect_of
from federation.log.keys import KIND as KEY_EVENT
from federation.store import days, schema
from federation.store.rows import Day
from federation.store.schema import UNEXPLAINED

ERASED: Final = "erased"
"""Kind, and reason of its quarantine, of an entry that was erased."""
STALE: Final = "stale-version"
"""Why an entry is not shown whose version does not rise."""
COMPROMISED: Final = "compromised-key"
"""Why an entry is not shown that was signed when others had the key."""
MOST: Final = 100
"""Entries erased on one day without anybody being asked, or a hundredth of the log if that is more."""
_CHUNK: Final = 400


async def apply(
    connection: AsyncConnection, log_id: int, start: int, stop: int, *, allowed: int | None = None, day: str = ""
) -> list[Effect]:
    """Apply what the entries ``start`` ≤ p < ``stop`` do to earlier ones; what that was.

    ``allowed`` is the position up to which a coordinator has agreed to any number of erasures, ``day`` the one
    (UTC) that others count for; None for the own log, which nobody limits. Raises BadErasure for one that names
    what is not its record's, or for an entry without text that none names; MassErasure for more than anybody
    would expect in a day.
    """
    effects = await _effects(connection, log_id, start, stop)
    if await _hidden(connection, log_id, effects, stop):
        # An erasure that was taken for stale a moment ago counts as well; one that is hidden now still does.
        every = {each.position: each for each in [*effects, *await _effects(connection, log_id, start, stop)]}
        effects = [every[position] for position in sorted(every)]
    erasures = [effect for effect in effects if effect.erases]
    if allowed is not None:
        await _count(connection, log_id, start, day, [each for each in erasures if each.position >= allowed])
    for effect in erasures:
        await _erase(connection, log_id, effect)
    entry = schema.entry.c
    left = sa.select(sa.func.min(entry.position)).where(
        entry.log_id == log_id, entry.erased_by == UNEXPLAINED, entry.position < stop
    )
    position = (await connection.execute(left)).scalar()
    if position is not None:
        raise BadErasure(f"Entry {position} is given without its text, and no erasure in the log names it.")
    return effects


async def release(
    connection: AsyncConnection, log_id: int, positions: Sequence[int], stop: int
) -> tuple[list[int], list[Effect]]:
    """Show entries that were kept aside, in a log of which ``stop`` entries are visible, and apply what they do.

    What stolen keys signed, versions that do not rise, and erasures of what is not their record's stay aside. What is
    erased is counted for no day: its owner had it erased before. Returns the positions shown, and their effects.
    """
    entry, shown = schema.entry.c, list[int]()
    stolen = [each for each in await _effects(connection, log_id, 0, stop) if each.compromised_from is not None]
    for position in positions:
        mine = (entry.log_id == log_id) & (entry.position == position)
        row = (await connection.execute(sa.select(entry.record, entry.kind, entry.version).where(mine))).one()
        before = await _version_before(connection, log_id, row.record, position)
        reason = ""
        if row.kind != KEY_EVENT and any(_signed_when_stolen(position, each) for each in stolen):
            reason = COMPROMISED
        elif row.version <= before:
            reason = f"{STALE}: {row.version} after {before}"
        await connection.execute(schema.entry.update().where(mine).values(quarantine=reason))
        shown += [] if reason else [position]
    effects = [each for each in await _effects(connection, log_id, 0, stop) if each.position in shown]
    await _hidden(connection, log_id, effects, stop)
    done = list[Effect]()
    for effect in effects:
        try:
            if effect.erases:
                await _erase(connection, log_id, effect)
        except BadErasure as error:
            wrong = schema.entry.update().where(entry.log_id == log_id, entry.position == effect.position)
            await connection.execute(wrong.values(quarantine=f"{error.slug}: {error}"))
            shown.remove(effect.position)
        else:
            done.append(effect)
    return shown, done


def _signed_when_stolen(position: int, event: Effect) -> bool:
    return event.compromised_from is not None and event.compromised_from <= position < event.position


async def _version_before(connection: AsyncConnection, log_id: int, record: str, position: int) -> int:
    """The highest version of a record that is shown before a position; 0 for none."""
    entry = schema.entry.c
    before = sa.select(sa.func.max(entry.version)).where(
        entry.log_id == log_id, entry.record == record, entry.position < position, entry.quarantine == ""
    )
    return int((await connection.execute(before)).scalar() or 0)


async def _hidden(connection: AsyncConnection, log_id: int, effects: Sequence[Effect], stop: int) -> bool:
    """Hide what stolen keys have signed, as key events say; whether any does."""
    found = [effect for effect in effects if effect.compromised_from is not None]
    for effect in found:
        assert effect.compromised_from is not None
        await _hide(connection, log_id, effect.compromised_from, effect.position)
        await _release(connection, log_id, effect.position, stop)
    return bool(found)


async def _count(connection: AsyncConnection, log_id: int, held: int, day: str, erasures: Sequence[Effect]) -> None:
    """Count the visible entries that are erased though nobody has agreed to it. Raises MassErasure.

    By the day, since whoever wants to empty a log could as well do it a little at every pull.
    """
    fresh = sum(position < held for effect in erasures for position in effect.erases)
    before = (await days.on(connection, log_id, day)).erased
    if fresh and before + fresh > max(MOST, held // 100):
        since = f", after {before} earlier today (UTC)" if before else ""
        raise MassErasure(
            f"The peer asks to erase {fresh} of the {held} entries held of its log{since}.",
            remedy="Ask its coordinator; if it is meant, run `procirc peers confirm`. Until then nothing is taken "
            "from it.",
        )
    if fresh:
        await days.add(connection, log_id, Day(day, erased=fresh))


async def _effects(connection: AsyncConnection, log_id: int, start: int, stop: int) -> list[Effect]:
    entry = schema.entry.c
    query = sa.select(entry.position, entry.record, entry.kind, entry.body).where(
        entry.log_id == log_id,
        entry.position >= start,
        entry.position < stop,
        entry.kind.in_([ERASURE, KEY_EVENT]),
        entry.quarantine == "",
    )
    rows = await connection.execute(query.order_by(entry.position))
    found = (effect_of(row.position, row.record, row.kind, row.body) for row in rows)
    return [effect for effect in found if effect is not None]


async def _erase(connection: AsyncConnection, log_id: int, effect: Effect) -> None:
    if effect.erases[-1] >= effect.position:
        raise BadErasure(
            f"The erasure at {effect.position} names position {effect.erases[-1]}, which is no earlier one."
        )
    entry = schema.entry.c
    parts = [effect.erases[at : at + _CHUNK] for at in range(0, len(effect.erases), _CHUNK)]
    named = [(entry.log_id == log_id) & entry.position.in_(some) for some in parts]
    asked = sa.select(entry.position, entry.record, entry.kind, entry.erased_by)
    for mine in named:
        _check(effect, (await connection.execute(asked.where(mine))).all())
    for mine in named:
        await connection.execute(
            schema.entry.update()
            .where(mine, sa.or_(entry.erased_by.is_(None), entry.erased_by == UNEXPLAINED))
            .values(**GONE, erased_by=effect.position)
        )
    # Only the home node has any.
    await connection.execute(schema.restricted.delete().where(schema.restricted.c.record == effect.record))


GONE: Final = {
    "record": "",
    "kind": ERASED,
    "version": 0,
    "published": "",
    "body": "",
    "method": "",
    "signature": b"",
    "quarantine": ERASED,
}
"""What the columns of an entry hold when its text is gone."""


def _check(effect: Effect, rows: Sequence[Any]) -> None:
    for row in rows:
        if row.erased_by is None and (row.record != effect.record or row.kind in (ERASURE, KEY_EVENT)):
            raise BadErasure(f"The erasure at {effect.position} names entry {row.position}, not one of its record.")


async def _hide(connection: AsyncConnection, log_id: int, first: int, stop: int) -> None:
    entry = schema.entry.c
    await connection.execute(
        schema.entry.update()
        .where(
            entry.log_id == log_id,
            entry.position >= first,
            entry.position < stop,
            entry.kind != KEY_EVENT,
            entry.quarantine == "",
        )
        .values(quarantine=COMPROMISED)
    )


async def _release(connection: AsyncConnection, log_id: int, after: int, stop: int) -> None:
    """Show the entries behind a key event that were stale only beside those which it has hidden.

    The owner counted their versions on from what it still showed; a copy made in one go could not know.
    """
    entry = schema.entry.c
    stale = sa.select(entry.position, entry.record, entry.version).where(
        entry.log_id == log_id, entry.position > after, entry.position < stop, entry.quarantine.startswith(STALE)
    )
    for row in (await connection.execute(stale.order_by(entry.position))).all():
        if await _version_before(connection, log_id, row.record, row.position) < row.version:
            shown = schema.entry.update().where(entry.log_id == log_id, entry.position == row.position)
            await connection.execute(shown.values(quarantine=""))
