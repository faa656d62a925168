"""Requests from anywhere: a node answers every one of them, and never with a defect."""

from __future__ import annotations

import contextlib
import socket
from urllib.parse import quote, urlencode, urlsplit

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from federation.errors import NotAcceptable
from federation.web.negotiate import choose, is_current
from tests.fuzz.hostile import FUZZ, damaged, little_memory, refusal
from tests.web.conftest import Site

ASKING = settings(FUZZ, max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture])
SEARCH = "/search?q=molen&lang=nl&page=2&sector=furniture-office&year=2021"
API = "/api/search?q=molen&lang=nl&limit=5&offset=0&kind=pilot&node=flanders"


def exchanged(site: Site, request: bytes, *, hang_up: bool = False) -> bytes:
    """What comes back for any bytes; ``hang_up`` where they may not be a whole request."""
    host, _, port = urlsplit(site.base).netloc.partition(":")
    with socket.create_connection((host, int(port)), timeout=30) as connection:
        connection.sendall(request)
        if hang_up:
            connection.shutdown(socket.SHUT_WR)
        answer = b""
        while chunk := connection.recv(65_536):
            answer += chunk
    return answer


def status(answer: bytes) -> int:
    """The status of an answer; 0 where the connection was closed without one."""
    return int(answer.split(b" ", 2)[1]) if answer.startswith(b"HTTP/1.1 ") else 0


def asked(site: Site, path: bytes, *headers: bytes) -> int:
    lines = [b"GET %b HTTP/1.1" % path, b"Host: localhost", b"Connection: close", *headers, b"", b""]
    return status(exchanged(site, b"\r\n".join(lines)))


# Accept

OFFERED = ("application/ld+json", "text/html", "text/turtle")
ACCEPT = b'text/html;q=0.9, application/ld+json;profile="a";q=0.1, text/*;q=0.5, */*;q=0.01'


@FUZZ
@given(damaged(ACCEPT) | st.binary(max_size=40))
def test_any_accept_header_chooses_one_of_the_forms_or_none(header: bytes):
    with contextlib.suppress(NotAcceptable):
        assert choose(header.decode("utf-8", "surrogateescape"), OFFERED) in OFFERED


@FUZZ
@given(damaged(b'"a-1", W/"b-2", *') | st.binary(max_size=40))
def test_any_condition_holds_or_does_not(header: bytes):
    assert is_current(header.decode("utf-8", "surrogateescape"), '"a-1"') in (True, False)


@pytest.mark.parametrize("piece", [",", ";", ";q=", "a/b;q=1,", '"', "*/*,", " ", "9", ";q=0.9"])
def test_a_long_accept_header_takes_little_memory(piece: str):
    header = piece * 100_000
    with little_memory(header):
        refusal(choose, header, OFFERED)


# Addresses and headers over a socket


@pytest.mark.parametrize("path", [SEARCH, API, "/records/pilot/mill.jsonld", "/log/1", "/feed/0/0"])
def test_a_genuine_request_is_answered(site: Site, path: str):
    assert asked(site, path.encode()) == 200


PATHS = (
    SEARCH, API, "/records/pilot/mill.ttl", "/peers/denmark/records/pilot/havn", "/log/1", "/feed/0/0",
    "/vocab/kind/pilot", "/vocab/list/sector", "/vocab/context/v1.jsonld", "/vocab/ns.ttl", "/static/style.css",
    "/login?after=/records/pilot/mill", "/network?lang=da",
)  # fmt: skip


@ASKING
@given(damaged(*(path.encode() for path in PATHS)))
def test_any_address_is_answered_in_its_own_bytes(site: Site, path: bytes):
    assert asked(site, path) < 500


@ASKING
@given(damaged(*(path.encode() for path in PATHS)))
def test_any_address_is_answered_when_its_bytes_are_written_as_percent(site: Site, path: bytes):
    assert asked(site, quote(path, safe="/?&=").encode()) < 500


@ASKING
@given(
    st.dictionaries(
        st.sampled_from(["q", "lang", "limit", "offset", "page", "kind", "node", "sector", "year", "language"]),
        st.text(max_size=30) | st.sampled_from(["-1", "9" * 500, "1e9", "²", "\0", "nl", "pilot", "\u0661"]),
    )
)
def test_any_search_is_answered(site: Site, parameters: dict[str, str]):
    query = urlencode(parameters, errors="surrogatepass")
    assert site.get(f"/search?{query}").status == 200
    assert site.get(f"/api/search?{query}").status in (200, 400)


HEADERS = {
    "Accept": ACCEPT,
    "Accept-Language": b"nl-BE, nl;q=0.9, en;q=0.1, *;q=nan",
    "Accept-Encoding": b"gzip;q=1.0, identity",
    "If-None-Match": b'"0-1-ld+json", W/"a", *',
    "Cookie": b'procirc=WyJhIiwiYiJd.aaaa.bbbb; other="a"; lang=nl',
    "Authorization": b"Bearer abc.def",
    "Range": b"bytes=0-10",
    "Host": b"localhost:10001",
}


@pytest.mark.parametrize("name", HEADERS)
@settings(ASKING, max_examples=15)
@given(data=st.data())
def test_any_header_is_answered(site: Site, name: str, data: st.DataObject):
    value = data.draw(damaged(HEADERS[name]))
    for path in (b"/records/pilot/mill", b"/static/style.css"):
        assert asked(site, path, b"%b: %b" % (name.encode(), value)) < 500


# Forms and bodies

FORM = b"name=anna&password=secret&after=%2Frecords%2Fpilot%2Fmill"


def posted(site: Site, path: str, body: bytes, *headers: bytes) -> int:
    lines = [b"POST %b HTTP/1.1" % path.encode(), b"Host: localhost", b"Connection: close", *headers]
    head = b"\r\n".join([*lines, b"Content-Length: %d" % len(body), b"", b""])
    return status(exchanged(site, head + body))


@settings(ASKING, max_examples=5)
@given(damaged(FORM))
def test_any_login_form_is_refused_or_asked_again(site: Site, body: bytes):
    assert posted(site, "/login", body, b"Content-Type: application/x-www-form-urlencoded") in (401, 413, 429)


DRAFT = b'[{"kind": "pilot", "slug": "x", "title": {"nl": "X"}, "sector": ["nonsense"], "start": "2021"}]'


@ASKING
@given(damaged(DRAFT))
def test_any_body_of_a_draft_that_lacks_much_is_refused(site: Site, body: bytes):
    assert 400 <= posted(site, "/api/records", body, b"Authorization: Bearer " + site.token.encode()) < 500


@ASKING
@given(
    damaged(b"GET /records/pilot/mill HTTP/1.1\r\nHost: localhost\r\nAccept: text/html\r\nConnection: close\r\n\r\n")
)
def test_any_request_is_answered_or_hung_up_on(site: Site, request: bytes):
    assert status(exchanged(site, request, hang_up=True)) < 500


def test_a_login_form_with_many_fields_is_refused(site: Site):
    assert posted(site, "/login", b"&".join(b"a%d=1" % number for number in range(30))) == 400
