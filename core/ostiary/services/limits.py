"""Limits: requests per user or address, logins per connection, in frames of one second."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from msgspec import Struct

from ostiary import errors
from ostiary.durations import MINUTE
from ostiary.networks import network
from ostiary.request import Connection, Request
from ostiary.services.accounts import Account

UNCOUNTED = {("auth", "logout")}
HANDLES = ("challenge", "state", "loginCode")
"""What a login goes on with at a later step: the first one that is there."""


MOST_KNOWN = 100
"""Users and addresses that are known to have been refused."""


class Refused(Struct, frozen=True):
    """Whose requests were refused lately.

    :ivar address: of whoever is not signed in; of IPv6 its network.
    :ivar limit: how many are let through in a second.
    :ivar count: how often one was refused since they are known here.
    :ivar last: when the last one was refused, in ms.
    """

    kuid: str | None
    address: str | None
    limit: int
    count: int
    last: int

    def to_json(self) -> dict[str, Any]:
        """Return it as clients see it."""
        return {name: getattr(self, name) for name in self.__struct_fields__}


class Limits:
    """Counts in this process; every second starts at nothing."""

    def __init__(self, logins_per_second: int, clock: Callable[[], int]) -> None:
        self._logins_per_second, self._clock = logins_per_second, clock
        self._second = 0
        self._requests: dict[str, int] = {}
        self._logins: dict[Connection, int] = {}
        self._refused: dict[tuple[str | None, str | None], Refused] = {}

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
            self._count(network(request.connection.address), limit, address=True)
        elif (request.controller, request.action) not in UNCOUNTED:
            self._count(account.kuid, limit)

    def refused(self) -> list[Refused]:
        """Return whose requests were refused within the last minute, the last one first."""
        since = self._clock() - MINUTE
        lately = [one for one in self._refused.values() if one.last > since]
        return sorted(lately, key=lambda one: -one.last)

    def _count(self, subject: str, limit: int, *, address: bool = False) -> None:
        if (second := self._clock() // 1000) != self._second:
            self._turn(second)
        count = self._requests.get(subject, 0) + 1
        if count > limit:
            self._note(subject, limit, address=address)
            raise errors.TooManyRequests(retry_after=1)
        self._requests[subject] = count

    def _note(self, subject: str, limit: int, *, address: bool) -> None:
        kuid, of = (None, subject) if address else (subject, None)
        before = self._refused.pop((kuid, of), None)
        count = 1 if before is None else before.count + 1
        while len(self._refused) >= MOST_KNOWN:
            del self._refused[next(iter(self._refused))]
        self._refused[kuid, of] = Refused(kuid, of, limit, count, self._clock())

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
