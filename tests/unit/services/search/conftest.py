"""The core's store on both databases, with users in it that searches can tell apart."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any, NoReturn

import pytest

from ostiary.hash_pool import HashPool
from ostiary.hashing import Argon2Parameters, Hasher
from ostiary.keys import MasterKey
from ostiary.storage import Backend, Store, migrate
from ostiary.storage.postgresql import PostgreSQL
from ostiary.storage.provision import provision
from ostiary.storage.sqlite import SQLite
from ostiary.storage.store import CORE
from ostiary.testing.postgresql import ThrowAwayPostgreSQL, started

MASTER = MasterKey(os.urandom(32))


@pytest.fixture(scope="session")
def server(missing: Callable[[str, str], NoReturn]) -> Iterator[ThrowAwayPostgreSQL]:
    with started(missing) as running:
        yield running


@pytest.fixture(scope="session")
async def sqlite_core(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Store]:
    backend = SQLite(tmp_path_factory.mktemp("search") / "data", master=MASTER)
    yield await open_core(backend)
    await backend.close()


@pytest.fixture(scope="session")
async def postgresql_core(server: ThrowAwayPostgreSQL) -> AsyncIterator[Store]:
    database = await server.create_database()
    await provision(server.admin_url(), [CORE], MASTER, database)
    backend = PostgreSQL(server.url(database), master=MASTER)
    yield await open_core(backend)
    await backend.close()


@pytest.fixture(scope="session", params=["sqlite", "postgresql"])
def core(request: pytest.FixtureRequest) -> Any:
    """The core's store, on each database in turn."""
    return request.getfixturevalue(f"{request.param}_core")


async def open_core(backend: Backend) -> Store:
    await migrate.upgrade(backend, CORE, migrate.CORE_STORAGE)
    assert await migrate.drift(backend, CORE, migrate.CORE_STORAGE) == []
    hasher = Hasher(MASTER.pepper(CORE), Argon2Parameters(), HashPool(threads=1, queue=1))
    return await backend.open(CORE, hasher=hasher, sealer=MASTER.sealer(CORE))
