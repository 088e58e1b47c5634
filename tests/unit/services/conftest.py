"""An open server without a network, on fresh stores, with two strategies made for tests."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import anyio
import pytest
from sqlalchemy import Table, select

from ostiary import Call, errors
from ostiary.arguments import Duration
from ostiary.composition import Core
from ostiary.services import Services
from ostiary.services.accounts import Account
from ostiary.services.activity import Activity
from ostiary.services.api_keys import ApiKey, ApiKeys
from ostiary.services.key_ring import KeyRing
from ostiary.services.lifetimes import Lifetimes
from ostiary.services.logins import Identified
from ostiary.services.lookup import Lookup
from ostiary.services.sessions import Issued, Origin, Sessions
from ostiary.services.tokens import Tokens
from ostiary.settings import Settings, load
from ostiary.startup import establish, opened
from ostiary.storage import Store
from ostiary.storage.store import CORE
from ostiary.storage.tables import journal, users
from ostiary.testing.clock import HOUR, Clock
from ostiary.testing.packages import badge, installed

At = Callable[[str], Awaitable[Any]]
NOBODY = Call(kuid="-1", controller="security", action="createUser")

SEARCHABLE = """
@hookimpl
async def ostiary_get_credentials_by_id(store, id):
    async with store.read() as db:
        row = (await db.execute(select(badges).where(badges.c.badge == id))).one_or_none()
    return {"badge": id} if row is None else row._asdict()


@hookimpl
async def ostiary_search_credentials(store, filter, sort, offset, limit):
    where = condition(filter, {"badge": badges.c.badge, "kuid": badges.c.kuid})
    order = [badges.c[one.path].desc() if one.descending else badges.c[one.path] for one in sort]
    page = select(badges).where(where).order_by(*order, badges.c.kuid)
    async with store.read(apart=True) as db:
        rows = (await db.execute(page)).all()
    hits = [row._asdict() for row in rows[offset:][:limit]]
    return FoundCredentials(hits, len(rows))
