"""Published procurement notices, in whichever format they came, and the drafts they become.

``ocds`` and ``eforms`` read their format into a ``Notice``; here it becomes a draft of its buyer and one
of the opportunity. Only what the notice states is taken over: no circular strategy follows from the
codes of strategic procurement, which speak of the circular economy in general.
"""

from __future__ import annotations

import html
import re
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final
from typing import Literal as OneOf

from federation.errors import Fault, printable
from federation.records.canonical import LEXICAL, XSD
from federation.records.draft import Draft, Place
from federation.records.kinds import Field, Texts, Vocabulary, in_language
from federation.records.values import Naming, Refused, clean, term_of

Stage = OneOf["planning", "consultation", "tender"]

KINDS: Final[Mapping[Stage, str]] = {
    "planning": "in-preparation",
    "consultation": "market-consultation",
    "tender": "open-contract",
}
"""The code of opportunity-kind for every stage."""

BY_HAND: Final = "Complete it at the source, or enter the opportunity by hand."
_NOWHERE: Final = Naming("", "", "")
"""Codes and addresses are read without it: only references to records depend on the node."""
_MORE: Final = " …"
_LONGEST_SLUG: Final = 100


@dataclass(frozen=True, slots=True)
class Notice:
    """What both formats say of one procurement. Texts are plain; days are YYYY-MM-DD; empty is unknown."""

    id: str
    stage: Stage
    language: str
    """The tag of the language it was written in."""
    title: Texts
    description: Texts
    buyer: Texts
    """Its name."""
    buyer_id: str = ""
    """Its number in a public register, with the name of the register where known."""
    buyer_country: str = ""
    cpv: tuple[str, ...] = ()
    nuts: tuple[str, ...] = ()
    deadline: str = ""
    expected: str = ""
    """For a notice of planning: the day on which the call is expected."""
    url: str = ""
    procedure: str = ""
    """What stays when the notice is changed and gets another ``id``."""
    strategic: tuple[str, ...] = ()
    """Codes of strategic procurement as stated; no field of an opportunity means the same."""
    strategic_text: Texts = field(default_factory=dict)
    """The buyer's own words on them."""


def read_notice(notice: Notice, vocabulary: Vocabulary, place: Place) -> tuple[list[Draft], list[Fault]]:
    """The drafts of a notice, none of them where something required is missing, and every fault."""
    faults = faults_of(notice, vocabulary, place)
    lacking = any(fault.severity == "violation" for fault in faults)
    return [] if lacking else drafts_of(notice, vocabulary, place), faults


def drafts_of(notice: Notice, vocabulary: Vocabulary, place: Place) -> list[Draft]:
    """The buyer and the opportunity, in this order. The notice must lack nothing: see ``faults_of``."""

    def fitted(name: str, texts: Texts) -> Texts:
        ordered = {tag: texts[tag] for tag in sorted(texts, key=lambda tag: tag != notice.language)}
        return _within(ordered, vocabulary.fields[name])

    kept, _ = _codes(notice, vocabulary)
    shared = {"country": kept["country"], "source": kept["notice"]}
    buyer = _buyer_slug(notice)
    organisation = {
        "title": fitted("title", notice.buyer),
        "role": "procurer",
        "legalId": _cut(printable(notice.buyer_id), vocabulary.fields["legalId"].max_length),
        **shared,
    }
    opportunity = {
        "title": fitted("title", notice.title),
        "need": fitted("need", notice.description),
        "description": fitted("description", notice.strategic_text),
        "language": notice.language,
        "opportunityKind": KINDS[notice.stage],
        "procurer": buyer,
        "sector": _sectors(kept["cpv"], vocabulary),
        "cpv": kept["cpv"],
        "nuts": kept["nuts"],
        "closesOn": notice.deadline,
        "expectedQuarter": _quarter(notice),
        "notice": kept["notice"],
        **shared,
    }
    return [
        Draft("organisation", buyer, _filled(organisation), place, only_if_new=True),
        Draft("opportunity", _slug(notice), _filled(opportunity), place),
    ]


