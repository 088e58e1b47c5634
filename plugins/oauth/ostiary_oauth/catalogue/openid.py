"""Providers of OpenID Connect: their endpoints and keys are discovered, the rest is here."""

from __future__ import annotations

from ostiary_oauth.catalogue.recipe import Recipe

PROFILE = ("email", "name")

OIDC = Recipe(
    kind="oidc",
    protocol="oidc",
    needs=("issuer",),
    scope=("openid", "email"),
    identifiers=("sub",),
    email_verified="email_verified",
)

GOOGLE = Recipe(
    kind="google",
    protocol="oidc",
    label="Google",
    issuer="https://accounts.google.com",
    scope=("openid", "email", "profile"),
    identifiers=("sub",),
    email_verified="email_verified",
    persist=PROFILE,
)

# Whoever runs a tenant writes the addresses of its accounts: none is verified ("nOAuth").
MICROSOFT = Recipe(
    kind="microsoft",
    protocol="oidc",
    label="Microsoft",
    takes=("tenant", "tenants"),
    needs=("tenant",),
    issuer="https://login.microsoftonline.com/{tenant}/v2.0",
    client_authentication="client_secret_post",
    scope=("openid", "email", "profile"),
    identifiers=("sub", "oid"),
    persist=PROFILE,
)

GITLAB = Recipe(
    kind="gitlab",
    protocol="oidc",
    label="GitLab",
    issuer="https://gitlab.com",
    scope=("openid", "email", "profile"),
    identifiers=("sub",),
    email_verified="email_verified",
    persist=(*PROFILE, "nickname"),
)

SALESFORCE = Recipe(
    kind="salesforce",
    protocol="oidc",
    label="Salesforce",
    issuer="https://login.salesforce.com",
    client_authentication="client_secret_post",
    scope=("openid", "email", "profile"),
    identifiers=("sub", "user_id"),
    email_verified="email_verified",
    persist=(*PROFILE, "organization_id"),
)

APPLE = Recipe(
    kind="apple",
    protocol="oidc",
    label="Apple",
    takes=("teamID",),
    needs=("teamID", "privateKeyID", "privateKeyFile"),
    issuer="https://appleid.apple.com",
    client_authentication="client_secret_post",
    apple_secret=True,
    scope=("openid", "email"),
    identifiers=("sub",),
    email_verified="email_verified",
    form_post_scopes=frozenset({"name", "email"}),
)

SLACK = Recipe(
    kind="slack",
    protocol="oidc",
    label="Slack",
    issuer="https://slack.com",
    client_authentication="client_secret_post",
    scope=("openid", "email", "profile"),
    identifiers=("sub",),
    email_verified="email_verified",
    persist=PROFILE,
)

KEYCLOAK = Recipe(
    kind="keycloak",
    protocol="oidc",
    label="Keycloak",
    takes=("baseURL", "realm"),
    needs=("baseURL", "realm"),
    issuer="{baseURL}/realms/{realm}",
    scope=("openid", "email", "profile"),
    identifiers=("sub",),
    email_verified="email_verified",
    persist=(*PROFILE, "preferred_username"),
)

OPENID = (OIDC, GOOGLE, MICROSOFT, GITLAB, SALESFORCE, APPLE, SLACK, KEYCLOAK)
