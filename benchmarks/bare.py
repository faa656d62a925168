"""What the figures are measured against: Ed25519 alone on all cores, and a handler that only returns bytes.

``python -m benchmarks.bare FOLDER PORT`` serves ``FOLDER/body`` with the headers of ``FOLDER/headers.json``.
"""

from __future__ import annotations

import asyncio
import json
import multiprocessing
import signal
import sys
import time
from pathlib import Path
from typing import Any

from aiohttp import web
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey


def verifications_per_second(processes: int, seconds: float) -> float:
    """Ed25519 verifications of 64-byte messages by so many processes at once, each with its key parsed once."""
    context = multiprocessing.get_context("spawn")
    barrier, counts = context.Barrier(processes), context.Queue()
    every = [context.Process(target=_verify, args=(barrier, counts, seconds)) for _ in range(processes)]
    try:
        for each in every:
            each.start()
        return sum(counts.get(timeout=60 + seconds) for _ in every)
    finally:
        for each in every:
            each.join(10)
            if each.is_alive():
                each.kill()


def _verify(barrier: Any, rates: Any, seconds: float) -> None:
    private = Ed25519PrivateKey.generate()
    public = private.public_key()
    messages = [number.to_bytes(4, "big") * 16 for number in range(500)]
    pairs = [(private.sign(message), message) for message in messages]
    barrier.wait(60)
    done, started = 0, time.perf_counter()
    while (elapsed := time.perf_counter() - started) < seconds:
        for signature, message in pairs:
            public.verify(signature, message)
        done += len(pairs)
    rates.put(done / elapsed)


async def _serve(folder: Path, port: int) -> None:
    body, headers = (folder / "body").read_bytes(), json.loads((folder / "headers.json").read_text("utf-8"))

    async def page(request: web.Request) -> web.Response:
        return web.Response(body=body, headers=headers)

    app = web.Application()
    app.router.add_get("/feed/{section}/{page}", page)
    runner = web.AppRunner(app, keepalive_timeout=15, access_log=None, handle_signals=False)
    await runner.setup()
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    await web.TCPSite(runner, "127.0.0.1", port, backlog=512).start()
    await stop.wait()
    await runner.cleanup()


if __name__ == "__main__":
    asyncio.run(_serve(Path(sys.argv[1]), int(sys.argv[2])))
