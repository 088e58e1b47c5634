"""What is asked for in the list of users, as a search of the API; and where its pages begin.

A page begins after, or ends before, the last user of another one, in the order of the list: no user
is passed over and none is shown twice while others come and go, however many there are.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from itertools import islice
from typing import Any
from urllib.parse import urlencode

from msgspec import Struct

from ostiary import errors
from ostiary.filters import as_text
from ostiary.pages.fields import Fields
from ostiary.pages.problems import Refused
from ostiary.pages.visit import Visit
from ostiary.properties import properties_of

SIZE = 25
"""Users on a page."""

LONGEST = 192
"""Characters of a text that is searched for."""

MANY = 1000
"""Users after which no more are counted where counting has to look at each."""

MOST_NAMED = 100
"""Credentials with a name that begins as wanted, in each field of a strategy, that are looked at."""

GLIMPSED, SHORT = 3, 60
"""Properties of a user that stand in the list, and their characters."""

FEWEST = 3
"""Characters from which on names in credentials are searched by how they begin."""

ORDERS: Mapping[str, tuple[tuple[str, bool], ...]] = {
    "kuid": (("_id", False),),
    "newest": (("_kuzzle_info.createdAt", True), ("_id", True)),
    "oldest": (("_kuzzle_info.createdAt", False), ("_id", False)),
}
"""How users are sorted: by which fields, and whether descending."""

NOT_SEARCHED = (400, 403, 404, 501)
"""What a strategy answers that does not search for this."""

FAILED = 500
"""The least status of what one answers that cannot search now."""

User = Mapping[str, Any]
Query = dict[str, Any]


class Wanted(Struct, frozen=True):
    """Which users are wanted; empty texts ask for nothing.

    :ivar text: how a kuid, a property or a name in credentials begins.
    :ivar within: it may be any word within a property as well.
    :ivar status: ``enabled`` or ``disabled``.
    """

    text: str = ""
    within: bool = False
    profile: str = ""
    strategy: str = ""
    status: str = ""
    sort: str = "kuid"

    @classmethod
    def read(cls, query: Fields) -> Wanted:
        """Return what stands in an address."""
        sort = query.text("sort")
        return cls(
            query.text("q").strip()[:LONGEST],
            query.text("within") == "yes",
            query.text("profile"),
            query.text("strategy"),
            query.text("status"),
            sort if sort in ORDERS else "kuid",
        )

    def address(self, **more: Any) -> str:
        """Return the query of an address that asks for them."""
        given = {
            "q": self.text,
            "within": "yes" if self.within else "",
            "profile": self.profile,
            "strategy": self.strategy,
            "status": self.status,
            "sort": "" if self.sort == "kuid" else self.sort,
            **more,
        }
        return urlencode({name: value for name, value in given.items() if value != ""})

    @property
    def bounded(self) -> bool:
        """Whether so much is asked for that counting all would take long."""
        filters = [self.profile, self.strategy, self.status]
        return bool(self.text) or sum(map(bool, filters)) > 1


class Named(Struct, frozen=True):
    """The users who have a name in their credentials that begins as wanted.

    :ivar cut: more credentials had such a name than were looked at.
    :ivar silent: the labels of strategies that cannot search for them now.
    """

    kuids: Sequence[str] = ()
    cut: bool = False
    silent: Sequence[str] = ()


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


def query_of(wanted: Wanted, named: Sequence[str] = ()) -> Query:
    """Return the query that finds users.

    :param named: the kuids of who has such a name in their credentials.
    """
    disabled = {"exists": {"field": "_kuzzle_info.status"}}
    clauses: list[Query] = [_any_of(wanted, named)] if wanted.text else []
    if wanted.profile:
        clauses.append({"term": {"profileIds": wanted.profile}})
    if wanted.strategy:
        clauses.append({"term": {"_kuzzle_info.strategies": wanted.strategy}})
    if wanted.status == "disabled":
        clauses.append(disabled)
    if wanted.status == "enabled":
        clauses.append({"bool": {"must_not": disabled}})
    return {"bool": {"filter": clauses}} if clauses else {}


def _any_of(wanted: Wanted, named: Sequence[str]) -> Query:
    text = wanted.text
    # Case is no matter where letters are of ASCII; the others are looked for as they are written most.
    spelt = {text} if text.isascii() else {text, text.lower(), text.capitalize(), text.title()}
    clauses: list[Query] = [{"prefix": {"_id": text}}]
    clauses += [
        {"prefix": {"*": {"value": one, "case_insensitive": True}}} for one in sorted(spelt)
    ]
    if named:
        clauses.append({"ids": {"values": list(named)}})
    if wanted.within:
        clauses.append({"match_phrase": {"*": text}})
    return {"bool": {"should": clauses}}


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


def clause_of(text: str) -> str:
    """Return how names in credentials are searched for a text: by how they begin, or as a whole."""
    return "prefix" if len(text) >= FEWEST else "term"


async def named_so(visit: Visit, text: str, clause: str) -> Named:
    """Return who has such a name in their credentials.

    :param clause: ``term`` or ``prefix``; see ``clause_of``.
    """
    kuids: dict[str, None] = {}
    cut, silent = False, []
    for strategy in await visit.strategies() if text else ():
        if not visit.may("security", "searchUsersByCredentials", strategy=strategy["name"]):
            continue
        try:
            async for found in _searched(visit, strategy, text, clause):
                kuids |= dict.fromkeys(one["kuid"] for one in found["hits"])
                cut = cut or found["total"] > len(found["hits"])
        except Refused as refused:
            if refused.status < FAILED:
                raise
            # One plugin that fails must not keep the others from being searched.
            silent.append(str(strategy["label"]))
    return Named(list(kuids), cut, silent)


async def _searched(
    visit: Visit, strategy: Mapping[str, Any], text: str, clause: str
) -> AsyncIterator[Mapping[str, Any]]:
    """Yield what is found in each field of a strategy that can be searched."""
    for field in strategy["fields"]:
        if field["secret"] or field["kind"] in ("json", "password", "one-time-code"):
            continue
        body = {"query": {clause: {field["name"]: text}}, "sort": field["name"]}
        try:
            yield await visit.call(
                "security",
                "searchUsersByCredentials",
                body,
                strategy=strategy["name"],
                size=MOST_NAMED,
            )
        except Refused as refused:
            missing = refused.id == errors.MissingOptionalMethod.id
            if not missing and refused.status not in NOT_SEARCHED:
                raise
