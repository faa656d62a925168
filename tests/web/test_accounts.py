"""What is not published: seen after login at the home node, and found nowhere else, byte by byte."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import aiohttp
import pytest
from itsdangerous import URLSafeTimedSerializer

from federation.errors import AlreadyExists, NotAllowed, NotFound, TooMany
from federation.exchange import rows
from federation.records.canonical import nodes_of
from federation.records.draft import Draft
from federation.records.record import assemble
from federation.web import sessions as sessions_module
from federation.web.keys import SESSIONS
from federation.web.sessions import ATTEMPTS, WAITING, WAITING_EACH, WITHIN, hashed
from tests.conftest import TestNode

CANARY = "Kanarievogel-7461"
PRACTICE = Draft(
    "good-practice", "deal",
    {
        "title": {"nl": "Een deal"}, "language": "nl", "institution": "town", "country": "BE",
        "evidenceOfSuccess": {"nl": "Het werkte."}, "transferPotential": {"nl": "Overal."},
        "expertOpinion": {"nl": f"Goed, zegt {CANARY}."}, "contact": {"nl": f"{CANARY}@example.org"},
    },
)  # fmt: skip
TOWN = Draft("organisation", "town", {"title": {"nl": "Stad"}, "country": "BE", "role": "procurer"})
RECORD = "/records/good-practice/deal"
PASSWORD = "correct horse battery"


@pytest.fixture
async def home(start_node) -> TestNode:
    """A node with a good practice whose restricted part holds the canary, and one account."""
    node = await start_node("flanders")
    await node.publish(TOWN, PRACTICE)
    await node.node.follower.catch_up()
    await node.node.store.in_house.add_account("an", hashed(PASSWORD), created="2026-11-22T09:00:00Z")
    return node


@asynccontextmanager
async def browser(node: TestNode) -> AsyncIterator[Browser]:
    jar = aiohttp.CookieJar(unsafe=True)
    async with aiohttp.ClientSession(node.base, cookie_jar=jar, headers={"Accept": "text/html"}) as session:
        yield Browser(session)


class Browser:
    def __init__(self, session: aiohttp.ClientSession) -> None:
        self.session = session

    async def page(self, path: str = RECORD) -> str:
        async with self.session.get(path) as answer:
            self.headers = answer.headers
            return await answer.text()

    async def log_in(self, password: str = PASSWORD, name: str = "an", after: str = RECORD, **headers: str) -> int:
        form = {"name": name, "password": password, "after": after}
        async with self.session.post("/login", data=form, headers=headers, allow_redirects=False) as answer:
            self.location = answer.headers.get("Location", "")
            self.cookie = answer.headers.get("Set-Cookie", "")
            return answer.status


async def test_what_is_restricted_is_seen_after_login_and_not_after_logout(home):
    async with browser(home) as me:
        before = await me.page()
        assert CANARY not in before
        assert "/login?after=%2Frecords" in before
        assert await me.log_in() == 303
        assert me.location == RECORD
        assert (await me.page()).count(CANARY) == 2
        assert me.headers["Cache-Control"] == "private, no-store"
        await me.session.post("/logout")
        assert CANARY not in await me.page()


async def test_the_cookie_is_out_of_reach_of_scripts_and_other_sites(home):
    async with browser(home) as me:
        await me.log_in()
        assert "HttpOnly" in me.cookie
        assert "SameSite=Lax" in me.cookie
        assert "an" not in me.cookie.split("=", 1)[1].split(".")[0]


@pytest.mark.parametrize(("name", "password"), [("an", "wrong"), ("nobody", PASSWORD), ("", ""), ("an", "")])
async def test_a_wrong_name_or_password_says_only_that_they_do_not_match(home, name, password):
    async with browser(home) as me:
        assert await me.log_in(password, name) == 401
        assert CANARY not in await me.page()


async def test_many_failures_are_refused_unread_for_a_while(home):
    async with browser(home) as me:
        assert [await me.log_in("wrong") for _ in range(ATTEMPTS + 1)] == [401] * ATTEMPTS + [429]
        assert await me.log_in() == 429
        home.clock.forward(seconds=WITHIN.total_seconds() + 1)
        assert await me.log_in() == 303


@pytest.mark.parametrize("header", [{"Sec-Fetch-Site": "cross-site"}, {"Origin": "https://evil.example"}])
async def test_a_form_of_another_site_is_refused(home, header):
    async with browser(home) as me:
        assert await me.log_in(**header) == 401
        assert not me.cookie


@pytest.mark.parametrize(
    "after", ["https://evil.example/", "//evil.example", "/\\evil.example", "javascript:x", "", "/\n"]
)
async def test_after_login_one_stays_on_this_site(home, after):
    async with browser(home) as me:
        assert await me.log_in(after=after) == 303
        assert me.location == "/"


async def test_a_session_ends_with_its_account(home):
    async with browser(home) as me:
        await me.log_in()
        await home.node.store.in_house.remove_account("an")
        assert CANARY not in await me.page()
        await home.node.store.in_house.add_account("an", hashed("another password"), created="2026-11-22T09:00:00Z")
        assert CANARY not in await me.page()


FORGED = URLSafeTimedSerializer("another secret", salt="procirc session").dumps(["an", ""])


@pytest.mark.parametrize("session", ["", "x", "a.b.c", "é", FORGED], ids=range(5))
async def test_a_forged_session_is_nobodys(home, session):
    headers = {"Accept": "text/html", "Cookie": f"procirc={session}"}
    async with aiohttp.ClientSession(home.base, headers=headers) as mine, mine.get(RECORD) as answer:
        assert answer.status == 200
        assert CANARY not in await answer.text()


async def test_the_restricted_part_never_leaves_the_home_node(home, start_node):
    """Rule 7 of the domain notes: no body, log, feed, index, export or peer holds it."""
    peer = await start_node("denmark", peers=[home.base])
    await peer.pull(home)
    await peer.node.follower.catch_up()
    entry = await home.node.store.current(home.base + RECORD, home.node.log.id)
    record, kind = assemble(nodes_of(entry.signed.body), home.node.workers.tools.vocabulary)
    tables = rows.tables_of(kind, [record], home.node.workers.tools.vocabulary, home.config.naming)
    assert CANARY not in str([list(table.lines()) for table in tables])
    paths = [RECORD + suffix for suffix in (".jsonld", ".ttl", ".nq", ".html")]
    paths += ["/feed", "/feed/0", "/feed/0/0", "/log/2", "/api/search", "/search"]
    async with aiohttp.ClientSession(home.base) as session:
        for path in paths:
            async with session.get(path) as answer:
                assert answer.status in (200, 404), path
                assert CANARY.encode() not in await answer.read(), path
    assert canaries(home, "node.sqlite", "node.sqlite-wal") == []
    assert canaries(peer) == []


def canaries(node: TestNode, *except_in: str) -> list[str]:
    """The files of a node's data directory that hold the canary."""
    files = [path for path in node.config.data.rglob("*") if path.is_file() and path.name not in except_in]
    assert files
    return [path.name for path in files if CANARY.encode() in path.read_bytes()]


