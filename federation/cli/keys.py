"""Commands about the keys a node signs with."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from federation import custody, node
from federation.cli.commands import DEFAULT_CONFIG, ConfigOption, JsonOption, app, follow, load, run
from federation.config import Config
from federation.custody import Changed
from federation.terminal import out, print_json

keys_app = typer.Typer(help="The keys this node signs with.", no_args_is_help=True)
app.add_typer(keys_app, name="keys")
YesOption = Annotated[bool, typer.Option("--yes", help="Do not ask.")]


@keys_app.command("show")
def show(config: ConfigOption = DEFAULT_CONFIG, as_json: JsonOption = False) -> None:
    """The public keys of this node and its fingerprint; never a private one."""
    settings = load(config)

    async def work() -> dict[str, object]:
        async with node.open_node(settings) as opened:
            return await custody.shown(opened)

    found = run(work())
    if as_json:
        print_json(found)
        return
    for name, value in found.items():
        out.print(f"{name:<26} {escape(str(value))}", highlight=False, soft_wrap=True)


@keys_app.command("export")
def export(
    target: Annotated[Path, typer.Argument(help="A file or folder on a stick or other medium for a safe.")],
    config: ConfigOption = DEFAULT_CONFIG,
    keep: Annotated[bool, typer.Option("--keep", help="Leave it on this machine as well.")] = False,
) -> None:
    """Write the next key, with which you can change keys one day, to a medium for a safe, and take it off here."""
    settings = load(config)

    async def work() -> Path:
        async with node.open_node(settings) as opened:
            return await custody.export(opened, target, keep=keep)

    path = run(work())
    out.print(f"The next key is in {escape(str(path))}, and was read back. Put it into a safe.", soft_wrap=True)


@keys_app.command("rotate")
def rotate(
    config: ConfigOption = DEFAULT_CONFIG,
    next_key: Annotated[
        Path | None, typer.Option("--next", help="The file of the next key, from your safe; otherwise the one here.")
    ] = None,
    compromised_from: Annotated[
        int | None,
        typer.Option(
            min=1, help="Position in the log from which the old key was in wrong hands: what it signed since is hidden."
        ),
    ] = None,
    yes: YesOption = False,
) -> None:
    """Change keys: put the next key in force and announce another one. Peers follow by themselves."""
    settings = load(config)
    if compromised_from is None:
        _ask("The next key comes into force, and another one has to go into your safe. Go on?", yes)
    else:
        _ask(f"Everything this node signed from position {compromised_from} on will be hidden everywhere. Go on?", yes)
    changed = run(_rotated(settings, next_key, compromised_from))
    out.print(
        f"New keys are in force from entry {changed.position} on. A running node uses them at once; "
        "other machines that serve it, if there are any, need a copy of its folder keys."
    )
    _safe(changed)


async def _rotated(settings: Config, next_key: Path | None, compromised_from: int | None) -> Changed:
    async with node.open_node(settings) as opened:
        changed = await custody.rotate(opened, next_key, compromised_from=compromised_from)
        await follow(opened)
        return changed


@keys_app.command("recover")
def recover(config: ConfigOption = DEFAULT_CONFIG, yes: YesOption = False) -> None:
    """Go on with new keys after the record key and the next key were both lost.

    Every peer stops following until its coordinator has confirmed the new fingerprint.
    """
    settings = load(config)
    _ask("Only if the next key is lost too: every peer will have to confirm the new keys by telephone. Go on?", yes)

    async def work() -> Changed:
        async with node.open_node(settings, keyless=True) as opened:
            return await custody.recover(opened)

    changed = run(work())
    out.print(f"New keys are in force from entry {changed.position} on.")
    out.print(f"  fingerprint  [bold]{changed.fingerprint}[/]  (read it out to the coordinators of your peers)")
    _safe(changed)


def _ask(question: str, yes: bool) -> None:
    if not yes:
        typer.confirm(question, abort=True)


def _safe(changed: Changed) -> None:
    out.print(
        f"[yellow]Now put the new next key into a safe:[/] procirc keys export MEDIUM "
        f"(it lies in {escape(str(changed.next_key))}).",
        soft_wrap=True,
    )
