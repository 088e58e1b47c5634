"""HTTP around the actions: headers, ids, routing, arguments, identities, bare answers."""

from __future__ import annotations

import http.client
import json
import uuid
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any, ClassVar

import pytest

from ostiary.settings import Settings
from ostiary.testing.wire import HOST, HttpApi, WebSocketApi

ALWAYS = {
    "content-type": "application/json",
    "content-encoding": "identity",
    "connection": "keep-alive",
    "cache-control": "no-store",
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "access-control-allow-methods": "GET,POST,PUT,PATCH,DELETE,OPTIONS,HEAD",
    "access-control-allow-headers": "Content-Type, Access-Control-Allow-Headers, Authorization, "
    "X-Requested-With, Content-Encoding, Content-Length, X-Kuzzle-Volatile",
}
FRIEND, STRANGER = "https://app.example", "https://evil.example"


@pytest.mark.parametrize("url", ["/_me", "/_publicApi", "/_openapi", "/nowhere", "/_healthcheck"])
def test_every_answer_has_the_headers_of_the_contract(http: HttpApi, url: str) -> None:
    """HTTP-12: nothing is sniffed, nothing is stored, and no version is told."""
    outcome = http.send("GET", url)
    assert {name: outcome.headers[name] for name in ALWAYS} == ALWAYS
    assert int(outcome.headers["content-length"]) == len(outcome.raw)
    assert outcome.headers["x-kuzzle-node"].startswith("knode-")
    assert "server" not in outcome.headers
    assert "access-control-allow-origin" not in outcome.headers


def test_the_node_is_the_same_in_body_and_header(http: HttpApi) -> None:
    outcome = http.send("GET", "/_me")
    assert outcome.body["node"] == outcome.headers["x-kuzzle-node"]


def test_the_request_id_is_that_of_the_header(http: HttpApi) -> None:
    outcome = http.send("GET", "/_me?requestId=other", headers={"X-Kuzzle-Request-Id": "mine-1"})
    assert outcome.body["requestId"] == outcome.headers["x-kuzzle-request-id"] == "mine-1"


@pytest.mark.parametrize("given", [None, "", "a b", "x" * 129, '"', "a\xff"])
def test_a_request_without_a_good_id_gets_a_new_one(http: HttpApi, given: str | None) -> None:
    """HTTP-01: what a client sends as an id does not split headers or forge log lines."""
    headers = {} if given is None else {"X-Kuzzle-Request-Id": given}
    ids = {http.send("GET", "/_me", headers=headers).body["requestId"] for _ in range(2)}
    assert len(ids) == 2
    assert all(str(uuid.UUID(id)) == id for id in ids)


def test_volatile_is_echoed(http: HttpApi) -> None:
    outcome = http.send("GET", "/_me", headers={"X-Kuzzle-Volatile": '{"a": [1]}'})
    assert outcome.body["volatile"] == {"a": [1]}


def test_volatile_naming_an_old_sdk_is_refused(http: HttpApi) -> None:
    for volatile in ({"sdkVersion": "6"}, {"sdkName": "js@6.2.1"}, {"sdkName": "js@"}):
        headers = {"X-Kuzzle-Volatile": json.dumps(volatile)}
        outcome = http.send("GET", "/_me", headers=headers)
        assert outcome.error_id == "api.process.incompatible_sdk_version"
    for name in ("js@7.17.1-beta.1", "csharp@2.0.0", "homemade@1.0.0", "js"):
        headers = {"X-Kuzzle-Volatile": json.dumps({"sdkName": name})}
        assert http.send("GET", "/_me", headers=headers).status == (400 if name == "js" else 200)


@pytest.mark.parametrize("url", ["/_me?pretty", "/_me?pretty=1&a=b", "/_openapi?pretty"])
def test_pretty_indents_by_two(http: HttpApi, url: str) -> None:
    outcome = http.send("GET", url)
    assert b'\n  "' in outcome.raw
    assert b"\n" not in http.send("GET", url.partition("?")[0]).raw


