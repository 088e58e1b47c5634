"""The editor of a role: a box for every action that there is, and lines for everything else."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import groupby
from typing import Any

from msgspec import Struct

from ostiary.pages.console.entries import Entry, entries_of, entry_lines
from ostiary.pages.fields import Fields

Controllers = Mapping[str, Mapping[str, Any]]

EVERYTHING = "*:*"


class RoleForm(Struct, frozen=True):
    """What the fields of the editor hold.

    :ivar granted: the boxes that are ticked, as ``controller:action``; ``*`` is a wildcard.
    :ivar others: lines of what no box stands for, and of what is kept from wildcards.
    :ivar force: names that do not exist here are meant.
    """

    granted: frozenset[str]
    others: str
    force: bool

    @classmethod
    def of(cls, controllers: Controllers, known: frozenset[str]) -> RoleForm:
        """Return the form of a role; what it holds that is not known is kept."""
        entries = list(_entries(controllers))
        boxed = {f"{one[0]}:{one[1]}" for one in entries if one[2]} & known
        others = [one for one in entries if not one[2] or f"{one[0]}:{one[1]}" not in known]
        strange = any(f"{one[0]}:{one[1]}" not in known for one in others)
        return cls(frozenset(boxed), entry_lines(others), force=strange)

    @classmethod
    def sent(cls, form: Fields) -> RoleForm:
        """Return what somebody has filled in."""
        return cls(frozenset(form.all("grant")), form.text("others"), force="force" in form)

    def controllers(self) -> dict[str, Any]:
        """Return the controllers of a role.

        :raises Mistaken: a line cannot be read.
        """
        made: dict[str, Any] = {}
        boxed = [(*name.rpartition(":")[::2], True) for name in sorted(self.granted)]
        # A box that is ticked wins over a line that says otherwise.
        for controller, action, granted in [*entries_of(self.others), *boxed]:
            made.setdefault(controller, {"actions": {}})["actions"][action] = granted
        return made


class Box(Struct, frozen=True):
    """An action in the editor."""

    value: str
    action: str
    description: str
    ticked: bool


class Group(Struct, frozen=True):
    """The actions of a controller in the editor.

    :ivar plugin: the one that adds it, or None.
    """

    controller: str
    plugin: str | None
    boxes: tuple[Box, ...]
    whole: Box

    @property
    def ticked(self) -> int:
        """How many boxes are ticked."""
        return sum(box.ticked for box in self.boxes)


def known_names(described: Iterable[Mapping[str, Any]]) -> frozenset[str]:
    """Return everything that a box stands for."""
    names = {f"{one['controller']}:{one['action']}" for one in described}
    return frozenset(names | {f"{one['controller']}:*" for one in described} | {EVERYTHING})


def groups(described: Iterable[Mapping[str, Any]], form: RoleForm) -> list[Group]:
    """Return the boxes of the editor, by controller.

    :param described: actions as ``server:describeActions`` lists them.
    """
    found = []
    for controller, several in groupby(described, key=lambda one: str(one["controller"])):
        actions = list(several)
        boxes = tuple(
            _box(controller, str(one["action"]), str(one["description"]), form) for one in actions
        )
        found.append(
            Group(controller, actions[0]["plugin"], boxes, _box(controller, "*", "", form))
        )
    return found


def _box(controller: str, action: str, description: str, form: RoleForm) -> Box:
    value = f"{controller}:{action}"
    return Box(value, action, description, value in form.granted)


def _entries(controllers: Controllers) -> Iterable[Entry]:
    for controller, entry in controllers.items():
        for action, granted in entry["actions"].items():
            yield controller, action, granted is True
