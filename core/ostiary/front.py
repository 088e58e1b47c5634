"""The way to the pages: what is asked of them, and loading them when somebody asks.

A server whose pages nobody looks at has neither their code nor that of Jinja2 in memory.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ostiary import errors
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

    def explains(self, path: bytes, headers: Mapping[bytes, bytes]) -> bool:
        """Tell whether a page says why a request could not be read: to browsers, below the prefix."""
        return path.startswith(PREFIX) and b"text/html" in headers.get(b"accept", b"")

    async def answer(
        self, verb: str, path: bytes, query: bytes, content: Any, request: Request
    ) -> Answer:
        """Return a page."""
        site = await self._there()
        return await site.answer(verb, path, query, content, request)

    async def explain(
        self, error: errors.OstiaryError, verb: str, path: bytes, request: Request
    ) -> Answer:
        """Return the page that says why a request could not be read."""
        site = await self._there()
        return site.explain(error, verb, path, request)

    async def _there(self) -> Site:
        """Return the pages, loaded by the first one who asks for any."""
        if self._site is None:
            self._site = asyncio.create_task(asyncio.to_thread(self._load))
        return await asyncio.shield(self._site)

    def _load(self) -> Site:
        from ostiary.pages.site import Site

        return Site(self._behind)
