"""The work that is done in worker processes: drafts prepared, pages of peers judged, documents of an index made.

Apart from what uses it, so that a worker starts without the network and the database. All of it is pure.
"""

from __future__ import annotations

import traceback
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, NamedTuple

from federation.errors import Fault, FederationError, printable
from federation.index.documents import Batch, Source, batch
from federation.log.effects import ERASURE, WITHDRAWAL
from federation.log.trust import Packed, Standing, judge, packed
from federation.peers.content import Content
from federation.peers.ldes import Page, read_page
from federation.records import rules
from federation.records.canonical import Triple, check_size, nodes_of, read, write
from federation.records.draft import Draft, Place, mentions, parts_of, statements
from federation.records.record import ISSUED, MODIFIED, PUBLISHER, VERSION, assemble, first_issued, managed
from federation.records.shapes import fault_of
from federation.records.values import Naming
from federation.workers import Tools

_MANAGED: Final = frozenset({ISSUED, MODIFIED, VERSION})


# Preparing


@dataclass(frozen=True, slots=True)
class Prepared:
    """A valid body that waits for its signature; ``unchanged`` when it says nothing new."""

    record: str
    kind: str
    version: int
    body: str
    unchanged: bool = False
    mentions: frozenset[tuple[str, str]] = frozenset()
    """Property and IRI of every other record it refers to."""


@dataclass(frozen=True, slots=True)
class Previous:
    """What the next version of a record must know of its current one."""

    body: str
    version: int
    ended: str = ""
    """Withdrawal or erasure, where the record was ended and is not meant to come back."""


def prepare(
    tools: Tools, drafts: Sequence[Draft], previous: Mapping[str, Previous], naming: Naming, now: str
) -> tuple[list[Prepared | None], list[Fault]]:
    """Validate drafts and write their canonical bodies. Pure; runs in a worker.

    Returns one item a draft (None where it was refused) and every fault found, warnings included.
    """
    vocabulary = tools.vocabulary
    faults: list[Fault] = []
    complete: list[tuple[int, str, int, list[Triple]]] = []
    prepared: list[Prepared | None] = [None] * len(drafts)
    for index, draft in enumerate(drafts):
        triples, found = statements(draft, vocabulary, naming)
        faults += found
        if found:
            continue
        subject = naming.record(draft.kind, draft.slug)
        known = previous.get(subject)
        if known is not None and known.ended:
            faults.append(_ended(draft, known.ended))
            prepared[index] = Prepared(subject, draft.kind, known.version, known.body, unchanged=True)
            continue
        if known is not None and (draft.only_if_new or _same(triples, known.body, (subject, PUBLISHER, naming.did))):
            prepared[index] = Prepared(subject, draft.kind, known.version, known.body, unchanged=True)
            continue
        version = known.version + 1 if known is not None else 1
        issued = (first_issued(known.body, subject) if known is not None else "") or now
        complete.append((index, subject, version, triples + managed(subject, naming.did, version, issued, now)))
    places = {naming.record(draft.kind, draft.slug): draft.place for draft in drafts}
    places |= {f"{naming.record(d.kind, d.slug)}#{part.slug}": part.place for d in drafts for part in parts_of(d)}
    bodies, found = _judged(tools, {subject: triples for _, subject, _, triples in complete}, places)
    for index, subject, version, triples in complete:
        if subject in bodies:
            others = mentions(triples, subject, vocabulary)
            prepared[index] = Prepared(subject, drafts[index].kind, version, bodies[subject], mentions=others)
    return prepared, faults + found


def _ended(draft: Draft, how: str) -> Fault:
    said = {ERASURE: "erased", WITHDRAWAL: "withdrawn"}[how]
    return Fault(
        f"{draft.kind}/{draft.slug} was {said} and stays so.",
        "Use --reinstate if it is meant to come back.",
        file=draft.place.file,
        row=draft.place.row,
        severity="warning",
    )


def _judged(
    tools: Tools, records: Mapping[str, list[Triple]], places: Mapping[str, Place]
) -> tuple[dict[str, str], list[Fault]]:
    """The bodies of the records that may be published, and what shapes and rules say of all of them."""
    bodies: dict[str, str] = {}
    faults: list[Fault] = []
    findings = tools.shacl.findings(list(records.values())) if records else []
    for subject, triples in records.items():
        try:
            body = write(triples)
            check_size(body)
            findings += rules.findings(assemble(nodes_of(body), tools.vocabulary)[0], tools.vocabulary)
            bodies[subject] = body
        except FederationError as error:
            place = places[subject]
            faults.append(Fault(str(error), "Shorten or split the record.", file=place.file, row=place.row))
    for finding in findings:
        subject = finding.node.partition("#")[0]
        place = places.get(finding.node) or places[subject]
        fault = fault_of(finding, tools.vocabulary, subject)
        faults.append(fault.at(file=place.file, row=place.row, column=place.columns.get(fault.field, "")))
        if finding.severity == "violation":
            bodies.pop(subject, None)
    return bodies, faults


def _same(triples: Iterable[Triple], body: str, publisher: Triple) -> bool:
    return _content(triples) == _content(read(body)) - {publisher}


def _content(triples: Iterable[Triple]) -> set[Triple]:
    return {triple for triple in triples if triple[1] not in _MANAGED}


# Judging


class Judged(NamedTuple):
    """A page that was believed, with the standing of its log after it and its bytes unpacked.

    ``crashes`` are the tracebacks of entries that our reader could not cope with, by position.
    """

    entries: list[Packed]
    after: Standing
    size: int
    crashes: dict[int, str]


def judge_page(
    tools: Tools, content: Content, media_type: str, url: str, standing: Standing, stop: int, now: datetime
) -> Judged:
    """Read and verify one page: the entries from ``standing.size`` up to ``stop``. Pure; runs in a worker."""
    data, crashes = content.opened(), dict[int, str]()

    def crashed(position: int, error: Exception) -> None:
        lines = "".join(traceback.format_exception(error)).splitlines()
        crashes[position] = "\n".join(map(printable, lines))  # it may quote the record

    page = read_page(data, url=url, base=standing.base, media_type=media_type)
    wanted = [claim for claim in page.claims if standing.size <= claim.position < stop]
    entries, after = judge(wanted, standing, vocabulary=tools.vocabulary, checks=tools.checks, now=now, crashed=crashed)
    return Judged(packed(entries), after, len(data), crashes)


def read_links(tools: Tools, content: Content, url: str, base: str) -> Page:
    """Read a page for its links. Pure; runs in a thread."""
    return read_page(content.opened(), url=url, base=base)


# Indexing


def documents_of(tools: Tools, sources: Sequence[Source]) -> Batch:
    """Index documents of some entries. Pure; runs in a worker."""
    return batch(sources, tools.concepts)
