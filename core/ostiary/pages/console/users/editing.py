"""Changing a user beside others who change them: what the form has changed goes, all else stays."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from msgspec import Struct

from ostiary.pages.languages import mark
from ostiary.pages.problems import Mistaken
from ostiary.properties import properties_of


class Edited(Struct, frozen=True):
    """A user as a form was shown, and as it came back."""

    loaded: Mapping[str, Any]
    loaded_profiles: Sequence[str]
    properties: Mapping[str, Any]
    profiles: Sequence[str]


class Change(Struct, frozen=True):
    """What is to be written.

    :ivar body: properties, and profiles if they are changed.
    :ivar remove: the names of properties that go.
    :ivar since: when the user was changed last, by what this takes for granted.
    """

    body: Mapping[str, Any]
    remove: Sequence[str]
    since: int | None

    @property
    def nothing(self) -> bool:
        """Whether it changes nothing."""
        return not self.body and not self.remove


def merged(edited: Edited, source: Mapping[str, Any]) -> Change:
    """Return what the form has changed, against the user as they are now.

    :raises Mistaken: somebody else has changed the same meanwhile, and otherwise.
    """
    current = properties_of(source)
    before, after = edited.loaded, edited.properties
    touched = {name for name in (*before, *after) if not _same(before, after, name)}
    for name in sorted(touched):
        if not _same(before, current, name) and not _same(after, current, name):
            raise Mistaken(
                mark('Somebody else has changed "{0}" meanwhile. Load the page again to see it.'),
                name,
            )
    body = {
        name: after[name] for name in after if name in touched and not _same(after, current, name)
    }
    profiles = _profiles(edited, source["profileIds"])
    if profiles is not None:
        body["profileIds"] = profiles
    remove = [name for name in before if name in touched and name not in after and name in current]
    info = source.get("_kuzzle_info", {})
    return Change(body, remove, info.get("updatedAt") or info.get("createdAt"))


def _profiles(edited: Edited, current: Sequence[str]) -> list[str] | None:
    """Return the profiles to give, in the order of those that were there; None: the same."""
    wanted = set(edited.profiles)
    if wanted == set(edited.loaded_profiles) or wanted == set(current):
        return None
    if set(current) != set(edited.loaded_profiles):
        raise Mistaken(
            mark("Somebody else has changed the profiles meanwhile. Load the page again to see it.")
        )
    kept = [one for one in current if one in wanted]
    return kept + [one for one in edited.profiles if one not in kept]


def _same(one: Mapping[str, Any], other: Mapping[str, Any], name: str) -> bool:
    return (name in one) == (name in other) and _exactly(one.get(name), other.get(name))


def _exactly(one: Any, other: Any) -> bool:
    """Tell whether two values are the same to JSON: ``1`` is not ``true``."""
    match one, other:
        case dict(), dict():
            return one.keys() == other.keys() and all(_exactly(one[k], other[k]) for k in one)
        case list(), list():
            return len(one) == len(other) and all(map(_exactly, one, other))
        case _:
            return bool(one == other) and isinstance(one, bool) is isinstance(other, bool)
