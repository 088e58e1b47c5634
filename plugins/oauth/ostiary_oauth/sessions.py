"""By what the sessions go that a login at a provider has opened."""

from __future__ import annotations

from hashlib import sha256


def session_name(strategy: str, sid: str) -> str:
    """Return by what the core knows the session that a provider calls ``sid``.

    The provider's own word for it is neither kept nor bounded by what the core keeps.
    """
    return f"{strategy}:{sha256(sid.encode(errors='surrogatepass')).hexdigest()}"
