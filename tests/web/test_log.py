"""The log over HTTP: entries that never change, a checkpoint that stays fresh, and who signs."""

from __future__ import annotations

import aiohttp
import pytest

from federation.log import checkpoint as checkpoints
from federation.log import did
from federation.records import jsonld
from federation.records.proof import verify
from tests.conftest import pilot
from tests.web.conftest import Site


@pytest.mark.parametrize("asked", ["application/ld+json", "application/json", "application/n-quads"])
def test_an_entry_comes_in_the_form_the_client_asks_for(site: Site, asked: str):
    answer = site.get("/log/1", accept=asked)
    assert (answer.status, answer.media_type) == (200, asked)


@pytest.mark.parametrize("position", [0, 1])
def test_an_entry_is_signed_json_ld_that_verifies_with_the_did_document(site: Site, vocabulary, position: int):
    document = jsonld.loads(site.get(f"/log/{position}").body)
    who = did.did_of(site.base)
    keys = did.keys_in(site.get("/.well-known/did.json").json, who)
    signed = jsonld.signed_of(document, vocabulary)
    assert verify(signed, keys.record_key(), node=who).signed == signed


def test_an_entry_as_n_quads_holds_the_signed_body_in_its_own_graph(site: Site):
    lines = site.get("/log/1", accept="application/n-quads").text.splitlines()
    graph = f" <{site.base}/log/1> ."
    member = "<https://w3id.org/tree#member>"  # the one other statement that ends with the entry
    body = [line.removesuffix(graph) + " ." for line in lines if line.endswith(graph) and member not in line]
    assert sorted(body) == site.body_of("pilot", "mill").splitlines()


def test_an_entry_is_not_kept_for_good_since_it_may_have_to_be_erased(site: Site):
    assert site.get("/log/1").headers["Cache-Control"] == "public, max-age=3600"


@pytest.mark.parametrize("position", ["99999", "01", "-1", "1.0", "x", "٣", "9" * 40, "1%00", "..%2f0"])
def test_a_position_that_is_not_there_is_not_found(site: Site, position: str):
    quoted = position.encode().decode("latin-1") if position.isascii() else "%D9%A3"
    answer = site.get(f"/log/{quoted}")
    assert (answer.status, answer.media_type) == (404, "application/problem+json")


def test_an_entry_in_a_form_that_does_not_exist_is_refused(site: Site):
    assert site.get("/log/1", accept="text/html").status == 406


def test_the_checkpoint_is_signed_by_the_log_key_over_size_and_root(site: Site):
    answer = site.get("/log/checkpoint")
    keys = did.keys_in(site.get("/.well-known/did.json").json, did.did_of(site.base))
    origin = checkpoints.origin_of(did.host_of(site.base))
    seen = checkpoints.verify(answer.text, origin=origin, key=keys.log_key())
    log = site.run(site.node.store.log(site.node.log.id))
    assert (seen.size, seen.root) == (log.size, log.frontier.root)
    assert answer.media_type == "text/plain"


def test_a_client_that_has_the_checkpoint_gets_an_empty_answer(site: Site):
    first = site.get("/log/checkpoint")
    again = site.get("/log/checkpoint", If_None_Match=first.headers["ETag"])
    assert (again.status, again.body) == (304, b"")


def test_a_proxy_may_weaken_the_etag_of_the_checkpoint(site: Site):
    etag = site.get("/log/checkpoint").headers["ETag"]
    assert site.get("/log/checkpoint", If_None_Match=f"W/{etag}").status == 304


async def test_a_new_entry_makes_a_new_checkpoint(start_node):
    node = await start_node("flanders")
    async with aiohttp.ClientSession() as session:
        async with session.get(f"{node.base}/log/checkpoint") as before:
            etag, size = before.headers["ETag"], int((await before.text()).split("\n")[1])
        await node.publish(pilot("mill"))
        async with session.get(f"{node.base}/log/checkpoint", headers={"If-None-Match": etag}) as after:
            assert after.status == 200
            assert int((await after.text()).split("\n")[1]) == size + 1


async def test_an_old_checkpoint_is_signed_anew_when_somebody_asks(start_node, clock):
    node = await start_node("flanders")
    async with aiohttp.ClientSession() as session:
        async with session.get(f"{node.base}/log/checkpoint") as before:
            old = await before.text()
        clock.forward(hours=13)
        async with session.get(
            f"{node.base}/log/checkpoint", headers={"If-None-Match": before.headers["ETag"]}
        ) as after:
            new = await after.text()
    assert after.status == 200
    assert old.split("\n")[:3] == new.split("\n")[:3]
    keys = (await node.log_of(node)).keys
    seen = checkpoints.verify(new, origin=checkpoints.origin_of(node.config.host), key=keys.log_key())
    assert seen.age(clock()) == 0


async def test_a_checkpoint_of_today_is_not_signed_again(start_node, clock):
    node = await start_node("flanders")
    async with aiohttp.ClientSession() as session:
        async with session.get(f"{node.base}/log/checkpoint") as before:
            old = await before.text()
        clock.forward(hours=11)
        async with session.get(f"{node.base}/log/checkpoint") as after:
            assert await after.text() == old


def test_the_did_document_lists_one_key_for_records_and_another_for_the_log(site: Site):
    answer = site.get("/.well-known/did.json")
    document = answer.json
    assert answer.media_type == "application/did+json"
    assert document["id"] == did.did_of(site.base)
    assert document["@context"] == ["https://www.w3.org/ns/did/v1", "https://w3id.org/security/multikey/v1"]
    assert len(document["assertionMethod"]) == len(document["authentication"]) == 1
    assert document["assertionMethod"] != document["authentication"]
    assert {each["id"] for each in document["verificationMethod"]} == {
        *document["assertionMethod"],
        *document["authentication"],
    }
