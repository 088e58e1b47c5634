"""Servers to talk to: one as ``--dev`` makes it, one closed; and people to be on them."""

from __future__ import annotations

import asyncio
import itertools
import json
import re
import secrets
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any, NoReturn

import pytest

from ostiary import operations
from ostiary.settings import Settings, load
from ostiary.startup import establish, opened
from ostiary.storage.store import CORE
from ostiary.storage.tables import profiles, roles
from ostiary.testing.postgresql import PostgreSQLMissing, ThrowAwayPostgreSQL
from ostiary.testing.registry import registry_of
from ostiary.testing.wire import Api, HttpApi, Outcome, WebSocketApi, serving

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
DATA = Path(__file__).parent / "data"
MAIL = {
    "host": "127.0.0.1",
    "port": 9,
    "security": "none",
    "from": "Wire <wire@mail.example>",
    "resetUrl": "https://app.example/reset",
    "verifyUrl": "https://app.example/verify",
}
"""Mail that waits: nobody listens at this port."""

FRESH = {
    *("name", "new", "number", "room", "user_scroll", "profile_scroll"),
    *("reset_token", "verification_token"),
}
"""What no two tests share: names that must be free, and what does not live long."""

RESETS = "kuzzle-plugin-auth-passport-local/password"
NAMES = "kuzzle-plugin-auth-passport-local/identifier"
WORD = re.compile(r"<(\w+)>")
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


@dataclass(frozen=True)
class Asked:
    """A request of an action, in which ``<word>`` stands for something that ``World`` makes."""

    name: str
    who: str = "admin"
    args: Mapping[str, Any] = field(default_factory=dict)
    body: Any = None


