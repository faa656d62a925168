"""A5, A7, A29: databases put back under a running node or beside newer keys, and what comes back with them."""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing, contextmanager
from pathlib import Path

import aiohttp
import pytest

from federation import custody
from federation import node as nodes
from federation.errors import KeyMismatch, ReadOnly, StorageFailed, Unavailable
from federation.index import text
from federation.log import checkpoint as checkpoints
from federation.log import did
from federation.search import Request
from federation.store.inventory import Inventory
from federation.store.store import Store
from tests.attacks.invariants import assert_sound
from tests.attacks.test_recovery import restored
from tests.conftest import pilot, simulated_peer


@contextmanager
def put_back_after(node, folder: Path):
    """What is written to the database meanwhile is lost, while the node goes on."""
    file, kept = node.config.data / "node.sqlite", folder / "kept.sqlite"
    with closing(sqlite3.connect(file)) as live, closing(sqlite3.connect(kept)) as copy:
        live.backup(copy)
    yield
    with closing(sqlite3.connect(file)) as live, closing(sqlite3.connect(kept)) as copy:
        copy.backup(live)


@pytest.mark.parametrize("lost", [1, 2])
async def test_a5_as_many_new_entries_as_were_lost_are_not_signed(start_node, tmp_path, lost):
    flanders = await start_node("flanders")
    denmark = await start_node("denmark", peers=[flanders.base])
    await flanders.publish(pilot("mill"))
    with put_back_after(flanders, tmp_path):
        await flanders.publish(*(pilot(f"lost-{at}") for at in range(lost)))
        await denmark.pull(flanders)
    with pytest.raises(ReadOnly):
        await flanders.publish(*(pilot(f"new-{at}") for at in range(lost)))
    assert (await denmark.pull(flanders)).state == "regressed"
    flanders = await flanders_again(start_node, flanders, denmark)
    assert set(await flanders.slugs(flanders)) == {"mill", *(f"lost-{at}" for at in range(lost))}
    assert (await denmark.pull(flanders)).state == "active"
    await assert_sound(flanders)
    await assert_sound(denmark)


async def flanders_again(start_node, flanders, denmark):
    await flanders.stop()
    flanders = await start_node("flanders", peers=[denmark.base])
    await flanders.node.recover()
    assert flanders.node.guard.reason() == ""
    return flanders


async def test_a5_a_database_put_back_is_noticed_without_anybody_writing(start_node, tmp_path):
    flanders = await start_node("flanders")
    with put_back_after(flanders, tmp_path):
        await flanders.publish(pilot("lost"))
    await flanders.node.catch_up()
    assert "has signed 2 before" in flanders.node.guard.reason()


async def test_a5_the_newest_checkpoint_outside_never_goes_back(start_node, monkeypatch):
    flanders, denmark, newest = await restored(start_node)
    (flanders.config.data / "checkpoint").write_text(newest)
    flanders = await start_node("flanders", peers=[denmark.base])
    signed = flanders.node.guard.newest()

    async def refused(self, log_id, **rest):
        assert (await self.log(log_id)).size > (await self.log(log_id)).verified_size
        await flanders.node.catch_up()  # the job that remembers what other processes have signed
        raise StorageFailed("The disk went away.")

    with monkeypatch.context() as meanwhile:
        meanwhile.setattr(Store, "confirm", refused)
        await flanders.node.recover()
    assert flanders.node.guard.newest() == signed
    await flanders.node.recover()
    assert flanders.node.guard.reason() == ""


async def test_a5_what_comes_back_is_not_served_before_it_is_proved(start_node, monkeypatch):
    flanders, denmark, _ = await restored(start_node)
    flanders = await start_node("flanders", peers=[denmark.base])
    real, seen = Store.confirm, []

    async def confirm(self, log_id, **rest):
        if log_id == flanders.node.log.id:
            async with aiohttp.ClientSession() as session, session.get(f"{flanders.base}/log/3") as answer:
                seen.append(answer.status)
        await real(self, log_id, **rest)

    monkeypatch.setattr(Store, "confirm", confirm)
    await flanders.node.recover()
    async with aiohttp.ClientSession() as session, session.get(f"{flanders.base}/log/3") as answer:
        assert (seen, answer.status) == ([404], 200)


async def lost_a_row(flanders, position: int) -> None:
    await flanders.stop()
    with closing(sqlite3.connect(flanders.config.data / "node.sqlite")) as database:
        database.executescript(f"DELETE FROM entry WHERE position = {position}")