@pytest.mark.parametrize("url", ["/_me?pretty&%ff", "/_me?" + "pretty&" * 1001])
def test_an_unreadable_query_is_the_clients_fault_also_when_pretty(http: HttpApi, url: str) -> None:
    outcome = http.send("GET", url)
    assert (outcome.status, outcome.error_id) == (400, "network.http.unexpected_error")


@pytest.mark.parametrize("url", ["/_me", "/", "/nowhere/at/all", "/_login/local?jwt=x"])
def test_options_anywhere_is_an_empty_object(http: HttpApi, url: str) -> None:
    outcome = http.send("OPTIONS", url)
    assert (outcome.status, outcome.result) == (200, {})
    assert (outcome.body["controller"], outcome.body["action"]) == (None, None)


def test_head_is_for_the_root_alone(http: HttpApi) -> None:
    assert http.send("HEAD", "/").status == 200
    assert http.send("HEAD", "/_me").status == 404


@pytest.mark.parametrize("url", ["/_healthcheck", "/_ready"])
def test_health_needs_no_rights(http: HttpApi, url: str) -> None:
    outcome = http.send("GET", url)
    assert (outcome.status, outcome.result) == (200, None)
    assert (outcome.body["controller"], outcome.body["action"]) == (None, None)


@pytest.mark.parametrize("verb", ["PROPFIND", "TRACE", "PURGE"])
def test_a_verb_without_routes_is_refused(http: HttpApi, verb: str) -> None:
    """HTTP-08: verbs nobody needs do nothing."""
    outcome = http.send(verb, "/_me")
    assert (outcome.status, outcome.error_id) == (400, "network.http.unsupported_verb")
    assert outcome.error["props"] == [verb]


@pytest.mark.parametrize(
    "verb, url",
    [
        ("GET", "/users/_mGet/_rights"),
        ("POST", "/users/_create/_upsert"),
        ("GET", "/credentials/local/_me/_nothing"),
        ("GET", "/_ME"),
        ("GET", "/users/../_me"),
        ("GET", "/users/%2e%2e/_me"),
        ("GET", "/_me%2F_rights"),
        ("GET", "/_me;a=b"),
        ("GET", "/_me%00"),
        ("POST", "/_me"),
    ],
)
def test_a_static_segment_is_entered_for_good(
    http: HttpApi, closed: Any, verb: str, url: str
) -> None:
    """AZ-11: case, dot segments and encoded slashes lead nowhere else."""
    headers = {"X-HTTP-Method-Override": "GET", "X-Original-URL": "/_me"}
    outcome = http.send(verb, url, None, headers, closed.admin.jwt)
    assert (outcome.status, outcome.error_id) == (404, "network.http.url_not_found")


@pytest.mark.parametrize("kuid", ["a/b", "..", "a b", "ü?#", "%41", "a+b", "_me2"])
def test_a_segment_is_decoded_once_and_by_itself(http: HttpApi, closed: Any, kuid: str) -> None:
    outcome = http.call("security:getUser", jwt=closed.admin.jwt, _id=kuid)
    assert outcome.error_id == "security.user.not_found"
    assert outcome.error["props"] == [kuid]


def test_the_path_wins_over_the_query(http: HttpApi, closed: Any, plain: Any) -> None:
    """AZ-10: arguments of the path are not overridden, nor is the action."""
    query = "_id=root&controller=server&action=publicApi&body=%7B%7D&kuid=root"
    outcome = http.send("GET", f"/users/{plain.kuid}?{query}", jwt=closed.admin.jwt)
    assert outcome.result["_id"] == plain.kuid
    assert outcome.body["action"] == "getUser"
    bodiless = http.send("PUT", f"/users/{plain.kuid}/_update?body=%7B%7D", jwt=closed.admin.jwt)
    assert bodiless.error_id == "api.assert.body_required"


def test_members_of_a_body_are_no_arguments(http: HttpApi, plain: Any) -> None:
    """AZ-10: nobody becomes somebody else by what they send."""
    body = {"kuid": "root", "jwt": "x", "controller": "server", "colour": "green"}
    outcome = http.call("auth:updateSelf", body, jwt=plain.jwt)
    assert (outcome.result["_id"], outcome.body["action"]) == (plain.kuid, "updateSelf")


