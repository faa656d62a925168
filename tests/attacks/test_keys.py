"""A2, A3, A26, A27: keys that are stolen, lost, changed and exchanged."""

from __future__ import annotations

import asyncio
import base64
import json

import aiohttp
import pytest
from aiohttp import web
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from federation import custody, following
from federation import node as nodes
from federation.errors import Conflict, InvalidRequest
from federation.log import checkpoint, did
from federation.log.keys import Declaration
from federation.store.keyfiles import PrivateKeys
from tests.attacks.invariants import assert_sound
from tests.conftest import FakeClock, pilot


@pytest.fixture
async def node(start_node, peer):
    return await start_node("flanders", peers=[peer.base])


async def test_a26_a_change_of_keys_is_followed_without_a_hand(node, peer):
    peer.publish("mill")
    await node.pull(peer)
    peer.rotate()
    peer.publish("lock")
    pulled = await node.pull(peer)
    assert (pulled.state, await node.slugs(peer)) == ("active", ["mill", "lock"])
    assert (await node.log_of(peer)).keys == peer.private.public
    await assert_sound(node)


async def test_a26_a_node_that_was_away_walks_all_changes(node, peer):
    peer.publish("mill")
    await node.pull(peer)
    for name in ("lock", "dike", "weir"):
        peer.rotate()
        peer.publish(name)
    assert (await node.pull(peer)).state == "active"
    assert await node.slugs(peer) == ["mill", "lock", "dike", "weir"]
    await assert_sound(node)


async def test_a26_keys_change_in_the_middle_of_many_pages(start_node, peer):
    node = await start_node("flanders", peers=[peer.base])
    peer.publish(*(f"before-{number}" for number in range(450)))
    peer.rotate()
    peer.publish(*(f"after-{number}" for number in range(450)))
    pulled = await node.pull(peer)
    assert (pulled.state, pulled.size) == ("active", 902)


async def test_a26_a_change_without_the_announced_key_stops_the_peer_and_the_real_one_heals_it(node, peer):
    peer.publish("mill")
    await node.pull(peer)
    entries, events, private, announced = list(peer.entries), list(peer.events), peer.private, peer.next
    peer.next = Ed25519PrivateKey.generate()
    peer.rotate()
    peer.publish("forged")
    pulled = await node.pull(peer)
    assert (pulled.state, pulled.reason) == ("key-mismatch", "key-mismatch")
    assert await node.slugs(peer) == ["mill"]
    await assert_sound(node)
    peer.entries, peer.events, peer.private, peer.next = entries, events, private, announced
    peer.rotate()
    peer.publish("lock")
    assert (await node.pull(peer)).state == "active"
    assert await node.slugs(peer) == ["mill", "lock"]


async def test_a27_other_keys_in_did_json_stop_the_peer_until_the_old_ones_are_back(node, peer):
    peer.publish("mill")
    await node.pull(peer)
    events = list(peer.events)
    stranger = PrivateKeys(Ed25519PrivateKey.generate(), Ed25519PrivateKey.generate())
    peer.events = [(Declaration(stranger.public, 0, "0" * 64), "")]
    peer.publish("lock")
    pulled = await node.pull(peer)
    assert (pulled.state, pulled.reason) == ("key-mismatch", "key-mismatch")
    assert await node.slugs(peer) == ["mill"]
    await assert_sound(node)
    peer.events = events
    assert (await node.pull(peer)).state == "active"
    assert await node.slugs(peer) == ["mill", "lock"]
    await assert_sound(node)


async def test_a2_what_a_stolen_key_signed_is_hidden_and_what_it_signed_before_stays(node, peer, clock):
    peer.publish("mill")
    await node.pull(peer)
    stolen = len(peer.entries)
    peer.publish("mill", version=2)
    peer.append(peer.body_of(pilot("forged")), created=peer.entries[-1].published)
    await node.pull(peer)
    assert await node.slugs(peer) == ["mill", "mill", "forged"]
    clock.forward(hours=1)
    peer.rotate(compromised_from=stolen)
    assert (await node.pull(peer)).state == "active"
    assert await node.slugs(peer) == ["mill"]
    log = await node.log_of(peer)
    current = await node.node.store.current(f"{peer.base}/records/pilot/mill", log.id)
    assert current.version == 1
    await assert_sound(node)


