"""What the command line prints: outcomes and hits on standard output, progress and problems on standard error."""

from __future__ import annotations

import logging
import sys
from collections import Counter
from collections.abc import Sequence
from typing import Any, Final

import orjson
import structlog
from aiohttp.http_exceptions import BadHttpMessage
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn
from rich.table import Table as Grid

from federation.errors import Fault, FederationError
from federation.index.marking import plain_text
from federation.publish import Outcome
from federation.records.draft import Draft
from federation.records.shapes import EMPTY
from federation.records.values import Naming
from federation.search import Found

out: Final = Console()
err: Final = Console(stderr=True)
MAX_PLAN: Final = 200
"""Rows of a plan that are printed; the counts are of all."""


def explain(error: FederationError, *, as_json: bool = False) -> None:
    """Say what went wrong, on standard error; as a JSON document on standard output where a program asked."""
    if as_json:
        print_json({"error": error.as_dict()})
        return
    err.print(f"[bold red]{escape(error.title)}.[/] {escape(error.detail)}", highlight=False, soft_wrap=True)
    show_faults(error.faults)
    if error.remedy:
        err.print(f"[green]→[/] {escape(error.remedy)}", highlight=False, soft_wrap=True)


def show_faults(faults: Sequence[Fault], *, language: str = "en", most: int = 100) -> None:
    for fault in faults[:most]:
        colour = "red" if fault.severity == "violation" else "yellow"
        place = f"{fault.place}: " if fault.place else ""
        message, remedy = fault.said(language)
        err.print(f"  [{colour}]•[/] {escape(place)}{escape(message)}", highlight=False, soft_wrap=True)
        if remedy:
            err.print(f"    [green]→[/] {escape(remedy)}", highlight=False, soft_wrap=True)
    if len(faults) > most:
        err.print(f"  … and {len(faults) - most} more.")


def set_up_logging(form: str) -> None:
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
    logging.getLogger("aiohttp.server").addFilter(_not_a_client)


def _not_a_client(record: logging.LogRecord) -> bool:
    """A client that does not speak HTTP has had its 400; a traceback would only fill the log."""
    return not (record.exc_info and isinstance(record.exc_info[1], BadHttpMessage))


def progress_bar() -> Progress:
    return Progress(
        SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(),
        console=err, transient=True,
    )  # fmt: skip


def print_json(document: Any) -> None:
    print(orjson.dumps(document, option=orjson.OPT_INDENT_2).decode())


def show_outcome(outcome: Outcome, *, dry_run: bool, as_json: bool) -> None:
    new = len(outcome.published) - len(outcome.updates)
    if as_json:
        print_json(
            {
                "dry_run": dry_run,
                "new": new,
                "updated": len(outcome.updates),
                "unchanged": len(outcome.unchanged),
                "rejected": outcome.rejected,
                "not_published": len(outcome.in_house),
                "faults": [fault.as_dict() for fault in outcome.faults],
            }
        )
        return
    violations = [fault for fault in outcome.faults if fault.severity == "violation"]
    show_faults([*violations, *_left_out(outcome)])
    _say_more(outcome)
    _say_in_house(outcome, dry_run=dry_run)
    out.print(
        f"{new} new, {len(outcome.updates)} updated and {len(outcome.unchanged)} unchanged record(s) "
        f"{'would be ' if dry_run else ''}published; {outcome.rejected} refused; {_to_fill_in(outcome)}."
    )


def _left_out(outcome: Outcome) -> list[Fault]:
    """Warnings, but those of fields that could be filled in; the first of those that say the same of a field."""
    found: dict[tuple[str, str], Fault] = {}
    for fault in outcome.faults:
        if fault.severity == "warning" and not _is_empty(fault):
            found.setdefault((fault.message, fault.field.rpartition(".")[2]), fault)
    return list(found.values())


def _say_more(outcome: Outcome) -> None:
    every = sum(fault.severity == "warning" and not _is_empty(fault) for fault in outcome.faults)
    more = every - len(_left_out(outcome))
    if more:
        err.print(f"  … and {more} more like these; --json lists every one.")