@pytest.mark.parametrize(
    "url",
    [
        "/users/_me",
        "/users/_me/_rights",
        "/credentials/local/_me",
        "/credentials/local/_me/_exists",
    ],
)
def test_deprecated_routes_answer(http: HttpApi, member: Any, url: str) -> None:
    assert http.send("GET", url, jwt=member.jwt).status == 200


class TestQuery:
    """``POST /_query``: a whole request in a body."""

    def test_the_header_signs_in_unless_the_body_does(self, http: HttpApi, member: Any) -> None:
        message = {"controller": "auth", "action": "getCurrentUser"}
        assert http.send("POST", "/_query", message, jwt=member.jwt).result["_id"] == member.kuid
        mine = {**message, "jwt": member.jwt}
        assert http.send("POST", "/_query", mine).result["_id"] == member.kuid
        wrong = http.send("POST", "/_query", {**message, "jwt": "kauth-x"}, jwt=member.jwt)
        assert wrong.error_id == "security.token.invalid"

    def test_volatile_counts_and_the_request_id_does_not(self, http: HttpApi) -> None:
        message = {"controller": "auth", "action": "getCurrentUser", "requestId": "mine"}
        outcome = http.send("POST", "/_query", {**message, "volatile": {"a": 1}})
        assert outcome.body["volatile"] == {"a": 1}
        assert outcome.body["requestId"] != "mine"

    def test_a_flag_is_true_as_soon_as_it_is_there(self, closed: Any, http: HttpApi) -> None:
        person = closed.person("member")
        other = closed.login(person.username)
        message = {"controller": "auth", "action": "logout", "global": False}
        assert http.send("POST", "/_query", message, jwt=person.jwt).status == 200
        assert http.call("auth:getCurrentUser", jwt=other.jwt).status == 401

    @pytest.mark.parametrize("member", ["controller", "action", "jwt", "volatile", "body"])
    def test_ill_typed_members_are_refused(self, http: HttpApi, member: str) -> None:
        message = {"controller": "auth", "action": "getCurrentUser", member: 12}
        outcome = http.send("POST", "/_query", message)
        assert (outcome.status, outcome.error_id) == (400, "api.assert.invalid_type")


SECRETS = ["/_login/local?username=root&password=x", "/_login/local?password=x", "/_me?jwt=kauth-x"]


@pytest.mark.parametrize("url", SECRETS)
def test_a_secret_in_a_url_is_refused(http: HttpApi, url: str) -> None:
    """TOK-25, AUTH-13: neither a token nor a password is accepted where logs keep it."""
    outcome = http.send("GET", url)
    assert (outcome.status, outcome.error_id) == (400, "ostiary.request.secret_in_url")
    assert "kauth-x" not in outcome.raw.decode()


@pytest.mark.parametrize("url", SECRETS)
def test_a_secret_in_a_url_is_looked_at_in_dev(dev: Any, url: str) -> None:
    assert dev.http.send("GET", url).status == 401


def test_credentials_and_tokens_in_a_url_sign_in_in_dev(dev: Any) -> None:
    jwt = dev.admin.jwt
    assert dev.http.send("GET", f"/_me?jwt={jwt}").result["_id"] == "root"
    url = "/_login/local?username=root&password=a%20password%20long%20enough"
    assert dev.http.send("GET", url).result["_id"] == "root"


def test_a_form_signs_in(http: HttpApi, member: Any) -> None:
    sent = http.send(
        "POST",
        "/_login/local",
        f"username={member.username}&password=a+password+long%20enough".encode(),
        {"Content-Type": "application/x-www-form-urlencoded; charset=UTF-8"},
    )
    assert sent.result["_id"] == member.kuid


