"""The ``server`` controller: what a client may know of the server."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ostiary.actions import GET, Controller
from ostiary.request import Reply
from ostiary.services import Services

server = Controller("server")


@server.action(GET("/_publicApi", deprecated="2.5.0"))
async def public_api(services: Services) -> Mapping[str, Any]:
    """List every action and its routes."""
    return services.public_api()


@server.action(GET("/_openapi"))
async def openapi(services: Services) -> Reply:
    """Return the OpenAPI document of this server."""
    return Reply(services.openapi(), raw=True)
