"""The configuration of a node: ``node.toml``, read once, with every fault named in words.

The models are the manual: each setting says what it is, its unit and its default. A setting can be
overridden by an environment variable, ``PROCIRC_`` and its name in capitals (``PROCIRC_LISTEN``);
lists and tables are then written as JSON.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from ipaddress import ip_network
from pathlib import Path
from typing import Annotated, Any, Final, Self
from urllib.parse import urlsplit

import sqlalchemy as sa
from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    IPvAnyNetwork,
    ValidationError,
    field_validator,
    model_validator,
)
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict, SettingsError

from federation.errors import Fault, FederationError, Misconfigured
from federation.limits import Limits
from federation.log import did
from federation.records.canonical import is_iri
from federation.records.kinds import LANGUAGES
from federation.records.values import Naming, suggestion

LICENCES: Final = "http://publications.europa.eu/resource/authority/licence/"
PRIVATE: Final[tuple[IPvAnyNetwork, ...]] = tuple(
    ip_network(each) for each in ("127.0.0.0/8", "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "::1/128", "fc00::/7")
)


def _base_address(value: str) -> str:
    try:
        did.host_of(value)
    except FederationError as error:
        raise ValueError(str(error)) from error
    return value


def fingerprint_of(value: Any) -> Any:
    """Eight groups of four hexadecimal digits, however they were typed."""
    digits = re.sub(r"[\s:.-]", "", str(value)).lower()
    if digits and not re.fullmatch(r"[0-9a-f]{32}", digits):
        raise ValueError("a fingerprint is 32 hexadecimal digits, as `procirc init` prints them")
    return " ".join(digits[at : at + 4] for at in range(0, len(digits), 4))


class PeerConfig(BaseModel):
    """Another node whose records this one follows."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,39}$")]
    """Short name, lower case: stands in addresses (/peers/denmark/…) and commands."""
    title: dict[str, str] = Field(default_factory=dict)
    """Name of the region as pages show it, by language."""
    url: str
    """Base address, such as https://denmark.example, without a slash at the end."""
    fingerprint: Annotated[str, BeforeValidator(fingerprint_of)] = ""
    """What the peer's coordinator read out to you; with it, no other keys are ever accepted.
    Without it the first contact decides, and later ones must match it."""
    every: Annotated[int, Field(ge=1, le=86_400)] = 300
    """Seconds between two pulls."""
    via: str = ""
    """Base address of another node that is asked for its copy instead, for a peer that is gone."""

    _check_url = field_validator("url")(_base_address)
    _check_via = field_validator("via")(lambda via: _base_address(via) if via else via)

    @property
    def did(self) -> str:
        return did.did_of(self.url)


DRIVERS: Final = ("sqlite+aiosqlite", "postgresql+asyncpg")
"""By which a database may be spoken to."""
_DATABASES: Final = "write postgresql+asyncpg://user@host/name, or leave it out for the file in the data directory"
_OF_ADDRESS: Final = {"host", "port", "ssl", "passfile", "target_session_attrs", "prepared_statement_cache_size"}
"""What may stand behind the question mark of an address of PostgreSQL."""


