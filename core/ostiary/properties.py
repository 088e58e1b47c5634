"""Properties of a user: all that stands beside what the server itself keeps of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

SYSTEM_MEMBERS = ("_id", "_kuzzle_info", "profileIds")
"""Members of a user that are not properties: nobody sets them by sending them along."""


def properties_of(content: Mapping[str, Any]) -> dict[str, Any]:
    """Return the members of a user that are properties."""
    return {name: value for name, value in content.items() if name not in SYSTEM_MEMBERS}
