"""A5, A7, A33: a node that gets its own log back, with peers that lie, are silent, or give nothing."""

from __future__ import annotations

import asyncio
import shutil
from contextlib import asynccontextmanager

import aiohttp
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from federation import custody, recovery
from federation.config import PeerConfig
from federation.errors import ReadOnly, StorageFailed
from federation.log import checkpoint as checkpoints
from federation.log import did
from federation.store import schema
from federation.store.engine import writing
from federation.store.store import Store
from tests.attacks.invariants import assert_sound
from tests.conftest import pilot, simulated_peer


async def restored(start_node, *, witnessed: bool = False) -> tuple:
    """A node as its backup has it, and denmark, which holds three entries more of it."""
    flanders = await start_node("flanders")
    await flanders.publish(pilot("mill"))
    denmark = await start_node("denmark", peers=[flanders.base])
    await denmark.pull(flanders)
    if witnessed:
        await flanders.stop()
        flanders = await start_node("flanders", peers=[denmark.base])
        await flanders.pull(denmark)
    await flanders.stop()
    backup = flanders.config.data.with_name("backup")
    shutil.copytree(flanders.config.data, backup)
    flanders = await start_node("flanders", peers=[denmark.base])
    await flanders.publish(*(pilot(f"later-{number}") for number in range(3)))
    await denmark.pull(flanders)
    newest = (await flanders.node.store.log(flanders.node.log.id)).checkpoint
    await flanders.stop()
    shutil.rmtree(flanders.config.data)
    shutil.copytree(backup, flanders.config.data)
    (flanders.config.data / "restored").write_text("{}")
    (flanders.config.data / "checkpoint").unlink()
    return flanders, denmark, newest


@asynccontextmanager
async def two_peers(vocabulary, clock):
    async with simulated_peer(vocabulary, clock) as one, simulated_peer(vocabulary, clock) as other:
        yield one, other


async def test_a7_a_peer_that_claims_entries_and_gives_none_keeps_nobody_from_pulling(
    start_node, vocabulary, clock, monkeypatch
):
    monkeypatch.setattr(recovery, "_PATIENCE", 1)
    async with two_peers(vocabulary, clock) as (liar, peer):
        node = await start_node("flanders", peers=[liar.base, peer.base])
        origin = checkpoints.origin_of(did.host_of(node.base))
        made_up = checkpoints.sign(origin, 999_999_999, b"\1" * 32, Ed25519PrivateKey.generate(), now=clock())
        theirs = checkpoints.origin_of(did.host_of(liar.base))
        cosigned = checkpoints.cosign(made_up, theirs, liar.private.log, at=clock())
        liar.saying({"log": node.node.log.did, "checkpoint": cosigned})
        reached = asyncio.Event()

        async def nothing(request):
            reached.set()
            await asyncio.sleep(60)

        liar.answering("/mirror/", nothing)
        first, second = await node.node.peers()
        pulling = asyncio.create_task(node.node.pull(first))
        await asyncio.wait_for(reached.wait(), 10)
        peer.publish("mill")
        await asyncio.wait_for(node.node.pull(second), 10)
        assert await node.slugs(peer) == ["mill"]
        await asyncio.wait_for(pulling, 20)
        assert not node.node.recovery.turn.locked()
        await node.publish(pilot("goes-on"))
        liar.honest()
        await assert_sound(node)


async def test_a5_one_that_shows_a_checkpoint_without_the_entries_keeps_no_restored_node_read_only(
    start_node, vocabulary, clock
):
    flanders, denmark, newest = await restored(start_node)
    async with simulated_peer(vocabulary, clock) as liar:
        liar.saying({"log": flanders.node.log.did, "checkpoint": newest})
        flanders = await start_node("flanders", peers=[liar.base, denmark.base])
        await flanders.node.recover()
        assert flanders.node.guard.reason() == ""
        assert (await flanders.node.store.log(flanders.node.log.id)).verified_size == 5
        await flanders.publish(pilot("after"))
        assert (await denmark.pull(flanders)).state == "active"
        liar.honest()
        await assert_sound(flanders)


async def test_a5_a_node_waits_for_those_that_follow_it_and_not_for_those_that_do_not(start_node, vocabulary, clock):
    flanders, denmark, _ = await restored(start_node, witnessed=True)
    await denmark.stop()
    async with two_peers(vocabulary, clock) as strangers:
        for each in strangers:
            each.saying()
        flanders = await start_node("flanders", peers=[*(each.base for each in strangers), denmark.base])
        await flanders.node.recover()
        with pytest.raises(ReadOnly):
            await flanders.publish(pilot("fork"))
        denmark = await start_node("denmark", peers=[flanders.base])
        await flanders.node.recover()
        await flanders.publish(pilot("after"))
        assert (await denmark.pull(flanders)).state == "active"
        for each in strangers:
            each.honest()
        await assert_sound(flanders)


