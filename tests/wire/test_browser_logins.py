"""Browsers that come back from a provider: to a page that is listed, and never with a token."""

from __future__ import annotations

import base64
import itertools
import secrets
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from hashlib import sha256
from http.cookies import SimpleCookie
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest

from ostiary.settings import Settings
from ostiary.testing.door import door
from ostiary.testing.packages import installed
from ostiary.testing.wire import Api, HttpApi, Outcome, WebSocketApi

APP, OTHER = "https://app.example/signed-in?tab=1", "http://127.0.0.1:8080/"
OVER, REFUSED = "ostiary.login.flow_over", "plugin.strategy.missing_user"
UNLISTED = "ostiary.login.return_address"
CROSS_SITE = "ostiary.request.cross_site"
FORM = {"Content-Type": "application/x-www-form-urlencoded"}
FROM_THE_PROVIDER = {"Sec-Fetch-Site": "cross-site"}

TOYS = (
    door(),
    door("named", handle=True),
    door("down", verify="raise errors.LoginRefused(strategy.refusal)"),
    door("torn", verify="raise RuntimeError('there is no provider')"),
)
"""The last two have a provider that cannot be reached."""

FIRST = {"down": REFUSED, "torn": "plugin.runtime.unexpected_error"}

numbers = itertools.count(1)


@pytest.fixture(scope="module")
def house(
    settings_here: Callable[..., Settings],
    new_site: Callable[..., Any],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Any]:
    """A server whose users come from elsewhere; the code that they bring is their badge."""
    folder = tmp_path_factory.mktemp("packages")
    with installed(folder, *TOYS), ExitStack() as stack:
        changes = {
            "plugins__allow": ["local", *(toy.name for toy in TOYS)],
            "security__returnAddresses": [APP, OTHER],
            "security__authToken__maxTTL": "1d",
        }
        yield stack.enter_context(new_site(settings_here("door", **changes)))


@pytest.fixture
def ann(house: Any) -> str:
    """Somebody with a badge of that name, at both doors."""
    name = f"ann-{next(numbers)}"
    credentials = {"door": {"badge": name}, "named": {"badge": name}}
    body = {"content": {"profileIds": ["member"]}, "credentials": credentials}
    assert house.http.call("security:createUser", body, jwt=house.jwt, _id=name).status == 200
    return name


class Browser:
    """Goes where it is sent, and keeps the cookies of the server."""

    def __init__(self, port: int) -> None:
        self.api = HttpApi(port)
        self.cookies: dict[str, str] = {}
        self.verifier = secrets.token_urlsafe(32)

    @property
    def challenge(self) -> str:
        digest = sha256(self.verifier.encode()).digest()
        return base64.urlsafe_b64encode(digest).decode().rstrip("=")

    def send(self, verb: str, url: str, body: Any = None, **headers: str) -> Outcome:
        cookie = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        head = {**headers, **({"Cookie": cookie} if cookie else {})}
        outcome = self.api.send(verb, url, body, head)
        if "set-cookie" in outcome.headers:
            jar = SimpleCookie(outcome.headers["set-cookie"])
            self.cookies |= {name: morsel.value for name, morsel in jar.items()}
        return outcome

    def leave(self, strategy: str = "door", **args: str) -> str:
        """Follow a link to a login; return the state that the provider gets."""
        given = {"returnTo": APP, "codeChallenge": self.challenge, **args}
        wanted = {name: value for name, value in given.items() if value}
        outcome = self.send("GET", f"/_login/{strategy}?{urlencode(wanted)}")
        assert outcome.status == 302, outcome.body
        location = urlsplit(outcome.headers["location"])
        assert location.netloc == "door.example"
        query = parse_qs(location.query)
        return (query.get("state") or query["for"])[0]

    def come_back(self, state: str, code: str, strategy: str = "door") -> Outcome:
        url = f"/_login/{strategy}?{urlencode({'code': code, 'state': state})}"
        return self.send("GET", url, **FROM_THE_PROVIDER)

    def code(self, code: str, strategy: str = "door", **args: str) -> str:
        """Sign in at the provider; return the one-time code that the page gets."""
        outcome = self.come_back(self.leave(strategy, **args), code, strategy)
        return told(outcome, "loginCode")


def told(outcome: Outcome, name: str, to: str = APP) -> str:
    """Return what a page is told in the fragment of its address."""
    assert outcome.status == 302, outcome.body
    address, _, fragment = outcome.headers["location"].partition("#")
    assert address == to
    assert list(parse_qs(fragment)) == [name]
    return parse_qs(fragment)[name][0]


@pytest.fixture
def browser(house: Any) -> Iterator[Browser]:
    browser = Browser(house.port)
    with closing(browser.api):
        yield browser


