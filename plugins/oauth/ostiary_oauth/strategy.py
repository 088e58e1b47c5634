"""The strategy that the plugin declares for each provider."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from ostiary import CredentialField, Each, Factor, Strategy, fault_of_fields
from ostiary_oauth.provider import Provider

if TYPE_CHECKING:
    from ostiary_oauth.web import Web

INVITATION = "invitation"
"""The field of a first step, and what the state of a flow keeps of it."""

HOST = "host"
"""The header that names the server as the browser knows it."""


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

INVITED = CredentialField(
    INVITATION,
    # Of this kind it is refused in a URL whatever else stands there.
    kind="password",
    secret=True,
    registration=False,
    required=False,
    help="The code of an invitation, for who signs in for the first time.",
)


ACCOUNTS = Each(
    member="identities",
    named_by=(
        CredentialField("subject", label="Known there as"),
        CredentialField("issuer", label="Issuer"),
    ),
    mine="identity:list",
    give_up="identity:unlink",
    theirs="identity:listOf",
    take="identity:remove",
)


@dataclass(frozen=True, kw_only=True)
class OAuthStrategy(Strategy):
    """Users sign in where they have an account already."""

    provider: Provider
    fields: tuple[CredentialField | str, ...] = (*RETURNED, INVITED)
    factors: tuple[Factor, ...] = ()
    refusal: str = "The provider did not let you in."
    several: bool = True
    each: Each | None = ACCOUNTS
    keeps_last: bool = True
    redirects: bool = True
    headers: tuple[str, ...] = (HOST,)

    @classmethod
    def of(cls, provider: Provider) -> OAuthStrategy:
        """Return the strategy of a provider."""
        fields = (*RETURNED, INVITED, *_kept(provider))
        return cls(name=provider.name, label=provider.label, provider=provider, fields=fields)

    @cached_property
    def told(self) -> set[str]:
        """What the operator has been told of in this process, and is not again."""
        return set()

    @cached_property
    def web(self) -> Web:
        """What asks the provider; a pool of connections of its own (OAU-18)."""
        from ostiary_oauth.web import Web

        return Web(self.provider)


def _kept(provider: Provider) -> Iterator[CredentialField]:
    """Make fields of what an administrator writes: the identifier, and what is kept of a profile.

    Paths that lead on into a profile are no names of fields; they are written as objects.
    """
    seen: set[str] = {INVITATION, *(field.name for field in RETURNED)}
    for name in (provider.identifier, *provider.persist):
        if name not in seen and fault_of_fields((name,)) is None:
            seen.add(name)
            required = name == provider.identifier
            yield CredentialField(name, login=False, required=required)
