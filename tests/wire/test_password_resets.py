"""Reset tokens of the local strategy, over both protocols and on both databases."""

from __future__ import annotations

import itertools
import logging
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from typing import Any

import pytest

from ostiary.settings import Settings
from ostiary.testing.packages import Package, installed
from ostiary.testing.wire import Api, Outcome

ERROR = "plugin.kuzzle-plugin-auth-passport-local."
CONTROLLER = "kuzzle-plugin-auth-passport-local/password"
RESET, GET_TOKEN = f"{CONTROLLER}:reset", f"{CONTROLLER}:getResetPasswordToken"
TOO_MANY = "api.process.too_many_logins_requests"
INVALID = (400, f"{ERROR}invalid_token", 67108867)
GUESSES = 4

SECOND_FACTOR = """
from ostiary import errors, hookimpl

@hookimpl(wrapper=True)
def ostiary_verify_credentials():
    verdict = yield
    return checked(verdict)

async def checked(verdict):
    await verdict
    raise errors.LoginRefused("A second factor is needed.")
"""
GUARD = """
from ostiary import errors, hookimpl

refused = set()

@hookimpl
async def ostiary_after_login(kuid, strategy_name):
    if kuid in refused:
        raise errors.LoginRefused("Not at night.")
"""

numbers = itertools.count(1)


def token_for(closed: Any, kuid: str) -> str:
    answer = closed.http.call(GET_TOKEN, jwt=closed.admin.jwt, _id=kuid)
    return str(answer.result["resetToken"])


def reset(api: Api, closed: Any, token: Any, password: Any = "") -> Outcome:
    """Reset as the administrator, who may; that the user does it is known by the token."""
    password = password or f"a new password, number {next(numbers)}"
    return api.call(RESET, {"password": password, "token": token}, jwt=closed.admin.jwt)


def login(site: Any, person: Any, password: str) -> Outcome:
    fields = {"username": person.username, "password": password}
    outcome: Outcome = site.http.call("auth:login", fields, strategy="local")
    return outcome


def told(outcome: Outcome) -> tuple[int, str, int]:
    return outcome.status, outcome.error["id"], outcome.error["code"]


@pytest.fixture
def ann(closed: Any) -> Any:
    return closed.person("member")


def test_a_reset_sets_the_password_and_signs_in(api: Api, closed: Any, ann: Any) -> None:
    """Contract, 12. PWD-09: every other session ends."""
    new = "the new one, long enough"
    answer = reset(api, closed, token_for(closed, ann.kuid), new)
    assert answer.result.keys() == {"_id", "jwt", "expiresAt", "ttl"}
    assert (answer.result["_id"], answer.result["ttl"]) == (ann.kuid, 7_200_000)
    me = api.call("auth:getCurrentUser", jwt=answer.result["jwt"])
    assert me.result["_id"] == ann.kuid
    assert api.call("auth:getCurrentUser", jwt=ann.jwt).status == 401
    assert login(closed, ann, new).result["_id"] == ann.kuid
    assert login(closed, ann, ann.password).status == 401
    assert api.call("auth:getCurrentUser", jwt=closed.admin.jwt).result["_id"] == "root"


def test_a_token_is_good_once_and_no_other_after_it(api: Api, closed: Any, ann: Any) -> None:
    """PWD-10"""
    first, second = (token_for(closed, ann.kuid) for _ in range(2))
    assert reset(api, closed, first).status == 200
    for token in (first, second):
        assert told(reset(api, closed, token)) == INVALID


def test_a_password_that_is_refused_leaves_the_token(api: Api, closed: Any, ann: Any) -> None:
    token = token_for(closed, ann.kuid)
    for password, error in {"short": "password_too_short", "x" * 5000: "invalid_password"}.items():
        refused = reset(api, closed, token, password)
        assert (refused.status, refused.error_id) == (400, ERROR + error)
    assert login(closed, ann, ann.password).status == 200
    assert reset(api, closed, token).status == 200


