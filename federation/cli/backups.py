"""Commands that put a node into one file, and back."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer
from rich.markup import escape

from federation import backups
from federation.archive import KEYS, Tick
from federation.backups import Restored
from federation.cli.commands import DEFAULT_CONFIG, ConfigOption, JsonOption, app, load, run
from federation.node import now
from federation.terminal import out, print_json, progress_bar

R = TypeVar("R")


@app.command()
def backup(
    file: Annotated[Path, typer.Argument(help="The file to write, such as node.tar.gz.", metavar="OUT")],
    config: ConfigOption = DEFAULT_CONFIG,
    keys: Annotated[bool, typer.Option("--keys", help="With the private keys: the file is then a secret.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Write everything that makes this node into one file. The node may be running and publishing meanwhile."""
    settings = load(config)
    manifest = _shown(lambda tick: backups.write(settings, file, keys=keys, now=now(), progress=tick))
    size = file.stat().st_size
    if as_json:
        said = manifest.model_dump(include={"did", "size", "root", "peers", "time"})
        print_json({"file": str(file), "bytes": size, "keys": keys, **said})
        return
    _say(
        f"{escape(settings.name)} is in {escape(str(file))}: {manifest.size:,} entries of its own log, {size:,} bytes."
    )
    _say(f"  root  {manifest.root}")
    if keys:
        _say(
            "  [yellow]The private keys are in it: whoever reads it can sign in this node's name.[/] "
            "Keep it in a safe, off this machine and in no cloud folder."
        )
        _say("  The next key, which replaces the record key one day, is not in it: that one belongs in another safe.")
    else:
        _say("  The private keys are not in it. Keep a copy of the folder keys apart, or use --keys.")
        _say("  Keep it where only you can read it: what you do not publish and the passwords' hashes are in it.")
    _say(f"  See that it restores: procirc restore {escape(str(file))} --check")


@app.command()
def restore(
    file: Annotated[Path, typer.Argument(help="A file that `procirc backup` wrote.")],
    config: ConfigOption = DEFAULT_CONFIG,
    check: Annotated[bool, typer.Option("--check", help="Only prove that it restores; change nothing.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Verify a backup (every hash, Merkle root, checkpoint and signature) and make it the data directory."""
    settings = load(config)
    done = _shown(lambda tick: backups.restore(file, settings, check=check, now=now(), progress=tick))
    if as_json:
        print_json(_document(done, restored=not check))
        return
    _say("[bold green]The backup restores.[/]" if check else f"Restored to {escape(str(settings.data))}.")
    _say(f"  made   {done.manifest.time}, {_age(done.age)} ago")
    for each in done.logs:
        erased = f", {each.erased:,} of them erased" if each.erased else ""
        _say(f"  {escape(each.name)}: {each.entries:,} entries{erased}, root {each.root}")
    if check:
        _say(f"  The private keys are {'' if done.manifest.has_keys else 'not '}in it.")
    if done.lacks_keys:
        folder = escape(str(settings.data / KEYS))
        _say(f"  {escape(done.lacks_keys)}")
        _say(f"  [yellow]Put record.key and log.key back into {folder}[/] (chmod 600) before you start the node.")
    if not check:
        _say("  Peers may hold entries that were published after the backup; start the node while they can be reached.")


def _shown(work: Callable[[Tick], Coroutine[Any, Any, R]]) -> R:
    with progress_bar() as bar:
        task = bar.add_task("Reading", total=None)
        return run(
            work(lambda what, done, total: bar.update(task, description=what, completed=done, total=total or None))
        )


def _say(text: str) -> None:
    out.print(text, highlight=False, soft_wrap=True)


def _document(done: Restored, *, restored: bool) -> dict[str, Any]:
    own = done.logs[0]
    return {
        "restored": restored,
        "did": own.did,
        "entries": own.entries,
        "root": own.root,
        "time": done.manifest.time,
        "age": int(done.age),
        "keys": done.manifest.has_keys,
        "lacks_keys": done.lacks_keys,
        "logs": [each._asdict() for each in done.logs],
    }


def _age(seconds: float) -> str:
    """Some seconds in the largest unit that fits."""
    for unit, length in (("day", 86_400), ("hour", 3600), ("minute", 60)):
        if seconds >= length:
            count = int(seconds // length)
            return f"{count} {unit}{'s' * (count > 1)}"
    return "less than a minute"
