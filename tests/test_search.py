"""Search: what is found, in which order, why, and that totals, facets and pages agree."""

from __future__ import annotations

import asyncio
import random
import shutil
from collections import Counter
from itertools import pairwise
from pathlib import Path
from typing import Any

import aiohttp
import hypothesis
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from federation import node as nodes
from federation.errors import StorageFailed, Unavailable
from federation.index.hits import Hit
from federation.index.lexicon import BASE
from federation.index.marking import Segment, marked_html, plain_text
from federation.records.draft import Draft
from federation.records.kinds import LANGUAGES
from federation.search import Found, Request, Search
from federation.workers import Tools
from tests.conftest import pilot
from tests.index.corpus import index_of

R3 = "https://w3id.org/procirc/circular-strategy/R3"
LIFE = "https://w3id.org/procirc/circular-strategy/LIFE"
OFFICE = "https://w3id.org/procirc/sector/furniture-office"


def generated(seed: int, count: int) -> list[Draft]:
    """Records of several kinds and languages whose values come from a few codes, so that facets overlap."""
    dice = random.Random(seed)
    words = {
        "nl": ["gemeente", "kantoormeubilair", "hergebruik", "molen", "aanbesteding", "stad"],
        "da": ["kommune", "kontormøbler", "genbrug", "mølle", "udbud", "by"],
        "sv": ["kommun", "kontorsmöbler", "återbruk", "kvarn", "upphandling", "stad"],
        "nb": ["kommune", "kontormøbler", "ombruk", "mølle", "anskaffelse", "by"],
        "en": ["municipality", "office furniture", "reuse", "mill", "tender", "city"],
    }

    def texts(size: int) -> dict[str, str]:
        tags = dice.sample(sorted(words), dice.choice([1, 1, 2]))
        return {tag: " ".join(dice.choices(words[tag], k=size)) for tag in tags}

    def some(*codes: str) -> list[str]:
        return dice.sample(codes, dice.randrange(3))

    drafts = []
    for number in range(count):
        common = {
            "title": texts(2),
            "abstract": texts(8),
            "source": "https://example.org/source",
            "sector": some("furniture-office", "ict-hardware", "workwear"),
            "country": some("BE", "DK", "SE"),
        }
        match dice.choice(["pilot", "pilot", "lesson", "output"]):
            case "pilot":
                values = {
                    "procurer": "kamp-c",
                    "strategy": some("R3", "R4", "R8"),
                    "status": dice.choice(["idea", "completed", "stopped"]),
                    "currentPhase": dice.choice(["P1", "P3"]),
                    "start": dice.choice(["2019", "2020-05", "2021-05-18"]),
                }
                drafts.append(Draft("pilot", f"record-{number}", common | values))
            case "lesson":
                values = {
                    "barrier": dice.sample(["k-tco", "o-time", "legal"], 2),
                    "enabler": some("peer-learning", "policy-goal"),
                }
                drafts.append(Draft("lesson", f"record-{number}", common | values))
            case _:
                values = {"outputKind": [dice.choice(["guide", "tool"])], "date": dice.choice(["2019", "2022"])}
                drafts.append(Draft("output", f"record-{number}", common | values))
    return drafts


def region(node: str) -> dict[str, str]:
    return {"en": node.title()}


@pytest.fixture(scope="module")
def corpus(tools: Tools, tmp_path_factory: pytest.TempPathFactory) -> Search:
    """Sixty records of three nodes."""
    drafts = {name: generated(seed, 20) for seed, name in enumerate(("flanders", "denmark", "sweden"))}
    return Search(index_of(tmp_path_factory.mktemp("corpus"), drafts, tools), region)


def asking(search: Search, text: str = "", reader: str = "nl", *, limit: int = 20, offset: int = 0, **chosen) -> Found:
    filters = {name: tuple(values) for name, values in chosen.items()}
    return asyncio.run(search.search(Request(text, reader, filters, limit, offset)))


@pytest.fixture
def library(tools: Tools, tmp_path: Path):
    """Make a search over some drafts of one node, or of several by name."""

    def make(*drafts: Draft, **others: list[Draft]) -> Search:
        return Search(index_of(tmp_path / "index", {"flanders": list(drafts), **others}, tools), region)

    return make


def slugs(found: Found) -> list[str]:
    return [hit.slug for hit in found.hits]


def only(found: Found) -> Hit:
    (hit,) = found.hits
    return hit


# Across languages

TEXTS = [
    ("da", "Brugte kontormøbler til rådhuset", "kontormøbler"),
    ("sv", "Begagnade kontorsmöbler till stadshuset", "kontorsmöbler"),
    ("nb", "Brukte kontormøbler til rådhuset", "kontormøbler"),
    ("de", "Gebrauchte Büromöbel für das Rathaus", "Büromöbel"),
    ("fr", "Mobilier de bureau d'occasion", "Mobilier de bureau"),
    ("en", "Used office furniture for the town hall", "office furniture"),
]


@pytest.mark.parametrize(("tag", "title", "match"), TEXTS)
def test_a_dutch_query_finds_a_text_in_another_language_and_names_the_match(library, tag, title, match):
    other = ["ict-hardware"]  # so that nothing but the text names the concept
    search = library(pilot("foreign", title=title, language=tag, abstract=None, sector=other, strategy=["R8"]))
    hit = only(asking(search, "kantoormeubilair"))
    (because,) = hit.because
    assert (because.how, because.word, because.match, because.language) == ("named", "kantoormeubilair", match, tag)
    assert (because.concept, because.label) == (OFFICE, "Kantoormeubilair")
    assert Segment(match, True) in hit.title[1]


def test_each_word_of_a_query_has_its_own_reason(library):
    search = library(pilot("foreign", title="Genbrugte kontormøbler", language="da", abstract=None))
    reasons = only(asking(search, "tweedehands kantoormeubilair")).because
    assert [each.word for each in reasons] == ["tweedehands", "kantoormeubilair"]
    assert [each.concept for each in reasons] == [R3, OFFICE]


def test_a_word_of_the_readers_own_language_needs_no_concept_to_explain_it(library):
    search = library(pilot("own", title="Kantoormeubilair voor de stad"))
    (because,) = only(asking(search, "kantoormeubilair")).because
    assert (because.how, because.match, because.language) == ("word", "Kantoormeubilair", "nl")


def test_a_record_that_is_only_tagged_is_found_through_its_concept(library):
    search = library(pilot("tagged", title="Een molen", abstract={"nl": "Zonder het woord."}))
    (because,) = only(asking(search, "hergebruik")).because
    assert (because.how, because.concept, because.label) == ("concept", R3, "Hergebruiken")
    assert because.match == ""


