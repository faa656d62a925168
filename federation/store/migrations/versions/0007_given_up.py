"""What a coordinator has decided about a peer that signed two histories."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("peer", sa.Column("given_up", sa.Text, nullable=False, server_default=""))