@pytest.fixture
def over(house: Any, protocol: str) -> Iterator[Api]:
    with closing(house.open(protocol)) as api:
        yield api


def redeem(
    api: Api, code: str, verifier: str | None, strategy: str = "door", **args: Any
) -> Outcome:
    fields = {"loginCode": code, "codeVerifier": verifier}
    given = {name: value for name, value in fields.items() if value is not None}
    return api.call("auth:login", given, strategy=strategy, **args)


def noted(house: Any, kuid: str) -> list[dict[str, Any]]:
    """Return what the audit log tells of a user."""
    found = house.http.call("security:searchAuditLog", {"user": kuid}, jwt=house.jwt)
    return [one["_source"] for one in found.result["hits"]]


def refused(outcome: Outcome, id: str) -> bool:
    return (outcome.status, outcome.error_id) == (401, id)


def test_a_page_hands_in_the_code_and_gets_the_token(over: Api, browser: Browser, ann: str) -> None:
    """OAU-16: there and back again, and the token is in no address."""
    code = browser.code(ann)
    assert len(code) == 43
    signed = redeem(over, code, browser.verifier).result
    assert set(signed) == {"_id", "jwt", "expiresAt", "ttl"}
    assert over.call("auth:getCurrentUser", jwt=signed["jwt"]).result["_id"] == ann


def test_a_code_is_handed_in_once(over: Api, browser: Browser, ann: str) -> None:
    code = browser.code(ann)
    assert redeem(over, code, browser.verifier).status == 200
    assert refused(redeem(over, code, browser.verifier), OVER)


@pytest.mark.parametrize("verifier", [None, "", "x" * 43])
def test_a_code_that_was_planted_or_read_opens_nothing(
    over: Api, browser: Browser, ann: str, verifier: str | None
) -> None:
    """RFC 9700, 4.5 and 4.7: and whose it is can still use it."""
    code = browser.code(ann)
    assert refused(redeem(over, code, verifier), OVER)
    assert redeem(over, code, browser.verifier).status == 200


def test_the_cookie_of_a_login_does_not_stand_for_the_verifier(browser: Browser, ann: str) -> None:
    code = browser.code(ann)
    assert browser.cookies["ostiaryLogin"]
    outcome = browser.send("POST", "/_login/door", {"loginCode": code})
    assert refused(outcome, OVER)
    assert refused(redeem(browser.api, code, browser.cookies["ostiaryLogin"]), OVER)


def test_a_code_is_of_one_strategy(over: Api, browser: Browser, ann: str) -> None:
    """TOK-24"""
    code = browser.code(ann)
    assert refused(redeem(over, code, browser.verifier, "named"), OVER)
    assert redeem(over, code, browser.verifier).status == 200


@pytest.mark.parametrize("name", ["state", "challenge"])
def test_a_code_is_nothing_else_and_nothing_else_is_a_code(
    browser: Browser, ann: str, name: str
) -> None:
    """TOK-24"""
    code = browser.code(ann)
    fields = {name: code, "code": ann, "pin": "2468", "codeVerifier": browser.verifier}
    assert refused(browser.send("POST", "/_login/door", fields), OVER)
    state = browser.leave()
    assert refused(redeem(browser.api, state, browser.verifier), OVER)
    assert refused(redeem(browser.api, state, browser.cookies["ostiaryLogin"]), OVER)
    assert redeem(browser.api, code, browser.verifier).status == 200


@pytest.mark.parametrize("name", ["loginCode", "codeVerifier"])
def test_what_a_code_is_handed_in_with_stands_in_no_url(browser: Browser, name: str) -> None:
    """Decision 8"""
    outcome = browser.send("GET", f"/_login/door?{name}=x")
    assert (outcome.status, outcome.error_id) == (400, "ostiary.request.secret_in_url")


@pytest.mark.parametrize("name", ["loginCode", "codeVerifier"])
def test_a_code_and_its_verifier_are_texts(over: Api, browser: Browser, name: str) -> None:
    fields = {"loginCode": "x", "codeVerifier": "y", name: ["x"]}
    outcome = over.call("auth:login", fields, strategy="door")
    assert (outcome.status, outcome.error_id) == (400, "api.assert.invalid_type")


@pytest.mark.parametrize("change", ["disabled", "deleted", "changed", "put out"])
def test_who_has_changed_meanwhile_is_not_let_in(
    over: Api, house: Any, browser: Browser, ann: str, change: str
) -> None:
    """TOK-13"""
    code = browser.code(ann)
    as_root: dict[str, Any] = {"jwt": house.jwt, "_id": ann}
    expected = REFUSED
    if change == "disabled":
        assert house.http.call("security:disableUser", **as_root).status == 200
    elif change == "deleted":
        assert house.http.call("security:deleteUser", **as_root).status == 200
    elif change == "put out":
        assert house.http.call("security:revokeTokens", **as_root).status == 200
        expected = OVER
    else:
        fields = {"badge": f"new-{ann}"}
        house.http.call("security:updateCredentials", fields, strategy="door", **as_root)
        expected = OVER
    assert refused(redeem(over, code, browser.verifier), expected)


