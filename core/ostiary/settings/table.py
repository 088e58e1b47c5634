"""Tables of settings that know where each value was given, for messages that say where to look."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

Source = Literal["default", "file", "environment", "commandLine"]


class SettingsError(Exception):
    """A setting is wrong: the server does not start. The text never holds a secret."""


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a value was given.

    :param name: of the file, the environment variable or the option.
    :param loose: only texts can be given there; they are read as whatever is wanted.
    """

    source: Source
    name: str = ""
    loose: bool = False

    @property
    def place(self) -> str:
        """Where to look, in words."""
        return f"{_WORDS[self.source]}{self.name}"

    @classmethod
    def of_variable(cls, variable: str) -> Origin:
        """Return the origin of what an environment variable gives."""
        return cls("environment", variable, loose=True)


_WORDS: Mapping[Source, str] = {
    "default": "by default",
    "file": "",
    "environment": "environment variable ",
    "commandLine": "option ",
}


class Table(dict[str, Any]):
    """A table of settings that remembers its own name and the origin of each value."""

    def __init__(
        self,
        values: Mapping[str, Any] | None = None,
        *,
        name: str = "",
        origins: Mapping[str, Origin] | None = None,
    ) -> None:
        super().__init__(values or {})
        self.name = name
        self.origins = dict(origins or {})

    @classmethod
    def of(cls, values: Mapping[str, Any], origin: Origin) -> Table:
        """Return a table, and tables within it, all given in one place."""
        entries = {
            key: cls.of(value, origin) if isinstance(value, Mapping) else value
            for key, value in values.items()
        }
        return cls(entries, origins=dict.fromkeys(values, origin))

    def named(self, name: str) -> Table:
        """Return this table under a name of its own, for messages."""
        return Table(self, name=name, origins=self.origins)

    def without(self, key: str) -> Table:
        """Return this table without one of its keys."""
        rest = {known: value for known, value in self.items() if known != key}
        return Table(rest, name=self.name, origins=self.origins)

    def __or__(self, other: Mapping[str, Any]) -> Table:  # type: ignore[override]
        """Return a new table: this one's values, and over them the other's, table by table."""
        merged = self.named(self.name)
        for given, value in other.items():
            key, origin = given, other.origins.get(given) if isinstance(other, Table) else None
            if origin is not None and origin.loose:
                key = _spelled(given, self)
            below = merged.get(key)
            both = isinstance(below, Table) and isinstance(value, Mapping)
            merged[key] = below | value if both else value
            merged.origins.pop(key, None)
            if origin is not None:
                merged.origins[key] = origin
        return merged

    def __ior__(self, other: Mapping[str, Any]) -> Table:  # type: ignore[override]  # noqa: PYI034 -- it makes a new one
        """Do as ``|`` does: a dict's own way would lose origins, and change what others hold."""
        return self.__or__(other)


@dataclass(frozen=True, slots=True)
class Place:
    """Where a value stands: its dotted key, and where it was given.

    :param everything: every key there is, for mistakes about the section.
    """

    key: str
    origin: Origin | None = None
    everything: tuple[str, ...] = field(default=(), repr=False)

    @property
    def loose(self) -> bool:
        """The value is a text, whatever is wanted."""
        return self.origin is not None and self.origin.loose

    def within(self, table: Mapping[str, Any], key: str) -> Place:
        """Return the place of one value of the table that stands here."""
        origin = table.origins.get(key) if isinstance(table, Table) else None
        return Place(
            f"{self.key}.{key}".lstrip("."), origin or self.origin, everything=self.everything
        )

    def at(self, index: int) -> Place:
        """Return the place of one entry of the list that stands here."""
        return Place(f"{self.key}[{index}]", self.origin, self.everything)

    def __str__(self) -> str:
        return f"{self.key} ({self.origin.place})" if self.origin else self.key

    def error(self, text: str) -> SettingsError:
        """Return an error that says where to look."""
        return SettingsError(f"{self}: {text}" if self.key or self.origin else text)

    def unknown(self, siblings: Iterable[str]) -> SettingsError:
        """Return the error for a key that is no setting."""
        parent, _, last = self.key.rpartition(".")
        known = [f"{parent}.{key}".lstrip(".") for key in siblings]
        elsewhere = [key for key in self.everything if key.rpartition(".")[2] == last]
        return SettingsError(f"{self} is not a setting{suggestion(self.key, known, elsewhere)}")


def suggestion(wrong: str, known: Iterable[str], elsewhere: Iterable[str] = ()) -> str:
    """Return the end of a sentence that names the nearest right word, or every right one.

    :param elsewhere: right words that differ from the wrong one by their section only.
    """
    # Only mistakes need it, and it costs a start without them a few milliseconds.
    from difflib import get_close_matches

    # The last word decides: a long common prefix would make any two keys look alike.
    words = {word.rpartition(".")[2].lower(): word for word in known}
    mistaken = wrong.rpartition(".")[2].lower()
    near = get_close_matches(mistaken, words, n=1, cutoff=0.6)
    best = next(iter(elsewhere), None) or (words[near[0]] if near else None)
    if best is not None:
        return f"; did you mean {best}?"
    return f"; known here: {', '.join(sorted(words.values()))}" if words else ""


def _spelled(key: str, table: Mapping[str, Any]) -> str:
    """Return a key as the table spells it.

    The name of a variable does not tell capital letters, nor what stands between words:
    ``MY_IDP`` may be ``myIdp``, ``my_idp`` or ``my-idp``.
    """
    return next((known for known in table if _bare(known) == _bare(key)), key)


def _bare(key: str) -> str:
    return key.replace("-", "").replace("_", "").lower()
