"""Tokens in cookies: set, read, taken back, and of no use to other people's pages."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any
from urllib.parse import urlencode

import pytest

from ostiary.settings import Settings
from ostiary.testing.wire import HOST, HttpApi, Outcome, WebSocketApi

FRIEND, STRANGER = "https://app.example", "https://evil.example"
PUBLIC = "https://login.example"
FORM = {"Content-Type": "application/x-www-form-urlencoded"}
PASSWORD = "a password long enough"


def set_cookie(outcome: Outcome, name: str = "authToken") -> str:
    """Return what an answer says of one cookie; it may set others besides."""
    every = re.split(r", (?=[\w-]+=)", outcome.headers.get("set-cookie", ""))
    return next((one for one in every if one.startswith(f"{name}=")), "")


def cookie_of(outcome: Outcome, name: str = "authToken") -> str:
    return set_cookie(outcome, name).partition(";")[0].partition("=")[2]


def sign_in(http: HttpApi, person: Any, **headers: str) -> Outcome:
    url = "/_login/local?cookieAuth=true"
    outcome = http.send("POST", url, person.credentials, headers)
    assert outcome.status == 200, outcome.body
    return outcome


def ask(http: HttpApi, token: str, verb: str = "GET", url: str = "/_me", **headers: str) -> Outcome:
    return http.send(verb, url, None, {"Cookie": f"authToken={token}", **headers})


@pytest.fixture
def person(closed: Any) -> Any:
    """Somebody of one's own, to sign out."""
    return closed.person("member")


@pytest.fixture
def token(http: HttpApi, member: Any) -> str:
    return cookie_of(sign_in(http, member))


def test_a_login_puts_the_token_into_a_cookie_and_nowhere_else(http: HttpApi, member: Any) -> None:
    """HTTP-10: no script of the page can read it."""
    outcome = sign_in(http, member)
    assert outcome.result.keys() == {"_id", "expiresAt", "ttl"}
    assert "set-cookie" not in outcome.body["headers"]
    first, *flags = set_cookie(outcome).split("; ")
    assert first.startswith("authToken=kauth-")
    assert [flag.partition("=")[0] for flag in flags] == ["Path", "Expires", "HttpOnly", "SameSite"]
    assert flags[0] == "Path=/"
    assert flags[-1] == "SameSite=Strict"
    assert ask(http, cookie_of(outcome)).result["_id"] == member.kuid


def test_without_asking_for_it_no_cookie_holds_a_token(http: HttpApi, member: Any) -> None:
    outcome = http.send("POST", "/_login/local", member.credentials)
    assert "jwt" in outcome.result
    assert set_cookie(outcome) == ""


def test_a_token_without_end_is_in_a_cookie_of_the_browsers_session(dev: Any) -> None:
    url = "/_login/local?cookieAuth&expiresIn=-1"
    outcome = dev.http.send("POST", url, dev.admin.credentials)
    assert outcome.result["expiresAt"] == -1
    assert "Expires" not in set_cookie(outcome)


def test_a_query_sets_cookies_too(http: HttpApi, member: Any) -> None:
    message = {
        "controller": "auth",
        "action": "login",
        "strategy": "local",
        "cookieAuth": True,
        "body": member.credentials,
    }
    outcome = http.send("POST", "/_query", message)
    assert "jwt" not in outcome.result
    assert ask(http, cookie_of(outcome)).result["_id"] == member.kuid


def test_refreshing_in_a_cookie_gives_a_cookie(http: HttpApi, member: Any, token: str) -> None:
    outcome = ask(http, token, "POST", "/_refreshToken?cookieAuth=true")
    assert outcome.result.keys() == {"_id", "expiresAt", "ttl"}
    assert cookie_of(outcome) != token
    assert ask(http, cookie_of(outcome)).result["_id"] == member.kuid


def test_checking_looks_at_the_cookie(http: HttpApi, member: Any, token: str) -> None:
    url = "/_checkToken?cookieAuth=true"
    result = ask(http, token, "POST", url).result
    assert (result["valid"], result["kuid"]) == (True, member.kuid)
    assert ask(http, "kauth-x", "POST", url).result["valid"] is False
    assert ask(http, "null", "POST", url).result["kuid"] == "-1"
    body = {"token": "kauth-x"}
    cookie = {"Cookie": f"authToken={token}"}
    assert http.send("POST", url, body, cookie).result["kuid"] == member.kuid


