"""What a plugin may declare, checked alike when the server starts and while it runs."""

from __future__ import annotations

import re

from ostiary.strategies import Strategy

STRATEGY_NAME = re.compile(r"[a-z][a-z0-9_-]{0,62}")


def fault_of(strategy: object) -> str | None:
    """Return why something cannot be a strategy, or None if it can."""
    if not isinstance(strategy, Strategy):
        return f"{strategy!r} is no Strategy"
    if not STRATEGY_NAME.fullmatch(str(strategy.name)):
        return f"{strategy.name!r} cannot name a strategy"
    return None


def name_of(strategy: object) -> str:
    """Return what to call something that should be a strategy."""
    return str(getattr(strategy, "name", type(strategy).__name__))[:63]
