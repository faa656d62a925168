"""The command line, ``procirc``. Each command is a few lines over the same functions the node uses."""

from __future__ import annotations

import asyncio
import json
import logging
import sys
from collections.abc import Coroutine
from pathlib import Path
from typing import Annotated, Any, TypeVar

import structlog
import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn
from rich.table import Table as Grid

from federation import __version__, checks, demo, node, proving
from federation import config as configs
from federation.config import Config, PeerConfig
from federation.errors import Exit, Fault, FederationError, InvalidTable, Misconfigured
from federation.index.explanation import plain_text
from federation.publish import Outcome
from federation.records import jsonld, tables
from federation.records.draft import Draft, nearest
from federation.records.tables import Table
from federation.search import Request
from federation.web.api import draft_of

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
out = Console()
err = Console(stderr=True)
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
        _explain(error)
        sys.exit(int(error.exit))
    except KeyboardInterrupt:
        sys.exit(130)


def _explain(error: FederationError) -> None:
    err.print(f"[bold red]{escape(error.title)}.[/] {escape(error.detail)}", highlight=False)
    _show_faults(error.faults)
    if error.remedy:
        err.print(f"[green]→[/] {escape(error.remedy)}", highlight=False)


def _show_faults(faults: tuple[Fault, ...] | list[Fault], *, most: int = 100) -> None:
    for fault in faults[:most]:
        colour = "red" if fault.severity == "violation" else "yellow"
        place = f"{fault.place}: " if fault.place else ""
        err.print(f"  [{colour}]•[/] {escape(place)}{escape(fault.message)}", highlight=False)
        if fault.remedy:
            err.print(f"    [green]→[/] {escape(fault.remedy)}", highlight=False)
    if len(faults) > most:
        err.print(f"  … and {len(faults) - most} more.")


def _run(task: Coroutine[Any, Any, R]) -> R:
    return asyncio.run(task)


def _load(path: Path) -> Config:
    loaded = configs.load(path)
    _set_up_logging(loaded.log_format)
    return loaded


def _set_up_logging(form: str) -> None:
    renderer: Any = (
        structlog.processors.JSONRenderer()
        if form == "json"
        else structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
    )
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )
    logging.getLogger("apscheduler").setLevel(logging.ERROR)


def _progress() -> Progress:
    return Progress(
        SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(),
        console=err, transient=True,
    )  # fmt: skip


def _print_json(document: Any) -> None:
    print(json.dumps(document, ensure_ascii=False, indent=2))


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
        _print_json({"did": own.did, "data": str(settings.data), "fingerprint": own.fingerprint})
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

    _show_outcome(_run(run()), dry_run, as_json)


def _read_table(path: Path, kind: str) -> Table:
    try:
        data = path.read_bytes()
    except OSError as error:
        raise InvalidTable(f"{path} cannot be read: {error.strerror}.", remedy="Check the path.") from error
    return Table(f"{kind}.csv" if kind else path.name, data)


async def _publish(
    opened: node.Node, drafts: list[Draft], faults: list[Fault], dry_run: bool, skip_faulty: bool
) -> Outcome:
    with _progress() as bar:
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