def test_signing_out_removes_the_cookie_and_ends_the_token(http: HttpApi, person: Any) -> None:
    """TOK-10, contract 12: a copy of the cookie is worth nothing afterwards."""
    token = cookie_of(sign_in(http, person))
    outcome = ask(http, token, "POST", "/_logout?cookieAuth=true")
    assert outcome.result == {"acknowledged": True}
    assert set_cookie(outcome) == "authToken=null; Path=/; HttpOnly; SameSite=Strict"
    assert ask(http, token).error_id == "security.token.invalid"
    assert http.call("auth:getCurrentUser", jwt=person.jwt).status == 200


def test_signing_out_everywhere_works_with_a_cookie(http: HttpApi, person: Any) -> None:
    token = cookie_of(sign_in(http, person))
    assert ask(http, token, "POST", "/_logout?cookieAuth=true&global=true").status == 200
    assert http.call("auth:getCurrentUser", jwt=person.jwt).status == 401


def test_who_has_no_session_cannot_sign_out_where_nobody_may(http: HttpApi) -> None:
    outcome = ask(http, "null", "POST", "/_logout?cookieAuth=true")
    assert (outcome.status, outcome.error_id) == (401, "security.rights.unauthorized")
    assert outcome.error["props"] == ["auth", "logout", "-1"]


def test_everybody_may_give_up_a_dead_cookie(http: HttpApi, dev: Any) -> None:
    for api in (http, dev.http):
        outcome = ask(api, "kauth-x", "POST", "/_logout?cookieAuth=true")
        assert outcome.result == {"acknowledged": True}
        assert cookie_of(outcome) == "null"
    assert dev.http.send("POST", "/_logout").error_id == "security.rights.unauthorized"


def test_a_dead_cookie_does_not_stand_in_the_way_of_a_login(http: HttpApi, member: Any) -> None:
    assert sign_in(http, member, Cookie="authToken=kauth-x").result["_id"] == member.kuid
    plain = http.send("POST", "/_login/local", member.credentials, {"Cookie": "authToken=kauth-x"})
    assert plain.error_id == "security.token.invalid"


def test_a_cookie_and_a_token_together_are_refused(http: HttpApi, member: Any, token: str) -> None:
    """HTTP-14, HTTP-15: two identities are none."""
    cookie = {"Cookie": f"authToken={token}"}
    message = {"controller": "auth", "action": "getCurrentUser", "jwt": member.jwt}
    for outcome in (
        http.send("GET", "/_me", None, cookie, member.jwt),
        http.send("POST", "/_query", message, cookie),
        http.send("POST", "/_login/local?cookieAuth=1", member.credentials, cookie, member.jwt),
    ):
        assert (outcome.status, outcome.error_id) == (400, "security.token.verification_error")
        assert token not in outcome.raw.decode()


def test_identities_of_one_connection_never_mix(http: HttpApi, closed: Any, member: Any) -> None:
    """HTTP-14, HTTP-15: each request of a kept connection is whose it says, or nobody's."""
    other = closed.person("member")
    cookies = {one.kuid: cookie_of(sign_in(http, one)) for one in (member, other)}
    for _ in range(3):
        for one in (member, other):
            assert ask(http, cookies[one.kuid]).result["_id"] == one.kuid
            assert http.send("GET", "/_me").result["_id"] == "-1"
            assert http.call("auth:getCurrentUser", jwt=one.jwt).result["_id"] == one.kuid


@pytest.mark.parametrize("header", ["authToken=a; authToken=b", "authToken=a b", "authToken=\xe9"])
def test_a_cookie_that_cannot_be_read_is_refused(http: HttpApi, header: str) -> None:
    outcome = http.send("GET", "/_me", None, {"Cookie": header})
    assert (outcome.status, outcome.error_id) == (401, "security.cookie.invalid")


def test_two_headers_of_cookies_are_refused(http: HttpApi) -> None:
    """HTTP-14: what stands before the server may read the other one."""
    # The test client writes a header as often as its name is spelt.
    outcome = http.send("GET", "/_me", None, {"Cookie": "authToken=a", "cookie": "authToken=b"})
    assert (outcome.status, outcome.error_id) == (400, "network.http.unexpected_error")


@pytest.mark.parametrize("header", ["", "a=b", "authToken=", "authToken=null", "AUTHTOKEN=a"])
def test_other_cookies_are_nobodys_business(http: HttpApi, header: str) -> None:
    assert http.send("GET", "/_me", None, {"Cookie": header}).result["_id"] == "-1"


