"""Random texts that a node keeps for itself, in files that only their owner can read."""

from __future__ import annotations

import contextlib
import hashlib
import secrets
from pathlib import Path
from typing import Final

from federation.store import files

TOKEN_FILE: Final = "api.token"  # noqa: S105 - the name of a file, not a token
SESSION_FILE: Final = "session.key"
"""What signs the sessions of people who log in."""


def secret(path: Path) -> str:
    """A random text in a file that only its owner can read; made where there is none yet, or an empty one."""
    if not _read(path):
        with contextlib.suppress(FileExistsError):  # another process was first
            # What is there is empty, of a process that was killed: nobody may be let in by an empty text.
            files.write(path, secrets.token_urlsafe(32) + "\n", replace=path.exists(), mode=0o600)
    return _read(path)


def digest(path: Path) -> str:
    """Only the digest of the token stays in memory; without one nobody can publish over HTTP."""
    token = _read(path)
    return hashlib.sha256(token.encode()).hexdigest() if token else ""


def _read(path: Path) -> str:
    try:
        return path.read_text("ascii").strip()
    except FileNotFoundError:
        return ""
