"""Linking: a user who is signed in proves that an account of elsewhere is theirs, and keeps it."""

from __future__ import annotations

import asyncio
import itertools
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from dataclasses import replace
from http.cookies import SimpleCookie
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from ostiary.settings import Settings
from ostiary.testing.linked import passes
from ostiary.testing.lock import lock
from ostiary.testing.packages import badge, installed
from ostiary.testing.wire import Api, HttpApi, Outcome, WebSocketApi, serving

OVER, REFUSED = "ostiary.login.flow_over", "plugin.strategy.missing_user"
TOO_MANY = "api.process.too_many_logins_requests"
EXIST = "ostiary.credentials.exist"
NEEDED = "ostiary.credentials.proof_needed"
PIN = "2468"
FREE = 4

numbers = itertools.count(1)


@pytest.fixture(scope="module")
def start(
    settings_here: Callable[..., Settings],
    new_site: Callable[..., Any],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Callable[..., Any]]:
    toys = passes(), passes("single", several=False), lock(), badge()
    with installed(tmp_path_factory.mktemp("toys"), *toys), ExitStack() as stack:

        def start_(name: str, **changes: Any) -> Any:
            given = {"plugins__allow": ["local", "pass", "single", "lock", "badge"], **changes}
            return stack.enter_context(new_site(settings_here(name, **given)))

        yield start_


@pytest.fixture(scope="module")
def house(start: Callable[..., Any]) -> Any:
    return start("linking", limits__loginFailuresPerAccount=FREE)


@pytest.fixture(scope="module")
def strict(start: Callable[..., Any]) -> Any:
    """A server on which every session is too old."""
    return start(
        "strict",
        limits__loginFailuresPerAccount=FREE,
        security__newCredentials__youngSession=0,
    )


@pytest.fixture
def api(house: Any, protocol: str) -> Iterator[Api]:
    with closing(house.open(protocol)) as api:
        yield api


class Owner:
    """Somebody who holds a badge and its code, and is signed in.

    :ivar cookie: what the browser holds that has begun a link.
    """

    def __init__(self, house: Any, **credentials: Any) -> None:
        self.house, self.kuid, self.cookie = house, f"owner-{next(numbers)}", ""
        credentials = {"lock": {"badge": self.kuid, "code": "1234"}, **credentials}
        body = {"content": {"profileIds": ["member"]}, "credentials": credentials}
        made = house.http.call("security:createUser", body, jwt=house.jwt, _id=self.kuid)
        assert made.status == 200, made.body
        self.jwt = self.sign_in()

    def sign_in(self) -> str:
        fields = {"badge": self.kuid, "code": "1234"}
        return str(self.house.http.call("auth:login", fields, strategy="lock").result["jwt"])

    @property
    def elsewhere(self) -> str:
        """A badge of another house that nobody has."""
        return f"{self.kuid}-{next(numbers)}"

    def add(self, api: Api, body: Any = None, strategy: str = "pass", **args: Any) -> Outcome:
        """Take a step with one's own token, in the same browser as before."""
        jwt = args.pop("jwt", self.jwt)
        if isinstance(api, HttpApi) and not args:
            headers = {"Cookie": f"ostiaryLogin={self.cookie}"} if self.cookie else {}
            url = f"/_me/credentials/{strategy}/_create"
            return api.send("POST", url, body or {}, headers, jwt)
        return api.call("auth:createMyCredentials", body or {}, jwt=jwt, strategy=strategy, **args)

    def sent_away(self, api: Api, strategy: str = "pass") -> str:
        """Begin a link that leads elsewhere, and return its state."""
        outcome = self.add(api, strategy=strategy)
        assert outcome.status == 302, outcome.body
        if isinstance(api, HttpApi):
            morsel = SimpleCookie(outcome.headers["set-cookie"])["ostiaryLogin"]
            assert (morsel["samesite"], morsel["httponly"]) == ("Lax", True)
            self.cookie = morsel.value
        location = urlsplit(outcome.result["headers"]["Location"])
        assert location.geturl().startswith("https://pass.example/in?state=")
        return str(parse_qs(location.query)["state"][0])

    def back(self, api: Api, state: str, code: str, *, jwt: str | None = None) -> Outcome:
        """Come back without a token to where logins come back, as a browser does."""
        if isinstance(api, HttpApi):
            headers = {"Cookie": f"ostiaryLogin={self.cookie}"}
            return api.send("GET", f"/_login/pass?code={code}&state={state}", None, headers, jwt)
        return api.call("auth:login", {"code": code}, jwt=jwt, strategy="pass", state=state)

    def linked(self, house: Any) -> list[str]:
        seen = house.http.call("auth:getMyCredentials", jwt=self.jwt, strategy="pass")
        return list(seen.result["badges"]) if seen.status == 200 else []


