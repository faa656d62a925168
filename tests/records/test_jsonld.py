"""The JSON-LD view: closed, flat, and read back only when not one statement is lost."""

from __future__ import annotations

import json
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from federation.errors import BadProof, FederationError, InvalidRequest, NotCanonical, PoisonGraph, UnknownContext
from federation.records import jsonld, proof
from federation.records.canonical import DCT, MAX_BODY, PC, XSD, Literal, read, write
from federation.records.proof import Signer
from tests.conftest import pilot
from tests.records.authoring import NOW, VOCABULARY, complete, drafts_of

FUZZ = settings(max_examples=60, deadline=None, derandomize=True)
SIGNER = Signer("did:web:flanders.example", Ed25519PrivateKey.from_private_bytes(bytes(range(32))))
DRAFT = pilot(
    "brug",
    title="Een brug",
    sector=["furniture-office", "infra-roads"],
    start="2021-05",
    observation=[
        {
            "slug": "co2",
            "indicator": "virgin-reduction-share",
            "observationRole": "target",
            "value": "12,50",
            "unit": "percent",
            "evidenceLevel": "claimed",
        }
    ],
)
BODY = write(complete(DRAFT))


def document() -> dict[str, Any]:
    """A signed pilot with a figure."""
    signed = proof.sign(BODY, SIGNER, created=NOW).signed
    return jsonld.loads(jsonld.dumps(jsonld.signed_view(signed, VOCABULARY)))


def test_a_signed_document_is_read_back_as_it_was_signed():
    signed = jsonld.signed_of(document(), VOCABULARY)
    assert signed.body == BODY
    proof.verify(signed, SIGNER.key.public_key(), node=SIGNER.node)


def test_a_view_reads_like_the_record():
    view = document()
    assert view["@context"] == [jsonld.CONTEXT, jsonld.DATA_INTEGRITY]
    assert (view["id"], view["type"]) == ("https://flanders.example/records/pilot/brug", "Pilot")
    assert view["title"] == {"nl": "Een brug"}
    assert view["version"] == 1
    assert view["start"] == {"@type": XSD + "gYearMonth", "@value": "2021-05"}
    assert view["observation"][0]["value"] == "12.5"


def test_the_order_of_members_and_of_the_values_of_a_property_does_not_matter():
    view = dict(reversed(document().items()))
    view["sector"] = list(reversed(view["sector"]))
    assert jsonld.signed_of(view, VOCABULARY).body == BODY


CONTEXTS = {
    "missing": None,
    "reordered": list(reversed(jsonld.CONTEXTS)),
    "extended": [*jsonld.CONTEXTS, "https://www.w3.org/ns/credentials/v2"],
    "extended by an object": [*jsonld.CONTEXTS, {"title": "https://a.example/title"}],
    "extended by nothing": [*jsonld.CONTEXTS, {}],
    "twice": [*jsonld.CONTEXTS, *jsonld.CONTEXTS],
    "only ours": [jsonld.CONTEXT],
    "only ours as text": jsonld.CONTEXT,
    "only that of the proof": [jsonld.DATA_INTEGRITY],
    "empty": [],
    "inline": {"title": DCT + "title"},
    "an address beside it": ["https://w3id.org/procirc/context/v1.jsonld", jsonld.DATA_INTEGRITY],
    "another version": ["https://w3id.org/procirc/context/v2", jsonld.DATA_INTEGRITY],
    "a file": ["file:///etc/passwd", jsonld.DATA_INTEGRITY],
}


@pytest.mark.parametrize("case", CONTEXTS)
def test_any_other_context_is_refused_before_the_members_are_read(case):
    view = {**document(), "@context": CONTEXTS[case]}
    if CONTEXTS[case] is None:
        del view["@context"]
    with pytest.raises(UnknownContext):
        jsonld.signed_of(view, VOCABULARY)


def test_the_members_cannot_be_swapped_by_a_context_of_the_same_properties():
    swap = {"abstract": {"@id": DCT + "title"}, "title": {"@id": DCT + "abstract"}}
    with pytest.raises(UnknownContext):
        jsonld.signed_of({**document(), "@context": [*jsonld.CONTEXTS, swap]}, VOCABULARY)


def test_the_context_of_a_nested_object_is_refused():
    view = document()
    view["observation"][0]["@context"] = {"value": PC + "minimum"}
    with pytest.raises(FederationError):
        jsonld.signed_of(view, VOCABULARY)


