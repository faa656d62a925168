"""What a peer answered, still packed. Worker processes open it, and need none of what fetched it."""

from __future__ import annotations

import zlib
from dataclasses import dataclass

from federation.errors import OversizedResponse, PeerError, PeerUnreachable


@dataclass(frozen=True, slots=True)
class Content:
    """The bytes of an answer as they came; opened where they are read, which may be a worker process."""

    data: bytes
    url: str
    most: int
    """Bytes it may have when opened."""
    gzipped: bool = False

    def opened(self) -> bytes:
        """The bytes without their compression.

        Raises OversizedResponse as soon as they are too many, which stops a gzip bomb, and
        PeerError when they are no whole gzip stream.
        """
        if not self.gzipped:
            return self.data
        unzip = zlib.decompressobj(wbits=31)
        try:
            data = unzip.decompress(self.data, self.most + 1)
        except zlib.error as error:
            raise PeerError(f"{self.url} sent broken gzip: {error}.") from error
        if len(data) > self.most:
            raise OversizedResponse(f"{self.url} sent more than {self.most:,} bytes.")
        if not unzip.eof or unzip.unused_data:
            raise PeerUnreachable(f"{self.url} sent gzip that breaks off or goes on behind its end.")
        return data
