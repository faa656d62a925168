"""Content negotiation: which of several media types a client wants (RFC 9110 section 12.5.1)."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

from aiohttp import web

from federation.errors import NotAcceptable

_LONGEST = 1000


def accepted(request: web.Request) -> str:
    """What a client accepts: all lines of the header together (RFC 9110 section 5.3)."""
    return ", ".join(request.headers.getall("Accept", ()))


def takes_gzip(request: web.Request) -> bool:
    """Whether a client takes gzip (RFC 9110 section 12.5.3)."""
    header = ", ".join(request.headers.getall("Accept-Encoding", ()))
    found = dict(_range(part) for part in header[:_LONGEST].split(","))
    return found.get("gzip", found.get("*", 0.0)) > 0


@lru_cache(512)
def choose(accept: str, offered: Sequence[str]) -> str:
    """The best offered media type for an Accept header; the first one where the client does not care.

    Raises NotAcceptable where none fits. Unreadable parts of the header are passed over.
    """
    if not accept.strip():
        return offered[0]
    ranges = [_range(part) for part in accept[:_LONGEST].split(",")]
    best, best_quality = "", 0.0
    for candidate in offered:
        quality = _quality(candidate, ranges)
        if quality > best_quality:
            best, best_quality = candidate, quality
    if not best:
        raise NotAcceptable("None of the forms asked for is available.", remedy=f"Ask for one of {', '.join(offered)}.")
    return best


def _range(part: str) -> tuple[str, float]:
    media, *parameters = (piece.strip().lower() for piece in part.split(";"))
    quality = 1.0
    for parameter in parameters:
        if parameter.startswith("q="):
            try:
                quality = min(max(float(parameter[2:]), 0.0), 1.0)
            except ValueError:
                quality = 0.0
    return media, quality


def _quality(candidate: str, ranges: Sequence[tuple[str, float]]) -> float:
    """The quality of the most specific range that fits."""
    kind = candidate.partition("/")[0]
    found = dict(reversed(ranges))
    for pattern in (candidate, f"{kind}/*", "*/*"):
        if pattern in found:
            return found[pattern]
    return 0.0


def is_current(if_none_match: str, etag: str) -> bool:
    """Whether a client already has the representation with this tag (RFC 9110 section 13.1.2, weak comparison)."""
    tags = (tag.strip().removeprefix("W/") for tag in if_none_match[:_LONGEST].split(","))
    return any(tag in ("*", etag) for tag in tags)
