"""Search: what is found, in which order, why, and that totals, facets and pages agree."""

from __future__ import annotations

import asyncio
import random
import shutil
from collections import Counter
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from federation import node as nodes
from federation.errors import Unavailable
from federation.index.explanation import Segment, marked_html, plain_text
from federation.records.draft import Draft
from federation.records.kinds import LANGUAGES
from federation.search import Found, Hit, Request, Search
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


def test_a_record_about_something_narrower_is_found_and_says_so(library):
    search = library(pilot("narrow", title="Een molen", abstract={"nl": "Zonder het woord."}))
    (because,) = only(asking(search, "levensduurverlenging")).because
    assert (because.how, because.concept) == ("narrower", LIFE)


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
    assert slugs(asking(search, "brug sluis kade")) == ["two"]


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
def test_every_facet_of_the_vocabulary_is_offered(corpus: Search, text: str):
    found = asking(corpus, text)
    assert set(found.facets) == set(corpus.facets)


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
    value=st.text(max_size=30),
    offset=st.integers(0, 10_000),
)
@example(text="hergebruik", language="nl", value="", offset=10_000)
@example(text="", language="en", value="\0", offset=0)
def test_no_query_filter_or_page_raises(corpus: Search, text: str, language: str, value: str, offset: int):
    found = asking(corpus, text, language, offset=offset, sector=[value])
    assert found.total >= len(found.hits)


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
    assert {value.value: value.count for value in found.facets["country"]} == {"DK": 1}
    assert [hit.slug for hit in asking(search, country=["BE"]).hits] == ["mill"]