def test_a_record_about_something_narrower_is_found_and_says_so(library, tools: Tools):
    search = library(pilot("narrow", title="Een molen", abstract={"nl": "Zonder het woord."}))
    (because,) = only(asking(search, "levensduurverlenging")).because
    assert (because.how, because.concept, because.label) == ("narrower", LIFE, tools.vocabulary.label(LIFE, "nl"))


def test_a_record_about_something_broader_is_not_an_answer(library):
    search = library(pilot("broad", title="Een molen", abstract=None, strategy=["LIFE"]))
    assert asking(search, "hergebruik").total == 0


def test_a_word_typed_without_diacritics_finds_the_word_as_written(library):
    search = library(pilot("danish", title="Gamle møller", language="da"))
    assert slugs(asking(search, "moller", "da")) == ["danish"]


@pytest.mark.parametrize(("language", "written", "typed"), [("nl", "gemeenten", "gemeente"), ("sv", "skolor", "skola")])
def test_another_form_of_the_word_is_found(library, language, written, typed):
    search = library(pilot("forms", title=f"Xyz {written}", language=language, abstract=None))
    assert slugs(asking(search, typed, language)) == ["forms"]


def test_the_answer_says_how_the_query_was_understood(library):
    found = asking(library(pilot("mill")), "tweedehands kantoormeubilair molen")
    assert found.concepts == (("tweedehands", "Hergebruiken"), ("kantoormeubilair", "Kantoormeubilair"))


def test_a_title_is_shown_in_the_readers_language_where_there_is_one(library):
    both = pilot("both", title="").values | {"title": {"nl": "Een molen", "da": "En mølle"}}
    search = library(Draft("pilot", "both", both))
    assert only(asking(search, "", "da")).title[0] == "da"
    assert only(asking(search, "", "fr")).title[0] in ("nl", "da")
    assert set(only(asking(search)).languages) == {"nl", "da"}


# The example of the issue: a Swedish query, and what neighbours wrote of the same


REUSED = BASE + "products/furniture-reuse"


@pytest.fixture(scope="module")
def neighbours(tools: Tools, tmp_path_factory: pytest.TempPathFactory) -> Search:
    """Four regions, each in its own language; tags say nothing of furniture or of reuse."""
    other: dict[str, Any] = {"abstract": None, "sector": ["ict-hardware"], "strategy": ["R0"]}
    drafts = {
        "denmark": [pilot("danish", title="Genbrugsmøbler til rådhuset", language="da", **other)],
        "norway": [pilot("norwegian", title="Brukte møbler i kommunen", language="nb", **other)],
        "flanders": [
            pilot("dutch", title="Refurbished kantoormeubilair voor het stadhuis", **other | {"strategy": ["R3"]})
        ],
        "scotland": [
            pilot("recycled", title="A desk with recycled content", language="en", **other | {"strategy": ["R8"]})
        ],
    }
    return Search(index_of(tmp_path_factory.mktemp("neighbours"), drafts, tools), region)


def reasons(hit: Hit) -> list[tuple[str, str, str]]:
    """How, by which word, and what the record has for it."""
    return [(each.how, each.word, each.match) for each in hit.because]


def by_slug(found: Found) -> dict[str, Hit]:
    return {hit.slug: hit for hit in found.hits}


@pytest.mark.parametrize(
    "typed", ["återbrukade möbler", "aterbrukade mobler", "aaterbrukade moebler", "ÅTERBRUKADE MÖBLER"]
)
def test_a_swedish_query_finds_what_three_neighbours_wrote_and_recycling_below_or_not_at_all(
    neighbours: Search, typed: str
):
    found = slugs(asking(neighbours, typed, "sv"))
    assert set(found[:3]) == {"danish", "norwegian", "dutch"}
    assert found[3:] in ([], ["recycled"])


def test_every_neighbour_is_found_for_what_it_says_itself(neighbours: Search):
    hits = by_slug(asking(neighbours, "återbrukade möbler", "sv"))
    assert reasons(hits["danish"]) == [("named", "återbrukade möbler", "Genbrugsmøbler")]
    assert reasons(hits["norwegian"]) == [("named", "återbrukade möbler", "Brukte møbler")]
    assert ("named", "möbler", "kantoormeubilair") in reasons(hits["dutch"])


def test_the_concept_is_named_in_the_readers_language_and_the_match_in_its_own(neighbours: Search, tools: Tools):
    (because,) = by_slug(asking(neighbours, "återbrukade möbler", "sv"))["danish"].because
    assert because.concept == REUSED
    assert because.as_dict() == {
        "how": "named",
        "word": "återbrukade möbler",
        "match": "Genbrugsmøbler",
        "lang": "da",
        "concept": because.concept,
        "label": tools.concepts.label(because.concept, "sv"),
    }


@pytest.mark.parametrize(
    ("query", "reader", "first"),
    [
        ("genbrugsmøbler", "da", "danish"),
        ("brukte møbler", "nb", "norwegian"),
        ("refurbished kantoormeubilair", "nl", "dutch"),
        ("recycled desk", "en", "recycled"),
    ],
)
def test_everybody_finds_their_own_region_first(neighbours: Search, query: str, reader: str, first: str):
    found = asking(neighbours, query, reader)
    assert found.hits[0].slug == first
    assert {each.how for each in found.hits[0].because} == {"word"}


@pytest.mark.parametrize(("query", "reader"), [("recycling", "en"), ("genanvendelse", "da"), ("återvinning", "sv")])
def test_whoever_asks_for_recycling_is_not_given_reuse(neighbours: Search, query: str, reader: str):
    found = asking(neighbours, query, reader)
    assert found.hits[0].slug == "recycled"
    assert {"danish", "norwegian"}.isdisjoint(slugs(found))


def test_a_compound_is_found_by_a_part_of_it_and_says_so(library):
    search = library(pilot("havn", title="Ombygningsmøbler", language="da", abstract=None, sector=None))
    (because,) = only(asking(search, "møbler", "da")).because
    assert (because.how, because.match) in (("named", "Ombygningsmøbler"), ("part", "Ombygningsmøbler"))


def test_every_hit_says_why_it_was_found(corpus: Search):
    for query, reader in [("kontormøbler kommune", "da"), ("reuse", "en"), ("hergebruik molen stad", "nl")]:
        found = asking(corpus, query, reader, limit=100)
        assert found.total > 10
        assert [hit.slug for hit in found.hits if not hit.because] == []


