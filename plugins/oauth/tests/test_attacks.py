"""Who comes between a browser and its provider, or comes back with what is another's, wins nothing.

Through a real server: each attack ends with a clear error and without a user. What is tried on the
parts alone stands beside this: ``test_flow``, ``test_id_tokens``, ``test_web``.
"""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest

from ostiary.testing.wire import WebSocketApi

from .besieged import OVER, REFUSED, Begun, Siege, consent, failed
from .malicious import claims
from .provider import CALLBACK, CLIENT_SECRET

SCRIPT = "<script>alert(1)</script>"


def test_a_login_begins_with_a_code_pkce_a_nonce_and_a_state(siege: Siege) -> None:
    """OAU-02, OAU-03, OAU-16: and where it leads is not the request's affair."""
    query = "?redirect_uri=https://evil.example&scope=admin&nonce=a&code_challenge=b&client_id=c"
    sent = dict(parse_qsl(urlsplit(siege.begin(query=query).location).query))
    assert sent["redirect_uri"] == CALLBACK
    assert (sent["response_type"], sent["code_challenge_method"]) == ("code", "S256")
    assert (sent["client_id"], sent["scope"]) == ("ostiary", "openid email")
    assert min(len(sent[name]) for name in ("state", "nonce", "code_challenge")) >= 32
    assert "evil" not in siege.begin(query=query).location


def test_a_state_is_not_guessed_left_out_or_used_twice(siege: Siege) -> None:
    """OAU-03, OAU-04."""
    begun = siege.begin()
    back = consent(begun.location)
    for state in ("", "x", begun.state[:-1], begun.state.swapcase()):
        failed(siege, partial(siege.come_back, begun, {**back, "state": state}), OVER)
    alone = {name: value for name, value in back.items() if name != "state"}
    failed(siege, partial(siege.come_back, begun, alone), OVER)
    again = siege.send("POST", "/_login/work", alone, {"Cookie": begun.cookie})
    assert (again.status, "location" in again.headers) == (302, True)
    assert siege.come_back(begun, back).status == 200
    failed(siege, lambda: siege.come_back(begun, back), OVER)


def test_a_state_is_of_one_browser(siege: Siege) -> None:
    """OAU-04: login CSRF; over a WebSocket it is of that connection (decision 29)."""
    victim, attacker = siege.begin(), siege.begin()
    back = consent(attacker.location)
    failed(siege, lambda: siege.come_back(victim, back), OVER)
    with closing(WebSocketApi(siege.server.port)) as socket:
        failed(siege, lambda: socket.call("auth:login", strategy="work", **back), OVER)
    without = siege.send("GET", f"/_login/work?code={back['code']}&state={back['state']}")
    assert (without.status, without.error_id) == (401, OVER)


def test_a_login_by_websocket_is_of_that_socket(siege: Siege) -> None:
    """OAU-03, OAU-04."""
    with closing(WebSocketApi(siege.server.port)) as one:
        asked = one.call("auth:login", strategy="work")
        location = asked.body["headers"]["location"]
        back = consent(location)
        with closing(WebSocketApi(siege.server.port)) as another:
            failed(siege, lambda: another.call("auth:login", strategy="work", **back), OVER)
        assert one.call("auth:login", strategy="work", **back).status == 200


def test_a_state_is_of_one_provider(siege: Siege) -> None:
    """OAU-10: nor does the code reach another."""
    begun = siege.begin("work")
    back = consent(begun.location)
    failed(siege, lambda: siege.come_back(begun, back, "other"), OVER)
    assert siege.other.asked == []


def test_a_code_of_one_provider_is_not_told_to_another(siege: Siege) -> None:
    """OAU-09, OAU-10: a mix-up; the other provider has sent the browser on to the honest one."""
    begun = siege.begin("other")
    back = consent(begun.location.replace(siege.other.url, siege.loopback.url))
    assert back["iss"] == siege.loopback.url
    siege.other.asked.clear()
    failed(siege, lambda: siege.come_back(begun, back), REFUSED)
    assert siege.other.asked == []


