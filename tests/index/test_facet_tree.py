"""The values of facets, and what each lies in."""

from __future__ import annotations

import pytest

from federation.index.facet_tree import FacetTree
from federation.records.kinds import LANGUAGES
from federation.records.vocabulary import load_vocabulary

VOCABULARY = load_vocabulary()
TREE = FacetTree(VOCABULARY)
NUTS = "http://data.europa.eu/nuts/code/"
COLLECTIONS = [group for scheme in VOCABULARY.schemes.values() for group in scheme.collections]


@pytest.mark.parametrize(
    ("iri", "codes"),
    [
        (NUTS + "BE213", ["BE213", "BE21", "BE2", "BE"]),
        (NUTS + "UKM75", ["UKM75", "UKM7", "UKM", "GB"]),
        (NUTS + "EL30", ["EL3", "GR"]),
        ("http://publications.europa.eu/resource/authority/country/BEL", ["BE"]),
    ],
)
def test_a_region_lies_in_its_country(iri: str, codes: list[str]):
    assert list(TREE.codes(iri)) == [("country", code) for code in codes]


@pytest.mark.parametrize(("code", "counted_as"), [("UK", "GB"), ("DK0", "DK"), ("BE10", "BE1"), ("LI000", "LI")])
def test_an_area_at_several_levels_of_nuts_is_one_value(code: str, counted_as: str):
    assert next(TREE.codes(NUTS + code)) == ("country", counted_as)


def test_a_sector_lies_in_its_group_and_a_strategy_in_its_own():
    assert list(TREE.codes("https://w3id.org/procirc/sector/printing")) == [
        ("sector", "printing"),
        ("sector", "office-ict"),
    ]
    assert list(TREE.above("strategy", "R3")) == ["LIFE"]


def test_what_makes_no_facet_has_no_value():
    assert list(TREE.codes("https://w3id.org/procirc/procedure-type/open")) == []
    assert list(TREE.codes("https://example.org/nothing")) == []
    assert list(TREE.above("sector", "nothing")) == []


def test_every_sector_is_in_one_group():
    (sectors,) = [scheme for scheme in VOCABULARY.schemes.values() if scheme.name == "sector"]
    members = [iri for group in sectors.collections for iri in group.members]
    assert sorted(members) == sorted(sectors.concepts)


@pytest.mark.parametrize("group", COLLECTIONS, ids=lambda group: group.code)
def test_a_group_has_a_code_of_its_own_and_a_name_in_every_language(group):
    scheme = VOCABULARY.schemes[group.scheme]
    assert group.code not in {concept.code for concept in scheme.concepts.values()}
    assert set(group.labels) == set(LANGUAGES)
    assert set(group.members) <= set(scheme.concepts)


def test_every_value_lies_in_one_that_is_a_value_too():
    for facet, values in TREE.values.items():
        assert all(value.within in values for value in values.values() if value.within is not None), facet
