"""Nodes to measure: their folders, and ``procirc serve`` on them as processes of their own on loopback."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import psutil

from federation import config as configs
from federation.config import Config

ROOT: Final = Path(__file__).parent.parent
PATIENCE: Final = 60
"""Seconds until a process must be ready."""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass(frozen=True, slots=True)
class Site:
    """A node's folder with its ``node.toml``; ``port`` is where it listens, ``base`` where others find it."""

    name: str
    folder: Path
    port: int
    base: str

    @property
    def path(self) -> Path:
        return self.folder / "node.toml"

    @property
    def config(self) -> Config:
        return configs.load(self.path)

    @property
    def token(self) -> str:
        return (self.config.data / "api.token").read_text("ascii").strip()


def make_site(scratch: Path, name: str, *, follows: Sequence[Site] = (), every: int = 300, front: int = 0) -> Site:
    """A new node's folder. ``front`` is the port of a proxy before it, if there is one."""
    folder = scratch / name
    folder.mkdir(parents=True)
    port = free_port()
    site = Site(name, folder, port, f"http://localhost:{front or port}")
    lines = [
        f'name = "{name}"',
        f'title = {{ en = "{name.title()}" }}',
        f'base = "{site.base}"',
        f'listen = "127.0.0.1:{port}"',
        'data = "data"',
        "allow_private = true",
        # All the load comes from one address, and more of it than anybody would ask for.
        "[limits]",
        "requests_per_second = 1000000",
        "connections_per_address = 700",
    ]
    for peer in follows:
        lines += ["[[peers]]", f'name = "{peer.name}"', f'url = "{peer.base}"', f"every = {every}"]
    site.path.write_text("\n".join(lines) + "\n", "utf-8")
    return site


@contextmanager
def served(site: Site) -> Iterator[psutil.Process]:
    """``procirc serve`` on a site, ready when the block begins and gone when it ends."""
    with running([sys.executable, "-m", "federation", "serve", "--config", str(site.path)], site.folder) as process:
        wait_ready(process, site.port, site.folder, "/health/ready")
        yield process


@contextmanager
def running(command: Sequence[str], folder: Path) -> Iterator[psutil.Process]:
    """A program as a process; it and all its children have ended when the block is left."""
    with (folder / "process.log").open("ab") as log:
        started = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    try:
        yield psutil.Process(started.pid)
    finally:
        children = family(started.pid)[1:]
        started.terminate()
        try:
            started.wait(15)
        except subprocess.TimeoutExpired:
            started.kill()
            started.wait()
        for child in children:
            with contextlib.suppress(psutil.NoSuchProcess):
                child.kill()


def family(pid: int) -> list[psutil.Process]:
    """A process and its descendants, as far as they live."""
    try:
        process = psutil.Process(pid)
        return [process, *process.children(recursive=True)]
    except psutil.NoSuchProcess:
        return []


def wait_ready(process: psutil.Process, port: int, folder: Path, path: str) -> None:
    """Until ``path`` answers 200. Raises RuntimeError with the end of the process's log."""
    until = time.monotonic() + PATIENCE
    while time.monotonic() < until:
        if process.status() == psutil.STATUS_ZOMBIE:
            break
        with contextlib.suppress(OSError, http.client.HTTPException):
            if get(port, path)[0] == 200:
                return
        time.sleep(0.01)
    log = (folder / "process.log").read_text("utf-8", "replace")
    raise RuntimeError(f"{folder.name} did not become ready:\n{log[-2000:]}")


def get(port: int, path: str, headers: dict[str, str] | None = None) -> tuple[int, dict[str, str], bytes]:
    """One GET on a connection of its own: status, headers, body."""
    return _ask(port, "GET", path, None, headers or {})


def post(site: Site, drafts: object) -> tuple[int, dict[str, str], bytes]:
    """Publish drafts over HTTP, with the site's token."""
    headers = {"Authorization": f"Bearer {site.token}", "Content-Type": "application/json"}
    return _ask(site.port, "POST", "/api/records", json.dumps(drafts).encode(), headers)


def _ask(
    port: int, method: str, path: str, body: bytes | None, headers: dict[str, str]
) -> tuple[int, dict[str, str], bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    try:
        connection.request(method, path, body, headers)
        answer = connection.getresponse()
        return answer.status, dict(answer.getheaders()), answer.read()
    finally:
        connection.close()


def cores() -> int:
    """The cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
