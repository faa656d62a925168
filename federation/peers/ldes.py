"""Reading the pages of a peer's feed: N-Quads in, claims and relations out. Pure.

A page is read line by line without an RDF library: what counts are the exact lines of each body,
which must be canonical and are checked later (``records.canonical``). Everything a page says beside
them is a claim. Sources: LDES 1.0, TREE; design section 7.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from federation.errors import BadPage, BadProof, OversizedResponse
from federation.log.trust import Claimed
from federation.records.canonical import AS, DCT, LDES, MAX_BODY, PC, TREE, TYPE, XSD
from federation.records.multikey import decode_signature
from federation.records.proof import PURPOSE, SEC, SUITE, Proof, Signed

MAX_MEMBERS: Final = 250
"""Members accepted on one page; this program publishes 100."""
MAX_RELATIONS: Final = 20_000
_INTEGER = re.compile(rf'"(0|[1-9][0-9]{{0,17}})"\^\^<{re.escape(XSD)}integer>')
_TIME = re.compile(rf'"([0-9TZ:-]{{20}})"\^\^<{re.escape(XSD)}dateTime>')
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
    claims: tuple[Claimed, ...]
    polling: int | None
    immutable: bool


def read_page(data: bytes, *, url: str, base: str) -> Page:
    """Read a page of the feed of the node at ``base``. Raises BadPage, BadProof, OversizedResponse."""
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise BadPage(f"{url} is not UTF-8.") from error
    statements, bodies = _split(text, url, base)
    stream = f"<{base}/feed#stream>"
    about = dict.fromkeys(_objects(statements, stream, TREE + "member"))
    if len(about) > MAX_MEMBERS:
        raise OversizedResponse(f"{url} holds {len(about)} members; {MAX_MEMBERS} are accepted.")
    if set(bodies) - set(about):
        raise BadPage(f"{url} holds a body that belongs to no member.")
    claims = [_claim(member, statements, bodies, url, base) for member in about]
    page = f"<{url}>"
    polling = _objects(statements, stream, LDES + "pollingInterval")
    return Page(
        relations=_relations(statements, page, url),
        claims=tuple(sorted(claims, key=lambda claim: claim.position)),
        polling=_integer(polling[0], url) if len(polling) == 1 else None,
        immutable=bool(_objects(statements, page, LDES + "immutable")),
    )


def _split(text: str, url: str, base: str) -> tuple[Statements, dict[str, str]]:
    """The default graph as raw tokens, and every body without its graph, as the lines stand on the page.

    The lines of a body end in its graph; they are taken as one block and stripped at once, since this is
    most of what a page is.
    """
    if text and not text.endswith("\n"):
        raise BadPage(f"{url} breaks off in the middle of a line.")
    statements: Statements = {}
    bodies: dict[str, str] = {}
    member, listing = f"<{base}/log/", f"<{base}/feed#stream> "
    lines = text.split("\n")
    at, last = 0, len(lines) - 1
    while at < last:
        line = lines[at]
        graph = line[line.rfind(" ", 0, -2) + 1 : -2]
        if graph.startswith(member) and line.endswith("> .") and not line.startswith(listing) and line.count(" ") > 3:
            start, ending = at, f" {graph} ."
            while at < last and lines[at].endswith(ending):
                at += 1
            block = "\n".join(lines[start:at]) + "\n"
            bodies[graph] = bodies.get(graph, "") + block.replace(ending + "\n", " .\n")
            continue
        tokens = line.split(" ", 2)
        if len(tokens) != 3 or not tokens[2].endswith(" ."):
            raise BadPage(f"{url} holds a line that is not N-Quads: {line[:100]!r}.")
        statements.setdefault(tokens[0], []).append((tokens[1], tokens[2][:-2]))
        at += 1
    return statements, bodies


def _objects(statements: Statements, subject: str, predicate: str) -> list[str]:
    wanted = f"<{predicate}>"
    return [value for path, value in statements.get(subject, ()) if path == wanted]


def _one(statements: Statements, subject: str, predicate: str, url: str) -> str:
    values = _objects(statements, subject, predicate)
    if len(values) != 1:
        raise BadPage(f"{url} gives {len(values)} values of <{predicate}> for {subject[:200]}; one is needed.")
    return values[0]


def _integer(token: str, url: str) -> int:
    match = _INTEGER.fullmatch(token)
    if match is None:
        raise BadPage(f"{url} holds {token[:60]} where a whole number belongs.")
    return int(match[1])


def _iri(token: str, url: str) -> str:
    if not (token.startswith("<") and token.endswith(">")):
        raise BadPage(f"{url} holds {token[:60]} where an address belongs.")
    return token[1:-1]


def _claim(member: str, statements: Statements, bodies: dict[str, str], url: str, base: str) -> Claimed:
    position = _integer(_one(statements, member, PC + "position", url), url)
    if member != f"<{base}/log/{position}>":
        raise BadPage(f"{url}: {member[:200]} is not the address of position {position}.")
    body = bodies.get(member)
    if body is None:
        raise BadPage(f"{url}: there is no body for {member[:200]}.")
    if len(body) > MAX_BODY:
        raise OversizedResponse(f"{url}: the body of {member[:200]} is larger than {MAX_BODY:,} bytes.")
    activity = _iri(_one(statements, member, TYPE, url), url)
    published = _TIME.fullmatch(_one(statements, member, AS + "published", url))
    if published is None:
        raise BadPage(f"{url}: {member[:200]} has no time of publication in UTC.")
    return Claimed(
        position=position,
        signed=Signed(body, _proof(_one(statements, member, SEC + "proof", url), statements, url)),
        activity=activity.removeprefix(AS),
        object=_iri(_one(statements, member, AS + "object", url), url),
        published=published[1],
    )


def _proof(node: str, statements: Statements, url: str) -> Proof:
    found = dict(statements.get(node, ()))
    if len(found) != len(statements.get(node, ())) or set(found) != _PROOF:
        raise BadProof(f"{url}: a proof does not have exactly the statements it should.")
    created = _TIME.fullmatch(found[f"<{DCT}created>"])
    value = _VALUE.fullmatch(found[f"<{SEC}proofValue>"])
    if (
        created is None
        or value is None
        or found[f"<{TYPE}>"] != f"<{SEC}DataIntegrityProof>"
        or found[f"<{SEC}cryptosuite>"] != f'"{SUITE}"^^<{SEC}cryptosuiteString>'
        or found[f"<{SEC}proofPurpose>"] != f"<{SEC}{PURPOSE}>"
    ):
        raise BadProof(f"{url}: a proof is not a DataIntegrityProof of {SUITE}.")
    method = _iri(found[f"<{SEC}verificationMethod>"], url)
    return Proof(created[1], method, decode_signature(value[1]))


_PROOF: Final = {
    f"<{TYPE}>",
    f"<{DCT}created>",
    f"<{SEC}cryptosuite>",
    f"<{SEC}proofPurpose>",
    f"<{SEC}verificationMethod>",
    f"<{SEC}proofValue>",
}
_LOWER: Final = f"<{TREE}GreaterThanOrEqualToRelation>"
_UPPER: Final = f"<{TREE}LessThanRelation>"


def _relations(statements: Statements, page: str, url: str) -> tuple[Relation, ...]:
    links = _objects(statements, page, TREE + "relation")
    if len(links) > MAX_RELATIONS:
        raise OversizedResponse(f"{url} links to more than {MAX_RELATIONS} pages.")
    bounds: dict[str, dict[str, int]] = {}
    for link in links:
        node = _iri(_one(statements, link, TREE + "node", url), url)
        kind = _one(statements, link, TYPE, url)
        limits = bounds.setdefault(node, {})
        if kind in (_LOWER, _UPPER) and _objects(statements, link, TREE + "path") == [f"<{PC}position>"]:
            limits[kind] = _integer(_one(statements, link, TREE + "value", url), url)
    return tuple(Relation(node, limits.get(_LOWER, 0), limits.get(_UPPER)) for node, limits in sorted(bounds.items()))


def in_order(relations: Sequence[Relation], *, start: int, stop: int) -> list[Relation]:
    """The links that may hold positions ``start`` ≤ p < ``stop``, in the order of the log."""
    wanted = [r for r in relations if r.lower < stop and (r.upper is None or r.upper > start)]
    return sorted(wanted, key=lambda relation: relation.lower)
