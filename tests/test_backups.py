"""Backups: taken from a node that goes on publishing, believed only after everything in them was verified."""

from __future__ import annotations

import asyncio
import gzip
import hashlib
import io
import itertools
import json
import os
import shutil
import sqlite3
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from typer.testing import CliRunner, Result

from federation import backups
from federation import config as configs
from federation import node as nodes
from federation.archive import DATABASE, MANIFEST, Manifest
from federation.backups import Restored
from federation.cli.commands import app
from federation.config import Config
from federation.errors import (
    AlreadyExists,
    DamagedBackup,
    FederationError,
    InvalidRequest,
    KeyMissing,
    Misconfigured,
    NewerData,
    NotAcceptable,
    StorageFailed,
)
from federation.guard import RESTORED
from federation.log.keys import next_key_hash
from federation.records.multikey import encode_public
from federation.store.keyfiles import PrivateKeys
from federation.workers import Tools
from tests.conftest import START, free_port, pilot

CANARY = "canary-that-was-deleted"
Members = dict[str, bytes]


def quiet(what: str, done: int, total: int) -> None:
    pass


async def back_up(config: Config, out: Path, *, keys: bool = False) -> Manifest:
    return await backups.write(config, out, keys=keys, now=START, progress=quiet)


async def restore(file: Path, config: Config, *, check: bool = False) -> Restored:
    return await backups.restore(file, config, check=check, now=START + timedelta(hours=3), progress=quiet)


