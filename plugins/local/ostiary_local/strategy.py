"""The strategy that the plugin declares."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from ostiary import CredentialField, Factor, Strategy
from ostiary_local import forms, names
from ostiary_local.settings import LocalSettings

CURRENT = CredentialField("currentPassword", label="Current password", kind="password", secret=True)
"""What is asked for before users change or give up their own credentials."""


@dataclass(frozen=True, kw_only=True)
class LocalStrategy(Strategy):
    """Users sign in with a name, an e-mail address or a telephone number, and a password."""

    name: str = "local"
    label: str = "User name and password"
    fields: tuple[CredentialField | str, ...] = (
        CredentialField("username", label="User name"),
        CredentialField("password", kind="password", secret=True),
        CredentialField("email", kind="email", label="E-mail address", login=False, required=False),
        CredentialField("phone", kind="tel", label="Telephone number", login=False, required=False),
    )
    factors: tuple[Factor, ...] = ("knowledge",)
    identifier: str | None = "username"
    refusal: str = "Wrong user name or password."
    settings: LocalSettings = LocalSettings()

    @classmethod
    def of(cls, settings: LocalSettings) -> LocalStrategy:
        """Return the strategy with the forms that settings admit, and the proof they ask for."""
        bare = cls(settings=settings)
        proof = (CURRENT,) if settings.asks_current_password else ()
        offered = forms.offered(settings, bare.reset_page, bare.verify_page)
        return replace(bare, forms=tuple(offered), proof=proof)

    @property
    def reset_page(self) -> str | None:
        """The page where users set a new password; None if there is none."""
        mail = self.settings.mail
        return (mail and mail.reset_url) or self.page(self.settings.pages_url, forms.NEW_PASSWORD)

    @property
    def verify_page(self) -> str | None:
        """The page where users verify an address; None if there is none."""
        mail = self.settings.mail
        return (mail and mail.verify_url) or self.page(self.settings.pages_url, forms.VERIFY)

    def account(self, credentials: Mapping[str, Any]) -> str | None:
        """Return what the spellings of the name share that a login gives."""
        username = credentials.get("username")
        if not isinstance(username, str) or not username:
            return None
        return self.key(username)

    def key(self, name: str) -> str:
        """Return what the spellings of a name share, be it an address or a user name."""
        return names.key(name, self.settings.username_matching, self.settings.phone_region)


def only(strategies: Mapping[str, Strategy]) -> LocalStrategy:
    """Return the strategy of this plugin, as its actions are given it."""
    (strategy,) = strategies.values()
    assert isinstance(strategy, LocalStrategy)
    return strategy
