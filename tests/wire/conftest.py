"""Servers to talk to: one as ``--dev`` makes it, one closed; and people to be on them."""

from __future__ import annotations

import asyncio
import itertools
import secrets
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

import pytest

from ostiary import operations
from ostiary.settings import Settings, load
from ostiary.startup import establish, opened
from ostiary.storage.store import CORE
from ostiary.storage.tables import profiles, roles
from ostiary.testing.postgresql import PostgreSQLMissing, ThrowAwayPostgreSQL
from ostiary.testing.wire import Api, HttpApi, WebSocketApi, serving

SETUP_SECRET = "the setup secret of a test"
PASSWORD = "a password long enough"
QUICK = {
    "server.port": 0,
    "security.hashing.timeCost": 5,
    "security.hashing.memoryCost": 7168,
    "security.hashing.queue": 100,
    "logging.level": "warning",
}
UNHURRIED = {
    "limits.loginsPerSecond": 10_000,
    "limits.loginFailuresPerAccount": 100,
    "limits.loginFailuresPerAddress": 1_000_000,
    "limits.websocketMessagesPerSecond": 0,
    "security.standard.profiles.default.rateLimit": 0,
    "security.standard.profiles.anonymous.rateLimit": 0,
    "security.setupSecret": SETUP_SECRET,
}
GRANTS = {
    "member": {"auth": ["*"]},
    "clerk": {"auth": ["*"], "security": ["createUser", "updateUser", "getUser"]},
}
"""What the profiles of tests grant, besides the base ones."""

numbers = itertools.count(1)


@dataclass(frozen=True)
class Person:
    """A user who can sign in, and is signed in."""

    kuid: str
    username: str
    jwt: str
    password: str = PASSWORD

    @property
    def credentials(self) -> dict[str, str]:
        return {"username": self.username, "password": self.password}


class Site:
    """A running server with an administrator."""

    def __init__(self, settings: Settings, http: HttpApi) -> None:
        self.settings, self.http, self.port = settings, http, http.port
        headers = {} if settings.dev else {"X-Ostiary-Setup": SETUP_SECRET}
        fields = {"username": "root", "password": PASSWORD}
        made = self.http.send(
            "POST",
            "/_createFirstAdmin/root",
            {"content": {"name": "Root"}, "credentials": {"local": fields}},
            headers,
        )
        assert made.status == 200, made.body
        self.admin = self.login("root")

    def login(self, username: str, **args: Any) -> Person:
        fields = {"username": username, "password": PASSWORD}
        answer = self.http.call("auth:login", fields, strategy="local", **args).result
        return Person(answer["_id"], username, answer["jwt"])

    def person(self, *profile_ids: str, kuid: str | None = None, **content: Any) -> Person:
        """Make a user with credentials and sign them in."""
        name = f"user-{next(numbers)}"
        made = self.http.call(
            "security:createUser",
            {
                "content": {"profileIds": list(profile_ids or ("member",)), **content},
                "credentials": {"local": {"username": name, "password": PASSWORD}},
            },
            jwt=self.admin.jwt,
            _id=kuid or name,
        )
        assert made.status == 200, made.body
        return self.login(name)

    def open(self, protocol: str) -> Api:
        return HttpApi(self.port) if protocol == "http" else WebSocketApi(self.port)


def settings_of(
    folder: Path, *, dev: bool = False, key: str | None = None, **changes: Any
) -> Settings:
    named = {name.replace("__", "."): value for name, value in changes.items()}
    given = {"data.dir": str(folder), **QUICK, **({} if dev else UNHURRIED), **named}
    # What other tests of this process have installed is none of the wire's business.
    given = {**given, "plugins.allow": ["local"]}
    environment = {"HOME": str(folder)} | ({} if key is None else {"OSTIARY_MASTER_KEY": key})
    return load(config=None, environment=environment, overrides=given, dev=dev)


