"""Errors over HTTP: always in words, never a traceback, and every answer with its safety headers."""

from __future__ import annotations

import asyncio
import logging
import sqlite3
from contextlib import closing

import aiohttp
import pytest
from aiohttp import web
from aiohttp.http_exceptions import BadStatusLine
from aiohttp.test_utils import TestServer

from federation import node as nodes
from federation.limits import Limits
from federation.terminal import set_up_logging
from federation.web.results import FORMS
from federation.web.routes import GET
from tests.web.conftest import Site, ask
from tests.web.markup import Page

EVERY = [
    "/",
    "/search?q=molen",
    *(f"/search.{form}?q=molen" for form in FORMS),
    "/search.csv?nonsense=1",
    "/api/search?q=molen",
    "/api/complete?q=mol",
    "/api/search?nonsense=1",
    "/api/peers",
    "/communities",
    "/communities/nowhere",
    "/api/communities/nowhere",
    "/api/search?community=nowhere",
    "/search?community=nowhere",
    "/records/pilot/mill",
    "/records/pilot/mill.ttl",
    "/records/pilot/nowhere",
    "/peers/denmark/records/pilot/havn",
    "/log/checkpoint",
    "/log/0",
    "/log/nothing",
    "/feed",
    "/feed/0",
    "/feed/0/0",
    "/feed/9/9",
    "/.well-known/did.json",
    "/vocab/",
    "/vocab/procirc.ttl",
    "/vocab/lexicon",
    "/vocab/lexicon?q=mol&page=99999",
    "/network",
    "/login",
    "/health/live",
    "/health/ready",
    "/static/style.css",
    "/static/nothing.css",
    "/nowhere/at/all",
    "/mirror/nowhere.example/feed",
    "/mirror/nowhere.example/feed/0",
    "/mirror/nowhere.example/feed/0/0",
    "/mirror/nowhere.example/log/checkpoint",
    "/log/seen",
    "/metrics",
]


@pytest.mark.parametrize("accept", ["", "text/html"])
@pytest.mark.parametrize("path", EVERY)
def test_every_answer_carries_the_safety_headers(site: Site, path: str, accept: str):
    headers = site.get(path, accept=accept).headers
    assert "default-src 'none'" in headers["Content-Security-Policy"]
    assert "script-src 'self'; connect-src 'self'" in headers["Content-Security-Policy"]
    assert "unsafe" not in headers["Content-Security-Policy"]
    assert "frame-ancestors 'none'" in headers["Content-Security-Policy"]
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Referrer-Policy"] == "no-referrer"
    assert headers["Server"] == "ProCirc"


def test_an_answer_without_a_body_carries_them_too(site: Site):
    etag = site.get("/log/checkpoint").headers["ETag"]
    answer = site.get("/log/checkpoint", If_None_Match=etag)
    assert answer.status == 304
    assert answer.headers["X-Content-Type-Options"] == "nosniff"


def test_every_route_is_among_those_tried():
    tried = {path.partition("?")[0].strip("/").split("/")[0] for path in EVERY}
    assert {path.strip("/").split("/")[0].partition(".{")[0] for path, _ in GET} <= tried


@pytest.mark.parametrize(
    "path",
    [
        "/search?q=%00%ff%fe",
        "/search?page=99999999&lang=%f0%9f",
        "/search?lang[]=nl&kind[]=x",
        "/search?q=" + "%28" * 2000,
        "/search?kind=" + "a" * 3000,
        "/api/search?q=" + "%F0%9F%92%A9" * 200,
        "/api/search?limit=%D9%A3",
        "/api/search?limit=-0&offset=1e9",
        "/api/search?year=%5B2021%20TO%202022%5D",
        "/records/%ff/%fe",
        "/records/pilot/%0d%0aSet-Cookie:x",
        "/records/pilot/%22%3E%3Cscript%3E",
        "/peers/%00/records/pilot/mill",
        "/feed/%D9%A3/0",
        "/feed/99999999999999999999/0",
        "/log/%F0%9F%92%A9",
        "/vocab/%ff",
        "/" + "a/" * 500,
        "/%",
        "/search?q=%",
    ],
)
@pytest.mark.parametrize("accept", ["", "text/html", "*/*;q=nonsense, ;;;,,", "q" * 3000])
def test_no_address_makes_the_node_fail(site: Site, path: str, accept: str):
    answer = site.get(path, accept=accept)
    assert answer.status < 500
    assert b"Traceback" not in answer.body
    assert "Set-Cookie" not in answer.headers


@pytest.mark.parametrize("language", ["\udcff", "xx-" * 400, ";q=,;q=nan", "*", "de;q=inf"])
def test_no_language_header_makes_the_node_fail(site: Site, language: str):
    sent = language.encode("utf-8", "surrogateescape").decode("latin-1")
    assert site.get("/", accept="text/html", Accept_Language=sent).status == 200