def test_a_reason_names_a_word_that_was_typed_and_one_that_the_record_has(corpus: Search):
    for query, reader in [("kontormøbler kommune", "da"), ("office furniture", "en"), ("hergebruik stad", "nl")]:
        for hit in asking(corpus, query, reader, limit=100).hits:
            shown = plain_text(hit.title[1]) + plain_text(hit.snippet[1])
            for each in hit.because:
                assert each.word in query
                assert each.how in ("word", "part", "named", "concept", "narrower")
                assert each.label or each.how in ("word", "part")
                assert each.match in shown or each.language != hit.title[0]


# Letters typed otherwise


@pytest.mark.parametrize(
    ("language", "written", "typed"),
    [
        ("da", "Bæredygtige skoler", ["baeredygtige", "baredygtige", "BÆREDYGTIGE"]),
        ("da", "Ændringer på havnen", ["aendringer", "andringer"]),
        ("sv", "Återvunnen tegelsten", ["atervunnen", "aatervunnen"]),
        ("sv", "Förråd för stolar", ["forrad", "foerraad"]),
        ("nb", "Gjenbrukte dører", ["dorer", "doerer"]),
        ("de", "Türen und Böden", ["turen", "tueren", "boeden", "boden"]),
        ("fr", "Réhabilitation durable", ["rehabilitation", "RÉHABILITATION"]),
    ],
)
def test_a_record_is_found_by_words_without_diacritics_and_by_letters_typed_as_two(
    library, language: str, written: str, typed: list[str]
):
    search = library(pilot("written", title=written, language=language, abstract=None))
    for each in typed:
        hit = only(asking(search, each, language))
        assert hit.because[0].how == "word"
        assert any(segment.hit for segment in hit.title[1])


def test_letters_typed_as_two_are_found_in_phrases_and_left_out_by_a_minus(library):
    search = library(pilot("written", title="Gamle møbler", language="da"))
    assert asking(search, '"gamle moebler"', "da").total == 1
    assert asking(search, "gamle -moebler", "da").total == 0


# Phrases and what is left out


@pytest.fixture
def mills(library) -> Search:
    return library(
        pilot("old", title="De oude molen", abstract=None), pilot("new", title="Een molen, oude stijl", abstract=None)
    )


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ('"oude molen"', ["old"]),
        ("“Oude Molen”", ["old"]),
        ('"molen oude"', ["new"]),
        ('"molen" "stijl"', ["new"]),
        ('molen "oude stijl"', ["new"]),
        ('"oude molens"', []),
        ("molen -stijl", ["old"]),
        ("-stijl", ["old"]),
        ("-stijl -de", []),
        ("-stijlen", ["old"]),
        ("molen -", ["new", "old"]),
        ('molen "', ["new", "old"]),
    ],
)
def test_quotes_ask_for_the_very_words_and_a_minus_leaves_records_out(mills: Search, query: str, found: list[str]):
    assert sorted(slugs(asking(mills, query))) == found


@pytest.mark.parametrize(("query", "found"), [
    ('-"oude molen"', ["new"]), ('molen -"oude molen"', ["new"]), ('"oude stijl" -"oude molen"', ["new"]),
    ('molen –"oude stijl"', ["old"]), ("molen –stijl", ["old"]), ('-"oude"', []), ('molen-"oude stijl"', ["new"]),
])  # fmt: skip
def test_a_minus_before_quotes_leaves_out_what_has_the_phrase(mills: Search, query: str, found: list[str]):
    assert sorted(slugs(asking(mills, query))) == found


def test_with_only_a_minus_the_newest_come_first(mills: Search):
    assert slugs(asking(mills, "-qwertz")) == ["new", "old"]


def test_stop_words_alone_are_what_is_asked_for(mills: Search):
    assert slugs(asking(mills, "de")) == ["old"]


# Typing errors


def test_a_typing_error_gives_results_and_a_suggestion(library):
    search = library(pilot("mill", title="Windmolenpark Zwevegem"), pilot("lock", title="Sluis"))
    found = asking(search, "zwevegm")
    assert slugs(found) == ["mill"]
    assert found.suggestion == "Zwevegem"
    assert [(each.how, each.match) for each in found.hits[0].because] == [("like", "Zwevegem")]


@pytest.mark.parametrize("query", ["Zwevegem", "sluis", "hergebruik", "", '"', "qwertzuiop", "molen -sluis"])
def test_a_query_without_a_typing_error_has_no_suggestion(library, query: str):
    search = library(pilot("mill", title="Molen Zwevegem"), pilot("lock", title="Sluis Zwevegem"))
    assert asking(search, query).suggestion == ""


def test_a_suggestion_finds_what_it_suggests(library):
    search = library(pilot("mill", title="Windmolenpark Zwevegem"))
    suggestion = asking(search, "windmolenprak zwevegm").suggestion
    found = asking(search, suggestion)
    assert slugs(found) == ["mill"]
    assert found.suggestion == ""


# Order


def test_a_word_in_the_title_counts_more_than_the_same_word_in_the_text(library):
    search = library(
        pilot("in-text", title="Iets anders", abstract={"nl": "Over een sluis."}),
        pilot("in-title", title="Over een sluis", abstract={"nl": "Iets anders."}),
    )
    assert slugs(asking(search, "sluis")) == ["in-title", "in-text"]


def test_the_form_that_was_typed_counts_more_than_another_one(library):
    search = library(pilot("other", title="Sluizen en stoelen"), pilot("same", title="Sluizen en stoel"))
    assert slugs(asking(search, "stoel")) == ["same", "other"]


def test_a_text_in_the_readers_language_comes_before_the_same_word_in_another(library):
    search = library(
        pilot("foreign", title="Robotica", language="fr", abstract=None),
        pilot("own", title="Robotica", language="nl", abstract=None),
    )
    assert slugs(asking(search, "robotica")) == ["own", "foreign"]


def test_a_record_that_matches_more_words_comes_first(library):
    search = library(
        pilot("one", title="Brug", abstract=None),
        pilot("two", title="Brug en sluis", abstract=None),
        pilot("none", title="Toren", abstract=None),
    )
    assert slugs(asking(search, "brug sluis")) == ["two", "one"]


def test_half_of_the_words_are_enough(library):
    search = library(pilot("two", title="Brug en sluis", abstract=None), pilot("one", title="Brug", abstract=None))
    assert slugs(asking(search, "brug sluis qwertz asdfgh")) == ["two"]


def test_scores_never_rise_along_the_hits(corpus: Search):
    scores = [hit.score for hit in asking(corpus, "hergebruik gemeente", limit=100).hits]
    assert len(scores) > 10
    assert all(higher >= lower > 0 for higher, lower in pairwise(scores))


def test_without_words_the_newest_come_first(corpus: Search):
    published = [hit.published for hit in asking(corpus, limit=100).hits]
    assert len(published) == 60
    assert published == sorted(published, reverse=True)


