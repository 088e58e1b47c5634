"""A hundred clients at once want what only one can have, of processes that share their stores.

Two workers, on both databases; and, in the long job, two versions on one (REL-09).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from itertools import count, cycle, islice
from threading import Barrier
from time import monotonic, sleep
from typing import Any

import pytest

from ostiary.testing.wire import HttpApi, Outcome

CROWD = 100
FEWER = 40
"""Of those who must be signed in, each with a password of their own."""

BUSY = 503
PASSWORD = "correct horse battery staple"
TAKEN = "plugin.kuzzle-plugin-auth-passport-local.username_taken"
INVALID = "plugin.kuzzle-plugin-auth-passport-local.invalid_token"
RESETS = "kuzzle-plugin-auth-passport-local/password"
MEMBER = "member"

Call = Callable[[HttpApi], Outcome]


@dataclass
class Crowd:
    """Clients with a connection each, and an administrator's token."""

    apis: Sequence[HttpApi]
    admin: str
    _names: Iterator[int] = field(default_factory=count)

    def at_once(self, calls: Iterable[Call]) -> list[Outcome]:
        """Send every request at the same moment, each on a connection of its own.

        Who is told that there is no room now (503) comes again, as a client does.
        """
        calls = list(calls)
        start = Barrier(len(calls))

        def send(call: Call, api: HttpApi) -> Outcome:
            start.wait(60)
            end = monotonic() + 60
            while (outcome := call(api)).status == BUSY and monotonic() < end:
                sleep(0.1)
            return outcome

        with ThreadPoolExecutor(len(calls)) as threads:
            return list(threads.map(send, calls, self.apis))

    def ask(self, name: str, body: Any = None, **args: Any) -> Outcome:
        """Ask as the administrator."""
        return self.apis[0].call(name, body, jwt=self.admin, **args)

    def asking(self, name: str, body: Any = None, **args: Any) -> Call:
        """Return a request of the administrator."""
        return lambda api: api.call(name, body, jwt=self.admin, **args)

    def name(self) -> str:
        """Return a name that nobody has."""
        return f"name-{next(self._names)}"

    def people(self, number: int, *, credentials: bool = True) -> list[str]:
        """Make users, who sign in with their kuids; return these."""
        names = [self.name() for _ in range(number)]
        made = self.at_once(
            self.asking("security:createUser", user(name if credentials else None), _id=name)
            for name in names
        )
        assert {outcome.status for outcome in made} == {200}
        return names

    def sign_in(self, username: str) -> Outcome:
        fields = {"username": username, "password": PASSWORD}
        return self.apis[0].call("auth:login", fields, strategy="local")

    def exists(self, kuid: str) -> bool:
        return self.ask("security:getUser", _id=kuid).status == 200


@pytest.fixture(scope="module")
def crowd(ports: list[int], administer: Callable[[HttpApi], str]) -> Iterator[Crowd]:
    with ExitStack() as stack:
        some = islice(cycle(ports), CROWD)
        apis = [stack.enter_context(closing(HttpApi(port))) for port in some]
        crowd = Crowd(apis, administer(apis[0]))
        role = {"controllers": {"auth": {"actions": {"*": True}}}}
        assert crowd.ask("security:createRole", role, _id=MEMBER).status == 200
        profile = {"policies": [{"roleId": MEMBER}]}
        assert crowd.ask("security:createProfile", profile, _id=MEMBER).status == 200
        yield crowd


def test_of_a_hundred_who_want_a_kuid_one_gets_it(crowd: Crowd) -> None:
    """RACE-01: the names that the others brought stay free."""
    kuid, names = crowd.name(), [crowd.name() for _ in range(CROWD)]
    outcomes = crowd.at_once(
        crowd.asking("security:createUser", user(name), _id=kuid) for name in names
    )
    winner = only_winner(outcomes, names, 412, {"security.user.already_exists"})
    assert crowd.sign_in(winner).result["_id"] == kuid
    loser = next(name for name in names if name != winner)
    assert crowd.sign_in(loser).status == 401
    assert crowd.ask("security:createUser", user(loser)).status == 200


def test_of_a_hundred_who_want_a_user_name_one_gets_it(crowd: Crowd) -> None:
    """RACE-02: and nothing is left of the others."""
    name, kuids = crowd.name(), [crowd.name() for _ in range(CROWD)]
    outcomes = crowd.at_once(
        crowd.asking("security:createUser", user(name), _id=kuid) for kuid in kuids
    )
    winner = only_winner(outcomes, kuids, 412, {TAKEN})
    assert [kuid for kuid in kuids if crowd.exists(kuid)] == [winner]
    assert crowd.sign_in(name).result["_id"] == winner