def refused(outcome: Outcome, id: str, status: int = 401) -> bool:
    return (outcome.status, outcome.error_id) == (status, id)


def noted(house: Any, **wanted: str) -> list[dict[str, Any]]:
    """Return entries of the audit log."""
    found = house.http.call("security:searchAuditLog", wanted, jwt=house.jwt).result
    return [one["_source"] for one in found["hits"]]


@pytest.fixture
def owner(house: Any) -> Owner:
    return Owner(house)


def test_what_was_proved_elsewhere_is_linked_by_who_has_begun_it(
    house: Any, api: Api, owner: Owner
) -> None:
    """OAU-15: linking is running the flow while signed in."""
    held, state = owner.elsewhere, owner.sent_away(api)
    done = owner.add(api, {"code": f"of-{held}", "state": state})
    assert done.result == {"badge": held, "kuid": owner.kuid}
    assert owner.linked(house) == [held]
    (told,) = noted(house, about=owner.kuid, event="CredentialsCreated")
    assert (told["author"], told["strategy"]) == (owner.kuid, "pass")


def test_a_browser_that_comes_back_without_a_token_finishes_the_link_and_is_not_signed_in(
    house: Any, api: Api, owner: Owner
) -> None:
    """OAU-15: it is known for whom; there is no token in the answer and no new session."""
    held, state = owner.elsewhere, owner.sent_away(api)
    sessions = house.http.call("auth:getMySessions", jwt=owner.jwt).result["total"]
    done = owner.back(api, state, f"of-{held}")
    assert done.result == {"badge": held, "kuid": owner.kuid}
    assert "authToken" not in done.headers.get("set-cookie", "")
    assert owner.linked(house) == [held]
    assert house.http.call("auth:getMySessions", jwt=owner.jwt).result["total"] == sessions
    (told,) = noted(house, about=owner.kuid, event="CredentialsCreated")
    assert told["author"] == owner.kuid


def test_what_was_linked_signs_in(house: Any, api: Api, owner: Owner) -> None:
    held = owner.elsewhere
    assert owner.back(api, owner.sent_away(api), f"of-{held}").status == 200
    with closing(WebSocketApi(house.port)) as socket:
        away = socket.call("auth:login", {}, strategy="pass").result["headers"]["Location"]
        state = parse_qs(urlsplit(away).query)["state"][0]
        signed = socket.call("auth:login", {"code": f"of-{held}"}, strategy="pass", state=state)
    assert signed.result["_id"] == owner.kuid


def test_the_hooks_see_for_whom_it_is_and_what_the_server_has_kept(
    house: Any, api: Api, owner: Owner
) -> None:
    seen: list[Any] = sys.modules["toy_pass"].linked
    seen.clear()
    owner.back(api, owner.sent_away(api), f"of-{owner.elsewhere}")
    (first, _, begun), (second, fields, back) = seen
    assert first == second == begun.kuid == back.kuid == owner.kuid
    assert (begun.state, back.state) == (None, {"verifier": "v"})
    assert (begun.action, back.action) == ("createMyCredentials", "login")
    assert set(fields) == {"code"}


