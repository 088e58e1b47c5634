"""What a plugin is called on the wire, whose errors are whose, and which hooks it speaks."""

from __future__ import annotations

import re
from collections.abc import Iterable
from importlib.metadata import EntryPoint
from typing import Any

from pluggy import PluginManager

from ostiary import hookspecs
from ostiary.errors import CATALOGUE, OstiaryError
from ostiary.plugins import Plugin, PluginError

WIRE_NAME = re.compile(r"[a-z][a-z0-9_-]{0,62}")
VERSION = "ostiary_hooks_version"
DOMAIN = 0x04
"""The first byte of the code of every error of a plugin (contract, 2.6)."""


def wire_name(plugin: str, told: Any) -> str:
    """Return what a plugin is called on the wire.

    :param told: what its hook returned; None without one.
    """
    name = plugin if told is None else told
    if not isinstance(name, str) or not WIRE_NAME.fullmatch(name):
        raise PluginError(
            f"plugin {plugin}: ostiary_wire_name gave {name!r}: it must match [a-z][a-z0-9_-]*"
        )
    return name


def hooks_version(manager: PluginManager, entry: EntryPoint, module: object) -> int:
    """Return the version of the hooks that a plugin was written for.

    It is asked before anything else of the plugin is looked at, which may be unknown here.

    :raises PluginError: this server does not speak it; says what to upgrade.
    """
    if manager.parse_hookimpl_opts(module, VERSION) is None:
        return 1
    try:
        version = getattr(module, VERSION)()
    except Exception as error:
        raise PluginError(f"plugin {entry.name}: hook {VERSION} failed: {error!r}") from error
    if type(version) is not int:
        raise PluginError(f"plugin {entry.name}: hook {VERSION} gave {version!r}, no number")
    written = f"plugin {entry.name} was written for version {version} of the hooks"
    if version > hookspecs.HOOKS_VERSION:
        raise PluginError(
            f"{written}, this server has version {hookspecs.HOOKS_VERSION}: upgrade ostiary"
        )
    if version < hookspecs.OLDEST_HOOKS:
        package = entry.name if entry.dist is None else entry.dist.name
        raise PluginError(
            f"{written}, this server speaks none before version {hookspecs.OLDEST_HOOKS}: "
            f"upgrade the package {package}"
        )
    return version


def check_errors(plugins: Iterable[Plugin]) -> None:
    """Refuse plugins whose errors are not called by their own names.

    :raises PluginError: says which error, and what it must be called.
    """
    prefixes: dict[str, dict[str, str]] = {}
    for plugin in plugins:
        named = prefixes.setdefault(plugin.package, {})
        named[f"plugin.{plugin.wire_name}."] = plugin.name
    for error in CATALOGUE.values():
        named = prefixes.get(package_of(error.__module__), {})
        plugin_names = " and ".join(named.values())
        if named and not error.id.startswith(tuple(named)):
            raise PluginError(
                f"plugin {plugin_names}: the id of its error {error.id!r} must begin "
                f"with {' or '.join(map(repr, named))}"
            )
        if named and error.code >> 24 != DOMAIN:
            raise PluginError(
                f"plugin {plugin_names}: the code of its error {error.id!r} must begin "
                f"with 0x04, like 0x04_12_0001"
            )


def whose(error: type[OstiaryError], entries: Iterable[EntryPoint]) -> str:
    """Return who declared an error: the plugin of one of some entry points, or a package."""
    package = package_of(error.__module__)
    if package == "ostiary":
        return "the server itself"
    plugins = (f"the plugin {one.name}" for one in entries if package_of(one.value) == package)
    return next(plugins, f"the package {package}")


def package_of(module: str) -> str:
    """Return the import package that a module, or the value of an entry point, is in."""
    return module.partition(":")[0].partition(".")[0]
