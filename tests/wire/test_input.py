"""What clients send is data: it is stored as it is or refused, it costs little, and leaks nothing."""

from __future__ import annotations

import json
import socket
import time
from contextlib import closing
from typing import Any

import pytest

from ostiary.composition import make_registry
from ostiary.testing.wire import HOST, PATIENCE, Api, HttpApi

PASSWORD = "a password long enough"


@pytest.mark.parametrize(
    "kuid",
    [
        "a/b",
        ".",
        "..",
        "../x",
        "a b",
        "%2e%2e",
        "ü\u202e",
        "a\nb",
        "\x7f",
        "';--",
        "{0}",
        "x" * 400,
    ],
)
def test_what_can_be_created_can_be_read_and_deleted(api: Api, closed: Any, kuid: str) -> None:
    """INP-03: an id is a text, and no path."""
    id = f"{kuid}-{api.protocol}" if kuid.strip(".") else kuid
    body = {"content": {"profileIds": ["default"]}}
    made = api.call("security:createUser", body, jwt=closed.admin.jwt, _id=id)
    if made.status != 200:
        assert made.status == 400
        return
    assert made.result["_id"] == id
    assert api.call("security:getUser", jwt=closed.admin.jwt, _id=id).result["_id"] == id
    assert api.call("security:deleteUser", jwt=closed.admin.jwt, _id=id).status == 200
    assert api.call("security:getUser", jwt=closed.admin.jwt, _id=id).status == 404


TEMPLATES = ["{{7*7}}", "${7*7}", "<%= 7*7 %>", "%s%n", "{0.__class__}", "$where", "__proto__"]


@pytest.mark.parametrize("text", TEMPLATES)
def test_a_text_is_never_a_template(api: Api, closed: Any, text: str) -> None:
    """INP-16, AZ-12: neither in what is stored nor in an error."""
    person = closed.person("member")
    stored = api.call("auth:updateSelf", {"note": text, text: 1}, jwt=person.jwt).result
    assert stored["_source"]["note"] == text
    assert stored["_source"][text] == 1
    refused = api.call("auth:login", {}, strategy=text)
    assert refused.error["props"] == [text]
    assert text in refused.error["message"]


@pytest.mark.parametrize(
    "content",
    [
        {"_id": "root"},
        {"profileIds": ["admin"]},
        {"_kuzzle_info": {"author": "root"}},
    ],
)
def test_nobody_writes_what_is_not_theirs_to_write(
    api: Api, closed: Any, content: dict[str, Any]
) -> None:
    """AZ-12: of oneself neither the id nor the profiles nor the metadata."""
    person = closed.person("member")
    outcome = api.call("auth:updateSelf", content, jwt=person.jwt)
    assert outcome.status in (200, 400)
    me = api.call("auth:getCurrentUser", jwt=person.jwt).result
    assert (me["_id"], me["_source"]["profileIds"]) == (person.kuid, ["member"])
    assert me["_source"]["_kuzzle_info"] != content.get("_kuzzle_info")


MEGABYTE = 1_000_000
COSTLY = {
    "open brackets and quotes": b"[" * 50_001 + b'"' + b'\\"' * 450_000,
    "open brackets and a long text": b"[" * 50_001 + b'"' + b"\\\\" * 450_000,
    "many texts": b"[" + b'"[",' * 200_000 + b"0]",
    "many small lists": b"[" + b"[]," * 300_000 + b"0]",
    "backslashes": b'{"username": "' + b"\\\\" * 490_000 + b'"}',
    "a long text": b'{"username": "' + b"x" * MEGABYTE + b'", "password": "x"}',
    "a long password": b'{"username": "root", "password": "' + b"x" * MEGABYTE + b'"}',
    "many members": json.dumps({str(number): 0 for number in range(70_000)}).encode(),
}


