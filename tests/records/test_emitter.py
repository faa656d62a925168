"""The emitter against the general path: what we sign is what RDFC-1.0 makes of the JSON-LD view.

A thousand drafts, generated over every kind that people write. Each passes as author's input, as
canonical text, and as JSON-LD through pyoxigraph's expansion and canonicalisation (the oracle, which
passes the W3C suite, see test_w3c_rdf_canon).
"""

from __future__ import annotations

import json
from typing import Any

import pyoxigraph
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pyoxigraph import CanonicalizationAlgorithm, Dataset, RdfFormat

from federation.records import jsonld
from federation.records.canonical import read, write
from federation.tasks import prepare
from tests.records.authoring import NAMING, NOW, VOCABULARY, complete, drafts_of

DRAFTS = 1_000
KINDS = [kind.name for kind in VOCABULARY.authored]
EACH = settings(
    max_examples=-(-DRAFTS // len(KINDS)),
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)


def by_the_oracle(document: dict[str, Any]) -> str:
    """RDFC-1.0 of a JSON-LD document, without any code of ours but the contexts on disk."""
    inlined = {**document, "@context": list(jsonld.context_terms(VOCABULARY.folder))}
    dataset = Dataset(pyoxigraph.parse(json.dumps(inlined), format=RdfFormat.JSON_LD))
    dataset.canonicalize(CanonicalizationAlgorithm.RDFC_1_0)
    lines = str(pyoxigraph.serialize(dataset, format=RdfFormat.N_QUADS), "utf-8").split("\n")
    return "".join(sorted(f"{line}\n" for line in lines if line))


@pytest.mark.parametrize("kind", KINDS)
@EACH
@given(data=st.data())
def test_any_draft_gives_the_same_text_by_the_short_way_and_by_json_ld(kind, data):
    draft = data.draw(drafts_of(kind))
    body = write(complete(draft))
    document = jsonld.view(read(body), VOCABULARY)
    assert write(jsonld.triples_of(document, VOCABULARY)) == body
    assert by_the_oracle(document) == body
    again = jsonld.loads(jsonld.dumps(document))
    assert jsonld.view(read(write(jsonld.triples_of(again, VOCABULARY))), VOCABULARY) == document


@pytest.mark.parametrize("kind", KINDS)
@settings(EACH, max_examples=5)
@given(data=st.data())
def test_publishing_prepares_the_body_that_these_tests_look_at(kind, tools, data):
    draft = data.draw(drafts_of(kind))
    (prepared,), faults = prepare(tools, [draft], {}, NAMING, NOW)
    assert [fault for fault in faults if fault.severity == "violation"] == []
    assert prepared.body == write(complete(draft))
