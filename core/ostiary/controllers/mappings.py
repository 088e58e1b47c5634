"""The ``security`` controller: mappings of users, profiles and roles, and refreshing them."""

from __future__ import annotations

from typing import Annotated, Any, NotRequired, TypedDict

from ostiary import errors
from ostiary.actions import GET, POST, PUT
from ostiary.controllers.users import security
from ostiary.services import Services
from ostiary.services.profiles import PROFILES
from ostiary.services.roles import ROLES
from ostiary.services.user_rows import USERS

COLLECTIONS = (USERS, PROFILES, ROLES)

WRITING = [errors.InvalidMapping, errors.InvalidMappingType, errors.CannotChangeMapping]
"""What changing a mapping can end with."""


class MappingChanges(TypedDict):
    """The body of the actions that change a mapping."""

    properties: NotRequired[Annotated[dict[str, Any], "Fields to add, each with its type."]]
    dynamic: NotRequired[Annotated[str, "What becomes of fields that are not named."]]
    _meta: NotRequired[Annotated[dict[str, Any], "Kept as it is."]]


@security.action(GET("/users/_mapping"))
async def get_user_mapping(services: Services) -> dict[str, Any]:
    """Return the mapping of users; every property can be searched, named in it or not."""
    return await _shown(services, USERS)


@security.action(GET("/profiles/_mapping"))
async def get_profile_mapping(services: Services) -> dict[str, Any]:
    """Return the mapping of profiles."""
    return await _shown(services, PROFILES)


@security.action(GET("/roles/_mapping"))
async def get_role_mapping(services: Services) -> dict[str, Any]:
    """Return the mapping of roles."""
    return await _shown(services, ROLES)


@security.action(PUT("/users/_mapping"), raises=WRITING)
async def update_user_mapping(services: Services, body: MappingChanges) -> dict[str, Any]:
    """Add fields to the mapping of users; the type of a field cannot change."""
    return await services.mappings.update(USERS, body)


@security.action(PUT("/profiles/_mapping"), raises=WRITING)
async def update_profile_mapping(services: Services, body: MappingChanges) -> dict[str, Any]:
    """Add fields to the mapping of profiles."""
    return await services.mappings.update(PROFILES, body)


@security.action(PUT("/roles/_mapping"), raises=WRITING)
async def update_role_mapping(services: Services, body: MappingChanges) -> dict[str, Any]:
    """Add fields to the mapping of roles."""
    return await services.mappings.update(ROLES, body)


@security.action(POST("/_security/{collection}/_refresh"), raises=[errors.UnexpectedArgument])
async def refresh(collection: Annotated[str, "users, profiles or roles."]) -> None:
    """Do nothing: what is written can be searched at once."""
    if collection not in COLLECTIONS:
        raise errors.UnexpectedArgument(collection, ", ".join(COLLECTIONS))


async def _shown(services: Services, collection: str) -> dict[str, Any]:
    fields = (await services.mappings.find(collection))["properties"]
    return {"mapping": {name: field for name, field in fields.items() if name != "_kuzzle_info"}}
