"""A4, A5, A18, A19: logs that become shorter, freeze, or show one history to some and another to others."""

from __future__ import annotations

import asyncio
import json
import shutil

import aiohttp
import pytest
from aiohttp import web

from federation import following, gossip, proving
from federation.errors import NotVerified, ReadOnly, StorageFailed
from federation.limits import Limits
from federation.log import checkpoint as checkpoints
from federation.log import did, forks
from federation.log.forks import Told
from federation.records.multikey import encode_public
from federation.store import files
from federation.store.rows import Log
from federation.web.keys import READY
from tests.attacks.invariants import assert_sound
from tests.conftest import pilot, simulated_peer
from tests.databases import in_files


async def test_a4_a_peer_restored_from_a_backup_is_regressed_and_active_once_it_has_grown_again(start_node, peer):
    node = await start_node("flanders", peers=[peer.base])
    peer.publish("mill", "lock", "dike")
    await node.pull(peer)
    whole = list(peer.entries)
    peer.entries = whole[:2]
    pulled = await node.pull(peer)
    assert (pulled.state, pulled.reason, pulled.size) == ("regressed", "regressed", 4)
    assert await node.slugs(peer) == ["mill", "lock", "dike"]
    await assert_sound(node)
    peer.entries = whole
    peer.publish("weir")
    assert (await node.pull(peer)).state == "active"
    assert await node.slugs(peer) == ["mill", "lock", "dike", "weir"]


async def test_a4_one_that_grows_again_otherwise_is_forked_with_a_proof_that_anybody_can_check(start_node, peer):
    node = await start_node("flanders", peers=[peer.base])
    peer.publish("mill", "lock")
    await node.pull(peer)
    peer.entries = peer.entries[:2]
    peer.publish("forged")
    pulled = await node.pull(peer)
    assert (pulled.state, pulled.reason) == ("forked", "forked")
    log = await node.log_of(peer)
    evidence = (await node.node.store.peers.states())[log.id].evidence
    assert forks.checked(json.loads(evidence)).log == peer.did
    assert await node.slugs(peer) == ["mill", "lock"]
    await assert_sound(node)


async def meet(node, other) -> None:
    await node.pull(other, name="other")


@pytest.fixture
async def two(start_node, peer):
    """Two nodes that follow the peer and each other."""
    denmark = await start_node("denmark", peers=[peer.base])
    norway = await start_node("norway", peers=[peer.base, denmark.base])
    denmark.may_ask(norway.base)
    return denmark, norway


async def shown_otherwise(two, peer) -> None:
    """The peer shows each of two nodes another history of its log, 3 and 4 entries long."""
    denmark, norway = two
    peer.publish("mill", "lock")
    await denmark.pull(peer)
    peer.entries = peer.entries[:2]
    peer.publish("forged", "more")
    await norway.pull(peer)


async def test_a19_two_histories_shown_to_two_nodes_are_found_by_both_when_they_compare(two, peer):
    denmark, norway = two
    await shown_otherwise(two, peer)
    await meet(norway, denmark)
    await meet(denmark, norway)
    for node in (denmark, norway):
        log = await node.log_of(peer)
        state = (await node.node.store.peers.states())[log.id]
        assert (state.state, state.reason) == ("forked", "forked")
        fork = forks.checked(json.loads(state.evidence))
        assert (fork.log, fork.first.checkpoint.size, fork.second.checkpoint.size) == (peer.did, 3, 4)
        await assert_sound(node)


async def test_a19_a_fork_that_was_found_is_told_to_all_and_no_pull_under_way_hides_it(two, peer):
    denmark, _ = two
    peer.publish("mill", "lock")
    await denmark.pull(peer)
    before = await gossip.digest(denmark.node.store)
    log = await denmark.log_of(peer)

    async def meanwhile(request):
        await denmark.node.store.peers.update(log.id, state="forked", reason="forked", evidence="{}")
        return web.Response(text=peer.checkpoint)

    peer.answering("/log/checkpoint", meanwhile)
    assert (await denmark.pull(peer)).reason == "forked"
    assert (await denmark.node.store.peers.states())[log.id].evidence == "{}"
    assert await gossip.digest(denmark.node.store) != before