@pytest.mark.parametrize("body", COSTLY.values(), ids=COSTLY)
def test_a_costly_body_costs_little(http: HttpApi, body: bytes) -> None:
    """INP-17, INP-18: nothing takes longer than it is long (ASVS 1.3.12)."""
    assert len(body) < 2**20
    began = time.perf_counter()
    outcome = http.send("POST", "/_login/local", body, {"Content-Type": "application/json"})
    assert 400 <= outcome.status < 500
    assert time.perf_counter() - began < 3


LONG = 30_000
HEADERS = {
    "Accept-Encoding": "gzip;q=" + "0" * LONG,
    "Accept-Encoding ": "a;q=1," * (LONG // 6),
    "Content-Type": "application/json;" + "charset=utf-8;" * (LONG // 14),
    "Content-Encoding": "," * LONG,
    "Cookie": 'authToken="' * (LONG // 11),
    "Cookie ": "a=b;" * (LONG // 4),
    "Authorization": "Bearer " + " a" * (LONG // 2),
    "X-Kuzzle-Volatile": "[" * LONG,
    "Origin": "https://" + "a." * (LONG // 2),
    "Range": "bytes=" + "0-1," * (LONG // 4),
}


@pytest.mark.parametrize("name", HEADERS)
def test_a_costly_header_costs_little(http: HttpApi, name: str) -> None:
    """INP-18, HTTP-17: a flood of ranges neither (CVE-2025-62727)."""
    began = time.perf_counter()
    outcome = http.send("POST", "/_checkToken", b"{}", {name.strip(): HEADERS[name]})
    assert outcome.status < 500
    assert time.perf_counter() - began < 3


@pytest.mark.parametrize(
    "value", ["1" * LONG, "1." * 9000, "-" * LONG, " " * 9000 + "h", "9h" * 9000]
)
def test_a_costly_argument_costs_little(http: HttpApi, member: Any, value: str) -> None:
    """INP-18."""
    began = time.perf_counter()
    url = f"/_login/local?expiresIn={value.replace(' ', '%20')}"
    assert http.send("POST", url, member.credentials).status in (400, 413)
    assert time.perf_counter() - began < 3


def test_a_flood_of_parameters_is_refused(http: HttpApi) -> None:
    """INP-15."""
    for url in (
        "/_me?" + "a=b&" * 10_000,
        "/_me?" + "a&" * 10_000,
        "/_me?a[]=" + "&a=b" * 5000,
    ):
        assert http.send("GET", url).status == 400
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    assert http.send("POST", "/_login/local", b"a=b&" * 10_000, form).status == 400
    assert http.send("GET", "/_me").status == 200


def exchange(port: int, head: bytes) -> bytes:
    with socket.create_connection((HOST, port), timeout=PATIENCE) as peer:
        peer.sendall(head)
        received = b""
        try:
            while chunk := peer.recv(65_536):
                received += chunk
        except ConnectionResetError:
            pass
        return received


def test_a_flood_of_headers_is_refused(closed: Any) -> None:
    """HTTP-16: no more than the head of a request may have."""
    flood = b"".join(b"X-%d: a\r\n" % number for number in range(20_000))
    answer = exchange(closed.port, b"GET /_me HTTP/1.1\r\nHost: x\r\n" + flood + b"\r\n")
    assert answer == b"" or answer.startswith(b"HTTP/1.1 4")
    assert closed.http.send("GET", "/_healthcheck").status == 200


@pytest.mark.parametrize("range_", ["bytes=0-1", "bytes=-1", "bytes=0-0,1-1", "lines=1"])
def test_an_answer_is_whole_whatever_part_is_asked_for(http: HttpApi, range_: str) -> None:
    """HTTP-17."""
    outcome = http.send("GET", "/_publicApi", None, {"Range": range_})
    assert outcome.status == 200
    assert outcome.result == http.send("GET", "/_publicApi").result


def test_who_waits_for_leave_to_send_gets_it_or_a_refusal(closed: Any) -> None:
    """HTTP-19: Expect (RFC 9110, 10.1.1)."""
    head = b"POST /_checkToken HTTP/1.1\r\nHost: x\r\nConnection: close\r\nExpect: 100-continue\r\n"
    with socket.create_connection((HOST, closed.port), timeout=PATIENCE) as peer:
        peer.sendall(head + b"Content-Length: 2\r\n\r\n")
        assert peer.recv(100).startswith(b"HTTP/1.1 100 Continue")
        peer.sendall(b"{}")
        assert peer.recv(65_536).startswith(b"HTTP/1.1 200")
    refused = exchange(closed.port, head + b"Content-Length: 99999999\r\n\r\n")
    assert refused.startswith(b"HTTP/1.1 413")


@pytest.mark.parametrize(
    "url",
    [
        "/static/../../../../etc/passwd",
        "/..%2f..%2fetc/passwd",
        "//etc/passwd",
        "/%00",
        "/.git/config",
        "/docs",
        "/openapi.json",
        "/metrics",
        "/favicon.ico",
        "/ostiary.toml",
        "/core.db",
    ],
)
def test_nothing_else_is_served(http: HttpApi, closed: Any, url: str) -> None:
    """HTTP-20, CFG-04: no files, no pages of diagnosis (CVE-2023-29159)."""
    outcome = http.send("GET", url, jwt=closed.admin.jwt)
    assert (outcome.status, outcome.error_id) == (404, "network.http.url_not_found")


FAULTS: list[tuple[str, dict[str, Any]]] = [
    ("auth:login", {"strategy": "local", "body": {"username": "root", "password": PASSWORD + "x"}}),
    ("auth:login", {"strategy": "nowhere", "body": {"password": PASSWORD}}),
    ("auth:login", {"strategy": "local", "body": {"username": "root", "password": {}}}),
    ("auth:updateSelf", {"body": {"profileIds": [PASSWORD]}}),
    ("security:createUser", {"body": {"credentials": {"local": {"password": PASSWORD}}}}),
    ("security:getUser", {"_id": "root"}),
    ("nothing:atAll", {"body": {"password": PASSWORD}}),
]


@pytest.mark.parametrize("name, args", FAULTS)
def test_an_error_has_a_fixed_shape_and_repeats_no_secret(
    api: Api, member: Any, name: str, args: dict[str, Any]
) -> None:
    """HTTP-21, LEAK-01, LEAK-02, LEAK-03, LEAK-04: no traces, hashes, passwords or tokens."""
    for jwt in (None, member.jwt, f"{member.jwt}x"):
        outcome = api.call(name, jwt=jwt, **args)
        if outcome.status == 200:
            continue
        assert outcome.error.keys() == {"id", "code", "status", "message", "props"}
        text = json.dumps(outcome.body)
        for secret in (PASSWORD, member.jwt.partition("-")[2], "$argon2", "Traceback", ".py"):
            assert secret not in text


def test_no_answer_holds_a_hash_or_a_password(api: Api, closed: Any, member: Any) -> None:
    """LEAK-03, LEAK-04, PWD-11: not even one to an administrator."""
    reading = [
        action
        for action in make_registry()
        if action.name.startswith(("get", "search", "mGet", "has", "list")) or action.name == "info"
    ]
    assert len(reading) > 5
    for action in reading:
        args = {"_id": member.kuid, "strategy": "local", "ids": [member.kuid]}
        named = {one.name: args[one.name] for one in action.arguments if one.name in args}
        outcome = api.call(f"{action.controller}:{action.name}", jwt=closed.admin.jwt, **named)
        text = json.dumps(outcome.body)
        for secret in ("$argon2", PASSWORD, "kauth-", '"hash"', '"salt"', '"secret"'):
            assert secret not in text, (action.name, text)


def test_a_connection_that_was_abused_serves_the_next_one_well(closed: Any) -> None:
    """INP-19, INP-20: whatever was sent before."""
    with closing(HttpApi(closed.port)) as http:
        for body in COSTLY.values():
            http.send("POST", "/_query", body)
        assert http.send("GET", "/_me").result["_id"] == "-1"
