"""The keys by which this server proves which client it is, and what each of them signs by.

Imports joserfc: import it where it is used.
"""

from __future__ import annotations

from functools import lru_cache

from joserfc.errors import JoseError, SecurityWarning
from joserfc.jwk import ECKey, OKPKey, RSAKey

CURVES = {"P-256": "ES256", "P-384": "ES384", "P-521": "ES512", "Ed25519": "EdDSA"}

SigningKey = RSAKey | ECKey | OKPKey


@lru_cache(maxsize=64)
def signing_key(pem: str) -> SigningKey:
    """Return the private key that a PEM text holds: RSA, EC or Ed25519.

    Reading one checks it, which takes milliseconds: it is done once.

    :raises ValueError: it holds none of these, or a weak one.
    """
    for kind in (RSAKey, ECKey, OKPKey):
        try:
            key = kind.import_key(pem)
        except (JoseError, ValueError, TypeError, SecurityWarning):
            # The last one, of a weak key, is raised only where warnings are errors.
            continue
        if key.is_private and algorithm_of(key) is not None:
            return key
    raise ValueError("wanted: a private key in PEM, RSA of 2048 bits or more, EC or Ed25519")


def algorithm_of(key: SigningKey) -> str | None:
    """Return what a key signs by; None if by nothing that providers know."""
    if isinstance(key, RSAKey):
        return "RS256" if key.raw_value.key_size >= 2048 else None  # noqa: PLR2004 - RFC 7518, 3.3
    return CURVES.get(key.curve_name)
