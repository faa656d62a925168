"""The canonical text of a record: RDFC-1.0 N-Quads of a graph without blank nodes.

Without blank nodes RDFC-1.0 (section 4.4.3) is the canonical N-Quads form of every triple,
de-duplicated and sorted by code point. That text is what is hashed, signed, stored and served; it is
never re-serialised. Reading is strict: a text that is not byte for byte canonical, or that uses a
lexical form some RDF store would rewrite, is refused.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable
from datetime import date, datetime
from itertools import islice
from operator import lt
from typing import Final, NamedTuple, TypeAlias, TypeVar

import pyoxigraph

from federation.errors import NotCanonical, PoisonGraph, TooLarge

RDF: Final = "http://www.w3.org/1999/02/22-rdf-syntax-ns#"
XSD: Final = "http://www.w3.org/2001/XMLSchema#"
DCT: Final = "http://purl.org/dc/terms/"
PC: Final = "https://w3id.org/procirc/ns#"
AS: Final = "https://www.w3.org/ns/activitystreams#"
LDES: Final = "https://w3id.org/ldes#"
TREE: Final = "https://w3id.org/tree#"
TYPE: Final = RDF + "type"
LANG_STRING: Final = RDF + "langString"

MAX_BODY: Final = 128 * 1024
"""Bytes of one body, UTF-8."""
MAX_TRIPLES: Final = 5_000
_MANY: Final = 100
"""Subjects of a body from which on it is read line by line; records have some five."""
MAX_LITERAL: Final = 32 * 1024
"""Bytes of one literal, UTF-8."""


class Literal(NamedTuple):
    """An RDF literal; ``datatype`` is empty exactly for plain strings and language-tagged ones."""

    value: str
    datatype: str = ""
    language: str = ""


Term: TypeAlias = str | Literal
"""An absolute IRI as ``str``, or a literal."""
Triple: TypeAlias = tuple[str, str, Term]
Statement: TypeAlias = tuple[str, Term]
"""Predicate and object."""
Nodes: TypeAlias = dict[str, list[Statement]]
"""Statements by subject."""
K = TypeVar("K")
V = TypeVar("V")

IRI_PATTERN: Final = r"[A-Za-z][A-Za-z0-9+.\-]*:[^\x00-\x20<>\"{}|^`\\\x7f]*"
_PLAIN = r"[^\"\\\x00-\x1f\x7f\ud800-\udfff]*"
_TEXT = rf"{_PLAIN}(?:\\(?:[tbnrf\"\\]|u00(?:0[0-7BEF]|1[0-9A-F]|7F)){_PLAIN})*"
_OBJECT = re.compile(rf"<({IRI_PATTERN})>|\"({_TEXT})\"(?:\^\^<({IRI_PATTERN})>|@([a-z]{{1,8}}(?:-[a-z0-9]{{1,8}})*))?")
_IRI = re.compile(IRI_PATTERN)
_PLAIN_IRI = re.compile(r"https?://[a-z][a-z0-9.\-]*[a-z](?::[0-9]{1,5})?/[A-Za-z0-9._~/\-]*(?:#[A-Za-z0-9._~/\-]*)?")
"""Most IRIs: of no such one does any parser doubt."""
_LANGUAGE = re.compile(r"[a-z]{1,8}(?:-[a-z0-9]{1,8})*")
_MEMO: Final = 200
"""Statements up to this length, subject aside, are remembered."""

_ESCAPES = {chr(code): f"\\u{code:04X}" for code in (*range(0x20), 0x7F)} | {
    "\t": "\\t", "\b": "\\b", "\n": "\\n", "\r": "\\r", "\f": "\\f", '"': '\\"', "\\": "\\\\",
}  # fmt: skip
_TO_ESCAPE = re.compile(r'[\x00-\x1f\x7f"\\]')
_ESCAPED = re.compile(r"\\(?:u([0-9A-F]{4})|(.))")
_UNESCAPES = {"t": "\t", "b": "\b", "n": "\n", "r": "\r", "f": "\f", '"': '"', "\\": "\\"}


def is_iri(text: str) -> bool:
    """Whether the text is an absolute IRI (RFC 3987) that needs no escape in N-Quads and is in NFC."""
    if _PLAIN_IRI.fullmatch(text):
        return True
    if not _IRI.fullmatch(text) or not _is_nfc(text):
        return False
    try:
        pyoxigraph.NamedNode(text)
    except ValueError:
        return False
    return True


def _is_nfc(text: str) -> bool:
    return text.isascii() or unicodedata.is_normalized("NFC", text)


def _calendar(parse: Callable[[str], object], shape: str) -> Callable[[str], bool]:
    pattern = re.compile(shape)

    def check(text: str) -> bool:
        if not pattern.fullmatch(text):
            return False
        try:
            parse(text)
        except ValueError:
            return False
        return True

    return check


def _pattern(shape: str) -> Callable[[str], bool]:
    pattern = re.compile(shape)
    return lambda text: pattern.fullmatch(text) is not None


LEXICAL: Final[dict[str, Callable[[str], bool]]] = {
    XSD + "integer": _pattern(r"0|-?[1-9][0-9]{0,17}"),
    XSD + "decimal": _pattern(r"0|-?(?:[1-9][0-9]{0,17}(?:\.[0-9]{0,17}[1-9])?|0\.[0-9]{0,17}[1-9])"),
    XSD + "boolean": _pattern(r"true|false"),
    XSD + "dateTime": _calendar(datetime.fromisoformat, r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z"),
    XSD + "date": _calendar(date.fromisoformat, r"[0-9]{4}-[0-9]{2}-[0-9]{2}"),
    XSD + "gYearMonth": _pattern(r"(?!0000)[0-9]{4}-(?:0[1-9]|1[0-2])"),
    XSD + "gYear": _pattern(r"(?!0000)[0-9]{4}"),
}
"""The lexical forms that rdflib, Oxigraph and PostgreSQL all keep as they are, by datatype."""


def object_text(term: Term) -> str:
    """One object in canonical N-Quads (RDFC-1.0 section 5)."""
    if isinstance(term, str):
        return f"<{term}>"
    text = _TO_ESCAPE.sub(lambda match: _ESCAPES[match[0]], term.value)
    if term.language:
        return f'"{text}"@{term.language}'
    return f'"{text}"^^<{term.datatype}>' if term.datatype else f'"{text}"'


def write(triples: Iterable[Triple]) -> str:
    """The canonical text of a graph without blank nodes; every line ends in a line feed."""
    return "".join(sorted({f"<{s}> <{p}> {object_text(o)} .\n" for s, p, o in triples}))


def unescape(text: str) -> str:
    """The value of a literal from its text between the quotes."""
    if "\\" not in text:
        return text
    return _ESCAPED.sub(lambda m: chr(int(m[1], 16)) if m[1] else _UNESCAPES[m[2]], text)


def read(body: str) -> list[Triple]:
    """The triples of a canonical text, in its order. Raises what ``nodes_of`` raises."""
    return [(subject, path, value) for subject, statements in nodes_of(body).items() for path, value in statements]


def nodes_of(body: str) -> Nodes:
    """The statements of a canonical text by subject, in its order.

    Raises NotCanonical where one byte differs from the canonical form, PoisonGraph for blank nodes
    (refused before any canonicalisation could be tempted into exponential work), TooLarge beyond
    the limits.
    """
    if len(body) * 4 > MAX_BODY or body.count("\n") > MAX_TRIPLES:
        check_size(body)
    if not body.endswith(" .\n"):
        raise NotCanonical("The body is empty or its last line does not end.")
    nodes: Nodes = {}
    rest, last = body[:-1], ""
    while rest:
        if len(nodes) == _MANY:
            return nodes | _by_line(rest, last)
        # Taken apart at a subject's own token, its lines are left without it, and the last with what follows.
        node = rest.partition(" ")[0]
        tails = rest[len(node) + 1 :].split(f"\n{node} ")
        tails[-1], _, rest = tails[-1].partition("\n")
        if not (last < node + " " and all(map(lt, tails, islice(tails, 1, None)))):
            raise NotCanonical("The lines of the body are not sorted, or one is repeated.")
        try:
            nodes[_iri(node)] = list(map(_statements.__getitem__, tails))
        except ValueError as error:
            raise _refusal(node, tails) from error
        last = node + " "
    return nodes


def _by_line(rest: str, last: str) -> Nodes:
    """The statements of sorted lines behind a subject, line by line: with many subjects that is less work."""
    nodes: Nodes = {}
    before, subject, found = last, "", list[Statement]()
    for line in rest.split("\n"):
        if not before < line:
            raise NotCanonical("The lines of the body are not sorted, or one is repeated.")
        node, _, tail = line.partition(" ")
        try:
            if node != subject:
                subject, found = node, nodes.setdefault(_iri(node), [])
            found.append(_statements[tail])
        except ValueError as error:
            raise _refusal(node, [tail]) from error
        before = line
    return nodes


def _statement(tail: str) -> Statement:
    """Predicate and object of one line. Raises ValueError where they are none."""
    predicate, _, rest = tail.partition(" ")
    if rest[-2:] != " .":
        raise ValueError(tail)
    return _iris[predicate], _term(rest[:-2])


class Remembered(dict[K, V]):
    """Answers worked out before, up to ``most`` of them; then it begins anew.

    Only what is asked for a second time is kept: what never recurs would push the rest out of the
    processor's caches. ``map(remembered.__getitem__, keys)`` asks for many without a call of Python's for each.
    """

    def __init__(
        self, work: Callable[[K], V], *, most: int = 1 << 13, worth: Callable[[K], bool] | None = None
    ) -> None:
        super().__init__()
        self._work, self._most, self._worth = work, most, worth
        self._once: set[int] = set()

    def __missing__(self, key: K) -> V:
        answer = self._work(key)
        if self._worth is None or self._worth(key):
            self._notice(key, answer)
        return answer

    def _notice(self, key: K, answer: V) -> None:
        # A number stands for the key, so that what is seen once does not stay in memory.
        seen = hash(key)
        if seen not in self._once:
            if len(self._once) >= self._most:
                self._once.clear()
            self._once.add(seen)
        else:
            if len(self) >= self._most:
                self.clear()
            self[key] = answer


# Statements such as a type, a code or a licence recur in every record.
_statements: Final = Remembered(_statement, worth=lambda tail: len(tail) < _MEMO)


def _term(text: str) -> Term:
    """One object from its text. Raises ValueError where it is none, NotCanonical for a form not accepted."""
    match = _OBJECT.fullmatch(text)
    if match is None:
        raise ValueError(text)
    iri, value, datatype, language = match.groups()
    if iri is not None:
        if not is_iri(iri):
            raise ValueError(text)
        return str(iri)
    literal = Literal(unescape(value), datatype or "", language or "")
    # The value, not its escaped text: an accent may follow an escaped line feed, and is none of an n.
    if not _is_nfc(literal.value):
        raise NotCanonical("A text is not in Unicode normal form NFC.")
    check_literal(literal)
    return literal


def _iri(text: str) -> str:
    """An IRI from its token. Raises ValueError where it is none."""
    if text[:1] != "<" or text[-1:] != ">" or not is_iri(text[1:-1]):
        raise ValueError(text)
    return text[1:-1]


_iris: Final = Remembered(_iri)


def _refusal(node: str, tails: Iterable[str]) -> NotCanonical:
    """Which of a subject's lines is not canonical, as the error to raise."""
    line = node
    for tail in tails:
        line = f"{node} {tail}".partition("\n")[0]
        try:
            _iri(node)
            _statement(tail)
        except ValueError:
            break
    # Behind the last quotation mark nothing is text any more.
    if line.startswith("_:") or re.search(r"[ ]_:[A-Za-z0-9]", line.rpartition('"')[2]):
        return PoisonGraph("A record must not hold blank nodes; give every part an IRI of its own.")
    return NotCanonical(f"This line is not canonical N-Quads: {line[:120]!r}.")


