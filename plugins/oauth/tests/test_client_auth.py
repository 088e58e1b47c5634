"""How this server proves which client it is: each way is checked by a provider of our own."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest
from joserfc import jwt
from joserfc.jwk import ECKey, OctKey, OKPKey, RSAKey

from ostiary_oauth import errors
from ostiary_oauth.protocol import client_auth, client_keys

from .provider import Loopback
from .visiting import Visitor

pytestmark = pytest.mark.anyio

Coming = Callable[..., Visitor]

KEYS: dict[str, Any] = {
    "RS256": RSAKey.generate_key(2048),
    "ES256": ECKey.generate_key("P-256"),
    "ES384": ECKey.generate_key("P-384"),
    "ES512": ECKey.generate_key("P-521"),
    "EdDSA": OKPKey.generate_key("Ed25519"),
}


def pem_of(key: Any) -> str:
    return str(key.as_pem(private=True).decode())


def public(key: Any) -> Any:
    return type(key).import_key(key.as_dict(private=False))


def given_by(loopback: Loopback) -> dict[str, str]:
    """Return the form of the last request to the token endpoint."""
    return next(form for _, path, form in reversed(loopback.asked) if path == "/token")


@pytest.mark.parametrize("way", ["client_secret_basic", "client_secret_post", "none"])
async def test_a_client_is_who_the_settings_say(
    visitor: Coming, loopback: Loopback, way: str
) -> None:
    """RFC 6749, 2.3.1: the secret has characters that a form writes otherwise."""
    loopback.authentication = way
    await visitor(client_authentication=way).sign_in()
    assert ("client_secret" in given_by(loopback)) == (way == "client_secret_post")
    assert ("client_id" in given_by(loopback)) == (way != "client_secret_basic")


async def test_a_name_with_a_colon_is_not_cut_in_two(visitor: Coming, loopback: Loopback) -> None:
    """RFC 6749, 2.3.1: as a form, so that it can be told from the secret."""
    loopback.client_id = "urn:example:client/1 é"
    await visitor().sign_in()


async def test_a_public_client_sends_no_secret(visitor: Coming, loopback: Loopback) -> None:
    """OAU-02: PKCE is what ties its code to it (RFC 9700, 2.1.1)."""
    loopback.authentication = "none"
    await visitor(client_secret=None, client_authentication="none").sign_in()
    assert given_by(loopback).keys() == {
        "grant_type",
        "redirect_uri",
        "code",
        "code_verifier",
        "client_id",
    }


@pytest.mark.parametrize("algorithm", KEYS)
async def test_a_key_proves_who_the_client_is(
    visitor: Coming, loopback: Loopback, algorithm: str
) -> None:
    """RFC 7523, 2.2 and 3; no secret goes over the wire."""
    key = KEYS[algorithm]
    loopback.authentication, loopback.client_key = "private_key_jwt", public(key)
    settings = {
        "client_secret": None,
        "client_authentication": "private_key_jwt",
        "private_key": pem_of(key),
        "private_key_id": "key-1",
    }
    await visitor(**settings).sign_in()
    first = opened(loopback, key, algorithm)
    await visitor(**settings).sign_in()
    assert first.header == {"typ": "JWT", "alg": algorithm, "kid": "key-1"}
    assert first.claims["exp"] - first.claims["iat"] == 60
    assert first.claims["jti"] != opened(loopback, key, algorithm).claims["jti"]
    assert "client_secret" not in given_by(loopback)


async def test_a_proof_of_another_key_is_not_accepted(visitor: Coming, loopback: Loopback) -> None:
    loopback.authentication = "private_key_jwt"
    loopback.client_key = public(ECKey.generate_key("P-256"))
    with pytest.raises(errors.ClientRefused):
        await visitor(
            client_authentication="private_key_jwt", private_key=pem_of(KEYS["ES256"])
        ).sign_in()


async def test_apples_secret_is_made_of_a_key(loopback: Loopback) -> None:
    key = KEYS["ES256"]
    provider = loopback.provider(
        client_id="org.example.web",
        client_secret=None,
        client_secret_kind="apple",
        client_authentication="client_secret_post",
        team_id="TEAM123456",
        private_key=pem_of(key),
        private_key_id="KEY1234567",
    )
    secret = client_auth.secret(provider)
    assert secret is not None
    token = jwt.decode(secret, public(key), algorithms=["ES256"])
    assert token.header == {"typ": "JWT", "alg": "ES256", "kid": "KEY1234567"}
    now = int(time.time())
    assert token.claims["iss"] == "TEAM123456"
    assert token.claims["sub"] == "org.example.web"
    assert token.claims["aud"] == "https://appleid.apple.com"
    assert now - 5 <= token.claims["iat"] <= now
    assert token.claims["exp"] == token.claims["iat"] + 60


@pytest.mark.parametrize(
    "text",
    [
        "",
        "no key",
        "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----",
        RSAKey.generate_key(2048).as_pem(private=False).decode(),
        ECKey.generate_key("secp256k1").as_pem(private=True).decode(),
        OKPKey.generate_key("X25519").as_pem(private=True).decode(),
    ],
    ids=["nothing", "a text", "damage", "public", "a curve that is not used", "not for signing"],
)
def test_what_cannot_sign_for_a_provider_is_no_key(text: str) -> None:
    with pytest.raises(ValueError, match="wanted: a private key"):
        client_keys.signing_key(text)


def test_a_secret_is_no_key() -> None:
    secret = OctKey.generate_key(256).raw_value.hex()
    with pytest.raises(ValueError, match="wanted: a private key"):
        client_keys.signing_key(secret)


def opened(loopback: Loopback, key: Any, algorithm: str) -> jwt.Token:
    assertion = given_by(loopback)["client_assertion"]
    if algorithm != "EdDSA":
        return jwt.decode(assertion, public(key), algorithms=[algorithm])
    with pytest.warns(match="EdDSA is deprecated"):
        return jwt.decode(assertion, public(key), algorithms=[algorithm])
