"""Restoring an archive into the store of a plugin that is installed.

1. the plugin is disabled, and what is begun is noted;
2. in one transaction the tables are made at the archive's revision, filled, and
   brought up to date;
3. in another one the core gives the users their strategies back, notes whose
   credentials are to be erased, and enables the plugin.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec import Struct

from ostiary.clock import now
from ostiary.events import PluginRestored
from ostiary.life.opening import House, opened
from ostiary.plugins import Plugin
from ostiary.services.departures import Return
from ostiary.services.plugin_records import RESTORING, Record, Unfinished
from ostiary.settings import Settings
from ostiary.storage import Storage, StorageError, archive, migrate, rows
from ostiary.storage.archive import Archive, Header

if TYPE_CHECKING:
    from sqlalchemy import Connection


class Restored(Struct, frozen=True):
    """What was restored.

    :ivar revision: of the tables, after they were brought up to date.
    """

    plugin: str
    rows: int
    revision: str
    users: Return


async def restore(settings: Settings, path: Path, *, force: bool = False) -> Restored:
    """Fill the store of a plugin from an archive, and enable the plugin.

    Users who were deleted since, or whose kuid belongs to another user now, get nothing back.

    :param force: even if a server has the plugin loaded.
    :raises StorageError: the file is not fit, the plugin not there, or its store not empty.
    """
    async with opened(settings) as house:
        held = archive.read(path, house.archive_keys())
        name = held.header.plugin
        plugin, storage = await _plugin(house, held.header)
        await _check_use(house, name, force=force)
        begun = Unfinished(RESTORING, _lasting(path), held.seal)
        if await _goes_on(house, name, begun):
            filled = await _filled(house, name, storage)
        else:
            await _check_empty(house, name)
            filled = False
        await house.records.disable(_record(plugin))
        await house.records.begin(name, begun)
        if not filled:
            await _fill(house, path, held, storage)
        users = await house.departures.give_back(name, held.holders, held.erasing)
        await house.events.emit(PluginRestored(plugin=name))
        return Restored(name, held.rows, migrate.head(storage), users)


async def _plugin(house: House, header: Header) -> tuple[Plugin, Storage]:
    """Return the plugin of an archive, which has to know its tables."""
    name = header.plugin
    plugins = await house.only_with(name)
    plugin = next((one for one in plugins.loaded if one.name == name), None)
    if plugin is None or plugin.storage is None:
        reason = plugins.refused.get(name, "it is not installed")
        raise StorageError(
            f"the plugin {name} is needed and cannot be loaded ({reason}): "
            f"install {header.distribution or name} {header.version}, or a later version"
        )
    status = migrate.Status(name, header.revision, migrate.head(plugin.storage))
    if status.ahead:
        raise StorageError(
            f"the archive is at revision {header.revision}, and version {plugin.version} of {name} "
            f"knows none after {status.newest}: install version {header.version} or a later one"
        )
    return plugin, plugin.storage


async def _check_use(house: House, name: str, *, force: bool) -> None:
    if (in_use := await house.backend.presence.using(name)) and not force:
        raise StorageError(
            f"{in_use} processes of a running server have the plugin {name} loaded: stop them, "
            "or disable the plugin and restart them; or use --force"
        )


async def _goes_on(house: House, name: str, begun: Unfinished) -> bool:
    """Tell whether the same archive was being restored when the command ended."""
    unfinished = await house.records.unfinished(name)
    if unfinished is None:
        return False
    if (unfinished.doing, unfinished.seal) != (begun.doing, begun.seal):
        raise StorageError(
            f"{unfinished.doing} the store of {name} was begun and not finished, with "
            f"{unfinished.archive}: run that command again first"
        )
    return True


async def _filled(house: House, name: str, storage: Storage) -> bool:
    """Tell whether the second step was done: it is done wholly or not at all."""
    if (await migrate.compare(house.backend, name, storage)).behind:
        return False
    return await house.backend.alter(name, lambda connection: any(rows.dump(connection)))


async def _check_empty(house: House, name: str) -> None:
    """Refuse a store that holds anything, before anything is changed."""
    if await house.backend.revision(name) is None:
        return
    if await house.backend.alter(name, lambda connection: any(rows.dump(connection))):
        raise StorageError(
            f"the store {name} is not empty: an archive is restored only into an empty one; "
            f"`ostiary plugins remove {name}` archives what is there first"
        )


async def _fill(house: House, path: Path, held: Archive, storage: Storage) -> None:
    header, keys = held.header, house.archive_keys()

    def work(connection: Connection) -> None:
        rows.clear(connection)
        migrate.run_revisions(connection, storage, header.revision)
        _check_tables(rows.tables_of(connection), header)
        rows.load(connection, archive.rows(path, keys))
        migrate.run_revisions(connection, storage)

    await house.backend.alter(header.plugin, work)


def _check_tables(found: dict[str, list[str]], header: Header) -> None:
    """Refuse an archive of other tables: somebody has changed a revision that was released."""
    archived = {table: sorted(columns) for table, columns in header.tables.items()}
    if {table: sorted(columns) for table, columns in found.items()} != archived:
        differing = ", ".join(_differing(found, header.tables))
        raise StorageError(
            f"the tables of {header.plugin} at revision {header.revision} are not those of the "
            f"archive: {differing}"
        )


def _differing(found: dict[str, list[str]], archived: object) -> Iterable[str]:
    assert isinstance(archived, dict)
    names = {*found, *archived}
    return sorted(one for one in names if found.get(one) != archived.get(one))


def _lasting(path: Path) -> str:
    """Return where a file is, whatever folder the next command is run in."""
    return str(path.absolute())


def _record(plugin: Plugin) -> Record:
    return Record(
        name=plugin.name,
        distribution=plugin.distribution,
        version=plugin.version,
        strategies=tuple(strategy.name for strategy in plugin.strategies),
        wraps=plugin.wraps,
        seen_at=now(),
    )