async def test_a2_a_new_node_never_shows_what_a_stolen_key_signed(start_node, peer):
    peer.publish("mill", "forged")
    peer.rotate(compromised_from=2)
    node = await start_node("denmark", peers=[peer.base])
    await node.pull(peer)
    assert await node.slugs(peer) == ["mill"]
    await assert_sound(node)


async def test_a3_new_keys_after_lost_ones_wait_for_people(node, peer):
    peer.publish("mill")
    await node.pull(peer)
    fingerprint = peer.recover()
    peer.publish("lock")
    pulled = await node.pull(peer)
    assert (pulled.state, pulled.reason) == ("key-mismatch", "key-mismatch")
    assert fingerprint in pulled.detail
    assert await node.slugs(peer) == ["mill"]
    await assert_sound(node)
    log = await node.log_of(peer)
    await node.node.store.peers.update(log.id, recovered=fingerprint)
    assert (await node.pull(peer)).state == "active"
    assert await node.slugs(peer) == ["mill", "lock"]
    await assert_sound(node)


async def test_a2_a_version_signed_again_after_a_theft_is_shown_by_early_and_late_copies_alike(start_node, peer):
    early = await start_node("flanders", peers=[peer.base])
    stolen = 2
    peer.publish("mill")
    peer.publish("mill", version=2)
    await early.pull(peer)
    peer.rotate(compromised_from=stolen)
    await early.pull(peer)
    peer.publish("mill", version=2)
    await early.pull(peer)
    late = await start_node("denmark", peers=[peer.base])
    await late.pull(peer)
    for node in (early, late):
        current = await node.node.store.current(f"{peer.base}/records/pilot/mill", (await node.log_of(peer)).id)
        assert (current.position, current.version) == (4, 2)
        await assert_sound(node)


async def test_a2_an_erasure_after_a_theft_counts_in_a_copy_that_learns_of_both_at_once(start_node):
    from federation import custody

    flanders = await start_node("flanders")
    denmark = await start_node("denmark", peers=[flanders.base])
    await flanders.publish(pilot("mill"))
    await flanders.publish(pilot("mill", title="Stolen"))
    await denmark.pull(flanders)
    await custody.rotate(flanders.node, None, compromised_from=2)
    await flanders.node.own.erase(f"{flanders.base}/records/pilot/mill", {"nl": "Op verzoek."})
    assert (await denmark.pull(flanders)).state == "active"
    log = await denmark.log_of(flanders)
    assert sorted(await denmark.node.store.erasures(log.id)) == [1, 2]
    await assert_sound(denmark)


async def test_a_rotation_goes_on_where_another_process_has_just_published(start_node, clock, tools, monkeypatch):
    one = await start_node("flanders")
    async with nodes.open_node(one.config, clock=FakeClock(), width=1, tools=tools) as other:
        append, tries = other.store.append_own, []

        async def overtaken(*args, **given):
            """The other process appends after the rotation was signed, and at a later time than it."""
            tries.append(args)
            if len(tries) == 1:
                await one.publish(pilot("meanwhile"))
            return await append(*args, **given)

        clock.forward(seconds=90)
        monkeypatch.setattr(other.store, "append_own", overtaken)
        changed = await custody.rotate(other, None, compromised_from=None)
    assert await one.slugs(one) == ["meanwhile"]
    assert (len(tries), changed.position) == (2, 2)


async def test_of_two_rotations_at_once_one_is_refused(start_node, clock, tools, monkeypatch):
    one = await start_node("flanders")
    async with nodes.open_node(one.config, clock=clock, width=1, tools=tools) as other:
        append = other.store.append_own

        async def overtaken(*args, **given):
            monkeypatch.setattr(other.store, "append_own", append)
            await custody.rotate(one.node, None, compromised_from=None)
            return await append(*args, **given)

        monkeypatch.setattr(other.store, "append_own", overtaken)
        with pytest.raises(Conflict):
            await custody.rotate(other, None, compromised_from=None)
    assert (await one.node.store.log(one.node.log.id)).size == 2