class World:
    """Makes what requests name, when they first name it; each test has one of its own.

    :param lasting: has what tests that change nothing can share.
    """

    def __init__(self, site: Site, lasting: World | None = None) -> None:
        self.site, self._lasting = site, lasting
        self._made: dict[str, Any] = {}
        self.stack = ExitStack()

    def __getitem__(self, word: str) -> Any:
        if self._lasting is not None and word not in FRESH:
            return self._lasting[word]
        if word not in self._made:
            self._made[word] = getattr(self, f"_{word}")()
        return self._made[word]

    def filled(self, value: Any) -> Any:
        """Return a value with something for every ``<word>`` in it."""
        match value:
            case str():
                return WORD.sub(lambda found: str(self[found[1]]), value)
            case dict():
                return {self.filled(name): self.filled(one) for name, one in value.items()}
            case list():
                return [self.filled(one) for one in value]
        return value

    def ask(self, api: Api, asked: Asked, *, queried: bool = False) -> Outcome:
        """Send a request; over HTTP in ``/_query`` if that is asked for, or an argument is no text."""
        args, body, jwt = self.filled(asked.args), self.filled(asked.body), self._jwt(asked.who)
        texts = all(isinstance(one, str) for one in args.values())
        if isinstance(api, WebSocketApi) or (texts and not queried):
            return api.call(asked.name, body, jwt=jwt, **args)
        controller, _, action = asked.name.partition(":")
        message = {"controller": controller, "action": action, **args, "body": body}
        return api.send("POST", "/_query", message, jwt=jwt)

    def _jwt(self, who: str) -> str | None:
        if who == "nobody":
            return None
        if who == "admin":
            return self.site.jwt
        return str(self[f"{who}_person"].jwt)

    def _do(self, name: str, body: Any = None, **args: Any) -> Any:
        return self.site.http.call(name, body, jwt=self.site.jwt, **args).result

    def _address(self) -> str:
        return f"wire-{next(numbers)}@names.example"

    def _claiming(self, *addresses: str) -> Person:
        """Make somebody who has addresses that are not verified; they give them to themselves."""
        person = self.site.person("claimant")
        body = {"email": list(addresses), "currentPassword": person.password}
        given = self.site.http.call(
            "auth:updateMyCredentials", body, jwt=person.jwt, strategy="local"
        )
        assert given.status == 200, given.body
        return person

    def _prove(self, address: str) -> None:
        """Make somebody else to whom an administrator gives an address as verified."""
        body = {"email": [address], "verified": [address]}
        kuid = self.site.person("member").kuid
        self._do("security:updateCredentials", body, _id=kuid, strategy="local")

    def _token_of(self, person: Person, address: str) -> str:
        body = {"value": address}
        return str(self._do(f"{NAMES}:getVerificationToken", body, _id=person.kuid)["token"])

    def _number(self) -> int:
        return next(numbers)

    def _name(self) -> str:
        return f"name-{next(numbers)}"

    def _new(self) -> str:
        return f"new-{next(numbers)}"

    def _password(self) -> str:
        return PASSWORD

    def _user_person(self) -> Person:
        return self.site.person("member")

    def _stripped_person(self) -> Person:
        """Somebody who has given up their own credentials: with others' help they were signed out."""
        person = self.site.person("member")
        proof = {"currentPassword": person.password}
        given = self.site.http.call(
            "auth:deleteMyCredentials", proof, jwt=person.jwt, strategy="local"
        )
        assert given.status == 200, given.body
        return person

    def _manager_person(self) -> Person:
        """Somebody who may do everything with users, and nothing else."""
        return self.site.person("manager")

    def _loader_person(self) -> Person:
        return self.site.person("loader")

    def _gone_person(self) -> Person:
        """Somebody who has logged out."""
        person = self.site.person("member")
        assert self.site.http.call("auth:logout", jwt=person.jwt).status == 200
        return person

    def _keyed_person(self) -> Person:
        """Somebody who is here by an API key."""
        person = self.site.person("member")
        body = {"description": "of a sensor"}
        key = self._do("security:createApiKey", body, userId=person.kuid)
        return replace(person, jwt=key["_source"]["token"])

    def _badged_person(self) -> Person:
        """Somebody with credentials of the strategy ``badge`` too."""
        person = self.site.person("member")
        body = {"badge": self["name"]}
        self._do("security:createCredentials", body, _id=person.kuid, strategy="badge")
        return person

    def _badged(self) -> str:
        return str(self["badged_person"].kuid)

    def _big(self) -> str:
        return "x" * 300_000

    def _user(self) -> str:
        return str(self["user_person"].kuid)

    def _username(self) -> str:
        return str(self["user_person"].username)

    def _jwt_of_user(self) -> str:
        return str(self["user_person"].jwt)

    def _bare(self) -> str:
        body = {"content": {"profileIds": ["member"]}}
        return str(self._do("security:createUser", body, _id=f"bare-{next(numbers)}")["_id"])

    def _key(self) -> str:
        body = {"description": "of a sensor"}
        args = {"userId": self["user"], "expiresIn": "1h"}
        return str(self._do("security:createApiKey", body, **args)["_id"])

    def _session(self) -> str:
        return str(self._do("security:getSessions", _id=self["user"])["hits"][0]["_id"])

    def _reset_token(self) -> str:
        """Return a token of somebody whom nothing else is asked of: a reset ends sessions."""
        kuid = self.site.person("member").kuid
        return str(self._do(f"{RESETS}:getResetPasswordToken", _id=kuid)["resetToken"])

    def _claimant_person(self) -> Person:
        """Somebody who has not verified their address."""
        return self._claiming(self["claimed"])

    def _claimant(self) -> str:
        return str(self["claimant_person"].kuid)

    def _claimed(self) -> str:
        return self._address()

    def _proved(self) -> str:
        """Return an address that somebody has verified."""
        address = self._address()
        self._prove(address)
        return address

    def _verification_token(self) -> str:
        """Return a token of somebody whom nothing else is asked of."""
        address = self._address()
        return self._token_of(self._claiming(address), address)

    def _outrun_token(self) -> str:
        """Return a token for an address that another has verified meanwhile."""
        address = self._address()
        token = self._token_of(self._claiming(address), address)
        self._prove(address)
        return token

    def _crowded_token(self) -> str:
        """Return a token for an address that another claims, of somebody with all names there may be."""
        address = self._address()
        self._claiming(address)
        return self._token_of(self._claiming(*(self._address() for _ in range(9))), address)

    def _too_long(self) -> str:
        """Return what is one byte longer than any name."""
        return "x" * 513

    def _role(self) -> str:
        body = {"controllers": {"auth": {"actions": {"login": True}}}}
        return str(self._do("security:createRole", body, _id=f"role-{next(numbers)}")["_id"])

    def _profile(self) -> str:
        body = {"policies": [{"roleId": "member"}]}
        return str(self._do("security:createProfile", body, _id=f"profile-{next(numbers)}")["_id"])

    def _held(self) -> str:
        """Return a profile that a user holds."""
        self.site.person(self["profile"])
        return str(self["profile"])

    def _strong(self) -> str:
        """Return a profile that grants everything."""
        body = {"policies": [{"roleId": "admin"}]}
        return str(self._do("security:createProfile", body, _id=f"strong-{next(numbers)}")["_id"])

    def _used(self) -> str:
        """Return a role that a profile names."""
        body = {"policies": [{"roleId": self["role"]}]}
        self._do("security:createProfile", body, _id=f"profile-{next(numbers)}")
        return str(self["role"])

    def _index(self) -> str:
        name = f"index-{next(numbers)}"
        self._do("index:create", index=name)
        return name

    def _user_scroll(self) -> str:
        return str(self._do("security:searchUsers", {}, size=1, scroll="1m")["scrollId"])

    def _profile_scroll(self) -> str:
        return str(self._do("security:searchProfiles", {}, size=1, scroll="1m")["scrollId"])

    def _room(self) -> str:
        """Return a room that a connection listens to."""
        api = self.stack.enter_context(closing(WebSocketApi(self.site.port)))
        args = {"index": "index", "collection": f"collection-{next(numbers)}"}
        made = api.call("realtime:subscribe", {}, jwt=self.site.admin.jwt, **args)
        return str(made.result["roomId"])


@pytest.fixture(scope="session")
def workshop(settings_here: Callable[..., Settings]) -> Iterator[Site]:
    """A closed server where nobody but its first administrator is one."""
    with site(settings_here("workshop", **{"plugins__<name>__local__mail": MAIL})) as running:
        yield running


@pytest.fixture
def world(workshop: Site) -> Iterator[World]:
    world = World(workshop)
    with world.stack:
        yield world


@pytest.fixture(scope="session")
def world_of() -> Callable[[Site], World]:
    """Make what requests name on a server of one's own, for requests that change nothing."""
    lasting = cache(World)
    return lambda site: World(site, lasting(site))


@pytest.fixture(scope="session")
def asked() -> Callable[..., Asked]:
    """Make the request of an action that succeeds, from ``data/requests.json``, with changes."""
    known = json.loads((DATA / "requests.json").read_text(encoding="utf-8"))

    def make(name: str, **changes: Any) -> Asked:
        return Asked(name, **{**known[name], **changes})

    return make


@pytest.fixture(scope="session")
def new_site() -> Callable[[Settings], Any]:
    """Serve with settings of one's own."""
    return site


@pytest.fixture(scope="session")
def mail() -> Mapping[str, Any]:
    """The table of mail that waits."""
    return MAIL


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
