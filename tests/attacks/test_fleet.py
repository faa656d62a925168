"""Six nodes as they run in the field, each a process that follows all others, while everybody publishes.

Processes stop and go on, one is killed, a record is erased and keys change, and people search meanwhile: in
the end every node holds the same of every log, and nobody was refused. PROCIRC_TEST_ALL makes it ten
thousand records with 150 readers, and prints the figures.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
import time
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp

from federation import config as configs
from federation import node as nodes
from federation.log.did import host_of
from tests.conftest import free_port, pilot

ALL = bool(os.environ.get("PROCIRC_TEST_ALL"))
NAMES = ("flanders", "netherlands", "denmark", "sweden", "norway", "scotland")
EVERY = 10 if ALL else 2
"""Seconds between two pulls."""
BATCHES, BATCH = (17, 100) if ALL else (5, 6)
"""Of each node: requests, and records in one."""
PAUSE = 0.0 if ALL else 0.5
"""Seconds between two requests of an author."""
READERS = 150 if ALL else 12
PATIENCE = 120 if ALL else 45
"""Seconds until all must have come together."""
READING = 3 if ALL else 1
"""Seconds that a reader looks at an answer before the next search."""
TIMEOUT = 30
"""Seconds for which a reader waits."""
CANARY = "Kanariepiet"
WORDS = ("korte", "samenvatting", "pilot", "meubilair", CANARY)
OUTSIDE = {
    name: value
    for name, value in os.environ.items()
    # A process in the field keeps what Python has compiled, and need not do so again.
    if not name.startswith("PROCIRC_") and name != "PYTHONDONTWRITEBYTECODE"
}


@dataclass
class Site:
    """One node: its folder, where it listens, and the process that runs now."""

    name: str
    folder: Path
    port: int
    process: asyncio.subprocess.Process | None = None

    @property
    def base(self) -> str:
        return f"http://localhost:{self.port}"

    @property
    def path(self) -> Path:
        return self.folder / "node.toml"

    @property
    def token(self) -> str:
        return (self.folder / "data" / "api.token").read_text("ascii").strip()

    def configure(self, others: list[Site]) -> None:
        lines = [
            f'name = "{self.name}"',
            f'title = {{ en = "{self.name.title()}" }}',
            f'base = "{self.base}"',
            f'listen = "127.0.0.1:{self.port}"',
            'data = "data"',
            "allow_private = true",
            "[limits]",  # everybody asks from one address
            "requests_per_second = 100000",
            "connections_per_address = 700",
        ]
        for other in others:
            lines += ["[[peers]]", f'name = "{other.name}"', f'url = "{other.base}"', f"every = {EVERY}"]
        self.folder.mkdir()
        self.path.write_text("\n".join(lines) + "\n", "utf-8")

    async def start(self) -> None:
        with (self.folder / "process.log").open("ab") as log:
            self.process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "federation", "serve", "--config", str(self.path),
                stdin=asyncio.subprocess.DEVNULL, stdout=log, stderr=log, env=OUTSIDE,
            )  # fmt: skip

    def send(self, number: signal.Signals) -> None:
        assert self.process is not None
        self.process.send_signal(number)

    async def end(self) -> None:
        if self.process is None or self.process.returncode is not None:
            return
        self.send(signal.SIGCONT)
        self.process.terminate()
        try:
            await asyncio.wait_for(self.process.wait(), 15)
        except TimeoutError:
            self.process.kill()
            await self.process.wait()


@dataclass
class Fleet:
    """All nodes, those who use them, and what became of what they asked."""

    sites: list[Site]
    session: aiohttp.ClientSession
    written: int = 0
    refused: list[str] = field(default_factory=list)
    answered: int = 0
    timeouts: int = 0
    done: bool = False

    @property
    def total(self) -> int:
        return len(self.sites) * BATCHES * BATCH

    async def text(self, url: str) -> str:
        """An answer as text, empty where there is none."""
        with contextlib.suppress(aiohttp.ClientError, TimeoutError):
            async with self.session.get(url, timeout=aiohttp.ClientTimeout(10)) as response:
                if response.status == 200:
                    return await response.text()
        return ""

    async def wait(self, what: Callable[[], Awaitable[bool]], seconds: float, why: str) -> float:
        """Seconds until something is so."""
        started = time.monotonic()
        while not await what():
            assert time.monotonic() < started + seconds, why
            await asyncio.sleep(0.2)
        return time.monotonic() - started

    async def ready(self, site: Site) -> None:
        async def is_ready() -> bool:
            assert site.process is not None
            assert site.process.returncode is None, (site.folder / "process.log").read_text("utf-8")[-3000:]
            return bool(await self.text(f"{site.base}/health/ready"))

        await self.wait(is_ready, PATIENCE, f"{site.name} does not start")

    # Who uses them

    async def author(self, site: Site) -> None:
        """Publishes batch after batch; one that was cut off is sent again, as it says nothing twice."""
        for number in range(BATCHES):
            drafts = [pilot(f"r{number}-{at}", title=f"{site.name} {number} {at}") for at in range(BATCH)]
            await self.publish(site, [{"kind": each.kind, "slug": each.slug, **each.values} for each in drafts])
            await asyncio.sleep(PAUSE)

    async def publish(self, site: Site, drafts: list[dict[str, Any]]) -> None:
        headers = {"Authorization": f"Bearer {site.token}"}
        while True:
            try:
                async with self.session.post(f"{site.base}/api/records", json=drafts, headers=headers) as response:
                    if response.status not in (200, 201):
                        self.refused.append(f"{site.name}: {response.status} {(await response.text())[:500]}")
                    self.written += len(drafts)
                    return
            except aiohttp.ClientConnectionError:
                await asyncio.sleep(0.2)  # it was killed; its people wait until it is back

    async def reader(self, number: int) -> None:
        """Searches again and again, at one node after the other."""
        while not self.done:
            site, word = self.sites[number % len(self.sites)], WORDS[number % len(WORDS)]
            number += 1
            try:
                timeout = aiohttp.ClientTimeout(TIMEOUT)
                async with self.session.get(f"{site.base}/api/search", params={"q": word}, timeout=timeout) as response:
                    await response.read()
                    self.answered += response.status == 200
            except TimeoutError:
                self.timeouts += 1
            except aiohttp.ClientConnectionError:
                pass  # killed
            await asyncio.sleep(READING)

    # What happens to them

    async def trouble(self) -> None:
        flanders, netherlands, denmark, sweden, norway, scotland = self.sites
        await self.part(0.1, flanders)
        await self.reach(0.3)
        await self.command(sweden, "erase", "pilot/person", "--reason", "nl=Op verzoek.", "--yes")
        await self.command(norway, "keys", "rotate", "--yes")
        await self.part(0.4, netherlands, denmark)
        await self.reach(0.6)
        scotland.send(signal.SIGKILL)
        assert scotland.process is not None
        await scotland.process.wait()
        await scotland.start()

    async def reach(self, share: float) -> None:
        """Wait until a share of all records has been published."""

        async def reached() -> bool:
            return self.written >= share * self.total

        await self.wait(reached, 600, "nothing is published any more")

    async def part(self, share: float, *sites: Site) -> None:
        """Some nodes do nothing for a while, and nobody reaches them."""
        await self.reach(share)
        for site in sites:
            site.send(signal.SIGSTOP)
        await asyncio.sleep(3)
        for site in sites:
            site.send(signal.SIGCONT)

    async def command(self, site: Site, *words: str) -> None:
        """A command on the machine of a node while it serves."""
        command = [sys.executable, "-m", "federation", *words, "--config", str(site.path)]
        said = asyncio.subprocess.PIPE
        process = await asyncio.create_subprocess_exec(*command, stdout=said, stderr=said, env=OUTSIDE)
        out, err = await process.communicate()
        assert process.returncode == 0, (out + err).decode()

    # How they stand

    async def roots(self) -> list[list[tuple[str, ...]]]:
        """Size and root of every log, as each node holds it."""
        asked = [
            f"{site.base}/log/checkpoint"
            if site is owner
            else f"{site.base}/mirror/{host_of(owner.base)}/log/checkpoint"
            for site in self.sites
            for owner in self.sites
        ]
        heads = [tuple(text.split("\n")[1:3]) for text in await asyncio.gather(*(self.text(url) for url in asked))]
        return [heads[at : at + len(self.sites)] for at in range(0, len(heads), len(self.sites))]

    async def agree(self) -> bool:
        first, *others = await self.roots()
        return all(first) and all(each == first for each in others)

    async def forgotten(self) -> bool:
        """Whether the erased text is in no file of any node."""
        files = (path for site in self.sites for path in (site.folder / "data").rglob("*") if path.is_file())
        for path in files:
            with contextlib.suppress(FileNotFoundError):
                if CANARY.encode() in path.read_bytes():
                    return False
        return True


async def test_six_nodes_that_are_stopped_and_killed_while_all_publish_come_to_the_same_logs(tmp_path, tools):
    sites = [Site(name, tmp_path / name, free_port()) for name in NAMES]
    for site in sites:
        site.configure([each for each in sites if each is not site])
        await nodes.init(configs.load(site.path), tools=tools)
    async with AsyncExitStack() as stack:
        connector = aiohttp.TCPConnector(limit=0, force_close=True)
        session = await stack.enter_async_context(
            aiohttp.ClientSession(connector=connector, timeout=aiohttp.ClientTimeout(300))
        )
        fleet = Fleet(sites, session)
        for site in sites:
            await site.start()
            stack.push_async_callback(site.end)
        await asyncio.gather(*(fleet.ready(site) for site in sites))
        person = {"kind": "pilot", "slug": "person", **pilot("person", title=CANARY).values}
        await fleet.publish(sites[3], [person])
        readers = [asyncio.create_task(fleet.reader(number)) for number in range(READERS)]
        started = time.monotonic()
        async with asyncio.TaskGroup() as group:
            trouble = group.create_task(fleet.trouble())
            writing = [group.create_task(fleet.author(site)) for site in sites]
            await asyncio.wait(writing)
            seconds = time.monotonic() - started
            await asyncio.wait({trouble})
        converged = await fleet.wait(fleet.agree, PATIENCE, "the nodes do not come together")
        forgotten = await fleet.wait(fleet.forgotten, PATIENCE, "an erased text is still there")
        fleet.done = True
        await asyncio.gather(*readers)
        sizes = [int(head[0]) for head in (await fleet.roots())[0]]
    print(
        f"{fleet.written} records in {seconds:.1f} s: {fleet.written / seconds:.0f} records/s; the same everywhere "
        f"{converged:.1f} s after the last, erased {forgotten:.1f} s later; refused {len(fleet.refused)}; searches "
        f"{fleet.answered}, timed out {fleet.timeouts}"
    )
    assert fleet.refused == []
    assert fleet.timeouts == 0
    # Every log has its keys; one has a record that was erased, and its erasure; one has other keys.
    assert sizes == [1 + BATCHES * BATCH + more for more in (0, 0, 0, 2, 1, 0)]
    logs = "".join((site.folder / "process.log").read_text("utf-8", "replace") for site in sites)
    assert "Traceback" not in logs
