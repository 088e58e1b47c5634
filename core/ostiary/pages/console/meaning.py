"""Whom a filter of a list means: somebody by their kuid, or by a name that they sign in by."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from msgspec import Struct

from ostiary.pages.console.looking import address
from ostiary.pages.console.users.names import clause_of, named_so
from ostiary.pages.console.users.search import User, glimpse
from ostiary.pages.console.users.wanted import LONGEST, Query, Wanted, query_of
from ostiary.pages.visit import Visit

TYPED, NAME = "find", "name"
"""The field, and its value, by which a form says that names may have been typed in it.

The links of a list hold kuids: nobody else is meant by them, whatever names are like them.
"""

OFFERED = 10
"""Users who are offered where several may be meant."""

Sought = Mapping[str, str]


class Offer(Struct, frozen=True):
    """Somebody who may be meant.

    :ivar known: properties to tell them from others by.
    :ivar address: of the list, narrowed down to them.
    """

    kuid: str
    known: Sequence[tuple[str, str]]
    address: str


class Meant(Struct, frozen=True):
    """What was typed into a filter, and the kuid that the list is narrowed down to for it.

    :ivar silent: the labels of strategies that cannot search for names now.
    :ivar nobody: nobody has it as a kuid or as a name, as far as it could be looked for.
    """

    typed: str
    kuid: str
    offers: Sequence[Offer] = ()
    silent: Sequence[str] = ()
    nobody: bool = False

    @property
    def worth_telling(self) -> bool:
        """It is not just a kuid."""
        return bool(self.offers or self.silent or self.nobody) or self.kuid != self.typed


async def resolved(
    visit: Visit, path: str, sought: dict[str, str], names: Sequence[str]
) -> tuple[dict[str, str], list[Meant]]:
    """Return the filters of a list with a kuid for each name, and what is to be told of that.

    :param path: of the list.
    :param names: the filters that mean somebody.
    """
    told: dict[str, Meant] = {}
    if visit.query.text(TYPED) == NAME:
        for name in names:
            if 0 < len(sought.get(name, "")) <= LONGEST:
                told[name] = await _meant(visit, path, sought, name)
    kuids = {name: meant.kuid for name, meant in told.items()}
    return sought | kuids, [one for one in told.values() if one.worth_telling]


async def _meant(visit: Visit, path: str, sought: Sought, name: str) -> Meant:
    text = sought[name]
    named = await named_so(visit, text, "term")
    known = text in named.kuids or await _is_kuid(visit, text)
    if known is False and len(named.kuids) == 1:
        return Meant(text, named.kuids[0], silent=named.silent)
    others = [kuid for kuid in named.kuids if kuid != text]
    users: Sequence[User] = []
    if others:
        users = await _users(visit, {"ids": {"values": others}}, others)
    elif not known:
        begun = (await named_so(visit, text, clause_of(text))).kuids
        users = await _users(visit, query_of(Wanted(text), begun), begun)
    offers = [_offer(user, address(path, sought, {name: user["_id"]})) for user in users]
    nobody = known is False and not offers and visit.may("security", "searchUsersByCredentials")
    return Meant(text, text, offers, named.silent, nobody)


async def _is_kuid(visit: Visit, text: str) -> bool | None:
    """Tell whether a text is the kuid of somebody; None without the right to know."""
    if not visit.may("security", "searchUsers"):
        return None
    found = await visit.call(
        "security", "searchUsers", {"query": {"ids": {"values": [text]}}}, size=1
    )
    return bool(found["hits"])


async def _users(visit: Visit, query: Query, kuids: Sequence[str]) -> Sequence[User]:
    """Return users that are found; who has no right to search them gets those that were named."""
    if not visit.may("security", "searchUsers"):
        return [{"_id": kuid, "_source": {}} for kuid in kuids[:OFFERED]]
    body: dict[str, Any] = {"query": query, "sort": ["_id"], "track_total_hits": OFFERED}
    found = await visit.call("security", "searchUsers", body, size=OFFERED)
    users: Sequence[User] = found["hits"]
    return users


def _offer(user: User, place: str) -> Offer:
    return Offer(user["_id"], glimpse(user), place)
