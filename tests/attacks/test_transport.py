"""A6–A8, A10–A12, A14, A17: whoever stands between two nodes, and answers that are endless, slow or hostile."""

from __future__ import annotations

import asyncio
import gzip
import itertools
import zlib

import pytest
from aiohttp import web

from federation.errors import AddressRefused, PeerUnreachable
from federation.feed import PAGE, Format
from federation.limits import Limits
from federation.log.did import host_of
from federation.peers.transport import is_public, open_transport
from tests.attacks.invariants import assert_sound
from tests.simulator import dripping, redirecting

QUICK = Limits(read_seconds=2, page_seconds=4, connect_seconds=1, page_bytes=4_000_000)


@pytest.fixture
async def node(start_node, peer):
    return await start_node("flanders", peers=[peer.base], limits=QUICK)


async def recovers(node, peer, slugs) -> None:
    """The peer turns honest: the next pull is active, without a hand."""
    peer.honest()
    assert (await node.pull(peer)).state == "active"
    assert await node.slugs(peer) == slugs
    await assert_sound(node)


TAMPERED = {
    "keys": ("/.well-known/did.json", b"assertionMethod", b"assertionMethob", "key-mismatch"),
    "size": ("/log/checkpoint", b"\n2\n", b"\n3\n", "bad-checkpoint"),
    "links": ("/feed", b"/feed/0/0>", b"/feed/0/9>", "bad-page"),
    "text": ("/feed/0/0", b"Pilot mill", b"Pilot Mill", "bad-proof"),
    "order": ("/feed/0/0", b'position> "1"', b'position> "2"', "bad-page"),
}


@pytest.mark.parametrize("message", TAMPERED)
async def test_a6_whoever_changes_a_message_on_its_way_is_found_out(node, peer, message):
    path, old, new, reason = TAMPERED[message]
    peer.publish("mill")
    peer.altering(path, lambda body: body.replace(old, new))
    pulled = await node.pull(peer)
    assert (pulled.state, pulled.reason) == ("key-mismatch" if message == "keys" else "blocked", reason)
    assert await node.slugs(peer) == []
    await recovers(node, peer, ["mill"])


async def test_a6_a_hostile_mirror_can_hold_back_and_no_more(node, peer):
    forging = True

    async def mirror(request):
        body, media_type = peer.content(request.path.removeprefix(f"/mirror/{host_of(peer.base)}"))
        body = body.replace(b"Pilot mill", b"Pilot Mill") if forging else body
        return web.Response(body=body, headers={"Content-Type": media_type})

    peer.publish("mill")
    peer.answering("/mirror/", mirror)
    pulled = await node.pull(peer, via=peer.base)
    assert (pulled.state, pulled.reason) == ("blocked", "bad-proof")
    assert await node.slugs(peer) == []
    forging = False
    assert (await node.pull(peer, via=peer.base)).state == "active"
    await recovers(node, peer, ["mill"])


NOWHERE = {
    "a page that holds nothing": ("/feed/0/0", lambda body: b""),
    "a feed that leads back to itself": ("/feed", lambda body: body.replace(b"/feed/0/0>", b"/feed>")),
    "a feed that leads nowhere": ("/feed", lambda body: b""),
    "a page that is another one again": ("/feed/0/1", None),
}


@pytest.mark.parametrize("case", NOWHERE)
async def test_a7_pages_that_lead_nowhere_end_the_pull(node, peer, case):
    names = [f"a{number}" for number in range(PAGE + 20)]
    peer.publish(*names)
    path, change = NOWHERE[case]
    peer.altering(path, change or (lambda body: peer.content("/feed/0/0")[0]))
    pulled = await node.pull(peer)
    assert (pulled.state, pulled.reason) == ("blocked", "bad-page")
    assert len(peer.requests) < 10
    await recovers(node, peer, names)


async def test_a7_more_members_than_a_page_may_hold_are_refused(node, peer):
    peer.publish(*(f"a{number}" for number in range(PAGE - 1)))
    about = b"".join(
        f"<{peer.base}/feed#stream> <https://w3id.org/tree#member> <{peer.base}/log/{number}> .\n".encode()
        for number in range(251)
    )
    peer.altering("/feed/0/0", lambda body: body + about)
    pulled = await node.pull(peer)
    assert (pulled.state, pulled.reason) == ("blocked", "oversized-response")
    await recovers(node, peer, [f"a{number}" for number in range(PAGE - 1)])


