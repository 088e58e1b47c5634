"""How often one network address may ask for mail; counted in each process."""

from __future__ import annotations

from collections import Counter

from ostiary import network

HOUR = 3_600_000
MOST = 50_000
"""Networks that are counted; with more of them, the count begins again."""


class Allowance:
    """Counts what networks ask for, in frames of an hour."""

    def __init__(self) -> None:
        self._hour, self._counts = 0, Counter[str]()

    def take(self, address: str, most: int, instant: int) -> int | None:
        """Count a request; return after how many seconds there may be another, if it is too many.

        :param most: requests in an hour.
        :param instant: now, in ms.
        """
        hour = instant // HOUR
        if hour != self._hour or len(self._counts) >= MOST:
            self._hour, self._counts = hour, Counter()
        subject = network(address)
        if self._counts[subject] >= most:
            return -(-((hour + 1) * HOUR - instant) // 1000)
        self._counts[subject] += 1
        return None


ALLOWANCE, FLOODS = Allowance(), Allowance()
"""Those of this process: of requests, and of lines in the log."""
