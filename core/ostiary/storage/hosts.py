"""Which of several servers takes writes: after a failover it is another one."""

from __future__ import annotations

import asyncio
from typing import Any
from urllib.parse import parse_qs, urlsplit

import asyncpg

from ostiary.database_urls import alternatives
from ostiary.storage.postgresql_errors import FAULTS, state

ATTRIBUTES = "target_session_attrs"


class Hosts:
    """The servers that a URL names, of which one takes writes.

    Asked all at once, for one that is switched off answers nothing: asyncpg would wait for
    it before it asks the next. Who took writes last is asked alone, until that fails.

    :param writes: any one will do if this is False.
    :ivar url: as it was given.
    """

    def __init__(self, url: str, *, writes: bool = True) -> None:
        self.url = url
        self._urls = alternatives(url)
        self._last = self._urls[0] if len(self._urls) == 1 else None
        # What a standby reads would be the past, and it refuses what is to be written.
        given = ATTRIBUTES in parse_qs(urlsplit(self._urls[0]).query)
        self._wanted = {} if given or not writes else {ATTRIBUTES: "read-write"}

    async def connect(self, **options: Any) -> Any:
        """Open a connection of asyncpg to the server that takes writes."""
        if self._last is not None:
            try:
                return await self._open(self._last, options)
            except FAULTS:
                if len(self._urls) > 1:
                    self._last = None
                raise
        return await self._race(options)

    async def _open(self, url: str, options: dict[str, Any]) -> Any:
        return await asyncpg.connect(url, **self._wanted, **options)

    async def _race(self, options: dict[str, Any]) -> Any:
        """Take the first that lets us in; the others are let finish, for nobody."""
        opening = {asyncio.create_task(self._open(url, options)): url for url in self._urls}
        waiting = set(opening)
        failed: list[BaseException] = []
        try:
            while waiting:
                done, waiting = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
                for one in done:
                    error = one.exception()
                    if error is None:
                        self._last = opening.pop(one)
                        return one.result()
                    failed.append(error)
        finally:
            for one in opening:
                one.add_done_callback(discard)
        # A password that is refused says more than a server that is switched off.
        raise max(failed, key=lambda error: bool(state(error)))


def discard(opening: asyncio.Future[Any]) -> None:
    """Close a connection that nobody waits for any more."""
    if not opening.cancelled() and opening.exception() is None:
        opening.result().terminate()
