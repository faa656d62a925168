"""Commands that set up, run and check a node."""

from __future__ import annotations

import logging
import sys
from pathlib import Path
from typing import Annotated

import structlog
import typer
from rich.markup import escape

from federation import checks, custody, demo, node, proving, serving
from federation import config as configs
from federation.cli.commands import DEFAULT_CONFIG, ConfigOption, JsonOption, app, load, run
from federation.config import Config
from federation.errors import Misconfigured, ReadOnly
from federation.guard import Guard
from federation.store.keyfiles import Keyring
from federation.terminal import out, print_json, progress_bar, set_up_logging
from federation.workers import give_back


@app.command()
def init(
    config: ConfigOption = DEFAULT_CONFIG,
    recovery_key: Annotated[
        Path | None,
        typer.Option(
            "--recovery-key", help="Write the next key to this file on a medium for a safe, and nowhere else."
        ),
    ] = None,
    leave: Annotated[
        bool,
        typer.Option(
            "--leave-recovery-key",
            help="Leave the next key on this machine: whoever breaks into it then has the keys of tomorrow as well.",
        ),
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Set up the data directory: keys, database, first log entry, API token. Safe to run again.

    The next key is what lets you change keys one day, after a theft too: it belongs into a safe, not on this machine.
    """
    settings = load(config)
    here = custody.has_next_key(settings)
    if here and recovery_key is None and not leave:
        recovery_key = _asked(as_json=as_json)
    if here and recovery_key is not None:
        recovery_key = custody.target_of(settings, recovery_key)
    own = run(node.init(settings))
    if own.size == 0:
        guard = Guard(settings.data)
        raise ReadOnly(guard.reason(), remedy="Start the node: it fetches its log from its peers. Or restore a backup.")
    exported = run(_exported(settings, recovery_key)) if recovery_key is not None else None
    if as_json:
        print_json({"did": own.did, "data": str(settings.data), "fingerprint": own.fingerprint})
        return
    out.print(f"The node [bold]{escape(settings.name)}[/] is set up in {escape(str(settings.data))}.")
    out.print(f"  identity     {escape(own.did)}")
    out.print(f"  fingerprint  [bold]{own.fingerprint}[/]  (read it out to the coordinators of your peers)")
    recovered = ", then ".join(Keyring(settings.data / "keys").recovery().splitlines())
    if recovered:
        out.print(f"  and since its keys were lost  [bold]{recovered}[/]  (they need both)", soft_wrap=True)
    if exported is not None:
        out.print(f"  next key     {escape(str(exported))}: put it into a safe", soft_wrap=True)
    if not custody.has_next_key(settings):
        return
    out.print(
        "  [yellow]The next key is still on this machine:[/] it is what lets you change keys one day. "
        "`procirc keys export MEDIUM` writes it to a medium for a safe; every start reminds you until then.",
        soft_wrap=True,
    )


def _asked(*, as_json: bool) -> Path | None:
    """Where a person wants the next key; None for later. Raises Misconfigured where nobody can be asked."""
    if as_json or not sys.stdin.isatty():
        raise Misconfigured(
            "Nothing says where the next key is to be kept, with which you can change keys after a theft.",
            remedy="Give a file on a medium for a safe with --recovery-key FILE. Without one, --leave-recovery-key "
            "leaves it on this machine, where whoever steals the other keys finds it too.",
        )
    asked = typer.prompt("Where to write the next key (a file on a stick; empty: later)", default="")
    return Path(asked) if asked else None


async def _exported(settings: Config, target: Path) -> Path:
    async with node.open_node(settings) as opened:
        return await custody.export(opened, target, keep=False)


@app.command()
def serve(
    config: ConfigOption = DEFAULT_CONFIG,
    initialise: Annotated[bool, typer.Option("--init", help="Set the node up first if it is new.")] = False,
    seeds: Annotated[bool, typer.Option("--seeds", help="Import the tables of `seeds` first.")] = False,
) -> None:
    """Serve pages, API and feed, and pull the peers, until Ctrl-C or SIGTERM."""
    give_back()
    settings = load(config)

    async def work() -> None:
        if initialise:
            await node.init(settings)
        await serving.serve(settings, seeds=seeds)

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


@app.command()
def resume(
    config: ConfigOption = DEFAULT_CONFIG,
    accept_fork: Annotated[
        bool,
        typer.Option("--accept-fork", help="Go on with the history that is here although another one is signed too."),
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Let a node write again that only reads, since its log may have lost entries or has a second history.

    It asks the peers once more, and resumes by itself where their copies tell that nothing is missing. If entries
    are lost for good, going on makes a second history: peers that hold the first one stop following until their
    coordinators have spoken with you. Where somebody has proved that two histories exist, only --accept-fork helps.
    """
    settings = load(config)
    if (forked := Guard(settings.data).forked()) and not accept_fork:
        raise ReadOnly(forked, remedy=Guard(settings.data).remedy())
    if forked:
        if not yes:
            typer.confirm("Do you know how it came about, and do your peers? Go on with what is here?", abort=True)
        out.print(f"The proof is kept in {escape(str(run(_accepted(settings))))}.", soft_wrap=True)

    async def ask() -> str:
        async with node.open_node(settings, keyless=True) as opened:
            reason = opened.guard.lost()
            return await opened.recovery.run(await opened.peers()) if reason else ""

    reason = run(ask())
    if not reason:
        out.print("This node writes to its log.")
        return
    out.print(escape(reason), soft_wrap=True)
    if not yes:
        typer.confirm("Are the missing entries lost for good, and do your peers know? Go on without them?", abort=True)
    run(_given_up(settings))
    out.print("This node writes to its log again.")


async def _given_up(settings: Config) -> None:
    async with node.open_node(settings, keyless=True) as opened:
        await opened.recovery.give_up(opened.clock())


async def _accepted(settings: Config) -> Path:
    async with node.open_node(settings) as opened:
        return await opened.recovery.accept_fork()


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
