"""JSON Web Signatures (RFC 7515) with HS256 (RFC 7518, 3.2), by joserfc.

Imported with the first token: a server that starts has none to sign, and is ready sooner.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any

from joserfc import jws
from joserfc.errors import JoseError
from joserfc.jwk import GuestProtocol, OctKey

ALGORITHM = "HS256"

MOST_KEYS = 16
"""Keys that are kept at hand in the form in which joserfc wants them."""


def signed(header: Mapping[str, Any], payload: bytes, key: bytes) -> str:
    """Return the compact form of a payload, signed."""
    return jws.serialize_compact({"alg": ALGORITHM, **header}, payload, _known(key), [ALGORITHM])


def opened(
    token: str, choose: Callable[[Mapping[str, Any]], bytes]
) -> tuple[Mapping[str, Any], bytes]:
    """Return the header and the payload of a token whose signature is good.

    :param choose: returns the key that a header names; what it raises is passed on.
    :raises ValueError: it is anything else.
    """

    def key(unverified: GuestProtocol) -> OctKey:
        return _known(choose(unverified.headers()))

    try:
        found = jws.deserialize_compact(token.encode("ascii"), key, [ALGORITHM])
    except (JoseError, RecursionError) as error:
        raise ValueError("no token of ours") from error
    return found.headers(), found.payload


@lru_cache(maxsize=MOST_KEYS)
def _known(key: bytes) -> OctKey:
    return OctKey.import_key(key)
