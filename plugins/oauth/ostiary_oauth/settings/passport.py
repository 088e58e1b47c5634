"""Kuzzle's way to write a provider down, with the options of passport's packages.

Everything in it has a place in our own table, and ends up there: see ``united``.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields, replace
from typing import TYPE_CHECKING, Annotated, Any

if TYPE_CHECKING:
    from ostiary_oauth.settings import StrategySettings

KINDS = {
    "google": ("google-oauth20", "google-oauth2", "google-oidc"),
    "microsoft": ("azure-ad-oauth2", "azuread-openidconnect", "microsoft"),
    "oidc": ("openidconnect", "openid-client"),
    "oauth1": ("oauth", "oauth1"),
    "github": ("github2",),
    "gitlab": ("gitlab2",),
    "twitter": ("twitter-oauth2", "twitter-oauth2.0"),
    "salesforce": ("forcedotcom", "salesforce-oauth2"),
    "keycloak": ("keycloak-oauth2-oidc",),
    "discord": ("discord-auth",),
    "slack": ("slack-oauth2", "slack-openidconnect"),
}
"""What suffixes of passport's packages mean, where they are no words of ours."""

MEANT = {suffix: kind for kind, suffixes in KINDS.items() for suffix in suffixes}

FACEBOOK_FIELDS = {
    "displayName": "name",
    "name": "last_name,first_name,middle_name",
    "profileUrl": "link",
    "emails": "email",
    "photos": "picture",
}
"""What passport calls fields of Facebook; others have their own name."""


Ignored = Annotated[
    bool | str | None, "Means nothing: it tells passport how to work, or what is always done here."
]


def keyed(key: str, *, secret: bool = False) -> Any:
    """Return an optional field of settings whose key is not its name in camel case."""
    return field(default=None, repr=not secret, metadata={"key": key})


@dataclass(frozen=True, kw_only=True)
class CredentialSettings:
    """The table ``credentials`` of a strategy, as Kuzzle hands it to passport."""

    client_id: Annotated[str | None, "`clientID`."] = keyed("clientID")
    consumer_key: Annotated[str | None, "`clientID`, for OAuth 1.0a."] = None
    client_secret: Annotated[str | None, "`clientSecret`."] = keyed("clientSecret", secret=True)
    consumer_secret: Annotated[str | None, "`clientSecret`, for OAuth 1.0a."] = keyed(
        "consumerSecret", secret=True
    )
    client_secret_file: Annotated[str | None, "`clientSecretFile`."] = None
    callback_url: Annotated[str | None, "`callbackURL`."] = keyed("callbackURL")
    scope: Annotated[str | tuple[str, ...] | None, "`scope`."] = None
    issuer: Annotated[str | None, "`issuer`."] = None
    authorization_url: Annotated[str | None, "`authorizationURL`."] = keyed("authorizationURL")
    user_authorization_url: Annotated[str | None, "`authorizationURL`, for OAuth 1.0a."] = keyed(
        "userAuthorizationURL"
    )
    token_url: Annotated[str | None, "`tokenURL`."] = keyed("tokenURL")
    access_token_url: Annotated[str | None, "`tokenURL`, for OAuth 1.0a."] = keyed("accessTokenURL")
    request_token_url: Annotated[str | None, "`requestTokenURL`."] = keyed("requestTokenURL")
    user_info_url: Annotated[str | None, "`userinfoURL`."] = keyed("userInfoURL")
    user_profile_url: Annotated[str | None, "`userinfoURL`."] = keyed("userProfileURL")
    profile_url: Annotated[str | None, "`userinfoURL`."] = keyed("profileURL")
    user_email_url: Annotated[str | None, "`emailsURL`."] = keyed("userEmailURL")
    profile_fields: Annotated[
        tuple[str, ...] | None, "Facebook: what its profile is asked for."
    ] = None
    tenant: Annotated[str | None, "`tenant`."] = None
    base_url: Annotated[str | None, "`baseURL`."] = keyed("baseURL")
    realm: Annotated[str | None, "`realm`."] = None
    team_id: Annotated[str | None, "`teamID`."] = keyed("teamID")
    key_id: Annotated[str | None, "`privateKeyID`."] = keyed("keyID")
    private_key_location: Annotated[str | None, "`privateKeyFile`."] = None
    pass_req_to_callback: Ignored = None
    skip_user_profile: Ignored = None
    session_key: Ignored = None
    state: Ignored = None
    pkce: Ignored = None
    proxy: Ignored = None
    trust_proxy: Ignored = None
    enable_proof: Ignored = None
    user_agent: Ignored = None


OTHERWISE = {
    "consumer_key": "client_id",
    "consumer_secret": "client_secret",
    "user_authorization_url": "authorization_url",
    "access_token_url": "token_url",
    "user_info_url": "userinfo_url",
    "user_profile_url": "userinfo_url",
    "profile_url": "userinfo_url",
    "user_email_url": "emails_url",
    "key_id": "private_key_id",
    "private_key_location": "private_key_file",
}
"""Fields that have another name outside of ``credentials``."""

NOWHERE_ELSE = {
    *("profile_fields", "pass_req_to_callback", "skip_user_profile", "session_key", "state"),
    *("pkce", "proxy", "trust_proxy", "enable_proof", "user_agent"),
}


def united(table: StrategySettings) -> tuple[StrategySettings, dict[str, str]]:
    """Return a table that says outside of ``credentials`` all that is in there, too.

    Beside it, how the operator has spelled the keys that come from there.

    :raises ValueError: something is said twice, and not alike; the text begins with the key.
    """
    spelled: dict[str, str] = {}
    said: dict[str, Any] = {}
    for one in fields(table.credentials):
        name, value = OTHERWISE.get(one.name, one.name), getattr(table.credentials, one.name)
        if value is None or one.name in NOWHERE_ELSE:
            continue
        own, inner = (
            key_of(type(table), name),
            f"credentials.{key_of(type(table.credentials), one.name)}",
        )
        before = said.get(name, getattr(table, name))
        if before is not None and listed(before) != listed(value):
            raise ValueError(f"{inner}: differs from {spelled.get(own, own)}, which is the same")
        said[name] = value
        spelled[own] = inner
    return replace(table, **said), spelled


def key_of(owner: type, name: str) -> str:
    """Return the key of a field of settings: ``client_id`` is ``clientID``."""
    (one,) = (one for one in fields(owner) if one.name == name)
    first, *rest = name.split("_")
    return str(one.metadata.get("key", first + "".join(word.capitalize() for word in rest)))


def listed(value: Any) -> Any:
    """Return the words of a text, and anything else as it is."""
    return tuple(value.replace(",", " ").split()) if isinstance(value, str) else value
