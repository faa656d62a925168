"""Keys in the hands of a coordinator: on media that are not this machine."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from federation import custody
from federation.errors import KeyMissing


@pytest.fixture
def stick(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A stick that every system can read: it has no links, and one mode for all files."""
    folder = tmp_path / "stick"
    folder.mkdir()
    real, link = os.open, os.link

    def opened(path, flags, mode=0o777, **rest):
        descriptor = real(path, flags, mode, **rest)
        if str(path).startswith(str(folder)) and flags & os.O_CREAT:
            os.fchmod(descriptor, 0o755)
        return descriptor

    def linked(source, target, **rest):
        if str(target).startswith(str(folder)):
            raise PermissionError(1, "Operation not permitted")
        link(source, target, **rest)

    monkeypatch.setattr(os, "open", opened)
    monkeypatch.setattr(os, "link", linked)
    return folder


async def test_a_next_key_goes_to_a_stick_and_comes_back_from_it(start_node, stick):
    node = await start_node("flanders")
    path = await custody.export(node.node, stick, keep=False)
    assert path == stick / "next.key"
    assert not list((node.config.data / "keys").glob("next*.key"))
    before = (await node.node.store.log(node.node.log.id)).keys
    await custody.rotate(node.node, path, compromised_from=None)
    assert (await node.node.store.log(node.node.log.id)).keys != before


async def test_a_key_of_this_machine_that_others_can_read_is_refused_as_ever(start_node):
    node = await start_node("flanders")
    (node.config.data / "keys" / "next.key").chmod(0o644)
    with pytest.raises(KeyMissing, match="Others on this machine can read"):
        await custody.rotate(node.node, None, compromised_from=None)
