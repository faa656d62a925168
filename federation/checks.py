"""What a coordinator should know about a configuration and its peers, in sentences."""

from __future__ import annotations

import asyncio
import os
from typing import Any

from federation.config import Config, PeerConfig
from federation.errors import NotFound
from federation.records.vocabulary import load_vocabulary
from federation.store.engine import url_of
from federation.store.keyfiles import LOG, NEXT, RECORD
from federation.store.store import open_store


def configuration(config: Config) -> list[str]:
    """Remarks on a valid configuration: nothing here stops a node. Raises Misconfigured for a bad vocabulary."""
    notes = []
    if config.vocabulary is not None:
        load_vocabulary(config.vocabulary)
    keys = config.data / "keys"
    if not config.data.exists():
        notes.append(f"The data directory {config.data} does not exist yet; run `procirc init`.")
    elif not os.access(config.data, os.W_OK):
        notes.append(f"The data directory {config.data} cannot be written by this user.")
    notes += [
        f"The key file {keys / name} is missing; run `procirc init` or put it back."
        for name in (RECORD, LOG)
        if config.data.exists() and not (keys / name).exists()
    ]
    notes += [
        f"The key file {path} can be read by other users of this machine; run `chmod 600 {path}`."
        for path in sorted(keys.glob("*.key"))
        if path.stat().st_mode & 0o077
    ]
    if (keys / NEXT).exists():
        notes.append(f"{keys / NEXT} is still on this machine; move it to a safe place.")
    if config.allow_private:
        notes.append("allow_private is on: peers on private addresses are asked. For demonstrations only.")
    notes += [
        f"Peer {peer.name} has no fingerprint: the first contact decides which keys are believed. "
        "Ask its coordinator to read theirs out and add `fingerprint`."
        for peer in config.peers
        if not peer.fingerprint
    ]
    if not config.peers:
        notes.append("The node follows no peers.")
    return notes


async def peer_rows(config: Config) -> list[dict[str, Any]]:
    """Every configured or known peer with its state, for a table."""
    database = config.database or url_of(config.data)
    known: dict[str, dict[str, Any]] = {}
    set_up = await asyncio.to_thread((config.data / "node.sqlite").exists)
    if config.database or set_up:
        async with open_store(database) as store:
            states = await store.peer_states()
            for log in await store.logs():
                state = states.get(log.id)
                if state is not None:
                    known[log.did] = {
                        "name": log.name,
                        "url": log.base,
                        "state": state.state,
                        "since": state.since,
                        "entries": log.verified_size,
                        "claimed": state.claimed_size,
                        "last_success": state.last_success,
                        "next_attempt": state.next_attempt,
                        "fingerprint": log.fingerprint,
                        "reason": state.reason,
                        "detail": state.detail,
                    }
    empty = {"since": "", "entries": 0, "claimed": 0, "last_success": "", "next_attempt": "", "fingerprint": ""}
    for peer in config.peers:
        fresh = {"name": peer.name, "url": peer.url, "state": "new", "reason": "", "detail": "Not contacted yet."}
        known.setdefault(peer.did, {**fresh, **empty})
    return sorted(known.values(), key=lambda row: str(row["name"]))


async def confirm(config: Config, peer: PeerConfig) -> str:
    """Have a peer followed again after a coordinator's decision; the evidence that was kept against it."""
    async with open_store(config.database or url_of(config.data)) as store:
        log = next((each for each in await store.logs() if each.did == peer.did and not each.own), None)
        if log is None:
            raise NotFound(f"{peer.name} was never contacted; there is nothing to confirm.")
        state = (await store.peer_states())[log.id]
        await store.update_peer(log.id, state="new", reason="", detail="", evidence="", failures=0, next_attempt="")
        return state.evidence
