"""Stores to test with: real files, and a real PostgreSQL server."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

import pytest
from sqlalchemy import Column, Integer, MetaData, String, Table

from ostiary.hash_pool import HashPool
from ostiary.hashing import Argon2Parameters, Hasher
from ostiary.keys import MasterKey
from ostiary.storage import Backend, Storage, Store, migrate, roles
from ostiary.storage.postgresql import PostgreSQL
from ostiary.storage.provision import provision
from ostiary.storage.sqlite import SQLite
from ostiary.testing.postgresql import ThrowAwayPostgreSQL, started

NOTES = '''"""Create the notes."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade():
    op.create_table(
        "notes",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("text", sa.String, nullable=False, unique=True),
    )
'''

STORES = ["core", "notes", "other"]

notes = Table(
    "notes",
    MetaData(),
    Column("id", Integer, primary_key=True),
    Column("text", String, nullable=False, unique=True),
)


@dataclass(frozen=True)
class House:
    """A database with room for the stores `core`, `notes` and `other`."""

    backend: Backend
    master: MasterKey
    storage: Storage
    again: Callable[..., Backend]
    """Makes another backend on the same database, as another process would."""

    async def store(self, name: str = "notes") -> Store:
        """Open a store with its tables; all but the core's hold notes."""
        storage = migrate.CORE_STORAGE if name == "core" else self.storage
        await migrate.upgrade(self.backend, name, storage)
        return await self.open(self.backend, name)

    async def open(self, backend: Backend, name: str) -> Store:
        pool = HashPool(threads=1, queue=1)
        hasher = Hasher(self.master.pepper(name), Argon2Parameters(), pool)
        return await backend.open(name, hasher=hasher, sealer=self.master.sealer(name))


@pytest.fixture
def master() -> MasterKey:
    return MasterKey(os.urandom(32))


@pytest.fixture
def storage(tmp_path: Path) -> Storage:
    revisions = tmp_path / "revisions"
    revisions.mkdir()
    (revisions / "0001_notes.py").write_text(NOTES)
    return Storage(notes.metadata, revisions)


@pytest.fixture(scope="session")
def server(missing: Callable[[str, str], NoReturn]) -> Iterator[ThrowAwayPostgreSQL]:
    with started(missing) as running:
        yield running


@pytest.fixture
async def sqlite(tmp_path: Path, master: MasterKey, storage: Storage) -> AsyncIterator[House]:
    def make(key: MasterKey) -> Backend:
        return SQLite(tmp_path / "data", master=key)

    async with _house(make, master, storage) as house:
        yield house


@pytest.fixture
async def postgresql(
    server: ThrowAwayPostgreSQL, master: MasterKey, storage: Storage
) -> AsyncIterator[House]:
    database = await server.create_database()
    await provision(server.admin_url(), STORES, master, database)
    # Given, so that a server with another master key gets in, as far as to be refused.
    known = roles.Passwords(master)
    names = [roles.MIGRATOR, *map(roles.login, STORES)]
    passwords = {role: known.of(role) for role in names}

    def make(key: MasterKey) -> Backend:
        return PostgreSQL(server.url(database), master=key, passwords=passwords)

    async with _house(make, master, storage) as house:
        yield house


@pytest.fixture(params=["sqlite", "postgresql"])
def house(request: pytest.FixtureRequest) -> Any:
    return request.getfixturevalue(request.param)


@asynccontextmanager
async def _house(
    make: Callable[[MasterKey], Backend], master: MasterKey, storage: Storage
) -> AsyncIterator[House]:
    async with AsyncExitStack() as stack:

        def again(key: MasterKey = master) -> Backend:
            backend = make(key)
            stack.push_async_callback(backend.close)
            return backend

        yield House(again(), master, storage, again)
