"""Ways to sign in: the strategies of a server, and what somebody holds of each."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from msgspec import Struct, structs

from ostiary import errors
from ostiary.pages.credentials import Shown, asked_for, look_at, names_in, shown
from ostiary.pages.fields import Fields
from ostiary.pages.linked import Linked, linked
from ostiary.pages.problems import Refused
from ostiary.pages.visit import Visit


class Way(Struct, frozen=True):
    """A strategy, and what may be seen of somebody's credentials of it.

    :ivar about: as ``auth:describeStrategies`` describes it.
    :ivar held: they have credentials of it, or may have some.
    :ivar seen: what those show, without the kuid; None if they may not be seen, or there are none.
    :ivar refused: why the strategy does not say what they show; the others do.
    :ivar each: each of them by itself, where there may be several and who looks may see that.
    """

    about: Mapping[str, Any]
    held: bool
    seen: Mapping[str, Any] | None = None
    refused: Refused | None = None
    each: tuple[Linked, ...] = ()

    @property
    def name(self) -> str:
        """The name of the strategy."""
        return str(self.about["name"])

    @property
    def fields(self) -> list[dict[str, Any]]:
        """What their owner fills in to have or change them; who is sent elsewhere fills in nothing."""
        return [] if self.about["redirects"] else self.given

    @property
    def given(self) -> list[dict[str, Any]]:
        """What is filled in by who gives them to somebody else, or changes them for them."""
        return asked_for(self.about, "registration")

    def meant(self, fields: Fields) -> Linked | None:
        """Return the one of several that a form, or a query, names; None if it is none of them."""
        return next((one for one in self.each if one.is_meant(fields)), None)

    @property
    def names(self) -> list[dict[str, Any]]:
        """The names that they open an account by, where they list them."""
        return names_in(self.seen or {})

    @property
    def shown(self) -> list[Shown]:
        """What they show."""
        return shown(self.about, self.seen or {})

    def value_of(self, field: str) -> Any:
        """Return what stands in a field at present; None if nothing does, or nobody is told."""
        names = self.names
        mine = [one["value"] for one in names if one["kind"] == field]
        if mine:
            return mine[0] if len(mine) == 1 else mine
        value = (self.seen or {}).get(field)
        # What is listed as a name of another kind is shown here for clients that know of one alone.
        return None if value in [one["value"] for one in names] else value


async def ways(visit: Visit) -> list[Way]:
    """Return every strategy with what I hold of it, in the order of the server."""
    return [await _way(visit, about) for about in await visit.strategies()]


async def ways_of(visit: Visit, kuid: str) -> list[Way]:
    """Return every strategy with what a user holds of it; what cannot be told may be held."""
    return [await _way_of(visit, about, kuid) for about in await visit.strategies()]


async def way(visit: Visit) -> Way:
    """Return the strategy that stands in the path.

    :raises errors.UrlNotFound: there is none of that name.
    """
    name = visit.values["strategy"]
    for about in await visit.strategies():
        if about["name"] == name:
            return await _way(visit, about)
    raise errors.UrlNotFound(visit.path)


async def is_last(visit: Visit, one: Way) -> bool:
    """Tell whether nothing else would let me in."""
    return one.held and not any(other.held for other in await ways(visit) if other.name != one.name)


async def _way(visit: Visit, about: Mapping[str, Any]) -> Way:
    name = about["name"]
    told = (visit.me or {}).get("strategies")
    if told is not None and name not in told:
        return Way(about, held=False)
    if not visit.may("auth", "getMyCredentials", strategy=name):
        return Way(about, held=told is not None)
    seen, refused = await look_at(visit, "auth", "getMyCredentials", strategy=name)
    if refused is not None:
        return Way(about, held=told is not None, refused=refused)
    return await _with_each(visit, Way(about, held=seen is not None, seen=seen))


async def _way_of(visit: Visit, about: Mapping[str, Any], kuid: str) -> Way:
    args = {"strategy": about["name"], "_id": kuid}
    seen, refused = await look_at(visit, "security", "getCredentials", **args)
    way = Way(about, seen is not None or refused is not None, seen, refused)
    return await _with_each(visit, way, kuid)


async def _with_each(visit: Visit, way: Way, kuid: str | None = None) -> Way:
    """Return what is held with each of several by itself.

    :param kuid: whose; None for mine.
    """
    if way.seen is None:
        return way
    try:
        return structs.replace(way, each=await linked(visit, way.about, kuid))
    except Refused as refused:
        return structs.replace(way, refused=refused)
