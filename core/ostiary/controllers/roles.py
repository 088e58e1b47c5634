"""The ``security`` controller: roles."""

from __future__ import annotations

from typing import Annotated, Any

from ostiary import errors
from ostiary.actions import DELETE, GET, POST, PUT
from ostiary.controllers.authority import caller
from ostiary.controllers.batches import DELETING, Ids, delete_each, wanted
from ostiary.controllers.users import REWRITTEN, security
from ostiary.request import Reply, Request
from ostiary.services import Services

RoleId = Annotated[str, "The id of the role."]
Force = Annotated[bool, "Allow controllers that are not there, and actions that plugins lack."]

Since = Annotated[
    int | None,
    "`updatedAt`, or else `createdAt`, as it was read: refused if it was changed at another time.",
]

WRITING = [
    errors.InvalidType,
    errors.EmptyArgument,
    errors.LoginRequired,
    errors.UnknownController,
    errors.UnknownAction,
    errors.MissingRights,
    errors.RightsTooLarge,
]
"""What writing a role can end with."""

REPLACING = [*WRITING, errors.AdministratorsKeepRights, errors.ChangedMeanwhile]
"""What writing a role that may be there can end with."""

NAMING = [errors.SearchAsAnId, errors.InvalidArgument]
"""What an id that is given can end with."""


@security.action(
    POST("/roles/{_id}/_create"),
    strict=True,
    raises=[*WRITING, *NAMING, errors.DocumentExists],
    ignored=["refresh"],
)
async def create_role(
    services: Services, request: Request, id: RoleId, body: dict[str, Any], force: Force = False
) -> dict[str, Any]:
    """Create a role, which may grant no more than the caller holds.

    The body has ``controllers``: by controller ``{"actions": {action: true or false}}``, with
    ``*`` for all others. Any other member is kept.
    """
    by = await caller(services, request)
    role = await services.roles.create(id, body, by, force=force)
    return role.to_json()


@security.action(
    PUT("/roles/{_id}"), strict=True, raises=[*REPLACING, *NAMING], ignored=["refresh"]
)
async def create_or_replace_role(
    services: Services,
    request: Request,
    id: RoleId,
    body: dict[str, Any],
    force: Force = False,
    if_unchanged_since: Since = None,
) -> dict[str, Any]:
    """Create a role, or replace the one of that id; see ``createRole``."""
    by = await caller(services, request)
    role = await services.roles.put(id, body, by, force=force, since=if_unchanged_since)
    return role.to_json()


@security.action(
    PUT("/roles/{_id}/_update"),
    strict=True,
    raises=[*REPLACING, errors.DocumentNotFound],
    ignored=REWRITTEN,
)
async def update_role(
    services: Services,
    request: Request,
    id: RoleId,
    body: dict[str, Any],
    force: Force = False,
    if_unchanged_since: Since = None,
) -> dict[str, Any]:
    """Replace a role that exists, as a whole; see ``createRole``."""
    by = await caller(services, request)
    role = await services.roles.update(id, body, by, force=force, since=if_unchanged_since)
    return role.to_json()


@security.action(GET("/roles/{_id}"), raises=[errors.RoleNotFound])
async def get_role(services: Services, id: RoleId) -> dict[str, Any]:
    """Return a role."""
    role = await services.roles.find(id)
    if role is None:
        raise errors.RoleNotFound(id)
    return role.to_json()


@security.action(POST("/roles/_mGet"), raises=[errors.RoleNotFound, errors.GetLimitExceeded])
async def m_get_roles(services: Services, body: Ids) -> dict[str, Any]:
    """Return several roles; one that does not exist fails the whole request."""
    ids = wanted(services, body["ids"])
    found = {role.id: role.to_json() for role in await services.roles.many(ids)}
    for id in ids:
        if id not in found:
            raise errors.RoleNotFound(id)
    return {"hits": list(found.values())}


@security.action(
    DELETE("/roles/{_id}"),
    raises=[errors.RoleNotFound, errors.RoleNotDeletable, errors.RoleInUse],
    ignored=["refresh"],
)
async def delete_role(services: Services, id: RoleId) -> dict[str, str]:
    """Delete a role that no profile names."""
    await services.roles.delete(id)
    return {"_id": id}


@security.action(POST("/roles/_mDelete"), raises=DELETING, ignored=["refresh"])
async def m_delete_roles(services: Services, body: Ids) -> list[str] | Reply:
    """Delete several roles; what cannot be deleted is told beside what was (206)."""
    return await delete_each(services, body["ids"], services.roles.delete)
