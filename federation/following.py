"""Adding, confirming and removing peers, as their coordinator decides."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from federation.config import PeerConfig
from federation.errors import AlreadyExists, BadErasure, FederationError, Forked, InvalidRequest, NotFound
from federation.gossip import other_ends
from federation.harvest import PAGES, asked
from federation.log import checkpoint as checkpoints
from federation.log import did as dids
from federation.log import forks
from federation.log.keys import fingerprint
from federation.log.times import timestamp
from federation.log.trust import Claimed, Standing, judge
from federation.node import Node
from federation.peers.ldes import read_page
from federation.records import jsonld
from federation.store.followed import Followed
from federation.store.peers import REMOVED
from federation.store.rows import Log


@dataclass(frozen=True, slots=True)
class Met:
    """A node as it presents itself: what two coordinators compare before one follows the other."""

    name: str
    url: str
    fingerprint: str
    size: int


async def meet(node: Node, peer: PeerConfig) -> Met:
    """Ask a node who it is: its first entry, proved, with the fingerprint of its keys, and the size of its log."""
    with node.origins.meeting(peer):
        return await _met(node, peer)


async def _met(node: Node, peer: PeerConfig) -> Met:
    answer = await node.transport.get(
        asked(peer, "/.well-known/did.json"), accept="application/did+json, application/json", max_bytes=dids.MAX_SIZE
    )
    keys = dids.keys_in(jsonld.loads(answer.content.opened()), peer.did)
    note = (await node.transport.get(asked(peer, "/log/checkpoint"), accept="text/plain")).content.opened()
    origin = checkpoints.origin_of(dids.host_of(peer.url))
    seen = checkpoints.verify(note.decode("utf-8", "replace"), origin=origin, key=keys.log_key())
    url = f"{peer.url}/feed/0/0"
    answer = await node.transport.get(asked(peer, "/feed/0/0"), accept=PAGES)
    how = {"url": url, "base": peer.url, "media_type": answer.media_type}
    page = await asyncio.to_thread(lambda: read_page(answer.content.opened(), **how))
    first = [claim for claim in page.claims if claim.position == 0]
    tools = node.workers.tools
    judge(first, Standing(peer.did, peer.url), vocabulary=tools.vocabulary, checks=tools.checks, now=node.clock())
    if not first or not isinstance(first[0], Claimed):
        raise BadErasure(f"The log of {peer.url} does not begin with its keys.")
    return Met(peer.name, peer.url, fingerprint(first[0].signed.body), seen.size)


async def add(node: Node, peer: PeerConfig) -> Met:
    """Note a peer with the fingerprint it shows; nothing is pulled before it is confirmed."""
    if peer.did == node.log.did:
        raise InvalidRequest("That is this node itself.")
    if any(each.did == peer.did or each.name == peer.name for each in node.config.peers):
        raise AlreadyExists(f"{peer.name} stands in the configuration already.")
    # Its records would be shown under the name of another: this node, or one whose records are still here.
    taken = next((each for each in await node.store.logs() if each.name == peer.name and each.did != peer.did), None)
    if peer.name == node.config.name or taken is not None:
        whose = "this node" if taken is None or taken.own else taken.base
        raise InvalidRequest(f"{peer.name} is the name of {whose}.", remedy="Choose another one with --name.")
    met = await meet(node, peer)
    now = timestamp(node.clock())
    await node.store.followed.add(Followed(peer.did, peer.name, peer.url, met.fingerprint, now, via=peer.via))
    return met


async def confirm(node: Node, name: str, given: str) -> str:
    """Follow a peer that was added, or follow one again that was stopped; what was done, in words.

    ``given`` is the fingerprint that its coordinator read out: needed for new keys after lost ones, and
    compared with the one shown when the peer was added.
    """
    added = next((each for each in await node.store.followed.every() if each.name == name), None)
    if added is not None and not added.confirmed:
        if given and given != added.fingerprint:
            raise InvalidRequest(
                f"{name} shows the fingerprint {added.fingerprint}, not {given}.",
                remedy="Do not follow it: you are not talking to the node you think. Remove it with `peers remove`. "
                "Only if its coordinator says that it lost its keys once: ask for the fingerprint of its first keys, "
                "confirm that one now, and this one when a sync asks for it.",
            )
        await node.store.followed.confirm(name, at=timestamp(node.clock()))
        return f"{name} is followed from now on."
    log = next((each for each in await node.store.logs() if each.name == name and not each.own), None)
    if log is None:
        raise NotFound(f"{name} was never contacted; there is nothing to confirm.")
    state = (await node.store.peers.states())[log.id]
    if given and given not in state.detail:
        raise InvalidRequest(
            f"{name} does not show the fingerprint {given}. {state.detail}".strip(),
            remedy="Ask its coordinator to read it out again; without one `peers confirm` looks at its log anew.",
        )
    values: dict[str, str | int] = {"state": "new", "reason": "", "detail": "", "failures": 0, "next_attempt": ""}
    values["target"] = ""  # whatever it was heading for, the next run begins with the newest checkpoint
    if state.reason == Forked.slug:
        values["given_up"] = "\n".join([*filter(None, [state.given_up]), *await _given_up(node, log, state.evidence)])
    if state.reason == "mass-erasure":
        values["erase_until"] = log.size
    if given:
        values["recovered"] = "\n".join([*filter(None, [state.recovered]), given])
    await node.store.peers.update(log.id, **values)
    return f"{name} is followed again; the next sync looks at its log anew."


async def _given_up(node: Node, log: Log, evidence: str) -> list[str]:
    try:
        fork = forks.checked(jsonld.loads(evidence.encode()))
    except FederationError:
        return []  # it was not told by a proof
    return await other_ends(node.store, log, fork)


async def remove(node: Node, name: str, *, delete: bool) -> int:
    """Follow a peer no longer; how many of its entries were deleted, if that was wanted.

    Raises InvalidRequest for a peer of the configuration file, which is not ours to edit, and NotFound.
    """
    if any(each.name == name for each in node.config.peers):
        raise InvalidRequest(
            f"{name} stands in the configuration file.",
            remedy=f"Take its table out of node.toml and restart the node; then `procirc peers remove {name}` can "
            "delete its records. A node that still runs with the table would fetch them again.",
        )
    added = any(each.name == name for each in await node.store.followed.every())
    log = next((each for each in await node.store.logs() if each.name == name and not each.own), None)
    if not added and log is None:
        raise NotFound(f"There is no peer {name!r}.", remedy="See `procirc peers list`.")
    if added:
        await node.store.followed.remove(name)
    if log is None:
        return 0
    if not delete:
        if not added and (await node.store.peers.states())[log.id].state == REMOVED:
            raise AlreadyExists(
                f"{name} is not followed any more; its {log.size} entries are still here.",
                remedy=f"To delete them: `procirc peers remove {name} --delete-records`.",
            )
        await node.store.peers.leave(log.id, at=timestamp(node.clock()))
        return 0
    await node.store.forget(log.id)
    return log.size


async def evidence(node: Node, name: str) -> str:
    """What was kept against a peer: the proof of a fork as a file, or what it last did wrong."""
    log = next((each for each in await node.store.logs() if each.name == name and not each.own), None)
    state = (await node.store.peers.states()).get(log.id) if log else None
    if state is None or not state.evidence:
        raise NotFound(f"Nothing is held against {name}.")
    return state.evidence
