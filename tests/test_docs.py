"""The documents: every command they show works, every link leads somewhere, every term is explained."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from federation import errors
from federation.errors import FederationError
from federation.sync import STATES
from tests.conftest import free_port

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", ROOT / "nodes/README.md", *sorted((ROOT / "docs").glob("*.md"))]
BLOCK = re.compile(r"^```(\w+)(?: (\S+))?\n(.*?)^```", re.MULTILINE | re.DOTALL)
ELSEWHERE = ("make demo", "make test", "procirc verify record.jsonld")
"""Commands that other tests run: test_demo.py, this very run, test_cli.py."""


def commands(page: Path) -> list[str]:
    shown = [text for kind, _, text in BLOCK.findall(page.read_text("utf-8")) if kind == "console"]
    return [line[2:] for text in shown for line in text.splitlines() if line.startswith("$ ")]


def test_the_coordinators_guide_works_from_its_first_command_to_its_last(tmp_path):
    guide = ROOT / "docs" / "coordinator.md"
    blocks = BLOCK.findall(guide.read_text("utf-8"))
    port = free_port()
    for kind, name, text in blocks:
        if kind == "toml":
            (tmp_path / "node.toml").write_text(text.replace("127.0.0.1:8080", f"127.0.0.1:{port}"), "utf-8")
        elif name:
            (tmp_path / name).write_text(text, "utf-8")
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    for command in commands(guide):
        if command == "procirc serve":
            _serve(tmp_path, port, environment)
            continue
        done = subprocess.run(
            shlex.split(command), cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
        if command.startswith('procirc search "tweedehands'):
            assert "Kantoor met tweedehands meubels" in done.stdout


def _serve(folder: Path, port: int, environment: dict[str, str]) -> None:
    process = subprocess.Popen(["procirc", "serve"], cwd=folder, env=environment, stderr=subprocess.PIPE)
    try:
        for _ in range(200):
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{port}/health/ready") as answer:
                    assert answer.status == 200
                    return
            except (urllib.error.URLError, ConnectionError):
                assert process.poll() is None, process.stderr.read() if process.stderr else ""
                time.sleep(0.1)
        raise AssertionError("the node was not ready in time")
    finally:
        process.terminate()
        process.communicate()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_command_shown_is_run_by_a_test(page):
    if page.name != "coordinator.md":
        assert all(command.startswith(ELSEWHERE) for command in commands(page))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_leads_somewhere(page):
    for target in re.findall(r"\]\(([^)#]+)\)", page.read_text("utf-8")):
        if "://" not in target:
            assert (page.parent / target).exists(), target


def test_the_protocol_explains_every_reason_a_peer_can_be_refused_for():
    text = (ROOT / "docs" / "protocol.md").read_text("utf-8")
    every = [each for each in vars(errors).values() if isinstance(each, type) and issubclass(each, FederationError)]
    reasons = {each.slug for each in every if each.fault_of == "peer"} - {"unknown-context", "stale-version"}
    assert not {slug for slug in reasons if f"`{slug}`" not in text}


def test_the_guide_explains_every_state_of_a_peer():
    text = (ROOT / "docs" / "coordinator.md").read_text("utf-8")
    for state in {*STATES.values(), "new", "active", "lagging", "stale", "blocked"}:
        assert f"| {state} |" in text


def test_every_error_has_a_slug_and_a_title_of_its_own():
    every = [each for each in vars(errors).values() if isinstance(each, type) and issubclass(each, FederationError)]
    assert len({each.slug for each in every}) == len(every)
    assert len({each.title for each in every}) == len(every)


def test_no_document_names_a_machine_or_a_registry():
    for page in PAGES:
        text = page.read_text("utf-8")
        assert "/work/" not in text
        assert "/root/" not in text
