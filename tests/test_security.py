"""The table of attacks in docs/security.md: every row is there, and everything it names exists."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

import pytest

from federation import errors
from federation.errors import FederationError
from federation.sync import STATES

ROOT = Path(__file__).parent.parent
EVERY = [f"A{number}" for number in range(1, 35)]
NAMED = re.compile(r"`([^`]+)`")
SLUGS = {each.slug for each in vars(errors).values() if isinstance(each, type) and issubclass(each, FederationError)}
KNOWN = {*STATES.values(), "new", "active", "lagging", "stale", "blocked", "removed"}


@cache
def rows() -> dict[str, list[str]]:
    """The cells of every attack: what it is, what happens here, reason, state, tests."""
    lines = (ROOT / "docs" / "security.md").read_text("utf-8").splitlines()
    cells = ([cell.strip() for cell in line.strip("|").split("|")] for line in lines if re.match(r"\| A\d", line))
    found = [(first, rest) for first, *rest in cells]
    assert len(dict(found)) == len(found), "an attack has one row"
    return dict(found)


@cache
def defined_in(path: str) -> set[str]:
    """The names of the tests that a file defines."""
    tree = ast.parse((ROOT / path).read_text("utf-8"))
    functions = (each for each in tree.body if isinstance(each, ast.FunctionDef | ast.AsyncFunctionDef))
    return {each.name for each in functions if each.name.startswith("test_")}


def test_every_attack_of_the_catalogue_has_a_row_and_no_other_has():
    assert list(rows()) == EVERY


@pytest.mark.parametrize("attack", EVERY)
def test_every_row_says_what_happens(attack):
    cells = rows()[attack]
    assert len(cells) == 5
    assert all(cells)


@pytest.mark.parametrize("attack", EVERY)
def test_every_row_names_tests_that_exist(attack):
    named = [name.partition("::") for name in NAMED.findall(rows()[attack][4])]
    assert named
    for path, _, test in named:
        assert (ROOT / path).is_file(), path
        assert test in defined_in(path), f"{path}::{test}"


@pytest.mark.parametrize("attack", EVERY)
def test_every_reason_and_state_of_a_row_is_one_there_is(attack):
    reason, state = rows()[attack][2:4]
    assert reason == "–" or set(NAMED.findall(reason))
    assert set(NAMED.findall(reason)) <= SLUGS
    assert state == "–" or set(NAMED.findall(state))
    assert set(NAMED.findall(state)) <= KNOWN


@pytest.mark.parametrize("path", sorted((ROOT / "tests" / "attacks").glob("test_*.py")), ids=lambda path: path.stem)
def test_a_test_named_after_an_attack_names_one_of_the_catalogue(path):
    numbers = (re.match(r"test_(a\d+)_", name) for name in defined_in(str(path.relative_to(ROOT))))
    assert {number[1].upper() for number in numbers if number} <= set(EVERY)