def everything(folder: Path) -> dict[str, bytes]:
    """Every file under a folder with its content."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def members(file: Path) -> Members:
    with tarfile.open(file) as tar:
        return {each.name: tar.extractfile(each).read() for each in tar}


@dataclass(frozen=True)
class Saved:
    """A node that was backed up; ``data`` is still there, ``empty`` is the same node on a new machine."""

    toml: Path
    config: Config
    empty: Config
    file: Path
    """With keys."""
    bare: Path
    """Without."""


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory, tools: Tools) -> Saved:
    """A node with some records, which holds the log of a peer as well."""
    folder = tmp_path_factory.mktemp("saved")
    toml = folder / "node.toml"
    toml.write_text(
        f'name = "flanders"\ntitle = {{ en = "Flanders" }}\nbase = "http://localhost:{free_port()}"\n'
        'data = "data"\nallow_private = true\n',
        "utf-8",
    )
    config = configs.load(toml)
    clock = lambda: START  # noqa: E731

    async def prepare() -> None:
        await nodes.init(config, clock=clock, tools=tools)
        async with nodes.open_node(config, clock=clock, width=1, tools=tools) as opened:
            await opened.publisher.publish([pilot("mill"), pilot("lock"), pilot("gate")])
            await opened.store.in_house.add_account("an", "a hash", created="2026-11-22T09:00:00Z")
        await back_up(config, folder / "node.tar.gz", keys=True)
        await back_up(config, folder / "bare.tar.gz")

    asyncio.run(prepare())
    empty = config.model_copy(update={"data": folder / "elsewhere"})
    return Saved(toml, config, empty, folder / "node.tar.gz", folder / "bare.tar.gz")


@pytest.fixture
def machine(saved: Saved, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Config]:
    """The same node on a machine without data; temporary files are seen too."""
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    (tmp_path / "machine").mkdir()
    yield saved.config.model_copy(update={"data": tmp_path / "machine" / "data"})
    assert not list((tmp_path / "temporary").iterdir())


def procirc(*args: object) -> Result:
    return CliRunner().invoke(app, [str(each) for each in args])


# A node that is running


async def test_a_backup_taken_while_the_node_publishes_is_a_whole_state_of_it(start_node, tmp_path):
    flanders = await start_node("flanders")
    stop = asyncio.Event()

    async def publish() -> None:
        for count in itertools.count():
            if stop.is_set():
                return
            await flanders.publish(*(pilot(f"pilot-{count}-{at}") for at in range(5)))

    publishing = asyncio.create_task(publish())
    sizes: list[int] = []
    while len(set(sizes)) < 3 and not publishing.done():
        sizes.append((await back_up(flanders.config, tmp_path / f"{len(sizes)}.tar.gz")).size)
    stop.set()
    await publishing
    for number, size in enumerate(sizes):
        assert (size - 1) % 5 == 0
        if size not in sizes[:number]:
            restored = await restore(tmp_path / f"{number}.tar.gz", flanders.config, check=True)
            assert restored.logs[0].entries == size
    assert sizes == sorted(sizes)


async def test_a_restored_node_has_the_same_log_and_serves_the_same_records(start_node, tmp_path):
    denmark = await start_node("denmark")
    await denmark.publish(pilot("havn"))
    flanders = await start_node("flanders", peers=[denmark.base])
    await flanders.publish(pilot("mill"), pilot("lock"))
    await flanders.pull(denmark)
    before, served = (await flanders.log_of(flanders)), await _served(flanders.base)
    copy = await flanders.log_of(denmark)
    await back_up(flanders.config, tmp_path / "node.tar.gz", keys=True)
    await flanders.stop()
    shutil.move(flanders.config.data, tmp_path / "lost")

    restored = await restore(tmp_path / "node.tar.gz", flanders.config)

    assert [(each.did, each.entries) for each in restored.logs] == [(before.did, 3), (copy.did, 2)]
    again = await start_node("flanders", peers=[denmark.base])
    after = await again.log_of(again)
    assert (after.frontier, after.checkpoint, after.keys) == (before.frontier, before.checkpoint, before.keys)
    assert (await again.log_of(denmark)).verified == copy.verified
    assert await _served(again.base) == served
    assert await again.slugs(denmark) == ["havn"]
    assert json.loads((again.config.data / RESTORED).read_text()) == {
        "time": "2026-11-22T12:00:00Z",
        "size": 3,
        "root": before.frontier.root.hex(),
    }


async def _served(base: str) -> dict[str, str]:
    paths = ("/records/pilot/mill.jsonld", "/records/pilot/lock.jsonld", "/log/checkpoint", "/feed", "/log/1")
    found = {}
    async with aiohttp.ClientSession() as session:
        for path in paths:
            async with session.get(base + path) as answer:
                assert answer.status == 200
                found[path] = await answer.text()
    return found


async def test_a_node_lives_on_a_disk_without_hard_links_and_is_restored_to_one(tmp_path, saved, tools, monkeypatch):
    def linked(source, target, **rest):
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "link", linked)
    config = saved.config.model_copy(update={"data": tmp_path / "data"})
    await nodes.init(config, clock=lambda: START, tools=tools)
    made = await back_up(config, tmp_path / "node.procirc", keys=True)
    restored = await restore(tmp_path / "node.procirc", config.model_copy(update={"data": tmp_path / "again"}))
    assert (made.has_keys, restored.manifest.has_keys) == (True, True)
    assert not list(tmp_path.rglob("*.partial"))
    with pytest.raises(AlreadyExists):
        await back_up(config, tmp_path / "node.procirc", keys=True)


async def test_what_was_deleted_is_not_in_the_backup(start_node, tmp_path):
    flanders = await start_node("flanders")
    database = flanders.config.data / DATABASE
    with closing(sqlite3.connect(database, isolation_level=None)) as careless:
        careless.execute("PRAGMA secure_delete=OFF")
        rows = [(f"http://record/{at}", "contact", "nl", f"{CANARY} {at} {'x' * 500}") for at in range(100)]
        careless.executemany("INSERT INTO restricted VALUES (?, ?, ?, ?)", rows)
        careless.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        careless.execute("DELETE FROM restricted WHERE record <> 'http://record/50'")
        careless.execute("UPDATE restricted SET text = 'kept'")
        careless.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    assert CANARY.encode() in database.read_bytes()
    await back_up(flanders.config, tmp_path / "node.tar.gz")
    packed = members(tmp_path / "node.tar.gz")[DATABASE]
    assert CANARY.encode() not in packed
    assert b"kept" in packed


async def test_taking_a_backup_leaves_nothing_in_the_data_directory(saved: Saved, tmp_path):
    before = everything(saved.config.data)
    await back_up(saved.config, tmp_path / "node.tar.gz")
    assert everything(saved.config.data) == before
    assert [each.name for each in tmp_path.iterdir()] == ["node.tar.gz"]


async def test_a_backup_that_is_cancelled_leaves_nothing(saved: Saved, tmp_path):
    seen = asyncio.Event()
    loop = asyncio.get_running_loop()

    def progress(what: str, done: int, total: int) -> None:
        loop.call_soon_threadsafe(seen.set)

    task = asyncio.create_task(
        backups.write(saved.config, tmp_path / "node.tar.gz", keys=False, now=START, progress=progress)
    )
    await seen.wait()
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task
    # It may have been finished in the moment it was cancelled; half a file there never is.
    assert {each.name for each in tmp_path.iterdir()} <= {"node.tar.gz"}


async def test_what_was_erased_and_keys_that_were_changed_are_understood(start_node, tmp_path):
    flanders = await start_node("flanders")
    await flanders.publish(pilot("mill"), pilot("lock"))
    await flanders.node.own.erase(f"{flanders.base}/records/pilot/mill", {"nl": "Op verzoek."})
    ring = nodes.keyring(flanders.config)
    announced = Ed25519PrivateKey.generate()
    ring.write("after.key", announced)
    new = PrivateKeys(ring.read(ring.folder / "next.key"), ring.read(ring.folder / "log.key"))
    await flanders.node.own.rotate(new, next_key_hash(encode_public(announced.public_key())))
    await flanders.publish(pilot("gate"))
    await back_up(flanders.config, tmp_path / "node.tar.gz", keys=True)
    assert {name for name in members(tmp_path / "node.tar.gz") if "key" in name} == {
        "session.key", "keys/record.key", "keys/log.key", "keys/next.key"
    }  # fmt: skip
    checked = await restore(tmp_path / "node.tar.gz", flanders.config, check=True)
    assert (checked.logs[0].entries, checked.logs[0].erased) == (6, 1)


# What is in the file


def test_keys_are_in_it_only_when_asked_and_the_next_one_never(saved: Saved):
    small = {DATABASE, MANIFEST, "api.token", "session.key"}
    assert set(members(saved.bare)) == small
    assert set(members(saved.file)) == small | {"keys/record.key", "keys/log.key"}
    following = (saved.config.data / "keys" / "next.key").read_bytes()
    assert following not in members(saved.file).values()


def test_it_is_for_its_owner_only(saved: Saved):
    assert saved.file.stat().st_mode & 0o777 == 0o600
    assert saved.bare.stat().st_mode & 0o777 == 0o600


def test_its_manifest_says_what_it_holds(saved: Saved):
    manifest = json.loads(members(saved.file)[MANIFEST])
    assert (manifest["did"], manifest["size"], manifest["time"]) == (saved.config.did, 4, "2026-11-22T09:00:00Z")
    for name, content in members(saved.file).items():
        if name != MANIFEST:
            expected = {"sha256": hashlib.sha256(content).hexdigest(), "length": len(content)}
            assert manifest["members"][name] == expected


# What is refused when it is taken


async def test_a_file_that_is_there_is_never_overwritten(saved: Saved, tmp_path):
    (tmp_path / "node.tar.gz").write_text("an older backup")
    with pytest.raises(AlreadyExists):
        await back_up(saved.config, tmp_path / "node.tar.gz")
    assert everything(tmp_path) == {"node.tar.gz": b"an older backup"}


async def test_a_folder_that_is_not_there_is_named(saved: Saved, tmp_path):
    with pytest.raises(InvalidRequest, match="no folder"):
        await back_up(saved.config, tmp_path / "nowhere" / "node.tar.gz")


async def test_a_node_that_was_not_set_up_has_nothing_to_back_up(saved: Saved, tmp_path):
    with pytest.raises(Misconfigured):
        await back_up(saved.empty, tmp_path / "node.tar.gz")
    assert not list(tmp_path.iterdir())


async def test_keys_that_are_asked_for_must_be_there(saved: Saved, machine: Config, tmp_path):
    await restore(saved.bare, machine)
    with pytest.raises(KeyMissing):
        await back_up(machine, tmp_path / "node.tar.gz", keys=True)
    assert not (tmp_path / "node.tar.gz").exists()


async def test_a_postgresql_database_is_left_to_its_own_tools(saved: Saved, tmp_path):
    config = saved.config.model_copy(update={"database": "postgresql+asyncpg://localhost/node"})
    with pytest.raises(NotAcceptable, match="pg_dump"):
        await back_up(config, tmp_path / "node.tar.gz")


# Putting it back


async def test_a_check_changes_nothing_and_says_what_it_proved(saved: Saved, machine: Config):
    before = everything(saved.config.data)
    checked = await restore(saved.file, saved.config, check=True)
    assert everything(saved.config.data) == before
    own = checked.logs[0]
    assert (own.did, own.entries, own.erased, own.root) == (saved.config.did, 4, 0, checked.manifest.root)
    assert checked.age == 3 * 3600
    assert checked.manifest.has_keys
    await restore(saved.file, machine, check=True)
    assert not list(machine.data.parent.iterdir())


async def test_everything_is_put_in_place_for_its_owner_only(saved: Saved, machine: Config):
    restored = await restore(saved.file, machine)
    assert not restored.lacks_keys
    names = {DATABASE, RESTORED, "api.token", "session.key", "keys/record.key", "keys/log.key"}
    assert set(everything(machine.data)) == names
    assert [each.name for each in machine.data.parent.iterdir()] == ["data"]
    assert {(machine.data / name).stat().st_mode & 0o777 for name in names} == {0o600}
    assert machine.data.stat().st_mode & 0o777 == 0o750
    assert (machine.data / "keys").stat().st_mode & 0o777 == 0o700
    for name in names - {DATABASE, RESTORED}:
        assert (machine.data / name).read_bytes() == (saved.config.data / name).read_bytes()


async def test_without_keys_it_says_that_they_must_be_put_back(saved: Saved, machine: Config):
    restored = await restore(saved.bare, machine)
    assert "record.key" in restored.lacks_keys
    assert not (machine.data / "keys").exists()


async def test_a_directory_with_the_keys_alone_is_filled(saved: Saved, machine: Config):
    shutil.copytree(saved.config.data / "keys", machine.data / "keys")
    (machine.data / "index").mkdir()
    (machine.data / "index" / "ahead").write_text("of the log")
    keys = everything(machine.data / "keys")
    restored = await restore(saved.bare, machine)
    assert not restored.lacks_keys
    assert everything(machine.data / "keys") == keys
    assert set(everything(machine.data)) == {
        DATABASE, RESTORED, "api.token", "session.key", *(f"keys/{name}" for name in keys)
    }  # fmt: skip


@pytest.mark.parametrize("name", [DATABASE, DATABASE + "-wal", DATABASE + "-journal"])
async def test_a_database_that_is_there_is_left_as_it_is(saved: Saved, machine: Config, name: str):
    machine.data.mkdir()
    (machine.data / name).write_bytes(b"mine")
    with pytest.raises(AlreadyExists, match="move these files away"):
        await restore(saved.file, machine)
    assert everything(machine.data) == {name: b"mine"}


@pytest.mark.parametrize("name", ["keys/record.key", "api.token"])
async def test_a_file_that_differs_is_left_as_it_is(saved: Saved, machine: Config, name: str):
    (machine.data / "keys").mkdir(parents=True)
    (machine.data / name).write_bytes(b"mine")
    with pytest.raises(AlreadyExists, match=name):
        await restore(saved.file, machine)
    assert everything(machine.data) == {name: b"mine"}


async def test_another_nodes_backup_is_refused(saved: Saved, machine: Config):
    with pytest.raises(Misconfigured, match=saved.config.did):
        await restore(saved.file, machine.model_copy(update={"base": "https://other.example"}))
    assert not machine.data.exists()


async def test_a_database_elsewhere_is_not_restored_into_the_data_directory(saved: Saved, machine: Config):
    elsewhere = machine.model_copy(update={"database": f"sqlite+aiosqlite:///{machine.data.parent}/other.sqlite"})
    with pytest.raises(NotAcceptable):
        await restore(saved.file, elsewhere)
    await restore(saved.file, elsewhere, check=True)


# Files that are damaged, or made to do harm


def packed(found: Members, *, kinds: dict[str, bytes] | None = None, sizes: dict[str, int] | None = None) -> bytes:
    """A file with some members, of which some claim to be of another type or size."""
    raw = io.BytesIO()
    for name, content in found.items():
        info = tarfile.TarInfo(name)
        info.size = (sizes or {}).get(name, len(content))
        info.type = (kinds or {}).get(name, tarfile.REGTYPE)
        info.linkname = "/etc/passwd" if info.type in (tarfile.SYMTYPE, tarfile.LNKTYPE) else ""
        raw.write(info.tobuf(tarfile.GNU_FORMAT))
        raw.write(content + bytes(-len(content) % 512))
    return gzip.compress(raw.getvalue() + bytes(10_240 - len(raw.getvalue()) % 10_240))


def with_manifest(found: Members, **changes: Any) -> Members:
    """The members with hashes that fit again, and other changes of the manifest."""
    described = {
        name: {"sha256": hashlib.sha256(content).hexdigest(), "length": len(content)}
        for name, content in found.items()
        if name != MANIFEST
    }
    manifest = {**json.loads(found[MANIFEST]), "members": described, **changes}
    return {**found, MANIFEST: json.dumps(manifest).encode()}


def bomb() -> bytes:
    """An extended header that would take a gigabyte of memory to read, in a megabyte."""
    info = tarfile.TarInfo("././@PaxHeader")
    info.type, info.size = tarfile.XHDTYPE, 1 << 30
    raw = io.BytesIO()
    with gzip.GzipFile(fileobj=raw, mode="wb") as file:
        file.write(info.tobuf(tarfile.GNU_FORMAT))
        for _ in range(64):
            file.write(bytes(1 << 20))
    return raw.getvalue()


def _flipped(data: bytes, at: int) -> bytes:
    return data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]


def _claiming(found: Members, length: int) -> bytes:
    manifest = json.loads(found[MANIFEST])
    manifest["members"][DATABASE]["length"] = length
    return packed({**found, MANIFEST: json.dumps(manifest).encode()}, sizes={DATABASE: length})


Damage = Callable[[bytes, Members], bytes]
DAMAGES: dict[str, Damage] = {
    "nothing": lambda raw, found: b"",
    "text": lambda raw, found: b"no archive",
    "gzip-of-nothing": lambda raw, found: gzip.compress(b""),
    "gzip-of-zeros": lambda raw, found: gzip.compress(bytes(10_240)),
    "first-bytes-alone": lambda raw, found: raw[:100],
    "cut-in-the-middle": lambda raw, found: raw[: len(raw) // 2],
    "last-byte-missing": lambda raw, found: raw[:-1],
    "one-bit": lambda raw, found: _flipped(raw, len(raw) // 2),
    "one-bit-of-the-check-sum": lambda raw, found: _flipped(raw, len(raw) - 6),
    "no-manifest": lambda raw, found: packed({name: found[name] for name in found if name != MANIFEST}),
    "manifest-last": lambda raw, found: packed({**{n: c for n, c in found.items() if n != MANIFEST}, MANIFEST: b"{}"}),
    "manifest-no-json": lambda raw, found: packed({**found, MANIFEST: b"{"}),
    "manifest-no-object": lambda raw, found: packed({**found, MANIFEST: b"[1]"}),
    "manifest-of-nothing": lambda raw, found: packed({**found, MANIFEST: b"{}"}),
    "manifest-too-long": lambda raw, found: packed({**found, MANIFEST: b" " * (1 << 21) + found[MANIFEST]}),
    "manifest-with-more": lambda raw, found: packed(with_manifest(found, more=1)),
    "manifest-twice-the-same": lambda raw, found: packed(
        {**found, MANIFEST: found[MANIFEST].replace(b'"did"', b'"did": "x", "did"')}
    ),
    "another-member": lambda raw, found: packed({**found, "more": b"x"}),
    "another-member-that-is-named": lambda raw, found: packed(with_manifest({**found, "more": b"x"})),
    "a-path-upwards": lambda raw, found: packed(with_manifest({**found, "../evil.key": b"x"})),
    "a-path-from-the-keys": lambda raw, found: packed(with_manifest({**found, "keys/../../evil.key": b"x"})),
    "an-absolute-path": lambda raw, found: packed(with_manifest({**found, "/tmp/evil.key": b"x"})),
    "a-member-missing": lambda raw, found: packed({name: found[name] for name in found if name != "api.token"}),
    "no-database": lambda raw, found: packed(with_manifest({n: found[n] for n in found if n != DATABASE})),
    "a-link": lambda raw, found: packed({**found, "api.token": b""}, kinds={"api.token": tarfile.SYMTYPE}),
    "a-hard-link": lambda raw, found: packed({**found, "api.token": b""}, kinds={"api.token": tarfile.LNKTYPE}),
    "a-device": lambda raw, found: packed(found, kinds={"api.token": tarfile.CHRTYPE}),
    "a-folder": lambda raw, found: packed(found, kinds={"api.token": tarfile.DIRTYPE}),
    "a-sparse-file": lambda raw, found: packed(found, kinds={DATABASE: tarfile.GNUTYPE_SPARSE}),
    "a-giant-token": lambda raw, found: packed(with_manifest({**found, "api.token": b"x" * 5000})),
    "a-token-that-claims-more": lambda raw, found: packed(found, sizes={"api.token": 1 << 40}),
    "a-header-that-is-a-bomb": lambda raw, found: bomb(),
    "another-token": lambda raw, found: packed({**found, "api.token": b"x" * len(found["api.token"])}),
    "something-behind": lambda raw, found: gzip.compress(gzip.decompress(raw) + b"x"),
    "something-behind-the-end": lambda raw, found: raw + gzip.compress(bytes(1 << 20)),
}  # fmt: skip


async def refused(data: bytes, config: Config, kind: type[FederationError]) -> FederationError:
    """A file that is refused with and without ``--check``, and of which nothing is left either time."""
    folder = config.data.parent
    with tempfile.NamedTemporaryFile() as file:
        Path(file.name).write_bytes(data)
        for check in (True, False):
            with pytest.raises(FederationError) as caught:
                await restore(Path(file.name), config, check=check)
            assert type(caught.value) is kind, caught.value
            assert caught.value.remedy
            assert not list(folder.iterdir())
    return caught.value


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
async def test_a_file_that_is_not_exactly_a_backup_is_refused_whole(saved: Saved, machine: Config, damage: Damage):
    assert packed(members(saved.file)) != b""
    await refused(damage(saved.file.read_bytes(), members(saved.file)), machine, DamagedBackup)


async def test_a_file_packed_in_the_same_way_is_accepted(saved: Saved, machine: Config, tmp_path):
    """So that each of the above is refused for its damage and not for how the test packed it."""
    (tmp_path / "again.tar.gz").write_bytes(packed(with_manifest(members(saved.file))))
    await restore(tmp_path / "again.tar.gz", machine)


async def test_a_file_that_is_not_there_is_named(machine: Config):
    with pytest.raises(InvalidRequest, match=r"nowhere\.tar\.gz"):
        await restore(Path("nowhere.tar.gz"), machine)


async def test_more_than_the_disk_has_room_for_is_not_even_begun(saved: Saved, machine: Config):
    error = await refused(_claiming(members(saved.file), 1 << 50), machine, StorageFailed)
    assert "room" in error.detail


async def test_a_newer_form_of_backup_is_refused_as_such(saved: Saved, machine: Config):
    data = packed(with_manifest(members(saved.file), format=2, program="9.1", more=1))
    assert "9.1" in (await refused(data, machine, NewerData)).detail


# Databases that were altered: the file is whole, what is in it is not


def altered(found: Members, *statements: str) -> bytes:
    """A backup whose database was changed, and whose manifest was made to fit."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / DATABASE
        path.write_bytes(found[DATABASE])
        with closing(sqlite3.connect(path, isolation_level=None)) as database:
            for each in statements:
                database.execute(each)
        return packed(with_manifest({**found, DATABASE: path.read_bytes()}))


