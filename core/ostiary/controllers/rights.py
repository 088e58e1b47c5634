"""The ``security`` controller: what users and profiles may do, listed and tested."""

from __future__ import annotations

from typing import Annotated, Any

from ostiary import errors
from ostiary.actions import GET, POST
from ostiary.controllers.my_rights import TestedRequest, allows, listing
from ostiary.controllers.profiles import ProfileId
from ostiary.controllers.users import Kuid, security
from ostiary.request import ANONYMOUS, Request
from ostiary.services import Services
from ostiary.services.accounts import Account
from ostiary.services.rights import ANONYMOUS as ANONYMOUS_PROFILE


@security.action(GET("/users/{_id}/_rights"), raises=[errors.UserNotFound, errors.TooManyRights])
async def get_user_rights(services: Services, id: Kuid) -> dict[str, Any]:
    """List what a user may do."""
    account = await _account(services, id)
    return listing(account.rights)


@security.action(
    GET("/users/{_id}/_explainRights"), raises=[errors.UserNotFound, errors.TooManyRights]
)
async def explain_user_rights(services: Services, id: Kuid) -> dict[str, Any]:
    """List the actions that a user may run, each with the rules that let them.

    ``policies`` are those of the user's profiles; ``through`` names by its position there each
    that grants an action, and the entry of its role that does: ``*`` is a wildcard. Who is
    disabled (``status``) runs nothing of it.
    """
    return await services.explanations.of(await _account(services, id))


@security.action(
    GET("/profiles/{_id}/_rights"), raises=[errors.ProfileNotFound, errors.TooManyRights]
)
async def get_profile_rights(services: Services, id: ProfileId) -> dict[str, Any]:
    """List what a profile grants."""
    await services.profiles.check([id])
    return listing(await services.grants.rights((id,)))


@security.action(GET("/users/{_id}/_strategies"), raises=[errors.UserNotFound])
async def get_user_strategies(services: Services, id: Kuid) -> dict[str, Any]:
    """List the strategies that a user holds credentials of."""
    account = await _account(services, id)
    await services.strategies.settle()
    known = [name for name in account.strategies if services.strategies.knows(name)]
    return {"strategies": known, "total": len(known)}


@security.action(POST("/_checkRights/{userId}"), raises=[errors.UserNotFound])
async def check_rights(
    services: Services,
    request: Request,
    user_id: Annotated[str, "The kuid of who is asked about."],
    body: TestedRequest,
) -> dict[str, bool]:
    """Tell whether a user could run a request."""
    account = await _account(services, user_id)
    return {"allowed": allows(account, request, body)}


async def _account(services: Services, kuid: str) -> Account:
    account = await services.accounts.find(ANONYMOUS if kuid == ANONYMOUS_PROFILE else kuid)
    if account is None:
        raise errors.UserNotFound(kuid)
    return account
