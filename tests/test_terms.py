"""Terms: words that one region adds to the lexicon, signed and shared, help searchers of all of them."""

from __future__ import annotations

import pytest

from federation import indexing
from federation.exchange.files import File, drafts_of
from federation.index.glossary import MEANINGS, WAYS
from federation.index.grams import Alike
from federation.index.reading import Understanding
from federation.records import jsonld
from federation.records.draft import Draft
from federation.search import Found, Request
from tests.conftest import pilot
from tests.records.authoring import NAMING, VOCABULARY, complete, faults_of

R3 = "https://w3id.org/procirc/circular-strategy/R3"
HEADER = "id,en,nl,fr,de,da,sv,nb\n"
KRING = Draft(
    "term", "zwaai", {"title": {"nl": "zwaaihoek", "da": "svingkant"}, "altLabel": {"sv": ["svängkanten i hyllan"]}}
)
"""Words that no code list and no lexicon knows."""
CANAL = pilot("canal", title="Svingkant ved havnen", language="da", abstract=None, sector=["ict-hardware"])
SHELF = pilot("shelf", title="En svängkanten i hyllan", language="sv", abstract=None, sector=["ict-hardware"])


@pytest.fixture
async def node(start_node):
    return await start_node("flanders")


async def asking(node, text: str, reader: str = "nl") -> Found:
    return await node.node.search.search(Request(text, reader))


async def found(node, text: str, reader: str = "nl") -> list[str]:
    return sorted(hit.slug for hit in (await asking(node, text, reader)).hits)


async def publish(node, *drafts: Draft) -> None:
    outcome = await node.node.publisher.publish(list(drafts))
    assert not outcome.rejected, outcome.faults
    await node.node.follower.catch_up()


# What a term does to a search


async def test_a_word_leads_to_the_others_of_its_term(node):
    await publish(node, CANAL, SHELF)
    assert await found(node, "zwaaihoek") == []
    await publish(node, KRING)
    assert await found(node, "zwaaihoek") == ["canal", "shelf"]
    assert await found(node, "svingkant", "da") == ["canal", "shelf"]


async def test_a_hit_says_which_words_led_to_it(node):
    await publish(node, CANAL, KRING)
    (hit,) = (await asking(node, "zwaaihoek")).hits
    (because,) = hit.because
    assert (because.how, because.word, because.match, because.language) == ("named", "zwaaihoek", "Svingkant", "da")
    assert because.label == "zwaaihoek"
    assert because.concept == f"{node.base}/records/term/zwaai"


async def test_several_words_must_all_be_there(node):
    await publish(node, SHELF, pilot("edge", title="Svängkanten", language="sv", abstract=None), KRING)
    assert await found(node, "zwaaihoek") == ["shelf"]


async def test_a_query_is_read_by_the_longest_of_several_words(node):
    await publish(node, CANAL, KRING)
    answer = await asking(node, "svängkanten i hyllan", "sv")
    assert [hit.slug for hit in answer.hits] == ["canal"]
    assert answer.concepts == (("svängkanten i hyllan", "svängkanten i hyllan"),)


async def test_a_word_only_for_searchers_finds_no_text(node):
    await publish(
        node, CANAL, Draft("term", "rand", {"title": {"nl": "zwaaihoek"}, "hiddenLabel": {"da": ["svingkant"]}})
    )
    assert await found(node, "zwaaihoek") == []
    await publish(node, pilot("corner", title="De zwaaihoek", abstract=None))
    assert await found(node, "svingkant", "da") == ["canal", "corner"]


async def test_a_term_is_no_hit_itself(node):
    await publish(node, KRING)
    assert (await asking(node, "")).total == 0
    assert "term" not in node.node.search.possible("kind")
    assert not await node.node.follower.recount(), "the index is as large as it should be"


async def test_a_new_term_makes_no_document_anew(node):
    def segments() -> set[str]:
        return {path.name for path in (node.config.data / "index" / "tantivy").iterdir() if path.suffix != ".json"}

    await publish(node, CANAL)
    before = segments()
    await publish(node, KRING)
    assert segments() == before


async def test_a_term_that_says_what_it_means_adds_words_to_a_concept(node):
    await publish(node, pilot("again", title="Omtøjning", language="da", abstract=None, strategy=["R8"]))
    assert await found(node, "hergebruik") == []
    await publish(node, Draft("term", "omtojning", {"title": {"da": "omtøjning"}, "exactMatch": R3}))
    (hit,) = (await asking(node, "hergebruik")).hits
    assert [(each.match, each.concept) for each in hit.because] == [("Omtøjning", R3)]
    await publish(node, pilot("tagged", title="Een molen", abstract=None))
    assert await found(node, "omtøjning", "da") == ["again", "tagged"]