ALTERATIONS: dict[str, tuple[str, ...]] = {
    "a-text": ("UPDATE entry SET body = replace(body, 'Pilot lock', 'Pilot luck')",),
    "a-signature": ("UPDATE entry SET signature = zeroblob(64) WHERE position = 2",),
    "a-short-signature": ("UPDATE entry SET signature = x'00' WHERE position = 2",),
    "a-leaf": ("UPDATE entry SET leaf = zeroblob(32) WHERE position = 2",),
    "a-short-leaf": ("UPDATE entry SET leaf = x'00' WHERE position = 2",),
    "a-time": ("UPDATE entry SET published = '2020-01-01T00:00:00Z' WHERE position = 2",),
    "a-key": ("UPDATE entry SET method = replace(method, 'z6Mk', 'z6Mj') WHERE position = 2",),
    "another-record": ("UPDATE entry SET record = replace(record, '/pilot/', '/pilot/made-up-') WHERE position = 2",),
    "another-kind": ("UPDATE entry SET kind = 'lesson' WHERE position = 2",),
    "another-version": ("UPDATE entry SET version = 7 WHERE position = 2",),
    "two-swapped": (
        "UPDATE entry SET position = 9 WHERE position = 1",
        "UPDATE entry SET position = 1 WHERE position = 2",
        "UPDATE entry SET position = 2 WHERE position = 9",
    ),
    "one-missing": ("DELETE FROM entry WHERE position = 2",),
    "the-first-missing": ("DELETE FROM entry WHERE position = 0",),
    "one-too-many": ("INSERT INTO entry SELECT log_id, 17, record, kind, version, published, body, method, signature, "
                     "leaf, quarantine, erased_by FROM entry WHERE position = 2",),
    "one-erased-by-nobody": ("UPDATE entry SET body = '', signature = x'', erased_by = 3 WHERE position = 2",),
    "a-log-cut-short": ("UPDATE log SET size = 3, verified_size = 3",),
    "a-giant-log": ("UPDATE log SET size = 4611686018427387904, verified_size = 4611686018427387904",),
    "no-checkpoint": ("UPDATE log SET checkpoint = ''",),
    "another-checkpoint": ("UPDATE log SET checkpoint = replace(checkpoint, 'A', 'B')",),
    "another-fingerprint": ("UPDATE log SET fingerprint = '0000'",),
    "another-address": ("UPDATE log SET base = 'https://evil.example'",),
    "no-address": ("UPDATE log SET base = ''",),
    "no-log-of-its-own": ("UPDATE log SET own = 0",),
    "no-log": ("DELETE FROM entry", "DELETE FROM log"),
    "entries-of-no-log": ("INSERT INTO entry SELECT 99, position, record, kind, version, published, body, method, "
                          "signature, leaf, quarantine, erased_by FROM entry WHERE position = 2",),
    "a-number-as-text": ("UPDATE log SET size = 'four'",),
    "a-text-as-bytes": ("UPDATE entry SET body = x'ff' WHERE position = 2",),
    "a-text-that-is-no-text": ("UPDATE entry SET body = CAST(x'ff' AS TEXT) WHERE position = 2",),
    "a-key-event-that-is-none": ("UPDATE entry SET kind = 'key-event' WHERE position = 2",),
    "a-trigger": ("CREATE TRIGGER t AFTER INSERT ON log BEGIN DELETE FROM entry; END",),
    "a-view": ("CREATE VIEW v AS SELECT 1",),
    "no-table": ("DROP TABLE restricted",),
    "a-column-less": ("DROP INDEX ix_entry_aside", "ALTER TABLE entry DROP COLUMN quarantine"),
}  # fmt: skip


