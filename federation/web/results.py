"""What a search finds, to take away: a table, linked data with every proof, or a feed to subscribe to.

Sources: The Atom Syndication Format (RFC 4287); Activity Vocabulary (OrderedCollection).
"""

from __future__ import annotations

import asyncio
import hashlib
import re
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Final
from xml.etree import ElementTree

from aiohttp import web

from federation.exchange.cells import csv_of
from federation.exchange.workbook import listing
from federation.index.explanation import Because
from federation.index.hits import Hit
from federation.index.marking import plain_text
from federation.log.effects import ENDINGS
from federation.log.times import timestamp
from federation.records import jsonld
from federation.records.canonical import AS, RDF, TYPE, XSD, Literal, object_text
from federation.records.kinds import Vocabulary, in_language
from federation.records.proof import Signed
from federation.search import Found, Search
from federation.web import asked as parameters
from federation.web import search
from federation.web.asked import MOST_TAKEN, Asked
from federation.web.guard import Places, Shares, group_of
from federation.web.keys import CLOCK, CONFIG, SEARCH, STORE, WORKERS
from federation.web.locale import Language
from federation.web.negotiate import is_current

NEWEST: Final = 50
"""Records of a feed unless more are asked for."""
COLUMNS: Final = ("Title", "Language", "Kind", "Region", "Summary", "Topics", "Published", "Found because", "Address")
"""The columns of a table; translated with the pages."""
FORMS: Final = {
    "json": "application/json",
    "csv": "text/csv; charset=utf-8",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    "jsonld": "application/ld+json",
    "ttl": "text/turtle; charset=utf-8",
    "atom": "application/atom+xml",
}
"""Media types by suffix."""
_WAITING: Final = 40
"""Requests for results to take away that wait for their turn, or have it."""
_WAITING_EACH: Final = 4
"""The same, of one address."""
_ATOM: Final = "http://www.w3.org/2005/Atom"
_NOT_XML: Final = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_WHY: Final = {
    "word": "{word} = {match}",
    "like": "{word} ≈ {match}",
    "named": "{word} = {match} ({label})",
    "part": "{word} → {match}",
    "mention": "{word} → {match}",
    "code": "{word}",
}
"""Reasons in signs, which need no translation; the others lead to a concept."""
_CONTEXT: Final = {
    "id": "@id",
    "type": "@type",
    "OrderedCollection": f"{AS}OrderedCollection",
    "totalItems": {"@id": f"{AS}totalItems", "@type": f"{XSD}nonNegativeInteger"},
    "orderedItems": {"@id": f"{AS}items", "@container": "@list"},
}


class Turns:
    """Whose turn it is to take results away: five hundred take a core for a second, which searches need as well."""

    def __init__(self) -> None:
        self._lock = asyncio.Lock()
        self._places = Places(_WAITING)
        self._shares = Shares(_WAITING_EACH, "Too many results are being taken away from your address at once.")

    @asynccontextmanager
    async def of(self, address: str) -> AsyncIterator[None]:
        """Wait for the turn of somebody. Raises Unavailable and TooMany where too many wait."""
        with self._places, self._shares.of(group_of(address)):
            async with self._lock:
                yield


TURNS: web.AppKey[Turns] = web.AppKey("turns", Turns)


@dataclass(frozen=True, slots=True)
class Results:
    """What was found, and what is needed to say it: where the page of it is, and the reader's language."""

    page: str
    total: int
    hits: Sequence[Hit]
    base: str
    language: Language
    search: Search

    def address(self, hit: Hit) -> str:
        return self.base + search.url_of(hit)

    def label(self, name: str, value: str) -> str:
        return self.search.value_label(name, value, self.language.tag)


async def taken(request: web.Request) -> web.Response:
    """``/search.csv`` and so on: the same result set as the page, by rank; a feed has the newest first."""
    async with request.app[TURNS].of(request.remote or ""):
        return await _taken(request, request.match_info["form"])


async def _taken(request: web.Request, form: str) -> web.Response:
    if form == "json":
        return await search.answer(request, usual=MOST_TAKEN, most=MOST_TAKEN)
    feed = form == "atom"
    asked, wanted = await parameters.read_strictly(request, usual=NEWEST if feed else MOST_TAKEN, most=MOST_TAKEN)
    found = await request.app[SEARCH].search(replace(wanted, counted=False, newest=feed))
    body = await _written(request, form, asked, found)
    headers = {
        "Content-Type": FORMS[form],
        "Access-Control-Allow-Origin": "*",
        "Cache-Control": "no-cache",
        "ETag": f'"{hashlib.sha256(body).hexdigest()[:32]}"',
        "Vary": "Accept-Language",
    }
    if form in ("csv", "xlsx"):
        name = re.sub(r"[^a-z0-9]+", "-", asked.text.casefold())[:40].strip("-") or request.app[CONFIG].name
        headers["Content-Disposition"] = f'attachment; filename="{name}.{form}"'
    if is_current(request.headers.get("If-None-Match", ""), headers["ETag"]):
        return web.Response(status=304, headers=headers)
    return web.Response(body=body, headers=headers)


