"""Asking a served node as a Dutch reader does: pages, answers for programs, and what a search finds."""

from __future__ import annotations

from typing import Any

import aiohttp

from tests.conftest import TestNode
from tests.web.markup import Page


async def get(node: TestNode, path: str, accept: str = "*/*") -> tuple[int, Any]:
    async with (
        aiohttp.ClientSession() as session,
        session.get(node.base + path, headers={"Accept": accept, "Accept-Language": "nl"}) as got,
    ):
        return got.status, (await got.text() if accept == "text/html" else await got.json(content_type=None))


async def page(node: TestNode, path: str) -> Page:
    status, text = await get(node, path, "text/html")
    assert status == 200
    return Page(text)


async def answer(node: TestNode, query: str) -> Any:
    status, found = await get(node, f"/api/search?limit=100&{query}")
    assert status == 200
    return found


async def found(node: TestNode, query: str) -> set[str]:
    return {each["id"].rpartition("/")[2] for each in (await answer(node, query))["items"]}