async def test_words_of_two_languages_that_name_the_same_need_not_say_it(node):
    await publish(node, pilot("tagged", title="Een molen", abstract=None))
    words = {"nl": "hergebruik", "sv": "återbruk", "da": "omtøjning"}
    await publish(node, Draft("term", "again", {"title": words}))
    assert await found(node, "omtøjning", "da") == ["tagged"]


async def test_one_common_word_does_not_make_two_meanings_one(node):
    await publish(node, pilot("tagged", title="Een molen", abstract=None))
    await publish(node, Draft("term", "again", {"title": {"nl": "hergebruik", "da": "omtøjning"}}))
    assert await found(node, "omtøjning", "da") == []


async def test_what_is_counted_is_what_is_found_also_by_a_word_of_a_phrase(node):
    words = {"title": {"en": "office", "da": "svingkant"}, "altLabel": {"sv": ["svängkanten i hyllan"]}}
    await publish(node, CANAL, SHELF, Draft("term", "office", words))
    answer = await asking(node, "office furniture", "en")
    assert answer.total == 2
    assert [each.count for each in answer.facets["node"]] == [2]


async def test_a_meaning_is_looked_for_in_a_bounded_number_of_ways(node):
    words = [f"kringwoord{number}" for number in range(3 * WAYS)]
    await publish(node, Draft("term", "many", {"title": {"nl": "zwaaihoek"}, "altLabel": {"nl": words}}))
    assert len(node.node.index.glossary.ways(f"{node.base}/records/term/many")) == WAYS
    assert await found(node, "zwaaihoek") == []


async def test_several_words_that_stand_apart_are_told_as_the_reason(node):
    await publish(node, KRING, pilot("apart", title="Hyllan har en svängkanten", language="sv", abstract=None))
    (hit,) = (await asking(node, "zwaaihoek")).hits
    assert [(each.how, each.language) for each in hit.because] == [("named", "sv")]
    assert set(hit.because[0].match.split()) == {"Hyllan", "svängkanten"}


async def test_letters_and_stop_words_mean_nothing(node):
    await publish(
        node, CANAL, Draft("term", "letters", {"title": {"nl": "x", "da": "svingkant"}, "altLabel": {"nl": ["de"]}})
    )
    assert await found(node, "x") == await found(node, "de") == []


# What a term must not do


async def test_what_a_term_adds_to_a_known_word_comes_behind(node):
    await publish(node, pilot("town", title="En kommune", language="da", abstract=None, sector=["workwear"]))
    await publish(
        node,
        CANAL,
        Draft("term", "wrong", {"title": {"da": "kommune", "sv": "svingkant"}, "altLabel": {"da": ["svingkant"]}}),
    )
    answer = await asking(node, "kommune", "da")
    assert [hit.slug for hit in answer.hits] == ["town", "canal"]
    assert answer.exact == 1, "a region's claim is nothing that a record surely has"


async def test_a_term_of_several_words_leaves_out_nothing_that_each_of_them_means(node):
    await publish(node, pilot("tagged", title="Een molen", abstract=None, sector=["concrete"]))
    assert (await asking(node, "hergebruik beton")).exact == 1
    await publish(node, Draft("term", "both", {"title": {"nl": "hergebruik beton"}}))
    answer = await asking(node, "hergebruik beton")
    assert (answer.exact, [hit.slug for hit in answer.hits]) == (1, ["tagged"])


async def test_a_term_of_a_compound_leaves_out_nothing_that_its_parts_mean(node):
    await publish(node, pilot("tagged", title="Een molen", abstract=None, sector=["concrete"]))
    before = await asking(node, "hergebruikbeton")
    await publish(node, Draft("term", "both", {"title": {"nl": "hergebruikbeton"}}))
    after = await asking(node, "hergebruikbeton")
    assert (after.total, after.exact) == (before.total, before.exact) == (1, 1)


async def test_a_word_means_a_bounded_number_of_things(node):
    many = [Draft("term", f"t{at}", {"title": {"nl": "zwaaihoek", "da": f"kantord{at}"}}) for at in range(3 * MEANINGS)]
    await publish(node, *many)
    reading = Understanding(node.node.index.concepts, Alike(), "nl", glossary=node.node.index.glossary)
    (unit,) = reading.units("zwaaihoek")
    assert (len(unit.meant), len(unit.ways) <= WAYS) == (MEANINGS, True)


async def test_what_a_meaning_is_called_says_the_region_that_made_it(start_node):
    first, second = await start_node("denmark"), await start_node("sweden")
    # The other region's address comes first, wherever they listen.
    sweden, denmark = sorted((first, second), key=lambda node: node.base)
    flanders = await start_node("flanders", peers=[denmark.base, sweden.base])
    await publish(denmark, KRING)
    theirs = f"{denmark.base}/records/term/zwaai"
    await publish(sweden, Draft("term", "aaa", {"title": {"nl": "KOOP NU"}, "exactMatch": theirs}))
    await flanders.pull(sweden, sweden.config.name)
    await flanders.pull(denmark, denmark.config.name)
    assert flanders.node.index.glossary.label(theirs, "nl", flanders.node.index.concepts) == "zwaaihoek"


