"""Drafts: what an author hands in, and how it becomes the statements of a record.

Form, API, spreadsheet, command line and seed files all make a ``Draft``; ``statements`` reads it
against the vocabulary and finds every fault in one go. Values may be written as people write them:
codes or labels for concepts, slugs for records of this node, ``peer:slug`` for those of a peer,
decimal commas, years for dates.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from rapidfuzz import process

from federation.errors import Fault
from federation.records.canonical import (
    DCT,
    LEXICAL,
    MAX_LITERAL,
    TYPE,
    XSD,
    Literal,
    Term,
    Triple,
    is_iri,
    is_language,
)
from federation.records.kinds import ANY_SCHEME, Concept, Field, FieldType, Kind, Scheme, Vocabulary
from federation.records.record import SLUG, Address

LANGUAGE: Final = DCT + "language"
LICENSE: Final = DCT + "license"


@dataclass(frozen=True, slots=True)
class Place:
    """Where a draft or one of its fields was written: a file and a row, for the fault list."""

    file: str = ""
    row: int | None = None
    columns: Mapping[str, str] = field(default_factory=dict)
    """The header a field was read from, by field name."""


@dataclass(frozen=True, slots=True)
class Draft:
    """Unsigned input: a kind, a slug, and values by field name.

    Text fields hold ``{language: text}``, part fields a list of drafts, all others a value or a list
    of values, as strings, numbers or booleans.
    """

    kind: str
    slug: str
    values: Mapping[str, Any]
    place: Place = Place()


@dataclass(frozen=True, slots=True)
class Naming:
    """How a node names things: its base address, its identifier, its peers and its usual licence."""

    base: str
    did: str
    license: str
    peers: Mapping[str, str] = field(default_factory=dict)
    """Base addresses of peers, by the name this node gives them."""

    def record(self, kind: str, slug: str) -> str:
        return Address(self.base, kind, slug).iri


@dataclass(slots=True)
class _Reading:
    """One draft being read; collects its faults."""

    vocabulary: Vocabulary
    naming: Naming
    faults: list[Fault]

    def fault(self, draft: Draft, name: str, message: str, remedy: str = "") -> None:
        known = Fault(message, remedy, field=name)
        self.faults.append(
            known.at(file=draft.place.file, row=draft.place.row, column=draft.place.columns.get(name, ""))
        )


def statements(draft: Draft, vocabulary: Vocabulary, naming: Naming) -> tuple[list[Triple], list[Fault]]:
    """The statements an author made, without those the node manages, and every fault found.

    Statements of a draft with faults are incomplete and must not be used.
    """
    reading = _Reading(vocabulary, naming, [])
    kind = vocabulary.kinds.get(draft.kind)
    if kind is None or kind.managed:
        known = ", ".join(each.name for each in vocabulary.authored)
        reading.fault(draft, "kind", f"{draft.kind!r} is not a kind of record.", f"The kinds are {known}.")
        return [], reading.faults
    if not _good_slug(draft, reading):
        return [], reading.faults
    subject = naming.record(kind.name, draft.slug)
    triples = _node(draft, subject, kind, reading)
    triples += _defaults(triples, subject, kind, vocabulary, naming)
    return triples, reading.faults


def _good_slug(draft: Draft, reading: _Reading) -> bool:
    if isinstance(draft.slug, str) and SLUG.fullmatch(draft.slug):
        return True
    reading.fault(
        draft,
        "slug",
        f"{str(draft.slug)[:60]!r} cannot be part of an address.",
        "Use lower-case letters, digits and hyphens, 100 at most, such as reused-furniture-2024.",
    )
    return False


def _node(draft: Draft, subject: str, kind: Kind, reading: _Reading) -> list[Triple]:
    triples: list[Triple] = [(subject, TYPE, kind.iri)]
    for name, value in draft.values.items():
        each = kind.by_name.get(name)
        if each is None or each.managed:
            _unknown_field(draft, name, kind, reading)
        elif each.type is FieldType.PART:
            triples += _parts(draft, each, value, subject, reading)
        else:
            for term in _terms(draft, each, value, reading):
                triples.append((subject, each.path, term))
    return triples


def _unknown_field(draft: Draft, name: str, kind: Kind, reading: _Reading) -> None:
    if name in kind.by_name:
        reading.fault(draft, name, "The node fills this in itself.", "Leave it out.")
        return
    near = nearest(name, [each.name for each in kind.fields if not each.managed])
    hint = f"Did you mean {' or '.join(near)}?" if near else "Leave it out."
    reading.fault(draft, name, f"{name[:60]!r} is not a field of {kind.name}.", hint)


def _defaults(
    triples: Iterable[Triple], subject: str, kind: Kind, vocabulary: Vocabulary, naming: Naming
) -> list[Triple]:
    """The node's licence, and the language of the first text, where the author gave none."""
    given = {predicate for node, predicate, _ in triples if node == subject}
    added: list[Triple] = []
    if LICENSE in kind.by_path and LICENSE not in given:
        added.append((subject, LICENSE, naming.license))
    if LANGUAGE in kind.by_path and LANGUAGE not in given:
        tags = [v.language for _, _, v in triples if isinstance(v, Literal) and v.language]
        scheme = vocabulary.schemes[kind.by_path[LANGUAGE].schemes[0]]
        concept = scheme.find(tags[0]) if tags else None
        if concept is not None:
            added.append((subject, LANGUAGE, concept.iri))
    return added