def test_an_answer_that_does_not_say_whose_it_is_is_refused_where_that_was_announced(
    siege: Siege,
) -> None:
    """OAU-09."""
    for issuer in (None, "", siege.other.url, f"{siege.loopback.url}/"):
        begun = siege.begin()
        back = consent(begun.location)
        siege.loopback.asked.clear()
        del back["iss"]
        named = back if issuer is None else {**back, "iss": issuer}
        failed(siege, partial(siege.come_back, begun, named), REFUSED)
        assert siege.loopback.asked == []


def test_a_code_that_was_injected_opens_nothing(siege: Siege) -> None:
    """OAU-05: the provider compares the verifier of the flow, which has another."""
    stolen = consent(siege.begin().location)["code"]
    attacker = siege.begin()
    own = consent(attacker.location)
    failed(siege, lambda: siege.come_back(attacker, {**own, "code": stolen}), REFUSED)
    verifiers = {
        given["code_verifier"] for _, path, given in siege.loopback.asked if path == "/token"
    }
    assert len(verifiers) == 1
    assert siege.loopback.codes.keys() == {own["code"]}


def test_a_code_that_was_injected_into_an_honest_answer_brings_the_wrong_nonce(
    siege: Siege,
) -> None:
    """OAU-06: even where the provider does not check the verifier."""
    nonces = [dict(parse_qsl(urlsplit(siege.begin().location).query))["nonce"] for _ in range(2)]
    assert nonces[0] != nonces[1]
    claims(nonce=nonces[0])(siege.loopback)
    failed(siege, siege.sign_in, REFUSED)


@pytest.mark.parametrize("code", ["", "x" * 10_000, "a\nb", SCRIPT], ids=["", "long", "line", "<>"])
def test_a_code_that_is_none_opens_nothing(siege: Siege, code: str) -> None:
    begun = siege.begin()
    back = {**consent(begun.location), "code": code}
    failed(siege, lambda: siege.come_back(begun, back), REFUSED)


@pytest.mark.parametrize("field", ["code", "iss", "error"])
@pytest.mark.parametrize("value", [7, True, ["a"], {"a": 1}, None, "\ud800", "\0"], ids=repr)
def test_what_comes_back_may_be_of_any_type(siege: Siege, field: str, value: Any) -> None:
    """OAU-17: by a body, where values are more than texts."""
    begun = siege.begin()
    back = {**consent(begun.location), field: value}
    headers = {"Cookie": begun.cookie}
    outcome = siege.send("POST", f"/_login/{begun.strategy}", back, headers)
    assert outcome.status in (200, 400, 401), outcome.body
    assert outcome.status != 200 or (field, value) == ("error", None)


def test_claims_give_no_profile_and_name_no_user(siege: Siege) -> None:
    """OAU-12."""
    siege.loopback.signed = (*siege.loopback.signed, *(mighty := MIGHTY))
    siege.loopback.user |= {"sub": "mighty", **mighty}
    kuid = siege.sign_in().result["_id"]
    user = siege.user(kuid)
    assert kuid != "root"
    assert user["_source"]["profileIds"] == ["default"]
    assert not MIGHTY.keys() & user["_source"].keys() - {"profileIds"}


MIGHTY: dict[str, Any] = {
    "profileIds": ["admin"],
    "profiles": ["admin"],
    "roles": ["admin"],
    "groups": ["admin"],
    "kuid": "root",
    "_id": "root",
    "_proved": {"subject": "root"},
    "content": {"profileIds": ["admin"]},
}


def test_the_same_subject_of_another_issuer_is_another_user(siege: Siege) -> None:
    """OAU-11."""
    for provider in (siege.loopback, siege.other):
        provider.user["sub"] = "one and the same"
    kuids = {siege.sign_in(name).result["_id"] for name in ("work", "other")}
    assert len(kuids) == 2


@pytest.mark.parametrize("name", ["work", "other"])
def test_an_address_links_to_nobody(siege: Siege, name: str) -> None:
    """OAU-11: not to who signs in locally by it, nor to another account that has it."""
    local = {"username": f"{name}@example.org", "password": "the password of a local user"}
    content = {"profileIds": ["default"], "email": f"{name}@example.org"}
    made = {"content": content, "credentials": {"local": local}}
    kuid = siege.send("POST", f"/users/{name}-local/_create", made, jwt=siege.admin).result["_id"]
    provider = siege.loopback if name == "work" else siege.other
    users = set()
    for subject in ("first", "second"):
        provider.user |= {"sub": f"{name} {subject}", "email": local["username"]}
        users.add(siege.sign_in(name).result["_id"])
    assert len(users | {kuid}) == 3


