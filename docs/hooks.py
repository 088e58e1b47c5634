"""Describes what authors of plugins implement and import: the page about hooks."""

# ruff: noqa: INP001 - a part of a program, not a module of a package

from __future__ import annotations

import dataclasses
import inspect
import re
from collections.abc import Iterator
from functools import cached_property
from itertools import groupby
from types import FunctionType, UnionType
from typing import Annotated, Any, get_args, get_origin

from msgspec import Struct

import ostiary
from ostiary import errors, hookspecs
from ostiary.events import Event, Refusal, kinds
from ostiary.hashing import Hasher
from ostiary.plugins import REQUIRED
from ostiary.sealing import Sealer
from ostiary.storage import Database
from ostiary.storage.store import Rows

REACHED = (Database, Rows, Hasher, Sealer)
"""What plugins are given and need not import."""
SECTION = re.compile(r"^# (.+)$", re.MULTILINE)
WIDTH = 100
UNTOLD = {"hookimpl", "errors", "Event", "Refusal", *kinds()}
"""What `ostiary` exports and has a page, or the beginning of one, of its own."""
FIELD = re.compile(r":(param|ivar|raises|returns) ?([\w.]*):")


def hooks_page() -> Iterator[str]:
    """Describe every hook, and what its arguments are."""
    yield "Hooks"
    yield from prose(inspect.getdoc(hookspecs) or "")
    yield "[Writing a plugin](../plugins.md) shows them at work."
    for heading, hooks in groupby(_hooks(), key=_section):
        yield f"## {heading}"
        for hook in hooks:
            yield f"### {hook.__name__}"
            yield from _hook(hook)
    yield "## What `ostiary` exports"
    yield (
        "`errors` are all those of [Errors](errors.md), and the classes to declare more: "
        f"{', '.join(f'`{one.__name__}`' for one in _kinds_of_error())}."
    )
    for name in sorted(set(ostiary.__all__) - UNTOLD, key=str.casefold):
        yield f"### {name}"
        yield from _exported(name, getattr(ostiary, name))
    yield "## What a store gives"
    for reached in REACHED:
        yield f"### {reached.__name__}"
        yield from _class(reached)


def events_page() -> Iterator[str]:
    """Describe every event that plugins hear of and the audit log keeps."""
    yield "Events"
    yield (
        "What `ostiary_event` is given ([hooks](hooks.md#ostiary_event)) and the audit log keeps "
        "([audit log](../audit.md)). `ostiary` exports every class. No secret is in any."
    )
    events: list[type[Event]] = [Event, Refusal, *kinds().values()]
    for one in events:
        yield f"## {one.__name__}"
        yield from _class(one)


def _hooks() -> list[FunctionType]:
    """Return the specified hooks in the order of the module, which is that of its sections."""
    return [one for one in vars(hookspecs).values() if hasattr(one, "ostiary_spec")]


def _section(hook: FunctionType) -> str:
    """Return the comment of the module that a hook stands under: it says when it is called."""
    above = inspect.getsource(hookspecs).splitlines()[: hook.__code__.co_firstlineno]
    found: list[str] = SECTION.findall("\n".join(above))
    return found[-1]


def _hook(hook: FunctionType) -> Iterator[str]:
    needed = hook.__name__ in REQUIRED or hook.__name__ == "ostiary_storage"
    wanted = "Required of a plugin that declares a strategy" if needed else "Optional"
    one = hook.ostiary_spec["firstresult"]  # type: ignore[attr-defined] # pluggy puts it there
    asked = "the plugin of the strategy is asked" if one else "every plugin is asked"
    yield f"{wanted}; {asked}."
    yield from _function(hook)


def _kinds_of_error() -> Iterator[type]:
    for one in vars(errors).values():
        if inspect.isclass(one) and errors.OstiaryError in one.__bases__:
            yield one


def _exported(name: str, exported: Any) -> Iterator[str]:
    # What remembers its answers is still a function.
    exported = inspect.unwrap(exported) if callable(exported) else exported
    if inspect.isclass(exported):
        yield from _class(exported, name)
    elif inspect.isfunction(exported):
        yield from _function(exported)
    else:
        yield code(f"{name} = {_shown(exported)}")


