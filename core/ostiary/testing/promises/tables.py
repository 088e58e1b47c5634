"""Promises about tables and their revisions."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.resources import as_file
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, insert, select

from ostiary.composition import find_plugins, make_backend
from ostiary.key_settings import load_master_key
from ostiary.storage import Backend, Storage, migrate
from ostiary.testing.expanding import breaches, empty, reflected
from ostiary.testing.promise import NotAsked, expect, promise
from ostiary.testing.rows import made_rows
from ostiary.testing.trial import Trial


@promise("the revisions build the tables that are declared")
async def drift(trial: Trial) -> None:
    """Compare what the newest revision has built with the declaration."""
    async with storage_of(trial) as (backend, storage):
        found = await migrate.drift(backend, trial.subject.plugin, storage)
        expect(not found, f"revisions and tables differ: {found}")


@promise("stores of every older revision are brought up to date with their rows")
async def upgrade(trial: Trial) -> None:
    """Fill the tables as each older revision had them, upgrade, and count."""
    name = trial.subject.plugin
    async with storage_of(trial) as (backend, storage):
        with as_file(storage.revisions) as folder:
            found = [migrate.REVISION.fullmatch(file.name) for file in folder.iterdir()]
            older = sorted(match["revision"] for match in found if match)[:-1]
            for revision in older:
                await backend.alter(name, empty)
                with tempfile.TemporaryDirectory() as copy:
                    past = Storage(storage.tables, _until(revision, folder, Path(copy)))
                    await migrate.upgrade(backend, name, past)
                before = await backend.alter(name, lambda db: _filled(db, trial))
                await migrate.upgrade(backend, name, storage)
                after = await backend.alter(name, _kept)
                _compare(revision, before, after)


@promise("what a revision says of older versions holds: it only adds to the tables they use")
async def expansion(trial: Trial) -> None:
    """Compare the tables of each revision that names an older one with those of that one."""
    name = trial.subject.plugin
    async with storage_of(trial) as (backend, storage):
        if all(oldest == revision for revision, oldest in migrate.declared(storage).items()):
            raise NotAsked("no revision says that an older version works on its tables")
        found = await breaches(backend, name, storage)
        expect(not found, f"an older version may not go on: {'; '.join(found)}")


@asynccontextmanager
async def storage_of(trial: Trial) -> AsyncIterator[tuple[Backend, Storage]]:
    """Open the database of a trial, and yield it with what the plugin declares."""
    settings = trial.options.load()
    (plugin,) = (one for one in find_plugins(settings).loaded if one.name == trial.subject.plugin)
    if plugin.storage is None:
        raise NotAsked("the plugin keeps nothing")
    backend = make_backend(settings, load_master_key(settings))
    try:
        yield backend, plugin.storage
    finally:
        await backend.close()


def _until(revision: str, source: Path, folder: Path) -> Path:
    """Copy revisions up to one, as an older version of the plugin shipped them."""
    for file in source.iterdir():
        match = migrate.REVISION.fullmatch(file.name)
        if file.is_file() and (match is None or match["revision"] <= revision):
            shutil.copy(file, folder)
    return folder


def _filled(connection: Connection, trial: Trial) -> dict[str, list[dict[str, Any]]]:
    tables = reflected(connection)
    for table in tables.sorted_tables:
        if table.name != migrate.VERSION_TABLE:
            for row in made_rows(table, trial.subject.fill):
                connection.execute(insert(table).values(row))
    return _kept(connection)


def _kept(connection: Connection) -> dict[str, list[dict[str, Any]]]:
    kept = {}
    for table in reflected(connection).sorted_tables:
        if table.name != migrate.VERSION_TABLE:
            kept[table.name] = [dict(row) for row in connection.execute(select(table)).mappings()]
    return kept


def _compare(revision: str, before: dict[str, Any], after: dict[str, Any]) -> None:
    """Expect the rows that were there, in the columns that still are."""
    for table in before.keys() & after.keys():
        had, has = before[table], after[table]
        lost = len(had) - len(has)
        expect(lost <= 0, f"from revision {revision}, {table} loses {lost} of {len(had)} rows")
        columns = had[0].keys() & has[0].keys() if had and has else set()
        missing = [row for row in had if not any(_same(row, one, columns) for one in has)]
        expect(not missing, f"from revision {revision}, rows of {table} are changed")


def _same(one: dict[str, Any], other: dict[str, Any], columns: set[str]) -> bool:
    return all(one[column] == other[column] for column in columns)
