"""Scrolls: searches that are gone through page by page, by whichever worker is asked.

A row remembers what is searched for and where the last page ended; no
document is held. So a scroll sees documents that come and go behind its place, and
gives none of those that stay twice, or not at all.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping
from typing import Any

from msgspec import Struct
from sqlalchemy import delete, insert, select, update

from ostiary import errors
from ostiary.services.batches import Batch, remove
from ostiary.services.search.asking import SortValue
from ostiary.storage import Store
from ostiary.storage.tables import scrolls

ID_BYTES = 16


class Scroll(Struct, frozen=True):
    """A search under way.

    :ivar body: of the search, as the client sent it.
    :ivar place: where the last document stands that was given.
    :ivar given: how many were.
    """

    body: Mapping[str, Any]
    lang: str
    size: int
    place: tuple[SortValue, ...]
    given: int


class Scrolls:
    """Keeps scrolls in the core's store until they end or expire."""

    def __init__(self, store: Store, longest: int, clock: Callable[[], int]) -> None:
        self._store, self._longest, self._clock = store, longest, clock

    def check(self, duration: int) -> None:
        """Refuse a duration that is too long.

        :raises errors.ScrollTooLong: it is.
        """
        if not 0 < duration <= self._longest:
            raise errors.ScrollTooLong(duration)

    def new_id(self) -> str:
        """Return an id that nobody can guess."""
        return secrets.token_urlsafe(ID_BYTES)

    async def open(self, id: str, collection: str, scroll: Scroll, duration: int) -> None:
        """Remember a scroll."""
        row = {"id": id, "collection": collection, "expires_at": self._clock() + duration}
        async with self._store.begin() as db:
            await db.execute(insert(scrolls).values(**row, **_columns(scroll)))

    async def find(self, collection: str, id: str) -> Scroll:
        """Return a scroll.

        :raises errors.UnknownScrollId: it has ended or expired, or goes through another collection.
        """
        wanted = select(scrolls.c.search, scrolls.c.position).where(
            scrolls.c.id == id,
            scrolls.c.collection == collection,
            scrolls.c.expires_at > self._clock(),
        )
        async with self._store.read() as db:
            row = (await db.execute(wanted)).one_or_none()
        if row is None:
            raise errors.UnknownScrollId
        position = row.position
        return Scroll(**row.search, place=tuple(position["place"]), given=position["given"])

    async def advance(self, id: str, scroll: Scroll, duration: int) -> None:
        """Remember that a page was given."""
        change = update(scrolls).where(scrolls.c.id == id)
        position = _columns(scroll)["position"]
        async with self._store.begin() as db:
            await db.execute(change.values(position=position, expires_at=self._clock() + duration))

    async def end(self, id: str) -> None:
        """Forget a scroll."""
        async with self._store.begin() as db:
            await db.execute(delete(scrolls).where(scrolls.c.id == id))

    async def purge(self, batch: Batch) -> int:
        """Remove some scrolls that have expired; return how many."""
        expired = scrolls.c.expires_at <= self._clock()
        return await remove(self._store, scrolls, expired, scrolls.c.expires_at, batch)


def _columns(scroll: Scroll) -> dict[str, Any]:
    return {
        "search": {"body": scroll.body, "lang": scroll.lang, "size": scroll.size},
        "position": {"place": list(scroll.place), "given": scroll.given},
    }
