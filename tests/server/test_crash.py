"""Nothing is half made, even after ``kill -9``: every answer that was given stays true.

Clients make users, give and take credentials of two strategies, change passwords,
profiles and roles, make API keys, search, delete, log in and out, until every
process of the server is killed at once. Each client knows what must be true by the
answers it got; of the one request that was not answered it knows two possible ends.
"""

from __future__ import annotations

import http.client
import os
import random
import sqlite3
import time
from collections.abc import Callable, Collection, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, replace
from threading import Event
from typing import TYPE_CHECKING, Any, TypeVar

import pytest

from ostiary.testing.server import ThrowAwayServer
from ostiary.testing.wire import HttpApi, Outcome

from .conftest import ROOMY

if TYPE_CHECKING:
    from .conftest import Database, Serve

CLIENTS = 6
ROUNDS = [
    5,
    pytest.param(int(os.environ.get("CRASH_ROUNDS", "50")), id="many", marks=pytest.mark.long),
]
INQUIRERS = 4
SEED = "CRASH_SEED"
"""The variable that repeats what clients did; the moment of death is another every time."""

PATIENT = 10
"""Every so many rounds nobody hastens the end of a lease."""

SWEEPING_SECONDS = 60
"""A lease, a round of the housekeeping, and room for a slow machine."""

CONTENDED = 4
"""So many user names all clients of a round want."""

PROFILES = [("default",), ("default", "extra")]
ACTIONS = ["getCurrentUser", "login", "logout", "refreshToken"]

SETTINGS = f"""{ROOMY}
[plugins.oauth.strategies.github]
clientID = "a client"
clientSecret = "the secret of a client"
callbackURL = "https://auth.example.org/_login/github"
"""
"""A second strategy, whose provider nobody asks; and nothing is refused for being too much."""

LOST = (ConnectionError, TimeoutError, http.client.HTTPException)

T = TypeVar("T")
Tokens = dict[str, set[bool]]
"""Each token that was given, and whether it may be good or not."""

Shown = tuple[str | None, str | None, str, tuple[str, ...]]
"""User name, account at the provider, note and profiles."""

Rows = Callable[[str, str, str], set[tuple[str, ...]]]


class Unanswered(Exception):
    """The server died before it answered."""


@dataclass(frozen=True)
class Account:
    """Everything that is known of a user.

    :ivar username: of their local credentials, if they have some.
    :ivar subject: their account at the provider, if they have one.
    """

    username: str | None
    password: str
    subject: str | None
    note: str
    profiles: tuple[str, ...]

    @property
    def local(self) -> dict[str, str]:
        assert self.username
        return {"username": self.username, "password": self.password}

    @property
    def shown(self) -> Shown:
        return self.username, self.subject, self.note, self.profiles

    @property
    def content(self) -> dict[str, Any]:
        return {"profileIds": list(self.profiles), "note": self.note}

    @property
    def credentials(self) -> dict[str, dict[str, str]]:
        found = {"local": self.local} if self.username else {}
        return found | ({"github": {"id": self.subject}} if self.subject else {})


@dataclass
class Person:
    """A user as one client knows them, who alone changes them.

    :ivar states: what the user may be; None is not there.
    :ivar sent: user names and passwords that were sent for them, the latest last.
    :ivar keys: their API keys.
    :ivar key_ids: the ids of those.
    """

    kuid: str
    states: set[Account | None] = field(default_factory=lambda: {None})
    sent: list[tuple[str, str]] = field(default_factory=list)
    sessions: Tokens = field(default_factory=dict)
    keys: Tokens = field(default_factory=dict)
    key_ids: dict[str, str] = field(default_factory=dict)

    @property
    def known(self) -> Account | None:
        """What the user is, while nothing is unanswered."""
        (state,) = self.states
        return state

    @property
    def account(self) -> Account:
        assert self.known
        return self.known

    def may_lose(self, *held: Tokens) -> None:
        for tokens in held:
            for token, states in tokens.items():
                tokens[token] = states | {False}

    def lose(self, *held: Tokens) -> None:
        for tokens in held:
            for token in tokens:
                tokens[token] = {False}


@dataclass
class Role:
    """A role as one client knows it: the actions that it may hold; None is not there."""

    id: str
    states: set[frozenset[str] | None] = field(default_factory=lambda: {None})


