"""The vocabulary over HTTP: pages that explain it, the same as linked data, and every file as it ships.

Kinds, parts, code lists and terms each have an address that answers with a page, Turtle or JSON-LD. The
anchors of a page are the local names of its properties, classes or codes, so that whoever keeps
https://w3id.org/procirc/ can lead a term to the place where it is explained.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from aiohttp import web

from federation.errors import NotFound
from federation.records.canonical import PC
from federation.records.kinds import ANY_SCHEME, Concept, Field, Kind, Scheme, Vocabulary
from federation.web import diagram, pages, terms
from federation.web.keys import WORKERS
from federation.web.negotiate import accepted, choose

HTML: Final = "text/html"
OFFERED: Final = (HTML, *terms.FORMS)
FOLDED: Final = 200
"""Concepts of a list from which on what lies below its top concepts is folded away."""
_TYPES: Final = {".ttl": "text/turtle", ".jsonld": "application/ld+json"}


@dataclass(frozen=True, slots=True)
class Branch:
    """A concept on a page: where it links to, and the concepts below it in its list."""

    concept: Concept
    above: tuple[Concept, ...]
    """Concepts of other lists that it belongs to."""
    matches: tuple[tuple[str, Concept | None], ...]
    below: tuple[Branch, ...]


def _files(folder: Path) -> dict[str, Path]:
    """The files that may be served, by path: a list, so that no path can lead out of the folder."""
    found = (path for path in sorted(folder.rglob("*")) if path.suffix in _TYPES)
    return {path.relative_to(folder).as_posix(): path for path in found}


async def index(request: web.Request) -> web.Response:
    """Everything there is, in short, with a drawing of the kinds."""
    vocabulary, language = request.app[WORKERS].tools.vocabulary, pages.language_of(request)
    groups: dict[str, list[str]] = {}
    for name in _files(vocabulary.folder):
        groups.setdefault(name.rpartition("/")[0], []).append(name)
    context = {
        "groups": groups,
        "kinds": _listed(vocabulary),
        "schemes": sorted(vocabulary.schemes.values(), key=lambda each: language.pick(each.labels).casefold()),
        "diagram": diagram.draw(vocabulary.authored, lambda kind: language.pick(kind.labels)),
        "references": diagram.references(vocabulary.authored),
        "letters": diagram.FONT,
        "line": diagram.LINE,
    }
    return pages.page(request, "vocabulary.html", {**context, "local_name": terms.local_name})


async def kind(request: web.Request) -> web.Response:
    """A kind or a part: its class and its fields."""
    vocabulary = request.app[WORKERS].tools.vocabulary
    name, wanted = _suffix(request.match_info["name"])
    found = vocabulary.kinds.get(name) or vocabulary.parts.get(name)
    if found is None:
        raise NotFound(f"The vocabulary has no kind {name[:60]!r}.", remedy="See /vocab/ for those it has.")
    form = wanted or _form(request)
    if form != HTML:
        return await _data(vocabulary, found.shape, form)
    known = await asyncio.to_thread(terms.statements, vocabulary.folder)
    context = {
        "kind": found,
        "groups": _grouped(found, vocabulary),
        "superclasses": known.superclasses(found.iri),
        "rules": [rule for rule in vocabulary.rules.values() if rule.target in ("", found.iri)],
    }
    return _explained(request, "vocabulary-kind.html", context)


async def code_list(request: web.Request) -> web.Response:
    """A code list: every concept, below the one that is broader."""
    vocabulary = request.app[WORKERS].tools.vocabulary
    name, wanted = _suffix(request.match_info["name"])
    scheme = vocabulary.scheme_named(name)
    if scheme is None:
        raise NotFound(f"The vocabulary has no code list {name[:60]!r}.", remedy="See /vocab/ for those it has.")
    form = wanted or _form(request)
    if form != HTML:
        return await _data(vocabulary, scheme.iri, form)
    context = {
        "scheme": scheme,
        "branches": await asyncio.to_thread(_branches, scheme, vocabulary),
        "folded": len(scheme.concepts) > FOLDED,
        "used_in": [
            (each, field)
            for each in _listed(vocabulary)
            for field in each.fields
            if scheme.iri in (*field.schemes, field.code_list)
        ],
    }
    # Two thousand regions take a while to write out.
    return await asyncio.to_thread(_explained, request, "vocabulary-list.html", context)


async def ontology(request: web.Request) -> web.Response:
    """Every class and property."""
    vocabulary = request.app[WORKERS].tools.vocabulary
    form = _TYPES.get(request.match_info.get("suffix", "")) or _form(request)
    if form != HTML:
        return await _data(vocabulary, "", form)
    found = await asyncio.to_thread(terms.terms_of, vocabulary)
    return _explained(request, "vocabulary-terms.html", {"terms": found})


async def file(request: web.Request) -> web.Response:
    """One file, byte for byte."""
    path = _files(request.app[WORKERS].tools.vocabulary.folder).get(request.match_info["path"])
    if path is None:
        raise NotFound("The vocabulary has no such file.", remedy="See /vocab/ for the list.")
    return _sent(path.read_bytes(), _TYPES[path.suffix])


def _suffix(name: str) -> tuple[str, str]:
    for suffix, form in _TYPES.items():
        if name.endswith(suffix):
            return name.removesuffix(suffix), form
    return name, ""


def _form(request: web.Request) -> str:
    return choose(accepted(request), OFFERED)


async def _data(vocabulary: Vocabulary, iri: str, form: str) -> web.Response:
    return _sent(await asyncio.to_thread(terms.document, vocabulary.folder, iri, form), form)


def _sent(body: bytes, form: str) -> web.Response:
    return web.Response(
        body=body,
        headers={
            "Content-Type": f"{form}; charset=utf-8",
            "Access-Control-Allow-Origin": "*",
            "Cache-Control": "public, max-age=3600",
            "Vary": "Accept",
        },
    )


def _explained(request: web.Request, template: str, context: Mapping[str, Any]) -> web.Response:
    links = {"local_name": terms.local_name, "own_space": PC, "any_scheme": ANY_SCHEME, "data_path": request.path}
    return pages.page(request, template, {**links, **context})


def _listed(vocabulary: Vocabulary) -> list[Kind]:
    """The kinds that people write, in their order, those that nodes write, and the parts."""
    managed = (each for each in vocabulary.kinds.values() if each.managed)
    return [*vocabulary.authored, *managed, *vocabulary.parts.values()]


def _grouped(kind: Kind, vocabulary: Vocabulary) -> list[tuple[str, list[Field]]]:
    """The fields by group, both in the order of the shapes."""
    by_group: dict[str, list[Field]] = {}
    for each in kind.fields:
        by_group.setdefault(each.group, []).append(each)
    order = vocabulary.groups
    return sorted(by_group.items(), key=lambda item: order[item[0]][0] if item[0] in order else 99.0)


def _branches(scheme: Scheme, vocabulary: Vocabulary) -> tuple[Branch, ...]:
    """The concepts of a list as trees: each below the first concept of the list that is broader."""
    below: dict[str, list[Concept]] = {}
    for concept in scheme.concepts.values():
        parent = next((iri for iri in concept.broader if iri in scheme.concepts), "")
        below.setdefault(parent, []).append(concept)

    def grown(concepts: Iterable[Concept]) -> tuple[Branch, ...]:
        return tuple(
            Branch(
                concept=each,
                above=tuple(c for c in map(vocabulary.concepts.get, each.broader) if c and c.scheme != scheme.iri),
                matches=tuple((iri, vocabulary.concepts.get(iri)) for iri in each.matches),
                below=grown(below.get(each.iri, ())),
            )
            for each in concepts
        )

    return grown(below.get("", ()))