def test_where_every_session_is_ended_no_code_lets_anybody_in(
    house: Any, over: Api, browser: Browser, ann: str
) -> None:
    """TOK-13: it stands for a login that was before."""
    code = browser.code(ann)
    root = house.login("root").jwt
    assert house.http.call("admin:resetCache", jwt=root, database="internalCache").status == 200
    house.admin = house.login("root")
    assert refused(redeem(over, code, browser.verifier), OVER)


def test_a_login_is_told_once_and_when_the_code_is_handed_in(
    house: Any, browser: Browser, ann: str
) -> None:
    """ASVS 16.3.1: with the address and the agent of who gets the token."""

    before = noted(house, ann)
    code = browser.code(ann)
    assert noted(house, ann) == before
    sent = {"loginCode": code, "codeVerifier": browser.verifier}
    browser.send("POST", "/_login/door", sent, **{"User-Agent": "the page"})
    new = [one for one in noted(house, ann) if one not in before]
    assert [(one["event"], one["agent"]) for one in new] == [("SignedIn", "the page")]


def test_a_page_that_signs_in_for_another_one_leads_to_a_provider_as_well(
    over: Api, browser: Browser, ann: str
) -> None:
    """The page that the browser comes back to has not chosen the strategy: it is told which."""
    outcome = browser.come_back(browser.leave(leadBack="true"), ann)
    assert outcome.status == 302
    fragment = parse_qs(outcome.headers["location"].partition("#")[2])
    assert fragment["strategy"] == ["door"]
    signed = redeem(over, fragment["loginCode"][0], browser.verifier)
    assert signed.result["_id"] == ann


def test_what_is_asked_behind_a_provider_is_answered_by_the_page_that_the_browser_is_led_to(
    browser: Browser, ann: str
) -> None:
    outcome = browser.come_back(browser.leave(leadBack="true"), f"{ann}+pin")
    (code,) = parse_qs(outcome.headers["location"].partition("#")[2])["loginCode"]
    asked = redeem(browser.api, code, browser.verifier)
    assert asked.status == 202
    answer = {"challenge": asked.result["challenge"], "pin": "2468"}
    assert browser.api.call("auth:login", answer, strategy="door").result["jwt"]


def test_the_first_step_says_how_long_the_token_lives(
    over: Api, browser: Browser, ann: str
) -> None:
    code = browser.code(ann, expiresIn="1h")
    assert redeem(over, code, browser.verifier, expiresIn="2h").result["ttl"] == 3_600_000


def test_a_lifetime_that_is_not_given_is_refused_at_the_first_step(browser: Browser) -> None:
    args = urlencode({"returnTo": APP, "codeChallenge": browser.challenge, "expiresIn": "2d"})
    outcome = browser.send("GET", f"/_login/door?{args}")
    assert outcome.error_id == "security.token.ttl_exceeded"


def test_a_browser_goes_on_with_a_cookie(house: Any, browser: Browser, ann: str) -> None:
    """OAU-16, decision 8: nothing is in the address."""
    state = browser.leave(codeChallenge="", cookieAuth="true", expiresIn="1h")
    outcome = browser.come_back(state, ann)
    assert told(outcome, "signedIn") == "door"
    assert "HttpOnly" in outcome.headers["set-cookie"]
    assert "jwt" not in outcome.result
    me = browser.send("GET", "/_me")
    assert me.result["_id"] == ann
    sessions = browser.send("GET", "/_me/sessions").result["hits"]
    assert [one["strategy"] for one in sessions] == ["door"]


@pytest.mark.parametrize("site", ["same-site", "same-origin", "none"])
def test_a_page_of_this_site_may_lead_to_a_login_with_a_cookie(
    browser: Browser, ann: str, site: str
) -> None:
    """And who has a cookie already is not refused for it: it is not heard."""
    for _ in range(2):
        args = urlencode({"returnTo": APP, "cookieAuth": "true"})
        outcome = browser.send("GET", f"/_login/door?{args}", **{"Sec-Fetch-Site": site})
        assert outcome.status == 302, outcome.body
        state = parse_qs(urlsplit(outcome.headers["location"]).query)["state"][0]
        assert told(browser.come_back(state, ann), "signedIn") == "door"


@pytest.fixture(params=["dead", "of a user without logins"])
def leftover(request: pytest.FixtureRequest, house: Any) -> str:
    """The cookie of a session that is of no use at a login."""
    if request.param == "dead":
        return "kauth-x"
    somebody = house.person("default")
    outcome = house.http.call("auth:login", {}, strategy="door", jwt=somebody.jwt)
    assert outcome.error_id == "security.rights.forbidden"
    return str(somebody.jwt)