@dataclass
class Client:
    """Does one thing after the other until the server dies."""

    number: int
    api: HttpApi
    admin: str
    dice: random.Random
    contended: list[str]
    people: list[Person] = field(default_factory=list)
    answers: int = 0

    def __post_init__(self) -> None:
        self.role = Role(f"role{self.number}")

    def run(self, dead: Event) -> None:
        while not dead.is_set():
            try:
                if self.dice.random() < 0.1:
                    self.change_role()
                else:
                    self.act(self.choose())
            except Unanswered:
                return

    def choose(self) -> Person:
        if len(self.people) < 2 or self.dice.random() < 0.15:
            self.people.append(Person(f"client{self.number}-{len(self.people)}"))
            return self.people[-1]
        return self.dice.choice(self.people)

    def act(self, person: Person) -> None:
        account = person.known
        if account is None:
            self.create(person)
            return
        steps = {self.edit: 2, self.search: 2, self.make_key: 1, self.drop_key: 1, self.delete: 1}
        if account.username:
            steps |= {self.log_in: 4, self.log_out: 2, self.refresh: 2}
            steps |= {self.change_password: 2, self.delete_local: 1}
            steps |= {self.unlink if account.subject else self.link: 1}
        else:
            steps |= {self.add_local: 4}
        self.dice.choices(list(steps), list(steps.values()))[0](person)

    def create(self, person: Person) -> None:
        subject = f"{person.kuid}-{self.answers}" if self.dice.random() < 0.5 else None
        username, password = self.local(person)
        end = Account(username, password, subject, self.note(person), PROFILES[0])
        body = {"content": end.content, "credentials": end.credentials}
        self.change(person, end, "security:createUser", body)

    def edit(self, person: Person) -> None:
        profiles = self.dice.choice(PROFILES)
        end = replace(person.account, note=self.note(person), profiles=profiles)
        self.change(person, end, "security:updateUser", end.content)

    def delete(self, person: Person) -> None:
        # Whoever gets the kuid next, what was given before was not theirs.
        ended = person.sessions, person.keys
        self.change(person, None, "security:deleteUser", ends=ended)

    def add_local(self, person: Person) -> None:
        username, password = self.local(person)
        end = replace(person.account, username=username, password=password)
        self.change(person, end, "security:createCredentials", end.local, strategy="local")

    def change_password(self, person: Person) -> None:
        end = replace(person.account, password=self.local(person)[1])
        self.change(
            person,
            end,
            "security:updateCredentials",
            {"password": end.password},
            strategy="local",
            ends=[person.sessions],
        )

    def delete_local(self, person: Person) -> None:
        end = replace(person.account, username=None)
        self.take_off(person, end, "local")

    def link(self, person: Person) -> None:
        end = replace(person.account, subject=f"{person.kuid}-{self.answers}")
        body = end.credentials["github"]
        self.change(person, end, "security:createCredentials", body, strategy="github")

    def unlink(self, person: Person) -> None:
        self.take_off(person, replace(person.account, subject=None), "github")

    def take_off(self, person: Person, end: Account, strategy: str) -> None:
        # With what opens an account its sessions end (PWD-09).
        ended = [person.sessions]
        self.change(person, end, "security:deleteCredentials", strategy=strategy, ends=ended)

    def log_in(self, person: Person) -> None:
        outcome = self.call("auth:login", person.account.local, strategy="local")
        assert outcome.status == 200, outcome.error
        assert outcome.result["_id"] == person.kuid
        person.sessions[outcome.result["jwt"]] = {True}

    def log_out(self, person: Person) -> None:
        if token := self.one_that_is_good(person.sessions):
            self.end(person.sessions, token, "auth:logout", jwt=token)

    def refresh(self, person: Person) -> None:
        if token := self.one_that_is_good(person.sessions):
            outcome = self.end(person.sessions, token, "auth:refreshToken", jwt=token)
            person.sessions[outcome.result["jwt"]] = {True}

    def make_key(self, person: Person) -> None:
        outcome = self.call(
            "security:createApiKey",
            {"description": person.kuid},
            jwt=self.admin,
            userId=person.kuid,
            expiresIn="1h",
        )
        assert outcome.status == 200, outcome.error
        key = outcome.result["_source"]["token"]
        person.keys[key], person.key_ids[key] = {True}, outcome.result["_id"]

    def drop_key(self, person: Person) -> None:
        if key := self.one_that_is_good(person.keys):
            name, ids = "security:deleteApiKey", {"userId": person.kuid, "_id": person.key_ids[key]}
            self.end(person.keys, key, name, jwt=self.admin, **ids)

    def search(self, person: Person) -> None:
        body = {"query": {"equals": {"note": person.account.note}}}
        outcome = self.call("security:searchUsers", body, jwt=self.admin, lang="koncorde")
        assert [hit["_id"] for hit in outcome.result["hits"]] == [person.kuid]

    def change_role(self) -> None:
        (before,) = self.role.states
        end = frozenset(self.dice.sample(ACTIONS, 2))
        body = {"controllers": {"auth": {"actions": dict.fromkeys(end, True)}}}
        self.role.states = {before, end}
        outcome = self.call("security:createOrReplaceRole", body, jwt=self.admin, _id=self.role.id)
        assert outcome.status == 200, outcome.error
        self.role.states = {end}

    def local(self, person: Person) -> tuple[str, str]:
        """Return a user name and a password for a person that they never had."""
        own = f"{person.kuid}-{self.answers}"
        username = self.dice.choice(self.contended) if self.dice.random() < 0.3 else own
        return username, f"the password of {own}"

    def note(self, person: Person) -> str:
        return f"{person.kuid} {self.answers}"

    def one_that_is_good(self, held: Tokens) -> str | None:
        good = [token for token, states in held.items() if states == {True}]
        return self.dice.choice(good) if good else None

    def end(self, held: Tokens, token: str, name: str, **args: Any) -> Outcome:
        """Have a token ended; while there is no answer, it may be good or not."""
        held[token] = {True, False}
        outcome = self.call(name, **args)
        assert outcome.status == 200, outcome.error
        held[token] = {False}
        return outcome

    def change(
        self,
        person: Person,
        end: Account | None,
        name: str,
        body: Any = None,
        *,
        ends: Collection[Tokens] = (),
        **args: Any,
    ) -> None:
        """Have a person changed; while there is no answer, it may have happened or not.

        :param ends: the tokens that end with it.
        """
        before = person.known
        person.states = {before, end}
        if end and end.username and (local := (end.username, end.password)) not in person.sent:
            person.sent.append(local)
        person.may_lose(*ends)
        outcome = self.call(name, body, jwt=self.admin, _id=person.kuid, **args)
        if outcome.status == 200:
            person.states = {end}
            person.lose(*ends)
            return
        # Nothing but a name that another client has, or is about to get, may be in the way.
        assert end, outcome.error
        assert end.username in self.contended, outcome.error
        assert outcome.error_id.endswith(".username_taken"), outcome.error
        person.states = {before}

    def call(self, name: str, body: Any = None, **args: Any) -> Outcome:
        try:
            outcome = self.api.call(name, body, **args)
        except LOST as error:
            raise Unanswered from error
        self.answers += 1
        return outcome