def _show_outcome(outcome: Outcome, dry_run: bool, as_json: bool) -> None:
    new = len(outcome.published) - outcome.updated
    if as_json:
        _print_json(
            {
                "dry_run": dry_run,
                "new": new,
                "updated": outcome.updated,
                "unchanged": len(outcome.unchanged),
                "rejected": outcome.rejected,
                "faults": [fault.as_dict() for fault in outcome.faults],
            }
        )
        return
    violations = [fault for fault in outcome.faults if fault.severity == "violation"]
    warnings = len(outcome.faults) - len(violations)
    _show_faults(violations)
    would = "would be " if dry_run else ""
    out.print(
        f"{new} new, {outcome.updated} updated and {len(outcome.unchanged)} unchanged record(s) "
        f"{would}published; {outcome.rejected} refused; {warnings} field(s) worth filling in."
    )


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
        document = jsonld.loads(data)
        drafts += [draft_of(each) for each in (document if isinstance(document, list) else [document])]

    async def run() -> Outcome:
        async with node.open_node(settings) as opened:
            return await _publish(opened, drafts, [], dry_run, skip_faulty=False)

    _show_outcome(_run(run()), dry_run, as_json)


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
            with _progress() as bar:
                pulled = await asyncio.gather(*(_pull(opened, peer, bar) for peer in chosen))
                await opened.follower.catch_up()
            return pulled

    pulled = _run(run())
    if as_json:
        _print_json([{"peer": p.peer, "state": p.state, "added": p.added, "size": p.size, "reason": p.reason,
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

    async def run() -> Any:
        async with node.open_node(settings) as opened:
            await opened.follower.catch_up()
            filters = _filters(where or [], opened.search.facets)
            return await opened.search.search(Request(text, language or settings.language, filters, limit))

    _show_hits(_run(run()), as_json)


def _filters(where: list[str], known: list[str]) -> dict[str, tuple[str, ...]]:
    filters: dict[str, tuple[str, ...]] = {}
    for each in where:
        name, equals, value = each.partition("=")
        if not equals or name not in known:
            near = nearest(name, known)
            raise Misconfigured(
                f"{each!r} is not a filter.",
                remedy=f"Write name=value; {'did you mean ' + near[0] if near else 'names are ' + ', '.join(known)}.",
            )
        filters[name] = (*filters.get(name, ()), value)
    return filters


def _show_hits(found: Any, as_json: bool) -> None:
    if as_json:
        items = [
            {
                "id": hit.id,
                "kind": hit.kind,
                "node": hit.node,
                "score": hit.score,
                "title": {"lang": hit.title[0], "value": plain_text(hit.title[1])},
            }
            for hit in found.hits
        ]
        _print_json({"total": found.total, "items": items, "took_ms": found.took_ms})
        return
    if not found.total:
        out.print("Nothing found. Try fewer or more general words.")
        return
    for number, hit in enumerate(found.hits, 1):
        why = "; ".join(
            f"{b.word} = {b.match} ({b.language})" if b.match else f"{b.word} → {b.label}" for b in hit.because
        )
        out.print(
            f"{number:>3}. [bold]{escape(plain_text(hit.title[1]))}[/] [cyan]\\[{hit.title[0]}][/]", highlight=False
        )
        out.print(f"     {hit.kind} · {hit.node} · [dim]{escape(hit.id)}[/]", highlight=False)
        if why:
            out.print(f"     [green]because[/] {escape(why)}", highlight=False)
    out.print(f"{found.total} record(s), {found.took_ms} ms")


@peers_app.command("list")
def peers_list(config: ConfigOption = DEFAULT_CONFIG, as_json: JsonOption = False) -> None:
    """How things stand with every peer, and what to do where something is wrong."""
    settings = _load(config)
    rows = _run(checks.peer_rows(settings))
    if as_json:
        _print_json(rows)
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
    _set_up_logging("text")
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    settings = configs.load(config) if config is not None else None
    with _progress() as bar:
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
        _print_json(report)
        return
    out.print("[bold green]Verified.[/]")
    for key, value in report.items():
        out.print(f"  {key:<12} {escape(str(value))}", highlight=False)


@app.command()
def rebuild(config: ConfigOption = DEFAULT_CONFIG) -> None:
    """Make the text index anew from the logs. Stop the node first."""
    settings = _load(config)

    async def run() -> int:
        async with node.open_node(settings) as opened:
            with _progress() as bar:
                task = bar.add_task("Indexing", total=None)
                return await opened.follower.rebuild(lambda done, total: bar.update(task, completed=done, total=total))

    out.print(f"{_run(run())} entries indexed.")


@app.command("check-config")
def check_config(config: ConfigOption = DEFAULT_CONFIG, as_json: JsonOption = False) -> None:
    """Read the configuration and say what is wrong with it or worth knowing, without changing anything."""
    settings = configs.load(config)
    notes = checks.configuration(settings)
    if as_json:
        _print_json({"ok": True, "node": settings.name, "did": settings.did, "notes": notes})
        return
    out.print(f"{escape(str(config))} is in order: node [bold]{settings.name}[/], {escape(settings.did)}.")
    for each in notes:
        out.print(f"  [yellow]•[/] {escape(each)}", highlight=False)


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
