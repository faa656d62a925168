"""The Merkle tree of a log against RFC 6962, read literally."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from federation.errors import StorageFailed
from federation.log.merkle import EMPTY_ROOT, Frontier, parent_hash

FUZZ = settings(max_examples=200, deadline=None, derandomize=True)
LEAVES = [hashlib.sha256(b"\x00" + str(number).encode()).digest() for number in range(130)]


def root_by_the_rfc(leaves: list[bytes]) -> bytes:
    """RFC 6962 section 2.1, with leaf hashes for leaves."""
    if not leaves:
        return hashlib.sha256(b"").digest()
    if len(leaves) == 1:
        return leaves[0]
    split = 1
    while split * 2 < len(leaves):
        split *= 2
    return parent_hash(root_by_the_rfc(leaves[:split]), root_by_the_rfc(leaves[split:]))


INPUTS = [
    "",
    "00",
    "10",
    "2021",
    "3031",
    "40414243",
    "5051525354555657",
    "606162636465666768696a6b6c6d6e6f",
]
ROOTS = [
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]
"""Roots after 0 to 8 of the inputs, from the tests of certificate-transparency."""


@pytest.mark.parametrize("size", range(9))
def test_the_roots_are_those_of_certificate_transparency(size):
    leaves = [hashlib.sha256(b"\x00" + bytes.fromhex(each)).digest() for each in INPUTS[:size]]
    assert Frontier().append(leaves).root.hex() == ROOTS[size]


@pytest.mark.parametrize("size", range(131))
def test_the_root_of_any_size_is_that_of_the_rfc(size):
    frontier = Frontier().append(LEAVES[:size])
    assert (frontier.size, frontier.root) == (size, root_by_the_rfc(LEAVES[:size]))


def test_the_root_of_nothing_is_the_hash_of_nothing():
    assert Frontier().root == EMPTY_ROOT == hashlib.sha256(b"").digest()


@FUZZ
@given(st.integers(0, 130), st.integers(0, 130))
def test_appending_in_two_goes_is_appending_at_once(first, second):
    first, second = sorted((first, second))
    stepwise = Frontier().append(LEAVES[:first]).append(LEAVES[first:second])
    assert stepwise == Frontier().append(LEAVES[:second])


@FUZZ
@given(st.integers(0, 130))
def test_a_frontier_has_one_hash_for_each_set_bit_and_is_read_back(size):
    frontier = Frontier().append(LEAVES[:size])
    assert len(frontier.hashes) == size.bit_count()
    assert Frontier.decode(size, frontier.encode()) == frontier


@pytest.mark.parametrize(("size", "data"), [(1, b""), (0, bytes(32)), (3, bytes(32)), (2, bytes(31)), (2, bytes(33))])
def test_a_stored_frontier_that_does_not_fit_its_size_is_refused(size, data):
    with pytest.raises(StorageFailed):
        Frontier.decode(size, data)


@pytest.mark.parametrize("place", [0, 63, 64, 99])
def test_one_other_leaf_gives_another_root(place):
    leaves = [*LEAVES[:place], bytes(32), *LEAVES[place + 1 : 100]]
    assert Frontier().append(leaves).root != Frontier().append(LEAVES[:100]).root


def test_the_order_of_the_leaves_matters():
    assert Frontier().append(LEAVES[:2]).root != Frontier().append(reversed(LEAVES[:2])).root


def test_a_leaf_cannot_stand_for_an_inner_node():
    inner = parent_hash(LEAVES[0], LEAVES[1])
    assert hashlib.sha256(b"\x00" + LEAVES[0] + LEAVES[1]).digest() != inner
