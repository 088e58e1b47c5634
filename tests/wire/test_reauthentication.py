"""Changing one's own credentials: what has to be proved first, and what ends with the old ones."""

from __future__ import annotations

import itertools
import logging
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from time import monotonic, sleep
from typing import Any

import pytest

from ostiary.settings import Settings
from ostiary.testing.lock import lock
from ostiary.testing.packages import badge, installed
from ostiary.testing.wire import PATIENCE, Api, HttpApi, Outcome, WebSocketApi

FREE = 4
TOO_MANY = "api.process.too_many_logins_requests"
NO_PROOF, WRONG_PROOF = "plugin.lock.no_proof", "plugin.lock.wrong_proof"
REJECTED = "security.credentials.rejected"
EASY = {"code": "0000"}
"""What the strategy refuses when it validates it."""

numbers = itertools.count()


@pytest.fixture(scope="module")
def start(
    settings_here: Callable[..., Settings],
    new_site: Callable[..., Any],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Callable[..., Any]]:
    with installed(tmp_path_factory.mktemp("lock"), lock(), badge()), ExitStack() as stack:

        def start_(name: str, **changes: Any) -> Any:
            given = {"plugins__allow": ["local", "lock", "badge"], **changes}
            return stack.enter_context(new_site(settings_here(name, **given)))

        yield start_


@pytest.fixture(scope="module")
def house(start: Callable[..., Any]) -> Any:
    return start(
        "locked", limits__loginFailuresPerAccount=FREE, limits__loginFailuresPerAddress=999
    )


@pytest.fixture
def api(house: Any, protocol: str) -> Iterator[Api]:
    with closing(house.open(protocol)) as api:
        yield api


class Owner:
    """Somebody who holds a badge and its code, and is signed in."""

    def __init__(self, house: Any, *, code: str = "1234", profile: str = "member") -> None:
        self.house, self.kuid = house, f"owner-{next(numbers)}"
        credentials = {"lock": {"badge": self.kuid, "code": code}, "badge": {"badge": self.kuid}}
        body = {"content": {"profileIds": [profile]}, "credentials": credentials}
        made = house.http.call("security:createUser", body, jwt=house.jwt, _id=self.kuid)
        assert made.status == 200, made.body
        self.jwt = "" if code == "9999" else self.login(code).result["jwt"]

    def login(self, code: str, api: Api | None = None) -> Outcome:
        fields = {"badge": self.kuid, "code": code}
        made: Outcome = (api or self.house.http).call("auth:login", fields, strategy="lock")
        return made

    def update(self, api: Api, body: Any, **args: Any) -> Outcome:
        return api.call(
            "auth:updateMyCredentials", body, jwt=self.jwt, **{"strategy": "lock", **args}
        )

    def delete(self, api: Api, body: Any = None, **args: Any) -> Outcome:
        return api.call(
            "auth:deleteMyCredentials", body, jwt=self.jwt, **{"strategy": "lock", **args}
        )

    def good(self, jwt: str) -> bool:
        return bool(self.house.http.call("auth:getCurrentUser", jwt=jwt).status == 200)


def noted(house: Any, **wanted: str) -> list[dict[str, Any]]:
    """Return entries of the audit log."""
    found = house.http.call("security:searchAuditLog", wanted, jwt=house.jwt).result
    return [one["_source"] for one in found["hits"]]


def left(house: Any, room: str) -> bool:
    """Tell whether nobody is in a room any more, or will not be soon."""
    end = monotonic() + PATIENCE
    while monotonic() < end:
        if house.http.call("realtime:count", {"roomId": room}, jwt=house.jwt).status == 404:
            return True
        sleep(0.05)
    return False


@pytest.fixture
def owner(house: Any) -> Owner:
    return Owner(house)


def test_no_credentials_are_changed_without_a_proof_of_the_old_ones(api: Api, owner: Owner) -> None:
    """PWD-08"""
    for body, status, error in (
        ({"code": "5678"}, 400, NO_PROOF),
        ({"code": "5678", "currentCode": "4321"}, 403, WRONG_PROOF),
    ):
        for refused in (owner.update(api, body), owner.delete(api, body)):
            assert (refused.status, refused.error_id) == (status, error)
    assert owner.delete(api).error_id == NO_PROOF
    assert owner.login("1234").status == 200
    done = owner.update(api, {"code": "5678", "currentCode": "1234"})
    assert done.result == {"badge": owner.kuid, "kuid": owner.kuid}
    assert owner.login("1234").status == 401
    assert owner.login("5678").status == 200


