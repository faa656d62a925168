"""Communities of practice over HTTP: the list of them, the page of one, and the same in one call."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import orjson
from aiohttp import web

from federation.communities import EVENTS, EVERYTHING, LESSONS, Community, Filters
from federation.errors import NotFound
from federation.index.hits import Hit
from federation.index.marking import plain_text
from federation.records.canonical import PC
from federation.records.kinds import Texts, Vocabulary, in_language
from federation.web import asked, notices, pages, records, search, standing
from federation.web.keys import CLOCK, CONFIG, SEARCH, STORE, WORKERS
from federation.web.locale import Language

SHOWN: Final = 10
"""Records of each sort on the page; search gives the others."""
_SHOWN_OF: Final = ("goal", "coordinator", "member")
"""Fields that the page shows, besides those of the scope."""
_SORT: Final = PC + "initiativeKind"


@dataclass(frozen=True, slots=True)
class _Content:
    """What lies inside a community."""

    newest: Sequence[Hit]
    lessons: Sequence[Hit]
    questions: Sequence[Hit]
    events: Sequence[tuple[Hit, str]]

    @property
    def hits(self) -> list[Hit]:
        """Every record, once."""
        every = [*self.newest, *self.lessons, *self.questions, *(hit for hit, _ in self.events)]
        return list({hit.id: hit for hit in every}.values())


async def listing(request: web.Request) -> web.Response:
    """``/communities``: those that have a scope, or are communities by their kind."""
    language = pages.language_of(request)
    vocabulary = request.app[WORKERS].tools.vocabulary
    context = {
        "communities": await asked.communities(request).every(),
        "in_language": in_language,
        "abstract": vocabulary.fields["abstract"].path,
        "sort_of": lambda community: _sort(community, vocabulary, language),
        "region_of": lambda node: request.app[SEARCH].value_label("node", node, language.tag),
        "label_of": request.app[SEARCH].value_label,
    }
    return pages.page(request, "communities.html", context)


async def page(request: web.Request) -> web.Response:
    """``/communities/{slug}`` and ``/communities/{node}/{slug}``."""
    community, language = await _asked_for(request), pages.language_of(request)
    vocabulary, record, kind = request.app[WORKERS].tools.vocabulary, community.record, community.kind
    content = await _content(request, community)
    fields = [each for each in kind.fields if each.name in (*_SHOWN_OF, *kind.scope)]
    names = await records.titles(records.referred_to(record, fields), request.app[STORE], language.tag)
    view = records.View(record, vocabulary, language, names, request)
    lines = [view.line(each, cells) for each in fields if (cells := view.cells(each))]
    title = in_language(record.titles, language.tag)
    path = pages.local(f"/records/{kind.name}/{record.address.slug}", community.node, own=community.own)
    context = {
        "community": community,
        "title": title,
        "shown_in": request.app[SEARCH].value_label("language", title[0], language.tag),
        "abstract": in_language(record.texts(vocabulary.fields["abstract"].path), language.tag),
        "lines": lines,
        "content": content,
        "stand": await _stand(request, content.hits),
        "notices": await notices.of_regions(request, {community.node, *(hit.node for hit in content.hits)}),
        "record_path": path,
        "lessons": _parameters(LESSONS),
        "events": _parameters(EVENTS),
        "sort": _sort(community, vocabulary, language),
        "region_of": lambda node: request.app[SEARCH].value_label("node", node, language.tag),
        "label_of": request.app[SEARCH].value_label,
        "url_of": lambda hit: pages.link(search.url_of(hit), request),
        "plain_text": plain_text,
    }
    return pages.page(request, "community.html", context)


async def api(request: web.Request) -> web.Response:
    """``/api/communities/{slug}``: what the page shows, with items as those of a search."""
    community, language = await _asked_for(request), pages.language_of(request).tag
    record, base = community.record, request.app[CONFIG].base
    content = await _content(request, community)
    stand = await _stand(request, content.hits)
    told = await notices.of_regions(request, {community.node, *(hit.node for hit in content.hits)})

    def items(hits: Sequence[Hit]) -> list[dict[str, Any]]:
        vocabulary = request.app[WORKERS].tools.vocabulary
        return [search.item(hit, base, stand, language, vocabulary) for hit in hits]

    who = {name: [str(value) for value in record.values(PC + name)] for name in ("coordinator", "member")}
    names = await records.titles((iri for some in who.values() for iri in some), request.app[STORE], language)
    people = {name: [_named(iri, names.get(iri), base) for iri in some] for name, some in who.items()}
    document = {
        "id": record.iri,
        "name": community.name,
        "title": _text(record.titles, language),
        "goal": _text(record.texts(PC + "goal"), language),
        "url": f"{base}/communities/{community.name}",
        "scope": {
            facet: [{"value": code, "label": request.app[SEARCH].value_label(facet, code, language)} for code in codes]
            for facet, codes in community.scope.values.items()
        },
        "coordinators": people["coordinator"],
        "members": people["member"],
        "newest": items(content.newest),
        "lessons": items(content.lessons),
        "questions": items(content.questions),
        "events": [{**each, "start": start} for each, (_, start) in zip(
            items([hit for hit, _ in content.events]), content.events, strict=True)],
        "notices": notices.documents(told),
    }  # fmt: skip
    headers = {"Access-Control-Allow-Origin": "*", "Cache-Control": "no-cache"}
    body = orjson.dumps(document)
    return web.Response(body=body, content_type="application/json", charset="utf-8", headers=headers)


async def _asked_for(request: web.Request) -> Community:
    name = "/".join(part for part in (request.match_info.get("node"), request.match_info["slug"]) if part)
    known = asked.communities(request)
    found = await known.find(name)
    if found is None:
        fault = await known.unknown(name)
        raise NotFound(fault.message, remedy=fault.remedy)
    return found


async def _content(request: web.Request, community: Community) -> _Content:
    known, language = asked.communities(request), pages.language_of(request).tag
    today = request.app[CLOCK]().date()
    return _Content(
        *await asyncio.gather(
            known.inside(community, EVERYTHING, SHOWN, language),
            known.inside(community, LESSONS, SHOWN, language),
            known.questions(community, SHOWN, language),
            known.events(community, SHOWN, language, today),
        )
    )


async def _stand(request: web.Request, hits: Sequence[Hit]) -> dict[str, str]:
    vocabulary = request.app[WORKERS].tools.vocabulary
    return await standing.of_hits(request.app[STORE], hits, vocabulary, request.app[CLOCK]().date())


def _sort(community: Community, vocabulary: Vocabulary, language: Language) -> str:
    """What sort of community it is, as precisely as its record says."""
    concept = community.record.one(_SORT)
    return vocabulary.label(str(concept), language.tag) if concept else language.pick(community.kind.labels)


def _parameters(filters: Filters) -> dict[str, str]:
    """Filters of one value each, as links carry them."""
    return {name: value for name, values in filters.items() for value in values}


def _text(texts: Texts, language: str) -> dict[str, str]:
    tag, text = in_language(texts, language)
    return {"lang": tag, "value": text}


def _named(iri: str, name: records.Name | None, base: str) -> dict[str, Any]:
    if name is None:
        return {"id": iri}
    return {"id": iri, "title": {"lang": name.language, "value": name.text}, "url": base + name.path}
