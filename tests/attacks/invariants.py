"""What is true of a node after every attack, whatever happened (reference: python-tuf, Sunlight)."""

from __future__ import annotations

import fcntl
import os

from federation.log import checkpoint as checkpoints
from federation.log import did
from federation.log.merkle import Frontier
from federation.log.trust import Standing, claim_of, judge
from tests.conftest import TestNode


async def assert_sound(node: TestNode) -> None:
    """Cursor, root, signatures, keys and locks of everything a node holds."""
    store, tools = node.node.store, node.node.workers.tools
    for log in await store.logs():
        entries = await store.entries(log.id, 0, log.size)
        assert [each.position for each in entries] == list(range(log.size)), "positions are contiguous"
        assert log.verified_size <= log.size
        assert Frontier().append(each.leaf for each in entries) == log.frontier
        assert Frontier().append(each.leaf for each in entries[: log.verified_size]) == log.verified
        shown = entries[: log.verified_size]
        unexplained = [each.position for each in shown if each.erased_by is not None and each.erased_by < 0]
        assert not unexplained, "what is gone was erased by its owner"
        if log.verified_size:
            origin = checkpoints.origin_of(did.host_of(log.base))
            signed = checkpoints.verify(log.checkpoint, origin=origin, key=_log_key(log, entries))
            assert (signed.size, signed.root) == (log.verified_size, log.verified.root)
        standing = Standing(log.did, log.base, recovered=await _recovered(node, log.id))
        for each in entries:
            if each.erased_by is not None:
                standing = standing._replace(size=standing.size + 1)
                continue
            claim = claim_of(each.position, each.signed, tools.vocabulary)
            _, standing = judge([claim], standing, vocabulary=tools.vocabulary, checks=tools.checks, now=node.clock())
    for path in (node.config.data / "locks").iterdir():
        descriptor = os.open(path, os.O_RDWR)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        finally:
            os.close(descriptor)


def _log_key(log, entries):
    from federation.log.keys import KIND, declared

    events = [each for each in entries[: log.verified_size] if each.kind == KIND]
    return declared(events[-1].signed.body).keys.log_key()


async def _recovered(node: TestNode, log_id: int) -> str:
    state = (await node.node.store.peers.states()).get(log_id)
    return state.recovered if state else ""
