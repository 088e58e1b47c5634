"""Every setting as it is in force, for people who look at a server: never a secret."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import MISSING
from pathlib import Path
from typing import Any

from ostiary.settings.declaring import declarations
from ostiary.settings.masking import HIDDEN
from ostiary.settings.sections import PLUGIN_TABLES
from ostiary.settings.sources import Described
from ostiary.settings.table import Origin, Table
from ostiary.settings.wording import wanted


def origins_in(table: Mapping[str, Any], owner: type, within: str = "") -> dict[str, Origin]:
    """Return where each setting below a dataclass was given, by its key; defaults are left out.

    What stands under another name of a setting is told under the setting's own.
    """
    found: dict[str, Origin] = {}
    for declared in declarations(owner):
        for key in filter(None, (declared.key, declared.alias)):
            if key not in table:
                continue
            path = f"{within}{declared.key}"
            origin = table.origins.get(key) if isinstance(table, Table) else None
            if declared.section:
                found |= origins_in(table[key], declared.type, f"{path}.")
            elif origin is not None and origin.source != "default":
                found[path] = origin
    return found


def tell(
    known: Iterator[Described], masked: Mapping[str, Any], origins: Mapping[str, Origin]
) -> list[dict[str, Any]]:
    """Return key, meaning, value and origin of every setting of the server.

    :param masked: the values in force, secrets hidden; see ``Settings.masked``.
    """
    return [
        {
            "key": described.key,
            "type": wanted(described.declared),
            "description": described.declared.doc,
            "unit": described.declared.unit,
            "default": _plain(described.default),
            "value": _value(described, masked),
            "secret": described.declared.masked is not None or described.declared.confidential,
            "environment": described.variable,
            **_origin(origins.get(described.key)),
        }
        for described in known
        if not described.alias and PLUGIN_TABLES not in described.key
    ]


def tell_of_plugins(tables: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the keys that are given to plugins; which of their values are secret, they alone know."""
    return [
        {"plugin": name, "key": key, "value": HIDDEN, **_origin(origin)}
        for name, table in sorted(tables.items())
        for key, origin in _leaves(table)
    ]


def _leaves(table: Mapping[str, Any], within: str = "") -> Iterator[tuple[str, Origin | None]]:
    for key, value in table.items():
        if isinstance(value, Mapping) and value:
            yield from _leaves(value, f"{within}{key}.")
        else:
            yield f"{within}{key}", table.origins.get(key) if isinstance(table, Table) else None


def _value(described: Described, masked: Mapping[str, Any]) -> Any:
    value: Any = masked
    for key in described.key.split("."):
        value = value[key]
    return HIDDEN if described.declared.confidential and value is not None else value


def _origin(origin: Origin | None) -> dict[str, str | None]:
    if origin is None:
        return {"source": "default", "from": None}
    return {"source": origin.source, "from": origin.name}


def _plain(default: Any) -> Any:
    """Return a default as JSON knows it; None if there is none."""
    if default is MISSING:
        return None
    if isinstance(default, tuple):
        return list(default)
    return str(default) if isinstance(default, Path) else default
