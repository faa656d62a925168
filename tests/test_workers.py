"""Worker processes: they stand back for people, and begin with what their parent has worked out."""

from __future__ import annotations

import os

import pytest

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