ADDED: dict[str, Any] = {
    "an undefined term": {"titel": "Een brug"},
    "an undefined term with nothing in it": {"titel": None},
    "a known term with nothing in it": {"description": None},
    "an empty list": {"country": []},
    "an empty text": {"description": {}},
    "a term of another kind": {"barrier": ["https://w3id.org/procirc/barrier/economic"]},
    "a member of the proof's context": {"created": NOW},
    "an index": {"@index": "x"},
    "a graph": {"@graph": []},
    "a reverse property": {"@reverse": {"partOf": "https://a.example/"}},
    "included nodes": {"@included": []},
    "a nested object": {"@nest": {"country": []}},
    "an absolute property": {PC + "secret": "x"},
    "the long form of the id": {"@id": "https://flanders.example/records/pilot/brug"},
    "a second type": {"type": ["Pilot", "Lesson"]},
    "the type as a list": {"type": ["Pilot"]},
    "an untagged text": {"title": "Een brug"},
    "a text as an object": {"title": [{"@value": "Een brug", "@language": "nl"}]},
    "a language in upper case": {"title": {"NL": "Een brug"}},
    "two texts in one language": {"title": {"nl": ["Een brug", "De brug"]}},
    "a single value as a list": {"license": ["https://creativecommons.org/licenses/by/4.0/"]},
    "the version as text": {"version": "1"},
    "the version as a number with a point": {"version": 1.0},
    "a relative IRI": {"source": ["bron"]},
    "a text for an IRI": {"source": [{"@value": "https://example.org/source"}]},
    "a value twice": {"source": ["https://example.org/source", "https://example.org/source"]},
    "a list that keeps its order": {"source": {"@list": ["https://example.org/source"]}},
    "another id": {"id": "records/pilot/brug"},
}


@pytest.mark.parametrize("case", ADDED)
def test_a_document_that_says_more_or_other_than_its_statements_is_refused(case):
    with pytest.raises(FederationError):
        jsonld.signed_of({**document(), **ADDED[case]}, VOCABULARY)


def test_an_undefined_term_is_named_as_data_that_would_be_lost():
    with pytest.raises(NotCanonical, match="titel"):
        jsonld.signed_of({**document(), "titel": "Een brug"}, VOCABULARY)


def test_a_part_without_id_is_refused_as_a_blank_node():
    view = document()
    del view["observation"][0]["id"]
    with pytest.raises(PoisonGraph):
        jsonld.signed_of(view, VOCABULARY)


def test_a_document_without_proof_is_refused():
    view = document()
    del view["proof"]
    with pytest.raises(BadProof):
        jsonld.signed_of(view, VOCABULARY)


def test_a_set_of_proofs_is_refused():
    view = document()
    with pytest.raises(BadProof):
        jsonld.signed_of({**view, "proof": [view["proof"], view["proof"]]}, VOCABULARY)


@pytest.mark.parametrize("value", [None, [], "text", 1, [{"@context": jsonld.CONTEXTS}]])
def test_what_is_no_object_is_no_document(value):
    with pytest.raises(BadProof):
        jsonld.signed_of(value, VOCABULARY)


PARTS_THAT_ARE_NONE: dict[str, Any] = {
    "a number": [5],
    "a text": [{"@value": "co2"}],
    "a link to nowhere": ["https://flanders.example/records/pilot/brug#none"],
    "a part that holds itself": [
        {
            "id": "https://flanders.example/records/pilot/brug#loop",
            "type": "Pilot",
            "observation": [{"id": "https://flanders.example/records/pilot/brug#loop"}],
        }
    ],
}


@pytest.mark.parametrize("case", PARTS_THAT_ARE_NONE)
def test_a_part_that_is_none_is_refused(case):
    with pytest.raises(FederationError):
        jsonld.signed_of({**document(), "observation": PARTS_THAT_ARE_NONE[case]}, VOCABULARY)


def test_a_whole_number_of_another_datatype_is_refused():
    with pytest.raises(FederationError):
        jsonld.signed_of({**document(), "version": {"@type": XSD + "decimal", "@value": "1.5"}}, VOCABULARY)


ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["@id", "@type", "@value", "id", "nl", "title"]), inner, max_size=3)
    ),
    max_leaves=8,
)


@FUZZ
@given(st.sampled_from(["title", "sector", "observation", "version", "start", "id", "type"]), ANY_JSON)
def test_arbitrary_values_are_refused_or_are_another_text_than_the_signed_one(member, value):
    view = document()
    assume(view[member] != value)
    try:
        signed = jsonld.signed_of({**view, member: value}, VOCABULARY)
    except FederationError:
        return
    assert signed.body != BODY


JSON = {
    "a member twice": '{"title": {"nl": "a"}, "title": {"nl": "b"}}',
    "a member twice inside": '{"title": {"nl": "a", "nl": "b"}}',
    "NaN": '{"value": NaN}',
    "infinity": '{"value": Infinity}',
    "minus infinity": '{"value": -Infinity}',
    "an integer beyond 2^53": '{"version": 9007199254740993}',
    "a negative integer beyond 2^53": '{"version": -9007199254740993}',
    "an integer of a thousand digits": '{"version": ' + "9" * 1_000 + "}",
    "nesting beyond the limit": "[" * (jsonld.MAX_DEPTH + 1) + "]" * (jsonld.MAX_DEPTH + 1),
    "nesting without end": "[" * 100_000,
    "a comma too many": '{"a": 1,}',
    "something after the end": "{} {}",
    "nothing": "",
    "a single quote": "{'a': 1}",
    "a raw line feed in a text": '{"a": "\n"}',
}


