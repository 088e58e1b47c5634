"""Tokens over both protocols: lifetimes, refreshing, ending, and who they stand for."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from ostiary.settings import Settings
from ostiary.testing.wire import Api, HttpApi, WebSocketApi, differences

HOUR = 3_600_000
ME = "auth:getCurrentUser"


def login(api: Api, person: Any, **args: Any) -> Any:
    return api.call("auth:login", person.credentials, strategy="local", **args)


def check(api: Api, jwt: Any) -> Any:
    return api.call("auth:checkToken", {"token": jwt}).result


def test_a_token_lives_two_hours(api: Api, member: Any) -> None:
    """TOK-15: two hours, and expiresAt is now and ttl."""
    answer = login(api, member).result
    wanted = {"_id": member.kuid, "jwt": "<jwt>", "expiresAt": "<ms>", "ttl": 2 * HOUR}
    assert differences(wanted, answer) == []
    claims = decoded(answer["jwt"])
    assert claims["exp"] == answer["expiresAt"] // 1000
    assert claims["iat"] == (answer["expiresAt"] - answer["ttl"]) // 1000
    assert check(api, answer["jwt"]) == {
        "valid": True, "kuid": member.kuid, "expiresAt": answer["expiresAt"]
    }  # fmt: skip


@pytest.mark.parametrize(
    "wanted, ttl",
    [
        (120_000, 120_000),
        ("120000", 120_000),
        ("2h", 2 * HOUR),
        ("1.5h", HOUR * 3 // 2),
        ("1 day", 24 * HOUR),
        ("90s", 90_000),
        (-1, -1),
        ("-1", -1),
        ("", 2 * HOUR),
        (None, 2 * HOUR),
    ],
    ids=repr,
)
def test_a_lifetime_is_asked_for_in_many_ways(api: Api, member: Any, wanted: Any, ttl: int) -> None:
    answer = login(api, member, expiresIn=wanted).result
    assert answer["ttl"] == ttl
    assert (answer["expiresAt"] == -1) == (ttl == -1)
    assert ("exp" in decoded(answer["jwt"])) == (ttl != -1)


UNREADABLE = [0, "0", "foo", "-2", -2, "NaN", "Infinity", "1e999", "1h2h", "0.1ms", "9" * 300]
NO_TEXT = [True, [], {}, 1.5, ["1h"], [1, 2], {"a": 1}]


@pytest.mark.parametrize("wanted", UNREADABLE, ids=repr)
def test_an_unreadable_lifetime_is_refused(api: Api, member: Any, wanted: Any) -> None:
    """TOK-17: nothing that is no duration makes a token."""
    outcome = login(api, member, expiresIn=wanted)
    assert (outcome.status, outcome.error_id) == (400, "api.assert.invalid_argument")
    assert outcome.error["props"][0] == "expiresIn"


@pytest.mark.parametrize("wanted", NO_TEXT, ids=repr)
def test_a_lifetime_of_another_type_is_refused(closed: Any, member: Any, wanted: Any) -> None:
    """TOK-17: a WebSocket message can say more than a URL."""
    with closing(WebSocketApi(closed.port)) as api:
        assert login(api, member, expiresIn=wanted).error_id == "api.assert.invalid_argument"


@pytest.fixture(scope="module")
def short(
    tmp_path_factory: pytest.TempPathFactory,
    settings: Callable[..., Settings],
    new_site: Callable[[Settings], Any],
) -> Iterator[Any]:
    """A server on which no token lives longer than an hour, and refreshed ones a minute."""
    folder = tmp_path_factory.mktemp("short")
    limits = {
        "security__authToken__maxTTL": "1h",
        "security__authToken__expiresIn": "30m",
        "security__authToken__gracePeriod": "1m",
    }
    with new_site(settings(folder, **limits)) as site:
        yield site


LONGER = [HOUR + 1, "3600001", "61m", "1y", -1, "-1"]


@pytest.mark.parametrize("wanted", LONGER, ids=repr)
def test_no_login_breaks_the_longest_lifetime(short: Any, protocol: str, wanted: Any) -> None:
    """TOK-17: maxTTL holds at login, an endless token included."""
    with closing(short.open(protocol)) as api:
        outcome = login(api, short.admin, expiresIn=wanted)
        assert (outcome.status, outcome.error_id) == (400, "security.token.ttl_exceeded")
        assert login(api, short.admin, expiresIn="1h").result["ttl"] == HOUR


@pytest.mark.parametrize("wanted", [*LONGER, *UNREADABLE], ids=repr)
def test_no_refresh_breaks_the_longest_lifetime(short: Any, protocol: str, wanted: Any) -> None:
    """TOK-18: maxTTL holds at a refresh, and a refused one leaves the token as it was."""
    with closing(short.open(protocol)) as api:
        outcome = api.call("auth:refreshToken", jwt=short.admin.jwt, expiresIn=wanted)
        assert outcome.status == 400
        assert outcome.error_id in ("security.token.ttl_exceeded", "api.assert.invalid_argument")
        assert api.call(ME, jwt=short.admin.jwt).status == 200


def test_a_doubled_lifetime_is_refused(short: Any) -> None:
    """TOK-19: of two values of one argument none is chosen."""
    url = "/_login/local?expiresIn=1h&expiresIn=1y"
    outcome = short.http.send("POST", url, short.admin.credentials)
    assert (outcome.status, outcome.error_id) == (400, "api.assert.invalid_argument")


def test_the_default_lifetime_is_that_of_the_settings(short: Any) -> None:
    assert login(short.http, short.admin).result["ttl"] == HOUR // 2


def test_a_second_refresh_gives_the_same_token_again(closed: Any, api: Api, http: HttpApi) -> None:
    """TOK-20: whoever lost the answer asks again, on any protocol."""
    person = closed.person("member")
    first = api.call("auth:refreshToken", jwt=person.jwt).result
    second = http.call("auth:refreshToken", jwt=person.jwt).result
    assert first == second
    assert first["jwt"] != person.jwt
    assert api.call(ME, jwt=first["jwt"]).result["_id"] == person.kuid
    while api.call(ME, jwt=person.jwt).status == 200:
        pass
    late = api.call("auth:refreshToken", jwt=person.jwt)
    assert (late.status, late.error_id) == (401, "security.token.invalid")
    assert check(api, person.jwt)["valid"] is False
    assert api.call(ME, jwt=first["jwt"]).status == 200


def test_parallel_refreshes_make_one_token(short: Any, protocol: str) -> None:
    """TOK-21: fifty refreshes at once, one successor."""
    person = short.person("member")

    def refresh(_: int) -> str:
        with closing(short.open(protocol)) as api:
            return str(api.call("auth:refreshToken", jwt=person.jwt).result["jwt"])

    with ThreadPoolExecutor(10) as threads:
        made = set(threads.map(refresh, range(50)))
    assert len(made) == 1
    assert made != {person.jwt}


def test_an_endless_token_is_not_refreshed(closed: Any, api: Api, member: Any) -> None:
    endless = login(api, member, expiresIn=-1).result["jwt"]
    outcome = api.call("auth:refreshToken", jwt=endless)
    assert (outcome.status, outcome.error_id) == (401, "security.token.refresh_forbidden")


def test_one_more_token_is_made(closed: Any, api: Api) -> None:
    person = closed.person("member")
    answer = api.call("auth:createToken", jwt=person.jwt).result
    wanted = {"token": "<jwt>", "expiresAt": "<ms>", "ttl": 2 * HOUR, "singleUse": False}
    assert differences(wanted, answer) == []
    assert api.call("auth:createToken", jwt=person.jwt, expiresIn="10m").result["ttl"] == 600_000
    for _ in range(2):
        assert api.call(ME, jwt=answer["token"]).result["_id"] == person.kuid
    api.call("auth:logout", jwt=answer["token"])
    assert api.call(ME, jwt=answer["token"]).status == 401
    assert api.call(ME, jwt=person.jwt).status == 200


def test_a_made_token_always_has_an_end(api: Api, member: Any) -> None:
    for endless in (-1, "-1"):
        outcome = api.call("auth:createToken", jwt=member.jwt, expiresIn=endless)
        assert (outcome.status, outcome.error_id) == (400, "security.token.invalid_expiration")
        assert len(outcome.error["props"]) == 2


@pytest.mark.parametrize("wanted", [*LONGER, *UNREADABLE], ids=repr)
def test_no_made_token_breaks_the_longest_lifetime(short: Any, protocol: str, wanted: Any) -> None:
    """TOK-18: maxTTL holds for createToken."""
    with closing(short.open(protocol)) as api:
        outcome = api.call("auth:createToken", jwt=short.admin.jwt, expiresIn=wanted)
        assert outcome.status == 400
        assert outcome.error_id in ("security.token.ttl_exceeded", "api.assert.invalid_argument")


def test_a_token_of_single_use_is_used_once(api: Api, member: Any) -> None:
    """TOK-23: a check is a use."""
    for use in (
        lambda token: api.call(ME, jwt=token).status == 200,
        lambda token: check(api, token)["valid"],
    ):
        made = api.call("auth:createToken", jwt=member.jwt, singleUse=True).result
        assert made["singleUse"] is True
        assert [use(made["token"]) for _ in range(3)] == [True, False, False]
        dead = api.call(ME, jwt=made["token"])
        assert (dead.status, dead.error_id) == (401, "security.token.invalid")


def test_a_token_of_single_use_is_used_once_by_many(closed: Any, protocol: str) -> None:
    """TOK-23: fifty at once."""
    made = closed.http.call("auth:createToken", jwt=closed.admin.jwt, singleUse=True).result

    def use(_: int) -> int:
        with closing(closed.open(protocol)) as api:
            return int(api.call(ME, jwt=made["token"]).status)

    with ThreadPoolExecutor(10) as threads:
        assert sorted(threads.map(use, range(50))) == [200, *[401] * 49]


def test_a_token_of_single_use_is_no_session(api: Api, member: Any) -> None:
    """TOK-24: it is not refreshed into one, and the attempt was its use."""
    token = api.call("auth:createToken", jwt=member.jwt, singleUse=True).result["token"]
    outcome = api.call("auth:refreshToken", jwt=token)
    assert (outcome.status, outcome.error_id) == (401, "security.token.refresh_forbidden")
    assert api.call(ME, jwt=token).status == 401


def test_refreshing_ends_with_the_session(
    tmp_path: Path, settings: Callable[..., Settings], new_site: Callable[[Settings], Any]
) -> None:
    """TOK-33: and the answer says so before."""
    with new_site(settings(tmp_path, security__authToken__maxSession="1h")) as site:
        session = site.login("root", expiresIn=-1)
        refreshed = site.http.call("auth:refreshToken", jwt=session.jwt, expiresIn="1y").result
        (one,) = [
            one
            for one in site.http.call("auth:getMySessions", jwt=refreshed["jwt"]).result["hits"]
            if one["current"]
        ]
        assert refreshed["expiresAt"] == one["expiresAt"] == one["createdAt"] + HOUR
        made = site.http.call("auth:createToken", jwt=refreshed["jwt"], expiresIn="1d").result
        assert made["expiresAt"] == one["expiresAt"]


def test_a_strategy_to_ask_at_a_refresh_may_be_named(closed: Any, api: Api) -> None:
    person = closed.person("member")
    unknown = api.call("auth:refreshToken", jwt=person.jwt, strategy="carrier-pigeon")
    assert (unknown.status, unknown.error_id) == (400, "security.credentials.unknown_strategy")
    for strategy in ("local", ""):
        jwt = closed.login(person.username).jwt
        assert api.call("auth:refreshToken", jwt=jwt, strategy=strategy).status == 200


def everywhere(closed: Any, jwt: str) -> set[int]:
    """Use a token in every way there is; return the statuses."""
    with closing(closed.open("websocket")) as api, closing(closed.open("http")) as http:
        uses = [
            one.call(name, jwt=jwt) for one in (api, http) for name in (ME, "auth:refreshToken")
        ]
        assert check(http, jwt)["valid"] is False
        message = {"controller": "auth", "action": "getCurrentUser", "jwt": jwt}
        return {*(use.status for use in uses), http.send("POST", "/_query", message).status}


def test_logging_out_holds_at_once_and_everywhere(closed: Any, api: Api) -> None:
    """TOK-10, TOK-14: on kept connections, refreshes and checks alike."""
    person = closed.person("member")
    with closing(WebSocketApi(closed.port)) as open_already:
        assert open_already.call(ME, jwt=person.jwt).status == 200
        assert api.call("auth:logout", jwt=person.jwt).result == {"acknowledged": True}
        assert open_already.call(ME, jwt=person.jwt).error_id == "security.token.invalid"
    assert everywhere(closed, person.jwt) == {401}


def test_logging_out_ends_one_session_or_all(closed: Any, api: Api) -> None:
    """TOK-11: exactly those of that user; a name that begins alike is another."""
    person = closed.person("member", kuid=f"twin-{api.protocol}")
    twin = closed.person("member", kuid=f"twin-{api.protocol}-2")
    second, third = closed.login(person.username).jwt, closed.login(person.username).jwt
    api.call("auth:logout", jwt=person.jwt)
    assert api.call(ME, jwt=second).status == 200
    assert api.call("auth:logout", jwt=second, **{"global": True}).status == 200
    assert everywhere(closed, third) == {401}
    assert api.call(ME, jwt=twin.jwt).status == 200


def test_revoking_ends_every_session_of_that_user(closed: Any, api: Api) -> None:
    """TOK-12: exactly that user."""
    person, other = closed.person("member"), closed.person("member")
    revoked = api.call("security:revokeTokens", jwt=closed.admin.jwt, _id=person.kuid)
    assert (revoked.status, revoked.result) == (200, None)
    assert everywhere(closed, person.jwt) == {401}
    assert api.call(ME, jwt=other.jwt).status == 200
    assert login(api, person).status == 200


def test_a_deleted_user_is_signed_out_and_a_new_one_revives_nothing(closed: Any, api: Api) -> None:
    """TOK-13: tokens are those of a generation of a kuid."""
    person = closed.person("member", kuid=f"phoenix-{api.protocol}")
    admin = closed.admin.jwt
    assert api.call("security:deleteUser", jwt=admin, _id=person.kuid).status == 200
    assert everywhere(closed, person.jwt) == {401}
    assert login(api, person).status == 401
    body = {"content": {"profileIds": ["member"]}}
    assert api.call("security:createUser", body, jwt=admin, _id=person.kuid).status == 200
    assert everywhere(closed, person.jwt) == {401}
    assert login(api, person).status == 401


def test_changed_rights_reach_tokens_that_live(closed: Any, api: Api) -> None:
    """TOK-29: at the next request."""
    person = closed.person("member")
    for profile, status in (("default", 403), ("member", 200), ("default", 403)):
        body = {"profileIds": [profile]}
        api.call("security:updateUser", body, jwt=closed.admin.jwt, _id=person.kuid)
        assert api.call("auth:getStrategies", jwt=person.jwt).status == status


def test_two_tokens_of_a_second_are_two(api: Api, member: Any) -> None:
    """TOK-22: 128 random bits, and one ends without the other."""
    tokens = [login(api, member, expiresIn="1h").result["jwt"] for _ in range(4)]
    assert len({decoded(token)["jti"] for token in tokens}) == 4
    assert all(len(bytes.fromhex(decoded(token)["jti"])) == 16 for token in tokens)
    api.call("auth:logout", jwt=tokens[0])
    assert [api.call(ME, jwt=token).status for token in tokens] == [401, 200, 200, 200]


@pytest.mark.parametrize("url", ["/_login/local", "/_refreshToken"])
def test_an_answer_with_a_token_is_not_stored(closed: Any, http: HttpApi, url: str) -> None:
    """TOK-26: no cache keeps a token (RFC 6750, 5.3)."""
    person = closed.person("member")
    jwt = None if "login" in url else person.jwt
    outcome = http.send("POST", url, person.credentials, jwt=jwt)
    assert outcome.result["jwt"]
    assert outcome.headers["cache-control"] == "no-store"


def test_any_white_space_may_follow_the_scheme(http: HttpApi, member: Any) -> None:
    """TOK-28: a token that is there is looked at."""
    for space in (" ", "  ", "\t"):
        for token, status in ((member.jwt, 200), ("kauth-nothing", 401)):
            header = {"Authorization": f"bearer{space}{token}"}
            assert http.send("GET", "/_me", headers=header).status == status


@pytest.mark.parametrize(
    "header",
    ["{}", "Basic {}", "Bearer{}", "Token {}", "JWT {}", "Bearer\u00a0{}", "X Bearer {}", ""],
)
def test_an_odd_scheme_does_not_sign_in(http: HttpApi, member: Any, header: str) -> None:
    """TOK-27: only a bearer is one."""
    outcome = http.send("GET", "/_me", headers={"Authorization": header.format(member.jwt)})
    assert outcome.status == 401 or outcome.result["_id"] == "-1"


@pytest.mark.parametrize("header", ["bearer {}", "BEARER {}", "Bearer   {}", "Bearer {} "])
def test_the_case_of_a_scheme_does_not_matter(http: HttpApi, member: Any, header: str) -> None:
    outcome = http.send("GET", "/_me", headers={"Authorization": header.format(member.jwt)})
    assert outcome.result["_id"] == member.kuid


def test_two_tokens_in_one_header_are_none(http: HttpApi, member: Any) -> None:
    """TOK-27: nothing is picked from a list."""
    for header in (f"Bearer {member.jwt}, Bearer {member.jwt}", f"Bearer {member.jwt} x"):
        assert http.send("GET", "/_me", headers={"Authorization": header}).status == 401


@pytest.mark.parametrize(
    "name", ["auth:login", "auth:checkToken", "auth:logout", "server:publicApi"]
)
def test_a_wrong_token_is_never_anonymous(api: Api, member: Any, name: str) -> None:
    """TOK-28: not even where anonymous may."""
    args = {"strategy": "local"} if name == "auth:login" else {}
    for jwt in ("kauth-wrong", member.jwt[:-1], member.jwt + "A", "null", "undefined"):
        outcome = api.call(name, member.credentials if args else None, jwt=jwt, **args)
        assert (outcome.status, outcome.error_id) == (401, "security.token.invalid")


@pytest.mark.parametrize("token", [12, True, [], {}, None, ["x"], {"a": "b"}, 1.5], ids=repr)
def test_a_token_to_check_is_a_text(api: Api, token: Any) -> None:
    """TOK-09: any type is answered, and none with a 5xx."""
    outcome = api.call("auth:checkToken", {"token": token})
    assert (outcome.status, outcome.error["props"]) == (400, ["body.token", "string"])


@pytest.mark.parametrize("token", ["x", "kauth-", "kauth-..", "é", "kauth-" + "a" * 5000])
def test_a_bad_token_is_checked_and_found_bad(api: Api, token: str) -> None:
    answer = check(api, token)
    assert answer.keys() == {"valid", "state"}
    assert answer["valid"] is False


def test_no_token_to_check_is_anonymous(api: Api) -> None:
    for body in (None, {}, {"token": ""}):
        answer = api.call("auth:checkToken", body).result
        assert answer == {"valid": True, "kuid": "-1", "expiresAt": None}


KUIDS = ["abc~", "abc?", "abc>", "a>?~b", "ÿÿÿ", "日本語", "😀😀", 'a\\"b', "~" * 200, "é" * 256]


@pytest.mark.parametrize("kuid", KUIDS)
def test_a_client_can_decode_the_token_of_any_kuid(closed: Any, http: HttpApi, kuid: str) -> None:
    """The SDK knows the plain alphabet of base64 alone (contract, 4.1)."""
    person = closed.person("member", kuid=kuid)
    for _ in range(2):
        answer = http.call("auth:login", person.credentials, strategy="local").result
        middle = answer["jwt"].split(".")[1]
        assert not set(middle) & set("-_=")
        assert decoded(answer["jwt"])["_id"] == kuid == answer["_id"]
        assert http.call(ME, jwt=answer["jwt"]).result["_id"] == kuid
    assert http.call("security:deleteUser", jwt=closed.admin.jwt, _id=kuid).status == 200


def decoded(jwt: str) -> dict[str, Any]:
    """Read a token as the SDK does: two dots, and plain base64 between them."""
    _, middle, _ = jwt.split(".")
    claims: dict[str, Any] = json.loads(
        base64.b64decode(middle + "=" * (-len(middle) % 4), validate=True)
    )
    return claims
