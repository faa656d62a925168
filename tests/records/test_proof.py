"""Proofs: one suite, one purpose, five statements; every altered byte is noticed."""

from __future__ import annotations

import copy
import pickle
from dataclasses import replace

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from hypothesis import given, settings
from hypothesis import strategies as st
from pyoxigraph import CanonicalizationAlgorithm, Dataset, RdfFormat, parse, serialize

from federation.errors import BadProof
from federation.records import jsonld, proof
from federation.records.ed25519 import holds
from federation.records.proof import Proof, Signed, Signer, Verified
from tests.records.authoring import VOCABULARY

FUZZ = settings(max_examples=200, deadline=None, derandomize=True)
CREATED = "2026-11-22T09:00:00Z"
BODY = '<https://a.example/records/pilot/a> <http://purl.org/dc/terms/title> "Een brug"@nl .\n'
KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
OTHER_KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(1, 33)))
SIGNER = Signer("did:web:a.example", KEY)


def signed() -> Signed:
    return proof.sign(BODY, SIGNER, created=CREATED).signed


def refused(altered: Signed) -> bool:
    try:
        proof.verify(altered, KEY.public_key(), node=SIGNER.node)
    except BadProof:
        return True
    return False


def test_what_was_signed_verifies():
    made = proof.sign(BODY, SIGNER, created=CREATED)
    assert proof.verify(made.signed, KEY.public_key(), node=SIGNER.node) == made


def test_the_verification_method_names_the_key_itself():
    assert signed().proof.method.startswith("did:web:a.example#z6Mk")


def test_signing_twice_gives_the_same_proof():
    assert signed() == signed()


def test_the_configuration_is_what_the_general_path_makes_of_the_proof_options():
    options = signed().proof.as_json()
    del options["proofValue"]
    document = {**options, "@context": list(jsonld.context_terms(VOCABULARY.folder))}
    dataset = Dataset(parse(jsonld.dumps(document), format=RdfFormat.JSON_LD))
    dataset.canonicalize(CanonicalizationAlgorithm.RDFC_1_0)
    lines = sorted(str(serialize(dataset, format=RdfFormat.N_QUADS), "utf-8").splitlines(keepends=True))
    assert "".join(lines) == proof.configuration(CREATED, SIGNER.method)


@FUZZ
@given(st.integers(0, len(BODY) - 1), st.characters(codec="utf-8"))
def test_one_other_character_in_the_body_does_not_verify(place, character):
    body = BODY[:place] + character + BODY[place + 1 :]
    assert body == BODY or refused(signed()._replace(body=body))


