"""Logins of several steps: a challenge and its answer, and there and back again."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from http.cookies import SimpleCookie
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from ostiary.settings import Settings
from ostiary.testing.packages import badge, installed, steps
from ostiary.testing.wire import Api, HttpApi, Outcome, WebSocketApi

OVER, REFUSED = "ostiary.login.flow_over", "plugin.strategy.missing_user"
TOO_MANY = "api.process.too_many_logins_requests"
PIN = "2468"
FREE = 5

numbers = itertools.count(1)


@pytest.fixture(scope="module")
def house(
    settings_here: Callable[..., Settings],
    new_site: Callable[..., Any],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Any]:
    """A server with a strategy of two steps, which counts failed logins."""
    folder = tmp_path_factory.mktemp("packages")
    with installed(folder, steps(), badge("card")), ExitStack() as stack:
        changes = {
            "plugins__allow": ["local", "steps", "card"],
            "limits__loginFailuresPerAccount": FREE,
        }
        yield stack.enter_context(new_site(settings_here("steps", **changes)))


@pytest.fixture
def over(house: Any, protocol: str) -> Iterator[Api]:
    with closing(house.open(protocol)) as api:
        yield api


@pytest.fixture
def ann(house: Any) -> str:
    """Somebody who has a badge of that name."""
    name = f"ann-{next(numbers)}"
    body = {"content": {"profileIds": ["member"]}, "credentials": {"steps": {"badge": name}}}
    assert house.http.call("security:createUser", body, jwt=house.jwt, _id=name).status == 200
    return name


def login(api: Api, fields: dict[str, Any], strategy: str = "steps", **args: Any) -> Outcome:
    return api.call("auth:login", fields, strategy=strategy, **args)


def challenged(api: Api, name: str) -> str:
    """Take the first step; return the handle of the second."""
    outcome = login(api, {"badge": name})
    assert outcome.status == 202, outcome.body
    return str(outcome.result["challenge"])


def refused(outcome: Outcome, id: str) -> bool:
    return (outcome.status, outcome.error_id) == (401, id)


def test_a_challenge_says_what_to_answer(over: Api, ann: str) -> None:
    outcome = login(over, {"badge": ann})
    assert outcome.status == 202
    assert outcome.result["question"] == {"for": "the door"}
    assert outcome.result["fields"] == [
        {
            "name": "pin",
            "label": "PIN",
            "kind": "one-time-code",
            "secret": True,
            "required": True,
            "help": "",
        }
    ]
    assert len(outcome.result["challenge"]) == 43
    assert set(outcome.result) == {"challenge", "expiresAt", "question", "fields"}


def test_a_challenge_is_not_compressed(house: Any, ann: str) -> None:
    """LEAK-03"""
    outcome = house.http.send("POST", "/_login/steps", {"badge": ann}, {"Accept-Encoding": "gzip"})
    assert outcome.result["challenge"]
    assert outcome.headers["content-encoding"] == "identity"


def test_the_right_answer_signs_in_as_the_last_step_wants(over: Api, ann: str) -> None:
    answer = {"challenge": challenged(over, ann), "pin": PIN}
    signed = login(over, answer, expiresIn="1h").result
    assert (signed["_id"], signed["ttl"]) == (ann, 3_600_000)
    assert over.call("auth:getCurrentUser", jwt=signed["jwt"]).result["_id"] == ann


def test_the_last_step_may_want_a_cookie(house: Any, ann: str) -> None:
    with closing(HttpApi(house.port)) as api:
        answer = {"challenge": challenged(api, ann), "pin": PIN}
        outcome = login(api, answer, cookieAuth=True)
    assert "jwt" not in outcome.result
    assert "authToken=kauth-" in outcome.headers["set-cookie"]


def test_a_wrong_answer_is_a_refused_login_and_spends_the_challenge(over: Api, ann: str) -> None:
    handle = challenged(over, ann)
    assert refused(login(over, {"challenge": handle, "pin": "1111"}), REFUSED)
    assert refused(login(over, {"challenge": handle, "pin": PIN}), OVER)


def test_a_challenge_is_answered_once(over: Api, ann: str) -> None:
    answer = {"challenge": challenged(over, ann), "pin": PIN}
    assert login(over, answer).status == 200
    assert refused(login(over, answer), OVER)


@pytest.mark.parametrize("change", ["badge", "status", "user"])
def test_what_was_proved_before_a_change_opens_nothing_after_it(
    over: Api, house: Any, ann: str, change: str
) -> None:
    """TOK-13, AUTH-10: not new credentials, not a user who was shut out meanwhile, nor another."""
    answer = {"challenge": challenged(over, ann), "pin": PIN}
    as_root = {"jwt": house.jwt, "_id": ann}
    if change == "badge":
        fields = {"badge": f"new-{ann}"}
        house.http.call("security:updateCredentials", fields, strategy="steps", **as_root)
    elif change == "status":
        for action in ("disableUser", "enableUser"):
            assert house.http.call(f"security:{action}", **as_root).status == 200
    else:
        assert house.http.call("security:deleteUser", **as_root).status == 200
        other = {"steps": {"badge": f"somebody-else-{ann}"}}
        body = {"content": {"profileIds": ["member"]}, "credentials": other}
        assert house.http.call("security:createUser", body, **as_root).status == 200
    assert refused(login(over, answer), OVER)


def test_a_first_step_is_no_entry_in_the_audit_log(over: Api, house: Any, ann: str) -> None:
    """ASVS 16.3: strangers, who may take as many as they like, cannot fill it."""
    challenged(over, ann)
    found = house.http.call("security:searchAuditLog", {}, jwt=house.jwt, size=50).result["hits"]
    assert found
    run = [one["_source"] for one in found if one["_source"]["event"] == "ActionRun"]
    assert not [one for one in run if "auth:login" in str(one)]


def test_of_fifty_answers_at_once_one_signs_in(house: Any, ann: str) -> None:
    with closing(HttpApi(house.port)) as api:
        answer = {"challenge": challenged(api, ann), "pin": PIN}

    def try_it(_number: int) -> int:
        with closing(HttpApi(house.port)) as api:
            return login(api, answer).status

    with ThreadPoolExecutor(50) as pool:
        statuses = sorted(pool.map(try_it, range(50)))
    assert statuses == [200, *[401] * 49]


def test_a_plugin_may_ask_again(over: Api, ann: str) -> None:
    asked = login(over, {"challenge": challenged(over, ann), "pin": "again"})
    assert asked.status == 202
    assert login(over, {"challenge": asked.result["challenge"], "pin": PIN}).result["_id"] == ann


@pytest.mark.parametrize("handle", ["", "x", "x" * 43, "\u00e4" * 43])
def test_a_challenge_that_never_was_is_over(over: Api, handle: str) -> None:
    assert refused(login(over, {"challenge": handle, "pin": PIN}), OVER)


@pytest.mark.parametrize("name", ["challenge", "state"])
def test_a_challenge_is_a_text(over: Api, name: str) -> None:
    outcome = login(over, {name: ["x"], "pin": PIN})
    assert (outcome.status, outcome.error_id) == (400, "api.assert.invalid_type")


def test_another_strategy_does_not_take_the_answer(over: Api, ann: str) -> None:
    handle = challenged(over, ann)
    assert refused(login(over, {"challenge": handle, "badge": ann}, "card"), OVER)
    assert login(over, {"challenge": handle, "pin": PIN}).status == 200


def test_a_challenge_is_no_state(over: Api, ann: str) -> None:
    handle = challenged(over, ann)
    assert refused(login(over, {"pin": PIN}, state=handle), OVER)


def test_what_began_on_a_socket_ends_there(house: Any, ann: str) -> None:
    """Decision 29"""
    with ExitStack() as stack:
        mine, other = (stack.enter_context(closing(WebSocketApi(house.port))) for _ in range(2))
        http = stack.enter_context(closing(HttpApi(house.port)))
        answer = {"challenge": challenged(mine, ann), "pin": PIN}
        assert refused(login(other, answer), OVER)
        assert refused(login(http, answer), OVER)
        assert login(mine, answer).result["_id"] == ann


def test_over_http_holding_a_challenge_is_enough(house: Any, ann: str) -> None:
    with closing(HttpApi(house.port)) as http, closing(WebSocketApi(house.port)) as socket:
        answer = {"challenge": challenged(http, ann), "pin": PIN}
        assert login(socket, answer).result["_id"] == ann


def test_a_challenge_stands_in_no_url(house: Any, ann: str) -> None:
    handle = challenged(house.http, ann)
    outcome = house.http.send("GET", f"/_login/steps?challenge={handle}")
    assert (outcome.status, outcome.error_id) == (400, "ostiary.request.secret_in_url")


@pytest.mark.parametrize("wrong", ["1111", "again"])
def test_who_guesses_answers_is_held_back_however_often_the_first_step_is_right(
    over: Api, ann: str, wrong: str
) -> None:
    """AUTH-20: the account of the first step counts what goes wrong later, also where the plugin
    asks again instead of refusing."""
    outcomes = []
    for _ in range(FREE):
        handle = challenged(over, ann)
        outcomes.append(login(over, {"challenge": handle, "pin": wrong}))
    assert {one.status for one in outcomes} <= {401, 202}
    held = login(over, {"badge": ann})
    assert (held.status, held.error_id) == (429, TOO_MANY)


def test_who_is_held_back_keeps_the_challenge(house: Any, ann: str) -> None:
    """What a stranger does to an account costs its owner no step that is done."""
    with closing(HttpApi(house.port)) as api:
        mine = challenged(api, ann)
        for _ in range(FREE):
            handle = challenged(api, ann)
            assert refused(login(api, {"challenge": handle, "pin": "1111"}), REFUSED)
        held = login(api, {"challenge": mine, "pin": PIN})
        assert (held.status, held.error_id) == (429, TOO_MANY)
        assert login(api, {"challenge": mine, "pin": PIN}).error_id == TOO_MANY


def test_right_answers_are_never_counted(over: Api, ann: str) -> None:
    """AUTH-21"""
    for _ in range(FREE + 2):
        asked = login(over, {"challenge": challenged(over, ann), "pin": "again"})
        assert login(over, {"challenge": asked.result["challenge"], "pin": PIN}).status == 200


@pytest.fixture(scope="module")
def slow(
    house: Any,
    settings: Callable[..., Settings],
    new_site: Callable[..., Any],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Any]:
    """A server on which a socket may try one login a second."""
    changes = {"plugins.allow": ["local", "steps"], "limits.loginsPerSecond": 1}
    with new_site(settings(tmp_path_factory.mktemp("slow"), **changes)) as site:
        body = {"content": {"profileIds": ["member"]}, "credentials": {"steps": {"badge": "1"}}}
        assert site.http.call("security:createUser", body, jwt=site.jwt, _id="ann").status == 200
        yield site


def test_an_answer_is_no_second_login_of_the_socket(slow: Any) -> None:
    """What is sent as an answer goes on with a login, or is over: it is no way to try one more."""
    for _ in range(3):
        with closing(WebSocketApi(slow.port)) as socket:
            answer = {"challenge": challenged(socket, "1"), "pin": PIN}
            assert login(socket, answer).status == 200
            for name in ("challenge", "state"):
                assert refused(login(socket, {name: "", "badge": "1"}), OVER)
                assert refused(login(socket, {"badge": "1"}, **{name: ""}), OVER)


def test_what_only_looks_like_an_answer_counts_as_a_login(slow: Any) -> None:
    """Decision 4"""
    empty = {"challenge": None, "badge": "nobody"}
    with closing(WebSocketApi(slow.port)) as socket:
        assert any(login(socket, empty).error_id == TOO_MANY for _ in range(50))


def sent_away(api: Api, ann: str, cookie: str | None = None) -> tuple[str, str | None]:
    """Begin a login that leads elsewhere; return its state and the cookie."""
    fields = {"badge": ann, "way": "out"}
    if isinstance(api, HttpApi):
        headers = {} if cookie is None else {"Cookie": f"ostiaryLogin={cookie}"}
        outcome = api.send("POST", "/_login/steps", fields, headers)
    else:
        outcome = login(api, fields)
    assert outcome.status == 302
    location = urlsplit(outcome.result["headers"]["Location"])
    assert location.geturl().startswith("https://door.example/in?a=1&state=")
    assert location.fragment == "top"
    set_cookie = outcome.headers.get("set-cookie")
    if set_cookie is None:
        return parse_qs(location.query)["state"][0], None
    morsel = SimpleCookie(set_cookie)["ostiaryLogin"]
    assert (morsel["samesite"], morsel["httponly"], morsel["max-age"]) == ("Lax", True, "600")
    return parse_qs(location.query)["state"][0], morsel.value


def back(api: HttpApi, state: str, code: str, cookie: str | None) -> Outcome:
    headers = {} if cookie is None else {"Cookie": f"ostiaryLogin={cookie}"}
    return api.send("GET", f"/_login/steps?code={code}&state={state}", headers=headers)


def test_a_browser_that_comes_back_is_signed_in_once(house: Any, ann: str) -> None:
    """OAU-04, decisions 8 and 29"""
    with closing(HttpApi(house.port)) as api:
        state, cookie = sent_away(api, ann)
        assert back(api, state, ann, cookie).result["_id"] == ann
        assert refused(back(api, state, ann, cookie), OVER)


@pytest.mark.parametrize("cookie", [None, "x" * 43, "x"])
def test_another_browser_does_not_come_back_instead(
    house: Any, ann: str, cookie: str | None
) -> None:
    """OAU-04: and costs the one that began nothing."""
    with closing(HttpApi(house.port)) as api:
        state, mine = sent_away(api, ann)
        assert refused(back(api, state, ann, cookie), OVER)
        assert back(api, state, ann, mine).status == 200


def test_two_tabs_come_back_in_any_order(house: Any, ann: str) -> None:
    with closing(HttpApi(house.port)) as api:
        first, cookie = sent_away(api, ann)
        second, again = sent_away(api, ann, cookie)
        assert again == cookie
        assert back(api, second, ann, cookie).status == 200
        assert back(api, first, ann, cookie).status == 200


def test_a_code_without_its_state_is_refused(house: Any, ann: str) -> None:
    """Decision 29"""
    with closing(HttpApi(house.port)) as api:
        _, cookie = sent_away(api, ann)
        headers = {"Cookie": f"ostiaryLogin={cookie}"}
        bare = api.send("GET", f"/_login/steps?code={ann}", headers=headers)
        assert (bare.status, bare.error_id) == (400, "ostiary.request.secret_in_url")
        assert refused(api.send("POST", "/_login/steps", {"code": ann}, headers), REFUSED)


def test_a_socket_comes_back_itself(house: Any, ann: str) -> None:
    """Decision 29"""
    with ExitStack() as stack:
        mine, other = (stack.enter_context(closing(WebSocketApi(house.port))) for _ in range(2))
        http = stack.enter_context(closing(HttpApi(house.port)))
        state, _ = sent_away(mine, ann)
        assert refused(login(other, {"code": ann}, state=state), OVER)
        assert refused(back(http, state, ann, None), OVER)
        assert login(mine, {"code": ann}, state=state).result["_id"] == ann


def test_a_page_can_draw_the_form_before_anybody_has_signed_in(over: Api) -> None:
    described = {one["name"]: one for one in over.call("auth:describeStrategies").result}
    assert described["local"]["factors"] == ["knowledge"]
    assert [field["name"] for field in described["steps"]["fields"]] == [
        *("badge", "way", "code", "pin")
    ]
    assert described["steps"]["fields"][3]["secret"]
    # What is for who is signed in is told, too: a page of their account draws it.
    (verify,) = [one for one in described["local"]["forms"] if one["beside"]]
    assert verify["beside"] == ["email", "phone"]
    assert (verify["value"], verify["signedIn"]) == (None, False)
    assert described["local"]["each"] is None


def test_lists_of_fields_are_as_kuzzle_has_them(over: Api, house: Any) -> None:
    fields = ["badge", "way", "code", "pin"]
    given = {"jwt": house.jwt}
    assert over.call("security:getCredentialFields", strategy="steps", **given).result == fields
    listed = over.call("security:getAllCredentialFields", **given).result
    names = ["username", "password", "email", "phone"]
    assert listed == {"local": names, "steps": fields, "card": ["badge"]}


def test_the_document_offers_what_is_installed(house: Any) -> None:
    document = house.http.send("GET", "/_openapi").body
    body = document["paths"]["/_login/{strategy}"]["post"]["requestBody"]
    offered = body["content"]["application/json"]["schema"]["anyOf"]
    local = next(one for one in offered if one["title"] == "User name and password")
    assert local["properties"]["password"]["writeOnly"]
    assert local["properties"]["password"]["format"] == "password"
    assert "pin" in next(one for one in offered if one["title"] == "Steps")["properties"]
