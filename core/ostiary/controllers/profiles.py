"""The ``security`` controller: profiles."""

from __future__ import annotations

from typing import Annotated, Any, NotRequired, TypedDict

from ostiary import errors
from ostiary.actions import DELETE, GET, POST, PUT
from ostiary.controllers.authority import caller
from ostiary.controllers.batches import DELETING, Ids, delete_each, wanted
from ostiary.controllers.roles import NAMING, Since
from ostiary.controllers.users import REWRITTEN, security
from ostiary.request import Reply, Request
from ostiary.services import Services

ProfileId = Annotated[str, "The id of the profile."]
Strict = Annotated[bool, "Restrict to indexes and collections that are known, and no others."]
Policies = Annotated[list[Any], "Roles, each with what it is restricted to."]
RateLimit = Annotated[Any, "Requests a second of each user; 0, or none, is no limit."]
Tags = Annotated[Any, "Kept as they are, as is any other member."]

WRITING = [
    errors.UnexpectedArgument,
    errors.InvalidArgument,
    errors.RoleNotFound,
    errors.AnonymousRoleRequired,
    errors.UnknownIndex,
    errors.UnknownCollection,
    errors.MissingRights,
    errors.RightsTooLarge,
]
"""What writing a profile can end with."""

REPLACING = [*WRITING, errors.AdministratorsKeepRights, errors.ChangedMeanwhile]
"""What writing a profile that may be there can end with."""


class NewProfile(TypedDict):
    """The body of the actions that write a whole profile."""

    policies: Policies
    rateLimit: NotRequired[RateLimit]
    tags: NotRequired[Tags]


class SomeOfAProfile(TypedDict):
    """The body of ``security:updateProfile``."""

    policies: NotRequired[Policies]
    rateLimit: NotRequired[RateLimit]
    tags: NotRequired[Tags]


@security.action(
    POST("/profiles/{_id}/_create"),
    strict=True,
    raises=[*WRITING, *NAMING, errors.DocumentExists],
    ignored=["refresh"],
)
async def create_profile(
    services: Services, request: Request, id: ProfileId, body: NewProfile, strict: Strict = False
) -> dict[str, Any]:
    """Create a profile, which may grant no more than the caller holds.

    A policy is ``{"roleId": id, "restrictedTo": [{"index": name, "collections": [names]}]}``;
    without ``restrictedTo`` the role holds everywhere. No policies at all are one of the role
    ``default``.
    """
    by = await caller(services, request)
    profile = await services.profiles.create(id, body, by, strict=strict)
    return profile.to_json()


@security.action(
    PUT("/profiles/{_id}"), strict=True, raises=[*REPLACING, *NAMING], ignored=["refresh"]
)
async def create_or_replace_profile(
    services: Services,
    request: Request,
    id: ProfileId,
    body: NewProfile,
    strict: Strict = False,
    if_unchanged_since: Since = None,
) -> dict[str, Any]:
    """Create a profile, or replace the one of that id; see ``createProfile``."""
    by = await caller(services, request)
    profile = await services.profiles.put(id, body, by, strict=strict, since=if_unchanged_since)
    return profile.to_json()


@security.action(
    PUT("/profiles/{_id}/_update"),
    strict=True,
    raises=[*REPLACING, errors.ProfileNotFound],
    ignored=REWRITTEN,
)
async def update_profile(
    services: Services,
    request: Request,
    id: ProfileId,
    body: SomeOfAProfile,
    strict: Strict = False,
    if_unchanged_since: Since = None,
) -> dict[str, Any]:
    """Change some members of a profile; the others stay. See ``createProfile``."""
    by = await caller(services, request)
    profile = await services.profiles.update(id, body, by, strict=strict, since=if_unchanged_since)
    return profile.to_json()


@security.action(GET("/profiles/{_id}"), raises=[errors.ProfileNotFound])
async def get_profile(services: Services, id: ProfileId) -> dict[str, Any]:
    """Return a profile."""
    profile = await services.profiles.find(id)
    if profile is None:
        raise errors.ProfileNotFound(id)
    return profile.to_json()


@security.action(POST("/profiles/_mGet"), raises=[errors.ProfileNotFound, errors.GetLimitExceeded])
async def m_get_profiles(services: Services, body: Ids) -> dict[str, Any]:
    """Return several profiles; one that does not exist fails the whole request."""
    ids = wanted(services, body["ids"])
    found = {profile.id: profile.to_json() for profile in await services.profiles.many(ids)}
    for id in ids:
        if id not in found:
            raise errors.ProfileNotFound(id)
    return {"hits": list(found.values())}


@security.action(
    DELETE("/profiles/{_id}"),
    raises=[
        errors.ProfileNotFound,
        errors.ProfileNotDeletable,
        errors.ProfileInUse,
        errors.MissingRights,
    ],
    ignored=["refresh"],
)
async def delete_profile(
    services: Services,
    request: Request,
    id: ProfileId,
    on_assigned_users: Annotated[
        str, '"remove" takes it off the users who hold it; they may be left "anonymous".'
    ] = "fail",
) -> dict[str, str]:
    """Delete a profile, which no user may hold unless it is to be taken off them."""
    take_off = on_assigned_users == "remove"
    by = await caller(services, request)
    await services.profiles.delete(id, by, take_off=take_off)
    return {"_id": id}


@security.action(POST("/profiles/_mDelete"), raises=DELETING, ignored=["refresh"])
async def m_delete_profiles(services: Services, body: Ids) -> list[str] | Reply:
    """Delete several profiles; what cannot be deleted is told beside what was (206)."""
    return await delete_each(services, body["ids"], services.profiles.delete)
