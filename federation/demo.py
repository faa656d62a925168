"""``procirc demo``: every node of ``nodes/`` as a process of its own on this machine."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import sys
import tempfile
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import aiohttp
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn
from rich.table import Table as Grid

from federation import config as configs
from federation.config import Config
from federation.errors import Misconfigured, Unavailable

QUERY: Final = "tweedehands kantoormeubilair"
ASKED: Final = "flanders"
EXPECTED: Final = ("denmark", "sweden", "norway")
PATIENCE: Final = 120
"""Seconds until the demo gives up on a node."""


@dataclass(frozen=True, slots=True)
class Region:
    """One node of the demo: its configuration file, its settings as shipped, and its port here."""

    path: Path
    config: Config
    port: int

    @property
    def name(self) -> str:
        return self.config.name

    @property
    def base(self) -> str:
        return f"http://localhost:{self.port}"


def default_folder() -> Path:
    """Where the nodes lie: beside the package in a checkout, inside it in a wheel."""
    inside = Path(__file__).parent / "nodes"
    return inside if inside.is_dir() else Path(__file__).parent.parent / "nodes"


def regions(folder: Path, ports_from: int) -> list[Region]:
    """The nodes of a folder, each with a port. Raises Misconfigured when there are none."""
    paths = sorted(folder.glob("*/node.toml"), key=lambda path: (path.parent.name != ASKED, path.parent.name))
    if not paths:
        raise Misconfigured(f"There are no nodes in {folder}.", remedy="Choose a folder with --nodes.")
    return [Region(path, configs.load(path), ports_from + at) for at, path in enumerate(paths)]


def environment(region: Region, every: Sequence[Region], data: Path) -> dict[str, str]:
    """The settings that move a node to this machine, as environment variables."""
    peers = [
        {"name": other.name, "title": other.config.title, "url": other.base, "every": 2}
        for other in every
        if other is not region
    ]
    return {
        **os.environ,
        "PROCIRC_BASE": region.base,
        "PROCIRC_LISTEN": f"127.0.0.1:{region.port}",
        "PROCIRC_DATA": str((data / region.name).absolute()),
        "PROCIRC_DATABASE": "",
        "PROCIRC_ALLOW_PRIVATE": "true",
        "PROCIRC_PEERS": json.dumps(peers),
    }


async def run(*, folder: Path | None, ports_from: int, data: Path | None, once: bool, console: Console) -> None:
    """Start, sync, search, serve. Raises Unavailable when the regions do not come together."""
    every = regions(folder or default_folder(), ports_from)
    for region in every:
        _check_port(region.port)
    with tempfile.TemporaryDirectory(prefix="procirc-demo-") as scratch:
        place = data or Path(scratch)
        place.mkdir(parents=True, exist_ok=True)
        async with _processes(every, place) as processes, aiohttp.ClientSession() as session:
            waiting = asyncio.ensure_future(_stop_signal())
            work = asyncio.ensure_future(_show(every, processes, place, session, console))
            await asyncio.wait({work, waiting}, return_when=asyncio.FIRST_COMPLETED)
            if not work.done():
                work.cancel()
                return
            work.result()
            if not once:
                console.print("\nServing. Press [bold]Ctrl-C[/] to stop all regions.")
                await asyncio.wait(
                    {waiting, *(asyncio.ensure_future(process.wait()) for process in processes)},
                    return_when=asyncio.FIRST_COMPLETED,
                )
            waiting.cancel()


def _check_port(port: int) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            raise Misconfigured(
                f"Port {port} is in use by another program.", remedy="Choose others with --ports-from, such as 9101."
            ) from error


async def _stop_signal() -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for each in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(each, stop.set)
    await stop.wait()


@asynccontextmanager
async def _processes(every: Sequence[Region], data: Path) -> AsyncIterator[list[asyncio.subprocess.Process]]:
    started: list[asyncio.subprocess.Process] = []
    try:
        for region in every:
            with (data / f"{region.name}.log").open("wb") as log:
                started.append(
                    await asyncio.create_subprocess_exec(
                        sys.executable, "-m", "federation", "serve", "--init", "--seeds", "--config", str(region.path),
                        env=environment(region, every, data), stdout=log, stderr=log, stdin=asyncio.subprocess.DEVNULL,
                        start_new_session=True,
                    )
                )  # fmt: skip
        yield started
    finally:
        for process in started:
            if process.returncode is None:
                process.terminate()
        await asyncio.shield(asyncio.gather(*(_end(process) for process in started)))


async def _end(process: asyncio.subprocess.Process) -> None:
    try:
        await asyncio.wait_for(process.wait(), 10)
    except TimeoutError:
        process.kill()
        await process.wait()


async def _show(
    every: Sequence[Region],
    processes: Sequence[asyncio.subprocess.Process],
    data: Path,
    session: aiohttp.ClientSession,
    console: Console,
) -> None:
    with Progress(
        SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), console=console
    ) as bar:
        publishing = bar.add_task("Regions publishing their records", total=len(every))
        syncing = bar.add_task("Copies fetched and verified", total=len(every) * (len(every) - 1))
        async with asyncio.timeout(PATIENCE):
            while True:
                for region, process in zip(every, processes, strict=True):
                    if process.returncode is not None:
                        raise Unavailable(f"The node {region.name} stopped.\n{_tail(data / f'{region.name}.log')}")
                ready, copies = await _state(every, session)
                bar.update(publishing, completed=ready)
                bar.update(syncing, completed=copies)
                if ready == len(every) and copies == len(every) * (len(every) - 1):
                    break
                await asyncio.sleep(0.3)
    await _report(every, session, console)


def _tail(path: Path) -> str:
    return "\n".join(path.read_text("utf-8", "replace").splitlines()[-15:])


async def _json(session: aiohttp.ClientSession, url: str, **params: str) -> Any:
    try:
        async with session.get(url, params=params) as response:
            return await response.json() if response.status == 200 else None
    except (aiohttp.ClientError, ValueError):
        return None


async def _sizes(every: Sequence[Region], session: aiohttp.ClientSession) -> dict[str, int]:
    """The size each node's own checkpoint states, for the nodes that are ready."""
    sizes: dict[str, int] = {}
    for region in every:
        if await _json(session, f"{region.base}/health/ready") is not None:
            async with session.get(f"{region.base}/log/checkpoint") as response:
                sizes[region.base] = int((await response.text()).split("\n")[1])
    return sizes


