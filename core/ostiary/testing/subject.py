"""What is put to the test: a plugin, its settings, and credentials that its author gives."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Table

from ostiary.fields import CredentialField
from ostiary.strategies import Strategy

Credentials = dict[str, Any]
Given = Mapping[str, Any] | Callable[[int], Mapping[str, Any]]
Fill = Callable[[Table, int, Credentials], Mapping[str, Any] | None]
"""Changes a row made for a table, the n-th; None leaves the row out."""

Answer = Callable[[str, Credentials], Mapping[str, Any]]
"""Goes to the address that a login is sent to, as the user of some credentials, and returns what
comes back: fields of the next step. It is called in a thread of its own."""


MADE: Mapping[str, Any] = {
    "email": "ann@example.org",
    "tel": "+4930123456",
    "number": 4217,
    "url": "https://ann.example.org/",
    "one-time-code": "421739",
}
"""What stands in a field of a kind whose author gives nothing."""


@dataclass(frozen=True, kw_only=True)
class Subject:
    """A plugin under test.

    :param strategy: one of its strategies; None is each of them.
    :param settings: its table of the configuration.
    :param good: right credentials of the first user, or a function that gives those of the n-th.
    :param other: right credentials of a second user, where ``good`` is no function.
    :param wrong: what differs from ``good`` in a login with a wrong secret.
    :param proof: by what the first user proves once more who they are, where the strategy asks
        for it (``ostiary_reauthenticate``): members of a body.
    :param updates: what the first user's credentials are changed to; by default ``other``'s.
    :param secrets: fields that are secret, beside those that the strategy declares.
    :param not_asked: promises that mean nothing for it, and why.
    :param fill: makes rows for older revisions, see ``Fill``.
    :param answer: goes where a client is sent, see ``Answer``.
    """

    plugin: str
    strategy: str | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)
    good: Given | None = field(default=None, repr=False)
    other: Mapping[str, Any] | None = field(default=None, repr=False)
    wrong: Given | None = field(default=None, repr=False)
    proof: Mapping[str, Any] | None = field(default=None, repr=False)
    updates: Mapping[str, Any] | None = field(default=None, repr=False)
    secrets: tuple[str, ...] = ()
    not_asked: Mapping[str, str] = field(default_factory=dict)
    fill: Fill | None = None
    answer: Answer | None = None


@dataclass(frozen=True)
class Sample:
    """The credentials that one strategy is tried with.

    :ivar strategy: as the plugin declares it.
    """

    subject: Subject = field(repr=False)
    strategy: Strategy

    def good(self, n: int = 0) -> Credentials:
        """Return right credentials of the n-th user."""
        given, other = self.subject.good, self.subject.other
        if callable(given):
            return dict(given(n))
        if n == 1 and other is not None:
            return dict(other)
        first = dict(given) if given is not None else _made(self.fields)
        return {name: _varied(value, n) for name, value in first.items()}

    @property
    def wrong(self) -> Credentials | None:
        """The first user's, with a wrong secret; None if nothing of them is secret."""
        given = self.subject.wrong
        if given is not None:
            changes = given(0) if callable(given) else given
            return {**self.good(), **changes}
        if not self.secrets:
            return None
        return {**self.good(), **{name: _varied(self.good()[name], 7) for name in self.secrets}}

    @property
    def proof(self) -> Credentials:
        """By what the first user proves once more who they are; empty if the author names nothing."""
        return dict(self.subject.proof or {})

    @property
    def wrong_proof(self) -> Credentials:
        """A proof that is none, and looks like one."""
        return {name: _varied(value, 7) for name, value in self.proof.items()}

    @property
    def unknown(self) -> Credentials:
        """Those of nobody, as long as only the first user exists."""
        identifier = self.strategy.identifier
        if identifier is None:
            return self.good(1)
        return {**self.good(), identifier: self.good(1)[identifier]}

    @property
    def updates(self) -> Credentials:
        """What each field of the first user's is changed to."""
        return dict(self.subject.updates or self.good(1))

    @property
    def fields(self) -> tuple[CredentialField, ...]:
        """The fields of the strategy."""
        return tuple(
            CredentialField(one) if isinstance(one, str) else one for one in self.strategy.fields
        )

    @property
    def secrets(self) -> tuple[str, ...]:
        """The names of secret fields: declared or named so, or what makes a login wrong."""
        named = {one.name for one in self.fields if one.secret or one.kind == "password"}
        given = self.subject.wrong
        differing = dict(given(0) if callable(given) else given or {})
        good = self.good()
        named |= {name for name, value in differing.items() if good.get(name) != value}
        named |= set(self.subject.secrets)
        return tuple(sorted((named - {self.strategy.identifier}) & good.keys()))


def _made(fields: tuple[CredentialField, ...]) -> Credentials:
    """Return credentials for a strategy whose author gives none."""
    return {one.name: _value(one) for one in fields if one.registration}


def _value(field: CredentialField) -> Any:
    secret = field.secret or field.kind == "password"
    return MADE.get(field.kind, "correct horse battery staple" if secret else "ann")


def _varied(value: Any, n: int) -> Any:
    """Return the value of a field that the n-th user has: of the same kind and length."""
    if n == 0 or isinstance(value, bool):
        return value
    if isinstance(value, int):
        return value + n
    if not isinstance(value, str) or not value:
        return value
    if value.isdecimal():
        return str((int(value) + n) % 10 ** len(value)).zfill(len(value))
    # At its beginning, so that the end of an address or a URL stays.
    head, tail = (value[:8], value[8:]) if value.startswith("https://") else ("", value)
    return f"{head}{chr(ord('a') + n % 26)}{n}{tail}"
