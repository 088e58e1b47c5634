"""What the policies for passwords ask of a new password, and of a login.

Without such settings nothing is asked: no mixture of characters, and no change from time to
time (NIST SP 800-63B-4, 3.1.1.2; OWASP ASVS 6.2.5 and 6.2.10).
"""

from __future__ import annotations

import logging
import unicodedata
from collections.abc import Iterable, Mapping
from typing import Any, Literal

from ostiary import Call, Directory, Store, User, mark
from ostiary.errors import OstiaryError
from ostiary_local import accounts, errors, history, identifiers, passwords, proofs
from ostiary_local.accounts import Account
from ostiary_local.naming import KINDS
from ostiary_local.rules import PasswordPolicy
from ostiary_local.strategy import LocalStrategy

ADMIN = "admin"
"""The role whose holders never have to change a password because somebody else has set it."""

NOBODY = "-1"

SHORTEST_LOCAL_PART = 4
"""Characters that the local part of an e-mail address has, or it is in too many words."""

SIGNING_UP = {"createRestrictedUser", "createFirstAdmin"}
"""Actions by which people who are not signed in make their own accounts."""

TRIALS = {"validateCredentials", "validateMyCredentials"}
"""Actions that change nothing, and may be tried again and again."""

PRESENT = mark("It must not be the present one.")

logger = logging.getLogger(__name__)


async def check_new(
    strategy: LocalStrategy,
    store: Store,
    user: User,
    credentials: Mapping[str, Any],
    call: Call,
    directory: Directory,
) -> None:
    """Refuse a new password that breaks a policy: in their order, the first one decides.

    That it was used before is told last: who is told something else instead of it, and changes
    nothing, could try out what the password is.

    :param credentials: a fit password, and the names that are to be set along with it.
    :raises errors.LoginInPassword: it holds a name of the user.
    :raises errors.WeakPassword: it does not match an expression.
    :raises errors.ReusedPassword: it is the present password, or one of the last. The present
        one is no answer to a demand to change it either, whatever the policies remember.
    """
    policies = await _applying(strategy, user, directory)
    if not policies:
        return
    password, account = credentials["password"], await accounts.of(store, user.kuid)
    names = await _names(store, user.kuid, credentials)
    for policy in policies:
        if policy.forbid_login_in_password and _holds_any(password, names):
            raise errors.LoginInPassword
        if not await _matches(store, policy, password):
            raise _telling(errors.WeakPassword(), policy.hint)
    if account is None or _is_oracle(strategy, call):
        return
    count = _most(policies)
    if not count and call.kuid == user.kuid:
        count = 0 if await demand(strategy, account, directory) is None else 1
    if await _used(store, account, password, count):
        told = PRESENT if count == 1 else f"It must not be one of the last {count}."
        raise _telling(errors.ReusedPassword(), told)


async def kept(strategy: LocalStrategy, kuid: str, directory: Directory) -> int:
    """Return how many former passwords of a user are kept."""
    policies = await _applying(strategy, await _user(kuid, directory), directory)
    return max(0, _most(policies) - 1)


async def demand(
    strategy: LocalStrategy, account: Account, directory: Directory
) -> Literal["expired", "must_change"] | None:
    """Tell why a user has to change a right password before they are let in; None if not."""
    if not any(
        policy.lifetime is not None or policy.must_change_password_if_set_by_admin
        for policy in strategy.settings.password_policies
    ):
        return None
    user = await _user(account.kuid, directory)
    policies = await _applying(strategy, user, directory)
    age = accounts.now() - account.password_set_at
    if any(policy.lifetime is not None and age > policy.lifetime for policy in policies):
        return "expired"
    by_another = account.updater != account.kuid
    if not by_another or not any(one.must_change_password_if_set_by_admin for one in policies):
        return None
    return None if ADMIN in await directory.roles(user.profile_ids) else "must_change"


def author(call: Call, kuid: str) -> str:
    """Return who sets a password: the caller, or who makes an account for themselves."""
    return kuid if call.kuid == NOBODY and call.action in SIGNING_UP else call.kuid


async def _used(store: Store, account: Account, password: str, count: int) -> bool:
    """Tell whether a new password is among so many last ones, of which the present one is first."""
    if count < 1:
        return False
    if await proofs.proves(store, account, password):
        return True
    for one in await history.former(store, account.kuid, count - 1):
        if await proofs.proves_former(store, one, password):
            return True
    return False


def _telling(refusal: OstiaryError, more: str | None) -> OstiaryError:
    """Add a sentence to what a refusal says; the errors of the contract have no place for it."""
    if more:
        refusal.args = (f"{refusal} {more}",)
    return refusal


async def _applying(
    strategy: LocalStrategy, user: User, directory: Directory
) -> list[PasswordPolicy]:
    """Return the policies that bind a user, in their order; none while there is no kuid."""
    policies = strategy.settings.password_policies
    if not policies or not user.kuid:
        return []
    roles = await directory.roles(user.profile_ids)
    return [policy for policy in policies if policy.bound.holds(user, roles)]


async def _user(kuid: str, directory: Directory) -> User:
    """Return a user; one who is gone, or is not stored yet, has no profile."""
    return await directory.find(kuid) or User(kuid=kuid)


def _most(policies: Iterable[PasswordPolicy]) -> int:
    return max((policy.forbid_reused_password_count for policy in policies), default=0)


def _is_oracle(strategy: LocalStrategy, call: Call) -> bool:
    """Tell whether to say "reused" would tell a password to who need not know it.

    A password that is tried without being set may be a guess of one that the user has, and no
    limit counts it. Where a token alone is enough to change the password, there is no secret.
    """
    return call.action in TRIALS and strategy.settings.asks_current_password


async def _names(store: Store, kuid: str, credentials: Mapping[str, Any]) -> list[str]:
    """Return the names that a user has with some credentials: the new ones, else the stored."""
    given = [kind for kind in KINDS if kind in credentials]
    names = [one.value for one in await identifiers.of(store, kuid) if one.kind not in given]
    for kind in given:
        value = credentials[kind]
        values = value if isinstance(value, list) else [value]
        names += [one for one in values if isinstance(one, str) and one]
    return names


def _holds_any(password: str, names: Iterable[str]) -> bool:
    """Tell whether a name stands in a password, or as much of it as people would take."""
    low, folded = password.lower(), _folded(password)
    parts = (part for name in names for part in _parts(name))
    return any(part.lower() in low or _folded(part) in folded for part in parts)


def _parts(name: str) -> list[str]:
    """Return a name, and what stands before the at sign of one, or after the plus of a number."""
    local_part, at, _ = name.rpartition("@")
    if at and len(local_part) >= SHORTEST_LOCAL_PART:
        return [name, local_part]
    digits = name.removeprefix("+")
    return [name, digits] if digits.isdecimal() and digits != name else [name]


def _folded(text: str) -> str:
    """Return what a name shares with other spellings that sign in as well."""
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())


async def _matches(store: Store, policy: PasswordPolicy, password: str) -> bool:
    expression = policy.expression
    if expression is None:
        return True
    text = passwords.normal(password)
    try:
        return await store.hasher.run(lambda: expression.found_in(text))
    except TimeoutError:
        # What cannot be told is refused.
        logger.warning("the passwordRegex %r took too long on a password", expression.written)
        return False
