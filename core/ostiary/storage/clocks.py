"""Whether the clock of this machine agrees with the database's, which all machines share."""

from __future__ import annotations

import logging
from collections.abc import Callable

from ostiary.storage.store import StorageError, Store

TOLERATED = 2_000
"""Milliseconds; two machines that are told of nothing differ by twice as much at most."""

REFUSED = 60_000

ASKED = 3
TIME = "SELECT CAST(extract(epoch FROM clock_timestamp()) * 1000 AS bigint)"

log = logging.getLogger(__name__)


async def check_clock(store: Store, clock: Callable[[], int]) -> None:
    """Compare a clock with that of a database of PostgreSQL.

    :raises StorageError: they are a minute or more apart: tokens would end too early or too late.
    """
    # The quickest answer tells most; what it took may have been all on one way.
    slack, ahead = min([await _ask(store, clock) for _ in range(ASKED)])
    apart = abs(ahead) - slack
    if apart <= TOLERATED:
        return
    direction = "ahead of" if ahead > 0 else "behind"
    told = f"the clock of this machine is {abs(ahead) / 1000:.1f} s {direction} the database's"
    if apart > REFUSED:
        raise StorageError(f"{told}: set both right, by NTP for instance")
    log.warning("%s: set both right, by NTP for instance", told)


async def _ask(store: Store, clock: Callable[[], int]) -> tuple[float, float]:
    """Return how inexact a comparison is, and how far the clock is ahead, in milliseconds."""
    before = clock()
    row = await store.fetch(TIME)
    after = clock()
    assert row is not None
    return (after - before) / 2, (before + after) / 2 - row[0]
