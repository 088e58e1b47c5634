"""Roles: which actions of which controllers."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from msgspec import Struct
from msgspec.structs import replace
from sqlalchemy import delete, insert, select

from ostiary import errors
from ostiary.events import RoleChanged, RoleDeleted
from ostiary.services.changes import Changes
from ostiary.services.definitions import check_size, read_content, read_controllers
from ostiary.services.events import Events
from ostiary.services.existence import first_missing, rows_with
from ostiary.services.grants import changing_rights, check_within
from ostiary.services.history import changed_at, check_unchanged, history
from ostiary.services.kuid import check_id
from ostiary.services.native import Names
from ostiary.services.rights import BASE, Controllers, Grant
from ostiary.services.values import erase_values, write_values
from ostiary.storage import Database, Store
from ostiary.storage.tables import profiles, roles

if TYPE_CHECKING:
    from ostiary.services.accounts import Account

ROLES = "roles"
"""What the collection of roles is called in searches and mappings."""


class Role(Struct, frozen=True):
    """A role as stored; instants are milliseconds since the epoch.

    :param content: the members that are neither controllers nor of the system, tags among them.
    """

    id: str
    controllers: Controllers
    content: Mapping[str, Any]
    author: str | None
    created_at: int
    updater: str | None = None
    updated_at: int | None = None

    def to_json(self) -> dict[str, Any]:
        """Return the role as clients see it."""
        source = {**self.content, "controllers": self.controllers, "_kuzzle_info": history(self)}
        return {"_id": self.id, "_source": source}


class Roles:
    """Reads and writes roles.

    What is written is the body of a request, ``{"controllers": …}`` and any other members.
    ``by`` is the account of who writes: the role may grant no more than that account holds
    (AZ-20), and tells its kuid. None is the system, which is not bounded. ``force`` admits
    controllers that do not exist here, and actions that a plugin does not have. ``since`` is when
    what is written over was changed last, as who writes has read it. Every write is checked as
    the contract says (6.2), and effective when it returns.
    """

    def __init__(
        self,
        store: Store,
        changes: Changes,
        events: Events,
        clock: Callable[[], int],
        names: Names,
    ) -> None:
        self._store, self._changes, self._clock, self._names = store, changes, clock, names
        self._events = events

    async def find(self, id: str) -> Role | None:
        """Return a role, or None."""
        return next(iter(await self.many([id])), None)

    async def many(self, ids: Sequence[str]) -> list[Role]:
        """Return the roles that exist among some ids, in their order."""
        async with self._store.read() as db:
            found = rows_with(db, select(roles), roles.c.id, ids)
            known = {row.id: Role(**row._asdict()) async for row in found}
        return [known[id] for id in dict.fromkeys(ids) if id in known]

    def read(
        self, id: str, body: Mapping[str, Any], by: Account | None, *, force: bool = False
    ) -> Role:
        """Return what ``put`` would write, without writing it."""
        return _within(by, self.parse(id, body, by, force=force))

    def parse(
        self, id: str, body: Mapping[str, Any], by: Account | None, *, force: bool = False
    ) -> Role:
        """Return what ``put`` would write, whoever may write it."""
        return self._parse(check_id(id), body, by, force=force)

    async def create(
        self, id: str, body: Mapping[str, Any], by: Account | None, *, force: bool = False
    ) -> Role:
        """Create a role.

        :raises errors.DocumentExists: there is one of that id.
        """
        role = self.read(id, body, by, force=force)
        async with changing_rights(self._store, self._changes) as db:
            if await find_role(db, id) is not None:
                raise errors.DocumentExists
            await write_role(db, role)
            await self._events.record(db, RoleChanged(id=id))
        return role

    async def put(
        self,
        id: str,
        body: Mapping[str, Any],
        by: Account | None,
        *,
        force: bool = False,
        since: int | None = None,
    ) -> Role:
        """Create a role, or replace whatever stands there."""
        role = self.read(id, body, by, force=force)
        async with changing_rights(self._store, self._changes) as db:
            old = await find_role(db, id)
            check_unchanged(id, old, since)
            check_former(by, old)
            role = replace(role, created_at=changed_at(old, role.created_at))
            await write_role(db, role)
            await self._events.record(db, RoleChanged(id=id))
        return role

    async def update(
        self,
        id: str,
        body: Mapping[str, Any],
        by: Account | None,
        *,
        force: bool = False,
        since: int | None = None,
    ) -> Role:
        """Replace a role that exists; only who made it, and when, is kept.

        :raises errors.DocumentNotFound: there is none of that id.
        """
        new = _within(by, self._parse(id, body, by, force=force))
        async with changing_rights(self._store, self._changes) as db:
            old = await find_role(db, id)
            if old is None:
                raise errors.DocumentNotFound(id, "kuzzle", ROLES)
            check_unchanged(id, old, since)
            check_former(by, old)
            author, made, now = old.author, old.created_at, changed_at(old, self._clock())
            role = replace(new, author=author, created_at=made, updater=new.author, updated_at=now)
            await write_role(db, role)
            await self._events.record(db, RoleChanged(id=id))
        return role

    async def delete(self, id: str) -> None:
        """Delete a role.

        :raises errors.RoleInUse: a profile names it.
        """
        if id in BASE:
            raise errors.RoleNotDeletable
        async with changing_rights(self._store, self._changes) as db:
            if await find_role(db, id) is None:
                raise errors.RoleNotFound(id)
            for policies in (await db.execute(select(profiles.c.policies))).scalars():
                if any(policy["roleId"] == id for policy in policies):
                    raise errors.RoleInUse(id)
            await db.execute(delete(roles).where(roles.c.id == id))
            await erase_values(db, ROLES, id)
            await self._events.record(db, RoleDeleted(id=id))

    def _parse(self, id: str, body: Mapping[str, Any], by: Account | None, *, force: bool) -> Role:
        controllers = read_controllers(id, body)
        self._names.check(id, controllers, force=force)
        content = read_content(body, "controllers")
        check_size(id, controllers, content)
        return Role(
            id,
            controllers,
            content,
            author=None if by is None else by.kuid,
            created_at=self._clock(),
        )


async def check_roles(db: Database, ids: Iterable[str]) -> None:
    """Refuse ids that no role has.

    :raises errors.RoleNotFound: the first of them.
    """
    if (missing := await first_missing(db, roles.c.id, ids)) is not None:
        raise errors.RoleNotFound(missing)


async def write_role(db: Database, role: Role) -> None:
    """Write a role over whatever stands there, without asking whether it may be."""
    await db.execute(delete(roles).where(roles.c.id == role.id))
    row = {column.name: getattr(role, column.name) for column in roles.columns}
    await db.execute(insert(roles).values(row))
    await write_values(db, ROLES, role.id, {"controllers": role.controllers, **role.content})


async def find_role(db: Database, id: str) -> Role | None:
    """Return a role as it stands in the store, or None."""
    row = (await db.execute(select(roles).where(roles.c.id == id))).one_or_none()
    return None if row is None else Role(**row._asdict())


def check_former(by: Account | None, role: Role | None) -> None:
    """Refuse to take from others what one does not hold: they would be within reach then."""
    if role is not None:
        check_within(by, [Grant(role.controllers)], role.id)


def _within(by: Account | None, role: Role) -> Role:
    check_within(by, [Grant(role.controllers)], role.id)
    return role