async def _written(request: web.Request, form: str, asked: Asked, found: Found) -> bytes:
    config, vocabulary = request.app[CONFIG], request.app[WORKERS].tools.vocabulary
    page = config.base + asked.address("order")
    results = Results(page, found.total, found.hits, config.base, asked.language, request.app[SEARCH])
    if form == "atom":
        title = " – ".join(filter(None, (asked.text.strip(), in_language(config.title, asked.language.tag)[1])))
        now = timestamp(request.app[CLOCK]())
        return await asyncio.to_thread(_feed, results, title, f"{config.base}{request.path_qs}", now)
    if form in ("csv", "xlsx"):
        return await asyncio.to_thread(_table, results, form, vocabulary)
    held = await request.app[STORE].currents(hit.id for hit in found.hits)
    # One that was ended a moment ago may still be in the index.
    records = {hit.id: held[hit.id].signed for hit in found.hits if hit.id in held and held[hit.id].kind not in ENDINGS}
    if form == "ttl":
        return await asyncio.to_thread(_turtle, results, records)
    return await asyncio.to_thread(_document, results, records.values(), vocabulary)


# Tables


def _table(results: Results, form: str, vocabulary: Vocabulary) -> bytes:
    rows = [[results.language.text(title) for title in COLUMNS]]
    rows += [_row(hit, results, vocabulary) for hit in results.hits]
    return csv_of(rows) if form == "csv" else listing(rows)


def _row(hit: Hit, results: Results, vocabulary: Vocabulary) -> list[str]:
    language = results.language
    return [
        plain_text(hit.title[1]),
        results.label("language", hit.title[0]),
        results.label("kind", hit.kind),
        results.label("node", hit.node),
        plain_text(hit.snippet[1]),
        "; ".join(vocabulary.label(iri, language.tag) for iri in hit.topics),
        hit.published[:10],
        "; ".join(map(why, hit.because)),
        results.address(hit),
    ]


def why(because: Because) -> str:
    """A reason in a few signs: *office furniture = kontormøbler*."""
    pattern = _WHY.get(because.how, "{word} → {label}")
    return pattern.format(word=because.word, match=because.match, label=because.label)


# Linked data


def _document(results: Results, signed: Iterable[Signed], vocabulary: Vocabulary) -> bytes:
    """The records with their proofs, in the order of the results."""
    collection = {
        "@context": _CONTEXT,
        "id": results.page,
        "type": "OrderedCollection",
        "totalItems": results.total,
        "orderedItems": [jsonld.signed_view(each, vocabulary) for each in signed],
    }
    return jsonld.dumps(collection).encode()


def _turtle(results: Results, records: Mapping[str, Signed]) -> bytes:
    """The same statements, without the proofs."""
    lines = (f"{subject} <{path}> {value} .\n" for subject, path, value in _collection(results, list(records)))
    return jsonld.turtle("".join((*lines, *(each.body for each in records.values()))))


def _collection(results: Results, iris: Sequence[str]) -> Iterator[tuple[str, str, str]]:
    """The statements of the result set itself: how many there are, and the list of those given here."""
    collection = f"<{results.page}>"
    yield collection, TYPE, f"<{AS}OrderedCollection>"
    yield collection, f"{AS}totalItems", object_text(Literal(str(results.total), XSD + "nonNegativeInteger"))
    nodes = [*(f"_:i{at}" for at in range(len(iris))), f"<{RDF}nil>"]
    yield collection, f"{AS}items", nodes[0]
    for at, iri in enumerate(iris):
        yield nodes[at], f"{RDF}first", f"<{iri}>"
        yield nodes[at], f"{RDF}rest", nodes[at + 1]


# Feeds


def _feed(results: Results, title: str, address: str, now: str) -> bytes:
    """An Atom feed. Without records it is as old as it is asked for, since it has to say when it changed."""
    feed = ElementTree.Element("feed", {"xmlns": _ATOM, "xml:lang": results.language.tag})
    _put(feed, "id", results.page)
    _put(feed, "title", title)
    _put(feed, "updated", max((hit.published for hit in results.hits), default=now))
    _put(feed, "link", rel="self", type=FORMS["atom"], href=address)
    _put(feed, "link", rel="alternate", type="text/html", href=results.page)
    for hit in results.hits:
        entry = ElementTree.SubElement(feed, "entry")
        _put(entry, "id", hit.id)
        _put(entry, "title", plain_text(hit.title[1]), **{"xml:lang": hit.title[0]})
        _put(entry, "updated", hit.published)
        _put(ElementTree.SubElement(entry, "author"), "name", results.label("node", hit.node))
        _put(entry, "link", rel="alternate", type="text/html", href=results.address(hit))
        _put(entry, "category", term=hit.kind, label=results.label("kind", hit.kind))
        _put(entry, "summary", plain_text(hit.snippet[1]), **{"xml:lang": hit.snippet[0]})
    return bytes(ElementTree.tostring(feed, encoding="utf-8", xml_declaration=True))


def _put(parent: ElementTree.Element, name: str, text: str = "", **attributes: str) -> None:
    """An element with a text, without what XML cannot hold (XML 1.0 section 2.2)."""
    said = {key: _NOT_XML.sub("\N{REPLACEMENT CHARACTER}", value) for key, value in attributes.items() if value}
    ElementTree.SubElement(parent, name, said).text = _NOT_XML.sub("\N{REPLACEMENT CHARACTER}", text) or None
