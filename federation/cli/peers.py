"""Commands about the nodes this one follows."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Annotated, Any, Final, TypeVar

import typer
from rich.markup import escape
from rich.progress import Progress
from rich.table import Table as Grid

from federation import checks, following, node
from federation import config as configs
from federation.cli.commands import DEFAULT_CONFIG, ConfigOption, JsonOption, app, follow, load, run
from federation.config import Config, PeerConfig, fingerprint_of
from federation.errors import Exit, Misconfigured
from federation.log import did as dids
from federation.records.values import suggestion
from federation.terminal import out, print_json, progress_bar

R = TypeVar("R")
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

    async def work() -> list[Any]:
        async with node.open_node(settings) as opened:
            chosen = _chosen(await opened.peers(), peers or [])
            with progress_bar() as bar:
                pulled = await asyncio.gather(*(_pull(opened, peer, bar) for peer in chosen))
                await follow(opened)
            await opened.recover()
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


def _chosen(peers: list[PeerConfig], names: list[str]) -> list[PeerConfig]:
    known = {peer.name: peer for peer in peers}
    for name in names:
        if name not in known:
            remedy = suggestion(name, known, f"The peers are {', '.join(known) or 'none'}.")
            raise Misconfigured(f"There is no peer {name!r}.", remedy=remedy)
    return [known[name] for name in names] if names else peers


@peers_app.command("list")
def peers_list(config: ConfigOption = DEFAULT_CONFIG, as_json: JsonOption = False) -> None:
    """How things stand with every peer, and what to do where something is wrong."""
    settings = load(config)
    rows = run(checks.peer_rows(settings))
    if as_json:
        print_json(rows)
        return
    if not rows:
        out.print("This node follows no peers yet. `procirc peers add https://…` meets one.")
        return
    grid = Grid("peer", "state", "since", "entries", "last success")
    for row in rows:
        grid.add_row(row["name"], row["state"], row["since"], f"{row['entries']:,}", row["last_success"])
    out.print(grid)
    for row in rows:
        for what in ("fingerprint", "detail"):
            if row[what]:
                out.print(f"{row['name']}: {what} {escape(row[what])}", highlight=False, soft_wrap=True)


_TELLS_NOTHING: Final = frozenset({"www", "procirc", "node"})
"""First parts of hosts that name no region."""


def _named(url: str) -> str:
    """The short name of a node from its address: the first part of its host that may be the name of a region."""
    parts = dids.host_of(url).partition(":")[0].split(".")
    return next((each for each in parts if each not in _TELLS_NOTHING), parts[0])


@peers_app.command("add")
def peers_add(
    url: Annotated[str, typer.Argument(help="Base address of the node, such as https://denmark.example.")],
    name: Annotated[
        str,
        typer.Option(
            help="Short name for it, which readers see: lower case, such as denmark; else the first part of its host."
        ),
    ] = "",
    via: Annotated[str, typer.Option(help="Another node whose copy to read, for one that is gone.")] = "",
    config: ConfigOption = DEFAULT_CONFIG,
    as_json: JsonOption = False,
) -> None:
    """Ask a node who it is, and note it as a peer. Nothing is taken from it before you confirm it."""
    settings = load(config)
    peer = configs.peer(name=name or _named(url), url=url, via=via)

    async def work() -> following.Met:
        async with node.open_node(settings) as opened:
            return await following.add(opened, peer)

    met = run(work())
    if as_json:
        print_json({"name": met.name, "url": met.url, "fingerprint": met.fingerprint, "entries": met.size})
        return
    out.print(f"[bold]{met.name}[/]  {escape(met.url)}")
    out.print(f"  fingerprint  [bold]{met.fingerprint}[/]")
    out.print(f"  entries      {met.size:,}")
    out.print("Ring its coordinator up and have the fingerprint read out. If it is the same:")
    out.print(f"  procirc peers confirm {met.name}")


@peers_app.command("confirm")
def peers_confirm(
    name: Annotated[str, typer.Argument(help="The peer's name.")],
    given: Annotated[
        str, typer.Option("--fingerprint", help="As its coordinator read it out to you; needed after lost keys.")
    ] = "",
    config: ConfigOption = DEFAULT_CONFIG,
) -> None:
    """Follow a peer that you added, or one that was stopped, once you have spoken with its coordinator."""
    settings = load(config)
    try:
        fingerprint = fingerprint_of(given)
    except ValueError as error:
        raise typer.BadParameter(f"That is none: {error}.", param_hint="--fingerprint") from error

    async def work(opened: node.Node) -> str:
        await _known(opened, name)
        return await following.confirm(opened, name, fingerprint)

    said = run(_with(settings, work))
    out.print(escape(said), soft_wrap=True)


@peers_app.command("remove")
def peers_remove(
    name: Annotated[str, typer.Argument(help="The peer's name.")],
    config: ConfigOption = DEFAULT_CONFIG,
    delete: Annotated[bool, typer.Option("--delete-records", help="Delete what is held of it, too.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Follow a peer no longer. Its records stay and can be searched, unless you have them deleted."""
    settings = load(config)
    if delete and not yes:
        typer.confirm(f"Everything that this node holds of {name} will be deleted here. Go on?", abort=True)

    async def work(opened: node.Node) -> int:
        entries = await following.remove(opened, name, delete=delete)
        if delete:
            await follow(opened)  # or the running node does, which holds the index
        return entries

    gone = run(_with(settings, work))
    out.print(f"{escape(name)} is no longer followed." + (f" {gone:,} entries were deleted." if delete else ""))


@peers_app.command("evidence")
def peers_evidence(
    name: Annotated[str, typer.Argument(help="The peer's name.")], config: ConfigOption = DEFAULT_CONFIG
) -> None:
    """What is held against a peer. The proof of a fork is a document that `procirc verify` checks for anybody."""
    settings = load(config)
    print(run(_with(settings, lambda opened: following.evidence(opened, name))))


async def _with(settings: Config, work: Callable[[node.Node], Coroutine[Any, Any, R]]) -> R:
    async with node.open_node(settings) as opened:
        return await work(opened)


async def _known(opened: node.Node, name: str) -> None:
    names = [peer.name for peer in opened.config.peers]
    names += [each.name for each in await opened.store.followed.every()]
    names += [log.name for log in await opened.store.logs() if not log.own]
    if name not in names:
        remedy = suggestion(name, names, f"The peers are {', '.join(dict.fromkeys(names)) or 'none'}.")
        raise Misconfigured(f"There is no peer {name!r}.", remedy=remedy)
