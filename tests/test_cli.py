"""The command line: what it says, what it leaves alone, and the exit codes of ``errors.py``.

Most commands are run in this process through ``main``, the entry point itself; what needs a process of
its own (standard input, limits of the system, a running server) gets one.
"""

from __future__ import annotations

import asyncio
import http.client
import json
import os
import re
import resource
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from federation import __version__, cli, node, terminal
from federation import config as configs
from federation.cli import commands, peers
from federation.errors import Exit, StorageFailed
from federation.log import checkpoint as checkpoints
from federation.log import forks
from federation.log.forks import Told
from federation.log.merkle import Frontier
from federation.records.proof import verify
from federation.workers import Tools
from tests.conftest import free_port, pilot

HEADER = "slug,title@nl,abstract@nl,procurer,sector,strategy,status,source\n"
GOOD = "mill,De molen,Kort,kamp-c,furniture-office,R3,completed,https://example.org/mill\n"
OTHER = "lock,De sluis,Kort,kamp-c,ict-hardware,R4,completed,https://example.org/lock\n"
FAULTY = "gate,De poort,Kort,kamp-c,funriture-office,R3,completed,not an address\n"


@dataclass(frozen=True)
class Ran:
    """What a command did."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)

    @property
    def said(self) -> str:
        """Everything that was printed, on one line."""
        return " ".join((self.out + self.err).split())


Run = Callable[..., Ran]


@pytest.fixture
def procirc(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Run a command in this process, through the real entry point."""
    for name in os.environ:
        if name.startswith("PROCIRC_"):
            monkeypatch.delenv(name)
    for console in (terminal.out, terminal.err):
        monkeypatch.setattr(console, "width", 500)  # a wide terminal, so that no path is broken in two

    def run(*args: object) -> Ran:
        monkeypatch.setattr(sys, "argv", ["procirc", *map(str, args)])
        capsys.readouterr()
        try:
            cli.main()
            code = 0
        except SystemExit as stop:
            code = stop.code if isinstance(stop.code, int) else 0 if stop.code is None else 1
        captured = capsys.readouterr()
        return Ran(code, captured.out, captured.err)

    return run


def in_a_process(*args: object, stdin: str = "", **options: Any) -> Ran:
    """Run a command as a process of its own."""
    done = subprocess.run(
        [sys.executable, "-m", "federation", *map(str, args)],
        input=stdin,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env={**os.environ, "COLUMNS": "500"},
        **options,
    )
    return Ran(done.returncode, done.stdout, done.stderr)


def write_config(folder: Path, **settings: Any) -> Path:
    port = settings.pop("port", None) or free_port()
    base = settings.pop("base", f"http://localhost:{port}")
    lines = {
        "name": "flanders",
        "title": {"en": "Flanders"},
        "base": base,
        "listen": f"127.0.0.1:{port}",
        "data": "data",
        "allow_private": True,
        **settings,
    }
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "node.toml"
    text = "\n".join(f"{name} = {_toml(value)}" for name, value in lines.items())
    path.write_text(text + "\n", "utf-8")
    return path


def _toml(value: Any) -> str:
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{key} = {_toml(each)}" for key, each in value.items()) + " }"
    if isinstance(value, list):
        return "[" + ", ".join(map(_toml, value)) + "]"
    return json.dumps(value)


@pytest.fixture(scope="module")
def set_up(tmp_path_factory: pytest.TempPathFactory, tools: Tools) -> Path:
    """A node that was set up and has published one record; tests work on copies."""
    folder = tmp_path_factory.mktemp("set-up")
    config = configs.load(write_config(folder))

    async def prepare() -> None:
        await node.init(config, tools=tools)
        async with node.open_node(config, width=1, tools=tools) as opened:
            await opened.publisher.publish([pilot("mill", title="De molen")])
            await opened.follower.catch_up()

    asyncio.run(prepare())
    return folder


@pytest.fixture
def home(set_up: Path, tmp_path: Path) -> Path:
    """A folder with node.toml and the data of a node that holds one record, ours to change."""
    shutil.copytree(set_up, tmp_path / "home")
    return tmp_path / "home"


@pytest.fixture
def toml(home: Path) -> Path:
    return home / "node.toml"


def entries(home: Path) -> int:
    with closing(sqlite3.connect(home / "data" / "node.sqlite")) as database:
        return int(database.execute("SELECT count(*) FROM entry").fetchone()[0])


def table(folder: Path, text: str, name: str = "pilot.csv") -> Path:
    path = folder / name
    path.write_text(text, "utf-8")
    return path


# Help


COMMANDS = [
    ["init"], ["serve"], ["import"], ["publish"], ["sync"], ["search"], ["peers"], ["peers", "list"], ["verify"],
    ["rebuild"], ["check-config"], ["demo"], ["export"], ["restricted"], ["accounts"], ["backup"], ["restore"],
    ["resume"], ["withdraw"], ["erase"], ["erasures"], ["keys"], ["keys", "show"], ["keys", "rotate"],
    ["keys", "export"], ["keys", "recover"], ["peers", "add"], ["peers", "confirm"], ["peers", "remove"],
    ["peers", "evidence"],
]  # fmt: skip


@pytest.mark.parametrize("command", [[], *COMMANDS], ids=" ".join)
def test_every_command_explains_itself(procirc: Run, command: list[str]):
    ran = procirc(*command, "--help")
    assert ran.code == 0
    assert "Usage: " in ran.out
    assert " ".join(command) in ran.out


def test_every_command_is_among_those_tried(procirc: Run):
    listed = {command.name or command.callback.__name__ for command in commands.app.registered_commands}
    assert {name.rstrip("_") for name in listed} | {"peers", "accounts", "keys"} == {command[0] for command in COMMANDS}


def test_the_version_is_told(procirc: Run):
    assert procirc("--version").out == f"procirc {__version__}\n"


@pytest.mark.parametrize("args", [["nonsense"], ["search", "--nonsense"], ["import"], ["search", "x", "--limit", "0"]])
def test_a_command_that_does_not_exist_is_a_wrong_use(procirc: Run, args: list[str]):
    assert procirc(*args).code == Exit.USAGE


# Setting up


def test_a_new_node_is_set_up(procirc: Run, tmp_path: Path):
    toml = write_config(tmp_path)
    ran = procirc("init", "--leave-recovery-key", "--config", toml, "--json")
    assert ran.code == 0
    assert ran.json["did"].startswith("did:web:localhost%3A")
    assert ran.json["data"] == str(tmp_path / "data")
    assert entries(tmp_path) == 1


def test_setting_up_again_changes_nothing(procirc: Run, home: Path, toml: Path):
    files = [*(home / "data" / "keys").iterdir(), home / "data" / "api.token"]
    before = {path: path.read_bytes() for path in files}
    ran = procirc("init", "--leave-recovery-key", "--config", toml)
    assert ran.code == 0
    assert {path: path.read_bytes() for path in files} == before
    assert entries(home) == 2
    assert "procirc keys export" in ran.said
    assert not [content for content in before.values() if content.decode().strip() in ran.said]


def test_secrets_are_for_their_owner_only(home: Path):
    for path in (*(home / "data" / "keys").iterdir(), home / "data" / "api.token"):
        assert path.stat().st_mode & 0o777 == 0o600, path
    assert (home / "data" / "keys").stat().st_mode & 0o777 == 0o700


