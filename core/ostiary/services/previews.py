"""What saving a role or a profile would do, without saving it.

What may be saved is asked with the checks of saving itself (``Roles``, ``Profiles``, ``Grants``):
only that they see the draft where saving would have written it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from msgspec import Struct
from sqlalchemy import ColumnElement, func, select

from ostiary import errors
from ostiary.actions import Action
from ostiary.services import profiles as stored_profiles
from ostiary.services import roles as stored_roles
from ostiary.services.comparing import Difference, compare, named_by
from ostiary.services.grants import (
    Draft,
    check_administrators,
    check_within,
    grants_of,
    read_rights,
)
from ostiary.services.profiles import Profiles
from ostiary.services.rights import ADMIN, Grant
from ostiary.services.roles import Roles
from ostiary.storage import Database, Store
from ostiary.storage.tables import profiles, user_profiles

if TYPE_CHECKING:
    from ostiary.services.accounts import Account

SHOWN = 20
"""Ids of profiles and of users that are shown."""

AT_ONCE = 10_000
"""Profiles that one statement counts the users of."""


class Reach(Struct, frozen=True):
    """Whom a change would concern: some of the ids, and how many there are."""

    shown: Sequence[str]
    total: int

    def to_json(self) -> dict[str, Any]:
        """Return it as clients see it."""
        return {"hits": self.shown, "total": self.total}


class Preview(Struct, frozen=True):
    """What saving would do.

    :ivar own: what it would change of what the caller may do.
    :ivar refusal: what saving would be refused with, if it would.
    :ivar rate_limits: requests a second before and after, of a profile; 0 is no limit.
    """

    id: str
    exists: bool
    difference: Difference
    own: Difference
    profiles: Reach
    users: Reach
    refusal: errors.OstiaryError | None
    rate_limits: tuple[int | None, int] | None = None

    def to_json(self) -> dict[str, Any]:
        """Return the preview as clients see it."""
        told: dict[str, Any] = {
            "_id": self.id,
            "exists": self.exists,
            **self.difference.to_json(),
            "own": self.own.to_json(),
            "profiles": self.profiles.to_json(),
            "users": self.users.to_json(),
            "refusal": None if self.refusal is None else self.refusal.to_json(),
        }
        if self.rate_limits is not None:
            told["rateLimit"] = dict(zip(("before", "after"), self.rate_limits, strict=True))
        return told


class Previews:
    """Says what saving would do; ``by`` is the account of who would save.

    :param actions: those that exist; of others only those are compared that a role names.
    """

    def __init__(
        self, store: Store, roles: Roles, profiles: Profiles, actions: Iterable[Action]
    ) -> None:
        self._store, self._roles, self._profiles = store, roles, profiles
        self._names = {(action.controller, action.name) for action in actions}

    async def role(
        self, id: str, body: Mapping[str, Any], by: Account, *, force: bool = False
    ) -> Preview:
        """Return what ``Roles.put`` would do."""
        role = self._roles.parse(id, body, by, force=force)
        draft, new = Draft(roles={id: role.controllers}), [Grant(role.controllers)]

        async def look(db: Database) -> Preview:
            old = await stored_roles.find_role(db, id)
            former = [] if old is None else [Grant(old.controllers)]
            naming = await _naming(db, id)
            return Preview(
                id,
                old is not None,
                self._compared(former, new),
                await self._own(db, draft, by),
                Reach(sorted(naming)[:SHOWN], len(naming)),
                await _holders(db, naming),
                await _refusal(db, draft, by, new, former),
            )

        return await self._store.search(look)

    async def profile(
        self, id: str, body: Mapping[str, Any], by: Account, *, strict: bool = False
    ) -> Preview:
        """Return what ``Profiles.put`` would do.

        :raises errors.RoleNotFound: it names a role that is not there.
        """
        profile = self._profiles.read(id, body, by)
        draft = Draft(profiles={id: profile})

        async def look(db: Database) -> Preview:
            old = await stored_profiles.find_profile(db, id)
            await stored_profiles.check_named(db, profile, strict=strict)
            former = () if old is None else await grants_of(db, old.policies)
            new = await grants_of(db, profile.policies)
            return Preview(
                id,
                old is not None,
                self._compared(former, new),
                await self._own(db, draft, by),
                Reach([id], 1),
                await _holders(db, [id]),
                await _refusal(db, draft, by, new, former),
                (None if old is None else old.rate_limit, profile.rate_limit),
            )

        return await self._store.search(look)

    async def _own(self, db: Database, draft: Draft, by: Account) -> Difference:
        held = by.user.profile_ids
        before, after = await read_rights(db, held), await read_rights(db, held, draft)
        return self._compared(before.grants, after.grants)

    def _compared(self, before: Sequence[Grant], after: Sequence[Grant]) -> Difference:
        return compare(before, after, self._names | named_by(before, after))


async def _refusal(
    db: Database, draft: Draft, by: Account, new: Iterable[Grant], former: Iterable[Grant]
) -> errors.OstiaryError | None:
    """Return what saving a draft would be refused with, or None."""
    (id,) = (*draft.roles, *draft.profiles)
    try:
        check_within(by, new, id)
        check_within(by, former, id)
        check_administrators(
            await read_rights(db, (ADMIN,)), await read_rights(db, (ADMIN,), draft)
        )
    except (errors.MissingRights, errors.AdministratorsKeepRights) as error:
        return error
    return None


async def _naming(db: Database, role_id: str) -> list[str]:
    """Return the ids of the profiles that name a role."""
    found = await db.execute(select(profiles.c.id, profiles.c.policies))
    return [row.id for row in found if any(one["roleId"] == role_id for one in row.policies)]


async def _holders(db: Database, profile_ids: Sequence[str]) -> Reach:
    """Return who holds any of some profiles; of very many, who holds several counts twice."""
    shown: list[str] = []
    total = 0
    for start in range(0, len(profile_ids), AT_ONCE):
        some = user_profiles.c.profile_id.in_(profile_ids[start : start + AT_ONCE])
        total += await db.scalar(_counted(some))
        if not shown:
            wanted = select(user_profiles.c.kuid).where(some).distinct().limit(SHOWN)
            shown = list((await db.execute(wanted)).scalars())
    return Reach(sorted(shown), total)


def _counted(some: ColumnElement[bool]) -> Any:
    return select(func.count(user_profiles.c.kuid.distinct())).where(some)
