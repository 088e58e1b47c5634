"""What this server is: its versions, its plugins, and the machine under it."""

from __future__ import annotations

import os
import platform
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from ostiary.plugins import Plugins
from ostiary.services.health import Health

NAME = "ostiary"
KUZZLE = "2.56.0"
"""The version of Kuzzle whose API this is; clients choose their ways by it."""

NONE = {"backend": "none", "version": None}
"""A service of Kuzzle that does not exist here."""


class About:
    """Describes the server to those who may ask.

    :param strategies: returns the names of a plugin's strategies.
    :param version: of the server itself.
    :param config: every setting with its secrets hidden.
    :param settings: returns every setting with what it means and where it was given.
    """

    def __init__(
        self,
        health: Health,
        plugins: Plugins,
        strategies: Callable[[str], Iterable[str]],
        *,
        version: str,
        config: Mapping[str, Any],
        settings: Callable[[], Mapping[str, Any]],
        clock: Callable[[], int],
    ) -> None:
        self._health, self._plugins, self._version = health, plugins, version
        self._strategies = strategies
        self._config, self._clock, self.settings = config, clock, settings
        self._started_at = clock()

    def config(self) -> dict[str, Any]:
        """Return the settings, except those whose values may be secret.

        Nothing of ``security`` is shown, nor what plugins are told: which of their keys hold
        secrets, they alone know.
        """
        shown = {name: value for name, value in self._config.items() if name != "security"}
        return {**shown, "plugins": {"allow": self._config["plugins"]["allow"]}}

    def limits(self) -> Mapping[str, Any]:
        """Return the settings that bound what clients may do."""
        limits: Mapping[str, Any] = self._config["limits"]
        return limits

    def plugins(self) -> dict[str, dict[str, Any]]:
        """Return the plugins by name, with their strategies and controllers."""
        return {
            plugin.name: {
                "version": plugin.version,
                "strategies": list(self._strategies(plugin.name)),
                "controllers": [controller.name for controller in plugin.controllers],
            }
            for plugin in self._plugins.loaded
        }

    def process(self) -> dict[str, Any]:
        """Return what runs, since when, and on what."""
        return {
            "version": KUZZLE,
            "application": {"name": NAME, "version": self._version},
            "nodeVersion": f"Python {platform.python_version()}",
            "uptime": f"{(self._clock() - self._started_at) / 1000}s",
            "memoryUsed": _memory_used(),
            "plugins": self.plugins(),
            "pluginsNotLoaded": dict(self._plugins.refused),
            "failsafe": self._config["failsafe"],
            "system": {
                "cpus": [{"model": platform.machine()}] * (os.cpu_count() or 1),
                "memory": {"free": _pages("SC_AVPHYS_PAGES"), "total": _pages("SC_PHYS_PAGES")},
            },
        }

    async def services(self) -> dict[str, dict[str, Any]]:
        """Return what stands behind each service that clients of Kuzzle know."""
        storage = {"backend": self._health.database, "version": await self._health.version()}
        memory = {"backend": "memory", "version": self._version}
        return {
            "internalCache": memory,
            "internalStorage": storage,
            "memoryStorage": NONE,
            "publicStorage": NONE,
        }

    @property
    def version(self) -> str:
        """The version of the API."""
        return KUZZLE


def _pages(name: str) -> int | None:
    """Return a size of the machine's memory in bytes, or None where the system does not tell."""
    try:
        return os.sysconf(name) * os.sysconf("SC_PAGE_SIZE")
    except (ValueError, OSError):
        return None


def _memory_used() -> int | None:
    """Return the bytes of memory that this process holds, or None where only Linux tells."""
    try:
        resident = Path("/proc/self/statm").read_text(encoding="ascii").split()[1]
    except OSError:
        return None
    return int(resident) * os.sysconf("SC_PAGE_SIZE")
