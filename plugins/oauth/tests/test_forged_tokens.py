"""Id tokens that are forged, of others, or over, brought to a real server."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any

import pytest
from joserfc import jws, jwt
from joserfc.jwk import OctKey, RSAKey

from .besieged import REFUSED, Siege, failed
from .malicious import Bend, claims, signed_by_secret, unsigned
from .provider import CLIENT_SECRET, RSA_KEY

STRANGER = RSAKey.generate_key(2048, {"kid": "rsa"})


def signed(sign: Callable[[dict[str, Any]], str]) -> Bend:
    return lambda loopback: setattr(loopback, "sign", sign)


def by(key: Any, algorithm: str = "RS256", **header: Any) -> Bend:
    whole = {"alg": algorithm, "kid": "rsa", **header}
    return signed(lambda claims: jwt.encode(whole, claims, key, algorithms=[algorithm]))


def signed_text(claims: dict[str, Any]) -> str:
    """Return claims as the provider signs them, in ASCII, whatever they are."""
    return jws.serialize_compact({"alg": "RS256", "kid": "rsa"}, json.dumps(claims), RSA_KEY)


def shifted(name: str, seconds: int) -> Bend:
    return claims(**{name: lambda _: int(time.time()) + seconds})


HS256 = {"alg": "HS256", "kid": "rsa"}
TOKENS: dict[str, Bend] = {
    "OAU-07 no algorithm": signed(lambda claims: unsigned({"alg": "none"}, claims) + "."),
    "OAU-07 no signature": signed(lambda claims: unsigned({"alg": "RS256"}, claims) + "."),
    "OAU-07 the public key as a secret": signed(
        signed_by_secret(HS256, RSA_KEY.as_pem(private=False))
    ),
    "OAU-07 the secret of the client": by(OctKey.import_key(CLIENT_SECRET), "HS256"),
    "OAU-07 a stranger's key": by(STRANGER),
    "OAU-07 a key that it brings": by(STRANGER, jwk=STRANGER.as_dict(private=False)),
    "OAU-07 a key that it points to": by(STRANGER, jku="http://127.0.0.1:1/jwks"),
    "OAU-07 a certificate that it points to": by(STRANGER, x5u="http://127.0.0.1:1/x5u"),
    "OAU-07 a key that nobody knows": by(RSA_KEY, kid="unheard-of"),
    "OAU-07 no token": signed(lambda _: "no.token"),
    "OAU-08 another issuer": claims(iss="https://id.example.org"),
    "OAU-08 no issuer": claims(iss=None),
    "OAU-08 another audience": claims(aud="another"),
    "OAU-08 no audience": claims(aud=None),
    "OAU-08 several audiences, and no party": claims(aud=["ostiary", "another"]),
    "OAU-08 another party": claims(aud=["ostiary", "another"], azp="another"),
    "OAU-08 over": shifted("exp", -3600),
    "OAU-08 without an end": claims(exp=None),
    "OAU-08 not yet": shifted("nbf", 3600),
    "OAU-08 from the future": shifted("iat", 86_400),
    "OAU-06 another nonce": claims(nonce="another"),
    "OAU-06 no nonce": claims(nonce=None),
    "OAU-13 no subject": claims(sub=None),
    "OAU-13 an empty subject": claims(sub=""),
    "OAU-13 a long subject": claims(sub="s" * 256),
    "OAU-13 a subject with a control character": claims(sub="jane\x00"),
    "OAU-13 a subject with a line": claims(sub="jane\nroot"),
    "OAU-13 half a character": signed(lambda claims: signed_text({**claims, "sub": "\ud800"})),
    "OAU-13 a number": claims(sub=7),
    "OAU-13 a list": claims(sub=["jane"]),
}


@pytest.mark.parametrize("bend", TOKENS.values(), ids=TOKENS.keys())
def test_an_id_token_that_is_not_right_opens_nothing(siege: Siege, bend: Bend) -> None:
    """OAU-06, OAU-07, OAU-08, OAU-13."""
    bend(siege.loopback)
    failed(siege, siege.sign_in, REFUSED)


def test_tokens_with_unknown_keys_are_no_flood_of_questions(siege: Siege) -> None:
    """OAU-07, OAU-18."""
    siege.sign_in()
    siege.loopback.asked.clear()
    for number in range(10):
        by(RSA_KEY, kid=f"forged {number}")(siege.loopback)
        failed(siege, siege.sign_in, REFUSED)
    assert sum(path == "/jwks" for _, path, _ in siege.loopback.asked) <= 1
