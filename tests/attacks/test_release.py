"""A2, A16, A30, A32: what was kept aside is judged once more when an upgrade shows it, and never stops a start."""

from __future__ import annotations

import shutil
from contextlib import contextmanager

import pytest

from federation.log import trust
from federation.log.times import timestamp
from federation.records import jsonld
from federation.records.canonical import PC, TYPE, XSD, Literal, write
from federation.records.record import managed
from federation.records.vocabulary import default_folder, load_vocabulary
from tests.attacks.invariants import assert_sound
from tests.conftest import pilot


@pytest.fixture
def newer(tmp_path):
    """A vocabulary of tomorrow: with a code of the moon, and longer reasons."""
    folder = tmp_path / "vocab"
    shutil.copytree(default_folder(), folder)
    for path in folder.rglob("*.ttl"):
        text = path.read_text("utf-8").replace("furniture-office", "furniture-of-the-moon")
        path.write_text(text.replace("sh:maxLength 2000 ; sh:order 1", "sh:maxLength 3000 ; sh:order 1"), "utf-8")
    context = jsonld.context_document(load_vocabulary(folder))
    (folder / "context" / "v1.jsonld").write_text(jsonld.dumps(context), "utf-8")
    return folder


def of_tomorrow(peer, slug: str, **values: int) -> None:
    """Publish a record with a code that nodes of today do not know."""
    body = peer.body_of(pilot(slug), **values).replace("furniture-office", "furniture-of-the-moon")
    peer.append("".join(sorted(body.splitlines(keepends=True))))


def erase_of_tomorrow(peer, slug: str, position: int) -> None:
    """Erase a position for a reason that is too long for nodes of today."""
    iri, now = f"{peer.base}/records/pilot/{slug}", timestamp(peer.clock())
    reason = (iri, PC + "reason", Literal("x" * 2001, "", "nl"))
    erased = (iri, PC + "erases", Literal(str(position), XSD + "integer"))
    peer.append(write([(iri, TYPE, PC + "Erasure"), *managed(iri, peer.did, 2, now, now), reason, erased]))


async def upgraded(start_node, peer, newer):
    old = await start_node("flanders", peers=[peer.base])
    assert (await old.pull(peer)).state == "active"
    await old.stop()
    new = await start_node("flanders", peers=[peer.base], vocabulary=newer)
    return new, await new.node.reconsider()


async def test_a2_what_a_stolen_key_signed_is_not_shown_by_an_upgrade(start_node, peer, newer):
    peer.publish("good")
    of_tomorrow(peer, "stolen")
    peer.rotate(compromised_from=2)
    of_tomorrow(peer, "later")
    node, released = await upgraded(start_node, peer, newer)
    assert released == {peer.did: [4]}
    assert "stolen" not in await node.slugs(peer)
    assert "later" in await node.slugs(peer)
    entry = (await node.node.store.entries((await node.log_of(peer)).id, 2, 3))[0]
    assert entry.quarantine == "compromised-key"


async def test_a16_an_older_version_that_was_kept_aside_is_not_shown_by_an_upgrade(start_node, peer, newer):
    peer.publish("good")
    peer.end("good", version=2)
    of_tomorrow(peer, "good", version=1)
    node, released = await upgraded(start_node, peer, newer)
    assert released == {}
    log = await node.log_of(peer)
    current = await node.node.store.current(f"{peer.base}/records/pilot/good", log.id)
    assert (current.kind, current.version) == ("withdrawal", 2)
    assert (await node.node.store.entries(log.id, 3, 4))[0].quarantine == "stale-version: 1 after 2"


async def test_a30_an_erasure_kept_aside_that_names_another_record_stops_no_start(start_node, peer, newer):
    peer.publish("good", "other")
    erase_of_tomorrow(peer, "good", 2)
    of_tomorrow(peer, "fine")
    node, released = await upgraded(start_node, peer, newer)
    assert released == {peer.did: [4]}
    assert {"good", "other", "fine"} <= set(await node.slugs(peer))
    assert (await node.node.store.entries((await node.log_of(peer)).id, 3, 4))[0].quarantine.startswith("bad-erasure")
    assert await node.node.reconsider() == {}


async def test_a29_an_erasure_kept_aside_is_carried_out_by_an_upgrade(start_node, peer, newer):
    peer.publish("good", "other")
    erase_of_tomorrow(peer, "good", 1)
    node, released = await upgraded(start_node, peer, newer)
    assert released == {peer.did: [3]}
    assert (await node.node.store.entries((await node.log_of(peer)).id, 1, 2))[0].erased_by == 3


@contextmanager
def older_reader(monkeypatch):
    """A reader that does not know the second change of keys."""
    original = trust.understood

    def older(body, vocabulary, checks):
        record, why = original(body, vocabulary, checks)
        unknown = record.kind == "key-event" and record.address.slug == "1"
        return (record, "invalid-record: unknown here") if unknown else (record, why)

    with monkeypatch.context() as patched:
        patched.setattr(trust, "understood", older)
        yield


async def test_a26_a_change_of_keys_kept_aside_stops_no_start(start_node, peer, monkeypatch):
    peer.publish("good")
    peer.rotate()
    peer.publish("after")
    with older_reader(monkeypatch):
        old = await start_node("flanders", peers=[peer.base])
        await old.pull(peer)
        await old.stop()
    new = await start_node("flanders", peers=[peer.base])
    assert await new.node.reconsider() == {peer.did: [2]}
    assert (await new.pull(peer)).state == "active"
    await assert_sound(new)
