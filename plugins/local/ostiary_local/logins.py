"""Signing in: whose account it is, whether the password is right, and what is done then."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ostiary import Store, Verified
from ostiary import errors as core
from ostiary_local import accounts, passwords, proofs
from ostiary_local.strategy import LocalStrategy


async def verify(strategy: LocalStrategy, store: Store, credentials: Mapping[str, Any]) -> Verified:
    """Return whose user name and password these are.

    :raises core.LoginRefused: nobody's; a client is not told which of the two is wrong.
    """
    username, password = _given(credentials)
    if passwords.too_long(password):
        raise core.LoginRefused(strategy.refusal, reason="the password is too long")
    account = await accounts.called(strategy, store, username)
    genuine = await proofs.proves(store, account, password)
    if account is None:
        raise core.LoginRefused(strategy.refusal, reason="unknown account")
    if not genuine:
        raise core.LoginRefused(strategy.refusal, kuid=account.kuid, reason="wrong password")
    await proofs.renew_if_outdated(store, account, password)
    # What else is asked of whoever has proved the password, such as to change it, is asked here.
    return Verified(account.kuid)


def _given(credentials: Mapping[str, Any]) -> tuple[str, str]:
    """Return the user name and the password of a login."""
    username, password = credentials.get("username"), credentials.get("password")
    if isinstance(username, str) and isinstance(password, str) and username and password:
        return username, password
    raise core.LoginRefused("Missing credentials.", reason="missing credentials")
