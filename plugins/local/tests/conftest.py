"""A store of the plugin on SQLite, with its own revisions run, and somebody who calls the hooks."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, NoReturn, cast

import pytest
from sqlalchemy import update

import ostiary_local
from ostiary import Call, Directory, Storage, Store, User, Verified, errors
from ostiary.hash_pool import HashPool
from ostiary.hashing import Argon2Parameters, Hasher
from ostiary.keys import MasterKey
from ostiary.storage import migrate
from ostiary.storage.postgresql import PostgreSQL
from ostiary.storage.provision import provision
from ostiary.storage.sqlite import SQLite
from ostiary.storage.store import Backend
from ostiary.testing.postgresql import ThrowAwayPostgreSQL, started
from ostiary_local import verification
from ostiary_local.naming import Name
from ostiary_local.strategy import LocalStrategy
from ostiary_local.tables import identifiers

MASTER = MasterKey(
    bytes.fromhex("8d0a6bf2c1497e35d8a2903bfc51e764170b9e8fd3426ac5013fe9b87a6c24d0")
)
CHEAPEST = Argon2Parameters(time_cost=5, memory_cost=7168)


@dataclass(frozen=True)
class People:
    """Who there is: the profiles of each user, and the roles of each profile."""

    profiles: dict[str, tuple[str, ...]] = field(default_factory=dict)
    role_ids: dict[str, set[str]] = field(default_factory=dict)
    mightier: set[str] = field(default_factory=set)
    """Who may do more than any caller but themselves."""

    async def find(self, kuid: str) -> User | None:
        ids = self.profiles.get(kuid)
        return None if ids is None else User(kuid=kuid, profile_ids=ids)

    async def roles(self, profile_ids: Iterable[str]) -> frozenset[str]:
        return frozenset[str]().union(*(self.role_ids.get(id, ()) for id in profile_ids))

    async def check_authority(self, kuid: str, call: Call) -> None:
        if kuid in self.mightier and call.kuid != kuid:
            raise errors.TargetTooPowerful(kuid)


@dataclass(frozen=True)
class Local:
    """What the core does: every change is validated first, and every hook gets what it asks for."""

    store: Store
    strategy: LocalStrategy
    backend: Backend
    folder: Path
    people: People = field(default_factory=People)
    call: Call = Call(controller="security")

    @property
    def directory(self) -> Directory:
        return cast("Directory", self.people)

    def configured(self, **settings: Any) -> Local:
        """Return the plugin with other settings."""
        (strategy,) = ostiary_local.ostiary_strategies({"dev": True, **settings})
        assert isinstance(strategy, LocalStrategy)
        return replace(self, strategy=strategy)

    def called(self, controller: str, action: str = "") -> Local:
        """Return the plugin as an action of the API calls it."""
        return replace(self, call=Call(controller=controller, action=action))

    async def reopened(self, pool: HashPool, parameters: Argon2Parameters) -> Local:
        """Return the plugin with the same accounts, and another way to hash."""
        return replace(self, store=await open_store(self.backend, pool, parameters))

    def row(self, kuid: str) -> dict[str, Any]:
        """Read an account past all of our code."""
        with closing(sqlite3.connect(self.folder / "local.db")) as file:
            file.row_factory = sqlite3.Row
            return dict(file.execute("SELECT * FROM accounts WHERE kuid = ?", (kuid,)).fetchone())

    async def age(self, value: str, by: int = 2 * 86_400_000) -> None:
        """Make the claim of a name older, in ms."""
        older = {"created_at": identifiers.c.created_at - by}
        async with self.store.begin() as db:
            claim = update(identifiers).where(identifiers.c.value == value).values(older)
            assert (await db.execute(claim)).rowcount == 1

    async def by_id(self, id: str) -> Mapping[str, Any]:
        return await ostiary_local.ostiary_get_credentials_by_id(
            strategy=self.strategy, store=self.store, id=id
        )

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
            call=replace(self.call, kuid=by, action=action or self.call.action),
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
            call=replace(self.call, kuid=by, action=action or self.call.action),
            directory=self.directory,
        )

    async def update(self, kuid: str, /, *, by: str = "-1", **fields: Any) -> Mapping[str, Any]:
        await self.validate(kuid, fields, partial=True, by=by)
        return await ostiary_local.ostiary_update_credentials(
            strategy=self.strategy,
            store=self.store,
            kuid=kuid,
            credentials=fields,
            call=replace(self.call, kuid=by),
            directory=self.directory,
        )

    async def token(self, kuid: str, value: str) -> str:
        """Return a token that a caller says to send to an address."""
        return await verification.token(
            self.strategy, self.store, kuid, value, self.directory, self.call
        )

    async def confirm(self, token: str) -> Name:
        return await verification.confirm(self.strategy, self.store, token, self.call)

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


@pytest.fixture(scope="session")
def server(missing: Callable[[str, str], NoReturn]) -> Iterator[ThrowAwayPostgreSQL]:
    with started(missing) as running:
        yield running


@pytest.fixture
async def provisioned(
    request: pytest.FixtureRequest, tmp_path: Path, master: MasterKey
) -> AsyncIterator[Backend]:
    """A data base in which no revision has been run: SQLite, or what a test is parametrised by."""
    if getattr(request, "param", "sqlite") == "sqlite":
        backend: Backend = SQLite(tmp_path / "data")
    else:
        server = request.getfixturevalue("server")
        database = await server.create_database()
        await provision(server.admin_url(), ["local"], master, database)
        backend = PostgreSQL(server.url(database), master=master)
    yield backend
    await backend.close()


@pytest.fixture
async def backend(provisioned: Backend, storage: Storage) -> Backend:
    await migrate.upgrade(provisioned, "local", storage)
    return provisioned


@pytest.fixture
async def local(tmp_path: Path, backend: Backend, pool: HashPool) -> Local:
    """The plugin as in ``--dev``: without a rule for the length of passwords."""
    store = await open_store(backend, pool, CHEAPEST)
    return Local(store, LocalStrategy(), backend, tmp_path / "data").configured()
