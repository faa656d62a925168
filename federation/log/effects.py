"""Entries that change what is shown of earlier ones: withdrawals, erasures, keys that were stolen. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from federation.log import keys
from federation.records.canonical import PC, Literal, read

WITHDRAWAL: Final = "withdrawal"
ERASURE: Final = "erasure"
CLASSES: Final = {WITHDRAWAL: PC + "Withdrawal", ERASURE: PC + "Erasure"}
ENDINGS: Final = frozenset(CLASSES)
"""Kinds of the entries that end the record at whose address they stand."""


@dataclass(frozen=True, slots=True)
class Effect:
    """What an entry does to earlier ones of its log.

    ``erases`` are positions whose text goes; from ``compromised_from`` on nothing is shown that was signed
    with the key before.
    """

    position: int
    record: str
    erases: tuple[int, ...] = ()
    compromised_from: int | None = None


def effect_of(position: int, record: str, kind: str, body: str) -> Effect | None:
    """The effect of an entry; None for nearly all of them."""
    if kind == ERASURE:
        values = (value for _, path, value in read(body) if path == PC + "erases")
        return Effect(
            position,
            record,
            tuple(sorted(int(v.value) for v in values if isinstance(v, Literal) and len(v.value) < 19)),
        )
    if kind == keys.KIND:
        return Effect(position, record, compromised_from=keys.declared(body).compromised_from)
    return None
