"""Commands that set up, run and check a node."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Annotated

import structlog
import typer
from rich.markup import escape

from federation import checks, demo, node, proving
from federation import config as configs
from federation.cli.commands import DEFAULT_CONFIG, ConfigOption, JsonOption, app, load, run
from federation.terminal import out, print_json, progress_bar, set_up_logging


@app.command()
def init(config: ConfigOption = DEFAULT_CONFIG, as_json: JsonOption = False) -> None:
    """Set up the data directory: keys, database, first log entry, API token. Safe to run again."""
    settings = load(config)
    own = run(node.init(settings))
    if as_json:
        print_json({"did": own.did, "data": str(settings.data), "fingerprint": own.fingerprint})
        return
    out.print(f"The node [bold]{escape(settings.name)}[/] is set up in {escape(str(settings.data))}.")
    out.print(f"  identity     {escape(own.did)}")
    out.print(f"  fingerprint  [bold]{own.fingerprint}[/]  (read it out to the coordinators of your peers)")
    out.print(
        f"  [yellow]Move {escape(str(settings.data / 'keys' / 'next.key'))} to a safe place off this machine:[/] "
        "it is what lets you change keys one day."
    )


@app.command()
def serve(
    config: ConfigOption = DEFAULT_CONFIG,
    initialise: Annotated[bool, typer.Option("--init", help="Set the node up first if it is new.")] = False,
    seeds: Annotated[bool, typer.Option("--seeds", help="Import the tables of `seeds` first.")] = False,
) -> None:
    """Serve pages, API and feed, and pull the peers, until Ctrl-C or SIGTERM."""
    settings = load(config)

    async def work() -> None:
        if initialise:
            await node.init(settings)
        await node.serve(settings, seeds=seeds)

    run(work())


@app.command()
def verify(
    target: Annotated[str, typer.Argument(help="A signed record (file or URL), or a node's URL for its whole log.")],
    config: Annotated[Path | None, typer.Option("--config", "-c", help="Use the keys this node knows.")] = None,
    did_document: Annotated[
        Path | None, typer.Option("--did", help="DID document to verify against, off-line.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Check a signature, or every signature and the Merkle root of a node's log."""
    set_up_logging("text")
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    settings = configs.load(config) if config is not None else None
    with progress_bar() as bar:
        task = bar.add_task("Verifying", total=None)
        report = run(
            proving.verify(
                target,
                settings=settings,
                did_document=did_document,
                progress=lambda held, total: bar.update(task, completed=held, total=total),
            )
        )
    if as_json:
        print_json(report)
        return
    out.print("[bold green]Verified.[/]")
    for key, value in report.items():
        out.print(f"  {key:<12} {escape(str(value))}", highlight=False, soft_wrap=True)


@app.command()
def rebuild(config: ConfigOption = DEFAULT_CONFIG) -> None:
    """Make the text index anew from the logs. Stop the node first."""
    settings = load(config)

    async def work() -> int:
        async with node.open_node(settings) as opened:
            with progress_bar() as bar:
                task = bar.add_task("Indexing", total=None)
                return await opened.follower.rebuild(lambda done, total: bar.update(task, completed=done, total=total))

    out.print(f"{run(work())} entries indexed.")


@app.command("check-config")
def check_config(config: ConfigOption = DEFAULT_CONFIG, as_json: JsonOption = False) -> None:
    """Read the configuration and say what is wrong with it or worth knowing, without changing anything."""
    settings = configs.load(config)
    notes = checks.configuration(settings)
    if as_json:
        print_json({"ok": True, "node": settings.name, "did": settings.did, "notes": notes})
        return
    out.print(f"{escape(str(config))} is in order: node [bold]{settings.name}[/], {escape(settings.did)}.")
    for each in notes:
        out.print(f"  [yellow]•[/] {escape(each)}", highlight=False, soft_wrap=True)


@app.command("demo")
def demo_command(
    once: Annotated[bool, typer.Option("--once", help="Stop after the check; exit 0 only if all went well.")] = False,
    ports_from: Annotated[int, typer.Option("--ports-from", min=1024, max=65_000, help="First port.")] = 8101,
    data: Annotated[
        Path | None, typer.Option("--data", help="Keep the data here; otherwise it is thrown away at the end.")
    ] = None,
    nodes: Annotated[Path | None, typer.Option("--nodes", help="Folder of nodes; those that ship by default.")] = None,
) -> None:
    """Start six regions on this machine, let them sync, and search across them. Ctrl-C stops all."""
    run(demo.run(folder=nodes, ports_from=ports_from, data=data, once=once, console=out))