async def test_a8_a_slow_peer_keeps_no_other_waiting(start_node, peer):
    denmark = await start_node("denmark")
    node = await start_node("flanders", peers=[peer.base, denmark.base])
    peer.publish("mill")
    asked, released = asyncio.Event(), asyncio.Event()

    async def slow(request):
        asked.set()
        await released.wait()
        body, media_type = peer.content(request.path)
        return web.Response(body=body, headers={"Content-Type": media_type})

    peer.answering("/log/checkpoint", slow)
    waiting = asyncio.create_task(node.pull(peer, "peer0"))
    await asked.wait()
    assert (await node.pull(denmark, "peer1")).state == "active"
    assert not waiting.done()
    released.set()
    assert (await waiting).state == "active"
    await assert_sound(node)


@pytest.mark.parametrize("path", ["/log/checkpoint", "/feed/0/0"])
async def test_a8_an_answer_that_drips_is_given_up_long_before_its_time_is_over(start_node, peer, path):
    limits = Limits(rate_bytes=1024, rate_seconds=0.5, read_seconds=30, page_seconds=60, run_seconds=60)
    node = await start_node("flanders", peers=[peer.base], limits=limits)
    peer.publish("mill")
    peer.answering(path, dripping(b"<a> <b> <c> .\n", 0.05))
    async with asyncio.timeout(10):
        pulled = await node.pull(peer)
    assert (pulled.state, pulled.reason) == ("unreachable", "peer-unreachable")
    assert "too slow" in pulled.detail
    await recovers(node, peer, ["mill"])


async def test_a8_an_answer_that_is_slow_and_above_that_rate_is_read(start_node, peer):
    limits = Limits(rate_bytes=1024, rate_seconds=0.2)
    node = await start_node("flanders", peers=[peer.base], limits=limits)
    peer.publish("mill")

    async def slow(request):
        body, media_type = peer.content(request.path)
        response = web.StreamResponse(headers={"Content-Type": media_type})
        await response.prepare(request)
        step = len(body) // 5 + 1
        for at in range(0, len(body), step):
            await response.write(body[at : at + step])
            await asyncio.sleep(0.1)
        return response

    peer.answering("/feed/0/0", slow)
    assert (await node.pull(peer)).state == "active"
    await recovers(node, peer, ["mill"])


SPECIAL = [
    *("0.0.0.0", "10.1.2.3", "100.64.0.1", "127.0.0.1", "169.254.169.254", "172.31.255.255", "192.0.0.9"),
    *("192.0.2.1", "192.88.99.1", "192.168.1.1", "198.18.0.1", "203.0.113.1", "224.0.0.1", "255.255.255.255"),
    *("::", "::1", "::ffff:127.0.0.1", "::ffff:8.8.8.8", "64:ff9b::7f00:1", "64:ff9b:1::1", "2002:7f00:1::1"),
    *("2001::1", "2001:db8::1", "fc00::1", "fd00:ec2::254", "fe80::1", "fe80::1%eth0", "ff02::1", "localhost", ""),
]


@pytest.mark.parametrize("address", SPECIAL)
def test_a10_a_special_address_is_not_public(address):
    assert not is_public(address)


@pytest.mark.parametrize("address", ["8.8.8.8", "193.190.1.1", "2a00:1450:400e::1", "2606:4700::1"])
def test_a10_an_ordinary_address_is(address):
    assert is_public(address)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::ffff:127.0.0.1]", "0x7f.1", "2130706433"])
async def test_a10_no_way_of_writing_it_reaches_a_private_address(node, peer, host):
    base = f"https://{host}:{peer.base.rpartition(':')[2]}"
    async with open_transport(origins={base}, limits=QUICK, allow_private=False) as transport:
        with pytest.raises(PeerUnreachable, match=r"not a public address|cannot be reached"):
            await transport.get(base + "/feed", accept="text/plain")
    assert peer.requests == []
    await assert_sound(node)


async def test_a10_nobody_is_asked_without_https_unless_private_addresses_are_allowed(node, peer):
    async with open_transport(origins={peer.base}, limits=QUICK, allow_private=False) as transport:
        with pytest.raises(AddressRefused, match="not asked without https"):
            await transport.get(peer.base + "/feed", accept="text/plain")
    assert peer.requests == []
    assert (await node.pull(peer)).state == "active"
    await assert_sound(node)


@pytest.mark.parametrize("to", ["another port", "no port", "http", "https"])
async def test_a10_a_redirect_may_not_change_the_port(node, peer, start_node, to):
    denmark = await start_node("denmark")
    port = f":{peer.base.rpartition(':')[2]}"
    target = {
        "another port": denmark.base,
        "no port": peer.base.removesuffix(port),
        "http": peer.base.removesuffix(port) + ":80",
        "https": peer.base.replace("http:", "https:"),
    }[to]
    node.may_ask(denmark.base)
    peer.publish("mill")
    peer.answering("/feed", redirecting(target + "/feed"))
    pulled = await node.pull(peer)
    assert (pulled.state, pulled.reason) == ("blocked", "address-refused")
    await recovers(node, peer, ["mill"])


