"""What a node of this version publishes and backs up, kept for later versions to read (A34).

``python -m tests.recorded`` runs a real node through its life, asks for everything a peer asks for, and writes the
answers and a backup, with keys that are nobody's, to ``tests/data/versions/{version}/``. Run it at each release, and
never again for the same one: the point is that these bytes stay as they are.
"""

from __future__ import annotations

import gzip
import json
import re
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from federation import __version__
from federation.log.times import timestamp
from tests.conftest import free_port

VERSIONS: Final = Path(__file__).parent / "data" / "versions"
BASE: Final = "https://recorded.example"
CANARY: Final = "Kanarie-in-de-mijn"
"""What only an erased record said."""
_SOURCE: Final = "https://www.recorded.example/bron"
_LESSON: Final = {"kind": "lesson", "abstract": {"nl": "Wie telt, koopt minder."}, "enabler": "inventory"}
PILOTS: Final = 110
"""More than a page holds, so that one is closed."""


@dataclass(frozen=True)
class Recording:
    """What one version left behind."""

    version: str
    at: datetime
    answers: dict[str, tuple[str, bytes]]
    """Media type and body by path."""
    backup: Path


def recordings() -> list[Recording]:
    """Every version there is a recording of, the oldest first."""
    return [_read(folder) for folder in sorted(VERSIONS.iterdir())]


def _read(folder: Path) -> Recording:
    said = json.loads(gzip.decompress((folder / "answers.json.gz").read_bytes()))
    answers = {path: (media_type, text.encode()) for path, (media_type, text) in said["answers"].items()}
    return Recording(folder.name, datetime.fromisoformat(said["at"]), answers, folder / "backup.tar.gz")


def drafts() -> list[dict[str, Any]]:
    """A record of most kinds, and enough pilots to fill a page."""
    short = {"kind": "pilot", "abstract": {"nl": "Eerst geteld, dan gekocht."}, "procurer": "stad", "strategy": ["R3"]}
    measured = {"observationRole": "measured", "evidenceLevel": "measured", "unit": "percent", "value": "12.5"}
    return [
        {"kind": "organisation", "slug": "stad", "title": {"nl": "De stad"}, "country": "BE", "role": ["procurer"]},
        *({**short, "slug": f"pilot-{at}", "title": {"nl": f"Pilot {at}"}} for at in range(PILOTS)),
        {**short, "slug": "kanarie", "title": {"nl": CANARY}},
        {
            **short,
            "slug": "molen",
            "title": {"nl": "Een molen", "fr": "Un moulin"},
            "sector": ["furniture-office"],
            "observation": [{"slug": "co2", "indicator": "co2e-reduction-share", **measured}],
        },
        {**_LESSON, "slug": "tel-eerst", "title": {"nl": "Tel eerst"}, "about": "pilot/molen"},
        {
            "kind": "initiative",
            "slug": "kring",
            "title": {"nl": "Kring kantoor"},
            "initiativeKind": "community-of-practice",
            "sector": ["furniture-office"],
            "member": ["stad"],
            "source": _SOURCE,
        },
        {
            "kind": "opportunity",
            "slug": "oproep",
            "title": {"nl": "Oproep meubels"},
            "opportunityKind": "market-consultation",
            "need": {"nl": "Tafels."},
            "procurer": "stad",
            "closesOn": "2099-12-31",
            "source": _SOURCE,
        },
    ]


def _run(folder: Path, *words: str) -> None:
    subprocess.run([sys.executable, "-m", "federation", *words], cwd=folder, check=True, stdout=subprocess.DEVNULL)


def _get(port: int, path: str, accept: str = "*/*") -> tuple[str, str]:
    request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", headers={"Accept": accept})
    with urllib.request.urlopen(request, timeout=10) as answer:
        return answer.headers.get_content_type(), answer.read().decode()


def _lived(folder: Path, port: int) -> None:
    """A node through its life: set up, publish, change, withdraw, erase, change keys, publish again."""
    lines = ['name = "recorded"', 'title = { en = "Recorded" }', f'base = "{BASE}"', f'listen = "127.0.0.1:{port}"']
    (folder / "node.toml").write_text("\n".join([*lines, 'data = "data"', 'language = "nl"\n']), "utf-8")
    _run(folder, "init", "--leave-recovery-key")
    (folder / "drafts.json").write_text(json.dumps(drafts()), "utf-8")
    _run(folder, "publish", "drafts.json")
    (folder / "woorden.csv").write_text("id,en,nl,fr,de,da,sv,nb\nkwartel,quail,kwartel,,,,,\n", "utf-8")
    _run(folder, "import", "woorden.csv")
    changed = next(each for each in drafts() if each["slug"] == "molen")
    (folder / "molen.json").write_text(json.dumps({**changed, "status": "completed"}), "utf-8")
    _run(folder, "publish", "molen.json")
    _run(folder, "withdraw", "pilot/pilot-7", "--reason", "nl=Dubbel.")
    _run(folder, "erase", "pilot/kanarie", "--reason", "nl=Gevraagd.", "--yes")
    _run(folder, "keys", "rotate", "--yes")
    last = {**_LESSON, "slug": "daarna", "title": {"nl": "Na de sleutels"}}
    (folder / "last.json").write_text(json.dumps(last), "utf-8")
    _run(folder, "publish", "last.json")


def _asked(port: int) -> dict[str, tuple[str, str]]:
    """Everything that a peer asks for, as it asks."""
    found = {path: _get(port, path) for path in ("/.well-known/did.json", "/log/checkpoint", "/log/seen")}
    todo = ["/feed"]
    while todo:
        path = todo.pop()
        found[path] = _get(port, path, "application/n-quads")
        linked = re.findall(rf"<{re.escape(BASE)}(/feed/[^>#]*)>", found[path][1])
        todo += [each for each in dict.fromkeys(linked) if each not in found and each not in todo]
    return found


def main() -> None:
    """Write the recording of this version."""
    with tempfile.TemporaryDirectory() as scratch:
        folder, port = Path(scratch), free_port()
        _lived(folder, port)
        _run(folder, "backup", "backup.tar.gz", "--keys")
        serving = subprocess.Popen([sys.executable, "-m", "federation", "serve"], cwd=folder)
        try:
            _wait(port)
            answers = _asked(port)
        finally:
            serving.terminate()
            serving.wait()
        backup = (folder / "backup.tar.gz").read_bytes()
    text = json.dumps({"at": timestamp(datetime.now(UTC)), "answers": answers}, ensure_ascii=False, indent=1)
    target = VERSIONS / __version__
    target.mkdir(parents=True)  # fails where this version was recorded before
    (target / "backup.tar.gz").write_bytes(backup)
    (target / "answers.json.gz").write_bytes(gzip.compress(text.encode(), mtime=0))


def _wait(port: int) -> None:
    for _ in range(300):
        try:
            _get(port, "/health/ready")
        except (urllib.error.URLError, ConnectionError):
            time.sleep(0.1)
        else:
            return
    raise RuntimeError("The node was not ready in time.")


if __name__ == "__main__":
    main()
