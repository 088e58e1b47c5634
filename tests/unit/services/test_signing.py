"""The signing keys: what they sign clients can read, and nothing else passes for it."""

from __future__ import annotations

import base64
import hmac
import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import insert

from ostiary import errors
from ostiary.services.signing import SigningKeys
from ostiary.storage.tables import signing_keys as table
from ostiary.testing.clock import Clock

pytestmark = pytest.mark.anyio

CLAIMS = {"_id": "ann", "iat": 1, "jti": "0"}
MANY = settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=200, deadline=None
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=5,
)


@pytest.fixture
def keys(house: Any) -> SigningKeys:
    found: SigningKeys = house.core.signing_keys
    return found


def part(value: Any) -> str:
    raw = value if isinstance(value, bytes) else json.dumps(value).encode()
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def forged(keys: SigningKeys, header: Any, payload: Any = CLAIMS, key: bytes | None = None) -> str:
    """Return a token with any header, under our own newest key unless another is given."""
    secret = keys._keys[keys._newest] if key is None else key
    signed = f"{part(header)}.{part(payload)}"
    return f"{signed}.{part(hmac.digest(secret, signed.encode(), 'sha256'))}"


def good_header(keys: SigningKeys) -> dict[str, Any]:
    return {"alg": "HS256", "typ": "JWT", "kid": keys._newest}


async def test_what_was_signed_is_verified(keys: SigningKeys) -> None:
    token, key_id = keys.sign(CLAIMS)
    assert keys.verify(token) == CLAIMS
    assert keys.sign(CLAIMS, key_id) == (token, key_id)
    assert keys.verify(forged(keys, good_header(keys))) == CLAIMS


@MANY
@given(kuid=st.text(st.characters(exclude_categories=["Cs"]), max_size=100))
async def test_clients_can_read_the_claims_with_the_plain_alphabet(
    keys: SigningKeys, kuid: str
) -> None:
    token, _ = keys.sign({"_id": kuid})
    middle = token.split(".")[1]
    assert not set("-_") & set(middle)
    assert json.loads(base64.b64decode(middle + "==")) == {"_id": kuid}
    assert keys.verify(token) == {"_id": kuid}


@pytest.mark.parametrize(
    "change",
    [
        {"alg": "none"},
        {"alg": "None"},
        {"alg": "HS512"},
        {"alg": "RS256"},
        {"alg": None},
        {"alg": ["HS256"]},
        {"kid": "another"},
        {"kid": ""},
        {"kid": None},
        {"kid": 5},
        {"kid": ["x"]},
        {"kid": {"x": 1}},
        {"typ": 5},
        {"jwk": {"kty": "oct", "k": "AAAA"}},
        {"jku": "http://127.0.0.1/"},
        {"x5u": "http://127.0.0.1/"},
        {"x5c": ["AAAA"]},
        {"crit": ["exp"], "exp": 1},
        {"b64": False, "crit": ["b64"]},
        {"zip": "DEF"},
    ],
    ids=str,
)
async def test_no_header_chooses_a_key_or_another_way(
    keys: SigningKeys, change: dict[str, Any]
) -> None:
    """TOK-01, TOK-02, TOK-03, TOK-06, TOK-07"""
    with pytest.raises(errors.TokenInvalid):
        keys.verify(forged(keys, good_header(keys) | change))


async def test_a_key_of_others_signs_nothing(keys: SigningKeys) -> None:
    """TOK-02"""
    for key in (b"", b"secret", b"\0" * 32, keys._newest.encode()):
        with pytest.raises(errors.TokenInvalid):
            keys.verify(forged(keys, good_header(keys), key=key))


@MANY
@given(header=JSON | st.dictionaries(st.sampled_from(["alg", "typ", "kid", "enc"]), JSON))
async def test_no_header_is_an_unexpected_error(keys: SigningKeys, header: Any) -> None:
    with pytest.raises(errors.TokenInvalid):
        keys.verify(forged(keys, header))


@MANY
@given(
    payload=JSON.filter(lambda value: not isinstance(value, dict))
    | st.binary(max_size=20).filter(lambda text: not text.strip().startswith(b"{"))
)
async def test_no_payload_is_an_unexpected_error(keys: SigningKeys, payload: Any) -> None:
    with pytest.raises(errors.TokenInvalid):
        keys.verify(forged(keys, good_header(keys), payload))


@MANY
@given(
    text=st.text(max_size=60) | st.from_regex(r"[A-Za-z0-9_-]{0,20}(\.[A-Za-z0-9_=-]{0,20}){0,5}")
)
async def test_no_text_is_an_unexpected_error(keys: SigningKeys, text: str) -> None:
    """TOK-04"""
    with pytest.raises(errors.TokenInvalid):
        keys.verify(text)


async def test_every_process_signs_with_the_same_keys(open_house: Any) -> None:
    one, other = await open_house(), await open_house()
    token, key_id = one.core.signing_keys.sign(CLAIMS)
    assert other.core.signing_keys.verify(token) == CLAIMS
    assert other.core.signing_keys.sign(CLAIMS)[1] == key_id


async def test_keys_stand_sealed_in_the_store(house: Any, keys: SigningKeys) -> None:
    """TOK-30"""
    (row,) = await house.rows(table)
    secret = keys._keys[row.id]
    assert len(secret) == 32
    assert secret not in row.sealed


async def test_a_newer_key_signs_and_the_older_still_verify(house: Any, keys: SigningKeys) -> None:
    """TOK-31"""
    old, first = keys.sign(CLAIMS)
    sealed = house.store.sealer.seal(b"k" * 32, column=table.c.sealed, row="second")
    row = {"id": "second", "sealed": sealed, "created_at": 2**52}
    async with house.store.begin() as db:
        await db.execute(insert(table).values(row))
    ring = SigningKeys(house.store, Clock())
    await ring.load()
    new, second = ring.sign(CLAIMS)
    assert (first != second, second) == (True, "second")
    assert ring.verify(old) == ring.verify(new) == CLAIMS
    with pytest.raises(errors.TokenInvalid):
        keys.verify(new)