async def grant(
    settings: Settings,
    granted: Mapping[str, Mapping[str, list[str]]],
    policies: Mapping[str, list[dict[str, Any]]],
) -> None:
    """Write roles, and profiles of their policies, into the store of a server not yet started."""
    async with opened(settings) as core:
        await establish(core)
        async with core.stores[CORE].begin() as db:
            for id, controllers in granted.items():
                named = {
                    controller: {
                        "actions": {action.lstrip("!"): action[0] != "!" for action in one}
                    }
                    for controller, one in controllers.items()
                }
                row: dict[str, Any] = {"id": id, "content": {}, "created_at": 1}
                await db.execute(roles.insert().values(controllers=named, **row))
            for id, policy in policies.items():
                row = {"id": id, "content": {}, "created_at": 1, "rate_limit": 0}
                await db.execute(profiles.insert().values(policies=policy, **row))


@contextmanager
def site(settings: Settings) -> Iterator[Site]:
    asyncio.run(grant(settings, GRANTS, {id: [{"roleId": id}] for id in GRANTS}))
    with serving(settings) as port, closing(HttpApi(port)) as http:
        yield Site(settings, http)


@pytest.fixture(scope="session")
def postgresql(missing: Callable[[str, str], NoReturn]) -> Iterator[ThrowAwayPostgreSQL]:
    """One server for all databases of these tests."""
    try:
        throw_away = ThrowAwayPostgreSQL()
    except PostgreSQLMissing as reason:
        missing("PostgreSQL", str(reason))
    with throw_away:
        yield throw_away


@pytest.fixture(scope="session", params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest) -> str:
    """Where servers keep their stores; what depends on it is tested on each."""
    return str(request.param)


@pytest.fixture(scope="session")
def settings_here(
    request: pytest.FixtureRequest, database: str, tmp_path_factory: pytest.TempPathFactory
) -> Callable[..., Settings]:
    """Make settings, as ``settings`` does, for a server with empty stores in this database."""
    # The roles of a server of PostgreSQL belong to all its databases, and so must the key.
    key = secrets.token_hex(32)

    def make(name: str, **changes: Any) -> Settings:
        folder = tmp_path_factory.mktemp(name)
        if database == "sqlite":
            return settings_of(folder, **changes)
        server: ThrowAwayPostgreSQL = request.getfixturevalue("postgresql")
        empty = asyncio.run(server.create_database())
        made = settings_of(folder, key=key, **{**changes, "database__url": server.url(empty)})
        asyncio.run(operations.provision(made, server.admin_url(empty)))
        asyncio.run(operations.upgrade(made, None))
        return made

    return make


@pytest.fixture(scope="session")
def closed(settings_here: Callable[..., Settings]) -> Iterator[Site]:
    """A server as it is by default, without limits on how often one may ask."""
    with site(settings_here("closed")) as running:
        yield running


@pytest.fixture(scope="session")
def dev(settings_here: Callable[..., Settings]) -> Iterator[Site]:
    """A server of ``--dev``, in which everybody may do everything."""
    with site(settings_here("dev", dev=True)) as running:
        yield running


@pytest.fixture(scope="session")
def new_site() -> Callable[[Settings], Any]:
    """Serve with settings of one's own."""
    return site


@pytest.fixture(scope="session")
def settings() -> Callable[..., Settings]:
    """Make settings for a server of tests; ``security__authToken__maxTTL="1h"`` changes one."""
    return settings_of


@pytest.fixture(scope="session")
def prepare_rights() -> Callable[..., Any]:
    """Write roles and profiles before a server starts."""
    return grant


@pytest.fixture(params=["http", "websocket"])
def protocol(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def api(closed: Site, protocol: str) -> Iterator[Api]:
    """The closed server, over each protocol in turn."""
    with closing(closed.open(protocol)) as api:
        yield api


@pytest.fixture
def http(closed: Site) -> Iterator[HttpApi]:
    """The closed server over HTTP, on a connection of its own."""
    with closing(HttpApi(closed.port)) as http:
        yield http


@pytest.fixture(scope="session")
def member(closed: Site) -> Person:
    """Somebody with the actions of ``auth``; tests leave them as they are."""
    return closed.person("member", name="Member")


@pytest.fixture(scope="session")
def plain(closed: Site) -> Person:
    """Somebody with the default profile alone."""
    return closed.person("default")