@pytest.mark.parametrize(
    "headers, body, status, id",
    [
        ({}, b"{bad", 400, "network.http.body_parse_failed"),
        ({}, b'{"a": NaN}', 400, "network.http.body_parse_failed"),
        ({}, b"\xff\xfe", 400, "network.http.body_parse_failed"),
        ({}, b"[" * 100_000, 400, "ostiary.request.too_deep"),
        ({}, b'{"a": "\\u0000"}', 400, "ostiary.request.unacceptable_text"),
        ({}, b'{"a": "\\ud800"}', 400, "network.http.body_parse_failed"),
        ({}, b" " * 2_000_000, 413, "network.http.request_too_large"),
        ({"Content-Type": "text/plain"}, b"{}", 400, "network.http.unsupported_content"),
        ({"Content-Type": "multipart/form-data"}, b"{}", 400, "network.http.unsupported_content"),
        ({"Content-Type": "application/json; charset=latin1"}, b"{}", 400,
         "network.http.unsupported_charset"),
        ({"Content-Encoding": "br"}, b"{}", 400, "network.http.unsupported_compression"),
    ],
    ids=range(11),
)  # fmt: skip
def test_an_unreadable_body_is_answered_bare(
    http: HttpApi, headers: dict[str, str], body: bytes, status: int, id: str
) -> None:
    """INP-04, INP-05, INP-06, INP-08, INP-12, INP-13, INP-14: the error object is the whole body, and the connection ends."""
    outcome = http.send("POST", "/_login/local", body, headers)
    assert outcome.body.keys() == {"id", "code", "status", "message", "props"}
    assert (outcome.status, outcome.body["status"], outcome.body["id"]) == (status, status, id)
    assert outcome.headers["connection"] == "close"
    assert outcome.headers["x-kuzzle-request-id"]


def test_a_chunked_body_is_measured_while_it_streams(closed: Any) -> None:
    """INP-04: no declared length is needed to be refused."""
    with closing(http.client.HTTPConnection(HOST, closed.port, timeout=20)) as connection:
        chunks = (b" " * 100_000 for _ in range(15))
        connection.request("POST", "/_login/local", chunks, encode_chunked=True)
        assert connection.getresponse().status == 413


@pytest.fixture(scope="module")
def picky(
    tmp_path_factory: pytest.TempPathFactory,
    settings: Callable[..., Settings],
    new_site: Callable[[Settings], Any],
) -> Iterator[Any]:
    """A server for the pages of one origin."""
    folder = tmp_path_factory.mktemp("picky")
    with new_site(settings(folder, http__accessControlAllowOrigin=[FRIEND])) as site:
        yield site


def test_an_origin_that_is_not_listed_is_refused(picky: Any) -> None:
    """HTTP-09: an allow-list, over HTTP."""
    outcome = picky.http.send("GET", "/_me", headers={"Origin": STRANGER})
    assert (outcome.status, outcome.error_id) == (401, "api.process.unauthorized_origin")
    assert "access-control-allow-credentials" not in outcome.headers
    friendly = picky.http.send("GET", "/_me", headers={"Origin": FRIEND})
    assert friendly.status == 200
    assert friendly.headers["access-control-allow-origin"] == FRIEND
    assert friendly.headers["access-control-allow-credentials"] == "true"
    assert friendly.headers["vary"] == "Origin"
    assert picky.http.send("GET", "/_me").status == 200


def test_the_origin_of_the_upgrade_counts_for_every_message(picky: Any) -> None:
    """WS-10: an allow-list, over WebSocket."""
    with closing(WebSocketApi(picky.port, {"Origin": STRANGER})) as api:
        assert api.call("auth:getCurrentUser").error_id == "api.process.unauthorized_origin"
        assert api.call("auth:getCurrentUser", jwt=picky.admin.jwt).status == 401
    with closing(WebSocketApi(picky.port, {"Origin": FRIEND})) as api:
        assert api.call("auth:getCurrentUser").status == 200


def test_no_credentials_are_allowed_to_every_origin(http: HttpApi) -> None:
    """HTTP-09, decision 5: the wildcard never comes with credentials."""
    outcome = http.send("GET", "/_me", headers={"Origin": STRANGER})
    assert outcome.headers["access-control-allow-origin"] == STRANGER
    assert "access-control-allow-credentials" not in outcome.headers