@pytest.mark.parametrize("answer", ["here", "at the login"])
def test_a_challenge_is_answered_here_or_at_the_login(
    house: Any, api: Api, owner: Owner, answer: str
) -> None:
    held = owner.elsewhere
    asked = owner.add(api, {"way": "ask", "badge": held})
    assert (asked.status, asked.result["question"]) == (202, {"of": "the pass"})
    fields = {"challenge": asked.result["challenge"], "pin": PIN}
    if answer == "here":
        done = owner.add(api, fields)
    else:
        done = api.call("auth:login", fields, strategy="pass")
    assert done.result == {"badge": held, "kuid": owner.kuid}
    assert owner.linked(house) == [held]


def test_a_challenge_may_come_after_the_way_back(house: Any, api: Api, owner: Owner) -> None:
    held, state = owner.elsewhere, owner.sent_away(api)
    asked = owner.add(api, {"code": "again", "badge": held, "state": state})
    assert asked.status == 202
    done = owner.add(api, {"challenge": asked.result["challenge"], "pin": PIN})
    assert done.result["badge"] == held


def test_what_needs_no_more_is_linked_at_once(house: Any, api: Api, owner: Owner) -> None:
    held = owner.elsewhere
    done = owner.add(api, {"way": "show", "badge": held})
    assert done.result == {"badge": held, "kuid": owner.kuid}


def test_a_script_can_read_where_it_is_to_send_its_browser(house: Any, owner: Owner) -> None:
    """A page that asks with a token cannot see a 302: its browser would follow it."""
    url = "/_me/credentials/pass/_create?noRedirect"
    asked = house.http.send("POST", url, {}, {}, owner.jwt)
    assert asked.status == 200
    assert asked.result["statusCode"] == 302
    assert "location" not in asked.headers
    assert "ostiaryLogin=" in asked.headers["set-cookie"]


@pytest.mark.parametrize("door", ["here", "at the login"])
def test_nobody_else_finishes_a_link(house: Any, api: Api, owner: Owner, door: str) -> None:
    """OAU-15: nor does somebody who is signed in in the same browser."""
    other, state = Owner(house), owner.sent_away(api)
    code = f"of-{owner.elsewhere}"
    if door == "here":
        done = owner.add(api, {"code": code, "state": state}, jwt=other.jwt)
    else:
        done = owner.back(api, state, code, jwt=other.jwt)
    assert refused(done, OVER)
    assert owner.linked(house) == other.linked(house) == []
    assert owner.add(api, {"code": code, "state": state}).status == 200


def test_another_browser_does_not_come_back_instead(house: Any, owner: Owner) -> None:
    """OAU-04: whoever is made to follow the way of another links nothing."""
    with closing(HttpApi(house.port)) as api:
        state, mine = owner.sent_away(api), owner.cookie
        for cookie in ("", "x" * 43):
            owner.cookie = cookie
            assert refused(owner.back(api, state, f"of-{owner.elsewhere}"), OVER)
            assert refused(owner.add(api, {"code": "of-x", "state": state}), OVER)
        owner.cookie = mine
        assert owner.back(api, state, f"of-{owner.elsewhere}").status == 200


def test_what_began_on_a_socket_ends_there(house: Any, owner: Owner) -> None:
    """Decision 29"""
    with ExitStack() as stack:
        mine, other = (stack.enter_context(closing(WebSocketApi(house.port))) for _ in range(2))
        state, code = owner.sent_away(mine), f"of-{owner.elsewhere}"
        for socket in (other, house.http):
            assert refused(owner.add(socket, {"code": code, "state": state}), OVER)
        assert owner.add(mine, {"code": code, "state": state}).status == 200