@pytest.mark.parametrize("statements", ALTERATIONS.values(), ids=ALTERATIONS)
async def test_an_altered_database_is_refused_whole(saved: Saved, machine: Config, statements: tuple[str, ...]):
    await refused(altered(members(saved.file), *statements), machine, DamagedBackup)


async def test_a_database_that_is_none_is_refused(saved: Saved, machine: Config):
    found = members(saved.file)
    for content in (b"", b"no database" * 1000, found[DATABASE][:8192], bytes(len(found[DATABASE]))):
        await refused(packed(with_manifest({**found, DATABASE: content})), machine, DamagedBackup)


@pytest.mark.parametrize("change", [{"size": 3}, {"root": "0" * 64}, {"checkpoint": ""}, {"peers": {"did:web:x": 1}}])
async def test_a_manifest_that_says_something_else_is_refused(saved: Saved, machine: Config, change: dict[str, Any]):
    await refused(packed(with_manifest(members(saved.file), **change)), machine, DamagedBackup)


async def test_keys_that_are_not_those_of_the_log_are_refused(saved: Saved, machine: Config):
    found = members(saved.file)
    swapped = {**found, "keys/record.key": (saved.config.data / "keys" / "next.key").read_bytes()}
    await refused(packed(with_manifest(swapped)), machine, DamagedBackup)
    await refused(packed(with_manifest({**found, "keys/record.key": b"nonsense"})), machine, DamagedBackup)