class Config(BaseSettings):
    """One node."""

    model_config = SettingsConfigDict(extra="forbid", frozen=True, env_prefix="PROCIRC_")

    name: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,39}$")]
    """Short name of the region, lower case, such as flanders."""
    title: dict[str, str]
    """Name of the region as pages show it, by language."""
    base: str
    """Public base address, https:// and a host. It is part of every record's address: choose it for good."""
    listen: Annotated[str, Field(pattern=r"^[^:\s]+:[0-9]{1,5}$|^\[[0-9a-fA-F:]+\]:[0-9]{1,5}$")] = "127.0.0.1:8080"
    """Address and port to serve on; a reverse proxy adds TLS."""
    trusted_proxies: tuple[IPvAnyNetwork, ...] = ()
    """Addresses and networks (10.0.0.0/8) of the reverse proxies before this node: whom they name last in
    X-Forwarded-For is the client. Without it all who come through a proxy count as one address in ``[limits]``.
    Name only proxies that set this header themselves, or clients can choose their address."""
    metrics_from: tuple[IPvAnyNetwork, ...] = PRIVATE
    """Addresses and networks that may read /metrics without the token of the API: this machine and private networks.
    A proxy before this node must stand in ``trusted_proxies``, or refuse /metrics itself."""
    data: Path
    """Directory of the database, keys and index; relative to node.toml."""
    database: str = ""
    """SQLAlchemy address of another database; empty for the SQLite file in the data directory."""
    language: str = "en"
    """Language of pages for readers whose browser asks for none of ours."""
    languages: tuple[str, ...] = LANGUAGES
    """Languages offered on pages."""
    license: str = LICENCES + "CC_BY_4_0"
    """Licence of records that name none, from the EU table of licences."""
    notice: dict[str, str] = Field(default_factory=dict)
    """A sentence that every page shows, by language."""
    contact: str = ""
    """Mail address of the coordinator, shown at the foot of every page."""
    seeds: Path | None = None
    """Folder of tables that `procirc demo` imports; relative to node.toml."""
    vocabulary: Path | None = None
    """Folder of the vocabulary; empty for the one that ships with the program."""
    allow_private: bool = False
    """Whether peers may live on loopback and private addresses. For tests and demonstrations only."""
    log_format: Annotated[str, Field(pattern="^(text|json)$")] = "text"
    """Form of the log on standard error: text for people, json for machines."""
    peers: tuple[PeerConfig, ...] = ()
    """The nodes this one follows, each a table ``[[peers]]``."""
    limits: Limits = Limits()
    """What the node accepts and spends, the table ``[limits]``."""

    _check_base = field_validator("base")(_base_address)

    @field_validator("license")
    @classmethod
    def _check_license(cls, value: str) -> str:
        if not is_iri(value):
            raise ValueError(f"the licence is an address, such as {LICENCES}CC_BY_4_0")
        return value

    @field_validator("database")
    @classmethod
    def _check_database(cls, value: str) -> str:
        if not value:
            return value
        try:
            address = sa.make_url(value)
        except (sa.exc.ArgumentError, ValueError):
            raise ValueError(f"it is no address of a database; {_DATABASES}") from None
        if address.drivername not in DRIVERS:
            raise ValueError(f"{address.drivername} is no driver that this node has; {_DATABASES}")
        if address.get_backend_name() == "postgresql" and (odd := sorted(set(address.query) - _OF_ADDRESS)):
            hint = "write ssl=require for sslmode=require" if "sslmode" in odd else "take it out"
            raise ValueError(f"the driver knows no {odd[0][:60]!r} in an address; {hint}")
        return value

    @field_validator("listen")
    @classmethod
    def _check_port(cls, value: str) -> str:
        if int(value.rpartition(":")[2]) > 65_535:
            raise ValueError("the port must be a number up to 65535")
        return value

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return env_settings, init_settings

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        unknown = [tag for tag in (self.language, *self.languages) if tag not in LANGUAGES]
        if unknown:
            raise ValueError(f"languages: {', '.join(unknown)} is not offered; choose from {', '.join(LANGUAGES)}")
        names = [peer.name for peer in self.peers]
        if len(set(names)) != len(names) or self.name in names:
            raise ValueError("peers: every peer needs a name of its own, other than this node's")
        urls = [peer.url for peer in self.peers]
        if len(set(urls)) != len(urls):
            raise ValueError("peers: two of them have the same address")
        if any(peer.url == self.base for peer in self.peers):
            raise ValueError("peers: a node cannot be its own peer")
        loopback = urlsplit(self.base).hostname in ("localhost", "127.0.0.1")
        asked = [each for peer in self.peers for each in (peer.url, peer.via)]
        plain = [each for each in (self.base, *asked) if each.startswith("http://")]
        if plain and not (self.allow_private and (loopback or plain != [self.base])):
            raise ValueError(f"{plain[0]} must begin with https:// (http:// needs allow_private, for tests only)")
        return self

    @property
    def did(self) -> str:
        return did.did_of(self.base)

    @property
    def host(self) -> str:
        return did.host_of(self.base)

    def region(self, name: str) -> Mapping[str, str]:
        """The names of a region by language: this node's own, a peer's, or just what the node calls it."""
        if name == self.name:
            return self.title
        titles = {peer.name: peer.title for peer in self.peers}
        return titles.get(name) or {"en": name.replace("-", " ").title()}

    @property
    def naming(self) -> Naming:
        return Naming(self.base, self.did, self.license, {peer.name: peer.url for peer in self.peers})

    @property
    def address(self) -> tuple[str, int]:
        host, _, port = self.listen.rpartition(":")
        return host.strip("[]"), int(port)


