"""What belongs to a user, as far as who looks may see it: credentials, sessions, API keys."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from msgspec import Struct

from ostiary.pages.visit import Visit
from ostiary.pages.ways import Way, ways_of

MOST_KEYS = 200


class Parts(Struct, frozen=True):
    """Each is None for who may not see it.

    :ivar credentials: of every strategy that is installed.
    """

    credentials: list[Way] | None
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
        return sum(one.held for one in self.credentials or ())


async def _credentials(visit: Visit, kuid: str) -> list[Way] | None:
    if not visit.may_run("security:getCredentials"):
        return None
    return await ways_of(visit, kuid)


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
