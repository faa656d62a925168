"""Sync: what is believed, what is refused and why, and that an honest peer is followed again by itself."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace

import pytest
from aiohttp import web
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from federation.errors import AddressRefused, PeerUnreachable
from federation.feed import PAGE
from federation.limits import Limits
from federation.log import forks
from federation.log.keys import Declaration
from federation.log.merkle import Frontier
from federation.log.times import timestamp
from federation.peers.transport import open_transport
from federation.records.proof import Signer
from federation.store.keyfiles import PrivateKeys
from federation.store.locks import held
from federation.sync import backoff
from tests.conftest import pilot
from tests.simulator import bomb, cut_short, dripping, redirecting, status

QUICK = Limits(read_seconds=0.3, page_seconds=0.6, connect_seconds=1, page_bytes=4_000_000)


@pytest.fixture
async def node(start_node, peer):
    return await start_node("flanders", peers=[peer.base], limits=QUICK)


async def invariants(node, peer) -> None:
    """What must hold after every test, whatever the peer did."""
    log = await node.log_of(peer)
    assert log.verified_size <= log.size
    entries = await node.node.store.entries(log.id, 0, log.size)
    assert [e.position for e in entries] == list(range(log.size))
    assert Frontier().append(e.leaf for e in entries[: log.verified_size]).root == log.verified.root
    for lock in (node.node.config.data / "locks").glob("pull-*.lock"):
        with held(lock) as mine:
            assert mine


async def recovers(node, peer, slugs) -> None:
    """The peer turns honest; the next pull makes everything good without a hand."""
    peer.honest()
    pulled = await node.pull(peer)
    assert (pulled.state, pulled.reason) == ("active", "")
    assert await node.slugs(peer) == slugs
    await invariants(node, peer)


# The honest case


async def test_a_pull_copies_the_log_and_makes_it_visible(node, peer):
    peer.publish("mill", "lock")
    pulled = await node.pull(peer)
    assert (pulled.state, pulled.added) == ("active", 3)
    await recovers(node, peer, ["mill", "lock"])


async def test_what_is_kept_is_byte_for_byte_what_was_signed(node, peer):
    peer.publish("mill")
    await node.pull(peer)
    log = await node.log_of(peer)
    assert (await node.node.store.entries(log.id, 0, 9))[1].signed == peer.entries[1].signed


async def test_nothing_new_costs_one_request(node, peer):
    peer.publish("mill")
    await node.pull(peer)
    peer.requests.clear()
    assert (await node.pull(peer)).state == "active"
    assert peer.requests == ["/log/checkpoint"]


async def test_only_the_pages_after_the_cursor_are_fetched(node, peer):
    peer.publish(*(f"a{n}" for n in range(PAGE + 10)))
    await node.pull(peer)
    peer.requests.clear()
    peer.publish("late")
    await node.pull(peer)
    assert "/feed/0/0" not in peer.requests
    assert (await node.slugs(peer))[-1] == "late"


async def test_many_pages_are_judged_in_worker_processes_and_arrive_in_order(start_node, peer):
    node = await start_node("flanders", peers=[peer.base])
    node.node.workers.width = 2
    peer.publish(*(f"a{n}" for n in range(4 * PAGE)))
    assert (await node.pull(peer)).state == "active"
    assert await node.slugs(peer) == [f"a{n}" for n in range(4 * PAGE)]


async def test_a_page_that_closes_while_the_feed_is_walked_is_read_once(node, peer):
    peer.publish(*(f"a{n}" for n in range(2 * PAGE + 10)))

    def closing(root: bytes) -> bytes:
        peer.altering("/feed", lambda page: page)
        peer.publish(*(f"b{n}" for n in range(PAGE)))
        return root  # as it was before; its section is read after

    peer.altering("/feed", closing)
    pulled = await node.pull(peer)
    assert (pulled.state, pulled.added) == ("active", 2 * PAGE + 11)
    assert peer.requests.count("/feed/0/2") == 1


async def test_a_feed_that_links_in_circles_ends(node, peer):
    peer.publish(*(f"a{n}" for n in range(2 * PAGE)))
    peer.altering("/feed/0", lambda body: body.replace(b"/feed/0/1>", b"/feed>").replace(b"/feed/0/0>", b"/feed/0>"))
    pulled = await node.pull(peer)
    assert (pulled.state, pulled.reason) == ("blocked", "bad-page")
    assert len(peer.requests) < 9
    peer.honest()
    assert (await node.pull(peer)).state == "active"


async def test_a_newer_version_replaces_the_older_one(node, peer):
    peer.publish("mill")
    peer.publish("mill", version=2)
    await node.pull(peer)
    log = await node.log_of(peer)
    assert (await node.node.store.current(f"{peer.base}/records/pilot/mill", log.id)).version == 2


async def test_two_pulls_of_one_peer_at_once_do_the_work_once(node, peer):
    peer.publish("mill")
    asked, go_on = asyncio.Event(), asyncio.Event()

    async def waiting(request: web.Request) -> web.StreamResponse:
        asked.set()
        await go_on.wait()
        body, media_type = peer.content(request.path)
        return web.Response(body=body, headers={"Content-Type": media_type})

    peer.answering("/log/checkpoint", waiting)
    first = asyncio.create_task(node.pull(peer))
    await asked.wait()
    assert (await node.pull(peer)).state == "busy"
    go_on.set()
    assert (await first).state == "active"
    await recovers(node, peer, ["mill"])


# Faults that pass


async def test_a_page_cut_short_leaves_the_cursor_and_the_next_pull_goes_on(node, peer):
    peer.publish(*(f"a{n}" for n in range(2 * PAGE)))
    peer.answering("/feed/0/1", cut_short(peer))
    assert (await node.pull(peer)).state == "unreachable"
    log = await node.log_of(peer)
    assert (log.size, log.verified_size) == (PAGE, 0)
    peer.requests.clear()
    await recovers(node, peer, [f"a{n}" for n in range(2 * PAGE)])
    assert "/feed/0/0" not in peer.requests


@pytest.mark.parametrize("code", [429, 500, 503])
async def test_a_status_that_passes_is_tried_again_later(node, peer, code):
    peer.publish("mill")
    peer.answering("/feed", status(code))
    pulled = await node.pull(peer)
    assert (pulled.state, pulled.reason) == ("unreachable", "peer-unreachable")
    await recovers(node, peer, ["mill"])


async def test_retry_after_is_honoured(node, peer):
    peer.answering("/log/checkpoint", status(429, Retry_After="7200"))
    await node.pull(peer)
    state = (await node.node.store.peers.states())[(await node.log_of(peer)).id]
    assert state.next_attempt == "2026-11-22T11:00:00Z"
    peer.requests.clear()
    await node.node.pull(node.peer(peer.base))
    assert peer.requests == []
    node.clock.forward(hours=2, seconds=1)
    peer.honest()
    await node.node.pull(node.peer(peer.base))
    assert "/log/checkpoint" in peer.requests


async def test_a_silent_peer_is_given_up_after_a_while(node, peer):
    peer.publish("mill")
    peer.answering("/feed/0/0", dripping(b"", 5))
    assert (await node.pull(peer)).state == "unreachable"
    await recovers(node, peer, ["mill"])


async def test_a_dripping_peer_is_given_up_after_a_while(node, peer):
    peer.publish("mill")
    peer.answering("/feed/0/0", dripping(b"<a> <b> <c> .\n", 0.05))
    assert (await node.pull(peer)).state == "unreachable"
    await recovers(node, peer, ["mill"])


async def test_a_peer_that_is_gone_is_unreachable_and_its_records_stay(node, peer, start_node):
    peer.publish("mill")
    await node.pull(peer)
    peer.answering("/", cut_short(peer))
    assert (await node.pull(peer)).state == "unreachable"
    assert await node.slugs(peer) == ["mill"]


async def test_a_pull_that_reaches_its_limit_of_pages_goes_on_at_the_next(start_node, peer):
    node = await start_node("flanders", peers=[peer.base], limits=Limits(run_pages=1))
    peer.publish(*(f"a{n}" for n in range(PAGE + 5)))
    first = await node.pull(peer)
    assert (first.state, first.reason) == ("lagging", "run-limit")
    await recovers(node, peer, [f"a{n}" for n in range(PAGE + 5)])


# Attacks


def flip(old: bytes, new: bytes):
    def change(body: bytes) -> bytes:
        assert old in body
        return body.replace(old, new, 1)

    return change


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        (b"Pilot mill", b"Pilot Mill", "bad-proof"),
        (b"multibase", b"multibasf", "bad-proof"),
        (b"activitystreams#Create", b"activitystreams#Update", "mislabelled"),
    ],
)
async def test_an_altered_page_is_refused_whole(node, peer, old, new, reason):
    peer.publish("mill")
    peer.altering("/feed/0/0", flip(old, new))
    pulled = await node.pull(peer)
    assert (pulled.state, pulled.reason) == ("blocked", reason)
    assert (await node.log_of(peer)).size == 0
    await recovers(node, peer, ["mill"])


async def test_an_entry_signed_with_another_key_is_refused(node, peer):
    peer.publish("mill")
    forged = Signer(peer.did, Ed25519PrivateKey.generate())
    peer.append(peer.body_of(pilot("forged")), signer=forged)
    pulled = await node.pull(peer)
    assert (pulled.state, pulled.reason) == ("blocked", "unknown-key")
    peer.entries.pop()
    await recovers(node, peer, ["mill"])


async def test_a_record_of_somebody_else_is_refused(node, peer):
    peer.append(peer.body_of(pilot("stolen"), base="https://other.example", publisher="did:web:other.example"))
    pulled = await node.pull(peer)
    assert (pulled.state, pulled.reason) == ("blocked", "foreign-record")
    peer.entries.pop()
    peer.publish("mill")
    await recovers(node, peer, ["mill"])


async def test_a_duplicate_position_is_refused(node, peer):
    peer.publish("mill", "lock")
    twice = replace(peer.entries[2], position=1)
    honest = peer.entries[2]
    peer.entries[2] = twice
    pulled = await node.pull(peer)
    assert pulled.state == "blocked"
    assert pulled.reason in ("bad-page", "wrong-position")
    peer.entries[2] = honest
    await recovers(node, peer, ["mill", "lock"])


async def test_a_page_that_leaves_an_entry_out_is_refused(node, peer):
    peer.publish("mill", "lock", "quay")
    hidden = peer.entries.pop(2)
    peer.entries[2] = replace(peer.entries[2], position=3)
    pulled = await node.pull(peer)
    assert pulled.state == "blocked"
    assert pulled.reason in ("wrong-position", "bad-page")
    peer.entries.insert(2, hidden)
    await recovers(node, peer, ["mill", "lock", "quay"])


async def test_entries_that_do_not_add_up_to_the_checkpoint_never_become_visible(node, peer):
    peer.publish("mill", "lock")
    real = peer.entries[1]
    # An honest signature at the right place, but not the entry whose leaf the checkpoint covers.
    other = peer.append(peer.body_of(pilot("mill", title="Something else")))
    peer.entries.pop()
    peer.entries[1] = replace(other, position=1, leaf=real.leaf)
    pulled = await node.pull(peer)
    assert (pulled.state, pulled.reason) == ("forked", "root-mismatch")
    assert await node.slugs(peer) == []
    peer.entries[1] = real
    await recovers(node, peer, ["mill", "lock"])


async def test_a_log_that_became_shorter_is_regressed_and_nothing_is_lost(node, peer):
    peer.publish("mill", "lock")
    await node.pull(peer)
    taken = peer.entries.pop()
    pulled = await node.pull(peer)
    assert (pulled.state, pulled.reason) == ("regressed", "regressed")
    assert await node.slugs(peer) == ["mill", "lock"]
    peer.entries.append(taken)
    await recovers(node, peer, ["mill", "lock"])


async def test_two_histories_of_one_size_are_a_fork(node, peer):
    peer.publish("mill", "lock")
    await node.pull(peer)
    real = peer.entries.pop()
    peer.publish("quay")
    pulled = await node.pull(peer)
    assert (pulled.state, pulled.reason) == ("forked", "forked")
    assert await node.slugs(peer) == ["mill", "lock"]
    log = await node.log_of(peer)
    evidence = (await node.node.store.peers.states())[log.id].evidence
    fork = forks.checked(json.loads(evidence))
    assert fork.first.checkpoint.text == log.checkpoint
    assert (fork.log, fork.first.checkpoint.size, fork.second.checkpoint.size) == (peer.did, 3, 3)
    # The next honest answer does not undo it; a coordinator does.
    peer.entries[-1] = real
    assert (await node.pull(peer)).state == "forked"
    await node.node.store.peers.update(log.id, state="new", reason="")
    await recovers(node, peer, ["mill", "lock"])


@pytest.mark.parametrize("text", ["9" * 5000, "Wed, 21 Oct 2026 07:28:00 -0000", "soon", "²"])
async def test_a_strange_retry_after_is_an_unreachable_peer_and_nothing_worse(node, peer, text):
    peer.publish("mill")
    peer.answering("/log/checkpoint", status(503, Retry_After=text))
    assert (await node.pull(peer)).state == "unreachable"
    peer.honest()
    await recovers(node, peer, ["mill"])


async def test_a_redirect_to_what_is_no_address_blocks_and_nothing_worse(node, peer):
    peer.publish("mill")
    peer.answering("/log/checkpoint", status(302, Location="http://[::1/x"))
    assert (await node.pull(peer)).state == "blocked"
    peer.honest()
    await recovers(node, peer, ["mill"])


async def test_what_a_peer_says_cannot_turn_the_writing_of_a_terminal(node, peer):
    async def answer(request: web.Request) -> web.StreamResponse:
        return web.Response(status=404, reason="\u202eRED\u2066")

    peer.publish("mill")
    peer.answering("/log/checkpoint", answer)
    pulled = await node.pull(peer)
    assert pulled.state == "blocked"
    assert "RED" in pulled.detail
    assert pulled.detail.isprintable()


async def test_other_keys_than_the_log_declared_stop_the_peer(node, peer):
    peer.publish("mill")
    await node.pull(peer)
    before, events = peer.private, peer.events
    peer.private = PrivateKeys(Ed25519PrivateKey.generate(), Ed25519PrivateKey.generate())
    peer.events = [(Declaration(peer.private.public, 0, "0" * 64), "")]
    pulled = await node.pull(peer)
    assert (pulled.state, pulled.reason) == ("key-mismatch", "key-mismatch")
    peer.private, peer.events = before, events
    await recovers(node, peer, ["mill"])


async def test_a_fingerprint_that_was_confirmed_is_demanded(node, peer):
    pulled = await node.pull(peer, fingerprint="0000 0000 0000 0000 0000 0000 0000 0000")
    assert (pulled.state, pulled.reason) == ("key-mismatch", "key-mismatch")
    assert (await node.log_of(peer)).size == 0


async def test_an_entry_from_the_future_is_refused_until_its_time_comes(node, peer):
    node.clock.forward(minutes=10)
    future = timestamp(node.clock())
    node.clock.forward(minutes=-10)
    peer.append(peer.body_of(pilot("early")), created=future)
    pulled = await node.pull(peer)
    assert (pulled.state, pulled.reason) == ("blocked", "wrong-time")
    node.clock.forward(minutes=10)
    await recovers(node, peer, ["early"])


@pytest.mark.parametrize("code", [304, 410])
async def test_a_peer_that_withholds_its_checkpoint_is_not_active(node, peer, code):
    peer.publish("mill")
    peer.answering("/log/checkpoint", status(code))
    pulled = await node.pull(peer)
    assert (pulled.state, pulled.reason) == ("blocked", "peer-error")
    await recovers(node, peer, ["mill"])


async def test_an_old_checkpoint_makes_a_peer_stale(node, peer):
    peer.publish("mill")
    await node.pull(peer)
    body, _ = peer.content("/log/checkpoint")
    peer.altering("/log/checkpoint", lambda _: body)
    node.clock.forward(hours=73)
    assert (await node.pull(peer)).state == "stale"
    await recovers(node, peer, ["mill"])


async def test_an_endless_page_is_cut_off(node, peer):
    peer.publish("mill")
    peer.answering("/feed/0/0", dripping(b"\n" * 1_000_000, 0))
    pulled = await node.pull(peer)
    assert pulled.reason in ("oversized-response", "peer-unreachable")
    await recovers(node, peer, ["mill"])


async def test_a_decompression_bomb_is_cut_off(node, peer):
    peer.publish("mill")
    peer.answering("/feed/0/0", bomb(200_000_000))
    pulled = await node.pull(peer)
    assert (pulled.state, pulled.reason) == ("blocked", "oversized-response")
    await recovers(node, peer, ["mill"])


async def test_a_redirect_to_another_origin_is_not_followed(node, peer):
    peer.publish("mill")
    peer.answering("/feed/0/0", redirecting("http://169.254.169.254/latest/meta-data"))
    pulled = await node.pull(peer)
    assert (pulled.state, pulled.reason) == ("blocked", "address-refused")
    await recovers(node, peer, ["mill"])


async def test_a_feed_that_links_elsewhere_is_refused(node, peer):
    peer.publish("mill")
    peer.altering("/feed", lambda body: body.replace(b"/feed/0/0>", b"/other>"))
    pulled = await node.pull(peer)
    assert (pulled.state, pulled.reason) == ("blocked", "bad-page")
    await recovers(node, peer, ["mill"])


async def test_a_genuine_record_of_an_unknown_kind_is_kept_aside_and_the_rest_goes_on(node, peer):
    body = peer.body_of(pilot("later"))
    body = body.replace("ns#Pilot>", "ns#Hologram>")
    peer.append("".join(sorted(line + "\n" for line in body.splitlines())))
    peer.publish("mill")
    assert (await node.pull(peer)).state == "active"
    log = await node.log_of(peer)
    kept = (await node.node.store.entries(log.id, 1, 2))[0]
    assert kept.quarantine.startswith("unknown-kind")
    assert await node.slugs(peer) == ["mill"]
    await invariants(node, peer)


async def test_a_version_that_does_not_rise_is_kept_aside(node, peer):
    peer.publish("mill")
    peer.publish("mill", version=2)
    peer.publish("mill", version=1)
    assert (await node.pull(peer)).state == "active"
    log = await node.log_of(peer)
    assert (await node.node.store.entries(log.id, 3, 4))[0].quarantine.startswith("stale-version")
    assert (await node.node.store.current(f"{peer.base}/records/pilot/mill", log.id)).version == 2


async def test_a_misbehaving_peer_harms_no_other(node, peer, start_node):
    other = await start_node("denmark")
    await other.publish(pilot("good"))
    third = await start_node("norway", peers=[peer.base, other.base], limits=QUICK)
    peer.publish("mill")
    peer.altering("/feed/0/0", flip(b"Pilot mill", b"Pilot Mill"))
    bad, good = await asyncio.gather(third.pull(peer, "peer0"), third.pull(other, "peer1"))
    assert (bad.state, good.state) == ("blocked", "active")
    assert await third.slugs(other) == ["good"]


# Outgoing requests


async def test_only_configured_peers_are_asked(peer):
    async with open_transport(origins=set(), limits=QUICK, allow_private=True) as transport:
        with pytest.raises(AddressRefused):
            await transport.get(peer.base + "/feed", accept="text/plain")
    assert peer.requests == []


async def test_private_addresses_are_not_connected_to_unless_allowed(peer):
    base = peer.base.replace("http:", "https:")
    async with open_transport(origins={base}, limits=QUICK, allow_private=False) as transport:
        with pytest.raises(PeerUnreachable, match=r"not a public address|cannot be reached"):
            await transport.get(base + "/feed", accept="text/plain")
    assert peer.requests == []


def test_back_off_doubles_from_the_interval_up_to_a_day():
    waits = [backoff(300, failures, spread=lambda: 0.0) for failures in range(1, 12)]
    assert waits[:3] == [600, 1200, 2400]
    assert waits[-1] == 86_400


def test_back_off_spreads_by_up_to_a_quarter():
    assert backoff(300, 1, spread=lambda: 1.0) == 450


async def test_pages_that_wait_for_a_connection_do_not_make_a_peer_unreachable(start_node, peer):
    node = await start_node("flanders", peers=[peer.base], limits=Limits(page_seconds=1.0))
    peer.publish(*(f"mill-{number}" for number in range(12 * PAGE)))

    async def slowly(request):
        await asyncio.sleep(0.6)
        body, media_type = peer.content(request.path)
        return web.Response(body=body, headers={"Content-Type": media_type})

    peer.answering("/feed/0/", slowly)
    assert (await node.pull(peer)).state == "active"
