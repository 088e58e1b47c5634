"""Searching users, profiles, roles and API keys."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from msgspec import Struct
from msgspec.structs import replace
from sqlalchemy import select

from ostiary import errors
from ostiary.filters import (
    Field,
    Filter,
    Ids,
    Leaf,
    OneOf,
    Words,
    changed,
    every,
    leaves,
    words_of,
)
from ostiary.services.api_keys import API_KEYS
from ostiary.services.batches import Batch
from ostiary.services.search import asking, documents
from ostiary.services.search.asking import Asked
from ostiary.services.search.collections import COLLECTIONS
from ostiary.services.search.pages import Finder, Place
from ostiary.services.search.scrolls import Scroll, Scrolls
from ostiary.services.values import WORDY
from ostiary.storage import Database, Store
from ostiary.storage.tables import api_keys

SCROLL = 15_000
"""Milliseconds that a scroll lives for unless told otherwise."""

FEW = 10
"""Documents on a page of API keys, or of credentials, unless told otherwise."""


class Found(Struct, frozen=True):
    """A page of documents as clients see them, and how many there are in all."""

    hits: list[dict[str, Any]]
    total: int
    scroll_id: str | None = None

    def to_json(self) -> dict[str, Any]:
        """Return the result as clients see it."""
        result = {"hits": self.hits, "total": self.total}
        return result if self.scroll_id is None else {**result, "scrollId": self.scroll_id}


class Page(Struct, frozen=True, kw_only=True):
    """Which part of what is found is wanted; None is as much as one may have."""

    start: int | None = None
    size: int | None = None


class Search:
    """Answers searches."""

    def __init__(self, store: Store, scrolls: Scrolls, most: int) -> None:
        self._store, self._scrolls, self._most = store, scrolls, most

    async def search(
        self,
        collection: str,
        body: Mapping[str, Any],
        *,
        lang: str,
        page: Page,
        scroll: int | None = None,
    ) -> Found:
        """Return a page of the documents that a search finds.

        :param scroll: remember the search for so many milliseconds, to be gone on with.
        :raises errors.GetLimitExceeded: the page is larger, or farther away, than allowed.
        """
        asked = asking.read(body, lang)
        start, size = self._bounds(page, body, self._most)
        if scroll is not None:
            self._scrolls.check(scroll)
            for name in ("search_after", "track_total_hits"):
                if body.get(name) is not None:
                    raise errors.MutuallyExclusive("scroll", f"body.{name}")

        async def work(db: Database) -> tuple[int, Place, list[dict[str, Any]]]:
            finder = await Finder.of(
                db, COLLECTIONS[collection], asked.filter, asked.orders, asked.counted
            )
            total = await finder.count()
            place = await finder.page(size, start, asked.after)
            return total, place, await documents.read(db, collection, place.ids)

        total, place, hits = await self._store.search(work)
        if scroll is None:
            return Found(hits, total)
        id = self._scrolls.new_id()
        given = start + len(hits)
        if hits and given < total:
            kept = {name: body[name] for name in ("query", "post_filter", "sort") if name in body}
            begun = Scroll(kept, lang, size, place.last, given)
            await self._scrolls.open(id, collection, begun, scroll)
        return Found(hits, total, id)

    async def scroll(self, collection: str, id: str, duration: int = SCROLL) -> Found:
        """Return the next page of a search.

        :raises errors.UnknownScrollId: there is none, or it has expired.
        """
        self._scrolls.check(duration)
        scroll = await self._scrolls.find(collection, id)
        asked = asking.read(scroll.body, scroll.lang)

        async def work(db: Database) -> tuple[int, Place, list[dict[str, Any]]]:
            finder = await Finder.of(db, COLLECTIONS[collection], asked.filter, asked.orders)
            rest = await finder.count(scroll.place)
            place = await finder.page(scroll.size, beyond=scroll.place)
            return rest, place, await documents.read(db, collection, place.ids)

        rest, place, hits = await self._store.search(work)
        total = scroll.given + rest
        if len(hits) < rest:
            onward = replace(scroll, place=place.last, given=scroll.given + len(hits))
            await self._scrolls.advance(id, onward, duration)
        else:
            await self._scrolls.end(id)
        return Found(hits, total, id)

    async def api_keys(
        self, owner: str, query: Mapping[str, Any], *, lang: str, page: Page
    ) -> Found:
        """Return a page of the API keys of one user, whatever else is asked for (KEY-04)."""
        asking.refuse_scripts(query)
        asked = asking.filter_of(query, lang)
        start, size = self._bounds(page, {}, FEW)
        owned: Filter = Field("userId", OneOf((owner,)))

        async def work(db: Database) -> list[dict[str, Any]]:
            wanted = every([owned, await _with_words(db, owner, asked)])
            finder = await Finder.of(db, COLLECTIONS[API_KEYS], wanted, ())
            return await documents.read(db, API_KEYS, (await finder.page(size, start)).ids)

        hits = await self._store.search(work)
        return Found(hits, len(hits))

    def credentials(
        self, body: Mapping[str, Any], *, lang: str, page: Page
    ) -> tuple[Asked, int, int]:
        """Return what is asked for of the credentials of a strategy: a search, from where, how many.

        :raises errors.GetLimitExceeded: more than allowed, less what is passed over (contract).
        """
        start, size = self._bounds(page, {}, FEW, less=page.start or 0)
        return asking.read(body, lang), start, size

    async def purge(self, batch: Batch) -> int:
        """Remove some scrolls that have expired; return how many."""
        return await self._scrolls.purge(batch)

    def _bounds(
        self, page: Page, body: Mapping[str, Any], usual: int, *, less: int = 0
    ) -> tuple[int, int]:
        start = _first(page.start, body.get("from"), 0, "body.from")
        size = _first(page.size, body.get("size"), min(usual, self._most), "body.size")
        if start < 0:
            raise errors.InvalidArgument("from", "a number that is not negative")
        if size < 0:
            raise errors.InvalidArgument("size", "a number that is not negative")
        if start > self._most or size - less > self._most:
            raise errors.GetLimitExceeded
        return start, size


async def _with_words(db: Database, owner: str, filter: Filter) -> Filter:
    """Have words found in the descriptions of somebody's keys, which are few, and of nobody else's."""

    def change(leaf: Leaf) -> Filter:
        match leaf:
            case Field("description", Words(words)):
                wanted = f" {' '.join(words)} "
                return Ids(tuple(id for id, spaced in texts.items() if wanted in spaced))
            case _:
                return leaf

    if not any(isinstance(leaf, Field) and isinstance(leaf.test, Words) for leaf in leaves(filter)):
        return filter
    described = select(api_keys.c.id, api_keys.c.description).where(api_keys.c.kuid == owner)
    rows = await db.execute(described)
    texts = {row.id: f" {' '.join(words_of(row.description[:WORDY]))} " for row in rows}
    return changed(filter, change)


def _first(argument: int | None, member: Any, otherwise: int, name: str) -> int:
    """Return a number that is given as an argument, or else in the body, or else not at all."""
    if argument is not None:
        return argument
    if member is None:
        return otherwise
    if isinstance(member, bool) or not isinstance(member, int):
        raise errors.InvalidType(name, "integer")
    return member
