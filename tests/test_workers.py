"""Worker processes: they stand back for people, and begin with what their parent has worked out."""

from __future__ import annotations

import asyncio
import os
import time

import pytest

from federation import workers as workers_module
from federation.index.languages import WORD
from federation.workers import NICE, Tools, open_workers
from tests.records.authoring import VOCABULARY

TEXT = "Refurbished kantoormeubilair voor het gemeentehuis"


@pytest.fixture(scope="module")
def tools() -> Tools:
    made = Tools(VOCABULARY)
    made.concepts.warm()
    return made


def standing_back(tools: Tools) -> int:
    return os.nice(0)


def reading(tools: Tools) -> tuple[list[str], bool]:
    """The concepts that a text names, and whether labels had to be read for it."""
    forms = tools.concepts.spotting.forms(WORD.findall(TEXT), "nl")
    return list(tools.concepts.spotting.named(forms, "nl")), "_read" in vars(tools.concepts)


@pytest.mark.skipif(not hasattr(os, "nice"), reason="this system knows no niceness")
async def test_bulk_work_stands_back_for_whoever_searches_or_publishes(tools):
    async with open_workers(tools, width=2) as workers:
        assert await workers.run(standing_back, bulk=True) == min(19, os.nice(0) + NICE)
        assert await workers.run(standing_back) == os.nice(0)


async def test_a_worker_reads_texts_as_its_parent_does_without_reading_the_labels_again(tools):
    async with open_workers(tools, width=2) as workers:
        named, read = await workers.run(reading, bulk=True)
    assert named == reading(tools)[0]
    assert len(named) >= 2
    assert not read


async def test_a_parent_that_has_read_no_labels_leaves_them_to_its_workers():
    tools = Tools(VOCABULARY)
    assert tools.concepts.iris  # as in a node, which has them before it knows whether they are needed
    async with open_workers(tools, width=2) as workers:
        named, read = await workers.run(reading, bulk=True)
    assert (len(named) >= 2, read) == (True, True)


def test_what_labels_mean_is_packed_as_soon_as_they_are_read():
    tools = Tools(VOCABULARY)
    before = tools.packed()
    assert tools.packed() is before
    assert "spotting" not in vars(tools.concepts)
    tools.concepts.warm()
    assert len(tools.packed()) > len(before)


def slowly(tools: Tools, number: int) -> int:
    time.sleep(0.3)
    return number


async def test_work_that_begins_just_before_idle_processes_are_let_go_is_finished(tools, monkeypatch):
    monkeypatch.setattr(workers_module, "IDLE", 0.2)
    async with open_workers(tools, width=2) as workers:
        await workers.run(slowly, 0, bulk=True)
        await asyncio.sleep(0.1)
        assert await asyncio.gather(*(workers.run(slowly, each, bulk=True) for each in range(6))) == list(range(6))
