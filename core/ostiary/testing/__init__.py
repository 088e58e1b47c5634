"""What tests of plugins, and ours, are made with."""

from __future__ import annotations

from ostiary.testing.contract import StrategyContract
from ostiary.testing.promise import BrokenPromise, NotAsked

__all__ = ["BrokenPromise", "NotAsked", "StrategyContract"]