def test_the_state_of_a_login_finishes_no_link(house: Any, api: Api, owner: Owner) -> None:
    """OAU-04: what somebody has begun who is not signed in gives nobody a way in."""
    outcome = api.call("auth:login", {}, strategy="pass")
    state = parse_qs(urlsplit(outcome.result["headers"]["Location"]).query)["state"][0]
    if "set-cookie" in outcome.headers:
        owner.cookie = SimpleCookie(outcome.headers["set-cookie"])["ostiaryLogin"].value
    held = owner.elsewhere
    assert refused(owner.add(api, {"code": f"of-{held}", "state": state}), OVER)
    assert owner.linked(house) == []
    # At the login it is one, and nobody has this badge.
    assert refused(owner.back(api, state, f"of-{held}"), REFUSED)


def test_a_link_is_finished_once(house: Any, api: Api, owner: Owner) -> None:
    """OAU-03"""
    state, code = owner.sent_away(api), f"of-{owner.elsewhere}"
    assert owner.back(api, state, code).status == 200
    for again in (owner.back(api, state, code), owner.add(api, {"code": code, "state": state})):
        assert refused(again, OVER)


def test_of_many_at_once_one_finishes_it(house: Any, owner: Owner) -> None:
    """OAU-03"""
    with closing(HttpApi(house.port)) as api:
        state, code = owner.sent_away(api), f"of-{owner.elsewhere}"

    def finish(_number: int) -> int:
        with closing(HttpApi(house.port)) as api:
            return owner.back(api, state, code).status

    with ThreadPoolExecutor(20) as pool:
        assert sorted(pool.map(finish, range(20))) == [200, *[401] * 19]


CHANGES = ("disabled", "deleted", "re-created", "signed out", "revoked", "new code", "code gone")


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("door", ["here", "at the login"])
def test_nothing_comes_of_a_link_whose_user_has_changed_meanwhile(
    house: Any, api: Api, owner: Owner, change: str, door: str
) -> None:
    """TOK-13, AUTH-10: whoever has stolen a token has lost it by then."""
    state, code, at = owner.sent_away(api), f"of-{owner.elsewhere}", {"_id": owner.kuid}
    as_root, http = {"jwt": house.jwt, **at}, house.http
    if change == "signed out":
        assert http.call("auth:logout", jwt=owner.jwt).status == 200
    elif change == "revoked":
        assert http.call("security:revokeTokens", **as_root).status == 200
    elif change == "new code":
        fields = {"code": "5678"}
        done = http.call("security:updateCredentials", fields, strategy="lock", **as_root)
        assert done.status == 200
    elif change == "code gone":
        assert http.call("security:deleteCredentials", strategy="lock", **as_root).status == 200
    else:
        action = "disableUser" if change == "disabled" else "deleteUser"
        assert http.call(f"security:{action}", **as_root).status == 200
    if change == "re-created":
        body = {"content": {"profileIds": ["member"]}, "credentials": {}}
        assert http.call("security:createUser", body, **as_root).status == 200
    if door == "here":
        done = owner.add(api, {"code": code, "state": state})
        # The token is over, too.
        assert done.status == 401
    else:
        assert refused(owner.back(api, state, code), OVER)
    asked = {"strategy": "pass", "_id": owner.kuid, "jwt": house.jwt}
    assert not http.call("security:hasCredentials", **asked).result


def test_who_may_not_give_themselves_credentials_any_more_finishes_no_link(
    house: Any, api: Api, owner: Owner
) -> None:
    """Also at the login, for which everybody has the right."""
    state, code = owner.sent_away(api), f"of-{owner.elsewhere}"
    profiles = {"profileIds": ["anonymous"]}
    as_root = {"jwt": house.jwt, "_id": owner.kuid}
    assert house.http.call("security:updateUser", profiles, **as_root).status == 200
    assert refused(owner.back(api, state, code), OVER)
    assert not house.http.call("security:hasCredentials", strategy="pass", **as_root).result