def test_of_a_hundred_users_one_is_given_a_user_name(crowd: Crowd) -> None:
    """RACE-03: an administrator adds the same credentials to all of them."""
    kuids, name = crowd.people(CROWD, credentials=False), crowd.name()
    fields = {"username": name, "password": PASSWORD}
    outcomes = crowd.at_once(
        crowd.asking("security:createCredentials", fields, _id=kuid, strategy="local")
        for kuid in kuids
    )
    winner = only_winner(outcomes, kuids, 412, {TAKEN})
    assert crowd.sign_in(name).result["_id"] == winner
    holders = [
        kuid
        for kuid in kuids
        if crowd.ask("security:hasCredentials", _id=kuid, strategy="local").result
    ]
    assert holders == [winner]


def test_of_many_users_one_takes_a_user_name(crowd: Crowd) -> None:
    """RACE-04: each for themselves, after having given up their own."""
    kuids, name = crowd.people(FEWER), crowd.name()
    tokens = [crowd.sign_in(kuid).result["jwt"] for kuid in kuids]
    for token in tokens:
        proof = {"currentPassword": PASSWORD}
        given = crowd.apis[0].call("auth:deleteMyCredentials", proof, jwt=token, strategy="local")
        assert given.status == 200
    fields = {"username": name, "password": PASSWORD}

    def taking(token: str) -> Call:
        return lambda api: api.call("auth:createMyCredentials", fields, jwt=token, strategy="local")

    winner = only_winner(crowd.at_once(map(taking, tokens)), kuids, 412, {TAKEN})
    assert crowd.sign_in(name).result["_id"] == winner


def test_of_many_users_one_is_renamed(crowd: Crowd) -> None:
    """RACE-05: half of them by an administrator; the others keep their names."""
    kuids, name = crowd.people(FEWER), crowd.name()
    tokens = [crowd.sign_in(kuid).result["jwt"] for kuid in kuids]
    change = {"username": name}

    def renaming(number: int) -> Call:
        if number % 2:
            return crowd.asking(
                "security:updateCredentials", change, _id=kuids[number], strategy="local"
            )
        own = {**change, "currentPassword": PASSWORD}
        return lambda api: api.call(
            "auth:updateMyCredentials", own, jwt=tokens[number], strategy="local"
        )

    winner = only_winner(crowd.at_once(map(renaming, range(FEWER))), kuids, 412, {TAKEN})
    assert crowd.sign_in(name).result["_id"] == winner
    assert crowd.sign_in(winner).status == 401
    others = [kuid for kuid in kuids if kuid != winner]
    assert [crowd.sign_in(kuid).result["_id"] for kuid in others] == others


def test_who_is_deleted_and_made_again_at_once_is_whole_or_not_there(crowd: Crowd) -> None:
    """RACE-06: whoever comes last, no credentials stand without a user."""
    name = crowd.name()
    for _ in range(3):
        outcomes = crowd.at_once(
            crowd.asking("security:createUser", user(name), _id=name)
            if number % 2
            else crowd.asking("security:deleteUser", _id=name)
            for number in range(CROWD)
        )
        counted = Counter(outcome.status for outcome in outcomes)
        assert counted.keys() <= {200, 404, 412}, counted
        assert crowd.exists(name) == (crowd.sign_in(name).status == 200)
        crowd.ask("security:deleteUser", _id=name)
        assert crowd.ask("security:createUser", user(name), _id=name).status == 200
        assert crowd.sign_in(name).result["_id"] == name
        assert crowd.ask("security:deleteUser", _id=name).status == 200


def test_a_user_whose_credentials_fail_is_not_made(crowd: Crowd) -> None:
    """RACE-09: of two strategies one refuses, a hundred times at once."""
    kuids = [crowd.name() for _ in range(CROWD)]

    def creating(number: int) -> Call:
        body = user(kuids[number])
        body["credentials"] |= {"nothing": {}} if number % 2 else {"local": {"username": ""}}
        return crowd.asking("security:createUser", body, _id=kuids[number])

    outcomes = crowd.at_once(map(creating, range(CROWD)))
    assert {outcome.status for outcome in outcomes} == {400}
    assert not any(crowd.exists(kuid) for kuid in kuids)
    assert crowd.ask("security:createUser", user(kuids[1]), _id=kuids[1]).status == 200


