"""The keys that a provider signs with: those of its set that may sign, and no other.

RFC 7517, RFC 8725. A set is what the provider claims: secret keys (``oct``) in it would let anybody
sign who reads it (algorithm confusion), and large ones would cost us more than them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ostiary_oauth.provider import ASYMMETRIC
from ostiary_oauth.web.endpoints import UnfitError

if TYPE_CHECKING:
    from joserfc.jwk import KeySet

MOST_KEYS = 64
"""Keys of a set that are looked at."""

LONGEST_ID = 256
"""Characters of a ``kid``."""

MEMBERS = {
    "RSA": ("n", "e"),
    "EC": ("crv", "x", "y"),
    "OKP": ("crv", "x"),
}
"""What is taken of a key, besides ``kid``, ``alg`` and ``use``: the public part."""

CURVES = ("P-256", "P-384", "P-521", "Ed25519")
"""Those that sign (RFC 7518, 6.2.1; RFC 8037)."""

MODULUS = range(342, 1367)
"""Characters of a modulus, in base64url: 2048 bits (RFC 7518, 3.3) to 8192."""

EXPONENT = range(1, 7)
"""Characters of a public exponent: up to 36 bits."""

LONGEST = 1366
"""Characters of any member of a key."""


def signing_keys(document: Any) -> KeySet:
    """Return the keys of a JWK set that may sign.

    :raises UnfitError: there is none.
    """
    from joserfc.jwk import KeySet

    listed = document.get("keys") if isinstance(document, dict) else None
    if not isinstance(listed, list):
        raise UnfitError("no set of keys")
    found = [key for key in map(_key, listed[:MOST_KEYS]) if key is not None]
    if not found:
        raise UnfitError("a set without a key that may sign")
    return KeySet(found)


def _key(jwk: Any) -> Any:
    """Return a public key that may sign, or None."""
    from joserfc.errors import JoseError
    from joserfc.jwk import JWKRegistry

    if not isinstance(jwk, dict) or not _may_sign(jwk):
        return None
    public = _public_part(jwk)
    if public is None:
        return None
    try:
        return JWKRegistry.import_key(public)
    except (JoseError, ValueError, TypeError):
        # One key that nobody can read does not make the others useless (RFC 7517, 5).
        return None


def _may_sign(jwk: dict[str, Any]) -> bool:
    """Tell whether a key is meant to sign, as far as it says what it is meant for."""
    operations = jwk.get("key_ops", ["verify"])
    return (
        jwk.get("use", "sig") == "sig"
        and isinstance(operations, list)
        and "verify" in operations
        and jwk.get("alg", "RS256") in ASYMMETRIC
    )


def _public_part(jwk: dict[str, Any]) -> dict[str, str | list[str]] | None:
    """Return the members of a key that count, or None if it is none of a kind that we use."""
    kind = jwk.get("kty")
    names = MEMBERS.get(kind) if isinstance(kind, str) else None
    if names is None or ("crv" in names and jwk.get("crv") not in CURVES):
        return None
    kept = {name: jwk[name] for name in ("kty", *names, "kid", "alg", "use") if name in jwk}
    if not all(isinstance(text, str) and 0 < len(text) <= LONGEST for text in kept.values()):
        return None
    sizes = {name: len(text) for name, text in kept.items()}
    if sizes.get("kid", 0) > LONGEST_ID:
        return None
    if kind == "RSA" and (sizes.get("n") not in MODULUS or sizes.get("e") not in EXPONENT):
        return None
    return kept
