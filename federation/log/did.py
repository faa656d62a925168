"""The identity of a node: ``did:web`` and its DID document.

Source: did:web method specification; Controlled Identifiers 1.0. The document is a pointer: the truth
on keys is the log. It starts with the DID v1 context, which independent verifiers expect.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import pairwise
from typing import Any, Final
from urllib.parse import urlsplit

from federation.errors import KeyMismatch, Misconfigured, UnknownKey
from federation.log.keys import Declaration, Keys
from federation.records.multikey import decode_public

DID_CONTEXT: Final = ["https://www.w3.org/ns/did/v1", "https://w3id.org/security/multikey/v1"]
MAX_SIZE: Final = 64 * 1024
"""Bytes of a DID document; every retired key adds some 250."""
_HOST = re.compile(r"[a-z0-9](?:[a-z0-9.-]{0,251}[a-z0-9])?(?::[1-9][0-9]{0,4})?")


def host_of(base: str) -> str:
    """Host and port of a base address, as they stand in it. Raises Misconfigured for a bad address."""
    parts = urlsplit(base)
    host = parts.netloc
    whole = base == f"{parts.scheme}://{host}" and parts.scheme in ("http", "https")
    if not whole or not _HOST.fullmatch(host) or int(host.partition(":")[2] or 0) > 65_535:
        raise Misconfigured(
            f"{base!r} is not the base address of a node.",
            remedy="Write https:// and a host name in lower case, without a path or a slash at the end.",
        )
    return host


def did_of(base: str) -> str:
    """``did:web`` of a base address; a port is written ``%3A``."""
    return "did:web:" + host_of(base).replace(":", "%3A")


def document(did: str, events: Sequence[tuple[Declaration, str]]) -> dict[str, Any]:
    """The DID document after some key events, each with its time: record keys assert, the log key authenticates.

    Retired record keys stay, so that old proofs can be checked, with the time they ended as ``expires``;
    those that were in wrong hands say since when as ``revoked`` too (CID 1.0, section 2.2).
    """
    methods: list[dict[str, str]] = []
    for (old, _), (new, ended) in pairwise(events):
        if old.keys.record != new.keys.record:
            stolen = {"revoked": ended} if new.compromised_from is not None else {}
            methods.append({**_multikey(did, old.keys.record), "expires": ended, **stolen})
    keys = events[-1][0].keys
    return {
        "@context": DID_CONTEXT,
        "id": did,
        "verificationMethod": [*methods, _multikey(did, keys.record), _multikey(did, keys.log)],
        "assertionMethod": [f"{did}#{keys.record}", *(each["id"] for each in methods)],
        "authentication": [f"{did}#{keys.log}"],
    }


def _multikey(did: str, key: str) -> dict[str, str]:
    return {"id": f"{did}#{key}", "type": "Multikey", "controller": did, "publicKeyMultibase": key}


def keys_in(document: Any, did: str) -> Keys:
    """The record key and log key of a DID document, by CID 1.0 "Retrieve Verification Method".

    Raises KeyMismatch unless the document is that of ``did`` and lists one current key for each use.
    """
    if not isinstance(document, dict) or document.get("id") != did:
        raise KeyMismatch(f"The DID document is not that of {did}.")
    record = _method_of(document, did, "assertionMethod")
    log = _method_of(document, did, "authentication")
    if record == log:
        raise KeyMismatch("Records and checkpoints must be signed with different keys.")
    return Keys(record, log)


def record_key(document: Any, did: str, method: str, created: str) -> str:
    """The record key of a proof as Multikey: one in force, or a retired one for what it signed before it ended.

    Raises KeyMismatch for another node's document, UnknownKey for a key that it does not list for that time.
    """
    if not isinstance(document, dict) or document.get("id") != did:
        raise KeyMismatch(f"The DID document is not that of {did}.")
    for each in _listed(document, did, "assertionMethod"):
        if each["id"] == method:
            if "revoked" in each:
                raise UnknownKey(
                    f"The key of {method[-60:]} was in wrong hands.",
                    remedy="Only the log can tell what it signed before: verify the node's whole log by its address.",
                )
            if created <= str(each.get("expires", created)):
                return str(each["publicKeyMultibase"])
    raise UnknownKey(f"The record is signed with {method[-60:]}, which {did} does not list for that time.")


def _method_of(document: dict[str, Any], did: str, relationship: str) -> str:
    found = [
        each["publicKeyMultibase"]
        for each in _listed(document, did, relationship)
        if "expires" not in each and "revoked" not in each
    ]
    if len(found) != 1:
        raise KeyMismatch(f"The DID document lists {len(found)} current keys as {relationship}; one is needed.")
    decode_public(found[0])
    return str(found[0])


def _listed(document: dict[str, Any], did: str, relationship: str) -> list[dict[str, Any]]:
    """The verification methods of a relationship that are Multikeys of this node, named after themselves."""
    listed = document.get(relationship)
    methods = document.get("verificationMethod")
    if not isinstance(listed, list) or not isinstance(methods, list):
        raise KeyMismatch(f"The DID document lists no {relationship}.")
    return [
        each
        for each in methods
        if isinstance(each, dict)
        and each.get("id") in listed
        and each.get("controller") == did
        and each.get("type") == "Multikey"
        and isinstance(each.get("publicKeyMultibase"), str)
        and each["id"] == f"{did}#{each['publicKeyMultibase']}"
    ]
