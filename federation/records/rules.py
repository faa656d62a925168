"""Rules that a shape cannot say, one function each; ``vocab/rules.ttl`` holds their severity and messages.

A rule looks at one node of a record — the record itself or one of its parts — and names the
properties that break it. Source of the ten they come from: the domain notes of the project, "rules
worth checking by machine". Rules are for authors: what a peer has signed is judged by the shapes.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from decimal import Decimal
from typing import Final

from federation.records.canonical import DCT, PC, XSD, Literal
from federation.records.codelists import SKOS
from federation.records.figures import SOSA
from federation.records.kinds import Vocabulary
from federation.records.record import Record, address_of
from federation.records.shapes import Finding

Check = Callable[[Record, str], Iterator[str]]
"""A rule: the record and the node looked at; yields the paths of what is missing or wrong."""

LISTS: Final = "https://w3id.org/procirc/"
_NUMBERS: Final = (SOSA + "hasSimpleResult", PC + "minimum", PC + "maximum")
_FIGURE = re.compile(r"(?<![\w.,:/’'-])\d+(?:[.,\u00a0\u202f ]\d{3})*(?:[.,]\d+)?(?![\w:/-]|[.,]\d)")
_YEAR = re.compile(r"(?:19|20)\d\d")
_SMALL: Final = 10
"""Numbers below this are mostly not figures but counts of things named in the text."""


def findings(record: Record, vocabulary: Vocabulary) -> Iterator[Finding]:
    """What the rules of the vocabulary find in a record."""
    for rule in vocabulary.rules.values():
        for node, class_ in record.classes.items():
            if rule.target in (class_, ""):
                for path in RULES[rule.name](record, node):
                    yield Finding(node, path, rule.name, rule.severity)


def _is(record: Record, node: str, path: str, *concepts: str) -> bool:
    return any(value in {LISTS + concept for concept in concepts} for value in record.values(PC + path, node))


def _missing(record: Record, node: str, *paths: str) -> Iterator[str]:
    return (path for path in paths if record.one(path, node) is None)


def figure_or_reason(record: Record, node: str) -> Iterator[str]:
    if not _is(record, node, "status", "pilot-status/completed", "pilot-status/scaled"):
        return
    parts = [str(part) for part in record.values(PC + "observation", node)]
    results = ("observation-role/measured", "observation-role/estimated")
    if not any(_is(record, part, "observationRole", *results) for part in parts):
        yield from _missing(record, node, PC + "noFigureReason")


def method_of_figure(record: Record, node: str) -> Iterator[str]:
    founded = ("evidence-level/calculated", "evidence-level/measured", "evidence-level/verified")
    if _is(record, node, "evidenceLevel", *founded):
        yield from _missing(record, node, PC + "method")


def share_of_what(record: Record, node: str) -> Iterator[str]:
    if _is(record, node, "unit", "unit/percent"):
        yield from _missing(record, node, PC + "shareOf")


def target_until(record: Record, node: str) -> Iterator[str]:
    if _is(record, node, "observationRole", "observation-role/target"):
        yield from _missing(record, node, PC + "end")


def promise_of_what(record: Record, node: str) -> Iterator[str]:
    if record.one(PC + "promised", node) is not None:
        yield from _missing(record, node, PC + "promisedKind")


def condition_to_adapt(record: Record, node: str) -> Iterator[str]:
    if _is(record, node, "transferability", "transferability/adapt"):
        yield from _missing(record, node, PC + "condition")


def legal_answer_complete(record: Record, node: str) -> Iterator[str]:
    if _is(record, node, "outputKind", "output-kind/legal-qa"):
        yield from _missing(record, node, PC + "question", PC + "jurisdiction")
        if record.one(PC + "answer", node) is not None:  # until then it is an open question
            yield from _missing(record, node, PC + "validAsOf")


def closing_day(record: Record, node: str) -> Iterator[str]:
    if not _is(record, node, "opportunityKind", "opportunity-kind/in-preparation"):
        closes = record.one(PC + "closesOn", node)
        if not isinstance(closes, Literal) or closes.datatype != XSD + "date":
            yield PC + "closesOn"


def number_as_figure(record: Record, node: str) -> Iterator[str]:
    known = {Decimal(value.value) for value in _every_number(record)}
    for path in (DCT + "title", DCT + "abstract"):
        for text in record.texts(path, node).values():
            if any(_readings(match[0]).isdisjoint(known) for match in _FIGURE.finditer(text) if _counts(match[0])):
                yield path
                break


def _every_number(record: Record) -> Iterator[Literal]:
    for node in record.nodes:
        for path in _NUMBERS:
            yield from (value for value in record.values(path, node) if isinstance(value, Literal))


def _counts(number: str) -> bool:
    return not _YEAR.fullmatch(number) and max(_readings(number)) >= _SMALL


def _readings(number: str) -> set[Decimal]:
    """What a number may mean: a point or comma parts thousands in one language and decimals in another."""
    bare = re.sub(r"[\u00a0\u202f ]", "", number)
    whole = Decimal(re.sub(r"[.,]", "", bare))
    head, mark, tail = bare.replace(",", ".").rpartition(".")
    return {whole, Decimal(f"{head.replace('.', '')}.{tail}")} if mark else {whole}


def same_as_own(record: Record, node: str) -> Iterator[str]:
    path = "http://www.w3.org/2002/07/owl#sameAs"
    for value in record.values(path, node):
        address = address_of(str(value))
        if address is not None and address.base != record.address.base:
            yield path


def translation_of_other(record: Record, node: str) -> Iterator[str]:
    if record.one(PC + "translationOf", node) == record.iri:
        yield PC + "translationOf"


def period_in_order(record: Record, node: str) -> Iterator[str]:
    for first, last in (("start", "end"), ("testStart", "testEnd")):
        start, end = record.one(PC + first, node), record.one(PC + last, node)
        if isinstance(start, Literal) and isinstance(end, Literal):
            # As far as both are known: 2021-05 is not before 2021, nor after it.
            precision = min(len(start.value), len(end.value))
            if end.value[:precision] < start.value[:precision]:
                yield PC + last


def sandbox_complete(record: Record, node: str) -> Iterator[str]:
    if _is(record, node, "pilotKind", "pilot-kind/sandbox-experiment"):
        yield from _missing(record, node, PC + "supplier", PC + "mvp")


def correction_of_what(record: Record, node: str) -> Iterator[str]:
    if record.one(PC + "notLabel", node) is not None:
        yield from _missing(record, node, SKOS + "exactMatch")


RULES: Final[Mapping[str, Check]] = {
    each.__name__.replace("_", "-"): each
    for each in (
        figure_or_reason, method_of_figure, share_of_what, target_until, promise_of_what, condition_to_adapt,
        legal_answer_complete, closing_day, number_as_figure, same_as_own, translation_of_other, period_in_order,
        sandbox_complete, correction_of_what,
    )
}  # fmt: skip
"""Every rule by its name in the vocabulary."""
