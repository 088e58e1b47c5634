"""The forms of users: profiles to be ticked, properties as JSON, credentials of any strategy."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from msgspec import Struct

from ostiary import body, errors
from ostiary.pages.credentials import asked_for, read_fields
from ostiary.pages.fields import Fields
from ostiary.pages.languages import mark
from ostiary.pages.problems import Mistaken
from ostiary.pages.visit import Visit
from ostiary.properties import SYSTEM_MEMBERS

MOST = 500
"""Profiles that can be ticked; where there are more, ids are typed."""


class Profiles(Struct, frozen=True):
    """The profiles that there are, as far as who looks may know them.

    :ivar known: whether these are all.
    """

    ids: list[str]
    known: bool

    @classmethod
    async def of(cls, visit: Visit) -> Profiles:
        """Return them."""
        if not visit.may_run("security:searchProfiles"):
            return cls([], known=False)
        found = await visit.call("security", "searchProfiles", {"sort": "_id"}, size=MOST)
        return cls([one["_id"] for one in found["hits"]], found["total"] <= MOST)


def profiles_of(visit: Visit) -> list[str]:
    """Return the ids of profiles in a form: those that are ticked, and those that are typed."""
    typed = visit.form.text("profiles").split()
    return list(dict.fromkeys([*visit.form.all("profile"), *typed]))


def typed_properties(visit: Visit) -> dict[str, Any]:
    """Return the properties in a form.

    :raises Mistaken: they are no JSON object, or an object in them has a key twice.
    """
    return read_properties(visit.form.text("properties") or "{}")


def read_properties(text: str) -> dict[str, Any]:
    """Return properties that are written as JSON."""
    try:
        value = body.decode(text)
        body.refuse_duplicates(text)
    except errors.OstiaryError as error:
        raise Mistaken("{0}", error) from None
    except ValueError:
        raise Mistaken(mark("The properties are not JSON.")) from None
    if not isinstance(value, dict):
        raise Mistaken(mark("The properties are no JSON object: write { } around them."))
    if own := [name for name in SYSTEM_MEMBERS if name in value]:
        raise Mistaken(mark('"{0}" is no property: the server writes it.'), own[0])
    return value


async def offered_strategies(visit: Visit) -> list[dict[str, Any]]:
    """Return the strategies whose credentials can be typed into a form."""
    found = await visit.strategies()
    return [one for one in found if asked_for(one, "registration")]


def credentials_of(visit: Visit, strategy: Mapping[str, Any]) -> dict[str, Any]:
    """Return the credentials in a form that has those of several strategies, if any are typed in.

    The fields of a strategy stand there with its name before theirs.
    """
    prefix = f"{strategy['name']}."
    own = {
        name.removeprefix(prefix): visit.form.all(name)
        for name in visit.form
        if name.startswith(prefix)
    }
    return read_fields(Fields(own), asked_for(strategy, "registration"))