def load(path: Path, overrides: Mapping[str, Any] | None = None) -> Config:
    """Read ``node.toml``. Raises Misconfigured, listing every fault with the nearest known setting."""
    try:
        raw = tomllib.loads(path.read_text("utf-8"))
    except FileNotFoundError as error:
        raise Misconfigured(
            f"There is no configuration at {path}.",
            remedy="Write one, as in the coordinator's guide (name, title, base), or give its path with --config.",
        ) from error
    except (OSError, UnicodeDecodeError) as error:
        raise Misconfigured(f"{path} cannot be read: {error}.") from error
    except tomllib.TOMLDecodeError as error:
        raise Misconfigured(f"{path} is not TOML: {error}.") from error
    try:
        config = Config(**{**raw, **(overrides or {})})
    except SettingsError as error:
        raise Misconfigured(
            f"An environment variable PROCIRC_… cannot be read: {error}.",
            remedy="Lists and tables are written as JSON.",
        ) from error
    except ValidationError as error:
        faults = [_fault(each, path) for each in error.errors()]
        raise Misconfigured(f"{path} has {len(faults)} fault(s).", faults=faults) from error
    folder = path.parent
    relative = {"data": folder / config.data}
    if config.seeds is not None:
        relative["seeds"] = folder / config.seeds
    if config.vocabulary is not None:
        relative["vocabulary"] = folder / config.vocabulary
    return config.model_copy(update=relative)


def peer(**values: Any) -> PeerConfig:
    """A peer that was given on the command line. Raises Misconfigured with what is wrong with it."""
    try:
        return PeerConfig(**values)
    except ValidationError as error:
        faults = [_fault(each, Path("peer")) for each in error.errors()]
        raise Misconfigured("That is not a peer that can be followed.", faults=faults) from error


def _fault(error: Any, path: Path) -> Fault:
    place = ".".join(str(part) for part in error["loc"])
    message = str(error["msg"]).removeprefix("Value error, ")
    if error["type"] == "extra_forbidden":
        hint = suggestion(str(error["loc"][-1]), _settings(error["loc"]), "Remove it.")
        return Fault("There is no such setting.", hint, field=place, file=path.name)
    if error["type"] == "missing":
        return Fault("This setting is required.", "Add it.", field=place, file=path.name)
    if error["type"] == "string_pattern_mismatch":
        return Fault(
            f"{str(error['input'])[:60]!r} is not written as this setting needs it.",
            _FORMS[str(error["loc"][-1])],
            field=place,
            file=path.name,
        )
    return Fault(f"{message}.", "", field=place, file=path.name)


_FORMS: Final = {
    "name": "Use lower-case letters, digits and hyphens, 40 at most, such as flanders.",
    "listen": "Write a host and a port, such as 127.0.0.1:8080.",
    "log_format": "Write text or json.",
}


def _settings(location: tuple[Any, ...]) -> list[str]:
    models: dict[str, type[BaseModel]] = {"peers": PeerConfig, "limits": Limits}
    model = models.get(str(location[0]), Config) if len(location) > 1 else Config
    return list(model.model_fields)
