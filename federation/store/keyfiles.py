"""The private keys of a node, one small file each, readable by its owner only.

Every ``*.key`` file holds one key, in clear or encrypted with a passphrase. Which of them are in force
the log says (``log.keys``): a node signs with the keys whose public halves its log declares, so a file
is never overwritten, renamed or deleted by a change of keys. ``next.key`` replaces the record key one
day and belongs on paper or a stick in a safe. Nothing here prints a key or writes one to a log.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    load_pem_private_key,
)

from federation.errors import AlreadyExists, BadProof, KeyMissing, StorageFailed
from federation.log.keys import Keys
from federation.records.multikey import decode_secret, encode_public, encode_secret
from federation.store import files

RECOVERED: Final = "recovered"
"""Beside the keys: the fingerprint of the declaration by which this node went on after it had lost its keys."""
RECORD: Final = "record.key"
LOG: Final = "log.key"
NEXT: Final = "next.key"
PASSPHRASE: Final = "PROCIRC_PASSPHRASE"  # noqa: S105 - the name of a variable
"""Environment variable with the passphrase of encrypted keys."""


@dataclass(frozen=True, slots=True)
class PrivateKeys:
    """The two keys a running node needs."""

    record: Ed25519PrivateKey = field(repr=False)
    log: Ed25519PrivateKey = field(repr=False)

    @property
    def public(self) -> Keys:
        return Keys(encode_public(self.record.public_key()), encode_public(self.log.public_key()))


class Keyring:
    """The keys in a folder. Reads each file once, and again when a key is asked for that it does not know."""

    def __init__(self, folder: Path, *, passphrase: str = "") -> None:
        self.folder = folder
        self.passphrase = passphrase
        self._known: dict[str, Ed25519PrivateKey] = {}

    def private(self, keys: Keys | None) -> PrivateKeys:
        """The private halves of some keys; those of ``record.key`` and ``log.key`` where none are declared yet.

        Raises KeyMissing, naming what is missing and what to do.
        """
        if keys is None:
            return PrivateKeys(self.read(self.folder / RECORD), self.read(self.folder / LOG))
        return PrivateKeys(self._of(keys.record, RECORD), self._of(keys.log, LOG))

    def _of(self, public: str, usual: str) -> Ed25519PrivateKey:
        unreadable: list[KeyMissing] = []
        if public not in self._known:
            self._known = {encode_public(key.public_key()): key for _, key in self.every("*.key", unreadable)}
        found = self._known.get(public)
        if found is None:
            if unreadable:
                raise unreadable[0]  # it may be the one
            self.read(self.folder / usual)  # says so if that file is not even there
            raise KeyMissing(
                f"No file in {self.folder} holds the private half of {public}, which this node's log declares.",
                remedy="Put back the keys that belong to this log from your backup of the keys, or copy them from the "
                "machine where they were made. If they are lost: `procirc keys recover`.",
            )
        return found

    def every(self, pattern: str, unreadable: list[KeyMissing]) -> Iterator[tuple[Path, Ed25519PrivateKey]]:
        """The keys in some files of the folder; why others cannot be read goes into ``unreadable``.

        A lost key, or one with a passphrase that nobody knows any more, is no reason not to use the others.
        """
        for path in sorted(self.folder.glob(pattern)):
            try:
                yield path, self.read(path)
            except KeyMissing as error:
                unreadable.append(error)

    def write(self, name: str, key: Ed25519PrivateKey) -> Path:
        """Write one key to a new file, so that it is there whole or not at all. Raises AlreadyExists."""
        path = self.folder / name
        try:
            self.folder.mkdir(mode=0o700, exist_ok=True)
            write(path, key, self.passphrase)
        except OSError as error:
            raise StorageFailed(
                f"The key cannot be written to {path}: {error.strerror}.", remedy="Make room on the disk and try again."
            ) from error
        return path

    def note_recovery(self, fingerprint: str) -> None:
        """Remember beside the new keys how their declaration is known, which no earlier key has announced.

        A database put back from before cannot tell it from anybody else's, nor that of a recovery before it.
        """
        files.write(self.folder / RECOVERED, "\n".join([*filter(None, [self.recovery()]), fingerprint]))

    def recovery(self) -> str:
        """The fingerprints of the declarations that no earlier key has announced, a line each; empty for none."""
        try:
            return (self.folder / RECOVERED).read_text("utf-8")
        except FileNotFoundError:
            return ""

    def create(self) -> str:
        """Make the three keys of a new node; the public half of the next key as Multikey text.

        Keys that exist already are kept, so that a set-up that was cut short can be run again.
        Raises StorageFailed when the folder cannot be written.
        """
        try:
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            for name in (RECORD, LOG, NEXT):
                if not (self.folder / name).exists():
                    self.write(name, Ed25519PrivateKey.generate())
        except OSError as error:
            raise StorageFailed(f"The keys cannot be written to {self.folder}: {error}.") from error
        return encode_public(self.read(self.folder / NEXT).public_key())

    def read(self, path: Path) -> Ed25519PrivateKey:
        """One key from a file, of this folder or elsewhere. Raises KeyMissing."""
        # Elsewhere may be a stick whose files have one mode for all.
        text = _text(path, guarded=path.parent == self.folder)
        try:
            if not text.startswith("-----BEGIN ENCRYPTED"):
                return decode_secret(text)
            if not self.passphrase:
                raise KeyMissing(
                    f"The key file {path} is encrypted.", remedy=f"Set {PASSPHRASE} to its passphrase and try again."
                )
            key = load_pem_private_key(text.encode(), self.passphrase.encode())
        except (BadProof, ValueError, TypeError) as error:
            raise KeyMissing(
                f"The key file {path} does not hold a key, or the passphrase in {PASSPHRASE} is another one.",
                remedy="Put it back from your backup of the keys.",
            ) from error
        if not isinstance(key, Ed25519PrivateKey):
            raise KeyMissing(f"The key file {path} holds a key of another kind.")
        return key


def write(path: Path, key: Ed25519PrivateKey, passphrase: str = "") -> None:
    """Write one key so that it is there whole or not at all. Raises AlreadyExists, never overwrites."""
    text = encode_secret(key) + "\n"
    if passphrase:
        encryption = BestAvailableEncryption(passphrase.encode())
        text = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption).decode("ascii")
    try:
        files.write(path, text, replace=False, mode=0o600)
    except FileExistsError as error:
        raise AlreadyExists(f"There is a key in {path} already; it is left as it is.") from error


def _text(path: Path, *, guarded: bool) -> str:
    try:
        text = path.read_text("ascii").strip()
    except FileNotFoundError as error:
        raise KeyMissing(
            f"The key file {path} is missing.",
            remedy="Put the file back from your backup of the keys; if they are lost: `procirc keys recover`. "
            "For a new node run `procirc init`.",
        ) from error
    except (OSError, UnicodeDecodeError) as error:
        raise KeyMissing(f"The key file {path} cannot be read: {error}.") from error
    if guarded and path.stat().st_mode & 0o077:
        raise KeyMissing(f"Others on this machine can read the key file {path}.", remedy=f"Run `chmod 600 {path}`.")
    return text