def _is_empty(fault: Fault) -> bool:
    return fault.message == EMPTY


def _to_fill_in(outcome: Outcome) -> str:
    """How many fields are empty on which readers filter, and which."""
    empty = Counter(
        fault.field.rpartition(".")[2] for fault in outcome.faults if fault.severity == "warning" and _is_empty(fault)
    )
    said = f"{empty.total()} field(s) worth filling in"
    return f"{said}: {', '.join(f'{name} ({count})' for name, count in sorted(empty.items()))}" if empty else said


def _say_in_house(outcome: Outcome, *, dry_run: bool) -> None:
    if outcome.in_house:
        would = "would change" if dry_run else "changed"
        out.print(f"Of {len(outcome.in_house)} record(s) the part that is not published {would}.")


def show_plan(drafts: Sequence[Draft], outcome: Outcome, naming: Naming, *, nothing: bool) -> None:
    """What an import would do to each record, with the cell and the reason where one is faulty."""
    violations = [fault for fault in outcome.faults if fault.severity == "violation"]
    published, unchanged = {iri for iri, _ in outcome.published}, set(outcome.unchanged)
    grid = Grid("where", "record", "what", "why", box=None, pad_edge=False)
    counts = Counter[str]()
    for each in drafts:
        iri = naming.record(each.kind, str(each.slug))
        known = "unchanged" if iri in unchanged else "changed" if iri in outcome.updates else "new"
        what = known if iri in published or iri in unchanged else "faulty"
        counts[what] += 1
        if what != "unchanged" and grid.row_count < MAX_PLAN:
            row = f", row {each.place.row}" if each.place.row else ""
            grid.add_row(escape(f"{each.place.file}{row}"), escape(f"{each.kind}/{each.slug}"), what, "")
    for fault in violations[:MAX_PLAN]:
        grid.add_row(escape(fault.place), "", "[red]fault[/]", escape(f"{fault.message} {fault.remedy}"))
    out.print(grid)
    show_faults(_left_out(outcome))
    _say_more(outcome)
    _say_in_house(outcome, dry_run=True)
    out.print(", ".join(f"{counts[what]} {what}" for what in ("new", "changed", "unchanged", "faulty")) + ".")
    if any(fault.severity == "warning" and _is_empty(fault) for fault in outcome.faults):
        out.print(f"{_to_fill_in(outcome)}.")
    out.print("Nothing would be imported until the faults are corrected." if nothing else "Nothing was written.")


def show_hits(found: Found, as_json: bool) -> None:
    if as_json:
        items = [
            {
                "id": hit.id,
                "kind": hit.kind,
                "node": hit.node,
                "title": {"lang": hit.title[0], "value": plain_text(hit.title[1])},
                "score": hit.score,
                "because": [each.as_dict() for each in hit.because],
            }
            for hit in found.hits
        ]
        told = {"total": found.total, "exact": found.exact, "items": items, "suggestion": found.suggestion}
        print_json({**told, "took_ms": found.took_ms})
        return
    if found.suggestion:
        out.print(f"Did you mean: [bold]{escape(found.suggestion)}[/]", highlight=False)
    if not found.total:
        out.print("Nothing found. Try fewer or more general words.")
        return
    if not found.exact:
        out.print("No record has all of what you asked for; these come nearest.")
    for number, hit in enumerate(found.hits, 1):
        why = "; ".join(
            f"{b.word} {'≈' if b.how == 'like' else '='} {b.match} ({b.language})"
            if b.match
            else f"{b.word} → {b.label}"
            for b in hit.because
        )
        out.print(
            f"{number:>3}. [bold]{escape(plain_text(hit.title[1]))}[/] [cyan]\\[{hit.title[0]}][/]", highlight=False
        )
        out.print(f"     {hit.kind} · {hit.node} · [dim]{escape(hit.id)}[/]", highlight=False, soft_wrap=True)
        if why:
            out.print(f"     [green]because[/] {escape(why)}", highlight=False, soft_wrap=True)
    out.print(f"{found.total} record(s), {found.took_ms} ms")