def test_the_proof_comes_before_every_other_question(api: Api, owner: Owner) -> None:
    """PWD-08: what a strategy says of new credentials may tell something of the old ones."""
    assert owner.update(api, EASY).error_id == NO_PROOF
    assert owner.update(api, {**EASY, "currentCode": "4321"}).error_id == WRONG_PROOF
    assert owner.update(api, {**EASY, "currentCode": "1234"}).error_id == REJECTED


def test_credentials_are_given_up_with_a_proof_in_the_body(api: Api, owner: Owner) -> None:
    """PWD-08: of a DELETE, too."""
    assert owner.delete(api, {"currentCode": "1234"}).result == {"acknowledged": True}
    assert owner.login("1234").status == 401
    gone = owner.delete(api, {"currentCode": "1234"})
    assert (gone.status, gone.error_id) == (412, "ostiary.credentials.missing")


def test_a_body_of_a_deletion_in_which_one_key_stands_twice_is_refused(
    house: Any, owner: Owner
) -> None:
    """Decision 6."""
    body, head = (
        b'{"currentCode": "1", "currentCode": "1234"}',
        {"Content-Type": "application/json"},
    )
    refused = house.http.send("DELETE", "/_me/credentials/lock", body, head, owner.jwt)
    assert refused.error_id == "ostiary.request.duplicate_key"
    assert owner.login("1234").status == 200


def test_the_old_way_of_an_argument_is_heard_where_no_log_keeps_it(
    house: Any, api: Api, owner: Owner
) -> None:
    """PWD-08, AUTH-13: over WebSocket and in the body of ``_query``; in a URL it is refused."""
    args = {"controller": "auth", "action": "updateMyCredentials", "strategy": "lock"}
    message = {**args, "code": "1234", "body": {"code": "5678"}}
    if isinstance(api, WebSocketApi):
        done = owner.update(api, {"code": "5678"}, code="1234")
    else:
        for refused in (owner.update(api, {"code": "5"}, code="1234"), owner.delete(api, code="1")):
            assert (refused.status, refused.error_id) == (400, "ostiary.request.secret_in_url")
        done = api.send("POST", "/_query", message, jwt=owner.jwt)
    assert done.status == 200, done.error
    assert owner.login("5678").status == 200


def test_guesses_are_held_back_over_every_door(house: Any, api: Api, owner: Owner) -> None:
    """AUTH-20, AUTH-22, AUTH-23: 429 with Retry-After, and whoever is signed in stays so."""
    for number in range(FREE):
        guess = {"currentCode": str(number)}
        refused = owner.delete(api, guess) if number % 2 else owner.update(api, guess)
        assert refused.error_id == WRONG_PROOF
    with closing(HttpApi(house.port)) as http:
        held_back = (
            owner.update(api, {"code": "5678", "currentCode": "1234"}),
            owner.delete(http, {"currentCode": "1234"}),
            owner.login("1234", http),
        )
    for refused in held_back:
        assert (refused.status, refused.error_id) == (429, TOO_MANY)
    assert 0 < int(held_back[1].headers["retry-after"]) <= 900
    assert owner.good(owner.jwt)
    # Other strategies have their own count, and this one asks for no proof.
    assert owner.update(api, {"badge": f"{owner.kuid}-new"}, strategy="badge").status == 200


def test_a_device_of_the_owner_is_not_held_back_with_strangers(house: Any) -> None:
    """AUTH-22: known by its cookie, as at a login."""
    owner = Owner(house)
    fields = {"badge": owner.kuid, "code": "1234"}
    given = house.http.send("POST", "/_login/lock", fields).headers["set-cookie"]
    device = {"Cookie": given.partition(";")[0]}
    url, right = "/_me/credentials/lock/_update", {"code": "5678", "currentCode": "1234"}
    for number in range(FREE):
        refused = house.http.send("PUT", url, {"currentCode": str(number)}, {}, owner.jwt)
        assert refused.error_id == WRONG_PROOF
    assert house.http.send("PUT", url, right, {}, owner.jwt).status == 429
    assert house.http.send("PUT", url, right, device, owner.jwt).status == 200