def test_the_database_is_for_its_owner_only_in_a_directory_that_others_can_read_too(procirc: Run, tmp_path: Path):
    toml = write_config(tmp_path)
    (tmp_path / "data").mkdir(mode=0o755)
    assert procirc("init", "--leave-recovery-key", "--config", toml).code == 0
    database = tmp_path / "data" / "node.sqlite"
    assert database.stat().st_mode & 0o777 == 0o600
    assert "chmod 600" not in procirc("check-config", "--config", toml).said
    database.chmod(0o644)
    assert f"chmod 600 {database}" in procirc("check-config", "--config", toml).said


def test_setting_up_after_it_was_cut_short_completes_it(procirc: Run, home: Path, toml: Path):
    key = (home / "data" / "keys" / "record.key").read_bytes()
    for path in (*(home / "data").glob("node.sqlite*"), home / "data" / "checkpoint"):
        path.unlink()
    assert procirc("init", "--leave-recovery-key", "--config", toml).code == 0
    assert (home / "data" / "keys" / "record.key").read_bytes() == key
    assert entries(home) == 1


def test_a_lost_database_is_not_replaced_by_an_empty_one(procirc: Run, home: Path, toml: Path):
    for path in (home / "data").glob("node.sqlite*"):
        path.unlink()
    ran = procirc("init", "--leave-recovery-key", "--config", toml)
    assert (ran.code, "has signed 2 before" in ran.said) == (Exit.STORAGE, True)


def test_a_node_that_has_lost_entries_for_good_resumes_when_a_person_says_so(procirc: Run, home: Path, toml: Path):
    newest = home / "data" / "checkpoint"
    lines = newest.read_text().split("\n")
    newest.write_text("\n".join([lines[0], "7", *lines[2:]]))
    assert procirc("withdraw", "pilot/mill", "--reason", "x", "--config", toml).code == Exit.STORAGE
    ran = procirc("resume", "--yes", "--config", toml)
    assert (ran.code, "signed 7 entries" in ran.said) == (0, True)
    assert procirc("withdraw", "pilot/mill", "--reason", "x", "--config", toml).code == 0
    assert procirc("resume", "--config", toml).said == "This node writes to its log."


def test_a_node_with_two_histories_resumes_only_when_a_person_accepts_that(procirc: Run, home: Path, toml: Path):
    settings = configs.load(toml)
    lines = (home / "data" / "checkpoint").read_text()

    async def accuse() -> None:
        async with node.open_node(settings) as opened:
            own = await opened.store.log(opened.log.id)
            key = opened.keyring.private(own.keys).log
            origin = lines.partition("\n")[0]
            other = checkpoints.verify(
                checkpoints.sign(origin, 2, b"2" * 32, key, now=node.now()), origin=origin, key=key.public_key()
            )
            mine = checkpoints.verify(own.checkpoint, origin=origin, key=key.public_key())
            public = own.keys.log
            opened.guard.accuse(forks.written(own.did, Told(mine, public), Told(other, public), ()))

    asyncio.run(accuse())
    withdraw = ("withdraw", "pilot/mill", "--reason", "x", "--config", toml)
    assert procirc(*withdraw).code == Exit.STORAGE
    assert procirc("verify", home / "data" / "own-fork.json").code == 0
    ran = procirc("resume", "--yes", "--config", toml)
    assert (ran.code, "--accept-fork" in ran.said) == (Exit.STORAGE, True)
    assert procirc(*withdraw).code == Exit.STORAGE
    ran = procirc("resume", "--accept-fork", "--yes", "--config", toml)
    assert (ran.code, "own-fork-1.json" in ran.said) == (0, True)
    assert procirc(*withdraw).code == 0
    assert procirc("verify", home / "data" / "own-fork-1.json").code == 0


# Keys


@pytest.mark.parametrize("name", ["record.key", "log.key"])
def test_a_missing_key_is_named_with_what_to_do(procirc: Run, home: Path, toml: Path, name: str):
    (home / "data" / "keys" / name).unlink()
    ran = procirc("search", "x", "--config", toml)
    assert ran.code == Exit.CONFIGURATION
    assert name in ran.said
    assert "backup" in ran.said


def test_setting_up_does_not_replace_the_key_of_a_log_that_has_one(procirc: Run, home: Path, toml: Path):
    (home / "data" / "keys" / "record.key").unlink()
    ran = procirc("init", "--leave-recovery-key", "--config", toml)
    assert ran.code == Exit.CONFIGURATION
    assert "Put the file back" in ran.said


def test_the_log_key_of_a_log_that_has_one_is_not_replaced_either(procirc: Run, home: Path, toml: Path):
    (home / "data" / "keys" / "log.key").unlink()
    ran = procirc("init", "--leave-recovery-key", "--config", toml)
    assert (ran.code, "log.key" in ran.said) == (Exit.CONFIGURATION, True)


def test_setting_up_again_makes_no_other_key_once_the_next_one_is_in_its_safe(procirc: Run, home: Path, toml: Path):
    """Entry 0 commits to the next key: another file of that name could never be used."""
    (home / "data" / "keys" / "next.key").unlink()
    assert procirc("init", "--config", toml).code == 0
    assert not (home / "data" / "keys" / "next.key").exists()


def test_a_key_that_others_can_read_is_refused(procirc: Run, home: Path, toml: Path):
    (home / "data" / "keys" / "record.key").chmod(0o644)
    ran = procirc("search", "x", "--config", toml)
    assert ran.code == Exit.CONFIGURATION
    assert "chmod 600" in ran.said


def test_a_key_file_that_holds_no_key_is_refused(procirc: Run, home: Path, toml: Path):
    path = home / "data" / "keys" / "record.key"
    path.write_text("nonsense")
    ran = procirc("search", "x", "--config", toml)
    assert ran.code == Exit.CONFIGURATION
    assert "does not hold a key" in ran.said
    assert "nonsense" not in ran.said


def test_a_node_that_was_not_set_up_says_so(procirc: Run, tmp_path: Path):
    ran = procirc("search", "x", "--config", write_config(tmp_path))
    assert ran.code == Exit.CONFIGURATION
    assert "procirc init" in ran.said


# Importing


def test_a_dry_run_says_what_would_happen_and_writes_nothing(procirc: Run, home: Path, toml: Path):
    ran = procirc("import", table(home, HEADER + OTHER), "--config", toml, "--dry-run", "--json")
    assert ran.code == 0
    assert (ran.json["dry_run"], ran.json["new"], ran.json["unchanged"]) == (True, 1, 0)
    assert entries(home) == 2


def test_a_table_is_imported_and_importing_it_again_changes_nothing(procirc: Run, home: Path, toml: Path):
    path = table(home, HEADER + OTHER)
    first = procirc("import", path, "--config", toml, "--json")
    again = procirc("import", path, "--config", toml, "--json")
    assert (first.code, first.json["new"], first.json["unchanged"]) == (0, 1, 0)
    assert (again.code, again.json["new"], again.json["unchanged"]) == (0, 0, 1)
    assert entries(home) == 3
    (hit,) = procirc("search", "sluis", "--config", toml, "--json").json["items"]
    assert hit["title"] == {"lang": "nl", "value": "De sluis"}


def test_every_fault_is_listed_with_its_place_and_nothing_is_written(procirc: Run, home: Path, toml: Path):
    ran = procirc("import", table(home, HEADER + OTHER + FAULTY + OTHER), "--config", toml)
    assert ran.code == Exit.INVALID_INPUT
    assert re.search(r"pilot\.csv, row 3, column sector.*funriture-office", ran.said)
    assert re.search(r"pilot\.csv, row 3, column source", ran.said)
    assert re.search(r"pilot\.csv, row 4, column slug.*stands in row 2", ran.said)
    assert "furniture-office" in ran.said
    assert entries(home) == 2


