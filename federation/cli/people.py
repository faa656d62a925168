"""Commands about the people of a node, and what only they may see."""

from __future__ import annotations

import secrets
import sys
from collections.abc import Awaitable, Callable
from typing import Annotated, Final

import typer
from rich.markup import escape
from rich.table import Table as Grid

from federation.cli.commands import DEFAULT_CONFIG, ConfigOption, JsonOption, app, load, run
from federation.config import Config
from federation.errors import InvalidRequest, NotFound
from federation.log.times import timestamp
from federation.node import now
from federation.store.engine import url_of
from federation.store.in_house import InHouse
from federation.store.store import open_store
from federation.terminal import out, print_json
from federation.web.sessions import hashed

Work = Callable[[InHouse], Awaitable[None]]
MIN_PASSWORD: Final = 12
accounts_app = typer.Typer(help="People who may log in and see what is not published.", no_args_is_help=True)
app.add_typer(accounts_app, name="accounts")
Name = Annotated[str, typer.Argument(help="The name to log in with.")]


@accounts_app.command("add")
def accounts_add(
    name: Name,
    config: ConfigOption = DEFAULT_CONFIG,
    from_stdin: Annotated[
        bool, typer.Option("--password-stdin", help="Read the password from standard input.")
    ] = False,
) -> None:
    """Let somebody log in. A password is made and shown once, unless you give one."""
    settings = load(config)
    password = sys.stdin.readline().rstrip("\n") if from_stdin else secrets.token_urlsafe(15)
    if len(password) < MIN_PASSWORD:
        raise InvalidRequest(f"The password has fewer than {MIN_PASSWORD} characters.", remedy="Choose a longer one.")
    if not name.isprintable() or not 0 < len(name) <= 100:
        raise InvalidRequest("A name has 1 to 100 printable characters.")

    async def work(in_house: InHouse) -> None:
        await in_house.add_account(name, hashed(password), created=timestamp(now()))

    _with(settings, work)
    out.print(f"{escape(name)} can log in.", highlight=False)
    if not from_stdin:
        out.print(f"  password  [bold]{escape(password)}[/]  (shown this once)", highlight=False)


@accounts_app.command("list")
def accounts_list(config: ConfigOption = DEFAULT_CONFIG, as_json: JsonOption = False) -> None:
    """Who may log in."""
    found: list[tuple[str, str]] = []

    async def work(in_house: InHouse) -> None:
        found.extend(await in_house.accounts())

    _with(load(config), work)
    if as_json:
        print_json([{"name": name, "created": created} for name, created in found])
        return
    if not found:
        out.print("Nobody can log in yet. Add somebody with `procirc accounts add NAME`.")
        return
    grid = Grid("name", "since")
    for name, created in found:
        grid.add_row(escape(name), created)
    out.print(grid)


@accounts_app.command("remove")
def accounts_remove(name: Name, config: ConfigOption = DEFAULT_CONFIG) -> None:
    """Let somebody log in no longer; their sessions end at once."""

    async def work(in_house: InHouse) -> None:
        await in_house.remove_account(name)

    _with(load(config), work)
    out.print(f"{escape(name)} can no longer log in.", highlight=False)


@app.command()
def restricted(
    record: Annotated[str, typer.Argument(help="A record of this node, such as good-practice/our-deal.")],
    config: ConfigOption = DEFAULT_CONFIG,
    forget: Annotated[bool, typer.Option("--forget", help="Delete what is kept.")] = False,
    as_json: JsonOption = False,
) -> None:
    """What is kept of a record for people of this node alone: expert opinion, contact. Import sets it."""
    settings = load(config)
    kind, _, slug = record.partition("/")
    iri = record if "://" in record else settings.naming.record(kind, slug)
    found: dict[tuple[str, str], str] = {}

    async def work(in_house: InHouse) -> None:
        found.update(await in_house.texts(iri))
        if forget and not found:
            raise NotFound(f"Nothing is kept of {iri}.", remedy="Check the spelling of its kind and slug.")
        if forget:
            await in_house.forget(iri)

    _with(settings, work)
    if as_json:
        print_json([{"field": field, "lang": tag, "text": text} for (field, tag), text in sorted(found.items())])
    elif forget:
        out.print(f"{len(found)} text(s) deleted.")
    elif not found:
        out.print(f"Nothing is kept of {escape(iri)}.", highlight=False)
    else:
        for (field, tag), text in sorted(found.items()):
            out.print(f"{field} ({tag}): {escape(text)}", highlight=False, soft_wrap=True)


def _with(settings: Config, work: Work) -> None:
    async def opened() -> None:
        async with open_store(settings.database or url_of(settings.data), of=settings.did) as store:
            await work(store.in_house)

    run(opened())