async def test_a26_pages_with_many_changes_of_keys_are_fetched_once(node, peer):
    for _ in range(450):
        peer.rotate()
    short = json.dumps(did.document(peer.did, peer.events[-1:])).encode()
    peer.altering("/.well-known/did.json", lambda _: short)
    assert (await node.pull(peer)).state == "active"
    pages = [each for each in peer.requests if each.count("/") == 3]
    assert len(pages) == len(set(pages)) > 4
    await assert_sound(node)


async def test_a27_what_a_coordinator_confirms_during_a_pull_stands(start_node, peer, clock):
    node = await start_node("flanders", peers=[peer.base])
    follow = node.config.peers[0]
    peer.publish("mill")
    await node.node.pull(follow)
    fingerprint = peer.recover()
    peer.publish("later")
    assert (await node.node.syncer.pull(follow)).reason == "key-mismatch"
    inside, go_on = asyncio.Event(), asyncio.Event()

    async def slow(request: web.Request) -> web.Response:
        inside.set()
        await go_on.wait()
        return web.Response(text=peer.checkpoint)

    peer.answering("/log/checkpoint", slow)
    clock.forward(hours=25)
    pulling = asyncio.create_task(node.node.syncer.pull(follow))
    await inside.wait()
    await following.confirm(node.node, "peer0", fingerprint)
    go_on.set()
    await pulling
    peer.honest()
    await node.node.pull(follow)  # as the scheduler does: only when it is due
    log = await node.log_of(peer)
    assert (await node.node.store.peers.states())[log.id].state == "active"


async def test_a27_a_peer_that_lost_its_keys_twice_is_followed_once_both_are_confirmed(start_node, peer):
    node = await start_node("flanders", peers=[peer.base])
    peer.publish("mill")
    await node.pull(peer)
    one = peer.recover()
    peer.publish("lock")
    two = peer.recover()
    peer.publish("weir")
    for fingerprint in (one, two):
        assert (await node.pull(peer)).reason == "key-mismatch"
        await following.confirm(node.node, "peer", fingerprint)
    assert (await node.pull(peer)).state == "active"
    assert sorted(await node.slugs(peer)) == ["lock", "mill", "weir"]
    await assert_sound(node)


async def test_a6_a_line_that_nobody_signed_goes_no_further_than_the_checkpoint_it_came_with(start_node, peer):
    def junk(body: bytes, seconds: int) -> bytes:
        note, _, signatures = body.decode().partition("\n\n")
        line = base64.b64encode(bytes(4) + seconds.to_bytes(8, "big") + bytes(64)).decode()
        return f"{note}\n\n— {note.partition(chr(10))[0]} {line}\n{signatures}— x.example AAAA\n".encode()

    node = await start_node("flanders", peers=[peer.base])
    peer.publish("mill")
    for number, seconds in enumerate((2**63, 221_845_392_000, 0)):
        peer.altering("/log/checkpoint", lambda body, seconds=seconds: junk(body, seconds))
        peer.publish(f"lock-{number}")
        assert (await node.pull(peer)).state == "active"
        kept = (await node.log_of(peer)).checkpoint
        assert kept.count("— ") == 2
        assert checkpoint.signed_at(kept) is not None
        assert checkpoint.signed_at(kept).year == 2026
        assert checkpoint.signed_at(junk(kept.encode(), 2**63).decode()) is None
    await assert_sound(node)


async def test_a27_a_fingerprint_that_a_peer_does_not_show_is_not_confirmed(start_node, peer):
    node = await start_node("flanders", peers=[peer.base])
    await node.pull(peer)
    peer.recover()
    peer.publish("later")
    assert (await node.pull(peer)).reason == "key-mismatch"
    with pytest.raises(InvalidRequest, match="does not show the fingerprint ffff"):
        await following.confirm(node.node, "peer", " ".join(["ffff"] * 8))
    assert (await node.pull(peer)).reason == "key-mismatch"


async def test_a26_a_mirror_remembers_no_more_retired_keys_than_others_read(start_node, peer):
    for _ in range(130):
        peer.rotate()
    node = await start_node("flanders", peers=[peer.base])
    assert (await node.pull(peer)).state == "active"
    path = f"{node.base}/mirror/{peer.base.removeprefix('http://')}/.well-known/did.json"
    async with aiohttp.ClientSession() as session, session.get(path) as answer:
        body = await answer.read()
    assert len(body) < did.MAX_SIZE
    assert did.keys_in(json.loads(body), peer.did) == (await node.log_of(peer)).keys
