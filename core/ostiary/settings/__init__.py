"""The settings of the server, read once at the start: a wrong one stops it, and says which."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, is_dataclass, replace
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlsplit

from ostiary.settings.declaring import declarations
from ostiary.settings.in_force import origins_in, tell, tell_of_plugins
from ostiary.settings.masking import secrets_in
from ostiary.settings.pages import Pages
from ostiary.settings.reading import read_section, read_settings
from ostiary.settings.sections import (
    PLUGIN_TABLES,
    Audit,
    Data,
    Database,
    History,
    Http,
    Limits,
    Logging,
    Plugins,
    Security,
    Server,
    data_folder,
)
from ostiary.settings.sources import (
    Described,
    describe,
    from_command_line,
    from_environment,
    from_file,
)
from ostiary.settings.table import Origin, Place, SettingsError, Table

__all__ = [
    "Described",
    "Settings",
    "SettingsError",
    "Table",
    "described_settings",
    "load",
    "read_settings",
]

DEFAULT_FILE = Path("ostiary.toml")
LOOPBACK_NAME = "localhost"

FORMS = "/-/forms"
"""Where the pages of strategies' forms are: ``/-/forms/<strategy>/<form>``."""


@dataclass(frozen=True, kw_only=True)
class Settings:
    """The effective settings.

    :ivar dev: the server behaves like a fresh Kuzzle (decision 2); only ``--dev`` sets it.
    :ivar failsafe: no plugin is loaded, and only administrators are answered; ``--failsafe``.
    :ivar warnings: what to tell the operator, although it does not stop the start.
    :ivar origins: where each setting was given that was given anywhere, by its key.
    """

    server: Annotated[Server, "Listening."] = field(default_factory=Server)
    http: Annotated[Http, "HTTP."] = field(default_factory=Http)
    security: Annotated[Security, "Secrets, tokens, rights."] = field(default_factory=Security)
    limits: Annotated[Limits, "Limits."] = field(default_factory=Limits)
    database: Annotated[Database, "Database."] = field(default_factory=Database)
    data: Annotated[Data, "Files."] = field(default_factory=Data)
    plugins: Annotated[Plugins, "Plugins."] = field(default_factory=Plugins)
    audit: Annotated[Audit, "Audit log."] = field(default_factory=Audit)
    history: Annotated[History, "History."] = field(default_factory=History)
    pages: Annotated[Pages, "Pages."] = field(default_factory=Pages)
    logging: Annotated[Logging, "Logging."] = field(default_factory=Logging)
    dev: bool = field(default=False, metadata={"setting": False})
    failsafe: bool = field(default=False, metadata={"setting": False})
    warnings: tuple[str, ...] = field(default=(), metadata={"setting": False})
    origins: Mapping[str, Origin] = field(
        default_factory=dict, repr=False, compare=False, metadata={"setting": False}
    )

    @property
    def serves_pages(self) -> bool:
        """There are pages: they keep sessions in cookies, and are nothing without."""
        return self.pages.enabled and self.http.cookie_authentication

    @property
    def pages_url(self) -> str | None:
        """What the addresses begin with that lead to the forms of strategies; None without pages.

        The links in mails begin with it: nothing that a client sends says where that is. What they
        open is sent in clear within this machine alone.
        """
        public = self.server.public_url
        if public is None or not self.serves_pages:
            return None
        private = self.server.over_https or _loopback(_host_of(public))
        return f"{public.rstrip('/')}{FORMS}" if private else None

    def masked(self) -> dict[str, Any]:
        """Return every setting by its key, with secrets hidden."""
        return {**_shown(self), "dev": self.dev, "failsafe": self.failsafe}

    def described(self) -> dict[str, list[dict[str, Any]]]:
        """Return every setting with what it means, its value and where that was given; no secret."""
        return {
            "settings": tell(described_settings(), self.masked(), self.origins),
            "plugins": tell_of_plugins(self.plugins.tables),
        }


