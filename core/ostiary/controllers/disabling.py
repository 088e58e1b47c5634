"""The ``security`` controller: disabling users, and enabling them again."""

from __future__ import annotations

from typing import Any

from ostiary import errors
from ostiary.actions import PUT
from ostiary.controllers.authority import caller
from ostiary.controllers.users import Kuid, security
from ostiary.request import Request
from ostiary.services import Services


@security.action(
    PUT("/users/{_id}/_disable"),
    ignored=["refresh"],
    raises=[errors.LastAdministrator, errors.TargetTooPowerful, errors.UserNotFound],
)
async def disable_user(services: Services, request: Request, id: Kuid) -> dict[str, Any]:
    """Let a user in no more: sessions end at once, API keys and credentials are refused.

    The user may not do more than who asks, and is not the last administrator.
    """
    user = await services.statuses.disable(id, request.kuid, by=await caller(services, request))
    return user.to_json()


@security.action(
    PUT("/users/{_id}/_enable"),
    ignored=["refresh"],
    raises=[errors.TargetTooPowerful, errors.UserNotFound],
)
async def enable_user(services: Services, request: Request, id: Kuid) -> dict[str, Any]:
    """Let a user in again: API keys and credentials work as before, no old session does."""
    user = await services.statuses.enable(id, request.kuid, by=await caller(services, request))
    return user.to_json()
