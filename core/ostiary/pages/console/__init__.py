"""The console: what administrators see and do, each as far as their rights go."""

from __future__ import annotations

from ostiary.pages.console import health, overview, plugins, profiles, roles, settings, user_rights

MODULES = (overview, profiles, roles, user_rights, plugins, settings, health)
"""The parts of the console, in the order of its navigation."""
