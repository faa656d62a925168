"""Checkpoints: C2SP signed notes with a plain and a timed signature of the log key."""

from __future__ import annotations

import base64
import hashlib
from datetime import UTC, datetime, timedelta

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given, settings
from hypothesis import strategies as st

from federation.errors import BadCheckpoint
from federation.log import checkpoint
from federation.log.checkpoint import MAX_SIZE, origin_of

FUZZ = settings(max_examples=300, deadline=None, derandomize=True)
KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
OTHER_KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(1, 33)))
ORIGIN = origin_of("a.example")
ROOT = bytes(range(32))
NOW = datetime(2026, 11, 22, 9, 0, tzinfo=UTC)
TEXT = checkpoint.sign(ORIGIN, 42, ROOT, KEY, now=NOW)
LINES = TEXT.split("\n")


def verify(text: str, *, origin: str = ORIGIN, key: Ed25519PrivateKey = KEY) -> checkpoint.Checkpoint:
    return checkpoint.verify(text, origin=origin, key=key.public_key())


def test_what_was_signed_verifies():
    found = verify(TEXT)
    assert (found.origin, found.size, found.root, found.at, found.text) == (ORIGIN, 42, ROOT, NOW, TEXT)


def test_a_checkpoint_is_a_signed_note_of_origin_size_and_root():
    assert LINES[:4] == ["a.example/procirc-log/v1", "42", base64.b64encode(ROOT).decode(), ""]
    assert [line.split(" ")[:2] for line in LINES[4:6]] == [["—", ORIGIN]] * 2
    assert LINES[6:] == [""]


def test_the_signatures_are_those_of_the_specifications():
    plain, timed = (base64.b64decode(line.split(" ")[2]) for line in LINES[4:6])
    raw = KEY.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    note = "\n".join(LINES[:3]) + "\n"
    assert plain[:4] == hashlib.sha256(f"{ORIGIN}\n".encode() + b"\x01" + raw).digest()[:4]
    assert timed[:4] == hashlib.sha256(f"{ORIGIN}\n".encode() + b"\x04" + raw).digest()[:4]
    KEY.public_key().verify(plain[4:], note.encode())
    seconds = int.from_bytes(timed[4:12], "big")
    KEY.public_key().verify(timed[12:], f"cosignature/v1\ntime {seconds}\n{note}".encode())
    assert seconds == int(NOW.timestamp())


@pytest.mark.parametrize("size", [0, 1, 10**17])
def test_any_size_may_be_signed(size):
    assert verify(checkpoint.sign(ORIGIN, size, ROOT, KEY, now=NOW)).size == size


def test_its_age_is_counted_from_its_timed_signature():
    assert verify(TEXT).age(NOW + timedelta(hours=2)) == 7200


def test_a_checkpoint_of_the_future_is_read_and_has_a_negative_age():
    text = checkpoint.sign(ORIGIN, 42, ROOT, KEY, now=NOW + timedelta(days=365))
    assert verify(text).age(NOW) == -365 * 86_400


def test_a_checkpoint_of_another_log_is_refused():
    with pytest.raises(BadCheckpoint, match=r"b\.example"):
        verify(TEXT, origin=origin_of("b.example"))


def test_a_checkpoint_of_another_key_is_refused():
    with pytest.raises(BadCheckpoint, match="not signed by the log key"):
        verify(TEXT, key=OTHER_KEY)


def resigned(line: int, data: bytes) -> str:
    """The checkpoint with other bytes in one of its signature lines."""
    return "\n".join([*LINES[:line], f"— {ORIGIN} {base64.b64encode(data).decode()}", *LINES[line + 1 :]])


def signature(line: int) -> bytes:
    return base64.b64decode(LINES[line].split(" ")[2])


