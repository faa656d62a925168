"""A34: a node of another version, and text that would like to be more than text."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import aiohttp
import pytest
from aiohttp import web

from federation.log.did import host_of
from tests.attacks.invariants import assert_sound
from tests.conftest import free_port, pilot
from tests.recorded import BASE, CANARY, PILOTS, recordings
from tests.web.markup import Page

HOSTILE = [
    "<script>alert(1)</script>",
    "</title><script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "' onmouseover='alert(1)",
    "<svg/onload=alert(1)>",
    "{{ 7 * 7 }}{% raw %}",
    "javascript:alert(1)",
    "<!-- --!><script>alert(1)</script>",
]


@pytest.fixture
async def node(start_node, peer):
    return await start_node("flanders", peers=[peer.base])


async def page(node, path: str) -> tuple[Page, str]:
    headers = {"Accept": "text/html"}
    async with aiohttp.ClientSession(headers=headers) as session, session.get(node.base + path) as answer:
        return Page(await answer.text()), answer.headers["Content-Security-Policy"]


@pytest.mark.parametrize("text", HOSTILE)
async def test_a34_a_hostile_text_of_a_peer_is_text_on_every_page(node, peer, text):
    title = f"Molen {text}"
    peer.append(
        peer.body_of(pilot("mill", title=title, abstract={"nl": text}, procurer="javascript://x.example/%0aalert(1)"))
    )
    assert (await node.pull(peer)).state == "active"
    for path in ("/peers/peer/records/pilot/mill", "/search?q=molen", "/network"):
        shown, policy = await page(node, path)
        assert not shown.strange_scripts
        assert all(not name.startswith("on") for each in shown.elements for name in each.attributes)
        assert all(each.startswith(("http://", "https://", "/", "?", "#")) for each in shown.links)
        assert "default-src 'none'" in policy
    shown, _ = await page(node, "/peers/peer/records/pilot/mill")
    assert shown.one("h1").text == title
    await assert_sound(node)


async def test_a34_a_checkpoint_of_another_version_of_the_protocol_is_refused(node, peer):
    peer.publish("mill")
    peer.altering("/log/checkpoint", lambda body: body.replace(b"/procirc-log/v1", b"/procirc-log/v2"))
    pulled = await node.pull(peer)
    assert (pulled.state, pulled.reason) == ("blocked", "bad-checkpoint")
    peer.honest()
    assert (await node.pull(peer)).state == "active"
    await assert_sound(node)


async def test_a34_a_field_of_a_newer_version_is_kept_byte_for_byte(node, peer):
    body = peer.body_of(pilot("mill"))
    subject = body.partition(" ")[0]
    mood = f'{subject} <https://w3id.org/procirc/ns#mood> "good" .\n'
    body = "".join(sorted([*body.splitlines(keepends=True), mood]))
    peer.append(body)
    peer.publish("lock")
    assert (await node.pull(peer)).state == "active"
    log = await node.log_of(peer)
    kept = (await node.node.store.entries(log.id, 1, 2))[0]
    assert (kept.quarantine.partition(":")[0], kept.signed.body) == ("invalid-record", body)
    assert await node.slugs(peer) == ["lock"]
    await assert_sound(node)


# What earlier versions left behind


@pytest.fixture(params=recordings(), ids=lambda recording: recording.version)
def recording(request):
    return request.param


@pytest.fixture
async def mirror(recording):
    """The address of a server that answers as the recorded node did, byte for byte."""

    async def answer(request: web.Request) -> web.Response:
        media_type, body = recording.answers[request.path.removeprefix(f"/mirror/{host_of(BASE)}")]
        return web.Response(body=body, headers={"Content-Type": media_type})

    app = web.Application()
    app.router.add_get("/{path:.*}", answer)
    runner, port = web.AppRunner(app, access_log=None, shutdown_timeout=0.1), free_port()
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    yield f"http://localhost:{port}"
    await runner.cleanup()


async def test_a34_what_a_node_of_every_version_published_is_taken_over(start_node, clock, recording, mirror):
    clock.now = recording.at
    node = await start_node("flanders", peers=[mirror])
    pulled = await node.pull(BASE, name="recorded", via=mirror)
    assert (pulled.state, pulled.detail) == ("active", "")
    slugs = await node.slugs(BASE)
    assert {"stad", "molen", "tel-eerst", "kring", "oproep", "kwartel", "daarna"} <= set(slugs)
    assert sum(slug.startswith("pilot-") and slug != "pilot-7" for slug in slugs) == PILOTS - 1
    log = await node.log_of(BASE)
    entries = await node.node.store.entries(log.id, 0, log.verified_size)
    assert not [each.position for each in entries if each.quarantine and each.erased_by is None]
    assert CANARY not in str(entries)
    assert [dict(each.labels) for each in node.node.index.glossary.terms] == [{"nl": "kwartel", "en": "quail"}]
    await assert_sound(node)


def test_a34_a_backup_of_every_version_is_restored_and_searched(recording, tmp_path):
    lines = ['name = "recorded"', 'title = { en = "Recorded" }', f'base = "{BASE}"', 'data = "data"']
    (tmp_path / "node.toml").write_text("\n".join([*lines, 'language = "nl"\n']), "utf-8")

    def run(*words: str) -> str:
        done = subprocess.run(
            [sys.executable, "-m", "federation", *words], cwd=tmp_path, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    backup = str(recording.backup)
    run("restore", backup, "--check")
    assert os.listdir(tmp_path) == ["node.toml"]
    run("restore", backup)
    found = json.loads(run("search", "molen", "--json"))
    assert found["items"][0]["id"] == f"{BASE}/records/pilot/molen"
