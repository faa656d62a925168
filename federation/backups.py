"""A node in one file and back: ``procirc backup`` and ``procirc restore``.

A backup is taken while the node serves and publishes: SQLite copies one state of the database into a
new file, which holds no freed pages and so nothing that was deleted. A restore believes nothing of
the file: it unpacks beside the data directory, adds every Merkle tree up anew, verifies checkpoints
and signatures, and only then puts anything in place. What a peer is told by a node that was restored
is not decided here; the file ``restored`` says that it was.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import sqlite3
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, TypeVar

import orjson
import sqlalchemy as sa

from federation import __version__, archive
from federation.archive import DATABASE, KEYS, SECRETS, Manifest, Tick
from federation.audits import Audited, audit, check_file
from federation.config import Config
from federation.errors import (
    AlreadyExists,
    InvalidRequest,
    KeyMissing,
    Misconfigured,
    NotAcceptable,
    StorageFailed,
    not_set_up,
)
from federation.guard import RESTORED
from federation.log.keys import KIND as KEY_EVENT
from federation.log.keys import Declaration, Keys, declared, next_key_hash
from federation.log.merkle import Frontier
from federation.log.times import timestamp
from federation.node import keyring
from federation.records.multikey import encode_public
from federation.store.engine import BUSY_MS, is_empty, url_of
from federation.store.files import give_name, runs, sync_folder
from federation.store.keyfiles import Keyring

_WORKSHOP: Final = ".procirc-"
_INDEX: Final = "index"
_STEPS: Final = 20_000
"""Instructions of SQLite between two looks at how far it is: some milliseconds."""
R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class Restored:
    """What a backup holds and proves; ``age`` is in seconds."""

    manifest: Manifest
    logs: tuple[Audited, ...]
    age: float
    lacks_keys: str = ""
    """Why the restored node cannot sign yet: a sentence, empty where it can."""


@dataclass(frozen=True, slots=True)
class _Copied:
    """What a copied database says of its node."""

    did: str
    base: str
    name: str
    tree: Frontier
    checkpoint: str
    peers: dict[str, int]
    declared: Declaration


# Taking a backup


async def write(config: Config, out: Path, *, keys: bool, now: datetime, progress: Tick) -> Manifest:
    """Write a backup to ``out``, whole or not at all; what it holds.

    Raises AlreadyExists when there is such a file, NotAcceptable for a database that is not SQLite,
    Misconfigured for a node that was not set up, KeyMissing when ``keys`` are wanted and not there,
    StorageFailed when it cannot be read or written.
    """
    database = _database(config)
    return await _in_thread(lambda tick: _write(config, database, out, keys=keys, now=now, tick=tick), progress)


def _database(config: Config) -> Path:
    """The SQLite file of a node."""
    url = sa.make_url(config.database or url_of(config.data))
    if url.get_backend_name() != "sqlite" or not url.database:
        raise NotAcceptable(
            f"The database of this node is {url.get_backend_name()}; backup and restore are for SQLite files.",
            remedy="Copy the database with pg_dump (and back with pg_restore). Keep with it, from the data directory, "
            "api.token, session.key and the folder keys.",
        )
    return Path(url.database)


def _write(config: Config, database: Path, out: Path, *, keys: bool, now: datetime, tick: Tick) -> Manifest:
    archive.refuse_existing(out)
    if not out.parent.is_dir():
        raise InvalidRequest(f"There is no folder {out.parent}.", remedy="Make it first, or write elsewhere.")
    if not database.exists():
        raise not_set_up()
    try:
        # Beside the target, where there is room for a backup; the folder is ours alone from its first moment.
        with _workshop("backup", out.parent) as made:
            folder = Path(made)
            _copy_database(database, folder / DATABASE, tick)
            copied = _read_copy(folder / DATABASE)
            names = [DATABASE, *(name for name in SECRETS if (config.data / name).exists())]
            names += _key_names(keyring(config), copied.declared) if keys else []
            for name in names[1:]:
                (folder / name).parent.mkdir(mode=0o700, exist_ok=True)
                shutil.copyfile(config.data / name, folder / name)
            manifest = _manifest(copied, archive.described(folder, names, tick), now)
            archive.pack(folder / "backup", folder, manifest, tick)
            archive.publish(folder / "backup", out)
            return manifest
    except OSError as error:
        raise StorageFailed(
            f"The backup cannot be written: {error}.", remedy="Write it to another folder or disk. Nothing was left."
        ) from error


def _workshop(what: str, place: Path) -> tempfile.TemporaryDirectory[str]:
    """A folder for a backup in the making, or one that is put back, removed with what is in it.

    Others there, of commands that were killed, are removed first: each holds a whole database, erased texts and private
    keys among it.
    """
    for folder in place.glob(f"{_WORKSHOP}{what}-*-*"):
        writer = folder.name.removeprefix(f"{_WORKSHOP}{what}-").partition("-")[0]
        if writer.isdecimal() and (int(writer) == os.getpid() or not runs(int(writer))):
            shutil.rmtree(folder, ignore_errors=True)
    return tempfile.TemporaryDirectory(prefix=f"{_WORKSHOP}{what}-{os.getpid()}-", dir=place)


def _copy_database(source: Path, target: Path, tick: Tick) -> None:
    """Copy one state of a database that may be in use; the copy holds its live rows and nothing else."""
    with closing(_connected(source, "rw")) as connection, _translated():
        pages, free, size = (
            int(connection.execute(f"PRAGMA {name}").fetchone()[0])
            for name in ("page_count", "freelist_count", "page_size")
        )

        def look() -> None:
            tick("Copying", target.stat().st_size if target.exists() else 0, (pages - free) * size)

        connection.set_progress_handler(look, _STEPS)
        # VACUUM INTO rather than the online backup API: that one copies freed pages with what was deleted in
        # them, and starts anew whenever another process writes.
        connection.execute("VACUUM INTO ?", (str(target),))


def _connected(path: Path, mode: str) -> sqlite3.Connection:
    # "rw" never makes a file; "ro" would leave the files of the write-ahead log of a stopped node behind.
    with _translated():
        address = f"{path.resolve().as_uri()}?mode={mode}"
        return sqlite3.connect(address, uri=True, timeout=BUSY_MS / 1000, isolation_level=None)


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as error:
        raise StorageFailed(
            f"The database refused: {error}.", remedy="Look at the disk and the permissions of both folders."
        ) from error


def _read_copy(copy: Path) -> _Copied:
    """Read what the manifest says. Without the store, which would migrate the copy."""
    with closing(_connected(copy, "ro")) as connection, _translated():
        connection.row_factory = sqlite3.Row
        if connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'log'").fetchone() is None:
            raise not_set_up()
        logs = connection.execute(
            "SELECT id, did, base, name, own, size, frontier, checkpoint FROM log ORDER BY did"
        ).fetchall()
        own = next((row for row in logs if row["own"] and row["size"]), None)
        if own is None:
            raise not_set_up()
        event = connection.execute(
            "SELECT body FROM entry WHERE log_id = ? AND kind = ? ORDER BY position DESC LIMIT 1",
            (own["id"], KEY_EVENT),
        ).fetchone()
    return _Copied(
        did=own["did"],
        base=own["base"],
        name=own["name"],
        tree=Frontier.decode(own["size"], own["frontier"]),
        checkpoint=own["checkpoint"],
        peers={row["did"]: row["size"] for row in logs if not row["own"]},
        declared=declared(event["body"] if event else ""),
    )


def _key_names(ring: Keyring, current: Declaration) -> list[str]:
    """The key files to take: all but that of the announced next key. Raises KeyMissing without those in force.

    Beside the record key, the next one would give a thief of the backup the keys of tomorrow as well.
    """
    ring.private(current.keys)
    public = {f"{KEYS}/{path.name}": _public(ring, path) for path in sorted(ring.folder.glob("*.key"))}
    names = [name for name, key in public.items() if next_key_hash(key) != current.next_hash]
    for name in names:
        if not archive.is_key(name):
            raise Misconfigured(
                f"The name of the key file {name} is not plain.", remedy="Use ASCII letters and digits."
            )
    return names


def _public(ring: Keyring, path: Path) -> str:
    return encode_public(ring.read(path).public_key())


def _manifest(copied: _Copied, members: dict[str, archive.Member], now: datetime) -> Manifest:
    return Manifest(
        program=__version__,
        did=copied.did,
        base=copied.base,
        name=copied.name,
        size=copied.tree.size,
        root=copied.tree.root.hex(),
        checkpoint=copied.checkpoint,
        peers=copied.peers,
        time=timestamp(now),
        members=members,
    )


# Putting one back


async def restore(file: Path, config: Config, *, check: bool, now: datetime, progress: Tick) -> Restored:
    """Prove that a backup restores; unless ``check``, put it in place as the data directory.

    Raises DamagedBackup for whatever does not hold, NewerData for a newer version's backup,
    Misconfigured for another node's, AlreadyExists where there is a database or a file that differs,
    StorageFailed. Whatever is raised, nothing of the backup is left behind.
    """
    if not check:
        _refuse_existing_data(config)
    try:
        with _workshop("restore", Path(tempfile.gettempdir()) if check else _beside(config.data)) as made:
            staged = Path(made) / "data"
            staged.mkdir(mode=0o750)
            manifest = await _in_thread(lambda tick: archive.unpack(file, staged, tick), progress)
            if manifest.did != config.did:
                raise Misconfigured(
                    f"The backup is of {manifest.did}, the configuration is of {config.did}.",
                    remedy="Use the configuration of the node that was backed up.",
                )
            await _in_thread(lambda tick: check_file(staged / DATABASE, tick), progress)
            logs = await audit(staged, manifest, keyring(config.model_copy(update={"data": staged})), progress)
            if not check:
                await _in_thread(lambda tick: _put_in_place(staged, config.data, manifest, now), progress)
    except OSError as error:
        raise StorageFailed(
            f"The backup cannot be put in place: {error}.", remedy="Look at the disk and the data directory."
        ) from error
    return Restored(
        manifest=manifest,
        logs=logs,
        age=(now - datetime.strptime(manifest.time, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)).total_seconds(),
        lacks_keys="" if check else await asyncio.to_thread(_lacking, keyring(config), logs[0].keys),
    )


def _lacking(ring: Keyring, keys: Keys | None) -> str:
    try:
        ring.private(keys)
    except KeyMissing as error:
        return error.detail
    return ""


def _refuse_existing_data(config: Config) -> None:
    if _database(config) != config.data / DATABASE:
        raise NotAcceptable(
            "The configuration keeps the database outside the data directory.",
            remedy="Leave `database` out, restore, and move the file afterwards.",
        )
    # Also what is left of one: SQLite would play another database's write-ahead log into the restored file.
    there = sorted(each.name for each in config.data.glob(f"{DATABASE}*"))
    if there and is_empty(config.data / DATABASE):
        for name in there:
            (config.data / name).unlink()
    elif there:
        raise AlreadyExists(
            f"The data directory {config.data} holds a database already ({', '.join(there)}); it is left as it is.",
            remedy="Stop the node and move these files away, or name another directory with `data`.",
        )


def _beside(data: Path) -> Path:
    """Where to unpack: on the same disk, so that the last step is a rename; inside where ``data`` is a mounted disk."""
    return next(each for each in (data, *data.absolute().parents) if each.is_dir())


def _put_in_place(staged: Path, data: Path, manifest: Manifest, now: datetime) -> None:
    left = [name for name in (f"{DATABASE}-wal", f"{DATABASE}-shm") if (staged / name).exists()]
    if left:
        raise StorageFailed(f"The restored database is still in use ({', '.join(left)}).", remedy="Try again.")
    (staged / DATABASE).chmod(0o600)
    marker = orjson.dumps({"time": timestamp(now), "size": manifest.size, "root": manifest.root})
    with os.fdopen(os.open(staged / RESTORED, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(marker + b"\n")
        file.flush()
        os.fsync(file.fileno())
    for folder in {(staged / name).parent for name in manifest.members}:
        sync_folder(folder)
    if data.exists():
        _fill(staged, data, manifest)
        return
    data.parent.mkdir(parents=True, exist_ok=True)
    os.rename(staged, data)
    sync_folder(data.parent)


def _fill(staged: Path, data: Path, manifest: Manifest) -> None:
    """Put files into a directory that is there, such as a mounted disk or one whose keys were kept.

    The database comes last: until then this is no node, and the restore can be run again.
    """
    names = [name for name in manifest.members if name != DATABASE]
    present = [name for name in names if os.path.lexists(data / name)]
    for name in present:
        if not (data / name).is_file() or (data / name).read_bytes() != (staged / name).read_bytes():
            raise AlreadyExists(
                f"{data / name} is there already and differs from the one in the backup.",
                remedy="Look which of them is right. If it is the backup's, move the other away.",
            )
    # Derived, and of another log: an index that is ahead would never be corrected.
    if (data / _INDEX).exists():
        shutil.rmtree(data / _INDEX)
    made: list[Path] = []
    try:
        if manifest.has_keys:
            (data / KEYS).mkdir(mode=0o700, exist_ok=True)
        os.replace(staged / RESTORED, data / RESTORED)
        made.append(data / RESTORED)
        for name in [*(each for each in names if each not in present), DATABASE]:
            give_name(staged / name, data / name)
            made.append(data / name)
        for folder in {each.parent for each in made}:
            sync_folder(folder)
    except BaseException:
        for each in made:
            each.unlink(missing_ok=True)
        raise


class _Stopped(Exception):
    """The caller of work in a thread has gone."""


async def _in_thread(work: Callable[[Tick], R], progress: Tick) -> R:
    """Run blocking work in a thread. A caller that is cancelled stops it and waits for its end.

    Otherwise the work would go on in a folder that is being removed.
    """
    stop = threading.Event()

    def tick(what: str, done: int, total: int) -> None:
        if stop.is_set():
            raise _Stopped
        progress(what, done, total)

    task = asyncio.ensure_future(asyncio.to_thread(work, tick))
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        stop.set()
        await asyncio.wait({task})
        task.exception()
        raise
