"""Several credentials of one strategy, such as accounts at one provider, each by itself."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

from msgspec import Struct

from ostiary import errors
from ostiary.pages.credentials import Shown, shown
from ostiary.pages.fields import Fields
from ostiary.pages.problems import Refused
from ostiary.pages.visit import Visit

PREFIX = "one."
"""How the names of fields begin that name one of them; a strategy's own never have a dot."""


class Linked(Struct, frozen=True):
    """One of several credentials.

    :ivar named: what names it, as arguments of the actions that give it up.
    :ivar shown: by what a person knows it.
    :ivar since: since when it is its user's, in ms; None if nobody says.
    """

    named: dict[str, str]
    shown: list[Shown]
    since: int | None

    @property
    def title(self) -> str:
        """What to call it."""
        texts = [one.value for one in self.shown if isinstance(one.value, str) and one.value]
        return texts[0] if texts else " ".join(self.named.values())

    @property
    def fields(self) -> dict[str, str]:
        """The fields of a form, or of a query, that name it."""
        return {f"{PREFIX}{name}": value for name, value in self.named.items()}

    @property
    def query(self) -> str:
        """The query of an address that names it."""
        return urlencode(self.fields)

    def is_meant(self, fields: Fields) -> bool:
        """Tell whether a form, or a query, names it."""
        return all(fields.text(name) == value for name, value in self.fields.items())


async def linked(
    visit: Visit, about: Mapping[str, Any], kuid: str | None = None
) -> tuple[Linked, ...]:
    """Return each of several credentials, as far as the strategy lists them to who looks.

    :param about: as ``auth:describeStrategies`` describes it.
    :param kuid: whose; None for one's own.
    :raises Refused: the strategy does not say it, or not as it has declared.
    """
    each = about["each"]
    listing = None if each is None else each["mine" if kuid is None else "theirs"]
    if listing is None or not visit.may(**listing):
        return ()
    args = {} if kuid is None else {"_id": kuid}
    answer = await visit.call(**listing, **args)
    mine = about["name"]
    try:
        return tuple(
            _of(about, one) for one in answer[each["member"]] if one.get("strategy", mine) == mine
        )
    except (AttributeError, KeyError, TypeError):
        # What others hold, and the rest of the page, is there all the same.
        nonsense = errors.PluginUnexpectedError(f"strategy {mine} does not list them as declared")
        raise Refused.of(nonsense) from None


def _of(about: Mapping[str, Any], one: Mapping[str, Any]) -> Linked:
    attributes = one.get("attributes") or {}
    told = [value for value in attributes.values() if isinstance(value, str)]
    names = {field["name"]: field["label"] for field in about["each"]["namedBy"]}
    rows = [Shown(label, one[name]) for name, label in names.items() if one[name] not in told]
    named = {name: str(one[name]) for name in names}
    return Linked(named, [*shown(about, attributes), *rows], one.get("createdAt"))
