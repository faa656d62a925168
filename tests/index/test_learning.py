"""The learned part of the lexicon: what words mean, from texts that say the same in several languages."""

from __future__ import annotations

import random
import shutil
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.relevance import collection
from federation.errors import Misconfigured
from federation.index import learning, ranking
from federation.index.concepts import Concepts
from federation.index.grams import Alike
from federation.index.languages import is_stop_word, stem
from federation.index.learning import (
    MOST,
    OBSERVED,
    SURE,
    Parallel,
    Said,
    changes,
    kept,
    learned,
    learned_now,
    said,
    spellings,
)
from federation.index.lexicon import (
    BASE,
    Association,
    learned_csv,
    learned_path,
    lexicon_files,
    load_learned,
    load_refused,
    query_files,
)
from federation.index.reading import Understanding
from federation.index.units import Linked
from federation.records.vocabulary import default_folder, load_vocabulary
from federation.workers import Tools

MILL, LOCK = "https://w3id.org/procirc/sector/mill", "https://w3id.org/procirc/sector/lock"
HEADER = "language,word,concept"


def some(words: str, *concepts: str, times: int = 1, language: str = "en") -> list[Said]:
    return [Said(language, tuple(sorted(words.split())), tuple((iri, 1.0) for iri in sorted(concepts)))] * times


def nothing(stems: tuple[str, ...], language: str) -> tuple[str, ...]:
    return ()


def spelt(texts: list[Said]) -> dict[tuple[str, str], str]:
    return {(each.language, word): word for each in texts for word in each.words}


def meanings(texts: list[Said], refused: frozenset[tuple[str, str, str]] = frozenset()) -> dict[str, list[str]]:
    """The concepts of each word that is sure enough, the surest first."""
    found: dict[str, list[str]] = {}
    rows = kept(learned(texts), spelt(texts), refused, nothing)
    for each in sorted(rows, key=lambda each: -each.probability):
        found.setdefault(each.word, []).append(each.concept)
    return found


# Learning

text = st.builds(
    Said,
    st.sampled_from(["en", "nl"]),
    st.lists(st.sampled_from(["sail", "wind", "gate", "water"]), min_size=1, unique=True).map(sorted).map(tuple),
    st.lists(
        st.tuples(st.sampled_from([MILL, LOCK]), st.sampled_from([0.3, 1.0])), min_size=1, unique_by=lambda p: p[0]
    )
    .map(sorted)
    .map(tuple),
)


@settings(max_examples=50, deadline=None)
@given(st.lists(text, max_size=30))
def test_probabilities_lie_between_0_and_1_and_those_of_a_word_are_less_than_1_together(texts: list[Said]):
    for concepts in learned(texts).values():
        assert all(0 < seen.probability <= 1 for seen in concepts.values())
        assert sum(seen.probability for seen in concepts.values()) < 1


@settings(max_examples=30, deadline=None)
@given(st.lists(text, max_size=30), st.randoms(use_true_random=False))
def test_the_order_of_the_texts_makes_no_difference(texts: list[Said], rng: random.Random):
    mixed = list(texts)
    rng.shuffle(mixed)
    assert learned(mixed) == learned(texts)


def test_a_word_seen_with_one_concept_only_means_it():
    assert meanings([*some("sail", MILL, times=5), *some("gate", LOCK, times=5)]) == {"sail": [MILL], "gate": [LOCK]}


def test_words_that_go_together_are_told_apart_by_the_texts_where_they_do_not():
    texts = [*some("sail gate", MILL, LOCK, times=6), *some("sail", MILL, times=6)]
    assert meanings(texts) == {"sail": [MILL], "gate": [LOCK]}


def test_a_word_of_texts_on_everything_means_nothing():
    subjects = {word: f"{MILL}-{word}" for word in ("sail", "gate", "wheel", "bridge")}
    texts = [one for word, iri in subjects.items() for one in some(f"{word} today", iri, times=6)]
    assert meanings(texts) == {word: [iri] for word, iri in subjects.items()}


def test_the_more_often_a_word_is_seen_the_surer_is_its_meaning():
    few, many = (learned(some("sail", MILL, times=times))["en", "sail"][MILL] for times in (3, 30))
    assert few.probability < many.probability


def test_what_was_seen_in_too_few_texts_is_not_believed():
    assert meanings(some("sail", MILL, times=OBSERVED - 1)) == {}


def test_what_is_said_in_a_language_teaches_nothing_about_another():
    texts = [*some("sail", MILL, times=5), *some("sail", LOCK, times=5, language="nl")]
    assert set(learned(texts)["en", "sail"]) == {MILL}


def test_a_word_has_few_meanings():
    concepts = [f"{MILL}-{number}" for number in range(5)]
    texts = [one for iri in concepts for one in some("sail", iri, times=5)]
    assert len(meanings(texts).get("sail", ())) <= MOST


