"""What authors of plugins do from the command line: writing the revisions of their stores."""

from __future__ import annotations

import tempfile
from pathlib import Path

from ostiary.composition import find_plugins
from ostiary.settings import Settings
from ostiary.startup import stores_of
from ostiary.storage import StorageError, migrate


async def write_revision(settings: Settings, name: str, words: str) -> Path:
    """Write the revision that leads from the last one to the tables that a plugin declares.

    They are compared in a file that is thrown away: the stores of this machine are not
    touched, and need not exist.

    :raises StorageError: no such plugin has a store, or the tables are what the revisions make.
    """
    from ostiary.storage.sqlite import SQLite

    storage = dict(stores_of(find_plugins(settings))).get(name)
    if storage is None:
        raise StorageError(f"no plugin that is installed has a store named {name!r}")
    if not words.strip():
        raise StorageError("say in a few words what the revision does")
    with tempfile.TemporaryDirectory(prefix="ostiary-") as folder:
        backend = SQLite(Path(folder))
        try:
            if migrate.revisions(storage):
                await migrate.upgrade(backend, name, storage)
            if not await migrate.drift(backend, name, storage):
                raise StorageError(f"the revisions of {name} make the tables that it declares")
            return await migrate.write(backend, name, storage, words)
        finally:
            await backend.close()
