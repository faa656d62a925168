"""The keys of a node in the hands of its coordinator: shown, exported, changed, recovered.

A change of keys makes new files and leaves the old ones: retired keys are what old signatures are
checked against, and whatever stops half way can be run again.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from federation.config import Config
from federation.errors import AlreadyExists, InvalidRequest, KeyMissing, StorageFailed, not_set_up
from federation.log import keys as key_events
from federation.log.keys import Declaration, next_key_hash
from federation.node import Node
from federation.records.multikey import encode_public
from federation.store import keyfiles
from federation.store.keyfiles import Keyring, PrivateKeys


@dataclass(frozen=True, slots=True)
class Changed:
    """A change of keys: the position of its declaration, its fingerprint, and where the new next key lies."""

    position: int
    fingerprint: str
    next_key: Path


async def shown(node: Node) -> dict[str, Any]:
    """The public keys of a node, and what is known of the next one."""
    log = await node.store.log(node.log.id)
    declared = _declared(log.declared)
    on_machine = await asyncio.to_thread(_announced, node.keyring, declared, [])
    events = await node.store.of_kind(log.id, key_events.KIND)
    recovered = [
        key_events.fingerprint(each.signed.body) for each in events if key_events.declared(each.signed.body).recovery
    ]
    return {
        "did": log.did,
        "change": declared.sequence,
        "record key": declared.keys.record,
        "log key": declared.keys.log,
        "fingerprint": log.fingerprint,
        # What peers ask for, also if the last one was never read: it stands in the log.
        **({"fingerprint after recovery": ", then ".join(recovered)} if recovered else {}),
        "next key": str(on_machine) if on_machine else "not on this machine",
    }


def has_next_key(config: Config) -> bool:
    """Whether a next key lies on this machine, or will once the node is set up."""
    keys = config.data / "keys"
    return not (keys / keyfiles.RECORD).exists() or any(keys.glob("next*.key"))


def target_of(config: Config, target: Path) -> Path:
    """The file that a next key is to be written to: a new one, outside the data directory.

    Raises InvalidRequest, AlreadyExists, StorageFailed where there is no such folder.
    """
    path = target / keyfiles.NEXT if target.is_dir() else target
    if config.data.resolve() in path.resolve().parents:
        raise InvalidRequest(
            f"{path} lies in the data directory, beside the other keys.",
            remedy="Write the next key to a medium that leaves this machine, such as a stick for a safe.",
        )
    if path.exists():
        raise AlreadyExists(f"{path} is there already; it is left as it is.", remedy="Name another file.")
    if not path.parent.is_dir():
        raise StorageFailed(f"There is no folder {path.parent}.", remedy="Is the medium there?")
    return path


async def export(node: Node, target: Path, *, keep: bool) -> Path:
    """Write the next key to a file elsewhere, read it back, and take it off this machine.

    Raises AlreadyExists, KeyMissing where it is not here any more, StorageFailed.
    """
    declared = _declared((await node.store.log(node.log.id)).declared)
    return await asyncio.to_thread(_export, node.keyring, declared, node.config, target, keep)


def _export(ring: Keyring, declared: Declaration, config: Config, target: Path, keep: bool) -> Path:
    unreadable: list[KeyMissing] = []
    source = _announced(ring, declared, unreadable)
    if source is None and unreadable:
        raise unreadable[0]
    if source is None:
        raise KeyMissing(
            "The next key is not on this machine.", remedy="It was exported before; look where you keep it."
        )
    path = target_of(config, target)
    try:
        keyfiles.write(path, ring.read(source), ring.passphrase)
        written = encode_public(ring.read(path).public_key())
    except OSError as error:
        raise StorageFailed(f"The key cannot be written to {path}: {error}.") from error
    except KeyMissing as error:
        path.unlink(missing_ok=True)
        raise StorageFailed(f"What was written to {path} does not read back: {error}") from error
    if written != encode_public(ring.read(source).public_key()):
        raise StorageFailed(f"What was written to {path} does not read back.", remedy="Use another medium.")
    if not keep:
        source.unlink()
    return path


async def rotate(node: Node, next_key: Path | None, *, compromised_from: int | None) -> Changed:
    """Put the announced key in force, with a new log key, and announce another one."""
    log = await node.store.log(node.log.id)
    declared = _declared(log.declared)
    record = await asyncio.to_thread(_next_of, node.keyring, declared, next_key)
    node.own.check_rotation(log, record, compromised_from)  # nothing is written for a change that will be refused
    await node.own.check()
    made = await asyncio.to_thread(_made, node.keyring, declared, record)
    position = await node.own.rotate(made.keys, made.coming, compromised_from=compromised_from)
    return Changed(position, await _fingerprint(node, position), made.next_key)


async def recover(node: Node) -> Changed:
    """Go on with new keys after the record key and the next one were lost: every peer has to confirm them."""
    declared = _declared((await node.store.log(node.log.id)).declared)
    await node.own.check()  # nothing is written for a change that will be refused
    made = await asyncio.to_thread(_made, node.keyring, declared, None)
    position, fingerprint = await node.own.recover(made.keys, made.coming)
    await asyncio.to_thread(node.keyring.note_recovery, fingerprint)
    return Changed(position, fingerprint, made.next_key)


@dataclass(frozen=True, slots=True)
class _Made:
    keys: PrivateKeys
    coming: str
    next_key: Path


def _made(ring: Keyring, old: Declaration, record: Ed25519PrivateKey | None) -> _Made:
    """The files of the next change, with a new record key where none is given; an interrupted one's are used again."""
    number = old.sequence + 1
    record = _kept(ring, f"record-{number}.key", record)
    log = _kept(ring, f"log-{number}.key", None)
    coming = _kept(ring, f"next-{number}.key", None)
    return _Made(
        PrivateKeys(record, log),
        next_key_hash(encode_public(coming.public_key())),
        ring.folder / f"next-{number}.key",
    )


def _kept(ring: Keyring, name: str, key: Ed25519PrivateKey | None) -> Ed25519PrivateKey:
    path = ring.folder / name
    if not path.exists():
        ring.write(name, key or Ed25519PrivateKey.generate())
    found = ring.read(path)
    if key is not None and encode_public(found.public_key()) != encode_public(key.public_key()):
        raise AlreadyExists(f"{path} holds another key already.", remedy="Move it away, if you know what it is.")
    return found


def _next_of(ring: Keyring, old: Declaration, given: Path | None) -> Ed25519PrivateKey:
    unreadable: list[KeyMissing] = []
    path = given or _announced(ring, old, unreadable)
    if path is None and unreadable:
        raise unreadable[0]
    if path is None:
        raise KeyMissing(
            "The next key is not on this machine.",
            remedy="Give the file in which you keep it with --next. If it is lost: `procirc keys recover`.",
        )
    return ring.read(path)


def _announced(ring: Keyring, declared: Declaration, unreadable: list[KeyMissing]) -> Path | None:
    """The file in the folder that holds the announced key, if it is there; why others cannot be read."""
    for path, key in ring.every("next*.key", unreadable):
        if next_key_hash(encode_public(key.public_key())) == declared.next_hash:
            return path
    return None


async def _fingerprint(node: Node, position: int) -> str:
    entry = (await node.store.entries(node.log.id, position, position + 1))[0]
    return key_events.fingerprint(entry.signed.body)


def _declared(declared: Declaration | None) -> Declaration:
    if declared is None:
        raise not_set_up()
    return declared
