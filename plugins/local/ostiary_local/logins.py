"""Signing in: whose account it is, whether the password is right, and what is done then."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ostiary import Directory, Store, Verified
from ostiary import errors as core
from ostiary_local import accounts, passwords, proofs, resets
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
    if passwords.impossible(password):
        # Whatever the account: nothing is looked up that could tell of it.
        raise core.LoginRefused(strategy.refusal, reason="nobody can have this password")
    account = await accounts.called(strategy, store, username)
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
