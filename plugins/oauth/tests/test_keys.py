"""Which keys of a published set are believed."""

from __future__ import annotations

from typing import Any

import pytest
from joserfc.jwk import ECKey, OKPKey, RSAKey

from ostiary_oauth.web import keys
from ostiary_oauth.web.endpoints import UnfitError

RSA = RSAKey.generate_key(2048, {"kid": "rsa"}, private=True)
GOOD = RSA.as_dict(private=False)


def ids(*published: Any) -> list[str | None]:
    return [key.kid for key in keys.signing_keys({"keys": [*published, GOOD]})][:-1]


def test_public_keys_that_sign_are_believed() -> None:
    elliptic = ECKey.generate_key("P-256", {"kid": "ec"}).as_dict(private=False)
    edwards = OKPKey.generate_key("Ed25519", {"kid": "okp"}).as_dict(private=False)
    used = {**GOOD, "kid": "used", "use": "sig", "key_ops": ["verify"], "alg": "PS256"}
    assert ids(elliptic, edwards, used) == ["ec", "okp", "used"]


@pytest.mark.parametrize(
    "jwk",
    [
        {"kty": "oct", "k": "c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0", "kid": "a"},
        {**GOOD, "use": "enc"},
        {**GOOD, "use": None},
        {**GOOD, "key_ops": ["encrypt"]},
        {**GOOD, "key_ops": "verify"},
        {**GOOD, "alg": "HS256"},
        {**GOOD, "alg": "none"},
        {**GOOD, "alg": ["RS256"]},
        {**GOOD, "alg": {"RS256": 1}},
        {**GOOD, "kty": "XYZ"},
        {**GOOD, "kty": ["RSA"]},
        {**GOOD, "kid": 7},
        {**GOOD, "kid": "k" * 300},
        {**GOOD, "n": "AQAB"},
        {**GOOD, "n": "A" * 5000},
        {**GOOD, "e": "A" * 400},
        {**GOOD, "n": "!" * 342},
        {**GOOD, "n": None},
        {"kty": "RSA", "kid": "a"},
        ECKey.generate_key("secp256k1", {"kid": "a"}).as_dict(private=False),
        OKPKey.generate_key("X25519", {"kid": "a"}).as_dict(private=False),
        {"kty": "EC", "crv": ["P-256"], "x": "AQ", "y": "AQ"},
        {"kty": "EC", "crv": "P-256", "x": "AQ", "y": "AQ"},
        "key",
        None,
        [],
    ],
)
def test_no_other_key_is(jwk: Any) -> None:
    """OAU-07: a secret key, one of another use, a weak one, or one that costs too much."""
    assert ids(jwk) == []


@pytest.mark.parametrize("document", [None, [], {}, {"keys": {}}, {"keys": []}, {"keys": ["x"]}])
def test_a_set_without_such_a_key_is_none(document: Any) -> None:
    with pytest.raises(UnfitError):
        keys.signing_keys(document)


def test_what_a_provider_publishes_by_mistake_is_not_kept() -> None:
    (kept,) = keys.signing_keys({"keys": [{**RSA.as_dict(private=True), "x5u": "http://a"}]})
    assert not kept.is_private
    assert "x5u" not in kept.as_dict()


def test_no_more_keys_are_looked_at_than_a_provider_can_need() -> None:
    many = [{**GOOD, "kid": str(number)} for number in range(1000)]
    assert len(keys.signing_keys({"keys": many}).keys) == keys.MOST_KEYS
