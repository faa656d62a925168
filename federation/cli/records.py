"""Commands that bring records in, take them out and find them."""

from __future__ import annotations

import os
import sys
from collections import Counter
from collections.abc import Collection
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape

from federation import exports, node
from federation.cli.commands import DEFAULT_CONFIG, ConfigOption, JsonOption, app, follow, load, run
from federation.communities import Communities
from federation.errors import Exit, Fault, InvalidRequest, InvalidTable
from federation.exchange.documents import drafts_in
from federation.exchange.files import File, drafts_of
from federation.publish import Outcome
from federation.records import jsonld
from federation.records.draft import Draft
from federation.records.kinds import LANGUAGES, Vocabulary
from federation.records.values import nearest
from federation.records.years import FIRST, LAST, Years
from federation.search import Found, Request, Search
from federation.terminal import out, progress_bar, show_hits, show_outcome, show_plan

ReinstateOption = Annotated[
    bool, typer.Option("--reinstate", help="Publish records again that were withdrawn or erased.")
]


@app.command("import")
def import_(
    files: Annotated[
        list[Path],
        typer.Argument(
            help="Spreadsheets (csv, xlsx) named after a kind, drafts (json, jsonld, ttl), notices (OCDS, eForms), or "
            "a folder of CSV files as `procirc export` writes it."
        ),
    ],
    config: ConfigOption = DEFAULT_CONFIG,
    kind: Annotated[str, typer.Option(help="The kind of record, where the file name does not say it.")] = "",
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show what would happen to each record; write nothing.")
    ] = False,
    skip_faulty: Annotated[bool, typer.Option("--skip-faulty", help="Leave faulty rows out, import the rest.")] = False,
    reinstate: ReinstateOption = False,
    as_json: JsonOption = False,
) -> None:
    """Import records: read, validate, sign and publish. One faulty row stops all, unless you say otherwise.

    Rows that say what is published already are left alone, so importing twice does no harm.
    """
    settings = load(config)
    paths = [each for path in files for each in _in_folder(path)]
    twice = {name for name, times in Counter(path.name for path in paths).items() if times > 1}
    read = [_file(path, kind, full=path.name in twice) for path in paths]

    async def work() -> tuple[list[Draft], Outcome]:
        async with node.open_node(settings) as opened:
            _check_kind(kind, opened.workers.tools.vocabulary)
            drafts, faults = drafts_of(read, opened.workers.tools.vocabulary, settings.naming)
            if skip_faulty:
                # Where a column cannot be read, every row lacks what stands in it.
                broken = {fault.file for fault in faults if fault.row == 1 and fault.severity == "violation"}
                drafts = [each for each in drafts if each.place.file not in broken]
            refused = not skip_faulty and any(fault.severity == "violation" for fault in faults)
            # Everything that is wrong is listed at once: what the rows say as well.
            only_look = dry_run or refused
            skip = skip_faulty or only_look
            outcome = await _publish(opened, drafts, faults, dry_run=only_look, skip_faulty=skip, reinstate=reinstate)
            if refused and not dry_run:
                raise InvalidTable(
                    "The tables have faults; nothing was imported.",
                    remedy="Correct them, or use --skip-faulty to import the other rows.",
                    faults=[fault for fault in outcome.faults if fault.severity == "violation"],
                )
            return drafts, outcome

    drafts, outcome = run(work())
    wrong = any(fault.severity == "violation" for fault in outcome.faults)
    if dry_run and not as_json:
        show_plan(drafts, outcome, settings.naming, nothing=wrong and not skip_faulty)
    else:
        show_outcome(outcome, dry_run=dry_run, as_json=as_json)
    if wrong and not skip_faulty:
        raise typer.Exit(int(Exit.INVALID_INPUT))


def _in_folder(path: Path) -> list[Path]:
    """The CSV files of a folder; what is none stays as it is."""
    if not path.is_dir():
        return [path]
    found = sorted(path.glob("*.csv"))
    if not found:
        raise InvalidTable(f"There is no CSV file in {path}.", remedy="Name the files, or another folder.")
    return found


def _file(path: Path, kind: str, *, full: bool) -> File:
    # Faults quote the name, which need not be UTF-8; two files of one name are told apart by their folders.
    name = os.fsencode(path if full else path.name).decode("utf-8", "replace")
    try:
        return File(name, path.read_bytes(), kind)
    except OSError as error:
        raise InvalidTable(f"{path} cannot be read: {error.strerror}.", remedy="Check the path.") from error


def _check_kind(kind: str, vocabulary: Vocabulary) -> None:
    known = [each.name for each in vocabulary.authored]
    if kind and kind not in known:
        raise typer.BadParameter(f"{kind!r} is no kind of record; {_perhaps(kind, known)}", param_hint="--kind")


async def _publish(
    opened: node.Node, drafts: list[Draft], faults: list[Fault], *, dry_run: bool, skip_faulty: bool, reinstate: bool
) -> Outcome:
    # A column that is missing was named once; every row would say so again.
    missing = {(fault.file, fault.field) for fault in faults if fault.row == 1 and not fault.column}
    with progress_bar() as bar:
        task = bar.add_task("Checking" if dry_run else "Publishing", total=len(drafts))
        outcome = await opened.publisher.publish(
            drafts,
            skip_faulty=skip_faulty,
            dry_run=dry_run,
            reinstate=reinstate,
            progress=lambda count: bar.advance(task, count),
        )
        rest = [fault for fault in outcome.faults if (fault.file, fault.field) not in missing]
        outcome.faults = [*faults, *rest]
        if outcome.published and not dry_run:
            bar.update(task, description="Indexing")
            await follow(opened)
    return outcome


