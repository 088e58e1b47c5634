"""Whether a request may run: user -> profiles -> roles -> controller and action.

There is no deny: a request is allowed if any profile has any policy whose role
allows it and whose restrictions, on index and collection, match (contract, 6.1).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec

from ostiary.request import Request

Controllers = Mapping[str, Mapping[str, Any]]

ALIASES = {"ms": "memoryStorage", "memoryStorage": "ms"}


class Restriction(msgspec.Struct, frozen=True):
    """An index, and the collections of it; no collections are all of them."""

    index: str
    collections: tuple[str, ...] = ()

    def admits(self, index: str, collection: str | None) -> bool:
        """Tell whether the restriction covers a collection."""
        return self.index == index and (not self.collections or collection in self.collections)


class Grant(msgspec.Struct, frozen=True):
    """What one policy grants: the controllers of its role, within its restrictions."""

    controllers: Controllers
    restrictions: tuple[Restriction, ...] = ()

    def names(self, controller: str, action: str) -> bool:
        """Tell whether the role grants an action; an exact entry hides a wildcard."""
        entry = (
            self.controllers.get(controller)
            or self.controllers.get(ALIASES.get(controller, ""))
            or self.controllers.get("*")
        )
        if entry is None:
            return False
        actions = entry["actions"]
        return actions.get(action, actions.get("*")) is True

    def admits(self, index: Any, collection: Any) -> bool:
        """Tell whether the restrictions cover a request for an index and a collection."""
        if not self.restrictions or not index:
            return True
        return any(restriction.admits(index, collection) for restriction in self.restrictions)


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
            naming = tuple(grant for grant in self.grants if grant.names(*key))
            # Callers choose the names that they ask for: remember what is granted, no more.
            if naming:
                self._known[key] = naming
        if not naming:
            return False
        args = request.args
        if "index" not in args and "targets" not in args:
            return True
        return all(
            any(grant.admits(index, collection) for grant in naming)
            for index, collection in _targets(args)
        )

    def listing(self) -> list[dict[str, str]]:
        """Return the rights as ``getMyRights`` lists them; allowed wins over denied."""
        rows: dict[tuple[str, str, str, str], bool] = {}
        for grant in self.grants:
            for key, allowed in _rows(grant):
                rows[key] = rows.get(key, False) or allowed
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
    """Tell whether some rights include all that others grant, without asking what exists."""
    return all(
        not allowed or any(_includes(grant, key) for grant in mine.grants)
        for other in theirs
        for key, allowed in _rows(other)
    )


def _includes(grant: Grant, key: tuple[str, str, str, str]) -> bool:
    controller, action, index, collection = key
    if not _names_whole(grant, controller, action):
        return False
    if not grant.restrictions:
        return True
    return any(
        restriction.index == index
        and (not restriction.collections or collection in restriction.collections)
        for restriction in grant.restrictions
    )


def _names_whole(grant: Grant, controller: str, action: str) -> bool:
    """Tell whether an action, or all that a wildcard stands for, is granted without exception."""
    if controller == "*":
        return "*" in grant.controllers and all(map(_whole, grant.controllers.values()))
    if action == "*":
        entry = grant.controllers.get(controller) or grant.controllers.get("*")
        return entry is not None and _whole(entry)
    return grant.names(controller, action)


def _whole(entry: Mapping[str, Any]) -> bool:
    actions = entry["actions"]
    return "*" in actions and all(allowed is True for allowed in actions.values())


def _targets(args: Mapping[str, Any]) -> Iterator[tuple[Any, Any]]:
    """Yield the index and collection pairs of a request; one is granted as a whole, or not."""
    targets = args.get("targets")
    if not isinstance(targets, list):
        yield args.get("index"), args.get("collection")
        return
    for target in targets:
        if isinstance(target, dict):
            for collection in target.get("collections") or (None,):
                yield target.get("index"), collection


def _rows(grant: Grant) -> Iterator[tuple[tuple[str, str, str, str], bool]]:
    places = [
        (restriction.index, collection)
        for restriction in grant.restrictions
        for collection in restriction.collections or ("*",)
    ] or [("*", "*")]
    for controller, entry in grant.controllers.items():
        for action, allowed in entry["actions"].items():
            for index, collection in places:
                yield (controller, action, index, collection), allowed is True