async def test_a19_a_node_that_was_told_of_a_fork_before_it_followed_the_log_is_told_again(two, peer):
    denmark, norway = two
    peer.publish("mill")
    await denmark.pull(peer)
    peer.entries = peer.entries[:-1]
    peer.publish("lock")
    assert (await denmark.pull(peer)).state == "forked"
    await meet(norway, denmark)  # nothing is held of that log yet, so nothing can be judged
    assert (await norway.pull(peer)).state == "active"
    await meet(norway, denmark)
    log = await norway.log_of(peer)
    state = (await norway.node.store.peers.states())[log.id]
    assert (state.state, state.reason) == ("forked", "forked")
    await assert_sound(norway)


async def test_a19_an_honest_peer_that_one_node_saw_earlier_is_never_called_forked(two, peer):
    denmark, norway = two
    for name in ("mill", "lock", "dike"):
        peer.publish(name)
        await denmark.pull(peer)
        await meet(norway, denmark)
    await norway.pull(peer)
    await meet(denmark, norway)
    for node in (denmark, norway):
        log = await node.log_of(peer)
        assert (await node.node.store.peers.states())[log.id].state in ("active", "new")


async def test_a18_a_checkpoint_that_is_held_back_from_one_node_is_noticed_through_another(two, peer):
    denmark, norway = two
    peer.publish("mill")
    await denmark.pull(peer)
    old = list(peer.entries)
    peer.publish("lock")
    await norway.pull(peer)
    await meet(denmark, norway)
    peer.entries = old
    pulled = await denmark.pull(peer)
    assert (pulled.state, pulled.reason) == ("stale", "withheld")
    await assert_sound(denmark)
    peer.publish("lock")
    assert (await denmark.pull(peer)).state == "active"


async def test_a19_a_forged_accusation_is_left_aside(start_node, peer):
    node = await start_node("flanders", peers=[peer.base])
    peer.publish("mill")
    await node.pull(peer)
    log = await node.log_of(peer)
    told = {"type": forks.TYPE, "log": peer.did, "origin": "x", "keys": ["z", "z"], "checkpoints": ["", ""]}
    accusations = [{}, told, {**told, "root": "00", "consistency": []}, [], None]
    for document in accusations:
        with pytest.raises(NotVerified):
            forks.checked(document)

    peer.saying(forks=accusations)
    assert (await node.pull(peer)).state == "active"
    assert "/log/seen" in peer.requests
    assert (await node.node.store.peers.states())[log.id].state == "active"


@pytest.fixture
async def forked(start_node):
    """A node whose disk was put back in silence: it has signed two histories, and its peer holds the other one."""
    flanders = await start_node("flanders")
    await flanders.publish(pilot("mill"))
    denmark = await start_node("denmark", peers=[flanders.base])
    await flanders.stop()
    backup = flanders.config.data.with_name("backup")
    shutil.copytree(flanders.config.data, backup)
    flanders = await start_node("flanders")
    await flanders.publish(pilot("lock"))
    await denmark.pull(flanders)
    await flanders.stop()
    shutil.rmtree(flanders.config.data)
    shutil.copytree(backup, flanders.config.data)
    flanders = await start_node("flanders", peers=[denmark.base])
    await flanders.publish(pilot("dike"), pilot("weir"))
    await flanders.pull(denmark, name="peer0")
    return flanders, denmark


