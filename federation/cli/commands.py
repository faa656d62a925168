"""What every command shares: the application, its options, and how failures end it."""

from __future__ import annotations

import asyncio
import gc
import sys
from collections.abc import Coroutine
from pathlib import Path
from typing import Annotated, Any, Final, TypeVar

import typer
from rich.markup import escape

from federation import __version__
from federation import config as configs
from federation.config import Config
from federation.errors import FederationError
from federation.node import Node
from federation.terminal import err, explain, set_up_logging
from federation.workers import SELDOM

app = typer.Typer(
    name="procirc",
    help="Run a node of the ProCirc federation: publish your region's circular-procurement records, "
    "follow other regions, search them all. Start with `procirc demo`.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)
R = TypeVar("R")

ConfigOption = Annotated[
    Path, typer.Option("--config", "-c", help="The node's configuration, node.toml.", envvar="PROCIRC_CONFIG")
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print data as JSON, for programs.")]
DEFAULT_CONFIG: Final = Path("node.toml")


def main() -> None:
    """Entry point: every expected failure becomes a sentence and an exit code."""
    gc.set_threshold(SELDOM)
    try:
        app(standalone_mode=True)
    except FederationError as error:
        explain(error, as_json="--json" in sys.argv)
        sys.exit(int(error.exit))
    except KeyboardInterrupt:
        sys.exit(130)


def run(task: Coroutine[Any, Any, R]) -> R:
    return asyncio.run(task)


async def follow(opened: Node) -> bool:
    """Have searches find what a command has done, which stands in any case; whether they do."""
    trouble = await opened.follower.followed()
    if trouble:
        err.print(f"[yellow]Done, but searches do not show it yet. {escape(trouble)}[/]", soft_wrap=True)
    return not trouble


def load(path: Path) -> Config:
    loaded = configs.load(path)
    set_up_logging(loaded.log_format)
    return loaded


def _version(wanted: bool) -> None:
    if wanted:
        print(f"procirc {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version and stop.")
    ] = False,
) -> None:
    """Options of every command."""
