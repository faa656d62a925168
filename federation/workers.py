"""Where CPU work goes: a thread for little, worker processes for much, never the event loop.

A task is a plain function whose first argument is the ``Tools`` it works with. The main process and
every worker build their own tools once; a worker takes about a second to start, so the pool is made
only when there is bulk work.
"""

from __future__ import annotations

import asyncio
import ctypes
import gc
import multiprocessing
import os
import pickle
import signal
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import asynccontextmanager, contextmanager
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar, TypeVarTuple, Unpack

from federation.errors import Unavailable
from federation.index.concepts import Concepts
from federation.index.lexicon import lexicon_files, query_files
from federation.index.spotting import Spotting
from federation.records.kinds import Vocabulary
from federation.records.shapes import Checks

if TYPE_CHECKING:
    from federation.records.shacl import Shacl

Arguments = TypeVarTuple("Arguments")
R = TypeVar("R")


IDLE: Final = 30
"""Seconds without work after which worker processes are let go."""
NICE: Final = 10
"""How much worker processes stand back: whoever searches or publishes goes before what is done in bulk."""
SELDOM: Final = 50_000
"""Objects that come before the collector of cycles looks at them; Python's 700 cost a fifth of every start."""


class Tools:
    """What pure work needs and is dear to build: the vocabulary, its checks and labels, and SHACL."""

    def __init__(self, vocabulary: Vocabulary, spotting: Spotting | None = None) -> None:
        self.vocabulary = vocabulary
        self._spotting = spotting
        self._packed: tuple[Spotting | None, bytes] | None = None

    def packed(self) -> bytes:
        """The vocabulary as it is handed over to other processes, packed once for all of them: 1.3 MB.

        With it go, where this process has read its labels already, what they name: 3 MB, and half a second of reading.
        A process that is started would pack it on the event loop, each for itself.
        """
        concepts = vars(self).get("concepts")
        spotting = vars(concepts).get("spotting") if concepts is not None else None
        if self._packed is None or self._packed[0] is not spotting:
            self._packed = spotting, pickle.dumps((self.vocabulary, spotting), pickle.HIGHEST_PROTOCOL)
        return self._packed[1]

    @cached_property
    def checks(self) -> Checks:
        return Checks(self.vocabulary)

    @cached_property
    def concepts(self) -> Concepts:
        return Concepts(self.vocabulary, self._spotting)

    @cached_property
    def shacl(self) -> Shacl:
        from federation.records.shacl import Shacl  # noqa: PLC0415 - dear, and of no use to those that judge pages

        return Shacl(self.vocabulary)


def tools_of(vocabulary: Vocabulary) -> Tools:
    """The tools of a vocabulary, made once for as long as its lexicon stays as it is."""
    tables = (*lexicon_files(vocabulary.folder), *query_files(vocabulary.folder))
    files = tuple((path, path.stat().st_mtime_ns) for path in tables)
    known = _MADE.get(vocabulary.folder)
    if known is None or known[0] != files or known[1].vocabulary is not vocabulary:
        known = _MADE[vocabulary.folder] = (files, Tools(vocabulary))
    return known[1]


_MADE: Final[dict[Path, tuple[object, Tools]]] = {}

# A worker process has one set of tools for its whole life; a process pool offers no other place for it.
_tools: Tools | None = None


_MMAP_THRESHOLD: Final = -3
"""The parameter of mallopt(3) beyond which a block of memory goes back to the system as soon as it is free."""


def give_back() -> None:
    """Have large blocks of memory go back to the system when they are free.

    glibc keeps them once it has seen some come and go: of a node with 100,000 records that was 50 MB for ever. Other
    C libraries give them back by themselves.
    """
    mallopt = getattr(ctypes.CDLL(None) if os.name == "posix" else None, "mallopt", None)
    if mallopt is not None:
        mallopt(_MMAP_THRESHOLD, 256 * 1024)


def settle() -> None:
    """Have the collector of cycles leave alone what is there now, and come more seldom.

    The vocabulary is a hundred thousand objects that live as long as the process. With words that are remembered
    while searching, full collections stopped everything for 90 ms, and small ones took a twentieth of a search.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(SELDOM)


def _start(packed: bytes) -> None:
    global _tools  # noqa: PLW0603 - see above
    gc.set_threshold(SELDOM)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to handle
    if hasattr(os, "nice"):
        os.nice(NICE)
    give_back()
    threading.Thread(target=_follow_parent, daemon=True).start()
    _tools = Tools(*pickle.loads(packed))  # noqa: S301 - from our own parent
    settle()


@contextmanager
def _uninterrupted() -> Iterator[None]:
    """Keep Ctrl-C from a process while it is started, which would leave this one writing to nobody for ever.

    It begins as the thread that starts it is, and ``_start`` has it take no notice of Ctrl-C at all.
    """
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _follow_parent() -> None:
    # A parent killed with -9 cannot stop its workers, and their queue would keep them waiting for ever.
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _work(task: Callable[..., R], args: tuple[Any, ...]) -> R:
    assert _tools is not None
    return task(_tools, *args)


class Workers:
    """Runs tasks. ``width`` is how many run side by side."""

    def __init__(self, tools: Tools, *, width: int) -> None:
        self.tools = tools
        self.width = width
        self._pool: ProcessPoolExecutor | None = None
        self._busy = 0
        self._resting: asyncio.TimerHandle | None = None

    async def run(self, task: Callable[[Tools, Unpack[Arguments]], R], *args: *Arguments, bulk: bool = False) -> R:
        """Run a task; ``bulk`` says that it is one of many and may go to a worker process."""
        if not bulk or self.width < 2:
            return await asyncio.to_thread(task, self.tools, *args)
        for _attempt in range(2):
            if self._pool is None:
                packed = await asyncio.to_thread(self.tools.packed)
                self._pool = self._pool or self._new_pool(packed)  # another task may have made it meanwhile
            pool = self._pool
            self._busy += 1
            self._rest()
            try:
                with _uninterrupted():  # it may start a process
                    future = pool.submit(_work, task, args)
                return await asyncio.wrap_future(future)
            except BrokenProcessPool:
                # A worker was killed, for want of memory perhaps; the others go with it, so start anew.
                if self._pool is pool:
                    self._pool = None
            finally:
                self._busy -= 1
                self._rest()
        raise Unavailable("Worker processes keep dying.", remedy="Look at the memory of the machine.")

    def _rest(self) -> None:
        """Let the pool go when it has had nothing to do for a while, and not under what begins meanwhile.

        Its processes are 100 MB each.
        """
        if self._resting is not None:
            self._resting.cancel()
            self._resting = None
        if self._busy == 0 and self._pool is not None:
            self._resting = asyncio.get_running_loop().call_later(IDLE, self.close)

    def _new_pool(self, packed: bytes) -> ProcessPoolExecutor:
        return ProcessPoolExecutor(
            self.width,
            mp_context=multiprocessing.get_context("spawn"),
            initializer=_start,
            initargs=(packed,),  # handed over, it is there in a fifteenth of the time it takes to read
        )

    def close(self) -> None:
        if self._resting is not None:
            self._resting.cancel()
        if self._pool is not None:
            self._pool.shutdown(wait=False, cancel_futures=True)
            self._pool = None


@asynccontextmanager
async def open_workers(tools: Tools, *, width: int | None = None) -> AsyncIterator[Workers]:
    """Workers for one node, one process a core by default."""
    workers = Workers(tools, width=width or os.cpu_count() or 1)
    try:
        yield workers
    finally:
        workers.close()
