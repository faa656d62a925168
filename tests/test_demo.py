"""``procirc demo``: the shipped regions, each a process of its own, come together and find each other's records."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from federation.config import load
from federation.demo import EXPECTED, QUERY, default_folder, environment, regions
from federation.errors import Exit, Misconfigured

COMMAND = [sys.executable, "-m", "federation", "demo"]
REGIONS = 6


@pytest.fixture
def first_port() -> Iterator[int]:
    """The first of six free ports in a row."""
    for start in range(20_000 + os.getpid() % 1000 * 10, 60_000, 10):
        if all(_is_free(start + number) for number in range(REGIONS)):
            yield start
            return
    raise AssertionError("no six free ports in a row")


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) != 0


@pytest.fixture
def outside() -> dict[str, str]:
    """The environment of the command, without settings of ours and as wide as its tables need."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PROCIRC_")}
    return {**kept, "COLUMNS": "250"}


def test_the_regions_find_each_others_records_in_one_go(first_port: int, outside: dict[str, str], tmp_path: Path):
    done = subprocess.run(
        [*COMMAND, "--once", "--ports-from", str(first_port), "--data", str(tmp_path)],
        capture_output=True,
        text=True,
        timeout=170,
        check=False,
        env=outside,
    )
    assert done.returncode == Exit.OK, done.stdout + done.stderr
    assert QUERY in done.stdout
    hits = [[cell.strip() for cell in line.split("│")] for line in done.stdout.partition(QUERY)[2].splitlines()]
    found = {(cells[1], cells[3]) for cells in hits if len(cells) > 4}
    assert set(EXPECTED) <= {region for region, _ in found}, done.stdout
    assert {("sweden", "sv"), ("norway", "nb")} <= found, done.stdout
    assert {path.name for path in tmp_path.iterdir() if path.is_dir()} == {
        region.name for region in regions(default_folder(), first_port)
    }
    assert not [path.name for path in tmp_path.glob("*.log") if "Traceback" in path.read_text("utf-8", "replace")]
    assert all(_is_free(first_port + number) for number in range(REGIONS))


def test_a_port_in_use_is_named_with_what_to_do(first_port: int, outside: dict[str, str]):
    with socket.socket() as taken:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        taken.bind(("127.0.0.1", first_port + 3))
        taken.listen()
        done = subprocess.run(
            [*COMMAND, "--once", "--ports-from", str(first_port)],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
            env=outside,
        )
    assert done.returncode == Exit.CONFIGURATION
    assert f"Port {first_port + 3} is in use" in done.stderr
    assert "--ports-from" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_node_that_cannot_start_ends_the_demo_with_its_last_words(
    first_port: int, outside: dict[str, str], tmp_path: Path
):
    nodes = tmp_path / "nodes"
    (nodes / "flanders").mkdir(parents=True)
    shipped = (default_folder() / "flanders" / "node.toml").read_text("utf-8")
    (nodes / "flanders" / "node.toml").write_text(shipped.partition("[[peers]]")[0], "utf-8")
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "flanders").write_text("a file where the data directory should be")
    done = subprocess.run(
        [*COMMAND, "--once", "--ports-from", str(first_port), "--nodes", str(nodes), "--data", str(tmp_path / "data")],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env=outside,
    )
    assert done.returncode == Exit.STORAGE
    assert "The node flanders stopped" in done.stderr
    assert "could not be stored" in done.stderr


def test_ctrl_c_stops_every_region(first_port: int, outside: dict[str, str], tmp_path: Path):
    for name in ("flanders", "denmark"):
        shutil.copytree(default_folder() / name, tmp_path / "nodes" / name)
    where = ["--nodes", str(tmp_path / "nodes"), "--data", str(tmp_path / "data")]
    process = subprocess.Popen(
        [*COMMAND, "--ports-from", str(first_port), *where],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        env=outside,
    )
    deadline = time.monotonic() + 60
    while (_is_free(first_port) or _is_free(first_port + 1)) and time.monotonic() < deadline:
        assert process.poll() is None
        time.sleep(0.2)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=60)
    assert "Traceback" not in said
    assert _is_free(first_port)
    assert _is_free(first_port + 1)


def test_a_folder_without_nodes_is_refused(tmp_path: Path):
    with pytest.raises(Misconfigured, match="no nodes"):
        regions(tmp_path, 8101)


def test_every_region_gets_a_port_and_the_one_that_is_asked_comes_first():
    every = regions(default_folder(), 9101)
    assert [region.port for region in every] == list(range(9101, 9101 + REGIONS))
    assert every[0].name == "flanders"


def test_the_settings_that_move_a_node_to_this_machine_make_a_valid_configuration(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    every = regions(default_folder(), 9101)
    for name, value in environment(every[1], every, tmp_path).items():
        if name.startswith("PROCIRC_"):
            monkeypatch.setenv(name, value)
    config = load(every[1].path)
    assert (config.name, config.base, config.allow_private) == (every[1].name, "http://localhost:9102", True)
    assert {peer.name for peer in config.peers} == {region.name for region in every} - {config.name}
    assert config.data == tmp_path / config.name