@pytest.mark.parametrize(
    "body",
    [
        None,
        {},
        [],
        {"token": "a"},
        {"password": "long enough for anybody"},
        {"password": "long enough for anybody", "token": None},
        {"password": "long enough for anybody", "token": 1},
        {"password": 1, "token": "a"},
        {"password": None, "token": "a"},
        {"password": "", "token": "a"},
        {"password": " \n\u3000", "token": "a"},
        {"password": "long enough for anybody", "token": ""},
    ],
)
def test_what_is_no_reset_is_a_mistake(api: Api, closed: Any, body: Any) -> None:
    """Contract, 12: whatever is wrong with it, 400. AUTH-12"""
    assert api.call(RESET, body, jwt=closed.admin.jwt).status == 400


@pytest.mark.parametrize(
    "change",
    [
        ("security:updateCredentials", {"username": "of somebody else"}),
        ("security:updateCredentials", {"password": "another one, long enough"}),
        ("security:deleteCredentials", None),
        ("security:disableUser", None),
        ("security:deleteUser", None),
    ],
    ids=lambda change: f"{change[0]} {change[1]}",
)
def test_a_change_of_credentials_or_of_status_makes_it_void(
    api: Api, closed: Any, ann: Any, change: tuple[str, dict[str, str] | None]
) -> None:
    """PWD-10, AUTH-10: and nothing tells why."""
    name, body = change
    body = body and {
        **body,
        **({"username": f"name {next(numbers)}"} if "username" in body else {}),
    }
    token = token_for(closed, ann.kuid)
    args = {"strategy": "local"} if "Credentials" in name else {}
    assert api.call(name, body, jwt=closed.admin.jwt, _id=ann.kuid, **args).status == 200
    outcome = reset(api, closed, token)
    assert told(outcome) == INVALID
    assert told(reset(api, closed, "unknown")) == INVALID


def test_a_token_outlives_what_is_no_change_of_credentials(api: Api, closed: Any, ann: Any) -> None:
    token = token_for(closed, ann.kuid)
    answers = [
        api.call("security:updateUser", {"colour": "red"}, jwt=closed.admin.jwt, _id=ann.kuid),
        api.call("auth:logout", jwt=ann.jwt),
        login(closed, ann, ann.password),
    ]
    assert [answer.status for answer in answers] == [200] * 3
    assert reset(api, closed, token).status == 200


def test_no_token_is_taken_for_another_kind(api: Api, closed: Any, ann: Any) -> None:
    """TOK-24: neither a reset token for a session, nor anything else for a reset token."""
    token = token_for(closed, ann.kuid)
    for jwt in (token, f"kauth-{token}", f"kapikey-{token}"):
        assert api.call("auth:getCurrentUser", jwt=jwt).error_id == "security.token.invalid"
        checked = api.call("auth:checkToken", {"token": jwt})
        assert checked.result["valid"] is False
    step = api.call("auth:login", {"challenge": token}, strategy="local")
    assert step.error_id == "ostiary.login.flow_over"
    key = api.call("auth:createApiKey", {"description": "of a sensor"}, jwt=ann.jwt)
    once = api.call("auth:createToken", jwt=ann.jwt, singleUse=True)
    for other in (ann.jwt, key.result["_source"]["token"], once.result["token"]):
        assert told(reset(api, closed, other)) == INVALID
        assert told(reset(api, closed, other.partition("-")[2])) == INVALID
    assert reset(api, closed, token).status == 200


def test_a_session_does_not_replace_its_own_password_by_a_token(api: Api, closed: Any) -> None:
    """A stolen one of staff: it takes the current password (OWASP ASVS 6.2.3)."""
    outcome = api.call(GET_TOKEN, jwt=closed.admin.jwt, _id=closed.admin.kuid)
    assert told(outcome) == (403, f"{ERROR}own_password", 0x04_00_0133)


