"""The way to the pages: what is asked of them, and loading them when somebody asks.

A server whose pages nobody looks at has neither their code nor that of Jinja2 in memory.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ostiary.pages.behind import Behind
from ostiary.request import Answer, Request

if TYPE_CHECKING:
    from ostiary.pages.site import Site

PREFIX = b"/-/"
"""How the paths of all pages but the first begin; no index of Kuzzle may be called ``-``."""


class Front:
    """Leads to the pages."""

    def __init__(self, behind: Behind) -> None:
        self._behind = behind
        self._site: asyncio.Task[Site] | None = None

    def leads_to_pages(self, verb: str, path: bytes, headers: Mapping[bytes, bytes]) -> bool:
        """Tell whether a request is one for a page: ``/`` is for browsers, and for clients."""
        if path == b"/":
            return verb == "GET" and b"text/html" in headers.get(b"accept", b"")
        return path.startswith(PREFIX)

    async def answer(
        self, verb: str, path: bytes, query: bytes, content: Any, request: Request
    ) -> Answer:
        """Return a page."""
        if self._site is None:
            self._site = asyncio.create_task(asyncio.to_thread(self._load))
        site = await asyncio.shield(self._site)
        return await site.answer(verb, path, query, content, request)

    def _load(self) -> Site:
        from ostiary.pages.site import Site

        return Site(self._behind)
