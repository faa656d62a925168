"""Publishing over HTTP, and the state of peers, for programs."""

from __future__ import annotations

import asyncio
import gzip
import json
from typing import Any

import aiohttp
import pytest
from aiohttp.test_utils import TestServer

from federation import indexing
from federation import node as nodes
from federation.errors import StorageFailed
from federation.store.secrets import secret
from tests.web.conftest import LARGEST, OWN, Site


def draft(slug: str, **values: Any) -> dict[str, Any]:
    """A record as a program sends it."""
    fields = {**OWN[1].values, "title": {"nl": f"Proef {slug}"}, **values}
    return {"kind": "pilot", "slug": slug, **{key: value for key, value in fields.items() if value is not None}}


def size_of(site: Site) -> int:
    return site.run(site.node.store.log(site.node.log.id)).size


@pytest.fixture
def untouched(site: Site):
    """The log is as long after the test as it was before."""
    before = size_of(site)
    yield
    assert size_of(site) == before


@pytest.mark.usefixtures("untouched")
@pytest.mark.parametrize("token", ["", "wrong", "é".encode().decode("latin-1"), "x" * 5000])
def test_nobody_publishes_without_the_token(site: Site, token: str):
    answer = site.post(draft("refused"), token=token)
    assert (answer.status, answer.media_type) == (401, "application/problem+json")
    assert "api.token" in answer.json["remedy"]


@pytest.mark.usefixtures("untouched")
def test_a_refusal_names_the_scheme_of_authentication(site: Site):
    """RFC 9110 section 15.5.2: a 401 carries WWW-Authenticate."""
    assert site.post(draft("refused"), token="").headers["WWW-Authenticate"].startswith("Bearer")


@pytest.mark.usefixtures("untouched")
def test_the_token_counts_only_as_a_bearer_token(site: Site):
    assert site.post(draft("refused"), token="", Authorization=f"Basic {site.token}").status == 401


def test_an_author_does_not_wait_for_an_index_that_is_far_behind(site: Site, monkeypatch):
    follower, may = site.node.follower, asyncio.Event()

    async def slow(progress: Any = None) -> int:
        await may.wait()
        return 0

    monkeypatch.setattr(follower, "catch_up", slow)
    monkeypatch.setattr(indexing, "AWAITED", 0.05)
    assert site.post(draft("early")).status == 201

    async def ends() -> None:
        may.set()
        await follower.end()

    site.run(ends())


def test_those_who_wait_for_the_index_while_another_one_does_are_served_with_it(site: Site, monkeypatch):
    follower, turns, may = site.node.follower, [], asyncio.Event()

    async def slow(progress: Any) -> int:
        turns.append(1)
        await may.wait()
        return 0

    async def many() -> None:
        tasks = [asyncio.create_task(follower.catch_up()) for _ in range(9)]
        await asyncio.sleep(0.05)
        may.set()
        await asyncio.gather(*tasks)

    monkeypatch.setattr(follower, "_catch_up", slow)
    site.run(many())
    assert len(turns) == 2, "one for who came first, and one for all others"


def test_what_is_published_is_so_although_the_index_cannot_be_written(site: Site, monkeypatch):
    async def full(progress: Any = None) -> int:
        raise StorageFailed("The disk is full.")

    monkeypatch.setattr(site.node.follower, "catch_up", full)
    assert site.post(draft("kept")).status == 201
    assert site.get("/records/pilot/kept").status == 200


def test_a_new_record_is_created_at_its_address(site: Site):
    answer = site.post(draft("created"))
    iri = f"{site.base}/records/pilot/created"
    assert (answer.status, answer.headers["Location"]) == (201, iri)
    assert answer.json["published"] == [{"id": iri, "position": size_of(site) - 1}]
    assert site.get("/records/pilot/created").status == 200


def test_a_new_record_is_found_at_once(site: Site):
    site.post(draft("findable", title={"nl": "Zeldzaamheidswoord"}))
    found = site.get("/api/search?q=zeldzaamheidswoord&lang=nl").json
    assert [item["id"] for item in found["items"]] == [f"{site.base}/records/pilot/findable"]


def test_a_record_that_says_nothing_new_is_left_alone(site: Site):
    site.post(draft("twice"))
    before = size_of(site)
    answer = site.post(draft("twice"))
    assert (answer.status, answer.json["published"]) == (200, [])
    assert answer.json["unchanged"] == [f"{site.base}/records/pilot/twice"]
    assert "Location" not in answer.headers
    assert size_of(site) == before


def test_a_changed_record_gets_a_new_version_at_the_same_address(site: Site):
    site.post(draft("changed"))
    answer = site.post(draft("changed", title={"nl": "Nieuwe titel"}))
    assert answer.status == 201
    document = site.get("/records/pilot/changed.jsonld").json
    assert (document["version"], document["title"]) == (2, {"nl": "Nieuwe titel"})


