"""Drafts as JSON objects: a kind, a slug and the fields by name; what programs send."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from federation.errors import InvalidRequest
from federation.records.draft import Draft, Place


def drafts_in(document: Any, name: str = "") -> list[Draft]:
    """The drafts of a JSON document, one or a list of them; their faults say which of them is meant.

    Raises InvalidRequest when one is not an object with kind and slug.
    """
    every = document if isinstance(document, list) else [document]
    return [_draft_of(each, number, name) for number, each in enumerate(every, 1)]


def _draft_of(document: Any, number: int, name: str) -> Draft:
    place = ", ".join(part for part in (name, f"record {number}") if part)
    if not isinstance(document, Mapping):
        raise InvalidRequest(f"In {place}: a record is a JSON object.", remedy='Send {"kind": …, "slug": …, …}.')
    kind, slug = document.get("kind"), document.get("slug")
    if not isinstance(kind, str) or not isinstance(slug, str):
        raise InvalidRequest(f"In {place}: a record needs a kind and a slug, both as text.")
    values = {key: value for key, value in document.items() if key not in ("kind", "slug")}
    return Draft(kind, slug, values, Place(f"{place} ({kind[:40]}/{slug[:60]})"))