class TestPages:
    """HTTP-11: whose pages may act in the name of a cookie (ASVS 3.5.1)."""

    @pytest.mark.parametrize("origin", [STRANGER, "null", "https://127.0.0.1.evil.example", "x"])
    @pytest.mark.parametrize(
        "verb, url",
        [("GET", "/_me"), ("POST", "/_refreshToken"), ("POST", "/_logout?cookieAuth=true")],
    )
    def test_a_strange_page_does_nothing_with_it(
        self, http: HttpApi, token: str, member: Any, origin: str, verb: str, url: str
    ) -> None:
        outcome = ask(http, token, verb, url, Origin=origin)
        assert (outcome.status, outcome.error_id) == (403, "ostiary.request.cross_site")
        assert "access-control-allow-credentials" not in outcome.headers
        assert ask(http, token).result["_id"] == member.kuid

    def test_a_strange_page_cannot_sign_a_browser_in(self, http: HttpApi, member: Any) -> None:
        url = "/_login/local?cookieAuth=true"
        outcome = http.send("POST", url, member.credentials, {"Origin": STRANGER})
        assert outcome.error_id == "ostiary.request.cross_site"
        assert "set-cookie" not in outcome.headers

    @pytest.mark.parametrize("site", ["cross-site", "same-site"])
    def test_a_browser_that_tells_of_another_site_is_believed(
        self, http: HttpApi, token: str, site: str
    ) -> None:
        assert ask(http, token, **{"Sec-Fetch-Site": site}).status == 403
        assert ask(http, token, **{"Sec-Fetch-Site": "same-origin"}).status == 200

    def test_a_page_of_the_server_itself_does(self, http: HttpApi, token: str) -> None:
        for scheme in ("http", "https"):
            origin = f"{scheme}://{HOST}:{http.port}"
            assert ask(http, token, "GET", "/_me", Origin=origin).status == 200
        assert ask(http, token, Origin=f"http://{HOST}:{http.port + 1}").status == 403

    def test_a_form_does_nothing_with_it(self, http: HttpApi, token: str, member: Any) -> None:
        """Any page can send a form, and old browsers do not say whose it is (decision 6)."""
        cookie = {"Cookie": f"authToken={token}", **FORM}
        form = urlencode({"controller": "auth", "action": "logout"}).encode()
        for url in ("/_query", "/_logout", "/_logout?cookieAuth"):
            outcome = http.send("POST", url, form, cookie)
            assert (outcome.status, outcome.error_id) == (403, "ostiary.request.cross_site")
        assert http.send("POST", "/_logout", b"", cookie).status == 403
        login = urlencode(member.credentials).encode()
        assert http.send("POST", "/_login/local?cookieAuth", login, FORM).status == 403
        assert ask(http, token).status == 200


@pytest.fixture(scope="module")
def public(
    tmp_path_factory: pytest.TempPathFactory,
    settings: Callable[..., Settings],
    new_site: Callable[[Settings], Any],
) -> Iterator[Any]:
    """A server behind HTTPS, and for the pages of one origin besides its own."""
    changes = {"server.publicUrl": f"{PUBLIC}:443/auth", "http.accessControlAllowOrigin": FRIEND}
    with new_site(settings(tmp_path_factory.mktemp("public"), **changes)) as site:
        yield site


def test_behind_https_the_cookie_is_of_this_host_alone(public: Any) -> None:
    """CFG-06, HTTP-10."""
    http, secure = public.http, "__Host-authToken"
    outcome = sign_in(http, public.admin)
    token = cookie_of(outcome, secure)
    assert {"Secure", "HttpOnly", "Path=/"} <= set(set_cookie(outcome, secure).split("; "))
    assert "Domain" not in outcome.headers["set-cookie"]
    assert http.send("GET", "/_me", None, {"Cookie": f"authToken={token}"}).result["_id"] == "-1"
    assert http.send("GET", "/_me", None, {"Cookie": f"{secure}={token}"}).result["_id"] == "root"
    logout = {"Cookie": f"{secure}={token}"}
    assert cookie_of(http.send("POST", "/_logout?cookieAuth", None, logout), secure) == "null"


@pytest.mark.parametrize("origin", [PUBLIC, FRIEND])
def test_pages_of_the_server_and_of_listed_origins_may_use_it(public: Any, origin: str) -> None:
    """HTTP-09."""
    cookie = f"__Host-authToken={cookie_of(sign_in(public.http, public.admin), '__Host-authToken')}"
    headers = {"Cookie": cookie, "Origin": origin, "Sec-Fetch-Site": "cross-site"}
    outcome = public.http.send("POST", "/_refreshToken?cookieAuth", None, headers)
    assert outcome.status == 200
    assert outcome.headers["access-control-allow-origin"] == origin
    named = outcome.headers.get("access-control-allow-credentials")
    assert named == ("true" if origin == FRIEND else None)


