"""What peers send: feed pages, checkpoints, DID documents and signed records are believed or refused in words."""

from __future__ import annotations

import contextlib
import gzip
import json
import re
from unittest.mock import patch

import pyoxigraph
import pytest
from hypothesis import given
from hypothesis import strategies as st

from federation.errors import BadCheckpoint, FederationError, InvalidRecord, KeyMismatch
from federation.feed import Format
from federation.log import checkpoint, did
from federation.log.keys import declared
from federation.log.trust import CREATE, Claimed, Erased, Standing, judge
from federation.peers import ldes
from federation.peers.content import Content
from federation.peers.ldes import NQUADS, TRIG, Page, read_page
from federation.records import jsonld
from federation.records.canonical import nodes_of, read, write
from federation.records.proof import Signer, sign
from federation.records.record import assemble
from federation.tasks import judge_page
from federation.workers import Tools
from tests.conftest import START, FakeClock, pilot
from tests.fuzz.hostile import FUZZ, MEGABYTE, TOKENS, damaged, little_memory, refusal
from tests.records.authoring import VOCABULARY
from tests.simulator import SimulatedPeer

BASE = "http://localhost:10001"
URL = f"{BASE}/feed/0/0"
FIGURE = {"slug": "co2", "indicator": "co2e-avoided", "observationRole": "measured", "value": "1234,5", "unit": "kg",
          "evidenceLevel": "measured"}  # fmt: skip


def simulated() -> SimulatedPeer:
    peer = SimulatedPeer(BASE, VOCABULARY, FakeClock())
    peer.append(peer.body_of(pilot("mill", start="2021-05", title='Quotes " and \\ and \n', observation=[FIGURE])))
    peer.publish("lock")
    return peer


PEER = simulated()
TEXTS = [token.decode("utf-8", "replace") for token in TOKENS]


def bodies() -> list[str]:
    return [entry.signed.body for entry in PEER.entries]


PAGE = PEER.page(0)
BODY = PEER.entries[1].signed.body
SIGNED = json.dumps(jsonld.signed_view(PEER.entries[1].signed, VOCABULARY)).encode()
DID = PEER.content("/.well-known/did.json")[0]
CHECKPOINT = PEER.checkpoint.encode()
KEY = PEER.private.log.public_key()
ORIGIN = checkpoint.origin_of(did.host_of(BASE))


# Feed pages


def judged(data: bytes, tools: Tools, *, gzipped: bool = False) -> FederationError | None:
    """How a page is refused as the first of a log, if it is."""
    standing = Standing(PEER.did, BASE)
    return refusal(judge_page, tools, Content(data, URL, 16 * MEGABYTE, gzipped), NQUADS, URL, standing, 1000, START)


def test_a_genuine_page_is_believed(tools: Tools):
    assert judged(PAGE, tools) is None


@FUZZ
@given(damaged(PAGE))
def test_a_damaged_page_is_believed_as_far_as_it_was_signed_or_refused(tools: Tools, data: bytes):
    standing = Standing(PEER.did, BASE)
    with contextlib.suppress(FederationError):
        entries, after, *_ = judge_page(tools, Content(data, URL, MEGABYTE), NQUADS, URL, standing, 1000, START)
        assert after.size == len(entries)
        assert {entry[8] for entry in entries} <= {entry.signed.proof.signature for entry in PEER.entries} | {
            entry.signed.body for entry in PEER.entries
        }


@FUZZ
@given(damaged(PEER.content("/feed")[0]))
def test_a_damaged_page_of_links_is_read_or_refused(data: bytes):
    refusal(read_page, data, url=f"{BASE}/feed", base=BASE)


@FUZZ
@given(damaged(gzip.compress(PAGE, mtime=0)))
def test_a_damaged_compressed_page_is_read_or_refused(tools: Tools, data: bytes):
    judged(data, tools, gzipped=True)


def line_by_line(data: bytes) -> Page | FederationError:
    with patch.object(ldes, "_as_written", return_value=None):
        return read_or_refused(data)


def read_or_refused(data: bytes) -> Page | FederationError:
    try:
        return read_page(data, url=URL, base=BASE)
    except FederationError as error:
        return error


