"""Search over HTTP: the page and ``/api/search``, both from the same answer."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlencode

import orjson
from aiohttp import web

from federation.communities import Communities, Community
from federation.errors import Fault, InvalidRequest
from federation.index.explanation import marked_html, plain_text
from federation.records.kinds import Vocabulary, in_language
from federation.records.values import suggestion
from federation.search import MAX_LIMIT, MAX_OFFSET, Found, Hit, Request
from federation.web import notices, pages, standing
from federation.web.keys import CLOCK, CONFIG, SEARCH, STORE, WORKERS

PAGE_SIZE: Final = 20
SHOWN: Final = 8
"""Values of a facet shown at first; the rest unfold."""
_LONGEST_NAME: Final = 200
_OWN: Final = ("q", "lang", "limit", "offset", "community", "page")


def url_of(hit: Hit) -> str:
    """Where this node shows a record, its own or a peer's."""
    path = f"/records/{hit.kind}/{hit.slug}"
    return path if hit.own else f"/peers/{hit.node}{path}"


def _filters(request: web.Request) -> dict[str, tuple[str, ...]]:
    found: dict[str, tuple[str, ...]] = {}
    for name in request.app[SEARCH].facets:
        values = tuple(dict.fromkeys(value[:200] for value in request.query.getall(name, []) if value))
        if values:
            found[name] = values[:50]
    return found


def communities(request: web.Request) -> Communities:
    """The communities this node knows."""
    return Communities(request.app[STORE], request.app[SEARCH], request.app[WORKERS].tools.vocabulary)


async def api(request: web.Request) -> web.Response:
    """``/api/search``: see design section 10 for the shape of the answer."""
    wanted = await _api_request(request)
    found, told = await asyncio.gather(request.app[SEARCH].search(wanted), notices.of_all(request))
    stand = await _stand(request, found)
    headers = {"Access-Control-Allow-Origin": "*", "Cache-Control": "no-cache"}
    vocabulary = request.app[WORKERS].tools.vocabulary
    document = _document(found, request.app[CONFIG].base, stand, wanted.language, vocabulary)
    told = notices.of_results(told, found, wanted.filters.get("node", ()))
    body = orjson.dumps({**document, "notices": notices.documents(told)})
    return web.Response(body=body, content_type="application/json", charset="utf-8", headers=headers)


async def _api_request(request: web.Request) -> Request:
    known = [*_OWN[:-1], *request.app[SEARCH].facets]
    faults = []
    for name in request.query:
        if name not in known:
            hint = suggestion(name, known, f"Known ones are {', '.join(known)}.")
            faults.append(Fault(f"There is no parameter {name[:60]!r}.", hint, field=name[:60]))
    limit = _number(request, "limit", PAGE_SIZE, MAX_LIMIT, faults)
    offset = _number(request, "offset", 0, MAX_OFFSET, faults)
    name = request.query.get("community", "")
    community = await communities(request).find(name) if name else None
    if name and community is None:
        faults.append(await communities(request).unknown(name))
    if faults:
        raise InvalidRequest("The search cannot be understood.", faults=faults)
    language, scope = pages.language_of(request).tag, community.scope if community is not None else None
    text, filters = request.query.get("q", ""), _filters(request)
    return Request(text, language, filters, limit=limit, offset=offset, scope=scope)


def _number(request: web.Request, name: str, default: int, most: int, faults: list[Fault]) -> int:
    text = request.query.get(name, "")
    if not text:
        return default
    if text.isascii() and text.isdecimal() and len(text) < 9 and int(text) <= most:
        return int(text)
    faults.append(Fault(f"{text[:40]!r} is not a number from 0 to {most}.", field=name))
    return default


async def _stand(request: web.Request, found: Found) -> dict[str, str]:
    vocabulary = request.app[WORKERS].tools.vocabulary
    return await standing.of_hits(request.app[STORE], found.hits, vocabulary, request.app[CLOCK]().date())


