"""The ``security`` controller: reading, changing and deleting users who exist."""

from __future__ import annotations

from typing import Annotated, Any, NotRequired, TypedDict

from ostiary import errors
from ostiary.actions import DELETE, GET, POST, PUT
from ostiary.arguments import Ids as IdList
from ostiary.controllers.authority import caller, check_grant, check_target
from ostiary.controllers.batches import DELETING, Ids, delete_each, wanted
from ostiary.controllers.roles import Since
from ostiary.controllers.users import (
    CREATING,
    GIVING_PROFILES,
    REWRITTEN,
    Content,
    Credentials,
    Kuid,
    credentials_in,
    profile_ids_in,
    security,
)
from ostiary.narrowing import call_of
from ostiary.properties import properties_of
from ostiary.request import ANONYMOUS, Reply, Request
from ostiary.services import Services
from ostiary.services.rights import ANONYMOUS as ANONYMOUS_PROFILE
from ostiary.services.upserts import upsert
from ostiary.services.user_rows import USERS

CHANGING = [
    *GIVING_PROFILES,
    errors.UserNotFound,
    errors.AnonymousProfileRequired,
    errors.UserTooLarge,
    errors.LastAdministrator,
    errors.TargetTooPowerful,
]
"""What changing a user can end with."""


class WantedUsers(TypedDict):
    """The body of ``security:mGetUsers``."""

    ids: NotRequired[Annotated[list[str], "The kuids."]]


class UpsertedUser(TypedDict):
    """The body of ``security:upsertUser``."""

    content: Content
    default: NotRequired[Annotated[dict[str, Any], "Properties of the user if they are created."]]
    credentials: NotRequired[Credentials]


@security.action(GET("/users/{_id}"), raises=[errors.UserNotFound, errors.SearchAsAnId])
async def get_user(services: Services, id: Kuid) -> dict[str, Any]:
    """Return a user."""
    if id == "_search":
        raise errors.SearchAsAnId
    account = await services.accounts.find(ANONYMOUS if id == ANONYMOUS_PROFILE else id)
    if account is None:
        raise errors.UserNotFound(id)
    return account.user.to_json()


@security.action(
    GET("/users/_mGet"),
    POST("/users/_mGet"),
    raises=[errors.MissingArgument, errors.GetLimitExceeded],
)
async def m_get_users(
    services: Services,
    ids: Annotated[IdList | None, "The kuids, unless they stand in the body."] = None,
    body: WantedUsers | None = None,
) -> dict[str, Any]:
    """Return several users; those who do not exist are left out."""
    given = (body or {}).get("ids") or ids
    if given is None:
        raise errors.MissingArgument("ids")
    users = await services.users.many(wanted(services, given, "ids"))
    return {"hits": [user.to_json() for user in users]}


@security.action(
    PUT("/users/{_id}/_update"),
    strict=True,
    raises=[*CHANGING, errors.ChangedMeanwhile],
    ignored=REWRITTEN,
)
async def update_user(
    services: Services,
    request: Request,
    id: Kuid,
    body: dict[str, Any],
    remove: Annotated[IdList | None, "The names of properties to take away."] = None,
    if_unchanged_since: Since = None,
) -> dict[str, Any]:
    """Merge some properties into a user's; profiles that are named replace the others."""
    profile_ids = None if body.get("profileIds") is None else profile_ids_in(body, "body.", id)
    if profile_ids is not None:
        await _check_profiles(services, request, id, profile_ids)
    user = await services.users.update(
        id,
        properties_of(body),
        request.kuid,
        profile_ids,
        by=await caller(services, request),
        remove=remove or (),
        since=if_unchanged_since,
    )
    return user.to_json()


@security.action(PUT("/users/{_id}/_replace"), strict=True, raises=CHANGING, ignored=["refresh"])
async def replace_user(
    services: Services, request: Request, id: Kuid, body: dict[str, Any]
) -> dict[str, Any]:
    """Replace all properties and profiles of a user; their credentials stay."""
    profile_ids = profile_ids_in(body, "body.", id, required=True)
    assert profile_ids is not None
    await _check_profiles(services, request, id, profile_ids)
    by = await caller(services, request)
    user = await services.users.replace(id, properties_of(body), request.kuid, profile_ids, by=by)
    return user.to_json()


@security.action(
    POST("/users/{_id}/_upsert"), strict=True, raises=[*CREATING, *CHANGING], ignored=REWRITTEN
)
async def upsert_user(
    services: Services, request: Request, id: Kuid, body: UpsertedUser
) -> dict[str, Any]:
    """Change a user, or create them if they do not exist: with ``default`` and ``credentials``."""
    profile_ids = profile_ids_in(body["content"], "body.content.", id, required=True)
    assert profile_ids is not None
    await _check_profiles(services, request, id, profile_ids)
    user = await upsert(
        services.users,
        call_of(request),
        id,
        profile_ids,
        properties_of(body["content"]),
        default=properties_of(body.get("default", {})),
        credentials=credentials_in(body),
        by=await caller(services, request),
    )
    return user.to_json()


@security.action(
    DELETE("/users/{_id}"),
    raises=[
        errors.UserNotFound,
        errors.DocumentNotFound,
        errors.LastAdministrator,
        errors.TargetTooPowerful,
    ],
    ignored=["refresh"],
)
async def delete_user(services: Services, request: Request, id: Kuid) -> dict[str, str]:
    """Delete a user; every token of theirs ends at once, their credentials are erased."""
    await _delete(services, request, id)
    return {"_id": id}


@security.action(POST("/users/_mDelete"), raises=DELETING, ignored=["refresh"])
async def m_delete_users(services: Services, request: Request, body: Ids) -> list[str] | Reply:
    """Delete several users; what cannot be deleted is told beside what was (206)."""

    async def delete(kuid: str) -> None:
        await _delete(services, request, kuid)

    return await delete_each(services, body["ids"], delete)


@security.action(DELETE("/users/{_id}/tokens"), raises=[errors.TargetTooPowerful])
async def revoke_tokens(services: Services, request: Request, id: Kuid) -> None:
    """End every session of a user."""
    await check_target(services, request, id)
    await services.tokens.revoke_all(id)


async def _check_profiles(
    services: Services, request: Request, kuid: str, profile_ids: tuple[str, ...]
) -> None:
    """Refuse to give profiles that the caller may not give."""
    if kuid == ANONYMOUS and ANONYMOUS_PROFILE not in profile_ids:
        raise errors.AnonymousProfileRequired
    await check_grant(services, request, profile_ids)


async def _delete(services: Services, request: Request, kuid: str) -> None:
    if kuid == ANONYMOUS:
        # Nobody has written this user, so nobody deletes it.
        raise errors.DocumentNotFound(kuid, "kuzzle", USERS)
    await services.users.delete(kuid, by=await caller(services, request))
