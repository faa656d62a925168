"""Adding a kind is an edit in the vocabulary: a kind nobody wrote code for goes the whole way."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import aiohttp
import pytest

from federation.exchange.files import File, drafts_of
from federation.records import jsonld
from federation.records.kinds import Vocabulary
from federation.records.values import Naming
from federation.records.vocabulary import default_folder, load_vocabulary
from federation.search import Request

TOY = """
@prefix pc:   <https://w3id.org/procirc/ns#> .
@prefix pcs:  <https://w3id.org/procirc/shapes#> .
@prefix cl:   <https://w3id.org/procirc/> .
@prefix sh:   <http://www.w3.org/ns/shacl#> .
@prefix rdf:  <http://www.w3.org/1999/02/22-rdf-syntax-ns#> .
@prefix rdfs: <http://www.w3.org/2000/01/rdf-schema#> .
@prefix skos: <http://www.w3.org/2004/02/skos/core#> .
@prefix xsd:  <http://www.w3.org/2001/XMLSchema#> .

pcs:Toy a sh:NodeShape ; sh:targetClass pc:Toy ; sh:codeIdentifier "toy" ; sh:order 9 ;
  sh:node pcs:Envelope ; sh:closed true ; sh:ignoredProperties ( rdf:type ) ;
  rdfs:label "Toy"@en , "Speelgoed"@nl ; rdfs:comment "Something to play with."@en ;
  sh:property pcs:wheels , pcs:finish , pcs:story , pcs:madeBy .
pcs:wheels a sh:PropertyShape ; sh:path pc:wheels ; sh:codeIdentifier "wheels" ; sh:datatype xsd:integer ;
  sh:minCount 1 ; sh:maxCount 1 ; sh:minInclusive 0 ; sh:order 4 ; sh:group pcs:what ;
  sh:name "Wheels"@en , "Wielen"@nl ; sh:description "How many."@en .
pcs:finish a sh:PropertyShape ; sh:path pc:finish ; sh:codeIdentifier "finish" ; sh:nodeKind sh:IRI ;
  pc:scheme cl:finish ; sh:maxCount 1 ; sh:order 5 ; sh:group pcs:what ; sh:name "Finish"@en ; sh:description "x"@en .
pcs:story a sh:PropertyShape ; sh:path pc:story ; sh:codeIdentifier "story" ; sh:datatype rdf:langString ;
  sh:uniqueLang true ; sh:order 6 ; sh:group pcs:what ; pc:searchField "text" ;
  sh:name "Story"@en ; sh:description "x"@en .

cl:finish a skos:ConceptScheme ; skos:prefLabel "Finish"@en ; pc:facet "finish" ; pc:topic true ; sh:order 20 .
<https://w3id.org/procirc/finish/oak> a skos:Concept ; skos:inScheme cl:finish ; skos:notation "oak" ;
  skos:prefLabel "Oak wood"@en , "Eikenhout"@nl , "Egetræ"@da .
"""


@pytest.fixture
def with_toys(tmp_path: Path) -> Path:
    """The shipped vocabulary and one more file; the context follows from the shapes by itself."""
    folder = tmp_path / "vocab"
    shutil.copytree(default_folder(), folder)
    (folder / "shapes" / "toy.ttl").write_text(TOY, "utf-8")
    context = jsonld.context_document(load_vocabulary(folder))
    (folder / "context" / "v1.jsonld").write_text(jsonld.dumps(context), "utf-8")
    return folder


def known(node) -> tuple[Vocabulary, Naming]:
    return node.node.workers.tools.vocabulary, node.node.config.naming


async def test_a_new_kind_needs_no_code(start_node, with_toys):
    denmark = await start_node("denmark", vocabulary=with_toys)
    flanders = await start_node("flanders", peers=[denmark.base], vocabulary=with_toys)

    # import, with a header in Dutch and a code by its Danish label
    table = "slug;title@da;Wielen;finish;story@da\nbil;Legetøjsbil;4;egetræ;Kører på gulvet\n"
    drafts, faults = drafts_of([File("toy.csv", table.encode())], *known(denmark))
    assert faults == []
    await denmark.publish(*drafts)

    # feed and sync
    assert (await flanders.pull(denmark)).state == "active"
    assert await flanders.slugs(denmark) == ["bil"]

    # search: a Dutch word finds the Danish toy through the code list, and the facet is there
    found = await flanders.node.search.search(Request("eikenhout", "nl"))
    assert [hit.slug for hit in found.hits] == ["bil"]
    assert [(each.value, each.count) for each in found.facets["finish"]] == [("oak", 1)]
    assert found.hits[0].because[0].label == "Eikenhout"

    # JSON-LD with proof, and back
    async with aiohttp.ClientSession() as session:
        async with session.get(f"{flanders.base}/peers/peer/records/toy/bil.jsonld") as response:
            document = json.loads(await response.text())
        async with session.get(f"{flanders.base}/peers/peer/records/toy/bil.html?lang=nl") as response:
            page = await response.text()
    assert (document["type"], document["wheels"]) == ("Toy", 4)
    signed = jsonld.signed_of(document, flanders.node.workers.tools.vocabulary)
    log = await flanders.log_of(denmark)
    assert signed == (await flanders.node.store.entries(log.id, 1, 2))[0].signed
    assert "Wielen" in page
    assert "Eikenhout" in page


async def test_a_wrong_value_of_a_new_kind_is_refused_by_its_shape(start_node, with_toys):
    node = await start_node("denmark", vocabulary=with_toys)
    table = "slug,title@en,wheels,finish\ncar,Car,-3,oak\n"
    drafts, _ = drafts_of([File("toy.csv", table.encode())], *known(node))
    outcome = await node.node.publisher.publish(drafts, skip_faulty=True)
    assert [fault.field for fault in outcome.faults if fault.severity == "violation"] == ["wheels"]


async def test_a_node_without_the_new_kind_keeps_it_aside_and_shows_it_after_an_upgrade(start_node, with_toys):
    denmark = await start_node("denmark", vocabulary=with_toys)
    drafts, _ = drafts_of(
        [File("toy.csv", b"slug,title@en,wheels\ncar,Car,4\n")],
        *known(denmark),
    )
    await denmark.publish(*drafts)
    old = await start_node("flanders", peers=[denmark.base])
    assert (await old.pull(denmark)).state == "active"
    assert await old.slugs(denmark) == []
    assert (await old.log_of(denmark)).verified_size == 2

    await old.stop()
    new = await start_node("flanders", peers=[denmark.base], vocabulary=with_toys)
    released = await new.node.reconsider()
    assert released == {denmark.node.log.did: [1]}
    assert await new.slugs(denmark) == ["car"]
