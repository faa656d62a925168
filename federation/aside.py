"""Entries that are kept and not shown, looked at again: after an upgrade this program may understand them."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Final

import structlog

from federation.errors import FederationError
from federation.log.trust import UNREADABLE, understood
from federation.store.rows import StoredEntry
from federation.store.store import Store
from federation.workers import Tools, Workers

log = structlog.get_logger(__name__)
_LOOKED_AT: Final = 100
"""Entries that are looked at again at a time."""
_DOUBTFUL: Final = ("unknown-kind", "invalid-record", UNREADABLE)
"""Why entries are kept aside that a newer version of this program may understand."""


async def reconsider(store: Store, workers: Workers) -> dict[str, list[int]]:
    """Look again at what was kept aside for want of understanding: after an upgrade this node may know better.

    Returns the positions released, by the DID of their log.
    """
    dids = {each.id: each.did for each in await store.logs()}
    released: dict[int, list[int]] = {}
    for log_id, positions in (await store.inventory.kept_aside(_DOUBTFUL)).items():
        for at in range(0, len(positions), _LOOKED_AT):
            entries = await store.at(log_id, positions[at : at + _LOOKED_AT])
            known = await asyncio.to_thread(_understood, entries, workers.tools)
            released.setdefault(log_id, []).extend(known)
    for log_id, positions in released.items():
        released[log_id] = await store.release(log_id, positions)
        log.info("released", log=dids[log_id], entries=len(released[log_id]))
    return {dids[log_id]: positions for log_id, positions in released.items() if positions}


def _understood(entries: Sequence[StoredEntry], tools: Tools) -> list[int]:
    """The positions of the entries that this program understands."""
    return [entry.position for entry in entries if _is_understood(entry, tools)]


def _is_understood(entry: StoredEntry, tools: Tools) -> bool:
    try:
        _, reason = understood(entry.signed.body, tools.vocabulary, tools.checks)
    except FederationError:
        return False  # it was kept because our reader failed; now it is found to be no record
    except Exception:
        log.exception("an entry still crashes the reader", log=entry.log_id, position=entry.position)
        return False
    return not reason
