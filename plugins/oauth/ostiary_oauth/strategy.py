"""The strategy that the plugin declares for each provider."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from ostiary import CredentialField, Factor, Strategy
from ostiary_oauth.provider import Provider

if TYPE_CHECKING:
    from ostiary_oauth.web import Web


def _returned(name: str, *, secret: bool = False) -> CredentialField:
    """Return a field that comes back from the provider."""
    return CredentialField(name, secret=secret, registration=False, required=False)


RETURNED = (
    _returned("code"),
    _returned("iss"),
    _returned("error"),
    _returned("oauth_token"),
    _returned("oauth_verifier"),
    _returned("denied"),
)


@dataclass(frozen=True, kw_only=True)
class OAuthStrategy(Strategy):
    """Users sign in where they have an account already."""

    provider: Provider
    fields: tuple[CredentialField | str, ...] = RETURNED
    factors: tuple[Factor, ...] = ()
    refusal: str = "The provider did not let you in."

    @classmethod
    def of(cls, provider: Provider) -> OAuthStrategy:
        """Return the strategy of a provider."""
        return cls(name=provider.name, label=provider.label, provider=provider)

    @cached_property
    def web(self) -> Web:
        """What asks the provider; a pool of connections of its own (OAU-18)."""
        from ostiary_oauth.web import Web

        return Web(self.provider)