def test_a_page_as_it_is_written_here_is_taken_apart_at_its_members():
    assert ldes._as_written(PAGE, URL, BASE, NQUADS) is not None
    assert read_or_refused(PAGE) == line_by_line(PAGE)


@FUZZ
@given(damaged(PAGE, PAGE.replace(b"mill", "møbler".encode())))
def test_however_it_is_taken_apart_a_page_says_what_it_says_line_by_line(data: bytes):
    found, wanted = read_or_refused(data), line_by_line(data)
    assert found == wanted or type(found) is type(wanted) is not Page


@FUZZ
@given(st.lists(st.sampled_from(PAGE.splitlines(keepends=True)), max_size=120))
def test_a_page_of_lines_in_any_order_says_what_it_says_line_by_line(lines: list[bytes]):
    for data in (b"".join(lines), PAGE + b"".join(lines), b"".join(lines) + PAGE):
        found, wanted = read_or_refused(data), line_by_line(data)
        assert found == wanted or type(found) is type(wanted) is not Page


@FUZZ
@given(st.binary(max_size=300))
def test_arbitrary_bytes_are_read_as_a_page_or_refused(data: bytes):
    for each in (data, PAGE + data, data + PAGE, data + b" .\n"):
        refusal(read_page, each, url=URL, base=BASE)
        refusal(read_page, each, url=URL, base=BASE, media_type=TRIG)


# Feed pages in TriG

BRACED = PEER.page(0, Format.TRIG)


def said_in_trig(data: bytes) -> Page | FederationError:
    try:
        return read_page(data, url=URL, base=BASE, media_type=TRIG)
    except FederationError as error:
        return error


def test_a_page_in_trig_says_what_it_says_in_n_quads():
    assert ldes._as_written(BRACED, URL, BASE, TRIG) is not None
    assert said_in_trig(BRACED) == read_or_refused(PAGE)


def test_a_page_in_trig_as_another_program_writes_it_says_the_same():
    again = pyoxigraph.serialize(
        pyoxigraph.parse(PAGE, format=pyoxigraph.RdfFormat.N_QUADS),
        format=pyoxigraph.RdfFormat.TRIG,
        prefixes={"as": "https://www.w3.org/ns/activitystreams#", "tree": "https://w3id.org/tree#"},
    )
    assert b"@prefix" in again
    assert ldes._as_written(again, URL, BASE, TRIG) is None
    assert said_in_trig(again) == read_or_refused(PAGE)


def test_an_erased_entry_is_read_from_trig():
    peer = simulated()
    peer.end("lock", kind="erasure")
    found = said_in_trig(peer.page(0, Format.TRIG))
    assert found == read_or_refused(peer.page(0))
    assert any(isinstance(claim, Erased) for claim in found.claims)


@FUZZ
@given(damaged(BRACED, BRACED.replace(b"mill", "møbler".encode())))
def test_a_damaged_page_in_trig_is_believed_as_far_as_it_was_signed_or_refused(tools: Tools, data: bytes):
    standing = Standing(PEER.did, BASE)
    with contextlib.suppress(FederationError):
        entries, *_ = judge_page(tools, Content(data, URL, MEGABYTE), TRIG, URL, standing, 1000, START)
        assert {entry[8] for entry in entries} <= {entry.signed.body for entry in PEER.entries}


@FUZZ
@given(st.lists(st.sampled_from(BRACED.splitlines(keepends=True)), max_size=120))
def test_a_page_of_lines_of_trig_in_any_order_says_what_any_reader_reads_in_it(lines: list[bytes]):
    for data in (b"".join(lines), BRACED + b"".join(lines), b"".join(lines) + BRACED):
        found = said_in_trig(data)
        with patch.object(ldes, "_as_written", return_value=None):
            wanted = said_in_trig(data)
        assert found == wanted or type(found) is type(wanted) is not Page


FEW_BYTES_FOR_MANY = {
    "a long prefix": b"@prefix p: <a:" + b"b" * 100_000 + b"> .\n" + b"p:a p:b p:c .\n" * 40_000,
    "many objects": b"<a:a> <a:b> " + b", ".join(b"%d" % n for n in range(400_000)) + b" .\n",
    "lists": b"<a:a> <a:b> " + b"(" * 100_000 + b")" * 100_000 + b" .\n",
    "blank nodes": b"<a:a> <a:b> " + b"[ <a:b> " * 100_000 + b"]" * 100_000 + b" .\n",
}


