"""What a search over HTTP asks for: its parameters as they are read, what is wrong with them, and where to go from it.

A program is told every fault and gets no answer; on the page what is wrong is left aside, and the page says so.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from itertools import islice
from typing import Final
from urllib.parse import urlencode

from aiohttp import web

from federation.communities import Communities, Community
from federation.errors import Fault, InvalidRequest
from federation.index.documents import NODE_FACET
from federation.index.facets import FacetValue
from federation.index.reading import MAX_TEXT
from federation.index.reading import Asked as Syntax
from federation.records.kinds import Vocabulary
from federation.records.values import nearest
from federation.records.years import FIRST, LAST, YEAR, Years, year_of
from federation.search import MAX_OFFSET, Request
from federation.web import pages
from federation.web.keys import CLOCK, LOCALES, SEARCH, STORE, WORKERS
from federation.web.locale import Language

PAGE_SIZE: Final = 20
TEXTS: Final = {
    "year": "“{value}” is not a year from {first} to {last}. Write it with four digits, such as 2021.",
    "years": "There is no year from {first} to {last}. Exchange the two, or leave one out.",
    "parameter": "There is no parameter “{value}”. Perhaps you mean: {near}.",
    "value": "“{value}” is no value of “{facet}”. Perhaps you mean: {near}.",
    "no-value": "“{value}” is no value of “{facet}”. A search without it lists those there are.",
    "values": "With {value} values of “{facet}” there are too many at once. Choose {most} at most in all, or none.",
    "number": "“{value}” is not a number from 0 to {most}. Write one in digits, or leave it out.",
    "community": "There is no community “{value}” on this node. Perhaps you mean: {near}.",
    "no-community": "There is no community “{value}” on this node. The page /communities lists those there are.",
    "language": "“{value}” is no language of this node. Write one of: {near}.",
    "twice": "“{value}” is given more than once. Give it once.",
    "open": "“{value}” is neither “true” nor “false”. Write open=true for open opportunities, or leave it out.",
}
"""What may be wrong with a parameter, and what to do about it."""
TITLES: Final = {"kind": "Kind", "node": "Region", "language": "Language", "year": "Year"}
"""The names of facets that no code list names."""
_OF_API: Final = ("q", "lang", "limit", "offset", "community", "from", "to", "open")
MOST_TAKEN: Final = 500
"""Records that can be taken away at once."""
_LONGEST: Final = 200
"""Characters of a name or value that are looked at."""
_SHOWN: Final = 40
"""Characters of a wrong value that are repeated."""
_VALUES: Final = 50
"""Values of facets that can be chosen at once, of all together."""
_LISTED: Final = 40
"""Known words that are listed where none is near."""
_RANKED: Final = "rank"


@dataclass(frozen=True, slots=True)
class Inside:
    """The community that somebody searches in: as it was asked for, and none where this node does not know it."""

    asked: str = ""
    community: Community | None = None
    near: tuple[str, ...] = ()
    """Names of communities that are perhaps meant."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A search as its parameters say it; ``faults`` are those of the parameters that were left aside."""

    text: str
    language: Language
    by_hand: str
    """The language as it was chosen by hand."""
    filters: Mapping[str, tuple[str, ...]]
    years: Years
    open: bool
    """Only what can still be taken part in."""
    ranked: bool
    """One list by rank, where the page would show groups."""
    inside: Inside
    above: Callable[[str, str], Iterable[str]]
    """The values of a facet that one lies in."""
    cut: bool = False
    """Whether more was typed than is read."""
    faults: tuple[Fault, ...] = ()

    @property
    def anything(self) -> bool:
        """Whether anything was asked for at all."""
        return bool(self.text or self.filters or self.years or self.open or self.inside.asked)

    @property
    def plain(self) -> str:
        """Its words without quotes, and with nothing left out; empty where they say no more than the text."""
        read = Syntax.read(self.text)
        return " ".join(read.text.split()) if read.phrases or read.leaves_out else ""

    @property
    def choices(self) -> int:
        """How many choices narrow the search down, besides its words and the community."""
        return sum(map(len, self.filters.values())) + bool(self.years) + self.open

    def request(self, today: date, *, limit: int = PAGE_SIZE, offset: int = 0) -> Request:
        """The search for the index."""
        community = self.inside.community
        return Request(
            self.text,
            self.language.tag,
            self.years.narrow(self.filters),
            limit=limit,
            offset=offset,
            scope=community.scope if community else None,
            open_on=today if self.open else None,
        )

    def shown(self, facets: Mapping[str, tuple[FacetValue, ...]]) -> dict[str, tuple[FacetValue, ...]]:
        """Facets as they answer what was asked: of the years only those within the range, and chosen ones."""
        found = dict(facets)
        if self.years and YEAR in found:
            chosen = self.filters.get(YEAR, ())
            counts = {each.value: each.count for each in found[YEAR] if each.count and each.value in self.years}
            years = sorted({*counts, *chosen}, reverse=True)
            found[YEAR] = tuple(FacetValue(each, each, counts.get(each, 0), each in chosen) for each in years)
        return found

    # Where to go from here

    def pairs(self, *without: str) -> list[tuple[str, str]]:
        """The parameters that say this search again, but for some."""
        return [(name, value) for name, value in self._pairs() if value and name not in without]

    def _pairs(self) -> Iterator[tuple[str, str]]:
        yield "q", self.text
        yield "lang", self.by_hand
        yield "community", self.inside.community.name if self.inside.community else ""
        yield from ((name, value) for name, values in self.filters.items() for value in values)
        yield "from", str(self.years.first or "")
        yield "to", str(self.years.last or "")
        yield "open", "true" if self.open else ""
        yield "order", _RANKED if self.ranked else ""

    def address(self, *without: str, **other: str) -> str:
        """The address of this search without some parameters and with others."""
        pairs = [*self.pairs(*without, *other), *other.items()]
        return f"/search?{urlencode(pairs)}" if pairs else "/search"

    def taken(self, form: str) -> str:
        """The address of this search in another form, in the language it is read in."""
        return f"/search.{form}?{urlencode([*self.pairs('lang', 'order'), ('lang', self.language.tag)])}"

    def toggles(self) -> Callable[[str, str], str]:
        """Gives the address of this search with one facet value chosen, or no longer chosen.

        It takes the place of chosen values that it lies in or that lie in it: beside a country its region adds nothing.
        A page has hundreds of these addresses, each with all that is chosen: what they share is written once.
        """
        chosen = {pair: urlencode([pair]) for pair in self.pairs()}
        whole = "&".join(chosen.values())
        over = {
            (name, value): frozenset(self.above(name, value)) for name, some in self.filters.items() for value in some
        }

        def toggled(name: str, value: str) -> str:
            pair, out = (name, value), {(name, value)}
            if pair not in chosen and name in self.filters:
                out |= {(name, each) for each in self.above(name, value)}
                out |= {one for one, above in over.items() if one[0] == name and value in above}
            kept = "&".join(text for one, text in chosen.items() if one not in out) if out & chosen.keys() else whole
            said = "&".join(filter(None, (kept, "" if pair in chosen else urlencode([pair]))))
            return f"/search?{said}" if said else "/search"

        return toggled


