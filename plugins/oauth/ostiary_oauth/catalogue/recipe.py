"""What is known of a provider before an operator says anything."""

from __future__ import annotations

from dataclasses import dataclass

from ostiary_oauth.provider import ClientAuthentication, Protocol


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """The ready-made description of a provider; what settings give stands before it.

    :param kind: what `provider` calls it.
    :param label: what a person reads on a button.
    :param takes: keys that mean something for this provider only.
    :param needs: keys that have to be given.
    :param issuer: exact; ``{key}`` stands for a setting. None where settings have to give it, or
        where there is none.
    :param exchange: where a code becomes a token.
    :param beginning: where a flow of OAuth 1.0a begins.
    :param identifiers: attributes that name an account for ever, the usual one first; whatever
        the operator says if there are none.
    :param email_verified: see ``Provider``.
    :param persist: what is kept, beside the identifier, where settings do not say.
    :param form_post_scopes: scopes that the provider grants only if it answers with a form.
    """

    kind: str
    protocol: Protocol
    label: str = ""
    takes: tuple[str, ...] = ()
    needs: tuple[str, ...] = ()
    issuer: str | None = None
    authorization: str | None = None
    exchange: str | None = None
    userinfo: str | None = None
    emails: str | None = None
    beginning: str | None = None
    client_authentication: ClientAuthentication = "client_secret_basic"
    apple_secret: bool = False
    appsecret_proof: bool = False
    scope: tuple[str, ...] = ()
    scope_separator: str = " "
    identifiers: tuple[str, ...] = ()
    email: str = "email"
    email_verified: str | None = None
    persist: tuple[str, ...] = ("email",)
    form_post_scopes: frozenset[str] = frozenset()
