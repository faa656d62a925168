"""What a node accepts and spends. Each number is a setting of the table ``[limits]`` of ``node.toml``."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field


class Limits(BaseModel):
    """What this node accepts and spends; the defaults suit a small machine."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    request_bytes: Annotated[int, Field(ge=1024)] = 1024 * 1024
    """Largest request body, in bytes."""
    request_seconds: Annotated[float, Field(gt=0)] = 30
    """Longest time for a request body to arrive, in seconds."""
    idle_seconds: Annotated[float, Field(gt=0, le=15)] = 15
    """Longest silence of a connection, and longest time for the head of a request to arrive, in seconds."""
    answer_seconds: Annotated[float, Field(gt=0)] = 60
    """Longest time for a client to take what was sent to it, in seconds."""
    connections: Annotated[int, Field(ge=1)] = 800
    """Most open connections; the next is closed unread. Each needs an open file, and systems often allow
    a process 1,024 of them, some of which the database and the index need."""
    connections_per_address: Annotated[int, Field(ge=1)] = 128
    """Most open connections of one address (a /64 of IPv6), trusted proxies aside. A peer needs four, a
    browser six; an office may stand behind one address."""
    requests_at_once: Annotated[int, Field(ge=1)] = 256
    """Most requests without a body that are answered at the same time; the next is told to come back (503)."""
    uploads_at_once: Annotated[int, Field(ge=1)] = 64
    """The same for requests that bring a body, which may be slow to arrive."""
    uploads_per_address: Annotated[int, Field(ge=1)] = 8
    """Those of them of one address; the next is told to wait (429)."""
    requests_per_second: Annotated[float, Field(gt=0)] = 100
    """Requests that one address may go on making each second; more are told to wait (429). With pages of
    a hundred entries, a peer may follow 10,000 entries a second, more than it can verify."""
    requests_burst: Annotated[int, Field(ge=1)] = 2000
    """Requests that one address may make at once after a pause, before that rate holds. For a peer, that is
    a log of 200,000 entries."""
    page_bytes: Annotated[int, Field(ge=1024)] = 16 * 1024 * 1024
    """Largest page of a peer's feed, in bytes after decompression."""
    connect_seconds: Annotated[float, Field(gt=0)] = 5
    """Longest time to reach a peer, in seconds."""
    read_seconds: Annotated[float, Field(gt=0)] = 10
    """Longest silence of a peer in the middle of an answer, in seconds."""
    page_seconds: Annotated[float, Field(gt=0)] = 30
    """Longest time for one answer of a peer, in seconds."""
    rate_bytes: Annotated[int, Field(ge=0)] = 1024
    """Bytes a second that an answer of a peer must bring on average, as they are sent."""
    rate_seconds: Annotated[float, Field(gt=0)] = 10
    """Time before that rate is looked at, in seconds: small and slow answers are given it to arrive."""
    run_seconds: Annotated[float, Field(gt=0)] = 600
    """Longest time for one pull; the next one goes on where it stopped."""
    run_pages: Annotated[int, Field(ge=1)] = 2000
    """Most pages of one pull."""
    day_entries: Annotated[int, Field(ge=1)] = 200_000
    """Most entries taken from one peer on one day (UTC); the next day goes on, and nothing is lost. Of the
    first copy of a log a tenth counts."""
    day_bytes: Annotated[int, Field(ge=1024)] = 4 * 1024**3
    """The same in bytes of feed pages after decompression, and of answers that brought no entry as they were sent."""
    reserve_bytes: Annotated[int, Field(ge=0)] = 500_000_000
    """Free space on the disk of the data directory below which nothing more is taken from peers, in bytes.
    What is here is served on, and the node goes on pulling by itself when there is room again."""
    cache_bytes: Annotated[int, Field(ge=0)] = 32 * 1024 * 1024
    """Memory for feed pages kept ready to serve, in bytes."""
    index_bytes: Annotated[int, Field(ge=15_000_000)] = 128_000_000
    """Memory of the writer of the text index, in bytes."""
