"""Keys and signatures as multibase text."""

from __future__ import annotations

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given, settings
from hypothesis import strategies as st

from federation.errors import BadProof
from federation.records import multikey

FUZZ = settings(max_examples=200, deadline=None, derandomize=True)
SECRET = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
PUBLIC = SECRET.public_key()


def raw(key) -> bytes:
    return key.public_bytes(Encoding.Raw, PublicFormat.Raw)


def test_a_public_key_is_read_back():
    text = multikey.encode_public(PUBLIC)
    assert text.startswith("z6Mk")
    assert raw(multikey.decode_public(text)) == raw(PUBLIC)


def test_a_secret_key_is_read_back():
    text = multikey.encode_secret(SECRET)
    assert text.startswith("z3u2")
    assert raw(multikey.decode_secret(text).public_key()) == raw(PUBLIC)


@FUZZ
@given(st.binary(min_size=64, max_size=64))
def test_any_signature_is_read_back(signature):
    assert multikey.decode_signature(multikey.encode_signature(signature)) == signature


@FUZZ
@given(st.binary(max_size=40))
def test_base58_keeps_any_bytes_and_their_leading_zeros(data):
    assert multikey.unbase58(multikey.base58(data), length=len(data)) == data


def test_base58_is_that_of_bitcoin():
    assert multikey.base58(b"Hello World!") == "2NEpo7TZRRrLZSi2U"
    assert multikey.base58(bytes.fromhex("0000287fb4cd")) == "11233QC4"


PUBLIC_TEXT = multikey.encode_public(PUBLIC)
NO_PUBLIC_KEYS = {
    "nothing": "",
    "only the prefix": "z",
    "no prefix": PUBLIC_TEXT[1:],
    "another multibase": "u" + PUBLIC_TEXT[1:],
    "one character short": PUBLIC_TEXT[:-1],
    "one character more": PUBLIC_TEXT + "1",
    "a leading zero byte": "z1" + PUBLIC_TEXT[1:],
    "a character outside the alphabet": PUBLIC_TEXT[:-1] + "0",
    "a letter that is not ASCII": PUBLIC_TEXT[:-1] + "é",
    "white space": PUBLIC_TEXT + "\n",
    "a secret key": multikey.encode_secret(SECRET),
    "a key of another curve": "z" + multikey.base58(b"\x80\x24" + bytes(32)),
    "a key of 33 bytes": "z" + multikey.base58(b"\xed\x01" + bytes(33)),
    "a very long text": "z" + "1" * 100_000,
}


@pytest.mark.parametrize("case", NO_PUBLIC_KEYS)
def test_what_is_no_public_key_is_refused(case):
    with pytest.raises(BadProof):
        multikey.decode_public(NO_PUBLIC_KEYS[case])


@pytest.mark.parametrize("text", ["", PUBLIC_TEXT, multikey.encode_secret(SECRET)[:-1], "z3u2"])
def test_what_is_no_secret_key_is_refused(text):
    with pytest.raises(BadProof):
        multikey.decode_secret(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "z",
        multikey.encode_signature(bytes(64))[1:],
        multikey.encode_signature(bytes(63)),
        multikey.encode_signature(bytes(65)),
        "m" + multikey.encode_signature(bytes(64))[1:],
        "z" + "z" * 91,
        "z" + "1" * 1_000_000,
    ],
)
def test_what_is_no_signature_is_refused(text):
    with pytest.raises(BadProof):
        multikey.decode_signature(text)


def test_a_refusal_never_shows_a_secret_key():
    text = multikey.encode_secret(SECRET)
    for wrong in (text + "1", text[:-1], "z1" + text[1:]):
        with pytest.raises(BadProof) as refused:
            multikey.decode_secret(wrong)
        assert text[5:20] not in str(refused.value)


@FUZZ
@given(st.text(max_size=100))
def test_arbitrary_text_is_refused_as_a_bad_proof(text):
    for decode in (multikey.decode_public, multikey.decode_secret, multikey.decode_signature):
        for each in (text, "z" + text):
            with pytest.raises(BadProof):
                decode(each)