def test_of_all_spellings_of_a_user_name_one_is_taken(crowd: Crowd) -> None:
    """RACE-10, RACE-12: the others open no account, and not that one by mistake."""
    plain = crowd.name()
    spellings = [plain, plain.upper(), plain.title(), wide(plain), wide(plain.upper())]
    kuids = [crowd.name() for _ in range(CROWD)]
    outcomes = crowd.at_once(
        crowd.asking("security:createUser", user(spellings[number % 5]), _id=kuid)
        for number, kuid in enumerate(kuids)
    )
    winner = only_winner(outcomes, kuids, 412, {TAKEN})
    for spelling in spellings:
        signed_in = crowd.sign_in(spelling)
        assert signed_in.status == 401 or signed_in.result["_id"] == winner


def test_a_user_name_that_does_not_show_is_given_to_nobody(crowd: Crowd) -> None:
    """RACE-11: directions, fillers, controls; in whatever door."""
    known = crowd.people(1)[0]
    given = {"_id": known, "strategy": "local"}
    for odd in ("\u202e", "\u200b", "\u2066", "\u3164", "\x07", "\u2800"):
        name = f"{known}{odd}"
        for outcome in (
            crowd.ask("security:createUser", user(name)),
            crowd.ask("security:updateCredentials", {"username": name}, **given),
        ):
            assert outcome.status == 400
            assert outcome.error_id.endswith(".invalid_username")


def test_of_a_hundred_deletions_one_deletes(crowd: Crowd) -> None:
    """RACE-13: of a user, and of credentials."""
    (kuid,) = crowd.people(1)
    deleting = crowd.asking("security:deleteCredentials", _id=kuid, strategy="local")
    outcomes = crowd.at_once([deleting] * CROWD)
    assert Counter(outcome.status for outcome in outcomes) == {200: 1, 412: CROWD - 1}
    outcomes = crowd.at_once([crowd.asking("security:deleteUser", _id=kuid)] * CROWD)
    assert Counter(outcome.status for outcome in outcomes) == {200: 1, 404: CROWD - 1}


def test_of_a_hundred_changes_none_is_lost(crowd: Crowd) -> None:
    """RACE-14: each adds a property to the same user."""
    (kuid,) = crowd.people(1)
    wanted = {f"property{number}": number for number in range(CROWD)}
    outcomes = crowd.at_once(
        crowd.asking("security:updateUser", {name: value}, _id=kuid)
        for name, value in wanted.items()
    )
    assert {outcome.status for outcome in outcomes} == {200}
    found = crowd.ask("security:getUser", _id=kuid).result["_source"]
    assert {name: found.get(name) for name in wanted} == wanted


def test_of_a_hundred_resets_with_one_token_one_sets_a_password(crowd: Crowd) -> None:
    """PWD-10: each wants another password, and only that of the winner opens the account."""
    (kuid,) = crowd.people(1)
    token = crowd.ask(f"{RESETS}:getResetPasswordToken", _id=kuid).result["resetToken"]
    passwords = [f"{PASSWORD} {number}" for number in range(CROWD)]
    outcomes = crowd.at_once(
        crowd.asking(f"{RESETS}:reset", {"password": password, "token": token})
        for password in passwords
    )
    winner = only_winner(outcomes, passwords, 400, {INVALID})
    # Sessions are no promise here: a loser whose store was busy may have written, and ends them.
    for password in (winner, PASSWORD, passwords[0], passwords[-1]):
        fields = {"username": kuid, "password": password}
        signed_in = crowd.apis[0].call("auth:login", fields, strategy="local")
        assert (signed_in.status == 200) == (password == winner)


def only_winner(outcomes: list[Outcome], names: list[str], status: int, ids: set[str]) -> str:
    """Return the name that belongs to the one success; all others failed as they should."""
    assert Counter(outcome.status for outcome in outcomes) == {200: 1, status: len(names) - 1}
    assert {outcome.error_id for outcome in outcomes if outcome.status != 200} == ids
    pairs = zip(outcomes, names, strict=True)
    return next(name for outcome, name in pairs if outcome.status == 200)


def user(name: str | None) -> dict[str, Any]:
    body: dict[str, Any] = {"content": {"profileIds": [MEMBER]}, "credentials": {}}
    if name is not None:
        body["credentials"] = {"local": {"username": name, "password": PASSWORD}}
    return body


def wide(text: str) -> str:
    """Return a text in the wide letters of East Asian scripts, which NFKC makes plain."""
    return "".join(chr(ord(letter) + 0xFEE0) if letter.isalnum() else letter for letter in text)
