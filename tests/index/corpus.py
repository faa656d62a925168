"""An index made of drafts, without a node: what search promises can be tried on any set of texts."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from federation.index.documents import Source, batch
from federation.index.text import TextIndex
from federation.log.times import timestamp
from federation.records.draft import Draft
from federation.records.values import Naming
from federation.search import Found, Request, Search
from federation.tasks import Previous, prepare
from federation.workers import Tools
from tests.conftest import LICENCE

START = datetime(2026, 11, 22, 9, 0, tzinfo=UTC)
OWN = "flanders"
MEMORY = 15_000_000


def sources(drafts: Mapping[str, Sequence[Draft]], tools: Tools) -> list[Source]:
    """Entries as the logs of some nodes hold them: drafts by the name of their node, a minute apart."""
    found: list[Source] = []
    for log_id, (node, each) in enumerate(drafts.items(), 1):
        naming = Naming(f"https://{node}.example", f"did:web:{node}.example", LICENCE)
        previous: dict[str, Previous] = {}
        prepared, faults = prepare(tools, each, previous, naming, timestamp(START))
        violations = [fault for fault in faults if fault.severity == "violation"]
        assert not violations, violations
        for position, one in enumerate(prepared, 1):
            assert one is not None
            published = timestamp(START + timedelta(minutes=position * 10 + log_id))
            found.append(Source(log_id, position, node, node == OWN, published, one.body))
    return found


def index_of(folder: Path, drafts: Mapping[str, Sequence[Draft]], tools: Tools) -> TextIndex:
    """A text index over some drafts, by the name of their node."""
    index = TextIndex(folder, tools.concepts, memory=MEMORY)
    found = sources(drafts, tools)
    index.add(batch(found, tools.concepts))
    index.commit({f"did:web:{node}.example": len(each) for node, each in drafts.items()})
    return index


def search_of(folder: Path, drafts: Sequence[Draft], tools: Tools) -> Search:
    """A search over drafts of one node, whose name is its region's."""
    return Search(index_of(folder, {OWN: drafts}, tools), lambda node: {"en": node})


def asking(search: Search, text: str = "", **wanted: Any) -> Found:
    """What a Dutch searcher is answered."""
    return asyncio.run(search.search(Request(text, "nl", **wanted)))