@in_files
async def test_a19_a_node_whose_own_log_is_forked_stops_writing_until_a_person_decides(forked, start_node):
    flanders, denmark = forked
    with pytest.raises(ReadOnly, match="procirc resume --accept-fork"):
        await flanders.publish(pilot("more"))
    for _ in range(2):
        await flanders.node.recover()
        await flanders.pull(denmark, name="peer0")
    with pytest.raises(ReadOnly):
        await flanders.node.own.withdraw(f"{flanders.base}/records/pilot/mill", {"nl": "x"})
    await flanders.stop()
    flanders = await start_node("flanders", peers=[denmark.base])
    with pytest.raises(ReadOnly):
        await flanders.publish(pilot("more"))
    flanders.app[READY].clear()
    async with aiohttp.ClientSession() as session:
        async with session.get(f"{flanders.base}/health/ready") as answer:
            assert (answer.status, "own-fork.json" in await answer.text()) == (503, True)
        async with session.get(f"{flanders.base}/network", headers={"Accept": "text/html"}) as answer:
            assert "Two signed histories" in await answer.text()
        async with session.get(f"{flanders.base}/log/1") as answer:
            assert answer.status == 200
    await assert_sound(flanders)


@in_files
async def test_a19_the_proof_of_the_own_fork_is_kept_and_anybody_can_check_it(forked):
    flanders, _ = forked
    proof = flanders.config.data / "own-fork.json"
    report = await proving.verify(str(proof), settings=None, did_document=None, progress=lambda held, total: None)
    assert report["fork of"] == flanders.node.log.did
    kept = await flanders.node.recovery.accept_fork()
    assert not proof.exists()
    assert forks.checked(json.loads(kept.read_text())).log == flanders.node.log.did


@in_files
async def test_a19_once_decided_the_other_history_stops_the_node_no_more_but_a_third_one_does(forked):
    flanders, denmark = forked
    await flanders.node.recovery.accept_fork()
    await flanders.publish(pilot("more"))
    flanders.node.syncer._gossip._known.clear()
    await flanders.pull(denmark, name="peer0")
    await flanders.node.recover()
    await flanders.publish(pilot("again"))
    guard = flanders.node.guard
    own = await flanders.node.store.log(flanders.node.log.id)
    key = flanders.node.keyring.private(own.keys).log
    origin = own.checkpoint.partition("\n")[0]
    third = checkpoints.sign(origin, own.size, b"3" * 32, key, now=flanders.clock())
    guard.accuse(json.dumps({"checkpoints": [own.checkpoint, third]}))
    with pytest.raises(ReadOnly):
        await flanders.publish(pilot("third"))


async def remembered_otherwise(node) -> Log:
    """Have a node remember another history of the same size, as it signed it before its database was put back."""
    log = await node.node.store.log(node.node.log.id)
    key, origin = node.node.keyring.private(log.keys).log, checkpoints.origin_of(node.config.host)
    node.node.guard.keep(checkpoints.sign(origin, log.size, b"\1" * 32, key, now=node.clock()))
    return log


async def test_a5_a_database_that_was_put_back_and_written_on_stops_whoever_signed_otherwise(start_node):
    node = await start_node("flanders")
    await node.publish(pilot("one"))
    guard, log = node.node.guard, await remembered_otherwise(node)
    with pytest.raises(ReadOnly, match="Two signed histories"):
        await node.publish(pilot("two"))
    assert forks.checked(json.loads(guard.evidence())).first.checkpoint.size == log.size
    assert (await node.node.store.log(log.id)).size == log.size


async def test_a5_a_database_that_was_put_back_and_written_on_is_noticed_without_publishing(start_node):
    node = await start_node("flanders")
    await node.node.catch_up()
    assert node.node.guard.reason() == ""
    await remembered_otherwise(node)
    await node.node.catch_up()
    assert "Two signed histories" in node.node.guard.reason()