def faults_of(notice: Notice, vocabulary: Vocabulary, place: Place) -> list[Fault]:
    """What a notice lacks to become an opportunity, and a warning for every code that is left out."""
    name = f"Notice {notice.id[:100]}" if notice.id else "The notice"
    closes = notice.deadline or _quarter(notice)
    closing = "closing day" if notice.stage != "planning" else "closing day, nor a day on which it is expected"
    needed = {
        "slug": (_slug(notice), "identifier"),
        "language": (notice.language, "language that is known here"),
        "title": (notice.title, "title in a language that is known here"),
        "need": (notice.description, "description in a language that is known here"),
        "procurer": (_buyer_slug(notice), "buyer with a name in a language that is known here"),
        "closesOn": (closes, closing),
    }
    faults = [
        Fault(f"{name} has no {what}.", BY_HAND, field=each) for each, (value, what) in needed.items() if not value
    ]
    faults += [
        Fault(f"{name}: {why.message} It was left out.", why.remedy, field=each, severity="warning")
        for each, why in _codes(notice, vocabulary)[1]
    ]
    return [fault.at(file=place.file, row=place.row) for fault in faults]


def left_out(what: str, place: Place) -> Fault:
    """The warning about a notice that is no opportunity, or none any more."""
    remedy = "If it stands here already, give its opportunity an earlier closing day: this does not close it."
    return Fault(f"{what} It was left out.", remedy, file=place.file, row=place.row, severity="warning")


def texts_of(pairs: Iterable[tuple[str, object]], vocabulary: Vocabulary) -> Texts:
    """Plain texts by language tag, the first of each; those in languages the vocabulary does not know are left out."""
    found: dict[str, str] = {}
    for code, text in pairs:
        tag = language_tag(code, vocabulary)
        cleaned = plain(text) if isinstance(text, str) else ""
        if tag and cleaned:
            found.setdefault(tag, cleaned)
    return found


def language_tag(code: str, vocabulary: Vocabulary) -> str:
    """The tag of a language from a tag or a code of three letters, empty if the vocabulary does not know it.

    Norwegian that does not say which is Bokmål, as in ``kinds.in_language``.
    """
    primary = code.strip().lower().partition("-")[0]
    scheme = vocabulary.scheme_named("language")
    concept = scheme.find({"no": "nb", "nor": "nb"}.get(primary, primary)) if scheme else None
    return concept.code if concept else ""


def day(text: str) -> str:
    """The day of a date or time with or without a zone, empty where there is none.

    The day is kept as written: a deadline is meant in the time of its buyer.
    """
    return text[:10] if LEXICAL[XSD + "date"](text[:10]) else ""


_TAG: Final = re.compile(r"(</?[A-Za-z][^<>]*>)")
_NAME: Final = re.compile(r"</?([A-Za-z][A-Za-z0-9]*)")
_INLINE: Final = re.compile(r"a|abbr|b|em|font|i|img|s|small|span|strong|sub|sup|u")
_BLOCK: Final = re.compile(
    r"blockquote|body|br|div|h[1-6r]|head|html|li|ol|p|pre|section|table|tbody|td|th|thead|tr|ul",
)
_UNSEEN: Final = frozenset(("script", "style"))
_NO_CHARACTER: Final = re.compile(r"&#[0-9]{20,};?")
"""A number of a character with so many digits that ``html.unescape`` may not be able to read it."""


def plain(text: str) -> str:
    """The text of what may be HTML: blocks become lines; what only looks like a tag stays."""
    kept: list[str] = []
    unseen = ""
    for token in _TAG.split(html.unescape(_NO_CHARACTER.sub("\N{REPLACEMENT CHARACTER}", text))):
        match = _NAME.match(token)
        name = match[1].lower() if match else ""
        if unseen:
            unseen = "" if token.startswith("</") and name == unseen else unseen
        elif name in _UNSEEN:
            unseen = "" if token.startswith("</") else name
        elif not _INLINE.fullmatch(name):
            kept.append("\n" if _BLOCK.fullmatch(name) else token)
    lines = (" ".join(printable(line).split()) for line in "".join(kept).splitlines())
    return clean(re.sub(r"\n{3,}", "\n\n", "\n".join(lines)))


