"""What profiles grant: their policies and the roles that these name, read together."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Protocol

from msgspec import Struct
from sqlalchemy import select

from ostiary import errors
from ostiary.services.changes import Changes
from ostiary.services.existence import rows_with
from ostiary.services.memory import Memory
from ostiary.services.rights import ADMIN, Controllers, Grant, Rights, covers, places_of
from ostiary.storage import Database, Store
from ostiary.storage.tables import profiles, roles

if TYPE_CHECKING:
    from ostiary.services.accounts import Account

REMEMBERED = 1000
"""Combinations of profiles whose rights are kept."""

Policies = Iterable[Mapping[str, Any]]


class Grants:
    """Compiles the rights of profiles, and remembers them until a role or a profile changes."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._rights: Memory[tuple[str, ...], Rights] = Memory(REMEMBERED)

    def forget(self) -> None:
        """Read everything again: a role or a profile has changed."""
        self._rights = Memory(REMEMBERED)

    async def rights(self, ids: tuple[str, ...]) -> Rights:
        """Return what some profiles grant together; one that is gone grants nothing."""
        # What is read before ``forget`` and remembered after it goes into the forgotten memory.
        remembered = self._rights
        rights = remembered.get(ids)
        if rights is None:
            rights = await self._compile(ids)
            remembered.put(ids, rights)
        return rights

    async def roles(self, ids: Iterable[str]) -> frozenset[str]:
        """Return the ids of the roles that some profiles name; one that is gone names none."""
        async with self._store.read() as db:
            found = rows_with(db, select(profiles.c.id, profiles.c.policies), profiles.c.id, ids)
            return frozenset([one["roleId"] async for row in found for one in row.policies])

    async def _compile(self, ids: tuple[str, ...]) -> Rights:
        async with self._store.read() as db:
            return await read_rights(db, ids)


class Written(Protocol):
    """What rights are read from of a profile."""

    @property
    def policies(self) -> Sequence[Mapping[str, Any]]:
        """Roles, and what each is restricted to."""

    @property
    def rate_limit(self) -> int:
        """Requests a second; 0 is no limit."""


class Draft(Struct, frozen=True):
    """A role or a profile that somebody might save, by its id: it stands for what is stored."""

    roles: Mapping[str, Controllers] = {}
    profiles: Mapping[str, Written] = {}


NO_DRAFT = Draft()


async def read_rights(db: Database, ids: Iterable[str], draft: Draft = NO_DRAFT) -> Rights:
    """Return what some profiles grant together, as it stands in the store, but for a draft."""
    ids = tuple(ids)
    wanted = select(profiles.c.id, profiles.c.policies, profiles.c.rate_limit)
    stored = {row.id: row async for row in rows_with(db, wanted, profiles.c.id, ids)}
    known = {**stored, **draft.profiles}
    found = [known[id] for id in ids if id in known]
    grants = await grants_of(db, [policy for row in found for policy in row.policies], draft)
    limits = [row.rate_limit for row in found]
    # 0 is no limit, and wins over any number.
    return Rights(grants, rate_limit=max(limits) if limits and min(limits) > 0 else 0)


async def grants_of(db: Database, policies: Policies, draft: Draft = NO_DRAFT) -> tuple[Grant, ...]:
    """Return what some policies grant, one grant for each role that exists."""
    restrictions = _restrictions(policies)
    wanted = select(roles.c.id, roles.c.controllers)
    found = rows_with(db, wanted, roles.c.id, restrictions)
    stored = {row.id: row.controllers async for row in found}
    controllers = {**stored, **draft.roles}
    return tuple(
        Grant(controllers[id], places_of(entries or ()))
        for id, entries in restrictions.items()
        if id in controllers
    )


def check_within(by: Account | None, grants: Iterable[Grant], id: str) -> None:
    """Refuse grants that exceed what their author may do (AZ-20, ASVS 8.2.2).

    :param by: None is the system, which may do everything.
    """
    if by is not None and not covers(by.rights, grants):
        raise errors.MissingRights(id)


async def check_reach(
    db: Database, by: Account | None, kuid: str, profile_ids: Iterable[str]
) -> None:
    """Refuse to change a user who may do more than who changes them, as it stands in the store.

    :param by: None is the system, which may do everything; oneself is within reach.
    """
    if by is not None and kuid != by.kuid:
        check_over(by, kuid, (await read_rights(db, profile_ids)).grants)


def check_over(by: Account, kuid: str, grants: Iterable[Grant]) -> None:
    """Refuse whoever may do less than a user, who holds some grants."""
    if not covers(by.rights, grants):
        raise errors.TargetTooPowerful(kuid)


@asynccontextmanager
async def changing_rights(store: Store, changes: Changes) -> AsyncIterator[Database]:
    """Change roles or profiles, in a transaction that every process hears of.

    Nobody else writes users, roles or profiles meanwhile: what the block has checked
    is still true when it ends.

    :raises errors.AdministratorsKeepRights: the profile ``admin`` would grant less.
    """
    async with store.begin() as db:
        await changes.record(db, "rights")
        kept = await read_rights(db, (ADMIN,))
        yield db
        check_administrators(kept, await read_rights(db, (ADMIN,)))


def check_administrators(before: Rights, after: Rights) -> None:
    """Refuse to let the profile ``admin`` grant less than before.

    :raises errors.AdministratorsKeepRights: it would.
    """
    if not covers(after, before.grants):
        raise errors.AdministratorsKeepRights


def _restrictions(policies: Policies) -> dict[str, list[Mapping[str, Any]] | None]:
    """Return what each role is restricted to by several policies together; None is nothing."""
    found: dict[str, list[Mapping[str, Any]] | None] = {}
    for policy in policies:
        entries = found.setdefault(policy["roleId"], [])
        if not policy.get("restrictedTo"):
            found[policy["roleId"]] = None
        elif entries is not None:
            entries.extend(policy["restrictedTo"])
    return found
