"""Profiles: which roles, within which restrictions, and how many requests a second."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import select

from ostiary.services.history import history
from ostiary.services.rights import Grant, Restriction, Rights
from ostiary.services.roles import Roles
from ostiary.services.values import write_values
from ostiary.storage import Database, Store
from ostiary.storage.tables import profiles

PROFILES = "profiles"
"""What the collection of profiles is called in searches and mappings."""


@dataclass(frozen=True, slots=True)
class Profile:
    """A profile as stored; instants are milliseconds since the epoch.

    :param content: the members that are none of those below, tags among them.
    """

    id: str
    policies: Sequence[Mapping[str, Any]]
    rate_limit: int
    content: Mapping[str, Any]
    author: str | None
    created_at: int
    updater: str | None
    updated_at: int | None

    def to_json(self) -> dict[str, Any]:
        """Return the profile as clients see it."""
        source = {
            **self.content,
            "policies": self.policies,
            "rateLimit": self.rate_limit,
            "_kuzzle_info": history(self),
        }
        return {"_id": self.id, "_source": source}


class Profiles:
    """Reads profiles, and remembers what each set of them grants."""

    def __init__(self, store: Store, roles: Roles) -> None:
        self._store, self._roles = store, roles
        self._rights: dict[tuple[str, ...], Rights] = {}

    def forget(self) -> None:
        """Read everything again: a role or a profile has changed."""
        self._rights = {}

    async def missing(self, ids: Iterable[str]) -> str | None:
        """Return the first id that no profile has, or None."""
        known = await self._read(ids)
        return next((id for id in ids if id not in known), None)

    async def rights(self, ids: tuple[str, ...]) -> Rights:
        """Return what some profiles grant together; one that is gone grants nothing."""
        # What is read before ``forget`` and remembered after it goes into the forgotten dict.
        remembered = self._rights
        rights = remembered.get(ids)
        if rights is None:
            rights = await self._compile(ids)
            remembered[ids] = rights
        return rights

    async def _compile(self, ids: tuple[str, ...]) -> Rights:
        known = await self._read(ids)
        policies = [policy for id in ids if id in known for policy in known[id][0]]
        limits = [known[id][1] for id in ids if id in known]
        controllers = await self._roles.controllers({policy["roleId"] for policy in policies})
        grants = tuple(
            Grant(controllers[policy["roleId"]], _restrictions(policy))
            for policy in policies
            if policy["roleId"] in controllers
        )
        # 0 is no limit, and wins over any number.
        return Rights(grants, rate_limit=max(limits) if limits and min(limits) > 0 else 0)

    async def _read(self, ids: Iterable[str]) -> dict[str, tuple[list[dict[str, Any]], int]]:
        wanted = select(profiles.c.id, profiles.c.policies, profiles.c.rate_limit).where(
            profiles.c.id.in_(tuple(ids))
        )
        async with self._store.read() as db:
            rows = (await db.execute(wanted)).all()
        return {row.id: (row.policies, row.rate_limit) for row in rows}


async def put_profile(db: Database, id: str, role_id: str, rate_limit: int, now: int) -> None:
    """Write a profile of the system, of a single role, over whatever stands there."""
    await db.execute(profiles.delete().where(profiles.c.id == id))
    policies = [{"roleId": role_id}]
    await db.execute(
        profiles.insert().values(
            id=id,
            policies=policies,
            rate_limit=rate_limit,
            content={},
            created_at=now,
        )
    )
    await write_values(db, PROFILES, id, {"policies": policies})


def _restrictions(policy: Mapping[str, Any]) -> tuple[Restriction, ...]:
    return tuple(
        Restriction(entry["index"], tuple(entry.get("collections") or ()))
        for entry in policy.get("restrictedTo") or ()
    )
