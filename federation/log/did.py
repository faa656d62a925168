"""The identity of a node: ``did:web`` and its DID document.

Source: did:web method specification; Controlled Identifiers 1.0. The document is a pointer: the truth
on keys is the log. It starts with the DID v1 context, which independent verifiers expect.
"""

from __future__ import annotations

import re
from typing import Any, Final
from urllib.parse import urlsplit

from federation.errors import KeyMismatch, Misconfigured
from federation.log.keys import Keys
from federation.records.multikey import decode_public

DID_CONTEXT: Final = ["https://www.w3.org/ns/did/v1", "https://w3id.org/security/multikey/v1"]
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


def document(did: str, keys: Keys) -> dict[str, Any]:
    """The DID document: the record key asserts, the log key authenticates."""

    def method(multikey: str) -> dict[str, str]:
        return {
            "id": f"{did}#{multikey}",
            "type": "Multikey",
            "controller": did,
            "publicKeyMultibase": multikey,
        }

    return {
        "@context": DID_CONTEXT,
        "id": did,
        "verificationMethod": [method(keys.record), method(keys.log)],
        "assertionMethod": [f"{did}#{keys.record}"],
        "authentication": [f"{did}#{keys.log}"],
    }


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


def _method_of(document: dict[str, Any], did: str, relationship: str) -> str:
    listed = document.get(relationship)
    methods = document.get("verificationMethod")
    if not isinstance(listed, list) or not isinstance(methods, list):
        raise KeyMismatch(f"The DID document lists no {relationship}.")
    found = [
        each["publicKeyMultibase"]
        for each in methods
        if isinstance(each, dict)
        and each.get("id") in listed
        and each.get("controller") == did
        and each.get("type") == "Multikey"
        and isinstance(each.get("publicKeyMultibase"), str)
        and each["id"] == f"{did}#{each['publicKeyMultibase']}"
        and "expires" not in each
        and "revoked" not in each
    ]
    if len(found) != 1:
        raise KeyMismatch(f"The DID document lists {len(found)} current keys as {relationship}; one is needed.")
    decode_public(found[0])
    return str(found[0])
