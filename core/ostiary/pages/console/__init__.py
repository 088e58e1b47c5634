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
    user_rights,
    users,
    users_access,
    users_one,
)

MODULES = (
    overview,
    users,
    users_one,
    users_access,
    profiles,
    roles,
    user_rights,
    audit_log,
    tokens,
    limits,
    plugins,
    settings,
    health,
)
"""The parts of the console, in the order of its navigation."""
