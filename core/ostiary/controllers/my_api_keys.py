"""The ``auth`` controller: one's own API keys."""

from __future__ import annotations

from typing import Any

from ostiary import errors
from ostiary.actions import DELETE, POST
from ostiary.controllers.api_keys import (
    KEYS_MADE,
    KeyId,
    Lifetime,
    NewApiKey,
    NewKeyId,
    make_key,
)
from ostiary.controllers.auth import auth
from ostiary.request import Request
from ostiary.services import Services


@auth.action(
    POST("/api-keys/_create"), signed_in=True, strict=True, ignored=["refresh"], raises=KEYS_MADE
)
async def create_api_key(
    services: Services,
    request: Request,
    body: NewApiKey,
    id: NewKeyId = None,
    expires_in: Lifetime = None,
) -> dict[str, Any]:
    """Make an API key for the current user.

    The answer holds the key itself, which nobody is told again.
    """
    assert request.session is not None
    return await make_key(services, request, request.session.account, body, id, expires_in)


@auth.action(
    DELETE("/api-keys/{_id}"),
    signed_in=True,
    ignored=["refresh"],
    raises=[errors.DocumentNotFound],
)
async def delete_api_key(services: Services, request: Request, id: KeyId) -> dict[str, str]:
    """Delete an API key of the current user, which ends it at once."""
    await services.api_keys.delete(request.kuid, id)
    return {"_id": id}
