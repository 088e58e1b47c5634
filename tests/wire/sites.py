"""Servers to talk to, and the people on them."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ostiary.settings import Settings, load
from ostiary.startup import establish, opened
from ostiary.storage.store import CORE
from ostiary.storage.tables import profiles, roles
from ostiary.testing.registry import registry_of
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
RESETS = "kuzzle-plugin-auth-passport-local/password"
NAMES = "kuzzle-plugin-auth-passport-local/identifier"
GRANTS = {
    "member": {"auth": ["*"]},
    "manager": {"security": ["*"], RESETS: ["*"], NAMES: ["*"]},
    "loader": {"admin": ["*"], "security": ["*"]},
    "clerk": {"auth": ["*"], "security": ["createUser", "updateUser", "getUser"]},
    "claimant": {"auth": ["*"], NAMES: ["requestVerification"]},
    "warden": {"auth": ["*"], "security": ["createApiKey", "disableUser", "enableUser"]},
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

    def __init__(self, settings: Settings, http: HttpApi, *, administered: bool = True) -> None:
        self.settings, self.http, self.port = settings, http, http.port
        if not administered:
            self.admin = Person("-1", "", "")
            return
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

    @property
    def jwt(self) -> str | None:
        """The administrator's token; where there is no administrator, none."""
        return self.admin.jwt or None

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
            jwt=self.jwt,
            _id=kuid or name,
        )
        assert made.status == 200, made.body
        return self.login(name)

    def open(self, protocol: str) -> Api:
        kind = HttpApi if protocol == "http" else WebSocketApi
        return kind(self.port, registry=registry_of("local"))


def settings_of(
    folder: Path, *, dev: bool = False, key: str | None = None, **changes: Any
) -> Settings:
    named = {name.replace("__", "."): value for name, value in changes.items()}
    given = {"data.dir": str(folder), **QUICK, **({} if dev else UNHURRIED), **named}
    # What other tests of this process have installed is none of the wire's business.
    given = {"plugins.allow": ["local"], **given}
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
def site(settings: Settings, *, administered: bool = True) -> Iterator[Site]:
    asyncio.run(grant(settings, GRANTS, {id: [{"roleId": id}] for id in GRANTS}))
    with serving(settings) as port, closing(HttpApi(port)) as http:
        yield Site(settings, http, administered=administered)
