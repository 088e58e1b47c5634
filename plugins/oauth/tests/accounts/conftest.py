"""A store of the plugin with its own revisions run, users, and somebody who calls the hooks."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, NoReturn, cast

import pytest
from sqlalchemy import select, update

import ostiary_oauth
from ostiary import Call, Directory, Newcomer, Storage, Store, User, Verified, errors
from ostiary.hash_pool import HashPool
from ostiary.hashing import Argon2Parameters, Hasher
from ostiary.keys import MasterKey
from ostiary.storage import migrate
from ostiary.storage.postgresql import PostgreSQL
from ostiary.storage.provision import provision
from ostiary.storage.sqlite import SQLite
from ostiary.storage.store import Backend
from ostiary.testing.postgresql import ThrowAwayPostgreSQL, started
from ostiary_oauth import admission
from ostiary_oauth.provider import Proved, Provider
from ostiary_oauth.strategy import OAuthStrategy
from ostiary_oauth.tables import identities, invitations

MASTER = MasterKey(
    bytes.fromhex("8d0a6bf2c1497e35d8a2903bfc51e764170b9e8fd3426ac5013fe9b87a6c24d0")
)
CHEAPEST = Argon2Parameters(time_cost=5, memory_cost=7168)
ISSUER = "https://id.example.org"

ADMINISTRATOR = Call(kuid="root", controller="security", action="createCredentials")
FLOW = Call(controller="auth", action="login", state={"verifier": "kept by the server"})


def provider(**fields: Any) -> Provider:
    """Return a provider, with what a test says of it."""
    given: dict[str, Any] = {
        "name": "work",
        "kind": "oidc",
        "protocol": "oidc",
        "issuer": ISSUER,
        "client_id": "ostiary",
        "redirect_uri": "https://auth.example.org/_login/work",
        "persist": ("sub", "email", "name"),
    }
    return Provider(**{**given, **fields})


@dataclass(frozen=True)
class People:
    """Who there is; what the core does for a plugin that asks it to."""

    users: dict[str, User] = field(default_factory=dict)
    verified: dict[str, str] = field(default_factory=dict)
    """Whose addresses are verified."""
    may_give: dict[str, set[str]] = field(default_factory=dict)
    """Which profiles somebody may give."""
    linked: list[tuple[str, str, Call]] = field(default_factory=list)
    plugin: list[OAuth] = field(default_factory=list)

    async def find(self, kuid: str) -> User | None:
        return self.users.get(kuid)

    async def find_by_address(self, email: str) -> User | None:
        return self.users.get(self.verified.get(email.lower(), ""))

    async def check_profiles(self, profile_ids: Iterable[str], call: Call) -> None:
        for one in profile_ids:
            if one not in self.may_give.get(call.kuid, ()):
                raise errors.MissingRights(one)

    async def add_credentials(
        self, strategy: str, kuid: str, fields: Mapping[str, Any], call: Call
    ) -> Mapping[str, Any]:
        (oauth,) = self.plugin
        self.linked.append((strategy, kuid, call))
        return await oauth.create(kuid, fields, call)

    def has(self, kuid: str, *profile_ids: str, enabled: bool = True) -> str:
        """Have a user exist."""
        ids = profile_ids or ("default",)
        before = self.users.get(kuid)
        generation = secrets.token_hex(8) if before is None else before.generation
        self.users[kuid] = User(kuid=kuid, profile_ids=ids, enabled=enabled, generation=generation)
        return kuid


@dataclass(frozen=True)
class OAuth:
    """What the core does: every change is validated first."""

    store: Store
    strategy: OAuthStrategy
    backend: Backend
    folder: Path
    people: People = field(default_factory=People)

    @property
    def directory(self) -> Directory:
        return cast("Directory", self.people)

    def configured(self, **fields: Any) -> OAuth:
        """Return the plugin with another provider."""
        made = replace(self, strategy=OAuthStrategy.of(provider(**fields)))
        self.people.plugin[:] = [made]
        return made

    @staticmethod
    def proved(subject: str = "0042", **fields: Any) -> Proved:
        """Return what a completed flow has proved of an account."""
        claims = {"sub": subject, **fields.pop("claims", {})}
        return Proved(**{"issuer": ISSUER, "subject": subject, "claims": claims, **fields})

    async def link(self, kuid: str, account: Proved) -> Mapping[str, Any]:
        """Have a user who is signed in link an account, after a completed flow."""
        call = replace(FLOW, kuid=kuid, action="createMyCredentials")
        return await self.create(kuid, admission.fields_of(self.strategy, account), call)

    async def validate(
        self,
        kuid: str,
        fields: Mapping[str, Any],
        call: Call = ADMINISTRATOR,
        *,
        partial: bool = False,
    ) -> None:
        await ostiary_oauth.ostiary_validate_credentials(
            strategy=self.strategy,
            store=self.store,
            user=User(kuid=kuid),
            credentials=fields,
            call=call,
            partial=partial,
        )

    async def create(
        self, kuid: str, fields: Mapping[str, Any], call: Call = ADMINISTRATOR
    ) -> Mapping[str, Any]:
        await self.validate(kuid, fields, call)
        return await self.write(kuid, fields, call)

    async def write(
        self, kuid: str, fields: Mapping[str, Any], call: Call = ADMINISTRATOR
    ) -> Mapping[str, Any]:
        """Create what was validated before."""
        return await ostiary_oauth.ostiary_create_credentials(
            strategy=self.strategy, store=self.store, kuid=kuid, credentials=fields, call=call
        )

    async def update(self, kuid: str, fields: Mapping[str, Any]) -> Mapping[str, Any]:
        call = replace(ADMINISTRATOR, action="updateCredentials")
        await self.validate(kuid, fields, call, partial=True)
        return await ostiary_oauth.ostiary_update_credentials(
            strategy=self.strategy, store=self.store, kuid=kuid, credentials=fields, call=call
        )

    async def erase(self, kuid: str) -> None:
        await ostiary_oauth.ostiary_delete_credentials(
            strategy=self.strategy, store=self.store, kuid=kuid
        )

    async def get(self, kuid: str) -> Mapping[str, Any] | None:
        return await ostiary_oauth.ostiary_get_credentials(
            strategy=self.strategy, store=self.store, kuid=kuid
        )

    async def by_id(self, id: str) -> Mapping[str, Any]:
        return await ostiary_oauth.ostiary_get_credentials_by_id(
            strategy=self.strategy, store=self.store, id=id
        )

    async def decide(self, account: Proved, **state: Any) -> Verified | Newcomer:
        """Return what becomes of who has come back from the provider."""
        call = replace(FLOW, state={"verifier": "kept by the server", **state})
        return await admission.decide(self.strategy, self.store, self.directory, account, call)

    async def sign_in(self, account: Proved, kuid: str = "ann", **state: Any) -> Verified:
        """Sign in; create the user as the core does, for who comes for the first time."""
        verdict = await self.decide(account, **state)
        if isinstance(verdict, Newcomer):
            await self.create(kuid, verdict.credentials, FLOW)
            self.people.has(kuid, *verdict.content["profileIds"])
            return Verified(kuid, session=verdict.session)
        if verdict.profiles is not None:
            self.people.has(verdict.kuid, *verdict.profiles)
        return verdict

    async def rows(self) -> list[dict[str, Any]]:
        """Return what stands in the store of accounts."""
        async with self.store.read() as db:
            found = await db.execute(select(identities).order_by(identities.c.subject))
            return [dict(row._mapping) for row in found]

    async def invitation_rows(self) -> list[dict[str, Any]]:
        """Return what stands in the store of invitations."""
        async with self.store.read() as db:
            found = await db.execute(select(invitations))
            return [dict(row._mapping) for row in found]

    async def invited(self) -> int:
        """Return how many invitations stand in the store."""
        return len(await self.invitation_rows())

    async def age(self, by: int) -> None:
        """Make everything in the store older, in ms."""
        async with self.store.begin() as db:
            for table in (identities, invitations):
                await db.execute(update(table).values(created_at=table.c.created_at - by))
            sooner = invitations.c.expires_at - by
            await db.execute(update(invitations).values(expires_at=sooner))


@pytest.fixture(scope="session")
def pool() -> Iterator[HashPool]:
    pool = HashPool(2, 200)
    yield pool
    pool.close()


@pytest.fixture(scope="session")
def server(missing: Callable[[str, str], NoReturn]) -> Iterator[ThrowAwayPostgreSQL]:
    with started(missing) as running:
        yield running


@pytest.fixture
def storage() -> Storage:
    return ostiary_oauth.ostiary_storage()


@pytest.fixture
async def backend(
    request: pytest.FixtureRequest, tmp_path: Path, storage: Storage
) -> AsyncIterator[Backend]:
    """The store on SQLite, or on what a test is parametrised by."""
    if getattr(request, "param", "sqlite") == "sqlite":
        backend: Backend = SQLite(tmp_path / "data")
    else:
        server = request.getfixturevalue("server")
        database = await server.create_database()
        await provision(server.admin_url(), ["oauth"], MASTER, database)
        backend = PostgreSQL(server.url(database), master=MASTER)
    await migrate.upgrade(backend, "oauth", storage)
    yield backend
    await backend.close()


@pytest.fixture
async def oauth(tmp_path: Path, backend: Backend, pool: HashPool) -> OAuth:
    """The plugin with one provider, and nobody who has an account of it."""
    hasher = Hasher(MASTER.pepper("oauth"), CHEAPEST, pool)
    store = await backend.open("oauth", hasher=hasher, sealer=MASTER.sealer("oauth"))
    return OAuth(store, OAuthStrategy.of(provider()), backend, tmp_path / "data").configured()