async def test_a_term_that_means_what_another_one_means_goes_all_the_way(node):
    await publish(node, pilot("tagged", title="Een molen", abstract=None))
    first = Draft("term", "first", {"title": {"da": "svingkant"}, "exactMatch": R3})
    second = {"title": {"nl": "zwaaihoek"}, "exactMatch": f"{node.base}/records/term/first"}
    await publish(node, first, Draft("term", "second", second))
    assert await found(node, "zwaaihoek") == ["tagged"]


async def test_terms_that_mean_each_other_lead_nowhere_and_harm_nobody(node):
    base = f"{node.base}/records/term"
    circle = [("a", "b"), ("b", "a")]
    await publish(
        node,
        *(Draft("term", one, {"title": {"nl": "zwaaihoek"}, "exactMatch": f"{base}/{two}"}) for one, two in circle),
    )
    assert await found(node, "zwaaihoek") == []


# Corrections


async def test_a_word_that_is_refused_leads_to_the_concept_no_more(node):
    await publish(node, pilot("tagged", title="Een molen", abstract=None))
    assert await found(node, "hergebruik") == ["tagged"]
    wrong = {"title": {"nl": "hergebruik"}, "notLabel": {"nl": ["hergebruik"]}, "exactMatch": R3}
    await publish(node, Draft("term", "not-reuse", wrong))
    assert await found(node, "hergebruik") == []
    assert await found(node, "återbruk", "sv") == ["tagged"]


async def test_a_word_of_which_every_meaning_is_refused_does_not_come_back_by_its_looks(node):
    await publish(node, pilot("tagged", title="Een molen", abstract=None, strategy=[], sector=["furniture-office"]))
    assert (await asking(node, "kantoormeubelen")).exact == 1
    office = "https://w3id.org/procirc/sector/furniture-office"
    wrong = {
        "title": {"nl": "iets"},
        "notLabel": {"nl": ["kantoormeubelen", "kantoor", "meubelen"]},
        "exactMatch": office,
    }
    await publish(node, Draft("term", "not-office", wrong))
    (unit,) = Understanding(node.node.index.concepts, Alike(), "nl", glossary=node.node.index.glossary).units(
        "kantoormeubelen"
    )
    assert office not in unit.concepts


async def test_what_a_peer_refuses_holds_at_the_peer(start_node):
    denmark = await start_node("denmark")
    flanders = await start_node("flanders", peers=[denmark.base])
    await publish(flanders, pilot("tagged", title="Een molen", abstract=None))
    wrong = {"title": {"nl": "hergebruik"}, "notLabel": {"nl": ["hergebruik"]}, "exactMatch": R3}
    await publish(denmark, Draft("term", "not-reuse", wrong))
    await flanders.pull(denmark)
    assert await found(flanders, "hergebruik") == ["tagged"]


async def test_a_node_refuses_a_word_that_a_peer_added(start_node):
    denmark = await start_node("denmark")
    flanders = await start_node("flanders", peers=[denmark.base])
    await publish(flanders, CANAL)
    await publish(denmark, KRING)
    await flanders.pull(denmark)
    assert await found(flanders, "zwaaihoek") == ["canal"]
    theirs = f"{denmark.base}/records/term/zwaai"
    wrong = {"title": {"nl": "haven"}, "notLabel": {"da": ["svingkant"]}, "exactMatch": theirs}
    await publish(flanders, Draft("term", "no-canal", wrong))
    assert await found(flanders, "zwaaihoek") == []


# Across nodes, and back


async def test_a_term_of_one_region_helps_searchers_of_another(start_node):
    denmark = await start_node("denmark")
    flanders = await start_node("flanders", peers=[denmark.base])
    await publish(flanders, CANAL)
    await publish(denmark, KRING)
    assert await found(flanders, "zwaaihoek") == []
    await flanders.pull(denmark)
    assert await found(flanders, "zwaaihoek") == ["canal"]


async def test_a_term_that_is_withdrawn_helps_nobody(node):
    await publish(node, CANAL, KRING)
    await node.node.own.withdraw(f"{node.base}/records/term/zwaai", {"nl": "Een vergissing."})
    await node.node.follower.catch_up()
    assert await found(node, "zwaaihoek") == []