@pytest.mark.parametrize("port", ["", ":443", ":80", ":22", ":8443"])
async def test_a10_a_port_is_only_asked_where_a_peers_address_names_it(port):
    configured = "https://peer.example:8443"
    async with open_transport(origins={configured}, limits=QUICK, allow_private=False) as transport:
        wanted = PeerUnreachable if port == ":8443" else AddressRefused
        with pytest.raises(wanted):
            await transport.get(f"https://peer.example{port}/feed", accept="text/plain")


PACKED = {
    "brotli": ("br", lambda body: body, "peer-error"),
    "deflate": ("deflate", zlib.compress, "peer-error"),
    "twice": ("gzip, gzip", lambda body: gzip.compress(gzip.compress(body)), "peer-error"),
    "twice and once said": ("gzip", lambda body: gzip.compress(gzip.compress(body)), "bad-page"),
    "not at all": ("gzip", lambda body: body, "peer-error"),
}


@pytest.mark.parametrize("how", PACKED)
async def test_a11_an_answer_packed_in_another_way_is_refused(node, peer, how):
    encoding, pack, reason = PACKED[how]

    async def packed(request):
        headers = {"Content-Type": Format.NQUADS.value, "Content-Encoding": encoding}
        return web.Response(body=pack(peer.content(request.path)[0]), headers=headers)

    peer.publish("mill")
    peer.answering("/feed/0/0", packed)
    pulled = await node.pull(peer)
    assert (pulled.state, pulled.reason) == ("blocked", reason)
    await recovers(node, peer, ["mill"])


def complete(graph: str, size: int) -> bytes:
    """Every one of some blank nodes points to every other: what canonicalisation takes exponential time for."""
    pairs = itertools.permutations(range(size), 2)
    return "".join(f"_:b{one} <urn:p> _:b{other} <{graph}> .\n" for one, other in pairs).encode()


@pytest.mark.parametrize("size", [1, 2, 9, 10])
async def test_a12_blank_nodes_are_refused_before_anybody_tries_to_order_them(node, peer, size):
    peer.publish("mill")
    graph = f"{peer.base}/log/1"
    bad = complete(graph, size) or f"_:b0 <urn:p> <urn:o> <{graph}> .\n".encode()

    first = f"\n<{peer.base}/records/pilot/mill> ".encode()
    poisoned = peer.content("/feed/0/0")[0].replace(first, b"\n" + bad + first[1:], 1)
    peer.altering("/feed/0/0", lambda _: poisoned)
    pulled = await node.pull(peer)
    assert (pulled.state, pulled.reason) == ("blocked", "poison-graph")
    await recovers(node, peer, ["mill"])


DOUBTFUL = {
    "a member twice": b'{"id": 1, "id": 2}',
    "no number": b'{"id": NaN}',
    "a number that loses digits": b'{"id": 9007199254740993}',
    "very deep": b"[" * 2000 + b"]" * 2000,
    "half a character": b'{"id": "\\ud800"}',
    "no UTF-8": b'{"id": "\xff"}',
    "nothing": b"",
}


@pytest.mark.parametrize("case", DOUBTFUL)
async def test_a14_doubtful_json_of_a_peer_blocks_it_and_nothing_worse(node, peer, case):
    peer.publish("mill")
    peer.altering("/.well-known/did.json", lambda _: DOUBTFUL[case])
    pulled = await node.pull(peer)
    assert pulled.reason == ("key-mismatch" if case == "half a character" else "invalid-request")
    await recovers(node, peer, ["mill"])


async def test_a17_pages_of_two_states_of_a_log_never_become_visible(node, peer):
    first = [f"a{number}" for number in range(PAGE - 1)]
    peer.publish(*first, "b1", "b2")
    shown = peer.content("/feed/0/0")[0]
    # The same log told otherwise: entry 1 is another one, and so is the root.
    peer.entries = peer.entries[:1]
    peer.publish("other", *first[1:], "b1", "b2")
    peer.altering("/feed/0/0", lambda _: shown)
    pulled = await node.pull(peer)
    assert (pulled.state, pulled.reason) == ("forked", "root-mismatch")
    assert await node.slugs(peer) == []
    await assert_sound(node)
    await recovers(node, peer, ["other", *first[1:], "b1", "b2"])
