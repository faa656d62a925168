"""The container image, the composition of nodes and the systemd unit: what can be judged without an engine."""

from __future__ import annotations

import configparser
import fnmatch
import json
import re
import shlex
import shutil
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.main import get_command

from federation import config as configs
from federation.cli.commands import app
from federation.config import Config

ROOT = Path(__file__).parent.parent
DOCKER = ROOT / "docker"


def instructions(name: str) -> list[str]:
    """The arguments of every such line of the Dockerfile, continued lines joined."""
    text = (DOCKER / "Dockerfile").read_text("utf-8").replace("\\\n", " ")
    return [line.partition(" ")[2].strip() for line in text.splitlines() if line.startswith(f"{name} ")]


def settings_of_the_image() -> dict[str, str]:
    pairs = (pair.partition("=") for line in instructions("ENV") for pair in shlex.split(line))
    return {name: value for name, _, value in pairs if name.startswith("PROCIRC_")}


def services() -> dict[str, dict[str, Any]]:
    every: dict[str, dict[str, Any]] = yaml.safe_load((DOCKER / "compose.yaml").read_text("utf-8"))["services"]
    return every


def configured(service: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> Config:
    """The configuration that the node of a service has: the image's settings, its own, and its node.toml."""
    settings = {**settings_of_the_image(), **service["environment"]}
    mounted = next(each.split(":") for each in service["volumes"] if ":/etc/procirc" in each)
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    path = settings["PROCIRC_CONFIG"].replace(mounted[1], str((DOCKER / mounted[0]).resolve()))
    return configs.load(Path(path))


def is_a_command(words: list[str]) -> bool:
    """Whether the command line takes some words; what follows a command are its options."""
    command = get_command(app).commands[words[0]]  # type: ignore[attr-defined]
    options = {option for each in command.params for option in each.opts}
    return options.issuperset(word for word in words[1:] if word.startswith("-"))


def test_everything_that_the_package_is_built_from_is_copied_into_the_image():
    built = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    wheel = built["tool"]["hatch"]["build"]["targets"]["wheel"]
    project = built["project"]
    needed = {
        "pyproject.toml",
        project["readme"],
        *project["license-files"],
        *wheel["packages"],
        *wheel["force-include"],
    }
    copied = [shlex.split(line) for line in instructions("COPY") if not line.startswith("--from")]
    sources = {source for line in copied for source in line[:-1]}
    assert sources == needed
    assert all((ROOT / each).exists() for each in sources)


def test_nothing_else_is_sent_to_the_builder():
    lines = (ROOT / ".dockerignore").read_text("utf-8").split()
    assert lines[0] == "*"
    let_through = {line[1:] for line in lines if line.startswith("!")}
    copied = [shlex.split(line) for line in instructions("COPY") if not line.startswith("--from")]
    assert let_through == {source for line in copied for source in line[:-1]}
    assert any(fnmatch.fnmatch("federation/__pycache__", line) for line in lines if line.startswith("**"))


def test_the_image_runs_a_command_of_this_program_and_not_as_root():
    assert json.loads(instructions("ENTRYPOINT")[-1]) == ["procirc"]
    assert is_a_command(json.loads(instructions("CMD")[-1]))
    assert int(instructions("USER")[-1].split(":")[0]) > 0


def test_its_health_is_asked_where_it_listens():
    port = settings_of_the_image()["PROCIRC_LISTEN"].rpartition(":")[2]
    text = (DOCKER / "Dockerfile").read_text("utf-8")
    assert re.findall(r"127\.0\.0\.1:(\d+)/health/ready", text) == [port] == instructions("EXPOSE")


def test_the_three_nodes_follow_each_other(monkeypatch: pytest.MonkeyPatch):
    every = {name: configured(service, monkeypatch) for name, service in services().items()}
    assert len(every) == 3
    for name, config in every.items():
        assert config.name == name
        assert {each.name: each.url for each in config.peers} == {
            o.name: o.base for o in every.values() if o is not config
        }


def test_each_node_of_the_three_is_found_where_its_address_says(monkeypatch: pytest.MonkeyPatch):
    published = set()
    for name, service in services().items():
        config = configured(service, monkeypatch)
        host, inside = config.base.removeprefix("http://").split(":")
        assert (host, inside) == (name, config.listen.rpartition(":")[2])
        (port,) = service["ports"]
        assert port.startswith("127.0.0.1:")  # with nothing but example records, it is nobody else's business
        assert port.endswith(f":{inside}")
        published.add(port)
    assert len(published) == 3


def test_each_node_of_the_three_keeps_its_data_in_a_volume_of_its_own(monkeypatch: pytest.MonkeyPatch):
    volumes = yaml.safe_load((DOCKER / "compose.yaml").read_text("utf-8"))["volumes"]
    for name, service in services().items():
        assert f"{name}:{configured(service, monkeypatch).data}" in service["volumes"]
    assert set(volumes) == set(services())


def test_the_three_run_commands_of_this_program():
    assert all(is_a_command(service["command"]) for service in services().values())


def unit() -> configparser.ConfigParser:
    parser = configparser.ConfigParser(strict=False, interpolation=None)
    parser.optionxform = str  # type: ignore[assignment,method-assign]
    parser.read(DOCKER / "procirc.service", "utf-8")
    return parser


def test_the_unit_runs_a_command_of_this_program_with_settings_that_it_has():
    service = unit()["Service"]
    program, *words = shlex.split(service["ExecStart"])
    assert Path(program).name == "procirc"
    assert is_a_command(words)
    known = {f"PROCIRC_{name.upper()}" for name in Config.model_fields} | {"PROCIRC_CONFIG"}
    assert {pair.partition("=")[0] for pair in service["Environment"].split()} <= known


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd is not on this machine")
def test_systemd_finds_nothing_wrong_with_the_unit_and_little_to_attack(tmp_path: Path):
    program = tmp_path / "procirc"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    path = tmp_path / "procirc.service"
    path.write_text((DOCKER / "procirc.service").read_text("utf-8").replace("/opt/procirc/bin/procirc", str(program)))
    for command in (["verify"], ["security", "--offline=true", "--threshold=20"]):
        done = subprocess.run(["systemd-analyze", *command, str(path)], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
