"""Proofs that a node has signed two histories: files that anybody can check without asking anybody.

A proof holds two checkpoints that the same log key signed and that cannot both be true: of one size with
two roots, or of two sizes where the larger tree did not grow out of the smaller one. For the latter it
shows (RFC 9162, section 2.1.4.2) which root the larger tree had at the smaller size. Pure.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from federation.errors import BadCheckpoint, BadProof, NotVerified
from federation.log import checkpoint as checkpoints
from federation.log.checkpoint import Checkpoint
from federation.log.merkle import Frontier, consistency, is_consistent
from federation.records.multikey import decode_public

TYPE: Final = "https://w3id.org/procirc/ns#ForkProof"


@dataclass(frozen=True, slots=True)
class Told:
    """A checkpoint and the log key that signed it, as Multikey."""

    checkpoint: Checkpoint
    key: str


@dataclass(frozen=True, slots=True)
class Fork:
    """Two checkpoints of one log that contradict each other, the smaller one first.

    ``root`` is the one that the larger tree had at the smaller size, which ``steps`` prove.
    """

    log: str
    first: Told
    second: Told
    root: bytes
    steps: tuple[bytes, ...]

    def text(self) -> str:
        """The proof as a file, with nothing in it but what was checked."""
        document = {
            "type": TYPE,
            "log": self.log,
            "origin": self.first.checkpoint.origin,
            "keys": [self.first.key, self.second.key],
            "checkpoints": [self.first.checkpoint.text, self.second.checkpoint.text],
            "root": self.root.hex(),
            "consistency": [each.hex() for each in self.steps],
        }
        return json.dumps(document, ensure_ascii=False, indent=1)


def written(log: str, one: Told, other: Told, leaves: Sequence[bytes]) -> str:
    """A proof as text. ``leaves`` are the leaf hashes of the larger tree; none are needed for equal sizes."""
    first, second = sorted((one, other), key=lambda each: each.checkpoint.size)
    size, grown = first.checkpoint.size, first.checkpoint.size < second.checkpoint.size
    root = Frontier().append(leaves[:size]).root if grown else second.checkpoint.root
    steps = tuple(consistency(leaves, size)) if grown else ()
    return Fork(log, first, second, root, steps).text()


def checked(document: Any) -> Fork:
    """A proof that holds. Raises NotVerified with the reason for one that does not."""
    if not isinstance(document, Mapping) or document.get("type") != TYPE:
        raise NotVerified("That is not a proof of a fork.")
    try:
        first, second = (
            Told(checkpoints.verify(str(text), origin=str(document["origin"]), key=decode_public(str(key))), str(key))
            for text, key in zip(document["checkpoints"], document["keys"], strict=True)
        )
        root = bytes.fromhex(str(document["root"]))
        steps = [bytes.fromhex(str(each)) for each in document["consistency"][:200]]
    except (KeyError, TypeError, ValueError, BadCheckpoint, BadProof) as error:
        raise NotVerified(f"The proof of a fork does not hold: {error}") from error
    one, other = first.checkpoint, second.checkpoint
    if one.size > other.size or root == one.root:
        raise NotVerified("The two checkpoints do not contradict each other.")
    if not is_consistent(one.size, other.size, root, other.root, steps):
        raise NotVerified("The proof does not show what the larger log was at the size of the smaller one.")
    return Fork(str(document.get("log", "")), first, second, root, tuple(steps))
