"""Declaring an action of the API, and binding a request to its parameters.

Everything that others need to know of an action (routes, documentation,
OpenAPI, rights) is read from its function here, once, when it is declared.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, NotRequired, get_args, get_origin, get_type_hints, is_typeddict

from msgspec import Struct
from msgspec.structs import force_setattr

from ostiary import errors
from ostiary.arguments import WIRE_TYPES, WireType
from ostiary.request import Request

Function = Callable[..., Awaitable[Any]]
GIVEN = ("services", "request", "store", "directory", "call", "strategies")
"""What a function is given when it asks; the first two within the core, the others to plugins."""

PLACEHOLDER = re.compile(r"\{(\w+)\}")
ABSENT: Any = object()


class WrongDeclaration(TypeError):
    """A function cannot be an action; the message says which and why."""


class Route(Struct, frozen=True):
    """An HTTP method and a path in which ``{name}`` is an argument.

    :param deprecated: the version since when another route is to be used, or None.
    """

    verb: str
    path: str
    deprecated: str | None = None

    @property
    def names(self) -> list[str]:
        """The arguments in the path."""
        return PLACEHOLDER.findall(self.path)

    @property
    def kuzzle_path(self) -> str:
        """The path as ``server:publicApi`` writes it: ``/users/:_id``."""
        return PLACEHOLDER.sub(r":\1", self.path)


def _verb(verb: str) -> Callable[..., Route]:
    def route(path: str, *, deprecated: str | None = None) -> Route:
        return Route(verb, path, deprecated)

    route.__doc__ = f"Return a route for {verb}."
    return route


GET, POST, PUT, DELETE = map(_verb, ("GET", "POST", "PUT", "DELETE"))


class Argument(Struct, frozen=True):
    """One argument: the parameter that takes it, its name and type on the wire."""

    parameter: str
    name: str
    path: str
    wire: WireType
    default: Any
    doc: str

    @property
    def required(self) -> bool:
        """A request without it is refused."""
        return self.default is ABSENT

    @property
    def errors(self) -> frozenset[str]:
        """The ids of the errors that reading it can end with."""
        found = {errors.MissingArgument.id} if self.required else set()
        return frozenset(found | {error.id for error in self.wire.raises})

    def read(self, values: Mapping[str, Any], http: bool) -> Any:
        """Return the value for the parameter."""
        value = values.get(self.name, ABSENT)
        wire = self.wire
        if value is ABSENT or value in wire.blank or (not value and self.name == "_id"):
            if self.default is ABSENT:
                raise errors.MissingArgument(self.path)
            return self.default
        return wire.read(self.path, value, http)


class Body(Struct, frozen=True):
    """What an action wants of the body: an object, perhaps with members of known types."""

    required: bool
    members: tuple[Argument, ...] = ()

    def read(self, body: Any) -> dict[str, Any] | None:
        """Return the body as an object; a list has no members."""
        if body is None:
            if self.required:
                raise errors.BodyRequired
            return None
        fields: dict[str, Any] = body if isinstance(body, dict) else {}
        for member in self.members:
            if member.required or member.name in fields:
                member.read(fields, http=False)
        return fields


class Action(Struct, frozen=True, eq=False):
    """An action of the API.

    :param signed_in: anonymous users are refused, whatever their rights.
    :param strict: a body in which one key stands twice is refused.
    :param raises: the errors of its own, beside those that every action can answer with.
    :param ignored: arguments that clients of Kuzzle send, and that nothing depends on here.
    :param raw: the content types of an answer that comes over HTTP without an envelope.
    :param redirects: the answer may send the client elsewhere.
    :param noted: the audit log tells of it, although its name says that it only reads.
    :ivar required: a request without any arguments is refused.
    """

    controller: str
    name: str
    function: Function
    routes: tuple[Route, ...]
    arguments: tuple[Argument, ...]
    body: Body | None
    given: tuple[str, ...]
    signed_in: bool = False
    strict: bool = False
    raises: tuple[type[errors.OstiaryError], ...] = ()
    ignored: tuple[str, ...] = ()
    raw: tuple[str, ...] = ()
    redirects: bool = False
    noted: bool = False
    required: bool = False

    def __post_init__(self) -> None:
        required = any(argument.required for argument in self.arguments)
        force_setattr(self, "required", required)

    @property
    def errors(self) -> frozenset[str]:
        """The ids of the errors it can answer with, beside those of every request."""
        found = {error.id for error in self.raises}
        if self.signed_in:
            found.add(errors.AuthenticationRequired.id)
        if self.body is not None and self.body.required:
            found.add(errors.BodyRequired.id)
        members = () if self.body is None else self.body.members
        for argument in (*self.arguments, *members):
            found |= argument.errors
        return frozenset(found)

    @property
    def summary(self) -> str:
        """The first sentence of the documentation."""
        return self.description.partition("\n")[0]

    @property
    def description(self) -> str:
        """The documentation, whole."""
        return inspect.getdoc(self.function) or ""

    def run(self, request: Request, given: Mapping[str, Any]) -> Awaitable[Any]:
        """Call the function with what it asks for, read from the request."""
        values: dict[str, Any] = {}
        for name in self.given:
            values[name] = request if name == "request" else given[name]
        if request.args or self.required:
            http = request.connection.protocol == "http"
            for argument in self.arguments:
                values[argument.parameter] = argument.read(request.args, http)
        # Whatever is not given has its default: that of the parameter.
        if self.body is not None:
            values["body"] = self.body.read(request.body)
        return self.function(**values)


@dataclass
class Controller:
    """Actions under one name; several modules may declare on the same name."""

    name: str
    actions: list[Action] = field(default_factory=list)

    def action(
        self,
        *routes: Route,
        signed_in: bool = False,
        strict: bool = False,
        raises: Iterable[type[errors.OstiaryError]] = (),
        ignored: Iterable[str] = (),
        raw: Iterable[str] = (),
        redirects: bool = False,
        noted: bool = False,
    ) -> Callable[[Function], Function]:
        """Declare the decorated function as an action; ``Action`` has the parameters."""

        def declare(function: Function) -> Function:
            arguments, body, given = _signature(function)
            self.actions.append(
                Action(
                    controller=self.name,
                    name=camel_case(function.__name__),
                    function=function,
                    routes=routes,
                    arguments=arguments,
                    body=body,
                    given=given,
                    signed_in=signed_in,
                    strict=strict,
                    raises=tuple(raises),
                    ignored=tuple(ignored),
                    raw=tuple(raw),
                    redirects=redirects,
                    noted=noted,
                )
            )
            return function

        return declare


class Registry:
    """All actions, by controller and name."""

    def __init__(self, controllers: Iterable[Controller]) -> None:
        self._controllers: dict[str, dict[str, Action]] = {}
        for controller in controllers:
            actions = self._controllers.setdefault(controller.name, {})
            for action in controller.actions:
                if action.name in actions:
                    raise ValueError(f"action {action.controller}:{action.name} is declared twice")
                actions[action.name] = action

    def __iter__(self) -> Iterator[Action]:
        for actions in self._controllers.values():
            yield from actions.values()

    def find(self, controller: str, name: str) -> Action:
        """Return an action.

        :raises errors.ControllerNotFound: no such controller.
        :raises errors.ActionNotFound: it has no such action.
        """
        actions = self._controllers.get(controller)
        if actions is None:
            raise errors.ControllerNotFound(controller)
        action = actions.get(name)
        if action is None:
            raise errors.ActionNotFound(controller, name)
        return action

    def public_api(self) -> dict[str, Any]:
        """Return the routes as clients of Kuzzle read them."""
        return {
            controller: {
                action.name: {
                    "action": action.name,
                    "controller": controller,
                    "http": [
                        {"verb": route.verb, "path": route.kuzzle_path, "url": route.kuzzle_path}
                        for route in action.routes
                    ],
                }
                for action in actions.values()
            }
            for controller, actions in self._controllers.items()
        }


def camel_case(name: str) -> str:
    """Return the name on the wire: ``get_user`` is ``getUser``, the keyword ``global_`` ``global``."""
    if name.startswith("_"):
        return name
    first, *rest = name.split("_")
    return first + "".join(word.capitalize() for word in rest)


def _signature(
    function: Function,
) -> tuple[tuple[Argument, ...], Body | None, tuple[str, ...]]:
    hints = get_type_hints(function, include_extras=True)
    arguments, given, body = [], [], None
    for name, parameter in inspect.signature(function).parameters.items():
        default = ABSENT if parameter.default is parameter.empty else parameter.default
        if name in GIVEN:
            given.append(name)
        elif name not in hints or parameter.kind is parameter.VAR_KEYWORD:
            raise WrongDeclaration(
                f"{function.__name__}: parameter {name!r} has no type of its own"
            )
        elif name == "body":
            body = _body(hints[name], required=default is ABSENT)
        else:
            arguments.append(_argument(name, hints[name], default))
    return tuple(arguments), body, tuple(given)


def _argument(parameter: str, hint: Any, default: Any, within: str = "") -> Argument:
    # Members of a body are written as they are called on the wire.
    name = parameter if within else "_id" if parameter == "id" else camel_case(parameter)
    wire, doc = _wire_type(hint)
    return Argument(parameter, name, within + name, wire, default, doc)


def _body(hint: Any, *, required: bool) -> Body:
    kind, _doc = _unwrapped(hint)
    if not is_typeddict(kind):
        return Body(required)
    hints = get_type_hints(kind, include_extras=True)
    members = (
        # Where annotations are texts, __required_keys__ does not see NotRequired.
        _argument(name, hint, None if get_origin(hint) is NotRequired else ABSENT, "body.")
        for name, hint in hints.items()
    )
    return Body(required, tuple(members))


def _wire_type(hint: Any) -> tuple[WireType, str]:
    kind, doc = _unwrapped(hint)
    wire = WIRE_TYPES.get(get_origin(kind) or kind)
    if wire is None:
        raise WrongDeclaration(f"nothing on the wire can be of the type {kind!r}")
    return wire, doc


def _unwrapped(hint: Any) -> tuple[Any, str]:
    """Take ``Annotated``, ``NotRequired`` and ``| None`` off a type; keep the documentation."""
    doc = ""
    while True:
        kinds = [kind for kind in get_args(hint) if kind is not type(None)]
        if get_origin(hint) is Annotated:
            hint, doc = kinds[0], kinds[1]
        elif get_origin(hint) in WIRE_TYPES or len(kinds) != 1:
            return hint, doc
        else:
            hint = kinds[0]