def test_nothing_is_learned_from_nothing():
    assert learned([]) == {}


def test_a_refused_pair_never_appears_and_another_meaning_of_the_word_stays():
    texts = some("sail", MILL, LOCK, times=20)
    assert set(meanings(texts)["sail"]) == {MILL, LOCK}
    assert meanings(texts, frozenset([("en", "sail", MILL)])) == {"sail": [LOCK]}


def test_a_word_that_names_something_already_is_not_learned():
    texts = some("sail", MILL, times=5)
    assert kept(learned(texts), spelt(texts), frozenset(), lambda stems, language: (LOCK,)) == []


# What texts say


def test_a_text_says_what_it_names_in_its_other_languages(tools: Tools):
    parallel = Parallel({"en": "Zorgle of everything", "nl": "stoel"}, {MILL: 1.0})
    english = next(each for each in said(parallel, tools.concepts) if each.language == "en")
    assert stem("zorgle", "en") in english.words
    assert {BASE + "products/chair", MILL} <= dict(english.concepts).keys()


def test_what_one_language_of_many_names_may_only_look_like_it(tools: Tools):
    """Danish *andre* are others, and has the stem of *ændre*, to change."""
    alone = Parallel({"en": "the others", "da": "de andre", "sv": "de övriga", "nl": "de overige"})
    assert [each for each in said(alone, tools.concepts) if each.language == "en"] == []


def test_stop_words_and_short_words_are_not_looked_at(tools: Tools):
    parallel = Parallel({"en": "with the oak and the window"}, {MILL: 1.0})
    (one,) = said(parallel, tools.concepts)
    assert one.words == ("window",)


def test_a_word_that_is_never_written_small_is_a_name_except_in_german(tools: Tools):
    found = spellings([Parallel({"en": "Zorgle stands", "de": "Zorgle"})], tools.concepts)
    assert ("en", stem("zorgle", "en")) not in found
    assert found["de", stem("zorgle", "de")] == "zorgle"


def test_what_changed_is_told_line_by_line():
    old = [Association("en", "sail", MILL, 0.5), Association("en", "gate", LOCK, 0.5)]
    new = [Association("en", "sail", MILL, 0.6), Association("nl", "sluis", LOCK, 0.5)]
    assert list(changes(old, new)) == [
        f"- en gate = {LOCK} 0.50",
        f"  en sail = {MILL} 0.50 → 0.60",
        f"+ nl sluis = {LOCK} 0.50",
    ]


# The shipped file


@pytest.fixture(scope="module")
def shipped() -> list[Association]:
    return load_learned(default_folder())


def test_the_shipped_file_is_what_would_be_learned_now(tools: Tools):
    now = learned_csv(learned_now(tools.concepts, collection.NODES))
    assert learned_path(default_folder()).read_bytes() == now, "run `make lexicon`"


def test_the_check_writes_nothing_and_says_when_the_file_is_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    folder = tmp_path / "vocab"
    shutil.copytree(default_folder(), folder)
    monkeypatch.setattr(learning, "default_folder", lambda: folder)
    assert learning.main([]) == 0  # without records beside it, less is learned
    assert learning.main(["--check"]) == 0
    cut = learned_path(folder).read_bytes().rsplit(b"\n", 2)[0] + b"\n"
    learned_path(folder).write_bytes(cut)
    assert learning.main(["--check"]) == 1
    assert learned_path(folder).read_bytes() == cut
    assert "make lexicon" in capsys.readouterr().out


def test_the_shipped_file_is_small_sorted_and_sure(shipped: list[Association]):
    assert 100 < len(shipped) <= 3_000
    assert learned_path(default_folder()).stat().st_size <= 200_000
    assert shipped == sorted(shipped)
    assert all(SURE <= each.probability <= 1 for each in shipped)
    together: Counter[tuple[str, str]] = Counter()
    for each in shipped:
        together[each.language, each.word] += round(each.probability * 100)
    assert max(together.values()) <= 100


def test_nothing_shipped_is_a_stop_word_refused_or_known_otherwise(shipped: list[Association], tools: Tools):
    refused = load_refused(default_folder())
    for each in shipped:
        form = stem(each.word, each.language)
        assert not is_stop_word(each.word, each.language), each
        assert (each.language, form, each.concept) not in refused, each
        assert tools.concepts.named_by((form,), each.language) == (), each
        assert each.concept in tools.concepts.numbers, each


def test_every_shipped_row_is_used(shipped: list[Association], tools: Tools):
    assert sum(map(len, tools.concepts.learned.values())) == len(shipped)


def test_learning_looks_at_no_judged_topics():
    """It is handed the vocabulary and the nodes; nothing in it knows where topics are."""
    source = Path(learning.__file__).read_text("utf-8")
    assert "topics/" not in source
    assert "benchmarks" not in source