@pytest.mark.parametrize(("path", "method"), [("/search", "POST"), ("/api/records", "GET"), ("/feed", "DELETE")])
def test_a_method_that_is_not_offered_is_refused_with_those_that_are(site: Site, path: str, method: str):
    answer = ask(site.base, method, path, {})
    assert (answer.status, answer.media_type) == (405, "application/problem+json")
    assert answer.headers["Allow"]


def test_a_problem_page_escapes_what_it_repeats(site: Site):
    text = site.page("/%3Cscript%3Ealert(1)%3C/script%3E")
    assert not Page(text).all("script")
    assert "&lt;script&gt;" in text


def test_a_problem_is_written_in_the_language_of_the_page(site: Site):
    assert Page(site.page("/nowhere?lang=da")).one("html").attributes["lang"] == "da"


def test_the_title_of_a_problem_is_translated(site: Site):
    assert Page(site.page("/nowhere?lang=da")).one("h1").text == "Her er ikke noget"


def test_a_problem_of_the_api_is_a_document_even_for_a_browser(site: Site):
    answer = site.get("/api/search?nonsense=1", accept="text/html")
    assert (answer.status, answer.media_type) == (400, "application/problem+json")


async def test_a_defect_is_a_500_without_a_traceback(start_node, capsys):
    """The node's own middleware around a handler that fails in a way nobody foresaw."""
    node = await start_node("flanders")
    app = nodes.application(node.node)

    async def broken(request: web.Request) -> web.Response:
        raise RuntimeError("a secret detail")

    app.router.add_get("/broken", broken)
    async with TestServer(app) as server, aiohttp.ClientSession() as session:
        for accept in ("*/*", "text/html"):
            async with session.get(server.make_url("/broken"), headers={"Accept": accept}) as answer:
                text = await answer.text()
                assert answer.status == 500
                assert answer.headers["X-Content-Type-Options"] == "nosniff"
                assert "Traceback" not in text
                assert "secret" not in text
    assert "a secret detail" in "".join(capsys.readouterr())


async def test_a_store_that_fails_is_a_503_that_says_what_to_do(start_node):
    node = await start_node("flanders")
    with closing(sqlite3.connect(node.config.data / "node.sqlite")) as database:
        database.execute("DROP TABLE entry")
        database.commit()
    async with (
        aiohttp.ClientSession() as session,
        session.get(f"{node.base}/log/0", headers={"Accept": "application/json"}) as answer,
    ):
        document = await answer.json(content_type="application/problem+json")
        assert answer.status == 503
        assert document["type"].endswith("/storage-failed")
        assert document["remedy"]
        assert "Traceback" not in str(document)


async def test_a_client_that_hangs_up_does_no_harm(site: Site):
    _reader, writer = await asyncio.open_connection("localhost", int(site.base.rpartition(":")[2]))
    writer.write(b"POST /api/records HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{")
    await writer.drain()
    writer.close()
    await writer.wait_closed()
    assert site.get("/health/live").status == 200


async def test_a_request_whose_body_does_not_arrive_is_given_up(start_node):
    node = await start_node("flanders", limits=Limits(request_seconds=0.2))
    token = (node.config.data / "api.token").read_text().strip()
    reader, writer = await asyncio.open_connection("localhost", int(node.base.rpartition(":")[2]))
    head = f"POST /api/records HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\nContent-Length: 100\r\n\r\n{{"
    writer.write(head.encode())
    await writer.drain()
    async with asyncio.timeout(20):
        assert (await reader.readline()).split()[1] == b"408"
    writer.close()
    await writer.wait_closed()


def test_a_client_that_speaks_no_http_leaves_no_traceback_in_the_log(monkeypatch, caplog):
    monkeypatch.setattr(logging.getLogger("aiohttp.server"), "filters", [])
    set_up_logging("text")
    server = logging.getLogger("aiohttp.server")
    for error in (BadStatusLine("x"), RuntimeError("a defect")):
        server.error("Error handling request", exc_info=error)
    assert [type(record.exc_info[1]) for record in caplog.records] == [RuntimeError]


@pytest.mark.parametrize("path", ["/search", "/api/search", "/vocab/lexicon", "/api/complete"])
def test_a_page_of_text_that_is_pasted_into_the_search_box_is_answered(site: Site, path: str):
    assert site.get(f"{path}?q={'%C3%A5ra+' * 2000}").status == 200


async def test_strangers_are_told_no_path_of_this_machine_and_its_log_is_told_once(start_node, capsys):
    node = await start_node("flanders")
    node.node.keyring._known.clear()
    (node.config.data / "keys" / "log.key").rename(node.config.data / "log.key.away")
    for path in ("/log/seen", "/health/ready"):
        async with aiohttp.ClientSession() as session, session.get(node.base + path) as answer:
            assert answer.status >= 500
            assert str(node.config.data) not in await answer.text()
    async with aiohttp.ClientSession() as session, session.get(f"{node.base}/health/ready") as answer:
        assert answer.status == 503
    assert capsys.readouterr().out.count("this node cannot sign") == 1