@pytest.mark.parametrize("site", ["cross-site", "same-site", "same-origin", "none"])
@pytest.mark.parametrize("returning", [True, False])
def test_a_cookie_from_before_does_not_stand_in_the_way_of_a_login_at_a_provider(
    browser: Browser, ann: str, leftover: str, site: str, returning: bool
) -> None:
    """It says nothing of who comes: neither at the first step nor on the way back."""
    browser.cookies["authToken"] = leftover
    wanted = {"returnTo": APP, "codeChallenge": browser.challenge} if returning else {}
    head = {"Sec-Fetch-Site": site}
    outcome = browser.send("GET", f"/_login/door?{urlencode(wanted)}", **head)
    assert outcome.status == 302, outcome.body
    state = parse_qs(urlsplit(outcome.headers["location"]).query)["state"][0]
    back = browser.send("GET", f"/_login/door?code={ann}&state={state}", **head)
    assert told(back, "loginCode") if returning else back.result["_id"] == ann


def test_a_cookie_from_before_and_a_script_of_this_server(browser: Browser, leftover: str) -> None:
    browser.cookies["authToken"] = leftover
    assert browser.send("POST", "/_login/door", {}).status == 302


def test_a_cookie_from_before_does_not_stand_in_the_way_of_a_link(
    house: Any, browser: Browser, leftover: str
) -> None:
    """OAU-15: it is known whose the link is, and no session is looked at for it."""
    somebody = house.person("member")
    state = linking(browser, somebody.jwt)
    browser.cookies["authToken"] = leftover
    outcome = browser.send("GET", f"/_login/door?code=of-{somebody.kuid}&state={state}")
    assert told(outcome, "linked") == "door"
    me = house.http.call("auth:getCurrentUser", jwt=somebody.jwt).result
    assert set(me["strategies"]) == {"local", "door"}


def test_a_cookie_still_counts_for_scripts_of_other_sites_and_other_strategies(
    browser: Browser, house: Any, leftover: str
) -> None:
    """HTTP-11, HTTP-14: only what leads a browser to a provider and back is let through."""
    browser.cookies["authToken"] = leftover
    for head in (FROM_THE_PROVIDER, {"Origin": "https://evil.example"}):
        outcome = browser.send("POST", "/_login/door", {}, **head)
        assert (outcome.status, outcome.error_id) == (403, CROSS_SITE)
    outcome = browser.send("POST", "/_login/door", b"badge=x", **FORM)
    assert (outcome.status, outcome.error_id) == (403, CROSS_SITE)
    both = browser.send("POST", "/_login/door", {}, Authorization=f"Bearer {house.jwt}")
    assert (both.status, both.error_id) == (400, "security.token.verification_error")
    local = browser.send("POST", "/_login/local", {"username": "a", "password": "b"})
    assert local.error_id in ("security.token.invalid", "security.rights.forbidden")


def test_a_page_of_another_site_may_not(browser: Browser) -> None:
    """ASVS 3.5.1"""
    args = urlencode({"returnTo": APP, "cookieAuth": "true"})
    outcome = browser.send("GET", f"/_login/door?{args}", **FROM_THE_PROVIDER)
    assert (outcome.status, outcome.error_id) == (403, CROSS_SITE)
    assert "a link to a login with cookieAuth" in outcome.error["message"]


@pytest.mark.parametrize(
    "url, body",
    [
        ("/_login/local?cookieAuth&returnTo=x", b"username=a&password=b"),
        ("/_login/door?cookieAuth&state=x", b"challenge=abc&pin=2468"),
        ("/_login/door?cookieAuth&state=x", b"challenge=abc&state=x"),
        ("/_login/door?cookieAuth", b"loginCode=abc&codeVerifier=x"),
    ],
)
def test_nobody_is_signed_in_with_what_a_foreign_form_holds(
    browser: Browser, url: str, body: bytes
) -> None:
    """Login CSRF: whatever makes it look like a browser on its way."""
    outcome = browser.send("POST", url, body, **FORM, **FROM_THE_PROVIDER)
    assert (outcome.status, outcome.error_id) == (403, CROSS_SITE)


@pytest.mark.parametrize(
    "to",
    [
        "https://evil.example/",
        "https://app.example/signed-in",
        "https://app.example/signed-in?tab=1&more",
        "https://app.example/signed-in?tab=1#",
        "https://APP.example/signed-in?tab=1",
        "https://app.example:443/signed-in?tab=1",
        "https://app.example/%73igned-in?tab=1",
        "http://127.0.0.1:8080",
        "//app.example/signed-in?tab=1",
        "",
    ],
)
def test_a_browser_is_sent_to_nothing_but_what_is_listed(
    over: Api, browser: Browser, to: str
) -> None:
    """OAU-16: compared as a whole (RFC 9700, 4.1.1)."""
    args = {"returnTo": to, "codeChallenge": browser.challenge}
    outcome = over.call("auth:login", {}, strategy="door", **args)
    assert (outcome.status, outcome.error_id) == (400, UNLISTED)