def test_faulty_rows_can_be_left_out(procirc: Run, home: Path, toml: Path):
    path = table(home, HEADER + OTHER + FAULTY)
    ran = procirc("import", path, "--config", toml, "--skip-faulty", "--json")
    assert (ran.code, ran.json["new"], ran.json["rejected"]) == (0, 1, 1)
    assert {fault["row"] for fault in ran.json["faults"] if fault["severity"] == "violation"} == {3}
    assert entries(home) == 3


def test_a_dry_run_of_a_faulty_table_fails_as_the_import_would(procirc: Run, home: Path, toml: Path):
    ran = procirc("import", table(home, HEADER + FAULTY), "--config", toml, "--dry-run")
    assert ran.code == Exit.INVALID_INPUT


def test_the_kind_can_be_said_where_the_file_name_does_not(procirc: Run, home: Path, toml: Path):
    path = table(home, HEADER + OTHER, "export.csv")
    assert procirc("import", path, "--config", toml, "--kind", "pilot", "--json").json["new"] == 1


@pytest.mark.parametrize(("name", "wrong"), [("nowhere.csv", "cannot be read"), (".", "There is no CSV file in")])
def test_a_file_that_cannot_be_read_is_named(procirc: Run, home: Path, toml: Path, name: str, wrong: str):
    ran = procirc("import", home / name, "--config", toml)
    assert ran.code == Exit.INVALID_INPUT
    assert wrong in ran.said


def test_a_dry_run_says_what_would_become_of_each_record(procirc: Run, home: Path, toml: Path):
    ran = procirc("import", table(home, HEADER + OTHER + FAULTY), "--config", toml, "--dry-run")
    assert "1 new, 0 changed, 0 unchanged, 1 faulty." in ran.said
    assert "Nothing would be imported until the faults are corrected." in ran.said
    assert entries(home) == 2


def test_a_kind_that_is_none_is_refused_with_the_nearest(procirc: Run, home: Path, toml: Path):
    ran = procirc("import", table(home, HEADER + OTHER, "export.csv"), "--config", toml, "--kind", "pilt")
    assert ran.code == Exit.USAGE
    assert "did you mean pilot" in ran.said


# Taking records out


@pytest.mark.parametrize("name", ["out.xlsx", "out.csv", "folder"])
def test_what_is_exported_changes_nothing_when_it_is_imported(procirc: Run, home: Path, toml: Path, name: str):
    assert procirc("export", home / name, "--config", toml, "--kind", "pilot", "--lang", "da").code == 0
    kind = ("--kind", "pilot") if name == "out.csv" else ()
    answer = procirc("import", home / name, "--config", toml, *kind, "--json").json
    assert (answer["new"], answer["updated"], answer["unchanged"]) == (0, 0, 1)


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("https://denmark.example", "denmark"),
        ("https://procirc.gent.example", "gent"),
        ("http://localhost:8080", "localhost"),
        ("https://www.procirc", "www"),
    ],
)
def test_a_peer_is_called_by_the_first_part_of_its_host_that_may_name_a_region(url: str, name: str):
    assert peers._named(url) == name


def test_nothing_is_exported_of_a_node_that_was_not_set_up(procirc: Run, tmp_path: Path):
    toml = write_config(tmp_path)
    (tmp_path / "data").mkdir()
    assert procirc("export", tmp_path / "out.xlsx", "--config", toml).code == Exit.CONFIGURATION
    assert not (tmp_path / "out.xlsx").exists()


def test_a_file_that_is_there_is_only_written_over_when_told(procirc: Run, home: Path, toml: Path):
    path = table(home, "mine", "out.xlsx")
    ran = procirc("export", path, "--config", toml)
    assert (ran.code, path.read_text()) == (Exit.CONFIGURATION, "mine")
    assert procirc("export", path, "--config", toml, "--force").code == 0
    assert path.read_bytes().startswith(b"PK")


@pytest.mark.parametrize(
    "args", [["out.pdf"], ["out.csv", "--template", "all"], ["out.xlsx", "--kind", "pilt"], ["x", "--lang", "xx"],
             ["x", "--kind", "pilot", "--template", "pilot"]], ids=" ".join,
)  # fmt: skip
def test_an_export_that_cannot_be_made_says_why(procirc: Run, home: Path, toml: Path, args: list[str]):
    ran = procirc("export", home / args[0], *args[1:], "--config", toml)
    assert ran.code in (Exit.INVALID_INPUT, Exit.USAGE)
    assert not (home / args[0]).exists()


def test_a_template_is_filled_in_and_imported(procirc: Run, home: Path, toml: Path):
    path = home / "empty.xlsx"
    assert procirc("export", "--template", "pilot", "--lang", "nl", path, "--config", toml).code == 0
    assert procirc("import", path, "--config", toml, "--json").json["new"] == 0


def test_a_notice_becomes_an_opportunity_with_its_buyer(procirc: Run, home: Path, toml: Path):
    notice = Path(__file__).parent / "data" / "notices" / "eforms-tender.xml"
    answer = procirc("import", notice, "--config", toml, "--json").json
    assert answer["new"] == 2
    assert procirc("import", notice, "--config", toml, "--json").json["unchanged"] == 2


# Publishing


def draft(slug: str, **values: Any) -> dict[str, Any]:
    return {"kind": "pilot", "slug": slug, **pilot(slug, **values).values}


def test_json_is_published_from_a_file(procirc: Run, home: Path, toml: Path):
    path = table(home, json.dumps([draft("one"), draft("two")]), "drafts.json")
    ran = procirc("publish", path, "--config", toml, "--json")
    assert (ran.code, ran.json["new"]) == (0, 2)
    assert entries(home) == 4


def test_a_table_that_is_published_as_json_is_sent_to_the_command_for_tables(procirc: Run, home: Path, toml: Path):
    path = table(home, HEADER + OTHER)
    ran = procirc("publish", path, "--config", toml)
    assert (ran.code, f"procirc import {path}" in ran.said) == (Exit.INVALID_INPUT, True)


def test_json_is_published_from_standard_input(home: Path, toml: Path):
    ran = in_a_process("publish", "-", "--config", toml, "--json", stdin=json.dumps(draft("one")))
    assert (ran.code, ran.json["new"]) == (0, 1)
    assert entries(home) == 3


@pytest.mark.parametrize("text", ["{", "[1]", '{"kind": "pilot"}', "", '{"a": 1, "a": 2}'])
def test_json_that_is_no_record_is_refused(procirc: Run, home: Path, toml: Path, text: str):
    ran = procirc("publish", table(home, text, "drafts.json"), "--config", toml)
    assert ran.code == Exit.INVALID_INPUT
    assert entries(home) == 2


def test_validating_only_writes_nothing(procirc: Run, home: Path, toml: Path):
    path = table(home, json.dumps(draft("one")), "drafts.json")
    assert procirc("publish", path, "--config", toml, "--dry-run").code == 0
    assert entries(home) == 2


def test_an_invalid_record_is_refused_with_its_faults(procirc: Run, home: Path, toml: Path):
    path = table(home, json.dumps([draft("one"), draft("two", sector=["nonsense"])]), "drafts.json")
    ran = procirc("publish", path, "--config", toml)
    assert ran.code == Exit.INVALID_INPUT
    assert "field sector" in ran.said
    assert entries(home) == 2


# Searching


def test_a_search_says_what_it_found_and_why(procirc: Run, toml: Path):
    ran = procirc("search", "kantoormeubilair", "--lang", "nl", "--config", toml)
    assert ran.code == 0
    assert "De molen" in ran.said
    assert "kantoormeubilair → Kantoormeubilair" in ran.said


