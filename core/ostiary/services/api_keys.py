"""API keys: tokens that a program holds, named and listed, without a session."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

API_KEYS = "api-keys"
"""What the collection of API keys is called in searches."""


@dataclass(frozen=True, slots=True)
class ApiKey:
    """An API key as stored; the key itself is not, only its SHA-256.

    :param ttl: the lifetime that was asked for, in ms; -1 is without end.
    :param expires_at: ms since the epoch; None is never.
    """

    id: str
    kuid: str
    description: str
    ttl: int
    expires_at: int | None
    fingerprint: bytes

    def to_json(self) -> dict[str, Any]:
        """Return the key as clients see it (contract, 5.6)."""
        source = {
            "userId": self.kuid,
            "description": self.description,
            "expiresAt": -1 if self.expires_at is None else self.expires_at,
            "ttl": self.ttl,
            "fingerprint": self.fingerprint.hex(),
        }
        return {"_id": self.id, "_source": source}