def test_the_link_goes_on_where_the_session_does(house: Any, api: Api, owner: Owner) -> None:
    """Refreshed, with other properties, or after another session has ended."""
    state, other = owner.sent_away(api), owner.sign_in()
    assert house.http.call("auth:updateSelf", {"seen": 1}, jwt=owner.jwt).status == 200
    owner.jwt = house.http.call("auth:refreshToken", jwt=owner.jwt).result["jwt"]
    assert house.http.call("auth:logout", jwt=other).status == 200
    assert owner.back(api, state, f"of-{owner.elsewhere}").status == 200


def test_a_user_may_link_several_and_loses_none_when_one_fails(
    house: Any, api: Api, owner: Owner
) -> None:
    """Issue 6: two accounts of one provider."""
    module: Any = sys.modules["toy_pass"]
    module.erased.clear()
    mine = [owner.elsewhere, owner.elsewhere]
    for held in mine:
        assert owner.back(api, owner.sent_away(api), f"of-{held}").status == 200
    taken = Owner(house)
    assert taken.back(api, taken.sent_away(api), f"of-{mine[0]}").error_id == (
        "security.credentials.rejected"
    )
    assert owner.back(api, owner.sent_away(api), f"of-{mine[0]}").error_id == (
        "security.credentials.rejected"
    )
    assert owner.linked(house) == mine
    assert owner.kuid not in module.erased
    assert len(noted(house, about=owner.kuid, event="CredentialsCreated")) == 2


def test_who_may_have_one_and_has_it_is_sent_nowhere(house: Any, api: Api) -> None:
    owner = Owner(house, single={"badge": f"single-{next(numbers)}"})
    assert refused(owner.add(api, {}, "single"), EXIST, 412)


def test_failed_links_are_held_back_as_failed_logins_are(
    house: Any, api: Api, owner: Owner
) -> None:
    """AUTH-20: and right ones are given back, with what failed on the way."""
    for _ in range(FREE):
        assert owner.back(api, owner.sent_away(api), f"of-{owner.elsewhere}").status == 200
    for _ in range(FREE - 1):
        assert refused(owner.back(api, owner.sent_away(api), "wrong"), REFUSED)
    state = owner.sent_away(api)
    assert refused(owner.add(api, {"code": "wrong", "state": state}), REFUSED)
    held = owner.add(api)
    assert refused(held, TOO_MANY, 429)
    if api.protocol == "http":
        assert int(held.headers["retry-after"]) > 0
    other = Owner(house)
    assert other.add(api).status == 302


def test_guesses_at_an_answer_count_however_often_a_link_is_begun(
    house: Any, api: Api, owner: Owner
) -> None:
    """AUTH-20"""
    for _ in range(FREE):
        asked = owner.add(api, {"way": "ask", "badge": owner.elsewhere})
        again = {"challenge": asked.result["challenge"], "pin": "again"}
        assert owner.add(api, again).status == 202
    assert refused(owner.add(api, {"way": "ask", "badge": "x"}), TOO_MANY, 429)


def test_a_refused_link_is_in_the_audit_log_and_its_code_is_not(
    house: Any, api: Api, owner: Owner
) -> None:
    """LEAK-07"""
    owner.back(api, owner.sent_away(api), "a-secret-code")
    told = noted(house, about=owner.kuid)
    (refusal,) = [one for one in told if one["event"] == "ActionRefused"]
    assert (refusal["reason"], refusal["author"]) == (REFUSED, owner.kuid)
    assert "a-secret-code" not in str(told)


def test_beginning_a_link_is_no_entry_in_the_audit_log(house: Any, api: Api, owner: Owner) -> None:
    owner.sent_away(api)
    assert "ActionRun" not in [one["event"] for one in noted(house, author=owner.kuid)]


def test_where_a_code_comes_back_its_state_must_come_too(house: Any, owner: Owner) -> None:
    """Decision 29, decision 8"""
    with closing(HttpApi(house.port)) as api:
        owner.sent_away(api)
        bare = api.send("POST", "/_me/credentials/pass/_create?code=of-x", {}, {}, owner.jwt)
        assert refused(bare, "ostiary.request.secret_in_url", 400)


