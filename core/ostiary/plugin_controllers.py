"""The actions that a plugin adds to the API: checked, named on the wire, and run with care."""

from __future__ import annotations

import inspect
import logging
import re
from collections.abc import Awaitable, Callable, Iterable, Mapping
from functools import partial, wraps
from typing import TYPE_CHECKING, Any

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from ostiary import errors
from ostiary.actions import PLACEHOLDER, Action, Controller, Route
from ostiary.directory import Directory
from ostiary.log import origin
from ostiary.narrowing import call_for
from ostiary.plugins import Plugin, PluginError
from ostiary.request import Reply, Request
from ostiary.routes import VERBS
from ostiary.storage import OwnStore

if TYPE_CHECKING:
    from ostiary.services import Services

logger = logging.getLogger(__name__)

CONTROLLER_NAME = re.compile(r"[a-z][A-Za-z0-9_-]{0,62}")
ACTION_NAME = re.compile(r"[a-z][A-Za-z0-9]{0,62}")
PATH = re.compile(r"(/(?!\.{1,2}(/|$))([A-Za-z0-9._~-]+|\{\w+\}))+")
WITHHELD = ("services", "request")

STATUSES = range(200, 600)
HEADER = re.compile(r"[\t -~]*")
"""Names and values of headers (RFC 9110, 5.5)."""

ENCODER = msgspec.json.Encoder()


class PluginSide(Struct, frozen=True):
    """What the actions of one plugin are given: its store if it has one, and its directory."""

    store: OwnStore | None
    directory: Directory


def named_on_the_wire(plugin: Plugin, declared: Iterable[Any]) -> tuple[Controller, ...]:
    """Return the controllers of a plugin as the API has them.

    :raises PluginError: one of them cannot be; says which action and why.
    """
    controllers: dict[str, Controller] = {}
    for controller in declared:
        if not isinstance(controller, Controller):
            raise PluginError(
                f"plugin {plugin.name}: ostiary_controllers gave {controller!r}, no Controller"
            )
        if not CONTROLLER_NAME.fullmatch(controller.name):
            raise PluginError(f"plugin {plugin.name}: {controller.name!r} cannot name a controller")
        name = f"{plugin.wire_name}/{controller.name}"
        known = controllers.setdefault(name, Controller(name))
        for action in controller.actions:
            _check(plugin, action, known)
            known.actions.append(_bound(plugin, action, name))
    return tuple(controllers.values())


def check_names(plugins: Iterable[Plugin], native: Iterable[str]) -> None:
    """Refuse plugins that take the same names or routes, or those of the core's controllers.

    :raises PluginError: says which plugins, and what they both take.
    """
    taken = dict.fromkeys(native, "the server itself")
    routes: dict[tuple[str, str], str] = {}
    for plugin in plugins:
        owner = f"plugin {plugin.name}"
        if plugin.wire_name in taken:
            raise PluginError(
                f"{owner} and {taken[plugin.wire_name]} are both called "
                f"{plugin.wire_name!r} on the wire"
            )
        taken[plugin.wire_name] = owner
        for route in _routes_of(plugin):
            place = route.verb, PLACEHOLDER.sub("{}", route.path)
            if place in routes:
                raise PluginError(
                    f"{owner} and {routes[place]} both declare the route {route.verb} {route.path}"
                )
            routes[place] = owner


def _routes_of(plugin: Plugin) -> Iterable[Route]:
    for controller in plugin.controllers:
        for action in controller.actions:
            yield from action.routes


def _check(plugin: Plugin, action: Action, known: Controller) -> None:
    """Refuse an action that could not be run, or would be given what no plugin is."""
    fault = None
    if not inspect.iscoroutinefunction(action.function):
        fault = "must be declared with async def"
    elif not ACTION_NAME.fullmatch(action.name):
        fault = "has a name that no action can have"
    elif any(action.name == other.name for other in known.actions):
        fault = "is declared twice"
    elif withheld := [name for name in action.given if name in WITHHELD]:
        fault = f"asks for {withheld[0]!r}, which no plugin is given; ask for `call` or `directory`"
    elif "store" in action.given and plugin.storage is None:
        fault = "asks for a store, and the plugin declares none with ostiary_storage"
    else:
        fault = _fault_of_routes(action)
    if fault is not None:
        raise PluginError(f"plugin {plugin.name}: action {known.name}:{action.name} {fault}")


def _fault_of_routes(action: Action) -> str | None:
    names = {argument.name for argument in action.arguments}
    for route in action.routes:
        if route.verb not in VERBS:
            return f"has a route with the verb {route.verb!r}"
        if not PATH.fullmatch(route.path):
            return f"has the path {route.path!r}; a path is written /like/{{this}}"
        if missing := [name for name in route.names if name not in names]:
            return f"has the path {route.path!r}, and no argument {missing[0]!r}"
    return None


def _bound(plugin: Plugin, action: Action, controller: str) -> Action:
    """Return an action as it is registered: under its long name, at both routes, run with care."""
    return replace(
        action,
        controller=controller,
        routes=tuple(twin for route in action.routes for twin in _twins(plugin, route)),
        given=("services", "request"),
        function=_careful(plugin.name, action),
    )


def _twins(plugin: Plugin, route: Route) -> tuple[Route, Route]:
    """Return both routes that Kuzzle makes of one (contract, 2.2)."""
    prefixes = f"/_plugin/{plugin.wire_name}", "/_"
    old, new = (replace(route, path=prefix + route.path) for prefix in prefixes)
    return old, new


def _careful(plugin: str, action: Action) -> Callable[..., Awaitable[Any]]:
    """Return the function of an action, given what it asks for of its plugin's own."""

    @wraps(action.function)
    async def run(services: Services, request: Request, **values: Any) -> Any:
        strategies, name = services.strategies, f"{request.controller}:{request.action}"
        await strategies.settle()
        values |= _given(plugin, action.given, services, request)
        return await strategies.calls.call(
            f"plugin {plugin}",
            name,
            partial(action.function, **values),
            partial(_sendable, name),
            action.raises,
        )

    return run


def _given(
    plugin: str, wanted: Iterable[str], services: Services, request: Request
) -> Mapping[str, Any]:
    side, strategies = services.plugin_sides[plugin], services.strategies.of(plugin)
    given = {
        "store": side.store,
        "directory": side.directory,
        "strategies": strategies,
        "call": call_for(request, strategies.values()),
    }
    return {name: given[name] for name in wanted}


def _sendable(name: str, value: Any) -> Any:
    """Return what an action returned, if it can be sent.

    :raises errors.Unserializable: it cannot.
    """
    try:
        if isinstance(value, Reply):
            _check_reply(value)
        ENCODER.encode(value.value if isinstance(value, Reply) else value)
    except Exception as error:  # noqa: BLE001 - what a plugin returned may do anything
        logger.error("action %s returned what cannot be sent: %s", name, origin(error))  # noqa: TRY400
        raise errors.Unserializable from None
    return value


def _check_reply(reply: Reply) -> None:
    """Refuse what would break an answer in two, or the server that writes it."""
    texts = [*reply.headers.keys(), *reply.headers.values(), *reply.cookies]
    if reply.status not in STATUSES or not all(map(HEADER.fullmatch, texts)):
        raise ValueError("a status or a header that HTTP does not have")
