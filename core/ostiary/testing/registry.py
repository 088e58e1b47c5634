"""The actions of a server with some plugins, without the server."""

from __future__ import annotations

from functools import cache

from ostiary import __version__
from ostiary.actions import Registry
from ostiary.composition import registry_with
from ostiary.plugin_loading import load_plugins


@cache
def registry_of(*plugins: str) -> Registry:
    """Return every action of the API, and those of some installed plugins.

    :param plugins: the names of their entry points.
    """
    return registry_with(load_plugins({}, list(plugins), dev=False, version=__version__))
