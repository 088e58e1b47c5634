"""The ``security`` controller: API keys of users."""

from __future__ import annotations

from typing import Annotated, Any, TypedDict

from ostiary import errors
from ostiary.actions import DELETE, POST
from ostiary.arguments import Duration
from ostiary.controllers.authority import check_target
from ostiary.controllers.users import security
from ostiary.request import ANONYMOUS, Request
from ostiary.services import Services
from ostiary.services.accounts import Account

LONGEST_DESCRIPTION = 1024
"""Characters that say what a key is for."""

KeyId = Annotated[str, "The key's id."]
NewKeyId = Annotated[str | None, "The id to give; without one the server makes a UUID."]
Lifetime = Annotated[
    Duration | None, "Lifetime of the key: milliseconds, a timespan such as 30d, or -1 for ever."
]
Owner = Annotated[str, "The kuid of the key's owner."]

KEYS_MADE = (
    errors.DocumentExists,
    errors.InvalidArgument,
    errors.SearchAsAnId,
    errors.TooManyKeys,
    errors.TtlExceeded,
)
"""Why a key may not be made."""


class NewApiKey(TypedDict):
    """The body of the actions that make a key."""

    description: Annotated[str, "What the key is for."]


@security.action(
    POST("/users/{userId}/api-keys/_create"),
    signed_in=True,
    strict=True,
    ignored=["refresh"],
    raises=[*KEYS_MADE, errors.TargetTooPowerful, errors.UserNotFound],
)
async def create_api_key(
    services: Services,
    request: Request,
    user_id: Owner,
    body: NewApiKey,
    id: NewKeyId = None,
    expires_in: Lifetime = None,
    force: Annotated[bool, "Exceed security.apiKey.maxTTL; the log says who did."] = False,
) -> dict[str, Any]:
    """Make an API key for a user, who may not do more than who asks.

    The answer holds the key itself, which nobody is told again.
    """
    account = None if user_id == ANONYMOUS else await services.accounts.find(user_id)
    if account is None:
        raise errors.UserNotFound(user_id)
    await check_target(services, request, user_id)
    return await make_key(services, request, account, body, id, expires_in, force=force)


@security.action(
    DELETE("/users/{userId}/api-keys/{_id}"),
    ignored=["refresh"],
    raises=[errors.DocumentNotFound, errors.TargetTooPowerful],
)
async def delete_api_key(
    services: Services, request: Request, user_id: Owner, id: KeyId
) -> dict[str, str]:
    """Delete an API key of a user, which ends it at once."""
    await check_target(services, request, user_id)
    await services.api_keys.delete(user_id, id)
    return {"_id": id}


async def make_key(
    services: Services,
    request: Request,
    account: Account,
    body: NewApiKey,
    id: str | None,
    expires_in: Duration | None,
    *,
    force: bool = False,
) -> dict[str, Any]:
    """Make an API key and return it as clients see it, with its text."""
    if len(body["description"]) > LONGEST_DESCRIPTION:
        wanted = f"at most {LONGEST_DESCRIPTION} characters"
        raise errors.InvalidArgument("body.description", wanted)
    key, token = await services.api_keys.create(
        account,
        body["description"],
        expires_in,
        author=request.kuid,
        id=id,
        unbounded=force,
    )
    shown = key.to_json()
    shown["_source"]["token"] = token
    return shown
