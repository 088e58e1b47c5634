"""What a cookie looks like that the server sets, and which ones it finds again."""

from __future__ import annotations

import pytest

from ostiary import errors
from ostiary.cookies import Cookies
from ostiary.request import Connection

PLAIN, SECURE = Cookies(sessions=True, secure=False), Cookies(sessions=True, secure=True)


def of(header: str) -> Connection:
    return Connection("http", "", {b"cookie": header.encode()})


def test_the_cookie_of_a_session_is_for_no_script_and_no_other_site() -> None:
    """HTTP-10."""
    assert PLAIN.session("kauth-a.b.c", 1_700_000_000_999) == (
        "authToken=kauth-a.b.c; Path=/; Expires=Tue, 14 Nov 2023 22:13:20 GMT; HttpOnly; "
        "SameSite=Strict"
    )
    assert PLAIN.no_session() == "authToken=null; Path=/; HttpOnly; SameSite=Strict"


def test_behind_https_a_cookie_belongs_to_this_very_host() -> None:
    """CFG-06, HTTP-10."""
    flags = "Path=/; HttpOnly; Secure; SameSite=Strict"
    assert SECURE.session("a", None) == f"__Host-authToken=a; {flags}"
    assert SECURE.no_session() == f"__Host-authToken=null; {flags}"
    assert SECURE.device("a").startswith("__Host-ostiaryDevice=a; Path=/; Max-Age=2592000; ")
    assert SECURE.session_of(of("authToken=a")) is None
    assert SECURE.session_of(of("authToken=a; __Host-authToken=b")) == "b"


def test_a_session_without_end_is_one_of_the_browsers() -> None:
    assert "Expires" not in PLAIN.session("a", None)


def test_a_session_beyond_all_calendars_has_the_last_date() -> None:
    assert "Expires=Fri, 31 Dec 9999 23:59:59 GMT" in PLAIN.session("a", 2**62)


@pytest.mark.parametrize("value", ["a;b", "a b", "a\r\nb", 'a"b', "ä", "a,b", "a\\b"])
def test_a_value_that_would_split_a_cookie_makes_none(value: str) -> None:
    """HTTP-01."""
    with pytest.raises(ValueError, match="cookie"):
        PLAIN.device(value)


@pytest.mark.parametrize(
    "header, token",
    [
        ("authToken=a", "a"),
        ("b=c; authToken = a ;d", "a"),
        ('authToken="a"', "a"),
        ("authToken=a; authToken=a", "a"),
        ("authToken=", None),
        ("authToken=null", None),
        ("authToken", None),
        ("authtoken=a; xauthToken=b; __Host-authToken=c", None),
        ("other=é\x01", None),
        ("", None),
    ],
)
def test_a_session_is_found_by_its_name(header: str, token: str | None) -> None:
    assert PLAIN.session_of(of(header)) == token


@pytest.mark.parametrize("header", ["authToken=a b", "authToken=é", 'authToken="', "authToken=a,b"])
def test_a_value_that_is_none_cannot_be_read(header: str) -> None:
    with pytest.raises(errors.CookieInvalid):
        PLAIN.session_of(of(header))


def test_of_two_sessions_none_is_taken() -> None:
    """HTTP-14: a neighbour in the domain may have planted one of them."""
    with pytest.raises(errors.CookieInvalid):
        PLAIN.session_of(of("authToken=a; authToken=b"))


def test_a_device_is_known_again() -> None:
    cookie = PLAIN.device("a1").partition(";")[0]
    assert PLAIN.device_of(of(f"x=y; {cookie}")) == "a1"
    assert PLAIN.device_of(of("ostiaryDevice=a; ostiaryDevice=b")) is None
    assert PLAIN.device_of(of("ostiaryDevice=a b")) is None
    assert PLAIN.device_of(of("x=y")) is None
    assert PLAIN.device_of(Connection("websocket", "")) is None
