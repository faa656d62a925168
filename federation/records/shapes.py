"""Validation against the shapes of the vocabulary: SHACL for what is authored here, and a check
compiled from the same shapes for what arrives from peers.

pyshacl is the judge of meaning; it needs about a millisecond a record. ``Checks`` answers the same
question for the subset of SHACL that ``kinds`` understands, in some 20 µs, so that a sync is not
bound by it. A test lets both judge the same altered records and compares every finding.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from functools import reduce
from typing import Final, NamedTuple

from federation.errors import Fault
from federation.records.canonical import LANG_STRING, TYPE, XSD, Literal, Remembered, Statement, Term
from federation.records.kinds import Field, FieldType, Kind, Severity, Vocabulary
from federation.records.record import Record


class Finding(NamedTuple):
    """One result: the node looked at, the property (empty for the node itself), and which constraint.

    ``constraint`` is the local name of the SHACL constraint component, such as ``MinCount``, or the
    name of a rule (``records.rules``).
    """

    node: str
    path: str
    constraint: str
    severity: Severity
    value: str = ""


EMPTY: Final = "Nothing is filled in."
"""What is said of a field without a value."""
_MEMO: Final = 200
"""Values up to this length are remembered."""
DATES: Final = frozenset({XSD + "date", XSD + "gYearMonth", XSD + "gYear"})
_DATATYPES: Final = {
    FieldType.TEXT: LANG_STRING,
    FieldType.STRING: XSD + "string",
    FieldType.INTEGER: XSD + "integer",
    FieldType.DECIMAL: XSD + "decimal",
    FieldType.BOOLEAN: XSD + "boolean",
    FieldType.DATETIME: XSD + "dateTime",
}


def datatype_of(value: Literal) -> str:
    """The datatype IRI of a literal, also where N-Quads leaves it out."""
    return value.datatype or (LANG_STRING if value.language else XSD + "string")


class Checks:
    """The compiled check of every kind and part of a vocabulary."""

    def __init__(self, vocabulary: Vocabulary) -> None:
        self._by_class: Mapping[str, _KindCheck] = {
            kind.iri: _KindCheck(kind, vocabulary) for kind in (*vocabulary.kinds.values(), *vocabulary.parts.values())
        }

    def findings(self, record: Record) -> list[Finding]:
        """What SHACL would find, warnings included."""
        found: list[Finding] = []
        for node, class_ in record.classes.items():
            check = self._by_class.get(class_)
            if check is not None:
                found += check.findings(node, record.nodes[node])
        return found

    def violations(self, record: Record) -> list[Finding]:
        return [each for each in self.findings(record) if each.severity == "violation"]


@dataclass(eq=False, frozen=True, slots=True)
class _Judged:
    """What one statement means for its node; the same object for all that mean the same.

    ``repeats`` is what may stand only once: for a text its property and language, else empty.
    ``broken`` names the constraints its value breaks, ``value`` is that value.
    """

    path: str
    repeats: str = ""
    broken: tuple[str, ...] = ()
    value: str = ""


class _KindCheck:
    """The check of one node.

    Most statements recur from record to record, and so do the sequences of what they mean: both are
    remembered, so that a node like others costs one look-up a statement and one for the whole.
    """

    def __init__(self, kind: Kind, vocabulary: Vocabulary) -> None:
        self._any_of = kind.any_of
        self._fields = {each.path: _FieldCheck(each, vocabulary) for each in kind.fields}
        self._required = [(each, each.path) for each in kind.fields if each.minimum or each.advised]
        self._limited = {each.path: each.maximum for each in kind.fields if each.maximum is not None}
        self._texts = {each.path for each in kind.fields if each.type is FieldType.TEXT and not each.several}
        self._fine = {path: _Judged(path) for path in (*self._fields, TYPE)}
        self._fine_texts: Remembered[tuple[str, str], _Judged] = Remembered(lambda key: _Judged(*key))
        self._judged = Remembered(self._judge, worth=lambda statement: len(_text(statement[1])) < _MEMO)
        self._counted = Remembered(self._count, worth=lambda all_: not any(each.broken for each in all_))

    def findings(self, node: str, statements: Sequence[Statement]) -> Iterator[Finding]:
        judged = tuple(map(self._judged.__getitem__, statements))
        return (Finding(node, *each) for each in self._counted[judged])

    def _judge(self, statement: Statement) -> _Judged:
        path, value = statement
        field = self._fields.get(path)
        if field is None:
            return self._fine[path] if path == TYPE else _Judged(path, broken=("Closed",), value=_text(value))
        broken = () if field.accepts(value) else tuple(field.broken(value))
        tag = value.language if path in self._texts and isinstance(value, Literal) else ""
        if broken:
            return _Judged(path, f"{path}@{tag}", broken, _text(value))
        return self._fine_texts[path, f"{path}@{tag}"] if tag else self._fine[path]

    def _count(self, statements: tuple[_Judged, ...]) -> tuple[tuple[str, str, Severity, str], ...]:
        found: list[tuple[str, str, Severity, str]] = [
            (each.path, constraint, "violation", each.value) for each in statements for constraint in each.broken
        ]
        counts = Counter(each.path for each in statements)
        for path, count in counts.items():
            if count > self._limited.get(path, count):
                found.append((path, "MaxCount", "violation", ""))
        repeated = Counter(each.repeats for each in statements if each.repeats)
        for repeats, count in sorted(repeated.items()):
            path, _, tag = repeats.rpartition("@")
            if count > 1 and tag:
                found.append((path, "UniqueLang", "violation", tag))
        return (*found, *self._missing(counts))

    def _missing(self, counts: Mapping[str, int]) -> Iterator[tuple[str, str, Severity, str]]:
        for field, path in self._required:
            if counts.get(path, 0) < field.minimum:
                yield path, "MinCount", "violation", ""
            if field.advised and path not in counts:
                yield path, "MinCount", "warning", ""
        for paths in self._any_of:
            if not any(path in counts for path in paths):
                yield choice_path(paths), "MinCount", "violation", ""


def choice_path(paths: Iterable[str]) -> str:
    return "|".join(paths)


def _text(value: Term) -> str:
    return value if isinstance(value, str) else value.value


def _both(first: Callable[[Term], bool], second: Callable[[Term], bool]) -> Callable[[Term], bool]:
    return lambda value: first(value) and second(value)


class _FieldCheck:
    """Every constraint on one value of a field, by the name of its SHACL component."""

    def __init__(self, field: Field, vocabulary: Vocabulary) -> None:
        self.tests: list[tuple[str, Callable[[Term], bool]]] = []
        datatype = _DATATYPES.get(field.type, "")
        if datatype == LANG_STRING:
            self.add("Datatype", lambda v: isinstance(v, Literal) and v.language != "")
        elif datatype:
            self.add("Datatype", lambda v: isinstance(v, Literal) and datatype_of(v) == datatype)
        elif field.type is FieldType.DATE:
            self.add("Or", lambda v: isinstance(v, Literal) and v.datatype in DATES)
        else:
            self.add("NodeKind", lambda v: isinstance(v, str))
        if field.max_length is not None:
            longest = field.max_length
            self.add("MaxLength", lambda v: len(_text(v)) <= longest)
        if field.pattern is not None:
            search = field.pattern.search
            self.add("Pattern", lambda v: search(_text(v)) is not None)
        if field.min_inclusive is not None:
            least = field.min_inclusive
            self.add("MinInclusive", lambda v: isinstance(v, Literal) and _at_least(v, least))
        self.accepts: Callable[[Term], bool] = reduce(_both, (test for _, test in self.tests))
        if field.type is FieldType.CONCEPT:
            concepts = vocabulary.concepts_of(field.schemes)
            self.add("In", concepts.__contains__)
            self.accepts = concepts.__contains__

    def add(self, name: str, test: Callable[[Term], bool]) -> None:
        self.tests.append((name, test))

    def broken(self, value: Term) -> list[str]:
        return [name for name, test in self.tests if not test(value)]


def _at_least(value: Literal, least: int) -> bool:
    """Numbers compare as numbers; what is no number is not at least anything (SHACL section 4.3.3)."""
    if value.datatype not in (XSD + "integer", XSD + "decimal"):
        return False
    try:
        return Decimal(value.value) >= least
    except InvalidOperation:
        return False


@dataclass(frozen=True, slots=True)
class Explained:
    """How a finding reads to a coordinator."""

    message: str
    remedy: str


def fault_of(finding: Finding, vocabulary: Vocabulary, record: str) -> Fault:
    """A finding as a fault: the field by its name, and a sentence with what to do."""
    field = _field_at(finding, vocabulary)
    part = finding.node.partition("#")[2] if finding.node != record else ""
    name = field.name if field is not None else "" if "|" in finding.path else _last(finding.path)
    explained = _explain(finding, field, vocabulary)
    return Fault(
        message=explained.message,
        remedy=explained.remedy,
        field=f"{part}.{name}".strip(".") if part else name,
        severity=finding.severity,
        translations=rule.messages if (rule := vocabulary.rules.get(finding.constraint)) is not None else {},
    )


def _last(iri: str) -> str:
    return iri.rsplit("/", 1)[-1].rsplit("#", 1)[-1]


def _field_at(finding: Finding, vocabulary: Vocabulary) -> Field | None:
    return vocabulary.by_property.get(finding.path)


def _explain(finding: Finding, field: Field | None, vocabulary: Vocabulary) -> Explained:
    value = finding.value if len(finding.value) <= 60 else finding.value[:57] + "…"
    rule = vocabulary.rules.get(finding.constraint)
    if rule is not None:
        wrong, _, remedy = rule.messages["en"].partition(". ")
        return Explained(f"{wrong}.", remedy)
    match finding.constraint:
        case "MinCount" if "|" in finding.path:
            names = [each.name for each in vocabulary.fields.values() if each.path in finding.path.split("|")]
            return Explained(
                "One of several fields must be filled in, and none is.",
                f"Fill in {' or '.join(sorted(names))}.",
            )
        case "MinCount" if finding.severity == "warning":
            return Explained(EMPTY, "Readers filter on it; fill it in if you know it.")
        case "MinCount":
            return Explained(EMPTY, "This field is required.")
        case "MaxCount":
            return Explained("More than one value.", "Give one value only.")
        case "UniqueLang":
            return Explained(f"Two texts in the language {value!r}.", "Give one text for each language.")
        case "MaxLength" if field is not None:
            return Explained(
                f"{len(finding.value):,} characters are too many.", f"{field.max_length} are allowed; shorten it."
            )
        case "In" if field is not None:
            lists = ", ".join(vocabulary.schemes[s].name for s in field.schemes if s in vocabulary.schemes)
            return Explained(f"{value!r} is not in the code list.", f"Use a code of {lists or 'a known list'}.")
        case "Pattern" | "Datatype" | "NodeKind" | "MinInclusive" | "Or" if field is not None and finding.path:
            return Explained(f"{value!r} is not a valid {field.type.value}.", "See the help of this field.")
        case "Closed":
            return Explained(f"The property <{finding.path}> does not belong here.", "Leave it out.")
    return Explained(f"The value {value!r} breaks the rule {finding.constraint}.", "See the help of this field.")
