"""Publishing: one function for everybody, all or nothing, repeatable, and safe with two processes at once."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from dataclasses import replace

import pytest

from federation import node as nodes
from federation.errors import InvalidRecord, ReadOnly, StorageFailed
from federation.log import checkpoint
from federation.log.did import host_of
from federation.log.merkle import Frontier
from federation.records.canonical import nodes_of
from federation.records.draft import Draft, Place
from federation.records.record import assemble
from federation.store import schema
from federation.store.engine import writing
from tests.conftest import pilot
from tests.databases import in_files

MILL_TOWN = Draft("organisation", "mill-town", {"title": {"en": "Mill Town"}, "country": "BE", "role": "procurer"})


async def test_the_first_entry_of_a_log_declares_its_keys(start_node):
    node = await start_node("flanders")
    entry = (await node.node.store.entries(node.node.log.id, 0, 1))[0]
    assert (entry.position, entry.kind, entry.record) == (0, "key-event", f"{node.base}/records/key-event/0")


async def test_records_stand_in_the_log_in_the_order_in_which_they_were_published(start_node):
    node = await start_node("flanders")
    assert await node.publish(pilot("mill"), pilot("lock")) == [1, 2]
    assert await node.slugs(node) == ["mill", "lock"]


async def test_publishing_the_same_again_changes_nothing(start_node):
    node = await start_node("flanders")
    await node.publish(pilot("mill"))
    node.clock.forward(days=1)
    outcome = await node.node.publisher.publish([pilot("mill")])
    assert (outcome.published, outcome.unchanged) == ([], [f"{node.base}/records/pilot/mill"])


async def test_a_change_makes_the_next_version_and_keeps_the_first_date(start_node):
    node = await start_node("flanders")
    await node.publish(pilot("mill"))
    node.clock.forward(days=1)
    await node.publish(pilot("mill", title="De molen"))
    entry = await node.node.store.current(f"{node.base}/records/pilot/mill", node.node.log.id)
    assert entry is not None
    assert entry.version == 2
    assert '"2026-11-22T09:00:00Z"' in next(line for line in entry.signed.body.split("\n") if "issued" in line)
    assert '"2026-11-23T09:00:00Z"' in next(line for line in entry.signed.body.split("\n") if "modified" in line)


async def test_one_invalid_record_refuses_all_and_names_every_fault(start_node):
    node = await start_node("flanders")
    bad = pilot("bad", sector=["furnitur-office"], start="31-31-2020")
    with pytest.raises(InvalidRecord) as caught:
        await node.publish(pilot("good"), bad)
    assert {fault.field for fault in caught.value.faults} == {"sector", "start"}
    assert await node.slugs(node) == []


async def test_faulty_records_can_be_left_out(start_node):
    node = await start_node("flanders")
    outcome = await node.node.publisher.publish([pilot("good"), pilot("bad", procurer=None)], skip_faulty=True)
    assert outcome.rejected == 1
    assert await node.slugs(node) == ["good"]


async def test_a_dry_run_says_what_would_happen_and_writes_nothing(start_node):
    node = await start_node("flanders")
    outcome = await node.node.publisher.publish([pilot("mill")], dry_run=True)
    assert len(outcome.published) == 1
    assert await node.slugs(node) == []


async def test_an_empty_field_worth_filling_in_is_a_warning_and_no_refusal(start_node):
    node = await start_node("flanders")
    outcome = await node.node.publisher.publish([pilot("mill", status=None, strategy=None)])
    assert {fault.field for fault in outcome.faults} - {"procurer"} == {"status", "strategy"}
    assert {fault.severity for fault in outcome.faults} == {"warning"}
    assert len(outcome.published) == 1


async def test_a_record_that_is_referred_to_and_not_there_is_a_warning(start_node):
    node = await start_node("flanders")
    for slug, rest in (("mill", {}), ("lock", {"dry_run": True}), ("quay", {"skip_faulty": True})):
        outcome = await node.node.publisher.publish([pilot(slug, procurer="kamp-k")], **rest)
        assert [(f.field, f.severity) for f in outcome.faults if "kamp-k" in f.message] == [("procurer", "warning")]


async def test_records_that_refer_to_each_other_are_published_together_without_a_warning(start_node):
    node = await start_node("flanders")
    outcome = await node.node.publisher.publish([pilot("mill", replicates="lock", procurer="mill-town"), MILL_TOWN])
    assert [fault.message for fault in outcome.faults if "mill-town" in fault.message] == []
    assert any("pilot/lock" in fault.message for fault in outcome.faults)
    again = await node.node.publisher.publish([pilot("lock", procurer="mill-town", replicates="mill")])
    assert [fault for fault in again.faults if "There is no record" in fault.message] == []


async def test_what_is_only_wanted_if_new_leaves_a_known_record_alone(start_node):
    node = await start_node("flanders")
    await node.publish(MILL_TOWN)
    less = replace(MILL_TOWN, values={**MILL_TOWN.values, "title": {"en": "MILL TOWN"}}, only_if_new=True)
    outcome = await node.node.publisher.publish([less, replace(less, slug="other-town")])
    assert [iri.rpartition("/")[2] for iri, _ in outcome.published] == ["other-town"]
    assert len(outcome.unchanged) == 1


async def test_a_fault_of_a_part_stands_where_the_part_was_written(start_node):
    node = await start_node("flanders")
    part = Draft("observation", "co2", {"indicator": "co2e-avoided"}, Place("pilot.observation.csv", 7))
    drafted = replace(pilot("mill", observation=[part]), place=Place("pilot.csv", 2))
    outcome = await node.node.publisher.publish([drafted], skip_faulty=True)
    violations = [fault for fault in outcome.faults if fault.severity == "violation"]
    assert {(fault.file, fault.row) for fault in violations} == {("pilot.observation.csv", 7)}


async def test_every_append_leaves_a_checkpoint_of_the_whole_log(start_node):
    node = await start_node("flanders")
    await node.publish(pilot("mill"), pilot("lock"))
    log = await node.log_of(node)
    seen = checkpoint.verify(log.checkpoint, origin=checkpoint.origin_of(host_of(node.base)), key=log.keys.log_key())
    assert (seen.size, seen.root) == (3, log.frontier.root)


async def test_times_in_the_log_never_go_backwards_even_if_the_clock_does(start_node):
    node = await start_node("flanders")
    await node.publish(pilot("mill"))
    node.clock.forward(minutes=-5)
    await node.publish(pilot("lock"))
    entries = await node.node.store.entries(node.node.log.id, 0, 9)
    times = [entry.published for entry in entries]
    assert times == sorted(times)


async def test_of_one_record_twice_the_first_is_published_where_faulty_ones_are_left_out(start_node):
    node = await start_node("flanders")
    many = [pilot(f"p{at}") for at in range(199)]
    outcome = await node.node.publisher.publish([*many, pilot("mill"), pilot("mill", title="Anders")], skip_faulty=True)
    assert (len(outcome.published), outcome.rejected) == (200, 1)
    assert "mill occurs twice" in next(fault.message for fault in outcome.faults if fault.severity == "violation")
    entry = await node.node.store.current(f"{node.base}/records/pilot/mill", node.node.log.id)
    assert entry is not None
    assert entry.version == 1


async def test_what_is_prepared_ahead_is_let_go_when_writing_fails(start_node, monkeypatch):
    node = await start_node("flanders")
    publisher, prepare, begun, ended = node.node.publisher, node.node.publisher._prepare, [], []

    async def slow(drafts, *args, **options):
        begun.append(drafts)
        try:
            if len(begun) > 1:
                await asyncio.sleep(60)
            return await prepare(drafts, *args, **options)
        finally:
            ended.append(drafts)

    async def failing(*args):
        raise StorageFailed("The disk is full.")

    monkeypatch.setattr(publisher, "_prepare", slow)
    monkeypatch.setattr(publisher, "_write", failing)
    with pytest.raises(StorageFailed):
        await publisher.publish([pilot(f"p{at}") for at in range(500)], skip_faulty=True)
    assert len(begun) == len(ended) > 1


async def test_one_record_twice_is_refused_where_all_are_wanted(start_node):
    node = await start_node("flanders")
    with pytest.raises(InvalidRecord) as refused:
        await node.publish(pilot("mill"), pilot("mill", title="Anders"))
    assert [fault.field for fault in refused.value.faults] == ["slug"]


async def test_many_records_are_published_together_or_not_at_all(start_node, monkeypatch):
    node = await start_node("flanders")
    before = (await node.node.store.log(node.node.log.id)).size
    written = node.node.store.append_own
    sizes = []

    async def counted(log_id, entries, **rest):
        sizes.append(len(entries))
        return await written(log_id, entries, **rest)

    monkeypatch.setattr(node.node.store, "append_own", counted)
    await node.publish(*(pilot(f"p{at}") for at in range(450)))
    assert sizes == [450]
    assert (await node.node.store.log(node.node.log.id)).size == before + 450


async def test_parts_are_hash_iris_of_their_record(start_node):
    node = await start_node("flanders")
    figure = {
        "slug": "co2",
        "indicator": "co2e-avoided",
        "observationRole": "measured",
        "value": "12,50",
        "unit": "kg",
        "evidenceLevel": "measured",
    }
    await node.publish(pilot("mill", observation=[figure]))
    entry = await node.node.store.current(f"{node.base}/records/pilot/mill", node.node.log.id)
    record, _ = assemble(nodes_of(entry.signed.body), node.node.workers.tools.vocabulary)
    assert f"{node.base}/records/pilot/mill#co2" in record.nodes
    assert '"12.5"^^<http://www.w3.org/2001/XMLSchema#decimal>' in entry.signed.body


async def test_many_tasks_publishing_at_once_lose_and_repeat_nothing(start_node):
    node = await start_node("flanders")
    await asyncio.gather(*(node.publish(pilot(f"t{task}")) for task in range(20)))
    assert sorted(await node.slugs(node)) == sorted(f"t{task}" for task in range(20))


@in_files
async def test_two_processes_publishing_at_once_lose_and_repeat_nothing(start_node, tmp_path):
    node = await start_node("flanders")
    toml = tmp_path / "node.toml"
    toml.write_text(
        f'name = "flanders"\ntitle = {{ en = "Flanders" }}\nbase = "{node.base}"\n'
        f'data = "{node.config.data}"\nallow_private = true\n'
    )
    both = [pilot(f"both{at}") for at in range(30)]

    def drafts(prefix: str) -> str:
        every = [replace(each) for each in both] + [pilot(f"{prefix}{at}") for at in range(30)]
        return json.dumps([{"kind": each.kind, "slug": each.slug, **each.values} for each in every])

    (tmp_path / "a.json").write_text(drafts("a"))
    (tmp_path / "b.json").write_text(drafts("b"))
    command = [sys.executable, "-m", "federation", "publish", "--config", str(toml)]
    processes = [
        subprocess.Popen([*command, str(tmp_path / name)], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        for name in ("a.json", "b.json")
    ]
    for process in processes:
        _, errors = await asyncio.to_thread(process.communicate, timeout=120)
        assert process.returncode == 0, errors.decode()[-2000:]
    slugs = await node.slugs(node)
    expected = [f"{prefix}{at}" for prefix in ("both", "a", "b") for at in range(30)]
    assert sorted(slugs) == sorted(expected)
    log = await node.log_of(node)
    entries = await node.node.store.entries(log.id, 0, log.size)
    assert [entry.position for entry in entries] == list(range(91))


async def test_a_node_set_up_twice_keeps_its_keys_and_its_log(start_node):
    node = await start_node("flanders")
    before = node.node.log.fingerprint
    again = await nodes.init(node.config, clock=node.clock, tools=node.node.workers.tools)
    assert (again.fingerprint, again.size) == (before, 1)


async def test_a_set_up_cut_short_after_the_first_entry_is_finished_by_the_next(start_node):
    node = await start_node("flanders")
    before = node.node.log
    await node.node.store.set_fingerprint(before.id, "")
    again = await nodes.init(node.config, clock=node.clock, tools=node.node.workers.tools)
    assert (again.keys, again.fingerprint, again.size) == (before.keys, before.fingerprint, 1)


async def test_nothing_is_published_over_entries_that_are_fetched_back_and_not_proved_yet(start_node):
    node = await start_node("flanders")
    await node.publish(*(pilot(f"mill-{number}") for number in range(3)))
    store, log = node.node.store, node.node.log
    proved = Frontier().append(await store.leaves(log.id, 2))
    async with writing(store._engine) as connection:
        change = schema.log.update().where(schema.log.c.id == log.id)
        await connection.execute(change.values(verified_size=2, verified_frontier=proved.encode()))
    with pytest.raises(ReadOnly, match="being fetched back"):
        await node.publish(pilot("lock"))
    await node.node.recover()
    assert (await store.log(log.id)).size == 2
