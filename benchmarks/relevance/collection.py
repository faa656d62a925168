"""The records of ``nodes/`` in an index, and the judged topics about them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from federation.config import load
from federation.exchange.files import File, drafts_of
from federation.index.documents import Source, batch
from federation.index.text import TextIndex
from federation.log.times import timestamp
from federation.records.vocabulary import load_vocabulary
from federation.tasks import prepare
from federation.workers import Tools

NODES: Final = Path(__file__).parent.parent.parent / "nodes"
TOPICS: Final = Path(__file__).parent / "topics"
_MEMORY: Final = 15_000_000
_AT: Final = timestamp(datetime(2026, 11, 22, tzinfo=UTC))


@dataclass(frozen=True, slots=True)
class Topic:
    """What somebody looks for, and how much each record helps (1 to 3); what is not listed does not."""

    id: str
    language: str
    query: str
    type: str
    grades: Mapping[str, int]


def topics(name: str) -> list[Topic]:
    """A set of topics: ``dev``, ``first``, ``third`` and ``fourth`` to work with, the others to judge by."""
    listed = json.loads((TOPICS / f"{name}.json").read_text("utf-8"))
    return [Topic(each["id"], each["lang"], each["query"], each["type"], each["judgements"]) for each in listed]


def collected(folder: Path, nodes: Sequence[Path] = ()) -> TextIndex:
    """An index over the records of all nodes, made in a folder."""
    tools = Tools(load_vocabulary())
    index = TextIndex(folder, tools.concepts, memory=_MEMORY)
    for log_id, path in enumerate(nodes or sorted(NODES.glob("*/node.toml")), 1):
        config = load(path)
        files = [File(each.name, each.read_bytes()) for each in sorted((path.parent / "records").glob("*.csv"))]
        drafts, faults = drafts_of(files, tools.vocabulary, config.naming)
        prepared, found = prepare(tools, drafts, {}, config.naming, _AT)
        if any(fault.severity == "violation" for fault in [*faults, *found]):
            raise ValueError(f"The records of {config.name} have faults.")
        sources = [
            Source(log_id, position, config.name, False, _AT, each.body)
            for position, each in enumerate(prepared)
            if each is not None
        ]
        index.add(batch(sources, tools.concepts))
    index.commit({})
    return index
