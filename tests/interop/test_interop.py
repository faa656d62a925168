"""What we sign, others verify: the JSON-LD view and the DID document in independent JavaScript libraries.

``make interop`` installs the libraries and runs this; without it, the tests are skipped and say so.
"""

from __future__ import annotations

import copy
import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from federation.log import did
from federation.log.keys import Declaration, Keys
from federation.records import jsonld, proof
from federation.records.canonical import write
from federation.records.multikey import encode_public
from federation.records.proof import Signer
from tests.conftest import pilot
from tests.records.authoring import NAMING, NOW, VOCABULARY, complete

HERE = Path(__file__).parent
CONTEXTS = HERE.parent / "data" / "contexts"
pytestmark = [
    pytest.mark.interop,
    pytest.mark.skipif(
        os.environ.get("PROCIRC_INTEROP") != "1", reason="needs node and npm packages; run with `make interop`"
    ),
]

RECORD_KEY, LOG_KEY = (Ed25519PrivateKey.from_private_bytes(bytes([seed] * 32)) for seed in (1, 2))
SIGNER = Signer(NAMING.did, RECORD_KEY)
PILOT = pilot(
    "fl-tcentrum",
    title="Demontabel kantoorgebouw ’t Centrum in Westerlo",
    abstract={"nl": "Vaste prijs, één team.\n“Alles kan uit elkaar.”", "da": "Æblegrød på Ø – 2.400 m² 😀 \\ \u2028"},
    start="2019",
    cpv="45210000",
    nuts="BE213",
    observation=[
        {
            "slug": "virgin-reduction-share-target",
            "indicator": "virgin-reduction-share",
            "observationRole": "target",
            "minimum": "20",
            "maximum": "25,50",
            "unit": "percent",
            "evidenceLevel": "claimed",
            "statedAs": "20-25 %",
        }
    ],
)


def document() -> dict[str, Any]:
    """A signed pilot with accents, line breaks and a figure, as it is served."""
    signed = proof.sign(write(complete(PILOT)), SIGNER, created=NOW).signed
    return json.loads(jsonld.dumps(jsonld.signed_view(signed, VOCABULARY)))


def contexts() -> dict[str, Any]:
    """Every context a verifier needs, from files; the one of did:web is not read by it."""
    shipped = VOCABULARY.folder / "context"
    files = {
        jsonld.CONTEXT: shipped / "v1.jsonld",
        jsonld.DATA_INTEGRITY: CONTEXTS / "data-integrity-v2.jsonld",
        "https://w3id.org/security/multikey/v1": CONTEXTS / "multikey-v1.jsonld",
    }
    return {iri: json.loads(path.read_text("utf-8")) for iri, path in files.items()}


def did_document() -> dict[str, Any]:
    keys = Keys(encode_public(RECORD_KEY.public_key()), encode_public(LOG_KEY.public_key()))
    return did.document(NAMING.did, [(Declaration(keys, 0, "0" * 64), NOW)])


@pytest.fixture
def verified(tmp_path: Path) -> Callable[..., bool]:
    """Whether the JavaScript libraries find that a document verifies."""

    def run(signed: dict[str, Any], identity: dict[str, Any] | None = None) -> bool:
        case = tmp_path / "case.json"
        case.write_text(
            json.dumps({"document": signed, "contexts": contexts(), "did": identity or did_document()}), "utf-8"
        )
        done = subprocess.run(
            ["node", HERE / "verify.mjs", case], capture_output=True, text=True, timeout=60, cwd=HERE, check=False
        )
        assert done.returncode == 0, done.stderr
        answer = json.loads(done.stdout)
        assert answer["verified"] is not bool(answer["errors"])
        assert not [each for each in answer["errors"] if "Not among the given documents" in each]
        return bool(answer["verified"])

    return run


def test_a_record_as_we_serve_it_verifies_elsewhere(verified):
    assert verified(document())


def changed(path: list[str | int], value: Any) -> dict[str, Any]:
    made = copy.deepcopy(document())
    place: Any = made
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = value
    return made


CHANGES: dict[str, tuple[list[str | int], Any]] = {
    "another title": (["title", "nl"], "Een ander gebouw"),
    "another figure": (["observation", 0, "maximum"], "26"),
    "another version": (["version"], 2),
    "another time of the proof": (["proof", "created"], "2026-11-22T09:00:01Z"),
    "another signature": (["proof", "proofValue"], "z" + "1" * 64),
    "another purpose": (["proof", "proofPurpose"], "authentication"),
    "another key": (["proof", "verificationMethod"], f"{NAMING.did}#{encode_public(LOG_KEY.public_key())}"),
}


@pytest.mark.parametrize("case", CHANGES)
def test_a_changed_record_does_not_verify_elsewhere(case, verified):
    assert not verified(changed(*CHANGES[case]))


def test_a_key_that_may_only_authenticate_signs_no_record_elsewhere(verified):
    identity = did_document()
    identity["assertionMethod"] = []
    assert not verified(document(), identity)
