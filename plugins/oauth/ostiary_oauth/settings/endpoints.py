"""Where a provider is: its issuer and its endpoints, of settings and a ready-made description."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from ostiary_oauth.catalogue import Recipe
from ostiary_oauth.protocol.tenants import PLACEHOLDER, TENANT
from ostiary_oauth.provider import OURS
from ostiary_oauth.settings.passport import FACEBOOK_FIELDS
from ostiary_oauth.settings.urls import fault_of, fault_of_return, origin_of
from ostiary_oauth.web.discovery import WELL_KNOWN

if TYPE_CHECKING:
    from ostiary_oauth.settings import OAuthSettings, StrategySettings

PERSONAL = "9188040d-6c67-4c5b-b112-36a304b66dad"
"""The tenant of Microsoft's personal accounts."""

REALM = re.compile(r"[\w.~%-]+", re.ASCII)
PROFILE_FIELD = re.compile(r"[\w.()]+", re.ASCII)


def of(recipe: Recipe, table: StrategySettings, common: OAuthSettings) -> dict[str, Any]:
    """Return the fields of a provider that say where it is and what it is asked for."""
    scope = _scope(recipe, table)
    found: dict[str, Any] = {
        "authorization_endpoint": table.authorization_url or recipe.authorization,
        "token_endpoint": table.token_url or recipe.exchange,
        "userinfo_endpoint": table.userinfo_url or _userinfo(recipe, table, scope),
        "emails_endpoint": table.emails_url or recipe.emails,
        "jwks_uri": table.jwks_url,
        "end_session_endpoint": table.end_session_url,
        "request_token_endpoint": table.request_token_url or recipe.beginning,
        "redirect_uri": table.callback_url,
        "post_logout_uris": table.post_logout_uris,
        "scope": scope,
        "scope_separator": recipe.scope_separator,
        "authorization_params": _params(recipe, table, scope),
        "tenants": table.tenants,
    }
    _check(table, common)
    found["issuer"], found["discovery_url"] = _issuer(recipe, table, found["token_endpoint"])
    if recipe.protocol == "oidc":
        _check_issuer(found["issuer"], recipe, table, common)
    return found


def _check(table: StrategySettings, common: OAuthSettings) -> None:
    """Refuse an address that is none, or that others on the way can read."""
    insecure, public = common.allow_insecure_http, common.forbid_private_addresses
    asked = {
        "discoveryURL": table.discovery_url,
        "authorizationURL": table.authorization_url,
        "tokenURL": table.token_url,
        "userinfoURL": table.userinfo_url,
        "emailsURL": table.emails_url,
        "jwksURL": table.jwks_url,
        "endSessionURL": table.end_session_url,
        "requestTokenURL": table.request_token_url,
    }
    for key, url in asked.items():
        if url is not None and (fault := fault_of(url, insecure=insecure, public=public)):
            raise ValueError(f"{key}: wanted: {fault}")
    for key, urls in {
        "callbackURL": (table.callback_url or "",),
        "postLogoutURIs": table.post_logout_uris,
    }.items():
        for url in urls:
            if fault := fault_of_return(url, insecure=insecure):
                raise ValueError(f"{key}: wanted: {fault}")


def _check_issuer(
    issuer: str, recipe: Recipe, table: StrategySettings, common: OAuthSettings
) -> None:
    insecure, public = common.allow_insecure_http, common.forbid_private_addresses
    many = recipe.kind == "microsoft" and PLACEHOLDER in issuer
    plain = issuer.replace(PLACEHOLDER, PERSONAL) if many else issuer
    if fault := fault_of(plain, insecure=insecure, public=public, query=False):
        raise ValueError(f"{_told_by(table)}: wanted: {fault}")
    if table.tenants and not many:
        raise ValueError("tenants: means nothing where tenant is a single one")
    if any(not TENANT.fullmatch(one) for one in table.tenants):
        raise ValueError("tenants: wanted: ids of tenants, in small letters")


def _told_by(table: StrategySettings) -> str:
    """Return the key that tells the issuer."""
    if table.issuer is not None:
        return "issuer"
    return "discoveryURL" if table.discovery_url is not None else "baseURL"


