"""The tokens of providers: kept sealed, renewed once, handed to who has the right, and no other."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from threading import Barrier
from typing import Any, NoReturn

import pytest
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from ostiary.testing.postgresql import started

from .provider import Grant, Loopback, running
from .signing_in import House, house

AT_ONCE = 12


class Rotating:
    """A token endpoint that gives each refresh token once (RFC 9700, 4.14.2).

    :ivar lifetime: of access tokens, in seconds.
    :ivar given: every token, ever.
    :ivar good: the one refresh token that is still good.
    :ivar used: how often one was used; ``twice`` how often one that was used before.
    :ivar fails: what is answered instead.
    """

    def __init__(self, loopback: Loopback) -> None:
        self._loopback, self._answers = loopback, loopback.answers
        self.lifetime: int | None = 3600
        self.given: list[str] = []
        self.good: set[str] = set()
        self.used = self.twice = 0
        self.fails: Callable[[], Response] | None = None
        loopback.answers["/token"] = self

    def __call__(self, _request: Request) -> Response:
        _method, _path, form = self._loopback.asked[-1]
        if self.fails is not None:
            return self.fails()
        if form["grant_type"] == "authorization_code":
            grant = self._loopback.codes.pop(form["code"])
            access = self._secret()
            self._loopback.tokens[access] = grant
            return self._tokens(access, id_token=self._loopback.id_token(grant, access))
        self.used += 1
        if form["refresh_token"] not in self.good:
            self.twice += 1
            return JSONResponse({"error": "invalid_grant", "error_description": "<b>no"}, 400)
        self.good.remove(form["refresh_token"])
        # Time for others to make the same mistake.
        time.sleep(0.3)
        access = self._secret()
        self._loopback.tokens[access] = Grant("openid email")
        return self._tokens(access)

    def _tokens(self, access: str, **more: Any) -> Response:
        refresh = self._secret()
        self.good.add(refresh)
        answer = {"access_token": access, "refresh_token": refresh, "token_type": "Bearer", **more}
        if self.lifetime is not None:
            answer["expires_in"] = self.lifetime
        return JSONResponse({**answer, "scope": "openid email"})

    def _secret(self) -> str:
        self.given.append(secrets.token_urlsafe(24))
        return self.given[-1]


@pytest.fixture(scope="module")
def loopback() -> Iterator[Loopback]:
    with running() as provider:
        yield provider


@pytest.fixture(scope="module")
def serving(loopback: Loopback) -> Iterator[House]:
    with house(loopback) as made:
        yield made


@pytest.fixture(scope="module")
def on_postgresql(loopback: Loopback, missing: Callable[[str, str], NoReturn]) -> Iterator[House]:
    with started(missing) as database, house(loopback, database) as made:
        yield made


@pytest.fixture(params=["serving", "on_postgresql"], ids=["sqlite", "postgresql"])
def either(request: pytest.FixtureRequest) -> House:
    """A server on each data base in turn."""
    made: House = request.getfixturevalue(request.param)
    return made


@pytest.fixture
def rotating(loopback: Loopback) -> Rotating:
    """The provider, where somebody new is about to sign in."""
    loopback.user["sub"] = secrets.token_hex(8)
    return Rotating(loopback)


def test_a_service_gets_the_token_and_none_that_gives_others(
    serving: House, rotating: Rotating
) -> None:
    """OAU-19."""
    kuid = serving.sign_in()["_id"]
    access, refresh = rotating.given
    got = serving.token(kuid)
    assert got.result.keys() == {"accessToken", "tokenType", "scope", "expiresAt"}
    assert got.result["accessToken"] == access
    assert (got.result["tokenType"], got.result["scope"]) == ("Bearer", "openid email")
    assert 3_500_000 < got.result["expiresAt"] - time.time() * 1000 < 3_601_000
    assert refresh.encode() not in got.raw
    assert b"eyJ" not in got.raw
    assert rotating.used == 0


def test_an_answer_with_a_token_is_neither_kept_nor_compressed(
    serving: House, rotating: Rotating
) -> None:
    kuid = serving.sign_in()["_id"]
    headers = {"Accept-Encoding": "gzip"}
    got = serving.send("GET", f"/_/tokens/work/{kuid}", headers=headers, jwt=serving.admin)
    assert got.status == 200
    assert got.headers["cache-control"] == "no-store"
    assert got.headers["content-encoding"] == "identity"


def test_nobody_gets_a_token_without_the_right_to_it_be_it_their_own(
    serving: House, rotating: Rotating
) -> None:
    signed_in = serving.sign_in()
    url = f"/_/tokens/work/{signed_in['_id']}"
    assert serving.send("GET", url).status == 401
    assert serving.send("GET", url, jwt=signed_in["jwt"]).status == 403


def test_the_audit_log_tells_who_was_given_a_token_and_not_which(
    serving: House, rotating: Rotating
) -> None:
    kuid = serving.sign_in()["_id"]
    serving.token(kuid)
    wanted = {"event": "ActionRun", "author": "root", "about": kuid}
    found = serving.send("POST", "/audit/_search", wanted, jwt=serving.admin)
    assert found.result["total"] == 1
    assert b"kuzzle-plugin-auth-passport-oauth/token:get" in found.raw
    assert not any(secret.encode() in found.raw for secret in rotating.given)


def test_a_token_that_ends_soon_is_renewed_before_it_is_handed_out(
    either: House, rotating: Rotating
) -> None:
    rotating.lifetime = 30
    kuid = either.sign_in()["_id"]
    rotating.lifetime = 3600
    first = either.token(kuid).result["accessToken"]
    assert (first, rotating.used) == (rotating.given[-2], 1)
    assert either.token(kuid).result["accessToken"] == first
    assert rotating.used == 1


def test_a_token_without_an_end_is_good(serving: House, rotating: Rotating) -> None:
    rotating.lifetime = None
    kuid = serving.sign_in()["_id"]
    assert serving.token(kuid).result["expiresAt"] is None
    assert rotating.used == 0


@pytest.mark.parametrize("lifetime", [-1, 30], ids=["ended", "ending"])
def test_a_refresh_token_is_used_once_however_many_ask_at_once(
    either: House, rotating: Rotating, lifetime: int
) -> None:
    """RACE-02: in two processes."""
    rotating.lifetime = lifetime
    kuid = either.sign_in()["_id"]
    rotating.lifetime = 3600
    barrier = Barrier(AT_ONCE)

    def ask(_number: int) -> str:
        barrier.wait()
        token: str = either.token(kuid).result["accessToken"]
        return token

    with ThreadPoolExecutor(AT_ONCE) as pool:
        given = set(pool.map(ask, range(AT_ONCE)))
    old, _, new, _ = rotating.given
    assert given <= ({new} if lifetime < 0 else {old, new})
    assert new in given
    assert (rotating.used, rotating.twice) == (1, 0)


def test_tokens_are_given_up_when_the_provider_takes_them_back(
    either: House, rotating: Rotating
) -> None:
    rotating.lifetime = 30
    kuid = either.sign_in()["_id"]
    rotating.good.clear()
    refused = either.token(kuid)
    assert refused.error_id.endswith(".sign_in_again")
    assert refused.status == 412
    assert b"<b>" not in refused.raw
    assert either.token(kuid).error_id.endswith(".no_tokens")
    assert rotating.used == 1
    rotating.lifetime = 3600
    either.sign_in()
    assert either.token(kuid).result["accessToken"] == rotating.given[-2]


@pytest.mark.parametrize(
    "answer",
    [
        lambda: Response("broken", 500),
        lambda: Response("<html>", 200),
        lambda: JSONResponse({"error": "temporarily_unavailable"}, 400),
        lambda: JSONResponse({"access_token": 5}, 200),
    ],
    ids=["500", "no JSON", "unavailable", "no token"],
)
def test_nothing_is_lost_while_a_provider_is_down(
    serving: House, rotating: Rotating, answer: Callable[[], Response]
) -> None:
    rotating.lifetime = -1
    kuid = serving.sign_in()["_id"]
    rotating.lifetime = 3600
    rotating.fails = answer
    refused = serving.token(kuid)
    assert (refused.status, refused.error_id.rpartition(".")[2]) == (503, "provider_unavailable")
    rotating.fails = None
    assert serving.token(kuid).result["accessToken"] == rotating.given[-2]


def test_a_token_that_still_lasts_is_handed_out_while_a_provider_is_down(
    serving: House, rotating: Rotating
) -> None:
    rotating.lifetime = 30
    kuid = serving.sign_in()["_id"]
    rotating.fails = lambda: Response("broken", 500)
    assert serving.token(kuid).result["accessToken"] == rotating.given[0]


def test_who_does_not_take_us_for_its_client_is_told_apart(
    serving: House, rotating: Rotating
) -> None:
    rotating.lifetime = -1
    kuid = serving.sign_in()["_id"]
    rotating.fails = lambda: JSONResponse({"error": "invalid_client"}, 401)
    assert serving.token(kuid).error_id.endswith(".client_refused")


def test_an_error_of_an_odd_shape_is_the_providers_failure(
    serving: House, rotating: Rotating
) -> None:
    """OAU-17"""
    rotating.lifetime = -1
    kuid = serving.sign_in()["_id"]
    for error in (["invalid_grant"], {"invalid_grant": 1}, 7):
        rotating.fails = partial(JSONResponse, {"error": error}, 400)
        assert serving.token(kuid).error_id.endswith(".provider_unavailable")


def test_a_token_may_say_that_it_lasts_longer_than_any_clock(
    serving: House, rotating: Rotating
) -> None:
    rotating.lifetime = 10**400
    kuid = serving.sign_in()["_id"]
    assert serving.token(kuid).result["expiresAt"] is None


def test_nobody_acts_for_a_user_who_is_disabled_or_gone(serving: House, rotating: Rotating) -> None:
    kuid = serving.sign_in()["_id"]
    assert serving.send("PUT", f"/users/{kuid}/_disable", jwt=serving.admin).status == 200
    assert serving.token(kuid).error_id.endswith(".no_tokens")
    assert serving.send("PUT", f"/users/{kuid}/_enable", jwt=serving.admin).status == 200
    assert serving.token(kuid).status == 200
    assert serving.send("DELETE", f"/users/{kuid}", jwt=serving.admin).status == 200
    assert serving.token(kuid).error_id.endswith(".no_tokens")


def test_there_are_no_tokens_of_a_strategy_that_there_is_not(serving: House) -> None:
    refused = serving.send("GET", "/_/tokens/play/root", jwt=serving.admin)
    assert refused.error_id == "security.credentials.unknown_strategy"
    assert serving.token("root").error_id.endswith(".no_tokens")


def test_nothing_that_a_provider_gave_is_in_a_file_or_a_log(
    loopback: Loopback, rotating: Rotating
) -> None:
    """OAU-19: nor the secret of the client."""
    with house(loopback, workers=1) as made:
        rotating.lifetime = 30
        kuid = made.sign_in()["_id"]
        assert made.token(kuid).status == 200
        made.server.stop()
        files = [path for path in made.server.data.rglob("*") if path.is_file()]
        assert any(path.name == "oauth.db" for path in files)
        written = b"".join(path.read_bytes() for path in files) + made.server.log.encode()
        ids = [text.encode() for text in (*rotating.given, loopback.client_secret)]
        assert len(ids) == 5
        assert not [secret for secret in ids if secret in written]
        assert b"eyJ" not in written


def test_kept_tokens_go_with_the_next_login_when_they_are_not_wanted_any_more(
    loopback: Loopback, rotating: Rotating
) -> None:
    """OAU-19."""
    with house(loopback, workers=1) as made:
        kuid = made.sign_in()["_id"]
        made.configure(keep_tokens=False)
        assert made.token(kuid).error_id.endswith(".no_tokens")
        made.sign_in()
        made.configure(keep_tokens=True)
        assert made.token(kuid).error_id.endswith(".no_tokens")


def test_a_new_master_key_seals_them_again(loopback: Loopback, rotating: Rotating) -> None:
    with house(loopback, workers=1) as made:
        kuid = made.sign_in()["_id"]
        rotated = made.server.run("keys", "rotate-master")
        assert rotated.returncode == 0, rotated.stderr
        assert "in the store oauth: 1." in rotated.stdout
        made.server.restart()
        assert made.token(kuid).result["accessToken"] == rotating.given[0]
