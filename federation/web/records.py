"""Records over HTTP: a page for people, and the same version as JSON-LD with proof, Turtle or N-Quads."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final, NamedTuple

from aiohttp import web

from federation.errors import Gone, NotFound
from federation.index.marking import plain_text
from federation.log.effects import ENDINGS, ERASURE
from federation.records import jsonld
from federation.records.canonical import PC, Literal, Term, nodes_of
from federation.records.kinds import Field, FieldType, Kind, Vocabulary, in_language
from federation.records.record import Record, address_of, assemble, titles_in
from federation.store.peers import REMOVED
from federation.store.rows import Log, StoredEntry
from federation.store.store import Store
from federation.web import accounts, notices, pages, standing
from federation.web.keys import CLOCK, CONFIG, LOG, SEARCH, STORE, WORKERS
from federation.web.locale import Language
from federation.web.negotiate import accepted, choose, is_current
from federation.web.search import url_of

HTML: Final = "text/html"
SUFFIXES: Final = {
    ".jsonld": "application/ld+json",
    ".json": "application/ld+json",
    ".ttl": "text/turtle",
    ".nq": "application/n-quads",
    ".html": HTML,
}
OFFERED: Final = ("application/ld+json", HTML, "text/turtle", "application/n-quads", "application/json")


_LONGEST_URL: Final = 60
SIMILAR: Final = 5
"""Similar records that a page shows."""


@dataclass(frozen=True, slots=True)
class Cell:
    """One value on a page: its text, the language it is in, where it leads, and what it means."""

    text: str
    language: str = ""
    url: str = ""
    help: str = ""
    outside: bool = False


class Name(NamedTuple):
    """What a record is called, where this node shows it, and the language of the name."""

    text: str
    path: str
    language: str


@dataclass(frozen=True, slots=True)
class Line:
    """One field on a page."""

    label: str
    help: str
    cells: tuple[Cell, ...]


@dataclass(frozen=True, slots=True)
class PartTable:
    """The parts of one field, a row each."""

    label: str
    help: str
    headers: tuple[str, ...]
    rows: tuple[tuple[tuple[Cell, ...], ...], ...]


async def own(request: web.Request) -> web.Response:
    return await _record(request, request.app[LOG])


async def of_peer(request: web.Request) -> web.Response:
    name, store = request.match_info["peer"], request.app[STORE]
    named = [log for log in await store.logs() if log.name == name and not log.own]
    if not named:
        raise NotFound(f"This node has no peer {name[:60]!r}.", remedy="See /network for its peers.")
    path = f"/records/{request.match_info['kind']}/{_suffix(request.match_info['slug'])[0]}"
    if len(named) > 1:
        # A region that has moved to another address has two logs: what both have is shown from the one it is at now.
        states = await store.peers.states_lately()
        left = {id_ for id_, each in states.items() if each.state == REMOVED}
        held = [log for log in named if await store.current(log.base + path, log.id)]
        named = sorted(held or named, key=lambda log: log.id in left)
    return await _record(request, named[0])


async def _record(request: web.Request, log: Log) -> web.Response:
    slug, wanted = _suffix(request.match_info["slug"])
    form = wanted or choose(accepted(request), OFFERED)
    iri = f"{log.base}/records/{request.match_info['kind']}/{slug}"
    entry = await request.app[STORE].current(iri, log.id)
    if entry is None:
        raise NotFound(f"There is no record {iri}.", remedy="Try the search; the record may have another name.")
    if entry.kind in ENDINGS:
        return await _gone(request, entry, log, page=form == HTML)
    if form == HTML:
        return await _page(request, entry, log)
    vocabulary = request.app[WORKERS].tools.vocabulary
    body, media_type = await asyncio.to_thread(_data, entry, form, vocabulary)
    headers = {
        "Content-Type": f"{media_type}; charset=utf-8",
        "Access-Control-Allow-Origin": "*",
        "ETag": f'"{log.id}-{entry.position}-{media_type.rpartition("/")[2]}"',
        "Vary": "Accept",
        "Cache-Control": "no-cache",
        "Link": f'<{iri}>; rel="canonical", <{log.base}/log/{entry.position}>; rel="memento"',
    }
    if is_current(request.headers.get("If-None-Match", ""), headers["ETag"]):
        return web.Response(status=304, headers=headers)
    return web.Response(body=body, headers=headers)


def _suffix(slug: str) -> tuple[str, str]:
    for suffix, media_type in SUFFIXES.items():
        if slug.endswith(suffix):
            return slug.removesuffix(suffix), media_type
    return slug, ""


def _data(entry: StoredEntry, form: str, vocabulary: Vocabulary) -> tuple[bytes, str]:
    if form == "text/turtle":
        return jsonld.turtle(entry.signed.body), form
    if form == "application/n-quads":
        # The very bytes that were signed.
        return entry.signed.body.encode(), form
    return jsonld.dumps(jsonld.signed_view(entry.signed, vocabulary)).encode(), form


def _read(entry: StoredEntry, vocabulary: Vocabulary) -> tuple[Record, Kind | None]:
    """In a thread: a large record takes a tenth of a second."""
    return assemble(nodes_of(entry.signed.body), vocabulary)


# The page


async def _page(request: web.Request, entry: StoredEntry, log: Log) -> web.Response:
    vocabulary = request.app[WORKERS].tools.vocabulary
    language = pages.language_of(request)
    record, kind = await asyncio.to_thread(_read, entry, vocabulary)
    if kind is None:
        raise NotFound("This node does not know this kind of record yet.")
    names = await titles(referred_to(record, kind.fields), request.app[STORE], language.tag)
    view = View(record, vocabulary, language, names, request)
    title_language, title = in_language(record.titles, language.tag)
    abstract = in_language(record.texts(vocabulary.fields["abstract"].path), language.tag)
    state = None if log.own else (await request.app[STORE].peers.states()).get(log.id)
    context = {
        "record": record,
        "kind": kind,
        "kind_label": in_language(kind.labels, language.tag)[1],
        "title": title or record.address.slug,
        "title_language": title_language,
        "shown_in": request.app[SEARCH].value_label("language", title_language, language.tag),
        "abstract": abstract,
        "others": _other_languages(record, title_language),
        "groups": view.groups(kind),
        "parts": view.parts(kind),
        "entry": entry,
        "log": log,
        "state": state,
        "received": await request.app[STORE].received(log.id, entry.position),
        "notices": [] if log.own else await notices.of_regions(request, [log.name]),
        "data_path": _local_path(record.iri, log),
        "community": (record.address.slug if log.own else f"{log.name}/{record.address.slug}") if kind.scope else "",
        "published_by": language.pick(request.app[CONFIG].region(log.name)),
        "similar": await request.app[SEARCH].similar(record.iri, SIMILAR, language.tag),
        "region_of": lambda node: request.app[SEARCH].value_label("node", node, language.tag),
        **await _standing(request, record, language),
        **await _restricted(request, record, kind, language, own=log.own),
    }
    response = pages.page(request, "record.html", context)
    if context["person"]:
        response.headers["Cache-Control"] = "private, no-store"
    return response


async def _gone(request: web.Request, entry: StoredEntry, log: Log, *, page: bool) -> web.Response:
    """The tombstone of a record: who ended it, when and why (RFC 9110 section 15.5.11)."""
    vocabulary, language = request.app[WORKERS].tools.vocabulary, pages.language_of(request)
    record, _ = await asyncio.to_thread(_read, entry, vocabulary)
    reason_language, reason = in_language(record.texts(PC + "reason"), language.tag)
    by = language.pick(request.app[CONFIG].region(log.name))
    if page:
        context = {"record": record, "entry": entry, "by": by, "reason": reason, "reason_language": reason_language}
        return pages.page(request, "gone.html", context, status=410)
    how = "erased" if entry.kind == ERASURE else "withdrawn"
    raise Gone(f"{record.iri} was {how} by {by} at {entry.published}: {reason}")


async def _restricted(
    request: web.Request, record: Record, kind: Kind, language: Language, *, own: bool
) -> dict[str, object]:
    """What only people of the home node see of a record, if it is ours and they have logged in."""
    person = await accounts.person(request) if own and kind.restricted else ""
    texts = await request.app[STORE].in_house.texts(record.iri) if person else {}
    lines = []
    for each in kind.restricted:
        tag, text = in_language({tag: text for (name, tag), text in texts.items() if name == each.name}, language.tag)
        if text:
            lines.append(Line(language.pick(each.labels), language.pick(each.help), (Cell(text, tag),)))
    return {"person": person, "restricted": lines}


async def _standing(request: web.Request, record: Record, language: Language) -> dict[str, object]:
    """How things stand with a record, what refers to it, and what that adds up to."""
    vocabulary, store = request.app[WORKERS].tools.vocabulary, request.app[STORE]
    today = request.app[CLOCK]().date()
    found = (await standing.standings(store, {record.iri: record}, vocabulary, today)).get(record.iri)
    counted = [each.pilot for each in found.counted] if found is not None else []
    references = await standing.references(request.app[SEARCH], record, language, vocabulary)
    refer = [hit for each in references for hit in each.hits]
    stand, sums = await standing.summary(store, refer, language, vocabulary, today)
    return {
        "standing": found,
        "counted_names": await titles(counted, store, language.tag),
        "references": references,
        "stand": stand,
        "sums": sums,
        "number_range": standing.number_range,
        "url_of": lambda hit: pages.link(url_of(hit), request),
        "plain_text": plain_text,
    }


def _local_path(iri: str, log: Log) -> str:
    return pages.local(iri.removeprefix(log.base), log.name, own=log.own)


def _other_languages(record: Record, shown: str) -> list[tuple[str, str]]:
    return [(tag, text) for tag, text in sorted(record.titles.items()) if tag != shown]


def referred_to(record: Record, fields: Iterable[Field]) -> list[str]:
    """The IRIs of the records that some fields refer to."""
    chosen = [each for each in fields if each.type is FieldType.RECORD]
    return [str(value) for each in chosen for value in record.values(each.path)]


async def titles(iris: Iterable[str], store: Store, language: str) -> dict[str, Name]:
    """What the records this node holds are called, by IRI."""
    found: dict[str, Name] = {}
    wanted = list(dict.fromkeys(iris))
    if not wanted:
        return found
    for log in await store.logs():
        mine = [iri for iri in wanted if (address := address_of(iri)) and address.base == log.base]
        for iri, entry in (await store.currents(mine, log.id)).items():
            if entry.kind in ENDINGS:
                continue
            tag, text = in_language(titles_in(entry.signed.body, iri), language)
            found[iri] = Name(text or iri, _local_path(iri, log), tag)
    return found


def _short(url: str) -> str:
    """An address as people read it: without its scheme, and no longer than a line."""
    bare = url.split("://", 1)[-1].removeprefix("www.").rstrip("/")
    return bare if len(bare) <= _LONGEST_URL else bare[: _LONGEST_URL - 1] + "…"


class View:
    """Turns one record into lines and tables in one language."""

    def __init__(
        self,
        record: Record,
        vocabulary: Vocabulary,
        language: Language,
        names: Mapping[str, Name],
        request: web.Request,
    ) -> None:
        self.record = record
        self.vocabulary = vocabulary
        self.language = language
        self.names = names
        self.request = request

    def groups(self, kind: Kind) -> list[tuple[str, list[Line]]]:
        """The filled fields by group, in the order of the shapes; title and summary stand apart."""
        shown = [each for each in kind.fields if each.name not in ("title", "abstract")]
        by_group: dict[str, list[Line]] = {}
        for each in shown:
            if each.type is not FieldType.PART:
                cells = self.cells(each)
                if cells:
                    by_group.setdefault(each.group, []).append(self.line(each, cells))
        order = self.vocabulary.groups
        ranked = sorted(by_group, key=lambda group: order.get(group, (99.0, {}))[0])
        return [(self.language.pick(order[group][1]) if group in order else "", by_group[group]) for group in ranked]

    def line(self, each: Field, cells: tuple[Cell, ...]) -> Line:
        return Line(self.language.pick(each.labels), self.language.pick(each.help), cells)

    def parts(self, kind: Kind) -> list[PartTable]:
        tables = []
        for each in kind.fields:
            nodes = sorted(str(value) for value in self.record.values(each.path))
            if each.type is FieldType.PART and nodes:
                tables.append(self.table(each, nodes))
        return tables

    def table(self, each: Field, nodes: list[str]) -> PartTable:
        part = self.vocabulary.parts[each.part]
        used = [f for f in part.fields if any(self.cells(f, node) for node in nodes)]
        rows = tuple(tuple(self.cells(field, node) for field in used) for node in nodes)
        headers = tuple(self.language.pick(field.labels) for field in used)
        return PartTable(self.language.pick(each.labels), self.language.pick(each.help), headers, rows)

    def cells(self, each: Field, node: str = "") -> tuple[Cell, ...]:
        if each.several:
            texts = self.record.texts_of(each.path, node)
            tags = sorted(texts, key=lambda tag: (tag != self.language.tag, tag))
            return tuple(Cell(text, tag) for tag in tags for text in sorted(texts[tag]))
        if each.type is FieldType.TEXT:
            tag, text = in_language(self.record.texts(each.path, node), self.language.tag)
            return (Cell(text, tag),) if text else ()
        return tuple(self.cell(each, value) for value in self.record.values(each.path, node))

    def cell(self, each: Field, value: Term) -> Cell:
        if isinstance(value, Literal):
            return Cell(self.literal(each, value.value))
        if each.type is FieldType.CONCEPT:
            return self.concept(value)
        if each.type is FieldType.RECORD:
            if value in self.names:
                name = self.names[value]
                return Cell(name.text, name.language, pages.link(name.path, self.request))
            return Cell(value, url=pages.safe_url(value), outside=True)
        if each.code_space:
            return self.code(each, value)
        return Cell(_short(value), url=pages.safe_url(value), help=value, outside=True)

    def code(self, each: Field, value: str) -> Cell:
        """A code of somebody else's list, with its name there or that of the group it belongs to."""
        short = value.removeprefix(each.code_space)
        concept = self.vocabulary.code_named(value, each)
        if concept is None:
            # CC_BY_4_0 is CC BY 4.0.
            plain = re.sub(r"(?<=[0-9])_(?=[0-9])", ".", short).replace("_", " ")
            return Cell(plain, url=pages.safe_url(value), help=value, outside=True)
        name = self.language.pick(concept.labels)
        versions = f"{concept.scheme.rsplit('/', 1)[-1].upper()} {', '.join(concept.versions)}"
        return Cell(f"{name} ({short})", url=pages.safe_url(value), help=versions if concept.versions else value)

    def concept(self, iri: str) -> Cell:
        concept = self.vocabulary.concepts.get(iri)
        if concept is None:
            return Cell(iri)
        facet = self.vocabulary.schemes[concept.scheme].facet
        url = pages.link("/search", self.request, **{facet: concept.code}) if facet else ""
        return Cell(self.language.pick(concept.labels), url=url, help=self.language.pick(concept.definition))

    def literal(self, each: Field, value: str) -> str:
        if each.type is FieldType.DATE:
            return self.language.partial_date(value)
        if each.type is FieldType.DATETIME:
            return self.language.moment(value)
        if each.type in (FieldType.INTEGER, FieldType.DECIMAL):
            return self.language.number(value)
        return value
