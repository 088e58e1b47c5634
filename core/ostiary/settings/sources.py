"""Where settings come from: a file, the environment, the command line; each becomes a table."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ostiary.settings.declaring import Declared, camel_case, declarations
from ostiary.settings.sections import PLUGIN_TABLES
from ostiary.settings.table import Origin, SettingsError, Table, suggestion

PREFIX = "OSTIARY_"
LEVELS = "__"
PLUGIN_NAME = re.compile(r"[a-z][a-z0-9_]{0,30}")

OPTIONS = {
    "server.host": "--host",
    "server.port": "--port",
    "server.workers": "--workers",
    "data.dir": "--data",
    "database.url": "--database",
}
"""What the command line calls a setting."""

# What runs the tests of this project, and what Kubernetes says of a service named "ostiary".
_NOT_SETTINGS = re.compile(r"REQUIRE_ALL|(\w+_)?(SERVICE_HOST|SERVICE_PORT(_\w+)?)")
_NOT_A_PORT = re.compile(r"(tcp|udp|sctp)://")


@dataclass(frozen=True, slots=True)
class Described:
    """A setting as a reference page shows it.

    :param key: dotted, as it stands in a file.
    :param variable: the environment variable that gives it.
    :param default: ``MISSING`` if it must be given.
    :param alias: it is another name of a setting that stands elsewhere.
    """

    key: str
    variable: str
    declared: Declared
    default: Any
    alias: bool = False


def describe(owner: type, within: Described | None = None) -> Iterable[Described]:
    """Return every setting below a dataclass, in the order of declaration."""
    for declared in declarations(owner):
        for key in filter(None, (declared.key, declared.alias)):
            alias = key == declared.alias or (within is not None and within.alias)
            path = f"{within.key}.{key}" if within else key
            prefix = f"{within.variable}{LEVELS}" if within else PREFIX
            variable = declared.variable or prefix + _words(key)
            base = within.declared.base if within else None
            default = declared.default if base is None else getattr(base, declared.name)
            described = Described(path, variable, declared, default, alias)
            if declared.section:
                yield from describe(declared.type, described)
            else:
                yield described


def from_file(file: Path) -> Table:
    """Read a TOML file."""
    import tomllib

    try:
        tables = tomllib.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise SettingsError(f"{file} cannot be read: {error.strerror}") from None
    except ValueError as error:
        # Its text tells line and column, not what stands there.
        where = re.search(r" \(at [^()]*\)", str(error))
        raise SettingsError(f"{file} is not TOML{where[0] if where else ''}") from None
    return Table.of(_nested(tables, str(file)), Origin("file", str(file)))


def from_environment(environment: Mapping[str, str], known: Iterable[Described]) -> Table:
    """Read the variables of the environment; an empty one counts as absent."""
    by_variable = {described.variable: described for described in known}
    table = Table()
    for variable, value in environment.items():
        if variable.startswith(PREFIX) and value and not _foreign(variable, value):
            path = _path(variable, by_variable)
            table |= _single(path, value, Origin.of_variable(variable))
    return table


def from_command_line(overrides: Mapping[str, Any]) -> Table:
    """Read what options gave, by dotted keys; None counts as absent."""
    table = Table()
    for key, value in overrides.items():
        if value is not None:
            loose = isinstance(value, str)
            origin = Origin("commandLine", OPTIONS.get(key, key), loose=loose)
            table |= _single(tuple(key.split(".")), value, origin)
    return table


def _nested(tables: Mapping[str, Any], place: str) -> Mapping[str, Any]:
    """Put the tables of the plugins apart from the settings about plugins."""
    plugins = tables.get("plugins")
    if not isinstance(plugins, Mapping):
        return tables
    own = {name: table for name, table in plugins.items() if isinstance(table, Mapping)}
    for name, table in own.items():
        if PLUGIN_NAME.fullmatch(name) is None:
            raise SettingsError(f"plugins.{name} ({place}): no plugin can have this name")
        if "dev" in table:
            raise SettingsError(f"plugins.{name}.dev ({place}): only --dev itself sets it")
    rest = {key: value for key, value in plugins.items() if key not in own}
    return {**tables, "plugins": {**rest, PLUGIN_TABLES: own}}


def _foreign(variable: str, value: str) -> bool:
    """Tell whether a variable is none of ours although its name begins like ours."""
    rest = variable.removeprefix(PREFIX)
    return _NOT_SETTINGS.fullmatch(rest) is not None or (
        LEVELS not in rest and "PORT" in rest and (_NOT_A_PORT.match(value) is not None)
    )


def _path(variable: str, known: Mapping[str, Described]) -> tuple[str, ...]:
    """Return the keys, from the outside in, that a variable names."""
    described = known.get(variable)
    if described is not None:
        return tuple(described.key.split("."))
    levels = variable.removeprefix(PREFIX).split(LEVELS)
    match levels:
        case ["PLUGINS", name, *keys] if keys and PLUGIN_NAME.fullmatch(name.lower()):
            inner = (camel_case(key.lower()) for key in keys)
            return ("plugins", PLUGIN_TABLES, name.lower(), *inner)
        case ["DATABASE", "PASSWORDS", role]:
            return ("database", "passwords", role.lower())
    same = [right for right in known if right.endswith(f"_{levels[-1]}")]
    raise SettingsError(f"{variable} is not a setting{suggestion(variable, known, same)}")


def _single(path: tuple[str, ...], value: Any, origin: Origin) -> Table:
    nested: Any = value
    for key in reversed(path):
        nested = {key: nested}
    return Table.of(nested, origin)


def _words(key: str) -> str:
    """Return a key as a variable spells it: ``maxTTL`` is ``MAX_TTL``."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", key).upper()
