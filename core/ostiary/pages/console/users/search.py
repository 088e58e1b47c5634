"""Finding a page of the list of users.

A page begins after, or ends before, the last user of another one, in the order of the list: no user
is passed over and none is shown twice while others come and go, however many there are.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import islice
from typing import Any

from msgspec import Struct

from ostiary.filters import as_text
from ostiary.pages.console.users.names import Named, clause_of, named_so
from ostiary.pages.console.users.wanted import ORDERS, Query, Wanted, query_of
from ostiary.pages.visit import Visit
from ostiary.properties import properties_of

SIZE = 25
"""Users on a page."""

MANY = 1000
"""Users after which no more are counted where counting has to look at each."""

GLIMPSED, SHORT = 3, 60
"""Properties of a user that stand in the list, and their characters."""

User = Mapping[str, Any]


class Found(Struct, frozen=True):
    """A page of the list.

    :ivar total: how many users there are in all.
    :ivar more_than: there are more than ``MANY``, and they were not counted.
    :ivar earlier: the query of the page before this one, or None.
    :ivar named: who has such a name in their credentials.
    """

    users: Sequence[User]
    total: int
    earlier: str | None
    later: str | None
    named: Named
    more_than: bool


async def find(visit: Visit, wanted: Wanted) -> Found:
    """Return the page of the list that an address asks for."""
    named = await named_so(visit, wanted.text, clause_of(wanted.text))
    body: Query = {"query": query_of(wanted, named.kuids)}
    if wanted.bounded:
        body["track_total_hits"] = MANY + 1
    back = "before" in visit.query
    result, more = await _page(visit, body, wanted, "before" if back else "after")
    if back and not more:
        # The first users are here: show a whole page of them.
        back = False
        result, more = await _page(visit, body, wanted, None)
        first = True
    else:
        first = not back and "after" not in visit.query
    users = result["hits"]
    return Found(
        users,
        result["total"],
        wanted.address(**_place("before", users[0])) if users and not first else None,
        wanted.address(**_place("after", users[-1])) if users and (back or more) else None,
        named,
        wanted.bounded and result["total"] > MANY,
    )


def glimpse(user: User) -> list[tuple[str, str]]:
    """Return the first properties of a user that are short enough to be read in a list."""
    short = (
        (name, as_text(value))
        for name, value in properties_of(user["_source"]).items()
        if isinstance(value, str | int | float)
    )
    return [(name[:SHORT], text[:SHORT]) for name, text in islice(short, GLIMPSED)]


async def _page(
    visit: Visit, body: Query, wanted: Wanted, place: str | None
) -> tuple[dict[str, Any], bool]:
    """Return some users in their order, and whether there are more in the direction of the page."""
    back = place == "before"
    orders = ORDERS[wanted.sort]
    asked: Query = {
        **body,
        "sort": [{name: "desc" if down is not back else "asc"} for name, down in orders],
    }
    if place is not None and place in visit.query:
        edge = visit.query.text(place)
        asked["search_after"] = [
            edge if name == "_id" else visit.query.number("at") for name, _ in orders
        ]
    result = await visit.call("security", "searchUsers", asked, size=SIZE + 1)
    more, hits = len(result["hits"]) > SIZE, result["hits"][:SIZE]
    return {**result, "hits": hits[::-1] if back else hits}, more


def _place(name: str, user: User) -> dict[str, Any]:
    info = user["_source"].get("_kuzzle_info", {})
    return {name: user["_id"], "at": info.get("createdAt", 0)}
