"""Signing in: whose account it is, whether the password is right, and what is done then."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ostiary import Directory, Store, Verified
from ostiary import errors as core
from ostiary_local import accounts, names, passwords, proofs, resets
from ostiary_local.accounts import Account
from ostiary_local.strategy import LocalStrategy


async def verify(
    strategy: LocalStrategy, store: Store, credentials: Mapping[str, Any], directory: Directory
) -> Verified:
    """Return whose user name and password these are.

    :raises core.LoginRefused: nobody's; a client is not told which of the two is wrong.
    :raises errors.ExpiredPassword: they are somebody's, and the password is too old.
    :raises errors.MustChangePassword: they are somebody's, and the password is of another.
    """
    username, password = _given(credentials)
    if passwords.too_long(password):
        raise core.LoginRefused(strategy.refusal, reason="the password is too long")
    account = await _account(strategy, store, username)
    genuine = await proofs.proves(store, account, password)
    if account is None:
        raise core.LoginRefused(strategy.refusal, reason="unknown account")
    if not genuine:
        raise core.LoginRefused(strategy.refusal, kuid=account.kuid, reason="wrong password")
    await proofs.renew_if_outdated(store, account, password)
    await resets.admit(strategy, store, account, directory)
    return Verified(account.kuid)


def _given(credentials: Mapping[str, Any]) -> tuple[str, str]:
    """Return the user name and the password of a login."""
    username, password = credentials.get("username"), credentials.get("password")
    if isinstance(username, str) and isinstance(password, str) and username and password:
        return username, password
    raise core.LoginRefused("Missing credentials.", reason="missing credentials")


async def _account(strategy: LocalStrategy, store: Store, username: str) -> Account | None:
    if names.fault(username) is not None:
        return None
    return await accounts.named(store, username, strategy.key(username))