def test_nobody_says_by_themselves_whose_account_they_hold(siege: Siege) -> None:
    """OAU-15: pre-hijacking; before a provider's user has come for the first time."""
    siege.loopback.user["sub"] = "an attacker"
    token = siege.sign_in().result["jwt"]
    fields = {"sub": "a victim", "_proved": {"issuer": siege.loopback.url, "subject": "a victim"}}
    for strategy, way in (("other", "_create"), ("work", "_update")):
        verb = "POST" if way == "_create" else "PUT"
        outcome = siege.send(verb, f"/credentials/{strategy}/_me/{way}", fields, jwt=token)
        assert outcome.status in (302, 400, 403), outcome.body
    siege.other.user["sub"] = siege.loopback.user["sub"] = "a victim"
    kuids = {siege.sign_in(name).result["_id"] for name in ("work", "other")}
    me = siege.send("GET", "/users/_me", jwt=token).result["_id"]
    assert me not in kuids


def test_a_link_comes_to_nothing_once_the_session_is_over_that_has_begun_it(siege: Siege) -> None:
    """OAU-15: whose token was stolen signs out while the thief's account is being linked."""
    local = {"username": "owner", "password": "a password that is long enough"}
    credentials = {"local": local, "work": {"sub": "an owner"}}
    made = {"content": {"profileIds": ["admin"]}, "credentials": credentials}
    assert siege.send("POST", "/users/owner/_create", made, jwt=siege.admin).status == 200
    token = siege.send("POST", "/_login/local", local).result["jwt"]
    sent = siege.send("POST", "/_me/credentials/work/_create", {}, jwt=token)
    cookie = sent.headers["set-cookie"].partition(";")[0]
    begun = Begun("work", sent.headers["location"], cookie)

    def sign_out(right: dict[str, Any]) -> dict[str, Any]:
        assert siege.send("POST", "/_logout", jwt=token).status == 200
        return right

    siege.loopback.user["sub"], siege.loopback.claim = "a thief", sign_out
    failed(siege, lambda: siege.come_back(begun, consent(begun.location)), OVER)
    siege.loopback.claim = dict
    assert siege.sign_in().result["_id"] != "owner"


def test_logins_that_were_given_up_leave_nothing_with_the_plugin(siege: Siege) -> None:
    """OAU-21: what is under way is the core's, who keeps a thousand of an address at most."""
    with closing(sqlite3.connect(siege.server.data / "oauth.db")) as store:
        before = list(store.iterdump())
        for _ in range(20):
            siege.begin()
        assert list(store.iterdump()) == before


def test_no_secret_is_left_in_logs_stores_or_answers(siege: Siege) -> None:
    """OAU-19: though the provider's tokens are kept, and though every step is logged."""
    given_up, wrong = siege.begin(), siege.begin()
    secrets = {CLIENT_SECRET, given_up.state, wrong.state}
    back = consent(wrong.location)
    answers = [siege.come_back(wrong, {**back, "iss": "https://evil.example"})]
    begun = siege.begin()
    back |= consent(begun.location)
    answers.append(siege.come_back(begun, back))
    assert answers[-1].status == 200
    for provider in (siege.loopback, siege.other):
        secrets |= provider.tokens.keys() | provider.codes.keys()
    for _, _, given in siege.loopback.asked:
        secrets |= {given[name] for name in ("code", "code_verifier", "nonce") if name in given}
    told = "".join(json.dumps(answer.body) + str(answer.headers) for answer in answers)
    found = {text for text in secrets if text in told + siege.server.log}
    files = [path for path in Path(siege.server.data).rglob("*") if path.is_file()]
    assert len(files) > 2
    for path in files:
        content = path.read_bytes()
        found |= {text for text in secrets if text.encode() in content}
    assert found == set()
