"""Whatever is sent, the answer is an answer: never a 5xx, always the shape of the contract."""

from __future__ import annotations

import json
import string
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as examples
from hypothesis import strategies as st

from ostiary.actions import Action
from ostiary.composition import make_registry
from ostiary.errors import CATALOGUE
from ostiary.settings import Settings
from ostiary.testing.wire import Api, HttpApi, Outcome, WebSocketApi, url_of

# The server beside the tests takes the numbers of its pings from there.
pytestmark = pytest.mark.filterwarnings("ignore:Do not use the `random` module inside strategies")

ENDING = {"restrictDefaultRights", "resetSecurity", "shutdown"}
"""Actions after which the server would refuse everything, or be gone."""

ACTIONS = [action for action in make_registry() if action.name not in ENDING]
UNSAFE = {"logout", "refreshToken", "resetCache"}
"""Actions that would sign out the one who tries them all."""

some = examples(
    max_examples=80,
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
texts = st.text(max_size=40) | st.text(
    st.characters(categories=["Cs", "Cc", "Cf", "So"]), max_size=8
)
numbers = st.integers() | st.floats() | st.sampled_from([10**400, -(10**30), 2**63, 1e308])
scalars = st.none() | st.booleans() | numbers | texts
words = st.sampled_from(
    ["local", "root", "-1", "admin", "default", "username", "password", "content", "credentials",
     "profileIds", "token", "_id", "_kuzzle_info", "kuid", "2h", "strategy", "__class__", "$where"]
)  # fmt: skip
values = st.recursive(
    scalars | words,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(words | texts, inner, max_size=4),
    max_leaves=12,
)
objects = st.dictionaries(words | texts, values, max_size=5)
actions = st.sampled_from(ACTIONS)


@pytest.fixture(scope="module")
def target(
    tmp_path_factory: pytest.TempPathFactory,
    settings: Callable[..., Settings],
    new_site: Callable[[Settings], Any],
) -> Iterator[Any]:
    """A server in which everything is allowed: nothing stops what is sent at the door."""
    with new_site(settings(tmp_path_factory.mktemp("target"), dev=True)) as site:
        yield site


@pytest.fixture(scope="module")
def by_http(target: Any) -> Iterator[HttpApi]:
    with closing(HttpApi(target.port)) as api:
        yield api


@pytest.fixture(scope="module")
def by_socket(target: Any) -> Iterator[WebSocketApi]:
    with closing(WebSocketApi(target.port)) as api:
        yield api


@pytest.fixture(scope="module")
def caller(target: Any) -> Iterator[WebSocketApi]:
    """A socket that only calls: an answer to what ``frame`` sends may come after that of its ping."""
    with closing(WebSocketApi(target.port)) as api:
        yield api


def judge(outcome: Outcome) -> None:
    """Refuse any answer that is none of the contract."""
    assert outcome.status < 500, outcome.body
    if outcome.status < 400 or outcome.body is None:
        return
    error = outcome.error
    assert error.keys() == {"id", "code", "status", "message", "props"}
    assert (error["code"], error["status"]) == (CATALOGUE[error["id"]].code, outcome.status)
    assert all(isinstance(prop, str) for prop in error["props"])
    assert "Traceback" not in json.dumps(outcome.body)


def frame(api: WebSocketApi, text: str) -> None:
    """Send a frame, and a ping after it: a frame that is nothing is answered with nothing."""
    api.socket.send(text)
    api.socket.send('{"p":1}')
    while (body := json.loads(api.socket.recv(20))) != {"p": 2}:
        judge(Outcome(body["status"], body))


def token_for(action: Action, site: Any) -> str | None:
    return None if action.name in UNSAFE else site.admin.jwt


@some
@given(action=actions, args=objects, body=values, path=st.lists(words | texts, min_size=3))
def test_arguments_and_bodies_of_any_kind_over_http(
    target: Any, by_http: HttpApi, action: Action, args: dict[str, Any], body: Any, path: list[str]
) -> None:
    """INP-06, INP-08, INP-10, INP-11, INP-12, INP-19, INP-20: an answer, and never a 5xx."""
    for route in action.routes:
        named = dict(zip(route.names, (text_of(one) or "x" for one in path), strict=False))
        query = {text_of(name): sendable(value) for name, value in args.items()}
        url = url_of(route, {**query, **named})
        sent = None if route.verb == "GET" else json.dumps(body).encode()
        judge(by_http.send(route.verb, url, sent, jwt=token_for(action, target)))


@some
@given(action=actions, args=objects, body=values, whole=objects)
def test_messages_of_any_kind_over_websocket(
    target: Any,
    by_socket: WebSocketApi,
    action: Action,
    args: dict[str, Any],
    body: Any,
    whole: dict[str, Any],
) -> None:
    """WS-01, INP-06, INP-07, INP-08, INP-10, INP-11, INP-19, INP-20."""
    names = {"controller": action.controller, "action": action.name}
    jwt = token_for(action, target)
    for message in ({**args, **names, "body": body, "jwt": jwt}, {**whole, **names}, whole):
        frame(by_socket, json.dumps(message))


@some
@given(action=actions, body=objects)
def test_bodies_of_nearly_the_right_shape(
    by_http: HttpApi, caller: WebSocketApi, target: Any, action: Action, body: dict[str, Any]
) -> None:
    args = {argument.name: "local" for argument in action.arguments if argument.required}
    members = {} if action.body is None else {one.name: body for one in action.body.members}
    jwt = token_for(action, target)
    calls: list[Api] = [by_http, caller]
    for api in calls:
        if is_clean({**body, **members}):
            judge(
                api.call(f"{action.controller}:{action.name}", {**body, **members}, jwt=jwt, **args)
            )


plain = st.text(string.ascii_letters + string.digits + string.punctuation, max_size=60)
latin = st.text(st.characters(min_codepoint=32, max_codepoint=255, exclude_categories=["Cc"]))
headers = st.dictionaries(
    st.sampled_from(
        ["Content-Type", "X-Kuzzle-Volatile", "X-Kuzzle-Request-Id", "Origin", "Authorization",
         "Cookie", "Accept-Encoding", "Content-Encoding", "X-Ostiary-Setup", "Range", "If-Match",
         "User-Agent", "X-Forwarded-For", "X-Forwarded-Host", "Accept", "Upgrade-Insecure-Requests"]
    ),
    latin | st.sampled_from(["application/json", "Bearer x", "authToken=x; authToken=y", "{}", "gzip"]),
)  # fmt: skip
verbs = st.sampled_from(["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "PROPFIND"])


@some
@given(verb=verbs, path=plain, query=plain, head=headers, body=st.binary(max_size=200) | st.none())
def test_urls_headers_and_bytes_of_any_kind(
    by_http: HttpApi, verb: str, path: str, query: str, head: dict[str, str], body: bytes | None
) -> None:
    sent = {name: value.strip() for name, value in head.items()}
    judge(by_http.send(verb, f"/{path.replace('#', '').replace('?', '')}?{query}", body, sent))


@some
@given(action=actions, head=headers, body=st.binary(max_size=300))
def test_bytes_of_any_kind_on_every_route(
    by_http: HttpApi, action: Action, head: dict[str, str], body: bytes
) -> None:
    for route in action.routes:
        url = url_of(route, dict.fromkeys(route.names, "local"))
        judge(
            by_http.send(route.verb, url, body, {name: one.strip() for name, one in head.items()})
        )


@some
@given(text=st.text(st.characters(exclude_categories=["Cs"])) | values.map(json.dumps))
def test_frames_of_any_kind(by_socket: WebSocketApi, text: str) -> None:
    frame(by_socket, text)


DEEP = 100_000
BODIES = {
    "no JSON": b"{bad",
    "half a character": b'{"a": "\xc3"}',
    "NUL as it is": b'{"a": "\x00"}',
    "NUL escaped": b'{"content": {"profileIds": ["\\u0000"]}, "username": "\\u0000"}',
    "a lone surrogate": b'{"username": "\\ud800", "content": {"profileIds": ["\\udfff"]}}',
    "deep lists": b'{"content":' + b"[" * DEEP + b"]" * DEEP + b"}",
    "deep objects": b'{"content":' + b'{"a":' * DEEP + b"1" + b"}" * DEEP + b"}",
    "a bit too deep": b'{"content":' + b"[" * 70 + b"]" * 70 + b"}",
    "many digits": b'{"content": ' + b"9" * 5000 + b"}",
    "a large exponent": b'{"content": 1e999}',
    "no number": b'{"content": NaN}',
    "a key twice": b'{"content": {}, "content": {"profileIds": []}}',
    "two MB": b'{"content": "' + b"x" * 2_000_000 + b'"}',
    "two values": b"{}{}",
    "an empty list": b"[]",
    "a text": b'"x"',
    "null": b"null",
    "space": b" \n",
    "a mark of UTF-8": b"\xef\xbb\xbf{}",
    "UTF-16": '{"a": 1}'.encode("utf-16"),
    "odd keys": b'{"": 1, "__proto__": {}, "constructor": [], "\\n": 1, "content": {"": ""}}',
}


@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES)
def test_a_bad_body_on_every_route_is_the_clients_fault(
    target: Any, by_http: HttpApi, body: bytes
) -> None:
    """INP-04, INP-05, INP-06, INP-07, INP-08, INP-11."""
    for action in ACTIONS:
        for route in action.routes:
            if route.verb != "GET":
                url = url_of(route, dict.fromkeys(route.names, "local"))
                judge(by_http.send(route.verb, url, body, jwt=token_for(action, target)))
    judge(by_http.send("POST", "/_query", body))


@pytest.mark.parametrize("name", [name for name in BODIES if name != "two MB"])
def test_a_bad_frame_is_the_clients_fault(by_socket: WebSocketApi, name: str) -> None:
    """WS-01."""
    text = BODIES[name].decode("utf-8", "replace")
    frame(by_socket, text)
    frame(by_socket, f'{{"controller": "security", "action": "createUser", "body": {text}}}')


NEW = st.text(string.ascii_letters, min_size=1).map("x-{}".format)


@some
@given(args=st.dictionaries(NEW, st.text(string.ascii_letters) | st.integers() | st.booleans()))
def test_unknown_arguments_change_nothing(
    by_http: HttpApi, caller: WebSocketApi, args: dict[str, Any]
) -> None:
    apis: list[Api] = [by_http, caller]
    for api in apis:
        for name in ("auth:getCurrentUser", "auth:getMyRights", "auth:checkToken"):
            assert api.call(name, **args).result == api.call(name).result


def text_of(text: str) -> str:
    """Return a text that UTF-8 can say."""
    return text.encode("utf-8", "replace").decode()


def sendable(value: Any) -> Any:
    """Return a value for a URL."""
    return text_of(value) if isinstance(value, str) else json.dumps(value)


def is_clean(value: Any) -> bool:
    """Tell whether a value reaches the action: otherwise HTTP answers it bare."""
    text = json.dumps(value)
    return "\\u0000" not in text and "\\ud" not in text and "NaN" not in text and "Inf" not in text
