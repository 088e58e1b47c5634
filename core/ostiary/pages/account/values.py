"""Values in forms: JSON as a text, as a list of lines, or as it is written."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any, Literal

from msgspec import Struct

from ostiary import errors
from ostiary.body import decode
from ostiary.pages.fields import Fields
from ostiary.pages.languages import mark
from ostiary.pages.problems import Mistaken

Kind = Literal["text", "lines", "json"]
KINDS: tuple[Kind, ...] = ("text", "lines", "json")

NO_JSON = mark('This is not JSON. A text stands between quotation marks: "blue".')


class Written(Struct, frozen=True):
    """A value in a form.

    :ivar field: the name of the field, which tells how it is to be read: ``json.colours``.
    :ivar text: what stands in it.
    """

    name: str
    kind: Kind
    text: str

    @property
    def field(self) -> str:
        """The name of the field."""
        return f"{self.kind}.{self.name}"

    @property
    def long(self) -> bool:
        """Whether it has no room in one line."""
        return self.kind != "text" or "\n" in self.text


def write(name: str, value: Any) -> Written:
    """Return a value as it stands in a form: texts, and lists of them, as they are."""
    if isinstance(value, str):
        return Written(name, "text", value)
    if isinstance(value, list) and value and all(_line(one) for one in value):
        return Written(name, "lines", "\n".join(value))
    return Written(name, "json", json.dumps(value, ensure_ascii=False, indent=2))


def read_all(form: Fields) -> Iterator[Written]:
    """Yield the values in a form as they were typed."""
    for field in form:
        kind, dot, name = field.partition(".")
        for one in KINDS:
            if dot and kind == one:
                # Browsers end lines as HTTP does.
                yield Written(name, one, form.text(field).replace("\r\n", "\n"))


def read(written: Written) -> Any:
    """Return the value that was typed.

    :raises Mistaken: it is no JSON, or none that the API would take.
    """
    if written.kind == "text":
        return written.text
    if written.kind == "lines":
        return [line.strip() for line in written.text.split("\n") if line.strip()]
    try:
        return decode(written.text)
    except ValueError:
        raise Mistaken(NO_JSON, field=written.field) from None
    except errors.OstiaryError as error:
        raise Mistaken(str(error), field=written.field) from None


def changed(form: Fields, before: Mapping[str, Any]) -> dict[str, Any]:
    """Return what was changed in a form that showed some values; raises what ``read`` does."""
    found = {}
    for written in read_all(form):
        known = written.name in before
        if known and write(written.name, before[written.name]) == written:
            continue
        value = read(written)
        if not known or value != before[written.name]:
            found[written.name] = value
    return found


def _line(value: Any) -> bool:
    return isinstance(value, str) and value == value.strip() != "" and "\n" not in value
