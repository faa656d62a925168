"""A23, A32, A33: disks that are full, records that nobody here understands, and stores that forget."""

from __future__ import annotations

import os
import pickle
import resource
import shutil
import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import closing, contextmanager

import aiohttp
import pytest
from structlog.testing import capture_logs

from federation.errors import ReadOnly, StorageFailed
from federation.index.documents import Batch
from federation.limits import Limits
from federation.log import trust
from federation.log.trust import Standing
from federation.peers.content import Content
from federation.records import jsonld
from federation.records.canonical import PC
from federation.records.shapes import Checks
from federation.records.vocabulary import default_folder, load_vocabulary
from federation.search import Request
from federation.store.store import Store
from federation.tasks import judge_page
from federation.web.health import BEHIND
from federation.web.keys import READY
from federation.workers import Tools
from tests.attacks.invariants import assert_sound
from tests.conftest import pilot
from tests.databases import in_files


@pytest.fixture
async def node(start_node, peer):
    return await start_node("flanders", peers=[peer.base])


async def asked(node, path: str) -> tuple[int, dict]:
    async with aiohttp.ClientSession() as session, session.get(node.base + path) as answer:
        return answer.status, await answer.json()


async def readiness(node) -> tuple[int, dict]:
    node.app[READY].clear()
    return await asked(node, "/health/ready")


