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
    page_bytes: Annotated[int, Field(ge=1024)] = 16 * 1024 * 1024
    """Largest page of a peer's feed, in bytes after decompression."""
    connect_seconds: Annotated[float, Field(gt=0)] = 5
    """Longest time to reach a peer, in seconds."""
    read_seconds: Annotated[float, Field(gt=0)] = 10
    """Longest silence of a peer in the middle of an answer, in seconds."""
    page_seconds: Annotated[float, Field(gt=0)] = 30
    """Longest time for one answer of a peer, in seconds."""
    run_seconds: Annotated[float, Field(gt=0)] = 600
    """Longest time for one pull; the next one goes on where it stopped."""
    run_pages: Annotated[int, Field(ge=1)] = 2000
    """Most pages of one pull."""
    cache_bytes: Annotated[int, Field(ge=0)] = 64 * 1024 * 1024
    """Memory for feed pages kept ready to serve, in bytes."""
    index_bytes: Annotated[int, Field(ge=15_000_000)] = 50_000_000
    """Memory of the writer of the text index, in bytes."""
