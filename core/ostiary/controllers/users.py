"""The ``security`` controller: users, and the first of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, NotRequired, TypedDict

from ostiary import errors
from ostiary.actions import DELETE, GET, POST, PUT, Controller
from ostiary.plugins import call_of
from ostiary.request import ANONYMOUS, Request
from ostiary.services import Services
from ostiary.services.accounts import Account
from ostiary.services.rights import covers
from ostiary.services.roles import ADMIN

security = Controller("security")

SYSTEM_MEMBERS = ("_id", "_kuzzle_info", "profileIds")
"""Members of a user that are not properties: nobody sets them by sending them along."""

REWRITTEN = ("refresh", "retryOnConflict")
"""Arguments that mean nothing where every write can be found at once and none is lost."""

Kuid = Annotated[str, "The user's kuid."]
NewKuid = Annotated[str | None, "The kuid to give; without one the server makes one."]
KuidForm = Annotated[str | None, '"uuid" makes the kuid that the server makes a UUID.']
Content = Annotated[dict[str, Any], "The user's properties, with the ids of their profiles."]
Properties = Annotated[dict[str, Any], "The user's properties."]
Credentials = Annotated[dict[str, Any], "The fields of the credentials, by strategy."]


class NewUser(TypedDict):
    """The body of ``security:createUser``."""

    content: Content
    credentials: NotRequired[Credentials]


class NewRestrictedUser(TypedDict):
    """The body of the actions that choose the profiles themselves."""

    content: NotRequired[Properties]
    credentials: NotRequired[Credentials]


@security.action(
    POST("/users/_create"), POST("/users/{_id}/_create"), strict=True, ignored=["refresh"]
)
async def create_user(
    services: Services,
    request: Request,
    body: NewUser,
    id: NewKuid = None,
    kuid: KuidForm = None,
) -> dict[str, Any]:
    """Create a user, with credentials of any number of strategies, or nothing at all."""
    profile_ids = profile_ids_in(body["content"], "body.content.", id, required=True)
    assert profile_ids is not None
    await check_grant(services, request, profile_ids)
    return await _create(services, request, body, profile_ids, id, kuid)


@security.action(
    POST("/users/_createRestricted"),
    POST("/users/{_id}/_createRestricted"),
    strict=True,
    ignored=["refresh"],
)
async def create_restricted_user(
    services: Services,
    request: Request,
    body: NewRestrictedUser | None = None,
    id: NewKuid = None,
    kuid: KuidForm = None,
) -> dict[str, Any]:
    """Create a user with the profiles of the setting ``security.restrictedProfileIds``.

    Meant to be granted to whoever may register on their own.
    """
    body = body or {}
    _refuse_profiles(body)
    return await _create(services, request, body, services.restricted_profile_ids, id, kuid)


@security.action(
    POST("/_createFirstAdmin/{_id}"), POST("/_createFirstAdmin"), strict=True, ignored=["refresh"]
)
async def create_first_admin(
    services: Services,
    request: Request,
    body: NewRestrictedUser,
    id: NewKuid = None,
    kuid: KuidForm = None,
    reset: Annotated[bool, "Restrict the rights of the base roles afterwards."] = False,
) -> dict[str, Any]:
    """Create an administrator, once, while there is none.

    Needs the right to do so, or the setup secret in the header ``X-Ostiary-Setup``.
    """
    _refuse_profiles(body)
    if await services.users.admin_exists():
        raise errors.AdminExists
    if not body.get("credentials"):
        # An administrator who cannot sign in would close the door behind nobody.
        raise errors.MissingArgument("body.credentials")
    user = await _create(services, request, body, (ADMIN,), id, kuid, first_admin=True)
    if reset:
        await services.defaults.restrict()
    return user


@security.action(POST("/_restrictDefaultRights"))
async def restrict_default_rights(services: Services) -> None:
    """Give the base roles and profiles their restricted rights."""
    await services.defaults.restrict()


@security.action(GET("/users/{_id}"))
async def get_user(services: Services, id: Kuid) -> dict[str, Any]:
    """Return a user."""
    if id == "_search":
        raise errors.SearchAsAnId
    account = await services.accounts.find(ANONYMOUS if id == "anonymous" else id)
    if account is None:
        raise errors.UserNotFound(id)
    return account.user.to_json()


@security.action(PUT("/users/{_id}/_update"), strict=True, ignored=REWRITTEN)
async def update_user(
    services: Services, request: Request, id: Kuid, body: dict[str, Any]
) -> dict[str, Any]:
    """Merge some properties into a user's; profiles that are named replace the others."""
    profile_ids = profile_ids_in(body, "body.", id)
    if profile_ids is not None:
        await check_grant(services, request, profile_ids)
    content = properties_of(body)
    user = await services.users.update(id, content, request.kuid, profile_ids)
    return user.to_json()


