"""The command that replaces the master key: where the keys stand, and in which order things happen.

A key in the file of the data folder is made and put there by the command itself:
first beside the old one, at last alone. Keys that are configured elsewhere are
the operator's: both are given before, and the old one is given no more after.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from ostiary import key_sources
from ostiary.composition import Core, require_stores
from ostiary.events import MasterKeyRotated
from ostiary.key_settings import load_master_key, master_key_file
from ostiary.keys import MasterKey
from ostiary.services.master_keys import seal_again
from ostiary.settings import Settings
from ostiary.startup import opened, stores_of
from ostiary.storage import StorageError
from ostiary.storage.sqlite_files import alone

NOT_GIVEN = (
    "no new master key is given: make one, give it to every machine in front of the one in force "
    "(OSTIARY_MASTER_KEY=new,old, or so from security.masterKeyCommand), restart, and come back"
)
UNFINISHED = "a new master key is given and not in force yet: run `ostiary keys rotate-master`"
DROP = (
    "On PostgreSQL run `ostiary db provision` now: the roles get new passwords.\n"
    "Then give the new master key alone."
)


async def rotate_master_key(
    settings: Settings, say: Callable[[str], None], *, finish: bool = False
) -> None:
    """Replace the master key, and seal again what the old one has sealed.

    It may be ended at any moment, and goes on where it was when it is run again.

    :param finish: the key in force stays; only seal again.
    :raises StorageError: there is no new key, or something cannot be opened any more.
    """
    require_stores(settings)
    file = master_key_file(settings)
    async with _alone(file), opened(settings) as core:
        if finish:
            if core.master_keys.master.successor() is not None:
                raise StorageError(UNFINISHED)
        elif not _was_cut_off(file, core):
            await _replace(file, core, settings)
            say("The new master key is in force.")
        if file is not None:
            key_sources.replace(file, core.master_keys.master.alone().text())
        await core.master_keys.settled()
        await _seal_again(core, say)
        if file is None:
            say(DROP)


async def _replace(file: Path | None, core: Core, settings: Settings) -> None:
    master = core.master_keys.master
    successor = master.successor()
    if successor is None:
        if file is None:
            raise StorageError(NOT_GIVEN)
        successor = MasterKey.random()
        # On the disk before the store knows of it: nothing may need a key that can be lost.
        key_sources.replace(file, successor.beside(master).text())
        master.hear(load_master_key(settings))
    await core.master_keys.replace(successor)
    await core.services.events.emit(MasterKeyRotated())


def _was_cut_off(file: Path | None, core: Core) -> bool:
    """Tell whether the new key is in force, and the old one still stands beside it in the file."""
    master = core.master_keys.master
    return file is not None and master.pair and master.successor() is None


async def _seal_again(core: Core, say: Callable[[str], None]) -> None:
    for name, storage in stores_of(core.plugins):
        done, lost = await seal_again(core.stores[name], storage.tables)
        say(f"Sealed again in the store {name}: {done}.")
        if lost:
            raise StorageError(
                f"{lost} secrets in the store {name} cannot be opened with any key; see the log"
            )


@asynccontextmanager
async def _alone(file: Path | None) -> AsyncIterator[None]:
    """Let nobody else replace the file meanwhile: a key that was put in force could be lost."""
    if file is None:
        yield
        return
    async with alone(file.with_suffix(".lock")):
        yield
