"""Commands about the nodes this one follows."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any

import typer
from rich.markup import escape
from rich.progress import Progress
from rich.table import Table as Grid

from federation import checks, node
from federation.cli.commands import DEFAULT_CONFIG, ConfigOption, JsonOption, app, load, run
from federation.config import Config, PeerConfig
from federation.errors import Exit, Misconfigured
from federation.records.values import suggestion
from federation.terminal import out, print_json, progress_bar

peers_app = typer.Typer(help="The nodes this one follows.", no_args_is_help=True)
app.add_typer(peers_app, name="peers")


@app.command()
def sync(
    peers: Annotated[list[str] | None, typer.Argument(help="Names of peers; all of them if none is given.")] = None,
    config: ConfigOption = DEFAULT_CONFIG,
    as_json: JsonOption = False,
) -> None:
    """Pull the peers' new records now, whatever their schedule says."""
    settings = load(config)
    chosen = _chosen(settings, peers or [])

    async def work() -> list[Any]:
        async with node.open_node(settings) as opened:
            with progress_bar() as bar:
                pulled = await asyncio.gather(*(_pull(opened, peer, bar) for peer in chosen))
                await opened.follower.catch_up()
            return pulled

    pulled = run(work())
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
            remedy = suggestion(name, known, f"The peers are {', '.join(known) or 'none'}.")
            raise Misconfigured(f"There is no peer {name!r}.", remedy=remedy)
    return tuple(known[name] for name in names) if names else settings.peers


@peers_app.command("list")
def peers_list(config: ConfigOption = DEFAULT_CONFIG, as_json: JsonOption = False) -> None:
    """How things stand with every peer, and what to do where something is wrong."""
    settings = load(config)
    rows = run(checks.peer_rows(settings))
    if as_json:
        print_json(rows)
        return
    if not rows:
        out.print("This node follows no peers yet. Add a \\[\\[peers]] table to its node.toml.")
        return
    grid = Grid("peer", "state", "since", "entries", "last success")
    for row in rows:
        grid.add_row(row["name"], row["state"], row["since"], f"{row['entries']:,}", row["last_success"])
    out.print(grid)
    for row in rows:
        for what in ("fingerprint", "detail"):
            if row[what]:
                out.print(f"{row['name']}: {what} {escape(row[what])}", highlight=False, soft_wrap=True)


@peers_app.command("confirm")
def peers_confirm(
    name: Annotated[str, typer.Argument(help="The peer's name.")], config: ConfigOption = DEFAULT_CONFIG
) -> None:
    """Follow a peer again after its log was found forked, once its coordinator has explained it to you."""
    settings = load(config)
    peer = _chosen(settings, [name])[0]
    if evidence := run(checks.confirm(settings, peer)):
        out.print(f"What was kept as evidence:\n{escape(evidence)}", highlight=False, soft_wrap=True)
    out.print(f"{name} is followed again; the next sync looks at its log anew.")
