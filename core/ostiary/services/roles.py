"""Roles: which actions of which controllers."""

from __future__ import annotations

from sqlalchemy import select

from ostiary.services.rights import Controllers
from ostiary.storage import Database, Store
from ostiary.storage.tables import roles

ADMIN, DEFAULT, ANONYMOUS = "admin", "default", "anonymous"


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
