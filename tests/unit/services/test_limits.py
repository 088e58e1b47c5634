"""Limits: so many requests a second for each user or address, and logins for each connection."""

from __future__ import annotations

from typing import Any

import pytest

from ostiary import errors
from ostiary.networks import network
from ostiary.request import Connection, Request
from ostiary.services.accounts import NOBODY, Account
from ostiary.services.limits import Limits
from ostiary.services.rights import Rights
from ostiary.services.sessions import Session
from ostiary.services.user_rows import StoredUser
from ostiary.testing.clock import SECOND, Clock


class Gate:
    """Limits by a clock that stands still."""

    def __init__(self, limit: int = 3, logins: int = 1) -> None:
        self.clock, self.limit = Clock(), limit
        self.limits = Limits(logins, self.clock)

    def ask(self, who: str, name: str = "server:now", address: str = "127.0.0.1") -> bool:
        """Tell whether somebody gets through; ``-1`` is anonymous."""
        return self.pass_(who, name, Connection("http", address))

    def pass_(self, who: str, name: str, connection: Connection) -> bool:
        account = Account(user_of(who), Rights((), self.limit), ())
        controller, _, action = name.partition(":")
        request = Request(controller, action, {}, None, None, connection, "1")
        if who != "-1":
            request.session = Session(b"", account, None, None)
        try:
            self.limits.count(request, account)
        except (errors.TooManyRequests, errors.TooManyLogins) as refused:
            return refused.retry_after != 1
        return True


def user_of(kuid: str) -> StoredUser:
    values: dict[str, Any] = {name: getattr(NOBODY, name) for name in StoredUser.__struct_fields__}
    return StoredUser(**{**values, "kuid": kuid})


def test_a_user_gets_as_many_requests_a_second_as_the_profile_says() -> None:
    gate = Gate(limit=3)
    assert [gate.ask("ann") for _ in range(5)] == [True] * 3 + [False] * 2
    gate.clock.advance(SECOND)
    assert gate.ask("ann")


def test_users_are_counted_apart_and_whatever_their_address() -> None:
    """AUTH-26"""
    gate = Gate(limit=1)
    assert gate.ask("ann", address="10.0.0.1")
    assert not gate.ask("ann", address="10.0.0.2")
    assert gate.ask("bob", address="10.0.0.1")


def test_anonymous_requests_are_counted_by_address() -> None:
    """AUTH-26"""
    gate = Gate(limit=1)
    assert gate.ask("-1", address="10.0.0.1")
    assert not gate.ask("-1", address="10.0.0.1")
    assert gate.ask("-1", address="10.0.0.2")
    assert gate.ask("ann", address="10.0.0.1")


def test_a_network_of_ipv6_is_one_address() -> None:
    """AUTH-24"""
    gate = Gate(limit=1)
    assert gate.ask("-1", address="2001:db8:0:1::1")
    assert not gate.ask("-1", address="2001:db8:0:1:ffff::2")
    assert gate.ask("-1", address="2001:db8:0:2::1")


@pytest.mark.parametrize("address", ["", "127.0.0.1", "no address", "a:b:c", "testclient"])
def test_what_is_no_address_is_counted_as_it_is(address: str) -> None:
    assert network(address) == address


def test_an_address_with_a_zone_is_one_of_its_network() -> None:
    assert network("fe80::1%eth0") == network("fe80::2") == "fe80::/64"


def test_without_a_limit_nothing_is_counted() -> None:
    gate = Gate(limit=0)
    assert all(gate.ask("ann") for _ in range(1000))


def test_who_is_over_the_limit_can_still_log_out() -> None:
    gate = Gate(limit=1)
    assert gate.ask("ann")
    assert not gate.ask("ann")
    assert gate.ask("ann", "auth:logout")
    assert gate.ask("-1")
    assert not gate.ask("-1", "auth:logout")


def test_logins_are_counted_by_connection_and_not_as_requests() -> None:
    gate = Gate(limit=1, logins=2)
    mine, other = (Connection("websocket", "10.0.0.1") for _ in range(2))
    assert [gate.pass_("-1", "auth:login", mine) for _ in range(3)] == [True, True, False]
    assert gate.pass_("-1", "auth:login", other)
    assert gate.pass_("-1", "server:now", mine)
    gate.clock.advance(SECOND)
    assert gate.pass_("-1", "auth:login", mine)


def test_nothing_of_a_second_that_is_over_is_kept() -> None:
    gate = Gate(limit=1)
    for number in range(100):
        gate.ask("-1", address=f"10.0.0.{number}")
    gate.clock.advance(SECOND)
    gate.ask("ann")
    assert list(gate.limits._requests) == ["ann"]
