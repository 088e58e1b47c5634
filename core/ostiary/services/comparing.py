"""What some rights grant and others do not, action by action."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from msgspec import Struct

from ostiary import errors
from ostiary.services.rights import EVERYTHING, LISTED, Grant, Name, Places, Rights, covers

SHOWN = 10
"""Places that are shown of an action."""

MOST = 1_000_000
"""Questions whether one grant names an action, or admits a place, that a comparison may ask."""


class Change(Struct, frozen=True):
    """What becomes of one action: the grants that named it, and those that would."""

    name: Name
    before: tuple[Grant, ...]
    after: tuple[Grant, ...]

    def to_json(self) -> dict[str, Any]:
        """Return the change as clients see it."""
        controller, action = self.name
        sides = {"before": _extent(self.before), "after": _extent(self.after)}
        return {"controller": controller, "action": action, **sides}


class Difference(Struct, frozen=True):
    """What is granted that was not, and what was that is not; an action may be among both."""

    granted: list[Change]
    taken: list[Change]

    def to_json(self) -> dict[str, Any]:
        """Return the difference as clients see it."""
        return {
            "granted": [change.to_json() for change in self.granted],
            "taken": [change.to_json() for change in self.taken],
        }


def named_by(*several: Iterable[Grant]) -> set[Name]:
    """Return every name that stands in the roles of some grants, wildcards among them.

    :raises errors.TooManyRights: there are more than a listing may have.
    """
    names: set[Name] = set()
    for grants in several:
        for grant in grants:
            for controller, entry in grant.controllers.items():
                names.update((controller, action) for action in entry["actions"])
                if len(names) > LISTED:
                    raise errors.TooManyRights(LISTED)
    return names


def compare(before: Sequence[Grant], after: Sequence[Grant], names: Iterable[Name]) -> Difference:
    """Return what becomes of some actions, in the order of their names.

    :raises errors.TooManyRights: it would take seconds, in which nobody else is answered.
    """
    names = sorted(names)
    asked = _check(len(names) * (len(before) + len(after)))
    granted, taken = [], []
    # Most actions are granted alike: each pair of grants is looked at once.
    known: dict[tuple[tuple[int, ...], tuple[int, ...]], tuple[bool, bool]] = {}
    for name in names:
        had, has = _naming(before, name), _naming(after, name)
        if (had, has) not in known:
            old, new = _anywhere(before, had), _anywhere(after, has)
            asked = _check(asked + _questions((*old, *new)))
            known[had, has] = not _within(old, new), not _within(new, old)
        more, less = known[had, has]
        change = Change(name, tuple(before[at] for at in had), tuple(after[at] for at in has))
        if more:
            granted.append(change)
        if less:
            taken.append(change)
    return Difference(granted, taken)


def _check(questions: int) -> int:
    if questions > MOST:
        raise errors.TooManyRights(MOST)
    return questions


def _questions(grants: Sequence[Grant]) -> int:
    """Return how often it is asked whether one of some grants admits a place of them."""
    return len(grants) * sum(len(names) or 1 for one in grants for names in one.places.values())


def _naming(grants: Sequence[Grant], name: Name) -> tuple[int, ...]:
    return tuple(at for at, grant in enumerate(grants) if grant.names(*name))


def _anywhere(grants: Sequence[Grant], positions: Iterable[int]) -> tuple[Grant, ...]:
    """Return grants that differ in their places alone."""
    return tuple(Grant(EVERYTHING, grants[at].places) for at in positions)


def _within(mine: tuple[Grant, ...], theirs: tuple[Grant, ...]) -> bool:
    return covers(Rights(mine), theirs)


def _extent(grants: Sequence[Grant]) -> dict[str, Any] | None:
    """Return where some grants hold together; None is nowhere."""
    if not grants:
        return None
    if any(not grant.places for grant in grants):
        return {"everywhere": True, "places": [], "total": 0}
    found = {place for grant in grants for place in _listed(grant.places)}
    shown = [{"index": index, "collection": name} for index, name in sorted(found)[:SHOWN]]
    return {"everywhere": False, "places": shown, "total": len(found)}


def _listed(places: Places) -> Iterable[tuple[str, str]]:
    return ((index, name) for index, names in places.items() for name in (names or ("*",)))
