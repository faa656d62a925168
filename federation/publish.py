"""Path one: author → validate → sign → append → feed.

Form, API, spreadsheet, command line and seed files all call ``publish``. Validation (SHACL) and
canonical text are prepared for many drafts at once, in worker processes when there are many; signing
and appending happen under one lock, so that times and versions rise along the log. A draft that says
what the current version says already is left alone, which makes every import repeatable.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Callable, Iterable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from itertools import islice
from typing import Final

from federation.errors import Conflict, Fault, InvalidRecord
from federation.log.effects import ENDINGS
from federation.log.times import Clock, timestamp
from federation.ownlog import OwnLog
from federation.records.draft import Draft, restricted_texts
from federation.records.values import Naming
from federation.store.rows import StoredEntry
from federation.store.store import Store
from federation.tasks import Prepared, Previous, prepare
from federation.workers import Workers

Progress = Callable[[int], None]

BATCH: Final = 200
"""Drafts validated and appended together: enough to spread the cost of pyshacl and of one fsync."""
_ATTEMPTS: Final = 8


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


class Publisher:
    """Publishes to one node's own log. One in a process; several processes may share the log."""

    def __init__(self, *, store: Store, own: OwnLog, log_id: int, naming: Naming, workers: Workers, clock: Clock):
        self._store = store
        self._own = own
        self._log_id = log_id
        self._naming = naming
        self._workers = workers
        self._clock = clock

    async def publish(
        self,
        drafts: Sequence[Draft],
        *,
        skip_faulty: bool = False,
        dry_run: bool = False,
        reinstate: bool = False,
        progress: Progress = lambda count: None,
    ) -> Outcome:
        """Take drafts from their author to the log. Durable on return.

        Unless ``skip_faulty``, they are published in one transaction, or not at all: InvalidRecord is
        raised with every fault, and nothing was written. Records that were withdrawn or erased stay
        so unless ``reinstate``. ``progress`` is told how many drafts were
        dealt with.
        """
        drafts, repeated = _once(drafts)
        if repeated and not skip_faulty:
            raise InvalidRecord("Some records occur twice; nothing was published.", faults=repeated)
        batches = [drafts[at : at + BATCH] for at in range(0, len(drafts), BATCH)]
        total = Outcome(faults=repeated, rejected=len(repeated))
        progress(len(repeated))
        prepared: list[Prepared] = []
        async with aclosing(self._in_turn(batches, reinstate)) as each_prepared:
            async for each, outcome, todo in each_prepared:
                total.add(outcome)
                progress(len(each))
                prepared += todo
                if skip_faulty and not dry_run:
                    await self._write(each, todo, total, reinstate)
        total.faults += await self._missing(drafts, prepared)
        if dry_run:
            total.published = [(each.record, -1) for each in prepared]
            total.updates = {each.record for each in prepared if each.version > 1}
            total.in_house = set(await self._changed_in_house(drafts, total))
            return total
        if not skip_faulty:
            _refuse(total)
            # All in one transaction: a full disk or a crash leaves either every record or none.
            await self._write(drafts, prepared, total, reinstate)
        # After the records, and again with every import: a crash in between loses nothing.
        kept = await self._changed_in_house(drafts, total)
        total.in_house = await self._store.in_house.keep(kept)
        return total

    async def _changed_in_house(
        self, drafts: Sequence[Draft], total: Outcome
    ) -> dict[str, Mapping[tuple[str, str], str]]:
        """What accepted drafts say for our own people alone and that is not kept already, by record."""
        vocabulary = self._workers.tools.vocabulary
        # What was withdrawn or erased counts as unchanged, and nothing is kept of it any more.
        accepted = {iri for iri, _ in total.published} | await self._store.held(total.unchanged)
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

    async def _write(self, drafts: Sequence[Draft], todo: list[Prepared], total: Outcome, reinstate: bool) -> None:
        for _ in range(_ATTEMPTS):
            try:
                positions = await self._own.append(todo) if todo else []
                break
            except Conflict:
                # Another process appended in between: look again at what is there.
                batches = [drafts[at : at + BATCH] for at in range(0, len(drafts), BATCH)]
                todo = []
                async for _, outcome, prepared in self._in_turn(batches, reinstate):
                    todo += prepared
                    total.unchanged = list(dict.fromkeys([*total.unchanged, *outcome.unchanged]))
        else:
            raise Conflict("Other processes keep writing to the same records.", remedy="Try again in a moment.")
        total.published += [(each.record, at) for each, at in zip(todo, positions, strict=True)]
        total.updates |= {each.record for each in todo if each.version > 1}

    async def _in_turn(
        self, batches: Sequence[Sequence[Draft]], reinstate: bool
    ) -> AsyncGenerator[tuple[Sequence[Draft], Outcome, list[Prepared]]]:
        """Every batch with what became of it; the workers are ahead by so many that none of them waits for a write."""
        bulk, waiting, begun = len(batches) > 1, deque[asyncio.Task[tuple[Outcome, list[Prepared]]]](), iter(batches)
        try:
            for each in batches:
                for coming in islice(begun, self._workers.width + 1 - len(waiting)):
                    waiting.append(asyncio.create_task(self._prepare(coming, reinstate, bulk=bulk)))
                yield each, *await waiting[0]
                waiting.popleft()
        finally:
            for task in waiting:
                task.cancel()
            await asyncio.gather(*waiting, return_exceptions=True)

    async def _prepare(self, drafts: Sequence[Draft], reinstate: bool, *, bulk: bool) -> tuple[Outcome, list[Prepared]]:
        subjects = [self._naming.record(draft.kind, str(draft.slug)) for draft in drafts]
        known = await self._store.currents(subjects, self._log_id)
        previous = {iri: _previous(entry, reinstate) for iri, entry in known.items()}
        now = timestamp(self._clock())
        prepared, faults = await self._workers.run(prepare, drafts, previous, self._naming, now, bulk=bulk)
        outcome = Outcome(faults=faults, rejected=sum(each is None for each in prepared))
        outcome.unchanged = [each.record for each in prepared if each is not None and each.unchanged]
        todo = [each for each in prepared if each is not None and not each.unchanged]
        return outcome, todo


def _previous(entry: StoredEntry, reinstate: bool) -> Previous:
    ended = entry.kind if entry.kind in ENDINGS and not reinstate else ""
    return Previous(entry.signed.body, entry.version, ended)


def _once(drafts: Sequence[Draft]) -> tuple[list[Draft], list[Fault]]:
    """The first draft of each record, and a fault for every other."""
    first: dict[tuple[str, str], Draft] = {}
    faults = []
    for each in drafts:
        if first.setdefault((each.kind, str(each.slug)), each) is not each:
            faults.append(
                Fault(
                    f"{each.kind}/{str(each.slug)[:60]} occurs twice.",
                    "Give each record its own slug, or leave one out.",
                    field="slug",
                    file=each.place.file,
                    row=each.place.row,
                )
            )
    return list(first.values()), faults


def _refuse(outcome: Outcome) -> None:
    if outcome.rejected:
        violations = [fault for fault in outcome.faults if fault.severity == "violation"]
        raise InvalidRecord(
            f"{outcome.rejected} record(s) are not valid; nothing was published.",
            remedy="Correct the faults listed and try again.",
            faults=violations,
        )
