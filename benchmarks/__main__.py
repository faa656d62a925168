"""Measure the figures of the design and print them: ``python -m benchmarks [--quick] [--only NAME,…]``.

Every ratio compares two things measured in the same run on the same machine. Everything runs on
loopback in a temporary folder and is gone afterwards; raw numbers go to ``benchmarks/results/latest.json``.
"""

from __future__ import annotations

import argparse
import importlib
import json
import logging
import os
import platform
import signal
import sqlite3
import sys
import tempfile
import time
import traceback
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from types import FrameType
from typing import Any, Final, NoReturn

import structlog
from rich.console import Console
from rich.markup import escape
from rich.table import Table

MODULES: Final = ("publish", "sync", "nothing_new", "latency", "feed", "drippers", "search", "memory")
LIMITS: Final = {False: 900, True: 240}
"""Seconds that a full and a quick run may take; on a machine with nothing else to do it is about half."""
PACKAGES: Final = (
    "aiohttp", "aiosqlite", "cryptography", "pydantic", "pyoxigraph", "pyshacl", "pystemmer", "rdflib", "sqlalchemy",
    "tantivy",
)  # fmt: skip
RESULTS: Final = Path(__file__).parent / "results"
COLOURS: Final = {"yes": "green", "almost": "yellow", "no": "red", "failed": "red"}


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit code 1 when something could not be measured; a missed goal is a result, not an error."""
    options = _options(arguments)
    for name in [name for name in os.environ if name.startswith("PROCIRC_")]:
        del os.environ[name]  # settings of a real node are not ours
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    signal.signal(signal.SIGTERM, _stop)
    signal.signal(signal.SIGALRM, _overdue)
    console, started = Console(), time.monotonic()
    facts = {"at": datetime.now(UTC).isoformat(timespec="seconds"), "quick": options.quick, "machine": _machine()}
    figures, failed = _measured(options.only, options.quick, console)
    facts["seconds"] = round(time.monotonic() - started, 1)
    facts["load_after"] = os.getloadavg()
    RESULTS.mkdir(exist_ok=True)
    document = {**facts, "figures": figures, "failed": failed}
    (RESULTS / "latest.json").write_text(json.dumps(document, ensure_ascii=False, indent=2) + "\n", "utf-8")
    _show(console, document)
    return 1 if failed else 0


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="Measure the figures of the design.")
    parser.add_argument("--quick", action="store_true", help="smaller amounts: shows that all works, in two minutes")
    parser.add_argument("--only", type=_names, default=MODULES, metavar="NAME,…", help=f"of {', '.join(MODULES)}")
    return parser.parse_args(arguments)


def _names(text: str) -> tuple[str, ...]:
    names = tuple(name.strip().replace("-", "_") for name in text.split(",") if name.strip())
    unknown = [name for name in names if name not in MODULES]
    if unknown or not names:
        raise argparse.ArgumentTypeError(f"{', '.join(unknown)!r} is not one of {', '.join(MODULES)}")
    return names


def _stop(number: int, frame: FrameType | None) -> NoReturn:
    raise SystemExit(128 + number)


def _overdue(number: int, frame: FrameType | None) -> NoReturn:
    raise TimeoutError("the time of this run is spent")


def _measured(names: Sequence[str], quick: bool, console: Console) -> tuple[list[dict[str, Any]], dict[str, str]]:
    # Worker processes import this module again: what only the measuring needs is imported here.
    from benchmarks.prepared import FULL, QUICK, Bench  # noqa: PLC0415

    figures: list[dict[str, Any]] = []
    failed: dict[str, str] = {}
    until = time.monotonic() + LIMITS[quick]
    with tempfile.TemporaryDirectory(prefix="procirc-bench-") as scratch:
        bench = Bench(Path(scratch), QUICK if quick else FULL, quick)
        for name in names:
            begun, load = time.monotonic(), os.getloadavg()[0]
            signal.alarm(max(1, int(until - time.monotonic())))
            try:
                with console.status(f"measuring {name}"):
                    rows = importlib.import_module(f"benchmarks.{name}").measure(bench)
            except Exception as error:  # noqa: BLE001 - the other figures can still be measured
                traceback.print_exc()
                failed[name] = f"{type(error).__name__}: {error}"
                continue
            finally:
                signal.alarm(0)
            seconds = round(time.monotonic() - begun, 1)
            figures += [{"module": name, **row.as_dict(), "measured": row.measured} for row in rows]
            figures[-1] |= {"module_seconds": seconds, "load_before": load}
            console.print(f"{name}: {seconds:.0f} s", style="dim")
    return figures, failed


def _machine() -> dict[str, Any]:
    model = ""
    if Path("/proc/cpuinfo").exists():
        lines = Path("/proc/cpuinfo").read_text("utf-8").splitlines()
        model = next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "")
    return {
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "processor": model or platform.processor(),
        "memory_mib": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2**20,
        "system": platform.platform(),
        "python": platform.python_version(),
        "sqlite": sqlite3.sqlite_version,
        "load_before": os.getloadavg(),
        "versions": {"procirc-federation": metadata.version("procirc-federation")}
        | {name: metadata.version(name) for name in PACKAGES},
    }


def _show(console: Console, document: dict[str, Any]) -> None:
    machine = document["machine"]
    grid = Table(
        title=f"{machine['cores']} cores, {machine['processor']}, Python {machine['python']}"
        + (" — quick run: the amounts are too small for the goals" if document["quick"] else "")
    )
    for heading, justify in (("figure", "left"), ("measured", "right"), ("goal", "right"), ("ok", "left")):
        grid.add_column(heading, justify=justify, no_wrap=heading != "figure")  # type: ignore[arg-type]
    for each in document["figures"]:
        goal = each["goal"] + (f" (already {each['wanted_already']})" if each["wanted_already"] else "")
        colour = COLOURS.get(each["ok"], "default")
        grid.add_row(each["figure"], each["measured"], goal, f"[{colour}]{each['ok']}[/]")
    for name, reason in document["failed"].items():
        grid.add_row(f"{name}: {escape(reason)}", "", "", "[red]failed[/]")
    console.print(grid)
    for each in document["figures"]:
        if each["note"]:
            console.print(f"[bold]{each['figure']}[/]: {each['note']}", style="dim", highlight=False)
    console.print(f"{document['seconds']:.0f} s; every number is in {RESULTS / 'latest.json'}", style="dim")


if __name__ == "__main__":
    sys.exit(main())
