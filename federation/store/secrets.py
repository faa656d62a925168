"""Random texts that a node keeps for itself, in files that only their owner can read."""

from __future__ import annotations

import contextlib
import hashlib
import os
import secrets
from pathlib import Path
from typing import Final

TOKEN_FILE: Final = "api.token"  # noqa: S105 - the name of a file, not a token
SESSION_FILE: Final = "session.key"
"""What signs the sessions of people who log in."""


def secret(path: Path) -> str:
    """A random text in a file that only its owner can read; made where there is none yet."""
    if not path.exists():
        with contextlib.suppress(FileExistsError):  # another process was first
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(descriptor, "w", encoding="ascii") as file:
                file.write(secrets.token_urlsafe(32) + "\n")
    return path.read_text("ascii").strip()


def digest(path: Path) -> str:
    """Only the digest of the token stays in memory; without a file nobody can publish over HTTP."""
    try:
        return hashlib.sha256(path.read_text("ascii").strip().encode()).hexdigest()
    except FileNotFoundError:
        return ""
