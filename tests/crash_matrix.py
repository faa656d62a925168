"""One piece of work, killed at each of its steps or stopped by a full disk: what ``test_crash_matrix.py`` runs.

A step is a statement or a commit of the database, or a file of the data directory that is opened, renamed, linked
or removed: hooks of the child alone count them, and ``kill -9`` comes at the one that was asked for. What has no
such steps (the text index writes by itself) is killed at moments of the time it takes undisturbed. Every
round begins with the same copy of a data directory, and ends with a start that goes on by itself.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import resource
import shutil
import signal
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from aiohttp import web

from federation import custody
from federation import node as nodes
from federation.config import Config, PeerConfig
from federation.errors import StorageFailed
from federation.node import Node
from federation.records.vocabulary import load_vocabulary
from federation.search import Request
from federation.web.connections import runner_of
from federation.workers import Tools
from tests.attacks.invariants import assert_sound
from tests.conftest import FakeClock, TestNode, free_port, pilot
from tests.crash import Work, config_of, fork, kill_after, run

CANARY = "Kanariepiet"
RECORDS = 30
PAGES = 250
FILES = ("open", "os.rename", "os.link", "os.remove")


# Steps


class Steps:
    """Counts what a child does, and ends it at one of its steps; 0 for never."""

    def __init__(self, data: Path, last: int) -> None:
        self.data, self.last, self.count = str(data), last, 0

    def begin(self) -> None:
        sa.event.listen(sa.Engine, "before_cursor_execute", lambda *_: self.step())
        sa.event.listen(sa.Engine, "commit", lambda *_: self.step())
        sys.addaudithook(self.audit)

    def audit(self, event: str, args: tuple[Any, ...]) -> None:
        if event in FILES and str(args[0]).startswith(self.data):
            self.step()

    def step(self) -> None:
        self.count += 1
        if self.count == self.last:
            os.kill(os.getpid(), signal.SIGKILL)


# What is done, and how it is begun again


@dataclass(frozen=True)
class Scene:
    """A node with a data directory to begin from, and the work that is disturbed.

    ``work`` is what its people or its schedule do, and do again after a start, until ``done``.
    """

    config: Config
    tools: Tools
    work: Callable[[Node], Any]
    done: Callable[[Node], Any]

    @property
    def data(self) -> Path:
        return self.config.data

    @property
    def pristine(self) -> Path:
        return self.data.with_name(f"{self.data.name}-pristine")

    @property
    def report(self) -> Path:
        return self.data.with_name("report")

    def again(self) -> None:
        """Everything as it was at first."""
        shutil.rmtree(self.data, ignore_errors=True)
        shutil.copytree(self.pristine, self.data)

    def disturbed(self, last: int = 0, most_bytes: int = 0) -> Work:
        """The work, ended at a step or with no file larger than some bytes."""

        async def work() -> None:
            said = ""
            steps = Steps(self.data, last)
            if most_bytes:
                resource.setrlimit(resource.RLIMIT_FSIZE, (most_bytes, resource.RLIM_INFINITY))
            else:
                steps.begin()
            try:
                async with nodes.open_node(self.config, width=1, tools=self.tools) as opened:
                    await self.work(opened)
            except StorageFailed as error:
                said = f"StorageFailed: {error}"
            except Exception:  # noqa: BLE001 - told to the parent
                said = traceback.format_exc()
            if most_bytes:
                resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
            self.report.write_text(json.dumps({"steps": steps.count, "said": said}))

        return work

    def resumed(self) -> dict[str, Any]:
        """A start as any other, and what the node then holds and shows."""

        async def work() -> None:
            found: dict[str, Any] = {}
            try:
                async with nodes.open_node(self.config, width=1, tools=self.tools) as opened:
                    await opened.follower.catch_up()
                    if not await self.done(opened):
                        await self.work(opened)
                    await opened.follower.catch_up()
                    found |= await self._state(opened)
            except Exception:  # noqa: BLE001 - told to the parent
                found["failed"] = traceback.format_exc()
            self.report.write_text(json.dumps(found))

        run(work)
        result: dict[str, Any] = json.loads(self.report.read_text())
        return result

    async def _state(self, opened: Node) -> dict[str, Any]:
        clock = FakeClock(nodes.now())
        await assert_sound(TestNode(opened, self.config.base, clock, None, None))  # type: ignore[arg-type]
        logs = await opened.store.logs()
        own, *others = logs
        # A further entry is what a half changed key or a lost lock would stand in the way of.
        outcome = await opened.publisher.publish([pilot("afterwards")])
        await opened.follower.catch_up()
        canaries = (await opened.search.search(Request(CANARY, "nl"))).total
        texts = [path for path in self.data.rglob("*") if path.is_file() and CANARY.encode() in path.read_bytes()]
        return {
            "own": own.size,
            "next": [position for _, position in outcome.published],
            "changes": own.declared.sequence if own.declared else None,
            "others": [(each.size, each.verified_size, each.verified.root.hex()) for each in others],
            "counts": [await opened.store.counts(each.id) for each in logs],
            "indexed": (await opened.search.search(Request(limit=1))).total,
            "canaries": canaries,
            "erased but there": [path.name for path in texts if not canaries],
            "writes": opened.guard.reason(),
            "keys": sorted(path.name for path in (self.data / "keys").iterdir()),
        }


async def nothing_done(opened: Node) -> bool:
    return False


def pilots(prefix: str, count: int) -> list[Any]:
    return [pilot(f"{prefix}{number}") for number in range(count)]


@contextmanager
def alone(folder: Path, tools: Tools, work: Callable[[Node], Any], done: Callable[[Node], Any]) -> Iterator[Scene]:
    """A node without peers that holds some records, one of them with the canary in two versions."""
    config = config_of(folder, "flanders", free_port())

    async def prepare() -> None:
        await nodes.init(config, tools=tools)
        async with nodes.open_node(config, width=1, tools=tools) as opened:
            await opened.publisher.publish([*pilots("r", RECORDS), pilot("person", title=CANARY)])
            await opened.publisher.publish([pilot("person", title=f"{CANARY} 2")])
            await opened.follower.catch_up()

    run(prepare)
    shutil.move(config.data, config.data.with_name("flanders-pristine"))
    yield Scene(config, tools, work, done)


def erasing(folder: Path, tools: Tools) -> Any:
    async def work(opened: Node) -> None:
        await opened.own.erase(f"{opened.config.base}/records/pilot/person", {"nl": "Op verzoek."})
        await opened.follower.catch_up()

    async def done(opened: Node) -> bool:
        return (await opened.store.log(opened.log.id)).size > RECORDS + 3

    return alone(folder, tools, work, done)


def rotating(folder: Path, tools: Tools) -> Any:
    async def work(opened: Node) -> None:
        await custody.rotate(opened, None, compromised_from=None)

    async def done(opened: Node) -> bool:
        declared = (await opened.store.log(opened.log.id)).declared
        return declared is not None and declared.sequence == 1

    return alone(folder, tools, work, done)


def indexing(folder: Path, tools: Tools) -> Any:
    async def work(opened: Node) -> None:
        await opened.follower.rebuild()

    return alone(folder, tools, work, nothing_done)


@contextmanager
def pulling(folder: Path, tools: Tools) -> Iterator[Scene]:
    """A copy that lacks some pages, an erasure and a change of keys of a peer that is served meanwhile."""
    source = config_of(folder, "denmark", free_port())
    config = config_of(folder, "flanders", free_port(), (PeerConfig(name="denmark", url=source.base),))

    async def serve(opened: Node) -> None:
        runner = runner_of(nodes.application(opened))
        await runner.setup()
        await web.TCPSite(runner, *source.address).start()

    async def pull(opened: Node) -> None:
        for peer in await opened.peers():
            pulled = await opened.syncer.pull(peer)
            if pulled.state != "active":
                raise AssertionError(pulled)
        await opened.follower.catch_up()

    async def prepare() -> None:
        for each in (source, config):
            await nodes.init(each, tools=tools)
        async with nodes.open_node(source, width=1, tools=tools) as theirs:
            await theirs.publisher.publish([*pilots("a", RECORDS), pilot("person", title=CANARY)])
            await serve(theirs)
            async with nodes.open_node(config, width=1, tools=tools) as ours:
                await pull(ours)
            await theirs.own.erase(f"{source.base}/records/pilot/person", {"nl": "Op verzoek."})
            await custody.rotate(theirs, None, compromised_from=None)
            await theirs.publisher.publish(pilots("b", PAGES))

    async def stay() -> None:
        async with nodes.open_node(source, width=1, tools=tools) as theirs:
            await serve(theirs)
            (folder / "serving").touch()
            await asyncio.sleep(3600)

    run(prepare)
    shutil.move(config.data, config.data.with_name("flanders-pristine"))
    server = fork(stay)
    try:
        while not (folder / "serving").exists():
            time.sleep(0.02)
        yield Scene(config, tools, pull, nothing_done)
    finally:
        os.kill(server, signal.SIGKILL)
        os.waitpid(server, 0)


SCENES = {"erase": erasing, "rotate": rotating, "index": indexing, "pull": pulling}


# Rounds


def undisturbed(scene: Scene) -> tuple[dict[str, Any], int, float]:
    """The state after work that nobody disturbs, its steps, and its seconds."""
    scene.again()
    started = time.monotonic()
    run(scene.disturbed())
    seconds = time.monotonic() - started
    said = json.loads(scene.report.read_text())
    if said["said"]:
        raise RuntimeError(said["said"])
    return scene.resumed(), said["steps"], seconds


def ended(scene: Scene, last: int) -> bool:
    """Let a child come to a step; whether it was killed there."""
    child = fork(scene.disturbed(last))
    _, status = os.waitpid(child, 0)
    return os.WIFSIGNALED(status)


def killed(scene: Scene, rounds: int, seed: int) -> dict[str, Any]:
    """As many rounds end at a step as at a moment; ``rounds`` 0 means every step and a hundred moments."""
    chance = random.Random(seed)
    expected, steps, seconds = undisturbed(scene)
    at = list(range(1, steps + 1)) if not rounds else sorted(chance.sample(range(1, steps + 1), min(rounds, steps)))
    kills, different = 0, list[Any]()
    for step in at:
        scene.again()
        kills += ended(scene, step)
        state = scene.resumed()
        if state != expected:
            different.append([f"step {step}", state])
    for _ in at[: rounds or 100]:
        scene.again()
        moment = chance.uniform(0.01, seconds)
        kills += not kill_after(fork(scene.disturbed()), moment)
        state = scene.resumed()
        if state != expected:
            different.append([f"after {moment:.3f} s", state])
    return {"steps": steps, "killed": kills, "expected": expected, "different": different}


def filled(scene: Scene, rounds: int, seed: int) -> dict[str, Any]:
    """The disk takes no more at different sizes; the node says so, and goes on when there is room."""
    chance = random.Random(seed)
    expected, _, _ = undisturbed(scene)
    refused, different, unforeseen = 0, list[Any](), list[str]()
    for _ in range(rounds or 60):
        scene.again()
        most = int(2 ** chance.uniform(10, 20))
        run(scene.disturbed(most_bytes=most))
        said = json.loads(scene.report.read_text())["said"]
        refused += said.startswith("StorageFailed")
        if said and not said.startswith("StorageFailed"):
            unforeseen.append(f"{most} bytes: {said[-1500:]}")
        state = scene.resumed()
        if state != expected:
            different.append([f"{most} bytes", state])
    return {"refused": refused, "unforeseen": unforeseen, "expected": expected, "different": different}


def main() -> None:
    how, what, folder, rounds, seed = (*sys.argv[1:3], Path(sys.argv[3]), int(sys.argv[4]), int(sys.argv[5]))
    tools = Tools(load_vocabulary())
    # Everything dear is made before the first fork, and in this one thread.
    assert tools.checks
    assert tools.shacl
    tools.concepts.warm()
    results = {}
    for name in what.split(","):
        (folder / name).mkdir(parents=True)
        with SCENES[name](folder / name, tools) as scene:
            results[name] = {"killed": killed, "filled": filled}[how](scene, rounds, seed)
    print(json.dumps(results))


if __name__ == "__main__":
    main()
