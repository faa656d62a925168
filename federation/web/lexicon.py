"""The words that regions add to the lexicon of the search: what they mean, and who says so."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from aiohttp import web

from federation.index.concepts import Concepts
from federation.index.glossary import Glossary, Term
from federation.index.languages import folded_words
from federation.records.kinds import LANGUAGES, in_language
from federation.records.record import address_of
from federation.web import pages
from federation.web.keys import INDEX, SEARCH

PAGE_SIZE: Final = 100


@dataclass(frozen=True, slots=True)
class Row:
    """One term as it is shown: its usual word, its words by language, and what it means besides."""

    title: tuple[str, str]
    path: str
    node: str
    words: Mapping[str, Sequence[str]]
    hidden: Mapping[str, Sequence[str]]
    refused: Mapping[str, Sequence[str]]
    meaning: str
    """The name of the concept it adds words to; empty for a meaning of its own."""


async def page(request: web.Request) -> web.Response:
    """``/vocab/lexicon``: every term of every region, or those with a word that begins as ``q`` does."""
    language, index = pages.language_of(request), request.app[INDEX]
    glossary, typed = index.glossary, request.query.get("q", "")[:100]
    beginning = folded_words(typed)
    found = [term for term in glossary.terms if not beginning or f" {beginning}" in term.folded]
    last = max(1, -(-len(found) // PAGE_SIZE))
    current = min(pages.number(request), last)
    shown = found[(current - 1) * PAGE_SIZE : current * PAGE_SIZE]
    context = {
        "typed": typed,
        "chosen": request.query.get("lang", ""),
        "total": len(found),
        "all": len(glossary.terms),
        "rows": [_row(each, glossary, language.tag, index.concepts) for each in shown],
        "page_number": current,
        "last_page": last,
        "region_of": lambda node: request.app[SEARCH].value_label("node", node, language.tag),
        "label_of": request.app[SEARCH].value_label,
    }
    return pages.page(request, "lexicon.html", context)


def _row(term: Term, glossary: Glossary, language: str, concepts: Concepts) -> Row:
    address = address_of(term.iri)
    assert address is not None, "verified records have addresses"
    meaning = glossary.meanings[term.iri]
    return Row(
        title=in_language(dict(reversed(term.labels)), language),
        path=pages.local(f"/records/{address.kind}/{address.slug}", term.node, own=term.own),
        node=term.node,
        words=_by_language(term.labels, language),
        hidden=_by_language(term.hidden, language),
        refused=_by_language(term.refused, language),
        meaning=concepts.label(meaning, language) if meaning in concepts.numbers else "",
    )


def _by_language(pairs: Sequence[tuple[str, str]], first: str) -> dict[str, list[str]]:
    """Words by language, the reader's first."""
    found: dict[str, list[str]] = {}
    order = {tag: at for at, tag in enumerate(LANGUAGES)} | {first: -1}
    for tag, text in sorted(pairs, key=lambda pair: (order.get(pair[0], len(order)), pair[0])):
        found.setdefault(tag, []).append(text)
    return found