async def test_a29_what_was_erased_since_is_erased_again_when_lost_rows_come_back(start_node):
    flanders = await start_node("flanders")
    denmark = await start_node("denmark", peers=[flanders.base])
    await flanders.publish(pilot("secret", title="Canary7733"), pilot("lock"))
    await denmark.pull(flanders)
    await lost_a_row(flanders, 2)
    backup = flanders.config.data.with_name("backup")
    shutil.copytree(flanders.config.data, backup)
    flanders = await start_node("flanders", peers=[denmark.base])
    await flanders.node.recover()
    await flanders.node.own.erase(f"{flanders.base}/records/pilot/secret", {"nl": "Op verzoek."})
    await denmark.pull(flanders)
    newest = (flanders.config.data / "checkpoint").read_text()
    await flanders.stop()
    shutil.rmtree(flanders.config.data)
    shutil.copytree(backup, flanders.config.data)
    (flanders.config.data / "checkpoint").write_text(newest)
    flanders = await start_node("flanders", peers=[denmark.base])
    await flanders.node.recover()
    await flanders.node.catch_up()
    assert flanders.node.guard.reason() == ""
    async with aiohttp.ClientSession() as session, session.get(f"{flanders.base}/log/1") as answer:
        assert answer.status == 410
    await flanders.stop()
    for path in flanders.config.data.rglob("*"):
        assert path.is_dir() or b"Canary7733" not in path.read_bytes(), path
    await assert_sound(denmark)


async def test_a5_rows_that_came_back_are_found(start_node):
    flanders = await start_node("flanders")
    denmark = await start_node("denmark", peers=[flanders.base])
    await flanders.publish(pilot("mill"), pilot("lock"), pilot("dike"))
    await denmark.pull(flanders)
    await lost_a_row(flanders, 2)
    shutil.rmtree(flanders.config.data / "index")
    flanders = await start_node("flanders", peers=[denmark.base])
    await flanders.node.catch_up()
    assert {hit.slug for hit in (await flanders.node.search.search(Request())).hits} == {"mill", "dike"}
    await flanders.node.recover()
    await flanders.node.catch_up()
    assert {hit.slug for hit in (await flanders.node.search.search(Request())).hits} == {"mill", "lock", "dike"}


async def test_a29_a_recovery_that_is_killed_leaves_nothing_behind(start_node, monkeypatch):
    flanders = await start_node("flanders")
    denmark = await start_node("denmark", peers=[flanders.base])
    await flanders.publish(pilot("mill", title="Canary5512"), pilot("lock"))
    await denmark.pull(flanders)
    await lost_a_row(flanders, 2)
    flanders = await start_node("flanders", peers=[denmark.base])
    real, copies = Inventory.put_back, []

    async def put_back(self, *given):
        for folder in flanders.config.data.glob("beside-*"):
            # As a process leaves it that was killed: of no process that runs.
            left = folder.with_name(f"beside-killed.{2**22 + 1}.partial")
            shutil.copytree(folder, left, dirs_exist_ok=True)
            copies.append(left)
        return await real(self, *given)

    monkeypatch.setattr(Inventory, "put_back", put_back)
    await flanders.node.recover()
    assert flanders.node.guard.reason() == ""
    (left,) = copies
    assert any(b"Canary5512" in path.read_bytes() for path in left.iterdir())
    await flanders.stop()
    await start_node("flanders")
    assert list(flanders.config.data.glob("beside-*")) == []


async def test_a5_what_a_person_gave_up_for_lost_stops_the_node_no_more(start_node, vocabulary, clock):
    flanders, denmark, newest = await restored(start_node)
    await denmark.stop()
    async with simulated_peer(vocabulary, clock) as witness:
        theirs = checkpoints.origin_of(did.host_of(witness.base))
        cosigned = checkpoints.cosign(newest, theirs, witness.private.log, at=clock())
        witness.saying({"log": flanders.node.log.did, "checkpoint": cosigned})
        flanders = await start_node("flanders", peers=[witness.base])
        assert await flanders.node.recovery.run(await flanders.node.peers())
        await flanders.node.recovery.give_up(clock())
        await flanders.node.pull(flanders.node.config.peers[0])
        assert flanders.node.guard.reason() == ""
        clock.forward(minutes=10)
        await flanders.publish(*(pilot(f"after-{at}") for at in range(5)))
        witness.saying({"log": flanders.node.log.did, "checkpoint": cosigned})
        await flanders.node.pull(flanders.node.config.peers[0])
        assert flanders.node.guard.reason() == ""


