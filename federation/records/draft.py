"""Drafts: what an author hands in, and how it becomes the statements of a record.

Form, API, spreadsheet, command line and seed files all make a ``Draft``; ``statements`` reads it
against the vocabulary and finds every fault in one go. Values may be written as people write them:
codes or labels for concepts, slugs for records of this node, ``peer:slug`` for those of a peer,
decimal commas, years for dates.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from federation.errors import Fault
from federation.records.canonical import (
    DCT,
    MAX_LITERAL,
    TYPE,
    Literal,
    Term,
    Triple,
    is_language,
)
from federation.records.kinds import Field, FieldType, Kind, Vocabulary
from federation.records.lexical import SEVERAL
from federation.records.record import SLUG
from federation.records.values import Naming, Refused, clean, suggestion, term_of, unwritable

MAX_VALUES: Final = 500
"""Values of one field of a record."""
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

    Text fields hold ``{language: text}``, or a list of texts where a language may have several, part fields
    a list of drafts, all others a value or a list of values, as strings, numbers or booleans.
    """

    kind: str
    slug: str
    values: Mapping[str, Any]
    place: Place = Place()
    only_if_new: bool = False
    """Leave a record that is there already as it is: what a notice says of a buyer is less than its region knows."""


@dataclass(slots=True)
class _Reading:
    """One draft being read; collects its faults."""

    vocabulary: Vocabulary
    naming: Naming
    faults: list[Fault]
    parts: set[str] = field(default_factory=set)
    """Slugs of the parts so far: a part is named within its record, whichever field it belongs to."""

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
    for each in kind.restricted:
        if each.name in draft.values:
            _texts(draft, each, draft.values[each.name], reading)  # judged here, kept elsewhere: never a statement
    triples = _node(draft, subject, kind, reading)
    triples += _defaults(triples, subject, kind, vocabulary, naming)
    return triples, reading.faults


def restricted_texts(draft: Draft, vocabulary: Vocabulary) -> dict[tuple[str, str], str]:
    """What a draft without faults says for people of the home node alone, by field and language."""
    kind = vocabulary.kinds[draft.kind]
    return {
        (each.name, tag.lower()): clean(text)
        for each in kind.restricted
        for tag, text in draft.values.get(each.name, {}).items()
        if text
    }


def parts_of(draft: Draft) -> list[Draft]:
    """The parts of a draft that were written somewhere else than the draft itself."""
    lists = (value for value in draft.values.values() if isinstance(value, list))
    return [part for each in lists for part in each if isinstance(part, Draft)]


def mentions(triples: Iterable[Triple], subject: str, vocabulary: Vocabulary) -> frozenset[tuple[str, str]]:
    """Property and IRI of every other record that a record refers to."""
    return frozenset(
        (path, value)
        for _, path, value in triples
        if isinstance(value, str)
        and value != subject
        and (each := vocabulary.by_property.get(path)) is not None
        and each.type is FieldType.RECORD
    )


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
        if any(name == other.name for other in kind.restricted):
            continue
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
    hint = suggestion(name, [each.name for each in kind.fields if not each.managed], "Leave it out.")
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
    items = value if isinstance(value, list | tuple) else [value]
    for number, item in enumerate(items, 1):
        part = _part_draft(item, kind, number, draft.place)
        if part is None:
            reading.fault(draft, each.name, f"Part {number} is not an object with fields.")
            continue
        if not _good_slug(part, reading):
            continue
        if part.slug in reading.parts:
            reading.fault(part, "slug", f"The part {part.slug!r} occurs twice.", "Give each its own slug.")
        reading.parts.add(part.slug)
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
    if len(items) > MAX_VALUES:
        reading.fault(draft, each.name, f"{len(items):,} values; {MAX_VALUES:,} are allowed.", "Split the record.")
        return []
    terms: dict[Term, None] = {}
    for item in items:
        if item is None or item == "":
            continue
        if not isinstance(item, str | int | float | bool):
            reading.fault(draft, each.name, f"{type(item).__name__} is not a {each.type.value}.")
            continue
        text = str(item).lower() if isinstance(item, bool) else str(item)
        try:
            term = term_of(text, each, reading.vocabulary, reading.naming)
        except Refused as refused:
            reading.fault(draft, each.name, refused.message, refused.remedy)
            continue
        terms[term] = None
    if each.single and len(terms) > 1:
        reading.fault(draft, each.name, f"{len(terms)} values where one is allowed.", "Keep one of them.")
    return list(terms)


def _texts(draft: Draft, each: Field, value: Any, reading: _Reading) -> list[Term]:
    if not isinstance(value, Mapping):
        reading.fault(
            draft, each.name, "The language of the text is missing.", 'Write {"nl": "…"} or a column such as title@nl.'
        )
        return []
    terms: list[Term] = []
    pairs = [
        (tag, text)
        for tag, some in value.items()
        for text in (some if each.several and isinstance(some, list) else [some])
    ]
    if len(pairs) > MAX_VALUES:
        reading.fault(draft, each.name, f"{len(pairs):,} texts; {MAX_VALUES:,} are allowed.", "Split the record.")
        return []
    for tag, text in pairs:
        if text is None or text == "":
            continue
        if not isinstance(text, str) or not isinstance(tag, str) or not is_language(tag.lower()):
            reading.fault(draft, each.name, f"{str(tag)[:40]!r} is not a language with a text.", "Use nl, en, da …")
            continue
        if not each.several and any(isinstance(term, Literal) and term.language == tag.lower() for term in terms):
            reading.fault(draft, each.name, f"There are two texts in {tag.lower()!r}.", "Keep one of them.")
            continue
        cleaned = clean(text)
        name = f"{each.name}@{tag}" if f"{each.name}@{tag}" in draft.place.columns else each.name
        wrong = _wrong(cleaned, each)
        if wrong:
            reading.fault(draft, name, *wrong)
        elif cleaned:
            terms.append(Literal(cleaned, "", tag.lower()))
    return list(dict.fromkeys(terms))


def _wrong(text: str, each: Field) -> tuple[str, str] | None:
    """What is wrong with a text, and what to do about it."""
    limit = each.max_length or MAX_LITERAL // 4
    if len(text) > limit:
        return f"The text has {len(text):,} characters; {limit:,} are allowed.", "Shorten it."
    if unwritable(text):
        return "The text holds characters that cannot be shown as they are.", "Type it again."
    if each.several and SEVERAL in text:
        return f"The text holds {SEVERAL}, which stands between two texts.", "Give them as two."
    if text and each.pattern is not None and not each.pattern.search(text):
        return "The text holds line breaks or control characters.", "Write it on one line."
    return None
