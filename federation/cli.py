"""The command line, ``procirc``. Each command is a few lines over the same functions the node uses."""

from __future__ import annotations

import asyncio
import logging
import sys
from collections.abc import Coroutine
from pathlib import Path
from typing import Annotated, Any, TypeVar

import structlog
import typer
from rich.markup import escape
from rich.progress import Progress
from rich.table import Table as Grid

from federation import __version__, checks, demo, node, proving
from federation import config as configs
from federation.config import Config, PeerConfig
from federation.errors import Exit, Fault, FederationError, InvalidTable, Misconfigured
from federation.publish import Outcome
from federation.records import jsonld, tables
from federation.records.draft import Draft
from federation.records.kinds import LANGUAGES
from federation.records.tables import Table
from federation.records.values import nearest
from federation.search import Found, Request
from federation.terminal import explain, out, print_json, progress_bar, set_up_logging, show_hits, show_outcome
from federation.web.api import drafts_in

app = typer.Typer(
    name="procirc",
    help="Run a node of the ProCirc federation: publish your region's circular-procurement records, "
    "follow other regions, search them all. Start with `procirc demo`.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)
peers_app = typer.Typer(help="The nodes this one follows.", no_args_is_help=True)
app.add_typer(peers_app, name="peers")
R = TypeVar("R")

ConfigOption = Annotated[
    Path, typer.Option("--config", "-c", help="The node's configuration, node.toml.", envvar="PROCIRC_CONFIG")
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print data as JSON, for programs.")]
DEFAULT_CONFIG = Path("node.toml")


def main() -> None:
    """Entry point: every expected failure becomes a sentence and an exit code."""
    try:
        app(standalone_mode=True)
    except FederationError as error:
        explain(error)
        sys.exit(int(error.exit))
    except KeyboardInterrupt:
        sys.exit(130)


def _run(task: Coroutine[Any, Any, R]) -> R:
    return asyncio.run(task)


def _load(path: Path) -> Config:
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


@app.command()
def init(config: ConfigOption = DEFAULT_CONFIG, as_json: JsonOption = False) -> None:
    """Set up the data directory: keys, database, first log entry, API token. Safe to run again."""
    settings = _load(config)
    own = _run(node.init(settings))
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
    settings = _load(config)

    async def run() -> None:
        if initialise:
            await node.init(settings)
        await node.serve(settings, seeds=seeds)

    _run(run())


@app.command("import")
def import_(
    files: Annotated[list[Path], typer.Argument(help="CSV files named after a kind, such as pilot.csv.")],
    config: ConfigOption = DEFAULT_CONFIG,
    kind: Annotated[str, typer.Option(help="The kind of record, where the file name does not say it.")] = "",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would happen and write nothing.")] = False,
    skip_faulty: Annotated[bool, typer.Option("--skip-faulty", help="Leave faulty rows out, import the rest.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Import spreadsheets: validate, sign and publish. One faulty row stops all, unless you say otherwise.

    Rows that say what is published already are left alone, so importing twice does no harm.
    """
    settings = _load(config)
    read = [_read_table(path, kind) for path in files]

    async def run() -> Outcome:
        async with node.open_node(settings) as opened:
            drafts, faults = tables.drafts_of(read, opened.workers.tools.vocabulary)
            if faults and not skip_faulty:
                # Everything that is wrong is listed at once: what the rows say as well.
                rest = await opened.publisher.publish(drafts, skip_faulty=True, dry_run=True)
                raise InvalidTable(
                    "The tables have faults; nothing was imported.",
                    remedy="Correct them, or use --skip-faulty to import the other rows.",
                    faults=[*faults, *(fault for fault in rest.faults if fault.severity == "violation")],
                )
            return await _publish(opened, drafts, faults, dry_run, skip_faulty)

    outcome = _run(run())
    show_outcome(outcome, dry_run, as_json)
    if outcome.rejected and not skip_faulty:
        raise typer.Exit(int(Exit.INVALID_INPUT))


def _read_table(path: Path, kind: str) -> Table:
    try:
        data = path.read_bytes()
    except OSError as error:
        raise InvalidTable(f"{path} cannot be read: {error.strerror}.", remedy="Check the path.") from error
    return Table(f"{kind}.csv" if kind else path.name, data)


async def _publish(
    opened: node.Node, drafts: list[Draft], faults: list[Fault], dry_run: bool, skip_faulty: bool
) -> Outcome:
    with progress_bar() as bar:
        task = bar.add_task("Publishing", total=len(drafts))
        outcome = await opened.publisher.publish(
            drafts,
            skip_faulty=skip_faulty,
            dry_run=dry_run,
            progress=lambda count: bar.advance(task, count),
        )
        outcome.faults[:0] = faults
        if outcome.published and not dry_run:
            bar.update(task, description="Indexing")
            await opened.follower.catch_up()
    return outcome


@app.command()
def publish(
    files: Annotated[list[Path], typer.Argument(help="JSON files with one draft or a list of drafts; - for stdin.")],
    config: ConfigOption = DEFAULT_CONFIG,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Validate only.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Publish records from JSON: {"kind": "pilot", "slug": "…", "title": {"nl": "…"}, …}."""
    settings = _load(config)
    drafts: list[Draft] = []
    for path in files:
        try:
            data = sys.stdin.buffer.read() if str(path) == "-" else path.read_bytes()
        except OSError as error:
            raise InvalidTable(f"{path} cannot be read: {error.strerror}.") from error
        drafts += drafts_in(jsonld.loads(data), str(path))

    async def run() -> Outcome:
        async with node.open_node(settings) as opened:
            return await _publish(opened, drafts, [], dry_run, skip_faulty=False)

    outcome = _run(run())
    show_outcome(outcome, dry_run, as_json)
    if outcome.rejected:
        raise typer.Exit(int(Exit.INVALID_INPUT))


@app.command()
def sync(
    peers: Annotated[list[str] | None, typer.Argument(help="Names of peers; all of them if none is given.")] = None,
    config: ConfigOption = DEFAULT_CONFIG,
    as_json: JsonOption = False,
) -> None:
    """Pull the peers' new records now, whatever their schedule says."""
    settings = _load(config)
    chosen = _chosen(settings, peers or [])

    async def run() -> list[Any]:
        async with node.open_node(settings) as opened:
            with progress_bar() as bar:
                pulled = await asyncio.gather(*(_pull(opened, peer, bar) for peer in chosen))
                await opened.follower.catch_up()
            return pulled

    pulled = _run(run())
    if as_json:
        print_json([{"peer": p.peer, "state": p.state, "added": p.added, "size": p.size, "reason": p.reason,
                      "detail": p.detail} for p in pulled])  # fmt: skip
    else:
        grid = Grid("peer", "state", "new", "entries", "what to know")
        for each in pulled:
            grid.add_row(each.peer, each.state, str(each.added), str(each.size), escape(each.detail))
        out.print(grid)
    if any(each.state not in ("active", "busy") for each in pulled):
        raise typer.Exit(int(Exit.PEER))


async def _pull(opened: node.Node, peer: PeerConfig, bar: Progress) -> Any:
    task = bar.add_task(f"Pulling {peer.name}", total=None)

    def progress(held: int, total: int) -> None:
        bar.update(task, completed=held, total=total)

    return await opened.syncer.pull(peer, progress)


def _chosen(settings: Config, names: list[str]) -> tuple[PeerConfig, ...]:
    known = {peer.name: peer for peer in settings.peers}
    for name in names:
        if name not in known:
            near = nearest(name, known)
            raise Misconfigured(
                f"There is no peer {name!r}.",
                remedy=f"Did you mean {' or '.join(near)}?" if near else f"The peers are {', '.join(known) or 'none'}.",
            )
    return tuple(known[name] for name in names) if names else settings.peers


@app.command()
def search(
    text: Annotated[str, typer.Argument(help="What you are looking for, in your own words.")] = "",
    config: ConfigOption = DEFAULT_CONFIG,
    language: Annotated[str, typer.Option("--lang", help="Your language: en nl fr de da sv nb.")] = "",
    where: Annotated[
        list[str] | None, typer.Option("--where", "-w", help="A filter such as kind=pilot or country=DK; repeatable.")
    ] = None,
    limit: Annotated[int, typer.Option(min=1, max=100)] = 10,
    as_json: JsonOption = False,
) -> None:
    """Search every region's records, and see why each was found."""
    settings = _load(config)
    if language and language not in LANGUAGES:
        raise typer.BadParameter(f"{language!r} is not one of {', '.join(LANGUAGES)}.", param_hint="--lang")

    async def run() -> Found:
        async with node.open_node(settings) as opened:
            await opened.follower.catch_up()
            filters = _filters(where or [], opened.search.facets)
            return await opened.search.search(Request(text, language or settings.language, filters, limit))

    show_hits(_run(run()), as_json)


def _filters(where: list[str], known: list[str]) -> dict[str, tuple[str, ...]]:
    filters: dict[str, tuple[str, ...]] = {}
    for each in where:
        name, equals, value = each.partition("=")
        if not equals or name not in known:
            near = nearest(name, known)
            raise typer.BadParameter(
                f"{each!r} is not a filter. "
                f"Write name=value; {'did you mean ' + near[0] if near else 'names are ' + ', '.join(known)}."
            )
        filters[name] = (*filters.get(name, ()), value)
    return filters


@peers_app.command("list")
def peers_list(config: ConfigOption = DEFAULT_CONFIG, as_json: JsonOption = False) -> None:
    """How things stand with every peer, and what to do where something is wrong."""
    settings = _load(config)
    rows = _run(checks.peer_rows(settings))
    if as_json:
        print_json(rows)
        return
    if not rows:
        out.print("This node follows no peers yet. Add a \\[\\[peers]] table to its node.toml.")
        return
    grid = Grid("peer", "state", "since", "entries", "last success", "fingerprint", "what to know")
    for row in rows:
        grid.add_row(
            row["name"], row["state"], row["since"], str(row["entries"]), row["last_success"], row["fingerprint"],
            escape(row["detail"]),
        )  # fmt: skip
    out.print(grid)


@peers_app.command("confirm")
def peers_confirm(
    name: Annotated[str, typer.Argument(help="The peer's name.")], config: ConfigOption = DEFAULT_CONFIG
) -> None:
    """Follow a peer again after its log was found forked, once its coordinator has explained it to you."""
    settings = _load(config)
    peer = _chosen(settings, [name])[0]
    if evidence := _run(checks.confirm(settings, peer)):
        out.print(f"What was kept as evidence:\n{escape(evidence)}", highlight=False, soft_wrap=True)
    out.print(f"{name} is followed again; the next sync looks at its log anew.")


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
        report = _run(
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
    settings = _load(config)

    async def run() -> int:
        async with node.open_node(settings) as opened:
            with progress_bar() as bar:
                task = bar.add_task("Indexing", total=None)
                return await opened.follower.rebuild(lambda done, total: bar.update(task, completed=done, total=total))

    out.print(f"{_run(run())} entries indexed.")


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
    _run(demo.run(folder=nodes, ports_from=ports_from, data=data, once=once, console=out))
