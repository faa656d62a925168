"""Commands that bring records in, take them out and find them."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from federation import node
from federation.cli.commands import DEFAULT_CONFIG, ConfigOption, JsonOption, app, load, run
from federation.errors import Exit, Fault, InvalidTable
from federation.publish import Outcome
from federation.records import jsonld, tables
from federation.records.draft import Draft
from federation.records.kinds import LANGUAGES
from federation.records.tables import Table
from federation.records.values import nearest
from federation.search import Found, Request, Search
from federation.terminal import progress_bar, show_hits, show_outcome
from federation.web.api import drafts_in


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
    settings = load(config)
    read = [_read_table(path, kind) for path in files]

    async def work() -> Outcome:
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

    outcome = run(work())
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
    settings = load(config)
    drafts: list[Draft] = []
    for path in files:
        try:
            data = sys.stdin.buffer.read() if str(path) == "-" else path.read_bytes()
        except OSError as error:
            raise InvalidTable(f"{path} cannot be read: {error.strerror}.") from error
        drafts += drafts_in(jsonld.loads(data), str(path))

    async def work() -> Outcome:
        async with node.open_node(settings) as opened:
            return await _publish(opened, drafts, [], dry_run, skip_faulty=False)

    outcome = run(work())
    show_outcome(outcome, dry_run, as_json)
    if outcome.rejected:
        raise typer.Exit(int(Exit.INVALID_INPUT))


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
    settings = load(config)
    if language and language not in LANGUAGES:
        raise typer.BadParameter(f"{language!r} is not one of {', '.join(LANGUAGES)}.", param_hint="--lang")

    async def work() -> Found:
        async with node.open_node(settings) as opened:
            await opened.follower.catch_up()
            filters = _filters(where or [], opened.search)
            return await opened.search.search(Request(text, language or settings.language, filters, limit))

    show_hits(run(work()), as_json)


def _filters(where: list[str], search: Search) -> dict[str, tuple[str, ...]]:
    filters: dict[str, tuple[str, ...]] = {}
    for each in where:
        name, equals, value = each.partition("=")
        if not equals or name not in search.facets:
            raise typer.BadParameter(f"{each!r} is not a filter. Write name=value; {_perhaps(name, search.facets)}")
        values = search.possible(name)
        if values and value not in values:
            raise typer.BadParameter(f"{value!r} is no {name}; {_perhaps(value, values)}")
        filters[name] = (*filters.get(name, ()), value)
    return filters


def _perhaps(text: str, known: Sequence[str]) -> str:
    near = nearest(text, known)
    return f"did you mean {near[0]}?" if near else f"known are {', '.join(known[:40])}."