@pytest.mark.parametrize("handle", ["state", "challenge"])
def test_a_handle_is_a_text(house: Any, api: Api, owner: Owner, handle: str) -> None:
    assert refused(owner.add(api, {handle: ["x"]}), "api.assert.invalid_type", 400)


def test_strategies_that_do_not_link_are_as_they_were(house: Any, api: Api, owner: Owner) -> None:
    """Contract: createMyCredentials(strategy, body) needs nothing more, and is given all of it."""
    fields = {"badge": owner.elsewhere, "state": "mine", "proof": "mine"}
    done = owner.add(api, fields, "badge")
    assert done.result == {"badge": fields["badge"], "kuid": owner.kuid}
    assert refused(owner.add(api, fields, "badge"), EXIST, 412)


def test_a_session_that_is_not_young_needs_a_proof_of_who_asks(strict: Any, protocol: str) -> None:
    """OWASP ASVS 7.5.1: whoever has stolen a token plants no way in that stays."""
    owner = Owner(strict)
    with closing(strict.open(protocol)) as api:
        refusal = owner.add(api)
        assert refused(refusal, NEEDED, 403)
        assert refusal.error["props"] == ["lock"]
        wrong = owner.add(api, {"proof": {"currentCode": "4321"}})
        assert refused(wrong, "plugin.lock.wrong_proof", 403)
        odd = owner.add(api, {"proof": "1234"})
        assert refused(odd, "api.assert.invalid_type", 400)
        seen: list[Any] = sys.modules["toy_pass"].linked
        seen.clear()
        asked = owner.add(
            api, {"proof": {"currentCode": "1234"}, "way": "ask", "badge": f"b-{owner.kuid}"}
        )
        assert asked.status == 202
        # It is proved once, and the proof is for the other strategy alone.
        assert [fields for _, fields, _ in seen] == [{"way": "ask", "badge": f"b-{owner.kuid}"}]
        done = owner.add(api, {"challenge": asked.result["challenge"], "pin": PIN})
        assert done.status == 200, done.body


def test_guesses_at_the_proof_are_held_back(strict: Any, protocol: str) -> None:
    """AUTH-20: together with those at the login."""
    owner = Owner(strict)
    with closing(strict.open(protocol)) as api:
        for number in range(FREE):
            guess = owner.add(api, {"proof": {"currentCode": str(number)}})
            assert refused(guess, "plugin.lock.wrong_proof", 403)
        assert refused(owner.add(api, {"proof": {"currentCode": "1234"}}), TOO_MANY, 429)
    login = strict.http.call("auth:login", {"badge": owner.kuid, "code": "1234"}, strategy="lock")
    assert login.status == 429


def test_a_proof_stands_in_no_url(strict: Any) -> None:
    """AUTH-13"""
    owner, url = Owner(strict), "/_me/credentials/pass/_create?code=1234"
    outcome = strict.http.send("POST", url, {}, {}, owner.jwt)
    assert refused(outcome, "ostiary.request.secret_in_url", 400)


def test_no_api_key_and_no_token_made_with_one_is_young(house: Any, owner: Owner) -> None:
    """OWASP ASVS 7.5.1"""
    made = house.http.call("auth:createApiKey", {"description": "a robot"}, jwt=owner.jwt)
    key = made.result["_source"]["token"]
    derived = house.http.call("auth:createToken", jwt=key).result["token"]
    for token in (key, derived):
        assert refused(owner.add(house.http, jwt=token), NEEDED, 403)
        proved = owner.add(house.http, {"proof": {"currentCode": "1234"}}, jwt=token)
        assert proved.status == 302