def load(
    *,
    config: Path | None,
    environment: Mapping[str, str],
    overrides: Mapping[str, Any],
    dev: bool = False,
    failsafe: bool = False,
) -> Settings:
    """Read the settings: defaults, then the file, the environment and the command line.

    :param config: the file; by default ``ostiary.toml`` in the current folder, if there is one.
    :param overrides: values from the command line, by dotted keys; None is not given.
    :raises SettingsError: names the wrong key, where it was given, and the nearest right one.
    """
    known = tuple(described_settings())
    file = config or (DEFAULT_FILE if DEFAULT_FILE.exists() else None)
    written = from_file(file) if file else Table()
    default = Table.of({"data": {"dir": str(data_folder(environment))}}, Origin("default"))
    table = default | written | from_environment(environment, known) | from_command_line(overrides)
    everything = tuple(described.key for described in known)
    settings = read_section(table, Settings, Place("", everything=everything))
    warnings = () if file is None else _warnings(file, written, known)
    settings = replace(settings, warnings=(*warnings, *_warnings_of_pages(settings)))
    settings = replace(settings, failsafe=failsafe, origins=origins_in(table, Settings))
    return _opened(settings, table) if dev else settings


def described_settings() -> Iterator[Described]:
    """Return every setting, for reference pages and for messages."""
    yield from describe(Settings)


def _opened(settings: Settings, table: Table) -> Settings:
    """Return the settings of ``--dev``, which must not reach beyond this machine."""
    if not _loopback(settings.server.host):
        place = Place("server").within(table["server"], "host")
        raise place.error("with --dev, wanted: a loopback address such as 127.0.0.1")
    return replace(
        settings,
        dev=True,
        http=replace(settings.http, allow_credentials_in_url=True),
        limits=replace(settings.limits, logins_per_second=0, websocket_messages_per_second=0),
    )


def _loopback(host: str) -> bool:
    from ipaddress import ip_address

    try:
        return host == LOOPBACK_NAME or ip_address(host).is_loopback
    except ValueError:
        return False


def _host_of(url: str) -> str:
    return urlsplit(url).hostname or ""


def _shown(section: Any) -> dict[str, Any]:
    shown: dict[str, Any] = {}
    for declared in declarations(type(section)):
        value = getattr(section, declared.name)
        if is_dataclass(value):
            shown[declared.key] = _shown(value)
        elif declared.key == PLUGIN_TABLES:
            shown |= declared.masked(value) if declared.masked else value
        else:
            shown[declared.key] = _plain(declared.masked(value) if declared.masked else value)
    return shown


def _plain(value: Any) -> Any:
    """Return a value as JSON and TOML know it."""
    if isinstance(value, tuple):
        return list(value)
    return str(value) if isinstance(value, Path) else value


def _warnings(file: Path, written: Table, known: tuple[Described, ...]) -> tuple[str, ...]:
    """Warn of secrets that others on this machine can read."""
    if not file.stat().st_mode & 0o077:
        return ()
    secret = [key for one in known if one.declared.masked for key in _secrets(one, written)]
    if not secret:
        return ()
    return (f"{file} holds secrets ({', '.join(secret)}) and others can read it: chmod 600",)


def _warnings_of_pages(settings: Settings) -> tuple[str, ...]:
    """Warn of pages whose links would lead to somebody else."""
    if not settings.serves_pages or not urlsplit(settings.server.public_url or "").path:
        return ()
    warning = (
        "server.publicUrl has a path, and pages are at the root of a host alone: "
        "give the server a name of its own, or set pages.enabled = false"
    )
    return (warning,)


def _secrets(described: Described, table: Any) -> Iterator[str]:
    """Yield the keys of what must be hidden of a setting that a table gives."""
    for key in described.key.split("."):
        table = table.get(key) if isinstance(table, Mapping) else None
    if described.key == f"plugins.{PLUGIN_TABLES}":
        for name, one in (table or {}).items():
            yield from secrets_in(one, f"plugins.{name}")
        return
    masked = described.declared.masked
    if table is not None and masked is not None and masked(table) != table:
        yield described.key
