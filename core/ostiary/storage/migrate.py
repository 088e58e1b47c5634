"""The revisions of each store: which it has, which it lacks, and how it gets them.

A revision says with ``oldest`` which code still works on its tables: all that knows
that revision, and none after. It is noted in the store, beside the revision, so that
a server of an older version can tell whether it may serve.

Alembic is imported only where it is used: a start with every store up to date
never loads it.
"""

from __future__ import annotations

import logging
import re
from argparse import Namespace
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.resources import as_file, files
from pathlib import Path
from typing import TYPE_CHECKING, Any

from msgspec import Struct
from msgspec.structs import replace
from sqlalchemy import column, inspect, table, update

from ostiary.storage.store import Backend, Indexes, Storage, StorageError
from ostiary.storage.tables import metadata

if TYPE_CHECKING:
    from alembic.config import Config
    from sqlalchemy import Connection

REVISION = re.compile(r"(?P<revision>\d{4})_\w+\.py")

VERSION_TABLE = "alembic_version"
"""Where Alembic keeps the revision of a store."""

BEFOREHAND = "beforehand"
"""What a revision calls the indexes that it makes and that may be built before it."""

OLDEST = "oldest"
"""The column beside the revision of a store, and what a revision calls it."""

log = logging.getLogger(__name__)

CORE_STORAGE = Storage(metadata, files("ostiary_migrations") / "versions")


class Status(Struct, frozen=True):
    """The revision that a store has, or None, and the newest that its owner ships.

    :ivar oldest: what is noted of a newer store: whoever knows this revision may use it.
    """

    store: str
    current: str | None
    newest: str
    oldest: str | None = None

    @property
    def behind(self) -> bool:
        """Whether the store must be upgraded before it is used."""
        return self.current is None or self.current < self.newest

    @property
    def newer(self) -> bool:
        """Whether a newer version of its owner has upgraded the store."""
        return self.current is not None and self.current > self.newest

    @property
    def compatible(self) -> bool:
        """Whether the store is newer, and may be used all the same."""
        return self.newer and self.oldest is not None and self.oldest <= self.newest

    @property
    def ahead(self) -> bool:
        """Whether the store is newer, and may not be used."""
        return self.newer and not self.compatible

    @property
    def state(self) -> str:
        """What operators are told."""
        if self.newer:
            return "newer, compatible" if self.compatible else "ahead"
        return "behind" if self.behind else "up to date"

    @property
    def advice(self) -> str:
        """What to do with a store that is ahead."""
        return (
            f"the store {self.store} is at revision {self.current}, and this version knows none "
            f"after {self.newest}: install the version that upgraded it, or restore a backup"
        )

    @property
    def reached(self) -> str:
        """What an upgrade has come to, of a store that may be used."""
        reached = f"{self.store} is at revision {self.current}"
        if not self.compatible:
            return reached
        return (
            f"{reached}; this version knows none after {self.newest}, which works on it, "
            "and has nothing to do"
        )


def revisions(storage: Storage) -> list[str]:
    """Return the revisions, the oldest first, from the names of the files alone."""
    found = [REVISION.fullmatch(file.name) for file in storage.revisions.iterdir()]
    return sorted(match["revision"] for match in found if match)


def head(storage: Storage) -> str:
    """Return the newest revision.

    :raises StorageError: there is none.
    """
    found = revisions(storage)
    if not found:
        raise StorageError(f"no revision NNNN_words.py in {storage.revisions}")
    return found[-1]


async def compare(backend: Backend, name: str, storage: Storage) -> Status:
    """Compare the revision of a store with the newest."""
    found = Status(name, await backend.revision(name), head(storage))
    if not found.newer:
        return found
    # Older versions have made no second column. One row tells both, whoever upgrades meanwhile.
    ((current, *noted),) = await backend.look(name, f"SELECT * FROM {VERSION_TABLE}")  # noqa: S608 - a constant
    return replace(found, current=current, oldest=noted[0] if noted else None)


async def status(backend: Backend, name: str, storage: Storage) -> Status:
    """Compare the revision of a store with the newest, which has to work on it.

    :raises StorageError: the store is ahead, and this version does not know its tables.
    """
    found = await compare(backend, name, storage)
    if found.ahead:
        raise StorageError(found.advice)
    if found.compatible:
        log.info(
            "the store %s is at revision %s, newer than %s, and may be used by what knows %s",
            name, found.current, found.newest, found.oldest,
        )  # fmt: skip
    return found