def test_a_list_is_published_as_one(site: Site):
    answer = site.post([draft("one"), draft("two")])
    assert answer.status == 201
    assert [each["id"].rpartition("/")[2] for each in answer.json["published"]] == ["one", "two"]


def test_what_would_be_worth_filling_in_is_a_warning(site: Site):
    answer = site.post(draft("sparse", sector=None))
    assert answer.status == 201
    assert {each["severity"] for each in answer.json["warnings"]} == {"warning"}
    assert "sector" in [each["field"] for each in answer.json["warnings"]]


@pytest.mark.usefixtures("untouched")
def test_every_fault_of_an_invalid_record_is_listed(site: Site):
    answer = site.post(draft("faulty", title=None, sector=["funriture-office"], sart="2021"))
    assert (answer.status, answer.media_type) == (422, "application/problem+json")
    assert answer.json["type"].endswith("/invalid-record")
    errors = {each["field"]: each for each in answer.json["errors"]}
    assert {"sector", "sart"} <= set(errors)
    assert "furniture-office" in errors["sector"]["remedy"]
    assert "start" in errors["sart"]["remedy"]


@pytest.mark.usefixtures("untouched")
def test_a_missing_title_is_named(site: Site):
    errors = site.post(draft("untitled", title=None)).json["errors"]
    assert [each["field"] for each in errors] == ["title"]


@pytest.mark.usefixtures("untouched")
def test_one_invalid_record_stops_the_whole_list(site: Site):
    assert site.post([draft("good"), draft("bad", sector=["nonsense"])]).status == 422
    assert site.get("/records/pilot/good").status == 404


@pytest.mark.usefixtures("untouched")
@pytest.mark.parametrize("slug", ["../mill", "Ünicode", "a b", "", "a" * 101, "x\u0000"])
def test_a_slug_that_cannot_be_part_of_an_address_is_refused(site: Site, slug: str):
    answer = site.post(draft(slug))
    assert answer.status == 422
    assert [each["field"] for each in answer.json["errors"]] == ["slug"]


@pytest.mark.usefixtures("untouched")
@pytest.mark.parametrize("kind", ["nonsense", "key-event", "observation"])
def test_only_kinds_that_people_write_are_taken(site: Site, kind: str):
    assert site.post({**draft("other"), "kind": kind}).status == 422


@pytest.mark.usefixtures("untouched")
@pytest.mark.parametrize(
    "document",
    [[], 1, None, "text", [1], {}, {"kind": "pilot"}, {"kind": 1, "slug": "a"}, {"kind": "pilot", "slug": None}],
)
def test_what_is_no_record_at_all_is_refused(site: Site, document: Any):
    assert site.post(document).status == 400


@pytest.mark.usefixtures("untouched")
@pytest.mark.parametrize(
    "values",
    [
        {"title": "no language"},
        {"title": {"nl": {"deep": 1}}},
        {"title": {"nl": ["a"]}},
        {"title": {"not a tag!": "a"}},
        {"sector": {"a": "b"}},
        {"sector": [["furniture-office"]]},
        {"observation": "text"},
        {"observation": [1]},
        {"observation": [{"slug": 1}]},
        {"start": "2021-02-30"},
        {"source": "javascript:alert(1)"},
        {"source": "http://a b"},
        {"title": {"nl": "\ud800"}},
        {"version": 7},
        {"publisher": "did:web:elsewhere.example"},
        {"": "x"},
    ],
)
def test_values_of_the_wrong_kind_are_faults_and_no_failures(site: Site, values: dict[str, Any]):
    answer = site.post(draft("wrong", **values))
    assert answer.status == 422
    assert answer.json["errors"]


@pytest.mark.usefixtures("untouched")
@pytest.mark.parametrize(
    "raw",
    [b"", b"{", b"not json", b'{"kind": NaN}', b"[" * 5000, b'{"kind": 1e999}', b'{"n": 99999999999999999999}'],
)
def test_what_is_not_json_is_refused(site: Site, raw: bytes):
    answer = site.post(None, raw=raw)
    assert (answer.status, answer.media_type) == (400, "application/problem+json")


@pytest.mark.usefixtures("untouched")
def test_what_is_not_utf_8_is_refused_and_says_where(site: Site):
    answer = site.post(None, raw=b'{"kind": "\xff"}')
    assert answer.status == 400
    assert "byte 10" in answer.json["detail"]


@pytest.mark.usefixtures("untouched")
def test_a_member_that_occurs_twice_is_refused(site: Site):
    answer = site.post(None, raw=b'{"kind": "pilot", "slug": "a", "slug": "b"}')
    assert answer.status == 400
    assert "twice" in answer.json["detail"]