class Inquiry:
    """Compares what clients know with what a server says."""

    def __init__(self, api: HttpApi, admin: str) -> None:
        self.api, self.admin = api, admin

    def settle(self, person: Person) -> None:
        """Find out what a person is, which must be one of the possible states, and wholly so."""
        shown = self.shown(person)
        opening = [local for local in person.sent[-2:] if self.opens(person, *local)]
        fitting = {state for state in person.states if fits(state, shown, opening)}
        assert len(fitting) == 1, (person, shown, opening)
        person.states = fitting
        if shown is None:
            person.may_lose(person.sessions, person.keys)
        for tokens in (person.sessions, person.keys):
            for token, states in tokens.items():
                good = self.call("auth:checkToken", {"token": token}).result
                assert good["valid"] in states, (person, shown, good)
                assert not good["valid"] or (shown and good["kuid"] == person.kuid)
                tokens[token] = {good["valid"]}

    def settle_role(self, role: Role) -> None:
        shown = self.call("security:getRole", _id=role.id)
        actions = None
        if shown.status != 404:
            actions = frozenset(shown.result["_source"]["controllers"]["auth"]["actions"])
        assert actions in role.states, (role, actions)
        role.states = {actions}

    def shown(self, person: Person) -> Shown | None:
        """Return what is shown of a person, which is the same wherever it is shown."""
        user = self.call("security:getUser", _id=person.kuid)
        local, github = (self.credentials(person, name) for name in ("local", "github"))
        if user.status == 404:
            assert (local, github) == ({}, {})
            return None
        content = user.result["_source"]
        query = {"query": {"equals": {"note": content["note"]}}}
        hits = self.call("security:searchUsers", query, lang="koncorde").result["hits"]
        assert [hit["_id"] for hit in hits] == [person.kuid]
        profiles = tuple(content["profileIds"])
        return local.get("username"), github.get("id"), content["note"], profiles

    def credentials(self, person: Person, strategy: str) -> dict[str, Any]:
        about = {"_id": person.kuid, "strategy": strategy}
        shown = self.call("security:getCredentials", **about)
        held = self.call("security:hasCredentials", **about).result
        assert held == (shown.status == 200), (person, held, shown.body)
        return dict(shown.result) if held else {}

    def opens(self, person: Person, username: str, password: str) -> bool:
        """Tell whether credentials that were sent for a person open their account."""
        body = {"username": username, "password": password}
        outcome = self.api.call("auth:login", body, strategy="local")
        assert outcome.status in (200, 401), outcome.error
        assert outcome.status == 401 or outcome.result["_id"] == person.kuid
        return outcome.status == 200

    def call(self, name: str, body: Any = None, **args: Any) -> Outcome:
        return self.api.call(name, body, jwt=self.admin, **args)

    def take(self, username: str) -> None:
        """Make sure that a name is free, by having it, and let it go."""
        body = {"username": username, "password": "correct horse battery staple"}
        user = {"content": {"profileIds": ["default"]}, "credentials": {"local": body}}
        taken = self.call("security:createUser", user)
        assert taken.status == 200, taken.error
        gone = self.call("security:deleteUser", _id=taken.result["_id"])
        assert gone.status == 200, gone.error


