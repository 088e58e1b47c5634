"""What the documentation says of accounts, in memory (docs/guides, contract/strategies.md)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

WRONG = "plugin.strategy.missing_user"
REMEMBERED = 2
"""Former passwords that are kept: with the present one, those that may not be set again."""

TICKETS = 5
"""Reset tokens that an account has at most."""


@dataclass
class Account:
    """What one user signs in with."""

    username: str
    email: str | None
    password: str
    own: bool
    """Whether the user has set the password."""

    expired: bool = False
    imported: bool = False
    former: list[str] = field(default_factory=list)
    """The newest first."""

    tokens: list[str] = field(default_factory=list)
    """The newest last."""

    def names(self) -> set[str]:
        return {self.username} | ({self.email} if self.email else set())


@dataclass
class Model:
    """What the documentation says of accounts (docs/passwords.md, docs/names.md)."""

    users: set[str] = field(default_factory=set)
    accounts: dict[str, Account] = field(default_factory=dict)
    sessions: dict[str, str] = field(default_factory=dict)
    ended: list[str] = field(default_factory=list)
    issued: list[str] = field(default_factory=list)
    """All reset tokens that there ever were."""

    def holder(self, name: str | None) -> str | None:
        return next((kuid for kuid, one in self.accounts.items() if name in one.names()), None)

    def taken(self, kuid: str, *names: str | None) -> bool:
        return any(name and self.holder(name) not in (None, kuid) for name in names)

    def missing(self, kuid: str) -> str:
        if kuid not in self.users:
            return "security.user.not_found"
        return "" if kuid in self.accounts else "ostiary.credentials.missing"

    def create(self, kuid: str, fields: dict[str, Any], *, own: bool) -> str:
        """Make a user who can sign in, and return why not."""
        if kuid in self.users:
            return "security.user.already_exists"
        return self._add(kuid, fields, own=own)

    def give(self, kuid: str, fields: dict[str, Any], *, own: bool) -> str:
        """Give a user credentials, and return why not."""
        if kuid not in self.users:
            return "security.user.not_found"
        if kuid in self.accounts:
            return "ostiary.credentials.exist"
        return self._add(kuid, fields, own=own)

    def change(
        self, kuid: str, what: str, value: Any, *, own: bool, keep: str | None = None
    ) -> str:
        """Change one field, and return why not."""
        account = self.accounts[kuid]
        if what == "password":
            if value in (account.password, *account.former):
                return "reused_password"
            account.former = [account.password, *account.former][:REMEMBERED]
            account.password, account.own = value, own
            account.expired = account.imported = False
            self.end(kuid, keep)
        elif self.taken(kuid, value):
            return "username_taken"
        else:
            setattr(account, what, value)
        account.tokens = []
        return ""

    def login(self, account: Account | None, password: str) -> str:
        if account is None or password != account.password:
            return WRONG
        account.imported = False
        if account.expired:
            return "expired_password"
        return "" if account.own else "must_change_password"

    def issue(self, kuid: str, token: str) -> None:
        account = self.accounts[kuid]
        account.tokens = [*account.tokens, token][-TICKETS:]
        self.issued.append(token)

    def end(self, kuid: str, keep: str | None = None) -> None:
        gone = [jwt for jwt, one in self.sessions.items() if one == kuid and jwt != keep]
        self.ended += gone
        for jwt in gone:
            del self.sessions[jwt]

    def bring(self, kuid: str, account: Account, *, join: bool) -> str:
        """Import an account, and return how that ends."""
        holders = {self.holder(name) for name in account.names()} - {None}
        if kuid in self.accounts:
            holders.add(kuid)
        if holders:
            same = holders == {kuid} and self.holder(account.username) == kuid
            return "unchanged" if same else "refused"
        if kuid in self.users and not join:
            return "refused"
        self.users.add(kuid)
        self.accounts[kuid] = account
        return "made"

    def _add(self, kuid: str, fields: dict[str, Any], *, own: bool) -> str:
        name, email = fields["username"], fields.get("email")
        if self.taken(kuid, name, email):
            return "username_taken"
        self.users.add(kuid)
        self.accounts[kuid] = Account(name, email, fields["password"], own=own)
        return ""
