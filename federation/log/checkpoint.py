"""Checkpoints: the signed size and root of a log, as C2SP ``tlog-checkpoint`` in a signed note.

The note carries two signatures of the log key: the plain Ed25519 one (type 0x01) and a timestamped
``cosignature/v1`` (type 0x04), which says how fresh the checkpoint is without an extension line.
Sources: C2SP signed-note, tlog-checkpoint and tlog-cosignature.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from federation.errors import BadCheckpoint
from federation.records.ed25519 import holds

MAX_SIZE: Final = 16 * 1024
"""Bytes of a whole note; ours has some 350."""
_PLAIN: Final = b"\x01"
_TIMED: Final = b"\x04"
_SIGNATURE = re.compile(r"— (\S+) ([A-Za-z0-9+/]+=*)")
_SIZE = re.compile(r"0|[1-9][0-9]{0,17}")


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A checkpoint whose signatures held. ``root`` is 32 bytes, ``at`` when the log signed it."""

    origin: str
    size: int
    root: bytes
    at: datetime
    text: str

    def age(self, now: datetime) -> float:
        """Seconds since the log signed it."""
        return (now - self.at).total_seconds()


def origin_of(host: str) -> str:
    """The name of a node's log, and of its log key in signed notes."""
    return f"{host}/procirc-log/v1"


def _key_id(name: str, kind: bytes, key: Ed25519PublicKey) -> bytes:
    raw = key.public_bytes(Encoding.Raw, PublicFormat.Raw)
    return hashlib.sha256(name.encode() + b"\n" + kind + raw).digest()[:4]


def _timed_message(note: str, seconds: int) -> bytes:
    return f"cosignature/v1\ntime {seconds}\n{note}".encode()


def sign(origin: str, size: int, root: bytes, key: Ed25519PrivateKey, *, now: datetime) -> str:
    """The text of a new checkpoint, signed at ``now`` (UTC)."""
    note = f"{origin}\n{size}\n{base64.b64encode(root).decode()}\n"
    seconds, public = int(now.timestamp()), key.public_key()
    plain = _key_id(origin, _PLAIN, public) + key.sign(note.encode())
    stamp = seconds.to_bytes(8, "big")
    timed = _key_id(origin, _TIMED, public) + stamp + key.sign(_timed_message(note, seconds))
    lines = (f"— {origin} {base64.b64encode(each).decode()}\n" for each in (plain, timed))
    return f"{note}\n{''.join(lines)}"


def cosign(text: str, name: str, key: Ed25519PrivateKey, *, at: datetime) -> str:
    """A checkpoint with one more line: that the witness ``name`` has verified it at a time (C2SP tlog-cosignature)."""
    note, seconds = text.partition("\n\n")[0] + "\n", int(at.timestamp())
    stamp = seconds.to_bytes(8, "big")
    data = _key_id(name, _TIMED, key.public_key()) + stamp + key.sign(_timed_message(note, seconds))
    return f"{text}— {name} {base64.b64encode(data).decode()}\n"


def cosigned(text: str, name: str, key: Ed25519PublicKey) -> datetime | None:
    """When a witness says that it has verified a checkpoint; None where its signature is missing or does not hold."""
    note, _, signatures = text.partition("\n\n")
    for line in signatures.split("\n")[:-1]:
        match = _SIGNATURE.fullmatch(line)
        if match is None or match[1] != name:
            continue
        try:
            data = _base64(match[2], 4 + 72)
            seconds = int.from_bytes(data[4:12], "big")
            signed = holds(data[12:], _timed_message(note + "\n", seconds), key)
            if signed and data[:4] == _key_id(name, _TIMED, key):
                return datetime.fromtimestamp(seconds, UTC)
        except (BadCheckpoint, ValueError, OverflowError, OSError):
            continue
    return None


def size_of(text: str) -> int:
    """The size that a checkpoint says, which need not be verified; 0 for no checkpoint."""
    lines = text.split("\n", 2)
    return int(lines[1]) if len(lines) > 1 and lines[1].isdecimal() and len(lines[1]) < 16 else 0


def signed_at(text: str) -> datetime | None:
    """When a log has signed a verified checkpoint (``Checkpoint.text``); None for no checkpoint."""
    name = text.partition("\n")[0]
    found = (_SIGNATURE.fullmatch(line) for line in text.split("\n"))
    lines = (base64.b64decode(each[2]) for each in found if each is not None and each[1] == name)
    times = (int.from_bytes(data[4:12], "big") for data in lines if len(data) == 4 + 72)
    with suppress(ValueError, OverflowError, OSError):
        return next((datetime.fromtimestamp(seconds, UTC) for seconds in times), None)
    return None


def verify(text: str, *, origin: str, key: Ed25519PublicKey) -> Checkpoint:
    """Check a checkpoint of the log ``origin``. Raises BadCheckpoint, naming what is wrong.

    Both signatures must be there and hold; lines of other keys (witnesses) are allowed and ignored. They are no part of
    ``Checkpoint.text`` either: nobody has signed them, and whoever keeps or passes on the text would vouch for them.
    """
    note, separator, signatures = text.partition("\n\n")
    note += "\n"
    lines = note.split("\n")
    if (
        len(text.encode("utf-8", "replace")) > MAX_SIZE
        or not separator
        or len(lines) < 4
        or not signatures.endswith("\n")
    ):
        raise BadCheckpoint("That is not a signed note.")
    if lines[0] != origin:
        raise BadCheckpoint(f"The checkpoint is of {lines[0][:80]!r}, not of {origin!r}.")
    if not _SIZE.fullmatch(lines[1]):
        raise BadCheckpoint("The size in the checkpoint is not a number.")
    root = _base64(lines[2], 32)
    plain = timed = None
    held: dict[bytes, str] = {}
    for line in signatures.split("\n")[:-1]:
        match = _SIGNATURE.fullmatch(line)
        if match is None:
            raise BadCheckpoint("A signature line of the checkpoint cannot be read.")
        if match[1] != origin:
            continue
        data = _base64(match[2])
        if data[:4] == _key_id(origin, _PLAIN, key):
            plain, held[_PLAIN] = data[4:], line
        elif data[:4] == _key_id(origin, _TIMED, key):
            timed, held[_TIMED] = data[4:], line
    if plain is None or timed is None or len(timed) != 72:
        raise BadCheckpoint("The checkpoint is not signed by the log key we know.")
    seconds = int.from_bytes(timed[:8], "big")
    try:
        signed = holds(plain, note.encode(), key) and holds(timed[8:], _timed_message(note, seconds), key)
        at = datetime.fromtimestamp(seconds, UTC)
    except (ValueError, OverflowError, OSError) as error:
        raise BadCheckpoint("The time of the checkpoint is impossible.") from error
    if not signed:
        raise BadCheckpoint("A signature of the checkpoint does not hold.")
    return Checkpoint(origin, int(lines[1]), root, at, f"{note}\n{held[_PLAIN]}\n{held[_TIMED]}\n")


def _base64(text: str, length: int | None = None) -> bytes:
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise BadCheckpoint("The checkpoint holds text that is not base64.") from error
    if length is not None and len(data) != length:
        raise BadCheckpoint(f"The checkpoint holds {len(data)} bytes where {length} belong.")
    return data


def head_of(checkpoint: str) -> str:
    """The end of a history in one line: size and root, as its checkpoint writes them; empty for no checkpoint."""
    return " ".join(checkpoint.split("\n")[1:3])