def test_with_only_filters_the_newest_come_first(corpus: Search):
    published = [hit.published for hit in asking(corpus, kind=["pilot"], limit=100).hits]
    assert len(published) > 10
    assert published == sorted(published, reverse=True)


FIGURE = {
    "slug": "co2",
    "indicator": "co2e-avoided",
    "observationRole": "measured",
    "value": "12",
    "unit": "kg",
    "evidenceLevel": "measured",
    "method": {"nl": "Gewogen."},
}


def test_measured_results_and_lessons_lift_a_little(library):
    other = {"title": {"nl": "Molen"}, "source": "https://example.org/source"}
    search = library(
        pilot("plain", title="Molen", abstract=None),
        pilot("measured", title="Molen", abstract=None, observation=[FIGURE]),
        Draft("lesson", "lesson", other | {"barrier": ["k-tco"]}),
    )
    found = asking(search, "molen")
    assert slugs(found) == ["measured", "lesson", "plain"]


def test_a_lift_brings_up_nothing_that_does_not_match(library):
    search = library(pilot("mill", title="Molen"), pilot("lock", title="Sluis", observation=[FIGURE]))
    assert slugs(asking(search, "molen")) == ["mill"]


def test_a_better_match_stays_above_a_lifted_one(library):
    search = library(
        pilot("both", title="Qwertz asdfgh", abstract=None),
        pilot("one", title="Qwertz", abstract=None, observation=[FIGURE]),
    )
    assert slugs(asking(search, "qwertz asdfgh")) == ["both", "one"]


def test_records_with_measured_results_can_be_asked_for(library):
    estimated = FIGURE | {"observationRole": "estimated"}
    search = library(
        pilot("plain"), pilot("measured", observation=[FIGURE]), pilot("estimated", observation=[estimated])
    )
    assert slugs(asking(search, results=["measured"])) == ["measured"]
    counts = {value.value: value.count for value in asking(search).facets["results"]}
    assert counts == {"measured": 1, "estimated": 1}


# Totals, facets and pages


@pytest.mark.parametrize("text", ["", "hergebruik", "kommune kontormøbler"])
@pytest.mark.parametrize(
    "already",
    [{}, {"kind": ["pilot"]}, {"node": ["denmark", "sweden"]}, {"sector": ["workwear"], "year": ["2019"]}],
)
def test_every_count_is_the_total_that_choosing_the_value_gives(corpus: Search, text: str, already: dict):
    found = asking(corpus, text, **already)
    assert found.facets
    for name, values in found.facets.items():
        for value in values:
            chosen = {**already, name: [value.value]}
            assert asking(corpus, text, limit=0, **chosen).total == value.count, (name, value)


@pytest.mark.parametrize("text", ["", "hergebruik"])
def test_every_facet_with_a_value_is_offered_in_the_order_of_the_vocabulary(corpus: Search, text: str):
    found = asking(corpus, text)
    assert list(found.facets) == [name for name in corpus.facets if name not in ("results", "step")]
    assert all(values for values in found.facets.values())


def test_counts_are_those_of_the_records_themselves(corpus: Search):
    hits = asking(corpus, limit=100).hits
    counted = Counter(hit.node for hit in hits)
    assert {value.value: value.count for value in asking(corpus).facets["node"]} == counted
    kinds = Counter(hit.kind for hit in hits)
    assert {value.value: value.count for value in asking(corpus).facets["kind"]} == kinds


@pytest.mark.parametrize("size", [1, 7, 20, 100])
@pytest.mark.parametrize("text", ["", "hergebruik gemeente"])
def test_pages_together_are_the_whole_without_repeats(corpus: Search, text: str, size: int):
    total = asking(corpus, text).total
    seen = [
        hit.id for start in range(0, total + size, size) for hit in asking(corpus, text, limit=size, offset=start).hits
    ]
    assert len(seen) == len(set(seen)) == total


def test_values_within_a_facet_mean_either(corpus: Search):
    both = asking(corpus, sector=["workwear", "ict-hardware"], limit=100)
    one, other = (
        {hit.id for hit in asking(corpus, sector=[code], limit=100).hits} for code in ("workwear", "ict-hardware")
    )
    assert one & other
    assert {hit.id for hit in both.hits} == one | other
    assert both.total == len(one | other)


def test_facets_together_mean_both(corpus: Search):
    both = {hit.id for hit in asking(corpus, kind=["pilot"], node=["denmark"], limit=100).hits}
    pilots = {hit.id for hit in asking(corpus, kind=["pilot"], limit=100).hits}
    danish = {hit.id for hit in asking(corpus, node=["denmark"], limit=100).hits}
    assert both == pilots & danish


def test_choosing_a_value_leaves_the_other_values_of_its_facet_to_choose(corpus: Search):
    before = {value.value: value.count for value in asking(corpus).facets["node"]}
    after = asking(corpus, node=["denmark"]).facets["node"]
    assert {value.value: value.count for value in after} == before
    assert [value.value for value in after if value.selected] == ["denmark"]


def test_a_chosen_value_that_finds_nothing_stays_to_be_taken_away(corpus: Search):
    found = asking(corpus, country=["XX"])
    (gone,) = [value for value in found.facets["country"] if value.selected]
    assert (found.total, gone.value, gone.count) == (0, "XX", 0)


def test_a_filter_does_not_change_the_order_of_what_is_left(corpus: Search):
    everything = asking(corpus, "hergebruik gemeente", limit=100).hits
    filtered = asking(corpus, "hergebruik gemeente", limit=100, kind=["pilot"]).hits
    assert [hit.id for hit in filtered] == [hit.id for hit in everything if hit.kind == "pilot"]


def test_years_are_listed_newest_first_and_other_values_by_count(corpus: Search):
    facets = asking(corpus).facets
    years = [value.value for value in facets["year"]]
    assert years == sorted(years, reverse=True)
    counts = [value.count for value in facets["sector"]]
    assert counts == sorted(counts, reverse=True)


# Facets in a tree


def test_values_stand_behind_the_group_they_lie_in(library):
    search = library(
        *(pilot(f"life{each}", strategy=["R3"]) for each in range(3)),
        pilot("repair", strategy=["R4"]),
        *(pilot(f"material{each}", strategy=["R8"]) for each in range(2)),
    )
    values = asking(search).facets["strategy"]
    assert [(value.value, value.depth, value.count) for value in values] == [
        ("LIFE", 0, 4),
        ("R3", 1, 3),
        ("R4", 1, 1),
        ("MATERIAL", 0, 2),
        ("R8", 1, 2),
    ]


