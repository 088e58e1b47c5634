"""The console: what administrators see and do, each as far as their rights go."""

from __future__ import annotations

from ostiary.pages.console import (
    audit_log,
    health,
    limits,
    overview,
    plugins,
    profiles,
    roles,
    settings,
    tokens,
    users,
)

MODULES = (
    overview,
    *users.MODULES,
    profiles,
    roles,
    audit_log,
    tokens,
    limits,
    plugins,
    settings,
    health,
)
"""The parts of the console, in the order of its navigation."""
