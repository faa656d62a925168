"""Errors: sentences that stay text wherever they are shown."""

from __future__ import annotations

import pickle

import pytest

from federation.errors import Forked, PeerError, printable


@pytest.mark.parametrize("text", ["\x1b[31mRED", "\x9b31m", "\u202eDER", "\u2066x", "\ud800", "a\x00b", "one\r\ntwo"])
def test_what_others_sent_cannot_move_a_cursor_or_turn_the_writing(text: str):
    shown = str(PeerError(f"It said {text}.", remedy="Ask."))
    assert shown.isprintable()
    shown.encode()


@pytest.mark.parametrize("text", ["Åse’s møbler – 20 % «billigere»", "日本語", "e\u0301", "🙂"])
def test_ordinary_text_is_left_as_it_is(text: str):
    assert printable(text) == text


def test_an_error_keeps_its_words_on_the_way_from_a_worker():
    again = pickle.loads(pickle.dumps(Forked("Two logs.", remedy="Ask.")))
    assert (type(again), again.detail, again.remedy) == (Forked, "Two logs.", "Ask.")
