"""How often what is shown has changed behind the cursors, so that every index can tell."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("log", sa.Column("revision", sa.BigInteger, nullable=False, server_default="0"))
