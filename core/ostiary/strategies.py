"""The words that the core and the plugins share: strategies, users, calls and verdicts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from ostiary import errors


@dataclass(frozen=True, kw_only=True)
class Strategy:
    """A way to prove who one is, declared by a plugin.

    A plugin subclasses it to carry its parsed settings, and receives the same
    object back in every hook.

    :param name: as clients write it; ``[a-z][a-z0-9_-]*``, at most 63 characters.
    :param fields: the names of the credentials' fields.
    :param identifier: the field that names an account, or None; attempts are
        counted by it, so that guesses on one account are limited even when the
        account does not exist (NIST SP 800-63B-4, 3.2.2). See ``account``.
    :param refusal: the sentence for every refused login; one sentence, so that
        it does not tell which accounts exist (OWASP ASVS 6.3.8).
    :param headers: names of the request headers that the hooks want to see.
    """

    name: str
    fields: tuple[str, ...] = ()
    identifier: str | None = None
    refusal: str = "Wrong credentials."
    headers: tuple[str, ...] = ()

    def account(self, credentials: Mapping[str, Any]) -> str | None:
        """Return by what the attempts on an account are counted; None if they name none.

        Override it where several spellings open one account: what they share is
        counted once. It is asked before ``verify``, with whatever a client sent,
        and looks nothing up: accounts that do not exist are counted alike.
        """
        value = None if self.identifier is None else credentials.get(self.identifier)
        # What is no text may be taken for one by the hook.
        return None if value is None else str(value)


@dataclass(frozen=True, kw_only=True)
class User:
    """Whom credentials belong to; may not be stored yet while they are validated."""

    kuid: str
    profile_ids: tuple[str, ...] = ()
    content: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Call:
    """What a hook may know of the request it serves.

    :param kuid: who calls; ``"-1"`` for nobody.
    :param args: the arguments that are fields of this strategy, and no others.
    :param headers: those that the strategy declared, in lower case.
    """

    kuid: str = "-1"
    controller: str = ""
    action: str = ""
    protocol: str = ""
    address: str = ""
    user_agent: str = ""
    args: Mapping[str, Any] = field(default_factory=dict, repr=False)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)


@dataclass(frozen=True, slots=True)
class Verified:
    """The credentials belong to this user."""

    kuid: str


@dataclass(frozen=True, slots=True)
class Newcomer:
    """The credentials are genuine, and nobody's yet: the core creates a user for them."""

    credentials: Mapping[str, Any] = field(repr=False)
    content: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Redirect:
    """The client has to go elsewhere first."""

    location: str


Verdict = Verified | Newcomer | Redirect


@dataclass(frozen=True, slots=True)
class FoundCredentials:
    """A page of credentials that were searched for.

    :param hits: what a client may see of each, and the ``kuid`` of its user.
    :param total: how many there are, this page and all others.
    """

    hits: Sequence[Mapping[str, Any]]
    total: int


class Directory(Protocol):
    """What a plugin may ask about users."""

    async def find(self, kuid: str) -> User | None:
        """Return a user, or None if nobody has this kuid."""


def text_field(fields: Mapping[str, Any], name: str) -> str:
    """Return a field of some credentials.

    :raises errors.MissingArgument: it is absent, null or empty.
    :raises errors.InvalidType: it is not a text.
    """
    value = fields.get(name)
    if value is None or value == "":
        raise errors.MissingArgument(name)
    if not isinstance(value, str):
        raise errors.InvalidType(name, "string")
    return value