async def test_a5_what_was_signed_since_and_is_lost_stops_it_all_the_same(start_node, tmp_path, clock):
    flanders = await start_node("flanders")
    await flanders.node.recovery.give_up(clock())
    clock.forward(minutes=1)
    with put_back_after(flanders, tmp_path):
        await flanders.publish(pilot("mill"))
    await flanders.node.catch_up()
    assert flanders.node.guard.reason()


async def test_a27_a_copy_from_before_new_keys_follows_them_by_the_keys_beside_it(start_node):
    flanders = await start_node("flanders")
    denmark = await start_node("denmark", peers=[flanders.base])
    await flanders.publish(pilot("mill"))
    await denmark.pull(flanders)
    await flanders.stop()
    backup = flanders.config.data.with_name("backup")
    shutil.copytree(flanders.config.data, backup)
    flanders = await start_node("flanders")
    changed = await custody.recover(flanders.node)
    await flanders.publish(pilot("later"))
    assert (await denmark.pull(flanders)).reason == KeyMismatch.slug
    log = await denmark.log_of(flanders)
    await denmark.node.store.peers.update(log.id, recovered=changed.fingerprint, state="new", next_attempt="")
    assert (await denmark.pull(flanders)).state == "active"
    await flanders.stop()
    shutil.rmtree(backup / "keys")
    shutil.copytree(flanders.config.data / "keys", backup / "keys")
    shutil.rmtree(flanders.config.data)
    shutil.copytree(backup, flanders.config.data)
    (flanders.config.data / "restored").write_text("{}")
    flanders = await start_node("flanders", peers=[denmark.base])
    await flanders.node.recover()
    assert flanders.node.guard.reason() == ""
    assert set(await flanders.slugs(flanders)) == {"mill", "later"}


async def test_a22_a_wrong_clock_is_told_once_however_often_somebody_asks(start_node, clock, capsys, monkeypatch):
    node = await start_node("flanders")
    clock.forward(hours=13)

    async def ahead(self) -> float:
        return 90_000.0

    monkeypatch.setattr(type(node.node.own), "_ahead", ahead)
    async with aiohttp.ClientSession() as session:
        for _ in range(5):
            async with session.get(f"{node.base}/log/checkpoint") as answer:
                assert answer.status == 200
    assert capsys.readouterr().out.count("not signed anew") == 1


async def test_a33_an_index_that_is_ahead_of_a_log_put_back_is_made_anew(start_node, tmp_path):
    node = await start_node("flanders")
    await node.publish(pilot("mill"))
    await node.stop()
    shutil.copy(node.config.data / "node.sqlite", tmp_path / "old.sqlite")
    node = await start_node("flanders")
    await node.publish(*(pilot(f"lost-{number}") for number in range(5)))
    await node.node.catch_up()
    await node.stop()
    for file in node.config.data.glob("node.sqlite*"):
        file.unlink()
    shutil.copy(tmp_path / "old.sqlite", node.config.data / "node.sqlite")
    (node.config.data / "node.sqlite").chmod(0o600)
    node = await start_node("flanders")
    await node.node.recovery.give_up(node.clock())
    await node.publish(pilot("new"))
    await node.node.catch_up()
    assert {hit.slug for hit in (await node.node.search.search(Request())).hits} == {"mill", "new"}


async def test_a_command_of_another_version_leaves_the_index_of_a_running_node_alone(start_node, tools, monkeypatch):
    server = await start_node("flanders")
    await server.publish(pilot("mill"))
    await server.node.catch_up()
    with monkeypatch.context() as other:
        other.setattr(text, "LAYOUT", text.LAYOUT + 1)
        with pytest.raises(Unavailable, match="Another process uses the text index"):
            async with nodes.open_node(server.config, clock=server.clock, width=1, tools=tools):
                pass
        await server.publish(pilot("lock"))
        await server.node.catch_up()
        assert (await server.node.search.search(Request())).total == 2
        await server.stop()
        async with nodes.open_node(server.config, clock=server.clock, width=1, tools=tools) as later:
            await later.follower.catch_up()
            assert (await later.search.search(Request())).total == 2
