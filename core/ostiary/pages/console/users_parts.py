"""What belongs to a user, as far as who looks may see it: credentials, sessions, API keys."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from msgspec import Struct

from ostiary.pages.credentials import Field, Shown, asked_for, look_at, shown
from ostiary.pages.visit import Refused, Visit

MOST_KEYS = 200


class Held(Struct, frozen=True):
    """The credentials of one strategy.

    :ivar strategy: as ``auth:describeStrategies`` describes it.
    :ivar seen: what may be seen of them; None if there are none.
    :ivar failed: why that cannot be told now; None if it can.
    """

    strategy: Mapping[str, Any]
    seen: Mapping[str, Any] | None
    failed: Refused | None = None

    @property
    def fields(self) -> list[Field]:
        """What is typed when they are made or changed."""
        return asked_for(self.strategy, "registration")

    @property
    def shown(self) -> list[Shown]:
        """What is seen of them."""
        return shown(self.strategy, self.seen or {})


class Parts(Struct, frozen=True):
    """Each is None for who may not see it.

    :ivar credentials: of every strategy that is installed.
    """

    credentials: list[Held] | None
    sessions: list[Mapping[str, Any]] | None
    keys: list[Mapping[str, Any]] | None

    @classmethod
    async def of(cls, visit: Visit, kuid: str) -> Parts:
        """Return what belongs to a user."""
        return cls(
            await _credentials(visit, kuid),
            await _sessions(visit, kuid),
            await _keys(visit, kuid),
        )

    @property
    def ways_in(self) -> int:
        """How many strategies the user holds credentials of; what is not known may be one."""
        return sum(one.seen is not None or one.failed is not None for one in self.credentials or ())

    def held(self, strategy: str) -> Held | None:
        """Return the credentials of a strategy, if it is installed."""
        return next(
            (one for one in self.credentials or () if one.strategy["name"] == strategy), None
        )


async def _credentials(visit: Visit, kuid: str) -> list[Held] | None:
    if not visit.may_run("security:getCredentials"):
        return None
    return [
        Held(
            strategy,
            *await look_at(
                visit, "security", "getCredentials", strategy=strategy["name"], _id=kuid
            ),
        )
        for strategy in await visit.strategies()
    ]


async def _sessions(visit: Visit, kuid: str) -> list[Mapping[str, Any]] | None:
    if not visit.may_run("security:getSessions"):
        return None
    found: list[Mapping[str, Any]] = (await visit.call("security", "getSessions", _id=kuid))["hits"]
    return found


async def _keys(visit: Visit, kuid: str) -> list[Mapping[str, Any]] | None:
    if not visit.may_run("security:searchApiKeys"):
        return None
    found = await visit.call("security", "searchApiKeys", {}, userId=kuid, size=MOST_KEYS)
    keys: list[Mapping[str, Any]] = found["hits"]
    return keys