def test_another_address_of_the_list_will_do(browser: Browser, ann: str) -> None:
    outcome = browser.come_back(browser.leave(returnTo=OTHER), ann)
    assert len(told(outcome, "loginCode", OTHER)) == 43


def test_a_form_may_begin_a_login(browser: Browser, ann: str) -> None:
    fields = {"returnTo": APP, "codeChallenge": browser.challenge}
    outcome = browser.send("POST", "/_login/door", urlencode(fields).encode(), **FORM)
    assert outcome.status == 302, outcome.body
    state = parse_qs(urlsplit(outcome.headers["location"]).query)["state"][0]
    assert told(browser.come_back(state, ann), "loginCode")


def test_a_socket_has_no_address_to_return_to(house: Any, browser: Browser) -> None:
    with closing(WebSocketApi(house.port)) as socket:
        args = {"returnTo": APP, "codeChallenge": browser.challenge}
        outcome = socket.call("auth:login", {}, strategy="door", **args)
        assert (outcome.status, outcome.error_id) == (400, UNLISTED)


def test_without_a_cookie_there_is_a_challenge(browser: Browser) -> None:
    outcome = browser.send("GET", f"/_login/door?{urlencode({'returnTo': APP})}")
    assert (outcome.status, outcome.error_id) == (400, "api.assert.missing_argument")


@pytest.mark.parametrize("challenge", ["x", "x" * 43, "A" * 44, "A" * 42 + "=", "\u00e4" * 43])
def test_a_challenge_is_the_hash_of_something(browser: Browser, challenge: str) -> None:
    """RFC 7636, 4.2: S256, and nothing else."""
    args = urlencode({"returnTo": APP, "codeChallenge": challenge})
    outcome = browser.send("GET", f"/_login/door?{args}")
    assert (outcome.status, outcome.error_id) == (400, "api.assert.invalid_argument")


def test_the_provider_learns_nothing_of_the_way_back(browser: Browser) -> None:
    args = urlencode({"returnTo": APP, "codeChallenge": browser.challenge})
    location = browser.send("GET", f"/_login/door?{args}").headers["location"]
    assert list(parse_qs(urlsplit(location).query)) == ["state"]


def test_what_fails_at_the_end_is_told_to_the_page(browser: Browser, ann: str) -> None:
    """OAU-17: by the id of the error, and nothing that came from elsewhere."""
    assert told(browser.come_back(browser.leave(), "nobody"), "error") == REFUSED
    state = browser.leave()
    assert told(browser.come_back(state, "broken"), "error") == "plugin.runtime.unexpected_error"


@pytest.mark.parametrize("strategy, id", FIRST.items())
@pytest.mark.parametrize("in_cookie", [True, False])
def test_what_fails_at_the_beginning_is_told_to_the_page(
    browser: Browser, strategy: str, id: str, in_cookie: bool
) -> None:
    """OAU-17: a provider that is down leaves no browser with JSON."""
    kept = {"cookieAuth": "true"} if in_cookie else {"codeChallenge": browser.challenge}
    query = urlencode({"returnTo": APP, **kept})
    outcome = browser.send("GET", f"/_login/{strategy}?{query}")
    assert told(outcome, "error") == id
    assert "set-cookie" not in outcome.headers


@pytest.mark.parametrize("strategy, id", FIRST.items())
def test_a_form_that_fails_is_told_to_the_page(browser: Browser, strategy: str, id: str) -> None:
    fields = {"returnTo": APP, "codeChallenge": browser.challenge, "badge": "b"}
    outcome = browser.send("POST", f"/_login/{strategy}", urlencode(fields).encode(), **FORM)
    assert told(outcome, "error") == id


def test_a_failure_at_the_beginning_is_noted(house: Any, browser: Browser) -> None:
    query = urlencode({"returnTo": APP, "codeChallenge": browser.challenge})
    browser.send("GET", f"/_login/down?{query}")
    wanted = {"event": "SignInRefused"}
    found = house.http.call("security:searchAuditLog", wanted, jwt=house.jwt, size=100).result
    assert "down" in [one["_source"]["strategy"] for one in found["hits"]]


def test_who_waits_for_an_answer_gets_the_error_itself(over: Api, browser: Browser) -> None:
    args = {"returnTo": APP, "codeChallenge": browser.challenge}
    if over.protocol == "websocket":
        args = {}
    assert refused(over.call("auth:login", {}, strategy="down", **args), REFUSED)


