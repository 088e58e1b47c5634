"""One table of the setting ``passwordPolicies``: whom it binds, and to what."""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Annotated, Any

from ostiary import Lifetime, User

if TYPE_CHECKING:
    from ostiary_local.expressions import Expression

EVERYBODY = "*"
ENDLESS = -1

MOST_REUSED = 24
"""Passwords that a new one is compared with at most: each costs as much as a login."""

LISTS = ("users", "profiles", "roles")
WHOM = f'wanted: "{EVERYBODY}", or a table with some of the lists {", ".join(LISTS)}'


@dataclass(frozen=True, slots=True)
class Bound:
    """Whom a policy binds: whoever stands in one of the lists; everybody, without any."""

    users: AbstractSet[str] = frozenset()
    profiles: AbstractSet[str] = frozenset()
    roles: AbstractSet[str] = frozenset()
    everybody: bool = False

    def holds(self, user: User, roles: AbstractSet[str]) -> bool:
        """Tell whether a user is among them.

        :param roles: those of the user's profiles.
        """
        return (
            self.everybody
            or user.kuid in self.users
            or not self.profiles.isdisjoint(user.profile_ids)
            or not self.roles.isdisjoint(roles)
        )


@dataclass(frozen=True, kw_only=True)
class PasswordPolicy:
    """One table of ``passwordPolicies``; contract/strategies.md, section 10."""

    applies_to: Annotated[
        Any,
        "Whom it binds: `*` is everybody; a table holds lists of `users` (kuids), `profiles` and"
        " `roles`, and whoever stands in one of them is bound.",
    ]
    password_regex: Annotated[
        str | None, "What a new password has to match: an expression of JavaScript, or `/…/flags`."
    ] = None
    hint: Annotated[
        str | None, "What users are told whose password does not match: a sentence, as it is."
    ] = None
    forbid_login_in_password: Annotated[
        bool, "A new password must not contain a name of its user."
    ] = False
    forbid_reused_password_count: Annotated[
        int,
        "How many of the last passwords are not set again, the present one among them; at most 24.",
    ] = 0
    expires_after: Annotated[Lifetime, "How long a password opens anything."] = ENDLESS
    must_change_password_if_set_by_admin: Annotated[
        bool, "A password that somebody else has set opens nothing until it is changed."
    ] = False

    def __post_init__(self) -> None:
        if not 0 <= self.forbid_reused_password_count <= MOST_REUSED:
            raise ValueError(f"forbidReusedPasswordCount: wanted: from 0 to {MOST_REUSED}")
        # Read now, so that what is wrong stops the start.
        _ = self.bound, self.expression

    @property
    def lifetime(self) -> int | None:
        """How long a password is good for, in ms; None is without end."""
        return None if self.expires_after == ENDLESS else self.expires_after

    @cached_property
    def bound(self) -> Bound:
        """Whom it binds.

        :raises ValueError: ``appliesTo`` tells nobody.
        """
        if self.applies_to == EVERYBODY:
            return Bound(everybody=True)
        if not isinstance(self.applies_to, Mapping) or not self.applies_to:
            raise ValueError(f"appliesTo: {WHOM}")
        if unknown := self.applies_to.keys() - set(LISTS):
            raise ValueError(f"appliesTo.{min(unknown)} is not a setting; {WHOM}")
        users, profiles, roles = (_ids(self.applies_to, name) for name in LISTS)
        bound = Bound(users, profiles, roles)
        if bound == Bound():
            raise ValueError(f"appliesTo: the lists are empty; {WHOM}")
        return bound

    @cached_property
    def expression(self) -> Expression | None:
        """What a new password has to match.

        :raises ValueError: ``passwordRegex`` cannot be read.
        """
        if self.password_regex is None:
            return None
        # It brings an engine of its own, which servers without such a policy do without.
        from ostiary_local import expressions

        try:
            return expressions.read(self.password_regex)
        except expressions.Unreadable as why:
            raise ValueError(f"passwordRegex: {why}") from None


def _ids(lists: Mapping[str, Any], name: str) -> frozenset[str]:
    ids = lists.get(name, ())
    if isinstance(ids, list | tuple) and all(isinstance(id, str) and id for id in ids):
        return frozenset(ids)
    raise ValueError(f"appliesTo.{name}: wanted: a list of ids")
