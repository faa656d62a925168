"""Commands that end records: withdrawal and erasure."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from dataclasses import asdict
from typing import Annotated, Any, Final

import typer
from rich.markup import escape
from rich.table import Column
from rich.table import Table as Grid

from federation import erasures as followed
from federation import node
from federation.cli.commands import DEFAULT_CONFIG, ConfigOption, JsonOption, app, follow, load, run
from federation.config import Config
from federation.errors import InvalidRequest
from federation.records.kinds import LANGUAGES
from federation.records.record import SLUG
from federation.terminal import out, print_json

_TAG: Final = re.compile(r"[A-Za-z]{2,3}(?:-[A-Za-z0-9]{2,8})*")
"""What looks like the tag of a language."""
RecordArgument = Annotated[str, typer.Argument(help="The record, such as pilot/old-mill.")]
ReasonOption = Annotated[
    list[str],
    typer.Option("--reason", help="Why, for everybody to read: nl=Tekst, or plain text in the node's language."),
]
LEFT: Final = (
    "Done; the old text leaves the files of the database and the index later, as soon as nothing reads it and the disk "
    "has room. A running node sees to it."
)
"""What is said of an erasure whose text could not yet be taken out of all files."""


@app.command()
def withdraw(
    record: RecordArgument, reason: ReasonOption, config: ConfigOption = DEFAULT_CONFIG, as_json: JsonOption = False
) -> None:
    """Withdraw a record: it leaves every search, and its address says who withdrew it, when and why.

    Its versions stay in the log. To take it back, import it again with --reinstate.
    """
    settings = load(config)
    iri, texts = _record(record, settings), _reasons(reason, settings)
    position, _ = run(_ended(settings, lambda opened: opened.own.withdraw(iri, texts)))
    if as_json:
        print_json({"record": iri, "position": position})
        return
    out.print(f"{escape(iri)} is withdrawn (entry {position}). Peers follow with their next sync.", soft_wrap=True)


@app.command()
def erase(
    record: RecordArgument,
    reason: ReasonOption,
    config: ConfigOption = DEFAULT_CONFIG,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Erase every version of a record here and at every peer, for instance when a person asks for it (GDPR).

    This cannot be undone. The hash of each version stays, so that the log can still be checked.
    """
    settings = load(config)
    iri, texts = _record(record, settings), _reasons(reason, settings)
    if not yes:
        typer.confirm(f"Every version of {iri} will be deleted here and at every peer, for good. Go on?", abort=True)
    position, left = run(_ended(settings, lambda opened: opened.own.erase(iri, texts)))
    if as_json:
        print_json({"record": iri, "position": position, **({"warning": LEFT} if left else {})})
        return
    out.print(f"{escape(iri)} is erased (entry {position}).", soft_wrap=True)
    if left:
        out.print(f"[yellow]{LEFT}[/]", soft_wrap=True)
    out.print("`procirc erasures` shows which peers have followed. Backups made before still hold it: replace them.")


async def _ended(settings: Config, end: Callable[[node.Node], Awaitable[int]]) -> tuple[int, bool]:
    """Append an ending, and have it followed by the index; its position, and whether files still hold old text."""
    async with node.open_node(settings) as opened:
        position = await end(opened)
        shown = await follow(opened)
        return position, opened.store.soiled or not shown


@app.command()
def erasures(config: ConfigOption = DEFAULT_CONFIG, as_json: JsonOption = False) -> None:
    """The erasures of this node, and which peers have carried them out."""
    settings = load(config)
    rows = run(_erasures(settings))
    if as_json:
        print_json(rows)
        return
    if not rows:
        out.print("This node has erased nothing.")
        return
    grid = Grid(Column("record", overflow="fold"), "since", "done by", "not yet by", "overdue")
    for row in rows:
        names = (", ".join(row[which]) for which in ("done", "waiting", "overdue"))
        grid.add_row(escape(row["record"].removeprefix(f"{settings.base}/records/")), row["since"], *names)
    out.print(grid)
    if any(row["overdue"] for row in rows):
        out.print("[yellow]Overdue is what a peer has not followed in 72 hours: ask its coordinator.[/]")


async def _erasures(settings: Config) -> list[dict[str, Any]]:
    async with node.open_node(settings) as opened:
        found = await followed.erasures(opened.store, opened.log.id, await opened.peers(), opened.clock())
        return [asdict(each) for each in found]


def _record(text: str, settings: Config) -> str:
    kind, slash, slug = text.removeprefix(f"{settings.base}/records/").partition("/")
    if not (slash and SLUG.fullmatch(kind) and SLUG.fullmatch(slug)):
        raise InvalidRequest(f"{text!r} does not name a record.", remedy="Write its kind and slug: pilot/old-mill.")
    return f"{settings.base}/records/{kind}/{slug}"


def _reasons(given: list[str], settings: Config) -> dict[str, str]:
    texts: dict[str, str] = {}
    for each in given:
        tag, equals, text = each.partition("=")
        if equals and tag in LANGUAGES:
            texts[tag] = text
        elif equals and _TAG.fullmatch(tag):
            # It would stand before the reason for good: what is published of an ending cannot be corrected.
            raise InvalidRequest(
                f"{tag!r} is no language of this program.", remedy=f"Write one of {', '.join(LANGUAGES)} before the =."
            )
        else:
            texts[settings.language] = each
    return texts
