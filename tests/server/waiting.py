"""Waiting for what a server does by itself."""

from __future__ import annotations

from collections.abc import Callable
from time import monotonic, sleep

PATIENCE = 30.0
"""Seconds; far more than anything takes that is waited for."""


def until(condition: Callable[[], bool]) -> None:
    """Wait until something holds."""
    end = monotonic() + PATIENCE
    while not condition():
        assert monotonic() < end, "it does not happen"
        sleep(0.02)
