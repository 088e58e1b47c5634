"""What keeps something from being done: the server refuses it, or what was typed cannot be used."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

from ostiary.errors import OstiaryError
from ostiary.pages.languages import mark

OK = 200

WITHHELD = mark("You do not have the right to see this page.")


class Refused(Exception):
    """The server has refused what a page has asked for.

    :ivar id: of the error, such as ``security.rights.forbidden``.
    :ivar props: what fills the message.
    :ivar error: the whole, as clients get it.
    """

    def __init__(self, status: int, error: Mapping[str, Any], headers: Mapping[str, str]) -> None:
        super().__init__(error.get("id"))
        self.status, self.error, self.headers = status, error, headers
        self.id = str(error.get("id") or "")
        self.message = str(error.get("message") or "")
        self.props: tuple[Any, ...] = tuple(error.get("props") or ())

    @classmethod
    def of(cls, error: OstiaryError) -> Self:
        """Return an error of our own as one that the server has answered with."""
        return cls(error.status, error.to_json(), {})


class Mistaken(Exception):
    """What stands in a form cannot be sent, or not be read.

    :ivar text: why, in English, marked for translation; ``values`` fill it.
    :ivar field: where it stands; None where that is no matter.
    """

    status = 422

    def __init__(self, text: str, *values: object, field: str | None = None) -> None:
        super().__init__(text)
        self.text, self.values, self.field = text, values, field


Problem = Refused | Mistaken


def status_of(problem: Problem | None) -> int:
    """Return what a page is answered with: that of what has gone wrong, if anything has."""
    return OK if problem is None else problem.status