@pytest.mark.parametrize("kuid", ["nobody-at-all", "-1"])
def test_who_has_no_password_has_nothing_to_reset(api: Api, closed: Any, kuid: str) -> None:
    """Contract, 12."""
    outcome = api.call(GET_TOKEN, jwt=closed.admin.jwt, _id=kuid)
    assert (outcome.status, outcome.error_id) == (400, f"{ERROR}nothing_to_reset")
    bare = closed.http.call(
        "security:createUser", {"content": {"profileIds": ["member"]}}, jwt=closed.admin.jwt
    )
    assert api.call(GET_TOKEN, jwt=closed.admin.jwt, _id=bare.result["_id"]).status == 400
    assert api.call(GET_TOKEN, jwt=closed.admin.jwt).status == 400


def test_nobody_gets_a_token_for_who_may_do_more(api: Api, closed: Any, ann: Any) -> None:
    """AZ-20: whoever holds it can sign in as that user."""
    manager = closed.person("manager")
    refused = api.call(GET_TOKEN, jwt=manager.jwt, _id="root")
    assert (refused.status, refused.error_id) == (403, "ostiary.rights.target")
    assert api.call(GET_TOKEN, jwt=ann.jwt, _id="root").error_id == "security.rights.forbidden"
    assert api.call(GET_TOKEN, _id="root").error_id == "security.rights.unauthorized"


def test_anonymous_may_reset_where_a_role_says_so(api: Api, closed: Any, ann: Any) -> None:
    """Contract, 12."""
    body = {"password": "long enough for anybody", "token": token_for(closed, ann.kuid)}
    assert api.call(RESET, body).error_id == "security.rights.unauthorized"
    role = closed.http.call("security:getRole", jwt=closed.admin.jwt, _id="anonymous")
    before = role.result["_source"]["controllers"]
    opened = {**before, CONTROLLER: {"actions": {"reset": True}}}
    args = {"jwt": closed.admin.jwt, "_id": "anonymous"}
    assert api.call("security:updateRole", {"controllers": opened}, **args).status == 200
    answer = api.call(RESET, body)
    assert api.call("security:updateRole", {"controllers": before}, **args).status == 200
    assert answer.result["_id"] == ann.kuid


def test_a_token_and_a_password_in_a_url_are_not_even_read(closed: Any, ann: Any) -> None:
    """AUTH-13"""
    token = token_for(closed, ann.kuid)
    url = f"/_/password/reset?token={token}&password=long+enough+for+anybody"
    refused = closed.http.send("POST", url, jwt=closed.admin.jwt)
    assert refused.error_id == "api.assert.body_required"
    refused = closed.http.send("POST", url, {}, jwt=closed.admin.jwt)
    assert refused.error_id == "api.assert.missing_argument"
    assert reset(closed.http, closed, token).status == 200


