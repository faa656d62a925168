"""What readers are told of regions whose records here may be out of date or in doubt (A18)."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass
from datetime import timedelta
from typing import Final

from aiohttp import web

from federation.log.times import timestamp
from federation.search import Found
from federation.store.rows import Log, PeerState
from federation.web import pages
from federation.web.keys import CLOCK, CONFIG, STORE

SILENT: Final = timedelta(hours=72)
"""How long a peer may be away, or send what does not verify, before readers are told."""
_NOTHING_NEW: Final = (
    "The node of {region} has confirmed nothing new since {day}. Its newest records may be missing here."
)
TEXTS: Final = {
    "stale": _NOTHING_NEW,
    "lagging": _NOTHING_NEW,
    "unreachable": "The node of {region} has not been reachable since {day}. Its newest records may be missing here.",
    "blocked": "What the node of {region} sends has been in doubt since {day}, and is not taken over. "
    "Its newest records may be missing here.",
    "regressed": "The log of {region} has been shorter than before since {day}. What was checked earlier is shown.",
    "forked": "The node of {region} has signed two different histories, noticed on {day}. "
    "What was checked earlier is shown; nothing newer is taken over.",
    "removed": "The node of {region} is not followed any more since {day}. What it has published since then "
    "is missing here.",
    "key-mismatch": "The node of {region} has shown keys that nobody has confirmed since {day}. "
    "What was checked earlier is shown; nothing newer is taken over.",
}
"""The sentence for each state of which readers are told."""
_PATIENT: Final = frozenset({"unreachable", "blocked", "lagging"})
"""States that pass by themselves: readers are told once the last success is long ago, whatever has come since."""


@dataclass(frozen=True, slots=True)
class Notice:
    """What is said of one region: its node's short name, the state of that peer, since when, and the sentence."""

    node: str
    state: str
    since: str
    text: str


async def of_all(request: web.Request) -> list[Notice]:
    """What is to be said of the regions of which anything is."""
    every = await request.app[STORE].peers.states_lately()
    states = {id_: each for id_, each in every.items() if _is_told(request, each)}
    if not states:
        return []  # as nearly always
    return [_said(request, log, states[log.id]) for log in await request.app[STORE].logs() if log.id in states]


async def of_regions(request: web.Request, names: Collection[str]) -> list[Notice]:
    """What is to be said of some regions, by the short names of their nodes."""
    return [each for each in await of_all(request) if each.node in names]


def of_results(notices: Sequence[Notice], found: Found, chosen: Sequence[str]) -> list[Notice]:
    """Those about regions that have results; ``chosen`` are the regions asked for, empty for all."""
    counted = {each.value for each in found.facets.get("node", ()) if each.count}
    shown = {hit.node for hit in found.hits} | (counted & set(chosen) if chosen else counted) | set(chosen)
    return [each for each in notices if each.node in shown]


def documents(notices: Sequence[Notice]) -> list[dict[str, str]]:
    """Notices as members of an answer for programs."""
    return [asdict(each) for each in notices]


def _is_told(request: web.Request, state: PeerState) -> bool:
    if state.state in _PATIENT:
        return _since(state) < timestamp(request.app[CLOCK]() - SILENT)
    return state.state in TEXTS and bool(state.since)


def _since(state: PeerState) -> str:
    """Since when a region's records may be out of date: a peer that fails now so and now so has failed all the time."""
    return (state.last_success or state.since) if state.state in _PATIENT else state.since


def _said(request: web.Request, log: Log, state: PeerState) -> Notice:
    language = pages.language_of(request)
    region = language.pick(request.app[CONFIG].region(log.name))
    text = language.text(TEXTS[state.state]).format(region=region, day=language.day(_since(state)))
    return Notice(log.name, state.state, _since(state), text)