@security.action(DELETE("/users/{_id}"), ignored=["refresh"])
async def delete_user(services: Services, id: Kuid) -> dict[str, str]:
    """Delete a user; every token of theirs ends at once, their credentials are erased."""
    await services.users.delete(id)
    return {"_id": id}


@security.action(DELETE("/users/{_id}/tokens"))
async def revoke_tokens(services: Services, id: Kuid) -> None:
    """End every session of a user."""
    await services.tokens.revoke_all(id)


def properties_of(content: Mapping[str, Any]) -> dict[str, Any]:
    """Return the members of a user that are properties."""
    return {name: value for name, value in content.items() if name not in SYSTEM_MEMBERS}


def profile_ids_in(
    content: Mapping[str, Any], within: str, kuid: str | None, *, required: bool = False
) -> tuple[str, ...] | None:
    """Return the ids of profiles in a user, or None if it names none."""
    path = f"{within}profileIds"
    if "profileIds" not in content:
        if required:
            raise errors.MissingArgument(path)
        return None
    ids = content["profileIds"]
    if not isinstance(ids, list):
        raise errors.InvalidType(path, "array")
    if not all(isinstance(id, str) for id in ids):
        raise errors.InvalidType(path, "array of strings")
    if not ids:
        raise errors.NoProfile(kuid or "-")
    return tuple(dict.fromkeys(ids))


async def check_grant(services: Services, request: Request, profile_ids: tuple[str, ...]) -> None:
    """Refuse to give profiles that grant more than the caller holds (AZ-20, ASVS 8.2.2)."""
    if unknown := await services.profiles.missing(profile_ids):
        raise errors.ProfileNotFound(unknown)
    caller = await services.accounts.find(request.kuid)
    assert caller is not None
    for id in profile_ids:
        granted = await services.profiles.rights((id,))
        if not covers(caller.rights, granted.grants):
            raise errors.MissingRights(id)


async def check_target(services: Services, request: Request, kuid: str) -> Account:
    """Return the account of a user who may not do more than the caller (AZ-20, ASVS 8.2.2).

    :raises errors.UserNotFound: there is no such user.
    :raises errors.TargetTooPowerful: acting for the user would give the caller rights.
    """
    caller = await services.accounts.find(request.kuid)
    account = None if kuid == ANONYMOUS else await services.accounts.find(kuid)
    if account is None:
        raise errors.UserNotFound(kuid)
    assert caller is not None
    if not covers(caller.rights, account.rights.grants):
        raise errors.TargetTooPowerful(kuid)
    return account


async def _create(
    services: Services,
    request: Request,
    body: NewUser | NewRestrictedUser,
    profile_ids: tuple[str, ...],
    id: str | None,
    form: str | None,
    *,
    first_admin: bool = False,
) -> dict[str, Any]:
    credentials = body.get("credentials", {})
    for strategy, fields in credentials.items():
        if not isinstance(fields, dict):
            raise errors.InvalidType(f"body.credentials.{strategy}", "object")
    user = await services.users.create(
        call_of(request),
        profile_ids,
        properties_of(body.get("content", {})),
        credentials,
        kuid=id,
        form=form,
        first_admin=first_admin,
    )
    return user.to_json()


def _refuse_profiles(body: NewRestrictedUser) -> None:
    if "profileIds" in body.get("content", {}):
        raise errors.ForbiddenArgument("body.content.profileIds")