@pytest.mark.parametrize(
    "headers", [{}, {"Origin": "https://app.example"}, {"Connection": "close"}]
)
def test_an_answer_in_one_piece_says_what_one_in_parts_says(
    http: HttpApi, headers: dict[str, str]
) -> None:
    """The plain answer takes a shorter way; nothing but what was asked for differs."""
    plain = http.send("GET", "/_healthcheck").headers
    other = http.send("GET", "/_healthcheck", headers=headers).headers
    told = {"access-control-allow-origin", "vary", "connection", "date", "x-kuzzle-request-id"}
    assert {name: value for name, value in plain.items() if name not in told} == {
        name: value for name, value in other.items() if name not in told
    }
    assert {"date", "x-kuzzle-request-id", "connection"} <= plain.keys()


class TestDevelopment:
    """``--dev`` is open to this machine, not to whatever page its browser shows."""

    FOREIGN = (
        {"Origin": STRANGER},
        {"Origin": "null"},
        {"Host": "evil.example:7512"},
        {"Host": "evil.example:7512", "Origin": "http://evil.example:7512"},
    )
    ADMIN: ClassVar[dict[str, Any]] = {"content": {"profileIds": ["admin"]}}

    @pytest.mark.parametrize("headers", FOREIGN)
    def test_a_foreign_page_plants_no_administrator(
        self, dev: Any, headers: dict[str, str]
    ) -> None:
        """HTTP-13: nor does a name that someone else made lead here (DNS rebinding)."""
        message = {"controller": "security", "action": "createUser", "body": self.ADMIN}
        for url, body in (
            ("/users/_create", self.ADMIN),
            ("/_query", message),
            ("/_createFirstAdmin", {}),
        ):
            # A page can send JSON without saying so, and then is not asked first.
            outcome = dev.http.send("POST", url, json.dumps(body).encode(), headers)
            assert (outcome.status, outcome.error_id) == (403, "ostiary.request.foreign_page")
        assert dev.http.send("GET", "/users/root", None, headers).status == 403
        with closing(WebSocketApi(dev.port, {"Origin": STRANGER})) as api:
            assert api.call("security:createUser", self.ADMIN).status == 403

    @pytest.mark.parametrize("headers", FOREIGN)
    def test_it_may_do_what_everybody_may_on_a_closed_server(
        self, dev: Any, headers: dict[str, str]
    ) -> None:
        assert dev.http.send("GET", "/_publicApi", None, headers).status == 200
        login = dev.http.send("POST", "/_login/local", dev.admin.credentials, headers)
        jwt = login.result["jwt"]
        assert dev.http.send("GET", "/users/root", None, headers, jwt).status == 200

    @pytest.mark.parametrize(
        "headers",
        [
            {"Origin": "http://localhost:3000"},
            {"Origin": "http://127.0.0.1:8080", "Host": "localhost:7512"},
            {"Origin": "http://[::1]"},
        ],
    )
    def test_pages_of_this_machine_may_do_everything(
        self, dev: Any, headers: dict[str, str]
    ) -> None:
        made = dev.http.send("POST", "/users/_create", self.ADMIN, headers)
        assert made.status == 200


@pytest.mark.parametrize("name", ["index", "collection"])
def test_targets_stand_for_themselves(api: Any, member: Any, name: str) -> None:
    """A request names what it is about in one way (contract, 1)."""
    targets = [{"index": "a", "collections": ["b"]}]
    for jwt in (member.jwt, None):
        args = {"targets": targets, name: "a"}
        outcome = api.call("auth:getCurrentUser", jwt=jwt, **args)
        assert (outcome.status, outcome.error_id) == (400, "api.assert.mutually_exclusive")
        assert outcome.error["props"] == ["targets", name]
    alone = api.call("auth:getCurrentUser", jwt=member.jwt, targets=targets)
    assert alone.result["_id"] == member.kuid
