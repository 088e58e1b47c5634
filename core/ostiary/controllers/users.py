"""The ``security`` controller: users, and the first of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, NotRequired, TypedDict

from ostiary import errors
from ostiary.actions import POST, Controller
from ostiary.controllers.authority import check_grant
from ostiary.narrowing import call_of
from ostiary.properties import properties_of
from ostiary.request import Request
from ostiary.services import Services
from ostiary.services.rights import ADMIN

security = Controller("security")

REWRITTEN = ("refresh", "retryOnConflict")
"""Arguments that mean nothing where every write can be found at once and none is lost."""

Kuid = Annotated[str, "The user's kuid."]
NewKuid = Annotated[str | None, "The kuid to give; without one the server makes one."]
KuidForm = Annotated[str | None, '"uuid" makes the kuid that the server makes a UUID.']
Content = Annotated[dict[str, Any], "The user's properties, with the ids of their profiles."]
Properties = Annotated[dict[str, Any], "The user's properties."]
Credentials = Annotated[dict[str, Any], "The fields of the credentials, by strategy."]

CREATING = [
    errors.InvalidArgument,
    errors.SearchAsAnId,
    errors.UnknownStrategy,
    errors.UserAlreadyExists,
    errors.UserTooLarge,
]
"""What creating a user can end with, besides what a strategy says of the credentials."""

GIVING_PROFILES = [
    errors.InvalidType,
    errors.ProfileNotFound,
    errors.NoProfile,
    errors.MissingRights,
]
"""What giving a user profiles can end with."""


class NewUser(TypedDict):
    """The body of ``security:createUser``."""

    content: Content
    credentials: NotRequired[Credentials]


class NewRestrictedUser(TypedDict):
    """The body of the actions that choose the profiles themselves."""

    content: NotRequired[Properties]
    credentials: NotRequired[Credentials]


@security.action(
    POST("/users/_create"),
    POST("/users/{_id}/_create"),
    strict=True,
    raises=[*CREATING, *GIVING_PROFILES],
    ignored=["refresh"],
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
    raises=[*CREATING, errors.ForbiddenArgument, errors.ProfileNotFound],
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
    POST("/_createFirstAdmin/{_id}"),
    POST("/_createFirstAdmin"),
    strict=True,
    raises=[*CREATING, errors.ForbiddenArgument, errors.AdminExists, errors.MissingArgument],
    ignored=["refresh"],
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


def credentials_in(body: Mapping[str, Any], within: str = "body.") -> dict[str, dict[str, Any]]:
    """Return the fields of the credentials in a body, by strategy."""
    credentials: dict[str, dict[str, Any]] = body.get("credentials", {})
    for strategy, fields in credentials.items():
        if not isinstance(fields, dict):
            raise errors.InvalidType(f"{within}credentials.{strategy}", "object")
    return credentials


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
    user = await services.users.create(
        call_of(request),
        profile_ids,
        properties_of(body.get("content", {})),
        credentials_in(body),
        kuid=id,
        form=form,
        first_admin=first_admin,
    )
    return user.to_json()


def _refuse_profiles(body: NewRestrictedUser) -> None:
    if "profileIds" in body.get("content", {}):
        raise errors.ForbiddenArgument("body.content.profileIds")
