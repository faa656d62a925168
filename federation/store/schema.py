"""The tables of the store. One schema for every engine; changes go through ``migrations/``.

``entry`` holds a node's own log and its copies of the peers' logs in the same form, byte for byte as
signed. ``log`` says how far each goes and how far it is proved; ``peer`` is what a coordinator sees.
"""

from __future__ import annotations

import re
from typing import Final

import sqlalchemy as sa

_UNSTORABLE: Final = re.compile("[\0\ud800-\udfff]")


def storable(text: str) -> str:
    """A text without what PostgreSQL cannot keep (NUL) and what is no character (lone surrogates)."""
    return _UNSTORABLE.sub("\ufffd", text)


class Text(sa.TypeDecorator[str]):
    """Text on every engine, whatever somebody asks for or says."""

    impl = sa.Text
    cache_ok = True
    python_type = str

    def process_bind_param(self, value: str | None, dialect: sa.Dialect) -> str | None:
        return value if value is None else storable(value)


metadata: Final = sa.MetaData(
    naming_convention={"pk": "pk_%(table_name)s", "fk": "fk_%(table_name)s_%(column_0_name)s"}
)

log: Final = sa.Table(
    "log",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("did", Text, nullable=False, unique=True),
    sa.Column("base", Text, nullable=False),
    sa.Column("name", Text, nullable=False),
    sa.Column("own", sa.Boolean, nullable=False),
    # Entries kept; their frontier lets the next append go on without reading any of them.
    sa.Column("size", sa.BigInteger, nullable=False, server_default="0"),
    sa.Column("frontier", sa.LargeBinary, nullable=False),
    # Entries whose root equalled a checkpoint of the log's owner: only these are visible.
    sa.Column("verified_size", sa.BigInteger, nullable=False, server_default="0"),
    sa.Column("verified_frontier", sa.LargeBinary, nullable=False),
    sa.Column("published", Text, nullable=False, server_default=""),
    sa.Column("fingerprint", Text, nullable=False, server_default=""),
    sa.Column("checkpoint", Text, nullable=False, server_default=""),
    # Of the own log: how often what all logs show has changed behind the end that an index has reached.
    sa.Column("revision", sa.BigInteger, nullable=False, server_default="0"),
)

