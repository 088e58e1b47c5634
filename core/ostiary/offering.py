"""What strategies offer to people: in which order, and by which actions of their plugins."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ostiary.fields import Each, Form, described
from ostiary.strategies import Strategy

if TYPE_CHECKING:
    from ostiary.actions import Action
    from ostiary.plugins import Plugin, Strategies

NO_ACTION = "there is no action {0!r}"
OF_USER = {"_id"}


def fault_of_actions(plugin: Plugin, strategy: Strategy) -> str | None:
    """Say what pages could not do by the actions that a strategy names, or None.

    :param plugin: with its actions, as the API has them.
    """
    actions = {
        f"{controller.name}:{action.name}".removeprefix(f"{plugin.wire_name}/"): action
        for controller in plugin.controllers
        for action in controller.actions
    }
    for form in strategy.forms:
        action = actions.get(form.action)
        fault = NO_ACTION.format(form.action) if action is None else _fault(form, action)
        if fault is not None:
            return f"strategy {strategy.name}: form {form.name!r}: {fault}"
    if strategy.each is not None:
        for fault in _faults_of_each(strategy.each, actions):
            return f"strategy {strategy.name}: each: {fault}"
    return None


def offered(strategies: Strategies, order: Sequence[str]) -> list[dict[str, Any]]:
    """Return what pages need to offer strategies, in the order that the operator wants.

    :param order: names, those that are not to be offered with a ``-`` before them; the strategies
        that it leaves out follow.
    """
    hidden = {one[1:] for one in order if one.startswith("-")}
    listed = [one for one in order if strategies.knows(one)]
    names = (*listed, *(one for one in strategies if one not in listed))
    return [
        {
            **_told(strategies.find(name), strategies.wire_name(name)),
            "offered": name not in hidden,
        }
        for name in names
    ]


def unknown(strategies: Strategies, order: Sequence[str]) -> list[str]:
    """Return the names in an order that are those of no strategy."""
    return [one for one in order if not strategies.knows(one.removeprefix("-"))]


def _told(strategy: Strategy, wire_name: str) -> dict[str, Any]:
    """Return what a page needs of a strategy, the actions of its forms as clients name them."""
    seen = strategy.to_json()
    each = seen["each"] or {}
    named = (one for one in each.values() if isinstance(one, dict))
    for one in (*seen["forms"], *named):
        one["controller"] = f"{wire_name}/{one['controller']}"
    return seen


def _faults_of_each(each: Each, actions: Mapping[str, Action]) -> Iterator[str]:
    """Yield why actions can not list credentials, or give one of them up."""
    one = {"strategy", "force", *(field.name for field in described(each.named_by))}
    nothing: set[str] = set()
    wanted = (
        *((each.mine, nothing), (each.give_up, one)),
        *((each.theirs, OF_USER), (each.take, one | OF_USER)),
    )
    for name, given in wanted:
        action = actions.get(name)
        if action is None:
            yield NO_ACTION.format(name)
            continue
        if lacking := sorted(given - {taken.name for taken in action.arguments}):
            yield f"{name} takes no {lacking[0]!r}"
        needed = {taken.name for taken in action.arguments if taken.required}
        if further := sorted(needed - given):
            yield f"{name} wants {further[0]!r}"
        if name in (each.mine, each.give_up) and not action.signed_in:
            yield f"{name} is for everybody"


def _fault(form: Form, action: Action) -> str | None:
    """Say why an action can not be run by who has filled a form in, or None."""
    if action.signed_in and not form.signed_in:
        return f"{form.action} is for who has signed in"
    if form.signed_in and not action.signed_in:
        return f"{form.action} is for everybody"
    if action.body is None or any(one.required for one in action.arguments):
        return f"{form.action} takes more than a body, or none"
    members = {one.name: one for one in action.body.members}
    if not members:
        return None
    filled = {one.name for one in described(form.fields)}
    sent = filled | {one for one in (form.code, form.value) if one}
    if unknown := sorted(sent - members.keys()):
        return f"the body of {form.action} has no {unknown[0]!r}"
    missing = [name for name, one in members.items() if one.required and name not in sent]
    return f"the body of {form.action} lacks {missing[0]!r}" if missing else None