async def test_a5_a_node_restored_from_an_old_backup_gets_its_entries_back_and_never_forks(start_node):
    flanders = await start_node("flanders")
    await flanders.publish(pilot("mill"))
    denmark = await start_node("denmark", peers=[flanders.base])
    await denmark.pull(flanders)
    await flanders.stop()
    backup = flanders.config.data.with_name("backup")
    shutil.copytree(flanders.config.data, backup)
    flanders = await start_node("flanders")
    await flanders.publish(*(pilot(f"later-{number}") for number in range(50)))
    await denmark.pull(flanders)
    root = (await flanders.node.store.log(flanders.node.log.id)).verified.root
    await flanders.stop()
    # The whole directory goes back in time, the checkpoint beside the database too.
    shutil.rmtree(flanders.config.data)
    shutil.copytree(backup, flanders.config.data)
    (flanders.config.data / "restored").write_text("{}")
    flanders = await start_node("flanders", peers=[denmark.base])
    with pytest.raises(ReadOnly):
        await flanders.publish(pilot("fork"))
    await flanders.node.recover()
    log = await flanders.node.store.log(flanders.node.log.id)
    assert (log.verified_size, log.verified.root) == (52, root)
    await flanders.publish(pilot("after"))
    assert (await denmark.pull(flanders)).state == "active"
    assert await denmark.slugs(flanders) == ["mill", *(f"later-{number}" for number in range(50)), "after"]
    for node in (flanders, denmark):
        await assert_sound(node)


async def test_a5_with_its_peers_down_it_only_reads(start_node):
    flanders = await start_node("flanders", peers=["http://localhost:9"])
    (flanders.config.data / "restored").write_text("{}")
    await flanders.node.recover()
    with pytest.raises(ReadOnly):
        await flanders.publish(pilot("fork"))


async def test_a5_an_old_database_beside_a_newer_checkpoint_is_noticed_at_once(start_node):
    flanders = await start_node("flanders")
    await flanders.publish(pilot("mill"))
    newest = flanders.config.data / "checkpoint"
    lines = newest.read_text().split("\n")
    newest.write_text("\n".join([lines[0], "7", *lines[2:]]))
    with pytest.raises(ReadOnly):
        await flanders.publish(pilot("fork"))
    assert (await flanders.node.store.log(flanders.node.log.id)).size == 2


async def test_a5_a_node_without_a_backup_mark_learns_from_a_peer_that_it_is_behind(start_node):
    flanders = await start_node("flanders")
    await flanders.publish(pilot("mill"))
    denmark = await start_node("denmark", peers=[flanders.base])
    await flanders.stop()
    backup = flanders.config.data.with_name("backup")
    shutil.copytree(flanders.config.data, backup)
    flanders = await start_node("flanders")
    await flanders.publish(pilot("lock"))
    await denmark.pull(flanders)
    await flanders.stop()
    shutil.rmtree(flanders.config.data)
    shutil.copytree(backup, flanders.config.data)
    flanders = await start_node("flanders", peers=[denmark.base])
    await flanders.pull(denmark, name="peer0")
    await flanders.node.recover()
    assert await flanders.slugs(flanders) == ["mill", "lock"]
    await flanders.publish(pilot("dike"))
    assert (await denmark.pull(flanders)).state == "active"
    await assert_sound(denmark)


async def test_a5_what_is_published_while_a_node_looks_is_no_sign_of_loss(start_node, monkeypatch):
    node = await start_node("flanders")
    witnesses = node.node.store.witnesses
    of = witnesses.of

    async def meanwhile(did):
        found = await of(did)
        await node.publish(pilot("mill"))
        return found

    monkeypatch.setattr(witnesses, "of", meanwhile)
    assert not await node.node.recovery.look()
    await node.publish(pilot("lock"))


async def test_a28_a_new_node_gets_the_log_of_a_peer_that_is_gone_from_a_mirror(start_node, peer):
    denmark = await start_node("denmark", peers=[peer.base])
    peer.publish(*(f"mill-{number}" for number in range(130)))
    peer.rotate()
    peer.publish("lock")
    await denmark.pull(peer)

    async def gone(request):
        request.transport.close()

    peer.answering("/", gone)
    norway = await start_node("norway")
    norway.may_ask(denmark.base)
    pulled = await norway.pull(peer.base, via=denmark.base)
    assert (pulled.state, pulled.size) == ("active", 133)
    assert (await norway.log_of(peer.base)).verified.root == (await denmark.log_of(peer)).verified.root
    await assert_sound(norway)
    peer.honest()
    peer.publish("dike")
    norway.may_ask(peer.base)
    assert (await norway.pull(peer)).added == 1


