"""Tables of settings, one of each kind, and how one is read."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ostiary_oauth.provider import Provider
from ostiary_oauth.settings import providers

SECRET = "do-not-tell-anybody"
CLIENT = {
    "clientID": "client",
    "clientSecret": SECRET,
    "callbackURL": "https://auth.example.org/_login/work",
}
WORK = {**CLIENT, "provider": "oidc", "issuer": "https://id.example.org"}
PLAIN = {
    **CLIENT,
    "provider": "oauth2",
    "authorizationURL": "https://id.example.org/authorize",
    "tokenURL": "https://id.example.org:443/token",
    "userinfoURL": "https://api.example.org/me",
    "identifierAttribute": "id",
}
OAUTH1 = {**PLAIN, "provider": "oauth1", "requestTokenURL": "https://id.example.org/request"}
GITHUB = {**CLIENT, "provider": "github"}
MICROSOFT = {**CLIENT, "provider": "microsoft", "tenant": "organizations"}
TENANT = "9122040d-6c67-4c5b-b112-36a304b66dad"
RULE = {"claim": "groups", "value": "staff", "profile": "staff"}


def read(table: Mapping[str, Any], **common: Any) -> Provider:
    given = {name: value for name, value in table.items() if value is not None}
    (found,) = providers({**common, "strategies": {"work": given}})
    return found
