"""Erasures, key events as the source of keys, what other nodes have seen, and peers that were added."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def _text(name: str) -> sa.Column[str]:
    return sa.Column(name, sa.Text, nullable=False, server_default="")


def upgrade() -> None:
    # Not in batch mode, which would make the table anew and trip over the entries that refer to it.
    op.execute("ALTER TABLE log DROP COLUMN record_key")
    op.execute("ALTER TABLE log DROP COLUMN log_key")
    op.add_column("entry", sa.Column("erased_by", sa.BigInteger))
    for name, where in (("key_event", "kind = 'key-event'"), ("erased", "erased_by IS NOT NULL")):
        condition = sa.text(where)
        op.create_index(
            f"ix_entry_{name}", "entry", ["log_id", "position"], sqlite_where=condition, postgresql_where=condition
        )
    op.add_column("peer", _text("recovered"))
    op.add_column("peer", sa.Column("erase_until", sa.BigInteger, nullable=False, server_default="0"))
    op.create_table(
        "seen",
        sa.Column("log", sa.Text, primary_key=True),
        sa.Column("witness", sa.Text, primary_key=True),
        sa.Column("size", sa.BigInteger, nullable=False),
        sa.Column("checkpoint", sa.Text, nullable=False),
        sa.Column("at", sa.Text, nullable=False),
    )
    op.create_table(
        "followed",
        sa.Column("did", sa.Text, primary_key=True),
        sa.Column("name", sa.Text, nullable=False, unique=True),
        sa.Column("url", sa.Text, nullable=False),
        sa.Column("fingerprint", sa.Text, nullable=False),
        sa.Column("added", sa.Text, nullable=False),
        _text("confirmed"),
        _text("via"),
    )