def test_administrators_prove_nothing(house: Any, api: Api, owner: Owner) -> None:
    """Contract, strategies 9: administration through ``security`` is free."""
    given = {"strategy": "lock", "_id": owner.kuid, "jwt": house.jwt}
    assert api.call("security:updateCredentials", {"code": "5678"}, **given).status == 200
    assert owner.login("5678").status == 200
    assert api.call("security:deleteCredentials", **given).status == 200


@pytest.mark.parametrize("how", ["update", "delete"])
def test_the_other_sessions_of_the_user_end_and_the_one_that_asks_goes_on(
    house: Any, api: Api, owner: Owner, how: str
) -> None:
    """PWD-09: at once, in this process; API keys stay."""
    others = [owner.login("1234").result["jwt"] for _ in range(2)]
    derived = house.http.call("auth:createToken", jwt=owner.jwt).result["token"]
    key = house.http.call("auth:createApiKey", {"description": "a robot"}, jwt=owner.jwt)
    with closing(WebSocketApi(house.port)) as socket:
        room = {"index": "index", "collection": f"collection-{next(numbers)}"}
        entered = socket.call("realtime:subscribe", {}, jwt=house.jwt, **room).result
        assert socket.call("auth:getCurrentUser", jwt=others[0]).status == 200
        proof = {"currentCode": "1234"}
        done = (
            owner.update(api, proof | {"code": "5"})
            if how == "update"
            else owner.delete(api, proof)
        )
        assert done.status == 200, done.error
        refused = socket.call("auth:getCurrentUser", jwt=others[1])
        assert refused.error_id == "security.token.invalid"
        assert left(house, entered["roomId"]), "a socket of an ended session stays in its rooms"
    assert not any(map(owner.good, [*others, derived]))
    assert owner.good(owner.jwt)
    assert owner.good(key.result["_source"]["token"])


def test_what_an_administrator_changes_ends_every_session(house: Any, api: Api) -> None:
    """PWD-09"""
    for action, body in (("updateCredentials", {"code": "5"}), ("deleteCredentials", None)):
        owner = Owner(house)
        given = {"strategy": "lock", "_id": owner.kuid, "jwt": house.jwt}
        assert api.call(f"security:{action}", body, **given).status == 200
        assert not owner.good(owner.jwt)


def test_with_an_api_key_every_session_ends(house: Any, api: Api, owner: Owner) -> None:
    """PWD-09: also where the key has the id of a session."""
    (session,) = house.http.call("auth:getMySessions", jwt=owner.jwt).result["hits"]
    named = {"jwt": owner.jwt, "_id": session["_id"]}
    made = house.http.call("auth:createApiKey", {"description": "a robot"}, **named)
    key = made.result["_source"]["token"]
    body = {"code": "5678", "currentCode": "1234"}
    done = api.call("auth:updateMyCredentials", body, jwt=key, strategy="lock")
    assert done.status == 200, done.error
    assert not owner.good(owner.jwt)
    assert owner.good(key)


def test_operators_may_leave_the_sessions(start: Callable[..., Any]) -> None:
    """PWD-09: the switch."""
    house = start("lasting", security__endSessionsOnCredentialsChange=False)
    owner = Owner(house)
    other = owner.login("1234").result["jwt"]
    assert owner.update(house.http, {"code": "5678", "currentCode": "1234"}).status == 200
    assert owner.good(other)
    given = {"strategy": "lock", "_id": owner.kuid, "jwt": house.jwt}
    assert house.http.call("security:deleteCredentials", **given).status == 200
    assert owner.good(owner.jwt)


def test_with_dev_sessions_end_too_and_guesses_are_not_counted(start: Callable[..., Any]) -> None:
    """Decision 2, PWD-09"""
    house = start("open", dev=True)
    owner = Owner(house)
    other = owner.login("1234").result["jwt"]
    for number in range(3 * FREE):
        assert owner.update(house.http, {"currentCode": str(number)}).error_id == WRONG_PROOF
    assert owner.update(house.http, {"code": "5678", "currentCode": "1234"}).status == 200
    assert owner.good(owner.jwt)
    assert not owner.good(other)


