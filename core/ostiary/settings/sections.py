"""Every setting of the server, declared once: key, type, default and what it does."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal

from msgspec import Meta

from ostiary.settings.declaring import Kind, Unit, setting
from ostiary.settings.kinds import (
    Count,
    DatabaseUrl,
    DatabaseUrls,
    Folder,
    Level,
    Lifetime,
    Networks,
    NodeName,
    Origins,
    ReturnAddresses,
    Size,
    Span,
    Text,
    WebUrl,
)
from ostiary.settings.masking import hide, hide_password, hide_plugins, hide_secrets
from ostiary.settings.rights import BaseProfiles, BaseRoles
from ostiary.settings.table import Table

SHORTEST_TIMEOUT, LONGEST_TIMEOUT = 100, 60_000
HOUR, DAY = 3_600_000, 86_400_000
SHORTEST_WINDOW, LONGEST_WINDOW = 60_000, DAY

PLUGIN_TABLES = "<name>"
"""The key that stands for the table of each plugin."""


@dataclass(frozen=True, kw_only=True)
class Server:
    """Where and how the server listens."""

    host: Annotated[Text, "Address to listen on; 0.0.0.0 is every address of the machine."] = (
        "127.0.0.1"
    )
    port: Annotated[
        int, Meta(ge=0, le=65535), "Port for HTTP and WebSocket; 0 takes any free one."
    ] = 7512
    workers: Annotated[int, Meta(ge=1, le=256), "Processes that answer requests."] = 1
    max_request_size: Annotated[Size, "Longest body or WebSocket message accepted."] = 2**20
    max_requests_in_flight: Annotated[
        Count, "Requests worked on at once by a process; more are answered 503."
    ] = 200
    cache_size: Annotated[
        Size,
        "Memory in which a process keeps the tokens and users that it has seen, half for each, "
        "some 100,000 of them; further ones are read from the database again.",
    ] = 384 * 2**20
    max_connections: Annotated[
        Count,
        "Connections that a process serves at once, WebSockets included; more are answered 503. "
        "Fewer where the system lets it open fewer files.",
    ] = 16_384
    drain: Annotated[
        Span,
        "How long requests are still answered, and /_ready says 503, when the server is told to "
        "stop; told again it ends at once.",
    ] = 0
    trusted_proxies: Annotated[
        Networks, "Proxies whose X-Forwarded-For is believed; every other one's is ignored."
    ] = ()
    public_url: Annotated[
        WebUrl, "Where browsers reach the server; HTTPS there forbids them plain HTTP (HSTS)."
    ] = None
    name: Annotated[
        NodeName, "Name of this node in answers; by default one is made at the start."
    ] = None
    protocol: Annotated[
        Literal["bounded", "stock"],
        "What speaks HTTP: the server's own class, faster and with bounds on slow clients, or that "
        "of uvicorn as it is, for comparisons; then a proxy has to keep slow clients away.",
    ] = "bounded"

    @property
    def over_https(self) -> bool:
        """Browsers reach the server by HTTPS."""
        return (self.public_url or "").startswith("https:")


@dataclass(frozen=True, kw_only=True)
class Http:
    """What browsers and URLs may do."""

    access_control_allow_origin: Annotated[
        Origins, 'Web origins that may call the server from a browser; "*" is every one.'
    ] = ("*",)
    cookie_authentication: Annotated[
        bool, "Keep tokens in cookies for the browsers that ask for it (cookieAuth)."
    ] = True
    allow_credentials_in_url: Annotated[
        bool, "Accept passwords and tokens in URLs, where logs keep them. Always on in --dev."
    ] = False


@dataclass(frozen=True, kw_only=True)
class AuthToken:
    """How long authentication tokens live."""

    expires_in: Annotated[Lifetime, "Lifetime of a token that asks for none."] = 7_200_000
    max_ttl: Annotated[Lifetime, "Longest lifetime that may be asked for; -1 is any."] = setting(
        -1, key="maxTTL"
    )
    grace_period: Annotated[Span, "How long a refreshed token still works."] = 1000
    max_session: Annotated[
        Lifetime, "How long tokens of one sign-in can be refreshed; -1 is for ever."
    ] = -1


@dataclass(frozen=True, kw_only=True)
class ApiKey:
    """API keys: how long they live, and how many there are."""

    max_ttl: Annotated[Lifetime, "Longest lifetime that may be asked for; -1 is any."] = setting(
        -1, key="maxTTL"
    )
    max_per_user: Annotated[Count, "API keys that one user can have."] = 100


@dataclass(frozen=True, kw_only=True)
class Standard:
    """The rights that a server begins with, and that restricting the rights gives back."""

    roles: Annotated[BaseRoles, "The roles that every server has."] = BaseRoles()
    profiles: Annotated[BaseProfiles, "The profiles that every server has."] = BaseProfiles()


@dataclass(frozen=True, kw_only=True)
class Hashing:
    """What the hash of a password costs (argon2id), and who pays."""

    profile: Annotated[
        Literal["owasp", "rfc9106"],
        "Costs by a name: 2 passes over 19 MiB in 1 lane (OWASP), or 3 over 64 MiB in 4, which "
        "takes some seven times as long (RFC 9106, the second choice).",
    ] = "owasp"
    time_cost: Annotated[int, Meta(ge=0), "Passes over the memory; 0 is as the profile says."] = 0
    memory_cost: Annotated[
        int, Meta(ge=0), Unit("KiB"), "Memory of one hash, in KiB; 0 is as the profile says."
    ] = 0
    parallelism: Annotated[int, Meta(ge=0), "Lanes of one hash; 0 is as the profile says."] = 0
    threads: Annotated[int, Meta(ge=0, le=256), "Hashes made at once; 0 is one for each core."] = 0
    queue: Annotated[
        int, Meta(ge=0), "Hashes that may wait, before 503; 0 is a hundred for each thread."
    ] = 0
    max_wait: Annotated[
        Span, "How long a hash may have to wait, going by the last ones, before 503."
    ] = 5_000
    nice: Annotated[
        int, Meta(ge=0, le=19), "How far hashing stands back behind requests (Linux)."
    ] = 10

    def __post_init__(self) -> None:
        """Refuse costs below the floor, and put real numbers where 0 stands for them."""
        from ostiary.hashing import PROFILES, Argon2Parameters

        time_cost, memory_cost, parallelism = PROFILES[self.profile]
        threads = self.threads or _cores()
        meant = {
            "time_cost": self.time_cost or time_cost,
            "memory_cost": self.memory_cost or memory_cost,
            "parallelism": self.parallelism or parallelism,
            "threads": threads,
            "queue": self.queue or 100 * threads,
        }
        for name, value in meant.items():
            object.__setattr__(self, name, value)
        Argon2Parameters(self.time_cost, self.memory_cost, self.parallelism)


@dataclass(frozen=True, kw_only=True)
class NewCredentials:
    """What users have to prove who give themselves credentials of one more strategy."""

    proof: Annotated[
        Literal["linked", "all", "none"],
        "Of whom a proof of who they are is asked, or a session that is young: who links an "
        "account of elsewhere, everybody, or nobody. Clients of Kuzzle know of none.",
    ] = "linked"
    young_session: Annotated[
        Span, "How long after signing in no other proof is asked for; 0 always asks for one."
    ] = 900_000


@dataclass(frozen=True, kw_only=True)
class Security:
    """Secrets, tokens and rights."""

    master_key: Annotated[
        str | None, "Key that all others are derived from: 32 bytes, as hexadecimal or base64url."
    ] = setting(None, variable="OSTIARY_MASTER_KEY", private=True, masked=hide)
    master_key_command: Annotated[
        Text | None, "Command that prints the master key, where a key service keeps it."
    ] = setting(None, confidential=True)
    setup_secret: Annotated[
        Annotated[str, Meta(min_length=16)] | None,
        "What the first administrator is created with; by default derived from the master key.",
    ] = setting(None, variable="OSTIARY_SETUP_SECRET", masked=hide)
    restricted_profile_ids: Annotated[
        tuple[Text, ...], Meta(min_length=1), "Profiles of who signs up without an administrator."
    ] = ("default",)
    return_addresses: Annotated[
        ReturnAddresses,
        "Where a browser may be sent when it comes back from a provider (returnTo); each is "
        "compared as a whole.",
    ] = ()
    end_sessions_on_credentials_change: Annotated[
        bool,
        "End the other sessions of a user whose secrets change or whose credentials are deleted.",
    ] = True
    new_credentials: Annotated[
        NewCredentials, "Further credentials that users give themselves."
    ] = NewCredentials()
    auth_token: Annotated[AuthToken, "Authentication tokens."] = setting(AuthToken(), alias="jwt")
    api_key: Annotated[ApiKey, "API keys."] = ApiKey()
    standard: Annotated[Standard, "Restricted rights."] = Standard()
    hashing: Annotated[Hashing, "Password hashing."] = field(default_factory=Hashing)


@dataclass(frozen=True, kw_only=True)
class Limits:
    """How much of what."""

    logins_per_second: Annotated[
        Count, "Logins a second over one WebSocket connection. None counts in --dev."
    ] = 1
    websocket_messages_per_second: Annotated[
        int,
        Meta(ge=0),
        "Messages a second over one WebSocket connection; 0 is any number, as in --dev.",
    ] = 100
    documents_fetch_count: Annotated[
        Count, "Users, profiles or roles that one request may ask for, and a search returns."
    ] = 10_000
    documents_write_count: Annotated[
        Count, "Users, profiles or roles that one request may delete."
    ] = 200
    max_scroll_duration: Annotated[Span, "How long a scroll may live between two pages."] = 60_000
    login_failures_per_account: Annotated[
        int,
        Meta(ge=1, le=100),
        "Failed logins to one account before a growing delay. None counts in --dev.",
    ] = 10
    login_failures_per_address: Annotated[
        Count,
        "Failed logins from one address (IPv6: one /64), whatever the account, before a growing "
        "delay. None counts in --dev.",
    ] = 100
    login_window: Annotated[
        Span, "How long there must be no failed login before the earlier ones are forgotten."
    ] = 900_000

    def __post_init__(self) -> None:
        """Refuse a window that would forget failures at once, or keep them for ever."""
        if not SHORTEST_WINDOW <= self.login_window <= LONGEST_WINDOW:
            raise ValueError("loginWindow: wanted: from 1m to 1d")


@dataclass(frozen=True, kw_only=True)
class Database:
    """Where the stores are: files in the data folder, or PostgreSQL."""

    url: Annotated[DatabaseUrl, "PostgreSQL database; without one, SQLite files are used."] = (
        setting(None, masked=hide_password)
    )
    listen_url: Annotated[
        DatabaseUrl, "Direct way to the database for LISTEN, where url leads to a pooler."
    ] = setting(None, masked=hide_password)
    migrator_url: Annotated[
        DatabaseUrl, "Login that `ostiary db upgrade` uses; by default made from url."
    ] = setting(None, masked=hide_password)
    replica_urls: Annotated[
        DatabaseUrls,
        "Replicas of the database that searches are read from, and nothing else; the primary is "
        "asked where none of them has what was written before.",
    ] = setting((), masked=hide_secrets)
    isolation: Annotated[
        Literal["roles", "shared-role"],
        "A database role for each store, or one for all where the operator has no more.",
    ] = "roles"
    prepared_statements: Annotated[
        bool, "Keep statements prepared; off behind a pooler in transaction mode."
    ] = True
    revocation: Annotated[
        Literal["notified", "strict"],
        "How this machine learns on PostgreSQL what another has revoked: it is told, at once as a "
        "rule and within a second whatever gets lost; or it asks before every answer. On SQLite "
        "nothing that is revoked is ever accepted.",
    ] = "notified"
    connections: Annotated[
        int,
        Meta(ge=1, le=32),
        "Connections to PostgreSQL that a process uses at most for the transactions of a store, "
        "and for the single queries of the core's.",
    ] = 5
    passwords: Annotated[
        Mapping[str, str], "Password of each database role; by default derived from the master key."
    ] = field(default_factory=dict, repr=False, metadata={"told": {"masked": hide}})


def _own_tables(tables: Any) -> dict[str, Table]:
    if not isinstance(tables, Table) or not all(isinstance(one, Table) for one in tables.values()):
        raise ValueError("not tables")
    return {name: table.named(f"plugins.{name}") for name, table in tables.items()}


def data_folder(environment: Mapping[str, str]) -> Path:
    """Return where a user's data belongs (XDG Base Directory Specification)."""
    home = Path(environment.get("HOME") or Path.home())
    given = Path(environment.get("XDG_DATA_HOME", ""))
    # The specification has relative paths ignored.
    return (given if given.is_absolute() else home / ".local" / "share") / "ostiary"


