"""The access log: one line a request, which no client can forge, and in which nothing is secret."""

from __future__ import annotations

import logging
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ostiary import access_log
from ostiary.request import Connection, Request

LINE = re.compile(r"\S+ \S+ \d+ \d+ \d+\.\dms \S+ \S+ \S+ \S+")


class Kept(logging.Handler):
    """Keeps what is logged."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(record.getMessage())


def written(
    url: bytes = b"/_me",
    *,
    controller: str = "auth",
    action: str = "login",
    address: str = "127.0.0.1",
    verb: str = "GET",
) -> str:
    """Return the only line that is written of a request."""
    request = Request(controller, action, {}, None, None, Connection("http", address), "id-1")
    path, _, query = url.partition(b"?")
    kept = Kept()
    access_log.logger.addHandler(kept)
    before = access_log.logger.level
    access_log.logger.setLevel(logging.INFO)
    try:
        access_log.write(request, verb, (path, query), (200, 12), access_log.now())
    finally:
        access_log.logger.removeHandler(kept)
        access_log.logger.setLevel(before)
    (line,) = kept.lines
    return line


def test_a_line_says_what_was_asked_and_what_came_of_it() -> None:
    line = written(b"/_login/local")
    assert re.sub(r"[\d.]+ms", "1ms", line) == (
        "GET /_login/local 200 12 1ms 127.0.0.1 auth:login -1 id-1"
    )


def test_what_is_not_known_is_a_dash() -> None:
    line = written(b"/nowhere", controller="", action="", address="")
    assert line.split()[5:] == ["-", "-", "-1", "id-1"]


@pytest.mark.parametrize(
    "url, shown",
    [
        ("/_login/local?username=ann&password=x", "/_login/local?username=***&password=***"),
        ("/_me?jwt=kauth-a.b.c", "/_me?jwt=***"),
        ("/_me?password", "/_me?***"),
        ("/_me?pretty", "/_me?pretty"),
        ("/a?expiresIn=2h&size=10&from=0", "/a?expiresIn=2h&size=10&from=0"),
        ("/a?size=my%20secret", "/a?size=***"),
        ("/a?size=a-secret-that-is-long", "/a?size=***"),
        ("/a?kauth-a.b.c=x", "/a?***=***"),
        ("/a?se%63ret=x", "/a?***=***"),
        ("/a?x=y=z", "/a?x=***"),
        ("/_me/kauth-a.b.c/d", "/_me/***/d"),
        ("/_me/kapikey-a.b.c", "/_me/***"),
        ("/users/a%20b%0A", "/users/a%20b%0A"),
    ],
)
def test_values_are_masked_unless_they_are_known_to_be_harmless(url: str, shown: str) -> None:
    """LEAK-05."""
    assert written(url.encode()).split()[1] == shown


@given(
    path=st.binary(max_size=40),
    query=st.binary(max_size=40),
    action=st.text(max_size=20),
    address=st.text(max_size=20),
    verb=st.text(max_size=10),
)
def test_whatever_is_sent_the_line_has_the_same_fields(
    path: bytes, query: bytes, action: str, address: str, verb: str
) -> None:
    """LEAK-06."""
    line = written(path + b"?" + query, action=action, address=address, verb=verb)
    assert LINE.fullmatch(line)
    assert line.isascii()
    assert line.isprintable()


def test_a_long_url_is_cut() -> None:
    assert len(written(b"/" + b"a" * 10_000 + b"?" + b"b=c&" * 10_000)) < 600
