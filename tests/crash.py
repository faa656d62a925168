"""Workloads that are killed with ``kill -9`` at random moments; run as a program by ``test_crash.py``.

One warm process loads the vocabulary and forks a child for every round, so that a round costs no
start-up. A child appends what it knows to be durable to a file before going on; whatever stands there
must be in the log afterwards.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import signal
import sys
import time
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

from aiohttp import web

from federation import node as nodes
from federation.config import Config, PeerConfig
from federation.log import checkpoint, trust
from federation.log.did import host_of
from federation.log.merkle import Frontier
from federation.records.vocabulary import load_vocabulary
from federation.search import Request
from federation.workers import Tools
from tests.conftest import free_port, pilot

Work = Callable[[], Coroutine[Any, Any, None]]


def config_of(folder: Path, name: str, port: int, peers: tuple[PeerConfig, ...] = ()) -> Config:
    return Config(
        name=name, title={"en": name}, base=f"http://localhost:{port}", listen=f"127.0.0.1:{port}",
        data=folder / name, allow_private=True, peers=peers,
    )  # fmt: skip


def fork(work: Work) -> int:
    """Run some work in a child process; its id."""
    child = os.fork()
    if child == 0:
        code = 1
        try:
            asyncio.run(work())
            code = 0
        finally:
            os._exit(code)
    return child


def kill_after(child: int, seconds: float) -> bool:
    """Let a child run for some time, then kill it; whether it had finished by then."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            if status:
                raise RuntimeError(f"the child failed by itself: {status}")
            return True
        time.sleep(0.002)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return False


def run(work: Work) -> None:
    """Run some work in a child to its end."""
    _, status = os.waitpid(fork(work), 0)
    if status:
        raise RuntimeError(f"the child failed: {status}")


async def proved(opened: nodes.Node, base: str) -> tuple[list[str], int]:
    """The records of a log, after judging every entry anew and comparing the root with the checkpoint."""
    log = next(each for each in await opened.store.logs() if each.base == base)
    entries = await opened.store.entries(log.id, 0, log.verified_size)
    tools = opened.workers.tools
    claims = [trust.claim_of(each.position, each.signed, tools.vocabulary) for each in entries]
    judged, _ = trust.judge(
        claims, trust.Standing(log.did, base), vocabulary=tools.vocabulary, checks=tools.checks, now=nodes.now()
    )
    assert [each.verified.leaf for each in judged] == [each.leaf for each in entries]
    assert log.keys is not None
    seen = checkpoint.verify(log.checkpoint, origin=checkpoint.origin_of(host_of(base)), key=log.keys.log_key())
    root = Frontier().append(each.leaf for each in entries).root
    assert (seen.size, seen.root) == (log.verified_size, root)
    return [each.record.rsplit("/", 1)[-1] for each in entries[1:]], log.size


def publishing(folder: Path, rounds: int, seed: int, tools: Tools) -> dict[str, Any]:
    """Publish batches and be killed in the middle, again and again, on one data directory."""
    chance = random.Random(seed)
    config = config_of(folder, "flanders", free_port())
    durable = folder / "durable"

    async def set_up() -> None:
        await nodes.init(config, tools=tools)

    def work(number: int) -> Work:
        async def publish() -> None:
            async with nodes.open_node(config, width=1, tools=tools) as opened:
                for batch in range(40):
                    slugs = [f"r{number}-b{batch}-{at}" for at in range(5)]
                    await opened.publisher.publish([pilot(slug) for slug in slugs])
                    with durable.open("a") as file:
                        file.write("".join(slug + "\n" for slug in slugs))
                        file.flush()

        return publish

    run(set_up)
    killed = sum(not kill_after(fork(work(number)), chance.uniform(0.02, 0.5)) for number in range(rounds))
    run(work(rounds))
    result: dict[str, Any] = {"killed": killed}

    async def check() -> None:
        async with nodes.open_node(config, width=1, tools=tools) as opened:
            slugs, size = await proved(opened, config.base)
            await opened.follower.catch_up()
            found = await opened.search.search(Request(limit=1))
        told = durable.read_text().split()
        whole = all(len([s for s in slugs if s.startswith(p)]) == 5 for p in {s.rsplit("-", 1)[0] + "-" for s in slugs})
        (folder / "result").write_text(
            json.dumps(
                {
                    "missing": sorted(set(told) - set(slugs)),
                    "repeated": len(slugs) - len(set(slugs)),
                    "half_batches": not whole,
                    "entries": size,
                    "indexed": found.total,
                    "records": len(set(slugs)),
                }
            )
        )

    run(check)
    return result | json.loads((folder / "result").read_text())


def syncing(folder: Path, rounds: int, seed: int, tools: Tools) -> dict[str, Any]:
    """Pull a log of several pages and be killed in the middle; start anew whenever a copy is complete."""
    chance = random.Random(seed)
    source = config_of(folder, "denmark", free_port())
    slugs = [f"a{at}" for at in range(950)]

    async def prepare() -> None:
        await nodes.init(source, tools=tools)
        async with nodes.open_node(source, width=1, tools=tools) as opened:
            await opened.publisher.publish([pilot(slug) for slug in slugs])

    async def serve() -> None:
        async with nodes.open_node(source, width=1, tools=tools) as opened:
            runner = web.AppRunner(nodes.application(opened), access_log=None)
            await runner.setup()
            await web.TCPSite(runner, *source.address).start()
            (folder / "serving").touch()
            await asyncio.sleep(3600)

    run(prepare)
    server = fork(serve)
    killed, copies = 0, 0
    try:
        while not (folder / "serving").exists():
            time.sleep(0.02)
        peers = (PeerConfig(name="denmark", url=source.base),)
        config = config_of(folder, "copy0", free_port(), peers)
        for _ in range(rounds):
            finished = kill_after(fork(_pull(config, tools)), chance.uniform(0.05, 0.9))
            killed += not finished
            if finished:
                copies += 1
                config = config_of(folder, f"copy{copies}", free_port(), peers)
        run(_pull(config, tools))

        async def check() -> None:
            async with nodes.open_node(config, width=1, tools=tools) as opened:
                held, size = await proved(opened, source.base)
                states = await opened.store.peers.states()
                found = await opened.search.search(Request(limit=1))
            (folder / "result").write_text(
                json.dumps(
                    {
                        "complete": held == slugs,
                        "entries": size,
                        "indexed": found.total,
                        "states": [each.state for each in states.values()],
                    }
                )
            )

        run(check)
    finally:
        os.kill(server, signal.SIGKILL)
        os.waitpid(server, 0)
    return {"killed": killed, "copies": copies} | json.loads((folder / "result").read_text())


def _pull(config: Config, tools: Tools) -> Work:
    async def pull() -> None:
        await nodes.init(config, tools=tools)
        async with nodes.open_node(config, width=1, tools=tools) as opened:
            for peer in config.peers:
                await opened.syncer.pull(peer)
            await opened.follower.catch_up()

    return pull


def main() -> None:
    what, folder, rounds, seed = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4])
    tools = Tools(load_vocabulary())
    # Everything dear is made before the first fork, and in this one thread.
    assert tools.checks
    assert tools.shacl
    tools.concepts.warm()
    work = {"publish": publishing, "sync": syncing}[what]
    print(json.dumps(work(folder, rounds, seed, tools)))


if __name__ == "__main__":
    main()
