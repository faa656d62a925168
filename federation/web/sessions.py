"""Sessions of people who have logged in: signed cookies over Argon2 passwords, with attempts counted."""

from __future__ import annotations

import asyncio
import hashlib
from collections import Counter, deque
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Final

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from itsdangerous import BadSignature, URLSafeTimedSerializer

from federation.errors import NotAllowed, TooMany
from federation.store.in_house import InHouse

LASTS: Final = timedelta(hours=10)
ATTEMPTS: Final = 10
"""Failed attempts for one name from one address within WITHIN; more are refused unread."""
WITHIN: Final = timedelta(minutes=5)
WAITING: Final = 20
"""Passwords that wait to be compared; more are refused unread."""
WAITING_EACH: Final = 4
"""The same, of one address."""
_REMEMBERED: Final = 10_000
_HASHER: Final = PasswordHasher()


@lru_cache(1)
def _nobody() -> str:
    """What the password of an unknown name is compared with, so that it takes as long."""
    return _HASHER.hash("nobody has this password")


def hashed(password: str) -> str:
    """The Argon2 hash of a password, as it is stored."""
    return _HASHER.hash(password)


class Sessions:
    """Checks names, passwords and sessions of one node."""

    def __init__(self, in_house: InHouse, secret: str) -> None:
        self._in_house = in_house
        self._signer = URLSafeTimedSerializer(secret, salt="procirc session")
        self._failed: dict[bytes, deque[datetime]] = {}
        self._hashing = asyncio.Lock()
        self._waiting: Counter[str] = Counter()

    async def open(self, name: str, password: str, *, address: str, now: datetime) -> str:
        """A session for a name and password. Raises NotAllowed, and TooMany after many failures."""
        # Behind a proxy all have one address, so a name is counted with it: nobody locks out the others.
        key = hashlib.sha256(f"{address} {name.casefold()}".encode("utf-8", "surrogatepass")).digest()
        # What failed at a time that has not come yet failed while the clock was wrong.
        failed = deque(each for each in self._failed.pop(key, ()) if now - WITHIN <= each <= now)
        self._failed[key] = failed
        if len(self._failed) > _REMEMBERED:
            del self._failed[next(iter(self._failed))]  # the one not heard of for the longest time
        if len(failed) >= ATTEMPTS:
            left = (failed[0] + WITHIN - now).total_seconds()
            raise TooMany("Too many attempts to log in.", remedy="Wait five minutes.", retry_after=left)
        failed.append(now)  # before anything is awaited: many attempts at once are many attempts
        known = await self._in_house.password(name)
        try:
            right = await self._compared(known, password, address)
        except TooMany:
            failed.remove(now)  # it was no attempt
            raise
        if not (known and right):
            raise NotAllowed("That name and password do not match.")
        self._failed.pop(key, None)
        return str(self._signer.dumps([name, _mark(known)]))

    async def _compared(self, known: str, password: str, address: str) -> bool:
        """One after the other: each takes 64 MiB and a core, and names that were never heard of cost as much."""
        if self._waiting.total() >= WAITING or self._waiting[address] >= WAITING_EACH:
            raise TooMany("Too many people are logging in.", remedy="Try again in a moment.", retry_after=5)
        self._waiting[address] += 1
        try:
            async with self._hashing:
                return await asyncio.to_thread(_matches, known, password)
        finally:
            self._waiting[address] -= 1
            self._waiting += Counter()  # forgets who waits for nothing

    async def person(self, session: str) -> str:
        """Whose session it is; empty for one that is over, forged, or of an account that is gone."""
        try:
            name, mark = self._signer.loads(session, max_age=int(LASTS.total_seconds()))
        except (BadSignature, ValueError, TypeError):
            return ""
        known = await self._in_house.password(str(name))
        return str(name) if known and _mark(known) == mark else ""


def _matches(known: str, password: str) -> bool:
    try:
        return _HASHER.verify(known or _nobody(), password)
    except (VerificationError, InvalidHashError):
        return False


def _mark(known: str) -> str:
    """Changes with the password, so that old sessions end; tells nothing of it."""
    return hashlib.sha256(known.encode()).hexdigest()[:16]
