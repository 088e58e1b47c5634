"""Answering without plugins: for administrators, who find out there what is wrong."""

from __future__ import annotations

from ostiary import errors
from ostiary.dispatch import LOGIN, Dispatcher
from ostiary.request import Request
from ostiary.services.accounts import Account
from ostiary.services.rights import ADMIN


class FailsafeDispatcher(Dispatcher):
    """Answers who has a token of an administrator, and nobody else; nobody signs in."""

    def _known(self, request: Request) -> None:
        """Leave nobody to what is remembered: each request is looked at below."""

    async def _authenticate(self, request: Request) -> Account:
        account = await super()._authenticate(request)
        if ADMIN not in account.user.profile_ids or request.action == LOGIN:
            raise errors.Failsafe
        return account
