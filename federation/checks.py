"""What a coordinator should know about a configuration and its peers, in sentences."""

from __future__ import annotations

import asyncio
import os
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any, Final

import sqlalchemy as sa

from federation.archive import DATABASE
from federation.config import Config
from federation.records.vocabulary import load_vocabulary
from federation.store.engine import url_of
from federation.store.keyfiles import LOG, RECORD
from federation.store.statements import another_node
from federation.store.store import open_store

_EMPTY: Final = {"since": "", "entries": 0, "claimed": 0, "last_success": "", "next_attempt": "", "fingerprint": ""}


def configuration(config: Config) -> list[str]:
    """Remarks on a valid configuration: nothing here stops a node.

    Raises Misconfigured for a bad vocabulary, and for the data of another node.
    """
    notes = []
    if config.vocabulary is not None:
        load_vocabulary(config.vocabulary)
    holder = "" if config.database else _holder(config.data / DATABASE)
    if holder not in ("", config.did):
        raise another_node(holder, config.did)
    keys = config.data / "keys"
    if not config.data.exists():
        notes.append(f"The data directory {config.data} does not exist yet; run `procirc init`.")
    elif not os.access(config.data, os.W_OK):
        notes.append(f"The data directory {config.data} cannot be written by this user.")
    notes += [
        f"The key file {keys / name} is missing; run `procirc init`, or put it back from where this node was set up."
        for name in (RECORD, LOG)
        if config.data.exists() and not (keys / name).exists()
    ]
    notes += [
        f"The key file {path} can be read by other users of this machine; run `chmod 600 {path}`."
        for path in sorted(keys.glob("*.key"))
        if path.stat().st_mode & 0o077
    ]
    notes += [
        f"The file {path} can be read by other users of this machine and holds what is said in confidence; "
        f"run `chmod 600 {path}`."
        for path in sorted(config.data.glob(f"{DATABASE}*"))
        if path.stat().st_mode & 0o077
    ]
    notes += [
        f"The next key {path} is still on this machine; run `procirc keys export` with a medium for a safe."
        for path in sorted(keys.glob("next*.key"))
    ]
    if config.database and sa.make_url(config.database).password:
        notes.append("`database` holds a password; put it into a file that only PostgreSQL's clients read, ~/.pgpass.")
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


def _holder(database: Path) -> str:
    """The DID of the node that a database file is of, read without opening the store, which would migrate it."""
    try:
        with closing(sqlite3.connect(f"{database.absolute().as_uri()}?mode=ro", uri=True)) as connection:
            row = connection.execute("SELECT did FROM log WHERE own").fetchone()
    except sqlite3.Error:
        return ""
    return str(row[0]) if row else ""


async def peer_rows(config: Config) -> list[dict[str, Any]]:
    """Every configured or known peer with its state, for a table."""
    known: dict[str, dict[str, Any]] = {}
    set_up = await asyncio.to_thread((config.data / DATABASE).exists)
    if config.database or set_up:
        async with open_store(config.database or url_of(config.data), of=config.did) as store:
            states = await store.peers.states()
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
            for each in await store.followed.every():
                waits = {"name": each.name, "url": each.url, "state": "new", "reason": "to-confirm"}
                said = f"Waits for you: procirc peers confirm {each.name}" if not each.confirmed else ""
                known.setdefault(each.did, {**_EMPTY, **waits, "fingerprint": each.fingerprint, "detail": said})
    for peer in config.peers:
        fresh = {"name": peer.name, "url": peer.url, "state": "new", "reason": "", "detail": "Not contacted yet."}
        known.setdefault(peer.did, {**_EMPTY, **fresh})
    return sorted(known.values(), key=lambda row: str(row["name"]))
