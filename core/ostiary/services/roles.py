"""Roles: which actions of which controllers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import select

from ostiary.services.history import history
from ostiary.services.rights import Controllers
from ostiary.services.values import write_values
from ostiary.storage import Database, Store
from ostiary.storage.tables import roles

ROLES = "roles"
"""What the collection of roles is called in searches and mappings."""

ADMIN, DEFAULT, ANONYMOUS = "admin", "default", "anonymous"


@dataclass(frozen=True, slots=True)
class Role:
    """A role as stored; instants are milliseconds since the epoch.

    :param content: the members that are neither controllers nor of the system, tags among them.
    """

    id: str
    controllers: Controllers
    content: Mapping[str, Any]
    author: str | None
    created_at: int
    updater: str | None
    updated_at: int | None

    def to_json(self) -> dict[str, Any]:
        """Return the role as clients see it."""
        source = {**self.content, "controllers": self.controllers, "_kuzzle_info": history(self)}
        return {"_id": self.id, "_source": source}


class Roles:
    """Reads and writes roles in the core's store."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def controllers(self, ids: set[str]) -> dict[str, Controllers]:
        """Return the controllers of the roles that exist among some ids."""
        if not ids:
            return {}
        wanted = select(roles.c.id, roles.c.controllers).where(roles.c.id.in_(ids))
        async with self._store.read() as db:
            return {row.id: row.controllers for row in await db.execute(wanted)}


async def put_role(db: Database, id: str, controllers: Controllers, now: int) -> None:
    """Write a role of the system over whatever stands there."""
    await db.execute(roles.delete().where(roles.c.id == id))
    await db.execute(
        roles.insert().values(id=id, controllers=controllers, content={}, created_at=now)
    )
    await write_values(db, ROLES, id, {"controllers": controllers})
