"""``kill -9`` and a full disk at every step of a pull, an erasure, a change of keys and of making the index.

The next start goes on by itself and ends where work ends that nobody disturbs; nothing is half there, and no
erased text is left. A sample of the steps is enough for every day; PROCIRC_TEST_ALL takes all.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

ALL = bool(os.environ.get("PROCIRC_TEST_ALL"))


def disturbed(how: str, what: str, folder: Path, rounds: int, seed: int) -> dict[str, Any]:
    """What became of some kinds of work, each killed or out of disk several times."""
    command = [sys.executable, "-m", "tests.crash_matrix", how, what, str(folder), str(0 if ALL else rounds), str(seed)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=3600 if ALL else 300, check=False)
    assert done.returncode == 0, done.stderr[-4000:]
    result = json.loads(done.stdout.splitlines()[-1])
    assert isinstance(result, dict)
    return result


def test_killed_at_any_step_a_node_ends_where_it_would_have_without(tmp_path):
    results = disturbed("killed", "pull,erase,rotate,index", tmp_path, rounds=2, seed=1)
    assert not any(each["different"] for each in results.values()), results
    assert all(each["killed"] >= 2 for each in results.values()), "the kills must hit running work"


def test_what_a_full_disk_stops_is_said_and_goes_on_when_there_is_room(tmp_path):
    results = disturbed("filled", "pull,erase", tmp_path, rounds=4, seed=1)
    assert not any(each["unforeseen"] for each in results.values()), results
    assert not any(each["different"] for each in results.values()), results
    assert all(each["refused"] for each in results.values()), "the disk must be full in the middle of work"