def test_a_login_with_a_password_leads_nowhere(house: Any, browser: Browser) -> None:
    """Whoever asks for one has a form of their own, and reads the answer."""
    fields = {"returnTo": APP, "codeChallenge": browser.challenge, "username": "a", "password": "b"}
    outcome = browser.send("POST", "/_login/local", urlencode(fields).encode(), **FORM)
    assert (outcome.status, outcome.headers.get("location")) == (401, None)


def test_an_address_that_is_not_listed_gets_no_error_either(browser: Browser) -> None:
    """OAU-16"""
    query = urlencode({"returnTo": "https://evil.example/"})
    outcome = browser.send("GET", f"/_login/down?{query}")
    assert (outcome.status, outcome.error_id) == (400, UNLISTED)


def test_a_disabled_user_is_sent_back_like_anybody_who_is_refused(
    house: Any, browser: Browser, ann: str
) -> None:
    state = browser.leave()
    assert house.http.call("security:disableUser", jwt=house.jwt, _id=ann).status == 200
    assert told(browser.come_back(state, ann), "error") == REFUSED


def test_a_refusal_is_told_to_who_watches_once(house: Any, browser: Browser, ann: str) -> None:
    # The same refusal again within a minute would only be counted: no other test is refused here.
    state = browser.leave("named")
    house.http.call("security:disableUser", jwt=house.jwt, _id=ann)
    browser.come_back(state, ann, "named")
    events = [one["event"] for one in noted(house, ann)]
    assert events.count("SignInRefused") == 1


def test_who_brings_a_wrong_state_is_sent_nowhere(house: Any, browser: Browser, ann: str) -> None:
    """OAU-04: nor who brings that of another browser, nor one a second time."""
    state = browser.leave()
    assert refused(browser.come_back("x" * 43, ann), OVER)
    with closing(HttpApi(house.port)) as other:
        assert refused(other.send("GET", f"/_login/door?code={ann}&state={state}"), OVER)
    assert told(browser.come_back(state, ann), "loginCode")
    assert refused(browser.come_back(state, ann), OVER)


@pytest.mark.parametrize("query", ["code=abc", "code=", f"code=abc&{urlencode({'returnTo': APP})}"])
def test_what_comes_back_without_a_state_belongs_to_no_login(browser: Browser, query: str) -> None:
    """OAU-04: nor does it begin another one."""
    state = browser.leave()
    assert refused(browser.send("GET", f"/_login/door?{query}", **FROM_THE_PROVIDER), OVER)
    assert refused(browser.come_back("x" * 43, "abc"), OVER)
    assert told(browser.come_back(state, "nobody"), "error") == REFUSED


@pytest.mark.parametrize("name", ["phrase", "pin", "codeVerifier"])
def test_what_a_person_has_typed_is_told_to_be_in_a_url(browser: Browser, name: str) -> None:
    """Decision 8"""
    outcome = browser.send("GET", f"/_login/door?code=abc&{name}=x")
    assert (outcome.status, outcome.error_id) == (400, "ostiary.request.secret_in_url")


def test_two_redirections_keep_the_way_back(browser: Browser, ann: str) -> None:
    outcome = browser.come_back(browser.leave(), "twice")
    location = urlsplit(outcome.headers["location"])
    assert location.path == "/in/again"
    state = parse_qs(location.query)["state"][0]
    assert told(browser.come_back(state, ann), "loginCode")


def test_a_second_factor_is_asked_for_when_the_code_is_handed_in(
    over: Api, browser: Browser, ann: str
) -> None:
    code = browser.code(f"{ann}+pin", expiresIn="1h")
    asked = redeem(over, code, browser.verifier)
    assert asked.status == 202
    assert asked.result["question"] == {"message": "What is the <i>number</i>?"}
    assert asked.result["fields"][0]["name"] == "pin"
    answer = {"challenge": asked.result["challenge"], "pin": "2468"}
    signed = browser.send("POST", "/_login/door", answer)
    assert (signed.result["_id"], signed.result["ttl"]) == (ann, 3_600_000)
    assert refused(redeem(over, code, browser.verifier), OVER)


def test_a_second_factor_may_end_with_a_cookie(house: Any, browser: Browser, ann: str) -> None:
    """The code is bound to the browser then: no other one gets the question."""
    state = browser.leave(codeChallenge="", cookieAuth="true")
    code = told(browser.come_back(state, f"{ann}+pin"), "loginCode")
    assert refused(redeem(house.http, code, None), OVER)
    asked = browser.send("POST", "/_login/door", {"loginCode": code})
    assert asked.status == 202
    answer = {"challenge": asked.result["challenge"], "pin": "2468"}
    signed = browser.send("POST", "/_login/door?cookieAuth=true", answer)
    assert "jwt" not in signed.result
    assert browser.send("GET", "/_me").result["_id"] == ann