def _document(
    found: Found, base: str, stand: Mapping[str, str], language: str, vocabulary: Vocabulary
) -> Mapping[str, Any]:
    return {
        "total": found.total,
        "items": [item(hit, base, stand, language, vocabulary) for hit in found.hits],
        "facets": {
            name: [
                {"value": v.value, "label": v.label, "count": v.count, **({"depth": v.depth} if v.depth else {})}
                for v in values
            ]
            for name, values in found.facets.items()
        },
        "suggestion": found.suggestion,
        "took_ms": found.took_ms,
    }


def item(hit: Hit, base: str, stand: Mapping[str, str], language: str, vocabulary: Vocabulary) -> dict[str, Any]:
    """One record found, as programs get it; ``stand`` says how things stand with those of which that is told."""
    document = {
        "id": hit.id,
        "kind": hit.kind,
        "node": hit.node,
        "title": {"lang": hit.title[0], "value": plain_text(hit.title[1])},
        "snippet": {"lang": hit.snippet[0], "html": marked_html(hit.snippet[1])},
        "score": hit.score,
        "because": [each.as_dict() for each in hit.because],
        "url": base + url_of(hit),
    }
    if hit.id in stand:
        document["standing"] = {"concept": stand[hit.id], "label": vocabulary.label(stand[hit.id], language)}
    return document


async def complete(request: web.Request) -> web.Response:
    """``/api/complete?q=&lang=``: what the beginning of a query may become."""
    language = pages.language_of(request).tag
    found = await request.app[SEARCH].complete(request.query.get("q", ""), language)
    headers = {"Access-Control-Allow-Origin": "*", "Cache-Control": "public, max-age=60"}
    return web.json_response({"items": [{"text": each.text, "kind": each.kind} for each in found]}, headers=headers)


async def page(request: web.Request) -> web.Response:
    """The search page, which is also the home page."""
    text = request.query.get("q", "")
    number = request.query.get("page", "1")
    current = int(number) if number.isascii() and number.isdecimal() and len(number) < 6 else 1
    current = min(max(current, 1), MAX_OFFSET // PAGE_SIZE)
    filters = _filters(request)
    language = pages.language_of(request)
    inside = await _chosen_community(request)
    scope, offset = inside.community.scope if inside.community else None, (current - 1) * PAGE_SIZE
    wanted = Request(text, language.tag, filters, limit=PAGE_SIZE, offset=offset, scope=scope)
    found, told = await asyncio.gather(request.app[SEARCH].search(wanted), notices.of_all(request))
    last = max(1, -(-found.total // PAGE_SIZE))
    context = {
        "text": text,
        "filters": filters,
        "inside": inside,
        "in_language": in_language,
        "leave": pages.here(request, community=None, page=None),
        "found": found,
        "stand": await _stand(request, found),
        "notices": notices.of_results(told, found, filters.get("node", ())),
        "page_number": current,
        "last_page": last,
        "first": wanted.offset + 1 if found.hits else 0,
        "final": wanted.offset + len(found.hits),
        "url_of": lambda hit: pages.link(url_of(hit), request),
        "shown": SHOWN,
        "label_of": request.app[SEARCH].value_label,
        "toggle": lambda name, value: _toggled(request, name, value),
    }
    return pages.page(request, "search.html", context)


@dataclass(frozen=True, slots=True)
class _Inside:
    """The community that somebody searches in: as it was asked for, and none where this node does not know it."""

    asked: str = ""
    community: Community | None = None
    near: tuple[str, ...] = ()
    """Names of communities that are perhaps meant."""

    @property
    def kept(self) -> dict[str, str]:
        """What links within the community carry."""
        return {"community": self.community.name} if self.community else {}


async def _chosen_community(request: web.Request) -> _Inside:
    name = request.query.get("community", "")[:_LONGEST_NAME]
    if not name:
        return _Inside()
    known = communities(request)
    found = await known.find(name)
    return _Inside(name, found, () if found else await known.near(name))


def _toggled(request: web.Request, name: str, value: str) -> str:
    """The address of this search with one facet value chosen, or no longer chosen."""
    known = {"q", "lang", "community", *request.app[SEARCH].facets}
    pairs = [(key, text) for key, text in request.query.items() if key in known]
    if (name, value) in pairs:
        pairs = [pair for pair in pairs if pair != (name, value)]
    else:
        pairs.append((name, value))
    return f"/search?{urlencode(pairs)}" if pairs else "/search"
