"""What the core notes of each plugin for operators: whether it is disabled, what is unfinished."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Sequence

from msgspec import Struct
from sqlalchemy import delete, insert, select, update

from ostiary.storage import Database, StorageError, Store
from ostiary.storage.tables import installation, plugins

REMOVING, RESTORING = "removing", "restoring"
"""What may be unfinished: between the archive and the end of the store, or the other way round."""


class Record(Struct, frozen=True):
    """A plugin as it was at the last start that had it; instants in ms."""

    name: str
    distribution: str = ""
    version: str = ""
    strategies: tuple[str, ...] = ()
    wraps: bool = False
    seen_at: int = 0
    disabled_at: int | None = None


class Unfinished(Struct, frozen=True):
    """What was begun with a plugin's store and has to be brought to its end.

    :ivar archive: the file.
    :ivar seal: of it.
    """

    doing: str
    archive: str
    seal: str


class PluginRecords:
    """Reads and writes them in the core's store."""

    def __init__(self, store: Store, clock: Callable[[], int]) -> None:
        self._store, self._clock = store, clock

    async def all(self) -> Sequence[Record]:
        """Return every plugin that was ever here, by name."""
        async with self._store.read() as db:
            rows = (await db.execute(select(plugins).order_by(plugins.c.name))).all()
        return [Record(**{**row._asdict(), "strategies": tuple(row.strategies)}) for row in rows]

    async def find(self, name: str) -> Record | None:
        """Return one of them, or None."""
        return next((record for record in await self.all() if record.name == name), None)

    async def disable(self, record: Record) -> None:
        """Have a plugin not loaded from the next start on; what is disabled stays so."""
        async with self._store.begin() as db:
            known = await db.scalar(select(plugins.c.name).where(plugins.c.name == record.name))
            if known is None:
                await db.execute(insert(plugins).values(self._row(record)))
                return
            still = update(plugins).where(plugins.c.name == record.name)
            still = still.where(plugins.c.disabled_at.is_(None))
            await db.execute(still.values(disabled_at=self._clock()))

    async def enable(self, name: str) -> bool:
        """Have a plugin loaded again; tell whether it was disabled."""
        async with self._store.begin() as db:
            these = update(plugins).where(
                plugins.c.name == name, plugins.c.disabled_at.is_not(None)
            )
            return (await db.execute(these.values(disabled_at=None))).rowcount > 0

    async def forget(self, name: str, *, keep: bool) -> None:
        """End what was unfinished with a plugin.

        :param keep: it is installed still, and stays disabled.
        """
        async with self._store.begin() as db:
            if not keep:
                await db.execute(delete(plugins).where(plugins.c.name == name))
            await finish(db, name)

    async def unfinished(self, name: str) -> Unfinished | None:
        """Return what was begun and not finished, or None."""
        wanted = select(installation.c.value).where(installation.c.key == _key(name))
        async with self._store.read() as db:
            noted = await db.scalar(wanted)
        return None if noted is None else Unfinished(**json.loads(noted))

    async def begin(self, name: str, unfinished: Unfinished) -> None:
        """Note what is begun."""
        async with self._store.begin() as db:
            await note(db, name, unfinished)

    def _row(self, record: Record) -> dict[str, object]:
        row = {column.name: getattr(record, column.name) for column in plugins.columns}
        return row | {"strategies": list(record.strategies), "disabled_at": self._clock()}


async def note(db: Database, name: str, unfinished: Unfinished) -> None:
    """Note, in the transaction that begins it, what has to be finished."""
    value = json.dumps(
        {"doing": unfinished.doing, "archive": unfinished.archive, "seal": unfinished.seal}
    )
    await finish(db, name)
    await db.execute(insert(installation).values(key=_key(name), value=value))


async def finish(db: Database, name: str) -> None:
    """Note that nothing is unfinished any more."""
    await db.execute(delete(installation).where(installation.c.key == _key(name)))


def of_nobody_else(record: Record, others: Collection[Record]) -> tuple[str, ...]:
    """Return the strategies of a plugin, less those that another one declares by now."""
    taken = {
        name for other in others if other.name != record.name and other.seen_at >= record.seen_at
        for name in other.strategies
    }  # fmt: skip
    return tuple(name for name in record.strategies if name not in taken)


def known(record: Record | None, name: str) -> Record:
    """Return a record.

    :raises StorageError: there is none.
    """
    if record is None:
        raise StorageError(f"no plugin {name!r} was ever here")
    return record


def _key(name: str) -> str:
    return f"plugin/{name}"