def test_a_plugin_may_bring_the_state(browser: Browser, ann: str) -> None:
    code = browser.code(ann, "named")
    assert redeem(browser.api, code, browser.verifier, "named").result["_id"] == ann


def test_a_state_of_the_plugin_is_not_in_the_address_twice(browser: Browser) -> None:
    args = urlencode({"returnTo": APP, "codeChallenge": browser.challenge})
    location = browser.send("GET", f"/_login/named?{args}").headers["location"]
    assert list(parse_qs(urlsplit(location).query)) == ["for"]


def posted(browser: Browser, fields: dict[str, str], **headers: str) -> Outcome:
    """Have the page of a provider post its answer, which Lax cookies do not come with."""
    body = urlencode(fields).encode()
    cookies, browser.cookies = browser.cookies, {}
    outcome = browser.send("POST", "/_login/door", body, **FORM, **FROM_THE_PROVIDER, **headers)
    browser.cookies = cookies
    return outcome


def test_a_provider_may_post_its_answer(browser: Browser, ann: str) -> None:
    """OAuth 2.0 Form Post Response Mode"""
    fields = {"state": browser.leave(), "code": ann, "user": "{}", "phrase": "p"}
    fields |= {"badge": "b", "pin": "2468", "codeVerifier": "v", "loginCode": "c"}
    outcome = posted(browser, fields, Origin="https://door.example")
    assert outcome.status == 303
    location = outcome.headers["location"]
    assert location.startswith("?")
    assert parse_qs(location[1:]) == {"state": [fields["state"]], "code": [ann]}
    assert "set-cookie" not in outcome.headers
    back = browser.send("GET", f"/_login/door{location}", **FROM_THE_PROVIDER)
    assert told(back, "loginCode")


def test_what_is_posted_leads_nowhere_else(browser: Browser) -> None:
    """OAU-16"""
    fields = {"state": "//evil.example/?x#y", "code": "\r\nSet-Cookie: a=b", "returnTo": APP}
    location = posted(browser, fields).headers["location"]
    parts = urlsplit(location)
    assert (parts.scheme, parts.netloc, parts.path, parts.fragment) == ("", "", "", "")
    assert parse_qs(parts.query) == {"state": [fields["state"]], "code": [fields["code"]]}


@pytest.mark.parametrize("site", ["same-site", "same-origin"])
def test_what_a_page_of_this_site_posts_goes_on_at_once(
    browser: Browser, ann: str, site: str
) -> None:
    fields = {"state": browser.leave(), "code": ann}
    body = urlencode(fields).encode()
    outcome = browser.send("POST", "/_login/door", body, **FORM, **{"Sec-Fetch-Site": site})
    assert told(outcome, "loginCode")


def test_what_is_too_long_for_an_address_is_no_answer(browser: Browser) -> None:
    fields = {"state": browser.leave(), "code": "x" * 10_000}
    assert refused(posted(browser, fields), OVER)


def test_answers_tell_no_other_page_where_the_browser_was(browser: Browser, ann: str) -> None:
    """The address of who comes back has a code and a state."""
    state = browser.leave()
    for outcome in (
        browser.come_back("x" * 43, ann),
        browser.come_back(state, ann),
        browser.send("GET", "/_me"),
    ):
        assert outcome.headers["referrer-policy"] == "no-referrer"
        assert outcome.headers["cache-control"] == "no-store"


def test_a_page_is_told_for_which_strategies_to_draw_a_button(over: Api) -> None:
    described = {one["name"]: one for one in over.call("auth:describeStrategies").result}
    assert described["door"]["redirects"]
    assert not described["local"]["redirects"]


def test_a_script_can_read_where_it_is_to_send_its_browser(
    house: Any, browser: Browser, ann: str
) -> None:
    """What it sends along, such as an invitation, may stand in no link."""
    wanted = {"returnTo": APP, "codeChallenge": browser.challenge, "noRedirect": "true"}
    outcome = browser.send("POST", f"/_login/door?{urlencode(wanted)}", {"badge": "b"})
    assert outcome.status == 200
    assert "location" not in outcome.headers
    state = parse_qs(urlsplit(outcome.result["headers"]["Location"]).query)["state"][0]
    with closing(HttpApi(house.port)) as other:
        assert refused(other.send("GET", f"/_login/door?code={ann}&state={state}"), OVER)
    code = told(browser.come_back(state, ann), "loginCode")
    assert redeem(browser.api, code, browser.verifier).result["_id"] == ann


def test_a_script_reads_what_fails_and_what_needs_no_way(over: Api, house: Any) -> None:
    args: dict[str, Any] = {"returnTo": APP, "cookieAuth": True} if over.protocol == "http" else {}
    outcome = over.call("auth:login", strategy="down", noRedirect=True, **args)
    assert refused(outcome, REFUSED)
    somebody = house.person("member")
    signed = over.call("auth:login", somebody.credentials, strategy="local", noRedirect=True)
    assert signed.result["_id"] == somebody.kuid