def _parts(draft: Draft, each: Field, value: Any, subject: str, reading: _Reading) -> list[Triple]:
    kind = reading.vocabulary.parts[each.part]
    triples: list[Triple] = []
    seen: set[str] = set()
    items = value if isinstance(value, list | tuple) else [value]
    for number, item in enumerate(items, 1):
        part = _part_draft(item, kind, number, draft.place)
        if part is None:
            reading.fault(draft, each.name, f"Part {number} is not an object with fields.")
            continue
        if not _good_slug(part, reading):
            continue
        if part.slug in seen:
            reading.fault(part, "slug", f"The part {part.slug!r} occurs twice.", "Give each its own slug.")
        seen.add(part.slug)
        node = f"{subject}#{part.slug}"
        triples.append((subject, each.path, node))
        triples += _node(part, node, kind, reading)
    return triples


def _part_draft(item: Any, kind: Kind, number: int, place: Place) -> Draft | None:
    if isinstance(item, Draft):
        return item
    if not isinstance(item, Mapping):
        return None
    slug = item.get("slug", f"{kind.name}-{number}")
    return Draft(kind.name, slug, {k: v for k, v in item.items() if k != "slug"}, place)


def _terms(draft: Draft, each: Field, value: Any, reading: _Reading) -> list[Term]:
    if each.type is FieldType.TEXT:
        return _texts(draft, each, value, reading)
    items = value if isinstance(value, list | tuple) else [value]
    terms: list[Term] = []
    for item in items:
        if item is None or item == "":
            continue
        if not isinstance(item, str | int | float | bool):
            reading.fault(draft, each.name, f"{type(item).__name__} is not a {each.type.value}.")
            continue
        text = str(item).lower() if isinstance(item, bool) else _clean(str(item))
        term = _READ[each.type](text, each, draft, reading)
        if term is not None and term not in terms:
            terms.append(term)
    if each.single and len(terms) > 1:
        reading.fault(draft, each.name, f"{len(terms)} values where one is allowed.", "Keep one of them.")
    return terms


def _texts(draft: Draft, each: Field, value: Any, reading: _Reading) -> list[Term]:
    if not isinstance(value, Mapping):
        reading.fault(
            draft, each.name, "The language of the text is missing.", 'Write {"nl": "…"} or a column such as title@nl.'
        )
        return []
    terms: list[Term] = []
    for tag, text in value.items():
        if text is None or text == "":
            continue
        if not isinstance(text, str) or not isinstance(tag, str) or not is_language(tag.lower()):
            reading.fault(draft, each.name, f"{str(tag)[:40]!r} is not a language with a text.", "Use nl, en, da …")
            continue
        if any(isinstance(term, Literal) and term.language == tag.lower() for term in terms):
            reading.fault(draft, each.name, f"There are two texts in {tag.lower()!r}.", "Keep one of them.")
            continue
        cleaned = _clean(text)
        name = f"{each.name}@{tag}" if f"{each.name}@{tag}" in draft.place.columns else each.name
        limit = each.max_length or MAX_LITERAL // 4
        if len(cleaned) > limit:
            reading.fault(
                draft, name, f"The text has {len(cleaned):,} characters; {limit:,} are allowed.", "Shorten it."
            )
        elif _unencodable(cleaned):
            reading.fault(draft, name, "The text holds characters that are not valid Unicode.", "Type it again.")
        elif each.pattern is not None and not each.pattern.search(cleaned):
            reading.fault(draft, name, "The text holds line breaks or control characters.", "Write it on one line.")
        elif cleaned:
            terms.append(Literal(cleaned, "", tag.lower()))
    return terms