def test_the_audit_log_tells_of_guesses_with_a_stolen_token(
    house: Any, api: Api, owner: Owner, caplog: pytest.LogCaptureFixture
) -> None:
    """LEAK-07: and of nothing that was guessed."""
    with caplog.at_level(logging.INFO):
        owner.update(api, {"currentCode": "a-guess"})
        owner.update(api, {"code": "a-new-one"})
    (told,) = noted(house, about=owner.kuid, event="ReauthenticationRefused")
    assert (told["reason"], told["strategy"]) == (WRONG_PROOF, "lock")
    assert (told["author"], told["protocol"]) == (owner.kuid, api.protocol)
    every = noted(house, author=owner.kuid)
    events = [one["event"] for one in every]
    assert events.count("ReauthenticationRefused") == 1
    assert events.count("ActionRefused") == 1, "the missing proof, and not the wrong one again"
    for secret in ("a-guess", "a-new-one"):
        assert secret not in caplog.text + str(every)


def test_a_refusal_of_a_strategys_own_says_more_and_only_to_who_asks(
    house: Any, api: Api, caplog: pytest.LogCaptureFixture
) -> None:
    """LEAK-05: the member that only this answer has stands in no log; the secret was right."""
    owner = Owner(house, code="9999")
    with caplog.at_level(logging.DEBUG):
        answers = [owner.login("9999", api) for _ in range(3 * FREE)]
        for refused in answers:
            assert (refused.status, refused.error_id) == (401, "plugin.lock.expired")
            assert refused.error == {
                "id": "plugin.lock.expired",
                "code": 0x04_71_0003,
                "status": 401,
                "message": "The code is too old.",
                "props": [],
                "resetToken": "token-that-resets",
            }
    if api.protocol == "http":
        assert answers[0].headers["www-authenticate"] == "Lock"
    told = noted(house, event="SignInRefused", about=owner.kuid)
    assert {one["reason"] for one in told} == {"known to the log"}
    assert "token-that-resets" not in caplog.text + str(told)
    assert "known to the log" not in str(answers[0].body)


def test_a_plugin_changes_credentials_of_whom_its_caller_may_manage(
    house: Any, api: Api, owner: Owner
) -> None:
    """AZ-20, PWD-09"""
    right = {"controllers": {"lock/keys": {"actions": {"*": True}}}}
    put = {"jwt": house.jwt, "_id": "keeper"}
    assert house.http.call("security:createOrReplaceRole", right, **put).status == 200
    policies = {"policies": [{"roleId": "keeper"}, {"roleId": "member"}]}
    assert house.http.call("security:createOrReplaceProfile", policies, **put).status == 200
    keeper, chief = Owner(house, profile="keeper"), Owner(house, profile="admin")

    def change(who: Any, whom: Owner, action: str = "change") -> Outcome:
        named = {"jwt": who.jwt, "_id": whom.kuid}
        answer: Outcome = api.call(f"lock/keys:{action}", {"code": "5678"}, **named)
        return answer

    assert change(keeper, owner).result == {"badge": owner.kuid, "kuid": owner.kuid}
    assert owner.login("5678").status == 200
    assert not owner.good(owner.jwt)
    refused = change(keeper, chief)
    assert (refused.status, refused.error_id) == (403, "ostiary.rights.target")
    assert refused.error["props"] == [chief.kuid]
    assert chief.login("1234").status == 200
    assert change(house, chief).status == 200
    # An action that does not declare the error has no right to tell it.
    assert change(keeper, chief, "hint").error_id == "plugin.runtime.unexpected_error"


def test_the_hook_sees_who_asks_and_for_what(api: Api, owner: Owner) -> None:
    """ISO-15"""
    asked: list[Any] = sys.modules["toy_lock"].asked
    asked.clear()
    body = {"currentCode": "1234", "anything": 1}
    assert owner.delete(api, body).status == 200
    assert asked == [(owner.kuid, body, {}, "auth:deleteMyCredentials")]
