"""Entries by kind, and those that are not shown, without reading all the others."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # Of the key events alone there was an index; in SQLite no query ever used it.
    op.drop_index("ix_entry_key_event", "entry")
    op.create_index("ix_entry_kind", "entry", ["log_id", "kind", "position"])
    condition = sa.text("quarantine != ''")
    op.create_index(
        "ix_entry_aside", "entry", ["log_id", "position"], sqlite_where=condition, postgresql_where=condition
    )
