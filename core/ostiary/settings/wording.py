"""What a setting has to be, in words: for the reference pages, and for people who look at a server."""

from __future__ import annotations

from types import UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from msgspec import Meta

from ostiary.settings.declaring import Declared, Kind

WORDS = {str: "text", int: "whole number", bool: "true or false", Any: "text or table"}


def wanted(declared: Declared) -> str:
    """Say what a value of a setting has to be; in Markdown, as its documentation."""
    return _type(declared.type, declared.notes)


def _type(kind: Any, notes: tuple[Any, ...]) -> str:
    for note in notes:
        if isinstance(note, Kind):
            return note.wanted
    if get_origin(kind) is not None:
        return _composed(get_origin(kind), get_args(kind))
    return WORDS.get(kind, "a table") + "".join(
        _bounds(note) for note in notes if isinstance(note, Meta)
    )


def _composed(origin: Any, inner: tuple[Any, ...]) -> str:
    """Say what a value of a type has to be that is made of others."""
    if origin is Annotated:
        return _type(inner[0], inner[1:])
    if origin is Literal:
        return " or ".join(f"`{choice}`" for choice in inner)
    if origin is tuple:
        return f"a list; each entry: {_type(inner[0], ())}"
    if origin in (Union, UnionType):
        return " or ".join(_type(one, ()) for one in inner)
    return f"a table; each value: {_type(inner[-1], ())}"


def _bounds(meta: Meta) -> str:
    said = (
        (meta.ge, "at least {}"),
        (meta.le, "at most {}"),
        (meta.min_length, "at least {} long"),
    )
    return "".join(f", {words.format(bound)}" for bound, words in said if bound is not None)
