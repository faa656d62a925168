"""Content negotiation by RFC 9110 section 12.5.1."""

from __future__ import annotations

import pytest
from aiohttp import web
from aiohttp.test_utils import make_mocked_request
from multidict import CIMultiDict

from federation.errors import NotAcceptable
from federation.web.negotiate import accepted, choose, takes_gzip

OFFERED = ("application/ld+json", "text/html", "text/turtle")


@pytest.mark.parametrize(
    ("accept", "chosen"),
    [
        ("", "application/ld+json"),
        ("   ", "application/ld+json"),
        ("*/*", "application/ld+json"),
        ("text/html", "text/html"),
        ("TEXT/HTML", "text/html"),
        ("text/*", "text/html"),
        ("text/turtle, text/html", "text/html"),
        ("text/turtle, text/html;q=0.9", "text/turtle"),
        ("text/html;q=0.1, text/turtle;q=0.2", "text/turtle"),
        ("text/html;charset=utf-8", "text/html"),
        ("text/html ; q=0.5 , */* ; q=0.1", "text/html"),
        ("text/*;q=0.9, text/html;q=0.1", "text/turtle"),
        ("*/*, application/ld+json;q=0", "text/html"),
        ("text/html;q=5", "text/html"),
        ("nonsense, text/turtle", "text/turtle"),
        (",,;;, text/turtle", "text/turtle"),
        ("application/xml;q=0.9, */*;q=0.8", "application/ld+json"),
        ('application/ld+json;profile="http://www.w3.org/ns/json-ld#expanded"', "application/ld+json"),
    ],
)
def test_the_best_form_is_chosen(accept: str, chosen: str):
    assert choose(accept, OFFERED) == chosen


@pytest.mark.parametrize(
    "accept",
    ["image/png", "text/html;q=0", "image/*", "text/html;q=nonsense", "*/*;q=0", "text", "x" * 5000],
)
def test_where_nothing_fits_the_forms_are_named(accept: str):
    with pytest.raises(NotAcceptable) as refused:
        choose(accept, OFFERED)
    assert all(each in refused.value.remedy for each in OFFERED)


def asking(*lines: tuple[str, str]) -> web.Request:
    return make_mocked_request("GET", "/feed", headers=CIMultiDict(lines))


def test_the_lines_of_a_header_count_together():
    request = asking(("Accept", "text/html;q=0.1"), ("Accept", "application/ld+json"))
    assert choose(accepted(request), ("text/html", "application/ld+json")) == "application/ld+json"


@pytest.mark.parametrize(
    ("header", "takes"),
    [("", False), ("gzip", True), ("br, GZIP;q=0.5", True), ("gzip;q=0", False), ("*", True), ("*, gzip;q=0", False)],
)
def test_who_weighs_gzip_with_nothing_does_not_get_it(header: str, takes: bool):
    assert takes_gzip(asking(("Accept-Encoding", header))) is takes
