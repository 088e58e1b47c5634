"""A table of the settings and the ready-made description that it names become a ``Provider``.

Each function raises a ValueError whose text begins with the key that is wrong, or missing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ostiary import Strategy, fault_of
from ostiary_oauth.catalogue import RECIPES, Recipe
from ostiary_oauth.protocol.tenants import PLACEHOLDER
from ostiary_oauth.provider import Provider
from ostiary_oauth.settings import attributes as attribute_settings
from ostiary_oauth.settings import clients as client_settings
from ostiary_oauth.settings import endpoints as endpoint_settings
from ostiary_oauth.settings.passport import MEANT, key_of, united

if TYPE_CHECKING:
    from ostiary_oauth.settings import OAuthSettings, StrategySettings

OPENID = {
    *("issuer", "discoveryURL", "jwksURL", "endSessionURL", "algorithms", "postLogoutURIs"),
}
OAUTH2 = {
    *("scope", "clientAuthentication", "privateKeyFile", "privateKeyID", "keepTokens"),
}
MEANINGFUL = {
    "oidc": OPENID | OAUTH2,
    "oauth2": {"emailsURL"} | OAUTH2,
    "oauth1": {"requestTokenURL"},
}
"""Keys that mean something for some protocols only."""

PARTICULAR = {key for keys in MEANINGFUL.values() for key in keys} | {
    key for recipe in RECIPES.values() for key in recipe.takes
}


def provider_of(name: str, table: StrategySettings, common: OAuthSettings) -> Provider:
    """Return the provider of a strategy.

    :raises ValueError: the text begins with the dotted key, as the operator has spelled it.
    """
    if fault_of(Strategy(name=name)) is not None:
        raise ValueError(
            f"strategies.{name}: no strategy can have this name: it is made of a-z, 0-9, - and _,"
            " begins with a letter, and has 63 signs at most"
        )
    spelled: dict[str, str] = {}
    try:
        whole, spelled = united(table)
        return _completed(name, whole, common)
    except ValueError as error:
        key, _, text = str(error).partition(": ")
        raise ValueError(f"strategies.{name}.{spelled.get(key, key)}: {text}") from None


def recipe_of(name: str, table: StrategySettings) -> Recipe:
    """Return the ready-made description that a table names, in our words or in passport's."""
    meant = _meant(name, table)
    kind = table.provider or meant
    if kind is None:
        raise ValueError(f"provider: is missing; wanted: one of {_kinds()}")
    if kind not in RECIPES:
        raise ValueError(f"provider: wanted: one of {_kinds()}")
    if table.passport_strategy is not None and meant != kind:
        raise ValueError("passportStrategy: differs from provider, which is the same")
    return RECIPES[kind]


def _meant(name: str, table: StrategySettings) -> str | None:
    """Return what passport's word, or else the name of the strategy, stands for."""
    word = name if table.passport_strategy is None else table.passport_strategy
    kind = MEANT.get(word, word)
    if kind == "twitter" and table.credentials.consumer_key is not None:
        # passport-twitter speaks OAuth 1.0a; X has other keys for OAuth 2.0.
        kind = "twitter-oauth1"
    if kind in RECIPES:
        return kind
    if table.passport_strategy is not None and table.provider is None:
        known = ", ".join(sorted({*MEANT, *RECIPES}))
        raise ValueError(f"passportStrategy: wanted: one of {known}")
    return None


def _completed(name: str, table: StrategySettings, common: OAuthSettings) -> Provider:
    recipe = recipe_of(name, table)
    given = _given(table)
    _check_keys(recipe, given)
    provider = Provider(
        name=name,
        kind=recipe.kind,
        protocol=recipe.protocol,
        label=recipe.label if table.label is None else table.label,
        insecure_http=common.allow_insecure_http,
        private_addresses=not common.forbid_private_addresses,
        default_profiles=table.default_profiles or common.default_profiles,
        admission=table.users,
        link_by_email=table.link_by_email,
        profile_rules=table.profiles,
        keep_tokens=table.keep_tokens,
        **endpoint_settings.of(recipe, table, common),
        **client_settings.of(recipe, table),
        **attribute_settings.of(recipe, table),
    )
    _check_admission(provider, table)
    return provider


def _given(table: StrategySettings) -> set[str]:
    """Return the keys that a table gives."""
    names = (name for name in vars(table) if name != "credentials")
    owner = type(table)
    default = owner()
    given = {key_of(owner, one) for one in names if getattr(table, one) != getattr(default, one)}
    return given | ({"profileFields"} if table.credentials.profile_fields is not None else set())


def _check_keys(recipe: Recipe, given: set[str]) -> None:
    for key in sorted(given & PARTICULAR - MEANINGFUL[recipe.protocol] - set(recipe.takes)):
        shown = "credentials.profileFields" if key == "profileFields" else key
        raise ValueError(f"{shown}: means nothing for a provider of the kind {recipe.kind}")
    for key in ("clientID", "callbackURL", *recipe.needs):
        if key not in given and not _found_otherwise(key, recipe, given):
            raise ValueError(f"{key}: is missing")


def _found_otherwise(key: str, recipe: Recipe, given: set[str]) -> bool:
    """Tell whether a key may be missing, since others say the same."""
    if key == "issuer":
        return "discoveryURL" in given
    return "issuer" in given and f"{{{key}}}" in (recipe.issuer or "")


def _check_admission(provider: Provider, table: StrategySettings) -> None:
    if table.default_profiles == ():
        raise ValueError("defaultProfiles: wanted: one at least")
    if provider.link_by_email and not provider.verifies_email:
        raise ValueError(
            "linkByEmail: wanted: false, since this provider never says that it has verified an"
            " address; emailVerifiedAttribute would tell where it does"
        )
    for index, rule in enumerate(provider.profile_rules):
        if rule.claim == provider.email or attribute_settings.is_address(rule.claim):
            raise ValueError(
                f"profiles[{index}].claim: wanted: another, since an address may be unverified, and"
                " may become another's"
            )
    if {rule.profile for rule in provider.profile_rules}.issuperset(provider.default_profiles):
        raise ValueError(
            "profiles: wanted: rules that leave one of defaultProfiles alone, which is of users"
            " whose claims give none"
        )
    if provider.profile_rules and PLACEHOLDER in provider.issuer and not provider.tenants:
        raise ValueError(
            "tenants: is missing; wanted: those whose claims may give profiles, since anybody can"
            " have a tenant"
        )


def _kinds() -> str:
    return ", ".join(sorted(RECIPES))
