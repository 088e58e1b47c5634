"""What commands have of plugins, and where theirs work: with open stores, users in batches."""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NoReturn, cast

from msgspec import Struct

from ostiary import __version__
from ostiary.commands import Command, CommandError, Enrolled, Recruit, Workplace, Write
from ostiary.composition import Core, find_plugins, has_stores, make_backend, require_stores
from ostiary.directory import Directory
from ostiary.errors import OstiaryError, UnknownStrategy
from ostiary.key_settings import load_master_key
from ostiary.keys import MasterKeyError
from ostiary.log import origin, printable
from ostiary.plugin_commands import commands_of
from ostiary.plugin_loading import DISABLED, NOT_ALLOWED, load_plugins
from ostiary.plugins import PluginError
from ostiary.services.enrolment import Enrolment
from ostiary.services.inventory import disabled
from ostiary.services.users import Users
from ostiary.settings import Settings, SettingsError
from ostiary.startup import establish, opened
from ostiary.storage import OwnStore, StorageError
from ostiary.strategies import Strategy, User


def find_commands(settings: Settings, plugin: str) -> tuple[Command, ...]:
    """Load one plugin, and no other, and return its commands.

    :raises PluginError: it is not to be loaded, cannot be, or declares them wrongly.
    """
    allow = settings.plugins.allow
    if allow is not None and plugin not in allow:
        raise PluginError(f"plugin {plugin} is not loaded: {NOT_ALLOWED}")
    if plugin in asyncio.run(_disabled(settings)):
        raise PluginError(f"plugin {plugin} is not loaded: {DISABLED}")
    table = {name: one for name, one in settings.plugins.tables.items() if name == plugin}
    plugins = load_plugins(
        table, [plugin], dev=settings.dev, version=__version__, pages_url=settings.pages_url
    )
    return commands_of(plugins, plugin)


def check_plugins(settings: Settings) -> None:
    """Load the plugins of the next start, to find what would stop it; no store is needed.

    :raises SettingsError: a setting of a plugin is wrong.
    :raises PluginError: a plugin stops the start in another way.
    """
    try:
        find_plugins(settings)
    except (PluginError, SettingsError) as wrong:
        # Only now: most settings can be told before there are stores, or where they are away.
        try:
            left_out = asyncio.run(_disabled(settings))
        except (MasterKeyError, StorageError):
            raise wrong from None
        if not left_out:
            raise
        find_plugins(settings, left_out)


async def run(
    settings: Settings, plugin: str, command: Command, options: argparse.Namespace
) -> None:
    """Run a command of a plugin, with the server running or not.

    :raises CommandError: as the command says.
    :raises StorageError: there are no stores, and the command makes none.
    :raises PluginError: the plugin is not loaded, or has failed; the log of neither quotes what
        it worked with.
    """
    needed = command.stores(options)
    if needed == "unused":
        await _run(plugin, command, options, cast("Workplace", _NoStores(plugin)))
        return
    if needed == "there":
        require_stores(settings)
    elif not has_stores(settings):
        sys.stderr.write(printable(f"a new server is made in {settings.data.dir}") + "\n")
    async with opened(settings) as core:
        await establish(core)
        # What an interrupted command has left would stand in the way of the same again.
        await core.services.journal.sweep()
        await _run(plugin, command, options, _workplace(core, plugin))


class _PluginWorkplace(Struct, frozen=True):
    """The workplace of one plugin."""

    strategies: Mapping[str, Strategy]
    store: OwnStore
    directory: Directory
    _users: Users
    _enrolment: Enrolment

    def tell(self, line: str) -> None:
        _tell(line)

    async def users(self, kuids: Iterable[str]) -> Mapping[str, User]:
        return {user.kuid: user.shown() for user in await self._users.many(kuids)}

    async def examine(
        self, strategy: str, recruits: Sequence[Recruit], *, join: bool = False
    ) -> Enrolled:
        return await self._enrolment.examine(self._own(strategy), recruits, join=join)

    async def enrol(
        self, strategy: str, recruits: Sequence[Recruit], write: Write, *, join: bool = False
    ) -> Enrolled:
        return await self._enrolment.enrol(self._own(strategy), recruits, write, join=join)

    def _own(self, strategy: str) -> str:
        if strategy not in self.strategies:
            raise UnknownStrategy(strategy)
        return strategy


class _NoStores(Struct, frozen=True):
    """The workplace of a command that needs no stores."""

    plugin: str

    def tell(self, line: str) -> None:
        _tell(line)

    def __getattr__(self, name: str) -> NoReturn:
        raise PluginError(f"plugin {self.plugin}: a command without stores has no {name}")


async def _run(
    plugin: str, command: Command, options: argparse.Namespace, workplace: Workplace
) -> None:
    try:
        await command.run(options, workplace)
    except (CommandError, OstiaryError, PluginError, SettingsError, StorageError, BrokenPipeError):
        raise
    except Exception as error:  # noqa: BLE001 - a plugin may raise anything
        told = f"plugin {plugin}: {command.name} failed: {origin(error)}"
        raise PluginError(told) from None


def _tell(line: str) -> None:
    sys.stdout.write(f"{printable(line)}\n")


def _workplace(core: Core, plugin: str) -> Workplace:
    if plugin not in (one.name for one in core.plugins.loaded):
        reason = core.plugins.refused.get(plugin, "it is not installed")
        raise PluginError(f"plugin {plugin} is not loaded: {reason}")
    services = core.services
    store: Any = core.stores.get(plugin)
    return _PluginWorkplace(
        services.strategies.of(plugin),
        store,
        services.directories.of(plugin),
        services.users,
        services.enrolment,
    )


async def _disabled(settings: Settings) -> frozenset[str]:
    """Return the plugins that an operator has disabled; none where nothing was ever kept."""
    if not has_stores(settings):
        return frozenset()
    backend = make_backend(settings, load_master_key(settings))
    try:
        return await disabled(backend)
    finally:
        await backend.close()
