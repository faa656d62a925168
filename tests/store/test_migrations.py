"""Migrations: they are counted, and the program knows the newest without reading them."""

from __future__ import annotations

from pathlib import Path

from alembic.config import Config
from alembic.script import ScriptDirectory

from federation.store import engine


def test_the_schema_of_the_program_is_the_newest_migration():
    config = Config()
    config.set_main_option("script_location", str(Path(engine.__file__).parent / "migrations"))
    every = [each.revision for each in ScriptDirectory.from_config(config).walk_revisions()]
    assert every[0] == engine.SCHEMA
    assert every == sorted(every, reverse=True), "a newer one is told by its number"
