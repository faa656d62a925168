"""The identity of a node: did:web, and the keys in its DID document."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from federation.errors import BadProof, KeyMismatch, Misconfigured, UnknownKey
from federation.log import did
from federation.log.keys import Declaration, Keys
from federation.records.multikey import encode_public


def multikey(seed: int) -> str:
    return encode_public(Ed25519PrivateKey.from_private_bytes(bytes([seed] * 32)).public_key())


RECORD, LOG, OTHER = multikey(1), multikey(2), multikey(3)
NODE = "did:web:flanders.example"


def document() -> dict[str, Any]:
    return did.document(NODE, [(Declaration(Keys(RECORD, LOG), 0, "0" * 64), "2026-11-22T09:00:00Z")])


@pytest.mark.parametrize(
    ("base", "identifier"),
    [
        ("https://flanders.example", "did:web:flanders.example"),
        ("http://localhost:8080", "did:web:localhost%3A8080"),
        ("https://a-b.c.example:443", "did:web:a-b.c.example%3A443"),
        ("https://xn--nrvsund-t1a.example", "did:web:xn--nrvsund-t1a.example"),
    ],
)
def test_the_identifier_follows_from_the_base_address(base, identifier):
    assert did.did_of(base) == identifier


@pytest.mark.parametrize(
    "base",
    [
        "",
        "flanders.example",
        "ftp://flanders.example",
        "https://",
        "https://flanders.example/",
        "https://flanders.example/node",
        "https://flanders.example?x=1",
        "https://flanders.example#x",
        "https://Flanders.example",
        "https://user@flanders.example",
        "https://user:password@flanders.example",
        "https://flanders.example:0",
        "https://flanders.example:99999",
        "https://flanders.example:port",
        "https://flanders.example.",
        "https://-flanders.example",
        "https://nærøysund.example",
        "https://flanders example",
        "https://[::1]",
        " https://flanders.example",
        "https://flanders.example\n",
    ],
)
def test_what_is_no_base_address_is_refused(base):
    with pytest.raises(Misconfigured):
        did.did_of(base)


def test_the_document_lists_one_key_for_each_use():
    made = document()
    assert made["id"] == NODE
    assert made["assertionMethod"] == [f"{NODE}#{RECORD}"]
    assert made["authentication"] == [f"{NODE}#{LOG}"]
    assert [each["id"] for each in made["verificationMethod"]] == [f"{NODE}#{RECORD}", f"{NODE}#{LOG}"]


def test_the_document_starts_with_the_context_that_verifiers_expect():
    assert document()["@context"] == ["https://www.w3.org/ns/did/v1", "https://w3id.org/security/multikey/v1"]


def test_every_method_is_a_multikey_that_names_its_controller_and_key():
    for each in document()["verificationMethod"]:
        assert (each["type"], each["controller"]) == ("Multikey", NODE)
        assert each["id"] == f"{NODE}#{each['publicKeyMultibase']}"


def test_the_keys_are_read_back():
    assert did.keys_in(document(), NODE) == Keys(RECORD, LOG)


def test_a_retired_key_beside_the_current_one_is_passed_over():
    made = document()
    retired = {**made["verificationMethod"][0], "id": f"{NODE}#{OTHER}", "publicKeyMultibase": OTHER}
    made["verificationMethod"].insert(0, {**retired, "expires": "2026-01-01T00:00:00Z"})
    made["assertionMethod"].insert(0, f"{NODE}#{OTHER}")
    assert did.keys_in(made, NODE) == Keys(RECORD, LOG)


def changed(**members: Any) -> dict[str, Any]:
    made = {**document(), **members}
    return {key: value for key, value in made.items() if value is not None}


def with_method(**members: Any) -> dict[str, Any]:
    """The document with other members in its record key."""
    made = document()
    made["verificationMethod"][0] = {
        key: value for key, value in {**made["verificationMethod"][0], **members}.items() if value is not None
    }
    return made


REFUSED: dict[str, Any] = {
    "nothing": None,
    "a list": [document()],
    "a text": NODE,
    "no id": changed(id=None),
    "the id of another node": changed(id="did:web:denmark.example"),
    "the id with a fragment": changed(id=f"{NODE}#{RECORD}"),
    "no methods": changed(verificationMethod=None),
    "methods that are an object": changed(verificationMethod=document()["verificationMethod"][0]),
    "an empty list of methods": changed(verificationMethod=[]),
    "methods that are text": changed(verificationMethod=[f"{NODE}#{RECORD}"]),
    "no key for records": changed(assertionMethod=None),
    "an empty list for records": changed(assertionMethod=[]),
    "a text for records": changed(assertionMethod=f"{NODE}#{RECORD}"),
    "an unknown key for records": changed(assertionMethod=[f"{NODE}#{OTHER}"]),
    "a relative reference": changed(assertionMethod=[f"#{RECORD}"]),
    "no key for checkpoints": changed(authentication=None),
    "two keys for records": changed(assertionMethod=[f"{NODE}#{RECORD}", f"{NODE}#{LOG}"]),
    "one key for both": changed(authentication=[f"{NODE}#{RECORD}"]),
    "another controller": with_method(controller="did:web:denmark.example"),
    "no controller": with_method(controller=None),
    "another type": with_method(type="Ed25519VerificationKey2020"),
    "an id that is not that of the key": with_method(publicKeyMultibase=OTHER),
    "an id of another node": with_method(id=f"did:web:denmark.example#{RECORD}"),
    "no key": with_method(publicKeyMultibase=None),
    "a key that is a number": with_method(publicKeyMultibase=5),
    "an expired key": with_method(expires="2026-01-01T00:00:00Z"),
    "a revoked key": with_method(revoked="2026-01-01T00:00:00Z"),
    "an unhashable reference": changed(assertionMethod=[{"id": []}]),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_document_without_exactly_one_current_key_for_each_use_is_refused(case):
    with pytest.raises(KeyMismatch):
        did.keys_in(REFUSED[case], NODE)


def test_a_key_of_another_curve_is_refused():
    made = document()
    made["verificationMethod"][0].update(publicKeyMultibase="zDnaegE6RR3", id=f"{NODE}#zDnaegE6RR3")
    made["assertionMethod"] = [f"{NODE}#zDnaegE6RR3"]
    with pytest.raises(BadProof):
        did.keys_in(made, NODE)


RETIRED = [
    (Declaration(Keys(RECORD, LOG), 0, "0" * 64), "2026-11-01T00:00:00Z"),
    (Declaration(Keys(OTHER, LOG), 1, "0" * 64), "2026-11-20T00:00:00Z"),
]


@pytest.mark.parametrize(
    ("key", "created", "good"),
    [
        (RECORD, "2026-11-10T00:00:00Z", True),
        (RECORD, "2026-11-21T00:00:00Z", False),
        (OTHER, "2026-11-21T00:00:00Z", True),
        (LOG, "2026-11-21T00:00:00Z", False),
    ],
)
def test_a_retired_key_is_good_for_what_it_signed_before_it_ended(key: str, created: str, good: bool):
    document = did.document(NODE, RETIRED)
    assert did.keys_in(document, NODE) == Keys(OTHER, LOG)
    if good:
        assert did.record_key(document, NODE, f"{NODE}#{key}", created) == key
    else:
        with pytest.raises(UnknownKey):
            did.record_key(document, NODE, f"{NODE}#{key}", created)


def test_a_key_that_was_in_wrong_hands_is_good_for_nothing_without_its_log():
    stolen = [RETIRED[0], (replace(RETIRED[1][0], compromised_from=5), RETIRED[1][1])]
    with pytest.raises(UnknownKey, match="whole log"):
        did.record_key(did.document(NODE, stolen), NODE, f"{NODE}#{RECORD}", "2026-11-10T00:00:00Z")
