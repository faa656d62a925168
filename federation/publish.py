"""Path one: author → validate → sign → append → feed.

Form, API, spreadsheet, command line and seed files all call ``publish``. Validation (SHACL) and
canonical text are prepared for many drafts at once, in worker processes when there are many; signing
and appending happen under one lock, so that times and versions rise along the log. A draft that says
what the current version says already is left alone, which makes every import repeatable.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final

from federation.errors import Conflict, Fault, FederationError, InvalidRecord
from federation.log import checkpoint as checkpoints
from federation.log import keys as key_events
from federation.log.trust import Entry
from federation.records import rules
from federation.records.canonical import XSD, Literal, Triple, check_size, nodes_of, read, write
from federation.records.draft import Draft, Place, mentions, parts_of, restricted_texts, statements
from federation.records.proof import Signer, sign
from federation.records.record import ISSUED, MODIFIED, PUBLISHER, VERSION, assemble
from federation.records.shapes import fault_of
from federation.records.values import Naming
from federation.store.keyfiles import PrivateKeys
from federation.store.rows import StoredEntry
from federation.store.store import Store
from federation.workers import Tools, Workers

Clock = Callable[[], datetime]
Progress = Callable[[int], None]

BATCH: Final = 200
"""Drafts validated and appended together: enough to spread the cost of pyshacl and of one fsync."""
_ATTEMPTS: Final = 8
_MANAGED: Final = frozenset({ISSUED, MODIFIED, VERSION})


def timestamp(now: datetime) -> str:
    """A time as records carry it: UTC, whole seconds, ``Z``."""
    return now.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


@dataclass(frozen=True, slots=True)
class Previous:
    """What the next version of a record must know of its current one."""

    body: str
    version: int


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


@dataclass(slots=True)
class Outcome:
    """What became of some drafts."""

    published: list[tuple[str, int]] = field(default_factory=list)
    """Record IRI and position of every new entry."""
    unchanged: list[str] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)
    """Violations of rejected drafts and warnings of accepted ones."""
    rejected: int = 0
    updates: set[str] = field(default_factory=set)
    """Those of the published ones that are new versions of records that were there."""
    in_house: set[str] = field(default_factory=set)
    """Records of which the part that is not published has changed."""

    def add(self, other: Outcome) -> None:
        self.published += other.published
        self.unchanged += other.unchanged
        self.faults += other.faults
        self.rejected += other.rejected
        self.updates |= other.updates


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
        if known is not None and (draft.only_if_new or _same(triples, known.body, (subject, PUBLISHER, naming.did))):
            prepared[index] = Prepared(subject, draft.kind, known.version, known.body, unchanged=True)
            continue
        version = known.version + 1 if known is not None else 1
        issued = _issued(known, subject) or now
        complete.append((index, subject, version, triples + _managed(subject, naming, version, issued, now)))
    places = {naming.record(draft.kind, draft.slug): draft.place for draft in drafts}
    places |= {f"{naming.record(d.kind, d.slug)}#{part.slug}": part.place for d in drafts for part in parts_of(d)}
    bodies, found = _judged(tools, {subject: triples for _, subject, _, triples in complete}, places)
    for index, subject, version, triples in complete:
        if subject in bodies:
            others = mentions(triples, subject, vocabulary)
            prepared[index] = Prepared(subject, drafts[index].kind, version, bodies[subject], mentions=others)
    return prepared, faults + found


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


def _issued(known: Previous | None, subject: str) -> str:
    if known is None:
        return ""
    found = (value for node, path, value in read(known.body) if node == subject and path == ISSUED)
    value = next(found, None)
    return value.value if isinstance(value, Literal) else ""


def _managed(subject: str, naming: Naming, version: int, issued: str, now: str) -> list[Triple]:
    return [
        (subject, PUBLISHER, naming.did),
        (subject, ISSUED, Literal(issued, XSD + "dateTime")),
        (subject, MODIFIED, Literal(now, XSD + "dateTime")),
        (subject, VERSION, Literal(str(version), XSD + "integer")),
    ]


class Publisher:
    """Publishes to one node's own log. One in a process; several processes may share the log."""

    def __init__(
        self,
        *,
        store: Store,
        log_id: int,
        naming: Naming,
        host: str,
        keys: PrivateKeys,
        workers: Workers,
        clock: Clock,
    ) -> None:
        self._store = store
        self._log_id = log_id
        self._naming = naming
        self._origin = checkpoints.origin_of(host)
        self._keys = keys
        self._signer = Signer(naming.did, keys.record)
        self._workers = workers
        self._clock = clock
        self._appending = asyncio.Lock()

    def checkpoint(self, size: int, root: bytes) -> str:
        """A freshly signed checkpoint of the own log."""
        return checkpoints.sign(self._origin, size, root, self._keys.log, now=self._clock())

    async def refresh_checkpoint(self) -> None:
        """Sign the log as it stands once more; done daily, so that an idle node does not look frozen."""
        await self._store.refresh_checkpoint(self._log_id, self.checkpoint)

    async def begin(self, next_hash: str) -> None:
        """Write entry 0, the inception, unless the log has one, and note the keys it declares.

        ``next_hash`` is used only where entry 0 is written.
        """
        log = await self._store.log(self._log_id)
        if log.size == 0:
            now = timestamp(self._clock())
            body = key_events.inception(self._naming.base, self._naming.did, self._keys.public, next_hash, issued=now)
            record, _ = assemble(nodes_of(body), self._workers.tools.vocabulary)
            await self._append([Prepared(record.iri, record.kind, 1, body)])
        inception = (await self._store.entries(self._log_id, 0, 1))[0]
        record, _ = assemble(nodes_of(inception.signed.body), self._workers.tools.vocabulary)
        await self._store.set_fingerprint(self._log_id, key_events.fingerprint(inception.signed.body))
        await self._store.set_keys(self._log_id, key_events.declared(record))

    async def publish(
        self,
        drafts: Sequence[Draft],
        *,
        skip_faulty: bool = False,
        dry_run: bool = False,
        progress: Progress = lambda count: None,
    ) -> Outcome:
        """Take drafts from their author to the log. Durable on return.

        Unless ``skip_faulty``, they are published in one transaction, or not at all: InvalidRecord is
        raised with every fault, and nothing was written. ``progress`` is told how many drafts were
        dealt with.
        """
        if not skip_faulty:
            _refuse_repeated(drafts)
        batches = [drafts[at : at + BATCH] for at in range(0, len(drafts), BATCH)]
        width = self._workers.width if len(batches) > 1 else 1
        total = Outcome()
        prepared: list[Prepared] = []
        for at in range(0, len(batches), width):
            group = batches[at : at + width]
            for each, (outcome, todo) in zip(group, await self._prepare_all(group, bulk=len(batches) > 1), strict=True):
                total.add(outcome)
                progress(len(each))
                prepared += todo
                if skip_faulty and not dry_run:
                    await self._write(each, todo, total)
        total.faults += await self._missing(drafts, prepared)
        if dry_run:
            total.published = [(each.record, -1) for each in prepared]
            total.updates = {each.record for each in prepared if each.version > 1}
            total.in_house = set(await self._changed_in_house(drafts, total))
            return total
        if not skip_faulty:
            _refuse(total)
            # All in one transaction: a full disk or a crash leaves either every record or none.
            await self._write(drafts, prepared, total)
        # After the records, and again with every import: a crash in between loses nothing.
        kept = await self._changed_in_house(drafts, total)
        await self._store.in_house.keep(kept)
        total.in_house = set(kept)
        return total

    async def _changed_in_house(
        self, drafts: Sequence[Draft], total: Outcome
    ) -> dict[str, Mapping[tuple[str, str], str]]:
        """What accepted drafts say for our own people alone and that is not kept already, by record."""
        vocabulary = self._workers.tools.vocabulary
        accepted = {iri for iri, _ in total.published}.union(total.unchanged)
        changed: dict[str, Mapping[tuple[str, str], str]] = {}
        for each in drafts:
            iri = self._naming.record(each.kind, str(each.slug))
            if iri in accepted:
                texts = restricted_texts(each, vocabulary)
                if texts and not texts.items() <= (await self._store.in_house.texts(iri)).items():
                    changed[iri] = texts
        return changed

    async def _missing(self, drafts: Sequence[Draft], prepared: Iterable[Prepared]) -> list[Fault]:
        """A warning for every record that is referred to and neither held nor among these drafts."""
        places = {self._naming.record(each.kind, str(each.slug)): each.place for each in drafts}
        mentions = [(each.record, path, iri) for each in prepared for path, iri in sorted(each.mentions)]
        unknown = {iri for _, _, iri in mentions if iri not in places}
        unknown -= await self._store.held(sorted(unknown))
        vocabulary = self._workers.tools.vocabulary
        return [
            Fault(
                f"There is no record {iri} here.",
                "Check the spelling of its slug, or publish it as well.",
                field=vocabulary.by_property[path].name,
                file=places[record].file,
                row=places[record].row,
                severity="warning",
            )
            for record, path, iri in mentions
            if iri in unknown
        ]

    async def _write(self, drafts: Sequence[Draft], todo: list[Prepared], total: Outcome) -> None:
        for _ in range(_ATTEMPTS):
            try:
                positions = await self._append(todo) if todo else []
                break
            except Conflict:
                # Another process appended in between: look again at what is there.
                batches = [drafts[at : at + BATCH] for at in range(0, len(drafts), BATCH)]
                again = await self._prepare_all(batches, bulk=len(batches) > 1)
                todo = [each for _, prepared in again for each in prepared]
                unchanged = (iri for outcome, _ in again for iri in outcome.unchanged)
                total.unchanged = list(dict.fromkeys([*total.unchanged, *unchanged]))
        else:
            raise Conflict("Other processes keep writing to the same records.", remedy="Try again in a moment.")
        total.published += [(each.record, at) for each, at in zip(todo, positions, strict=True)]
        total.updates |= {each.record for each in todo if each.version > 1}

    async def _prepare_all(
        self, batches: Sequence[Sequence[Draft]], *, bulk: bool
    ) -> list[tuple[Outcome, list[Prepared]]]:
        return await asyncio.gather(*(self._prepare(each, bulk=bulk) for each in batches))

    async def _prepare(self, drafts: Sequence[Draft], *, bulk: bool) -> tuple[Outcome, list[Prepared]]:
        subjects = [self._naming.record(draft.kind, str(draft.slug)) for draft in drafts]
        known = await self._store.currents(subjects, self._log_id)
        previous = {iri: _previous(entry) for iri, entry in known.items()}
        now = timestamp(self._clock())
        prepared, faults = await self._workers.run(prepare, drafts, previous, self._naming, now, bulk=bulk)
        outcome = Outcome(faults=faults, rejected=sum(each is None for each in prepared))
        outcome.unchanged = [each.record for each in prepared if each is not None and each.unchanged]
        todo = [each for each in prepared if each is not None and not each.unchanged]
        return outcome, todo

    async def _append(self, prepared: Sequence[Prepared]) -> list[int]:
        async with self._appending:
            for _ in range(_ATTEMPTS):
                log = await self._store.log(self._log_id)
                # The clock may lag behind what another process, or this one before a jump, has signed.
                created = max(timestamp(self._clock()), log.published)
                entries = await asyncio.to_thread(self._sign, prepared, created)
                try:
                    return await self._store.append_own(self._log_id, entries, checkpoint=self.checkpoint)
                except Conflict:
                    newer = await self._store.log(self._log_id)
                    if newer.published <= created:
                        raise  # not the time but a version: the caller must prepare again
            raise Conflict("Other processes keep appending to the log.", remedy="Try again in a moment.")

    def _sign(self, prepared: Sequence[Prepared], created: str) -> list[Entry]:
        return [
            Entry(0, sign(each.body, self._signer, created=created), each.record, each.kind, each.version)
            for each in prepared
        ]


def _previous(entry: StoredEntry) -> Previous:
    return Previous(entry.signed.body, entry.version)


def _refuse_repeated(drafts: Sequence[Draft]) -> None:
    seen: set[tuple[str, str]] = set()
    faults = []
    for each in drafts:
        key = (each.kind, str(each.slug))
        if key in seen:
            faults.append(
                Fault(
                    f"{each.kind}/{str(each.slug)[:60]} occurs twice.",
                    "Give each record its own slug, or leave one out.",
                    field="slug",
                    file=each.place.file,
                    row=each.place.row,
                )
            )
        seen.add(key)
    if faults:
        raise InvalidRecord("Some records occur twice; nothing was published.", faults=faults)


def _refuse(outcome: Outcome) -> None:
    if outcome.rejected:
        violations = [fault for fault in outcome.faults if fault.severity == "violation"]
        raise InvalidRecord(
            f"{outcome.rejected} record(s) are not valid; nothing was published.",
            remedy="Correct the faults listed and try again.",
            faults=violations,
        )
