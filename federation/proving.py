"""``procirc verify``: check a record, or a whole log, without believing anybody but the signatures."""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path
from typing import Any
from urllib.parse import SplitResult, urlsplit

from federation.config import Config, PeerConfig
from federation.errors import BadProof, InvalidRequest, NotVerified, PeerUnreachable
from federation.gossip import Gossip
from federation.harvest import Harvester, Progress
from federation.limits import Limits
from federation.log import did as dids
from federation.log import forks
from federation.log.keys import KIND, declared
from federation.node import now
from federation.peers.transport import Transport, open_transport
from federation.records import jsonld
from federation.records.canonical import nodes_of
from federation.records.kinds import Vocabulary
from federation.records.multikey import decode_public
from federation.records.proof import Signed
from federation.records.proof import verify as verify_proof
from federation.records.record import assemble
from federation.records.vocabulary import load_vocabulary
from federation.store.engine import url_of
from federation.store.store import open_store
from federation.sync import Syncer
from federation.workers import open_workers, tools_of

_LOOPBACK = ("localhost", "127.0.0.1", "[::1]", "::1")


async def verify(
    target: str, *, settings: Config | None, did_document: Path | None, progress: Progress
) -> dict[str, Any]:
    """Verify what ``target`` names and report what is now certain. Raises the error that says why not."""
    parts = _address(target)
    vocabulary = await asyncio.to_thread(load_vocabulary, settings.vocabulary if settings else None)
    if parts.scheme in ("http", "https") and parts.path in ("", "/"):
        return await _log(f"{parts.scheme}://{parts.netloc.lower()}", vocabulary, progress)
    if parts.scheme in ("http", "https"):
        data = await _fetch(target, "application/ld+json")
    else:
        try:
            data = await asyncio.to_thread(Path(target).read_bytes)
        except OSError as error:
            raise InvalidRequest(f"{target} cannot be read: {error.strerror}.", remedy="Check the path.") from error
    document = jsonld.loads(data)
    if isinstance(document, dict) and document.get("type") == forks.TYPE:
        return _fork(forks.checked(document))
    signed = jsonld.signed_of(document, vocabulary)
    return await _record(signed, vocabulary, settings, did_document)


def _address(target: str) -> SplitResult:
    """The parts of what was typed in. Raises InvalidRequest for a web address nobody can ask."""
    if not target.lower().startswith(("http://", "https://")):
        return SplitResult("", "", target, "", "")
    try:
        parts = urlsplit(target)
        good = bool(parts.hostname) and parts.username is None and (parts.port or 1) > 0
    except ValueError:
        good = False
    if not good:
        raise InvalidRequest("That is not the address of a node or record.", remedy="Write https://host or host:port.")
    return parts


def _fork(fork: forks.Fork) -> dict[str, Any]:
    one, other = fork.first, fork.second
    return {
        "fork of": fork.log,
        "first": f"{one.checkpoint.size} entries, root {one.checkpoint.root.hex()}, signed {one.checkpoint.at:%FT%TZ}",
        "second": f"{other.checkpoint.size} entries, root {other.checkpoint.root.hex()}, "
        f"signed {other.checkpoint.at:%FT%TZ}",
        "log keys": " ".join(dict.fromkeys([one.key, other.key])),
        "means": "whoever holds the key signed two histories that cannot both be true",
    }


async def _record(
    signed: Signed, vocabulary: Vocabulary, settings: Config | None, did_document: Path | None
) -> dict[str, Any]:
    record, _ = assemble(nodes_of(signed.body), vocabulary)
    did, base = record.publisher, record.address.base
    if dids.did_of(base) != did:
        raise BadProof(f"The record lies under {base}, but {did} claims to publish it.")
    document, known_from = await _document(did, base, settings, did_document)
    key = dids.record_key(document, did, signed.proof.method, signed.proof.created)
    verify_proof(signed, decode_public(key), node=did)
    return {
        "record": record.iri,
        "version": record.version,
        "publisher": did,
        "signed": signed.proof.created,
        "key": key,
        "key from": known_from,
    }


async def _document(did: str, base: str, settings: Config | None, given: Path | None) -> tuple[Any, str]:
    """The DID document of a publisher: a given one, that of the logs this node holds, or from its host."""
    if given is not None:
        try:
            data = await asyncio.to_thread(given.read_bytes)
        except OSError as error:
            raise InvalidRequest(f"{given} cannot be read: {error.strerror}.") from error
        return jsonld.loads(data), str(given)
    if settings is not None:
        async with open_store(settings.database or url_of(settings.data)) as store:
            for log in await store.logs():
                if log.did == did and log.keys is not None:
                    entries = await store.of_kind(log.id, KIND)
                    events = [(declared(each.signed.body), each.published) for each in entries]
                    return dids.document(did, events), f"the log of {log.name} that this node holds"
    url = f"{base}/.well-known/did.json"
    return jsonld.loads(await _fetch(url, "application/did+json")), url


def _transport(url: str) -> Any:
    """A transport for the one origin that was typed in; loopback only when it was typed in."""
    parts = urlsplit(url)
    origin = f"{parts.scheme}://{parts.netloc}"
    private = parts.hostname in _LOOPBACK
    return open_transport(origins={origin}, limits=Limits(), allow_private=private)


async def _fetch(url: str, accept: str) -> bytes:
    transport: Transport
    async with _transport(url) as transport:
        return (await transport.get(url, accept=accept)).content.opened()


async def _log(base: str, vocabulary: Vocabulary, progress: Progress) -> dict[str, Any]:
    """Pull a whole log into a throw-away store by the same path as a sync."""
    peer = PeerConfig(name="target", url=base)
    with tempfile.TemporaryDirectory(prefix="procirc-verify-") as folder:
        async with (
            open_store(url_of(Path(folder))) as store,
            open_workers(tools_of(vocabulary)) as workers,
            _transport(base) as transport,
        ):
            limits = Limits(run_pages=1_000_000, run_seconds=86_400)
            syncer = Syncer(
                store=store,
                transport=transport,
                harvester=Harvester(store, transport, workers, limits, now, data=Path(folder)),
                gossip=Gossip(store, transport, now),
                limits=limits,
                locks=Path(folder),
                clock=now,
            )
            pulled = await syncer.pull(peer, progress)
            log = (await store.logs())[0]
            if pulled.state not in ("active", "stale"):
                if pulled.state == "unreachable":
                    raise PeerUnreachable(pulled.detail)
                raise NotVerified(f"{base} does not verify ({pulled.reason}): {pulled.detail}")
            return {
                "log": log.did,
                "entries": log.verified_size,
                "root": log.verified.root.hex(),
                "fingerprint": log.fingerprint,
                "state": pulled.state,
            }
