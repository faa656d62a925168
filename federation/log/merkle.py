"""The Merkle tree of a log (RFC 6962 section 2.1), kept as a frontier that grows by appending.

The frontier of a tree of n leaves is the hashes of its largest complete subtrees, one for each set
bit of n, left to right: at most 64 hashes, and enough for the root after any number of appends.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
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


def consistency(leaves: Sequence[bytes], first: int) -> list[bytes]:
    """The proof that a tree of some leaves grew out of its first ``first`` ones (RFC 6962 section 2.1.2)."""
    proof: list[bytes] = []
    start, stop, whole = 0, len(leaves), True
    while first != stop - start:
        split = 1 << (stop - start - 1).bit_length() - 1
        if first <= split:
            proof.append(_root(leaves, start + split, stop))
            stop = start + split
        else:
            proof.append(_root(leaves, start, start + split))
            start, first, whole = start + split, first - split, False
    if not whole:
        proof.append(_root(leaves, start, stop))
    return proof[::-1]


def _root(leaves: Sequence[bytes], start: int, stop: int) -> bytes:
    return Frontier().append(leaves[start:stop]).root


def is_consistent(first: int, second: int, first_root: bytes, second_root: bytes, proof: Sequence[bytes]) -> bool:
    """Whether a proof shows that one tree grew out of another (RFC 9162 section 2.1.4.2)."""
    if not 0 < first <= second:
        return False
    if first == second:
        return not proof and first_root == second_root
    path = list(proof)
    if first & (first - 1) == 0:
        path.insert(0, first_root)
    if not path:
        return False
    fn, sn = first - 1, second - 1
    while fn & 1:
        fn, sn = fn >> 1, sn >> 1
    old = new = path[0]
    for each in path[1:]:
        if sn == 0:
            return False
        if fn & 1 or fn == sn:
            old, new = parent_hash(each, old), parent_hash(each, new)
            while not fn & 1 and fn:
                fn, sn = fn >> 1, sn >> 1
        else:
            new = parent_hash(new, each)
        fn, sn = fn >> 1, sn >> 1
    return sn == 0 and old == first_root and new == second_root