@FUZZ
@given(st.integers(0, 511))
def test_one_flipped_bit_of_the_signature_does_not_verify(bit):
    signature = bytearray(signed().proof.signature)
    signature[bit // 8] ^= 1 << bit % 8
    assert refused(Signed(BODY, signed().proof._replace(signature=bytes(signature))))


@FUZZ
@given(st.integers(0, 3), st.text(max_size=3))
def test_an_addition_to_the_body_does_not_verify(place, text):
    body = [text + BODY, BODY + text, BODY.replace(" .\n", text + " .\n"), BODY + BODY + text][place]
    assert body == BODY or refused(signed()._replace(body=body))


@pytest.mark.parametrize("created", ["2026-11-22T09:00:01Z", "2026-11-22T09:00:00+00:00", ""])
def test_another_time_does_not_verify(created):
    assert refused(Signed(BODY, signed().proof._replace(created=created)))


@pytest.mark.parametrize(
    "method",
    [
        "did:web:b.example#" + SIGNER.method.partition("#")[2],
        "did:web:a.example#" + Signer("did:web:a.example", OTHER_KEY).method.partition("#")[2],
        "did:web:a.example",
    ],
)
def test_another_verification_method_does_not_verify(method):
    assert refused(Signed(BODY, signed().proof._replace(method=method)))


def test_the_signature_of_another_key_does_not_verify():
    assert refused(proof.sign(BODY, Signer("did:web:a.example", OTHER_KEY), created=CREATED).signed)


def test_the_proof_of_another_body_does_not_verify():
    other = proof.sign(BODY.replace("brug", "sluis"), SIGNER, created=CREATED).signed
    assert refused(Signed(BODY, other.proof))


def test_the_leaf_is_the_hash_of_what_was_signed_and_the_signature():
    made = proof.sign(BODY, SIGNER, created=CREATED)
    data = proof.hash_data(proof.configuration(CREATED, SIGNER.method), BODY)
    assert made.leaf == proof.leaf_hash(data, made.signed.proof.signature)
    assert len(made.leaf) == 32


def test_a_verified_record_cannot_be_made_by_hand():
    with pytest.raises(TypeError):
        Verified(signed(), SIGNER.node, bytes(32), object())


def test_a_verified_record_cannot_be_changed_into_another():
    made = proof.sign(BODY, SIGNER, created=CREATED)
    with pytest.raises(TypeError):
        replace(made, signed=made.signed._replace(body=""), _made_here=None)
    with pytest.raises(AttributeError):
        made.node = "did:web:b.example"


def test_a_verified_record_travels_between_the_processes_of_a_node():
    made = proof.sign(BODY, SIGNER, created=CREATED)
    assert pickle.loads(pickle.dumps(made)) == made
    assert copy.deepcopy(made) == made


def test_a_signer_does_not_show_its_key():
    assert "key" not in repr(SIGNER)


def test_a_proof_is_read_back_from_its_json():
    assert Proof.from_json(signed().proof.as_json()) == signed().proof


@pytest.mark.parametrize(
    "member", ["type", "cryptosuite", "created", "verificationMethod", "proofPurpose", "proofValue"]
)
def test_a_proof_without_one_of_its_members_is_refused(member):
    made = signed().proof.as_json()
    del made[member]
    with pytest.raises(BadProof, match=member):
        Proof.from_json(made)


@pytest.mark.parametrize(
    "member", ["id", "expires", "domain", "challenge", "nonce", "previousProof", "@context", "@id", "note"]
)
def test_a_proof_with_another_member_is_refused(member):
    with pytest.raises(BadProof, match=member):
        Proof.from_json({**signed().proof.as_json(), member: "https://a.example/"})


@pytest.mark.parametrize(
    ("member", "value"),
    [
        ("type", "Ed25519Signature2020"),
        ("cryptosuite", "eddsa-jcs-2022"),
        ("cryptosuite", "ecdsa-rdfc-2019"),
        ("proofPurpose", "authentication"),
        ("proofPurpose", "https://w3id.org/security#assertionMethod"),
        ("created", "2026-11-22T09:00:00+00:00"),
        ("created", "2026-11-22T09:00:00.000Z"),
        ("created", "2026-02-30T09:00:00Z"),
        ("verificationMethod", "did:web:a.example"),
        ("verificationMethod", "#z6Mk"),
        ("verificationMethod", "did:web:a.example#z6Mk> .\n<urn:x> <urn:y> <urn:z"),
        ("proofValue", ""),
        ("proofValue", "u" + "A" * 86),
        ("created", None),
        ("created", ["2026-11-22T09:00:00Z"]),
        ("verificationMethod", {"id": "did:web:a.example#z6Mk"}),
    ],
)
def test_a_proof_with_another_value_is_refused(member, value):
    with pytest.raises(BadProof):
        Proof.from_json({**signed().proof.as_json(), member: value})


@pytest.mark.parametrize("value", [None, [], "proof", 1])
def test_what_is_no_object_is_no_proof(value):
    with pytest.raises(BadProof):
        Proof.from_json(value)


def test_a_list_of_one_proof_is_refused():
    with pytest.raises(BadProof):
        Proof.from_json([signed().proof.as_json()])


def test_a_key_of_small_order_under_which_anything_would_be_signed_proves_nothing():
    identity = bytes([1]) + bytes(31)
    weak = Ed25519PublicKey.from_public_bytes(identity)
    forged = identity + bytes(32)
    weak.verify(forged, b"OpenSSL believes this of every text")
    with pytest.raises(BadProof, match="does not fit"):
        proof.verify(Signed(BODY, Proof(CREATED, SIGNER.method, forged)), weak, node=SIGNER.node)


@pytest.mark.parametrize("length", [0, 63, 65, 128])
def test_a_signature_of_another_length_does_not_hold(length):
    assert not holds(bytes(length), b"text", KEY.public_key())