def test_choosing_a_group_finds_what_lies_in_it(library):
    search = library(
        pilot("group", strategy=["LIFE"]), pilot("within", strategy=["R3"]), pilot("other", strategy=["R8"])
    )
    assert sorted(slugs(asking(search, strategy=["LIFE"]))) == ["group", "within"]
    assert slugs(asking(search, strategy=["R3"])) == ["within"]


def test_a_group_counts_a_record_once_that_has_several_of_its_values(library):
    search = library(pilot("both", strategy=["R3", "R4"]))
    counts = {value.value: value.count for value in asking(search).facets["strategy"]}
    assert counts == {"LIFE": 1, "R3": 1, "R4": 1}


@pytest.mark.parametrize("value", ["", "X" * 10_000, "LIFE R3", "🙂", "\0"])
def test_a_value_that_the_vocabulary_does_not_have_stands_beside_the_tree(library, value: str):
    search = library(pilot("mill", strategy=["R3"]))
    found = asking(search, strategy=[value])
    assert found.total == 0
    assert [(each.value, each.depth) for each in found.facets["strategy"]] == [("LIFE", 0), ("R3", 1), (value, 0)]


@pytest.mark.parametrize("text", ["", "hergebruik"])
def test_every_value_of_a_tree_is_listed_once_and_below_another_that_is_listed(corpus: Search, text: str):
    for values in asking(corpus, text).facets.values():
        assert len({value.value for value in values}) == len(values)
        depths = [0, *(value.depth for value in values)]
        assert all(after <= before + 1 for before, after in pairwise(depths))


def test_a_facet_of_a_thousand_values_is_put_in_order_without_comparing_each_with_each(corpus: Search):
    class Counted(str):  # counts how often it is looked up
        __slots__ = ()
        looked_up = 0

        def __hash__(self) -> int:
            Counted.looked_up += 1
            return super().__hash__()

        def __eq__(self, other: object) -> bool:
            return super().__eq__(other)

    values = [Counted(f"code-{number}") for number in range(1_000)]
    assert [value for value, _ in corpus._facets._as_tree("sector", dict.fromkeys(values, 1), ())] == values
    assert Counted.looked_up < 10 * len(values)


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_value_has_a_label_in_every_language(corpus: Search, language: str):
    for name, values in asking(corpus, "", language).facets.items():
        if name not in ("node", "year"):
            assert all(value.label and (value.label != value.value) for value in values), (name, values)


# Hostile queries

WORST = [
    "(((((", "[a TO b]", '"unclosed', "a AND OR NOT", "title_nl:molen", "*", "?" * 300, "\0", "\0molen\0", "🙂" * 50,
    "de het een", "the of and", "x" * 10_000, "ab cd " * 2_000, "a:b:c^5~2", "' OR 1=1 --", "\u202e\u200b", "\ud800",
    "%s{0}{n}", "<script>", "\n\r\t", "İ", "ß" * 400, "e\u0301" * 400,
]  # fmt: skip


@pytest.mark.parametrize("text", WORST, ids=range(len(WORST)))
@pytest.mark.parametrize("language", ["nl", "xx"])
def test_no_query_is_wrong(corpus: Search, text: str, language: str):
    found = asking(corpus, text, language)
    assert 0 <= found.total <= 60


@settings(max_examples=120, deadline=None)
@given(
    text=st.text(max_size=80)
    | st.lists(st.sampled_from(["hergebruik", "de", '"', "(", "AND", "møbler"])).map(" ".join),
    language=st.sampled_from([*LANGUAGES, "nn", ""]),
    values=st.lists(st.sampled_from(["concrete", "workwear"]) | st.text(max_size=30), max_size=2),
    offset=st.integers(0, 3) | st.integers(0, 10_000),
)
@example(text="hergebruik", language="nl", values=[], offset=10_000)
@example(text="", language="en", values=["\0"], offset=0)
def test_no_query_filter_or_page_raises(corpus: Search, text: str, language: str, values: list[str], offset: int):
    found = asking(corpus, text, language, offset=offset, **({"sector": values} if values else {}))
    assert len(found.hits) == max(0, min(found.total - offset, 20))
    hypothesis.target(float(len(found.hits)), label="hits")  # most random searches find nothing


@pytest.mark.parametrize("text", ["", "hergebruik"])
def test_fifty_facets_at_once_are_an_answer(corpus: Search, text: str):
    known = {name: ["x", *map(str, range(50))] for name in corpus.facets}
    found = asking(corpus, text, **known)
    assert found.total == 0
    assert all(value.count == 0 for name in known for value in found.facets[name] if value.selected)


@pytest.mark.parametrize(
    "text", ["woord" * 2_000, "ab cd " * 2_000, '"a b" ' * 2_000, "-ab " * 2_500, "zwevegm " * 1_250]
)
def test_of_a_long_query_only_the_beginning_is_read(library, text: str):
    search = library(pilot("mill", title="Molen Zwevegem"))
    beginning = text[:400]
    long, short = asking(search, text), asking(search, beginning)
    assert (long.total, long.concepts, slugs(long)) == (short.total, short.concepts, slugs(short))
    assert len(long.suggestion) <= 2 * len(beginning)
    assert len(long.concepts) <= 24


@pytest.mark.parametrize("text", WORST, ids=range(len(WORST)))
def test_the_beginning_of_no_query_is_wrong(corpus: Search, text: str):
    assert len(asyncio.run(corpus.complete(text, "nl"))) <= 10


# Completion


def completed(search: Search, beginning: str, reader: str = "nl", most: int = 10) -> list[tuple[str, str]]:
    return [(each.text, each.kind) for each in asyncio.run(search.complete(beginning, reader, most))]


@pytest.fixture
def catalogue(library) -> Search:
    organisation = {"title": {"nl": "Stad Zwevegem"}, "abstract": {"nl": "Een stad."}}
    return library(
        pilot("mill", title="Tweedehands molenstenen"),
        pilot("danish", title="Genbrugte døre til rådhuset", language="da"),
        Draft("organisation", "zwevegem", organisation | {"role": ["procurer"], "country": "BE"}),
    )


def test_a_beginning_is_completed_to_concepts_in_the_readers_language(catalogue: Search):
    assert ("kantoormeubilair", "concept") in [(text.lower(), kind) for text, kind in completed(catalogue, "kantoorme")]
    assert ("mobilier de bureau", "concept") in [
        (text.lower(), kind) for text, kind in completed(catalogue, "mobilier de b", "fr")
    ]


def test_a_concept_that_no_record_is_about_is_not_offered(catalogue: Search):
    assert completed(catalogue, "speeltuin") == []
    assert ("hergebruik", "concept") in [(text.lower(), kind) for text, kind in completed(catalogue, "hergebr")]