@pytest.mark.parametrize("what", FEW_BYTES_FOR_MANY)
def test_what_is_short_in_trig_and_long_otherwise_takes_little_memory(what: str):
    data = FEW_BYTES_FOR_MANY[what]
    with little_memory(data):
        assert refusal(read_page, data, url=URL, base=BASE, media_type=TRIG) is not None


ENTRY = f"<{BASE}/log/0>".encode()
LONG_PAGES = {
    "empty lines": b"\n" * MEGABYTE,
    "bodies that end again and again": (f"a b c <{BASE}/log/0> .\n".encode() * 2 + b"a b c .\n") * 15_000,
    "bodies that take turns": b"".join(f"a b c <{BASE}/log/{at % 2}> .\n".encode() for at in range(25_000)),
    "one link many times": f"<{URL}> <https://w3id.org/tree#relation> _:l .\n".encode() * 10_000
    + b"_:l x y .\n" * 20_000,
    "one line": b"a b " + b"c" * MEGABYTE + b" .\n",
    "one body": b"a b c %b .\n" % ENTRY * 20_000,
    "spaces": b" " * MEGABYTE + b".\n",
    "short lines": b"a b c .\n" * 25_000,
    "members": b"".join(b"<%b/feed#stream> <https://w3id.org/tree#member> <a:%d> .\n" % (BASE.encode(), n)
                        for n in range(10_000)),
}  # fmt: skip


@pytest.mark.parametrize("what", LONG_PAGES)
def test_a_megabyte_of_a_page_takes_little_memory_and_no_minutes(what: str):
    data = LONG_PAGES[what]
    with little_memory(data):
        refusal(read_page, data, url=URL, base=BASE)


# Bodies


@FUZZ
@given(damaged(BODY.encode()))
def test_a_damaged_body_is_refused_or_is_canonical_all_the_same(data: bytes):
    body = data.decode("utf-8", "surrogatepass") if b"\xed" in data else data.decode("utf-8", "replace")
    with contextlib.suppress(FederationError):
        assert write(read(body)) == body


def rewritten(body: str, line: str, value: str) -> str:
    """A body with another value, an address or a text as before, in one of its lines."""
    subject, path, old = line[:-3].split(" ", 2)
    new = f'"{value}"{old.rpartition(chr(34))[2]}' if old.startswith('"') else f"<{value}>"
    lines = [each for each in body.splitlines(keepends=True) if each != line]
    return "".join(sorted([*lines, f"{subject} {path} {new} .\n"]))


VALUES = st.builds("{}{}".format, st.sampled_from(["", "1", "-", " ", "a:"]), st.sampled_from(TEXTS))
LINES = st.sampled_from([(number, line) for number in (0, 1) for line in bodies()[number].splitlines(keepends=True)])


@FUZZ
@given(LINES, VALUES)
def test_an_entry_with_any_value_is_kept_or_refused_even_if_its_peer_signs_it(
    tools: Tools, changed: tuple[int, str], value: str
):
    number, line = changed
    signed = []
    for position, entry in enumerate(PEER.entries[:2]):
        body = rewritten(entry.signed.body, line, value) if position == number else entry.signed.body
        made = sign(body, Signer(PEER.did, PEER.private.record), created=entry.published).signed
        activity, record = CREATE, entry.record
        signed.append(Claimed(position, made, activity, record, entry.published))
    standing = Standing(PEER.did, BASE)
    refusal(judge, signed, standing, vocabulary=tools.vocabulary, checks=tools.checks, now=START)


LONG_BODIES = {
    "one text": '<a:a> <a:b> "' + "a" * MEGABYTE + '" .\n',
    "escapes": '<a:a> <a:b> "' + "\\n" * 30_000 + '" .\n',
    "an open text": '<a:a> <a:b> "' + "a\\" * 30_000 + " .\n",
    "an address": "<a:a> <a:b> <a:" + "b:" * 30_000 + " .\n",
    "a language": '<a:a> <a:b> "a"@' + "a-" * 30_000 + " .\n",
    "a datatype": '<a:a> <a:b> "1"^^<' + "a:" * 30_000 + " .\n",
    "a number": f'<a:a> <a:b> "{"9" * 100_000}"^^<http://www.w3.org/2001/XMLSchema#integer> .\n',
    "subjects": "".join(f"<a:{number:06}> <a:b> <a:c> .\n" for number in range(5_000)),
    "statements": "".join(f"<a:a> <a:b> <a:{number:06}> .\n" for number in range(5_000)),
    "lines": "\n" * MEGABYTE,
}


