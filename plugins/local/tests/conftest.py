"""A store of the plugin on SQLite, with its own revisions run, and somebody who calls the hooks."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, cast

import pytest

import ostiary_local
from ostiary import Call, Directory, Storage, Store, User, Verified
from ostiary.hashing import Argon2Parameters, Hasher, HashPool
from ostiary.keys import MasterKey
from ostiary.storage import migrate
from ostiary.storage.sqlite import SQLite
from ostiary.storage.store import Backend
from ostiary_local.strategy import LocalStrategy

MASTER = MasterKey(
    bytes.fromhex("8d0a6bf2c1497e35d8a2903bfc51e764170b9e8fd3426ac5013fe9b87a6c24d0")
)
CHEAPEST = Argon2Parameters(time_cost=5, memory_cost=7168)


@dataclass(frozen=True)
class People:
    """Who there is: the profiles of each user, and the roles of each profile."""

    profiles: dict[str, tuple[str, ...]] = field(default_factory=dict)
    role_ids: dict[str, set[str]] = field(default_factory=dict)

    async def find(self, kuid: str) -> User | None:
        ids = self.profiles.get(kuid)
        return None if ids is None else User(kuid=kuid, profile_ids=ids)

    async def roles(self, profile_ids: Iterable[str]) -> frozenset[str]:
        return frozenset[str]().union(*(self.role_ids.get(id, ()) for id in profile_ids))


@dataclass(frozen=True)
class Local:
    """What the core does: every change is validated first, and every hook gets what it asks for."""

    store: Store
    strategy: LocalStrategy
    backend: Backend
    folder: Path
    people: People = field(default_factory=People)

    @property
    def directory(self) -> Directory:
        return cast("Directory", self.people)

    def configured(self, **settings: Any) -> Local:
        """Return the plugin with other settings."""
        (strategy,) = ostiary_local.ostiary_strategies({"dev": True, **settings})
        assert isinstance(strategy, LocalStrategy)
        return replace(self, strategy=strategy)

    async def reopened(self, pool: HashPool, parameters: Argon2Parameters) -> Local:
        """Return the plugin with the same accounts, and another way to hash."""
        return replace(self, store=await open_store(self.backend, pool, parameters))

    def row(self, kuid: str) -> dict[str, Any]:
        """Read an account past all of our code."""
        with closing(sqlite3.connect(self.folder / "local.db")) as file:
            file.row_factory = sqlite3.Row
            return dict(file.execute("SELECT * FROM accounts WHERE kuid = ?", (kuid,)).fetchone())

    async def login(self, username: Any, password: Any) -> str:
        fields = {"username": username, "password": password}
        return (await self.verify(fields)).kuid

    async def verify(self, fields: Mapping[str, Any]) -> Verified:
        return await ostiary_local.ostiary_verify_credentials(
            strategy=self.strategy,
            store=self.store,
            credentials=fields,
            directory=self.directory,
        )

    async def validate(
        self,
        kuid: str,
        fields: Mapping[str, Any],
        *,
        partial: bool = False,
        by: str = "-1",
        action: str = "",
    ) -> None:
        await ostiary_local.ostiary_validate_credentials(
            strategy=self.strategy,
            store=self.store,
            user=User(kuid=kuid, profile_ids=self.people.profiles.get(kuid, ())),
            credentials=fields,
            call=Call(kuid=by, action=action),
            partial=partial,
            directory=self.directory,
        )

    async def create(
        self, kuid: str, /, *, by: str = "-1", action: str = "", **fields: Any
    ) -> Mapping[str, Any]:
        await self.validate(kuid, fields, by=by, action=action)
        return await ostiary_local.ostiary_create_credentials(
            strategy=self.strategy,
            store=self.store,
            kuid=kuid,
            credentials=fields,
            call=Call(kuid=by, action=action),
        )

    async def update(self, kuid: str, /, *, by: str = "-1", **fields: Any) -> Mapping[str, Any]:
        await self.validate(kuid, fields, partial=True, by=by)
        return await ostiary_local.ostiary_update_credentials(
            strategy=self.strategy,
            store=self.store,
            kuid=kuid,
            credentials=fields,
            call=Call(kuid=by),
            directory=self.directory,
        )

    async def delete(self, kuid: str) -> None:
        await ostiary_local.ostiary_delete_credentials(store=self.store, kuid=kuid)

    async def get(self, kuid: str) -> Mapping[str, Any] | None:
        return await ostiary_local.ostiary_get_credentials(store=self.store, kuid=kuid)


async def open_store(backend: Backend, pool: HashPool, parameters: Argon2Parameters) -> Store:
    hasher = Hasher(MASTER.pepper("local"), parameters, pool)
    return await backend.open("local", hasher=hasher, sealer=MASTER.sealer("local"))


@pytest.fixture(scope="session")
def pool() -> Iterator[HashPool]:
    pool = HashPool(2, 200)
    yield pool
    pool.close()


@pytest.fixture(scope="session")
def master() -> MasterKey:
    return MASTER


@pytest.fixture
def storage() -> Storage:
    return ostiary_local.ostiary_storage()


@pytest.fixture
async def backend(tmp_path: Path, storage: Storage) -> AsyncIterator[Backend]:
    backend = SQLite(tmp_path / "data")
    await migrate.upgrade(backend, "local", storage)
    yield backend
    await backend.close()


@pytest.fixture
async def local(tmp_path: Path, backend: Backend, pool: HashPool) -> Local:
    """The plugin as in ``--dev``: without a rule for the length of passwords."""
    store = await open_store(backend, pool, CHEAPEST)
    return Local(store, LocalStrategy(), backend, tmp_path / "data").configured()
