"""The site that the tests of ``tests/web`` read from."""

from __future__ import annotations

from tests.web.conftest import site

__all__ = ["site"]
