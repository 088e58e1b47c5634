"""Loading many roles, profiles and users, each through the service that writes a single one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, get_args

from msgspec import Struct

from ostiary import errors

if TYPE_CHECKING:
    from ostiary.services.accounts import Account
    from ostiary.services.authority import Authority
    from ostiary.services.credentials import Credentials
    from ostiary.services.profiles import Profiles
    from ostiary.services.roles import Roles
    from ostiary.services.tokens import Tokens
    from ostiary.services.users import Users
    from ostiary.strategies import Call

Existing = Literal["fail", "skip", "overwrite"]
"""What to do with what is there already."""

EXISTING: tuple[Existing, ...] = get_args(Existing)


@dataclass(frozen=True, slots=True)
class UserToLoad:
    """A user as a client or a file describes them."""

    kuid: str
    profile_ids: tuple[str, ...]
    content: Mapping[str, Any]
    credentials: Mapping[str, Mapping[str, Any]] = field(repr=False)


class Securities(Struct, frozen=True):
    """Roles and profiles as the bodies of requests, by id, and users."""

    roles: Mapping[str, Mapping[str, Any]]
    profiles: Mapping[str, Mapping[str, Any]]
    users: tuple[UserToLoad, ...]


class Author(Struct, frozen=True):
    """Who loads.

    :param account: gives no more than it holds (AZ-20); None is an operator, who may everything.
    """

    call: Call
    account: Account | None


class Loading:
    """Writes roles first, then profiles, then users: each may name what was written before it."""

    def __init__(
        self,
        *,
        roles: Roles,
        profiles: Profiles,
        users: Users,
        credentials: Credentials,
        tokens: Tokens,
        authority: Authority,
    ) -> None:
        self._roles, self._profiles, self._users = roles, profiles, users
        self._credentials, self._tokens, self._authority = credentials, tokens, authority

    async def check_existing(self, users: Iterable[UserToLoad], existing: Existing) -> None:
        """Refuse to begin where users are there already, and must not be.

        :raises errors.PreventOverwrite: there are some.
        """
        if existing == "fail" and await self._users.many(user.kuid for user in users):
            raise errors.PreventOverwrite

    async def load(
        self, securities: Securities, author: Author, existing: Existing, *, force: bool
    ) -> None:
        """Load everything, until the first error.

        :param existing: what to do with users; roles and profiles are always replaced.
        """
        for id, role in securities.roles.items():
            await self._roles.put(id, role, author.account, force=force)
        for id, profile in securities.profiles.items():
            await self._profiles.put(id, profile, author.account)
        known = {user.kuid for user in await self._users.many(u.kuid for u in securities.users)}
        for user in securities.users:
            if user.kuid not in known:
                await self.create(user, author)
            elif existing == "overwrite":
                await self.overwrite(user, author)
            elif existing == "fail":
                raise errors.PreventOverwrite

    async def create(self, user: UserToLoad, author: Author) -> None:
        """Create a user with their credentials, or nothing of them."""
        await self._authority.check_grant(author.account, user.profile_ids)
        await self._users.create(
            author.call, user.profile_ids, user.content, user.credentials, kuid=user.kuid
        )

    async def overwrite(self, user: UserToLoad, author: Author) -> None:
        """Give a user the properties, profiles and credentials that are described.

        They are never deleted in between: somebody is an administrator all the time, and what
        fails leaves the old user. Credentials of other strategies stay, sessions end.
        """
        await self._authority.check_grant(author.account, user.profile_ids)
        await self._authority.check_target(author.account, user.kuid)
        for strategy, fields in user.credentials.items():
            held = await self._credentials.held(strategy, user.kuid)
            await self._credentials.validate(strategy, user.kuid, fields, author.call, partial=held)
        await self._users.replace(
            user.kuid, user.content, author.call.kuid, user.profile_ids, by=author.account
        )
        for strategy, fields in user.credentials.items():
            held = await self._credentials.held(strategy, user.kuid)
            write = self._credentials.update if held else self._credentials.create
            await write(strategy, user.kuid, fields, author.call)
        await self._tokens.revoke_all(user.kuid)