def link(browser: Browser, jwt: str, **args: str) -> Outcome:
    """Have a script begin a link; it reads where to go."""
    query = urlencode({"noRedirect": "true", "returnTo": APP, **args})
    return browser.send(
        "POST", f"/_me/credentials/door/_create?{query}", {}, Authorization=f"Bearer {jwt}"
    )


def linking(browser: Browser, jwt: str) -> str:
    """Begin a link; return its state."""
    location: str = link(browser, jwt).result["headers"]["Location"]
    return parse_qs(urlsplit(location).query)["state"][0]


def test_who_links_an_account_is_led_back(house: Any, browser: Browser) -> None:
    """OAU-15, OAU-16: no token is made for it."""
    somebody = house.person("member")
    outcome = browser.come_back(linking(browser, somebody.jwt), f"badge of {somebody.kuid}")
    assert told(outcome, "linked") == "door"
    assert "set-cookie" not in outcome.headers
    me = browser.send("GET", "/_me", Authorization=f"Bearer {somebody.jwt}").result
    assert set(me["strategies"]) == {"local", "door"}
    code = browser.code(f"badge of {somebody.kuid}")
    assert redeem(browser.api, code, browser.verifier).result["_id"] == somebody.kuid


def test_a_link_that_fails_is_told_to_the_page(house: Any, browser: Browser) -> None:
    state = linking(browser, house.person("member").jwt)
    assert told(browser.come_back(state, "no"), "error") == "security.credentials.rejected"


def test_a_link_is_not_finished_by_another_browser(house: Any, browser: Browser) -> None:
    """OAU-15: nobody's account becomes a way in to somebody else's."""
    state = linking(browser, house.person("member").jwt)
    with closing(HttpApi(house.port)) as other:
        assert refused(other.send("GET", f"/_login/door?code=x&state={state}"), OVER)


def test_what_is_still_asked_for_a_link_is_told_to_the_page(house: Any, browser: Browser) -> None:
    somebody = house.person("member")
    outcome = browser.come_back(linking(browser, somebody.jwt), f"{somebody.kuid}+pin")
    code = told(outcome, "loginCode")
    assert refused(redeem(house.http, code, None), OVER)
    asked = browser.send("POST", "/_login/door", {"loginCode": code})
    assert asked.status == 202
    answer = {"challenge": asked.result["challenge"], "pin": "2468"}
    linked = browser.send("POST", "/_login/door", answer).result
    assert (linked["badge"], "jwt" in linked) == (somebody.kuid, False)


def test_a_link_returns_to_nothing_but_what_is_listed(house: Any, browser: Browser) -> None:
    """OAU-16"""
    outcome = link(browser, house.person("member").jwt, returnTo="https://evil.example/")
    assert (outcome.status, outcome.error_id) == (400, UNLISTED)


def test_the_document_tells_of_the_code(house: Any) -> None:
    document = house.http.send("GET", "/_openapi").body
    body = document["paths"]["/_login/{strategy}"]["post"]["requestBody"]
    offered = body["content"]["application/json"]["schema"]["anyOf"]
    assert any("loginCode" in one["properties"] for one in offered)


@pytest.fixture(scope="module")
def choosy(
    house: Any,
    settings: Callable[..., Settings],
    new_site: Callable[..., Any],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Any]:
    """A server that only one web page may call, and where secrets may stand in URLs."""
    changes = {
        "plugins.allow": ["local", "door"],
        "http.accessControlAllowOrigin": ["https://app.example"],
        "http.allowCredentialsInUrl": True,
    }
    with new_site(settings(tmp_path_factory.mktemp("choosy"), **changes)) as site:
        yield site


def test_no_login_begins_where_one_was_refused(choosy: Any) -> None:
    """Also where secrets may stand in URLs: a provider that refuses would be asked for ever."""
    with closing(HttpApi(choosy.port)) as api:
        assert refused(api.send("GET", "/_login/door?code=abc"), OVER)
        assert api.send("GET", "/_login/door?badge=abc").status == 302


def test_a_provider_that_posts_need_not_be_an_origin_that_calls(choosy: Any) -> None:
    """Its page does not read the answer."""
    with closing(HttpApi(choosy.port)) as api:
        headers = {**FORM, **FROM_THE_PROVIDER, "Origin": "https://door.example"}
        assert api.send("POST", "/_login/door", b"state=x&code=y", headers).status == 303
        for body in (b"code=y", b"badge=y"):
            outcome = api.send("POST", "/_login/door", body, headers)
            assert outcome.error_id == "api.process.unauthorized_origin"
