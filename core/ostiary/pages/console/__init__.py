"""The console: what administrators see and do, each as far as their rights go."""

from __future__ import annotations

from ostiary.pages.console import (
    overview,
    plugins,
    settings,
    users,
    users_access,
    users_one,
)

MODULES = (overview, users, users_one, users_access, plugins, settings)
"""The parts of the console, in the order of its navigation."""