@pytest.mark.parametrize("what", LONG_BODIES)
def test_a_body_of_one_thing_takes_little_memory_and_no_minutes(what: str):
    with little_memory(LONG_BODIES[what]):
        refusal(nodes_of, LONG_BODIES[what])


# Signed JSON-LD


@FUZZ
@given(damaged(SIGNED))
def test_a_damaged_signed_document_is_refused_or_says_what_its_body_says(data: bytes):
    with contextlib.suppress(FederationError):
        signed = jsonld.signed_of(jsonld.loads(data), VOCABULARY)
        assert write(read(signed.body)) == signed.body


@FUZZ
@given(damaged(SIGNED, DID))
def test_what_is_read_as_json_can_be_written_again(data: bytes):
    with contextlib.suppress(FederationError):
        jsonld.loads(json.dumps(jsonld.loads(data)))


# DID documents


@FUZZ
@given(damaged(DID))
def test_a_damaged_did_document_gives_the_same_keys_or_is_refused(data: bytes):
    with contextlib.suppress(FederationError):
        found = did.keys_in(jsonld.loads(data), PEER.did)
        assert found.record_key()
        assert found.log_key()


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda each: st.lists(each, max_size=3) | st.dictionaries(st.text(max_size=5), each, max_size=3),
    max_leaves=5,
)


@FUZZ
@given(st.sampled_from(sorted(json.loads(DID))), JSON)
def test_a_did_document_with_any_member_gives_keys_or_is_refused(member: str, value: object):
    error = refusal(did.keys_in, {**json.loads(DID), member: value}, PEER.did)
    assert error is None or isinstance(error, KeyMismatch)


@FUZZ
@given(st.sampled_from(["id", "controller", "type", "publicKeyMultibase"]), JSON)
def test_a_did_document_with_any_method_gives_keys_or_is_refused(member: str, value: object):
    document = json.loads(DID)
    document["verificationMethod"][0][member] = value
    assert value == json.loads(DID)["verificationMethod"][0][member] or refusal(did.keys_in, document, PEER.did)


# Checkpoints


@FUZZ
@given(damaged(CHECKPOINT))
def test_a_damaged_checkpoint_says_what_was_signed_or_is_refused(data: bytes):
    text = data.decode("utf-8", "replace")
    with contextlib.suppress(BadCheckpoint):
        found = checkpoint.verify(text, origin=ORIGIN, key=KEY)
        assert (found.size, found.at) == (len(PEER.entries), START)


@pytest.mark.parametrize("filling", ["\ud800", "— " + ORIGIN + " AAAA", "—" * 10, "=", "A", "\n\n", "\0"])
def test_a_long_checkpoint_is_refused(filling: str):
    text = PEER.checkpoint + filling * (MEGABYTE // len(filling)) + "\n"
    with little_memory(text):
        assert isinstance(refusal(checkpoint.verify, text, origin=ORIGIN, key=KEY), BadCheckpoint)


@pytest.mark.parametrize("digits", [19, 5_000])
def test_a_version_of_many_digits_is_refused(digits: int):
    body = re.sub(r'"1"\^\^<[^>]*integer>', f'"{"9" * digits}"', BODY)
    assert isinstance(refusal(lambda: assemble(nodes_of(body), VOCABULARY)), InvalidRecord)


@pytest.mark.parametrize("value", ["abc", "9" * 5_000, "-1", "\N{SUPERSCRIPT TWO}"])
def test_a_key_event_with_what_is_no_number_is_refused(value: str):
    subject, lines = PEER.entries[0].record, PEER.entries[0].signed.body.splitlines(keepends=True)
    line = f'<{subject}> <https://w3id.org/procirc/ns#compromisedFrom> "{value}" .\n'
    assert isinstance(refusal(declared, "".join(sorted([*lines, line]))), KeyMismatch)
