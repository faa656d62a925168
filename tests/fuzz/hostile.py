"""What is done to genuine bytes before a parser gets them, and what may come of it.

A genuine text is damaged in a few places: cut, doubled, spliced, or given what parsers stumble over. That
reaches deeper than arbitrary bytes, which most parsers refuse at the first one.
"""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from federation.errors import FederationError

FUZZ = settings(max_examples=120, deadline=None, derandomize=True)
MEGABYTE = 1024 * 1024
SPARE = 50 * MEGABYTE
"""Memory that any parser may take beyond what it was given."""

TOKENS: Sequence[bytes] = (
    b"\0", b"\xef\xbb\xbf", b"\xff\xfe", b"\xed\xa0\x80", b"\\ud800", b"\\u0000", "\u202e\u2066".encode(),
    "\u0301".encode(), b"\r\n", b"\x1b[2J", b'"', b"'", b"<", b">", b"\\", b"_:b0", b" .\n", b"{", b"[", b"(", b"<<(",
    b"&#0;", b"&#" + b"9" * 5000 + b";", b"<!DOCTYPE a [<!ENTITY b 'c'>]>", b"9" * 5000, b"-1", b"1e999", b"NaN",
    b"null", b"[]", b"{}", b'"@id"', b'"@context"', b"%", b"%00", b"%ff", b"@en--rtl", b"a" * 3000, b" " * 3000,
    b"[" * 200, b"<a>" * 200, b"^^<a:b>", b"2026-02-30T25:61:61Z", b"0000-00-00",
)  # fmt: skip


def damaged(*genuine: bytes) -> SearchStrategy[bytes]:
    """One of some genuine texts with up to four pieces changed."""
    return st.sampled_from(genuine).flatmap(lambda data: st.lists(_changes(), min_size=1, max_size=4).map(_to(data)))


Change = Callable[[bytes], bytes]


def _to(data: bytes) -> Callable[[list[Change]], bytes]:
    def changed(changes: list[Change]) -> bytes:
        found = data
        for change in changes:
            found = change(found)
        return found

    return changed


def _changes() -> SearchStrategy[Change]:
    place = st.floats(0, 1, exclude_max=True)
    token = st.sampled_from(TOKENS) | st.binary(max_size=4)
    return st.one_of(
        st.builds(_flipped, place, st.integers(1, 255)),
        st.builds(_cut, place, st.integers(1, 80)),
        st.builds(_broken_off, place),
        st.builds(_inserted, place, token),
        st.builds(_word_replaced, place, token),
        st.builds(_line_doubled, place, place),
        st.builds(_line_dropped, place),
        st.builds(_spliced, place, place, st.integers(1, 200)),
    )


def _flipped(place: float, bits: int) -> Change:
    def change(data: bytes) -> bytes:
        at = int(place * len(data))
        return data[:at] + bytes(each ^ bits for each in data[at : at + 1]) + data[at + 1 :]

    return change


def _cut(place: float, length: int) -> Change:
    return lambda data: data[: int(place * len(data))] + data[int(place * len(data)) + length :]


def _broken_off(place: float) -> Change:
    return lambda data: data[: int(place * len(data))]


def _inserted(place: float, token: bytes) -> Change:
    return lambda data: data[: int(place * len(data))] + token + data[int(place * len(data)) :]


def _word_replaced(place: float, token: bytes) -> Change:
    def change(data: bytes) -> bytes:
        words = data.split(b" ")
        words[int(place * len(words))] = token
        return b" ".join(words)

    return change


def _line_doubled(place: float, other: float) -> Change:
    def change(data: bytes) -> bytes:
        lines = data.split(b"\n")
        lines.insert(int(other * len(lines)), lines[int(place * len(lines))])
        return b"\n".join(lines)

    return change


def _line_dropped(place: float) -> Change:
    def change(data: bytes) -> bytes:
        lines = data.split(b"\n")
        del lines[int(place * len(lines))]
        return b"\n".join(lines)

    return change


def _spliced(place: float, other: float, length: int) -> Change:
    def change(data: bytes) -> bytes:
        start, at = int(place * len(data)), int(other * len(data))
        return data[:at] + data[start : start + length] + data[at:]

    return change


def refusal(parse: Callable[..., Any], *given: Any, **named: Any) -> FederationError | None:
    """The error of the family that a parser raises, if it does; any other is left to fail the test."""
    try:
        parse(*given, **named)
    except FederationError as error:
        str(error).encode()  # what is said of hostile bytes can be shown and stored
        return error
    return None


@contextmanager
def little_memory(data: bytes | str) -> Iterator[None]:
    """Fail when Python's memory grows by more than the input and SPARE."""
    tracemalloc.start()
    try:
        yield
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert most < len(data) + SPARE, f"{most:,} bytes of memory for {len(data):,} bytes of input"
