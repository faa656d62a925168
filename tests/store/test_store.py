"""The store, on SQLite and on PostgreSQL: what is appended together is there together."""

from __future__ import annotations

import asyncio

import pytest
import sqlalchemy as sa

from federation.errors import Conflict, Misconfigured, NewerData, RootMismatch
from federation.log.merkle import Frontier
from federation.log.trust import Standing
from federation.store.engine import reading, writing
from federation.store.store import open_store
from tests.databases import on_both
from tests.store.entries import NOW, checkpoint, entry

pytestmark = on_both


async def test_positions_rise_from_zero_without_gaps(store, own):
    first = await store.append_own(own.id, [entry("a"), entry("b")], keys=None, checkpoint=checkpoint)
    second = await store.append_own(own.id, [entry("c")], keys=None, checkpoint=checkpoint)
    assert (first, second) == ([0, 1], [2])


async def test_the_checkpoint_covers_what_was_appended_with_it(store, own):
    entries = [entry("a"), entry("b")]
    await store.append_own(own.id, entries, keys=None, checkpoint=checkpoint)
    root = Frontier().append(each.verified.leaf for each in entries).root
    assert (await store.log(own.id)).checkpoint == checkpoint(2, root)


async def test_a_version_that_is_not_the_next_one_is_a_conflict_and_nothing_is_written(store, own):
    await store.append_own(own.id, [entry("a")], keys=None, checkpoint=checkpoint)
    for version in (1, 3):
        with pytest.raises(Conflict):
            await store.append_own(own.id, [entry("b"), entry("a", version=version)], keys=None, checkpoint=checkpoint)
    assert (await store.log(own.id)).size == 1


async def test_a_time_that_goes_backwards_is_a_conflict(store, own):
    await store.append_own(own.id, [entry("a")], keys=None, checkpoint=checkpoint)
    with pytest.raises(Conflict):
        await store.append_own(own.id, [entry("b", created="2026-11-22T08:59:59Z")], keys=None, checkpoint=checkpoint)


async def test_a_checkpoint_that_cannot_be_signed_leaves_nothing_behind(store, own):
    def broken(size: int, root: bytes, before: str) -> str:
        raise RuntimeError("the key is gone")

    with pytest.raises(RuntimeError):
        await store.append_own(own.id, [entry("a")], keys=None, checkpoint=broken)
    assert (await store.log(own.id)).size == 0
    assert await store.entries(own.id, 0, 9) == []


async def test_a_peers_entries_are_invisible_until_their_root_is_confirmed(store, copy):
    entries = [entry("a"), entry("b", position=1)]
    await store.append_peer(copy.id, entries, after=0, standing=Standing(copy.did, copy.base, published=NOW))
    assert await store.current(entries[0].record, copy.id) is None
    root = Frontier().append(each.verified.leaf for each in entries).root
    await store.confirm(copy.id, size=2, root=root, checkpoint="signed")
    found = await store.current(entries[0].record, copy.id)
    assert found is not None
    assert found.signed == entries[0].verified.signed


async def test_a_root_that_does_not_match_drops_what_was_not_yet_visible(store, copy):
    await store.append_peer(copy.id, [entry("a")], after=0, standing=Standing(copy.did, copy.base, published=NOW))
    with pytest.raises(RootMismatch):
        await store.confirm(copy.id, size=1, root=b"\0" * 32, checkpoint="signed")
    log = await store.log(copy.id)
    assert (log.size, log.verified_size, log.published) == (0, 0, "")


async def test_a_page_for_another_cursor_is_a_conflict(store, copy):
    with pytest.raises(Conflict):
        await store.append_peer(copy.id, [entry("a")], after=7, standing=Standing(copy.did, copy.base))


async def test_two_stores_on_one_database_take_turns(database_of, store, own):
    async with open_store(database_of("node")) as other:
        await asyncio.gather(
            *(each.append_own(own.id, [entry(f"{at}-{name}")], keys=None, checkpoint=checkpoint)
              for at in range(10) for name, each in (("x", store), ("y", other)))
        )  # fmt: skip
    log = await store.log(own.id)
    entries = await store.entries(own.id, 0, 99)
    assert [each.position for each in entries] == list(range(20))
    assert Frontier().append(each.leaf for each in entries).root == log.frontier.root


