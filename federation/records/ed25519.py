"""Whether an Ed25519 signature holds (RFC 8032 section 5.1.7).

libsodium checks one in half of the time that OpenSSL takes, and refuses what OpenSSL lets pass: keys of
small order, under which one signature fits every text.
"""

from __future__ import annotations

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from nacl.bindings import crypto_sign_BYTES, crypto_sign_open
from nacl.exceptions import BadSignatureError


def holds(signature: bytes, data: bytes, key: Ed25519PublicKey) -> bool:
    """Whether the owner of ``key`` has signed ``data``."""
    if len(signature) != crypto_sign_BYTES:
        return False
    try:
        crypto_sign_open(signature + data, key.public_bytes_raw())
    except BadSignatureError:
        return False
    return True
