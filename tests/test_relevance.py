"""The measures of relevance, and that the search is worth its parts; ``make relevance`` prints the figures."""

from __future__ import annotations

import asyncio

import pytest

from benchmarks.relevance.__main__ import SETS, scored
from benchmarks.relevance.collection import collected, topics
from benchmarks.relevance.measures import average, ndcg, recall, reciprocal_rank
from benchmarks.relevance.systems import FULL, SYSTEMS, System
from federation.index.languages import folded_words, is_stop_word
from federation.index.lexicon import load_hidden, load_learned
from federation.index.text import TextIndex
from federation.records.lexical import SEVERAL
from federation.records.vocabulary import load_vocabulary
from federation.search import Request, Search
from federation.workers import Tools

GRADES = {"best": 3, "good": 2, "some": 1}


def test_the_ideal_order_has_a_gain_of_one():
    assert ndcg(["best", "good", "some", "other"], GRADES) == pytest.approx(1.0)


def test_a_worse_order_and_what_is_not_relevant_cost():
    assert ndcg(["some", "good", "best"], GRADES) < ndcg(["best", "some", "good"], GRADES) < 1
    assert ndcg(["other", "best", "good", "some"], GRADES) < 1
    assert ndcg([], GRADES) == 0


def test_only_the_first_ten_gain():
    assert ndcg(["other"] * 10 + ["best"], GRADES) == 0


def test_recall_is_the_share_of_what_is_relevant():
    assert recall(["best", "other", "some"], GRADES) == pytest.approx(2 / 3)
    assert recall([], {}) == 0


def test_the_reciprocal_rank_is_that_of_the_best_grade():
    assert reciprocal_rank(["good", "best"], GRADES) == 0.5
    assert reciprocal_rank(["good"], GRADES) == 0


def test_an_average_comes_with_an_interval_that_holds_it_and_is_always_the_same():
    values = [0.1, 0.9, 0.5, 0.7, 0.3]
    one = average(values)
    assert one.low < one.mean < one.high
    assert one == average(values)
    assert average([]).count == 0


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> TextIndex:
    return collected(tmp_path_factory.mktemp("relevance"))


@pytest.mark.parametrize("name", ["dev", "first"])
def test_the_search_finds_more_than_any_baseline_and_in_other_languages_too(index: TextIndex, name: str):
    judged = topics(name)
    scores = {system: scored(System(index, system), judged, {}) for system in SYSTEMS}
    means = {system: sum(score.ndcg.values()) / len(score.ndcg) for system, score in scores.items()}
    assert means[FULL] > 0.70
    assert all(means[FULL] > mean + 0.1 for system, mean in means.items() if system.startswith("baseline"))
    assert scores[FULL].nothing <= 0.02 * len(scores[FULL].ndcg)


@pytest.mark.parametrize("name", SETS)
def test_the_wording_of_topics_is_in_no_code_list_and_no_lexicon(name: str):
    vocabulary = load_vocabulary()
    labels = {(each.language, " ".join(each.folded)) for each in Tools(vocabulary).concepts.labels}
    labels |= {(each.language, folded_words(each.word)) for each in load_learned(vocabulary.folder)}
    hidden = ((language, cell.split(SEVERAL)) for language, _, cell in load_hidden(vocabulary.folder))
    labels |= {(language, folded_words(text)) for language, texts in hidden for text in texts}
    copied = []
    for topic in topics(name):
        words = folded_words(topic.query).split()
        runs = [words[at:stop] for at in range(len(words)) for stop in range(at + 3, len(words) + 1)]
        # Set phrases such as *end of life* are anybody's; three words that carry meaning are somebody's.
        said = [
            run for run in runs if sum(len(word) > 2 and not is_stop_word(word, topic.language) for word in run) > 2
        ]
        copied += [(topic.id, " ".join(run)) for run in said if (topic.language, " ".join(run)) in labels]
    assert copied == []


def test_every_hit_of_a_judged_topic_says_why_it_was_found(index: TextIndex):
    search = Search(index, lambda node: {})
    for topic in (each for name in ("dev", "first") for each in topics(name)):
        found = asyncio.run(search.search(Request(topic.query, topic.language, counted=False)))
        assert [hit.slug for hit in found.hits if not hit.because] == [], topic.query
