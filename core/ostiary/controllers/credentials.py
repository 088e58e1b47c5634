"""The ``security`` controller: the credentials of any user."""

from __future__ import annotations

from typing import Any

from ostiary import errors
from ostiary.actions import DELETE, GET, POST, PUT
from ostiary.controllers.auth import StrategyName
from ostiary.controllers.authority import check_target
from ostiary.controllers.users import Kuid, NewKuid, security
from ostiary.plugins import call_of
from ostiary.request import Request
from ostiary.services import Services


@security.action(
    POST("/credentials/{strategy}/{_id}/_create"),
    strict=True,
    raises=[
        errors.UnknownStrategy,
        errors.UserNotFound,
        errors.CredentialsExist,
        errors.TargetTooPowerful,
    ],
)
async def create_credentials(
    services: Services, request: Request, strategy: StrategyName, id: Kuid, body: dict[str, Any]
) -> dict[str, Any]:
    """Give a user credentials for a strategy; existing ones are never overwritten."""
    await check_target(services, request, id)
    return await services.credentials.create(strategy, id, body, call_of(request))


@security.action(
    PUT("/credentials/{strategy}/{_id}/_update"),
    strict=True,
    raises=[
        errors.UnknownStrategy,
        errors.UserNotFound,
        errors.NoCredentials,
        errors.TargetTooPowerful,
    ],
)
async def update_credentials(
    services: Services, request: Request, strategy: StrategyName, id: Kuid, body: dict[str, Any]
) -> dict[str, Any]:
    """Change some fields of a user's credentials."""
    await check_target(services, request, id)
    return await services.credentials.update(strategy, id, body, call_of(request))


@security.action(POST("/credentials/{strategy}/{_id}/_validate"), strict=True)
async def validate_credentials(
    services: Services,
    request: Request,
    strategy: StrategyName,
    body: dict[str, Any],
    id: NewKuid = None,
) -> bool:
    """Tell whether a user, who need not exist yet, could be given these credentials."""
    await services.credentials.validate(strategy, id, body, call_of(request))
    return True


@security.action(DELETE("/credentials/{strategy}/{_id}"))
async def delete_credentials(
    services: Services, strategy: StrategyName, id: Kuid
) -> dict[str, bool]:
    """Take a user's credentials for a strategy away."""
    await services.credentials.delete(strategy, id)
    return {"acknowledged": True}


@security.action(GET("/credentials/{strategy}/{_id}"))
async def get_credentials(services: Services, strategy: StrategyName, id: Kuid) -> dict[str, Any]:
    """Return what may be seen of a user's credentials."""
    return await services.credentials.view(strategy, id)


@security.action(GET("/credentials/{strategy}/{_id}/_exists"))
async def has_credentials(services: Services, strategy: StrategyName, id: Kuid) -> bool:
    """Tell whether a user has credentials for a strategy."""
    return await services.credentials.held(strategy, id)