async def read(request: web.Request) -> Asked:
    """What a request asks for; wrong parameters are left aside and named in ``faults``."""
    query, language = request.query, pages.language_of(request)
    text, faults = query.get("q", ""), list[Fault]()
    for name in (name for name in _OF_API if len(query.getall(name, ())) > 1):
        faults.append(_fault(request, "twice", name, value=name))
    locales = request.app[LOCALES]
    by_hand = query.get("lang", "")
    if by_hand and not locales.offered(by_hand):
        faults.append(_fault(request, "language", "lang", value=by_hand, near=", ".join(locales.languages)))
        by_hand = ""
    years = Years(*(_year(request, name, faults) for name in ("from", "to")))
    if years.backwards:
        faults.append(_fault(request, "years", "to", first=str(years.first), last=str(years.last)))
        years = Years()
    if query.get("open", "") not in ("", "true", "false"):
        faults.append(_fault(request, "open", "open", value=query["open"]))
    return Asked(
        text=text[:MAX_TEXT],
        cut=len(text) > MAX_TEXT,
        language=language,
        by_hand=by_hand,
        filters=await _filters(request, faults),
        years=years,
        open=query.get("open") == "true",
        ranked=query.get("order") == _RANKED,
        inside=await _inside(request),
        above=request.app[SEARCH].above,
        faults=tuple(faults),
    )


async def read_strictly(request: web.Request, *, usual: int, most: int) -> tuple[Asked, Request]:
    """What a program asks for: ``usual`` hits unless it says how many, up to ``most``.

    Raises InvalidRequest, naming every fault at once.
    """
    asked = await read(request)
    faults: list[Fault] = []
    known = [*_OF_API, *request.app[SEARCH].facets]
    for name in islice((name for name in request.query if name not in known), _LISTED):
        faults.append(_fault(request, "parameter", name[:_SHOWN], value=name, near=_near(name, known)))
    faults += asked.faults
    limit = _number(request, "limit", usual, most, faults)
    offset = _number(request, "offset", 0, MAX_OFFSET, faults)
    if asked.inside.asked and asked.inside.community is None:
        near = ", ".join(asked.inside.near)
        text = "community" if near else "no-community"
        faults.append(_fault(request, text, "community", value=asked.inside.asked, near=near))
    if faults:
        raise InvalidRequest("The search cannot be understood.", faults=faults)
    return asked, asked.request(today(request), limit=limit, offset=offset)


