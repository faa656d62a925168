"""The file of a backup: a manifest and the members it names, as a gzipped tar.

Reading believes nothing. The only member names are those below, in the order of the manifest, each a
plain file of exactly the length and SHA-256 the manifest gives; a name is never used as a path unless
it is one of ours. tarfile's own reader is not used, since it takes extended headers (long names, PAX,
sparse files) into memory whole, as large as they claim to be; its writer needs none for these names.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import os
import re
import shutil
import tarfile
import zlib
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import IO, Annotated, Final

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from federation.errors import AlreadyExists, DamagedBackup, FederationError, InvalidRequest, NewerData, StorageFailed
from federation.log.checkpoint import MAX_SIZE as MAX_CHECKPOINT
from federation.records import jsonld
from federation.store.files import give_name, sync_folder
from federation.store.secrets import SESSION_FILE, TOKEN_FILE

FORMAT: Final = 1
"""Version of the manifest and of the list of members."""
MANIFEST: Final = "manifest.json"
DATABASE: Final = "node.sqlite"
KEYS: Final = "keys"
"""Folder of the private keys, in the file and in the data directory."""
SECRETS: Final = (TOKEN_FILE, SESSION_FILE)
MAX_SMALL: Final = 4096
"""Bytes of any member but the database."""
MAX_MEMBERS: Final = 200
MAX_MANIFEST: Final = 1024 * 1024
_BLOCK: Final = 1024 * 1024
_OTHER: Final = "Copy the file again from where it was kept, or take an older backup. Nothing was changed."

Tick = Callable[[str, int, int], None]
"""Called with what is being done, how much of it is done, and how much there is (0: not known).
Raises to stop the work."""
_KEY: Final = re.compile(rf"{KEYS}/[A-Za-z0-9][A-Za-z0-9._-]{{0,60}}\.key")
_Sha256 = Annotated[str, Field(pattern="^[0-9a-f]{64}$")]


class Member(BaseModel):
    """A member as the manifest describes it; ``length`` is in bytes."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    sha256: _Sha256
    length: Annotated[int, Field(ge=0)]