async def test_a_database_of_a_newer_version_is_refused_with_a_remedy(database_of, own):
    async with open_store(database_of("node")) as store, store._engine.begin() as connection:
        await connection.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(NewerData, match="newer version"):
        async with open_store(database_of("node")):
            pass


async def test_the_migrations_make_the_schema_of_the_code(store):
    from alembic.autogenerate import compare_metadata
    from alembic.migration import MigrationContext

    from federation.store import schema

    def compare(connection: sa.Connection) -> list[object]:
        return list(compare_metadata(MigrationContext.configure(connection), schema.metadata))

    async with store._engine.connect() as connection:
        assert await connection.run_sync(compare) == []


async def test_pages_are_told_at_once_what_this_process_wrote_of_a_peer(store, copy):
    before = await store.peers.states_lately()
    assert await store.peers.states_lately() is before, "nothing was written, so nothing is read"
    await store.peers.update(copy.id, state="stale")
    assert (await store.peers.states_lately())[copy.id].state == "stale"


async def test_pages_are_told_a_second_later_what_another_process_wrote(store, copy, database_of, monkeypatch):
    await store.peers.states_lately()
    async with open_store(database_of("node")) as elsewhere:
        await elsewhere.peers.update(copy.id, state="stale")
    assert (await store.peers.states_lately())[copy.id].state != "stale"
    monkeypatch.setattr("federation.store.peers.LATELY", -1.0)
    assert (await store.peers.states_lately())[copy.id].state == "stale"


async def test_a_reader_sees_one_state_while_others_write(store, own):
    async with reading(store._engine) as reader:
        count = sa.text("SELECT count(*) FROM entry")
        assert (await reader.execute(count)).scalar() == 0
        await store.append_own(own.id, [entry("a")], keys=None, checkpoint=checkpoint)
        assert (await reader.execute(count)).scalar() == 0


async def test_a_text_that_no_database_can_keep_is_kept_with_signs_in_place_of_it(store, copy):
    await store.peers.update(copy.id, detail="a\0b\ud800c")
    assert (await store.peers.states())[copy.id].detail == "a\ufffdb\ufffdc"


async def test_what_no_database_can_keep_is_not_found_in_it(store, own):
    assert await store.current("https://flanders.example/records/pilot/\0", own.id) is None


async def test_one_process_at_a_time_holds_a_name(database_of, store, tmp_path):
    async with (
        open_store(database_of("node")) as other,
        store.lease("pull-a", tmp_path) as mine,
        other.lease("pull-a", tmp_path) as theirs,
        other.lease("pull-b", tmp_path) as another,
    ):
        assert (mine, theirs, another) == (True, False, True)
    async with store.lease("pull-a", tmp_path) as again:
        assert again


async def test_a_name_is_free_again_when_its_holder_was_cancelled(store, tmp_path):
    held = asyncio.Event()

    async def hold() -> None:
        async with store.lease("pull-a", tmp_path):
            held.set()
            await asyncio.Event().wait()

    task = asyncio.create_task(hold())
    await held.wait()
    task.cancel()
    await asyncio.wait([task])
    async with store.lease("pull-a", tmp_path) as mine:
        assert mine


async def test_a_database_is_that_of_one_node(database_of, own):
    async with open_store(database_of("node")) as store:
        with pytest.raises(Misconfigured, match="is that of did:web:flanders"):
            await store.enlist(did="did:web:wallonia.example", base="https://wallonia.example", name="w", own=True)
        assert len(await store.logs()) == 1


async def test_a_database_is_opened_while_another_process_writes(database_of, store, own):
    async with writing(store._engine), asyncio.timeout(10), open_store(database_of("node")) as other:
        assert await other.logs() == [own]


async def test_pages_that_ask_at_once_share_one_answer(store, copy, monkeypatch):
    asked = []

    async def states():
        asked.append(1)
        await asyncio.sleep(0)
        return {}

    monkeypatch.setattr(store.peers, "states", states)
    await asyncio.gather(*(store.peers.states_lately() for _ in range(20)))
    assert len(asked) == 1


async def test_a_page_that_gives_up_takes_the_answer_from_no_other(store, copy):
    impatient = asyncio.create_task(store.peers.states_lately())
    patient = asyncio.create_task(store.peers.states_lately())
    await asyncio.sleep(0)
    impatient.cancel()
    assert copy.id in await patient
