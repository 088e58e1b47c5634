"""Limits: requests per user or address, logins per connection, in frames of one second."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ostiary import errors
from ostiary.networks import network
from ostiary.request import Connection, Request
from ostiary.services.accounts import Account

UNCOUNTED = {("auth", "logout")}
HANDLES = ("challenge", "state", "loginCode")
"""What a login goes on with at a later step: the first one that is there."""


class Limits:
    """Counts in this process; every second starts at nothing."""

    def __init__(self, logins_per_second: int, clock: Callable[[], int]) -> None:
        self._logins_per_second, self._clock = logins_per_second, clock
        self._second = 0
        self._requests: dict[str, int] = {}
        self._logins: dict[Connection, int] = {}

    def count(self, request: Request, account: Account) -> None:
        """Count a request.

        :raises errors.TooManyLogins: too many logins by this connection in this second.
        :raises errors.TooManyRequests: too many requests of this user or address.
        """
        login = request.action == "login" and request.controller == "auth"
        # An answer looks for its handle before it costs a hash, and there was a login before it.
        if login and handle_of(request) is None:
            self._count_login(request.connection)
            return
        limit = account.rights.rate_limit
        if limit <= 0:
            return
        if request.session is None:
            self._count(network(request.connection.address), limit)
        elif (request.controller, request.action) not in UNCOUNTED:
            self._count(account.kuid, limit)

    def _count(self, subject: str, limit: int) -> None:
        if (second := self._clock() // 1000) != self._second:
            self._turn(second)
        count = self._requests.get(subject, 0) + 1
        if count > limit:
            raise errors.TooManyRequests(retry_after=1)
        self._requests[subject] = count

    def _count_login(self, connection: Connection) -> None:
        # Each HTTP request is a connection of its own: there is nothing to count.
        if self._logins_per_second <= 0 or connection.protocol == "http":
            return
        if (second := self._clock() // 1000) != self._second:
            self._turn(second)
        count = self._logins.get(connection, 0) + 1
        if count > self._logins_per_second:
            raise errors.TooManyLogins(retry_after=1)
        self._logins[connection] = count

    def _turn(self, second: int) -> None:
        self._second = second
        self._requests, self._logins = {}, {}


def handle_of(request: Request) -> tuple[str, Any] | None:
    """Return by what a login goes on, and what was given for it; None for a first step."""
    body = request.body if isinstance(request.body, dict) else {}
    for name in HANDLES:
        value = body[name] if name in body else request.args.get(name)
        if value is not None:
            return name, value
    return None
