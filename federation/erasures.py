"""Whether the peers have carried out what this node erased (GDPR): by the checkpoints of its log they cosign."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

import structlog

from federation.config import PeerConfig
from federation.log.times import timestamp
from federation.store.store import Store

IN_TIME: Final = timedelta(hours=72)
"""How long a peer may take to follow an erasure before its coordinator has to be asked."""
log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Erasing:
    """An erasure of this node: the record, since when, and the names of the peers that have followed or not."""

    record: str
    position: int
    since: str
    done: tuple[str, ...]
    waiting: tuple[str, ...]
    overdue: tuple[str, ...]
    """Those of ``waiting`` that had time enough, and may hold the text."""


async def erasures(store: Store, own_id: int, peers: Sequence[PeerConfig], now: datetime) -> list[Erasing]:
    """The erasures of the own log, in its order.

    A peer that has verified the log beyond an erasure has carried it out: both are one transaction there. One
    that has answered since, and names no checkpoint of this log, does not follow it and holds nothing.
    """
    own = await store.log(own_id)
    # By what was erased, of which there is an index: metrics ask often, and no log is to be read through for them.
    positions = sorted(set((await store.erasures(own.id)).values()))
    if not positions:
        return []
    ended = await store.at(own.id, positions)
    seen = {each.witness: each.size for each in await store.witnesses.of(own.did)}
    states = await store.peers.states()
    heard = {each.did: states[each.id].last_success for each in await store.logs() if each.id in states}
    latest = timestamp(now - IN_TIME)
    found = []
    for each in ended:
        waiting = [peer for peer in peers if seen.get(peer.did, 0) <= each.position]
        holds = [peer.name for peer in waiting if peer.did in seen or heard.get(peer.did, "") <= each.published]
        found.append(
            Erasing(
                record=each.record,
                position=each.position,
                since=each.published,
                done=tuple(sorted({peer.name for peer in peers} - {peer.name for peer in waiting})),
                waiting=tuple(sorted(peer.name for peer in waiting)),
                overdue=tuple(sorted(holds)) if each.published < latest else (),
            )
        )
    return found


def overdue(found: Sequence[Erasing]) -> dict[str, int]:
    """How many erasures each peer has not followed in time, by its name."""
    names = sorted({name for each in found for name in each.overdue})
    return {name: sum(name in each.overdue for each in found) for name in names}


async def warn(store: Store, own_id: int, peers: Sequence[PeerConfig], now: datetime) -> None:
    """Say in the log which peers have not followed an erasure in time. The record is not named: logs are kept."""
    for each in await erasures(store, own_id, peers, now):
        if each.overdue:
            log.warning(
                "an erasure is not followed: ask the coordinators, see `procirc erasures`",
                entry=each.position,
                since=each.since,
                peers=", ".join(each.overdue),
            )