@pytest.mark.parametrize("case", JSON)
def test_doubtful_json_is_refused(case):
    with pytest.raises(InvalidRequest):
        jsonld.loads(JSON[case])


@pytest.mark.parametrize(
    "data", [b'{"a": "\xff"}', '{"a": "é"}'.encode("latin-1"), b"\xff\xfe{\x00}\x00", b'{"a": "\xed\xa0\x80"}']
)
def test_what_is_not_utf_8_is_refused(data):
    with pytest.raises(InvalidRequest, match="UTF-8"):
        jsonld.loads(data)


def test_an_escaped_half_of_a_surrogate_pair_is_refused():
    with pytest.raises(FederationError):
        jsonld.signed_of({**document(), "title": jsonld.loads('{"nl": "\\ud800"}')}, VOCABULARY)


def test_integers_up_to_2_to_the_53_and_nesting_up_to_the_limit_are_read():
    assert jsonld.loads("9007199254740992") == 2**53
    assert jsonld.loads("-9007199254740992") == -(2**53)
    assert jsonld.loads("[" * jsonld.MAX_DEPTH + "]" * jsonld.MAX_DEPTH) is not None


def test_brackets_inside_a_text_are_no_nesting():
    text = "[" * 100 + '\\"' + "{" * 100
    assert jsonld.loads(f'{{"a": "{text}"}}') == {"a": text.replace("\\", "")}


def test_writing_and_reading_a_document_gives_the_same_document():
    assert jsonld.loads(jsonld.dumps(document()).encode()) == document()


def test_the_shipped_context_is_the_one_the_shapes_give():
    shipped = (VOCABULARY.folder / "context" / "v1.jsonld").read_text("utf-8")
    assert shipped == jsonld.dumps(jsonld.context_document(VOCABULARY))


def test_the_shipped_context_of_data_integrity_is_that_of_the_w3c():
    import hashlib

    shipped = (VOCABULARY.folder / "context" / "data-integrity-v2.jsonld").read_bytes()
    assert hashlib.sha256(shipped).hexdigest() == "67f21e6e33a6c14e5ccfd2fc7865f7474fb71a04af7e94136cb399dfac8ae8f4"


def terms() -> dict[str, Any]:
    return jsonld.context_document(VOCABULARY)["@context"]


def test_the_context_is_flat_protected_and_closed():
    context = terms()
    assert context["@protected"] is True
    assert {key for key in context if key.startswith("@")} == {"@version", "@protected"}
    keywords = {key for value in context.values() if isinstance(value, dict) for key in value}
    assert keywords <= {"@id", "@type", "@container"}


def test_every_term_of_the_context_is_an_absolute_iri():
    context = terms()
    iris = [value if isinstance(value, str) else value["@id"] for key, value in context.items() if key[0] != "@"]
    assert all("://" in iri or iri in ("@id", "@type") for iri in iris)


def test_no_term_of_ours_is_one_that_the_proof_protects():
    _, data_integrity = jsonld.context_terms(VOCABULARY.folder)
    inside = data_integrity["DataIntegrityProof"]["@context"]
    protected = {key for key in (*data_integrity, *inside) if not key.startswith("@")} - {"id", "type"}
    assert not protected & set(terms())


@pytest.mark.parametrize("kind", [kind.name for kind in VOCABULARY.authored])
@FUZZ
@given(data=st.data())
def test_every_view_uses_only_terms_of_the_context(kind, data):
    view = jsonld.view(complete(data.draw(drafts_of(kind))), VOCABULARY)
    del view["@context"]
    objects = [view, *(part for value in view.values() if isinstance(value, list) for part in value)]
    known = set(terms())
    assert all(set(each) <= known and each["type"] in known for each in objects if isinstance(each, dict))


def test_a_statement_without_a_term_has_no_view():
    subject = read(BODY)[0][0]
    with pytest.raises(NotCanonical, match="secret"):
        jsonld.view([*read(BODY), (subject, PC + "secret", Literal("x"))], VOCABULARY)


def test_turtle_says_what_the_canonical_text_says():
    import pyoxigraph

    read_back = pyoxigraph.parse(jsonld.turtle(BODY), format=pyoxigraph.RdfFormat.TURTLE)
    given_text = pyoxigraph.parse(BODY, format=pyoxigraph.RdfFormat.N_TRIPLES)
    assert {quad.triple for quad in read_back} == {quad.triple for quad in given_text}


def test_the_longest_body_still_has_a_view():
    text = "x" * 20_000
    body = write(complete(pilot("lang", description=dict.fromkeys(("nl", "en", "fr", "de", "da", "sv"), text))))
    assert MAX_BODY * 0.9 < len(body) < MAX_BODY
    assert json.loads(jsonld.dumps(jsonld.view(read(body), VOCABULARY)))["description"]["sv"] == text