# In search


def with_tables(tmp_path: Path, **tables: str) -> Concepts:
    """The shipped vocabulary with tables of its lexicon written anew."""
    folder = tmp_path / "vocab"
    shutil.copytree(default_folder(), folder)
    for name, content in tables.items():
        (folder / "lexicon" / f"{name}.csv").write_text(content, "utf-8")
    return Concepts(load_vocabulary(folder))


LEARNED = f"{HEADER},probability\nen,wobbels,lexicon/products/chair,0.60\n"
CHAIR = BASE + "products/chair"


def linked(concepts: Concepts, text: str, language: str = "en") -> tuple[Linked, ...]:
    (unit,) = Understanding(concepts, Alike(()), language).units(text)
    return unit.linked


def test_a_query_is_led_from_any_form_of_a_learned_word_to_its_concept(tmp_path: Path):
    concepts = with_tables(tmp_path, learned=LEARNED)
    assert linked(concepts, "wobbel") == (Linked(CHAIR, pytest.approx(0.6 * ranking.LEARNED), "learned"),)
    assert linked(concepts, "wobbel", "nl") == ()


def test_a_learned_meaning_is_never_sure():
    assert ranking.LEARNED < 1


def test_a_text_says_nothing_by_learned_words(tmp_path: Path):
    concepts = with_tables(tmp_path, learned=LEARNED)
    assert concepts.spotting.named(concepts.spotting.forms(["wobbels"], "en"), "en") == {}


def test_what_a_coordinator_writes_is_believed_before_what_was_learned(tmp_path: Path):
    ours = "id,en,nl,fr,de,da,sv,nb\nwobbel,wobbel,,,,,,\n"
    concepts = with_tables(tmp_path, learned=LEARNED, ours=ours)
    assert linked(concepts, "wobbel") == (Linked(BASE + "ours/wobbel", 1.0),)


def test_what_a_coordinator_refuses_is_not_used_whatever_form_of_the_word_is_written(tmp_path: Path):
    refused = f"{HEADER}\nen,wobbel,lexicon/products/chair\n"
    assert linked(with_tables(tmp_path, learned=LEARNED, refused=refused), "wobbels") == ()


def test_a_concept_may_be_refused_by_its_whole_address(tmp_path: Path):
    refused = f"{HEADER}\nen,wobbel,{CHAIR}\n"
    assert linked(with_tables(tmp_path, learned=LEARNED, refused=refused), "wobbels") == ()


def test_a_concept_that_is_no_more_is_passed_over(tmp_path: Path):
    assert linked(with_tables(tmp_path, learned=LEARNED.replace("chair", "throne")), "wobbel") == ()


def test_a_vocabulary_may_have_nothing_learned_and_nothing_refused(tmp_path: Path):
    assert load_learned(tmp_path) == []
    assert load_refused(tmp_path) == frozenset()


def test_only_what_records_are_indexed_by_is_a_table_of_the_lexicon():
    names = {path.name for path in lexicon_files(default_folder())}
    queries = {path.name for path in query_files(default_folder())}
    assert {"learned.csv", "refused.csv"} < queries
    assert names.isdisjoint(queries)


@pytest.mark.parametrize(
    ("content", "place"),
    [
        ("", "line 1"),
        ("language,word\n", "line 1"),
        (LEARNED + "en,sail\n", "line 3"),
        (LEARNED + "xx,sail,sector/mill,0.5\n", "line 3"),
        (LEARNED + "en,,sector/mill,0.5\n", "line 3"),
        (LEARNED + "en,sail,sector/mill,often\n", "line 3"),
        (LEARNED + "en,sail,sector/mill,0\n", "line 3"),
        (LEARNED + "en,sail,sector/mill,nan\n", "line 3"),
        (LEARNED + "en,sail,sector/mill,1.5\n", "line 3"),
        (LEARNED + 'en,"sail"s,sector/mill,0.5\n', "line 3"),
    ],
)
def test_a_fault_names_its_file_and_line(tmp_path: Path, content: str, place: str):
    path = learned_path(tmp_path)
    path.parent.mkdir()
    path.write_text(content, "utf-8")
    with pytest.raises(Misconfigured) as raised:
        load_learned(tmp_path)
    assert "learned.csv" in str(raised.value)
    assert place in str(raised.value)


def test_a_table_that_is_not_utf_8_says_so(tmp_path: Path):
    path = learned_path(tmp_path)
    path.parent.mkdir()
    path.write_bytes(LEARNED.encode() + "en,möbler,sector/mill,0.5\n".encode("latin-1"))
    with pytest.raises(Misconfigured, match="UTF-8"):
        load_learned(tmp_path)