async def test_a_database_of_a_newer_version_is_refused_as_such(saved: Saved, machine: Config):
    await refused(altered(members(saved.file), "UPDATE alembic_version SET version_num = '9999'"), machine, NewerData)


async def test_a_peers_log_is_verified_as_well(start_node, tmp_path):
    denmark = await start_node("denmark")
    await denmark.publish(pilot("havn"))
    flanders = await start_node("flanders", peers=[denmark.base])
    await flanders.pull(denmark)
    await back_up(flanders.config, tmp_path / "node.tar.gz")
    found = members(tmp_path / "node.tar.gz")
    (tmp_path / "bad.tar.gz").write_bytes(
        altered(found, "UPDATE entry SET body = replace(body, 'Pilot havn', 'Pilot')")
    )
    with pytest.raises(DamagedBackup, match="does not hold at entry 1"):
        await restore(tmp_path / "bad.tar.gz", flanders.config, check=True)


# The commands


def test_the_commands_say_what_they_did(saved: Saved, tmp_path):
    file = tmp_path / "node.tar.gz"
    ran = procirc("backup", file, "--config", saved.toml, "--keys")
    assert ran.exit_code == 0
    assert "4 entries" in ran.stdout
    assert "sign in this node's name" in " ".join(ran.stdout.split())
    ran = procirc("restore", file, "--config", saved.toml, "--check")
    assert ran.exit_code == 0
    assert "The backup restores." in ran.stdout
    assert "less than a minute ago" in ran.stdout
    ran = procirc("restore", file, "--config", saved.toml)
    assert isinstance(ran.exception, AlreadyExists)