def fits(state: Account | None, shown: Shown | None, opening: list[tuple[str, str]]) -> bool:
    """Tell whether a possible state is what is shown of a user, and what opens their account."""
    if state is None:
        return shown is None and not opening
    opens = [(state.username, state.password)] if state.username else []
    return shown == state.shown and opening == opens


@pytest.fixture
def dice() -> random.Random:
    seed = os.environ.get(SEED) or str(random.SystemRandom().randrange(10**9))
    print(f"{SEED}={seed}")  # noqa: T201 - pytest shows it beside a test that failed
    return random.Random(seed)


@pytest.mark.parametrize("rounds", ROUNDS)
def test_killed_on_sqlite_the_server_keeps_its_word(
    serve: Serve, administer: Callable[[HttpApi], str], dice: random.Random, rounds: int
) -> None:
    """RACE-06, REL-01: two workers, many deaths, the same stores."""
    server = serve(workers=2, settings=SETTINGS)

    def rows(store: str, table: str, columns: str) -> set[tuple[str, ...]]:
        with closing(sqlite3.connect(server.data / f"{store}.db")) as file:
            return set(file.execute(f"SELECT {columns} FROM {table}"))

    admin = prepare(server, administer)
    clients: list[Client] = []
    for _ in range(rounds):
        killed = live_until_killed(server, admin, dice, len(clients))
        server.start()
        compare(server, admin, killed)
        assert_names_are_free(server, admin, killed)
        clients += killed
        assert_no_orphan(rows)
    compare(server, admin, dice.sample(clients, CLIENTS))


@pytest.mark.parametrize("rounds", ROUNDS)
def test_killed_on_postgresql_the_server_keeps_its_word(
    serve: Serve,
    administer: Callable[[HttpApi], str],
    dice: random.Random,
    ready: Database,
    rounds: int,
) -> None:
    """RACE-06, REL-01: what was answered holds at once, the rest when the dead are known to be."""
    server = serve(workers=2, settings=SETTINGS, database=ready.url, environment=ready.environment)

    def rows(store: str, table: str, columns: str) -> set[tuple[str, ...]]:
        found = ready.query(f"SELECT {columns} FROM ostiary_{store}.{table}")
        return {tuple(map(str, row)) for row in found}

    admin = prepare(server, administer)
    clients: list[Client] = []
    for number in range(1, rounds + 1):
        killed = live_until_killed(server, admin, dice, len(clients))
        if number % PATIENT == 0:
            # Nobody lends a hand: the leases of the dead end, and what they had begun is undone.
            server.start()
            compare(server, admin, killed)
            wait_until_undone(rows)
        else:
            # What the dead had begun is undone when their leases are over: ten seconds of waiting.
            ready.query("UPDATE ostiary_core.instances SET alive_until = 0")
            server.start()
        compare(server, admin, killed)
        assert_names_are_free(server, admin, killed)
        clients += killed
        assert_no_orphan(rows)
    compare(server, admin, dice.sample(clients, CLIENTS))