async def test_a5_peers_that_are_followed_through_a_mirror_are_not_asked(start_node, clock, tools):
    flanders, denmark, _ = await restored(start_node)
    flanders = await start_node("flanders", peers=[denmark.base])
    gone = [PeerConfig(name=f"gone{at}", url=f"http://localhost:{9 + at}", via=denmark.base) for at in range(2)]
    (peer,) = await flanders.node.peers()
    assert await flanders.node.recovery.run([peer, *gone]) == ""
    assert (await flanders.node.store.log(flanders.node.log.id)).verified_size == 5
    await assert_sound(flanders)


async def test_a5_the_checkpoint_is_served_while_entries_with_a_change_of_keys_come_back(
    start_node, monkeypatch, marked
):
    flanders = await start_node("flanders")
    await flanders.publish(pilot("mill"))
    await flanders.stop()
    backup = flanders.config.data.with_name("backup")
    shutil.copytree(flanders.config.data, backup)
    flanders = await start_node("flanders")
    await custody.rotate(flanders.node, None, compromised_from=None)
    await flanders.publish(pilot("later"))
    denmark = await start_node("denmark", peers=[flanders.base])
    await denmark.pull(flanders)
    await flanders.stop()
    keys = flanders.config.data.with_name("keys")
    shutil.copytree(flanders.config.data / "keys", keys)
    shutil.rmtree(flanders.config.data)
    shutil.copytree(backup, flanders.config.data)
    shutil.rmtree(flanders.config.data / "keys")
    shutil.copytree(keys, flanders.config.data / "keys")
    (flanders.config.data / "restored").write_text("{}")
    flanders = await start_node("flanders", peers=[denmark.base])
    answered, confirm = [], Store.confirm

    async def asked_before(self, log_id, **values):
        if log_id == flanders.node.log.id:
            answered.append((await marked(flanders))[0])
        await confirm(self, log_id, **values)

    monkeypatch.setattr(Store, "confirm", asked_before)
    await flanders.node.recover()
    assert answered == [200]
    assert flanders.node.guard.reason() == ""
    await assert_sound(flanders)


@pytest.fixture
def marked():
    async def get(node) -> tuple[int, str]:
        async with aiohttp.ClientSession() as session, session.get(f"{node.base}/log/checkpoint") as answer:
            return answer.status, await answer.text()

    return get


async def test_a1_a_change_of_keys_while_the_checkpoint_is_renewed_leaves_one_that_verifies(
    start_node, clock, monkeypatch, marked
):
    node = await start_node("flanders")
    await node.publish(pilot("mill"))
    other = await start_node("denmark", peers=[node.base])
    await other.pull(node)
    clock.forward(hours=13)
    own, rotated = node.node.own, list[bool]()
    ahead = type(own)._ahead

    async def meanwhile(self) -> float:
        if not rotated:
            rotated.append(True)
            await custody.rotate(node.node, None, compromised_from=None)  # another process
        return await ahead(self)

    monkeypatch.setattr(type(own), "_ahead", meanwhile)
    assert (await marked(node))[0] == 200
    clock.forward(hours=1)
    assert (await other.pull(node)).state == "active"
    await assert_sound(node)


async def test_a33_a_lost_row_makes_no_fork_of_an_honest_peer_nor_of_us(start_node):
    denmark = await start_node("denmark")
    await denmark.publish(pilot("a"), pilot("b"), pilot("c"))
    sweden = await start_node("sweden", peers=[denmark.base])
    await sweden.pull(denmark)
    await denmark.publish(pilot("d"), pilot("e"))
    node = await start_node("flanders", peers=[denmark.base, sweden.base])
    await node.pull(denmark)
    denmark.may_ask(sweden)
    for each in (node, denmark):
        log = await each.log_of(denmark) if each is node else await each.node.store.log(each.node.log.id)
        await lose(each, log.id, 2)
        with pytest.raises(StorageFailed, match="The database has lost entries"):
            await each.pull(sweden, "peer1")
        states = {state.state for state in (await each.node.store.peers.states()).values()}
        assert "forked" not in states
        assert each.node.guard.forked() == ""


async def lose(node, log_id: int, position: int) -> None:
    """A row is lost: a disk, or a hand in the database."""
    async with writing(node.node.store._engine) as connection:
        entry = schema.entry.c
        await connection.execute(schema.entry.delete().where(entry.log_id == log_id, entry.position == position))