@pytest.mark.parametrize("marked", [True, False], ids=["marked", "put back by hand"])
async def test_a5_a_node_restored_to_before_a_change_of_keys_follows_it_and_never_forks(start_node, marked):
    from federation import custody

    flanders = await start_node("flanders")
    await flanders.publish(pilot("mill"))
    denmark = await start_node("denmark", peers=[flanders.base])
    await denmark.pull(flanders)
    await flanders.stop()
    data = flanders.config.data
    backup, keys = data.with_name("backup"), data.with_name("keys")
    shutil.copytree(data, backup)
    flanders = await start_node("flanders")
    await custody.rotate(flanders.node, None, compromised_from=None)
    await flanders.publish(pilot("lock"))
    await denmark.pull(flanders)
    await flanders.stop()
    shutil.copytree(data / "keys", keys)
    shutil.rmtree(data)
    shutil.copytree(backup, data, ignore=shutil.ignore_patterns("keys"))
    shutil.copytree(keys, data / "keys")
    if marked:
        (data / "restored").write_text("{}")
    flanders = await start_node("flanders", peers=[denmark.base])
    if not marked:
        await flanders.pull(denmark, name="peer0")
    await flanders.node.recover()
    assert await flanders.slugs(flanders) == ["mill", "lock"]
    await flanders.publish(pilot("dike"))
    assert (await denmark.pull(flanders)).state == "active"
    assert await denmark.slugs(flanders) == ["mill", "lock", "dike"]
    for node in (flanders, denmark):
        await assert_sound(node)


async def test_what_was_signed_is_kept_whole_by_writers_that_come_at_once(start_node):
    """A publisher, the job that remembers, and the one that renews the checkpoint all keep it."""
    node = await start_node("flanders")

    async def remembering(done: asyncio.Event) -> None:
        while not done.is_set():
            await node.node.own.remember()

    done = asyncio.Event()
    others = [asyncio.create_task(remembering(done)) for _ in range(3)]
    for number in range(20):
        await node.publish(pilot(f"mill-{number}"))
    done.set()
    await asyncio.gather(*others)
    assert node.node.guard.newest() == (await node.node.store.log(node.node.log.id)).size == 21
    assert not list(node.config.data.glob("*.partial"))
    await assert_sound(node)


async def test_a_publish_stands_although_its_checkpoint_cannot_be_kept_beside_the_database(start_node, monkeypatch):
    node = await start_node("flanders")

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(node.node.guard, "keep", full)
        await node.publish(pilot("mill"))
    await node.node.own.remember()
    assert node.node.guard.newest() == 2
    await assert_sound(node)


async def test_a19_a_decision_about_a_peer_holds_although_others_have_not_decided_yet(two, peer):
    denmark, norway = two
    await shown_otherwise(two, peer)
    await meet(norway, denmark)
    assert await state(norway, peer) == "forked"
    await following.confirm(norway.node, "peer", "")
    peer.publish("newer")
    assert (await norway.pull(peer)).state == "active"
    await meet(norway, denmark)
    assert (await norway.pull(peer)).state == "active"
    peer.entries = peer.entries[:3]
    peer.publish("third", "history", "of", "all")
    assert (await norway.pull(peer)).state == "forked"


async def state(node, peer) -> str:
    return (await node.node.store.peers.states())[(await node.log_of(peer)).id].state