def test_words_of_a_search_need_no_quotes_and_a_minus_leaves_one_out(procirc: Run, toml: Path):
    asked = ("--lang", "nl", "--config", toml, "--json")
    assert procirc("search", "de", "molen", *asked).json["total"] == 1
    assert procirc("search", "molen -de", *asked).json["total"] == 0


def test_a_search_that_only_comes_near_says_so(procirc: Run, toml: Path):
    words = ("search", "kantoormeubilair in qqqqzzzz", "--lang", "nl", "--config", toml)
    assert "No record has all of what you asked for" in procirc(*words).said
    assert (procirc(*words, "--json").json["total"], procirc(*words, "--json").json["exact"]) == (1, 0)
    assert "come nearest" not in procirc("search", "kantoormeubilair", "--lang", "nl", "--config", toml).said


def test_a_mistyped_search_is_told_what_was_perhaps_meant(procirc: Run, toml: Path):
    assert "Did you mean: molen" in procirc("search", "moelen", "--lang", "nl", "--config", toml).said


def test_a_search_can_be_narrowed_and_read_by_a_program(procirc: Run, toml: Path):
    where = ("--where", "kind=pilot", "-w", "sector=furniture-office")
    answer = procirc("search", "molen", "--lang", "nl", *where, "--config", toml, "--json").json
    assert answer["total"] == 1
    assert answer["items"][0]["title"] == {"lang": "nl", "value": "De molen"}


def test_a_filter_that_is_none_is_refused_with_the_nearest(procirc: Run, toml: Path):
    ran = procirc("search", "--where", "kimd=pilot", "--config", toml)
    assert ran.code not in (0, Exit.DEFECT)
    assert "did you mean kind" in ran.said


def test_a_value_that_no_filter_has_is_refused_with_the_nearest(procirc: Run, toml: Path):
    ran = procirc("search", "--where", "kind=pilt", "--config", toml)
    assert ran.code == Exit.USAGE
    assert "did you mean pilot" in ran.said


def test_a_search_can_keep_to_years_and_to_what_is_open(procirc: Run, home: Path, toml: Path):
    header = HEADER.strip() + ",start\n"
    row = ",Pilot,Kort,kamp-c,workwear,R3,completed,https://x.be,"
    rows = f"{header}oud{row}2019\nnieuw{row}2022\n"
    assert procirc("import", table(home, rows), "--config", toml).code == 0

    def total(*options: str) -> int:
        return procirc("search", "pilot", *options, "--config", toml, "--json").json["total"]

    assert (total("--from", "2020"), total("--to", "2020"), total("--from", "2019", "--to", "2022")) == (1, 1, 2)
    assert total("--open") == 0
    for options in (["--from", "2023", "--to", "2019"], ["--from", "abc"], ["--to", "-1"]):
        assert procirc("search", "pilot", *options, "--config", toml).code == Exit.USAGE


def test_a_search_can_stay_inside_a_community(procirc: Run, home: Path, toml: Path):
    rows = "slug,title@nl,initiativeKind,sector,source\nkring,De kring,project,workwear,https://x.be\n"
    assert procirc("import", table(home, rows, "initiative.csv"), "--config", toml).code == 0
    assert procirc("search", "molen", "--community", "kring", "--config", toml, "--json").json["total"] == 0
    assert procirc("search", "kring", "--community", "kring", "--config", toml, "--json").json["total"] == 1
    ran = procirc("search", "molen", "--community", "krin", "--config", toml)
    assert ran.code == Exit.INVALID_INPUT
    assert "no community 'krin'" in ran.said
    assert "Did you mean kring?" in ran.said


def test_a_program_learns_why_a_record_was_found(procirc: Run, toml: Path):
    answer = procirc("search", "kantoormeubilair", "--lang", "nl", "--config", toml, "--json").json
    assert answer["items"][0]["because"][0]["concept"].endswith("/sector/furniture-office")


def test_a_program_learns_what_went_wrong(procirc: Run, home: Path, toml: Path):
    ran = procirc("import", table(home, HEADER + FAULTY), "--config", toml, "--json")
    assert ran.code == Exit.INVALID_INPUT
    assert ran.json["error"]["type"].endswith("/invalid-record")
    assert ran.json["error"]["errors"][0]["row"] == 2


def test_nothing_found_is_no_failure(procirc: Run, toml: Path):
    ran = procirc("search", "qqqqzzzz", "--config", toml)
    assert (ran.code, ran.out.startswith("Nothing found.")) == (0, True)


# Configuration and peers


def test_a_good_configuration_is_in_order(procirc: Run, toml: Path):
    ran = procirc("check-config", "--config", toml, "--json")
    assert ran.code == 0
    assert ran.json["ok"] is True
    assert any("next.key" in note for note in ran.json["notes"])


def test_a_faulty_configuration_is_explained(procirc: Run, toml: Path):
    toml.write_text(toml.read_text() + 'lisen = "x"\n')
    ran = procirc("check-config", "--config", toml)
    assert ran.code == Exit.CONFIGURATION
    assert "Did you mean listen" in ran.said


@pytest.mark.parametrize(
    "command", [["check-config"], ["peers", "list"], ["accounts", "list"], ["export", "x.xlsx"], ["search", "molen"]]
)
def test_the_data_of_another_node_are_not_taken_for_ones_own(procirc: Run, home: Path, toml: Path, command: list[str]):
    """Somebody has changed the base address in node.toml."""
    moved = toml.with_name("moved.toml")
    moved.write_text(re.sub(r'base = ".*"', 'base = "https://elsewhere.example"', toml.read_text()))
    ran = procirc(*command, "--config", moved)
    assert (ran.code, "The database is that of" in ran.said) == (Exit.CONFIGURATION, True), ran.said


def test_checking_a_configuration_changes_nothing(procirc: Run, tmp_path: Path):
    toml = write_config(tmp_path)
    assert procirc("check-config", "--config", toml).code == 0
    assert [path.name for path in tmp_path.iterdir()] == ["node.toml"]


def test_a_configuration_that_is_not_there_is_named(procirc: Run, tmp_path: Path):
    ran = procirc("check-config", "--config", tmp_path / "nowhere.toml")
    assert ran.code == Exit.CONFIGURATION
    assert "nowhere.toml" in ran.said


def test_peers_that_were_never_asked_are_listed_as_new(procirc: Run, home: Path, toml: Path):
    toml.write_text(toml.read_text() + '[[peers]]\nname = "denmark"\nurl = "http://localhost:1"\n')
    (row,) = procirc("peers", "list", "--config", toml, "--json").json
    assert (row["name"], row["state"], row["entries"]) == ("denmark", "new", 0)
    assert "denmark" in procirc("peers", "list", "--config", toml).said


def test_nothing_about_a_peer_is_cut_off_on_a_narrow_terminal(procirc: Run, toml: Path, monkeypatch):
    toml.write_text(toml.read_text() + '[[peers]]\nname = "denmark"\nurl = "http://localhost:1"\n')
    monkeypatch.setattr(terminal.out, "width", 60)
    procirc("sync", "--config", toml)
    ran = procirc("peers", "list", "--config", toml)
    detail = procirc("peers", "list", "--config", toml, "--json").json[0]["detail"]
    assert detail in ran.out


def test_a_key_that_others_can_read_is_worth_a_remark(procirc: Run, home: Path, toml: Path):
    (home / "data" / "keys" / "log.key").chmod(0o644)
    notes = procirc("check-config", "--config", toml, "--json").json["notes"]
    assert any("chmod 600" in note for note in notes)