@pytest.mark.usefixtures("untouched")
def test_a_compressed_request_is_refused(site: Site):
    raw = gzip.compress(json.dumps(draft("zipped")).encode())
    answer = site.post(None, raw=raw, Content_Encoding="gzip")
    assert answer.status == 400
    assert "ncompressed" in answer.json["remedy"]


@pytest.mark.usefixtures("untouched")
def test_a_request_that_says_it_is_too_large_is_refused(site: Site):
    answer = site.post(None, raw=b" " * (LARGEST + 1))
    assert (answer.status, answer.json["type"].rpartition("/")[2]) == (413, "too-large")


@pytest.mark.usefixtures("untouched")
def test_a_request_that_turns_out_too_large_is_refused(site: Site):
    answer = site.post(None, raw=iter([b" " * 4096] * 5))
    assert (answer.status, answer.json["type"].rpartition("/")[2]) == (413, "too-large")


def test_a_request_of_the_largest_size_is_taken(site: Site):
    body = json.dumps(draft("padded")).encode()
    assert site.post(None, raw=body + b" " * (LARGEST - len(body))).status == 201


def test_a_chunked_request_is_taken(site: Site):
    body = json.dumps(draft("chunked")).encode()
    assert site.post(None, raw=iter([body[:50], body[50:]])).status == 201


async def test_without_a_token_file_nobody_publishes(start_node):
    node = await start_node("flanders")
    (node.config.data / "api.token").unlink()
    async with TestServer(nodes.application(node.node)) as server, aiohttp.ClientSession() as session:
        for token in ("", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"):
            headers = {"Authorization": f"Bearer {token}"}
            async with session.post(server.make_url("/api/records"), json=draft("a"), headers=headers) as answer:
                assert answer.status == 401


# Peers


def test_the_state_of_every_peer_is_told(site: Site):
    answer = site.get("/api/peers")
    assert answer.status == 200
    (peer,) = answer.json["peers"]
    assert (peer["name"], peer["state"], peer["configured"]) == ("denmark", "active", True)
    assert peer["entries"] == peer["claimed"] == 2
    assert peer["did"].startswith("did:web:localhost%3A")
    assert peer["last_success"] == "2026-11-22T09:00:00Z"
    assert peer["fingerprint"]


def test_the_state_of_peers_may_be_read_from_other_websites_and_is_never_kept(site: Site):
    headers = site.get("/api/peers").headers
    assert headers["Access-Control-Allow-Origin"] == "*"
    assert headers["Cache-Control"] == "no-cache"


async def test_a_peer_that_has_gone_is_told_with_its_reason(start_node):
    gone = "http://localhost:1"
    node = await start_node("scotland", peers=[gone])
    await node.pull(gone, "peer0")
    async with aiohttp.ClientSession() as session, session.get(f"{node.base}/api/peers") as answer:
        (peer,) = (await answer.json())["peers"]
    assert peer["state"] in ("new", "unreachable")
    assert peer["reason"] == "peer-unreachable"
    assert peer["detail"]


@pytest.mark.usefixtures("untouched")
def test_what_a_rule_says_is_said_in_the_language_of_the_reader(site: Site):
    promise = {
        "kind": "commitment", "slug": "refused", "title": {"nl": "Een belofte"}, "organisation": "town",
        "initiative": "deal", "commitmentRole": "procurer", "signedOn": "2020", "promised": 2,
    }  # fmt: skip
    said = {}
    for language in ("en", "nl", "da"):
        faults = site.post(promise, Accept_Language=language).json["errors"]
        (fault,) = (each for each in faults if each["field"] == "promisedKind")
        said[language] = f"{fault['message']} {fault['remedy']}"
    rule = site.node.workers.tools.vocabulary.rules["promise-of-what"]
    assert said == {language: rule.messages[language] for language in said}


async def test_an_empty_token_lets_nobody_publish(start_node):
    node = await start_node("flanders")
    path = node.config.data / "api.token"
    path.chmod(0o600)
    path.write_text("\n")
    async with TestServer(nodes.application(node.node)) as server, aiohttp.ClientSession() as session:
        for given in ("Bearer", "Bearer ", "Bearer  \t"):
            headers = {"Authorization": given}
            async with session.post(server.make_url("/api/records"), json={}, headers=headers) as answer:
                assert answer.status == 401


def test_a_secret_that_was_cut_short_is_made_anew(tmp_path):
    path = tmp_path / "session.key"
    path.touch(0o600)
    made = secret(path)
    assert len(made) > 40
    assert secret(path) == made
    assert path.stat().st_mode & 0o777 == 0o600
    assert [each.name for each in tmp_path.iterdir()] == ["session.key"]