def prepare(server: ThrowAwayServer, administer: Callable[[HttpApi], str]) -> str:
    """Make what users hold; return a token of an administrator."""
    role = {"controllers": {"auth": {"actions": {"*": True}}}}
    profile = {"policies": [{"roleId": "default"}]}
    with connected(server) as api:
        admin = administer(api)
        for made in (
            api.call("security:createOrReplaceRole", role, jwt=admin, _id="default"),
            api.call("security:createProfile", profile, jwt=admin, _id="extra"),
        ):
            assert made.status == 200, made.error
    return admin


@contextmanager
def connected(server: ThrowAwayServer) -> Iterator[HttpApi]:
    with closing(HttpApi(server.port)) as api:
        yield api


def live_until_killed(
    server: ThrowAwayServer, admin: str, dice: random.Random, first: int
) -> list[Client]:
    """Have clients at work, kill the server at a random moment, return them."""
    dead = Event()
    contended = [f"name{first + number}" for number in range(CONTENDED)]
    clients = [
        Client(number, HttpApi(server.port), admin, random.Random(dice.random()), contended)
        for number in range(first, first + CLIENTS)
    ]
    with ThreadPoolExecutor(CLIENTS) as threads:
        running = [threads.submit(client.run, dead) for client in clients]
        try:
            while any(client.answers < 5 for client in clients):
                assert not any(one.done() for one in running), [one.result() for one in running]
                time.sleep(0.01)
            time.sleep(dice.uniform(0, 0.5))
            server.kill()
        finally:
            dead.set()
        for one in running:
            one.result()
    for client in clients:
        client.api.close()
    return clients


def compare(server: ThrowAwayServer, admin: str, clients: list[Client]) -> None:
    """Hold what clients know against what the server says."""

    def inquire(part: list[Client]) -> None:
        with connected(server) as api:
            inquiry = Inquiry(api, admin)
            for client in part:
                inquiry.settle_role(client.role)
                for person in client.people:
                    inquiry.settle(person)

    in_parts(clients, inquire)


def assert_names_are_free(server: ThrowAwayServer, admin: str, clients: list[Client]) -> None:
    """Every name that was ever sent belongs to a user, or to whoever asks for it."""

    def take(part: list[str]) -> None:
        with connected(server) as api:
            for username in part:
                Inquiry(api, admin).take(username)

    people = [person for client in clients for person in client.people]
    held = {person.known.username for person in people if person.known}
    sent = {username for person in people for username, _password in person.sent}
    in_parts(sorted(sent - held), take)


def in_parts(things: list[T], work: Callable[[list[T]], None]) -> None:
    """Do some work on several connections at once."""
    with ThreadPoolExecutor(INQUIRERS) as threads:
        for _ in threads.map(work, [things[number::INQUIRERS] for number in range(INQUIRERS)]):
            pass


def wait_until_undone(rows: Rows) -> None:
    deadline = time.monotonic() + SWEEPING_SECONDS
    while rows("core", "journal", "kuid"):
        assert time.monotonic() < deadline, "what the dead had begun is not undone"
        time.sleep(0.1)


def assert_no_orphan(rows: Rows) -> None:
    """Look past all of our code: the three stores name the same users."""
    held = rows("core", "user_strategies", "kuid, strategy")
    accounts = {(*row, "local") for row in rows("local", "accounts", "kuid")}
    assert accounts | rows("oauth", "identities", "kuid, strategy") == held
    users = rows("core", "users", "kuid")
    assert {(kuid,) for kuid, _strategy in held} <= users
    assert rows("core", "journal", "kuid") == set()