def test_a_vocabulary_that_is_none_is_found_by_the_check(procirc: Run, toml: Path):
    toml.write_text('vocabulary = "nowhere"\n' + toml.read_text())
    assert procirc("check-config", "--config", toml).code == Exit.CONFIGURATION


def test_a_node_without_peers_says_so(procirc: Run, toml: Path):
    assert procirc("peers", "list", "--config", toml, "--json").json == []
    assert "procirc peers add" in procirc("peers", "list", "--config", toml).said


def test_a_peer_that_cannot_be_reached_fails_the_sync_and_is_remembered(procirc: Run, toml: Path):
    toml.write_text(toml.read_text() + '[[peers]]\nname = "denmark"\nurl = "http://localhost:1"\n')
    ran = procirc("sync", "--config", toml, "--json")
    assert ran.code == Exit.PEER
    assert ran.json[0]["reason"] == "peer-unreachable"
    (row,) = procirc("peers", "list", "--config", toml, "--json").json
    assert row["reason"] == "peer-unreachable"
    assert row["detail"]


def test_a_peer_that_is_not_configured_is_refused_with_the_nearest(procirc: Run, toml: Path):
    toml.write_text(toml.read_text() + '[[peers]]\nname = "denmark"\nurl = "http://localhost:1"\n')
    ran = procirc("sync", "denmrk", "--config", toml)
    assert ran.code == Exit.CONFIGURATION
    assert "Did you mean denmark" in ran.said


# A served node


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory, tools: Tools) -> Iterator[node.Node]:
    """A node with one record, served from a thread."""
    config = configs.load(write_config(tmp_path_factory.mktemp("served")))
    loop = asyncio.new_event_loop()
    stop, started = asyncio.Event(), threading.Event()
    held: list[node.Node] = []

    async def serve() -> None:
        await node.init(config, tools=tools)
        async with node.open_node(config, width=1, tools=tools) as opened:
            await opened.publisher.publish([pilot("mill", title="De molen")])
            runner = web.AppRunner(node.application(opened), access_log=None)
            await runner.setup()
            await web.TCPSite(runner, *config.address).start()
            held.append(opened)
            started.set()
            await stop.wait()
            await runner.cleanup()

    def run() -> None:
        with asyncio.Runner(loop_factory=lambda: loop) as runner:
            runner.run(serve())

    thread = threading.Thread(target=run)
    thread.start()
    assert started.wait(30)
    yield held[0]
    loop.call_soon_threadsafe(stop.set)
    thread.join()


@pytest.fixture
def saved(served: node.Node, tmp_path: Path) -> Path:
    """A signed record and the DID document of its node, saved as files."""
    with closing(http.client.HTTPConnection(served.config.host)) as connection:
        for path, name in (("/records/pilot/mill.jsonld", "mill.jsonld"), ("/.well-known/did.json", "did.json")):
            connection.request("GET", path)
            (tmp_path / name).write_bytes(connection.getresponse().read())
    return tmp_path


def test_a_saved_record_verifies_off_line(procirc: Run, saved: Path, served: node.Node):
    ran = procirc("verify", saved / "mill.jsonld", "--did", saved / "did.json", "--json")
    assert ran.code == 0
    assert ran.json["record"] == f"{served.config.base}/records/pilot/mill"
    assert ran.json["publisher"] == served.config.did


@pytest.mark.parametrize(
    ("change", "to"),
    [
        ("De molen", "De Molen"),
        ("assertionMethod", "authentication"),
        (r'("created": ")\d{4}', r"\g<1>2001"),
    ],
)
def test_an_altered_record_does_not_verify(procirc: Run, saved: Path, change: str, to: str):
    path = saved / "mill.jsonld"
    text = path.read_text("utf-8")
    altered = re.sub(change, to, text)
    assert altered != text
    path.write_text(altered, "utf-8")
    ran = procirc("verify", path, "--did", saved / "did.json")
    assert ran.code == Exit.NOT_VERIFIED
    assert "Verified." not in ran.said


def test_a_record_with_something_added_does_not_verify(procirc: Run, saved: Path):
    path = saved / "mill.jsonld"
    document = json.loads(path.read_text("utf-8"))
    path.write_text(json.dumps({**document, "approvedBy": "the minister"}), "utf-8")
    assert procirc("verify", path, "--did", saved / "did.json").code == Exit.NOT_VERIFIED


def test_a_record_does_not_verify_with_another_nodes_keys(procirc: Run, saved: Path, home: Path, toml: Path):
    other = configs.load(toml)
    document = json.loads((saved / "did.json").read_text())
    forged = json.dumps(document).replace(document["id"], other.did)
    (saved / "did.json").write_text(forged)
    assert procirc("verify", saved / "mill.jsonld", "--did", saved / "did.json").code != 0


@pytest.mark.parametrize("text", ["{", "[]"])
def test_what_is_no_signed_record_is_refused(procirc: Run, saved: Path, text: str):
    ran = procirc("verify", table(saved, text, "other.json"), "--did", saved / "did.json")
    assert ran.code in (Exit.INVALID_INPUT, Exit.NOT_VERIFIED)


def test_a_file_to_verify_that_is_not_there_is_named(procirc: Run, tmp_path: Path):
    ran = procirc("verify", tmp_path / "nowhere.jsonld")
    assert ran.code == Exit.INVALID_INPUT
    assert "nowhere.jsonld" in ran.said


def test_a_record_is_verified_at_its_address(procirc: Run, served: node.Node):
    ran = procirc("verify", f"{served.config.base}/records/pilot/mill", "--json")
    assert (ran.code, ran.json["version"]) == (0, 1)


def test_a_whole_log_is_verified_at_the_address_of_its_node(procirc: Run, served: node.Node):
    ran = procirc("verify", served.config.base, "--json")
    assert ran.code == 0
    assert (ran.json["log"], ran.json["entries"]) == (served.config.did, 2)
    assert re.fullmatch(r"[0-9a-f]{64}", ran.json["root"])


def test_a_node_that_is_not_there_does_not_verify(procirc: Run):
    assert procirc("verify", f"http://localhost:{free_port()}/").code == Exit.PEER


def test_the_keys_of_a_log_this_node_holds_are_used(procirc: Run, saved: Path, served: node.Node):
    config = served.config.data.parent / "node.toml"
    ran = procirc("verify", saved / "mill.jsonld", "--config", config, "--json")
    assert ran.code == 0
    assert "this node holds" in ran.json["key from"]


def test_serving_on_a_port_in_use_says_what_to_do(procirc: Run, home: Path, toml: Path):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        toml.write_text(re.sub(r'listen = ".*"', f'listen = "127.0.0.1:{port}"', toml.read_text()))
        ran = procirc("serve", "--config", toml)
    assert ran.code == Exit.CONFIGURATION
    assert f"127.0.0.1:{port} is in use" in ran.said
    assert "listen" in ran.err


