"""Small files that are there whole or not at all, on any disk."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from federation.store import files
from federation.store.secrets import secret


def no_links(*paths: object, **rest: object) -> None:
    raise PermissionError(1, "Operation not permitted")


@pytest.fixture(params=["with hard links", "without hard links"])
def disk(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    if request.param == "without hard links":
        monkeypatch.setattr(os, "link", no_links)
    return tmp_path


def test_a_new_file_is_there_whole_and_nothing_beside_it(disk: Path):
    files.write(disk / "a.txt", "words", replace=False)
    assert [(each.name, each.read_text()) for each in disk.iterdir()] == [("a.txt", "words")]


def test_a_file_that_is_there_stays_as_it_is(disk: Path):
    (disk / "a.txt").write_text("first")
    with pytest.raises(FileExistsError):
        files.write(disk / "a.txt", "second", replace=False)
    assert [(each.name, each.read_text()) for each in disk.iterdir()] == [("a.txt", "first")]


def test_a_secret_is_made_once(disk: Path):
    made = secret(disk / "api.token")
    assert len(made) > 40
    assert secret(disk / "api.token") == made


def test_what_else_is_wrong_with_a_disk_is_said(disk: Path):
    with pytest.raises(FileNotFoundError):
        files.write(disk / "none" / "a.txt", "words", replace=False)
