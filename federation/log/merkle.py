"""The Merkle tree of a log (RFC 6962 section 2.1), kept as a frontier that grows by appending.

The frontier of a tree of n leaves is the hashes of its largest complete subtrees, one for each set
bit of n, left to right: at most 64 hashes, and enough for the root after any number of appends.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from functools import reduce
from typing import Final, Self

from federation.errors import StorageFailed

HASH_SIZE: Final = 32
EMPTY_ROOT: Final = hashlib.sha256(b"").digest()


def parent_hash(left: bytes, right: bytes) -> bytes:
    """Hash of an inner node: SHA-256(0x01 ‖ left ‖ right)."""
    return hashlib.sha256(b"\x01" + left + right).digest()


@dataclass(frozen=True, slots=True)
class Frontier:
    """The right edge of a tree with ``size`` leaves."""

    size: int = 0
    hashes: tuple[bytes, ...] = ()

    def append(self, leaves: Iterable[bytes]) -> Self:
        """The frontier after some more leaf hashes (32 bytes each)."""
        size, hashes = self.size, list(self.hashes)
        for leaf in leaves:
            node, rest = leaf, size
            while rest & 1:
                node = parent_hash(hashes.pop(), node)
                rest >>= 1
            hashes.append(node)
            size += 1
        return type(self)(size, tuple(hashes))

    @property
    def root(self) -> bytes:
        """Root hash, 32 bytes; of the empty tree SHA-256 of nothing."""
        if not self.hashes:
            return EMPTY_ROOT
        return reduce(lambda right, left: parent_hash(left, right), reversed(self.hashes))

    def encode(self) -> bytes:
        """The hashes one after another, as a store keeps them."""
        return b"".join(self.hashes)

    @classmethod
    def decode(cls, size: int, data: bytes) -> Self:
        """The inverse of ``encode``. Raises StorageFailed when size and hashes do not fit together."""
        if len(data) != HASH_SIZE * size.bit_count():
            raise StorageFailed(
                f"The stored frontier of a log of {size} entries has {len(data)} bytes.",
                remedy="Restore the node from a backup.",
            )
        return cls(size, tuple(data[at : at + HASH_SIZE] for at in range(0, len(data), HASH_SIZE)))