@pytest.mark.parametrize("stop", [signal.SIGTERM, signal.SIGINT])
def test_a_node_that_is_stopped_in_the_middle_of_a_pull_stops_in_words(home: Path, toml: Path, stop: signal.Signals):
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        silent.settimeout(60)
        peer = f"http://localhost:{silent.getsockname()[1]}"
        toml.write_text(toml.read_text() + f'[[peers]]\nname = "denmark"\nurl = "{peer}"\n')
        command = [sys.executable, "-m", "federation", "serve", "--config", str(toml)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
            connection, _ = silent.accept()  # the pull has begun, and will wait for an answer
            with connection:
                process.send_signal(stop)
                said, _ = process.communicate(timeout=30)
    assert process.returncode == 0
    assert "stopping" in said
    assert "Traceback" not in said


def test_serving_a_node_that_was_not_set_up_says_so(procirc: Run, tmp_path: Path):
    ran = procirc("serve", "--config", write_config(tmp_path))
    assert ran.code == Exit.CONFIGURATION
    assert "procirc init" in ran.said


# Storage that fails


def test_data_of_a_newer_version_is_refused_unchanged(procirc: Run, home: Path, toml: Path):
    path = home / "data" / "node.sqlite"
    with closing(sqlite3.connect(path)) as database:
        database.execute("UPDATE alembic_version SET version_num = '9999_the_future'")
        database.commit()
    ran = procirc("search", "x", "--config", toml)
    assert ran.code == Exit.STORAGE
    assert "newer version" in ran.said
    assert "9999_the_future" in ran.said
    with closing(sqlite3.connect(path)) as database:
        assert database.execute("SELECT version_num FROM alembic_version").fetchone() == ("9999_the_future",)


def test_a_data_directory_below_a_file_is_named(procirc: Run, tmp_path: Path):
    (tmp_path / "file").write_text("")
    ran = procirc("init", "--leave-recovery-key", "--config", write_config(tmp_path, data="file/data"))
    assert ran.code == Exit.STORAGE
    assert "Choose another directory" in ran.said


def test_keys_that_cannot_be_written_are_a_failure_in_words(procirc: Run, tmp_path: Path):
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "keys").write_text("")
    ran = procirc("init", "--leave-recovery-key", "--config", write_config(tmp_path))
    assert ran.code == Exit.STORAGE
    assert "keys" in ran.said


def test_a_database_that_is_none_is_a_failure_in_words(procirc: Run, home: Path, toml: Path):
    (home / "data" / "node.sqlite").write_bytes(b"this is not a database at all" * 100)
    ran = procirc("search", "x", "--config", toml)
    assert ran.code == Exit.STORAGE


def test_an_index_that_cannot_be_written_is_a_failure_in_words(procirc: Run, home: Path, toml: Path):
    shutil.rmtree(home / "data" / "index")
    (home / "data" / "index").write_text("")
    ran = procirc("search", "x", "--config", toml)
    assert ran.code == Exit.STORAGE


def full_disk() -> None:
    """No file of this process may grow past 64 KiB: what a full disk looks like to SQLite."""
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (65_536, 65_536))


def test_a_full_disk_stores_nothing_by_halves(procirc: Run, home: Path, toml: Path, tools: Tools):
    many = "".join(OTHER.replace("lock", f"lock-{number}") for number in range(150))
    path = table(home, HEADER + many)
    ran = in_a_process("import", path, "--config", toml, preexec_fn=full_disk)
    assert ran.code == Exit.STORAGE, ran.said
    assert "Traceback" not in ran.said
    assert entries(home) == 2
    again = procirc("import", path, "--config", toml, "--json")
    assert (again.code, again.json["new"]) == (0, 150)
    assert _root_matches(configs.load(toml), tools)


def _root_matches(config: configs.Config, tools: Tools) -> bool:
    """The entries of the own log add up to the root that its checkpoint states, and every proof holds."""

    async def check() -> bool:
        async with node.open_node(config, width=1, tools=tools) as opened:
            log = await opened.store.log(opened.log.id)
            entries = await opened.store.entries(log.id, 0, log.size)
            assert log.keys is not None
            frontier = Frontier().append(
                verify(each.signed, log.keys.record_key(), node=log.did).leaf for each in entries
            )
            seen = checkpoints.verify(log.checkpoint, origin=checkpoints.origin_of(config.host), key=log.keys.log_key())
            return (seen.size, seen.root) == (frontier.size, frontier.root)

    return asyncio.run(check())


# Rebuilding


def test_the_index_is_made_anew(procirc: Run, home: Path, toml: Path):
    shutil.rmtree(home / "data" / "index")
    ran = procirc("rebuild", "--config", toml)
    assert (ran.code, ran.out) == (0, "2 entries indexed.\n")
    assert procirc("search", "molen", "--config", toml, "--json").json["total"] == 1


def test_a_damaged_index_can_be_made_anew(procirc: Run, home: Path, toml: Path):
    for path in (home / "data" / "index" / "tantivy").iterdir():
        path.write_bytes(b"")
    assert procirc("rebuild", "--config", toml).code == 0
    assert procirc("search", "molen", "--config", toml, "--json").json["total"] == 1


# The program as a whole


def test_an_expected_failure_is_a_sentence_and_no_traceback(tmp_path: Path):
    ran = in_a_process("serve", "--config", tmp_path / "nowhere.toml")
    assert ran.code == Exit.CONFIGURATION
    assert "Traceback" not in ran.err
    assert ran.out == ""


def test_a_program_that_stops_reading_does_not_cause_a_traceback(toml: Path):
    command = f"{sys.executable} -m federation search --config {toml} --json | head -c 1 >/dev/null"
    ran = subprocess.run(["bash", "-c", command], capture_output=True, text=True, timeout=60, check=False)
    assert "Traceback" not in ran.stderr


# What must not end in a traceback


@pytest.mark.parametrize(
    "target", ["http://", "http://localhost:99999/", "http://user:pw@localhost:8191/", "http://[::1", "https://:80"]
)
def test_an_address_nobody_can_ask_is_refused_in_words(procirc: Run, target: str):
    ran = procirc("verify", target)
    assert ran.code == Exit.INVALID_INPUT
    assert "not the address" in ran.said
    assert "pw@" not in ran.said


@pytest.mark.parametrize("database", ["foo", "nosuch+driver://x"])
def test_a_database_that_is_none_is_refused_in_words(procirc: Run, home: Path, database: str):
    path = home / "node.toml"
    path.write_text(f'database = "{database}"\n' + path.read_text("utf-8"), "utf-8")
    ran = procirc("peers", "list", "--config", str(path))
    assert ran.code == Exit.CONFIGURATION
    assert "database" in ran.said


def test_an_index_that_cannot_be_written_is_said_in_words(procirc: Run, home: Path, monkeypatch: pytest.MonkeyPatch):
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    shutil.rmtree(home / "data" / "index")
    monkeypatch.setattr("federation.index.text.os.replace", full)
    ran = procirc("search", "molen", "--config", str(home / "node.toml"))
    assert ran.code == Exit.STORAGE
    assert "text index cannot be written" in ran.said


# Endings


def test_a_record_is_withdrawn_and_reinstated(procirc: Run, toml: Path, tmp_path: Path):
    ran = procirc("withdraw", "pilot/mill", "--reason", "nl=Dubbel ingevoerd", "--config", toml)
    assert (ran.code, "entry 2" in ran.said) == (0, True)
    assert procirc("search", "molen", "--config", toml, "--json").json["total"] == 0
    rows = table(tmp_path, HEADER + GOOD)
    again = procirc("import", rows, "--config", toml)
    assert (again.code, "was withdrawn and stays so" in again.said) == (0, True)
    assert procirc("import", rows, "--reinstate", "--config", toml).code == 0
    assert procirc("search", "molen", "--config", toml, "--json").json["total"] == 1