def _unencodable(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return True
    return False


def _clean(text: str) -> str:
    """Text as it is stored: NFC, line feeds only, without surrounding white space."""
    return unicodedata.normalize("NFC", text.replace("\r\n", "\n").replace("\r", "\n")).strip()


Reader = Callable[[str, Field, Draft, _Reading], Term | None]


def _string(text: str, each: Field, draft: Draft, reading: _Reading) -> Term | None:
    limit = each.max_length or MAX_LITERAL // 4
    if len(text) > limit or _unencodable(text):
        reading.fault(draft, each.name, f"The text is not valid or longer than {limit:,} characters.", "Shorten it.")
        return None
    return Literal(text)


def _integer(text: str, each: Field, draft: Draft, reading: _Reading) -> Term | None:
    if LEXICAL[XSD + "integer"](text):
        return Literal(text, XSD + "integer")
    reading.fault(draft, each.name, f"{text[:60]!r} is not a whole number.", "Write digits only, such as 2400.")
    return None


def _decimal(text: str, each: Field, draft: Draft, reading: _Reading) -> Term | None:
    number = decimal_text(text)
    if number is not None:
        return Literal(number, XSD + "decimal")
    reading.fault(
        draft,
        each.name,
        f"{text[:60]!r} is not a number, or could mean two.",
        "Write 1234.5 or 1234,5, without separators between thousands and without a unit.",
    )
    return None


def decimal_text(text: str) -> str | None:
    """A number as people write it in its one canonical form, or None where it is not clear.

    A comma is a decimal comma unless exactly three digits follow it: ``1,234`` could be either.
    """
    plain = text.replace("\u00a0", "").replace("\u202f", "").replace("\u2212", "-").strip()
    if re.fullmatch(r"[+-]?[0-9]+,(?:[0-9]{1,2}|[0-9]{4,})", plain):
        plain = plain.replace(",", ".")
    if not re.fullmatch(r"[+-]?[0-9]+(?:\.[0-9]+)?", plain):
        return None
    negative, digits = plain.startswith("-"), plain.lstrip("+-")
    whole, _, fraction = digits.partition(".")
    whole, fraction = whole.lstrip("0") or "0", fraction.rstrip("0")
    number = f"{whole}.{fraction}" if fraction else whole
    number = f"-{number}" if negative and number != "0" else number
    return number if LEXICAL[XSD + "decimal"](number) else None


def _boolean(text: str, each: Field, draft: Draft, reading: _Reading) -> Term | None:
    yes, no = ("true", "yes", "ja", "oui", "1", "x"), ("false", "no", "nee", "non", "nein", "nej", "nei", "0")
    if text.lower() in yes or text.lower() in no:
        return Literal("true" if text.lower() in yes else "false", XSD + "boolean")
    reading.fault(draft, each.name, f"{text[:60]!r} is neither yes nor no.", "Write yes or no.")
    return None


def _datetime(text: str, each: Field, draft: Draft, reading: _Reading) -> Term | None:
    if LEXICAL[XSD + "dateTime"](text):
        return Literal(text, XSD + "dateTime")
    reading.fault(draft, each.name, f"{text[:60]!r} is not a time in UTC.", "Write 2026-11-22T09:30:00Z.")
    return None


def _date(text: str, each: Field, draft: Draft, reading: _Reading) -> Term | None:
    found = date_term(text)
    if found is None:
        reading.fault(
            draft,
            each.name,
            f"{text[:60]!r} is not a date that exists.",
            "Write 2021-05-18, 18-05-2021, 2021-05 or 2021.",
        )
    return found


def date_term(text: str) -> Literal | None:
    """A day, month or year; days also as dd-mm-yyyy with hyphens, slashes or dots."""
    european = re.fullmatch(r"([0-9]{1,2})[-/.]([0-9]{1,2})[-/.]([0-9]{4})", text)
    if european:
        day, month, year = european.groups()
        text = f"{year}-{int(month):02}-{int(day):02}"
    text = re.sub(r"[ T]00:00:00$", "", text)
    for datatype in ("gYear", "gYearMonth", "date"):
        if LEXICAL[XSD + datatype](text):
            return Literal(text, XSD + datatype)
    return None


def _link(text: str, each: Field, draft: Draft, reading: _Reading) -> Term | None:
    candidate = text if "://" in text or text.startswith("did:") or not each.code_space else each.code_space + text
    if each.max_length is not None and len(candidate) > each.max_length:
        reading.fault(draft, each.name, f"The address is longer than {each.max_length:,} characters.")
    elif not is_iri(candidate) or _unencodable(candidate):
        reading.fault(
            draft,
            each.name,
            f"{text[:60]!r} is not a web address.",
            "Copy it from the address bar; a space is written %20.",
        )
    elif each.pattern is not None and not each.pattern.search(candidate):
        reading.fault(
            draft, each.name, f"{text[:60]!r} is not a valid {each.labels.get('en', each.name)}.", _help(each)
        )
    else:
        return candidate
    return None


def _help(each: Field) -> str:
    return each.help.get("en", "")


def _concept(text: str, each: Field, draft: Draft, reading: _Reading) -> Term | None:
    found = find_concept(text, each, reading.vocabulary)
    if found is not None:
        return found.iri
    schemes = [reading.vocabulary.schemes[s] for s in each.schemes if s in reading.vocabulary.schemes]
    known = [name for scheme in schemes for name in scheme.names()] or [
        scheme.name for scheme in reading.vocabulary.schemes.values()
    ]
    near = nearest(text, known)
    lists = ", ".join(scheme.name for scheme in schemes) or "any list, written list:code"
    hint = f"The nearest known ones are {', '.join(near)}." if near else f"Use a code of {lists}."
    reading.fault(draft, each.name, f"{text[:60]!r} is not a code of {lists}.", hint)
    return None


def find_concept(text: str, each: Field, vocabulary: Vocabulary) -> Concept | None:
    """The concept a text stands for: an IRI, ``list:code``, a code, or a label in any language."""
    concept = vocabulary.concepts.get(text)
    schemes: list[Scheme]
    if ANY_SCHEME in each.schemes:
        name, colon, code = text.partition(":")
        scheme = vocabulary.scheme_named(name.strip()) if colon else None
        return concept or (scheme.find(code.strip()) if scheme is not None else None)
    schemes = [vocabulary.schemes[iri] for iri in each.schemes]
    if concept is not None:
        return concept if concept.scheme in each.schemes else None
    return next((found for scheme in schemes if (found := scheme.find(text)) is not None), None)


def nearest(text: str, known: Iterable[str], *, limit: int = 3) -> list[str]:
    """The known words most like a text, best first; none where nothing is near."""
    choices = list(dict.fromkeys(known))
    lowered = [each.lower() for each in choices]
    found = process.extract(text[:100].lower(), lowered, limit=limit, score_cutoff=60)
    return [choices[index] for _, _, index in found]


def _record(text: str, each: Field, draft: Draft, reading: _Reading) -> Term | None:
    iri = _record_iri(text, each, reading.naming)
    if iri is not None and is_iri(iri):
        return iri
    kinds = " or ".join(each.refers_to)
    example = f"{each.refers_to[0]}/{text[:30]}" if len(each.refers_to) > 1 else "kamp-c"
    reading.fault(
        draft,
        each.name,
        f"{text[:60]!r} does not name a record.",
        f"Write the slug of a record of kind {kinds} such as {example}, peer:slug for another node, or its address.",
    )
    return None


def _record_iri(text: str, each: Field, naming: Naming) -> str | None:
    if "://" in text:
        return text
    base = naming.base
    peer, colon, rest = text.partition(":")
    if colon:
        if peer not in naming.peers:
            return None
        base, text = naming.peers[peer], rest
    kind, slash, slug = text.partition("/")
    if not slash:
        if len(each.refers_to) != 1:
            return None
        kind, slug = each.refers_to[0], text
    if kind not in each.refers_to or not SLUG.fullmatch(slug):
        return None
    return Address(base, kind, slug).iri


_READ: Final[Mapping[FieldType, Reader]] = {
    FieldType.STRING: _string,
    FieldType.INTEGER: _integer,
    FieldType.DECIMAL: _decimal,
    FieldType.BOOLEAN: _boolean,
    FieldType.DATETIME: _datetime,
    FieldType.DATE: _date,
    FieldType.IRI: _link,
    FieldType.CONCEPT: _concept,
    FieldType.RECORD: _record,
}