def test_what_a_client_says_of_the_host_makes_no_page_known(public: Any) -> None:
    """HTTP-13."""
    cookie = f"__Host-authToken={cookie_of(sign_in(public.http, public.admin), '__Host-authToken')}"
    for name in ("Host", "X-Forwarded-Host", "Forwarded"):
        headers = {"Cookie": cookie, "Origin": STRANGER, name: "evil.example"}
        outcome = public.http.send("GET", "/_me", None, headers)
        assert outcome.error_id == "api.process.unauthorized_origin"
        assert "access-control-allow-origin" not in outcome.headers


class TestSockets:
    """Over WebSocket the cookie of the upgrade counts for each message."""

    def test_the_cookie_of_the_upgrade_says_who_asks(
        self, closed: Any, member: Any, token: str
    ) -> None:
        with closing(WebSocketApi(closed.port, {"Cookie": f"authToken={token}"})) as api:
            for _ in range(2):
                assert api.call("auth:getCurrentUser").result["_id"] == member.kuid
            both = api.call("auth:getCurrentUser", jwt=member.jwt)
            assert (both.status, both.error_id) == (400, "security.token.verification_error")
            checked = api.call("auth:checkToken", {}, cookieAuth=True)
            assert checked.result["kuid"] == member.kuid

    def test_the_cookie_is_looked_at_again_for_each_message(
        self, closed: Any, http: HttpApi, person: Any
    ) -> None:
        token = cookie_of(sign_in(http, person))
        with closing(WebSocketApi(closed.port, {"Cookie": f"authToken={token}"})) as api:
            assert api.call("auth:getCurrentUser").result["_id"] == person.kuid
            assert ask(http, token, "POST", "/_logout?cookieAuth").status == 200
            assert api.call("auth:getCurrentUser").error_id == "security.token.invalid"

    @pytest.mark.parametrize("origin", [STRANGER, "null"])
    def test_the_origin_is_checked_before_the_cookie_counts(
        self, closed: Any, token: str, origin: str
    ) -> None:
        """WS-10: a strange page gets no socket of whoever looks at it (RFC 6455, 10.2)."""
        headers = {"Cookie": f"authToken={token}", "Origin": origin}
        with closing(WebSocketApi(closed.port, headers)) as api:
            for name in ("auth:getCurrentUser", "auth:logout", "auth:refreshToken"):
                outcome = api.call(name)
                assert (outcome.status, outcome.error_id) == (403, "ostiary.request.cross_site")

    def test_a_page_of_the_server_opens_one(self, closed: Any, member: Any, token: str) -> None:
        headers = {"Cookie": f"authToken={token}", "Origin": f"http://{HOST}:{closed.port}"}
        with closing(WebSocketApi(closed.port, headers)) as api:
            assert api.call("auth:getCurrentUser").result["_id"] == member.kuid

    def test_there_are_no_cookies_to_set_so_the_token_is_answered(
        self, closed: Any, member: Any
    ) -> None:
        with closing(WebSocketApi(closed.port)) as api:
            login = api.call("auth:login", member.credentials, strategy="local", cookieAuth=True)
            assert login.result["jwt"].startswith("kauth-")
            refused = api.call("auth:getCurrentUser", cookieAuth="yes")
            assert refused.error_id == "api.assert.invalid_type"

    def test_signing_out_ends_the_token_of_the_upgrade(self, closed: Any, person: Any) -> None:
        with closing(HttpApi(closed.port)) as http:
            token = cookie_of(sign_in(http, person))
            with closing(WebSocketApi(closed.port, {"Cookie": f"authToken={token}"})) as api:
                assert api.call("auth:logout", cookieAuth=True).result == {"acknowledged": True}
            assert ask(http, token).status == 401


def test_a_server_without_cookies_says_so(
    tmp_path_factory: pytest.TempPathFactory,
    settings: Callable[..., Settings],
    new_site: Callable[[Settings], Any],
) -> None:
    changes = {"http.cookieAuthentication": False}
    with new_site(settings(tmp_path_factory.mktemp("cookieless"), **changes)) as site:
        login = site.http.send("POST", "/_login/local?cookieAuth", site.admin.credentials)
        cookie = ask(site.http, site.admin.jwt)
        for outcome in (login, cookie):
            assert (outcome.status, outcome.error_id) == (500, "security.cookie.unsupported")
        assert ask(site.http, "null").result["_id"] == "-1"
        with closing(WebSocketApi(site.port)) as api:
            assert api.call("auth:checkToken", {}, cookieAuth=False).status == 200
            refused = api.call("auth:checkToken", {}, cookieAuth=True)
            assert refused.error_id == "security.cookie.unsupported"


def test_no_answer_tells_the_cookie(http: HttpApi, token: str) -> None:
    """LEAK-01, LEAK-04: not even one that fails."""
    for url in ("/_me", "/nowhere", "/_me?_id=%ff", "/users/x"):
        assert token not in json.dumps(ask(http, token, "GET", url).body)