def test_who_can_prove_nothing_signs_in_again(strict: Any) -> None:
    """Where nothing that they hold takes a proof; who holds nothing at all is asked for none."""
    name = f"bare-{next(numbers)}"
    for credentials, status in (({"badge": {"badge": name}}, 403), ({}, 302)):
        body = {"content": {"profileIds": ["member"]}, "credentials": credentials}
        kuid = f"{name}-{status}"
        as_root = {"jwt": strict.jwt, "_id": kuid}
        assert strict.http.call("security:createUser", body, **as_root).status == 200
        made = strict.http.call(
            "security:createApiKey", {"description": "x"}, jwt=strict.jwt, userId=kuid
        )
        key = made.result["_source"]["token"]
        outcome = strict.http.call("auth:createMyCredentials", {}, jwt=key, strategy="pass")
        assert outcome.status == status, outcome.body
        if status == 403:
            assert outcome.error["props"] == ["none"]


@pytest.mark.parametrize("asked, linking, other", [("all", 403, 403), ("none", 302, 200)])
def test_operators_say_of_whom_a_proof_is_asked(
    start: Callable[..., Any], asked: str, linking: int, other: int
) -> None:
    changes = {
        "security__newCredentials__youngSession": 0,
        "security__newCredentials__proof": asked,
    }
    house = start(f"asking-{asked}", **changes)
    owner = Owner(house)
    assert owner.add(house.http).status == linking
    fields = {"badge": owner.elsewhere}
    assert owner.add(house.http, fields, "badge").status == other
    if other == 403:
        proved = {**fields, "proof": {"currentCode": "1234"}}
        done = owner.add(house.http, proved, "badge")
        assert done.result == {**fields, "kuid": owner.kuid}


@pytest.mark.parametrize("step", ["link", "validate"])
@pytest.mark.parametrize("change", ["signed out", "revoked", "disabled"])
def test_further_credentials_are_not_left_to_who_is_put_out_meanwhile(
    house: Any, api: Api, owner: Owner, monkeypatch: pytest.MonkeyPatch, change: str, step: str
) -> None:
    """TOK-13: what is beside others cannot be taken back alone, so it is not written."""
    assert owner.back(api, owner.sent_away(api), f"of-{owner.elsewhere}").status == 200
    held, state, tries = owner.elsewhere, owner.sent_away(api), []

    def put_out() -> None:
        with closing(HttpApi(house.port)) as http:
            as_root = {"jwt": house.jwt, "_id": owner.kuid}
            if change == "signed out":
                done = http.call("auth:logout", jwt=owner.jwt)
            elif change == "revoked":
                done = http.call("security:revokeTokens", **as_root)
            else:
                done = http.call("security:disableUser", **as_root)
            tries.append(done.status)

    async def at(reached: str, kuid: str) -> None:
        if reached == step and kuid == owner.kuid and not tries:
            await asyncio.to_thread(put_out)

    monkeypatch.setattr(sys.modules["toy_pass"], "at", at)
    assert refused(owner.back(api, state, f"of-{held}"), OVER)
    assert tries == [200]
    asked = {"strategy": "pass", "_id": owner.kuid, "jwt": house.jwt}
    seen = house.http.call("security:getCredentials", **asked).result
    assert held not in seen["badges"]


def test_a_plugin_that_is_missing_spares_nobody_the_proof(
    settings_here: Callable[..., Settings], new_site: Callable[..., Any], tmp_path: Path
) -> None:
    """OWASP ASVS 7.5.1: also while what they could prove it with is not there."""
    allowed = {"plugins__allow": ["local", "pass", "lock"]}
    with installed(tmp_path, passes(), lock()):
        made = settings_here("missing", security__newCredentials__youngSession=0, **allowed)
        with new_site(made) as house:
            owner = Owner(house)
            assert refused(owner.add(house.http), NEEDED, 403)
        fewer = replace(made, plugins=replace(made.plugins, allow=("local", "pass")))
        with serving(fewer) as port, closing(HttpApi(port)) as api:
            refusal = owner.add(api)
            assert refused(refusal, NEEDED, 403)
            assert refusal.error["props"] == ["none"]