class Manifest(BaseModel):
    """What a backup holds; the first member of its file."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    format: int = FORMAT
    program: str
    """Version of the program that wrote it."""
    did: str
    base: str
    name: str
    size: Annotated[int, Field(ge=1)]
    """Entries of the node's own log."""
    root: _Sha256
    checkpoint: Annotated[str, Field(max_length=MAX_CHECKPOINT)]
    peers: dict[str, int]
    """Entries kept of every peer's log, by DID."""
    time: Annotated[str, Field(pattern=r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$")]
    members: dict[str, Member]

    @field_validator("members")
    @classmethod
    def _known(cls, members: dict[str, Member]) -> dict[str, Member]:
        if DATABASE not in members or len(members) > MAX_MEMBERS:
            raise ValueError("the members are not those of a node")
        for name in members:
            if name not in (DATABASE, *SECRETS) and not is_key(name):
                raise ValueError(f"{name[:80]!r} is no member of a backup")
        if any(member.length > MAX_SMALL for name, member in members.items() if name != DATABASE):
            raise ValueError("a key or token is far too long")
        return members

    @property
    def has_keys(self) -> bool:
        return any(is_key(name) for name in self.members)


def is_key(name: str) -> bool:
    """Whether a member may hold a private key; such a name can be no path to anywhere else."""
    return _KEY.fullmatch(name) is not None


def described(folder: Path, names: Iterable[str], tick: Tick) -> dict[str, Member]:
    """Length and hash of files in a folder, in the order given."""
    members = {}
    for name in names:
        digest, length, total = hashlib.sha256(), 0, (folder / name).stat().st_size
        with (folder / name).open("rb") as file:
            while block := file.read(_BLOCK):
                digest.update(block)
                length += len(block)
                tick("Hashing", length, total)
        members[name] = Member(sha256=digest.hexdigest(), length=length)
    return members


class _Watched(io.RawIOBase):
    """A file that says how far it was read."""

    def __init__(self, file: IO[bytes], total: int, tick: Tick) -> None:
        self._file, self._total, self._tick = file, total, tick

    def read(self, size: int = -1) -> bytes:
        data = self._file.read(size)
        self._tick("Packing", self._file.tell(), self._total)
        return data


def pack(path: Path, folder: Path, manifest: Manifest, tick: Tick) -> None:
    """Write a new file, for its owner only, with the manifest and its members from ``folder``. Durable on return."""
    head = manifest.model_dump_json(indent=2).encode()
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        with (
            gzip.GzipFile("", "wb", compresslevel=6, fileobj=file, mtime=0) as stream,
            tarfile.open(fileobj=stream, mode="w", format=tarfile.GNU_FORMAT) as tar,
        ):
            tar.addfile(_info(MANIFEST, len(head)), io.BytesIO(head))
            for name, member in manifest.members.items():
                with (folder / name).open("rb") as source:
                    tar.addfile(_info(name, member.length), _Watched(source, member.length, tick))
        file.flush()
        os.fsync(file.fileno())


def _info(name: str, length: int) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.size, info.mode = length, 0o600
    return info


def refuse_existing(out: Path) -> None:
    """Raise AlreadyExists where there is something of that name."""
    if os.path.lexists(out):
        raise AlreadyExists(f"There is {out} already; it is left as it is.", remedy="Choose another name.")


def publish(partial: Path, out: Path) -> None:
    """Give a finished file its name, never in place of another."""
    try:
        give_name(partial, out)
    except FileExistsError:
        refuse_existing(out)
    sync_folder(out.parent)


def unpack(path: Path, folder: Path, tick: Tick) -> Manifest:
    """Write the members of a backup into an empty folder; what its manifest says.

    Raises InvalidRequest when the file cannot be read, DamagedBackup when it is not exactly a backup,
    NewerData when a newer version wrote it, StorageFailed when there is no room. Then the folder may
    hold a part, for the caller to throw away.
    """
    try:
        raw = path.open("rb")
    except OSError as error:
        raise InvalidRequest(f"{path} cannot be read: {error.strerror}.", remedy="Check the path.") from error
    try:
        with raw, gzip.GzipFile(fileobj=raw, mode="rb") as stream:
            manifest = _manifest(stream)
            _check_room(folder, manifest.members)
            for name, member in manifest.members.items():
                _expect(stream, name, member.length)
                _extract(stream, folder / name, member, tick)
            rest = stream.read(2 * tarfile.RECORDSIZE)
            if len(rest) < 2 * tarfile.BLOCKSIZE or rest.strip(b"\0") or stream.read(1):
                raise DamagedBackup("There is more in the file than its manifest names.", remedy=_OTHER)
    except (EOFError, zlib.error, gzip.BadGzipFile, tarfile.HeaderError) as error:
        raise DamagedBackup(f"The file is cut short, altered, or no backup: {error}.", remedy=_OTHER) from error
    except OSError as error:
        raise StorageFailed(
            f"The backup cannot be unpacked: {error}.", remedy="Look at the disk and at the permissions of its folder."
        ) from error
    return manifest


def _manifest(stream: gzip.GzipFile) -> Manifest:
    info = _header(stream)
    if info.name != MANIFEST or not 0 < info.size <= MAX_MANIFEST:
        raise DamagedBackup("The file does not begin with the manifest of a backup.", remedy=_OTHER)
    data = _exactly(stream, info.size)
    _padding(stream, info.size)
    try:
        document = jsonld.loads(data)
    except FederationError as error:
        raise DamagedBackup("The manifest cannot be read.", remedy=_OTHER) from error
    version = document.get("format") if isinstance(document, dict) else None
    # Before anything else is looked at: what a newer version adds is not damage.
    if isinstance(version, int) and version > FORMAT:
        raise NewerData(
            f"The backup was written by a newer version of this program ({document.get('program')}).",
            remedy="Install that version, and restore it there.",
        )
    if version != FORMAT:
        raise DamagedBackup("The manifest does not say which form of backup it is.", remedy=_OTHER)
    try:
        return Manifest.model_validate(document)
    except ValidationError as error:
        place = ".".join(str(part) for part in error.errors()[0]["loc"])
        message = error.errors()[0]["msg"]
        raise DamagedBackup(f"The manifest is wrong at {place[:200]}: {message}.", remedy=_OTHER) from error


def _check_room(folder: Path, members: Mapping[str, Member]) -> None:
    # The length is what the file claims: a small file may claim, and unpack to, any size.
    needed, free = sum(member.length for member in members.values()), shutil.disk_usage(folder).free
    if needed > free:
        raise StorageFailed(
            f"The backup unpacks to {needed:,} bytes; {folder.parent} has room for {free:,}.",
            remedy="Make room, or set TMPDIR to a folder on a larger disk for --check.",
        )


def _header(stream: gzip.GzipFile) -> tarfile.TarInfo:
    info = tarfile.TarInfo.frombuf(_exactly(stream, tarfile.BLOCKSIZE), "utf-8", "replace")
    if info.type != tarfile.REGTYPE:
        raise DamagedBackup(f"{info.name[:80]!r} in the file is not a plain file.", remedy=_OTHER)
    return info


def _expect(stream: gzip.GzipFile, name: str, length: int) -> None:
    info = _header(stream)
    if (info.name, info.size) != (name, length):
        raise DamagedBackup(
            f"The file holds {info.name[:80]!r} of {info.size} bytes where {name!r} of {length} belongs.",
            remedy=_OTHER,
        )


def _extract(stream: gzip.GzipFile, target: Path, member: Member, tick: Tick) -> None:
    target.parent.mkdir(mode=0o700, exist_ok=True)
    digest, left = hashlib.sha256(), member.length
    with os.fdopen(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        while left:
            block = _exactly(stream, min(left, _BLOCK))
            digest.update(block)
            file.write(block)
            left -= len(block)
            tick("Unpacking", member.length - left, member.length)
        file.flush()
        os.fsync(file.fileno())
    _padding(stream, member.length)
    if digest.hexdigest() != member.sha256:
        raise DamagedBackup(f"{target.name} is not what the manifest says: its hash differs.", remedy=_OTHER)


def _padding(stream: gzip.GzipFile, length: int) -> None:
    if _exactly(stream, -length % tarfile.BLOCKSIZE).strip(b"\0"):
        raise DamagedBackup("There is something between the members of the file.", remedy=_OTHER)


def _exactly(stream: gzip.GzipFile, size: int) -> bytes:
    data = stream.read(size)
    if len(data) < size:
        raise EOFError("it ends too early")
    return data
