"""The ``security`` controller: what saving a role or a profile would do, without saving it."""

from __future__ import annotations

from typing import Any

from ostiary import errors
from ostiary.actions import POST
from ostiary.controllers.authority import caller
from ostiary.controllers.profiles import WRITING as WRITING_PROFILES
from ostiary.controllers.profiles import NewProfile, ProfileId, Strict
from ostiary.controllers.roles import NAMING, Force, RoleId
from ostiary.controllers.roles import WRITING as WRITING_ROLES
from ostiary.controllers.users import security
from ostiary.request import Request
from ostiary.services import Services

TOLD = errors.MissingRights
"""What is told, instead of being answered with: that the caller may not save."""


@security.action(
    POST("/roles/{_id}/_preview"),
    strict=True,
    raises=[*(one for one in WRITING_ROLES if one is not TOLD), *NAMING, errors.TooManyRights],
)
async def preview_role(
    services: Services, request: Request, id: RoleId, body: dict[str, Any], force: Force = False
) -> dict[str, Any]:
    """Tell what ``createOrReplaceRole`` would grant and take away, and whom; nothing is written.

    ``granted`` and ``taken`` list actions, with where each is granted ``before`` and ``after``;
    ``own`` is the same of the caller's rights. ``profiles`` and ``users`` count whom it would
    reach, and name some. ``refusal`` is the error that saving would end with, or null.
    """
    by = await caller(services, request)
    preview = await services.previews.role(id, body, by, force=force)
    return preview.to_json()


@security.action(
    POST("/profiles/{_id}/_preview"),
    strict=True,
    raises=[*(one for one in WRITING_PROFILES if one is not TOLD), *NAMING, errors.TooManyRights],
)
async def preview_profile(
    services: Services, request: Request, id: ProfileId, body: NewProfile, strict: Strict = False
) -> dict[str, Any]:
    """Tell what ``createOrReplaceProfile`` would grant and take away; see ``previewRole``."""
    by = await caller(services, request)
    preview = await services.previews.profile(id, body, by, strict=strict)
    return preview.to_json()
