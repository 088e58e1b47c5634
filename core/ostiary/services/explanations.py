"""What somebody may do, and what lets them: which rule of which role of which profile."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from msgspec import UNSET, Struct, UnsetType

from ostiary import errors
from ostiary.actions import Action
from ostiary.request import ANONYMOUS
from ostiary.services.comparing import MOST
from ostiary.services.profiles import Profiles
from ostiary.services.rights import LISTED, Grant
from ostiary.services.roles import Roles

if TYPE_CHECKING:
    from ostiary.services.accounts import Account


class Policy(Struct, frozen=True, rename="camel"):
    """A policy of a profile that a user holds."""

    profile_id: str
    role_id: str
    restricted_to: list[Mapping[str, Any]] | UnsetType = UNSET


class Explanations:
    """Explains what users may do.

    :param actions: those that exist, in the order in which they are told.
    """

    def __init__(self, profiles: Profiles, roles: Roles, actions: Iterable[Action]) -> None:
        self._profiles, self._roles, self._actions = profiles, roles, tuple(actions)

    async def of(self, account: Account) -> dict[str, Any]:
        """Return each action that a user's profiles grant, and all rules that do so.

        :raises errors.TooManyRights: there are too many of them.
        """
        policies = await self._policies(account)
        if len(policies) * len(self._actions) > MOST:
            raise errors.TooManyRights(MOST)
        found = await self._roles.many([policy.role_id for policy in policies])
        controllers = {role.id: role.controllers for role in found}
        granting = [Grant(controllers.get(policy.role_id, {})) for policy in policies]
        hits, lines = [], 0
        for action in self._actions:
            if action.signed_in and account.kuid == ANONYMOUS:
                continue
            through = list(_rules(action, granting))
            lines += len(through)
            if lines > LISTED:
                raise errors.TooManyRights(LISTED)
            if through:
                name = {"controller": action.controller, "action": action.name}
                hits.append({**name, "through": through})
        return {
            "_id": account.kuid,
            "status": account.user.status,
            "profileIds": account.user.profile_ids,
            "rateLimit": account.rights.rate_limit,
            "policies": policies,
            "hits": hits,
            "total": len(hits),
        }

    async def _policies(self, account: Account) -> list[Policy]:
        profiles = await self._profiles.many(account.user.profile_ids)
        return [
            Policy(profile.id, policy["roleId"], policy.get("restrictedTo") or UNSET)
            for profile in profiles
            for policy in profile.policies
        ]


def _rules(action: Action, granting: Iterable[Grant]) -> Iterator[dict[str, Any]]:
    for at, grant in enumerate(granting):
        rule = grant.rule(action.controller, action.name)
        if rule is not None:
            controller, name = rule
            yield {"policy": at, "rule": {"controller": controller, "action": name}}
