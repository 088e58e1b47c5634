"""Nobody gives more than they hold, and nobody takes over who may do more (AZ-20)."""

from __future__ import annotations

from ostiary import errors
from ostiary.request import Request
from ostiary.services import Services
from ostiary.services.accounts import Account


async def caller(services: Services, request: Request) -> Account:
    """Return the account of who asks; anonymous has one too."""
    account = await services.accounts.find(request.kuid)
    if account is None:
        raise errors.UserNotFound(request.kuid)
    return account


async def check_grant(services: Services, request: Request, profile_ids: tuple[str, ...]) -> None:
    """Refuse to give profiles that do not exist, or that grant more than the caller holds.

    :raises errors.ProfileNotFound: a profile does not exist.
    :raises errors.MissingRights: a profile grants more.
    """
    await services.authority.check_grant(await caller(services, request), profile_ids)


async def check_target(services: Services, request: Request, kuid: str) -> None:
    """Refuse to take over a user who may do more than the caller.

    To be asked before anything changes how a user signs in or what they may do: credentials,
    API keys, profiles. Who does not exist is nobody's target.

    :raises errors.TargetTooPowerful: the user may do more.
    """
    await services.authority.check_target(await caller(services, request), kuid)
