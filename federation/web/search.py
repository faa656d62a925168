"""Search over HTTP: the page and ``/api/search``, both from the same answer."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import orjson
from aiohttp import web

from federation.index.facets import FacetValue
from federation.index.hits import Hit
from federation.index.marking import marked_html, plain_text
from federation.records.kinds import Vocabulary, in_language
from federation.search import MAX_LIMIT, MAX_OFFSET, Found
from federation.web import asked as parameters
from federation.web import notices, pages, standing
from federation.web.asked import PAGE_SIZE, Asked
from federation.web.keys import CLOCK, CONFIG, SEARCH, STORE, WORKERS

SHOWN: Final = 8
"""Values of a facet shown at first; the rest unfold."""
FEW: Final = 16
"""Values of a facet that are not folded away below those they lie in."""
QUICK: Final = (("results", "measured"), ("kind", "lesson"))
"""Values of facets that can be chosen above the results, each alone in its facet."""
TAKEN: Final = {"csv": "CSV", "xlsx": "Excel", "json": "JSON", "jsonld": "JSON-LD", "ttl": "Turtle"}
"""Forms in which results can be taken away, beside a feed; see ``results``."""


def url_of(hit: Hit) -> str:
    """Where this node shows a record, its own or a peer's."""
    return pages.local(f"/records/{hit.kind}/{hit.slug}", hit.node, own=hit.own)


async def api(request: web.Request) -> web.Response:
    """``/api/search``: see design section 10 for the shape of the answer."""
    return await answer(request, usual=PAGE_SIZE, most=MAX_LIMIT)


async def answer(request: web.Request, *, usual: int, most: int) -> web.Response:
    """The answer for programs: ``usual`` hits unless a request says how many, up to ``most``."""
    asked, wanted = await parameters.read_strictly(request, usual=usual, most=most)
    found, told = await asyncio.gather(request.app[SEARCH].search(wanted), notices.of_all(request))
    stand = await _stand(request, found)
    headers = {"Access-Control-Allow-Origin": "*", "Cache-Control": "no-cache"}
    vocabulary = request.app[WORKERS].tools.vocabulary
    found = replace(found, facets=asked.shown(found.facets))
    document = _document(found, request.app[CONFIG].base, stand, wanted.language, vocabulary)
    told = notices.of_results(told, found, wanted.filters.get("node", ()))
    body = orjson.dumps({**document, "notices": notices.documents(told)})
    return web.Response(body=body, content_type="application/json", charset="utf-8", headers=headers)


async def _stand(request: web.Request, found: Found) -> dict[str, str]:
    vocabulary = request.app[WORKERS].tools.vocabulary
    return await standing.of_hits(request.app[STORE], found.hits, vocabulary, request.app[CLOCK]().date())


def _document(
    found: Found, base: str, stand: Mapping[str, str], language: str, vocabulary: Vocabulary
) -> Mapping[str, Any]:
    return {
        "total": found.total,
        "exact": found.exact,
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
    headers = {"Access-Control-Allow-Origin": "*", "Cache-Control": "public, max-age=60", "Vary": "Accept-Language"}
    return web.json_response({"items": [{"text": each.text, "kind": each.kind} for each in found]}, headers=headers)


@dataclass(frozen=True, slots=True)
class Quick:
    """A choice above the results: whether it is made, how many records it leaves, and what its form sends besides."""

    name: str
    value: str
    pressed: bool
    count: int
    others: Sequence[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Listed:
    """A value of a facet with those that lie in it."""

    value: FacetValue
    below: list[Listed]

    @property
    def unfolded(self) -> bool:
        """Whether somebody chose it or something in it."""
        return self.value.selected or any(each.unfolded for each in self.below)


def in_tree(values: Sequence[FacetValue]) -> list[Listed]:
    """The values of a facet as the tree that their depths say."""
    root: list[Listed] = []
    path: list[Listed] = []
    for each in values:
        del path[each.depth :]
        listed = Listed(each, [])
        (path[-1].below if path else root).append(listed)
        path.append(listed)
    return root


async def page(request: web.Request) -> web.Response:
    """The search page, which is also the home page."""
    current = min(pages.number(request), MAX_OFFSET // PAGE_SIZE)
    asked = await parameters.read(request)
    day = parameters.today(request)
    wanted = replace(asked.request(day, offset=(current - 1) * PAGE_SIZE), open_from=day)
    found, told = await asyncio.gather(request.app[SEARCH].search(wanted), notices.of_all(request))
    last = max(1, -(-found.total // PAGE_SIZE))
    if current > last:
        # The end of a list is a better answer than nothing at all.
        current, wanted = last, replace(wanted, offset=(last - 1) * PAGE_SIZE)
        found = await request.app[SEARCH].search(wanted)
    facets = asked.shown(found.facets)
    mixed = _is_mixed(asked, found.hits)
    context = {
        "asked": asked,
        "in_language": in_language,
        "leave": pages.here(request, community=None, page=None),
        "found": found,
        "facets": facets,
        "typed": {name: request.query.get(name, "")[:20] for name in ("from", "to")},
        "quick": [each for each in _quick(asked, facets, found.open) if found.total or each.pressed],
        "mixed": mixed,
        "groups": _groups(asked, found.hits) if mixed and not asked.ranked else [("", found.hits)],
        "stand": await _stand(request, found),
        "notices": notices.of_results(told, found, asked.filters.get("node", ())),
        "page_number": current,
        "last_page": last,
        "first": wanted.offset + 1 if found.hits else 0,
        "final": wanted.offset + len(found.hits),
        "url_of": lambda hit: pages.link(url_of(hit), request),
        "in_tree": in_tree,
        "toggled": asked.toggles(),
        "taken": TAKEN,
        "most_taken": parameters.MOST_TAKEN,
        "shown": SHOWN,
        "few": FEW,
        "label_of": request.app[SEARCH].value_label,
        "facet_title": parameters.facet_title,
    }
    return pages.page(request, "search.html", context)


def _quick(asked: Asked, facets: Mapping[str, Sequence[FacetValue]], still_open: int) -> Iterator[Quick]:
    for name, value in QUICK:
        count = sum(each.count for each in facets.get(name, ()) if each.value == value)
        yield Quick(name, value, asked.filters.get(name) == (value,), count, asked.pairs(name, "lang"))
    yield Quick("open", "true", asked.open, still_open, asked.pairs("open", "lang"))


def _is_mixed(asked: Asked, hits: Sequence[Hit]) -> bool:
    """Whether somebody who looks for words finds some in their own language, or by name, and some otherwise."""
    if not asked.text.strip() or asked.filters.get("language"):
        return False
    return len(_groups(asked, hits)) > 1


def _groups(asked: Asked, hits: Sequence[Hit]) -> list[tuple[str, list[Hit]]]:
    """What is called by name or refers to that; then hits in the reader's language and others, as they are ranked.

    The group of the best hit comes first: its own language is no reason to show somebody what is hardly an answer.
    """
    groups: dict[str, list[Hit]] = {"called": []}
    for hit in hits:
        own = "own" if asked.language.tag in hit.languages else "other"
        groups.setdefault("called" if hit.called else own, []).append(hit)
    return [(name, some) for name, some in groups.items() if some]