async def _state(every: Sequence[Region], session: aiohttp.ClientSession) -> tuple[int, int]:
    """How many nodes are ready, and how many copies equal the checkpoint of their owner."""
    sizes = await _sizes(every, session)
    copies = 0
    for region in every:
        answer = await _json(session, f"{region.base}/api/peers") if region.base in sizes else None
        for peer in (answer or {"peers": []})["peers"]:
            copies += peer["state"] == "active" and peer["entries"] == sizes.get(peer["url"], -1)
    return len(sizes), copies


async def _report(every: Sequence[Region], session: aiohttp.ClientSession, console: Console) -> None:
    grid = Grid("region", "address", "own entries", "verified from others")
    sizes = await _sizes(every, session)
    for region in every:
        peers = (await _json(session, f"{region.base}/api/peers"))["peers"]
        grid.add_row(region.name, region.base, str(sizes[region.base]), str(sum(peer["entries"] for peer in peers)))
    console.print(grid)
    asked = next((region for region in every if region.name == ASKED), every[0])
    found = await _ask(asked, session)
    console.print(
        f"A Dutch query at [bold]{asked.name}[/], [italic]{QUERY}[/], finds {found['total']} records "
        f"in {found['took_ms']} ms:"
    )
    hits = Grid("region", "title", "language", "found because")
    for item in found["items"]:
        why = "; ".join(
            f"{b['word']} = {b['match']}" if "match" in b else f"{b['word']} → {b.get('label', '')}"
            for b in item["because"]
        )
        hits.add_row(item["node"], escape(item["title"]["value"]), item["title"]["lang"], escape(why))
    console.print(hits)
    console.print(f"The same in a browser: {asked.base}/search?q={QUERY.replace(' ', '+')}&lang=nl", soft_wrap=True)
    present = {bucket["value"] for bucket in found["facets"]["node"]}
    missing = [name for name in EXPECTED if name in {region.name for region in every} - present]
    if missing:
        raise Unavailable(f"The query found nothing from {', '.join(missing)}.")


async def _ask(asked: Region, session: aiohttp.ClientSession) -> Any:
    """The query, once the index has followed the last sync: it does so within a few seconds."""
    for _ in range(40):
        found = await _json(session, f"{asked.base}/api/search", q=QUERY, lang="nl", kind="pilot", limit="12")
        present = {bucket["value"] for bucket in (found or {"facets": {}})["facets"].get("node", [])}
        if present.issuperset(EXPECTED):
            break
        await asyncio.sleep(0.25)
    return found
