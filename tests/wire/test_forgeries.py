"""Tokens that this server did not issue: each is refused, however well it is made."""

from __future__ import annotations

import asyncio
import base64
import hmac
import json
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from ostiary.startup import opened
from ostiary.testing.wire import Api

FAR = 4_000_000_000
GUESSES = [b"", b"\0" * 32, b"secret", b"changeme", b"kuzzle", b"ostiary", b"HS256"]
HEADERS: dict[str, Mapping[str, Any]] = {
    "kid unknown": {"kid": "0123456789abcdef"},
    "kid a path": {"kid": "../../../../dev/null"},
    "kid SQL": {"kid": "x' UNION SELECT 'aa'; --"},
    "kid null": {"kid": None},
    "kid a list": {"kid": ["a"]},
    "kid an object": {"kid": {}},
    "jku": {"jku": "http://127.0.0.1:9/keys"},
    "x5u": {"x5u": "http://127.0.0.1:9/cert"},
    "x5c": {"x5c": ["AAAA"]},
    "crit": {"crit": ["bork"], "bork": True},
    "crit empty": {"crit": []},
    "b64": {"crit": ["b64"], "b64": False},
    "zip": {"zip": "DEF"},
    "cty": {"cty": "JWT"},
    "p2c": {"p2s": "AAAA", "p2c": 10**9},
}
ALGORITHMS = [
    "none",
    "None",
    "NONE",
    "nOnE",
    "",
    "HS1",
    "hs256",
    "RS256",
    "ES256",
    "PBES2-HS256+A128KW",
]


class Forger:
    """Somebody who knows the key of the server, which is more than a stranger may."""

    def __init__(self, token: str, keys: Any) -> None:
        self.token = token
        self.prefix, self.jwt = token[:6], token[6:]
        self.head, self.body, self.signature = self.jwt.split(".")
        self.header: dict[str, Any] = json.loads(unpacked(self.head))
        self.claims: dict[str, Any] = json.loads(unpacked(self.body))
        self.key: bytes = keys._keys[self.header["kid"]]

    def signed(
        self,
        *,
        key: bytes | None = None,
        algorithm: str = "HS256",
        header: Mapping[str, Any] | None = None,
        claims: Mapping[str, Any] | None = None,
    ) -> str:
        """Return the real token, with something else in a part of it, signed."""
        head = {**self.header, "alg": algorithm, **(header or {})}
        body = self.body if claims is None else packed(compact({**self.claims, **claims}))
        content = f"{packed(compact(head))}.{body}"
        secret = self.key if key is None else key
        digest = f"sha{algorithm.removeprefix('HS')}"
        return f"{content}.{packed(hmac.digest(secret, content.encode(), digest))}"

    def without(self, name: str) -> str:
        """Return the real token without one of its headers, signed."""
        kept = {key: value for key, value in self.header.items() if key != name}
        content = f"{packed(compact(kept))}.{self.body}"
        return f"{content}.{packed(hmac.digest(self.key, content.encode(), 'sha256'))}"


def compact(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"))


def packed(content: str | bytes) -> str:
    raw = content if isinstance(content, bytes) else content.encode()
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def unpacked(part: str) -> bytes:
    return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))


@pytest.fixture(scope="module")
def forger(closed: Any) -> Forger:
    person = closed.person("member")

    async def keys() -> Any:
        async with opened(closed.settings) as core:
            await core.signing_keys.load()
            return core.signing_keys

    return Forger(person.jwt, asyncio.run(keys()))


def refused(api: Api, forger: Forger, tokens: Iterator[str]) -> None:
    for token in tokens:
        if api.protocol == "websocket" or token.isprintable():
            outcome = api.call("auth:getCurrentUser", jwt=token)
            assert outcome.status == 401, token[:200]
            assert outcome.error_id == "security.token.invalid"
        checked = api.call("auth:checkToken", {"token": token}).result
        assert checked["valid"] is False, token[:200]
    assert api.call("auth:getCurrentUser", jwt=forger.token).status == 200


def test_the_forger_has_the_real_key(forger: Forger) -> None:
    """What follows is refused for what it is, not for a key that does not fit."""
    assert forger.signed() == forger.jwt


def test_no_algorithm_but_ours(api: Api, forger: Forger) -> None:
    """TOK-01, TOK-02: none in all spellings, other families, other sizes (RFC 8725, 3.1)."""

    def tokens() -> Iterator[str]:
        for name in ALGORITHMS:
            head = packed(json.dumps({**forger.header, "alg": name}))
            for signature in ("", forger.signature):
                yield f"{forger.prefix}{head}.{forger.body}.{signature}"
            yield f"{forger.prefix}{head}.{forger.body}"
        for name in ("HS384", "HS512"):
            yield forger.prefix + forger.signed(algorithm=name)

    refused(api, forger, tokens())


