"""The strategies of a server, and what I hold of each."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from msgspec import Struct

from ostiary import errors
from ostiary.pages.credentials import Shown, asked_for, look_at, names_in, shown
from ostiary.pages.visit import Refused, Visit


class Way(Struct, frozen=True):
    """A strategy, and what may be seen of my credentials of it.

    :ivar about: as ``auth:describeStrategies`` describes it.
    :ivar held: I have credentials of it.
    :ivar seen: what they show, without the kuid; None if I may not see them, or have none.
    :ivar refused: why the strategy does not say what they show; the others do.
    """

    about: Mapping[str, Any]
    held: bool
    seen: Mapping[str, Any] | None = None
    refused: Refused | None = None

    @property
    def name(self) -> str:
        """The name of the strategy."""
        return str(self.about["name"])

    @property
    def fields(self) -> list[dict[str, Any]]:
        """What is filled in to make or change them; where one is sent elsewhere, nothing is."""
        if self.about["redirects"]:
            return []
        return asked_for(self.about, "registration")

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
    """Return every strategy, in the order of the server."""
    return [await _way(visit, about) for about in await visit.strategies()]


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
    return Way(about, held=seen is not None, seen=seen)