@dataclass(frozen=True, kw_only=True)
class Data:
    """Files of the server."""

    dir: Annotated[Folder, "Folder of the stores and the master key."] = field(
        default_factory=lambda: data_folder(os.environ)
    )


@dataclass(frozen=True, kw_only=True)
class Plugins:
    """Which plugins are loaded, and their own settings."""

    allow: Annotated[
        tuple[str, ...] | None, "Names of the plugins to load; by default all that are installed."
    ] = None
    hook_timeout: Annotated[
        Span, "How long a plugin may take to answer, its waiting for hashes not counted."
    ] = 8_000
    tables: Annotated[
        Mapping[str, Mapping[str, Any]],
        Kind(_own_tables, "a table for each plugin"),
        "Settings of one plugin, which alone can see them.",
    ] = field(
        default_factory=dict,
        repr=False,
        metadata={"key": PLUGIN_TABLES, "told": {"masked": hide_plugins}},
    )

    def __post_init__(self) -> None:
        """Refuse a time that no plugin could keep, or that clients would not wait for."""
        if not SHORTEST_TIMEOUT <= self.hook_timeout <= LONGEST_TIMEOUT:
            raise ValueError("hookTimeout: wanted: from 100ms to 1m")


@dataclass(frozen=True, kw_only=True)
class Audit:
    """The audit log in the core's store."""

    retention: Annotated[Lifetime, "How long events are kept: a day or longer; -1 is for ever."] = (
        31_536_000_000
    )

    def __post_init__(self) -> None:
        """Refuse to forget what was just written."""
        if self.retention != -1 and self.retention < DAY:
            raise ValueError("retention: wanted: 1d or longer, or -1 for ever")


@dataclass(frozen=True, kw_only=True)
class History:
    """What the servers have answered in each minute, in the core's store."""

    retention: Annotated[Span, "How long minutes are kept: from 1h to 90d."] = 7 * DAY

    def __post_init__(self) -> None:
        """Refuse to forget what was just written, and more than a plot is drawn of."""
        if not HOUR <= self.retention <= 90 * DAY:
            raise ValueError("retention: wanted: from 1h to 90d")


@dataclass(frozen=True, kw_only=True)
class Logging:
    """What is written to standard error."""

    level: Annotated[Level, "Least level that is written."] = "info"
    access: Annotated[bool, "Write a line for each HTTP request, at level info."] = False


def _cores() -> int:
    affinity = getattr(os, "sched_getaffinity", None)
    return len(affinity(0)) if affinity else os.cpu_count() or 1
