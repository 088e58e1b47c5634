"""By what the attempts on the accounts of a user who exists are counted, and stand in the log."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from msgspec import Struct

from ostiary import errors
from ostiary.plugins import Strategies
from ostiary.services.accounts import Account
from ostiary.services.login_limits import LoginLimits


class Counted(Struct, frozen=True):
    """An account of a user.

    :ivar hashes: that which stands for it now, and those under older master keys.
    """

    strategy: str
    hashes: tuple[bytes, ...]


class AccountHashes:
    """Asks the strategies that a user signs in with for what names their accounts."""

    def __init__(self, strategies: Strategies, limits: LoginLimits) -> None:
        self._strategies, self._limits = strategies, limits

    async def of(self, account: Account) -> list[Counted]:
        """Return the accounts of a user, as far as their strategies can be asked now."""
        found = []
        for strategy in filter(self._strategies.knows, account.strategies):
            try:
                seen = await self._strategies.get(strategy, account.kuid)
                named = account_of(self._strategies, strategy, account.kuid, seen or {})
            except errors.OstiaryError:
                # A plugin that is out of order, which is logged, hides its own accounts alone.
                continue
            found.append(Counted(strategy, self._limits.digests(strategy, named)))
        return found


def account_of(strategies: Strategies, name: str, kuid: str, seen: Mapping[str, Any]) -> str:
    """Return by what a login with some credentials would be counted.

    :param seen: what may be seen of them.
    """
    account = strategies.account(name, seen)
    # Where logins do not tell whose they are, this one does. No client can send a NUL.
    return f"\0{kuid}" if account is None else account