def test_the_commands_answer_programs(saved: Saved, tmp_path):
    file = tmp_path / "node.tar.gz"
    taken = json.loads(procirc("backup", file, "--config", saved.toml, "--json").stdout)
    assert (taken["size"], taken["keys"], taken["bytes"]) == (4, False, file.stat().st_size)
    checked = json.loads(procirc("restore", file, "--config", saved.toml, "--check", "--json").stdout)
    assert (checked["restored"], checked["entries"], checked["root"]) == (False, 4, taken["root"])
    shutil.copy(saved.toml, tmp_path / "node.toml")
    restored = json.loads(procirc("restore", file, "--config", tmp_path / "node.toml", "--json").stdout)
    assert restored["restored"]
    assert "record.key" in restored["lacks_keys"]
    assert (tmp_path / "data" / DATABASE).exists()


async def test_what_a_killed_backup_left_goes_with_the_next_one(start_node, tmp_path):
    node = await start_node("flanders")
    await node.publish(pilot("mill"))
    config = tmp_path / "config.json"
    config.write_text(node.config.model_dump_json())
    out = tmp_path / "out"
    out.mkdir()
    code = (
        "import asyncio, os, pathlib, sys\n"
        "from datetime import UTC, datetime\n"
        "from federation import archive, backups\n"
        "from federation.config import Config\n"
        "config = Config.model_validate_json(pathlib.Path(sys.argv[1]).read_text())\n"
        "archive.pack = lambda *_: os.kill(os.getpid(), 9)\n"
        "now, out = datetime.now(UTC), pathlib.Path(sys.argv[2])\n"
        "asyncio.run(backups.write(config, out, keys=True, now=now, progress=lambda *_: None))\n"
    )
    killed = await asyncio.to_thread(
        subprocess.run, [sys.executable, "-c", code, str(config), str(out / "b.procirc")], check=False, env=os.environ
    )
    assert killed.returncode == -9
    (left,) = out.iterdir()
    other = out / f".procirc-backup-{os.getppid()}-abc"  # of somebody who is still at it
    other.mkdir()
    await backups.write(node.config, out / "c.procirc", keys=True, now=node.clock(), progress=lambda *_: None)
    assert sorted(each.name for each in out.iterdir()) == sorted([other.name, "c.procirc"]), left


async def test_what_a_killed_restore_left_goes_with_the_next_one(saved: Saved, tmp_path):
    config = saved.config.model_copy(update={"data": tmp_path / "data"})
    (tmp_path / "config.json").write_text(config.model_dump_json())
    code = (
        "import asyncio, os, pathlib, sys\n"
        "from datetime import UTC, datetime\n"
        "from federation import backups\n"
        "from federation.config import Config\n"
        "config = Config.model_validate_json(pathlib.Path(sys.argv[1]).read_text())\n"
        "backups.check_file = lambda *_: os.kill(os.getpid(), 9)\n"
        "now, file = datetime.now(UTC), pathlib.Path(sys.argv[2])\n"
        "asyncio.run(backups.restore(file, config, check=False, now=now, progress=lambda *_: None))\n"
    )
    command = [sys.executable, "-c", code, str(tmp_path / "config.json"), str(saved.file)]
    killed = await asyncio.to_thread(subprocess.run, command, check=False, env=os.environ)
    assert killed.returncode == -9
    (left,) = tmp_path.glob(".procirc-restore-*")
    assert list(left.rglob("*.key"))
    await restore(saved.file, config)
    assert not left.exists()
