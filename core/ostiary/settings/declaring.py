"""What a dataclass says of its settings: key, type, documentation, and what may be shown."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import MISSING, Field, dataclass, field, fields, is_dataclass
from functools import cache
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

Mask = Callable[[Any], Any]


@dataclass(frozen=True, slots=True)
class Kind:
    """A way to read a value that its type alone does not tell.

    :param read: raises ValueError when the value is wrong.
    :param wanted: what a right value is, as the end of "wanted: …".
    """

    read: Callable[[Any], Any]
    wanted: str


@dataclass(frozen=True, slots=True)
class Unit:
    """What a number counts.

    :param symbol: milliseconds, bytes, or 1024 bytes each.
    """

    symbol: Literal["ms", "B", "KiB"]


@dataclass(frozen=True, slots=True)
class Declared:
    """A setting, as its dataclass declares it.

    :param type: without ``None`` and annotations.
    :param optional: ``None`` is a value.
    :param notes: what stands beside the type in ``Annotated``.
    :param default: ``MISSING`` if it must be given.
    :param base: what stands for the keys that a table leaves out, if it is a table.
    :param alias: another key that means the same.
    :param variable: the environment variable that gives it, if its name is not the usual one.
    :param private: only that variable may give it: it stands in no file and on no command line.
    :param masked: makes what may be shown of a value; None if all may be.
    :param confidential: it is shown to who has a shell on the machine, and not to others.
    """

    name: str
    key: str
    type: Any
    optional: bool
    notes: tuple[Any, ...]
    default: Any
    base: Any = None
    alias: str | None = None
    variable: str | None = None
    private: bool = False
    masked: Mask | None = None
    confidential: bool = False

    @property
    def doc(self) -> str:
        """What the setting does."""
        return next((note for note in self.notes if isinstance(note, str)), "")

    @property
    def kind(self) -> Kind | None:
        """How it is read, when not by its type alone."""
        return next((note for note in self.notes if isinstance(note, Kind)), None)

    @property
    def unit(self) -> str | None:
        """What its number counts, as a symbol; None if it is none, or counts things."""
        return next((note.symbol for note in self.notes if isinstance(note, Unit)), None)

    @property
    def section(self) -> bool:
        """It is a table of other settings."""
        return is_dataclass(self.type)


def setting(
    default: Any = MISSING,
    *,
    key: str | None = None,
    alias: str | None = None,
    variable: str | None = None,
    private: bool = False,
    masked: Mask | None = None,
    confidential: bool = False,
) -> Any:
    """Declare a field of settings of which there is more to say; see ``Declared``."""
    told = {
        "alias": alias,
        "variable": variable,
        "private": private,
        "masked": masked,
        "confidential": confidential,
    }
    return field(default=default, repr=masked is None, metadata={"key": key, "told": told})


def declarations(owner: Any) -> tuple[Declared, ...]:
    """Return the settings of a dataclass; fields with ``{"setting": False}`` are none."""
    return _declarations(owner)


def camel_case(name: str) -> str:
    """Return the key of a field: ``min_length`` is ``minLength``."""
    first, *rest = name.split("_")
    return first + "".join(word.capitalize() for word in rest)


@cache
def _declarations(owner: Any) -> tuple[Declared, ...]:
    hints = get_type_hints(owner, include_extras=True)
    return tuple(
        _declared(one, hints[one.name])
        for one in fields(owner)
        if one.init and one.metadata.get("setting", True)
    )


def _declared(one: Field[Any], hint: Any) -> Declared:
    hint, notes = _bare(hint)
    optional = get_origin(hint) in (Union, UnionType) and NoneType in get_args(hint)
    if optional:
        hint = Union[tuple(kind for kind in get_args(hint) if kind is not NoneType)]  # noqa: UP007
        # ``Annotated[Folder | None, "…"]``: what stands beside the inner type counts, too.
        hint, inner = _bare(hint)
        notes += inner
    return Declared(
        name=one.name,
        key=one.metadata.get("key") or camel_case(one.name),
        type=hint,
        optional=optional,
        notes=notes,
        default=one.default if one.default_factory is MISSING else one.default_factory(),
        base=one.default if is_dataclass(one.default) else None,
        **one.metadata.get("told", {}),
    )


def _bare(hint: Any) -> tuple[Any, tuple[Any, ...]]:
    """Return a type, and what stands beside it in ``Annotated``."""
    if get_origin(hint) is not Annotated:
        return hint, ()
    kind, *notes = get_args(hint)
    return kind, tuple(notes)