def test_a_record_is_erased_and_one_sees_who_has_not_followed(procirc: Run, home: Path, toml: Path):
    toml.write_text(toml.read_text() + '[[peers]]\nname = "denmark"\nurl = "http://localhost:1"\n')
    assert procirc("erasures", "--config", toml).said == "This node has erased nothing."
    ran = procirc("erase", "pilot/mill", "--reason", "Op verzoek", "--yes", "--config", toml)
    assert ran.code == 0
    assert not [path for path in (home / "data").glob("node.sqlite*") if b"De molen" in path.read_bytes()]
    (row,) = procirc("erasures", "--config", toml, "--json").json
    assert (row["done"], row["waiting"], row["position"]) == ([], ["denmark"], 2)


def test_what_is_done_is_not_said_to_have_failed_where_only_the_index_does(
    procirc: Run, toml: Path, monkeypatch: pytest.MonkeyPatch
):
    def refused(*args: object, **others: object) -> None:
        raise StorageFailed("The text index cannot be written: disk full.")

    monkeypatch.setattr("federation.index.text.TextIndex.commit", refused)
    ran = procirc("withdraw", "pilot/mill", "--reason", "Gestopt", "--config", toml)
    assert (ran.code, "searches do not show it yet" in ran.said) == (0, True)
    monkeypatch.undo()
    assert procirc("search", "molen", "--config", toml, "--json").json["total"] == 0


def test_an_erasure_whose_text_leaves_the_files_later_says_so(
    procirc: Run, toml: Path, monkeypatch: pytest.MonkeyPatch
):
    async def refused(engine: object) -> bool:
        raise StorageFailed("The database refused: disk full.")

    monkeypatch.setattr("federation.store.store.scrub", refused)
    ran = procirc("erase", "pilot/mill", "--reason", "Op verzoek", "--yes", "--config", toml)
    assert (ran.code, "is erased" in ran.said, "the old text leaves" in ran.said) == (0, True, True)
    assert procirc("erasures", "--config", toml, "--json").json[0]["overdue"] == []


def test_nothing_is_erased_without_a_yes(procirc: Run, home: Path, toml: Path):
    ran = in_a_process("erase", "pilot/mill", "--reason", "x", "--config", str(toml), stdin="n\n")
    assert (ran.code, entries(home)) == (1, 2)


@pytest.mark.parametrize("record", ["mill", "pilot/", "pilot/Mill", "https://denmark.example/records/pilot/mill"])
def test_what_names_no_record_cannot_be_withdrawn(procirc: Run, toml: Path, record: str):
    ran = procirc("withdraw", record, "--reason", "x", "--config", toml)
    assert (ran.code, "does not name a record" in ran.said) == (Exit.INVALID_INPUT, True)


def test_a_record_that_is_not_there_cannot_be_withdrawn(procirc: Run, toml: Path):
    assert procirc("withdraw", "pilot/weir", "--reason", "x", "--config", toml).code == Exit.INVALID_INPUT


@pytest.mark.parametrize("reason", ["", "x" * 3_000, "xx=Gestopt", "nl-BE=Gestopt"])
def test_a_reason_that_cannot_be_published_is_refused(procirc: Run, home: Path, toml: Path, reason: str):
    assert procirc("withdraw", "pilot/mill", "--reason", reason, "--config", toml).code != 0
    assert entries(home) == 2


# Changing keys


def test_keys_are_shown_without_a_private_one(procirc: Run, home: Path, toml: Path):
    ran = procirc("keys", "show", "--config", toml, "--json")
    assert ran.json["change"] == 0
    assert ran.json["record key"].startswith("z6Mk")
    secrets = [path.read_text().strip() for path in (home / "data" / "keys").iterdir()]
    assert not [each for each in secrets if each in ran.out]


def test_the_next_key_is_exported_and_later_put_in_force(procirc: Run, home: Path, toml: Path, tmp_path: Path):
    safe = tmp_path / "safe.key"
    assert procirc("keys", "export", safe, "--config", toml).code == 0
    assert (safe.stat().st_mode & 0o777, (home / "data" / "keys" / "next.key").exists()) == (0o600, False)
    assert procirc("keys", "show", "--config", toml, "--json").json["next key"] == "not on this machine"
    refused = procirc("keys", "rotate", "--yes", "--config", toml)
    assert (refused.code, "--next" in refused.said) == (Exit.CONFIGURATION, True)
    before = procirc("keys", "show", "--config", toml, "--json").json
    assert procirc("keys", "rotate", "--next", safe, "--yes", "--config", toml).code == 0
    after = procirc("keys", "show", "--config", toml, "--json").json
    assert (after["change"], after["fingerprint"]) == (1, before["fingerprint"])
    assert after["record key"] != before["record key"]
    assert procirc("import", table(tmp_path, HEADER + OTHER), "--config", toml).code == 0


def test_a_key_that_was_not_announced_is_not_put_in_force_and_leaves_nothing(procirc: Run, home: Path, toml: Path):
    keys = home / "data" / "keys"
    before = sorted(keys.iterdir())
    ran = procirc("keys", "rotate", "--next", keys / "log.key", "--yes", "--config", toml)
    assert (ran.code, "not the key that this log announced" in ran.said, entries(home)) == (Exit.CONFIGURATION, True, 2)
    assert procirc("keys", "rotate", "--compromised-from", "999", "--config", toml, "--yes").code == Exit.INVALID_INPUT
    assert sorted(keys.iterdir()) == before
    assert procirc("keys", "rotate", "--next", keys / "next.key", "--yes", "--config", toml).code == 0


def test_no_key_file_is_ever_overwritten_by_an_export(procirc: Run, toml: Path, tmp_path: Path):
    there = tmp_path / "safe.key"
    there.write_text("something else")
    assert procirc("keys", "export", there, "--config", toml).code == Exit.CONFIGURATION
    assert there.read_text() == "something else"


def test_lost_keys_are_followed_by_new_ones(procirc: Run, home: Path, toml: Path, tmp_path: Path):
    for path in (home / "data" / "keys").iterdir():
        path.unlink()
    assert procirc("import", table(tmp_path, HEADER + OTHER), "--config", toml).code == Exit.CONFIGURATION
    ran = procirc("keys", "recover", "--yes", "--config", toml)
    assert (ran.code, "fingerprint" in ran.said) == (0, True)
    assert procirc("import", table(tmp_path, HEADER + OTHER), "--config", toml).code == 0