def _within(texts: Texts, each: Field) -> Texts:
    """Texts as a field takes them: on one line where it wants that, none longer than it allows."""
    one_line = each.pattern is not None
    return {tag: _cut(" ".join(text.split()) if one_line else text, each.max_length) for tag, text in texts.items()}


def _cut(text: str, limit: int | None) -> str:
    """A text of at most ``limit`` characters, cut between two words and marked where it was longer."""
    if limit is None or len(text) <= limit:
        return text
    room = limit - len(_MORE)
    head = text[: room + 1]
    end = max(head.rfind(" "), head.rfind("\n"))
    return head[: end if end > room // 2 else room].rstrip() + _MORE


def _filled(values: Mapping[str, object]) -> dict[str, object]:
    return {name: value for name, value in values.items() if value}


def _quarter(notice: Notice) -> str:
    if notice.stage != "planning" or not notice.expected:
        return ""
    return f"{notice.expected[:4]}-Q{(int(notice.expected[5:7]) + 2) // 3}"


def _codes(notice: Notice, vocabulary: Vocabulary) -> tuple[dict[str, list[str]], list[tuple[str, Refused]]]:
    """The codes and addresses that the vocabulary accepts, by field, and why others are refused."""
    given = {"cpv": notice.cpv, "nuts": notice.nuts, "country": (notice.buyer_country,), "notice": (notice.url,)}
    kept: dict[str, list[str]] = {name: [] for name in given}
    refused: list[tuple[str, Refused]] = []
    for name, codes in given.items():
        for code in filter(None, dict.fromkeys(codes)):
            try:
                term_of(code, vocabulary.fields[name], vocabulary, _NOWHERE)
                kept[name].append(code)
            except Refused as why:
                refused.append((name, why))
    return kept, refused


def _sectors(cpv: Iterable[str], vocabulary: Vocabulary) -> list[str]:
    """The sectors of CPV codes: for each the one that matches the narrowest group the code belongs to."""
    scheme, space = vocabulary.scheme_named("sector"), vocabulary.fields["cpv"].code_space
    known: dict[str, str] = {}
    for concept in scheme.concepts.values() if scheme else ():
        for match in concept.matches:
            if match.startswith(space):
                code = match.removeprefix(space)
                # The first two digits are the division; after them a zero stands for a whole group.
                known.setdefault(code[:2] + code[2:].rstrip("0"), concept.code)
    groups = (max((group for group in known if code.startswith(group)), key=len, default="") for code in cpv)
    return list(dict.fromkeys(known[group] for group in groups if group))


def _buyer_slug(notice: Notice) -> str:
    name = in_language(notice.buyer, notice.language)[1]
    return (_ascii(name, _LONGEST_SLUG) or _ascii(notice.buyer_id, _LONGEST_SLUG)) if name else ""


def _slug(notice: Notice) -> str:
    """Readable by its title, and the same again when the notice is changed: by its procedure, else its id."""
    known = _ascii(notice.procedure or notice.id, _LONGEST_SLUG)
    title = _ascii(in_language(notice.title, notice.language)[1], _LONGEST_SLUG - 1 - len(known))
    return f"{title}-{known}" if title and known else known


_LETTERS: Final = str.maketrans({"ø": "o", "æ": "ae", "œ": "oe", "ð": "d", "đ": "d", "þ": "th", "ł": "l"})


def _ascii(text: str, limit: int) -> str:
    """A text as part of an address: lower-case letters, digits and hyphens, whole words where they fit."""
    bare = unicodedata.normalize("NFKD", text.casefold().translate(_LETTERS))
    words = re.findall(r"[a-z0-9]+", "".join(letter for letter in bare if not unicodedata.combining(letter)))
    slug = "-".join(words)
    if len(slug) <= limit:
        return slug
    head = slug[: max(limit, 0)]
    return (head.rpartition("-")[0] or head).rstrip("-")