def test_a_beginning_is_completed_to_titles_by_any_of_their_words(catalogue: Search):
    assert ("Tweedehands molenstenen", "pilot") in completed(catalogue, "molenst")
    assert ("Tweedehands molenstenen", "pilot") in completed(catalogue, "tweedehands mol")
    assert ("Tweedehands molenstenen", "pilot") in completed(catalogue, "molenstenen tweede")
    assert ("Tweedehands molenstenen", "pilot") not in completed(catalogue, "molenstenen eerste")


def test_what_is_spelt_as_it_was_typed_comes_first(library):
    organisation = {"title": {"nb": "Bærum kommune"}, "abstract": {"nb": "En kommune."}, "language": "nb"}
    search = library(
        pilot("kindergarten", title="Barnehage for barn", language="nb"),
        Draft("organisation", "baerum", organisation | {"role": ["procurer"], "country": "NO"}),
    )
    assert completed(search, "bær", "nb")[0] == ("Bærum kommune", "organisation")
    assert completed(search, "bar", "nb")[0][0].startswith("barn")


def test_the_last_word_is_completed_where_nothing_goes_on_like_all_of_it(catalogue: Search):
    assert [text.lower() for text, _ in completed(catalogue, "zeldzame kantoorme")] == ["zeldzame kantoormeubilair"]
    assert completed(catalogue, "qqqq zzzz") == []


def test_a_concept_is_completed_by_one_of_its_forms(catalogue: Search):
    found = [text.lower() for text, kind in completed(catalogue, "kantoorm") if kind == "concept"]
    assert found == ["kantoormeubilair"]


def test_a_beginning_is_completed_to_organisations(catalogue: Search):
    assert ("Stad Zwevegem", "organisation") in completed(catalogue, "zwev")


@pytest.mark.parametrize("beginning", ["døre", "dore", "doere", "DØR", "til r", "rådh", "raadh", "radh"])
def test_a_beginning_may_be_typed_without_diacritics(catalogue: Search, beginning: str):
    assert ("Genbrugte døre til rådhuset", "pilot") in completed(catalogue, beginning, "da")


@pytest.mark.parametrize("beginning", ["", "k", " k ", "🙂", "--", '"'])
def test_after_one_letter_nothing_is_completed_yet(catalogue: Search, beginning: str):
    assert completed(catalogue, beginning) == []


def test_a_completion_is_given_once_and_not_more_than_were_asked_for(catalogue: Search):
    found = completed(catalogue, "ka", most=3)
    assert len(found) == len(set(found)) <= 3


# Codes


@pytest.mark.parametrize("code", ["R3", "r3", "39130000", "DK032"])
def test_a_record_is_found_by_the_codes_it_is_classed_by(library, code: str):
    search = library(
        pilot("quay", strategy=["R3"], cpv=["39130000"], nuts="DK032", country=None), pilot("mill", strategy=["R8"])
    )
    found = asking(search, code)
    assert [(hit.slug, [each.how for each in hit.because]) for hit in found.hits] == [("quay", ["code"])]


# More like this


IRI = "https://{}.example/records/pilot/{}"


def alike(search: Search, node: str, slug: str, reader: str = "nl") -> list[str]:
    return [hit.slug for hit in asyncio.run(search.similar(IRI.format(node, slug), 5, reader))]


def test_the_records_most_like_one_are_found_in_whatever_language(library):
    search = library(
        pilot("dutch", title="Tweedehands schoolmeubels", sector=["furniture-school"], strategy=["R3"]),
        pilot("lamps", title="Nieuwe lampen", sector=["lighting"], strategy=["R0"]),
        denmark=[
            pilot("danish", title="Brugte skolemøbler", language="da", sector=["furniture-school"], strategy=["R3"]),
            pilot("roads", title="Asfalt", language="da", sector=["infra-roads"], strategy=["R8"]),
        ],
    )
    assert alike(search, "flanders", "dutch")[0] == "danish"
    assert alike(search, "denmark", "danish", "da")[0] == "dutch"


def test_records_are_alike_by_what_they_are_about_and_not_by_where_and_when(library):
    where = {"country": "BE", "nuts": "BE211", "start": "2021", "status": "completed"}
    search = library(
        pilot("chairs", title="Stoelen", sector=["furniture-school"], **where),
        pilot("lamps", title="Lampen", sector=["lighting"], **where),
        denmark=[
            pilot("borde", title="Borde", language="da", sector=["furniture-school"], country="DK", start="2012"),
            *(pilot(f"other-{each}", title=f"Noget {each}", language="da", country="DK") for each in "abcdef"),
        ],
    )
    assert alike(search, "flanders", "chairs")[0] == "borde"


def test_a_record_is_not_like_itself(library):
    search = library(pilot("one", title="Molen"), pilot("two", title="Molen"))
    assert alike(search, "flanders", "one") == ["two"]


def test_a_record_that_nobody_knows_is_like_none(library):
    assert alike(library(pilot("one")), "flanders", "nobody") == []


# Snippets


def test_marked_html_escapes_everything_but_its_own_marks():
    segments = [Segment("<b>&", False), Segment('"<script>', True), Segment("'", False)]
    assert marked_html(segments) == "&lt;b&gt;&amp;<mark>&quot;&lt;script&gt;</mark>&#x27;"
    assert plain_text(segments) == "<b>&\"<script>'"


def test_a_snippet_shows_the_place_that_matched(library):
    filler = "Zo ging het verder en verder. " * 40
    search = library(pilot("long", abstract={"nl": f"{filler}Daar stond een sluis. {filler}"}))
    snippet = only(asking(search, "sluis")).snippet[1]
    assert Segment("sluis", True) in snippet
    assert plain_text(snippet).startswith("… ")
    assert plain_text(snippet).endswith(" …")
    assert len(plain_text(snippet)) < 300


def test_a_short_text_is_shown_whole(library):
    snippet = only(asking(library(pilot("short")), "samenvatting")).snippet[1]
    assert plain_text(snippet) == "Een korte samenvatting."
    assert [each.text for each in snippet if each.hit] == ["samenvatting"]


def test_a_text_without_spaces_still_gives_a_short_snippet(library):
    search = library(pilot("solid", abstract={"nl": "x" * 3000}))
    assert len(plain_text(only(asking(search)).snippet[1])) < 400


@settings(max_examples=80, deadline=None)
@given(st.lists(st.tuples(st.text(max_size=10), st.booleans())))
def test_marks_are_the_only_markup(pieces: list[tuple[str, bool]]):
    made = marked_html([Segment(text, hit) for text, hit in pieces])
    assert "<" not in made.replace("<mark>", "").replace("</mark>", "")


