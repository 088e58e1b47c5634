"""The ``auth`` controller: one's own credentials; the caller is the only kuid there is."""

from __future__ import annotations

from typing import Any

from ostiary import errors
from ostiary.actions import DELETE, GET, POST, PUT
from ostiary.controllers.auth import StrategyName, auth, place_of
from ostiary.controllers.credentials import WRITING
from ostiary.narrowing import call_of
from ostiary.request import Request
from ostiary.services import Services

SINCE = "2.4.0"
"""The version of the API since when the routes below ``/_me`` are to be used."""

PROVING = (errors.NoCredentials, errors.TooManyLogins, errors.SecretInUrl)
"""What a change can end with that may have to be proved to be the owner's."""


@auth.action(
    POST("/_me/credentials/{strategy}/_create"),
    POST("/credentials/{strategy}/_me/_create", deprecated=SINCE),
    signed_in=True,
    strict=True,
    raises=[*WRITING, errors.CredentialsExist],
)
async def create_my_credentials(
    services: Services, request: Request, strategy: StrategyName, body: dict[str, Any]
) -> dict[str, Any]:
    """Give oneself credentials for another strategy."""
    return await services.credentials.create(strategy, request.kuid, body, call_of(request))


@auth.action(
    PUT("/_me/credentials/{strategy}/_update"),
    PUT("/credentials/{strategy}/_me/_update", deprecated=SINCE),
    signed_in=True,
    strict=True,
    raises=[*WRITING, *PROVING],
)
async def update_my_credentials(
    services: Services, request: Request, strategy: StrategyName, body: dict[str, Any]
) -> dict[str, Any]:
    """Change some fields of one's own credentials.

    If one of them is a secret, the other sessions of the user end. The strategy may ask for a proof that it is their owner who does it, such as the
    `currentPassword` in the body. Without one it refuses; wrong ones are counted as failed logins.
    """
    since = await _prove(services, request, strategy, body)
    return await services.credentials.update(
        strategy, request.kuid, body, call_of(request), keep=_session(request), since=since
    )


@auth.action(
    POST("/_me/credentials/{strategy}/_validate"),
    POST("/credentials/{strategy}/_me/_validate", deprecated=SINCE),
    signed_in=True,
    strict=True,
    raises=WRITING,
)
async def validate_my_credentials(
    services: Services, request: Request, strategy: StrategyName, body: dict[str, Any]
) -> bool:
    """Tell whether one could give oneself these credentials."""
    await services.credentials.validate(strategy, request.kuid, body, call_of(request))
    return True


@auth.action(
    DELETE("/_me/credentials/{strategy}"),
    DELETE("/credentials/{strategy}/_me", deprecated=SINCE),
    signed_in=True,
    strict=True,
    raises=[errors.UnknownStrategy, *PROVING],
)
async def delete_my_credentials(
    services: Services,
    request: Request,
    strategy: StrategyName,
    body: dict[str, Any] | None = None,
) -> dict[str, bool]:
    """Give up one's own credentials for a strategy; the other sessions of the user end.

    The body holds the proof that it is their owner who does it, if the strategy asks for one.
    """
    since = await _prove(services, request, strategy, body or {})
    await services.credentials.delete(strategy, request.kuid, keep=_session(request), since=since)
    return {"acknowledged": True}


@auth.action(
    GET("/_me/credentials/{strategy}"),
    GET("/credentials/{strategy}/_me", deprecated=SINCE),
    signed_in=True,
    raises=[errors.UnknownStrategy, errors.NoCredentials],
)
async def get_my_credentials(
    services: Services, request: Request, strategy: StrategyName
) -> dict[str, Any]:
    """Return what may be seen of one's own credentials."""
    return await services.credentials.view(strategy, request.kuid)


@auth.action(
    GET("/_me/credentials/{strategy}/_exists"),
    GET("/credentials/{strategy}/_me/_exists", deprecated=SINCE),
    signed_in=True,
    raises=[errors.UnknownStrategy],
)
async def credentials_exist(services: Services, request: Request, strategy: StrategyName) -> bool:
    """Tell whether one has credentials for a strategy."""
    return await services.credentials.held(strategy, request.kuid)


async def _prove(services: Services, request: Request, strategy: str, body: dict[str, Any]) -> int:
    """Have the caller prove that the credentials are theirs; return until which change it holds."""
    await services.strategies.settle(strategy)
    if request.in_url and not services.secrets_in_urls:
        for field in services.strategies.find(strategy).described:
            if field.secret and field.name in request.args:
                raise errors.SecretInUrl(field.name)
    return await services.reauthentication.demand(
        strategy, request.kuid, body, call_of(request), place_of(services, request)
    )


def _session(request: Request) -> str | None:
    """Return the id of the session that asks; an API key is none."""
    session = request.session
    return None if session is None or session.api_key else session.id
