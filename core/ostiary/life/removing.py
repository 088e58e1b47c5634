"""Removing a plugin's store: archived first, then its users' strategies, then the tables.

Each step leaves a state from which the command can be run again: everything is
there, or the archive is and what is left of the rest. In this order:

1. the plugin is disabled, so that no start loads it;
2. the archive is written and read back;
3. in one transaction the core takes the strategies off the users, ends their
   sessions and notes that the store has to go, and which archive holds it;
4. the store is removed;
5. what the core knew of the plugin is removed, with the note.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec import Struct

from ostiary.clock import now
from ostiary.events import PluginRemoved
from ostiary.life.opening import House, opened
from ostiary.life.switching import Prospect, check_administrators, prospect
from ostiary.services.plugin_records import REMOVING, Unfinished
from ostiary.settings import Settings
from ostiary.storage import StorageError, archive, migrate, rows
from ostiary.storage.archive import Header

if TYPE_CHECKING:
    from sqlalchemy import Connection

EMPTY = "-"
"""Stands for the archive of a plugin that has kept nothing."""


class Removal(Struct, frozen=True):
    """What was done, and what is left for the operator.

    :ivar archive: None if there was nothing to keep.
    :ivar sessions: how many have ended.
    :ivar statements: SQL for an administrator of the database.
    :ivar copies: files that upgrades have left, with the same secrets in them.
    :ivar still_installed: whether the package is there, and the plugin therefore disabled.
    """

    archive: Path | None
    credentials: int
    sessions: int
    statements: Sequence[str]
    copies: Sequence[Path]
    still_installed: bool


async def remove(
    settings: Settings,
    name: str,
    *,
    archive: Path | None = None,
    force: bool = False,
    admin_url: str | None = None,
) -> Removal:
    """Archive a plugin's store and remove it, with what the core knows of its users.

    :param archive: where to; None is in the data folder.
    :param force: even if a server has it loaded, if no administrator could sign in any
        more, or if the archive of a removal that was begun cannot be found.
    :param admin_url: drops the roles on PostgreSQL; without it their SQL is returned.
    :raises StorageError: it was never here, or one of these.
    """
    async with opened(settings) as house:
        found = await prospect(house, name)
        await _check(house, found, force=force)
        await house.records.disable(found.record)
        unfinished, sessions = await _taken_out(house, found, archive, force=force)
        await house.backend.drop(name)
        await house.records.forget(name, keep=found.installed)
        await house.events.emit(PluginRemoved(plugin=name))
        return Removal(
            archive=None if unfinished.archive == EMPTY else Path(unfinished.archive),
            credentials=found.lockout.credentials,
            sessions=sessions,
            statements=await _drop_roles(settings, name, admin_url),
            copies=_copies(settings, name),
            still_installed=found.installed,
        )


async def _check(house: House, found: Prospect, *, force: bool) -> None:
    name = found.record.name
    check_administrators(found, force=force)
    if found.unfinished and found.unfinished.doing != REMOVING:
        raise StorageError(
            f"{found.unfinished.doing} the store of {name} was begun and not finished: "
            f"run `ostiary plugins restore {found.unfinished.archive}` again first"
        )
    if found.in_use and not force:
        raise StorageError(
            f"{found.in_use} processes of a running server have the plugin {name} loaded: disable "
            f"it with `ostiary plugins disable {name}`, restart the servers, and remove it then; "
            "or use --force"
        )


async def _taken_out(
    house: House, found: Prospect, wanted: Path | None, *, force: bool
) -> tuple[Unfinished, int]:
    """Do the steps 2 and 3, unless they are done; return the note, and how many sessions ended."""
    if found.unfinished is not None and _holds(house, found.unfinished, force=force):
        return found.unfinished, 0
    name = found.record.name
    unfinished = Unfinished(REMOVING, EMPTY, EMPTY)
    revision = await _revision(house, name)
    if revision is not None:
        path = (wanted or _place(house.settings, name, revision)).absolute()
        unfinished = Unfinished(REMOVING, str(path), await _archive(house, found, revision, path))
    return unfinished, await house.departures.take(name, found.strategies, unfinished)


def _holds(house: House, unfinished: Unfinished, *, force: bool) -> bool:
    """Tell whether the archive of a removal that was begun is still what it was.

    :raises StorageError: it is not; what it held of the core is nowhere else.
    """
    if unfinished.archive == EMPTY:
        return True
    try:
        held = archive.read(Path(unfinished.archive), house.archive_keys())
    except StorageError as error:
        if force:
            return False
        raise StorageError(
            f"{error}; it is the archive of a removal that was begun: put it back, or use --force "
            "to write another one, which cannot tell any more whose credentials are in it"
        ) from None
    if held.seal != unfinished.seal:
        raise StorageError(f"{unfinished.archive} is not the archive that was written")
    return True


async def _revision(house: House, name: str) -> str | None:
    """Return the revision of a plugin's store, or None if there is no such store."""
    if await house.backend.size(name) == 0:
        return None
    return await house.backend.revision(name)


async def _archive(house: House, found: Prospect, revision: str, path: Path) -> str:
    """Write the archive, read it back, and return its seal."""
    record, key = found.record, house.archive_keys()[0]
    holders = await house.departures.holders(found.strategies)
    erasing = await house.departures.erasing(found.strategies)

    def work(connection: Connection) -> int:
        header = Header(
            plugin=record.name,
            distribution=record.distribution,
            version=record.version,
            strategies=found.strategies,
            wraps=record.wraps,
            revision=migrate.current(connection) or revision,
            tables=rows.tables_of(connection),
            created=now(),
            master_key=house.master.check_value(),
        )
        written = 0
        with archive.writing(path, key) as put:
            put(archive.header_line(header))
            for holder in holders:
                put(archive.holder_line(holder))
            for kuid, strategy in erasing:
                put(archive.erasing_line(kuid, strategy))
            for row in rows.dump(connection):
                put(archive.row_line(row))
                written += 1
        return written

    written = await house.backend.alter(record.name, work)
    held = archive.read(path, [key])
    if (held.rows, held.holders, held.erasing) != (written, list(holders), list(erasing)):
        raise StorageError(f"{path} does not hold what was written to it: nothing was removed")
    return held.seal


def _place(settings: Settings, name: str, revision: str) -> Path:
    stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%S.%fZ")
    return settings.data.dir / "archive" / f"{name}-{revision}-{stamp}.ostiary-store"


def _copies(settings: Settings, name: str) -> list[Path]:
    if settings.database.url is not None:
        return []
    return sorted(settings.data.dir.glob(f"{name}.db.*.bak"))


async def _drop_roles(settings: Settings, name: str, admin_url: str | None) -> Sequence[str]:
    """Drop the roles of a store, or return the SQL that does."""
    url = settings.database.url
    if url is None or settings.database.isolation == "shared-role":
        return ()
    from ostiary.storage import provision
    from ostiary.storage.access import database_of

    if admin_url is None:
        return provision.farewell(name)
    await provision.dismiss(admin_url, name, database_of(url))
    return ()
