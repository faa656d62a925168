"""Reading the pages of a peer's feed: TriG or N-Quads in, claims and relations out. Pure.

A page is read line by line without an RDF library: what counts are the exact lines of each body,
which must be canonical and are checked later (``records.canonical``). In TriG they stand together, in N-Quads each
ends in its graph. Everything a page says beside them is a claim. Sources: LDES 1.0, TREE; design section 7.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from federation.errors import BadPage, BadProof, FederationError, OversizedResponse
from federation.log.trust import Claimed, Erased
from federation.peers import trig
from federation.records.canonical import AS, DCT, LDES, MAX_BODY, PC, TREE, TYPE, XSD
from federation.records.multikey import decode_signature
from federation.records.proof import PURPOSE, SEC, SUITE, Proof, Signed

NQUADS: Final = "application/n-quads"
TRIG: Final = "application/trig"
MAX_MEMBERS: Final = 250
"""Members accepted on one page; this program publishes 100."""
MAX_RELATIONS: Final = 20_000
MAX_LINES: Final = 300_000
"""Lines accepted on one page; a hundred entries of 40 statements have some 5,000."""
_HEAD: Final = 64 * 1024
"""Bytes of what a page of entries says of itself, as this program writes it: some hundreds."""
MAX_ADDRESS: Final = 2_000
"""Characters of the address of a page."""
_INTEGER = re.compile(rf'"(0|[1-9][0-9]{{0,17}})"\^\^<{re.escape(XSD)}integer>')
_TIME = re.compile(rf'"([0-9TZ:-]{{20}})"\^\^<{re.escape(XSD)}dateTime>')
_LEAF_HASH = re.compile(rf'"([0-9A-F]{{64}})"\^\^<{re.escape(XSD)}hexBinary>')
_VALUE = re.compile(rf'"(z[1-9A-HJ-NP-Za-km-z]{{1,90}})"\^\^<{re.escape(SEC)}multibase>')

Statements = dict[str, list[tuple[str, str]]]
"""Raw predicate and object tokens of the default graph, by raw subject token."""


@dataclass(frozen=True, slots=True)
class Relation:
    """A link to another page of the feed, and the positions it holds: ``lower`` ≤ p < ``upper``."""

    node: str
    lower: int
    upper: int | None


@dataclass(frozen=True, slots=True)
class Page:
    """What stands on one page."""

    relations: tuple[Relation, ...]
    claims: tuple[Claimed | Erased, ...]
    polling: int | None
    immutable: bool


def read_page(data: bytes, *, url: str, base: str, media_type: str = NQUADS) -> Page:
    """Read a page of the feed of the node at ``base``. Raises BadPage, BadProof, OversizedResponse."""
    if media_type not in (NQUADS, TRIG):
        raise BadPage(f"{url} is {media_type}, not TriG or N-Quads.")
    if data and not data.endswith(b"\n"):
        raise BadPage(f"{url} breaks off in the middle of a line.")
    found = _as_written(data, url, base, media_type)
    if found is None:
        if data.count(b"\n") > MAX_LINES:
            raise OversizedResponse(f"{url} holds more than {MAX_LINES:,} lines.")
        lines = data if media_type == NQUADS else trig.lines_of(data, url=url, most=MAX_LINES)
        found = _by_line(lines, url, base)
    statements, claims = found
    page = f"<{url}>"
    polling = _objects(statements, f"<{base}/feed#stream>", _POLLING)
    return Page(
        relations=_relations(statements, page, url),
        claims=tuple(sorted(claims, key=lambda claim: claim.position)),
        polling=_integer(polling[0], url) if len(polling) == 1 else None,
        immutable=bool(_objects(statements, page, _IMMUTABLE)),
    )


def _as_written(data: bytes, url: str, base: str, media_type: str) -> tuple[Statements, list[Claimed | Erased]] | None:
    """The hypermedia and members of a page written as this program writes them; None where it is otherwise.

    First the hypermedia, then each member: what is said of it in one order, and its body. Taken apart at its members
    a page costs half of what it costs line by line, and says the same.
    """
    stream, log = f"<{base}/feed#stream> ".encode(), f"<{base}/log/".encode()
    head, *members = data[:-1].split(b"\n%b%b " % (stream, _MEMBER.encode()), MAX_MEMBERS + 1)
    if not 0 < len(members) <= MAX_MEMBERS or len(head) > _HEAD or log in head or b"_:" in head:
        return None
    claims: dict[int, Claimed | Erased] = {}
    try:
        for member in members:
            said = _WRITTEN.match(member)
            if said is None or said[1] != b"%b%b>" % (log, said[2]):
                return None
            rest, graph = member[said.end() :], said[1]
            found = _braced(rest, graph) if media_type == TRIG else _without_graph(rest, graph, stream)
            if found is None:
                return None
            body, position = found.decode(), int(said[2])
            activity, record, published, created, method, value = (each.decode() for each in said.groups()[2:])
            if position in claims or len(body) > MAX_BODY:
                return None
            signed = Signed(body, Proof(created, method, decode_signature(value)))
            claims[position] = Claimed(position, signed, activity, record, published)
        return _statements(head.decode(), url), list(claims.values())
    except (UnicodeDecodeError, FederationError):
        return None  # what is wrong, the other way says


def _braced(rest: bytes, graph: bytes) -> bytes | None:
    """The body of a member in TriG: what its braces enclose; None where they close before the end."""
    start = b"%b {\n" % graph
    if not rest.startswith(start) or not rest.endswith(b"\n}"):
        return None
    body = rest[len(start) : -1]
    # Most bodies have no brace at all, and to know that costs next to nothing.
    return None if b"}" in body and b"\n}" in body else body


def _without_graph(rest: bytes, graph: bytes, stream: bytes) -> bytes | None:
    """The body of a member in N-Quads: its lines without their graph; None where a line is in none or in another."""
    ending = b" %b ." % graph
    lines = rest.split(b"\n")
    bare = [line[: -len(ending)] for line in lines if line.endswith(ending) and not line.startswith(stream)]
    return None if len(bare) < len(lines) or bare[0].count(b" ") < 2 else _ENDING.join([*bare, b""])


def _by_line(data: bytes, url: str, base: str) -> tuple[Statements, list[Claimed | Erased]]:
    """The statements of a page and its members, in whatever order its lines stand."""
    statements, bodies = _split(data, url, base)
    about = dict.fromkeys(_objects(statements, f"<{base}/feed#stream>", _MEMBER))
    gone = [subject for subject, said in statements.items() if any(path == _LEAF for path, _ in said)]
    if len(about) + len(gone) > MAX_MEMBERS:
        raise OversizedResponse(f"{url} holds {len(about) + len(gone)} members; {MAX_MEMBERS} are accepted.")
    if not about.keys().isdisjoint(gone):
        raise BadPage(f"{url} gives an entry both with its text and as erased.")
    if set(bodies) - set(about):
        raise BadPage(f"{url} holds a body that belongs to no member.")
    claims: list[Claimed | Erased] = [_claim(member, statements, bodies, url, base) for member in about]
    return statements, claims + [_erased(member, statements, url, base) for member in gone]


def _split(data: bytes, url: str, base: str) -> tuple[Statements, dict[str, str]]:
    """The default graph as raw tokens, and every body without its graph, as the lines stand on the page.

    The lines of a body end in its graph; they are taken as one block, since this is most of a page.
    """
    bodies: dict[bytes, list[bytes]] = {}
    others: list[bytes] = []
    member, listing = f"<{base}/log/".encode(), f"<{base}/feed#stream> ".encode()
    at = 0
    while at < len(data):
        end = data.index(b"\n", at)
        line = data[at:end]
        graph = line[line.rfind(b" ", 0, -2) + 1 : -2]
        if graph.startswith(member) and line[-3:] == b"> ." and not line.startswith(listing) and line.count(b" ") > 3:
            body = bodies.setdefault(graph, [])
            body.append(line[: -3 - len(graph)] + _ENDING)
            at = _take_block(data, end + 1, b" %b .\n" % graph, listing, body)
        else:
            others.append(line)
            at = end + 1
    try:
        texts = {graph.decode(): b"".join(body).decode() for graph, body in bodies.items()}
        return _statements(b"\n".join(others).decode(), url), texts
    except UnicodeDecodeError as error:
        raise BadPage(f"{url} is not UTF-8.") from error


def _statements(text: str, url: str) -> Statements:
    statements: Statements = {}
    for line in text.split("\n") if text else ():
        tokens = line.split(" ", 2)
        if len(tokens) != 3 or tokens[2][-2:] != " .":
            raise BadPage(f"{url} holds a line that is not N-Quads: {line[:100]!r}.")
        statements.setdefault(tokens[0], []).append((tokens[1], tokens[2][:-2]))
    return statements


_ENDING: Final = b" .\n"


def _take_block(data: bytes, start: int, ending: bytes, listing: bytes, body: list[bytes]) -> int:
    """Add to a body the lines from ``start`` on that have its ending, without it; where the next line begins.

    ``listing`` begins the lines that say what is on the page; they may end alike. The lines may break off before the
    last of the body: the rest is another block.
    """
    # In pieces that grow while all of them is body, so that what else a page holds is looked at once or twice.
    step, shorter = 512, len(ending) - len(_ENDING)
    while (last := data.rfind(ending, start, start + step)) >= 0:
        end = last + len(ending)
        piece = data[start:end]
        lines = piece.replace(ending, _ENDING)
        if lines.count(b"\n") * shorter != len(piece) - len(lines) or listing in piece:
            for line in piece.splitlines(keepends=True):
                if not line.endswith(ending) or line.startswith(listing):
                    break
                body.append(line[: -len(ending)] + _ENDING)
                start += len(line)
            return start
        body.append(lines)
        start, step = end, 4 * step
    return start


def _objects(statements: Statements, subject: str, predicate: str) -> list[str]:
    return [value for path, value in statements.get(subject, ()) if path == predicate]


def _one(statements: Statements, subject: str, predicate: str, url: str) -> str:
    values = _objects(statements, subject, predicate)
    if len(values) != 1:
        raise BadPage(f"{url} gives {len(values)} values of {predicate} for {subject[:200]}; one is needed.")
    return values[0]


def _integer(token: str, url: str) -> int:
    match = _INTEGER.fullmatch(token)
    if match is None:
        raise BadPage(f"{url} holds {token[:60]} where a whole number belongs.")
    return int(match[1])


def _iri(token: str, url: str) -> str:
    if token[:1] != "<" or token[-1:] != ">":
        raise BadPage(f"{url} holds {token[:60]} where an address belongs.")
    return token[1:-1]


def _claim(member: str, statements: Statements, bodies: dict[str, str], url: str, base: str) -> Claimed:
    every = statements.get(member, ())
    said = dict(every)
    if len(said) != len(every) or not said.keys() >= _SAID:
        raise BadPage(f"{url} does not say each of position, type, object, time and proof of {member[:200]} once.")
    position = _integer(said[_POSITION], url)
    if member != f"<{base}/log/{position}>":
        raise BadPage(f"{url}: {member[:200]} is not the address of position {position}.")
    body = bodies.get(member)
    if body is None:
        raise BadPage(f"{url}: there is no body for {member[:200]}.")
    if len(body) > MAX_BODY:
        raise OversizedResponse(f"{url}: the body of {member[:200]} is larger than {MAX_BODY:,} bytes.")
    published = _TIME.fullmatch(said[_PUBLISHED])
    if published is None:
        raise BadPage(f"{url}: {member[:200]} has no time of publication in UTC.")
    signed = Signed(body, _proof(said[_PROOF], statements, url))
    activity = _iri(said[_TYPE], url).removeprefix(AS)
    return Claimed(position, signed, activity, _iri(said[_OBJECT], url), published[1])


def _erased(member: str, statements: Statements, url: str, base: str) -> Erased:
    position = _integer(_one(statements, member, _POSITION, url), url)
    leaf = _LEAF_HASH.fullmatch(_one(statements, member, _LEAF, url))
    if member != f"<{base}/log/{position}>" or leaf is None:
        raise BadPage(f"{url}: what is said of {member[:200]} is not how an erased entry looks.")
    return Erased(position, bytes.fromhex(leaf[1]))


def _proof(node: str, statements: Statements, url: str) -> Proof:
    every = statements.get(node, ())
    found = dict(every)
    if len(found) != len(every) or found.keys() != _PROOF_STATEMENTS:
        raise BadProof(f"{url}: a proof does not have exactly the statements it should.")
    created = _TIME.fullmatch(found[_CREATED])
    value = _VALUE.fullmatch(found[_PROOF_VALUE])
    fixed = (found[_TYPE], found[_CRYPTOSUITE], found[_PURPOSE])
    if created is None or value is None or fixed != _FIXED:
        raise BadProof(f"{url}: a proof is not a DataIntegrityProof of {SUITE}.")
    return Proof(created[1], _iri(found[_METHOD], url), decode_signature(value[1]))


# Predicates as they stand on a page.
_TYPE: Final = f"<{TYPE}>"
_POSITION: Final = f"<{PC}position>"
_LEAF: Final = f"<{PC}leafHash>"
_OBJECT: Final = f"<{AS}object>"
_PUBLISHED: Final = f"<{AS}published>"
_MEMBER: Final = f"<{TREE}member>"
_RELATION: Final = f"<{TREE}relation>"
_NODE: Final = f"<{TREE}node>"
_PATH: Final = f"<{TREE}path>"
_BOUND: Final = f"<{TREE}value>"
_POLLING: Final = f"<{LDES}pollingInterval>"
_IMMUTABLE: Final = f"<{LDES}immutable>"
_PROOF: Final = f"<{SEC}proof>"
_CREATED: Final = f"<{DCT}created>"
_CRYPTOSUITE: Final = f"<{SEC}cryptosuite>"
_PURPOSE: Final = f"<{SEC}proofPurpose>"
_METHOD: Final = f"<{SEC}verificationMethod>"
_PROOF_VALUE: Final = f"<{SEC}proofValue>"
_SAID: Final = {_POSITION, _TYPE, _OBJECT, _PUBLISHED, _PROOF}
_PROOF_STATEMENTS: Final = {_TYPE, _CREATED, _CRYPTOSUITE, _PURPOSE, _METHOD, _PROOF_VALUE}
_FIXED: Final = (f"<{SEC}DataIntegrityProof>", f'"{SUITE}"^^<{SEC}cryptosuiteString>', f"<{SEC}{PURPOSE}>")
_ADDRESS: Final = r"<([^<> \n]+)>"
_LINES: Final = (
    (r"\1", _TYPE, rf"<{re.escape(AS)}([A-Za-z]+)>"),
    (r"\1", _OBJECT, _ADDRESS),
    (r"\1", _PUBLISHED, _TIME.pattern),
    (r"\1", _POSITION, rf'"\2"\^\^<{re.escape(XSD)}integer>'),
    (r"\1", _PROOF, r"_:p\2"),
    (r"_:p\2", _TYPE, re.escape(_FIXED[0])),
    (r"_:p\2", _CREATED, _TIME.pattern),
    (r"_:p\2", _CRYPTOSUITE, re.escape(_FIXED[1])),
    (r"_:p\2", _PURPOSE, re.escape(_FIXED[2])),
    (r"_:p\2", _METHOD, _ADDRESS),
    (r"_:p\2", _PROOF_VALUE, _VALUE.pattern),
)
"""What a page of this program says of a member, in its order."""
_WRITTEN: Final = re.compile(
    rb"(<[^<> \n]+/log/(0|[1-9][0-9]{0,17})>) \.\n"
    + "".join(rf"{subject} {re.escape(predicate)} {value} \.\n" for subject, predicate, value in _LINES).encode()
)
"""These lines, behind the statement that it is a member."""
_LOWER: Final = f"<{TREE}GreaterThanOrEqualToRelation>"
_UPPER: Final = f"<{TREE}LessThanRelation>"


def _relations(statements: Statements, page: str, url: str) -> tuple[Relation, ...]:
    links = list(dict.fromkeys(_objects(statements, page, _RELATION)))
    if len(links) > MAX_RELATIONS:
        raise OversizedResponse(f"{url} links to more than {MAX_RELATIONS} pages.")
    bounds: dict[str, dict[str, int]] = {}
    for link in links:
        node = _iri(_one(statements, link, _NODE, url), url)
        if len(node) > MAX_ADDRESS:
            raise BadPage(f"{url} links to an address of {len(node):,} characters.")
        kind = _one(statements, link, _TYPE, url)
        limits = bounds.setdefault(node, {})
        if kind in (_LOWER, _UPPER) and _objects(statements, link, _PATH) == [_POSITION]:
            limits[kind] = _integer(_one(statements, link, _BOUND, url), url)
    return tuple(Relation(node, limits.get(_LOWER, 0), limits.get(_UPPER)) for node, limits in sorted(bounds.items()))


def in_order(relations: Sequence[Relation], *, start: int, stop: int) -> list[Relation]:
    """The links that may hold positions ``start`` ≤ p < ``stop``, in the order of the log."""
    wanted = [r for r in relations if r.lower < stop and (r.upper is None or r.upper > start)]
    return sorted(wanted, key=lambda relation: relation.lower)
