"""Compressed bodies and answers over HTTP."""

from __future__ import annotations

import asyncio
import gzip
import json
import time
import zlib
from collections.abc import Callable
from contextlib import closing
from typing import Any

import pytest

from ostiary.testing.wire import HttpApi, Outcome

MEGABYTE = 2**20


def raw_deflate(content: bytes) -> bytes:
    return zlib.compress(content, wbits=-15)


CODINGS: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.compress,
    "x-gzip": gzip.compress,
    "GZip": gzip.compress,
    "deflate": zlib.compress,
    "deflate ": raw_deflate,
    "identity": bytes,
    "": bytes,
    "gzip, deflate": lambda content: zlib.compress(gzip.compress(content)),
    "deflate,identity , gzip": lambda content: gzip.compress(raw_deflate(content)),
}


def post(http: HttpApi, encoding: str, body: bytes) -> Outcome:
    headers = {"Content-Type": "application/json", "Content-Encoding": encoding}
    return http.send("POST", "/_login/local", body, headers)


@pytest.mark.parametrize("encoding", CODINGS)
def test_a_compressed_body_is_read(http: HttpApi, member: Any, encoding: str) -> None:
    body = CODINGS[encoding](json.dumps(member.credentials).encode())
    assert post(http, encoding, body).result["_id"] == member.kuid


def test_a_compressed_form_is_read(http: HttpApi, member: Any) -> None:
    form = f"username={member.username}&password=a+password+long+enough".encode()
    headers = {
        "Content-Type": "application/x-www-form-urlencoded",
        "Content-Encoding": "gzip",
    }
    sent = http.send("POST", "/_login/local", gzip.compress(form), headers)
    assert sent.result["_id"] == member.kuid


