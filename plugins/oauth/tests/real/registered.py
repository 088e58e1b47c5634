"""What two providers know of the server, and what the server is told of them."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from joserfc.jwk import ECKey, RSAKey

from ostiary.testing.server import free_port

PEOPLE = ["ann", "bob", "cid", "dan", "eve"]
"""Who has an account at Canaille; at oidc-provider everybody has one."""

SECRETS = {name: f"{name}-has-this-secret-" * 2 for name in ("npm", "form", "canaille")}
"""Of the clients that have one, by strategy."""

NPM = {
    "npm": "client_secret_basic",
    "form": "client_secret_post",
    "signed": "private_key_jwt",
    "public": "none",
}
"""How the strategies of oidc-provider prove who the client is."""

SETTINGS = """
[server]
publicUrl = "{url}"

[http]
accessControlAllowOrigin = {origins}

[security]
returnAddresses = {pages}

[security.hashing]
timeCost = 5
memoryCost = 7168

[plugins.oauth]
allowInsecureHttp = true
{plugin}
"""

STRATEGY = """
[plugins.oauth.strategies.{name}]
provider = "oidc"
label = "{name} of the test"
issuer = "{issuer}"
clientID = "{name}"
callbackURL = "{url}/_login/{name}"
scope = ["openid", "profile", "email"]
persist = ["name", "email"]
{more}
"""


def _key() -> ECKey:
    return ECKey.generate_key("P-256", {"use": "sig", "alg": "ES256"}, auto_kid=True)


@dataclass(frozen=True)
class Registered:
    """The clients of both providers.

    :ivar url: where browsers reach the server: by a name that no provider is reached by.
    :ivar client_key: of the client that proves with a key who it is.
    """

    url: str
    origins: list[str]
    npm_url: str = field(default_factory=lambda: f"http://127.0.0.1:{free_port()}")
    canaille_url: str = field(default_factory=lambda: f"http://127.0.0.1:{free_port()}")
    client_key: ECKey = field(default_factory=_key)

    def for_npm(self) -> dict[str, Any]:
        """Return what oidc-provider is told."""
        clients = [self._npm_client(name, method) for name, method in NPM.items()]
        port = int(self.npm_url.rpartition(":")[2])
        keys = {"keys": [signing_key()]}
        return {"port": port, "issuer": self.npm_url, "clients": clients, "jwks": keys}

    def for_canaille(self) -> dict[str, Any]:
        """Return what Canaille is told."""
        client = {
            "id": "canaille",
            "secret": SECRETS["canaille"],
            "method": "client_secret_basic",
            "redirect_uris": [f"{self.url}/_login/canaille"],
            "post_logout_redirect_uris": self.origins,
        }
        host, _, port = self.canaille_url.removeprefix("http://").partition(":")
        where = {"host": host, "port": int(port)}
        return {**where, "clients": [client], "people": PEOPLE, "key": signing_key()}

    def settings(self, folder: Path, plugin: str = "", more: dict[str, str] | None = None) -> str:
        """Return what stands in ``ostiary.toml``.

        :param folder: where the private key of a client is kept.
        :param plugin: settings of the plugin; ``more``: of its strategies, by name.
        """
        pem = folder / "client.pem"
        pem.write_bytes(self.client_key.as_pem(private=True))
        key = f'privateKeyFile = "{pem}"\nprivateKeyID = "{self.client_key.kid}"'
        # Canaille, as it keeps things in memory, would take anybody's consent for everybody's.
        asked = 'authorizationParams = {prompt = "consent"}'
        form = """clientAuthentication = "client_secret_post"
authorizationParams = {response_mode = "form_post"}"""
        pages = [f"{origin}/index.html" for origin in self.origins]
        back = f"postLogoutURIs = {pages}"
        own = {
            "npm": f'clientSecret = "{SECRETS["npm"]}"\nkeepTokens = true\n{back}',
            "form": f'clientSecret = "{SECRETS["form"]}"\n{form}',
            "signed": f'clientAuthentication = "private_key_jwt"\n{key}',
            "public": 'clientAuthentication = "none"',
            "canaille": f'clientSecret = "{SECRETS["canaille"]}"\n{asked}',
        }
        text = SETTINGS.format(url=self.url, origins=self.origins, pages=pages, plugin=plugin)
        for name, line in own.items():
            issuer = self.canaille_url if name == "canaille" else self.npm_url
            lines = f"{line}\n{(more or {}).get(name, '')}"
            text += STRATEGY.format(name=name, issuer=issuer, url=self.url, more=lines)
        return text

    def _npm_client(self, name: str, method: str) -> dict[str, Any]:
        client: dict[str, Any] = {
            "client_id": name,
            "client_name": name,
            "token_endpoint_auth_method": method,
            "redirect_uris": [f"{self.url}/_login/{name}"],
            "post_logout_redirect_uris": [f"{origin}/index.html" for origin in self.origins],
            "backchannel_logout_uri": f"{self.url}/_/backchannel/{name}",
            "backchannel_logout_session_required": True,
            "grant_types": ["authorization_code", "refresh_token"],
        }
        if name in SECRETS:
            client["client_secret"] = SECRETS[name]
        if method == "private_key_jwt":
            client["jwks"] = {"keys": [self.client_key.as_dict(private=False)]}
        return client


def signing_key() -> dict[str, Any]:
    """Return a new key that a provider signs with, as a private JWK."""
    key = RSAKey.generate_key(2048, {"use": "sig", "alg": "RS256"}, auto_kid=True)
    return dict(key.as_dict(private=True))
