"""Logs, their entries and the state of peers."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def _text(name: str) -> sa.Column[str]:
    return sa.Column(name, sa.Text, nullable=False, server_default="")


def upgrade() -> None:
    op.create_table(
        "log",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("did", sa.Text, nullable=False, unique=True),
        sa.Column("base", sa.Text, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("own", sa.Boolean, nullable=False),
        sa.Column("size", sa.BigInteger, nullable=False, server_default="0"),
        sa.Column("frontier", sa.LargeBinary, nullable=False),
        sa.Column("verified_size", sa.BigInteger, nullable=False, server_default="0"),
        sa.Column("verified_frontier", sa.LargeBinary, nullable=False),
        _text("published"),
        _text("record_key"),
        _text("log_key"),
        _text("fingerprint"),
        _text("checkpoint"),
    )
    op.create_table(
        "entry",
        sa.Column("log_id", sa.Integer, sa.ForeignKey("log.id"), primary_key=True),
        sa.Column("position", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("record", sa.Text, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("version", sa.BigInteger, nullable=False),
        sa.Column("published", sa.Text, nullable=False),
        sa.Column("body", sa.Text, nullable=False),
        sa.Column("method", sa.Text, nullable=False),
        sa.Column("signature", sa.LargeBinary, nullable=False),
        sa.Column("leaf", sa.LargeBinary, nullable=False),
        _text("quarantine"),
    )
    op.create_index("ix_entry_record", "entry", ["record", "log_id", "position"])
    op.create_table(
        "peer",
        sa.Column("log_id", sa.Integer, sa.ForeignKey("log.id"), primary_key=True),
        sa.Column("state", sa.Text, nullable=False, server_default="new"),
        *(_text(name) for name in ("reason", "detail", "evidence", "since")),
        *(_text(name) for name in ("last_success", "last_attempt", "next_attempt")),
        sa.Column("failures", sa.Integer, nullable=False, server_default="0"),
        sa.Column("claimed_size", sa.BigInteger, nullable=False, server_default="0"),
        _text("etag"),
    )