async def test_restricted_texts_are_judged_with_the_draft_and_kept_only_if_it_is_accepted(home):
    values: dict[str, Any] = {**PRACTICE.values, "expertOpinion": {"nl": "x" * 6000}}
    outcome = await home.node.publisher.publish([replace(PRACTICE, slug="other", values=values)], skip_faulty=True)
    assert [fault.field for fault in outcome.faults if fault.severity == "violation"] == ["expertOpinion"]
    assert await home.node.store.in_house.texts(f"{home.base}/records/good-practice/other") == {}


async def test_an_import_without_restricted_texts_leaves_them_and_one_with_new_ones_replaces_them(home):
    iri = home.base + RECORD
    bare = {name: value for name, value in PRACTICE.values.items() if name not in ("expertOpinion", "contact")}
    await home.publish(replace(PRACTICE, values=bare))
    assert len(await home.node.store.in_house.texts(iri)) == 2
    outcome = await home.node.publisher.publish([replace(PRACTICE, values={**bare, "contact": {"nl": "Nieuw"}})])
    assert outcome.published == []
    assert (outcome.in_house, outcome.unchanged) == ({iri}, [iri])
    assert (await home.node.store.in_house.texts(iri))["contact", "nl"] == "Nieuw"
    assert await home.node.store.in_house.forget(iri) == 2


