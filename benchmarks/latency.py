"""From publishing at one node to finding it at another that polls it: two real ``procirc serve`` processes."""

from __future__ import annotations

import asyncio
import json
import time
from urllib.parse import urlencode

from benchmarks.figure import Figure, Goal
from benchmarks.prepared import Bench, corpus_of
from benchmarks.sites import Site, get, make_site, post, served
from federation import node as nodes
from federation.records.vocabulary import load_vocabulary
from federation.workers import Tools

EVERY = 2
"""Seconds between two polls."""
_PATIENCE = 60


def measure(bench: Bench) -> list[Figure]:
    here = make_site(bench.scratch, "here")
    there = make_site(bench.scratch, "there", follows=[here], every=EVERY)
    for site in (here, there):
        asyncio.run(nodes.init(site.config))
    corpus = corpus_of(Tools(load_vocabulary()))
    waited, answered = [], []
    with served(here), served(there):
        for number in range(bench.scale.latency_rounds):
            draft = corpus.draft(number)
            title = {"en": f"Reused benches for the harbour, lot {70_001 + number}"}
            # Published at different moments of the poll interval.
            time.sleep(0.37 * number)
            started = time.monotonic()
            status, _, body = post(here, {"kind": "pilot", "slug": draft.slug, **draft.values, "title": title})
            if status != 201:
                raise RuntimeError(f"Publishing was answered {status}: {body[:500]!r}")
            answered.append(time.monotonic() - started)
            waited.append(_found(there, f"lot {70_001 + number}", json.loads(body)["published"][0]["id"], started))
    return [
        Figure(
            "published at A, found at B",
            max(waited),
            " s",
            Goal(EVERY + 5, at_least=False, unit=" s"),
            f"worst of {len(waited)}; B polls A every {EVERY} s",
            raw={"seconds": waited, "publish_request_seconds": answered, "poll_interval_seconds": EVERY},
        )
    ]


def _found(site: Site, text: str, record: str, started: float) -> float:
    """Seconds from ``started`` until a search at ``site`` gives the record."""
    query = urlencode({"q": text, "lang": "en"})
    while time.monotonic() < started + _PATIENCE:
        found = json.loads(get(site.port, f"/api/search?{query}")[2])
        if any(item["id"] == record for item in found["items"]):
            return time.monotonic() - started
        time.sleep(0.05)
    raise RuntimeError(f"{record} was not found within {_PATIENCE} s.")