async def test_nobody_fills_the_memory_of_others_with_words(start_node, monkeypatch):
    denmark = await start_node("denmark")
    flanders = await start_node("flanders", peers=[denmark.base])
    await publish(flanders, CANAL)
    many = [Draft("term", f"t{at}", {"title": {"nl": f"kringwoord{at}", "da": "svingkant"}}) for at in range(9)]
    await publish(denmark, *many)
    monkeypatch.setattr(indexing, "TERMS", 5_000)
    await flanders.pull(denmark)
    assert 0 < len(flanders.node.index.glossary.terms) < 9
    assert await found(flanders, "kringwoord0") == ["canal"]
    assert await found(flanders, "kringwoord8") == []


async def test_terms_are_read_again_only_when_one_has_changed(node):
    await publish(node, KRING)
    before = node.node.index.glossary
    await publish(node, CANAL)
    assert node.node.index.glossary is before
    await publish(node, Draft("term", "more", {"title": {"nl": "draaihoek"}}))
    assert node.node.index.glossary is not before


async def test_terms_of_a_peer_that_is_removed_are_believed_no_more(start_node):
    denmark = await start_node("denmark")
    flanders = await start_node("flanders", peers=[denmark.base])
    await publish(flanders, CANAL)
    await publish(denmark, KRING)
    await flanders.pull(denmark)
    assert await found(flanders, "zwaaihoek") == ["canal"]
    await flanders.node.store.forget((await flanders.log_of(denmark)).id)
    await flanders.node.follower.catch_up()
    assert await found(flanders, "zwaaihoek") == []


async def test_terms_are_there_after_a_restart(start_node):
    first = await start_node("flanders")
    await publish(first, CANAL, KRING)
    await first.stop()
    assert await found(await start_node("flanders"), "zwaaihoek") == ["canal"]


# Writing them


def read(text: str, name: str = "flanders.csv"):
    return drafts_of([File(name, text.encode())], VOCABULARY, NAMING)


def test_a_table_of_the_lexicon_is_a_table_of_terms():
    (draft,), faults = read(HEADER + "zwaai,,zwaaihoek|draaihoek|hoek~,,,svingkant,,\n")
    assert faults == []
    assert (draft.kind, draft.slug) == ("term", "zwaai")
    assert draft.values == {
        "title": {"nl": "zwaaihoek", "da": "svingkant"},
        "altLabel": {"nl": ["draaihoek"]},
        "hiddenLabel": {"nl": ["hoek"]},
    }
    assert faults_of(draft) == []


def test_the_lexicon_that_ships_can_be_published_as_terms():
    path = VOCABULARY.folder / "lexicon" / "products.csv"
    found, faults = drafts_of([File("products.csv", path.read_bytes())], VOCABULARY, NAMING)
    assert faults == []
    assert len(found) > 500
    assert [fault for draft in found for fault in faults_of(draft)] == []


@pytest.mark.parametrize(
    ("rows", "row", "said"),
    [
        ("a,x,,,,,,\nb,y,,,,,,\na,z,,,,,,\n", 4, "stands in row 2"),
        ("a,x,,,,,,,too much\n", 2, "more than 8 columns"),
        ("a,x~,,y~,,,,\n", 2, "no word that names"),
        ("a,,,,,,,\n", 2, "no word that names"),
        ("", None, "no rows"),
    ],
)
def test_what_is_wrong_in_a_table_is_said_by_row(rows, row, said):
    _, (fault,) = read(HEADER + rows)
    assert (fault.row, said in fault.message) == (row, True)


@pytest.mark.parametrize("header", ["id,en,nl,xx,klingon", "en,nl", "id,,en,nl,fr,de,da,sv,nb", "nl,en,id"])
def test_a_table_with_other_columns_is_told_which_they_must_be(header):
    found, (fault,) = read(f"{header}\na,b,c,d,e\n")
    assert (found, fault.row, "id,en,nl,fr,de,da,sv,nb" in fault.remedy) == ([], 1, True)


def test_a_strange_id_is_a_fault_of_its_row():
    (draft,), faults = read(HEADER + "A b,x,,,,,,\n")
    assert faults == []
    assert {(fault.row, fault.column) for fault in faults_of(draft)} == {(2, "id")}


def test_a_language_may_have_several_other_words_in_every_form_of_a_record():
    draft = Draft("term", "a", {"title": {"nl": "x"}, "altLabel": {"nl": ["b", "a"], "da": ["c"]}})
    view = jsonld.view(complete(draft), VOCABULARY)
    assert view["altLabel"] == {"da": ["c"], "nl": ["a", "b"]}
    assert sorted(jsonld.triples_of(view, VOCABULARY)) == sorted(complete(draft))


@pytest.mark.parametrize("words", [["a|b"], ["x" * 101], [f"w{n}" for n in range(501)], [7]])
def test_words_that_cannot_be_words_are_refused(words):
    assert faults_of(Draft("term", "a", {"title": {"nl": "x"}, "altLabel": {"nl": words}}))
