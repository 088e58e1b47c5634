"""Accounts: users as requests need them, with their rights resolved, kept in a bounded memory."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from ostiary.request import ANONYMOUS
from ostiary.services.changes import Changes
from ostiary.services.grants import Grants
from ostiary.services.memory import Memory
from ostiary.services.rights import Rights
from ostiary.services.user_rows import ENABLED, StoredUser, from_joined
from ostiary.services.users import Users

NOBODY = StoredUser(
    kuid=ANONYMOUS,
    generation="",
    status=ENABLED,
    profile_ids=("anonymous",),
    content={"name": "Anonymous"},
    author=None,
    created_at=None,
    updater=None,
    updated_at=None,
)


BASE = 700
"""Bytes of memory that an account takes, short of the properties."""

PARTS = {b",": 72, b":": 110, b"[": 64, b"{": 184}
"""Bytes that properties take in memory for each of these in their JSON, besides its own."""


# Nothing refers back to it: the collector need not look at a hundred thousand of them.
class Account(msgspec.Struct, eq=False, gc=False):
    """A user, what they may do and by which strategies they sign in.

    ``stale`` is set when any of it has changed; whoever holds one asks before use.

    :param size: bytes that it takes, as an estimate.
    """

    user: StoredUser
    rights: Rights
    strategies: tuple[str, ...]
    size: int = BASE
    stale: bool = False
    encoded: msgspec.Raw | None = None

    @property
    def kuid(self) -> str:
        """Whose account it is."""
        return self.user.kuid


class Accounts:
    """Loads accounts and drops those that the log of changes names.

    :param capacity: bytes that they may take.
    """

    def __init__(self, users: Users, grants: Grants, changes: Changes, capacity: int) -> None:
        self._users, self._grants, self._changes = users, grants, changes
        self._memory: Memory[str, Account] = Memory(capacity, lambda one: one.size, _outdate)
        changes.listen(self._heard)

    def peek(self, kuid: str) -> Account | None:
        """Return an account if it is remembered."""
        return self._memory.get(kuid)

    async def find(self, kuid: str) -> Account | None:
        """Return an account, or None if there is no such user."""
        account = self._memory.get(kuid)
        while account is None:
            position = self._changes.position
            account = await self._load(kuid)
            if account is None:
                return None
            if position != self._changes.position:
                account = None  # Something changed while it was read: it may be old already.
                continue
            self._memory.put(kuid, account)
        return account

    def forget_shown(self) -> None:
        """Forget what accounts are shown as: it names those of their strategies that are known."""
        self._memory.clear()

    async def of_rows(
        self, kuid: str, rows: Sequence[tuple[Any, ...]], position: int
    ) -> Account | None:
        """Return an account of what was read along with something else, or None if it is gone.

        :param rows: as ``user_rows.from_joined`` takes them.
        :param position: of the log of changes before they were read.
        """
        account = self._memory.get(kuid)
        if account is not None:
            return account
        account = await self._made(*from_joined(kuid, rows))
        if position != self._changes.position:
            return await self.find(kuid)
        self._memory.put(kuid, account)
        return account

    async def _load(self, kuid: str) -> Account | None:
        found: tuple[StoredUser, tuple[str, ...]] | None = (NOBODY, ())
        if kuid != ANONYMOUS:
            found = await self._users.find_with_strategies(kuid)
        if found is None:
            return None
        return await self._made(*found)

    async def _made(self, user: StoredUser, strategies: tuple[str, ...]) -> Account:
        rights = await self._grants.rights(user.profile_ids)
        return Account(user, rights, strategies, BASE + _weight(user.content))

    def _heard(self, what: str, id: str) -> None:
        if what == "user":
            self._memory.forget(id)
        elif what == "rights":
            self._grants.forget()
            self._memory.clear()
        elif what == "strategies":
            self.forget_shown()


def _weight(content: Mapping[str, Any]) -> int:
    """Return the bytes that properties take in memory, with what they are shown as; an estimate."""
    text = msgspec.json.encode(content)
    return 2 * len(text) + sum(bytes_ * text.count(part) for part, bytes_ in PARTS.items())


def _outdate(account: Account) -> None:
    account.stale = True
