"""Which users are wanted, and the query of the API that finds them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlencode

from msgspec import Struct

from ostiary.pages.fields import Fields

LONGEST = 192
"""Characters of a text that is searched for."""

ORDERS: Mapping[str, tuple[tuple[str, bool], ...]] = {
    "kuid": (("_id", False),),
    "newest": (("_kuzzle_info.createdAt", True), ("_id", True)),
    "oldest": (("_kuzzle_info.createdAt", False), ("_id", False)),
}
"""How users are sorted: by which fields, and whether descending."""

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