def today(request: web.Request) -> date:
    """The day of a request."""
    return request.app[CLOCK]().date()


def communities(request: web.Request) -> Communities:
    """The communities this node knows."""
    return Communities(request.app[STORE], request.app[SEARCH], request.app[WORKERS].tools.vocabulary)


async def _filters(request: web.Request, faults: list[Fault]) -> dict[str, tuple[str, ...]]:
    if request.query.keys().isdisjoint(request.app[SEARCH].facets):
        return {}
    nodes = {log.name for log in await request.app[STORE].logs()} if NODE_FACET in request.query else set[str]()
    return await asyncio.to_thread(_chosen, request, nodes, faults)  # it may ask the index


def _chosen(request: web.Request, nodes: Collection[str], faults: list[Fault]) -> dict[str, tuple[str, ...]]:
    """The values chosen of each facet; ``nodes`` are those that are known, with or without records."""
    search, found = request.app[SEARCH], dict[str, tuple[str, ...]]()
    for name in search.facets:
        values = dict.fromkeys(value[:_LONGEST] for value in request.query.getall(name, []) if value)
        if len(values) + sum(map(len, found.values())) > _VALUES:
            faults.append(_fault(request, "values", name, value=str(len(values)), most=str(_VALUES)))
            continue
        known = {value: (name == NODE_FACET and value in nodes) or search.is_value(name, value) for value in values}
        unknown = [value for value, is_known in known.items() if not is_known]
        if unknown:  # one fault for all: whoever sends hundreds is not compared with every code for each
            near = ", ".join(nearest(unknown[0], nodes if name == NODE_FACET else search.possible(name)))
            faults.append(_fault(request, "value" if near else "no-value", name, value=", ".join(unknown), near=near))
        if any(known.values()):
            found[name] = tuple(value for value, is_known in known.items() if is_known)
    return found


def _near(text: str, known: Collection[str]) -> str:
    """The known words most like a text, or the first ones."""
    return ", ".join(nearest(text, known) or tuple(known)[:_LISTED])


async def _inside(request: web.Request) -> Inside:
    name = request.query.get("community", "")[:_LONGEST]
    if not name:
        return Inside()
    known = communities(request)
    found = await known.find(name)
    return Inside(name, found, () if found else await known.near(name))


def _year(request: web.Request, name: str, faults: list[Fault]) -> int | None:
    text = request.query.get(name, "")
    year = year_of(text)
    if text and year is None:
        faults.append(_fault(request, "year", name, value=text, first=str(FIRST), last=str(LAST)))
    return year


def _number(request: web.Request, name: str, default: int, most: int, faults: list[Fault]) -> int:
    text = request.query.get(name, "")
    if not text:
        return default
    if text.isascii() and text.isdecimal() and len(text) < 9 and int(text) <= most:
        return int(text)
    faults.append(_fault(request, "number", name, value=text, most=str(most)))
    return default


def _fault(request: web.Request, key: str, field: str, **values: str) -> Fault:
    """A fault in every language of the node. The first full stop ends the message: a value must not bring one."""
    told = {name: value[: None if name == "near" else _SHOWN].replace(". ", " ") for name, value in values.items()}
    languages: Mapping[str, Language] = request.app[LOCALES].languages
    vocabulary = request.app[WORKERS].tools.vocabulary
    texts = {
        tag: language.text(TEXTS[key]).format(**told, facet=facet_title(field, vocabulary, language))
        for tag, language in languages.items()
    }
    message, _, remedy = TEXTS[key].format(**told, facet=field).partition(". ")  # for programs: as it was typed
    return Fault(f"{message}.", remedy, field, translations=texts)


def facet_title(name: str, vocabulary: Vocabulary, language: Language) -> str:
    """The name of a facet as people read it; its own where it has no other."""
    if name in TITLES:
        return language.text(TITLES[name])
    schemes = sorted(vocabulary.schemes.values(), key=lambda each: each.order)
    labels = next((scheme.labels for scheme in schemes if scheme.facet == name), None)
    return language.pick(labels) if labels else name