def _shown(kind: Any) -> str:
    """Write a type as one writes it in code."""
    if get_origin(kind) is UnionType:
        return " | ".join(one.__name__ for one in get_args(kind))
    if get_origin(kind) is Annotated:
        # How a setting is read is a function, whose place in memory differs each time.
        return f"Annotated[{get_args(kind)[0].__name__}, ...]  # {get_args(kind)[1].wanted}"
    written = str(kind)
    return written.replace("typing.", "").replace("'", '"').replace("collections.abc.", "")


def _function(function: FunctionType, name: str = "") -> Iterator[str]:
    signature = inspect.signature(function)
    shown = list(_parameters(signature))
    word = "async def" if inspect.iscoroutinefunction(function) else "def"
    call = _called(f"{word} {name or function.__name__}", shown)
    yield code(f"{call} -> {signature.return_annotation}")
    yield from prose(inspect.getdoc(function) or "")


def _parameters(signature: inspect.Signature) -> Iterator[str]:
    named = False
    for one in signature.parameters.values():
        if one.name == "self":
            continue
        if one.kind is one.KEYWORD_ONLY and not named:
            named = True
            yield "*"
        star = "*" if one.kind is one.VAR_POSITIONAL else ""
        default = "" if one.default is one.empty else f" = {one.default!r}"
        yield f"{star}{one.name}: {one.annotation}{default}"


def _class(described: type, name: str = "") -> Iterator[str]:
    known_as = name or described.__name__
    if dataclasses.is_dataclass(described):
        fields = [_field(one) for one in dataclasses.fields(described)]
        yield code(_called(f"class {known_as}", fields))
    elif issubclass(described, Struct):
        yield code(_called(f"class {known_as}", list(_parameters(_signature(described)))))
    yield from prose(inspect.getdoc(described) or "")
    for member_name, member in vars(described).items():
        if isinstance(member, property | cached_property) and member.__doc__:
            yield f"`{known_as}.{member_name}`: {member.__doc__.strip().replace('``', '`')}"
        if isinstance(member, FunctionType) and member_name[0] != "_" and member.__doc__:
            yield from _function(member, f"{known_as}.{member_name}")


def _signature(struct: type[Struct]) -> inspect.Signature:
    """Return how it is made, with the types as they are written."""
    written: dict[str, str] = {}
    for one in reversed(struct.__mro__):
        written |= inspect.get_annotations(one)
    signature = inspect.signature(struct)
    return signature.replace(
        parameters=[
            one.replace(annotation=written[one.name]) for one in signature.parameters.values()
        ]
    )


def _field(one: dataclasses.Field[Any]) -> str:
    if one.default_factory is not dataclasses.MISSING:
        return f"{one.name}: {one.type} = {one.default_factory()!r}"
    default = "" if one.default is dataclasses.MISSING else f" = {one.default!r}"
    if callable(one.default):
        # Where it lies in memory is nobody's business, and differs each time.
        default = " = ..."
    return f"{one.name}: {one.type}{default}"


def _called(name: str, parameters: list[str]) -> str:
    line = f"{name}({', '.join(parameters)})"
    if len(line) <= WIDTH:
        return line
    return "\n".join([f"{name}(", *(f"    {parameter}," for parameter in parameters), ")"])


def code(text: str) -> str:
    """Return a block of Python."""
    return f"```python\n{text}\n```"


def prose(documentation: str) -> Iterator[str]:
    """Turn a docstring into blocks of Markdown; its fields and definitions become lists."""
    for paragraph in documentation.replace("``", "`").split("\n\n"):
        lines: list[str] = []
        for line in paragraph.splitlines():
            field, indented = FIELD.match(line), line.startswith("    ")
            if field:
                lines.append(f"* {_clause(*field.groups())}:{line[field.end() :]}")
            elif indented and lines and not lines[-1].startswith(("* ", "  ")):
                lines[-1] = f"* {lines[-1]}: {line.strip()}"
            else:
                lines.append(f"  {line.strip()}" if indented else line)
        yield "\n".join(lines)


def _clause(kind: str, name: str) -> str:
    if kind in ("param", "ivar"):
        return f"`{name}`"
    return f"raises `{name}`" if name else kind
