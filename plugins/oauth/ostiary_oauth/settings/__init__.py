"""The settings of the plugin, the table ``[plugins.oauth]``: what an operator may write."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Annotated, Any, Literal

from ostiary import read_settings
from ostiary_oauth.provider import Admission, ProfileRule, Provider
from ostiary_oauth.settings.passport import CredentialSettings, keyed


def providers(settings: Mapping[str, Any]) -> tuple[Provider, ...]:
    """Return the providers that the table names, in its order; nothing is asked of them.

    :raises SettingsError: names the wrong key, or the missing one.
    """
    return read_settings(settings, OAuthSettings).providers


@dataclass(frozen=True, kw_only=True)
class StrategySettings:
    """The table ``[plugins.oauth.strategies.<name>]``."""

    provider: Annotated[
        str | None,
        "Which ready-made description completes the settings: see the README of the plugin. By "
        "default what `passportStrategy` means, or the name of the strategy.",
    ] = None
    label: Annotated[
        str | None, "What a person reads on the button; by default the provider's name."
    ] = None
    issuer: Annotated[
        str | None,
        "The issuer of an OpenID provider, exactly as it writes it; what else is needed is found "
        "at `<issuer>/.well-known/openid-configuration`.",
    ] = None
    discovery_url: Annotated[
        str | None, "Where an OpenID provider describes itself, if it is elsewhere."
    ] = keyed("discoveryURL")
    client_id: Annotated[str | None, "What the provider calls this server; required."] = keyed(
        "clientID"
    )
    client_secret: Annotated[
        str | None,
        "The secret of the client; better given as `clientSecretFile` or by the environment.",
    ] = keyed("clientSecret", secret=True)
    client_secret_file: Annotated[str | None, "A file that holds the secret and nothing else."] = (
        None
    )
    private_key_file: Annotated[
        str | None, "A file with the private key (PEM) that stands for a secret: `private_key_jwt`."
    ] = None
    private_key_id: Annotated[str | None, "By what the provider knows the key (`kid`)."] = keyed(
        "privateKeyID"
    )
    client_authentication: Annotated[
        Literal["client_secret_basic", "client_secret_post", "private_key_jwt", "none"] | None,
        "How the server proves to the provider who it is; `none` is a public client, which has no "
        "secret. By default as the provider wants it.",
    ] = None
    callback_url: Annotated[
        str | None,
        "Where the provider sends browsers back, as it is registered there; usually "
        "`https://<server>/_login/<strategy>`. Required.",
    ] = keyed("callbackURL")
    scope: Annotated[
        str | tuple[str, ...] | None, "What is asked for: a list, or a text with spaces or commas."
    ] = None
    authorization_url: Annotated[str | None, "Where browsers are sent."] = keyed("authorizationURL")
    token_url: Annotated[str | None, "Where a code becomes a token."] = keyed("tokenURL")
    userinfo_url: Annotated[str | None, "Where the profile of an account is read."] = keyed(
        "userinfoURL"
    )
    emails_url: Annotated[
        str | None, "Where the addresses of an account are listed, as GitHub lists them."
    ] = keyed("emailsURL")
    jwks_url: Annotated[str | None, "Where the keys are that sign id tokens."] = keyed("jwksURL")
    end_session_url: Annotated[str | None, "Where browsers are sent to sign out."] = keyed(
        "endSessionURL"
    )
    request_token_url: Annotated[str | None, "Where an OAuth 1.0a flow begins."] = keyed(
        "requestTokenURL"
    )
    authorization_params: Annotated[
        Mapping[str, str], "Further parameters of the authorization request, such as `prompt`."
    ] = field(default_factory=dict)
    identifier_attribute: Annotated[
        str | None,
        "Path of the attribute that names an account for ever, such as `id` or `data.id`. "
        "Ready-made providers have theirs; an e-mail address never is one.",
    ] = None
    email_attribute: Annotated[str | None, "Path of the e-mail address."] = None
    email_verified_attribute: Annotated[
        str | None,
        "Path of what is `true` where the provider has verified the address. If it is the path of "
        "the address itself, every address that the provider gives is verified.",
    ] = None
    persist: Annotated[
        tuple[str, ...] | None,
        "Paths of the attributes that are kept as credentials, beside the identifier.",
    ] = None
    kuzzle_attributes_mapping: Annotated[
        Mapping[str, Any],
        'By which names attributes are kept: `"path at the provider" = "name here"`.',
    ] = field(default_factory=dict)
    default_profiles: Annotated[
        tuple[str, ...] | None, "Profiles of users who are created at their first login."
    ] = None
    users: Annotated[
        Admission,
        "What becomes of who signs in for the first time: a user (`create`), a user if they were "
        "invited (`invite`), or nobody (`refuse`).",
    ] = "create"
    link_by_email: Annotated[
        bool,
        "Who signs in for the first time is the user who has verified the same address here, if "
        "the provider has verified it as well.",
    ] = False
    profiles: Annotated[
        tuple[ProfileRule, ...], "Profiles that claims give, at every login; by default none do."
    ] = ()
    keep_tokens: Annotated[
        bool, "Keep the provider's tokens, encrypted, for services that may ask for them."
    ] = False
    post_logout_uris: Annotated[
        tuple[str, ...], "Addresses that browsers may come back to from a logout at the provider."
    ] = field(default=(), metadata={"key": "postLogoutURIs"})
    algorithms: Annotated[
        tuple[str, ...] | None,
        "Algorithms that may sign an id token: asymmetric ones, by default RS256, ES256, PS256 "
        "and EdDSA.",
    ] = None
    tenant: Annotated[
        str | None,
        "Microsoft: the id of the only tenant, or `organizations`, `common` or `consumers`.",
    ] = None
    tenants: Annotated[
        tuple[str, ...], "Microsoft: the ids of the tenants that are let in; by default all."
    ] = ()
    base_url: Annotated[str | None, "Keycloak: the address of the server."] = keyed("baseURL")
    realm: Annotated[str | None, "Keycloak: the realm."] = None
    team_id: Annotated[str | None, "Apple: the team that the key is of."] = keyed("teamID")
    passport_strategy: Annotated[
        str | None, "Kuzzle's word for the provider, such as `google-oauth20`."
    ] = None
    credentials: Annotated[
        CredentialSettings, "Kuzzle's table of the client; its keys may stand outside of it, too."
    ] = CredentialSettings()


@dataclass(frozen=True, kw_only=True)
class OAuthSettings:
    """The table ``[plugins.oauth]``."""

    strategies: Annotated[
        Mapping[str, StrategySettings], "A table for each provider, by the name of its strategy."
    ] = field(default_factory=dict)
    default_profiles: Annotated[
        tuple[str, ...],
        "Profiles of users who are created at their first login, where a strategy does not say.",
    ] = ("default",)
    allow_insecure_http: Annotated[
        bool,
        "Providers and callbacks on this machine (`localhost`, `127.0.0.1`, `::1`) may have http "
        "addresses. For development and tests.",
    ] = False
    forbid_private_addresses: Annotated[
        bool,
        "The server asks nobody whose address is not public, whatever a provider says of its "
        "endpoints.",
    ] = False

    def __post_init__(self) -> None:
        # Now, so that a wrong setting stops the start.
        _ = self.providers

    @cached_property
    def providers(self) -> tuple[Provider, ...]:
        """What the tables and the ready-made descriptions say together."""
        from ostiary_oauth.settings.merging import provider_of

        if not self.default_profiles:
            raise ValueError("defaultProfiles: wanted: one at least")
        return tuple(provider_of(name, one, self) for name, one in self.strategies.items())