@app.command()
def export(
    path: Annotated[Path, typer.Argument(help="A workbook (.xlsx), one table (.csv), or a folder for CSV files.")],
    config: ConfigOption = DEFAULT_CONFIG,
    kind: Annotated[list[str] | None, typer.Option(help="A kind of record; repeatable. All of them if none.")] = None,
    template: Annotated[
        list[str] | None, typer.Option(help="An empty table to fill in, of this kind; repeatable, or all.")
    ] = None,
    language: Annotated[str, typer.Option("--lang", help="Headers and help in: en nl fr de da sv nb.")] = "",
    force: Annotated[bool, typer.Option("--force", help="Write over files that are there.")] = False,
) -> None:
    """Write this node's records as spreadsheets, or empty ones to fill in; `procirc import` reads them back.

    Importing what was exported changes nothing. Workbooks have headers, help and lists of codes in your language.
    """
    settings = load(config)
    if language and language not in LANGUAGES:
        raise typer.BadParameter(f"{language!r} is not one of {', '.join(LANGUAGES)}.", param_hint="--lang")
    if kind and template:
        raise typer.BadParameter("A template is empty: choose --kind or --template.")
    written, records = run(exports.write(settings, path, kind or [], template or [], language, force=force))
    said = "Empty tables to fill in" if template else f"{records} record(s)"
    out.print(f"{said} written to {', '.join(escape(str(each)) for each in written)}.", highlight=False, soft_wrap=True)


@app.command()
def publish(
    files: Annotated[list[Path], typer.Argument(help="JSON files with one draft or a list of drafts; - for stdin.")],
    config: ConfigOption = DEFAULT_CONFIG,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Validate only.")] = False,
    reinstate: ReinstateOption = False,
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
        drafts += drafts_in(_json(data, path), str(path))

    async def work() -> Outcome:
        async with node.open_node(settings) as opened:
            return await _publish(opened, drafts, [], dry_run=dry_run, skip_faulty=False, reinstate=reinstate)

    outcome = run(work())
    show_outcome(outcome, dry_run=dry_run, as_json=as_json)
    if outcome.rejected:
        raise typer.Exit(int(Exit.INVALID_INPUT))


def _json(data: bytes, path: Path) -> Any:
    try:
        return jsonld.loads(data)
    except InvalidRequest as error:
        is_table = path.suffix.lower() in (".csv", ".tsv", ".xlsx")
        remedy = f"A table is published with `procirc import {path}`." if is_table else error.remedy
        raise InvalidRequest(f"{path}: {error}", remedy=remedy) from error


@app.command()
def search(
    words: Annotated[list[str] | None, typer.Argument(help="What you are looking for, in your own words.")] = None,
    config: ConfigOption = DEFAULT_CONFIG,
    language: Annotated[str, typer.Option("--lang", help="Your language: en nl fr de da sv nb.")] = "",
    where: Annotated[
        list[str] | None, typer.Option("--where", "-w", help="A filter such as kind=pilot or country=DK; repeatable.")
    ] = None,
    community: Annotated[
        str, typer.Option(help="Stay inside a community of practice: its slug, or node/slug of a peer's.")
    ] = "",
    first: Annotated[int | None, typer.Option("--from", min=FIRST, max=LAST, help="The first year.")] = None,
    last: Annotated[int | None, typer.Option("--to", min=FIRST, max=LAST, help="The last year.")] = None,
    open_: Annotated[bool, typer.Option("--open", help="Only opportunities that are open today.")] = False,
    limit: Annotated[int, typer.Option(min=1, max=100)] = 10,
    as_json: JsonOption = False,
) -> None:
    """Search every region's records, and see why each was found.

    A minus leaves a word out, quotes keep words together: procirc search '"product as a service" desks -oak'.
    """
    settings = load(config)
    if language and language not in LANGUAGES:
        raise typer.BadParameter(f"{language!r} is not one of {', '.join(LANGUAGES)}.", param_hint="--lang")
    years = Years(first, last)
    if years.backwards:
        raise typer.BadParameter(f"There is no year from {first} to {last}. Exchange the two.", param_hint="--from")

    async def work() -> Found:
        async with node.open_node(settings) as opened:
            await opened.follower.catch_up()
            filters = years.narrow(_filters(where or [], opened.search))
            known = Communities(opened.store, opened.search, opened.workers.tools.vocabulary)
            scope = (await known.named(community)).scope if community else None
            today = opened.clock().date() if open_ else None
            spoken = language or settings.language
            wanted = Request(" ".join(words or ()), spoken, filters, limit=limit, scope=scope, open_on=today)
            return await opened.search.search(wanted)

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


def _perhaps(text: str, known: Collection[str]) -> str:
    near = nearest(text, known)
    return f"did you mean {near[0]}?" if near else f"known are {', '.join(tuple(known)[:40])}."
