"""The console: what administrators see and do, each as far as their rights go."""

from __future__ import annotations

from ostiary.pages.console import (
    audit_log,
    limits,
    overview,
    plugins,
    settings,
    tokens,
)

MODULES = (overview, plugins, tokens, limits, audit_log, settings)
"""The parts of the console, in the order of its navigation."""