"""
"""The optional hooks, for one of the two strategies."""


def settings_for(folder: Path, *plugins: str) -> Settings:
    return load(
        config=None,
        environment={},
        overrides={"data.dir": str(folder), "plugins.allow": list(plugins)},
    )


@dataclass(frozen=True)
class House:
    """What the tests ask of an open server."""

    core: Core
    monkeypatch: pytest.MonkeyPatch

    @property
    def services(self) -> Services:
        return self.core.services

    @property
    def store(self) -> Store:
        return cast("Store", self.core.stores[CORE])

    async def create(self, kuid: str | None = None, /, **badges: str) -> str:
        """Create a user who holds a badge of each strategy named."""
        credentials = {strategy: {"badge": value} for strategy, value in badges.items()}
        user = await self.services.users.create(NOBODY, ("default",), {}, credentials, kuid=kuid)
        return user.kuid

    async def give(self, kuid: str, strategy: str, value: str) -> dict[str, Any]:
        """Give a user a badge."""
        return await self.services.credentials.create(strategy, kuid, {"badge": value}, NOBODY)

    async def show(self, strategy: str, value: Any) -> str:
        """Sign in with a badge."""
        outcome = await self.services.logins.identify(strategy, {"badge": value}, NOBODY)
        assert isinstance(outcome, Identified)
        return outcome.account.kuid

    async def badge(self, strategy: str, kuid: str) -> str | None:
        """Return the badge that a strategy keeps for a kuid, whoever may know of it."""
        seen = await self.services.strategies.get(strategy, kuid)
        return None if seen is None else str(seen["badge"])

    async def rows(self, table: Table) -> list[Any]:
        async with self.store.read() as db:
            return list((await db.execute(select(table))).all())

    async def kuids(self) -> list[str]:
        return sorted(row.kuid for row in await self.rows(users))

    async def unsettled(self) -> list[Any]:
        return await self.rows(journal)

    def during(self, strategy: str, step: str, work: At) -> None:
        """Have something happen within a hook of a strategy."""
        module: Any = next(one.module for one in self.core.plugins.loaded if one.name == strategy)

        async def at(reached: str, kuid: str) -> Any:
            return await work(kuid) if reached == step else None

        self.monkeypatch.setattr(module, "at", at)


class Gate:
    """Holds up whoever comes through, until it is opened."""

    def __init__(self) -> None:
        self.reached, self._opened = anyio.Event(), anyio.Event()

    async def __call__(self, _kuid: str) -> None:
        self.reached.set()
        await self._opened.wait()

    def open(self) -> None:
        self._opened.set()


Open = Callable[..., Awaitable[House]]


@pytest.fixture(scope="session")
def gate() -> type[Gate]:
    return Gate


@pytest.fixture(scope="session")
async def made(tmp_path_factory: pytest.TempPathFactory, toys: None) -> Path:
    """A data folder after the first start, to be copied: migrating it anew would take long."""
    folder = tmp_path_factory.mktemp("made") / "data"
    async with opened(settings_for(folder, "badge", "card")) as core:
        await establish(core)
    return folder


@pytest.fixture(scope="session")
def toys(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    card = badge("card", extra=SEARCHABLE)
    with installed(tmp_path_factory.mktemp("toys"), badge("badge"), card):
        yield


@pytest.fixture
async def open_house(
    tmp_path: Path, made: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Open]:
    """Opens the same stores again each time, as another process would."""
    folder = tmp_path / "data"
    shutil.copytree(made, folder)
    async with AsyncExitStack() as stack:

        async def open_(*plugins: str) -> House:
            entered: AbstractAsyncContextManager[Core]
            entered = opened(settings_for(folder, *(plugins or ("badge", "card"))))
            core = await stack.enter_async_context(entered)
            await establish(core)
            await core.services.changes.start()
            return House(core, monkeypatch)

        yield open_


@pytest.fixture
async def house(open_house: Open) -> House:
    return await open_house()


FAR = 10**9
"""No change is later."""

LIFETIMES = Lifetimes(default=2 * HOUR, longest=-1, grace=1000)


class Bench:
    """The tokens and API keys of a house, by a clock that stands still."""

    def __init__(
        self, house: House, lifetimes: Lifetimes = LIFETIMES, *, of_keys: int = -1, most: int = 100
    ) -> None:
        services, keys = house.services, house.core.signing_keys
        self.house, self.clock = house, Clock()
        self.activity = Activity(house.store)
        lookup = Lookup(house.store, services.accounts, services.changes, lifetimes, self.clock)
        self.tokens = Tokens(
            house.store,
            keys,
            lookup,
            services.changes,
            services.events,
            self.activity,
            lifetimes,
            self.clock,
            capacity=1_000_000,
        )
        self.sessions = Sessions(
            house.store, services.changes, services.events, self.activity, lifetimes, self.clock
        )
        self.api_keys = ApiKeys(
            house.store,
            keys,
            services.changes,
            services.events,
            Lifetimes(-1, of_keys),
            self.clock,
            most,
        )
        self.ring = KeyRing(house.store, services.changes, services.events, self.clock)

    async def account(self, kuid: str = "ann") -> Account:
        account = await self.house.services.accounts.find(kuid)
        assert account is not None
        return account

    async def issue(self, kuid: str = "ann", wanted: int | None = None) -> str:
        ttl = None if wanted is None else Duration(wanted)
        issued = await self.tokens.issue(
            await self.account(kuid), ttl, Origin("badge"), unless_changed_since=FAR
        )
        assert issued is not None
        return issued.token

    async def refresh(self, token: str, wanted: int | None = None) -> Issued:
        ttl = None if wanted is None else Duration(wanted)
        return await self.tokens.refresh(await self.tokens.find(token), ttl, Origin())

    async def derive(
        self, token: str, wanted: int | None = None, *, single_use: bool = False
    ) -> Issued:
        ttl = None if wanted is None else Duration(wanted)
        session = await self.tokens.find(token)
        return await self.tokens.derive(session, ttl, Origin(), single_use=single_use)

    async def key(
        self, kuid: str = "ann", wanted: int | None = None, *, id: str | None = None
    ) -> tuple[ApiKey, str]:
        ttl = None if wanted is None else Duration(wanted)
        account = await self.account(kuid)
        return await self.api_keys.create(account, "a robot", ttl, author="root", id=id)

    async def good(self, token: str) -> bool:
        """Tell whether a token is good, as the next request would find it."""
        await self.house.services.changes.catch_up()
        try:
            return await self.tokens.find(token) is not None
        except errors.TokenInvalid:
            assert self.tokens.peek(token) is None
            return False


@pytest.fixture
async def bench(house: House) -> Bench:
    for kuid in ("ann", "ann2", "an"):
        await house.create(kuid)
    await house.services.changes.catch_up()
    return Bench(house)


@pytest.fixture
def new_bench(house: House) -> Callable[..., Bench]:
    """Make a bench with other lifetimes, or in another process ``of`` the same stores."""

    def make(lifetimes: Lifetimes = LIFETIMES, *, of: House = house, **limits: int) -> Bench:
        return Bench(of, lifetimes, **limits)

    return make