def test_the_audit_log_tells_who_made_a_token_for_whom_and_no_secret(
    api: Api, closed: Any, ann: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """LEAK-05, LEAK-07."""
    new = "the new one, long enough"
    with caplog.at_level(logging.DEBUG):
        answer = api.call(GET_TOKEN, jwt=closed.admin.jwt, _id=ann.kuid)
        token = answer.result["resetToken"]
        reset(api, closed, token, new)
        reset(api, closed, token, new)

    def entries(**wanted: str) -> list[Any]:
        found = closed.http.call("security:searchAuditLog", wanted, jwt=closed.admin.jwt, size=50)
        return [hit["_source"] for hit in found.result["hits"]]

    about = entries(about=ann.kuid)
    (made,) = [entry for entry in about if entry["details"].get("action") == GET_TOKEN]
    assert (made["event"], made["author"]) == ("ActionRun", "root")
    assert {"CredentialsChanged", "SessionsEnded", "SignedIn"} <= {
        entry["event"] for entry in about
    }
    refused = [entry["details"].get("action") for entry in entries(event="ActionRefused")]
    assert RESET in refused
    for secret in (token, new):
        assert secret not in str(entries()) + caplog.text


@pytest.fixture(scope="module")
def strict(settings_here: Callable[..., Settings], new_site: Callable[..., Any]) -> Iterator[Any]:
    """A server on which few guesses are free."""
    with new_site(settings_here("strict", limits__loginFailuresPerAddress=GUESSES)) as running:
        yield running


def test_guesses_at_tokens_are_limited_as_those_at_passwords_are(strict: Any) -> None:
    """AUTH-23, AUTH-24: and whoever has to wait spends nothing."""
    person = strict.person("member")
    token = token_for(strict, person.kuid)
    for number in range(GUESSES):
        assert told(reset(strict.http, strict, f"guess {number}")) == INVALID
    held = reset(strict.http, strict, token)
    assert (held.status, held.error_id) == (429, TOO_MANY)
    assert 0 < int(held.headers["retry-after"]) <= 900
    other = {"username": "root", "password": "wrong"}
    assert strict.http.call("auth:login", other, strategy="local").error_id == TOO_MANY
    with closing(strict.open("websocket")) as socket:
        assert reset(socket, strict, token).error_id == TOO_MANY


def test_who_holds_a_token_does_not_try_out_passwords_for_long(
    settings_here: Callable[..., Settings], new_site: Callable[..., Any]
) -> None:
    """AUTH-23: that one is refused as reused would tell what the password was."""
    policies = [{"appliesTo": "*", "forbidReusedPasswordCount": 1}]
    changes: dict[str, Any] = {
        "plugins__<name>": {"local": {"passwordPolicies": policies}},
        "limits__loginFailuresPerAccount": GUESSES,
    }
    with new_site(settings_here("picky", **changes)) as site:
        ann, bob = site.person("member"), site.person("member")
        token = token_for(site, ann.kuid)
        for _ in range(GUESSES):
            refused = reset(site.http, site, token, ann.password)
            assert told(refused) == (400, f"{ERROR}reused_password", 67108870)
        assert reset(site.http, site, token).error_id == TOO_MANY
        # Nobody else is held back, nor are logins of the same user.
        assert reset(site.http, site, token_for(site, bob.kuid)).status == 200
        assert login(site, ann, ann.password).status == 200


@pytest.fixture
def serve_with(
    settings_here: Callable[..., Settings],
    new_site: Callable[..., Any],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Callable[..., Any]]:
    """Serve with a plugin that has a say in the logins of others."""
    with ExitStack() as stack:

        def serve(plugin: Package, *, dev: bool = False) -> Any:
            stack.enter_context(installed(tmp_path_factory.mktemp(plugin.name), plugin))
            settings = settings_here(plugin.name, dev=dev, plugins__allow=["local", plugin.name])
            return stack.enter_context(new_site(settings, administered=not dev))

        yield serve


def test_a_reset_is_no_way_past_a_second_factor(
    serve_with: Callable[..., Any], protocol: str
) -> None:
    """PWD-10, ASVS 6.4.3: the password is set, and the login is still to come."""
    # With --dev, for nobody who could administer it can sign in.
    site = serve_with(Package(name="factor", source=SECOND_FACTOR), dev=True)
    with closing(site.open(protocol)) as api:
        fields = {"username": "ann", "password": "old"}
        user = {"content": {"profileIds": ["default"]}, "credentials": {"local": fields}}
        assert api.call("security:createUser", user, _id="ann").status == 200
        token = api.call(GET_TOKEN, _id="ann").result["resetToken"]
        assert api.call(RESET, {"password": "new", "token": token}).result == {"_id": "ann"}
        asked = api.call("auth:login", {**fields, "password": "new"}, strategy="local")
        assert asked.error["message"] == "A second factor is needed."
        refused = api.call("auth:login", fields, strategy="local")
        assert refused.error["message"] == "Wrong user name or password."


def test_a_hook_that_refuses_the_login_leaves_the_new_password(
    serve_with: Callable[..., Any], protocol: str
) -> None:
    guard, new = Package(name="guard", source=GUARD), "the new one, long enough"
    site = serve_with(guard)
    with closing(site.open(protocol)) as api:
        ann = site.person("member")
        token = token_for(site, ann.kuid)
        refused: set[str] = sys.modules[guard.module].refused
        refused.add(ann.kuid)
        answer = reset(api, site, token, new)
        assert (answer.status, answer.error_id) == (401, "plugin.strategy.missing_user")
        refused.clear()
        assert login(site, ann, new).status == 200
        assert told(reset(api, site, token)) == INVALID
