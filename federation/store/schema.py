"""The tables of the store. One schema for every engine; changes go through ``migrations/``.

``entry`` holds a node's own log and its copies of the peers' logs in the same form, byte for byte as
signed. ``log`` says how far each goes and how far it is proved; ``peer`` is what a coordinator sees.
"""

from __future__ import annotations

from typing import Final

import sqlalchemy as sa

metadata: Final = sa.MetaData(
    naming_convention={"pk": "pk_%(table_name)s", "fk": "fk_%(table_name)s_%(column_0_name)s"}
)

log: Final = sa.Table(
    "log",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("did", sa.Text, nullable=False, unique=True),
    sa.Column("base", sa.Text, nullable=False),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("own", sa.Boolean, nullable=False),
    # Entries kept; their frontier lets the next append go on without reading any of them.
    sa.Column("size", sa.BigInteger, nullable=False, server_default="0"),
    sa.Column("frontier", sa.LargeBinary, nullable=False),
    # Entries whose root equalled a checkpoint of the log's owner: only these are visible.
    sa.Column("verified_size", sa.BigInteger, nullable=False, server_default="0"),
    sa.Column("verified_frontier", sa.LargeBinary, nullable=False),
    sa.Column("published", sa.Text, nullable=False, server_default=""),
    sa.Column("record_key", sa.Text, nullable=False, server_default=""),
    sa.Column("log_key", sa.Text, nullable=False, server_default=""),
    sa.Column("fingerprint", sa.Text, nullable=False, server_default=""),
    sa.Column("checkpoint", sa.Text, nullable=False, server_default=""),
)

entry: Final = sa.Table(
    "entry",
    metadata,
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
    sa.Column("quarantine", sa.Text, nullable=False, server_default=""),
    sa.Index("ix_entry_record", "record", "log_id", "position"),
)

peer: Final = sa.Table(
    "peer",
    metadata,
    sa.Column("log_id", sa.Integer, sa.ForeignKey("log.id"), primary_key=True),
    sa.Column("state", sa.Text, nullable=False, server_default="new"),
    sa.Column("reason", sa.Text, nullable=False, server_default=""),
    sa.Column("detail", sa.Text, nullable=False, server_default=""),
    sa.Column("evidence", sa.Text, nullable=False, server_default=""),
    sa.Column("since", sa.Text, nullable=False, server_default=""),
    sa.Column("last_success", sa.Text, nullable=False, server_default=""),
    sa.Column("last_attempt", sa.Text, nullable=False, server_default=""),
    sa.Column("next_attempt", sa.Text, nullable=False, server_default=""),
    sa.Column("failures", sa.Integer, nullable=False, server_default="0"),
    sa.Column("claimed_size", sa.BigInteger, nullable=False, server_default="0"),
    sa.Column("etag", sa.Text, nullable=False, server_default=""),
)

account: Final = sa.Table(
    "account",
    metadata,
    sa.Column("name", sa.Text, primary_key=True),
    # An Argon2 hash with its parameters; the password itself is nowhere.
    sa.Column("password", sa.Text, nullable=False),
    sa.Column("created", sa.Text, nullable=False),
)

restricted: Final = sa.Table(
    "restricted",
    metadata,
    sa.Column("record", sa.Text, primary_key=True),
    sa.Column("field", sa.Text, primary_key=True),
    sa.Column("language", sa.Text, primary_key=True),
    sa.Column("text", sa.Text, nullable=False),
)
