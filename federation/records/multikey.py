"""Ed25519 keys and signatures as Multikey and multibase text (CID 1.0, sections 2.2.2 and 2.4).

Only ``z`` (base58-btc) and only the two lengths that occur: 34 bytes for keys with their two-byte
header, 64 for signatures. The length of the text is capped first, since base58 is quadratic.
"""

from __future__ import annotations

import struct
from typing import Final

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from federation.errors import BadProof

_ALPHABET: Final = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
_VALUES: Final = bytes(_ALPHABET.find(chr(code)) & 0xFF for code in range(256))
"""The value of every digit by its ASCII code; 255 for what is none."""
_EIGHT: Final = struct.Struct("8B")
_PUBLIC: Final = b"\xed\x01"
_SECRET: Final = b"\x80\x26"
_LONGEST: Final = 92


def base58(data: bytes) -> str:
    """Base58-btc text of some bytes, without the multibase prefix."""
    number, digits = int.from_bytes(data, "big"), []
    while number:
        number, rest = divmod(number, 58)
        digits.append(_ALPHABET[rest])
    zeros = len(data) - len(data.lstrip(b"\0"))
    return "1" * zeros + "".join(reversed(digits))


def unbase58(text: str, *, length: int) -> bytes:
    """The bytes of a base58-btc text. Raises BadProof unless there are exactly ``length``."""
    if len(text) > _LONGEST:
        raise BadProof("The base58 text is too long.")
    digits = text.encode("ascii", "replace").translate(_VALUES)
    if b"\xff" in digits:
        wrong = next(character for character in text if character not in _ALPHABET)
        raise BadProof(f"{wrong!r} does not belong in a base58 text.")
    number = 0
    # Eight digits at a time fit a machine word; big numbers are touched once for each eight.
    for a, b, c, d, e, f, g, h in _EIGHT.iter_unpack(bytes(-len(digits) % 8) + digits):
        low = ((e * 58 + f) * 58 + g) * 58 + h
        number = number * 128_063_081_718_016 + (((a * 58 + b) * 58 + c) * 58 + d) * 11_316_496 + low
    zeros = len(text) - len(text.lstrip("1"))
    size = (number.bit_length() + 7) // 8
    if zeros + size != length:
        raise BadProof(f"The base58 text holds {zeros + size} bytes; {length} were expected.")
    return number.to_bytes(length, "big")


def encode_signature(signature: bytes) -> str:
    """A 64-byte signature as ``proofValue``."""
    return "z" + base58(signature)


def decode_signature(text: str) -> bytes:
    """The 64 bytes of a ``proofValue``. Raises BadProof for anything else."""
    if not text.startswith("z"):
        raise BadProof("The proof value is not multibase base58-btc (z…).")
    return unbase58(text[1:], length=64)


def encode_public(key: Ed25519PublicKey) -> str:
    """A public key as Multikey text, ``z6Mk…``."""
    return "z" + base58(_PUBLIC + key.public_bytes(Encoding.Raw, PublicFormat.Raw))


def decode_public(text: str) -> Ed25519PublicKey:
    """The public key of a Multikey text. Raises BadProof unless it is an Ed25519 key."""
    raw = unbase58(text[1:], length=34) if text.startswith("z") else b""
    if raw[:2] != _PUBLIC:
        raise BadProof(f"{text[:60]!r} is not an Ed25519 Multikey (z6Mk…).")
    try:
        return Ed25519PublicKey.from_public_bytes(raw[2:])
    except (ValueError, UnsupportedAlgorithm) as error:
        raise BadProof("The public key is not a point of the curve.") from error


def encode_secret(key: Ed25519PrivateKey) -> str:
    """A private key as Multikey text, ``z3u2…``. Belongs in a key file and nowhere else."""
    return "z" + base58(_SECRET + key.private_bytes(Encoding.Raw, PrivateFormat.Raw, NoEncryption()))


def decode_secret(text: str) -> Ed25519PrivateKey:
    """The private key of a Multikey text. Raises BadProof unless it is an Ed25519 key."""
    raw = unbase58(text[1:], length=34) if text.startswith("z") else b""
    if raw[:2] != _SECRET:
        raise BadProof("That is not an Ed25519 secret Multikey (z3u2…).")
    return Ed25519PrivateKey.from_private_bytes(raw[2:])
