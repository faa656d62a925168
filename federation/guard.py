"""Whether a node may write to its own log: files in its data directory, for all processes that share it."""

from __future__ import annotations

import json
import os
import shutil
import threading
from collections.abc import Iterable
from contextlib import suppress
from datetime import datetime
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from federation.errors import StorageFailed
from federation.log.checkpoint import head_of, signed_at, size_of
from federation.log.times import timestamp
from federation.store import files

RESTORED: Final = "restored"
"""In the data directory: this node was restored. JSON: ``time``, ``size`` and ``root`` of its log as it was then."""
BEHIND: Final = "behind"
"""In the data directory: why this node only reads for now, in words."""
NEWEST: Final = "checkpoint"
"""In the data directory: the newest checkpoint that this node has signed, outside its database."""
OWN_FORK: Final = "own-fork.json"
"""In the data directory: a proof that two signed histories of the own log exist, as `procirc verify` checks it."""
DECIDED: Final = "own-forks-decided"
"""In the data directory: the ends of histories that a person has given up, a line each: size and root."""
LOST: Final = "own-entries-lost"
"""In the data directory: what a person has given up for lost, a line each: beyond which size, signed until when."""


class Guard:
    """Says whether a node may write to its own log, for all processes that share its data directory."""

    def __init__(self, data: Path) -> None:
        self._data = data
        self._keeping = threading.Lock()  # appending, remembering and renewing keep from threads of their own

    def reason(self) -> str:
        """Why nothing may be written now; empty when all is well."""
        return self.forked() or self.lost()

    def forked(self) -> str:
        """Why a person has to decide: somebody has proved that two histories of the own log are signed."""
        if not (self._data / OWN_FORK).exists():
            return ""
        return f"Two signed histories of this node's own log exist; the proof is {OWN_FORK} in its data directory."

    def lost(self) -> str:
        """Why the peers have to be asked: entries of the own log may be missing here."""
        if (self._data / RESTORED).exists():
            return "This node was restored from a backup and has not heard yet what its peers hold of its log."
        try:
            return (self._data / BEHIND).read_text("utf-8")
        except FileNotFoundError:
            return ""

    def remedy(self) -> str:
        """What to do about ``reason``."""
        if self.forked():
            return (
                "Find out how it came about (a second copy of this node, a disk put back, stolen keys) and tell your "
                "peers; then `procirc resume --accept-fork` goes on with the history that is here."
            )
        return "It resumes by itself when its log equals what its peers hold."

    def accuse(self, evidence: str) -> None:
        """Write nothing from now on: ``evidence`` proves a second history that nobody has decided on yet.

        It stays where one is that was found before; both say that a person has to decide. Raises StorageFailed.
        """
        try:
            if not any(map(self.gave_up, json.loads(evidence)["checkpoints"])):
                with suppress(FileExistsError):
                    files.write(self._data / OWN_FORK, evidence, replace=False)
        except OSError as error:
            raise StorageFailed(f"The proof that this node's own log is forked cannot be kept: {error}.") from error

    def evidence(self) -> str:
        """The proof that keeps this node from writing; empty without one."""
        try:
            return (self._data / OWN_FORK).read_text("utf-8")
        except FileNotFoundError:
            return ""

    def decided(self) -> frozenset[str]:
        """The ends of histories that were given up: peers that still show them prove nothing new."""
        try:
            return frozenset((self._data / DECIDED).read_text("utf-8").splitlines())
        except FileNotFoundError:
            return frozenset()

    def gave_up(self, checkpoint: str) -> bool:
        """Whether a checkpoint ends a history that a person has given up: peers that show it prove nothing new."""
        try:
            lost = [line.split(" ") for line in (self._data / LOST).read_text("utf-8").splitlines()]
        except FileNotFoundError:
            lost = []
        size, at = size_of(checkpoint), signed_at(checkpoint)
        signed = timestamp(at) if at is not None else ""
        return head_of(checkpoint) in self.decided() or any(size > int(end) and signed <= when for end, when in lost)

    def decide(self, given_up: Iterable[str]) -> Path:
        """Write again although two histories exist: a person has decided; where the proof is kept from now on."""
        files.write(self._data / DECIDED, "".join(f"{each}\n" for each in sorted(self.decided() | set(given_up))))
        kept = next(path for number in count(1) if not (path := self._data / f"own-fork-{number}.json").exists())
        return (self._data / OWN_FORK).rename(kept)

    def tidy(self) -> None:
        """Remove what processes that were killed have left of files they were writing."""
        for path in (*self._data.glob("*.partial"), *self._data.glob("keys/*.partial")):
            writer = next((each[1:] for each in path.suffixes if each[1:].isdecimal()), "")
            if writer.isdecimal() and (int(writer) == os.getpid() or not files.runs(int(writer))):
                if path.is_dir():
                    shutil.rmtree(path, ignore_errors=True)
                else:
                    path.unlink(missing_ok=True)

    def aside(self) -> TemporaryDirectory[str]:
        """A folder for what is put together beside; of a process that is killed meanwhile a start removes it."""
        return TemporaryDirectory(prefix="beside-", suffix=f".{os.getpid()}.partial", dir=self._data)

    def stop(self, reason: str) -> None:
        """Write nothing from now on."""
        files.write(self._data / BEHIND, reason)

    def resume(self) -> None:
        """Write again."""
        for name in (RESTORED, BEHIND):
            (self._data / name).unlink(missing_ok=True)

    def override(self, size: int, now: datetime) -> None:
        """Write again although what was signed beyond a size is lost: a person has decided so, whoever shows it."""
        lost = self._data / LOST
        before = lost.read_text("utf-8") if lost.exists() else ""
        files.write(lost, f"{before}{size} {timestamp(now)}\n")
        (self._data / NEWEST).unlink(missing_ok=True)
        self.resume()

    def newest(self) -> int:
        """Size of the newest checkpoint this node knows to have signed; 0 for none."""
        return size_of(self.checkpoint())

    def checkpoint(self) -> str:
        """The newest checkpoint itself; empty for none."""
        try:
            return (self._data / NEWEST).read_text("utf-8")
        except FileNotFoundError:
            return ""

    def keep(self, checkpoint: str) -> None:
        """Keep a checkpoint, unless a larger one is there (another process was faster)."""
        with self._keeping:
            if size_of(checkpoint) >= self.newest():
                files.write(self._data / NEWEST, checkpoint)