def test_keys_can_be_kept_with_a_passphrase(procirc: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    config = write_config(tmp_path / "node")
    monkeypatch.setenv("PROCIRC_PASSPHRASE", "een lange zin")
    assert procirc("init", "--leave-recovery-key", "--config", config).code == 0
    for path in (tmp_path / "node" / "data" / "keys").iterdir():
        assert path.read_text().startswith("-----BEGIN ENCRYPTED PRIVATE KEY-----")
    assert procirc("keys", "show", "--config", config).code == 0
    for other in ("een andere zin", ""):
        monkeypatch.setenv("PROCIRC_PASSPHRASE", other)
        ran = procirc("keys", "show", "--config", config)
        assert (ran.code, "PROCIRC_PASSPHRASE" in ran.said) == (Exit.CONFIGURATION, True)


def test_setting_up_can_write_the_next_key_straight_to_a_safe(procirc: Run, tmp_path: Path):
    config = write_config(tmp_path / "node")
    assert procirc("init", "--recovery-key", tmp_path / "safe.key", "--config", config).code == 0
    assert {path.name for path in (tmp_path / "node" / "data" / "keys").iterdir()} == {"record.key", "log.key"}
    assert (tmp_path / "safe.key").stat().st_mode & 0o777 == 0o600


def test_setting_up_insists_on_a_place_for_the_next_key(procirc: Run, tmp_path: Path):
    config = write_config(tmp_path / "node")
    for options in ([], ["--json"]):
        ran = procirc("init", "--config", config, *options)
        assert (ran.code, "--recovery-key FILE" in ran.said) == (Exit.CONFIGURATION, True)
        assert "--leave-recovery-key" in ran.said
        assert not (tmp_path / "node" / "data").exists(), "nothing was set up"


def test_the_next_key_is_written_outside_the_data_directory_and_over_nothing(procirc: Run, tmp_path: Path):
    config = write_config(tmp_path / "node")
    there = tmp_path / "there.key"
    there.write_text("mine")
    inside = tmp_path / "node" / "data" / "safe.key"
    for target, code in (
        (inside, Exit.INVALID_INPUT),
        (there, Exit.CONFIGURATION),
        (tmp_path / "a" / "b", Exit.STORAGE),
    ):
        assert procirc("init", "--recovery-key", target, "--config", config).code == code
        assert not (tmp_path / "node" / "data").exists(), "nothing was set up"
    assert there.read_text() == "mine"


def test_a_terminal_is_asked_where_the_next_key_goes(procirc: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    config = write_config(tmp_path / "node")
    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    monkeypatch.setattr("typer.prompt", lambda *args, **options: str(tmp_path / "safe.key"))
    assert procirc("init", "--config", config).code == 0
    assert (tmp_path / "safe.key").exists()
    monkeypatch.setattr("typer.prompt", None)
    assert procirc("init", "--config", config).code == 0, "it lies here no more, and nobody is asked"


# Peers that are added


def test_a_peer_is_added_compared_confirmed_followed_and_removed(procirc: Run, toml: Path, served: node.Node):
    base = served.config.base
    met = procirc("peers", "add", base, "--name", "denmark", "--config", toml, "--json").json
    assert (met["fingerprint"], met["entries"]) == (served.log.fingerprint, 2)
    assert "peers confirm denmark" in procirc("peers", "list", "--config", toml).said
    assert procirc("sync", "--config", toml, "--json").json == []
    wrong = procirc("peers", "confirm", "denmark", "--fingerprint", "0000 " * 8, "--config", toml)
    assert (wrong.code, "Do not follow it" in wrong.said) == (Exit.INVALID_INPUT, True)
    mistyped = procirc("peers", "confirm", "denmark", "--fingerprint", "0000 000g", "--config", toml)
    assert (mistyped.code, "32 hexadecimal digits" in mistyped.said) == (2, True)
    read_out = met["fingerprint"].upper().replace(" ", ":")
    assert procirc("peers", "confirm", "denmark", "--fingerprint", read_out, "--config", toml).code == 0
    (pulled,) = procirc("sync", "--config", toml, "--json").json
    assert (pulled["peer"], pulled["state"], pulled["added"]) == ("denmark", "active", 2)
    assert procirc("search", "molen", "--config", toml, "--json").json["total"] == 2
    assert procirc("peers", "remove", "denmark", "--config", toml).code == 0
    assert procirc("search", "molen", "--config", toml, "--json").json["total"] == 2
    gone = procirc("peers", "remove", "denmark", "--delete-records", "--yes", "--config", toml)
    assert (gone.code, "2 entries were deleted" in gone.said) == (0, True)
    assert procirc("search", "molen", "--config", toml, "--json").json["total"] == 1
    assert procirc("peers", "list", "--config", toml, "--json").json == []


def test_a_peer_is_added_once_and_only_where_there_is_a_node(procirc: Run, toml: Path, served: node.Node):
    assert procirc("peers", "add", served.config.base, "--name", "denmark", "--config", toml).code == 0
    assert procirc("peers", "add", served.config.base, "--name", "other", "--config", toml).code == Exit.CONFIGURATION
    assert procirc("peers", "add", "http://localhost:1", "--name", "norway", "--config", toml).code == Exit.PEER
    assert procirc("peers", "add", "not an address", "--config", toml).code == Exit.CONFIGURATION


def test_a_peer_is_not_added_under_a_name_that_others_records_have(procirc: Run, toml: Path, served: node.Node):
    own = procirc("peers", "add", served.config.base, "--name", "flanders", "--config", toml)
    assert (own.code, "is the name of this node" in own.said) == (Exit.INVALID_INPUT, True)
    assert procirc("peers", "list", "--config", toml, "--json").json == []


def test_a_peer_of_the_configuration_is_removed_there(procirc: Run, toml: Path):
    toml.write_text(toml.read_text() + '[[peers]]\nname = "denmark"\nurl = "http://localhost:1"\n')
    ran = procirc("peers", "remove", "denmark", "--config", toml)
    assert (ran.code, "node.toml" in ran.said) == (Exit.INVALID_INPUT, True)


def test_a_node_whose_passphrase_is_lost_goes_on_after_a_recovery(
    procirc: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    config = write_config(tmp_path / "node")
    monkeypatch.setenv("PROCIRC_PASSPHRASE", "een lange zin")
    assert procirc("init", "--leave-recovery-key", "--config", config).code == 0
    monkeypatch.setenv("PROCIRC_PASSPHRASE", "een andere zin")
    assert procirc("keys", "show", "--config", config).code == Exit.CONFIGURATION
    assert procirc("keys", "recover", "--yes", "--config", config).code == 0
    shown = procirc("keys", "show", "--config", config, "--json").json
    assert shown["next key"].endswith("next-1.key")
    assert shown["fingerprint after recovery"] != shown["fingerprint"]
    assert procirc("import", table(tmp_path, HEADER + OTHER), "--config", config).code == 0
    assert procirc("keys", "rotate", "--yes", "--config", config).code == 0


def test_a_recovery_that_is_refused_leaves_no_keys(procirc: Run, home: Path, toml: Path, tmp_path: Path):
    file = tmp_path / "node.procirc"
    assert procirc("backup", file, "--keys", "--config", toml).code == 0
    shutil.rmtree(home / "data")
    assert procirc("restore", file, "--config", toml).code == 0
    before = sorted((home / "data" / "keys").iterdir())
    assert procirc("keys", "recover", "--yes", "--config", toml).code == Exit.STORAGE
    assert sorted((home / "data" / "keys").iterdir()) == before
    assert procirc("resume", "--yes", "--config", toml).code == 0


def test_a_node_restored_without_its_keys_goes_on_with_new_ones(procirc: Run, home: Path, toml: Path, tmp_path: Path):
    file = tmp_path / "node.procirc"
    assert procirc("backup", file, "--config", toml).code == 0
    shutil.rmtree(home / "data")
    assert procirc("restore", file, "--config", toml).code == 0
    assert procirc("resume", "--yes", "--config", toml).code == 0
    assert procirc("keys", "recover", "--yes", "--config", toml).code == 0
    assert procirc("import", table(tmp_path, HEADER + OTHER), "--config", toml).code == 0


def test_whoever_looked_around_on_a_new_machine_can_still_restore(procirc: Run, home: Path, toml: Path, tmp_path: Path):
    file = tmp_path / "node.procirc"
    assert procirc("backup", file, "--keys", "--config", toml).code == 0
    shutil.rmtree(home / "data")
    looked = procirc("erasures", "--config", toml)
    assert (looked.code, "procirc restore" in looked.said) == (Exit.CONFIGURATION, True)
    assert (home / "data" / "node.sqlite").exists()
    assert procirc("restore", file, "--config", toml).code == 0
    assert entries(home) == 2


def test_to_forget_what_was_never_kept_is_refused(procirc: Run, toml: Path):
    ran = procirc("restricted", "good-practice/ons-netwrk", "--forget", "--config", toml)
    assert (ran.code, "good-practice/ons-netwrk" in ran.said) == (Exit.INVALID_INPUT, True)
