"""Reading one value as people write it: codes and labels, decimal commas, years for dates, slugs for records."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

from rapidfuzz import fuzz, process

from federation.records.canonical import LEXICAL, MAX_LITERAL, XSD, Literal, Term, is_iri
from federation.records.kinds import ANY_SCHEME, Concept, Field, FieldType, Scheme, Vocabulary
from federation.records.record import SLUG, Address

_SHORT: Final = 5
"""Letters below which a word is compared with whole codes only."""
_CODE: Final = re.compile(r"[A-Za-z0-9._-]{1,100}")


class Refused(Exception):
    """A value that cannot be read: what is wrong with it, and what to write instead."""

    def __init__(self, message: str, remedy: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.remedy = remedy


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


_CONTROL: Final = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x84\x86-\x9f\u202a-\u202e\u2066-\u2069]")
"""What moves a cursor or turns the direction of writing; lines may end and tabs may stand in a text."""


def unwritable(text: str) -> bool:
    """Whether a text cannot be stored as UTF-8, or holds what does something rather than says something."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return True
    return _CONTROL.search(text) is not None


def clean(text: str) -> str:
    """Text as it is stored: NFC, line feeds only, without surrounding white space.

    What is longer than any literal may be stays as it is, to be refused: NFC is quadratic in some texts.
    """
    if len(text) > MAX_LITERAL:
        return text
    return unicodedata.normalize("NFC", text.replace("\r\n", "\n").replace("\r", "\n")).strip()


Reader = Callable[[str, Field, Vocabulary, Naming], Term]


def _string(text: str, each: Field, vocabulary: Vocabulary, naming: Naming) -> Term:
    limit = each.max_length or MAX_LITERAL // 4
    if len(text) > limit:
        raise Refused(f"The text has {len(text):,} characters; {limit:,} are allowed.", "Shorten it.")
    if unwritable(text) or (each.pattern is not None and not each.pattern.search(text)):
        raise Refused(f"{text[:60]!r} is not a valid {each.labels.get('en', each.name)}.", _help(each))
    return Literal(text)


def _integer(text: str, each: Field, vocabulary: Vocabulary, naming: Naming) -> Term:
    if LEXICAL[XSD + "integer"](text):
        return Literal(text, XSD + "integer")
    raise Refused(f"{text[:60]!r} is not a whole number.", "Write digits only, such as 2400.")


def _decimal(text: str, each: Field, vocabulary: Vocabulary, naming: Naming) -> Term:
    number = decimal_text(text)
    if number is not None:
        return Literal(number, XSD + "decimal")
    raise Refused(
        f"{text[:60]!r} is not a number, or could mean two.",
        "Write 1234.5 or 1234,5, without separators between thousands and without a unit.",
    )


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


def _boolean(text: str, each: Field, vocabulary: Vocabulary, naming: Naming) -> Term:
    yes, no = ("true", "yes", "ja", "oui", "1", "x"), ("false", "no", "nee", "non", "nein", "nej", "nei", "0")
    if text.lower() in yes or text.lower() in no:
        return Literal("true" if text.lower() in yes else "false", XSD + "boolean")
    raise Refused(f"{text[:60]!r} is neither yes nor no.", "Write yes or no.")


def _datetime(text: str, each: Field, vocabulary: Vocabulary, naming: Naming) -> Term:
    if LEXICAL[XSD + "dateTime"](text):
        return Literal(text, XSD + "dateTime")
    raise Refused(f"{text[:60]!r} is not a time in UTC.", "Write 2026-11-22T09:30:00Z.")


def _date(text: str, each: Field, vocabulary: Vocabulary, naming: Naming) -> Term:
    found = date_term(text)
    if found is None:
        raise Refused(
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


def _link(text: str, each: Field, vocabulary: Vocabulary, naming: Naming) -> Term:
    listed = vocabulary.schemes.get(each.code_list)
    if listed is not None and listed.complete:
        return _listed(text, each, listed)
    whole = "://" in text or text.startswith("did:") or not each.code_space
    if not whole and not _CODE.fullmatch(text):
        raise Refused(f"{text[:60]!r} is not a code.", _help(each))
    candidate = text if whole else each.code_space + text
    if each.max_length is not None and len(candidate) > each.max_length:
        raise Refused(f"The address is longer than {each.max_length:,} characters.")
    if not is_iri(candidate) or unwritable(candidate):
        raise Refused(
            f"{text[:60]!r} is not a web address.",
            "Copy it from the address bar; a space is written %20.",
        )
    if each.pattern is not None and not each.pattern.search(candidate):
        raise Refused(f"{text[:60]!r} is not a valid {each.labels.get('en', each.name)}.", _help(each))
    return candidate


def _listed(text: str, each: Field, listed: Scheme) -> str:
    found = listed.find(text)
    if found is not None:
        return found.iri
    near = nearest(text, listed.names())
    hint = f"The nearest known ones are {', '.join(near)}." if near else _help(each)
    raise Refused(f"{text[:60]!r} is not a code of {listed.name}.", hint)


def _help(each: Field) -> str:
    return each.help.get("en", "")


def _concept(text: str, each: Field, vocabulary: Vocabulary, naming: Naming) -> Term:
    found = find_concept(text, each, vocabulary)
    if found is not None:
        return found.iri
    schemes = [vocabulary.schemes[s] for s in each.schemes if s in vocabulary.schemes]
    known = [name for scheme in schemes for name in scheme.names()] or [
        scheme.name for scheme in vocabulary.schemes.values()
    ]
    near = nearest(text, known)
    lists = ", ".join(scheme.name for scheme in schemes) or "any list, written list:code"
    hint = f"The nearest known ones are {', '.join(near)}." if near else f"Use a code of {lists}."
    raise Refused(f"{text[:60]!r} is not a code of {lists}.", hint)


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
    # Any few letters stand somewhere in some long word: those are compared as they are.
    scorer = fuzz.ratio if len(text) < _SHORT else fuzz.WRatio
    found = process.extract(text[:100].lower(), lowered, scorer=scorer, limit=limit, score_cutoff=60)
    return [choices[index] for _, _, index in found]


def suggestion(text: str, known: Iterable[str], otherwise: str) -> str:
    """What to do about a word nobody knows: the known ones most like it, or something else where none is near."""
    near = nearest(text, known)
    return f"Did you mean {' or '.join(near)}?" if near else otherwise


def _record(text: str, each: Field, vocabulary: Vocabulary, naming: Naming) -> Term:
    iri = _record_iri(text, each, naming)
    if iri is not None and is_iri(iri):
        return iri
    kinds = " or ".join(each.refers_to)
    example = f"{each.refers_to[0]}/{text[:30]}" if len(each.refers_to) > 1 else "kamp-c"
    raise Refused(
        f"{text[:60]!r} does not name a record.",
        f"Write the slug of a record of kind {kinds} such as {example}, peer:slug for another node, or its address.",
    )


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


def term_of(text: str, each: Field, vocabulary: Vocabulary, naming: Naming) -> Term:
    """The RDF term a text means in a field that holds no texts in several languages and no parts. Raises Refused."""
    return _READ[each.type](clean(text), each, vocabulary, naming)