def _issuer(recipe: Recipe, table: StrategySettings, token_endpoint: str) -> tuple[str, str | None]:
    """Return the issuer, and where it describes itself if that is not the usual place."""
    if recipe.protocol != "oidc":
        return origin_of(token_endpoint), None
    if table.issuer is not None:
        if twice := [key for key in ("tenant", "baseURL", "realm") if _value(table, key)]:
            raise ValueError(f"{twice[0]}: means nothing beside issuer")
        return table.issuer, table.discovery_url
    if table.discovery_url is not None:
        if not table.discovery_url.endswith(WELL_KNOWN):
            raise ValueError(
                f"issuer: is missing, since discoveryURL does not end with {WELL_KNOWN}"
            )
        return table.discovery_url.removesuffix(WELL_KNOWN), table.discovery_url
    if recipe.kind == "microsoft":
        return _microsoft(recipe, table.tenant or "")
    assert recipe.issuer is not None
    if table.realm is not None and not REALM.fullmatch(table.realm):
        raise ValueError("realm: wanted: its name, as it stands in its address")
    base = (table.base_url or "").rstrip("/")
    return recipe.issuer.format(baseURL=base, realm=table.realm), None


def _value(table: StrategySettings, key: str) -> str | None:
    return {"tenant": table.tenant, "baseURL": table.base_url, "realm": table.realm}[key]


def _microsoft(recipe: Recipe, tenant: str) -> tuple[str, str | None]:
    """Return the issuer of a tenant, or that of many, which holds a place for the id of each."""
    assert recipe.issuer is not None
    if tenant in ("organizations", "common"):
        many = recipe.issuer.format(tenant=tenant) + WELL_KNOWN
        return recipe.issuer.format(tenant=PLACEHOLDER), many
    one = PERSONAL if tenant == "consumers" else tenant
    if not TENANT.fullmatch(one):
        raise ValueError(
            "tenant: wanted: the id of a tenant, in small letters, such as"
            f" {PERSONAL}, or organizations, common or consumers"
        )
    return recipe.issuer.format(tenant=one), None


def _scope(recipe: Recipe, table: StrategySettings) -> tuple[str, ...]:
    scope = recipe.scope
    if isinstance(table.scope, str):
        scope = tuple(table.scope.replace(",", " ").split())
    elif table.scope is not None:
        scope = table.scope
    for one in scope:
        # RFC 6749, 3.3; a comma separates where a space does not.
        if not re.fullmatch(r"[!#-\[\]-~]+", one) or recipe.scope_separator in one:
            raise ValueError("scope: wanted: a list of scopes, or a text with spaces or commas")
    if recipe.protocol == "oidc" and "openid" not in scope:
        return ("openid", *scope)
    return scope


def _params(recipe: Recipe, table: StrategySettings, scope: tuple[str, ...]) -> dict[str, str]:
    for key in table.authorization_params:
        if key.lower() in OURS:
            raise ValueError(f"authorizationParams.{key}: the server itself sets it")
    mode = table.authorization_params.get("response_mode")
    if mode not in (None, "query", "form_post"):
        raise ValueError("authorizationParams.response_mode: wanted: query or form_post")
    form = {"response_mode": "form_post"} if recipe.form_post_scopes & set(scope) else {}
    return {**form, **table.authorization_params}


def _userinfo(recipe: Recipe, table: StrategySettings, scope: tuple[str, ...]) -> str | None:
    """Return where the profile is read, with the fields that are asked for."""
    wanted = table.credentials.profile_fields
    if wanted is not None and recipe.userinfo is not None:
        if not wanted or not all(PROFILE_FIELD.fullmatch(one) for one in wanted):
            raise ValueError("credentials.profileFields: wanted: names of fields")
        named = (FACEBOOK_FIELDS.get(one, one) for one in ("id", *wanted))
        fields = dict.fromkeys(part for one in named for part in one.split(","))
        return f"{recipe.userinfo.partition('?')[0]}?fields={','.join(fields)}"
    if recipe.kind == "twitter" and "users.email" in scope:
        # Without that scope, asking for the address would be refused.
        return f"{recipe.userinfo},confirmed_email"
    return recipe.userinfo
