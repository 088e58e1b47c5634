"""Signing in: what the core asks after a strategy has given its verdict."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ostiary import errors
from ostiary.plugins import Strategies
from ostiary.services.accounts import Account, Accounts
from ostiary.services.users import Users
from ostiary.strategies import Call, Newcomer, Redirect, User


class Logins:
    """Turns credentials into an account; every door asks the same questions here."""

    def __init__(
        self, strategies: Strategies, accounts: Accounts, users: Users, profile_ids: list[str]
    ) -> None:
        self._strategies, self._accounts, self._users = strategies, accounts, users
        self._profile_ids = profile_ids

    async def sign_in(
        self, name: str, credentials: Mapping[str, Any], call: Call
    ) -> Account | Redirect:
        """Return the account that some credentials open, or where the client has to go first.

        :raises errors.LoginRefused: they open none; the answer does not tell why.
        """
        strategy = self._strategies.find(name)
        verdict = await self._strategies.verify(name, credentials, call, self)
        if isinstance(verdict, Redirect):
            return verdict
        if isinstance(verdict, Newcomer):
            kuid = await self._welcome(name, verdict.credentials, verdict.content, call)
        else:
            kuid = verdict.kuid
        if not isinstance(kuid, str):
            raise errors.InvalidKuid(name, type(kuid).__name__)
        account = await self._accounts.find(kuid)
        # Deleted, disabled, or left over in the strategy's store: all look like a wrong secret.
        if account is None or not account.user.enabled or name not in account.strategies:
            raise errors.LoginRefused(strategy.refusal)
        return account

    async def find(self, kuid: str) -> User | None:
        """Return a user; this is the directory that strategies may ask."""
        user = await self._users.find(kuid)
        return None if user is None else user.shown()

    async def _welcome(
        self, name: str, fields: Mapping[str, Any], content: Mapping[str, Any], call: Call
    ) -> str:
        """Create the user whom a strategy has met for the first time."""
        profile_ids = content.get("profileIds", self._profile_ids)
        rest = {key: value for key, value in content.items() if key != "profileIds"}
        user = await self._users.create(call, profile_ids, rest, {name: fields})
        return user.kuid
