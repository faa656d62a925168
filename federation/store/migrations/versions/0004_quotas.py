"""What is taken from a peer in a day, the checkpoint a pull is heading for, and when entries were received."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    for name in ("day", "target", "heard"):
        op.add_column("peer", sa.Column(name, sa.Text, nullable=False, server_default=""))
    for name in ("entries", "bytes", "erased", "ahead"):
        op.add_column("peer", sa.Column(name, sa.BigInteger, nullable=False, server_default="0"))
    op.create_table(
        "received",
        sa.Column("log_id", sa.Integer, sa.ForeignKey("log.id"), primary_key=True),
        sa.Column("start", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("at", sa.Text, nullable=False),
    )