# Following the logs


async def found_by(node, text: str = "") -> list[str]:
    found = await node.node.search.search(Request(text, "nl"))
    return sorted(slugs(found))


async def test_a_published_record_is_found_after_the_index_caught_up(start_node):
    node = await start_node("flanders")
    await node.publish(pilot("mill", title="Zeldzaam"))
    assert await found_by(node, "zeldzaam") == []
    assert await node.node.follower.catch_up() == 1
    assert await found_by(node, "zeldzaam") == ["mill"]


async def test_catching_up_again_does_nothing(start_node):
    node = await start_node("flanders")
    await node.publish(pilot("mill"))
    await node.node.follower.catch_up()
    assert await node.node.follower.catch_up() == 0


async def test_a_new_version_is_found_by_its_own_words_only(start_node):
    node = await start_node("flanders")
    await node.publish(pilot("mill", title="Oudewoord"))
    await node.node.follower.catch_up()
    await node.publish(pilot("mill", title="Nieuwewoord"))
    await node.node.follower.catch_up()
    assert await found_by(node) == ["mill"]
    assert await found_by(node, "oudewoord") == []
    assert await found_by(node, "nieuwewoord") == ["mill"]


async def test_a_peers_record_is_found_after_a_pull_and_leads_to_the_copy_here(start_node):
    denmark = await start_node("denmark")
    flanders = await start_node("flanders", peers=[denmark.base])
    await denmark.publish(pilot("havn", title="Kontormøbler til havnen", language="da"))
    await flanders.pull(denmark, "denmark")
    hit = only(await flanders.node.search.search(Request("kantoormeubilair", "nl")))
    assert (hit.slug, hit.node, hit.own) == ("havn", "denmark", False)


async def test_a_rebuilt_index_gives_the_same_answers(start_node):
    node = await start_node("flanders")
    await node.publish(*(pilot(f"p{n}", title=f"Molen {n}") for n in range(5)))
    await node.publish(pilot("p0", title="Sluis"))
    await node.node.follower.catch_up()
    questions = [Request("molen", "nl"), Request("", "nl"), Request("hergebruik", "fr", {"kind": ("pilot",)})]
    before = [await node.node.search.search(each) for each in questions]
    assert await node.node.follower.rebuild() == 7
    after = [await node.node.search.search(each) for each in questions]
    for old, new in zip(before, after, strict=True):
        assert (old.total, sorted(slugs(old)), old.facets) == (new.total, sorted(slugs(new)), new.facets)


async def test_a_second_process_on_the_same_data_reads_what_the_first_indexed(start_node, clock, tools):
    first = await start_node("flanders")
    await first.publish(pilot("mill"))
    async with nodes.open_node(first.config, clock=clock, width=1, tools=tools) as second:
        await first.node.follower.catch_up()
        assert await second.follower.catch_up() == 0
        assert slugs(await second.search.search(Request())) == ["mill"]


async def test_rebuilding_beside_a_running_node_is_refused_in_words(start_node, clock, tools):
    first = await start_node("flanders")
    await first.publish(pilot("mill"))
    await first.node.follower.catch_up()
    async with nodes.open_node(first.config, clock=clock, width=1, tools=tools) as second:
        with pytest.raises(Unavailable, match="Another process"):
            await second.follower.rebuild()
    assert await found_by(first) == ["mill"]


async def test_a_node_whose_index_was_thrown_away_makes_it_anew(start_node, clock, tools):
    first = await start_node("flanders")
    await first.publish(pilot("mill"))
    await first.stop()
    shutil.rmtree(first.config.data / "index")
    async with nodes.open_node(first.config, clock=clock, width=1, tools=tools) as again:
        await again.follower.catch_up()
        assert slugs(await again.search.search(Request())) == ["mill"]


def test_a_search_for_a_country_finds_the_records_of_its_regions(library):
    search = library(
        pilot("quay", title="Kaai", country=None, nuts="DK032"),
        pilot("mill", title="Molen", country="BE", nuts="BE213"),
    )
    found = asking(search, "Denmark", "en")
    assert [hit.slug for hit in found.hits] == ["quay"]
    assert [each.how for each in found.hits[0].because] == ["narrower"]
    assert {value.value: value.count for value in found.facets["country"]} == {"DK": 1, "DK032": 1}
    assert [hit.slug for hit in asking(search, country=["BE"]).hits] == ["mill"]


def test_regions_lie_in_their_countries_and_can_be_chosen(library):
    search = library(
        pilot("fyn", country="DK", nuts="DK031"),
        pilot("sydjylland", country=None, nuts="DK032"),
        pilot("edinburgh", country=None, nuts="UKM75"),
        pilot("anywhere", country="DK"),
    )
    values = asking(search).facets["country"]
    assert [(value.value, value.depth, value.count) for value in values] == [
        ("DK", 0, 3),
        ("DK03", 1, 2),
        ("DK031", 2, 1),
        ("DK032", 2, 1),
        ("GB", 0, 1),
        ("UKM75", 1, 1),
    ]
    assert sorted(slugs(asking(search, country=["DK03"]))) == ["fyn", "sydjylland"]


def test_a_level_that_somebody_chose_is_shown_although_it_parts_nothing(library):
    search = library(pilot("edinburgh", country=None, nuts="UKM75"))
    values = asking(search, country=["UKM"]).facets["country"]
    assert [(value.value, value.depth, value.selected) for value in values] == [
        ("GB", 0, False),
        ("UKM", 1, True),
        ("UKM75", 2, False),
    ]


def test_sectors_lie_in_groups_and_choosing_a_group_finds_all_of_them(library):
    search = library(
        pilot("desks", sector=["furniture-office"]),
        pilot("carpet", sector=["flooring"]),
        pilot("coats", sector=["workwear"]),
    )
    values = asking(search).facets["sector"]
    assert [(value.value, value.depth, value.count) for value in values] == [
        ("interiors", 0, 2),
        ("flooring", 1, 1),
        ("furniture-office", 1, 1),
        ("textiles", 0, 1),
        ("workwear", 1, 1),
    ]
    assert sorted(slugs(asking(search, sector=["interiors"]))) == ["carpet", "desks"]


# What is gone


