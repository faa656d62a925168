"""Bodies of requests: no larger and no slower than the node's limits say."""

from __future__ import annotations

import asyncio

from aiohttp import web

from federation.errors import InvalidRequest, TooLarge, TooSlow
from federation.web.keys import CONFIG


async def read_body(request: web.Request) -> bytes:
    """The body of a request. Raises InvalidRequest, TooLarge and TooSlow."""
    limit = request.app[CONFIG].limits.request_bytes
    if ",".join(request.headers.getall("Content-Encoding", ["identity"])).lower() != "identity":
        raise InvalidRequest("Compressed requests are not accepted.", remedy="Send it uncompressed.")
    if (request.content_length or 0) > limit:
        raise TooLarge(f"The request may be {limit:,} bytes at most.", remedy="Send fewer records at a time.")
    data = bytearray()
    try:
        async with asyncio.timeout(request.app[CONFIG].limits.request_seconds):
            async for chunk in request.content.iter_chunked(65_536):
                data += chunk
                if len(data) > limit:
                    raise TooLarge(
                        f"The request may be {limit:,} bytes at most.", remedy="Send fewer records at a time."
                    )
    except TimeoutError as error:
        raise TooSlow("The request did not arrive in time.", remedy="Send fewer records at a time.") from error
    return bytes(data)