GOOD = gzip.compress(b"{}")
BAD = {
    "no gzip": ("gzip", b"notgzip", "network.http.unexpected_error"),
    "a truncated one": ("gzip", GOOD[:-1], "network.http.unexpected_error"),
    "half a head": ("gzip", GOOD[:5], "network.http.unexpected_error"),
    "a wrong sum": ("gzip", GOOD[:-8] + b"\0" * 8, "network.http.unexpected_error"),
    "bytes behind it": ("gzip", GOOD + b"x", "network.http.unexpected_error"),
    "another behind it": ("gzip", GOOD + GOOD, "network.http.unexpected_error"),
    "no deflate": ("deflate", b"\xff\xff\xff", "network.http.unexpected_error"),
    "a truncated deflate": ("deflate", raw_deflate(b"{}")[:-1], "network.http.unexpected_error"),
    "one layer too few": ("gzip,gzip", GOOD, "network.http.unexpected_error"),
    "four layers": ("gzip,gzip,gzip,gzip", GOOD, "network.http.too_many_encodings"),
    "many layers": ("identity," * 1000, GOOD, "network.http.too_many_encodings"),
    "an unknown one": ("br", GOOD, "network.http.unsupported_compression"),
    "an unknown one inside": ("zstd, gzip", GOOD, "network.http.unsupported_compression"),
    "no JSON inside": ("gzip", gzip.compress(b"{bad"), "network.http.body_parse_failed"),
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_one_is_answered_bare(http: HttpApi, name: str) -> None:
    """INP-13."""
    encoding, body, id = BAD[name]
    outcome = post(http, encoding, body)
    assert (outcome.status, outcome.body["id"]) == (400, id)
    assert "requestId" not in outcome.body
    assert outcome.headers["connection"] == "close"


def test_two_headers_of_encodings_are_refused(http: HttpApi) -> None:
    headers = {"Content-Encoding": "gzip", "content-encoding": "gzip"}
    outcome = http.send("POST", "/_login/local", GOOD, headers)
    assert outcome.body["id"] == "network.http.unexpected_error"


def layers(content: bytes, count: int) -> bytes:
    for _ in range(count):
        content = gzip.compress(content)
    return content


@pytest.mark.parametrize(
    "encoding, bomb",
    [
        ("gzip", layers(b" " * (MEGABYTE + 1), 1)),
        ("gzip", layers(b" " * 32 * MEGABYTE, 1)),
        ("gzip,gzip", layers(b" " * 32 * MEGABYTE, 2)),
        ("deflate", raw_deflate(b" " * 32 * MEGABYTE)),
    ],
    ids=["just too large", "many times", "two layers", "deflate"],
)
def test_a_bomb_is_refused_before_it_has_grown(http: HttpApi, encoding: str, bomb: bytes) -> None:
    """INP-04, INP-13: no more is inflated than a request may have."""
    assert len(bomb) < MEGABYTE
    began = time.perf_counter()
    outcome = post(http, encoding, bomb)
    assert (outcome.status, outcome.body["id"]) == (413, "network.http.request_too_large")
    assert time.perf_counter() - began < 1


def test_a_body_of_the_largest_size_is_read(http: HttpApi) -> None:
    body = b'{"username": "%s"}' % (b"x" * (MEGABYTE - 16))
    assert len(body) <= MEGABYTE
    assert post(http, "gzip", gzip.compress(body)).status != 413


@pytest.mark.parametrize(
    "accepted, encoding",
    [
        ("gzip", "gzip"),
        ("deflate", "deflate"),
        ("deflate, gzip", "gzip"),
        ("gzip;q=0.5, deflate;q=0.5", "gzip"),
        ("gzip;q=0.4, deflate;q=0.5", "deflate"),
        ("gzip;q=0, deflate", "deflate"),
        ("gzip;q=0", "identity"),
        ("*", "gzip"),
        ("*;q=0", "identity"),
        ("br, zstd", "identity"),
        ("identity", "identity"),
        ("identity, gzip;q=0.9", "identity"),
        ("gzip, identity;q=0", "gzip"),
        ("gzip;q=x", "identity"),
        ("GZIP ; Q=1", "gzip"),
        ("", "identity"),
        ("a," * 5000 + "gzip", "identity"),
    ],
)
def test_an_answer_is_in_the_encoding_that_is_asked_for(
    http: HttpApi, accepted: str, encoding: str
) -> None:
    headers = {"Accept-Encoding": accepted}
    for url in ("/_me", "/_publicApi"):
        outcome = http.send("GET", url, None, headers)
        assert outcome.status == 200
        assert outcome.headers["content-encoding"] == encoding
        assert outcome.headers.get("vary") == (
            None if encoding == "identity" else "Accept-Encoding"
        )
        assert int(outcome.headers["content-length"]) == len(outcome.raw)
        assert outcome.result == http.send("GET", url).result


def test_a_long_answer_is_shorter(http: HttpApi) -> None:
    headers = {"Accept-Encoding": "gzip"}
    short = http.send("GET", "/_openapi", None, headers)
    long = http.send("GET", "/_openapi")
    assert short.body == long.body
    assert len(short.raw) * 5 < len(long.raw)


def test_an_error_is_compressed_like_any_answer(http: HttpApi) -> None:
    headers = {"Accept-Encoding": "gzip", "Origin": "https://app.example"}
    outcome = http.send("GET", "/nowhere", None, headers)
    assert outcome.headers["content-encoding"] == "gzip"
    assert outcome.headers["vary"] == "Accept-Encoding, Origin"
    assert outcome.error_id == "network.http.url_not_found"


def test_a_secret_is_not_compressed_beside_what_a_client_chose(http: HttpApi, member: Any) -> None:
    """LEAK-03: the length of an answer does not help to guess a token (BREACH)."""
    headers = {"Accept-Encoding": "gzip"}
    login = http.send("POST", "/_login/local", member.credentials, headers)
    assert login.headers["content-encoding"] == "identity"
    cookie = http.send(
        "GET", "/_me", None, {**headers, "Cookie": f"authToken={login.result['jwt']}"}
    )
    assert cookie.result["_id"] == member.kuid
    assert cookie.headers["content-encoding"] == "identity"
    signed_in = http.send("GET", "/_me", None, headers, login.result["jwt"])
    assert signed_in.headers["content-encoding"] == "gzip"


def test_no_answer_with_a_token_of_a_plugin_is_compressed(closed: Any) -> None:
    """LEAK-03: nor with one that sets a password, or verifies an address."""
    headers = {"Accept-Encoding": "gzip"}
    email = "compressed@example.org"
    person = closed.person("member")
    with closing(closed.open("http")) as http:
        body = {"username": email}
        args = {"jwt": closed.jwt, "_id": person.kuid, "strategy": "local"}
        assert http.call("security:updateCredentials", body, **args).status == 200
        reset_url = f"/_/password/resetToken/{person.kuid}"
        reset = http.send("GET", reset_url, None, headers, closed.jwt)
        verification_url = f"/_/identifier/{person.kuid}/_verificationToken"
        verification = http.send("POST", verification_url, {"value": email}, headers, closed.jwt)
    assert reset.result["resetToken"]
    assert verification.result["token"]
    for outcome in (reset, verification):
        assert outcome.headers["content-encoding"] == "identity"


def test_a_large_body_stops_nobody(closed: Any) -> None:
    """INP-13: others are answered while a body is inflated."""
    bomb = layers(b" " * 32 * MEGABYTE, 2)

    async def race() -> float:
        slow = [asyncio.to_thread(explode) for _ in range(4)]
        running = asyncio.gather(*slow)
        longest = 0.0
        while not running.done():
            began = time.perf_counter()
            await asyncio.to_thread(closed.http.send, "GET", "/_healthcheck")
            longest = max(longest, time.perf_counter() - began)
        await running
        return longest

    def explode() -> None:
        with closing(HttpApi(closed.port)) as http:
            assert post(http, "gzip,gzip", bomb).status == 413

    assert asyncio.run(race()) < 1