async def test_a_withdrawn_record_is_found_no_more_and_its_words_are_not_suggested(start_node):
    node = await start_node("flanders")
    await node.publish(pilot("mill", title="Zwevegem"), pilot("lock", title="Sluis"))
    await node.node.follower.catch_up()
    assert (await node.node.search.search(Request("zwevegm", "nl"))).suggestion == "Zwevegem"
    await node.node.own.withdraw(f"{node.base}/records/pilot/mill", {"nl": "Vervallen."})
    await node.node.follower.catch_up()
    found = await node.node.search.search(Request("zwevegm", "nl"))
    assert (found.total, found.suggestion) == (0, "")
    assert await found_by(node) == ["lock"]
    assert await node.node.search.complete("zweve", "nl") == []
    assert await node.node.search.similar(f"{node.base}/records/pilot/mill", 5, "nl") == []
    assert [hit.slug for hit in await node.node.search.similar(f"{node.base}/records/pilot/lock", 5, "nl")] == []


async def test_nothing_of_an_erased_record_is_left_in_the_index(start_node):
    node = await start_node("flanders")
    await node.publish(pilot("person", title="Zwevegem"), pilot("lock", title="Sluis"))
    await node.node.follower.catch_up()
    await node.node.own.erase(f"{node.base}/records/pilot/person", {"nl": "Op verzoek."})
    await node.node.follower.catch_up()
    found = await node.node.search.search(Request("zwevegm", "nl"))
    assert (found.total, found.suggestion) == (0, "")
    assert await found_by(node) == ["lock"]
    kept = [each for each in (node.config.data / "index").rglob("*") if each.is_file()]
    assert len(kept) > 3
    assert [each.name for each in kept if b"zwevegem" in each.read_bytes().lower()] == []


async def test_an_index_that_could_not_be_made_anew_loses_nothing(start_node):
    denmark = await start_node("denmark")
    node = await start_node("flanders", peers=[denmark.base])
    await denmark.publish(pilot("havn", title="Havn", language="da"))
    await node.publish(pilot("mill", title="Zeldzaam"))
    await node.pull(denmark, "denmark")
    assert await found_by(node) == ["havn", "mill"]

    def failing(done: int, total: int) -> None:
        raise OSError("there is no room left")

    with pytest.raises(OSError, match="no room"):
        await node.node.follower.rebuild(failing)
    await node.publish(pilot("lock", title="Sluis"))
    await node.node.follower.catch_up()
    assert await found_by(node) == ["havn", "lock", "mill"]


async def test_what_could_not_be_written_is_indexed_once_it_can(start_node):
    node = await start_node("flanders")
    await node.publish(pilot("mill", title="Molen"))
    await node.node.follower.catch_up()
    assert await found_by(node) == ["mill"]
    files = node.config.data / "index" / "tantivy"
    files.rename(files.with_name("away"))
    await node.publish(pilot("lock", title="Sluis"))
    with pytest.raises(StorageFailed):
        await node.node.follower.catch_up()
    trouble, *others = await asyncio.gather(*(node.node.follower.followed() for _ in range(3)))
    assert "The text index cannot be written" in trouble
    assert others == [trouble] * 2  # whoever waited for another's turn is told as well
    async with aiohttp.ClientSession() as session, session.get(f"{node.base}/health/ready") as answer:
        assert (answer.status, "the text index cannot be written" in (await answer.json())["for"]) == (503, True)
    files.with_name("away").rename(files)
    assert await node.node.follower.followed() == ""
    assert node.node.follower.trouble == ""
    assert await found_by(node) == ["lock", "mill"]


# What is asked for outright


@pytest.mark.parametrize(
    "typed",
    ["Leren door te doen: de Green Deal", "leren door te doen de green deal", "LEREN DOOR TE DOEN – de green deal!"],
)
def test_a_record_whose_title_is_the_query_comes_first(library, typed: str):
    search = library(
        *(
            pilot(f"deal-{each}", title="De Green Deal leren doen: Green Deal", abstract={"nl": "Leren, doen, deal."})
            for each in range(5)
        ),
        pilot("it", title="Leren door te doen: de Green Deal"),
    )
    assert slugs(asking(search, typed))[0] == "it"


def test_what_says_the_word_itself_comes_before_what_is_of_the_same_kind(library):
    search = library(
        *(
            pilot(f"materials-{each}", title="Bouwmaterialen in bouwmaterialen", sector=["construction-materials"])
            for each in range(3)
        ),
        pilot("bricks", title="Een muur", abstract={"nl": "Met bakstenen."}, sector=["construction-materials"]),
    )
    assert slugs(asking(search, "bakstenen"))[0] == "bricks"


@pytest.mark.parametrize("text", ["mo\u0308bler", "mö\u00adbler", "mö\u200bbler", "mo\u0308\u2060bler"])
def test_letters_in_pieces_and_what_nobody_sees_are_the_same_word(library, text: str):
    search = library(pilot("stolar", title="Möbler till kontor", language="sv"))
    assert slugs(asking(search, text, "sv")) == slugs(asking(search, "möbler", "sv")) == ["stolar"]


def test_a_text_with_letters_in_pieces_is_found_by_whole_ones(library):
    search = library(pilot("raadhus", title="Ra\u030adhuset i A\u030arhus", language="da"))
    found = asking(search, "rådhuset", "da")
    assert (slugs(found), found.exact) == (["raadhus"], 1)


@pytest.mark.parametrize("language", ["en", "fr", "de", "nb"])
@pytest.mark.parametrize("typed", ["Hjoerring", "hjoerring", "Hjørring", "Hjorring"])
def test_a_name_with_letters_typed_as_two_is_found_whoever_asks(library, typed: str, language: str):
    search = library(pilot("bricks", title="Mursten i Hjørring", language="da"))
    found = asking(search, typed, language)
    assert (slugs(found), found.exact, found.suggestion) == (["bricks"], 1, "")


def test_letters_that_a_language_has_as_two_are_not_taken_for_one(library):
    search = library(pilot("mill", title="De molen"))
    found = asking(search, "moelen", "nl")
    assert (slugs(found), found.exact, found.suggestion) == (["mill"], 0, "molen")


def test_a_word_of_another_language_is_no_suggestion_unless_it_is_a_name(library):
    search = library(
        pilot("how", title="How to convince others", language="en"),
        pilot("haus", title="Das Haus in Hjørring", language="de"),
    )
    assert asking(search, "convaince", "fr").suggestion == ""
    assert asking(search, "convince me", "en").suggestion == ""
    assert asking(search, "convinse", "en").suggestion == "convince"
    assert asking(search, "Hjörrring", "fr").suggestion == "Hjørring"


async def test_a_word_in_quotes_is_understood_as_nothing_but_itself(start_node):
    node = await start_node("flanders")
    await node.publish(pilot("mill", title="Kantoormeubilair"))
    await node.node.follower.catch_up()
    understood = (await node.node.search.search(Request('"kantoormeubilair"', "nl"))).concepts
    assert understood == ()
    assert (await node.node.search.search(Request("kantoormeubilair", "nl"))).concepts