async def upgrade(backend: Backend, name: str, storage: Storage) -> str | None:
    """Bring a store to the newest revision, all or nothing.

    :returns: where the copy of the store as it was is, if the database makes one.
    :raises StorageError: the store is ahead.
    """
    before = await status(backend, name, storage)
    if not before.behind:
        return None
    indexes = {} if before.current is None else indexes_after(storage, before.current)
    if indexes:
        await backend.build(name, indexes)

    def work(connection: Connection) -> str | None:
        # Another process may have done it while this one waited for its turn, or more than that.
        found = current(connection)
        if found and found >= head(storage):
            return None
        copy = backend.backup(name, found) if found else None
        if connection.dialect.name == "postgresql":
            from ostiary.storage.index_builds import remove_half_built
            from ostiary.storage.table_locks import lock_tables

            lock_tables(connection)
            remove_half_built(connection, indexes)
        run_revisions(connection, storage)
        return copy

    copy = await backend.alter(name, work)
    await status(backend, name, storage)
    return copy


async def drift(backend: Backend, name: str, storage: Storage) -> list[Any]:
    """Return the differences between the declared tables and what the revisions have built."""

    def work(connection: Connection) -> list[Any]:
        from alembic.autogenerate import compare_metadata
        from alembic.migration import MigrationContext

        options = {"compare_type": True, "compare_server_default": True}
        context = MigrationContext.configure(connection, opts=options)
        return list(compare_metadata(context, storage.tables))

    return await backend.alter(name, work)


async def write(backend: Backend, name: str, storage: Storage, words: str) -> Path:
    """Write a revision that makes an up-to-date store equal to the declared tables.

    For authors: the file is put beside the others, and wants to be read.
    """
    following = f"{int(max(revisions(storage), default='0')) + 1:04}"

    def work(connection: Connection) -> Path:
        from alembic import command

        with _configured(connection, storage) as config:
            script = command.revision(config, words, autogenerate=True, rev_id=following)
        if script is None or isinstance(script, list):
            raise StorageError("nothing was written")
        return Path(script.path)

    return await backend.alter(name, work)


def current(connection: Connection) -> str | None:
    """Return the revision of the store that a connection may alter, or None."""
    from alembic.migration import MigrationContext

    return MigrationContext.configure(connection).get_current_revision()


def run_revisions(connection: Connection, storage: Storage, target: str = "head") -> None:
    """Run the revisions up to one, in the transaction of a connection that may alter a store."""
    from alembic import command

    with _configured(connection, storage) as config:
        command.upgrade(config, target)
    _note(connection, oldest_at(storage, target))


def oldest_at(storage: Storage, target: str = "head") -> str:
    """Return the oldest revision whose code still works on the tables of another one.

    What one revision has broken for older code no later one makes whole.
    """
    last = head(storage) if target == "head" else target
    return max(oldest for one, oldest in declared(storage).items() if one <= last)


def declared(storage: Storage) -> dict[str, str]:
    """Return what each revision calls the oldest that works on its tables: itself, if nothing.

    :raises StorageError: one names a revision that does not come before it.
    """
    found = {one.revision: getattr(one, OLDEST, one.revision) for one in _modules(storage)}
    for revision, oldest in found.items():
        if oldest not in found or oldest > revision:
            raise StorageError(
                f"revision {revision}: {OLDEST} is {oldest!r}, which is neither it nor one before it"
            )
    return found


def indexes_after(storage: Storage, revision: str) -> Indexes:
    """Return the indexes that the revisions after one name, to be built before them.

    Those revisions make them with ``if_not_exists``, where nobody has.
    """
    found: dict[str, tuple[str, Sequence[str]]] = {}
    for module in _modules(storage):
        if module.revision > revision:
            found |= getattr(module, BEFOREHAND, {})
    return found


def _modules(storage: Storage) -> list[Any]:
    """Return the revisions as they were written, the oldest first."""
    from alembic.script import ScriptDirectory

    with _configured(None, storage) as config:
        scripts = list(ScriptDirectory.from_config(config).walk_revisions())
    return [one.module for one in reversed(scripts)]


def _note(connection: Connection, oldest: str) -> None:
    """Note in the store who may use it; the row is there, with the revision."""
    if OLDEST not in {one["name"] for one in inspect(connection).get_columns(VERSION_TABLE)}:
        connection.exec_driver_sql(f"ALTER TABLE {VERSION_TABLE} ADD COLUMN {OLDEST} VARCHAR(32)")
    connection.execute(update(table(VERSION_TABLE, column(OLDEST))).values({OLDEST: oldest}))


@contextmanager
def _configured(connection: Connection | None, storage: Storage) -> Iterator[Config]:
    """Set the one environment up for one store; without a connection only to read revisions."""
    from alembic.config import Config

    environment = as_file(files("ostiary_migrations"))
    with environment as script_location, as_file(storage.revisions) as versions:
        # Alembic tells on standard output what it writes, unless its command line says no.
        config = Config(cmd_opts=Namespace(quiet=True))
        config.attributes.update(connection=connection, tables=storage.tables)
        for option, value in {
            "script_location": str(script_location),
            "version_locations": str(versions),
            # A path may hold any separator but this one.
            "path_separator": "newline",
            "file_template": "%(rev)s_%(slug)s",
        }.items():
            config.set_main_option(option, value.replace("%", "%%"))
        yield config
