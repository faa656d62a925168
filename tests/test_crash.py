"""``kill -9`` in the middle of everything: the next start goes on by itself, and nothing is half there."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROUNDS = 25
"""Random moments for each of the two workloads: fifty together."""


def crash(what: str, folder: Path, seed: int) -> dict[str, Any]:
    command = [sys.executable, "-m", "tests.crash", what, str(folder), str(ROUNDS), str(seed)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr[-4000:]
    result = json.loads(done.stdout.splitlines()[-1])
    assert isinstance(result, dict)
    return result


@pytest.mark.parametrize("seed", [1])
def test_killed_in_mid_publish_loses_and_repeats_nothing_that_was_acknowledged(tmp_path, seed):
    result = crash("publish", tmp_path, seed)
    assert result["killed"] >= ROUNDS // 2, "the kills must hit running work"
    assert result["missing"] == []
    assert result["repeated"] == 0
    assert not result["half_batches"]
    assert result["indexed"] == result["records"] == result["entries"] - 1


@pytest.mark.parametrize("seed", [2])
def test_killed_in_mid_sync_the_next_pull_completes_the_copy(tmp_path, seed):
    result = crash("sync", tmp_path, seed)
    assert result["killed"] >= ROUNDS // 2, "the kills must hit running work"
    assert result["complete"]
    assert result["states"] == ["active"]
    assert result["indexed"] == result["entries"] - 1