async def test_a4_a_proof_is_passed_on_without_what_somebody_added_to_it(start_node, peer):
    node = await start_node("flanders", peers=[peer.base])
    peer.publish("mill")
    denmark = await start_node("denmark", peers=[node.base])
    await node.pull(peer, "peer0")
    await denmark.pull(node, "peer0")
    origin, key = checkpoints.origin_of(did.host_of(peer.base)), peer.private.log

    def told(root: bytes) -> Told:
        text = checkpoints.sign(origin, 2, root, key, now=peer.clock())
        return Told(checkpoints.verify(text, origin=origin, key=key.public_key()), encode_public(key.public_key()))

    proof = json.loads(forks.written(peer.did, told(b"\1" * 32), told(b"\2" * 32), ()))
    peer.saying(forks=[{**proof, "x": "PADDING" * 20_000}])
    assert (await node.pull(peer, "peer0")).state == "forked"
    async with aiohttp.ClientSession() as session, session.get(f"{node.base}/log/seen") as answer:
        text = await answer.text()
    assert [each["checkpoints"] for each in json.loads(text)["forks"]] == [proof["checkpoints"]]
    assert "PADDING" not in text
    await node.publish(pilot("more"))
    assert (await denmark.pull(node, "peer0")).state == "active"


async def test_a4_a_proof_that_cannot_be_kept_is_looked_at_again(start_node, vocabulary, clock, monkeypatch):
    node = await start_node("flanders")
    await node.publish(pilot("a"), pilot("b"))
    async with simulated_peer(vocabulary, clock) as witness:
        log = await node.node.store.log(node.node.log.id)
        key = node.node.keyring.private(log.keys).log
        other = checkpoints.sign(checkpoints.origin_of(did.host_of(node.base)), 2, b"\7" * 32, key, now=clock())
        theirs = checkpoints.origin_of(did.host_of(witness.base))
        cosigned = checkpoints.cosign(other, theirs, witness.private.log, at=clock())
        witness.saying({"log": log.did, "checkpoint": cosigned})
        node.may_ask(witness.base)

        def full(*_: object, **__: object) -> None:
            raise OSError(28, "No space left on device")

        with monkeypatch.context() as patched:
            patched.setattr(files, "write", full)
            with pytest.raises(StorageFailed, match="cannot be kept"):
                await node.pull(witness.base, "w")
        assert "blocked" not in {each.state for each in (await node.node.store.peers.states()).values()}
        await node.pull(witness.base, "w")
        assert node.node.guard.forked()
        with pytest.raises(ReadOnly):
            await node.publish(pilot("goes-on"))


async def test_a19_a_history_that_was_signed_and_never_shown_is_not_forgotten(start_node, peer):
    """One checkpoint is headed for, the entries are of another history, and so is the checkpoint that follows."""
    node = await start_node("flanders", peers=[peer.base], limits=Limits(run_pages=1))
    peer.publish(*(f"mill-{number}" for number in range(250)))
    assert (await node.pull(peer, name="peer0")).state == "lagging"
    peer.entries = peer.entries[:150]
    peer.publish(*(f"other-{number}" for number in range(250)))
    for _ in range(12):
        pulled = await node.pull(peer, name="peer0")
        if pulled.reason == "forked":
            break
    log = await node.log_of(peer)
    evidence = (await node.node.store.peers.states())[log.id].evidence
    assert forks.checked(json.loads(evidence)).log == peer.did
    assert (await node.pull(peer, name="peer0")).reason == "forked"
    await assert_sound(node)


async def test_a19_a_history_that_the_entries_belied_once_is_not_forgotten_either(start_node, peer):
    node = await start_node("flanders", peers=[peer.base])
    peer.publish("mill", "lock")
    first = list(peer.entries)
    peer.entries = first[:1]
    peer.publish("other", "lock")
    told = peer.checkpoint
    peer.entries = first
    peer.answering("/log/checkpoint", lambda request: _text(told))
    assert (await node.pull(peer, name="peer0")).reason == "root-mismatch"
    peer.honest()
    peer.publish("weir")
    assert (await node.pull(peer, name="peer0")).reason == "forked"
    await assert_sound(node)


async def _text(told: str) -> web.Response:
    return web.Response(text=told)