def check_size(body: str) -> None:
    """Raise TooLarge when a body is beyond the limits of bytes or triples."""
    try:
        size = len(body.encode())
    except UnicodeEncodeError as error:
        raise NotCanonical("The body holds half a surrogate pair, which is no Unicode text.") from error
    if size > MAX_BODY:
        raise TooLarge(f"A record may be {MAX_BODY:,} bytes at most.")
    if body.count("\n") > MAX_TRIPLES:
        raise TooLarge(f"A record may hold {MAX_TRIPLES:,} statements at most.")


def check_literal(literal: Literal) -> None:
    """Raise NotCanonical for a form that some RDF store would rewrite, TooLarge for a long text."""
    if literal.datatype:
        check = LEXICAL.get(literal.datatype)
        if check is None or not check(literal.value):
            raise NotCanonical(f"{literal.value[:60]!r} is not an accepted form of <{literal.datatype}>.")
    elif len(literal.value) * 4 > MAX_LITERAL and len(literal.value.encode()) > MAX_LITERAL:
        raise TooLarge(f"A text may be {MAX_LITERAL:,} bytes at most.")


def is_language(tag: str) -> bool:
    """Whether the tag is a lower-case BCP 47 language tag."""
    return _LANGUAGE.fullmatch(tag) is not None
