"""Disabling a plugin and enabling it again, and bringing its tables up to date."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct

from ostiary.composition import find_plugins, make_backend
from ostiary.events import PluginDisabled, PluginEnabled
from ostiary.key_settings import load_master_key
from ostiary.life.opening import House, opened
from ostiary.plugin_loading import installed
from ostiary.services.inventory import disabled
from ostiary.services.lockouts import Lockout, look
from ostiary.services.plugin_records import Record, Unfinished, known, of_nobody_else
from ostiary.settings import Settings
from ostiary.startup import stores_of
from ostiary.storage import StorageError, migrate
from ostiary.storage.store import CORE


class Prospect(Struct, frozen=True):
    """What it would mean to do without a plugin.

    :ivar installed: whether its package is there.
    :ivar size: of its store, in bytes.
    :ivar in_use: processes that are alive and have it loaded.
    :ivar unfinished: what was begun with its store and not finished.
    """

    record: Record
    strategies: Sequence[str]
    installed: bool
    lockout: Lockout
    size: int
    in_use: int
    unfinished: Unfinished | None

    @property
    def disabled(self) -> bool:
        """Whether it is left out of every start already."""
        return self.record.disabled_at is not None


async def examine(settings: Settings, name: str) -> Prospect:
    """Tell what it would mean to do without a plugin; change nothing.

    :raises StorageError: it was never here.
    """
    async with opened(settings) as house:
        return await prospect(house, name)


async def disable(settings: Settings, name: str, *, force: bool) -> None:
    """Leave a plugin out of every start from the next on; its store stays.

    :param force: even if no administrator could sign in any more.
    :raises StorageError: it was never here; or it is the last way in of administrators.
    """
    async with opened(settings) as house:
        found = await prospect(house, name)
        # Nobody loses what is gone already.
        if found.installed and not found.disabled:
            check_administrators(found, force=force)
        await house.records.disable(found.record)
        await house.events.emit(PluginDisabled(plugin=name))


async def enable(settings: Settings, name: str) -> bool:
    """Have a plugin loaded again from the next start on; tell whether it is installed.

    :raises StorageError: it is not disabled, or its store is half removed or half restored.
    """
    async with opened(settings) as house:
        if unfinished := await house.records.unfinished(name):
            raise StorageError(
                f"{unfinished.doing} the store of {name} was begun and not finished: "
                "run that command again first"
            )
        known(await house.records.find(name), name)
        if not await house.records.enable(name):
            raise StorageError(f"the plugin {name} is not disabled")
        await house.events.emit(PluginEnabled(plugin=name))
    return name in installed()


async def upgrade(settings: Settings, name: str | None) -> list[str]:
    """Bring the tables of every plugin, or of one, up to date; return what was done.

    :raises StorageError: a store is ahead; the others are upgraded all the same.
    """
    done, ahead = [], []
    backend = make_backend(settings, load_master_key(settings))
    try:
        plugins = find_plugins(settings, await disabled(backend))
        for store, storage in stores_of(plugins):
            if store == CORE or name not in (None, store):
                continue
            status = await migrate.compare(backend, store, storage)
            if status.ahead:
                ahead.append(status.advice)
                continue
            copy = await migrate.upgrade(backend, store, storage)
            told = (await migrate.compare(backend, store, storage)).reached
            was = f" (was {status.current or 'none'})" if status.behind else ""
            done.append(told + was + (f"; a copy of it as it was: {copy}" if copy else ""))
    finally:
        await backend.close()
    if ahead:
        raise StorageError("; ".join([*done, *ahead]))
    if not done and name is not None:
        raise StorageError(f"no plugin that is installed and enabled has a store named {name!r}")
    return done


async def prospect(house: House, name: str) -> Prospect:
    """Tell what it would mean to do without a plugin."""
    here, records = installed(), await house.records.all()
    record = next((one for one in records if one.name == name), None)
    if record is None and name in here:
        # It was installed and never started with, for it may be what stops the start.
        about = here[name].dist
        version = about.version if about else ""
        record = Record(name, about.name if about else "", version)
    record = known(record, name)
    strategies = of_nobody_else(record, records)
    others = await house.known_strategies(await house.others(name))
    return Prospect(
        record=record,
        strategies=strategies,
        installed=name in here,
        lockout=await look(house.store, strategies, set(others) - set(strategies)),
        size=await house.backend.size(name),
        in_use=await house.backend.presence.using(name),
        unfinished=await house.records.unfinished(name),
    )


def check_administrators(found: Prospect, *, force: bool) -> None:
    """Refuse to lose the last way in of administrators.

    :raises StorageError: it is.
    """
    if found.lockout.last_administrator and not force:
        raise StorageError(
            f"the plugin {found.record.name} is the last way in of every administrator: nothing was "
            "changed; give one of them another way to sign in, make another administrator "
            "with `ostiary admin create NAME`, or use --force"
        )
