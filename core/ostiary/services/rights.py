"""Whether a request may run: user -> profiles -> roles -> controller and action.

There is no deny: a request is allowed if any profile has any policy whose role
allows it and whose restrictions, on index and collection, match (contract, 6.1).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec

from ostiary import errors
from ostiary.request import Request

Controllers = Mapping[str, Mapping[str, Any]]

Name = tuple[str, str]
"""A controller and an action of it; ``*`` stands for all that are not named."""

Place = tuple[str, str]

Places = Mapping[str, frozenset[str]]
"""Collections by their index; none are all of them. Without any index: everywhere."""

ADMIN, DEFAULT, ANONYMOUS = BASE = ("admin", "default", "anonymous")
"""Roles, and profiles, that every server has; who holds the first is an administrator."""

EVERYTHING: Controllers = {"*": {"actions": {"*": True}}}
"""The controllers of a role that may do everything."""

ALIASES = {"ms": "memoryStorage", "memoryStorage": "ms"}

REMEMBERED, LONGEST = 500, 200
"""Actions that rights remember their answer for, and characters that name one."""

LISTED = 20_000
"""Lines that a listing may have."""

UNKNOWN = "\x00"
"""Stands for every name that nobody wrote: no text of a client holds it."""

EVERYWHERE: Places = {}


class Grant(msgspec.Struct, frozen=True):
    """What one policy grants: the controllers of its role, within some places."""

    controllers: Controllers
    places: Places = EVERYWHERE

    def names(self, controller: str, action: str) -> bool:
        """Tell whether the role grants an action; an exact entry hides a wildcard."""
        entry = self.entry(controller)
        if entry is None:
            return False
        actions = entry["actions"]
        return actions.get(action, actions.get("*")) is True

    def rule(self, controller: str, action: str) -> Name | None:
        """Return the entry by which the role grants an action, ``*`` for a wildcard, or None."""
        if not self.names(controller, action):
            return None
        entry = self.entry(controller)
        names = (controller, ALIASES.get(controller, ""), "*")
        found = next(name for name in names if self.controllers.get(name) is entry)
        return found, action if action in self.controllers[found]["actions"] else "*"

    def entry(self, controller: str) -> Mapping[str, Any] | None:
        """Return what the role says of a controller, if it says anything."""
        return (
            self.controllers.get(controller)
            or self.controllers.get(ALIASES.get(controller, ""))
            or self.controllers.get("*")
        )

    def admits(self, index: Any, collection: Any) -> bool:
        """Tell whether the places include an index and a collection of a request."""
        if not self.places or not index:
            return True
        collections = self.places.get(index) if isinstance(index, str) else None
        if not collections:
            return collections is not None
        return isinstance(collection, str) and collection in collections


@dataclass(slots=True)
class Rights:
    """Everything that some profiles grant together, with a memory of what was asked."""

    grants: tuple[Grant, ...]
    rate_limit: int = 0
    _known: dict[tuple[str, str], tuple[Grant, ...]] = field(default_factory=dict)

    def allow(self, request: Request) -> bool:
        """Tell whether a request may run."""
        key = (request.controller, request.action)
        naming = self._known.get(key)
        if naming is None:
            naming = _naming(self.grants, *key)
            # Callers choose the names that they ask for, and a wildcard grants them all.
            short = len(request.controller) + len(request.action) <= LONGEST
            if naming and short and len(self._known) < REMEMBERED:
                self._known[key] = naming
        if not naming:
            return False
        args = request.args
        if not args:
            return True
        places = _targets(args.get("targets"))
        # What a pattern stands for cannot be told.
        if any("*" in f"{index}{collection}" for index, collection in places):
            return False
        if "index" in args:
            places.append((args["index"], args.get("collection")))
        return all(any(grant.admits(*place) for grant in naming) for place in places)

    def listing(self) -> list[dict[str, str]]:
        """Return the rights as ``getMyRights`` lists them; allowed wins over denied.

        :raises errors.TooManyRights: a large role is restricted to many places.
        """
        rows: dict[tuple[str, str, str, str], bool] = {}
        for grant in self.grants:
            for key, allowed in _rows(grant):
                rows[key] = rows.get(key, False) or allowed
                if len(rows) > LISTED:
                    raise errors.TooManyRights(LISTED)
        return [
            {
                "controller": controller,
                "action": action,
                "index": index,
                "collection": collection,
                "value": "allowed" if allowed else "denied",
            }
            for (controller, action, index, collection), allowed in rows.items()
        ]


def covers(mine: Rights, theirs: Iterable[Grant]) -> bool:
    """Tell whether some rights include all that others grant, without asking what exists.

    What neither of them names they cannot tell apart: one unknown name stands for
    all controllers, actions, indexes and collections that they do not name.
    """
    own, theirs = _essence(mine.grants), _essence(theirs)
    if any(_is_everything(grant) for grant in own):
        return True
    both = (*own, *theirs)
    places = tuple(_places(both))
    # Most actions are granted alike: each pair of grants is looked at once.
    pairs = {
        (_positions(own, *action), granting)
        for action in _actions(both)
        if (granting := _positions(theirs, *action))
    }
    return all(
        _cover([own[at] for at in have], [theirs[at] for at in want], places)
        for have, want in pairs
    )


def places_of(restrictions: Iterable[Mapping[str, Any]]) -> Places:
    """Return the places that restrictions name; several for one index add up."""
    named: dict[str, set[str] | None] = {}
    for entry in restrictions:
        names = named.setdefault(entry["index"], set())
        if not entry.get("collections"):
            named[entry["index"]] = None
        elif names is not None:
            names.update(entry["collections"])
    return {index: frozenset(names or ()) for index, names in named.items()}


def _cover(mine: Sequence[Grant], theirs: Sequence[Grant], places: Iterable[Place]) -> bool:
    if any(not grant.places for grant in mine):
        return True
    return all(
        any(grant.admits(*place) for grant in mine)
        for place in places
        if any(grant.admits(*place) for grant in theirs)
    )


def _is_everything(grant: Grant) -> bool:
    """Tell whether a grant is that of a role for everything, which hides nothing from itself."""
    # To an equality 1 is true, and to a role it is not (AZ-13).
    return (
        not grant.places
        and grant.controllers == EVERYTHING
        and grant.controllers["*"]["actions"]["*"] is True
    )


def _essence(grants: Iterable[Grant]) -> tuple[Grant, ...]:
    """Return the same grants without what grants nothing, however much of it there is.

    An entry without any right only matters where it hides a wildcard for all controllers.
    """
    found = []
    for grant in grants:
        hiding = grant.controllers.keys() & {"*", *ALIASES}
        granting: Controllers = {
            name: entry
            for name, entry in grant.controllers.items()
            if True in entry["actions"].values() or hiding & {name, "*"}
        }
        if granting:
            found.append(Grant(granting, grant.places))
    return tuple(found)


def _naming(grants: Iterable[Grant], controller: str, action: str) -> tuple[Grant, ...]:
    return tuple(grant for grant in grants if grant.names(controller, action))


def _positions(grants: Iterable[Grant], controller: str, action: str) -> tuple[int, ...]:
    return tuple(at for at, grant in enumerate(grants) if grant.names(controller, action))


def _actions(grants: Iterable[Grant]) -> set[tuple[str, str]]:
    """Return every action that some grants can tell from others."""
    named = {name for grant in grants for name in grant.controllers}
    controllers = named | {ALIASES[name] for name in named & ALIASES.keys()} | {UNKNOWN}
    return {
        (controller, action)
        for controller in controllers
        for grant in grants
        for action in (*(grant.entry(controller) or {"actions": ()})["actions"], UNKNOWN)
    }


def _places(grants: Iterable[Grant]) -> Iterator[Place]:
    """Yield every index and collection that some grants can tell from others."""
    named: dict[str, set[str]] = {UNKNOWN: set()}
    for grant in grants:
        for index, collections in grant.places.items():
            named.setdefault(index, set()).update(collections)
    for index, names in named.items():
        yield from ((index, name) for name in (*names, UNKNOWN))


def _targets(targets: Any) -> list[tuple[Any, Any]]:
    """Return the pairs of index and collection that a request names; all have to be granted."""
    pairs = []
    for target in targets if isinstance(targets, list) else ():
        if isinstance(target, dict):
            collections = target.get("collections") or None
            several = collections if isinstance(collections, list) else [collections]
            pairs += [(target.get("index"), collection) for collection in several]
    return pairs


def _rows(grant: Grant) -> Iterator[tuple[tuple[str, str, str, str], bool]]:
    places = [
        (index, collection)
        for index, collections in grant.places.items()
        for collection in sorted(collections) or ("*",)
    ] or [("*", "*")]
    for controller, entry in grant.controllers.items():
        for action, allowed in entry["actions"].items():
            for index, collection in places:
                yield (controller, action, index, collection), allowed is True
