"""Properties of a user: all that stands beside what the server itself keeps of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

SYSTEM = ("_id", "_kuzzle_info", "profileIds")
"""Members of a user that are no properties."""


def properties_in(source: Mapping[str, Any]) -> dict[str, Any]:
    """Return the properties in a user as the API tells it."""
    return {name: value for name, value in source.items() if name not in SYSTEM}