@contextmanager
def full_disk() -> Iterator[None]:
    """No file of this process may grow past 64 KiB: what a full disk looks like to SQLite."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (65_536, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@in_files
async def test_a23_a_disk_that_fills_up_in_a_pull_is_our_fault_and_the_pull_goes_on_later(node, peer):
    names = [f"mill-{number}" for number in range(300)]
    peer.publish(*names)
    with full_disk(), pytest.raises(StorageFailed):
        await node.pull(peer)
    log = await node.log_of(peer)
    assert (log.size % 100, log.verified_size) == (0, 0)
    assert (await node.node.store.peers.states())[log.id].state == "new"
    assert (await asked(node, "/api/peers"))[0] == 200
    assert (await node.pull(peer)).state == "active"
    assert await node.slugs(peer) == names
    await assert_sound(node)


async def test_a23_with_little_room_nothing_more_is_taken_and_what_is_here_is_served(start_node, peer):
    node = await start_node("flanders", peers=[peer.base], limits=Limits(reserve_bytes=10**18))
    peer.publish("mill")
    await node.publish(pilot("own"))
    pulled = await node.pull(peer)
    assert (pulled.state, pulled.reason) == ("lagging", "storage-failed")
    assert peer.requests == []
    assert (await asked(node, "/log/0"))[0] == 200
    await node.stop()
    node = await start_node("flanders", peers=[peer.base])
    assert (await node.pull(peer)).state == "active"
    assert await node.slugs(peer) == ["mill"]
    await assert_sound(node)


async def test_a32_the_publisher_can_read_what_a_peer_keeps_aside_and_why(node, peer):
    peer.publish("mill", "lock")
    peer.publish("lock", version=1)
    peer.append(_sorted(peer.body_of(pilot("dike")).replace("furniture-office", "furniture-of-the-moon")))
    peer.publish("weir")
    assert (await node.pull(peer)).state == "active"
    assert await node.slugs(peer) == ["mill", "lock", "weir"]
    status, report = await asked(node, "/peers/peer/report")
    assert (status, report["log"], report["entries"]) == (200, peer.did, 6)
    assert [(each["position"], each["reason"].partition(":")[0]) for each in report["kept_aside"]] == [
        (4, "invalid-record"),
        (3, "stale-version"),
    ]
    assert report["kept_aside"][0]["record"] == f"{peer.base}/records/pilot/dike"
    await assert_sound(node)


async def test_a32_there_is_no_report_on_a_peer_that_is_none(node):
    status, problem = await asked(node, "/peers/nobody/report")
    assert (status, problem["type"].rpartition("/")[2]) == (404, "not-found")


async def test_a32_what_was_kept_aside_appears_after_an_upgrade_word_for_word(start_node, peer, tmp_path):
    peer.append(_sorted(peer.body_of(pilot("dike")).replace("furniture-office", "furniture-of-the-moon")))
    old = await start_node("flanders", peers=[peer.base])
    assert (await old.pull(peer)).state == "active"
    assert await old.slugs(peer) == []
    await assert_sound(old)
    await old.stop()
    folder = tmp_path / "vocab"
    shutil.copytree(default_folder(), folder)
    for path in folder.rglob("*.ttl"):
        path.write_text(path.read_text("utf-8").replace("furniture-office", "furniture-of-the-moon"), "utf-8")
    context = jsonld.context_document(load_vocabulary(folder))
    (folder / "context" / "v1.jsonld").write_text(jsonld.dumps(context), "utf-8")
    new = await start_node("flanders", peers=[peer.base], vocabulary=folder)
    assert await new.node.reconsider() == {peer.did: [1]}
    assert await new.slugs(peer) == ["dike"]
    kept = (await new.node.store.entries((await new.log_of(peer)).id, 1, 2))[0]
    assert kept.signed == peer.entries[1].signed
    await assert_sound(new)


async def test_a32_much_that_is_kept_aside_is_looked_at_piece_by_piece(node, peer, monkeypatch):
    odd = peer.body_of(pilot("dike-000")).replace(f"<{PC}Pilot>", "<https://example.org/Thing>")
    for number in range(250):
        peer.append(_sorted(odd.replace("dike-000", f"dike-{number:03d}")))
    assert (await node.pull(peer)).state == "active"
    real, pieces = Store.at, []

    async def at(self, log_id, positions):
        pieces.append(len(positions))
        return await real(self, log_id, positions)

    monkeypatch.setattr(Store, "at", at)
    assert await node.node.reconsider() == {}
    assert pieces == [100, 100, 50]


def _crash_of(where: str, monkeypatch) -> None:
    """Let our reader fail, in a way nobody foresaw, on every record whose address ends in /mill."""
    owner, name = {"reading": (trust, "assemble"), "checking": (Checks, "violations")}[where]
    original = getattr(owner, name)

    def crashing(*args):
        record = original(*args)[0] if where == "reading" else args[1]
        if record.iri.endswith("/mill"):
            raise ZeroDivisionError("a defect of ours")
        return original(*args)

    monkeypatch.setattr(owner, name, crashing)


@pytest.mark.parametrize("where", ["reading", "checking"])
async def test_a32_a_record_that_crashes_our_reader_is_kept_aside_and_the_log_goes_on(node, peer, monkeypatch, where):
    peer.publish("lock", "mill", "dike")
    with monkeypatch.context() as patched, capture_logs() as logged:
        _crash_of(where, patched)
        assert (await node.pull(peer)).state == "active"
        assert await node.slugs(peer) == ["lock", "dike"]
        report = (await asked(node, "/peers/peer/report"))[1]
        assert [(each["position"], each["reason"]) for each in report["kept_aside"]] == [
            (2, "unreadable: ZeroDivisionError")
        ]
        assert await node.node.reconsider() == {}
    said = [each for each in logged if each["event"] == "an entry crashed the reader and is kept aside"]
    assert [(each["peer"], each["position"]) for each in said] == [("peer", 2)]
    assert said[0]["exception"].startswith("Traceback")
    assert "ZeroDivisionError: a defect of ours" in said[0]["exception"]
    kept = (await node.node.store.entries((await node.log_of(peer)).id, 2, 3))[0]
    assert kept.signed == peer.entries[2].signed
    assert (kept.record, kept.kind, kept.version) == (peer.entries[2].record, "pilot", 1)
    # The upgrade: our reader copes with it.
    assert await node.node.reconsider() == {peer.did: [2]}
    assert await node.slugs(peer) == ["lock", "mill", "dike"]
    await assert_sound(node)


FORGED = {
    "its text": (b"Pilot mill", b"Pilot Mill", "bad-proof"),
    "its place": (b'position> "2"', b'position> "3"', "bad-page"),
    "its owner": (b"> <did:web:localhost", b"> <did:web:elsewhere", "foreign-record"),
    "its version": (b'version> "1"', b'version> "2"', "mislabelled"),
}


@pytest.mark.parametrize("what", FORGED)
@pytest.mark.parametrize("where", ["reading", "checking"])
async def test_a32_what_crashes_our_reader_must_be_genuine_all_the_same(node, peer, monkeypatch, where, what):
    old, new, reason = FORGED[what]
    peer.publish("lock", "mill")
    peer.altering("/feed/0/0", lambda body: body.replace(old, new))
    with monkeypatch.context() as patched:
        _crash_of(where, patched)
        pulled = await node.pull(peer)
    assert (pulled.state, pulled.reason in (reason, "bad-proof")) == ("blocked", True), pulled
    assert (await node.log_of(peer)).size == 0
    peer.honest()
    assert (await node.pull(peer)).state == "active"
    assert await node.slugs(peer) == ["lock", "mill"]
    await assert_sound(node)


async def test_a32_a_worker_process_tells_what_it_crashed_on(node, peer, tools):
    peer.publish("mill")
    content = Content(peer.content("/feed/0/0")[0], f"{peer.base}/feed/0/0", 10**6)
    broken = Tools(tools.vocabulary)
    broken.checks = None
    judged = judge_page(broken, content, peer.form.value, content.url, Standing(peer.did, peer.base), 2, node.clock())
    again = pickle.loads(pickle.dumps(judged))
    assert [entry[4] for entry in again.entries] == ["unreadable: AttributeError"] * 2
    assert again.crashes[1].startswith("Traceback")


def _sorted(text: str) -> str:
    return "".join(sorted(text.splitlines(keepends=True)))


async def test_a33_records_that_the_index_lost_are_found_again_after_a_recount(node, peer):
    names = [f"mill-{number}" for number in range(20)]
    peer.publish(*names)
    peer.end("mill-19", version=2)
    await node.pull(peer)
    assert not await node.node.follower.recount()
    index = node.node.index
    index.add(Batch(tuple((f"{peer.base}/records/pilot/{name}", None) for name in names[:7]), ""))
    index.commit(index.positions)
    assert (await node.node.search.search(Request())).total == 12
    assert await node.node.follower.recount()
    assert (await node.node.search.search(Request())).total == 19
    assert not await node.node.follower.recount()
    await assert_sound(node)


@pytest.mark.parametrize("times", [1, 2, 3])
async def test_a33_an_index_made_anew_by_a_running_node_shows_neither_more_nor_less(start_node, times):
    node = await start_node("flanders")
    await node.publish(pilot("mill"), pilot("lock"), pilot("dike"))
    await node.node.catch_up()
    await node.publish(pilot("mill", title="Watermolen"))
    await node.node.own.withdraw(f"{node.base}/records/pilot/lock", {"nl": "Vervallen."})
    await node.node.catch_up()
    for _ in range(times):
        await node.node.follower.rebuild()
        assert sorted(hit.slug for hit in (await node.node.search.search(Request())).hits) == ["dike", "mill"]
        assert (await node.node.search.search(Request("watermolen", "nl"))).total == 1
        assert not await node.node.follower.recount()
    await assert_sound(node)


async def test_a33_a_node_whose_index_is_far_behind_is_not_ready(start_node):
    node = await start_node("flanders")
    await node.publish(*(pilot(f"mill-{number}") for number in range(BEHIND)))
    assert (await readiness(node))[0] == 200
    await node.publish(pilot("lock"))
    assert await readiness(node) == (503, {"status": "waiting", "for": ["the index is 1,001 entries behind the logs"]})
    await node.node.catch_up()
    assert (await readiness(node))[0] == 200
    await assert_sound(node)


async def test_a33_a_node_that_asks_nobody_any_more_is_not_ready(start_node, peer, clock):
    node = await start_node("flanders", peers=[peer.base])
    follow = node.config.peers[0]
    await node.node.pull(follow)
    clock.forward(minutes=64)
    assert (await readiness(node))[0] == 200
    clock.forward(minutes=2)
    said = ["peer0 has not been asked since 2026-11-22T09:00:00Z"]
    assert await readiness(node) == (503, {"status": "waiting", "for": said})
    await node.node.pull(follow)
    assert (await readiness(node))[0] == 200
    await assert_sound(node)


async def test_a33_a_node_whose_peer_is_gone_is_ready_all_the_same(start_node, peer, clock):
    node = await start_node("flanders", peers=[peer.base])

    async def gone(request):
        request.transport.close()

    peer.answering("/", gone)
    for _ in range(20):
        clock.forward(days=1)
        await node.node.pull(node.config.peers[0])
        assert (await readiness(node))[0] == 200
    await assert_sound(node)


async def test_a22_a_back_off_from_a_clock_that_was_years_ahead_ends_with_the_right_time(start_node, peer, clock):
    node = await start_node("flanders", peers=[peer.base])

    async def gone(request):
        request.transport.close()

    follow = node.config.peers[0]
    peer.answering("/", gone)
    clock.forward(days=365)
    await node.node.pull(follow)
    peer.honest()
    clock.forward(days=-365)
    status, told = await readiness(node)
    assert (status, told["for"]) == (503, ["peer0 has not been asked since 2027-11-22T09:00:00Z"])
    await node.node.pull(follow)
    assert [each.state for each in (await node.node.store.peers.states()).values()] == ["active"]
    assert (await readiness(node))[0] == 200
    await assert_sound(node)


FORGETTING = {
    "its entries": "DELETE FROM entry",
    "its log": "DELETE FROM entry; UPDATE log SET size = 0, verified_size = 0, frontier = x'', verified_frontier = x''",
}


@in_files
@pytest.mark.parametrize("what", FORGETTING)
async def test_a33_a_node_whose_store_forgets_is_not_ready_and_its_peers_forget_nothing(start_node, what):
    flanders = await start_node("flanders")
    denmark = await start_node("denmark", peers=[flanders.base])
    await flanders.publish(pilot("mill"))
    await denmark.pull(flanders)
    with closing(sqlite3.connect(flanders.config.data / "node.sqlite")) as database:
        database.executescript(FORGETTING[what])
    status, said = await readiness(flanders)
    assert (status, said["for"]) == (503, ["the node's own log is empty"])
    await denmark.pull(flanders)
    assert await denmark.slugs(flanders) == ["mill"]
    norway = await start_node("norway", peers=[flanders.base])
    assert (await norway.pull(flanders)).state != "active"
    for each in (denmark, norway):
        await assert_sound(each)


LOST = {
    "some entries": "DELETE FROM entry WHERE position IN (0, 2)",
    "all entries": "DELETE FROM entry",
    "its log": "DELETE FROM entry; DELETE FROM log WHERE own",
}


@in_files
@pytest.mark.parametrize("what", LOST)
async def test_a33_a_node_that_lost_entries_of_its_own_does_not_publish_before_its_peers_gave_them_back(
    start_node, what
):
    flanders = await start_node("flanders")
    denmark = await start_node("denmark", peers=[flanders.base])
    await flanders.publish(pilot("mill"), pilot("lock"), pilot("dike"))
    await flanders.node.own.erase(f"{flanders.base}/records/pilot/lock", {"nl": "Op verzoek."})
    await denmark.pull(flanders)
    whole = await flanders.node.store.log(flanders.node.log.id)
    await flanders.stop()
    with closing(sqlite3.connect(flanders.config.data / "node.sqlite")) as database:
        database.executescript(LOST[what])
    alone = await start_node("flanders")
    with pytest.raises(ReadOnly):
        await alone.publish(pilot("fork"))
    await alone.node.recover()
    assert alone.node.guard.reason()
    await alone.stop()
    flanders = await start_node("flanders", peers=[denmark.base])
    await flanders.node.recover()
    assert flanders.node.guard.reason() == ""
    log = await flanders.node.store.log(flanders.node.log.id)
    assert (log.verified, log.fingerprint, log.keys) == (whole.verified, whole.fingerprint, whole.keys)
    await flanders.publish(pilot("weir"))
    assert (await denmark.pull(flanders)).state == "active"
    assert await denmark.slugs(flanders) == ["mill", "dike", "lock", "weir"]
    for each in (flanders, denmark):
        await assert_sound(each)


@in_files
async def test_a33_entries_that_are_left_stay_where_no_peer_holds_all(start_node):
    flanders = await start_node("flanders")
    denmark = await start_node("denmark", peers=[flanders.base])
    await flanders.publish(pilot("mill"))
    await denmark.pull(flanders)
    await flanders.publish(pilot("lock"), pilot("dike"))
    await flanders.stop()
    with closing(sqlite3.connect(flanders.config.data / "node.sqlite")) as database:
        database.executescript("DELETE FROM entry WHERE position = 2")
    flanders = await start_node("flanders", peers=[denmark.base])
    await flanders.node.recover()
    assert [each.position for each in await flanders.node.store.entries(flanders.node.log.id, 0, 9)] == [0, 1, 3]
    with pytest.raises(ReadOnly, match="3 of the 4 entries"):
        await flanders.publish(pilot("fork"))


async def test_files_that_killed_processes_were_writing_are_removed_at_the_next_start(start_node):
    node = await start_node("flanders")
    await node.stop()
    data = node.config.data
    gone = subprocess.Popen(["true"])
    gone.wait()
    left = [data / f"checkpoint.{gone.pid}.partial", data / f"behind.{os.getpid()}.partial"]
    left.append(data / "keys" / f"record-1.{gone.pid}.partial")
    kept = [data / f"checkpoint.{os.getppid()}.partial", data / "other.partial"]
    for path in (*left, *kept):
        path.write_text("half")
    await start_node("flanders")
    assert [path for path in (*left, *kept) if path.exists()] == kept
