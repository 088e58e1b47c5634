"""What happens once before a server answers: stores upgraded, rights established, plugins noted."""

from __future__ import annotations

import asyncio
import logging
import sys
from collections.abc import AsyncIterator, Collection, Iterator
from contextlib import asynccontextmanager

from ostiary import errors
from ostiary.composition import Core, find_plugins, make_backend, open_core
from ostiary.greeting import Greeting
from ostiary.key_settings import load_master_key
from ostiary.log import origin
from ostiary.offering import unknown
from ostiary.plugin_commands import unreachable
from ostiary.plugins import PluginError, Plugins
from ostiary.services.inventory import disabled
from ostiary.settings import Settings, SettingsError
from ostiary.settings.logo import read_logo
from ostiary.storage import Backend, Storage, StorageError, migrate
from ostiary.storage.store import CORE

logger = logging.getLogger(__name__)

LOUD = "!" * 72
NO_ADMINISTRATOR = (
    "there is no administrator: make one with `ostiary admin create NAME`, "
    "or in a browser, with what `ostiary admin setup-link` prints"
)


async def prepare(settings: Settings, words: Collection[str] = ()) -> Greeting:
    """Make everything ready for the processes that will answer; return what to tell then.

    :param words: the server's own commands: a plugin that is called so cannot have any.
    :raises StorageError: the stores are not fit for these settings; says what to do.
    :raises SettingsError: this machine has not the memory for hashes, or there is no such logo.
    """
    if settings.pages.logo is not None:
        # Those who will show it read it when somebody looks; what is wrong with it is told now.
        read_logo(settings.pages.logo)
    async with opened(settings) as core:
        # A thread makes it that needs no Python: the rest goes on meanwhile.
        trial = asyncio.create_task(core.stores[CORE].hasher.prepare())
        await establish(core)
        alone = not await core.services.users.admin_exists()
        first = alone and not settings.dev and await core.services.defaults.introduce()
        if alone and not (first or settings.dev):
            logger.warning(NO_ADMINISTRATOR)
        is_open = await core.services.defaults.is_open()
        if settings.dev:
            print(_DEV if is_open else _DEV_CLOSED, file=sys.stderr)
        elif is_open:
            raise StorageError(
                "these stores were made by --dev, where everybody may do everything: "
                "close them with `ostiary admin restrict`, or choose another --data"
            )
        if settings.failsafe:
            print(_FAILSAFE, file=sys.stderr)
        else:
            await _note_plugins(core)
            await _note_strategies(core)
            for name in unreachable(core.plugins, words):
                logger.warning(
                    "the commands of plugin %s cannot be run: the server has `ostiary %s`",
                    name,
                    name,
                )
        await core.services.journal.sweep()
        try:
            await trial
        except MemoryError as error:
            raise SettingsError(
                f"security.hashing: this machine makes no such hash: {error}"
            ) from None
        # Where everybody may do everything nobody needs it.
        known = is_open or settings.security.setup_secret is not None
        secret = None if known else core.setup_secret
        return Greeting(settings=settings, secret=secret, alone=alone, first=first)


@asynccontextmanager
async def opened(settings: Settings) -> AsyncIterator[Core]:
    """Open the stores; on SQLite they are brought up to date first."""
    master = load_master_key(settings)
    backend = make_backend(settings, master)
    plugins = find_plugins(settings, await disabled(backend))
    for warning in (*settings.warnings, *backend.warnings):
        logger.warning(warning)
    try:
        await _bring_all_up_to_date(backend, plugins, upgrade=settings.database.url is None)
    except BaseException:
        await backend.close()
        raise
    async with open_core(settings, plugins, master, backend) as core:
        yield core


async def establish(core: Core) -> None:
    """Write what every store has, if it is new, and whose strategies users may get from now on.

    :raises PluginError: a plugin declares the strategy of another, whom users still rely on.
    """
    await core.services.defaults.establish(opened=core.settings.dev)
    for plugin in core.plugins.loaded:
        try:
            await core.services.inventory.claim(
                plugin.name, [one.name for one in plugin.strategies]
            )
        except errors.StrategyOfAnother as taken:
            raise PluginError(
                f"plugin {plugin.name} declares the strategy {taken.props[0]!r}, of which users hold "
                "credentials that another plugin keeps: whoever it lets in would be them; uninstall "
                "it, or have done with the other one by `ostiary plugins remove`"
            ) from None
    await core.services.inventory.remember(core.plugins.loaded)
    await core.signing_keys.load()


def stores_of(plugins: Plugins) -> Iterator[tuple[str, Storage]]:
    """Yield the name and the storage of every store, the core's first."""
    yield CORE, migrate.CORE_STORAGE
    for plugin in plugins.loaded:
        if plugin.storage is not None:
            yield plugin.name, plugin.storage


async def bring_up_to_date(backend: Backend, name: str, storage: Storage) -> bool:
    """Bring a store to its newest revision; tell whether it is there.

    What fails for a plugin is logged, and costs the others nothing (decision 26).

    :raises StorageError: the core's store is ahead.
    """
    try:
        if (await migrate.status(backend, name, storage)).behind:
            await migrate.upgrade(backend, name, storage)
            logger.info("the store %s is at revision %s now", name, migrate.head(storage))
    except (Exception, SystemExit, KeyboardInterrupt) as error:
        if name == CORE:
            raise
        failure = str(error) if isinstance(error, StorageError) else origin(error)
        logger.error("the tables of plugin %s cannot be upgraded: %s", name, failure)  # noqa: TRY400
        return False
    return True


async def _bring_all_up_to_date(backend: Backend, plugins: Plugins, *, upgrade: bool) -> None:
    for name, storage in stores_of(plugins):
        if upgrade:
            await bring_up_to_date(backend, name, storage)
        elif name == CORE and (status := await migrate.status(backend, name, storage)).behind:
            raise StorageError(
                f"the store {name} is at revision {status.current or 'none'}, "
                f"{status.newest} is wanted: run `ostiary db upgrade`"
            )


async def _note_plugins(core: Core) -> None:
    """Say which plugins of earlier starts are gone, and which are not loaded."""
    for plugin in await core.services.inventory.gone(core.plugins.loaded):
        logger.warning(
            "plugin %s is gone: nobody can sign in with %s until it is installed again",
            plugin.name, ", ".join(plugin.strategies) or "its help",
        )  # fmt: skip
    for name, reason in core.plugins.refused.items():
        logger.warning("plugin %s is not loaded: %s", name, reason)
    if await core.services.door.look():
        print(f"{LOUD}\nNobody can sign in; see the line above.\n{LOUD}", file=sys.stderr)


async def _note_strategies(core: Core) -> None:
    """Say what is to be offered, or hidden, and is not there: it may come while the server runs."""
    await core.services.strategies.settle()
    for name in unknown(core.services.strategies, core.settings.pages.strategies):
        logger.warning("pages.strategies has %r, and there is no such strategy now", name)


_FAILSAFE = f"""{LOUD}
--failsafe: no plugin is loaded. Nobody can sign in, and only administrators are
answered: print a token of one with `ostiary admin token KUID`.
{LOUD}"""
_DEV = f"""{LOUD}
--dev: everybody on this machine may do everything, without signing in.
For trying things out only; these stores are marked, and will not serve otherwise.
{LOUD}"""
_DEV_CLOSED = f"""{LOUD}
--dev: passwords may be short, and stand in URLs; logins are not limited.
For trying things out only. The rights in these stores are restricted and stay so.
{LOUD}"""
