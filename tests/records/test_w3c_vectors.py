"""The W3C test vectors of cryptosuite eddsa-rdfc-2022, reproduced bit for bit.

``alumni`` has no blank nodes; ``employ`` has, so our reader would refuse it, but hashing and signing
do not depend on that. pyoxigraph loses terms of ``employ`` (a node with two type-scoped contexts, see
signing.md section 3), so its text is made with PyLD.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyoxigraph
import pytest
from pyld import jsonld as pyld
from pyoxigraph import CanonicalizationAlgorithm, Dataset, RdfFormat

from federation.errors import BadProof
from federation.records import multikey, proof
from federation.records.proof import Proof, Signed, Signer

DATA = Path(__file__).parent.parent / "data"
CONTEXTS = {
    "https://www.w3.org/ns/credentials/v2": "credentials-v2.jsonld",
    "https://www.w3.org/ns/credentials/examples/v2": "credentials-examples-v2.jsonld",
    "https://w3id.org/citizenship/v4rc1": "citizenship-v4rc1.jsonld",
    "https://w3id.org/security/data-integrity/v2": "data-integrity-v2.jsonld",
}
FOLDERS = {
    "alumni": DATA / "data-integrity" / "eddsa-rdfc-2022",
    "employ": DATA / "data-integrity" / "eddsa-rdfc-2022" / "employ",
}
vectors = pytest.mark.parametrize("vector", FOLDERS)


def text_of(vector: str, name: str) -> str:
    return (FOLDERS[vector] / name).read_text("utf-8")


def json_of(vector: str, name: str) -> dict[str, Any]:
    return json.loads(text_of(vector, name))


def context_of(iri: str) -> Any:
    return json.loads((DATA / "contexts" / CONTEXTS[iri]).read_text("utf-8"))


def from_disk(iri: str, options: object) -> dict[str, Any]:
    """A document loader of PyLD that knows our files and nothing else."""
    return {"contentType": "application/ld+json", "contextUrl": None, "documentUrl": iri, "document": context_of(iri)}


def text_by_pyoxigraph(document: dict[str, Any]) -> str:
    inlined = {**document, "@context": [context_of(iri)["@context"] for iri in document["@context"]]}
    dataset = Dataset(pyoxigraph.parse(json.dumps(inlined), format=RdfFormat.JSON_LD))
    dataset.canonicalize(CanonicalizationAlgorithm.RDFC_1_0)
    lines = str(pyoxigraph.serialize(dataset, format=RdfFormat.N_QUADS), "utf-8").split("\n")
    return "".join(sorted(f"{line}\n" for line in lines if line))


def text_by_pyld(document: dict[str, Any]) -> str:
    options = {"algorithm": "URDNA2015", "format": "application/n-quads", "documentLoader": from_disk}
    return pyld.normalize(document, options)


CANONICAL_TEXT = {"alumni": text_by_pyoxigraph, "employ": text_by_pyld}


@pytest.fixture
def signer() -> Signer:
    pair = json.loads((DATA / "data-integrity" / "keyPair.json").read_text("utf-8"))
    return Signer(f"did:key:{pair['publicKeyMultibase']}", multikey.decode_secret(pair["privateKeyMultibase"]))


def signed_of(vector: str) -> Signed:
    """The signed document of a vector, from its JSON-LD."""
    document = json_of(vector, "signedDataInt.json")
    made = Proof.from_json(document.pop("proof"))
    return Signed(CANONICAL_TEXT[vector](document), made)


def flipped(data: bytes, bit: int) -> bytes:
    changed = bytearray(data)
    changed[bit // 8] ^= 1 << bit % 8
    return bytes(changed)


def test_the_secret_key_belongs_to_the_public_key(signer):
    pair = json.loads((DATA / "data-integrity" / "keyPair.json").read_text("utf-8"))
    assert multikey.encode_public(signer.key.public_key()) == pair["publicKeyMultibase"]
    assert multikey.encode_secret(signer.key) == pair["privateKeyMultibase"]


@vectors
def test_the_document_has_the_canonical_text_of_the_vector(vector):
    document = json_of(vector, "signedDataInt.json")
    del document["proof"]
    assert CANONICAL_TEXT[vector](document) == text_of(vector, "canonDocDataInt.txt")


@vectors
def test_the_proof_configuration_is_the_text_of_the_vector(vector):
    options = json_of(vector, "proofConfigDataInt.json")
    assert (options["cryptosuite"], options["proofPurpose"]) == (proof.SUITE, proof.PURPOSE)
    text = proof.configuration(options["created"], options["verificationMethod"])
    assert text == text_of(vector, "proofCanonDataInt.txt")


@vectors
def test_the_template_of_the_configuration_equals_the_general_path(vector):
    options = json_of(vector, "proofConfigDataInt.json")
    assert text_by_pyld(options) == proof.configuration(options["created"], options["verificationMethod"])


@vectors
def test_the_hashes_are_those_of_the_vector(vector):
    data = proof.hash_data(text_of(vector, "proofCanonDataInt.txt"), text_of(vector, "canonDocDataInt.txt"))
    assert data[:32].hex() == text_of(vector, "proofHashDataInt.txt")
    assert data[32:].hex() == text_of(vector, "docHashDataInt.txt")
    assert data.hex() == text_of(vector, "combinedHashDataInt.txt")


@vectors
def test_signing_gives_the_signature_and_proof_value_of_the_vector(vector, signer):
    created = json_of(vector, "proofConfigDataInt.json")["created"]
    made = proof.sign(text_of(vector, "canonDocDataInt.txt"), signer, created=created).signed.proof
    assert made.signature.hex() == text_of(vector, "sigHexDataInt.txt")
    assert made.value == text_of(vector, "sigBTC58DataInt.txt")


@vectors
def test_the_proof_member_is_that_of_the_signed_document(vector, signer):
    created = json_of(vector, "proofConfigDataInt.json")["created"]
    made = proof.sign(text_of(vector, "canonDocDataInt.txt"), signer, created=created).signed.proof
    assert made.as_json() == json_of(vector, "signedDataInt.json")["proof"]


@vectors
def test_the_signed_document_verifies(vector, signer):
    verified = proof.verify(signed_of(vector), signer.key.public_key(), node=signer.node)
    assert verified.signed.proof.value == text_of(vector, "sigBTC58DataInt.txt")


@vectors
@pytest.mark.parametrize("bit", [0, 7, 255, 256, 511])
def test_one_flipped_bit_of_the_signature_does_not_verify(vector, bit, signer):
    signed = signed_of(vector)
    forged = Proof(signed.proof.created, signed.proof.method, flipped(signed.proof.signature, bit))
    with pytest.raises(BadProof):
        proof.verify(Signed(signed.body, forged), signer.key.public_key(), node=signer.node)


@vectors
@pytest.mark.parametrize("place", [1, 100, -4])
def test_one_flipped_bit_of_the_text_does_not_verify(vector, place, signer):
    signed = signed_of(vector)
    changed = bytearray(signed.body.encode())
    changed[place] ^= 1
    with pytest.raises(BadProof):
        proof.verify(Signed(changed.decode(), signed.proof), signer.key.public_key(), node=signer.node)
