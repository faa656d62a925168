"""Small files that are there whole or not at all."""

from __future__ import annotations

import errno
import os
import secrets
from contextlib import suppress
from pathlib import Path
from typing import Final

_NO_LINKS: Final = (errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS)
"""What sticks and network drives say that know no hard links."""


def write(path: Path, text: str, *, replace: bool = True, mode: int = 0o644) -> None:
    """Write a file by way of another beside it, durable on return.

    Raises FileExistsError unless it may ``replace`` one. What a process leaves that is killed in between, a start
    removes; see guard.Guard.tidy.
    """
    # A name of its own for each writer: threads of one process write too, and two that share a folder share numbers.
    partial = path.with_suffix(f".{os.getpid()}.{secrets.token_hex(4)}.partial")
    try:
        descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        if replace:
            os.replace(partial, path)
        else:
            give_name(partial, path)
    finally:
        partial.unlink(missing_ok=True)
    sync_folder(path.parent)


def give_name(partial: Path, path: Path) -> None:
    """Give a finished file its name, never in place of another: raises FileExistsError."""
    try:
        os.link(partial, path)
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        # The name is taken first, by an empty file: whoever comes second finds it.
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
        os.replace(partial, path)


def sync_folder(folder: Path) -> None:
    """Make the names in a folder durable, as its files are: after a power failure they are there too."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        # Some network drives cannot; the file itself is on the disk by now.
        with suppress(OSError):
            os.fsync(descriptor)
    finally:
        os.close(descriptor)


def runs(process: int) -> bool:
    """Whether a process of this machine is there."""
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except (PermissionError, OverflowError):
        return True
    return True