OTHER_ROOT = base64.b64encode(bytes(32)).decode()
ALTERED = {
    "nothing": "",
    "no signatures": "\n".join(LINES[:4]),
    "no empty line": TEXT.replace("\n\n", "\n"),
    "no line feed at the end": TEXT.removesuffix("\n"),
    "CRLF": TEXT.replace("\n", "\r\n"),
    "another size": TEXT.replace("\n42\n", "\n43\n"),
    "a size that is negative": TEXT.replace("\n42\n", "\n-42\n"),
    "a size with zeros before it": TEXT.replace("\n42\n", "\n042\n"),
    "a size in other digits": TEXT.replace("\n42\n", "\n٤٢\n"),
    "a size of a thousand digits": TEXT.replace("\n42\n", f"\n{'9' * 1_000}\n"),
    "no size": TEXT.replace("\n42\n", "\n\n"),
    "another root": TEXT.replace(LINES[2], OTHER_ROOT),
    "a short root": TEXT.replace(LINES[2], base64.b64encode(bytes(31)).decode()),
    "a root that is not base64": TEXT.replace(LINES[2], "ü" * 44),
    "a root with a space": TEXT.replace(LINES[2], LINES[2][:20] + " " + LINES[2][20:]),
    "an extension line": TEXT.replace(LINES[2], f"{LINES[2]}\nextension"),
    "no plain signature": "\n".join([*LINES[:4], LINES[5], ""]),
    "no timed signature": "\n".join([*LINES[:4], LINES[4], ""]),
    "the plain signature twice": "\n".join([*LINES[:4], LINES[4], LINES[4], ""]),
    "a flipped bit in the plain signature": resigned(4, signature(4)[:-1] + bytes([signature(4)[-1] ^ 1])),
    "a flipped bit in the timed signature": resigned(5, signature(5)[:-1] + bytes([signature(5)[-1] ^ 1])),
    "another time": resigned(5, signature(5)[:4] + (0).to_bytes(8, "big") + signature(5)[12:]),
    "an impossible time": resigned(5, signature(5)[:4] + b"\xff" * 8 + signature(5)[12:]),
    "a short timed signature": resigned(5, signature(5)[:-1]),
    "a long plain signature": resigned(4, signature(4) + b"\0"),
    "an empty signature": resigned(4, b""),
    "a signature that is not base64": TEXT.replace(LINES[4], LINES[4][:-1] + "!"),
    "a hyphen for the dash": TEXT.replace("— ", "- "),
    "a line that is no signature": TEXT + "hello\n",
    "an empty line at the end": TEXT + "\n",
    "a carriage return between the signatures": "\n".join([*LINES[:4], f"{LINES[4]}\r{LINES[5]}", ""]),
    "a line separator between the signatures": "\n".join([*LINES[:4], f"{LINES[4]}\u2028{LINES[5]}", ""]),
    "too long": TEXT + f"— w.example {'A' * MAX_SIZE}\n",
}


@pytest.mark.parametrize("case", ALTERED)
def test_an_altered_checkpoint_is_refused(case):
    with pytest.raises(BadCheckpoint):
        verify(ALTERED[case])


def test_an_impossible_time_is_refused_even_when_it_is_signed():
    note = "\n".join(LINES[:3]) + "\n"
    seconds = 2**63
    signed = KEY.sign(f"cosignature/v1\ntime {seconds}\n{note}".encode())
    with pytest.raises(BadCheckpoint, match="impossible"):
        verify(resigned(5, signature(5)[:4] + seconds.to_bytes(8, "big") + signed))


def test_a_checkpoint_as_long_as_allowed_is_read():
    line = "— w.example "
    text = TEXT + line + "A" * (MAX_SIZE - len(TEXT.encode()) - len(line.encode()) - 1) + "\n"
    assert len(text.encode()) == MAX_SIZE
    assert verify(text).size == 42


def test_the_length_of_a_checkpoint_counts_bytes():
    text = TEXT + "".join(f"— {'é' * 1_000} AAAA\n" for _ in range(12))
    assert len(text) < MAX_SIZE < len(text.encode())
    with pytest.raises(BadCheckpoint):
        verify(text)


@pytest.mark.parametrize("before", [True, False])
def test_the_signature_of_a_witness_is_ignored(before):
    witness = "— witness.example/w1 " + base64.b64encode(bytes(76)).decode()
    at = 4 if before else 6
    assert verify("\n".join([*LINES[:at], witness, *LINES[at:]])).size == 42


def test_a_further_signature_under_the_same_name_by_another_key_is_ignored():
    other = checkpoint.sign(ORIGIN, 42, ROOT, OTHER_KEY, now=NOW).split("\n")
    assert verify("\n".join([*LINES[:6], other[4], other[5], ""])).size == 42


@FUZZ
@given(st.text(max_size=300))
def test_arbitrary_text_is_a_bad_checkpoint(text):
    for each in (text, f"{ORIGIN}\n{text}", f"{ORIGIN}\n42\n{text}\n\n{text}\n", TEXT + text, text + TEXT):
        if each != TEXT:
            with pytest.raises(BadCheckpoint):
                verify(each)


@FUZZ
@given(st.integers(0, len("\n".join(LINES[:4])) - 1), st.characters(codec="utf-8"))
def test_one_other_character_in_the_note_is_noticed(place, character):
    text = TEXT[:place] + character + TEXT[place + 1 :]
    if text != TEXT:
        with pytest.raises(BadCheckpoint):
            verify(text)
