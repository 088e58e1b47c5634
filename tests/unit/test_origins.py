"""Which pages are known, and which may use what: by origin, and by host."""

from __future__ import annotations

from typing import Any

import pytest

from ostiary import errors
from ostiary.origins import Origins
from ostiary.request import Connection, Request

LISTED = "https://app.example"


def request(jwt: str | None = None, **headers: str) -> Request:
    raw = {name.replace("_", "-").encode(): one.encode() for name, one in headers.items()}
    return Request("security", "createUser", {}, None, jwt, Connection("http", "", raw), "")


def admitted(origins: Origins, asked: Request) -> bool:
    try:
        origins.admit(asked)
    except (errors.UnauthorizedOrigin, errors.ForeignPage):
        return False
    return True


def test_every_origin_needs_no_look() -> None:
    assert not Origins(["*"], None).checked
    assert Origins([LISTED], None).checked


def test_of_a_list_and_the_servers_own_pages_no_others_are_admitted() -> None:
    """HTTP-09."""
    origins = Origins([LISTED], "https://Login.example:443/auth")
    assert admitted(origins, request())
    assert admitted(origins, request(origin=LISTED))
    assert admitted(origins, request(origin="https://login.example"))
    for origin in ("http://app.example", "https://app.example.evil", "null", "", LISTED.upper()):
        assert not admitted(origins, request(origin=origin))


@pytest.mark.parametrize("host", ["evil.example:7512", "localhost:7512"])
def test_what_a_client_says_of_the_host_admits_no_page_to_a_list(host: str) -> None:
    """HTTP-09, HTTP-13: a foreign name that leads here would (DNS rebinding)."""
    assert not admitted(Origins([LISTED], None), request(origin=f"http://{host}", host=host))
    assert admitted(Origins([LISTED], f"http://{host}"), request(origin=f"http://{host}"))


@pytest.mark.parametrize(
    "public, own",
    [
        ("https://login.example", "https://login.example"),
        ("https://LOGIN.example:8443/a/b", "https://login.example:8443"),
        ("http://[::1]:7512", "http://[::1]:7512"),
        ("http://login.example:80", "http://login.example"),
    ],
)
def test_the_servers_own_origin_is_that_of_its_public_url(public: str, own: str) -> None:
    Origins([], public).admit_cookie(request(origin=own).connection)
    with pytest.raises(errors.CrossSite):
        Origins([], public).admit_cookie(request(origin=f"{own}1", host="x").connection)


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"sec_fetch_site": "none"},
        {"origin": "http://here:7512", "host": "here:7512"},
        {"origin": "https://here", "host": "HERE"},
        {"origin": LISTED, "sec_fetch_site": "cross-site"},
        {"content_type": "application/json"},
    ],
)
def test_a_cookie_counts_from_pages_that_are_known(headers: dict[str, str]) -> None:
    Origins(["*"] if LISTED not in headers.values() else [LISTED], None).admit_cookie(
        request(**headers).connection
    )


@pytest.mark.parametrize(
    "headers",
    [
        {"sec_fetch_site": "cross-site"},
        {"sec_fetch_site": "same-site"},
        {"origin": "null", "host": "null"},
        {"origin": "ftp://here", "host": "here"},
        {"origin": "https://here"},
        {"origin": "https://here:1", "host": "here"},
        {"origin": "https://here@evil", "host": "here"},
        {"content_type": "application/x-www-form-urlencoded"},
        {"content_type": " Application/X-WWW-Form-Urlencoded ; charset=utf-8"},
    ],
)
def test_a_cookie_does_not_count_from_others(headers: dict[str, str]) -> None:
    """HTTP-11."""
    with pytest.raises(errors.CrossSite):
        Origins(["*"], None).admit_cookie(request(**headers).connection)


LOCAL: list[dict[str, Any]] = [
    {},
    {"host": "localhost:7512"},
    {"host": "127.0.0.1:7512", "origin": "http://localhost:3000"},
    {"host": "[::1]:7512", "origin": "https://app.localhost"},
    {"host": "127.1.2.3"},
    {"host": "dev.example", "origin": "https://dev.example"},
]
FOREIGN: list[dict[str, Any]] = [
    {"host": "localhost", "origin": "https://evil.example"},
    {"host": "evil.example:7512"},
    {"host": "evil.example", "origin": "http://evil.example"},
    {"host": "localhost", "origin": "null"},
    {"host": "localhost", "origin": "http://localhost.evil.example"},
    {"host": "localhost", "origin": "http://192.168.1.2"},
    {"host": "127.0.0.1.evil.example"},
    {"host": "x y"},
    {"host": "[::1"},
    {"host": ""},
]


@pytest.fixture
def opened() -> Origins:
    """What ``--dev`` makes."""
    return Origins(["*"], "https://dev.example", lambda _request: False)


@pytest.mark.parametrize("headers", LOCAL)
def test_what_is_of_this_machine_may_do_in_dev_what_it_likes(
    opened: Origins, headers: dict[str, str]
) -> None:
    assert admitted(opened, request(**headers))


@pytest.mark.parametrize("headers", FOREIGN)
def test_a_page_from_elsewhere_may_not(opened: Origins, headers: dict[str, str]) -> None:
    assert not admitted(opened, request(**headers))


def test_it_may_what_a_closed_server_lets_everybody_do() -> None:
    origins = Origins(["*"], None, lambda asked: asked.action == "createUser")
    assert admitted(origins, request(origin="https://evil.example"))


def test_a_page_that_is_listed_may_do_in_dev_what_it_likes() -> None:
    origins = Origins([LISTED], None, lambda _request: False)
    assert admitted(origins, request(origin=LISTED, host="localhost"))
    assert not admitted(origins, request(origin="http://localhost", host="localhost"))


def test_a_token_is_nothing_that_a_strange_page_gets_from_the_browser(opened: Origins) -> None:
    assert admitted(opened, request("kauth-x", origin="https://evil.example"))
