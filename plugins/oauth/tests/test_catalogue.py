"""The ready-made providers: where they are, and what their profiles mean."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
)
from joserfc import jwt
from joserfc.jwk import ECKey

from ostiary_oauth import attributes
from ostiary_oauth.catalogue import RECIPES
from ostiary_oauth.catalogue.recipe import Recipe
from ostiary_oauth.protocol import client_auth, persons
from ostiary_oauth.provider import Proved, Provider
from ostiary_oauth.settings import providers
from ostiary_oauth.strategy import OAuthStrategy

PROFILES = Path(__file__).parent / "profiles"
TENANT = "9122040d-6c67-4c5b-b112-36a304b66dad"

CLIENT = {
    "clientID": "client",
    "clientSecret": "s3cret",
    "callbackURL": "https://auth.example.org/_login/one",
}
GENERIC = {
    "authorizationURL": "https://id.example.org/authorize",
    "tokenURL": "https://id.example.org/token",
    "userinfoURL": "https://id.example.org/me",
    "identifierAttribute": "id",
}
NEEDED: Mapping[str, Mapping[str, Any]] = {
    "oidc": {"issuer": "https://id.example.org"},
    "oauth2": GENERIC,
    "oauth1": {**GENERIC, "requestTokenURL": "https://id.example.org/request"},
    "microsoft": {"tenant": TENANT},
    "keycloak": {"baseURL": "https://sso.example.org", "realm": "engines"},
}
"""What an operator has to say of a provider, besides the client."""


def provider(kind: str, **settings: Any) -> Provider:
    table = {**CLIENT, **NEEDED.get(kind, {}), "provider": kind, **settings}
    (found,) = providers({"strategies": {"one": table}})
    return found


@pytest.fixture
def apple_key(tmp_path: Path) -> Path:
    key = generate_private_key(SECP256R1())
    file = tmp_path / "AuthKey.p8"
    file.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return file


def apple(key: Path, **settings: Any) -> Provider:
    table = {"teamID": "TEAM", "privateKeyID": "KEY", "privateKeyFile": str(key), **settings}
    return provider("apple", clientSecret=None, **table)


def proved(found: Provider, document: Mapping[str, Any]) -> Proved:
    return persons.proved(OAuthStrategy.of(found), document, {}, issuer=found.issuer)


def profile_of(kind: str) -> dict[str, Any]:
    read: dict[str, Any] = json.loads((PROFILES / f"{kind}.json").read_text(encoding="utf-8"))
    return read


@pytest.mark.parametrize("recipe", RECIPES.values(), ids=lambda recipe: recipe.kind)
def test_a_ready_made_provider_is_asked_over_https_alone(recipe: Recipe, apple_key: Path) -> None:
    kind = recipe.kind
    found = apple(apple_key) if kind == "apple" else provider(kind)
    urls = {name: value for name, value in vars(found).items() if name.endswith("endpoint")}
    asked = [url for url in (*urls.values(), found.issuer, found.discovery_url) if url]
    assert asked
    assert all(url.startswith("https://") for url in asked)
    if found.protocol != "oidc":
        assert None not in (found.authorization_endpoint, found.token_endpoint)
        assert found.userinfo_endpoint is not None
    if found.protocol == "oauth1":
        assert found.request_token_endpoint is not None


READY_MADE = [recipe for recipe in RECIPES.values() if recipe.identifiers]


@pytest.mark.parametrize("recipe", READY_MADE, ids=lambda recipe: recipe.kind)
def test_an_account_is_named_by_what_never_changes(recipe: Recipe) -> None:
    """OAU-11: by no address and no name."""
    for identifier in recipe.identifiers:
        assert identifier.rpartition(".")[2] in {"sub", "id", "id_str", "oid", "user_id"}


@pytest.mark.parametrize(
    "kind, settings, subject, email, verified",
    [
        ("facebook", {}, "10219358873406521", "ada@example.org", False),
        ("twitter", {"scope": "users.read users.email"}, "2244994945", "ada@example.org", True),
        ("twitter-oauth1", {}, "2244994945", "ada@example.org", False),
        ("salesforce", {}, profile_of("salesforce")["sub"], "ada@example.org", True),
        (
            "salesforce",
            {"identifierAttribute": "user_id"},
            "005R0000000GuM1IAK",
            "ada@example.org",
            True,
        ),
        ("github", {}, "583231", "shown@example.org", False),
        ("google", {}, "110169484474386276334", "ada@example.org", True),
        ("microsoft", {}, profile_of("microsoft")["sub"], "ada@example.org", False),
        (
            "microsoft",
            {"identifierAttribute": "oid"},
            profile_of("microsoft")["oid"],
            "ada@example.org",
            False,
        ),
        ("gitlab", {}, "42", "ada@example.org", True),
        ("slack", {}, "U0R7JM", "ada@example.org", True),
        ("discord", {}, "80351110224678912", "ada@example.org", True),
        ("keycloak", {}, profile_of("keycloak")["sub"], "ada@example.org", False),
    ],
)
def test_a_profile_tells_whose_account_it_is_and_whether_the_address_is_verified(
    kind: str, settings: dict[str, Any], subject: str, email: str, verified: bool
) -> None:
    """OAU-11"""
    found = proved(provider(kind, **settings), profile_of(kind))
    assert (found.subject, found.email, found.email_verified) == (subject, email, verified)


def test_apple_says_in_words_that_an_address_is_verified(apple_key: Path) -> None:
    document = profile_of("apple")
    found = proved(apple(apple_key), document)
    assert (found.subject, found.email) == (document["sub"], document["email"])
    assert found.email_verified
    assert not proved(apple(apple_key), {**document, "email_verified": "false"}).email_verified


@pytest.mark.parametrize(
    "kind, kept",
    [
        (
            "facebook",
            {"id": "10219358873406521", "name": "Ada Byron", "email": "ada@example.org"},
        ),
        ("twitter", {"data": {"id": "2244994945", "username": "adabyron", "name": "Ada"}}),
        ("twitter-oauth1", {"id_str": "2244994945", "screen_name": "adabyron", "name": "Ada"}),
        (
            "salesforce",
            {
                "sub": profile_of("salesforce")["sub"],
                "email": "ada@example.org",
                "name": "Ada Byron",
                "organization_id": "00D000000000062EA0",
            },
        ),
        (
            "github",
            {
                "id": 583231,
                "login": "adabyron",
                "name": "Ada Byron",
                "email": "shown@example.org",
            },
        ),
        (
            "discord",
            {
                "id": "80351110224678912",
                "username": "ada",
                "global_name": "Ada",
                "email": "ada@example.org",
            },
        ),
    ],
)
def test_little_of_a_profile_is_kept_unless_the_operator_says_more(
    kind: str, kept: dict[str, Any]
) -> None:
    assert attributes.kept(provider(kind), profile_of(kind)) == kept


def test_what_the_operator_names_is_kept_under_the_names_that_they_give() -> None:
    found = provider(
        "facebook",
        persist=["id", "picture.data.url", "email", "last_name"],
        kuzzleAttributesMapping={"email": "mail", "picture": {"data": {"url": "avatar"}}},
    )
    document = profile_of("facebook")
    assert attributes.kept(found, document) == {
        "id": document["id"],
        "avatar": document["picture"]["data"]["url"],
        "mail": document["email"],
        "last_name": "Byron",
    }


def test_what_is_kept_without_a_new_name_keeps_its_place() -> None:
    found = provider("salesforce", persist=["photos.thumbnail", "address.country"])
    document = profile_of("salesforce")
    assert attributes.kept(found, document) == {
        "sub": document["sub"],
        "photos": {"thumbnail": document["photos"]["thumbnail"]},
        "address": {"country": "GB"},
    }


# Microsoft


def test_one_tenant_is_one_issuer() -> None:
    found = provider("microsoft")
    assert found.issuer == f"https://login.microsoftonline.com/{TENANT}/v2.0"
    assert found.discovery_url is None


def test_personal_accounts_of_microsoft_are_a_tenant_of_their_own() -> None:
    found = provider("microsoft", tenant="consumers")
    assert found.issuer.split("/")[3] == "9188040d-6c67-4c5b-b112-36a304b66dad"


@pytest.mark.parametrize("tenant", ["organizations", "common"])
def test_many_tenants_are_an_issuer_with_a_place_for_each(tenant: str) -> None:
    found = provider("microsoft", tenant=tenant, tenants=[TENANT])
    assert found.issuer == "https://login.microsoftonline.com/{tenantid}/v2.0"
    discovery = f"https://login.microsoftonline.com/{tenant}/v2.0/.well-known/openid-configuration"
    assert found.discovery_url == discovery
    assert found.tenants == (TENANT,)


def test_no_address_of_microsoft_counts_as_verified_even_if_it_says_so() -> None:
    """OAU-11: whoever runs a tenant writes the addresses of its accounts (nOAuth)."""
    assert profile_of("microsoft")["email_verified"] is True
    assert provider("microsoft").verifies_email is False


# Others


def test_apple_is_asked_for_a_form_only_where_it_insists_on_one(apple_key: Path) -> None:
    assert apple(apple_key).authorization_params == {"response_mode": "form_post"}
    assert apple(apple_key, scope=["name"]).authorization_params == {"response_mode": "form_post"}
    assert apple(apple_key, scope="openid").authorization_params == {}


def test_the_secret_of_apple_is_made_of_the_key(apple_key: Path) -> None:
    found = apple(apple_key)
    assert found.client_secret_kind == "apple"
    assert found.client_secret is None
    assert (found.team_id, found.private_key_id) == ("TEAM", "KEY")
    assert found.private_key == apple_key.read_text(encoding="utf-8").strip()
    assert found.client_authentication == "client_secret_post"
    key = ECKey.import_key(apple_key.read_text(encoding="utf-8"))
    made = jwt.decode(client_auth.secret(found) or "", key, algorithms=["ES256"])
    assert made.header == {"typ": "JWT", "alg": "ES256", "kid": "KEY"}
    told = {name: made.claims[name] for name in ("iss", "sub", "aud")}
    assert told == {"iss": "TEAM", "sub": "client", "aud": "https://appleid.apple.com"}
    assert 0 < made.claims["exp"] - made.claims["iat"] <= 300


def test_facebook_separates_scopes_with_commas_and_wants_a_proof() -> None:
    found = provider("facebook", scope="public_profile,email")
    assert found.scope == ("public_profile", "email")
    assert found.scope_separator == ","
    assert found.appsecret_proof


def test_x_is_asked_for_an_address_only_with_the_scope_for_it() -> None:
    def fields(found: Provider) -> list[str]:
        query = parse_qs(urlsplit(found.userinfo_endpoint or "").query)
        return query["user.fields"][0].split(",")

    assert "confirmed_email" not in fields(provider("twitter"))
    assert "confirmed_email" in fields(provider("twitter", scope="users.read users.email"))


def test_keycloak_is_an_issuer_for_each_realm() -> None:
    found = provider("keycloak", baseURL="https://sso.example.org/auth/")
    assert found.issuer == "https://sso.example.org/auth/realms/engines"


def test_gitlab_and_salesforce_may_be_ones_own() -> None:
    own = provider("gitlab", issuer="https://gitlab.example.org")
    assert (own.issuer, own.label) == ("https://gitlab.example.org", "GitLab")
    domain = "https://engines.my.salesforce.com"
    assert provider("salesforce", issuer=domain).issuer == domain


def test_an_enterprise_server_of_github_is_github_elsewhere() -> None:
    found = provider(
        "github",
        authorizationURL="https://git.example.org/login/oauth/authorize",
        tokenURL="https://git.example.org/login/oauth/access_token",
        userinfoURL="https://git.example.org/api/v3/user",
        emailsURL="https://git.example.org/api/v3/user/emails",
    )
    assert found.issuer == "https://git.example.org"
    assert found.emails_endpoint == "https://git.example.org/api/v3/user/emails"