entry: Final = sa.Table(
    "entry",
    metadata,
    sa.Column("log_id", sa.Integer, sa.ForeignKey("log.id"), primary_key=True),
    sa.Column("position", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("record", Text, nullable=False),
    sa.Column("kind", Text, nullable=False),
    sa.Column("version", sa.BigInteger, nullable=False),
    sa.Column("published", Text, nullable=False),
    sa.Column("body", Text, nullable=False),
    sa.Column("method", Text, nullable=False),
    sa.Column("signature", sa.LargeBinary, nullable=False),
    sa.Column("leaf", sa.LargeBinary, nullable=False),
    sa.Column("quarantine", Text, nullable=False, server_default=""),
    # Position of the erasure that took the text away; UNEXPLAINED until that has been seen.
    sa.Column("erased_by", sa.BigInteger),
    sa.Index("ix_entry_record", "record", "log_id", "position"),
)

sa.Index("ix_entry_kind", entry.c.log_id, entry.c.kind, entry.c.position)
ASIDE: Final = entry.c.quarantine != sa.literal_column("''")
"""Entries that are kept but not shown, as their index says it: one with a bound value could not use it."""
sa.Index("ix_entry_aside", entry.c.log_id, entry.c.position, sqlite_where=ASIDE, postgresql_where=ASIDE)
_GONE: Final = entry.c.erased_by.is_not(None)
sa.Index("ix_entry_erased", entry.c.log_id, entry.c.position, sqlite_where=_GONE, postgresql_where=_GONE)

UNEXPLAINED: Final = -1
"""An entry came without its text, and no erasure that names it has been verified yet."""

peer: Final = sa.Table(
    "peer",
    metadata,
    sa.Column("log_id", sa.Integer, sa.ForeignKey("log.id"), primary_key=True),
    sa.Column("state", Text, nullable=False, server_default="new"),
    sa.Column("reason", Text, nullable=False, server_default=""),
    sa.Column("detail", Text, nullable=False, server_default=""),
    sa.Column("evidence", Text, nullable=False, server_default=""),
    sa.Column("since", Text, nullable=False, server_default=""),
    sa.Column("last_success", Text, nullable=False, server_default=""),
    sa.Column("last_attempt", Text, nullable=False, server_default=""),
    sa.Column("next_attempt", Text, nullable=False, server_default=""),
    sa.Column("failures", sa.Integer, nullable=False, server_default="0"),
    sa.Column("claimed_size", sa.BigInteger, nullable=False, server_default="0"),
    sa.Column("etag", Text, nullable=False, server_default=""),
    # What a coordinator has agreed to: new keys after lost ones, and erasures up to a position, however many.
    sa.Column("recovered", Text, nullable=False, server_default=""),
    sa.Column("erase_until", sa.BigInteger, nullable=False, server_default="0"),
    # The ends of histories that it signed and that were given up, one a line.
    sa.Column("given_up", Text, nullable=False, server_default=""),
    # The checkpoint a pull is heading for, until it is reached; see ``goals``.
    sa.Column("target", Text, nullable=False, server_default=""),
    # What was taken on a day (UTC), and how many entries were erased on it; an earlier day counts no more.
    sa.Column("day", Text, nullable=False, server_default=""),
    sa.Column("entries", sa.BigInteger, nullable=False, server_default="0"),
    sa.Column("bytes", sa.BigInteger, nullable=False, server_default="0"),
    sa.Column("erased", sa.BigInteger, nullable=False, server_default="0"),
    # Seconds by which our clock was ahead of the peer's, and when (by ours) that was seen.
    sa.Column("ahead", sa.BigInteger, nullable=False, server_default="0"),
    sa.Column("heard", Text, nullable=False, server_default=""),
)

received: Final = sa.Table(
    "received",
    metadata,
    # When the entries from ``start`` on, up to those of the next row, became visible here. A row a pull and not a
    # column of ``entry``: the first copy of a large log would have to write each of its entries twice.
    sa.Column("log_id", sa.Integer, sa.ForeignKey("log.id"), primary_key=True),
    sa.Column("start", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("at", Text, nullable=False),
)

seen: Final = sa.Table(
    "seen",
    metadata,
    # The newest checkpoint of a log that another node says it has verified: both by DID.
    sa.Column("log", Text, primary_key=True),
    sa.Column("witness", Text, primary_key=True),
    sa.Column("size", sa.BigInteger, nullable=False),
    sa.Column("checkpoint", Text, nullable=False),
    sa.Column("at", Text, nullable=False),
)

followed: Final = sa.Table(
    "followed",
    metadata,
    # Peers that a coordinator added beside those of the configuration.
    sa.Column("did", Text, primary_key=True),
    sa.Column("name", Text, nullable=False, unique=True),
    sa.Column("url", Text, nullable=False),
    sa.Column("fingerprint", Text, nullable=False),
    sa.Column("added", Text, nullable=False),
    # When it was confirmed; nothing is pulled before.
    sa.Column("confirmed", Text, nullable=False, server_default=""),
    # A mirror that is asked in its place, for a peer that is gone.
    sa.Column("via", Text, nullable=False, server_default=""),
)

account: Final = sa.Table(
    "account",
    metadata,
    sa.Column("name", Text, primary_key=True),
    # An Argon2 hash with its parameters; the password itself is nowhere.
    sa.Column("password", Text, nullable=False),
    sa.Column("created", Text, nullable=False),
)

restricted: Final = sa.Table(
    "restricted",
    metadata,
    sa.Column("record", Text, primary_key=True),
    sa.Column("field", Text, primary_key=True),
    sa.Column("language", Text, primary_key=True),
    sa.Column("text", Text, nullable=False),
)
