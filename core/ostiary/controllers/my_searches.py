"""The ``auth`` controller: searching what is one's own."""

from __future__ import annotations

from typing import Any

from ostiary.actions import POST
from ostiary.controllers.auth import auth
from ostiary.controllers.searches import BARE_QUERY, Lang, Result, Size, Start
from ostiary.request import Request
from ostiary.services import Services
from ostiary.services.search import Page


@auth.action(POST("/api-keys/_search"), raises=BARE_QUERY)
async def search_api_keys(
    services: Services,
    request: Request,
    body: dict[str, Any] | None = None,
    from_: Start = None,
    size: Size = None,
    lang: Lang = "elasticsearch",
) -> Result:
    """Search one's own API keys; the body is the query itself."""
    page = Page(start=from_, size=size)
    found = await services.search.api_keys(request.kuid, body or {}, lang=lang, page=page)
    return found.to_json()
