"""Reading a table of settings into a frozen dataclass: one way, for the core and for plugins."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import MISSING, is_dataclass, replace
from typing import Annotated, Any, Literal, TypeVar, get_args, get_origin

import msgspec

from ostiary.settings.declaring import Declared, declarations
from ostiary.settings.table import Origin, Place, Table

T = TypeVar("T")

GIVEN_BY_THE_CORE = ("dev", "pagesUrl")
"""The keys that the core itself adds to the table of every plugin."""


def read_settings(table: Mapping[str, Any], into: type[T], *, where: str | None = None) -> T:
    """Read a table of settings into a frozen dataclass.

    ``minLength`` in the table is the field ``min_length``; a field may name its
    key itself, in its metadata: ``{"key": "maxTTL"}``. A field may be a dataclass,
    or a list, tuple or mapping of dataclasses. A ValueError of ``__post_init__``
    becomes a SettingsError; if its text begins with a key of the table and a colon,
    given or missing, or with the dotted path of one that is below it, the error names that
    key in full, and says where it was given. ``dev`` and ``pagesUrl``, which the core adds, are
    left out where the dataclass has no such field.

    :param where: what messages put before a key; by default the table's own name.
    :raises SettingsError: a key or a value is wrong, or one is missing.
    """
    owned = table if isinstance(table, Table) else Table(table)
    place = Place(owned.name if where is None else where)
    known = {declared.key for declared in declarations(into)}
    for key in GIVEN_BY_THE_CORE:
        if key not in known:
            owned = owned.without(key)
    return read_section(owned, into, place)


def read_section(table: Any, into: type[T], place: Place, base: Any = None) -> T:
    """Read a table into a dataclass; what is left out comes from ``base``, if there is one."""
    return _built(into, _values(table, into, place), place, base, table)


def _values(table: Any, into: type, place: Place) -> dict[str, Any]:
    """Return what a table gives, by the names of the fields."""
    if not isinstance(table, Mapping):
        raise place.error("wanted: a table")
    given: dict[str, list[tuple[Declared, Place, Any]]] = {}
    for key, value in table.items():
        at = place.within(table, key)
        declared = _find(key, into, at)
        given.setdefault(declared.name, []).append((declared, at, value))
    return {
        name: _value(*ways[0]) if len(ways) == 1 else _united(*ways) for name, ways in given.items()
    }


def _find(key: str, into: type, at: Place) -> Declared:
    known = declarations(into)
    for declared in known:
        if key in (declared.key, declared.alias):
            return declared
        # The name of a variable does not tell ``maxTTL`` from ``maxTtl``.
        if at.loose and key.lower() == declared.key.lower():
            return declared
    raise at.unknown([declared.key for declared in known])


def _united(*ways: tuple[Declared, Place, Any]) -> Any:
    """Return a section that stands under both of its names, which must not differ."""
    (declared, first_at, first), (_, second_at, second) = ways
    one = _values(first, declared.type, first_at)
    other = _values(second, declared.type, second_at)
    for inner in declarations(declared.type):
        if inner.name in one and inner.name in other and one[inner.name] != other[inner.name]:
            twin = second_at.within(second, inner.key)
            at = first_at.within(first, inner.key)
            raise at.error(f"differs from {twin}, which is another name of it")
    return _built(declared.type, one | other, first_at, declared.base)


def _value(declared: Declared, at: Place, value: Any) -> Any:
    if declared.private and at.origin != Origin.of_variable(str(declared.variable)):
        raise at.error(f"only the environment variable {declared.variable} may give it")
    if value is None and declared.optional:
        return None
    if declared.section:
        return read_section(value, declared.type, at, declared.base)
    inner = _entry_type(declared.type)
    if inner is not None:
        return _sections(get_origin(declared.type), inner, at, _unpacked(value, at, declared.type))
    return _leaf(declared, at, value)


def _entry_type(kind: Any) -> Any:
    """Return the dataclass that a list, tuple or mapping is made of, or None."""
    args = [arg for arg in get_args(kind) if arg is not Ellipsis]
    last: Any = args[-1] if args and get_origin(kind) is not None else None
    return last if is_dataclass(last) else None


def _sections(kind: Any, inner: type[Any], at: Place, value: Any) -> Any:
    if kind in (list, tuple, Sequence):
        if not isinstance(value, list | tuple):
            raise at.error("wanted: a list of tables")
        entries = [read_section(entry, inner, at.at(index)) for index, entry in enumerate(value)]
        return entries if kind is list else tuple(entries)
    if not isinstance(value, Mapping):
        raise at.error("wanted: a table of tables")
    return {key: read_section(entry, inner, at.within(value, key)) for key, entry in value.items()}


def _leaf(declared: Declared, at: Place, value: Any) -> Any:
    choices = get_args(declared.type) if get_origin(declared.type) is Literal else ()
    if choices and value not in choices:
        raise at.error(f"wanted: one of {', '.join(map(repr, choices))}")
    if declared.kind is not None:
        try:
            return declared.kind.read(value)
        except ValueError:
            # The text of the exception may hold the value.
            raise at.error(f"wanted: {declared.kind.wanted}") from None
    limits = tuple(note for note in declared.notes if isinstance(note, msgspec.Meta))
    kind = Annotated[declared.type, *limits] if limits else declared.type
    try:
        return msgspec.convert(_parsed(value, at, declared.type), kind, strict=not at.loose)
    except msgspec.MsgspecError as error:
        raise at.error(str(error).replace("`", "").replace("Expected", "wanted:")) from None


def _unpacked(value: Any, at: Place, kind: Any) -> Any:
    """Return the list or table of tables that a text of the environment stands for."""
    try:
        return _parsed(value, at, kind)
    except msgspec.MsgspecError as error:
        raise at.error(f"it is not JSON: {error}") from None


def _parsed(value: Any, at: Place, kind: Any) -> Any:
    """Return the list or table that a text of the environment stands for."""
    outer = get_origin(kind) or kind
    listed = outer in (list, tuple, set, frozenset, Sequence)
    if not (at.loose and isinstance(value, str) and (listed or outer in (dict, Mapping))):
        return value
    if value.lstrip().startswith(("[", "{")):
        return msgspec.json.decode(value)
    return [entry.strip() for entry in value.split(",")] if listed else value


def _built(
    into: type[T], values: Mapping[str, Any], place: Place, base: Any, table: Any = None
) -> T:
    if base is None:
        for declared in declarations(into):
            if declared.default is MISSING and declared.name not in values:
                raise place.within({}, declared.key).error("is missing")
    try:
        return into(**values) if base is None else replace(base, **values)
    except ValueError as error:
        key, colon, text = str(error).partition(": ")
        at = _place_of(key, into, place, table) if colon else None
        raise place.error(str(error)) if at is None else at.error(text) from None


def _place_of(path: str, into: type, place: Place, table: Any) -> Place | None:
    """Return the place of a key that a dataclass names, or None if that is no key of it.

    Such a key may be missing, or stand below another: ``strategies.work.issuer``.
    """
    first, *_ = path.split(".")
    known = {declared.key for declared in declarations(into)}
    if first not in known | set(table if isinstance(table, Mapping) else ()):
        return None
    for key in path.split("."):
        table = table if isinstance(table, Mapping) else {}
        place, table = place.within(table, key), table.get(key)
    return place
