"""What this process is doing at the moment, counted by those who do it, when somebody asks."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

What = Literal["requests", "waiting", "http", "websocket", "rooms", "subscriptions"]
Count = Callable[[], int]


class Metrics:
    """Asks the parts of the server for their counts; what no part counts is not there: 0."""

    def __init__(self) -> None:
        self._counts: dict[What, Count] = {}

    def measure(self, what: What, count: Count) -> None:
        """Ask a function for a count from now on."""
        self._counts[what] = count

    def read(self) -> dict[str, Any]:
        """Return every count, as clients of Kuzzle read them."""
        return {
            "api": {
                "concurrentRequests": self._count("requests"),
                "pendingRequests": self._count("waiting"),
            },
            "network": {
                "connections": {
                    "http": self._count("http"),
                    "websocket": self._count("websocket"),
                }
            },
            "realtime": {
                "rooms": self._count("rooms"),
                "subscriptions": self._count("subscriptions"),
            },
        }

    def _count(self, what: What) -> int:
        count = self._counts.get(what)
        return 0 if count is None else count()