def test_no_key_but_ours(api: Api, forger: Forger) -> None:
    """TOK-02: no key that can be guessed."""
    guesses = [*GUESSES, forger.header["kid"].encode(), bytes.fromhex(forger.header["kid"])]

    def tokens() -> Iterator[str]:
        for guess in guesses:
            yield forger.prefix + forger.signed(key=guess)

    refused(api, forger, tokens())


def test_no_header_brings_a_key_or_a_process(api: Api, forger: Forger) -> None:
    """TOK-03, TOK-06, TOK-07: jwk and its kin select nothing, unknown headers are refused."""
    own = {"kty": "oct", "k": packed(forger.key), "kid": "mine"}

    def tokens() -> Iterator[str]:
        for header in (*HEADERS.values(), {"jwk": own}, {"jwk": own, "kid": "mine"}):
            yield forger.prefix + forger.signed(header=header)
        yield from (forger.prefix + forger.without(name) for name in ("alg", "kid", "typ"))

    refused(api, forger, tokens())


def test_a_good_signature_is_not_enough(api: Api, forger: Forger) -> None:
    """TOK-06: what is not in the store was never issued."""
    claims: list[dict[str, Any]] = [
        {"_id": "root"},
        {"exp": FAR},
        {"jti": "0" * 32},
        {"iat": 1},
        {"_id": ["root"]},
        {},
    ]
    tokens = (forger.prefix + forger.signed(claims={**claim, "extra": 1}) for claim in claims)
    refused(api, forger, tokens)


def test_a_token_is_accepted_as_it_was_issued_or_not_at_all(api: Api, forger: Forger) -> None:
    """TOK-04, TOK-05: tampered, truncated, padded, respelled."""
    token = forger.token

    def tokens() -> Iterator[str]:
        for at in range(6, len(token), 7):
            other = "A" if token[at] != "A" else "B"
            yield token[:at] + other + token[at + 1 :]
        for at in (5, 6, 20, token.index("."), token.rindex("."), len(token) - 1):
            yield token[:at]
        alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
        last = alphabet.index(token[-1])
        yield from (token[:-1] + alphabet[last ^ bit] for bit in (1, 2, 3))
        yield from (token + tail for tail in ("=", "==", ".", "A", "\n", ".AAAA", "%3D"))
        yield from (token.upper(), token.lower(), token * 2, forger.prefix + token, "é" + token)
        yield token.replace(".", "..", 1)

    refused(api, forger, tokens())


def test_parts_of_two_tokens_make_none(api: Api, forger: Forger, member: Any) -> None:
    """TOK-04: spliced."""
    head, body, signature = member.jwt[6:].split(".")
    mixed = [
        (forger.head, body, forger.signature),
        (head, forger.body, signature),
        (forger.head, forger.body, signature),
    ]
    refused(api, forger, (forger.prefix + ".".join(parts) for parts in mixed))


def test_a_token_of_one_kind_is_none_of_another(api: Api, forger: Forger) -> None:
    """TOK-24: the prefix is part of the token."""
    prefixes = ["", "kapikey-", "KAUTH-", "kauth", "kauth_", "Bearer kauth-", "kauth-kauth-"]
    refused(api, forger, (prefix + forger.jwt for prefix in prefixes))


def test_other_serialisations_are_not_read(api: Api, forger: Forger) -> None:
    """TOK-07: neither JSON nor encrypted."""
    whole = {"protected": forger.head, "payload": forger.body, "signature": forger.signature}
    jwe = packed(json.dumps({"alg": "dir", "enc": "A128GCM"}))
    tokens = [
        json.dumps(whole),
        json.dumps({"payload": forger.body, "signatures": [whole]}),
        f"{jwe}..AAAA.AAAA.AAAA",
        f"{forger.head}..{forger.signature}",
    ]
    refused(api, forger, (forger.prefix + token for token in tokens))


def test_a_huge_token_is_refused_before_it_is_decoded(api: Api, forger: Forger) -> None:
    """TOK-08: nothing longer than 4 KiB is looked at."""
    sizes = [4097, 20_000, 60_000]
    tokens = [forger.token + "A" * size for size in sizes]
    tokens += [f"{forger.prefix}{'.' * size}" for size in sizes]
    tokens += [forger.prefix + packed('{"a":' + "[" * 15_000)]
    refused(api, forger, iter(tokens))
