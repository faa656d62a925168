"""The private keys of a node, one small file each, readable by its owner only.

``record.key`` signs records, ``log.key`` checkpoints; ``next.key`` replaces the record key one day and
belongs on paper or a stick in a safe. Nothing here ever overwrites a key or prints one.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from federation.errors import AlreadyExists, BadProof, KeyMissing, StorageFailed
from federation.log.keys import Keys
from federation.records.multikey import decode_secret, encode_public, encode_secret

RECORD: Final = "record.key"
LOG: Final = "log.key"
NEXT: Final = "next.key"


@dataclass(frozen=True, slots=True)
class PrivateKeys:
    """The two keys a running node needs."""

    record: Ed25519PrivateKey = field(repr=False)
    log: Ed25519PrivateKey = field(repr=False)

    @property
    def public(self) -> Keys:
        return Keys(encode_public(self.record.public_key()), encode_public(self.log.public_key()))


def create(folder: Path) -> str:
    """Make the three keys of a new node; the public half of the next key as Multikey text.

    Keys that exist already are kept, so that a set-up that was cut short can be run again.
    Raises StorageFailed when the folder cannot be written.
    """
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        for name in (RECORD, LOG, NEXT):
            if not (folder / name).exists():
                write(folder / name, Ed25519PrivateKey.generate())
    except OSError as error:
        raise StorageFailed(f"The keys cannot be written to {folder}: {error}.") from error
    return encode_public(_read(folder / NEXT).public_key())


def write(path: Path, key: Ed25519PrivateKey) -> None:
    """Write one key so that it is there whole or not at all. Raises AlreadyExists, never overwrites."""
    partial = path.with_suffix(".partial")
    partial.unlink(missing_ok=True)
    descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="ascii") as file:
        file.write(encode_secret(key) + "\n")
        file.flush()
        os.fsync(file.fileno())
    try:
        os.link(partial, path)
    except FileExistsError as error:
        raise AlreadyExists(f"There is a key in {path} already; it is left as it is.") from error
    finally:
        partial.unlink()


def load(folder: Path) -> PrivateKeys:
    """The keys of a running node. Raises KeyMissing, naming the file and what to do."""
    return PrivateKeys(_read(folder / RECORD), _read(folder / LOG))


def _read(path: Path) -> Ed25519PrivateKey:
    try:
        text = path.read_text("ascii").strip()
    except FileNotFoundError as error:
        raise KeyMissing(
            f"The key file {path} is missing.",
            remedy="For a new node run `procirc init`; otherwise put the file back from your backup of the keys.",
        ) from error
    except (OSError, UnicodeDecodeError) as error:
        raise KeyMissing(f"The key file {path} cannot be read: {error}.") from error
    if path.stat().st_mode & 0o077:
        raise KeyMissing(f"Others on this machine can read the key file {path}.", remedy=f"Run `chmod 600 {path}`.")
    try:
        return decode_secret(text)
    except BadProof as error:
        raise KeyMissing(
            f"The key file {path} does not hold a key.", remedy="Put it back from your backup of the keys."
        ) from error
