"""Nobody gives more than they hold, and nobody takes over who may do more (AZ-20).

``by`` is the account of who writes; None is an operator, who may do everything.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from ostiary.services.grants import Grants, check_over, check_within

if TYPE_CHECKING:
    from ostiary.services.accounts import Account, Accounts
    from ostiary.services.profiles import Profiles


class Authority:
    """Compares what somebody holds with what they give, and with whom they change."""

    def __init__(self, accounts: Accounts, grants: Grants, profiles: Profiles) -> None:
        self._accounts, self._grants, self._profiles = accounts, grants, profiles

    async def check_grant(self, by: Account | None, profile_ids: Iterable[str]) -> None:
        """Refuse to give profiles that do not exist, or that grant more than is held.

        What an operator gives is not looked at here: whether it exists, its writer asks.

        :raises errors.ProfileNotFound: a profile does not exist.
        :raises errors.MissingRights: a profile grants more.
        """
        if by is None:
            return
        profile_ids = tuple(profile_ids)
        await self._profiles.check(profile_ids)
        for id in profile_ids:
            granted = await self._grants.rights((id,))
            check_within(by, granted.grants, id)

    async def check_target(self, by: Account | None, kuid: str) -> None:
        """Refuse to take over a user who may do more; who does not exist is nobody's target.

        :raises errors.TargetTooPowerful: the user may do more.
        """
        if by is None or kuid == by.kuid:
            return
        target = await self._accounts.find(kuid)
        if target is not None:
            check_over(by, kuid, target.rights.grants)
