"""Providers of OAuth 2.0 and 1.0a: nothing is discovered, and each has a profile of its own."""

from __future__ import annotations

from ostiary_oauth.catalogue.recipe import Recipe

OAUTH2 = Recipe(
    kind="oauth2",
    protocol="oauth2",
    needs=("authorizationURL", "tokenURL", "userinfoURL", "identifierAttribute"),
)

OAUTH1 = Recipe(
    kind="oauth1",
    protocol="oauth1",
    needs=(
        "requestTokenURL",
        "authorizationURL",
        "tokenURL",
        "userinfoURL",
        "identifierAttribute",
    ),
)

# The public address of a profile need not be verified: the list of addresses says which are.
GITHUB = Recipe(
    kind="github",
    protocol="oauth2",
    label="GitHub",
    authorization="https://github.com/login/oauth/authorize",
    exchange="https://github.com/login/oauth/access_token",
    userinfo="https://api.github.com/user",
    emails="https://api.github.com/user/emails",
    client_authentication="client_secret_post",
    scope=("read:user", "user:email"),
    identifiers=("id",),
    persist=("login", "name", "email"),
)

# Without a version, an app has the oldest that it may still use.
FACEBOOK = Recipe(
    kind="facebook",
    protocol="oauth2",
    label="Facebook",
    takes=("profileFields",),
    authorization="https://www.facebook.com/dialog/oauth",
    exchange="https://graph.facebook.com/oauth/access_token",
    userinfo="https://graph.facebook.com/me?fields=id,name,email",
    client_authentication="client_secret_post",
    appsecret_proof=True,
    scope=("public_profile", "email"),
    scope_separator=",",
    identifiers=("id",),
    persist=("name", "email"),
)

TWITTER = Recipe(
    kind="twitter",
    protocol="oauth2",
    label="X",
    authorization="https://x.com/i/oauth2/authorize",
    exchange="https://api.x.com/2/oauth2/token",
    userinfo="https://api.x.com/2/users/me?user.fields=id,name,username,profile_image_url",
    scope=("users.read", "tweet.read"),
    identifiers=("data.id",),
    email="data.confirmed_email",
    email_verified="data.confirmed_email",
    persist=("data.username", "data.name"),
)

TWITTER_OAUTH1 = Recipe(
    kind="twitter-oauth1",
    protocol="oauth1",
    label="X",
    beginning="https://api.x.com/oauth/request_token",
    authorization="https://api.x.com/oauth/authenticate",
    exchange="https://api.x.com/oauth/access_token",
    userinfo="https://api.x.com/1.1/account/verify_credentials.json?include_email=true",
    identifiers=("id_str",),
    persist=("screen_name", "name"),
)

DISCORD = Recipe(
    kind="discord",
    protocol="oauth2",
    label="Discord",
    authorization="https://discord.com/oauth2/authorize",
    exchange="https://discord.com/api/oauth2/token",
    userinfo="https://discord.com/api/users/@me",
    client_authentication="client_secret_post",
    scope=("identify", "email"),
    identifiers=("id",),
    email_verified="verified",
    persist=("username", "global_name", "email"),
)

PLAIN = (OAUTH2, OAUTH1, GITHUB, FACEBOOK, TWITTER, TWITTER_OAUTH1, DISCORD)
