"""Reading a page of a feed: which lines belong to a body, however the page is put together."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from federation.peers.ldes import _split

BASE = "https://flanders.example"
LISTED = f"<{BASE}/feed#stream> <https://w3id.org/tree#member> <{BASE}/log/1> ."
ELSE = "<https://a.example/x> <https://a.example/p> <https://a.example/y> ."


def body_line(number: int, log: int = 1) -> str:
    return f'<{BASE}/records/pilot/a> <https://a.example/p> "{number:04}{"x" * (number % 90)}" <{BASE}/log/{log}> .'


def bodies(lines: list[str]) -> dict[str, str]:
    return _split("".join(f"{line}\n" for line in lines).encode(), f"{BASE}/feed/0/0", BASE)[1]


def wanted(lines: list[str]) -> dict[str, str]:
    """The same, line by line."""
    found: dict[str, str] = {}
    for line in lines:
        if line not in (LISTED, ELSE):
            text, _, graph = line.removesuffix(" .").rpartition(" ")
            found[graph] = found.get(graph, "") + f"{text} .\n"
    return found


@given(st.lists(st.sampled_from(["one", "other", "listed", "else"]), max_size=60))
def test_a_body_is_all_lines_of_its_graph_in_their_order(kinds: list[str]):
    made = {"listed": LISTED, "else": ELSE}
    lines = [made.get(kind) or body_line(at, 1 if kind == "one" else 2) for at, kind in enumerate(kinds)]
    assert bodies(lines) == wanted(lines)


@pytest.mark.parametrize("size", [1, 3, 40, 2_000])
def test_what_the_page_lists_is_no_part_of_the_body_it_stands_behind(size: int):
    lines = [body_line(at) for at in range(size)]
    assert bodies([*lines, LISTED, *lines[:1]]) == wanted([*lines, *lines[:1]])