async def test_an_account_is_added_once_and_removed_once(home):
    in_house = home.node.store.in_house
    with pytest.raises(AlreadyExists):
        await in_house.add_account("an", "x", created="2026-11-22T09:00:00Z")
    await in_house.remove_account("an")
    with pytest.raises(NotFound):
        await in_house.remove_account("an")
    assert await in_house.accounts() == []


async def test_what_was_erased_is_not_kept_again_when_its_table_is_imported_once_more(home):
    iri = home.base + RECORD
    assert await home.node.store.in_house.texts(iri)
    await home.node.own.erase(iri, {"en": "A person asked for it."})
    outcome = await home.node.publisher.publish([TOWN, PRACTICE])
    assert (iri in outcome.unchanged, outcome.in_house) == (True, set())
    assert await home.node.store.in_house.texts(iri) == {}
    assert await home.node.store.in_house.keep({iri: {("contact", "nl"): CANARY}}) == set()
    assert await home.node.store.in_house.texts(iri) == {}


async def test_guesses_from_one_network_of_ipv6_are_counted_together(start_node):
    home = await start_node("flanders", trusted_proxies=("127.0.0.1",))
    async with aiohttp.ClientSession() as session:
        for at in range(ATTEMPTS + 1):
            data, headers = {"name": "an", "password": "wrong"}, {"X-Forwarded-For": f"2001:db8::{at:x}"}
            async with session.post(f"{home.base}/login", data=data, headers=headers) as response:
                status = response.status
    assert status == 429


async def test_only_so_many_wait_for_their_password_to_be_compared(home):
    sessions, now = home.app[SESSIONS], home.clock()
    every = (sessions.open("an", "wrong", address=f"192.0.2.{each}", now=now) for each in range(WAITING + 5))
    refused = [type(each) for each in await asyncio.gather(*every, return_exceptions=True)]
    assert (refused.count(NotAllowed), refused.count(TooMany)) == (WAITING, 5)


async def test_of_one_address_so_few_wait_that_others_are_let_in(home):
    sessions, now = home.app[SESSIONS], home.clock()
    await home.node.store.in_house.add_account("anna", hashed("right horse"), created="2026-11-22T09:00:00Z")
    every = [sessions.open(f"name-{each}", "wrong", address="192.0.2.1", now=now) for each in range(WAITING)]
    every.append(sessions.open("anna", "right horse", address="192.0.2.2", now=now))
    *refused, session = await asyncio.gather(*every, return_exceptions=True)
    assert [type(each) for each in refused].count(NotAllowed) == WAITING_EACH
    assert await sessions.person(str(session)) == "anna"


async def test_failures_under_a_clock_that_was_ahead_lock_nobody_out(home, clock):
    sessions = home.app[SESSIONS]
    clock.forward(days=365)
    for _ in range(ATTEMPTS):
        with pytest.raises(NotAllowed):
            await sessions.open("anna", "wrong", address="192.0.2.1", now=clock())
    clock.forward(days=-365)
    with pytest.raises(NotAllowed):
        await sessions.open("anna", "wrong", address="192.0.2.1", now=clock())


async def test_attempts_that_were_refused_unread_are_no_attempts(home):
    sessions, now = home.app[SESSIONS], home.clock()
    sessions._waiting["192.0.2.1"] = WAITING_EACH
    for _ in range(ATTEMPTS + 1):
        with pytest.raises(TooMany, match="Too many people"):
            await sessions.open("an", "wrong", address="192.0.2.1", now=now)
    sessions._waiting.clear()
    with pytest.raises(NotAllowed):
        await sessions.open("an", "wrong", address="192.0.2.1", now=now)


async def test_names_without_end_are_not_remembered_without_end(home, monkeypatch):
    monkeypatch.setattr(sessions_module, "_REMEMBERED", 50)
    sessions, now = home.app[SESSIONS], home.clock()
    sessions._waiting["192.0.2.1"] = WAITING_EACH  # nothing is compared: refused in this very moment
    for each in range(500):
        with pytest.raises(TooMany):
            await sessions.open(f"name-{each}" + "x" * 900, "wrong", address="192.0.2.1", now=now)
    assert len(sessions._failed) <= 50
    assert max(map(len, sessions._failed)) <= 32
